/* Units that failed and are to run again: rather elsewhere, as the worker, or its host, may be to
 * blame. They wait among the others. Whoever should not have one passes it over while he has
 * anything else to do and another one is there, so nobody waits for that. */
#include "base/alloc.h"
#include "sched/queues_private.h"

enum { LOOKS_MAX = 16 }; /* at so many of them in a row, one by one */

/* Where it failed, in a pointer: a host and a worker, each from 1. */
static void *packed(uint32_t worker, uint32_t host)
{
	return (void *)(uintptr_t)((uint64_t)(host + 1) << 32 | (worker + 1));
}

static bool failed_at(const struct ff_queues *queues, uint32_t unit, uint32_t *worker,
		      uint32_t *host)
{
	uint64_t at = (uintptr_t)ff_map_get_u32(&queues->shunned, unit);

	_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "both are in one pointer");
	*worker = (uint32_t)at - 1;
	*host = (uint32_t)(at >> 32) - 1;
	return at != 0;
}

bool ff_queues_has_mate(const struct ff_queues *queues, const struct ff_queues_worker *worker,
			uint32_t unit)
{
	const uint32_t *of = queues->scopes.of ? queues->scopes.of : queues->parts.of;

	for (uint32_t i = worker->head; i < worker->tail; i++)
		if (of[worker->queue[i]] == of[unit])
			return true;
	for (uint32_t i = 0; i < worker->back_len; i++)
		if (of[worker->back[i]] == of[unit])
			return true;
	return false;
}

void ff_queues_retry(struct ff_queues *queues, uint32_t unit, uint32_t number, uint32_t host)
{
	const struct ff_queues_worker *worker = ff_queues_worker(queues, number);
	uint32_t *owner;

	/* It must be there, or somebody else says where. */
	if (unit >= queues->units || queues->scopes.host || queues->policy->driven ||
	    queues->parts.whole || ff_bound_has(&queues->bound, unit) ||
	    (number == UINT32_MAX && host == UINT32_MAX)) {
		ff_queues_again(queues, unit);
		return;
	}
	if (queues->scopes.of) {
		owner = &queues->scopes.owner[queues->scopes.of[unit]];
		if (worker && *owner == number && worker->up &&
		    !ff_queues_has_mate(queues, worker, unit))
			*owner = UINT32_MAX;
	}
	if (ff_map_set_u32(&queues->shunned, unit, packed(number, host)) != 0)
		ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	ff_queues_again(queues, unit);
}

void ff_queues_shuns_no_more(struct ff_queues *queues, uint32_t unit)
{
	if (queues->shunned.len > 0)
		ff_map_del_u32(&queues->shunned, unit);
}

uint32_t ff_queues_shunned_host(const struct ff_queues *queues)
{
	uint32_t worker, host;

	if (queues->shunned.len == 0 || queues->stopped || queues->pending.len == 0)
		return UINT32_MAX;
	failed_at(queues, ff_queues_unit_at(queues, ff_pending_first(&queues->pending)), &worker,
		  &host);
	return host;
}

/* Another one, and if it is to be on another host, there, that may be given something. */
static bool other_there(const struct ff_queues *queues, const struct ff_queues_worker *but,
			bool elsewhere)
{
	for (uint32_t i = 0; i < queues->workers_len; i++) {
		const struct ff_queues_worker *worker = &queues->workers[i];

		if (worker != but && worker->up && !worker->ended && !worker->alone &&
		    !worker->surplus && !(elsewhere && worker->host == but->host))
			return true;
	}
	return false;
}

bool ff_queues_shuns(const struct ff_queues *queues, const struct ff_queues_worker *worker,
		     uint32_t unit)
{
	uint32_t number, host;

	if (queues->shunned.len == 0 || !failed_at(queues, unit, &number, &host))
		return false;
	if (number != UINT32_MAX && worker == ff_queues_worker(queues, number))
		return other_there(queues, worker, false);
	return host != UINT32_MAX && worker->host == host && other_there(queues, worker, true);
}

/* What waits behind it, and behind its scope, which is given as a whole. */
static uint32_t next_rank(const struct ff_queues *queues, uint32_t rank)
{
	if (queues->scopes.of)
		rank = queues->scopes.end[queues->scopes.of[ff_queues_unit_at(queues, rank)]] - 1;
	return ff_pending_next(&queues->pending, rank + 1);
}

uint32_t ff_queues_first_for(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	uint32_t rank, looks = 0;

	if (queues->pending.len == 0)
		return UINT32_MAX;
	rank = ff_pending_first(&queues->pending);
	while (rank != UINT32_MAX && looks++ < LOOKS_MAX) {
		if (!ff_queues_shuns(queues, worker, ff_queues_unit_at(queues, rank)))
			return rank;
		rank = next_rank(queues, rank);
	}
	if (rank != UINT32_MAX)
		return rank;
	/* There is nothing else: it can wait as long as there is something to do here. */
	if (queues->parts.waiting.len > 0 || ff_queues_queued(worker) > 1 ||
	    (ff_queues_queued(worker) == 1 && !worker->hungry))
		return UINT32_MAX;
	return ff_pending_first(&queues->pending);
}
