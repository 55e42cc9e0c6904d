/* What each policy gives to whom, step by step. (What they promise whatever happens is checked by
 * the simulation.) */
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

static struct ff_queues *queues_of(const struct ff_policy *policy, uint32_t workers,
				   const char *const *names)
{
	struct ff_queues_opts opts = {.policy = policy, .workers = workers, .names = names};

	while (names[opts.units])
		opts.units++;
	return ff_queues_new(&opts);
}

static void up(struct ff_queues *queues, uint32_t worker)
{
	ff_queues_worker_up(queues, worker, false, NOBODY);
}

static void done_in_order(struct ff_queues *queues, uint32_t worker, uint32_t first, uint32_t last)
{
	for (uint32_t unit = first; unit <= last; unit++)
		ff_queues_done(queues, worker, unit, 10 * MS);
}

static void assert_scope(const struct ff_policy *policy, const char *name, const char *expected)
{
	size_t len = 0;
	const char *scope = policy->scope(name, &len);

	assert_int_equal(len, strlen(expected));
	assert_memory_equal(scope, expected, len);
}

/* --- what belongs together --- */

static void test_scopes_of_names(void **state)
{
	assert_scope(&ff_policy_loadscope, "a/b.py::test_x", "a/b.py");
	assert_scope(&ff_policy_loadscope, "a/b.py::A::B::test_x", "a/b.py::A::B");
	assert_scope(&ff_policy_loadscope, "a/b.py::A::test_x[1::2]", "a/b.py::A");
	assert_scope(&ff_policy_loadscope, "a[1]/b.py::A::test_x", "a[1]/b.py::A");
	assert_scope(&ff_policy_loadscope, "a/b.txt", "a/b.txt");
	assert_scope(&ff_policy_loadfile, "a/b.py::A::test_x[1::2]", "a/b.py");
	assert_scope(&ff_policy_loadfile, "a/b.txt", "a/b.txt");
	assert_scope(&ff_policy_loadgroup, "a.py::A::test_x[1]@db", "db");
	assert_scope(&ff_policy_loadgroup, "b.py::test_y@db", "db");
	assert_scope(&ff_policy_loadgroup, "a.py::test_x[me@home]", "a.py::test_x[me@home]");
	assert_scope(&ff_policy_loadgroup, "a.py::test_x", "a.py::test_x");
}

static void test_policies_are_found(void **state)
{
	static const char *const names[] = {"load",	 "worksteal", "loadscope", "loadfile",
					    "loadgroup", "each",      "no",	   "auto"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_ptr_equal(ff_policy_find(names[i]), ff_policies[i]);
		assert_string_equal(ff_policies[i]->name, names[i]);
		assert_non_null(ff_policies[i]->help);
	}
	assert_null(ff_policies[sizeof(names) / sizeof(*names)]);
	assert_null(ff_policy_find("loadscop"));
}

/* --- loadscope and its like --- */

static const char *const three_files[] = {"a::1", "a::2", "b::1", "b::2", "b::3",
					  "b::4", "c::1", "c::2", "c::3", NULL};

static void test_the_largest_scope_comes_first(void **state)
{
	struct ff_queues *queues = queues_of(&ff_policy_loadfile, 2, three_files);

	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "2 3 4 5");
	assert_batch(queues, 1, "6 7 8");
	/* The next goes to whoever asks first. */
	done_in_order(queues, 1, 6, 7);
	assert_batch(queues, 1, "");
	ff_queues_hungry(queues, 1);
	assert_batch(queues, 1, "0 1");
	ff_queues_done(queues, 1, 8, 10 * MS);
	assert_batch(queues, 1, "");
	/* Nothing waits: the end, as soon as nothing of its scope can come again. */
	done_in_order(queues, 0, 2, 3);
	assert_batch(queues, 0, "");
	ff_queues_done(queues, 0, 4, 10 * MS);
	assert_batch(queues, 0, " end");
	ff_queues_done(queues, 1, 0, 10 * MS);
	assert_batch(queues, 1, " end");
	ff_queues_free(queues);
}

static void test_scopes_in_order(void **state)
{
	struct ff_queues_opts opts = {.policy = &ff_policy_loadfile,
				      .units = 9,
				      .workers = 2,
				      .names = three_files,
				      .scopes_in_order = true};
	struct ff_queues *queues = ff_queues_new(&opts);

	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "0 1");
	assert_batch(queues, 1, "2 3 4 5");
	ff_queues_free(queues);
}

static void test_the_longest_scope_comes_first(void **state)
{
	static const int64_t expected[] = {INT64_MAX, 9000, 1, 1, 1, 1, 10, 10, 10};
	struct ff_queues_opts opts = {.policy = &ff_policy_loadfile,
				      .units = 9,
				      .workers = 2,
				      .names = three_files,
				      .expected_us = expected};
	struct ff_queues *queues = ff_queues_new(&opts);

	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "0 1");
	assert_batch(queues, 1, "6 7 8");
	ff_queues_free(queues);
}

