/* The policies, driven by a simulation: workers with random durations, crashes and retries.
 * Whatever happens, each unit comes to its end once, each worker hears `end` once, and all of it
 * ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "sched/pending.h"
#include "sched/sched.h"

#define MS INT64_C(1000)

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return n ? (uint32_t)(random_state >> 16) % n : 0;
}

/* --- the simulated world --- */

struct sim_worker {
	uint32_t *queue; /* received, not yet run */
	size_t head, tail, cap;
	bool up, ended;
	uint32_t ends;	  /* how often it was told */
	uint32_t running; /* UINT32_MAX: none */
	int64_t until;	  /* when that ends; the teardown waits if nothing is behind it */
	bool waits;	  /* it told that it is hungry */
	bool idle;	  /* got neither units nor the end */
};

struct sim {
	struct ff_sched *sched;
	struct sim_worker *workers;
	uint32_t workers_len, workers_max;
	uint32_t units;
	uint32_t *finished; /* for each unit: how often it came to its end */
	uint8_t *attempts;
	uint32_t remaining;
	int64_t now;
	int64_t (*duration)(uint32_t unit);
	uint32_t crash_every, retry_every; /* 0: never */
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

static void receive(struct sim_worker *w, const struct ff_sched_batch *batch)
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
	if (batch->len)
		memcpy(w->queue + w->tail, batch->units, batch->len * sizeof(*w->queue));
	w->tail += batch->len;
}

static void start_next(struct sim *sim, uint32_t number)
{
	struct sim_worker *w = &sim->workers[number];

	if (w->running != UINT32_MAX || w->head == w->tail)
		return;
	w->running = w->queue[w->head++];
	assert_int_equal(sim->finished[w->running], 0);
	w->until = sim->now + sim->duration(w->running);
	w->waits = false;
	heap_push(sim, number);
}

/* As the payload does: what it runs next stays, the rest is given back. */
static bool give_back(struct sim *sim, const struct ff_sched_recall *recall)
{
	struct sim_worker *w = &sim->workers[recall->worker];
	uint32_t *back = ff_xcalloc(recall->len, sizeof(*back));
	size_t len = 0, kept = w->head;

	sim->recalls++;
	assert_true(w->up);
	for (size_t i = w->head; i < w->tail; i++) {
		bool wanted = false;

		for (size_t j = 0; j < recall->len; j++)
			wanted |= recall->units[j] == w->queue[i];
		if (wanted && i > w->head)
			back[len++] = w->queue[i];
		else
			w->queue[kept++] = w->queue[i];
	}
	w->tail = kept;
	sim->sched->class->returned(sim->sched, recall->worker, back, len);
	ff_free(back);
	return len > 0;
}

static void set_idle(struct sim *sim, struct sim_worker *w, bool idle)
{
	sim->idle += (uint32_t)idle - (uint32_t)w->idle;
	w->idle = idle;
}

static void ask(struct sim *sim, uint32_t number)
{
	struct sim_worker *w = &sim->workers[number];
	struct ff_sched_batch batch = sim->sched->class->next(sim->sched, number);

	assert_false(w->ended && (batch.len || batch.end));
	receive(w, &batch);
	if (batch.end) {
		w->ended = true;
		w->ends++;
	}
	set_idle(sim, w, false);
	start_next(sim, number);
	if (!batch.len && !w->ended && w->head == w->tail) {
		struct ff_sched_recall recall = sim->sched->class->recall(sim->sched, number);

		if (recall.len && give_back(sim, &recall))
			ask(sim, number);
		else
			set_idle(sim, w, true);
	}
}

/* What changed somewhere may concern those that have nothing to do. */
static void ask_idle(struct sim *sim)
{
	for (uint32_t i = 0; sim->idle && i < sim->workers_len; i++)
		if (sim->workers[i].idle)
			ask(sim, i);
}

