/* What waits and what is given out. A worker's queue keeps the running unit in front. */
#include "sched/queues.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/queues_private.h"

static void waits_no_more(struct ff_queues *queues, uint32_t rank)
{
	if (!ff_pending_has(&queues->pending, rank))
		return;
	ff_pending_del(&queues->pending, rank);
	queues->parcels.left_us -= ff_queues_expected(queues, ff_queues_unit_at(queues, rank));
}

/* --- life --- */

struct ff_queues *ff_queues_new(const struct ff_queues_opts *opts)
{
	struct ff_queues *queues = ff_xcalloc(1, sizeof(*queues));

	queues->policy = opts->policy ? opts->policy : &ff_policy_load;
	queues->names = opts->names;
	queues->units = opts->units;
	queues->most = opts->most;
	if (queues->policy->most && (!queues->most || queues->most > queues->policy->most))
		queues->most = queues->policy->most;
	queues->expected = opts->workers;
	if (queues->most && queues->expected > queues->most)
		queues->expected = queues->most;
	queues->chunk = opts->chunk;
	ff_pending_init(&queues->pending, opts->units, true);
	ff_tournament_init(&queues->spare, opts->workers);
	ff_scopes_init(&queues->scopes, opts);
	if (queues->policy->parcels)
		ff_parcels_init(&queues->parcels, opts, &queues->unit_at, &queues->rank_of);
	else
		ff_scopes_order(&queues->scopes, opts, &queues->unit_at, &queues->rank_of);
	ff_queues_parts_init(queues, opts);
	for (uint32_t i = 0; opts->done_before && i < opts->units; i++)
		if (opts->done_before[i / 64] >> i % 64 & 1)
			waits_no_more(queues, ff_queues_rank(queues, i));
	ff_bound_init(queues, opts);
	for (uint32_t i = 0; i < queues->bound.of_len && i < opts->units; i++)
		if (ff_bound_has(&queues->bound, i))
			waits_no_more(queues, ff_queues_rank(queues, i));
	if (opts->expected_us)
		queues->parcels.all_us = ff_queues_left_us(queues);
	return queues;
}

void ff_queues_free(struct ff_queues *queues)
{
	if (!queues)
		return;
	for (uint32_t i = 0; i < queues->workers_len; i++) {
		ff_free(queues->workers[i].queue);
		ff_free(queues->workers[i].back);
		ff_free(queues->workers[i].blocks);
	}
	ff_free(queues->workers);
	ff_free(queues->alone);
	ff_map_release(&queues->shunned);
	ff_pending_release(&queues->excluded);
	ff_pending_release(&queues->dropped);
	ff_free(queues->batch);
	ff_free(queues->unit_at);
	ff_free(queues->rank_of);
	ff_scopes_release(&queues->scopes);
	ff_queues_parts_release(queues);
	ff_parcels_release(&queues->parcels);
	ff_bound_release(&queues->bound);
	ff_pending_release(&queues->pending);
	ff_tournament_release(&queues->spare);
	ff_free(queues);
}

/* --- what waits --- */

uint32_t ff_queues_waiting(const struct ff_queues *queues)
{
	return queues->stopped ? 0 : ff_queues_open(queues) + queues->bound.waiting;
}

uint32_t ff_queues_open(const struct ff_queues *queues)
{
	return queues->stopped ? 0 : queues->pending.len + queues->parts.waiting.len;
}

uint32_t ff_queues_take(struct ff_queues *queues)
{
	uint32_t rank;

	if (queues->stopped || queues->pending.len == 0)
		return UINT32_MAX;
	rank = ff_pending_first(&queues->pending);
	waits_no_more(queues, rank);
	ff_queues_shuns_no_more(queues, ff_queues_unit_at(queues, rank));
	return ff_queues_unit_at(queues, rank);
}

void ff_queues_more(struct ff_queues *queues, uint32_t units)
{
	uint32_t first = queues->units;

	queues->units += units;
	if (queues->units > queues->pending.size)
		ff_pending_grow(&queues->pending,
				queues->units > 2 * first ? queues->units : 2 * first);
	for (uint32_t unit = first; unit < queues->units; unit++)
		ff_pending_add(&queues->pending, unit);
}

