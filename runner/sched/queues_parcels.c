/* Giving parcels out. */
#include "sched/queues_private.h"

#define NOWHERE UINT32_MAX

static int64_t parcel_us(const struct ff_queues *queues, uint32_t first)
{
	const struct ff_parcels *parcels = &queues->parcels;
	int64_t us = 0;

	for (uint32_t rank = first; rank < parcels->end[first];
	     rank = ff_pending_next(&queues->pending, rank + 1))
		us += parcels->us[queues->unit_at[rank]];
	return us;
}

/* What waits of the file that the worker is at: the first rank of it. */
static uint32_t goes_on_at(struct ff_queues *queues, struct ff_queues_worker *worker)
{
	while (worker->more != NOWHERE) {
		uint32_t rank = ff_pending_next(&queues->pending, worker->more);

		/* UINT32_MAX is none, and behind every end. */
		if (rank < queues->parcels.end[worker->more])
			return rank;
		worker->more = queues->parcels.more[worker->more];
	}
	return NOWHERE;
}

/* As long as each worker has four times as much to do, the longest can wait. */
static bool costs_nothing(const struct ff_queues *queues, uint32_t longest)
{
	int64_t share = queues->parcels.left_us / ff_queues_workers(queues);

	return parcel_us(queues, longest) <= share / 4;
}

/* The first rank of the longest file that nobody has been at. */
static uint32_t fresh_file(struct ff_queues *queues)
{
	struct ff_parcels *parcels = &queues->parcels;

	while (parcels->untouched.len > 0) {
		uint32_t file = ff_pending_first(&parcels->untouched);
		uint32_t first = parcels->first[file];
		uint32_t rank = ff_pending_next(&queues->pending, first);

		if (rank < parcels->end[first])
			return rank;
		ff_pending_del(&parcels->untouched, file); /* it was done before */
	}
	return NOWHERE;
}

bool ff_queues_give_parcel(struct ff_queues *queues, uint32_t number)
{
	struct ff_queues_worker *worker = &queues->workers[number];
	uint32_t first, other;

	if (ff_queues_open(queues) == 0)
		return false;
	first = ff_queues_first_for(queues, worker);
	if (first == NOWHERE)
		return false;
	if (costs_nothing(queues, first)) {
		other = goes_on_at(queues, worker);
		if (other == NOWHERE)
			other = fresh_file(queues);
		if (other != NOWHERE &&
		    !ff_queues_shuns(queues, worker, ff_queues_unit_at(queues, other)))
			first = other;
	}
	worker->more = queues->parcels.more[first];
	ff_pending_del(&queues->parcels.untouched, queues->parcels.file[first]);
	ff_queues_give_ranks(queues, number, first, queues->parcels.end[first]);
	return true;
}

int64_t ff_queues_all_us(const struct ff_queues *queues)
{
	return queues->parcels.all_us;
}

int64_t ff_queues_left_us(const struct ff_queues *queues)
{
	return queues->parcels.left_us + queues->bound.left_us;
}
