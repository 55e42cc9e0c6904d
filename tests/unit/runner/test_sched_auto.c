/* The policy `auto`: what comes first, what stays together, and how near it comes to the shortest
 * run that there could be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "batch.h"
#include "sched/queues.h"

#define MS     INT64_C(1000)
#define SECOND (1000 * MS)
#define NOBODY UINT32_MAX

static void up(struct ff_queues *queues, uint32_t worker)
{
	ff_queues_worker_up(queues, worker, false, NOBODY);
}

static void done(struct ff_queues *queues, uint32_t worker, uint32_t unit, int64_t us)
{
	ff_queues_done(queues, worker, unit, us);
}

static void test_the_longest_first(void **state)
{
	static const char *const names[] = {"a::1", "a::2", "a::3", "b::1", "b::2", "b::3"};
	static const int64_t us[] = {SECOND,	 3 * SECOND, SECOND,
				     2 * SECOND, 5 * SECOND, 1 * SECOND};
	struct ff_queues_opts opts = {.policy = &ff_policy_auto,
				      .units = 6,
				      .workers = 2,
				      .names = names,
				      .expected_us = us};
	struct ff_queues *queues = ff_queues_new(&opts);

	up(queues, 0);
	up(queues, 1);
	/* Nothing is queued behind a unit that takes long. */
	assert_batch(queues, 0, "4");
	assert_batch(queues, 1, "1");
	assert_batch(queues, 1, "");
	ff_queues_hungry(queues, 1);
	assert_batch(queues, 1, "3");
	done(queues, 1, 1, 3 * SECOND);
	ff_queues_hungry(queues, 1);
	assert_batch(queues, 1, "0");
	done(queues, 1, 3, 2 * SECOND);
	ff_queues_hungry(queues, 0);
	assert_batch(queues, 0, "2");
	ff_queues_hungry(queues, 1);
	assert_batch(queues, 1, "5 end");
	ff_queues_free(queues);
}

enum { FILES = 8, TESTS = 100, ALL = FILES * TESTS };

static char name_texts[ALL][24];
static const char *all_names[ALL];
static int64_t all_us[ALL], all_setups[ALL];

static void make(int64_t us)
{
	for (int i = 0; i < ALL; i++) {
		snprintf(name_texts[i], sizeof(name_texts[i]), "f%d::%d", i / TESTS, i % TESTS);
		all_names[i] = name_texts[i];
		all_us[i] = us;
		all_setups[i] = 0;
	}
}

/* --- a run in no time: workers run what they have, ask when they run the last of it, and take from
 * others --- */

enum { WORKERS_MAX = 8 };

struct worker {
	uint32_t queue[ALL];
	uint32_t head, tail, file, switches;
	int64_t free_us;
	bool over;
};

static struct worker workers[WORKERS_MAX];
static uint32_t runs_of[ALL];

static void feed(struct ff_queues *queues, uint32_t number)
{
	struct worker *worker = &workers[number];
	struct ff_batch batch = ff_queues_next(queues, number);
	struct ff_recall recall;

	for (size_t i = 0; i < batch.len; i++)
		worker->queue[worker->tail++ % ALL] = batch.units[i];
	worker->over |= batch.end;
	if (batch.len || batch.end)
		return;
	recall = ff_queues_recall(queues, number);
	if (recall.len) {
		uint32_t units[ALL];

		memcpy(units, recall.units, recall.len * sizeof(*units));
		workers[recall.worker].tail -= (uint32_t)recall.len;
		ff_queues_returned(queues, recall.worker, units, recall.len);
		feed(queues, number);
	}
}

static uint32_t next_free(uint32_t len)
{
	uint32_t best = NOBODY;

	for (uint32_t i = 0; i < len; i++)
		if (workers[i].head != workers[i].tail &&
		    (best == NOBODY || workers[i].free_us < workers[best].free_us))
			best = i;
	return best;
}