/* The worker that has the unit's scope, if it can still be given something; or if it still has some
 * of that: then the unit waits there until the worker is gone. */
static struct ff_queues_worker *owner_of(const struct ff_queues *queues, uint32_t unit)
{
	struct ff_queues_worker *worker = NULL;

	if (queues->scopes.of)
		worker = ff_queues_worker(queues, queues->scopes.owner[queues->scopes.of[unit]]);
	else if (queues->parts.whole)
		worker = ff_queues_worker(queues, queues->parts.v[queues->parts.of[unit]].owner);
	return worker && worker->up && (!worker->ended || ff_queues_has_mate(queues, worker, unit))
		       ? worker
		       : NULL;
}

void ff_queues_again(struct ff_queues *queues, uint32_t unit)
{
	struct ff_queues_worker *owner;

	if (unit >= queues->units || ff_queues_drops(queues, unit))
		return;
	if (ff_bound_has(&queues->bound, unit)) {
		ff_bound_wait(queues, unit);
		return;
	}
	owner = owner_of(queues, unit);
	if (!owner) {
		if (!ff_pending_has(&queues->pending, ff_queues_rank(queues, unit)))
			queues->parcels.left_us += ff_queues_expected(queues, unit);
		ff_pending_add(&queues->pending, ff_queues_rank(queues, unit));
		return;
	}
	ff_queues_put_back(owner, unit);
}

void ff_queues_put_back(struct ff_queues_worker *worker, uint32_t unit)
{
	if (worker->back_len == worker->back_cap) {
		worker->back_cap = worker->back_cap ? 2 * worker->back_cap : 8;
		worker->back = ff_xrealloc(worker->back, worker->back_cap * sizeof(*worker->back));
	}
	worker->back[worker->back_len++] = unit;
}

void ff_queues_stop(struct ff_queues *queues)
{
	queues->stopped = true;
}

/* --- workers --- */

/* How many run something, or may get more: whom somebody else serves, or what others give back, for
 * as long as it is there.
 */
static uint32_t busy(const struct ff_queues *queues)
{
	uint32_t len = 0;

	if (queues->policy->driven || queues->parts.len > 0)
		return queues->live;
	for (uint32_t i = 0; i < queues->workers_len; i++)
		len += queues->workers[i].up &&
		       (!queues->workers[i].ended || ff_queues_queued(&queues->workers[i]) > 0);
	return len;
}

void ff_queues_worker_up(struct ff_queues *queues, uint32_t number, bool alone, uint32_t host)
{
	if (number >= queues->workers_len) {
		uint32_t len =
			number + 1 > 2 * queues->workers_len ? number + 1 : 2 * queues->workers_len;

		queues->workers = ff_xrealloc(queues->workers, len * sizeof(*queues->workers));
		memset(queues->workers + queues->workers_len, 0,
		       (len - queues->workers_len) * sizeof(*queues->workers));
		queues->workers_len = len;
	}
	if (!queues->workers[number].up) {
		queues->workers[number].surplus = queues->most && busy(queues) >= queues->most;
		queues->live++;
	}
	queues->workers[number].up = queues->workers[number].fresh = true;
	queues->workers[number].alone = alone;
	queues->workers[number].host = host;
	queues->workers[number].more = UINT32_MAX;
	queues->workers[number].queue_us = 0;
}

/* Whether it was in the queue; it is not any more. */
static bool drop(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t unit)
{
	uint32_t at = worker->head;

	while (at < worker->tail && worker->queue[at] != unit)
		at++;
	if (at == worker->tail)
		return false;
	memmove(worker->queue + worker->head + 1, worker->queue + worker->head,
		(at - worker->head) * sizeof(*worker->queue));
	worker->head++;
	worker->queue_us -= ff_queues_expected(queues, unit);
	worker->needs_all = false;
	ff_queues_note_spare(queues, worker);
	return true;
}

