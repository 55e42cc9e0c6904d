/* The queues and their policies, driven by a simulation: workers with random durations, crashes,
 * retries, recalls that are answered late, and units that must be tried alone. Whatever happens,
 * each unit comes to its end once, each worker hears `end` once, and all of it ends. (Step by step:
 * test_sched_queues.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "random.h"
#include "sched/queues.h"

#define MS INT64_C(1000)

#define NOBODY UINT32_MAX

enum { HOSTS = 4 };

/* --- the simulated world --- */

struct sim_worker {
	uint32_t *queue; /* received, not yet run */
	size_t head, tail, cap;
	bool up, ended;
	uint32_t ends;	  /* how often it was told */
	uint32_t running; /* NOBODY: none */
	int64_t until;	  /* when that ends; the teardown waits if nothing is behind it */
	bool waits;	  /* it told that it is hungry */
	bool idle;	  /* got neither units nor the end */
	bool alone;
	uint32_t host;	    /* when alone */
	uint32_t *recalled; /* asked for, and not answered yet; NULL */
	size_t recalled_len;
};

struct sim {
	struct ff_queues *queues;
	struct sim_worker *workers;
	uint32_t workers_len, workers_max;
	uint32_t units;
	uint32_t *finished; /* for each unit: how often it came to its end */
	uint8_t *attempts;
	uint32_t remaining;
	int64_t now;
	int64_t (*duration)(uint32_t unit);
	uint32_t crash_every, retry_every; /* 0: never */
	uint32_t suspect_every;		   /* of crashes: the unit is tried alone */
	bool late;			   /* recalls are answered when a unit ends */
	uint32_t *avoid;		   /* of units that are to be tried alone: host + 1 */
	uint32_t *heap;			   /* workers that run, by `until` */
	uint32_t heap_len;
	uint32_t idle;
	uint64_t recalls;
	uint64_t steps;
};

static int64_t end_of(const struct sim *sim, uint32_t at)
{
	return sim->workers[sim->heap[at]].until;
}

static void swap(struct sim *sim, uint32_t a, uint32_t b)
{
	uint32_t spare = sim->heap[a];

	sim->heap[a] = sim->heap[b];
	sim->heap[b] = spare;
}

static void heap_push(struct sim *sim, uint32_t worker)
{
	uint32_t at = sim->heap_len++;

	sim->heap[at] = worker;
	for (; at && end_of(sim, at) < end_of(sim, (at - 1) / 2); at = (at - 1) / 2)
		swap(sim, at, (at - 1) / 2);
}

static uint32_t heap_pop(struct sim *sim)
{
	uint32_t first = sim->heap[0], at = 0;

	sim->heap[0] = sim->heap[--sim->heap_len];
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= sim->heap_len)
			return first;
		if (child + 1 < sim->heap_len && end_of(sim, child + 1) < end_of(sim, child))
			child++;
		if (end_of(sim, at) <= end_of(sim, child))
			return first;
		swap(sim, at, child);
		at = child;
	}
}

static void receive(struct sim *sim, struct sim_worker *w, const struct ff_batch *batch)
{
	if (w->head) {
		memmove(w->queue, w->queue + w->head, (w->tail - w->head) * sizeof(*w->queue));
		w->tail -= w->head;
		w->head = 0;
	}
	if (w->tail + batch->len > w->cap) {
		w->cap = (w->tail + batch->len) * 2;
		w->queue = ff_xrealloc(w->queue, w->cap * sizeof(*w->queue));
	}
	for (size_t i = 0; i < batch->len; i++) {
		uint32_t unit = batch->units[i];

		assert_int_equal(w->alone, sim->avoid[unit] != 0);
		if (w->alone && w->host != NOBODY)
			assert_int_not_equal(sim->avoid[unit], w->host + 1);
		w->queue[w->tail++] = unit;
	}
	if (w->alone)
		assert_true(w->tail + (w->running != NOBODY) <= 1);
}

static void start_next(struct sim *sim, uint32_t number)
{
	struct sim_worker *w = &sim->workers[number];

	if (w->running != NOBODY || w->head == w->tail)
		return;
	w->running = w->queue[w->head++];
	assert_int_equal(sim->finished[w->running], 0);
	w->until = sim->now + sim->duration(w->running);
	w->waits = false;
	heap_push(sim, number);
}

/* Whether the unit is among those that it was asked for. */
static bool is_asked(const struct sim_worker *w, uint32_t unit)
{
	for (size_t i = 0; i < w->recalled_len; i++)
		if (w->recalled[i] == unit)
			return true;
	return false;
}

