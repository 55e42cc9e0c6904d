/* The queues, step by step: portions, recalls, units to be tried alone, the order of what waits.
 * (The simulation is in test_sched.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "batch.h"
#include "sched/queues.h"

#define MS     INT64_C(1000)
#define NOBODY UINT32_MAX

static struct ff_queues *queues_new(uint32_t units, uint32_t workers)
{
	return ff_queues_new(&(struct ff_queues_opts){.units = units, .workers = workers});
}

/* "2: 6 7": from worker 2 */
static void assert_recall(struct ff_queues *queues, uint32_t thief, uint32_t from,
			  const char *expected)
{
	struct ff_recall recall = ff_queues_recall(queues, thief);

	assert_list(recall.units, recall.len, false, expected);
	if (recall.len)
		assert_int_equal(recall.worker, from);
}

static void up(struct ff_queues *queues, uint32_t worker)
{
	ff_queues_worker_up(queues, worker, false, NOBODY);
}

static void done_in_order(struct ff_queues *queues, uint32_t worker, uint32_t first, uint32_t last)
{
	for (uint32_t unit = first; unit <= last; unit++)
		ff_queues_done(queues, worker, unit, 1);
}

/* Single units of which more come. */
static void test_more(void **state)
{
	struct ff_queues *queues = queues_new(0, 2);

	assert_int_equal(ff_queues_take(queues), NOBODY);
	ff_queues_more(queues, 2);
	assert_int_equal(ff_queues_waiting(queues), 2);
	assert_int_equal(ff_queues_take(queues), 0);
	ff_queues_more(queues, 200);
	ff_queues_again(queues, 0);
	assert_int_equal(ff_queues_waiting(queues), 202);
	for (uint32_t unit = 0; unit < 202; unit++)
		assert_int_equal(ff_queues_take(queues), unit);
	assert_int_equal(ff_queues_take(queues), NOBODY);
	ff_queues_more(queues, 1);
	ff_queues_stop(queues);
	assert_int_equal(ff_queues_take(queues), NOBODY);
	ff_queues_free(queues);
}

/* The figures are pytest-xdist's. */
static void test_load_by_hand(void **state)
{
	struct ff_queues *queues = queues_new(24, 2);

	/* Nothing for whom is not there. */
	assert_batch(queues, 0, "");
	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "0 1 2");
	assert_batch(queues, 1, "3 4 5");
	assert_batch(queues, 0, "");
	/* 18 wait: below 18/2/4 it gets up to 18/2/2. */
	ff_queues_done(queues, 0, 0, 1);
	assert_batch(queues, 0, "");
	ff_queues_done(queues, 0, 1, 1);
	assert_batch(queues, 0, "6 7 8");
	/* Not while the last was long and two are still there. */
	ff_queues_done(queues, 1, 3, 200 * MS);
	assert_batch(queues, 1, "");
	assert_int_equal(ff_queues_waiting(queues), 15);
	/* A lost worker's queue goes back, the running one does not. */
	ff_queues_worker_down(queues, 0, 2);
	assert_int_equal(ff_queues_waiting(queues), 18);
	ff_queues_done(queues, 1, 4, 1);
	assert_batch(queues, 1, "6 7 8 9 10 11 12 13");
	ff_queues_again(queues, 2);
	/* What there is not can't come back. */
	ff_queues_again(queues, 99);
	ff_queues_again_alone(queues, 99, NOBODY);
	assert_int_equal(ff_queues_waiting(queues), 11);
	assert_int_equal(ff_queues_alone_waiting(queues), 0);
	ff_queues_free(queues);
}