void ff_queues_worker_down(struct ff_queues *queues, uint32_t number, uint32_t running)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (!worker || !worker->up)
		return;
	worker->up = false;
	while (ff_queues_queued(worker)) {
		uint32_t unit = worker->queue[worker->head++];

		ff_bound_drop(queues, worker, unit);
		if (unit == running)
			continue;
		if (worker->alone)
			ff_queues_again_alone(queues, unit, worker->avoid);
		else
			ff_queues_again(queues, unit);
	}
	worker->queue_us = 0;
	while (worker->back_len > 0) {
		ff_bound_drop(queues, worker, worker->back[--worker->back_len]);
		ff_queues_again(queues, worker->back[worker->back_len]);
	}
	ff_bound_look_again(queues);
	ff_queues_recall_over(queues, worker);
	ff_queues_parts_left(queues, worker);
	ff_queues_note_spare(queues, worker);
	queues->live--;
	if (queues->expected > 1)
		queues->expected--;
}

void ff_queues_done(struct ff_queues *queues, uint32_t number, uint32_t unit, int64_t duration_us)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (worker && drop(queues, worker, unit)) {
		worker->last_us = duration_us;
		ff_bound_drop(queues, worker, unit);
		ff_queues_parts_learn(queues, worker, duration_us);
		worker->hungry = false;
	}
}

void ff_queues_hungry(struct ff_queues *queues, uint32_t number)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (worker && worker->up)
		worker->hungry = true;
}

void ff_queues_append(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t unit)
{
	if (worker->tail == worker->cap && worker->head) {
		memmove(worker->queue, worker->queue + worker->head,
			ff_queues_queued(worker) * sizeof(*worker->queue));
		worker->tail -= worker->head;
		worker->head = 0;
	} else if (worker->tail == worker->cap) {
		worker->cap = worker->cap ? worker->cap * 2 : 16;
		worker->queue = ff_xrealloc(worker->queue, worker->cap * sizeof(*worker->queue));
	}
	worker->queue[worker->tail++] = unit;
	ff_queues_shuns_no_more(queues, unit);
	worker->needs_all = false;
	worker->queue_us += ff_queues_expected(queues, unit);
}

void ff_queues_batch(struct ff_queues *queues, uint32_t unit)
{
	if (queues->batch_len == queues->batch_cap) {
		queues->batch_cap = queues->batch_cap ? 2 * queues->batch_cap : 64;
		queues->batch =
			ff_xrealloc(queues->batch, queues->batch_cap * sizeof(*queues->batch));
	}
	queues->batch[queues->batch_len++] = unit;
}

bool ff_queues_give_next(struct ff_queues *queues, uint32_t number)
{
	struct ff_queues_worker *worker = &queues->workers[number];
	uint32_t rank = queues->stopped ? UINT32_MAX : ff_queues_first_for(queues, worker);

	if (rank == UINT32_MAX)
		return false;
	ff_queues_give_ranks(queues, number, rank, rank + 1);
	return true;
}

/* What is known part by part: of one part at a time, which it may have to collect. */
static void give_back_again(struct ff_queues *queues, struct ff_queues_worker *worker)
{
	uint32_t kept = 0, first = worker->back_len > 0 ? worker->back[0] : 0;

	if (worker->part)
		return;
	for (uint32_t i = 0; i < worker->back_len; i++) {
		uint32_t unit = worker->back[i];

		if (queues->parts.len > 0 && queues->parts.of[unit] != queues->parts.of[first]) {
			worker->back[kept++] = unit;
			continue;
		}
		if (ff_queues_drops(queues, unit)) {
			ff_bound_drop(queues, worker, unit);
			continue;
		}
		ff_queues_append(queues, worker, unit);
		ff_queues_batch(queues, unit);
	}
	worker->back_len = kept;
}