/* As the payload does: what it runs next stays, the rest is given back. */
static bool give_back(struct sim *sim, uint32_t number)
{
	struct sim_worker *w = &sim->workers[number];
	uint32_t *back = ff_xcalloc(w->recalled_len, sizeof(*back));
	size_t len = 0, kept = w->head;

	for (size_t i = w->head; i < w->tail; i++) {
		if (i > w->head && is_asked(w, w->queue[i]))
			back[len++] = w->queue[i];
		else
			w->queue[kept++] = w->queue[i];
	}
	w->tail = kept;
	ff_free(w->recalled);
	w->recalled = NULL;
	ff_queues_returned(sim->queues, number, back, len);
	ff_free(back);
	return len > 0;
}

/* Only units that it has not begun, behind the next one; and not twice at a time. */
static void note_recall(struct sim *sim, const struct ff_recall *recall)
{
	struct sim_worker *w = &sim->workers[recall->worker];

	sim->recalls++;
	assert_true(w->up && !w->alone && !w->recalled);
	assert_true(ff_queues_may_come_back(sim->queues));
	assert_true(recall->len < w->tail - w->head);
	for (size_t i = 0; i < recall->len; i++)
		assert_int_equal(recall->units[i], w->queue[w->tail - recall->len + i]);
	w->recalled = ff_xmalloc(recall->len * sizeof(*w->recalled));
	memcpy(w->recalled, recall->units, recall->len * sizeof(*w->recalled));
	w->recalled_len = recall->len;
}

static void set_idle(struct sim *sim, struct sim_worker *w, bool idle)
{
	sim->idle += (uint32_t)idle - (uint32_t)w->idle;
	w->idle = idle;
}

static void ask(struct sim *sim, uint32_t number)
{
	struct sim_worker *w = &sim->workers[number];
	struct ff_batch batch = ff_queues_next(sim->queues, number);
	struct ff_recall recall;

	assert_false(w->ended && (batch.len || batch.end));
	receive(sim, w, &batch);
	if (batch.end) {
		w->ended = true;
		w->ends++;
	}
	set_idle(sim, w, false);
	start_next(sim, number);
	if (batch.len || w->ended || w->head < w->tail)
		return;
	recall = ff_queues_recall(sim->queues, number);
	if (recall.len)
		note_recall(sim, &recall);
	if (recall.len && !(sim->late && one_in(2)) && give_back(sim, recall.worker))
		ask(sim, number);
	else
		set_idle(sim, w, true);
}

/* What changed somewhere may concern those that have nothing to do. */
static void ask_idle(struct sim *sim)
{
	for (uint32_t i = 0; sim->idle && i < sim->workers_len; i++)
		if (sim->workers[i].idle)
			ask(sim, i);
}

static void bring_up(struct sim *sim, bool alone, uint32_t host)
{
	uint32_t number = sim->workers_len++;

	assert_true(number < sim->workers_max);
	sim->workers[number] =
		(struct sim_worker){.up = true, .running = NOBODY, .alone = alone, .host = host};
	ff_queues_worker_up(sim->queues, number, alone, host);
	ask(sim, number);
}

/* Somewhere else than where the first of the suspects was; or anywhere. */
static void bring_up_alone(struct sim *sim)
{
	uint32_t avoid = NOBODY, host = random_below(HOSTS);

	assert_int_not_equal(ff_queues_peek_alone(sim->queues, 0, &avoid), NOBODY);
	assert_int_equal(
		ff_queues_peek_alone(sim->queues, ff_queues_alone_waiting(sim->queues), &avoid),
		NOBODY);
	bring_up(sim, true, host == avoid ? NOBODY : host);
}

static void finish_unit(struct sim *sim, uint32_t unit)
{
	sim->finished[unit]++;
	sim->remaining--;
}

static void crash(struct sim *sim, uint32_t number)
{
	struct sim_worker *w = &sim->workers[number];
	uint32_t running = w->running;

	set_idle(sim, w, false);
	w->up = false;
	w->head = w->tail;
	w->running = NOBODY;
	ff_free(w->recalled);
	w->recalled = NULL;
	ff_queues_worker_down(sim->queues, number, running);
	/* Half of what crashed is run again, some of it alone. */
	if (sim->suspect_every && one_in(sim->suspect_every)) {
		uint32_t avoid = one_in(3) ? NOBODY : random_below(HOSTS);

		sim->avoid[running] = avoid == NOBODY ? NOBODY : avoid + 1;
		ff_queues_again_alone(sim->queues, running, avoid);
	} else if (running % 2) {
		sim->avoid[running] = 0;
		ff_queues_again(sim->queues, running);
	} else {
		finish_unit(sim, running);
	}
	if (ff_queues_waiting(sim->queues))
		bring_up(sim, false, NOBODY);
}

