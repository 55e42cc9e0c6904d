/* The policy `no`: one worker runs everything, in order. */
#include "sched/policy.h"
#include "sched/queues.h"

static void no_pick(struct ff_queues *queues, uint32_t worker)
{
	while (ff_queues_give_next(queues, worker))
		;
}

const struct ff_policy ff_policy_no = {
	.name = "no",
	.help = "one worker runs all tests, in order",
	.pick = no_pick,
	.in_order = true,
	.most = 1,
};