static void bring_up(struct sim *sim)
{
	uint32_t number = sim->workers_len++;

	assert_true(number < sim->workers_max);
	sim->workers[number] = (struct sim_worker){.up = true, .running = UINT32_MAX};
	sim->sched->class->worker_up(sim->sched, number);
	ask(sim, number);
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
	w->running = UINT32_MAX;
	sim->sched->class->worker_down(sim->sched, number, running);
	/* Half of what crashed is run again. */
	if (running % 2)
		sim->sched->class->again(sim->sched, running);
	else
		finish_unit(sim, running);
	if (sim->sched->class->waiting(sim->sched))
		bring_up(sim);
}

static void finish_running(struct sim *sim, uint32_t number)
{
	struct sim_worker *w = &sim->workers[number];
	uint32_t unit = w->running;
	int64_t took = sim->duration(unit);
	bool again =
		sim->retry_every && sim->attempts[unit] < 2 && random_below(sim->retry_every) == 0;

	w->running = UINT32_MAX;
	w->waits = false;
	sim->sched->class->done(sim->sched, number, unit, took);
	if (again) {
		sim->attempts[unit]++;
		sim->sched->class->again(sim->sched, unit);
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
	/* As pytest: the teardown needs to know what comes next. */
	if (w->head == w->tail && !w->ended && !w->waits) {
		w->waits = true;
		sim->sched->class->hungry(sim->sched, number);
		ask(sim, number);
		assert_true(w->head < w->tail || w->ended || w->idle);
	}
	finish_running(sim, number);
}

static void sim_init(struct sim *sim, uint32_t units, uint32_t workers)
{
	*sim = (struct sim){.units = units, .remaining = units};
	/* Crashes bring up new ones. */
	sim->workers_max = workers + 2 * units + 10;
	sim->workers = ff_xcalloc(sim->workers_max, sizeof(*sim->workers));
	sim->heap = ff_xcalloc(sim->workers_max, sizeof(*sim->heap));
	sim->finished = ff_xcalloc(units + 1, sizeof(*sim->finished));
	sim->attempts = ff_xcalloc(units + 1, sizeof(*sim->attempts));
	sim->sched = ff_sched_find("load")->create(units, NULL, workers);
}

/* Runs to the end and checks what must hold. */
static void sim_run(struct sim *sim, uint32_t workers)
{
	for (uint32_t i = 0; i < workers; i++)
		bring_up(sim);
	for (;;) {
		while (sim->heap_len) {
			step(sim);
			ask_idle(sim);
		}
		if (!sim->sched->class->waiting(sim->sched))
			break;
		bring_up(sim);
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
	sim->sched->class->free(sim->sched);
	for (uint32_t i = 0; i < sim->workers_len; i++)
		ff_free(sim->workers[i].queue);
	ff_free(sim->workers);
	ff_free(sim->heap);
	ff_free(sim->finished);
	ff_free(sim->attempts);
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

	for (uint32_t seed = 1; seed <= 10; seed++) {
		for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++) {
			for (size_t w = 0; w < sizeof(workers) / sizeof(*workers); w++) {
				struct sim sim;

				random_state = seed * 7919 + u * 31 + w;
				sim_init(&sim, units[u], workers[w]);
				sim.duration = mixed;
				sim.crash_every = seed % 3 ? 5 * seed : 0;
				sim.retry_every = seed % 2 ? 7 : 0;
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

static void assert_batch(struct ff_sched *sched, uint32_t worker, const char *expected)
{
	struct ff_sched_batch batch = sched->class->next(sched, worker);
	char text[128] = "";

	for (size_t i = 0; i < batch.len; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u", i ? " " : "",
			 batch.units[i]);
	strcat(text, batch.end ? " end" : "");
	assert_string_equal(text, expected);
}

static void test_load_by_hand(void **state)
{
	const struct ff_sched_class *load = ff_sched_find("load");
	struct ff_sched *sched = load->create(24, NULL, 2);

	/* Nothing for whom is not there. */
	assert_batch(sched, 0, "");
	load->worker_up(sched, 0);
	load->worker_up(sched, 1);
	assert_batch(sched, 0, "0 1 2");
	assert_batch(sched, 1, "3 4 5");
	assert_batch(sched, 0, "");
	/* 18 wait: below 18/2/4 it gets up to 18/2/2. */
	load->done(sched, 0, 0, 1);
	assert_batch(sched, 0, "");
	load->done(sched, 0, 1, 1);
	assert_batch(sched, 0, "6 7 8");
	/* Not while the last was long and two are still there. */
	load->done(sched, 1, 3, 200 * MS);
	assert_batch(sched, 1, "");
	assert_int_equal(load->waiting(sched), 15);
	/* A lost worker's queue goes back, the running one does not. */
	load->worker_down(sched, 0, 2);
	assert_int_equal(load->waiting(sched), 18);
	load->done(sched, 1, 4, 1);
	assert_batch(sched, 1, "6 7 8 9 10 11 12 13");
	load->again(sched, 2);
	/* Neither what somebody has nor what there is not. */
	load->again(sched, 5);
	load->again(sched, 99);
	assert_int_equal(load->waiting(sched), 11);
	load->stop(sched);
	assert_batch(sched, 1, " end");
	assert_batch(sched, 1, "");
	load->free(sched);
}

static void test_the_last_ones(void **state)
{
	const struct ff_sched_class *load = ff_sched_find("load");
	struct ff_sched *sched = load->create(5, NULL, 4);

	for (uint32_t i = 0; i < 4; i++)
		load->worker_up(sched, i);
	for (uint32_t i = 0; i < 4; i++) {
		char one[2] = {(char)('0' + i), 0};

		assert_batch(sched, i, one);
	}
	assert_batch(sched, 2, "");
	load->hungry(sched, 2);
	assert_batch(sched, 2, "4 end");
	assert_batch(sched, 0, " end");
	assert_batch(sched, 0, "");
	/* All were told; a retry needs a worker again. */
	load->done(sched, 2, 2, 1);
	load->again(sched, 2);
	assert_int_equal(load->waiting(sched), 1);
	load->worker_up(sched, 7);
	assert_batch(sched, 7, "2 end");
	/* A done unit that was not given is nobody's. */
	load->done(sched, 7, 3, 1);
	load->worker_down(sched, 7, UINT32_MAX);
	assert_int_equal(load->waiting(sched), 1);
	load->free(sched);
}

static void test_pending(void **state)
{
	struct ff_pending p;

	for (uint32_t size = 1; size < 10000; size = size * 5 / 2 + 1) {
		ff_pending_init(&p, size, true);
		assert_int_equal(p.len, size);
		for (uint32_t i = 0; i < size; i++)
			assert_int_equal(ff_pending_take(&p), i);
		assert_int_equal(p.len, 0);
		ff_pending_add(&p, size - 1);
		ff_pending_add(&p, size - 1);
		ff_pending_add(&p, size);
		ff_pending_add(&p, size / 2);
		assert_true(ff_pending_has(&p, size - 1));
		assert_false(ff_pending_has(&p, size));
		assert_int_equal(ff_pending_take(&p), size / 2);
		if (size / 2 != size - 1)
			assert_int_equal(ff_pending_take(&p), size - 1);
		assert_int_equal(p.len, 0);
		ff_pending_release(&p);
	}
}

static void test_unknown(void **state)
{
	assert_null(ff_sched_find("laod"));
	assert_string_equal(ff_sched_find("load")->name, "load");
	for (size_t i = 0; ff_scheds[i]; i++)
		assert_ptr_equal(ff_sched_find(ff_scheds[i]->name), ff_scheds[i]);
}

static void test_a_million(void **state)
{
	struct sim sim;

	random_state = 4711;
	sim_init(&sim, 1000000, 1000);
	sim.duration = mixed;
	sim.crash_every = 5000;
	sim.retry_every = 100;
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
		cmocka_unit_test(test_load_by_hand),
		cmocka_unit_test(test_the_last_ones),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_a_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