static void finish_running(struct sim *sim, uint32_t number)
{
	struct sim_worker *w = &sim->workers[number];
	uint32_t unit = w->running;
	int64_t took = sim->duration(unit);
	bool again =
		sim->retry_every && sim->attempts[unit] < 2 && random_below(sim->retry_every) == 0;

	w->running = NOBODY;
	w->waits = false;
	ff_queues_done(sim->queues, number, unit, took);
	if (again) {
		sim->attempts[unit]++;
		sim->avoid[unit] = 0;
		ff_queues_again(sim->queues, unit);
	} else {
		finish_unit(sim, unit);
	}
	ask(sim, number);
}

/* One worker comes to the end of its unit. */
static void step(struct sim *sim)
{
	uint32_t number = heap_pop(sim);
	struct sim_worker *w = &sim->workers[number];

	sim->steps++;
	sim->now = w->until;
	if (sim->crash_every && random_below(sim->crash_every) == 0) {
		crash(sim, number);
		return;
	}
	if (w->recalled)
		give_back(sim, number);
	/* As pytest: the teardown needs to know what comes next. */
	if (w->head == w->tail && !w->ended && !w->waits) {
		w->waits = true;
		ff_queues_hungry(sim->queues, number);
		ask(sim, number);
		assert_true(w->head < w->tail || w->ended || w->idle);
	}
	finish_running(sim, number);
}

static void sim_init_with(struct sim *sim, const struct ff_queues_opts *opts)
{
	*sim = (struct sim){.units = opts->units, .remaining = opts->units};
	/* Crashes bring up new ones. */
	sim->workers_max = opts->workers + 4 * opts->units + 10;
	sim->workers = ff_xcalloc(sim->workers_max, sizeof(*sim->workers));
	sim->heap = ff_xcalloc(sim->workers_max, sizeof(*sim->heap));
	sim->finished = ff_xcalloc(opts->units + 1, sizeof(*sim->finished));
	sim->attempts = ff_xcalloc(opts->units + 1, sizeof(*sim->attempts));
	sim->avoid = ff_xcalloc(opts->units + 1, sizeof(*sim->avoid));
	sim->queues = ff_queues_new(opts);
	for (uint32_t i = 0; opts->done_before && i < opts->units; i++)
		if (opts->done_before[i / 64] >> i % 64 & 1)
			finish_unit(sim, i);
	assert_int_equal(ff_queues_waiting(sim->queues), sim->remaining);
}

static void sim_init(struct sim *sim, uint32_t units, uint32_t workers)
{
	struct ff_queues_opts opts = {
		.units = units, .workers = workers, .policy = ff_policy_find("load")};

	sim_init_with(sim, &opts);
}

/* Runs to the end and checks what must hold. */
static void sim_run(struct sim *sim, uint32_t workers)
{
	for (uint32_t i = 0; i < workers; i++)
		bring_up(sim, false, NOBODY);
	for (;;) {
		while (sim->heap_len) {
			step(sim);
			ask_idle(sim);
		}
		if (ff_queues_waiting(sim->queues))
			bring_up(sim, false, NOBODY);
		else if (ff_queues_alone_waiting(sim->queues))
			bring_up_alone(sim);
		else
			break;
	}
	assert_int_equal(sim->remaining, 0);
	for (uint32_t i = 0; i < sim->units; i++)
		assert_int_equal(sim->finished[i], 1);
	for (uint32_t i = 0; i < sim->workers_len; i++) {
		struct sim_worker *w = &sim->workers[i];

		if (w->up)
			ask(sim, i);
		assert_true(w->ends == 1 || (!w->up && w->ends == 0));
	}
}

static void sim_release(struct sim *sim)
{
	ff_queues_free(sim->queues);
	for (uint32_t i = 0; i < sim->workers_len; i++)
		ff_free(sim->workers[i].queue);
	ff_free(sim->workers);
	ff_free(sim->heap);
	ff_free(sim->finished);
	ff_free(sim->attempts);
	ff_free(sim->avoid);
}

static int64_t mixed(uint32_t unit)
{
	/* The same at each asking; some take long. */
	return (unit * 2654435761u >> 20) % 50 == 0 ? 500 * MS
						    : 1 + (unit * 40503u >> 4) % (20 * MS);
}

static int64_t equal(uint32_t unit)
{
	return 10 * MS;
}

/* --- tests --- */

