/* Units that become known part by part, and the policy `shard` that goes with them: each worker is
 * given one part at a time, the most expensive first. When there is none left, whoever has nothing
 * to do takes over half of what another one still has, where that takes longer than it takes to
 * collect the part again. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/queues_private.h"

#define NOBODY UINT32_MAX

enum { SOON_US = 20000 };

/* --- life --- */

struct rank {
	int64_t cost;
	uint32_t part;
};

static int first_to_last(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost > y->cost ? -1 : 1;
	return x->part < y->part ? -1 : x->part > y->part;
}

void ff_queues_parts_init(struct ff_queues *queues, const struct ff_queues_opts *opts)
{
	struct ff_queues_parts *parts = &queues->parts;
	struct rank *ranks;

	if (opts->parts == 0)
		return;
	parts->len = opts->parts;
	parts->whole = opts->parts_whole;
	parts->v = ff_xcalloc(parts->len, sizeof(*parts->v));
	parts->at = ff_xmalloc(parts->len * sizeof(*parts->at));
	parts->rank_of = ff_xmalloc(parts->len * sizeof(*parts->rank_of));
	ranks = ff_xmalloc(parts->len * sizeof(*ranks));
	for (uint32_t i = 0; i < parts->len; i++) {
		parts->v[i].owner = NOBODY;
		ranks[i] = (struct rank){opts->part_costs ? opts->part_costs[i] : 0, i};
	}
	qsort(ranks, parts->len, sizeof(*ranks), first_to_last);
	for (uint32_t i = 0; i < parts->len; i++) {
		parts->at[i] = ranks[i].part;
		parts->rank_of[ranks[i].part] = i;
	}
	ff_free(ranks);
	ff_pending_init(&parts->waiting, parts->len, true);
}

void ff_queues_parts_release(struct ff_queues *queues)
{
	struct ff_queues_parts *parts = &queues->parts;

	ff_free(parts->v);
	ff_free(parts->at);
	ff_free(parts->rank_of);
	ff_free(parts->of);
	ff_free(parts->us);
	ff_pending_release(&parts->waiting);
	*parts = (struct ff_queues_parts){0};
}

/* --- who collects what --- */

bool ff_queues_in_parts(const struct ff_queues *queues)
{
	return queues->parts.len > 0;
}

uint32_t ff_queues_part_of(const struct ff_queues *queues, uint32_t unit)
{
	return queues->parts.of[unit];
}

void ff_queues_collects(struct ff_queues *queues, uint32_t number, uint32_t part)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (!worker || !worker->up || worker->part)
		return;
	worker->part = part + 1;
	queues->parts.collecting++;
	ff_queues_note_spare(queues, worker);
}

void ff_queues_parts_left(struct ff_queues *queues, struct ff_queues_worker *worker)
{
	queues->parts.collecting -= worker->part != 0;
	worker->part = 0;
}

void ff_queues_collected(struct ff_queues *queues, uint32_t number, int64_t took_us)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (!worker || !worker->up || !worker->part)
		return;
	queues->parts.v[worker->part - 1].took_us = took_us;
	ff_queues_parts_left(queues, worker);
	ff_queues_note_spare(queues, worker);
}

/* Room for units up to `units`, twice as much as before. */
static void grow(struct ff_queues *queues, uint32_t units)
{
	struct ff_queues_parts *parts = &queues->parts;

	if (units <= parts->cap)
		return;
	parts->cap = units > 2 * parts->cap ? units : 2 * parts->cap;
	parts->of = ff_xrealloc(parts->of, (size_t)parts->cap * sizeof(*parts->of));
	parts->us = ff_xrealloc(parts->us, (size_t)parts->cap * sizeof(*parts->us));
	ff_pending_grow(&queues->pending, parts->cap);
}

uint32_t ff_queues_part_known(struct ff_queues *queues, uint32_t number, uint32_t part,
			      uint32_t units, const uint64_t *done, const int64_t *us,
			      const struct ff_claim *claims, size_t claims_len)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);
	uint32_t first = queues->units;

	grow(queues, first + units);
	queues->units += units;
	ff_pending_del(&queues->parts.waiting, queues->parts.rank_of[part]);
	ff_bound_part(queues, first, units, claims, claims_len, queues->parts.whole);
	for (uint32_t i = 0; i < units; i++) {
		queues->parts.of[first + i] = part;
		queues->parts.us[first + i] = us ? us[i] : 0;
		if (done && (done[i / 64] >> i % 64 & 1))
			continue;
		if (ff_bound_has(&queues->bound, first + i))
			ff_bound_wait(queues, first + i);
		else if (worker && worker->up)
			ff_queues_append(queues, worker, first + i);
		else
			ff_pending_add(&queues->pending, first + i);
	}
	if (worker && worker->up)
		ff_queues_note_spare(queues, worker);
	return first;
}

