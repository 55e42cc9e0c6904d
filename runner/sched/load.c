/* The policy `load`. A worker first gets a chunk of consecutive units, later ever smaller ones, so
 * that all come to an end together. The numbers are pytest-xdist's (scheduler/load.py) as long as
 * there is much to do. Near the end it would leave two tests behind each worker; here a worker that
 * runs its last unit gets the next one when it asks for it, and so the fastest gets it. */
#include "sched/policy.h"
#include "sched/queues.h"

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* How many units the worker is to get now, if there are as many. */
static uint32_t portion(const struct ff_queues *queues, uint32_t worker)
{
	struct ff_queue_info info = ff_queues_info(queues, worker);
	uint32_t workers = ff_queues_workers(queues);
	uint32_t pending = ff_queues_open(queues), units = ff_queues_units(queues);
	uint32_t low = pending < 2 * (uint64_t)workers ? 1 : 2;
	uint32_t least = larger(low, pending / workers / 4);
	uint32_t most = larger(low, pending / workers / 2);

	/* A replacement late in the run must not take all that is left. */
	if (info.fresh && units >= 2 * (uint64_t)workers)
		return smaller(most, larger(2, units / workers / 4));
	if (info.hungry && info.queued == 1)
		return larger(most, 2) - info.queued;
	if (info.queued >= least || (info.last_us >= FF_POLICY_LONG_US && info.queued >= 2))
		return 0;
	return most - info.queued;
}

static void load_pick(struct ff_queues *queues, uint32_t worker)
{
	uint32_t want = smaller(portion(queues, worker), ff_queues_chunk(queues));

	while (want-- > 0 && ff_queues_give_next(queues, worker))
		;
}

const struct ff_policy ff_policy_load = {
	.name = "load",
	.help = "each worker gets some tests, and more when it has few left",
	.pick = load_pick,
};