static void test_random_worlds(void **state)
{
	static const uint32_t units[] = {0, 1, 2, 3, 5, 17, 100, 1000};
	static const uint32_t workers[] = {1, 2, 3, 8, 40};

	for (uint32_t seed = 1; seed <= 20; seed++) {
		for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++) {
			for (size_t w = 0; w < sizeof(workers) / sizeof(*workers); w++) {
				struct sim sim;

				random_seed(seed * 7919 + u * 31 + w);
				sim_init(&sim, units[u], workers[w]);
				sim.duration = mixed;
				sim.crash_every = seed % 3 ? 5 * seed : 0;
				sim.retry_every = seed % 2 ? 7 : 0;
				sim.suspect_every = seed % 4 < 2 ? 2 : 0;
				sim.late = seed % 5 < 3;
				sim_run(&sim, workers[w]);
				sim_release(&sim);
			}
		}
	}
}

static int64_t first_ones_are_slow(uint32_t unit)
{
	return unit < 25 ? 100 * MS : 1 * MS;
}

/* Where the slow ones cluster, counts mislead: who has nothing left takes from who has. */
static void test_the_tail_is_shared(void **state)
{
	int64_t fair = (25 * 100 * MS + 375 * MS) / 4;
	struct sim sim;

	sim_init(&sim, 400, 4);
	sim.duration = first_ones_are_slow;
	sim_run(&sim, 4);
	assert_in_range(sim.now, fair, fair + 2 * 100 * MS);
	assert_true(sim.recalls > 0);
	sim_release(&sim);
}

static void test_nothing_is_held_back(void **state)
{
	struct sim sim;

	/* As many long tests as workers: all at the same time. */
	sim_init(&sim, 8, 8);
	sim.duration = equal;
	sim_run(&sim, 8);
	assert_int_equal(sim.now, 10 * MS);
	sim_release(&sim);
	/* 15 equal tests on 8 workers take two rounds, 41 on 10 five. */
	sim_init(&sim, 15, 8);
	sim.duration = equal;
	sim_run(&sim, 8);
	assert_int_equal(sim.now, 20 * MS);
	sim_release(&sim);
	sim_init(&sim, 41, 10);
	sim.duration = equal;
	sim_run(&sim, 10);
	assert_int_equal(sim.now, 50 * MS);
	sim_release(&sim);
}

static void test_done_before_and_expected(void **state)
{
	int64_t expected_us[300];
	uint64_t done_before[5];

	for (uint32_t seed = 1; seed <= 30; seed++) {
		struct ff_queues_opts opts = {.units = 10 * seed,
					      .workers = 3,
					      .done_before = done_before,
					      .expected_us = seed % 2 ? expected_us : NULL};
		struct sim sim;

		random_seed(seed);
		for (uint32_t i = 0; i < opts.units; i++)
			expected_us[i] = mixed(i);
		for (uint32_t i = 0; i < 5; i++)
			done_before[i] =
				(uint64_t)random_below(NOBODY) << 32 | random_below(NOBODY);
		if (seed == 30)
			memset(done_before, 0xff, sizeof(done_before));
		sim_init_with(&sim, &opts);
		sim.duration = mixed;
		sim.crash_every = 20;
		sim.retry_every = 10;
		sim_run(&sim, 3);
		sim_release(&sim);
	}
}

/* Two long ones at the end of the file, known as such, are begun first. */
static int64_t last_are_slow(uint32_t unit)
{
	return unit >= 38 ? 200 * MS : 10 * MS;
}

static void test_known_durations_shorten_it(void **state)
{
	int64_t expected_us[40];
	struct ff_queues_opts opts = {.units = 40, .workers = 2, .expected_us = expected_us};
	struct sim sim;

	for (uint32_t i = 0; i < 40; i++)
		expected_us[i] = last_are_slow(i);
	sim_init_with(&sim, &opts);
	sim.duration = last_are_slow;
	sim_run(&sim, 2);
	assert_in_range(sim.now, 390 * MS, 410 * MS);
	sim_release(&sim);
}

static void test_a_million(void **state)
{
	struct sim sim;

	random_seed(4711);
	sim_init(&sim, 1000000, 1000);
	sim.duration = mixed;
	sim.crash_every = 5000;
	sim.retry_every = 100;
	sim.late = true;
	sim_run(&sim, 1000);
	assert_true(sim.steps >= 1000000);
	sim_release(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_worlds),
		cmocka_unit_test(test_the_tail_is_shared),
		cmocka_unit_test(test_nothing_is_held_back),
		cmocka_unit_test(test_done_before_and_expected),
		cmocka_unit_test(test_known_durations_shorten_it),
		cmocka_unit_test(test_a_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
