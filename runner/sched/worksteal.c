/* The policy `worksteal`: each worker gets an even share of consecutive units at once. Who has
 * nothing behind what it runs gets half of what the one with the most can do without, from its tail
 * (ff_queues_recall), so neighbours stay together as long as possible. */
#include "sched/policy.h"
#include "sched/queues.h"

static void worksteal_pick(struct ff_queues *queues, uint32_t worker)
{
	struct ff_queue_info info = ff_queues_info(queues, worker);
	uint32_t workers = ff_queues_workers(queues), want;

	if (info.fresh)
		want = (ff_queues_units(queues) - 1) / workers + 1;
	else if (info.queued == 0 || info.hungry)
		/* The share of one who has not come, or what came back: as if it were another's. */
		want = (ff_queues_open(queues) + 1) / 2;
	else
		return;
	while (want-- > 0 && ff_queues_give_next(queues, worker))
		;
}

const struct ff_policy ff_policy_worksteal = {
	.name = "worksteal",
	.help = "each worker gets an even share of neighbours, and takes from others when it is "
		"done",
	.pick = worksteal_pick,
	.in_order = true,
};