void ff_queues_give_ranks(struct ff_queues *queues, uint32_t number, uint32_t first, uint32_t end)
{
	const struct ff_queues_worker *worker = &queues->workers[number];

	for (uint32_t rank = first; rank < end;
	     rank = ff_pending_next(&queues->pending, rank + 1)) {
		if (rank != first && !queues->scopes.of &&
		    ff_queues_shuns(queues, worker, ff_queues_unit_at(queues, rank)))
			continue;
		waits_no_more(queues, rank);
		ff_queues_append(queues, &queues->workers[number], ff_queues_unit_at(queues, rank));
		ff_queues_batch(queues, ff_queues_unit_at(queues, rank));
	}
}

static void give_scope(struct ff_queues *queues, uint32_t number, uint32_t first)
{
	uint32_t scope = queues->scopes.of[ff_queues_unit_at(queues, first)];

	ff_queues_give_ranks(queues, number, first, queues->scopes.end[scope]);
	queues->scopes.owner[scope] = number;
}

bool ff_queues_give_scope(struct ff_queues *queues, uint32_t number)
{
	uint32_t first = ff_queues_open(queues) == 0
				 ? UINT32_MAX
				 : ff_queues_first_for(queues, &queues->workers[number]);

	if (first == UINT32_MAX)
		return false;
	give_scope(queues, number, first);
	return true;
}

/* The first rank of this seat that waits; UINT32_MAX: none, or it is another host's. */
static uint32_t rank_of_seat(const struct ff_queues *queues, uint32_t seat, uint32_t host)
{
	uint32_t rank =
		ff_pending_next(&queues->pending, seat > 0 ? queues->scopes.end[seat - 1] : 0);

	return rank < queues->scopes.end[seat] && queues->scopes.host[seat] == host ? rank
										    : UINT32_MAX;
}

/* The same of any seat on this host that nobody has. */
static uint32_t seat_on(const struct ff_queues *queues, uint32_t host)
{
	uint32_t rank = UINT32_MAX;

	for (uint32_t i = 0; i < queues->scopes.len && rank == UINT32_MAX; i++)
		rank = rank_of_seat(queues, i, host);
	return rank;
}

bool ff_queues_has_seats(const struct ff_queues *queues)
{
	return queues->scopes.host || (!queues->stopped && ff_queues_open(queues) == 0 &&
				       ff_bound_wants_hosts(&queues->bound));
}

bool ff_queues_seat_waits(const struct ff_queues *queues, uint32_t host)
{
	return ff_queues_seats_wait(queues, host) > 0;
}

uint32_t ff_queues_seats_wait(const struct ff_queues *queues, uint32_t host)
{
	uint32_t found = 0;

	if (queues->stopped || !queues->scopes.host)
		return !queues->stopped && ff_bound_may_come(&queues->bound, host) ? UINT32_MAX : 0;
	for (uint32_t i = 0; i < queues->scopes.len; i++)
		found += rank_of_seat(queues, i, host) != UINT32_MAX;
	return found;
}

bool ff_queues_give_seat(struct ff_queues *queues, uint32_t number)
{
	struct ff_queues_worker *worker = &queues->workers[number];
	uint32_t first = UINT32_MAX;

	if (worker->seated)
		return false;
	/* The one of its own number, so that names fit. */
	if (number < queues->scopes.len)
		first = rank_of_seat(queues, number, worker->host);
	if (first == UINT32_MAX)
		first = seat_on(queues, worker->host);
	if (first == UINT32_MAX)
		return false;
	worker->seated = true;
	give_scope(queues, number, first);
	return true;
}

/* Whether a worker other than this one has given, or could give, something back. */
static bool may_come_back(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	uint32_t number = (uint32_t)(worker - queues->workers);

	return queues->recalls > worker->recalled || ff_queues_parts_may_come(queues, worker) ||
	       ff_tournament_best_but(&queues->spare, number) != UINT32_MAX;
}

bool ff_queues_may_come_back(const struct ff_queues *queues)
{
	return queues->recalls > 0 || ff_queues_parts_may_come(queues, NULL) ||
	       !ff_tournament_empty(&queues->spare);
}

