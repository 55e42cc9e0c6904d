/* Units that become known part by part: which part comes first, and what is taken over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sched/queues.h"

#define MS     INT64_C(1000)
#define NOBODY UINT32_MAX

static struct ff_queues *parts_new(uint32_t parts, const int64_t *costs, bool whole)
{
	struct ff_queues *queues =
		ff_queues_new(&(struct ff_queues_opts){.workers = 2,
						       .parts = parts,
						       .part_costs = costs,
						       .parts_whole = whole,
						       .policy = &ff_policy_shard});

	ff_queues_worker_up(queues, 0, false, NOBODY);
	ff_queues_worker_up(queues, 1, false, NOBODY);
	return queues;
}

/* "part 3", "5 6 of 1", " end" */
static void assert_next(struct ff_queues *queues, uint32_t worker, const char *expected)
{
	struct ff_batch batch = ff_queues_next(queues, worker);
	char text[256] = "";

	if (batch.part != NOBODY)
		snprintf(text, sizeof(text), "part %u", batch.part);
	for (size_t i = 0; i < batch.len; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u", i ? " " : "",
			 batch.units[i]);
	strcat(text, batch.end ? " end" : "");
	assert_string_equal(text, expected);
}

/* It takes so long to collect. */
static void collect(struct ff_queues *queues, uint32_t worker, uint32_t part, uint32_t units,
		    int64_t took_us)
{
	ff_queues_part_known(queues, worker, part, units, NULL, NULL, NULL, 0);
	ff_queues_collected(queues, worker, took_us);
}

static void test_the_most_expensive_first(void **state)
{
	const int64_t costs[] = {5, 9, 9, 1};
	struct ff_queues *queues = parts_new(4, costs, false);

	assert_int_equal(ff_queues_waiting(queues), 4);
	assert_next(queues, 0, "part 1");
	assert_next(queues, 0, ""); /* one at a time */
	assert_next(queues, 1, "part 2");
	collect(queues, 0, 1, 2, 0);
	collect(queues, 1, 2, 1, 0);
	assert_int_equal(ff_queues_units(queues), 3);
	assert_int_equal(ff_queues_part_of(queues, 1), 1);
	assert_int_equal(ff_queues_part_of(queues, 2), 2);
	ff_queues_hungry(queues, 1);
	assert_next(queues, 1, "part 0");
	ff_queues_done(queues, 0, 0, 30 * MS);
	assert_next(queues, 0, ""); /* it has one, and has not asked */
	ff_queues_hungry(queues, 0);
	assert_next(queues, 0, "part 3");
	assert_int_equal(ff_queues_waiting(queues), 0);
	ff_queues_free(queues);
}

/* An order must be there before the worker is through. */
static void test_the_next_one_before_short_ones_end(void **state)
{
	struct ff_queues *queues = parts_new(3, NULL, false);

	assert_next(queues, 0, "part 0");
	collect(queues, 0, 0, 31, 0);
	assert_next(queues, 0, ""); /* nobody knows how long they take */
	ff_queues_done(queues, 0, 0, 1 * MS);
	assert_next(queues, 0, ""); /* 30 ms to go */
	for (uint32_t i = 1; i < 12; i++)
		ff_queues_done(queues, 0, i, 1 * MS);
	assert_next(queues, 0, "part 1");
	assert_next(queues, 0, ""); /* one at a time */
	assert_next(queues, 1, "part 2");
	ff_queues_free(queues);
}

static void test_nobody_has_it_any_more(void **state)
{
	struct ff_queues *queues = parts_new(2, NULL, false);

	assert_next(queues, 0, "part 0");
	assert_next(queues, 1, "part 1");
	collect(queues, 1, 1, 0, 0);
	assert_next(queues, 1, ""); /* what 0 collects may be taken over */
	ff_queues_worker_down(queues, 0, NOBODY);
	ff_queues_part_again(queues, 0);
	assert_next(queues, 1, "part 0");
	collect(queues, 1, 0, 3, 0);
	ff_queues_worker_down(queues, 1, 1); /* it was running the second one */
	assert_int_equal(ff_queues_waiting(queues), 2);
	ff_queues_worker_up(queues, 2, false, NOBODY);
	assert_next(queues, 2, "0 2 end");
	ff_queues_free(queues);
}

static void test_what_an_earlier_run_had_done(void **state)
{
	struct ff_queues *queues = parts_new(1, NULL, false);
	uint64_t done = 5;

	assert_next(queues, 0, "part 0");
	ff_queues_part_known(queues, 0, 0, 4, &done, NULL, NULL, 0);
	ff_queues_collected(queues, 0, 0);
	assert_int_equal(ff_queues_info(queues, 0).queued, 2);
	ff_queues_worker_down(queues, 0, NOBODY);
	assert_next(queues, 1, "1 3 end");
	ff_queues_free(queues);
}