void ff_queues_part_again(struct ff_queues *queues, uint32_t part)
{
	ff_pending_add(&queues->parts.waiting, queues->parts.rank_of[part]);
}

/* --- what is worth it --- */

void ff_queues_parts_learn(struct ff_queues *queues, struct ff_queues_worker *worker,
			   int64_t duration_us)
{
	worker->running_us = 0;
	worker->took_us += duration_us;
	worker->took++;
	queues->parts.took_us += duration_us;
	queues->parts.took++;
}

uint32_t ff_queues_richest(const struct ff_queues *queues)
{
	return ff_tournament_best(&queues->spare);
}

void ff_queues_ran(struct ff_queues *queues, uint32_t number, int64_t running_us)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (worker)
		worker->running_us = running_us;
}

bool ff_queues_parts_may_come(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	uint32_t own = worker && worker->part;

	return !queues->parts.whole && queues->parts.collecting > own;
}

/* What a unit of its queue may take that nobody knows: as long as others there did, and at least as
 * long as what runs has by now. */
static int64_t typical_us(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	const struct ff_queues_parts *parts = &queues->parts;
	int64_t us = 1;

	if (worker->took > 0)
		us = worker->took_us / worker->took;
	else if (parts->took > 0)
		us = parts->took_us / parts->took;
	return us > worker->running_us ? us : worker->running_us;
}

static int64_t unit_us(const struct ff_queues *queues, uint32_t unit, int64_t typical)
{
	return queues->parts.us[unit] > 0 ? queues->parts.us[unit] : typical;
}

uint64_t ff_queues_parts_rich(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	uint32_t have = ff_queues_queued(worker);

	if (have < 2)
		return 0;
	return 1 + (uint64_t)worker->queue_us + (uint64_t)typical_us(queues, worker) * (have - 1);
}

uint32_t ff_queues_parts_spare(const struct ff_queues *queues,
			       const struct ff_queues_worker *worker)
{
	const uint32_t *queue = worker->queue + worker->head;
	uint32_t have = ff_queues_queued(worker), spare = 0;
	int64_t typical = typical_us(queues, worker), taken = 0, left = 0, cost, us;

	if (have < 2)
		return 0;
	for (uint32_t i = 0; i < have; i++)
		left += unit_us(queues, queue[i], typical);
	us = unit_us(queues, queue[0], typical);
	left -= worker->running_us < us ? worker->running_us : us;
	cost = queues->parts.v[queues->parts.of[queue[have - 1]]].took_us;
	while (spare < have - 1) {
		us = unit_us(queues, queue[have - 1 - spare], typical);
		if (cost + taken + us >= left - taken)
			break;
		taken += us;
		spare++;
	}
	return spare;
}

/* --- the policy --- */

bool ff_queues_give_part(struct ff_queues *queues, uint32_t number)
{
	struct ff_queues_parts *parts = &queues->parts;
	uint32_t part;

	if (queues->stopped || parts->waiting.len == 0)
		return false;
	part = parts->at[ff_pending_take(&parts->waiting)];
	parts->v[part].owner = number;
	queues->batch_part = part;
	ff_queues_collects(queues, number, part);
	return true;
}

bool ff_queues_give_rest(struct ff_queues *queues, uint32_t number)
{
	uint32_t part, first;

	if (queues->stopped || queues->pending.len == 0)
		return false;
	first = ff_queues_first_for(queues, &queues->workers[number]);
	if (first == NOBODY)
		return false;
	part = queues->parts.of[first];
	queues->parts.v[part].owner = number;
	for (uint32_t unit = first; unit < queues->units && queues->parts.of[unit] == part;
	     unit = ff_pending_next(&queues->pending, unit + 1)) {
		if (unit != first && ff_queues_shuns(queues, &queues->workers[number], unit))
			continue;
		ff_pending_del(&queues->pending, unit);
		ff_queues_append(queues, &queues->workers[number], unit);
		ff_queues_batch(queues, unit);
	}
	return true;
}

/* Whether a worker is through with what it has before an order could well reach it. */
static bool is_soon_through(const struct ff_queues_worker *worker, uint32_t queued)
{
	if (worker->queue_us > 0)
		return worker->queue_us < SOON_US;
	return worker->took > 0 && worker->took_us / worker->took * queued < SOON_US;
}

static void shard_pick(struct ff_queues *queues, uint32_t worker)
{
	struct ff_queue_info info = ff_queues_info(queues, worker);
	bool has_enough = info.queued > 1 || (info.queued == 1 && !info.hungry);

	if (info.collecting ||
	    (has_enough && !is_soon_through(&queues->workers[worker], info.queued)))
		return;
	if (!ff_queues_give_rest(queues, worker))
		ff_queues_give_part(queues, worker);
}

const struct ff_policy ff_policy_shard = {
	.name = "shard",
	.help = "files are handed out one by one, and collected by whoever runs them",
	.pick = shard_pick,
	.in_order = true,
};