static void test_a_stop(void **state)
{
	struct ff_queues *queues = queues_new(24, 2);
	uint32_t avoid;

	up(queues, 0);
	up(queues, 1);
	ff_queues_worker_up(queues, 2, true, NOBODY);
	assert_batch(queues, 0, "0 1");
	ff_queues_again_alone(queues, 3, 7);
	ff_queues_stop(queues);
	assert_int_equal(ff_queues_waiting(queues), 0);
	assert_int_equal(ff_queues_alone_waiting(queues), 0);
	assert_int_equal(ff_queues_take(queues), NOBODY);
	assert_int_equal(ff_queues_take_alone(queues), NOBODY);
	assert_int_equal(ff_queues_peek_alone(queues, 0, &avoid), NOBODY);
	assert_recall(queues, 1, 0, "");
	for (uint32_t i = 0; i < 3; i++) {
		assert_batch(queues, i, " end");
		assert_batch(queues, i, "");
	}
	/* Also for those that come later, and whatever comes back. */
	ff_queues_worker_down(queues, 0, 0);
	ff_queues_again(queues, 0);
	assert_int_equal(ff_queues_waiting(queues), 0);
	up(queues, 3);
	assert_batch(queues, 3, " end");
	ff_queues_free(queues);
}

static void test_the_last_ones(void **state)
{
	struct ff_queues *queues = queues_new(5, 4);

	for (uint32_t i = 0; i < 4; i++)
		up(queues, i);
	for (uint32_t i = 0; i < 4; i++) {
		char one[2] = {(char)('0' + i), 0};

		assert_batch(queues, i, one);
	}
	assert_batch(queues, 2, "");
	ff_queues_hungry(queues, 2);
	assert_batch(queues, 2, "4 end");
	assert_batch(queues, 0, " end");
	assert_batch(queues, 0, "");
	/* All were told; a retry needs a worker again. */
	ff_queues_done(queues, 2, 2, 1);
	ff_queues_again(queues, 2);
	assert_int_equal(ff_queues_waiting(queues), 1);
	up(queues, 7);
	assert_batch(queues, 7, "2 end");
	/* A done unit that was not given is nobody's. */
	ff_queues_done(queues, 7, 3, 1);
	ff_queues_worker_down(queues, 7, NOBODY);
	assert_int_equal(ff_queues_waiting(queues), 1);
	ff_queues_free(queues);
}

static uint32_t portions[3];

static void pick_by_hand(struct ff_queues *queues, uint32_t worker)
{
	for (uint32_t i = 0; i < portions[worker] && ff_queues_give_next(queues, worker); i++)
		;
}

static const struct ff_policy by_hand = {.name = "by hand", .pick = pick_by_hand};

/* Worker 0 gets `first` units, 1 the rest, and 2 nothing. */
static struct ff_queues *nothing_waits(uint32_t first, uint32_t second)
{
	struct ff_queues *queues = ff_queues_new(
		&(struct ff_queues_opts){.units = first + second, .policy = &by_hand});

	for (uint32_t i = 0; i < 3; i++)
		up(queues, i);
	portions[0] = first;
	portions[1] = second;
	portions[2] = 1;
	assert_int_equal(ff_queues_next(queues, 0).len, first);
	assert_int_equal(ff_queues_next(queues, 1).len, second);
	assert_batch(queues, 2, "");
	portions[0] = portions[1] = 1;
	return queues;
}

static void test_recalls(void **state)
{
	static const uint32_t some[] = {9, 10}, strange[] = {3, 99, 8};
	struct ff_queues *queues = nothing_waits(12, 0);

	/* Half of what is behind the running and the next one; the richest is asked once. */
	assert_true(ff_queues_may_come_back(queues));
	assert_recall(queues, 2, 0, "7 8 9 10 11");
	assert_recall(queues, 1, 0, "");
	assert_recall(queues, 2, 0, "");
	assert_batch(queues, 1, "");
	assert_true(ff_queues_may_come_back(queues));
	/* It had begun most of them before it answered. */
	done_in_order(queues, 0, 0, 8);
	ff_queues_returned(queues, 0, some, 2);
	assert_int_equal(ff_queues_waiting(queues), 2);
	assert_batch(queues, 2, "9");
	assert_batch(queues, 1, "10 end");
	assert_batch(queues, 2, " end");
	/* It gives back what it has not, or has not been asked: what it has counts. */
	ff_queues_returned(queues, 0, strange, 3);
	assert_int_equal(ff_queues_waiting(queues), 0);
	ff_queues_free(queues);
}

