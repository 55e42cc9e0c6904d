/* The policy `each`: every worker runs everything. What one worker is to run is a seat; whoever
 * takes it up on the seat's host runs what is left of it. */
#include "sched/policy.h"
#include "sched/queues.h"

static void each_pick(struct ff_queues *queues, uint32_t worker)
{
	ff_queues_give_seat(queues, worker);
}

const struct ff_policy ff_policy_each = {
	.name = "each",
	.help = "every worker runs every test",
	.pick = each_pick,
	.seats = true,
	.in_order = true,
};