static bool is_over(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	if (queues->stopped || worker->surplus || worker->dismissed)
		return true;
	if (queues->policy->driven)
		return false;
	if (worker->alone)
		return !ff_queues_alone_may_come(queues, worker);
	if (worker->back_len > 0)
		return false;
	/* Of what others take over some may come back, and it need not collect that again. */
	if (queues->parts.len && !queues->parts.whole &&
	    (worker->part || worker->recalled ||
	     (ff_queues_rich(queues, worker) > 0 &&
	      (queues->live > 1 || ff_queues_queued(worker) > 2))))
		return false;
	/* What of a scope, or of all, is to run again is for the worker that has the rest of it. */
	if ((queues->scopes.of || queues->most == 1 || queues->parts.whole) &&
	    (ff_queues_queued(worker) > 1 || worker->part))
		return false;
	if (queues->scopes.host)
		return worker->seated || seat_on(queues, worker->host) == UINT32_MAX;
	return ff_queues_open(queues) == 0 && !ff_bound_may_come(&queues->bound, worker->host) &&
	       !may_come_back(queues, worker);
}

static void give(struct ff_queues *queues, struct ff_queues_worker *worker)
{
	give_back_again(queues, worker);
	if (worker->alone) {
		ff_queues_give_alone(queues, worker);
		return;
	}
	if (worker->surplus)
		return;
	/* Blocks whose units are dropped are no reason to wait. */
	for (uint32_t dropped = UINT32_MAX;
	     queues->batch_len == 0 && queues->dropped.len != dropped;) {
		dropped = queues->dropped.len;
		ff_bound_give(queues, (uint32_t)(worker - queues->workers));
		give_back_again(queues, worker);
	}
	/* Behind what it holds nothing is heaped up that others could run meanwhile. */
	if (ff_queues_open(queues) > 0 && worker->back_len == 0 &&
	    (worker->blocks_len == 0 || ff_queues_queued(worker) == 0 ||
	     (ff_queues_queued(worker) == 1 && worker->hungry)))
		queues->policy->pick(queues, (uint32_t)(worker - queues->workers));
}

struct ff_batch ff_queues_next(struct ff_queues *queues, uint32_t number)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);
	struct ff_batch batch = {.part = UINT32_MAX};

	if (!worker || !worker->up || worker->ended)
		return batch;
	queues->batch_len = 0;
	queues->batch_part = UINT32_MAX;
	if (!queues->stopped && ff_bound_may_work(queues, worker))
		give(queues, worker);
	worker = ff_queues_worker(queues, number);
	if (queues->batch_len > 0 || queues->batch_part != UINT32_MAX)
		worker->hungry = worker->fresh = false;
	ff_queues_note_spare(queues, worker);
	/* At once, not when its queue is empty: its last unit can't end before it knows. */
	worker->ended = is_over(queues, worker);
	return (struct ff_batch){queues->batch, queues->batch_len, queues->batch_part,
				 worker->ended};
}

/* --- for policies --- */

struct ff_queue_info ff_queues_info(const struct ff_queues *queues, uint32_t number)
{
	const struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	int64_t running_us = ff_queues_queued(worker)
				     ? ff_queues_expected(queues, worker->queue[worker->head])
				     : 0;

	return (struct ff_queue_info){ff_queues_queued(worker),
				      worker->last_us,
				      worker->fresh,
				      worker->hungry,
				      worker->surplus,
				      worker->part != 0,
				      running_us,
				      worker->queue_us - running_us};
}

uint32_t ff_queues_chunk(const struct ff_queues *queues)
{
	return queues->chunk ? queues->chunk : UINT32_MAX;
}

uint32_t ff_queues_units(const struct ff_queues *queues)
{
	return queues->units;
}

uint32_t ff_queues_workers(const struct ff_queues *queues)
{
	uint32_t workers = queues->expected > queues->live ? queues->expected : queues->live;

	if (queues->most && workers > queues->most)
		workers = queues->most;
	return workers ? workers : 1;
}

const char *ff_queues_name(const struct ff_queues *queues, uint32_t unit)
{
	return queues->names ? queues->names[unit] : NULL;
}