static void test_a_recall_that_is_never_answered(void **state)
{
	struct ff_queues *queues = nothing_waits(12, 0);

	assert_recall(queues, 2, 0, "7 8 9 10 11");
	done_in_order(queues, 0, 0, 10);
	/* It runs the last one; as long as it may yet answer nobody is sent away. */
	assert_batch(queues, 1, "");
	assert_batch(queues, 2, "");
	ff_queues_worker_down(queues, 0, 11);
	assert_false(ff_queues_may_come_back(queues));
	assert_batch(queues, 1, " end");
	assert_batch(queues, 2, " end");
	/* Nor is anything asked of one that is gone. */
	ff_queues_returned(queues, 0, (uint32_t[]){11}, 1);
	assert_int_equal(ff_queues_waiting(queues), 0);
	ff_queues_free(queues);
}

static void test_a_recall_that_gives_nothing(void **state)
{
	struct ff_queues *queues = nothing_waits(12, 0);

	assert_recall(queues, 2, 0, "7 8 9 10 11");
	ff_queues_returned(queues, 0, NULL, 0);
	/* It may be asked again, as long as it has enough. */
	assert_recall(queues, 1, 0, "7 8 9 10 11");
	done_in_order(queues, 0, 0, 9);
	ff_queues_returned(queues, 0, NULL, 0);
	assert_recall(queues, 1, 0, "");
	assert_batch(queues, 1, " end");
	ff_queues_free(queues);
}

/* Who has most is not sent away while others have more than they can do without: it may be the
 * first to be done. */
static void test_the_richest_may_take_later(void **state)
{
	struct ff_queues *queues = nothing_waits(12, 4);

	assert_batch(queues, 0, "");
	assert_batch(queues, 1, "");
	done_in_order(queues, 0, 0, 11);
	assert_batch(queues, 0, "");
	assert_recall(queues, 0, 1, "15");
	ff_queues_returned(queues, 1, (uint32_t[]){15}, 1);
	assert_batch(queues, 0, "15");
	ff_queues_done(queues, 0, 15, 1);
	assert_batch(queues, 0, "");
	assert_recall(queues, 0, 1, "14");
	ff_queues_returned(queues, 1, (uint32_t[]){14}, 1);
	assert_batch(queues, 0, "14 end");
	assert_batch(queues, 1, " end");
	ff_queues_free(queues);
}

/* A recall of many must not take a look at each for each of them. */
static void test_a_large_recall(void **state)
{
	enum { UNITS = 700000 };
	struct ff_queues *queues = nothing_waits(UNITS, 0);
	struct ff_recall recall;
	uint32_t *units;

	recall = ff_queues_recall(queues, 1);
	assert_int_equal(recall.len, (UNITS - 1) / 2);
	units = ff_xmalloc(recall.len * sizeof(*units));
	memcpy(units, recall.units, recall.len * sizeof(*units));
	ff_queues_returned(queues, 0, units, recall.len);
	assert_int_equal(ff_queues_waiting(queues), recall.len);
	ff_free(units);
	ff_queues_free(queues);
}

/* --- alone --- */