static void test_a_retry_stays_with_its_scope(void **state)
{
	struct ff_queues *queues = queues_of(&ff_policy_loadfile, 2, three_files);

	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "2 3 4 5");
	assert_batch(queues, 1, "6 7 8");
	ff_queues_done(queues, 0, 2, 10 * MS);
	ff_queues_again(queues, 2);
	assert_int_equal(ff_queues_waiting(queues), 2);
	done_in_order(queues, 1, 6, 8);
	assert_batch(queues, 1, "0 1");
	assert_batch(queues, 0, "2");
	/* Also the last one. */
	done_in_order(queues, 1, 0, 0);
	assert_batch(queues, 1, " end");
	done_in_order(queues, 0, 3, 5);
	ff_queues_done(queues, 0, 2, 10 * MS);
	ff_queues_again(queues, 2);
	assert_batch(queues, 0, "2 end");
	/* Whoever was told that nothing comes gets nothing. */
	ff_queues_done(queues, 1, 1, 10 * MS);
	ff_queues_again(queues, 1);
	assert_batch(queues, 1, "");
	assert_int_equal(ff_queues_waiting(queues), 1);
	up(queues, 2);
	assert_batch(queues, 2, "1 end");
	ff_queues_free(queues);
}

/* A lost worker's scope goes on as a whole, with what was to run again; the running one does not.
 */
static void test_a_lost_scope_goes_on_as_a_whole(void **state)
{
	struct ff_queues *queues = queues_of(&ff_policy_loadfile, 2, three_files);

	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "2 3 4 5");
	assert_batch(queues, 1, "6 7 8");
	ff_queues_done(queues, 0, 2, 10 * MS);
	ff_queues_again(queues, 2);
	ff_queues_worker_down(queues, 0, 3);
	done_in_order(queues, 1, 6, 8);
	assert_batch(queues, 1, "2 4 5");
	ff_queues_again(queues, 3);
	assert_batch(queues, 1, "3");
	ff_queues_free(queues);
}

/* Quick ones are not asked for one by one; nor do they wait behind others. */
static void test_small_scopes_are_given_ahead(void **state)
{
	struct ff_queues_opts opts = {.policy = &ff_policy_loadgroup, .units = 1000, .workers = 2};
	struct ff_queues *queues = ff_queues_new(&opts);
	struct ff_batch batch;

	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "0");
	assert_batch(queues, 1, "1");
	ff_queues_done(queues, 0, 0, MS);
	assert_batch(queues, 0, "2");
	batch = ff_queues_next(queues, 0);
	assert_int_equal(batch.len, 31);
	ff_queues_done(queues, 1, 1, 50 * MS);
	assert_batch(queues, 1, "34");
	assert_batch(queues, 1, "");
	ff_queues_free(queues);
}

static void test_scopes_that_the_caller_has(void **state)
{
	static const char *const scopes[] = {"x", "y", "x", "y", "x"};
	struct ff_queues_opts opts = {
		.policy = &ff_policy_loadscope, .units = 5, .workers = 2, .scopes = scopes};
	struct ff_queues *queues = ff_queues_new(&opts);

	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "0 2 4");
	assert_batch(queues, 1, "1 3");
	ff_queues_free(queues);
}

/* --- worksteal --- */

static void test_worksteal(void **state)
{
	static const int64_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	struct ff_queues_opts opts = {
		.policy = &ff_policy_worksteal, .units = 9, .workers = 2, .expected_us = expected};
	struct ff_queues *queues = ff_queues_new(&opts);
	struct ff_recall recall;

	up(queues, 0);
	assert_batch(queues, 0, "0 1 2 3 4");
	/* The other's share is for whoever is there. */
	done_in_order(queues, 0, 0, 4);
	assert_batch(queues, 0, "5 6");
	up(queues, 1);
	assert_batch(queues, 1, "7 8 end");
	ff_queues_free(queues);

	opts.units = 8;
	queues = ff_queues_new(&opts);
	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 0, "0 1 2 3");
	assert_batch(queues, 1, "4 5 6 7");
	done_in_order(queues, 0, 0, 2);
	ff_queues_hungry(queues, 0);
	assert_batch(queues, 0, "");
	recall = ff_queues_recall(queues, 0);
	assert_int_equal(recall.worker, 1);
	assert_int_equal(recall.len, 1);
	assert_int_equal(recall.units[0], 7);
	ff_queues_returned(queues, 1, (uint32_t[]){7}, 1);
	assert_batch(queues, 0, "7");
	ff_queues_free(queues);
}

/* --- each and no --- */

