/* The policy `load`. A worker first gets a chunk of consecutive units, later ever smaller ones, so
 * that all come to an end together. The numbers are pytest-xdist's (scheduler/load.py) as long as
 * there is much to do. Near the end it would leave two tests behind each worker; here a worker that
 * runs its last unit gets the next one when it asks for it, and so the fastest gets it. */
#include "sched/load.h"

#include <string.h>

#include "base/alloc.h"
#include "sched/pending.h"

#define LONG_UNIT_US INT64_C(100000) /* after such a one, two units in the queue are enough */

struct worker {
	uint32_t *queue; /* given out and not done, the running one first */
	size_t head, tail, cap;
	int64_t last_us; /* how long its last unit took */
	bool up, ended;
	bool fresh; /* got nothing yet */
	bool hungry;
	bool recalled; /* was asked to give some back, and has not answered yet */
};

struct load {
	struct ff_sched sched;
	struct ff_pending pending;
	bool *held; /* for each unit: it is in a worker's queue */
	uint32_t units;
	uint32_t expected; /* workers that there should be */
	uint32_t live;	   /* workers that there are */
	struct worker *workers;
	size_t workers_len;
	uint32_t *batch;
	size_t batch_cap;
	bool stopped;
};

static struct load *load_of(const struct ff_sched *sched)
{
	return (struct load *)(uintptr_t)sched;
}

static struct ff_sched *load_create(uint32_t units, const char *const *names, uint32_t workers)
{
	struct load *load = ff_xcalloc(1, sizeof(*load));

	load->sched.class = &ff_sched_load;
	load->units = units;
	load->expected = workers;
	ff_pending_init(&load->pending, units, true);
	load->held = ff_xcalloc((size_t)units + 1, sizeof(*load->held));
	return &load->sched;
}

static void load_free(struct ff_sched *sched)
{
	struct load *load = load_of(sched);

	for (size_t i = 0; i < load->workers_len; i++)
		ff_free(load->workers[i].queue);
	ff_free(load->workers);
	ff_free(load->batch);
	ff_pending_release(&load->pending);
	ff_free(load->held);
	ff_free(load);
}

/* NULL: it was never up. */
static struct worker *worker_of(struct load *load, uint32_t number)
{
	return number < load->workers_len ? &load->workers[number] : NULL;
}

static size_t queued(const struct worker *worker)
{
	return worker->tail - worker->head;
}

static void load_worker_up(struct ff_sched *sched, uint32_t number)
{
	struct load *load = load_of(sched);
	struct worker *worker;

	if (number >= load->workers_len) {
		size_t len = (size_t)number + 1;

		load->workers = ff_xrealloc(load->workers, len * sizeof(*load->workers));
		memset(load->workers + load->workers_len, 0,
		       (len - load->workers_len) * sizeof(*load->workers));
		load->workers_len = len;
	}
	worker = &load->workers[number];
	if (!worker->up)
		load->live++;
	worker->up = worker->fresh = true;
	worker->ended = worker->hungry = worker->recalled = false;
	worker->last_us = 0;
}

/* Whether it was in the queue; it is not any more. */
static bool drop(struct load *load, struct worker *worker, uint32_t unit)
{
	size_t at = worker->head;

	while (at < worker->tail && worker->queue[at] != unit)
		at++;
	if (at == worker->tail)
		return false;
	memmove(worker->queue + worker->head + 1, worker->queue + worker->head,
		(at - worker->head) * sizeof(*worker->queue));
	worker->head++;
	load->held[unit] = false;
	return true;
}

static void load_worker_down(struct ff_sched *sched, uint32_t number, uint32_t running)
{
	struct load *load = load_of(sched);
	struct worker *worker = worker_of(load, number);

	if (!worker || !worker->up)
		return;
	while (queued(worker)) {
		uint32_t unit = worker->queue[worker->head++];

		load->held[unit] = false;
		if (unit != running)
			ff_pending_add(&load->pending, unit);
	}
	worker->up = false;
	load->live--;
	if (load->expected > 1)
		load->expected--;
}

static void load_done(struct ff_sched *sched, uint32_t number, uint32_t unit, int64_t duration_us)
{
	struct load *load = load_of(sched);
	struct worker *worker = worker_of(load, number);

	if (worker && drop(load, worker, unit)) {
		worker->last_us = duration_us;
		worker->hungry = false;
	}
}

static void load_again(struct ff_sched *sched, uint32_t unit)
{
	struct load *load = load_of(sched);

	if (unit < load->units && !load->held[unit])
		ff_pending_add(&load->pending, unit);
}