static void test_alone(void **state)
{
	struct ff_queues *queues = queues_new(10, 2);
	uint32_t avoid = 0;

	ff_queues_again_alone(queues, (ff_queues_take(queues)), 4);
	ff_queues_again_alone(queues, (ff_queues_take(queues)), NOBODY);
	ff_queues_again_alone(queues, (ff_queues_take(queues)), 4);
	assert_int_equal(ff_queues_waiting(queues), 7);
	assert_int_equal(ff_queues_alone_waiting(queues), 3);
	assert_int_equal(ff_queues_peek_alone(queues, 0, &avoid), 0);
	assert_int_equal(avoid, 4);
	assert_int_equal(ff_queues_peek_alone(queues, 1, &avoid), 1);
	assert_int_equal(avoid, NOBODY);
	assert_int_equal(ff_queues_peek_alone(queues, 3, &avoid), NOBODY);
	/* Others get none of these, and one that is alone gets nothing else: one at a time. */
	up(queues, 0);
	assert_batch(queues, 0, "3 4");
	ff_queues_worker_up(queues, 1, true, 5);
	assert_batch(queues, 1, "0");
	assert_batch(queues, 1, "");
	ff_queues_hungry(queues, 1);
	assert_batch(queues, 1, "");
	ff_queues_done(queues, 1, 0, 1);
	assert_batch(queues, 1, "1");
	/* It is lost, and had not begun: still one to be tried alone. */
	ff_queues_worker_down(queues, 1, NOBODY);
	assert_int_equal(ff_queues_alone_waiting(queues), 2);
	assert_int_equal(ff_queues_peek_alone(queues, 1, &avoid), 1);
	assert_int_equal(avoid, NOBODY);
	assert_int_equal(ff_queues_take_alone(queues), 2);
	assert_int_equal(ff_queues_take_alone(queues), 1);
	assert_int_equal(ff_queues_take_alone(queues), NOBODY);
	ff_queues_free(queues);
}

/* Not on the host that it avoids, be it the first in line or not. */
static void test_alone_but_not_there(void **state)
{
	struct ff_queues *queues = queues_new(4, 2);

	for (uint32_t i = 0; i < 4; i++)
		ff_queues_again_alone(queues, ff_queues_take(queues), i % 2);
	ff_queues_worker_up(queues, 0, true, 0);
	assert_batch(queues, 0, "1");
	ff_queues_worker_down(queues, 0, NOBODY);
	/* It kept what it avoids. */
	ff_queues_worker_up(queues, 1, true, 1);
	assert_batch(queues, 1, "0");
	ff_queues_done(queues, 1, 0, 1);
	assert_batch(queues, 1, "2 end");
	assert_int_equal(ff_queues_alone_waiting(queues), 2);
	ff_queues_worker_up(queues, 2, true, 1);
	assert_batch(queues, 2, " end");
	/* Where there is no other host. */
	ff_queues_worker_up(queues, 3, true, NOBODY);
	assert_batch(queues, 3, "3");
	ff_queues_done(queues, 3, 3, 1);
	assert_batch(queues, 3, "1 end");
	ff_queues_free(queues);
}

/* What it could take back is of no use to one that is alone. */
static void test_alone_takes_nothing_back(void **state)
{
	struct ff_queues *queues = nothing_waits(12, 0);

	ff_queues_worker_down(queues, 2, NOBODY);
	for (uint32_t i = 10; i < 12; i++) {
		ff_queues_done(queues, 0, i, 1);
		ff_queues_again_alone(queues, i, NOBODY);
	}
	ff_queues_worker_up(queues, 3, true, 1);
	assert_batch(queues, 3, "10");
	ff_queues_hungry(queues, 3);
	assert_batch(queues, 3, "");
	assert_recall(queues, 3, 0, "");
	assert_recall(queues, 77, 0, "");
	assert_recall(queues, 1, 0, "6 7 8 9");
	ff_queues_free(queues);
}

/* --- what waits --- */

static void test_longest_first(void **state)
{
	static const int64_t expected_us[] = {5, 30, 5, 7, INT64_MAX, 0, 30, -1};
	static const uint64_t done_before[] = {1 << 3 | 1 << 6};
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	struct ff_queues_opts opts = {.units = 8,
				      .workers = 1,
				      .expected_us = expected_us,
				      .names = names,
				      .done_before = done_before};
	struct ff_queues *queues = ff_queues_new(&opts);

	assert_int_equal(ff_queues_waiting(queues), 6);
	assert_string_equal(ff_queues_name(queues, 7), "h");
	assert_int_equal(ff_queues_take(queues), 4);
	assert_int_equal(ff_queues_take(queues), 1);
	assert_int_equal(ff_queues_take(queues), 0);
	/* One that comes back has its place again; it is not there twice. */
	ff_queues_again(queues, 1);
	ff_queues_again(queues, 1);
	assert_int_equal(ff_queues_take(queues), 1);
	assert_int_equal(ff_queues_take(queues), 2);
	assert_int_equal(ff_queues_take(queues), 5);
	assert_int_equal(ff_queues_take(queues), 7);
	assert_int_equal(ff_queues_take(queues), NOBODY);
	/* One that was done before may be asked for all the same. */
	ff_queues_again(queues, 6);
	assert_int_equal(ff_queues_take(queues), 6);
	ff_queues_free(queues);
}

