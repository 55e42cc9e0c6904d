/* The policy `auto`. A worker gets parcels of a file's neighbours (parcels.h), the longest first,
 * so that what comes last is short; it stays with a file as long as enough is left to make up for
 * it. It is given more when what it has is expected to be over soon, not by the number of tests.
 * Near the end who has nothing takes from others, as with `load`. */
#include "sched/policy.h"
#include "sched/queues.h"

/* What a worker should have behind the running unit, so that it need not wait for the way to and
 * fro; but near the end nobody is to have what another could begin at once. */
#define AHEAD_US INT64_C(20000)

static bool has_enough(const struct ff_queues *queues, uint32_t worker)
{
	struct ff_queue_info info = ff_queues_info(queues, worker);
	int64_t enough = ff_queues_left_us(queues) / ff_queues_workers(queues) / 4;

	if (info.queued == 0 || (info.hungry && info.queued == 1))
		return false;
	if (info.running_us >= FF_POLICY_LONG_US ||
	    (info.queued >= 2 && info.last_us >= FF_POLICY_LONG_US))
		return true;
	return info.ahead_us >= (enough < AHEAD_US ? enough : AHEAD_US);
}

static void auto_pick(struct ff_queues *queues, uint32_t worker)
{
	while (!has_enough(queues, worker) && ff_queues_give_parcel(queues, worker))
		;
}

const struct ff_policy ff_policy_auto = {
	.name = "auto",
	.help = "the longest first, by what earlier runs took; files stay together where that "
		"costs "
		"nothing",
	.pick = auto_pick,
	.parcels = true,
};