static void run_one(struct ff_queues *queues, uint32_t number, const int64_t *really_us)
{
	struct worker *worker = &workers[number];
	uint32_t unit = worker->queue[worker->head % ALL];

	if (worker->tail - worker->head == 1 && !worker->over) {
		ff_queues_hungry(queues, number);
		feed(queues, number);
	}
	worker->head++;
	worker->free_us += really_us[unit];
	worker->switches += worker->file != unit / TESTS;
	worker->file = unit / TESTS;
	runs_of[unit]++;
	done(queues, number, unit, really_us[unit]);
	if (!worker->over)
		feed(queues, number);
}

/* The time that the run took; each unit was run once. */
static int64_t run_all(const struct ff_queues_opts *opts, const int64_t *really_us)
{
	struct ff_queues *queues = ff_queues_new(opts);
	int64_t end_us = 0;
	uint32_t number;

	memset(workers, 0, sizeof(workers));
	memset(runs_of, 0, sizeof(runs_of));
	for (uint32_t i = 0; i < opts->workers; i++)
		up(queues, i);
	for (uint32_t i = 0; i < opts->workers; i++) {
		workers[i].file = NOBODY;
		feed(queues, i);
	}
	while ((number = next_free(opts->workers)) != NOBODY) {
		run_one(queues, number, really_us);
		for (uint32_t i = 0; i < opts->workers; i++)
			if (workers[i].head == workers[i].tail && !workers[i].over) {
				if (workers[i].free_us < workers[number].free_us)
					workers[i].free_us = workers[number].free_us;
				feed(queues, i);
			}
		if (end_us < workers[number].free_us)
			end_us = workers[number].free_us;
	}
	for (uint32_t i = 0; i < opts->units; i++)
		assert_int_equal(runs_of[i], 1);
	assert_int_equal(ff_queues_left_us(queues), 0);
	ff_queues_free(queues);
	return end_us;
}

static struct ff_queues_opts all_of(uint32_t len)
{
	return (struct ff_queues_opts){.policy = &ff_policy_auto,
				       .units = ALL,
				       .workers = len,
				       .names = all_names,
				       .expected_us = all_us,
				       .setup_us = all_setups};
}

static void test_files_stay_together(void **state)
{
	struct ff_queues_opts opts = all_of(2);
	int64_t took;
	uint32_t switches = 0;

	make(10 * MS);
	took = run_all(&opts, all_us);
	for (int i = 0; i < 2; i++)
		switches += workers[i].switches;
	assert_in_range(took, ALL * 10 * MS / 2, ALL * 10 * MS / 2 * 102 / 100);
	/* The eight files, and what evens out the end. */
	assert_in_range(switches, FILES, FILES + 4);
}

/* Durations as they are: most short, some long, and those in the last files. */
static void skew(void)
{
	uint64_t x = 88172645463325252;

	make(MS);
	for (int i = 0; i < ALL; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		all_us[i] = MS + (int64_t)(x % 40) * MS;
		if (i >= ALL - TESTS)
			all_us[i] = (int64_t)(x % 200) * 10 * MS;
	}
}

static void bound(int64_t *sum_us, int64_t *longest_us)
{
	*sum_us = *longest_us = 0;
	for (int i = 0; i < ALL; i++) {
		*sum_us += all_us[i];
		*longest_us = all_us[i] > *longest_us ? all_us[i] : *longest_us;
	}
}

static void test_a_skewed_suite(void **state)
{
	struct ff_queues_opts opts = all_of(8);
	int64_t sum, longest, best;

	skew();
	bound(&sum, &longest);
	best = sum / 8 > longest ? sum / 8 : longest;
	assert_in_range(run_all(&opts, all_us), best, best * 102 / 100);
	/* One that takes as long as all others for each worker begins at once. */
	all_us[5] = sum / 8;
	bound(&sum, &longest);
	best = sum / 8 > longest ? sum / 8 : longest;
	assert_in_range(run_all(&opts, all_us), best, best * 102 / 100);
}