/* What is handed out is what was said, once; nothing comes by itself, nor is taken back. */
static void test_driven(void **state)
{
	struct ff_queues *queues = ff_queues_new(
		&(struct ff_queues_opts){.units = 6, .workers = 2, .policy = &ff_policy_driven});

	assert_false(ff_queues_hand(queues, 0, 3)); /* nobody is there */
	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "");
	assert_true(ff_queues_hand(queues, 0, 3));
	assert_true(ff_queues_hand(queues, 0, 1));
	assert_false(ff_queues_hand(queues, 1, 3));
	assert_false(ff_queues_hand(queues, 1, 6));
	assert_batch(queues, 0, "");
	assert_recall(queues, 1, 0, "");
	assert_int_equal(ff_queues_info(queues, 0).queued, 2);
	ff_queues_done(queues, 0, 3, 1);
	assert_false(ff_queues_hand(queues, 1, 3)); /* it has run */
	ff_queues_again_alone(queues, 3, 0);
	assert_true(ff_queues_hand(queues, 1, 3)); /* wherever it is said */
	ff_queues_returned(queues, 0, (uint32_t[]){1}, 1);
	assert_true(ff_queues_withdraw(queues, 1));
	assert_false(ff_queues_withdraw(queues, 1));
	assert_false(ff_queues_hand(queues, 0, 1));
	ff_queues_worker_down(queues, 1, 3);
	assert_int_equal(ff_queues_waiting(queues), 4);
	ff_queues_dismiss(queues, 0);
	assert_batch(queues, 0, " end");
	assert_false(ff_queues_hand(queues, 0, 0));
	assert_null(ff_policy_find("driven"));
	ff_queues_free(queues);
}

static void on_host(struct ff_queues *queues, uint32_t worker, uint32_t host)
{
	ff_queues_worker_up(queues, worker, false, host);
}

/* Another host first, then another worker, as long as there is something else to do. */
static void test_retries_elsewhere(void **state)
{
	struct ff_queues *queues = ff_queues_new(
		&(struct ff_queues_opts){.units = 9, .workers = 3, .chunk = 1, .hosts = 2});

	on_host(queues, 0, 0);
	on_host(queues, 1, 0);
	on_host(queues, 2, 1);
	assert_batch(queues, 0, "0");
	assert_batch(queues, 1, "1");
	assert_batch(queues, 2, "2");
	assert_int_equal(ff_queues_shunned_host(queues), NOBODY);
	ff_queues_done(queues, 0, 0, 1);
	ff_queues_retry(queues, 0, 0, 0);
	assert_int_equal(ff_queues_shunned_host(queues), 0);
	assert_batch(queues, 0, "3");
	ff_queues_done(queues, 1, 1, 1);
	assert_batch(queues, 1, "4");
	ff_queues_done(queues, 2, 2, 1);
	assert_batch(queues, 2, "0");
	/* It is forgotten where it failed before. */
	ff_queues_done(queues, 2, 0, 1);
	ff_queues_retry(queues, 0, 2, 1);
	ff_queues_worker_down(queues, 0, 3);
	assert_batch(queues, 2, "5");
	ff_queues_done(queues, 1, 4, 1);
	assert_batch(queues, 1, "0");
	ff_queues_free(queues);
	(void)state;
}