static void load_hungry(struct ff_sched *sched, uint32_t number)
{
	struct worker *worker = worker_of(load_of(sched), number);

	if (worker && worker->up)
		worker->hungry = true;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* How many units the worker is to get now, if there are as many. */
static uint32_t portion(const struct load *load, const struct worker *worker)
{
	uint32_t workers = larger(larger(load->expected, load->live), 1);
	uint32_t pending = load->pending.len, have = (uint32_t)queued(worker), low, least, most;

	low = pending < 2 * (uint64_t)workers ? 1 : 2;
	least = larger(low, pending / workers / 4);
	most = larger(low, pending / workers / 2);
	/* A replacement late in the run must not take all that is left. */
	if (worker->fresh && load->units >= 2 * (uint64_t)workers)
		return smaller(most, larger(2, load->units / workers / 4));
	if (worker->hungry && have == 1)
		return larger(most, 2) - have;
	if (have >= least || (worker->last_us >= LONG_UNIT_US && have >= 2))
		return 0;
	return most - have;
}

static void give(struct load *load, struct worker *worker, uint32_t unit)
{
	if (worker->tail == worker->cap && worker->head) {
		memmove(worker->queue, worker->queue + worker->head,
			queued(worker) * sizeof(*worker->queue));
		worker->tail -= worker->head;
		worker->head = 0;
	} else if (worker->tail == worker->cap) {
		worker->cap = worker->cap ? worker->cap * 2 : 16;
		worker->queue = ff_xrealloc(worker->queue, worker->cap * sizeof(*worker->queue));
	}
	worker->queue[worker->tail++] = unit;
	load->held[unit] = true;
}

/* How many units a worker can do without: half of what it has behind the running and the next one.
 */
static size_t spare(const struct worker *worker)
{
	size_t have = queued(worker);

	return worker->up && !worker->recalled && have > 2 ? (have - 1) / 2 : 0;
}

/* Whether a worker other than `idle` has given, or could give, something back. */
static bool may_come_back(const struct load *load, const struct worker *idle)
{
	for (size_t i = 0; i < load->workers_len; i++) {
		const struct worker *worker = &load->workers[i];

		if (worker != idle && worker->up && (worker->recalled || spare(worker) > 0))
			return true;
	}
	return false;
}

static void reserve_batch(struct load *load, size_t len)
{
	if (len <= load->batch_cap)
		return;
	load->batch_cap = len;
	load->batch = ff_xrealloc(load->batch, len * sizeof(*load->batch));
}

static struct ff_sched_recall load_recall(struct ff_sched *sched, uint32_t number)
{
	struct load *load = load_of(sched);
	struct worker *richest = NULL;
	struct ff_sched_recall recall = {0};

	if (load->stopped || load->pending.len)
		return recall;
	for (size_t i = 0; i < load->workers_len; i++) {
		struct worker *worker = &load->workers[i];

		if (i != number && spare(worker) > (richest ? spare(richest) : 0))
			richest = worker;
	}
	if (!richest)
		return recall;
	recall.worker = (uint32_t)(richest - load->workers);
	recall.len = spare(richest);
	reserve_batch(load, recall.len);
	memcpy(load->batch, richest->queue + richest->tail - recall.len,
	       recall.len * sizeof(*load->batch));
	recall.units = load->batch;
	richest->recalled = true;
	return recall;
}

static void load_returned(struct ff_sched *sched, uint32_t number, const uint32_t *units,
			  size_t len)
{
	struct load *load = load_of(sched);
	struct worker *worker = worker_of(load, number);

	if (!worker || !worker->up)
		return;
	worker->recalled = false;
	for (size_t i = 0; i < len; i++)
		if (units[i] < load->units && drop(load, worker, units[i]))
			ff_pending_add(&load->pending, units[i]);
}

static struct ff_sched_batch load_next(struct ff_sched *sched, uint32_t number)
{
	struct load *load = load_of(sched);
	struct worker *worker = worker_of(load, number);
	struct ff_sched_batch batch = {0};
	uint32_t want;

	if (!worker || !worker->up || worker->ended)
		return batch;
	want = load->stopped ? 0 : portion(load, worker);
	if (want > load->pending.len)
		want = load->pending.len;
	reserve_batch(load, want);
	for (; batch.len < want; batch.len++) {
		load->batch[batch.len] = ff_pending_take(&load->pending);
		give(load, worker, load->batch[batch.len]);
	}
	if (batch.len)
		worker->hungry = false;
	worker->fresh = false;
	batch.units = load->batch;
	/* At once, not when its queue is empty: its last unit can't end before it knows. */
	batch.end = worker->ended =
		load->stopped || (!load->pending.len && !may_come_back(load, worker));
	return batch;
}

static void load_stop(struct ff_sched *sched)
{
	load_of(sched)->stopped = true;
}

static uint32_t load_waiting(const struct ff_sched *sched)
{
	return load_of(sched)->pending.len;
}

const struct ff_sched_class ff_sched_load = {
	.name = "load",
	.help = "each worker gets some tests, and more when it has few left",
	.create = load_create,
	.free = load_free,
	.worker_up = load_worker_up,
	.worker_down = load_worker_down,
	.done = load_done,
	.again = load_again,
	.hungry = load_hungry,
	.next = load_next,
	.recall = load_recall,
	.returned = load_returned,
	.stop = load_stop,
	.waiting = load_waiting,
};