static void test_each(void **state)
{
	static const uint32_t seats[] = {4, 4, 7};
	struct ff_queues_opts opts = {.policy = &ff_policy_each,
				      .units = 6,
				      .workers = 3,
				      .seats = seats,
				      .seats_len = 3};
	struct ff_queues *queues = ff_queues_new(&opts);

	assert_true(ff_queues_has_seats(queues));
	assert_true(ff_queues_seat_waits(queues, 4));
	assert_false(ff_queues_seat_waits(queues, 5));
	ff_queues_worker_up(queues, 0, false, 7);
	assert_batch(queues, 0, "4 5");
	/* If it can be, the one of its own number. */
	ff_queues_worker_up(queues, 1, false, 4);
	assert_batch(queues, 1, "2 3");
	assert_true(ff_queues_seat_waits(queues, 4));
	assert_false(ff_queues_seat_waits(queues, 7));
	/* One seat for each, and only on its host. */
	ff_queues_done(queues, 0, 4, MS);
	assert_batch(queues, 0, " end");
	ff_queues_worker_up(queues, 2, false, 7);
	assert_batch(queues, 2, " end");
	/* What is lost goes on there; not even what is suspect goes elsewhere. */
	ff_queues_worker_down(queues, 1, 2);
	ff_queues_again_alone(queues, 2, 4);
	assert_int_equal(ff_queues_alone_waiting(queues), 0);
	ff_queues_worker_up(queues, 3, false, 4);
	assert_batch(queues, 3, "0 1");
	ff_queues_worker_up(queues, 4, false, 4);
	assert_batch(queues, 4, "2 3");
	assert_false(ff_queues_seat_waits(queues, 4));
	ff_queues_free(queues);
}

static void test_no(void **state)
{
	static const int64_t expected[] = {1, 2, 3};
	struct ff_queues_opts opts = {
		.policy = &ff_policy_no, .units = 3, .workers = 2, .expected_us = expected};
	struct ff_queues *queues = ff_queues_new(&opts);

	up(queues, 0);
	up(queues, 1);
	assert_batch(queues, 1, " end");
	assert_batch(queues, 0, "0 1 2");
	/* It runs again where all runs. */
	ff_queues_done(queues, 0, 0, MS);
	ff_queues_again(queues, 0);
	assert_batch(queues, 0, "0");
	ff_queues_done(queues, 0, 1, MS);
	assert_batch(queues, 0, "");
	ff_queues_done(queues, 0, 2, MS);
	assert_batch(queues, 0, " end");
	ff_queues_free(queues);
}

/* --- limits --- */

static void test_a_limit_of_workers(void **state)
{
	struct ff_queues_opts opts = {.units = 24, .workers = 4, .most = 2};
	struct ff_queues *queues = ff_queues_new(&opts);

	for (uint32_t i = 0; i < 4; i++)
		up(queues, i);
	assert_int_equal(ff_queues_workers(queues), 2);
	assert_batch(queues, 3, " end");
	assert_batch(queues, 2, " end");
	assert_batch(queues, 0, "0 1 2");
	/* Another may come for one that is gone. */
	ff_queues_worker_down(queues, 0, 0);
	up(queues, 4);
	assert_batch(queues, 4, "1 2 3");
	ff_queues_free(queues);
}

/* One that was told that nothing more will come still has what it has. */
static void test_a_limit_counts_those_with_work(void **state)
{
	struct ff_queues_opts opts = {
		.policy = &ff_policy_worksteal, .units = 3, .workers = 1, .most = 2};
	struct ff_queues *queues = ff_queues_new(&opts);

	up(queues, 0);
	assert_batch(queues, 0, "0 1 2 end");
	up(queues, 1);
	assert_false(ff_queues_info(queues, 1).surplus);
	up(queues, 2);
	assert_true(ff_queues_info(queues, 2).surplus);
	assert_batch(queues, 2, " end");
	done_in_order(queues, 0, 0, 2);
	up(queues, 3);
	assert_false(ff_queues_info(queues, 3).surplus);
	ff_queues_free(queues);
}

static void test_a_limit_of_units(void **state)
{
	struct ff_queues_opts opts = {.units = 1000, .workers = 2, .chunk = 5};
	struct ff_queues *queues = ff_queues_new(&opts);

	up(queues, 0);
	assert_batch(queues, 0, "0 1 2 3 4");
	assert_batch(queues, 0, "5 6 7 8 9");
	ff_queues_free(queues);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scopes_of_names),
		cmocka_unit_test(test_policies_are_found),
		cmocka_unit_test(test_the_largest_scope_comes_first),
		cmocka_unit_test(test_scopes_in_order),
		cmocka_unit_test(test_the_longest_scope_comes_first),
		cmocka_unit_test(test_a_retry_stays_with_its_scope),
		cmocka_unit_test(test_a_lost_scope_goes_on_as_a_whole),
		cmocka_unit_test(test_small_scopes_are_given_ahead),
		cmocka_unit_test(test_scopes_that_the_caller_has),
		cmocka_unit_test(test_worksteal),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_no),
		cmocka_unit_test(test_a_limit_of_workers),
		cmocka_unit_test(test_a_limit_counts_those_with_work),
		cmocka_unit_test(test_a_limit_of_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