/* Who has nothing else to do waits for nobody. */
static void test_retries_where_it_was(void **state)
{
	struct ff_queues *queues = ff_queues_new(
		&(struct ff_queues_opts){.units = 3, .workers = 2, .chunk = 1, .hosts = 2});

	on_host(queues, 0, 0);
	on_host(queues, 1, 1);
	assert_batch(queues, 0, "0");
	assert_batch(queues, 1, "1");
	ff_queues_done(queues, 0, 0, 1);
	ff_queues_retry(queues, 0, 0, 0);
	assert_batch(queues, 0, "2");
	assert_batch(queues, 0, "");
	ff_queues_done(queues, 0, 2, 1);
	assert_batch(queues, 0, "0 end");
	ff_queues_free(queues);
	(void)state;
}

/* What is left of a scope keeps it where that is. */
static void test_retries_in_a_scope(void **state)
{
	static const char *const names[] = {"a::1", "a::2", "b::1", "b::2", "c::1", "c::2"};
	struct ff_queues *queues =
		ff_queues_new(&(struct ff_queues_opts){.units = 6,
						       .workers = 2,
						       .names = names,
						       .hosts = 2,
						       .policy = &ff_policy_loadfile});

	on_host(queues, 0, 0);
	on_host(queues, 1, 1);
	assert_batch(queues, 0, "0 1");
	assert_batch(queues, 1, "2 3");
	ff_queues_done(queues, 0, 0, 1);
	ff_queues_retry(queues, 0, 0, 0);
	assert_batch(queues, 0, "0");
	ff_queues_done(queues, 0, 1, 1);
	ff_queues_done(queues, 0, 0, 1);
	ff_queues_retry(queues, 0, 0, 0);
	assert_batch(queues, 0, "4 5");
	done_in_order(queues, 1, 2, 3);
	assert_batch(queues, 1, "0 end");
	ff_queues_free(queues);
	(void)state;
}

static void test_policies(void **state)
{
	struct ff_queues *queues = queues_new(3, 0);

	assert_null(ff_policy_find("laod"));
	assert_string_equal(ff_policy_find("load")->name, "load");
	for (size_t i = 0; ff_policies[i]; i++)
		assert_ptr_equal(ff_policy_find(ff_policies[i]->name), ff_policies[i]);
	/* What a policy sees. */
	assert_int_equal(ff_queues_workers(queues), 1);
	assert_int_equal(ff_queues_units(queues), 3);
	assert_null(ff_queues_name(queues, 0));
	up(queues, 0);
	assert_true(ff_queues_info(queues, 0).fresh);
	up(queues, 1);
	assert_int_equal(ff_queues_workers(queues), 2);
	assert_batch(queues, 0, "0");
	assert_false(ff_queues_info(queues, 0).fresh);
	assert_int_equal(ff_queues_info(queues, 0).queued, 1);
	ff_queues_hungry(queues, 0);
	assert_true(ff_queues_info(queues, 0).hungry);
	ff_queues_done(queues, 0, 0, 17);
	assert_false(ff_queues_info(queues, 0).hungry);
	assert_true(ff_queues_info(queues, 0).last_us == 17);
	ff_queues_worker_down(queues, 1, NOBODY);
	assert_int_equal(ff_queues_workers(queues), 1);
	ff_queues_free(queues);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more),
		cmocka_unit_test(test_load_by_hand),
		cmocka_unit_test(test_a_stop),
		cmocka_unit_test(test_the_last_ones),
		cmocka_unit_test(test_recalls),
		cmocka_unit_test(test_a_recall_that_is_never_answered),
		cmocka_unit_test(test_a_recall_that_gives_nothing),
		cmocka_unit_test(test_the_richest_may_take_later),
		cmocka_unit_test(test_a_large_recall),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_alone_but_not_there),
		cmocka_unit_test(test_alone_takes_nothing_back),
		cmocka_unit_test(test_longest_first),
		cmocka_unit_test(test_driven),
		cmocka_unit_test(test_retries_elsewhere),
		cmocka_unit_test(test_retries_where_it_was),
		cmocka_unit_test(test_retries_in_a_scope),
		cmocka_unit_test(test_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