static void test_expectations_that_are_wrong(void **state)
{
	struct ff_queues_opts opts = all_of(8);
	static int64_t really[ALL];
	int64_t sum = 0;

	skew();
	for (int i = 0; i < ALL; i++) {
		really[i] = all_us[ALL - 1 - i];
		sum += really[i];
	}
	/* The longest of 2 s may come last. */
	assert_in_range(run_all(&opts, really), sum / 8, sum / 8 + 3 * SECOND);
	opts.expected_us = opts.setup_us = NULL;
	assert_in_range(run_all(&opts, really), sum / 8, sum / 8 + 3 * SECOND);
	opts.names = NULL;
	assert_in_range(run_all(&opts, really), sum / 8, sum / 8 + 3 * SECOND);
}

static void test_costly_set_ups_are_not_repeated(void **state)
{
	struct ff_queues_opts opts = all_of(4);
	uint32_t plain = 0, costly = 0;

	make(10 * MS);
	run_all(&opts, all_us);
	for (int i = 0; i < 4; i++)
		plain += workers[i].switches;
	for (int i = 0; i < ALL; i += TESTS)
		all_us[i] += all_setups[i] = SECOND;
	run_all(&opts, all_us);
	for (int i = 0; i < 4; i++)
		costly += workers[i].switches;
	assert_true(costly <= plain);
	assert_int_equal(costly, FILES);
}

static void test_what_comes_back_is_given_again(void **state)
{
	struct ff_queues_opts opts = all_of(2);
	struct ff_queues *queues;
	struct ff_batch batch;
	int64_t all;

	make(10 * MS);
	queues = ff_queues_new(&opts);
	all = ff_queues_left_us(queues);
	up(queues, 0);
	up(queues, 1);
	batch = ff_queues_next(queues, 0);
	assert_int_equal(ff_queues_left_us(queues), all - (int64_t)batch.len * 10 * MS);
	ff_queues_worker_down(queues, 0, 0);
	assert_int_equal(ff_queues_left_us(queues), all - 10 * MS);
	ff_queues_again(queues, 0);
	assert_int_equal(ff_queues_left_us(queues), all);
	/* The files that nobody was at come first. */
	for (bool found = false; !found;) {
		ff_queues_hungry(queues, 1);
		batch = ff_queues_next(queues, 1);
		assert_true(batch.len > 0);
		for (size_t i = 0; i < batch.len; i++)
			found |= batch.units[i] == 0;
		for (size_t i = 0; !found && i < batch.len; i++)
			done(queues, 1, batch.units[i], 10 * MS);
	}
	ff_queues_free(queues);
}

static void test_what_was_done_before_is_left_out(void **state)
{
	static const uint64_t before[ALL / 64 + 1] = {~UINT64_C(0)};
	struct ff_queues_opts opts = all_of(1);
	struct ff_queues *queues;

	make(10 * MS);
	opts.done_before = before;
	queues = ff_queues_new(&opts);
	assert_int_equal(ff_queues_left_us(queues), (ALL - 64) * 10 * MS);
	up(queues, 0);
	while (ff_queues_waiting(queues) > 0) {
		struct ff_batch batch;

		ff_queues_hungry(queues, 0);
		batch = ff_queues_next(queues, 0);
		for (size_t i = 0; i < batch.len; i++)
			assert_true(batch.units[i] >= 64);
		for (size_t i = 0; i < batch.len; i++)
			done(queues, 0, batch.units[i], 10 * MS);
	}
	ff_queues_free(queues);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_longest_first),
		cmocka_unit_test(test_files_stay_together),
		cmocka_unit_test(test_a_skewed_suite),
		cmocka_unit_test(test_expectations_that_are_wrong),
		cmocka_unit_test(test_costly_set_ups_are_not_repeated),
		cmocka_unit_test(test_what_comes_back_is_given_again),
		cmocka_unit_test(test_what_was_done_before_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