static void test_half_is_taken_over_where_it_is_worth_it(void **state)
{
	struct ff_queues *queues = parts_new(1, NULL, false);
	struct ff_recall recall;

	assert_next(queues, 0, "part 0");
	assert_next(queues, 1, "");
	assert_int_equal(ff_queues_recall(queues, 1).len, 0);
	collect(queues, 0, 0, 9, 10 * MS);
	ff_queues_done(queues, 0, 0, 1 * MS);
	assert_int_equal(ff_queues_richest(queues), 0);
	assert_int_equal(ff_queues_recall(queues, 1).len, 0); /* 3 units of 1 ms, for 10 ms */
	ff_queues_ran(queues, 0, 5 * MS);
	recall = ff_queues_recall(queues, 1);
	assert_int_equal(recall.len, 2); /* 8 of 5 ms, of which one is over */
	assert_int_equal(recall.units[0], 7);
	ff_queues_returned(queues, 0, (uint32_t[]){7, 8}, 2);
	assert_next(queues, 1, "7 8");
	/* It has to collect that first: nothing is asked back from it. */
	ff_queues_collects(queues, 1, 0);
	ff_queues_worker_down(queues, 0, NOBODY);
	ff_queues_worker_up(queues, 2, false, NOBODY);
	assert_next(queues, 2, "1 2 3 4 5 6");
	ff_queues_free(queues);
}

/* Who has nothing takes what ends sooner that way, by what is expected of each, the last one too.
 */
static void test_so_many_are_taken_over_that_both_end_together(void **state)
{
	const int64_t us[] = {100 * MS, 10 * MS, 10 * MS, 500 * MS, 10 * MS};
	struct ff_queues *queues = parts_new(1, NULL, false);
	struct ff_recall recall;

	assert_next(queues, 0, "part 0");
	ff_queues_part_known(queues, 0, 0, 5, NULL, us, NULL, 0);
	ff_queues_collected(queues, 0, 50 * MS);
	recall = ff_queues_recall(queues, 1);
	assert_int_equal(recall.len, 2); /* 560 of 630 ms */
	assert_int_equal(recall.units[0], 3);
	ff_queues_returned(queues, 0, (uint32_t[]){3, 4}, 2);
	assert_next(queues, 1, "3 4");
	ff_queues_collects(queues, 1, 0);
	ff_queues_collected(queues, 1, 50 * MS);
	for (uint32_t i = 0; i < 3; i++)
		ff_queues_done(queues, 0, i, us[i]);
	ff_queues_ran(queues, 1, 470 * MS);
	assert_int_equal(ff_queues_recall(queues, 0).len, 0); /* 10 ms are behind 30 */
	ff_queues_ran(queues, 1, 0);
	assert_int_equal(ff_queues_recall(queues, 0).len, 1); /* and behind 500 */
	assert_true(ff_queues_may_come_back(queues));
	/* It needs all: it is not asked again before something has changed. */
	ff_queues_returned(queues, 1, NULL, 0);
	assert_int_equal(ff_queues_recall(queues, 0).len, 0);
	assert_false(ff_queues_may_come_back(queues));
	ff_queues_free(queues);
}

static void test_whole_parts(void **state)
{
	struct ff_queues *queues = parts_new(2, NULL, true);

	assert_next(queues, 0, "part 0");
	collect(queues, 0, 0, 9, 0);
	assert_next(queues, 1, "part 1");
	collect(queues, 1, 1, 1, 0);
	assert_int_equal(ff_queues_richest(queues), NOBODY);
	ff_queues_done(queues, 0, 0, 1);
	ff_queues_again(queues, 0); /* goes to who has the rest */
	assert_int_equal(ff_queues_waiting(queues), 0);
	assert_next(queues, 0, "0");
	ff_queues_worker_down(queues, 0, 1);
	assert_int_equal(ff_queues_waiting(queues), 8);
	ff_queues_worker_up(queues, 2, false, NOBODY);
	assert_next(queues, 2, "0 2 3 4 5 6 7 8");
	ff_queues_free(queues);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_most_expensive_first),
		cmocka_unit_test(test_the_next_one_before_short_ones_end),
		cmocka_unit_test(test_nobody_has_it_any_more),
		cmocka_unit_test(test_what_an_earlier_run_had_done),
		cmocka_unit_test(test_half_is_taken_over_where_it_is_worth_it),
		cmocka_unit_test(test_so_many_are_taken_over_that_both_end_together),
		cmocka_unit_test(test_whole_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
