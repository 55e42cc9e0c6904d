/* Units that ask for more than a worker: who is given which, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sched/queues.h"

#define NOBODY UINT32_MAX
#define MS     INT64_C(1000)

static uint32_t pool_free[2];
static struct ff_pool_counts pools;
static const uint32_t pool0[] = {0}, pool1[] = {1};

static struct ff_queues *make_sharing(uint32_t units, const struct ff_policy *policy,
				      const struct ff_claim *claims, size_t len, uint32_t workers,
				      int64_t *taken)
{
	static const int64_t memory[] = {100, 100};
	struct ff_queues *queues;

	pool_free[0] = pool_free[1] = 1;
	pools = (struct ff_pool_counts){.free = pool_free, .len = 2, .memory_taken = taken};
	queues = ff_queues_new(&(struct ff_queues_opts){.units = units,
							.workers = workers,
							.claims = claims,
							.claims_len = len,
							.pools = &pools,
							.hosts = 2,
							.host_memory = memory,
							.policy = policy});
	for (uint32_t i = 0; i < workers; i++)
		ff_queues_worker_up(queues, i, false, i % 2);
	return queues;
}

static struct ff_queues *make(uint32_t units, const struct ff_policy *policy,
			      const struct ff_claim *claims, size_t len, uint32_t workers)
{
	return make_sharing(units, policy, claims, len, workers, NULL);
}

/* "5 6", " end" */
static void assert_next(struct ff_queues *queues, uint32_t worker, const char *expected)
{
	struct ff_batch batch = ff_queues_next(queues, worker);
	char text[256] = "";

	for (size_t i = 0; i < batch.len; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u", i ? " " : "",
			 batch.units[i]);
	strcat(text, batch.end ? " end" : "");
	assert_string_equal(text, expected);
}

#define CLAIM(...)                                                                                 \
	{                                                                                          \
		.group = NOBODY, .weight = 1, __VA_ARGS__                                          \
	}

static void test_a_resource_is_had_once(void **state)
{
	const struct ff_claim claims[] = {CLAIM(.unit = 0, .pools = pool0, .pools_len = 1),
					  CLAIM(.unit = 1, .pools = pool0, .pools_len = 1),
					  CLAIM(.unit = 2, .pools = pool1, .pools_len = 1)};
	struct ff_queues *queues = make(3, &ff_policy_load, claims, 3, 3);

	assert_int_equal(ff_queues_waiting(queues), 3);
	assert_int_equal(ff_queues_open(queues), 0);
	assert_next(queues, 0, "0");
	assert_next(queues, 1, "2");
	assert_next(queues, 2, ""); /* it waits, and is not ended */
	assert_int_equal(pool_free[0], 0);
	ff_queues_moved(queues);
	ff_queues_done(queues, 1, 2, MS);
	assert_true(ff_queues_moved(queues));
	assert_next(queues, 1, "");
	ff_queues_worker_down(queues, 0, 0); /* what it held is free */
	assert_true(ff_queues_moved(queues) && pools.freed);
	assert_next(queues, 2, "1 end");
	ff_queues_done(queues, 2, 1, MS);
	assert_int_equal(pool_free[0], 1);
	assert_int_equal(pool_free[1], 1);
	ff_queues_free(queues);
}

static void test_nothing_runs_beside_a_serial_one(void **state)
{
	const struct ff_claim claims[] = {CLAIM(.unit = 1, .serial = true),
					  CLAIM(.unit = 3, .serial = true)};
	struct ff_queues *queues = make(4, &ff_policy_load, claims, 2, 2);

	assert_next(queues, 0, "1"); /* nobody is at anything */
	assert_next(queues, 1, "");
	ff_queues_done(queues, 0, 1, MS);
	assert_next(queues, 1, "3");
	assert_next(queues, 0, "");
	ff_queues_again(queues, 0); /* comes to wait for anybody */
	assert_next(queues, 0, "");
	ff_queues_done(queues, 1, 3, MS);
	assert_next(queues, 0, "0");
	ff_queues_free(queues);
}

static void test_a_group_stays_together(void **state)
{
	const struct ff_claim claims[] = {{.unit = 0, .group = 4, .weight = 1},
					  {.unit = 3, .group = 4, .weight = 1},
					  {.unit = 5, .group = 4, .weight = 1}};
	struct ff_queues *queues = make(6, &ff_policy_worksteal, claims, 3, 2);

	assert_next(queues, 0, "0 3 5");
	assert_int_equal(ff_queues_recall(queues, 1).len, 0); /* none of it is taken */
	assert_next(queues, 1, "1 2 4 end");
	ff_queues_done(queues, 0, 0, MS);
	ff_queues_again(queues, 0); /* failed: once more, there */
	assert_next(queues, 0, "0");
	ff_queues_worker_down(queues, 0, 3); /* dies at the second */
	ff_queues_worker_up(queues, 2, false, 0);
	assert_next(queues, 2, "0 5");
	ff_queues_free(queues);
}

static const char *const names[] = {"a::1", "a::2", "b::1", "b::2", "c::1"};

static void test_a_scope_is_bound_as_a_whole(void **state)
{
	const struct ff_claim claims[] = {
		CLAIM(.unit = 1, .serial = true),
		{.unit = 2, .group = 0, .weight = 1},
		{.unit = 4, .group = 0, .weight = 1},
	};
	struct ff_queues *queues;

	queues = ff_queues_new(&(struct ff_queues_opts){.units = 5,
							.workers = 2,
							.names = names,
							.claims = claims,
							.claims_len = 3,
							.policy = &ff_policy_loadfile});
	ff_queues_worker_up(queues, 0, false, 0);
	ff_queues_worker_up(queues, 1, false, 0);
	assert_next(queues, 0, "0 1");
	assert_next(queues, 1, "");
	ff_queues_done(queues, 0, 0, MS);
	assert_next(queues, 1, "");
	ff_queues_done(queues, 0, 1, MS);
	assert_next(queues, 1, "2 3 4"); /* two files, with a group in both */
	assert_next(queues, 0, " end");
	ff_queues_free(queues);
}

static void test_hosts(void **state)
{
	const uint64_t second = 2, none = 0;
	const struct ff_claim claims[] = {CLAIM(.unit = 0, .hosts = &second),
					  CLAIM(.unit = 1, .hosts = &second)};
	struct ff_queues *queues = make(2, &ff_policy_load, claims, 2, 2);

	assert_true(ff_queues_has_seats(queues));
	assert_false(ff_queues_seat_waits(queues, 0));
	assert_true(ff_queues_seat_waits(queues, 1));
	assert_next(queues, 0, " end"); /* nothing can come for it */
	assert_next(queues, 1, "0");
	assert_int_equal(ff_queues_take_homeless(queues, &second), NOBODY);
	assert_int_equal(ff_queues_take_homeless(queues, &none), 1);
	assert_int_equal(ff_queues_take_homeless(queues, &none), NOBODY);
	assert_int_equal(ff_queues_waiting(queues), 0);
	ff_queues_free(queues);
}

static void test_weight_and_memory(void **state)
{
	const struct ff_claim claims[] = {CLAIM(.unit = 0, .memory = 70),
					  CLAIM(.unit = 1, .memory = 70),
					  CLAIM(.unit = 2, .memory = 1000),
					  {.unit = 3, .group = NOBODY, .weight = 9}};
	struct ff_queues *queues = make(4, &ff_policy_load, claims, 4, 4);

	assert_next(queues, 0, "0");
	assert_next(queues, 2, ""); /* the same host */
	assert_next(queues, 1, "1");
	ff_queues_done(queues, 0, 0, MS);
	assert_next(queues, 2, "2"); /* more than there is: alone among such */
	assert_next(queues, 0, "");  /* all of its host */
	ff_queues_done(queues, 1, 1, MS);
	assert_next(queues, 3, "3 end");
	assert_next(queues, 1, " end");
	ff_queues_free(queues);
}

/* What others have taken of a host's memory counts, and so does for them what is taken here. */
static void test_memory_is_shared(void **state)
{
	const struct ff_claim claims[] = {CLAIM(.unit = 0, .memory = 70),
					  CLAIM(.unit = 1, .memory = 20)};
	int64_t taken[] = {40, 0};
	struct ff_queues *queues;

	queues = make_sharing(2, &ff_policy_load, claims, 2, 1, taken);
	assert_next(queues, 0, "1");
	assert_int_equal(taken[0], 60);
	ff_queues_done(queues, 0, 1, MS);
	assert_int_equal(taken[0], 40);
	assert_true(pools.freed);
	assert_next(queues, 0, "");
	taken[0] = 0;
	assert_next(queues, 0, "0 end");
	assert_int_equal(taken[0], 70);
	ff_queues_worker_down(queues, 0, 0);
	assert_int_equal(taken[0], 0);
	ff_queues_free(queues);
}

/* Also by a job that has one worker, whose order is its own otherwise. */
static void test_one_worker_shares_memory(void **state)
{
	const struct ff_claim claims[] = {CLAIM(.unit = 0, .memory = 70)};
	int64_t taken[] = {40, 0};
	struct ff_queues *queues = make_sharing(2, &ff_policy_no, claims, 1, 1, taken);

	assert_next(queues, 0, "1");
	ff_queues_done(queues, 0, 1, MS);
	assert_next(queues, 0, "");
	taken[0] = 0;
	assert_next(queues, 0, "0 end");
	assert_int_equal(taken[0], 70);
	ff_queues_free(queues);
}

/* A unit that is tried alone, as its host went away under it, leaves the others of its group, but
 * never runs at the same time. */
static void test_alone_and_of_a_group(void **state)
{
	const struct ff_claim claims[] = {{.unit = 0, .group = 0, .weight = 1},
					  {.unit = 1, .group = 0, .weight = 1},
					  {.unit = 2, .group = 0, .weight = 1}};
	struct ff_queues *queues = make(3, &ff_policy_load, claims, 3, 1);

	assert_next(queues, 0, "0 1 2 end");
	ff_queues_done(queues, 0, 0, MS);
	ff_queues_worker_down(queues, 0, 1);
	ff_queues_again_alone(queues, 1, 0);
	ff_queues_worker_up(queues, 1, false, 1);
	ff_queues_worker_up(queues, 2, true, 1);
	assert_next(queues, 1, "2 end");
	assert_next(queues, 2, ""); /* it waits, and is not ended */
	ff_queues_moved(queues);
	ff_queues_done(queues, 1, 2, MS);
	assert_true(ff_queues_moved(queues));
	assert_next(queues, 2, "1 end");
	/* The same the other way round. */
	ff_queues_worker_down(queues, 1, NOBODY);
	ff_queues_again(queues, 2);
	ff_queues_worker_up(queues, 3, false, 0);
	assert_next(queues, 3, "");
	ff_queues_done(queues, 2, 1, MS);
	assert_true(ff_queues_moved(queues));
	assert_next(queues, 3, "2 end");
	ff_queues_free(queues);
}

/* What is tried again goes with what of its block waits for its needs by then: else the block would
 * be held twice, and its resource be free when the first of them has ended. */
static void test_a_block_is_held_once(void **state)
{
	const struct ff_claim claims[] = {
		{.unit = 0, .group = 0, .weight = 1, .pools = pool0, .pools_len = 1},
		{.unit = 1, .group = 0, .weight = 1, .pools = pool0, .pools_len = 1},
		CLAIM(.unit = 2, .pools = pool0, .pools_len = 1),
		CLAIM(.unit = 3, .pools = pool1, .pools_len = 1)};
	struct ff_queues *queues = make(4, &ff_policy_load, claims, 4, 2);

	pool_free[1] = 0; /* so that nobody is ended */
	assert_next(queues, 0, "0 1");
	ff_queues_done(queues, 0, 0, MS);
	ff_queues_done(queues, 0, 1, MS);
	assert_next(queues, 1, "2");
	ff_queues_again(queues, 0);
	ff_queues_done(queues, 1, 2, MS);
	ff_queues_again(queues, 1);
	assert_next(queues, 0, "0 1");
	ff_queues_done(queues, 0, 0, MS);
	assert_int_equal(pool_free[0], 0);
	ff_queues_done(queues, 0, 1, MS);
	assert_int_equal(pool_free[0], 1);
	ff_queues_free(queues);
}

static void test_what_was_done_before_is_not_given(void **state)
{
	const uint64_t done = 1;
	const struct ff_claim claims[] = {CLAIM(.unit = 0, .pools = pool0, .pools_len = 1),
					  CLAIM(.unit = 1, .pools = pool0, .pools_len = 1)};
	struct ff_queues *queues;

	queues = ff_queues_new(&(struct ff_queues_opts){
		.units = 2, .workers = 1, .claims = claims, .claims_len = 2, .done_before = &done});
	ff_queues_worker_up(queues, 0, false, 0);
	assert_next(queues, 0, "1 end");
	ff_queues_free(queues);
}

static void test_part_by_part(void **state)
{
	const struct ff_claim first[] = {{.unit = 1, .group = 0, .weight = 1}};
	const struct ff_claim second[] = {{.unit = 0, .group = 0, .weight = 1},
					  CLAIM(.unit = 1, .pools = pool0, .pools_len = 1)};
	struct ff_queues *queues = ff_queues_new(
		&(struct ff_queues_opts){.workers = 2, .parts = 2, .policy = &ff_policy_shard});

	ff_queues_worker_up(queues, 0, false, 0);
	ff_queues_worker_up(queues, 1, false, 0);
	assert_int_equal(ff_queues_next(queues, 0).part, 0);
	assert_int_equal(ff_queues_next(queues, 1).part, 1);
	ff_queues_part_known(queues, 0, 0, 3, NULL, NULL, first, 1);
	ff_queues_collected(queues, 0, MS);
	ff_queues_done(queues, 0, 0, MS);
	ff_queues_done(queues, 0, 2, MS);
	assert_next(queues, 0, "1"); /* the bound one comes behind the others */
	ff_queues_part_known(queues, 1, 1, 2, NULL, NULL, second, 2);
	ff_queues_collected(queues, 1, MS);
	assert_next(queues, 1, "4 end");
	assert_next(queues, 0, "3 end"); /* of another part, but who has the group has it */
	ff_queues_free(queues);
}

/* What nobody wants any more is dropped at once, also from the middle of a block. */
static void test_excluded(void **state)
{
	static const struct ff_claim claims[] = {
		{.unit = 0, .group = 0, .weight = 1},
		{.unit = 1, .group = 0, .weight = 1},
		{.unit = 2, .group = 0, .weight = 1},
	};
	struct ff_queues *queues = make(5, &ff_policy_load, claims, 3, 1);

	ff_queues_exclude(queues, 1);
	assert_int_equal(ff_queues_take_dropped(queues), 1);
	assert_int_equal(ff_queues_take_dropped(queues), NOBODY);
	assert_int_equal(ff_queues_waiting(queues), 4);
	ff_queues_exclude(queues, 4);
	assert_int_equal(ff_queues_take_dropped(queues), 4);
	assert_next(queues, 0, "0 2");
	/* Somebody has it: when it comes back. */
	ff_queues_exclude(queues, 2);
	assert_int_equal(ff_queues_take_dropped(queues), NOBODY);
	ff_queues_returned(queues, 0, (const uint32_t[]){2}, 1);
	assert_int_equal(ff_queues_take_dropped(queues), 2);
	ff_queues_free(queues);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_excluded),
		cmocka_unit_test(test_a_resource_is_had_once),
		cmocka_unit_test(test_nothing_runs_beside_a_serial_one),
		cmocka_unit_test(test_a_group_stays_together),
		cmocka_unit_test(test_a_scope_is_bound_as_a_whole),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_weight_and_memory),
		cmocka_unit_test(test_memory_is_shared),
		cmocka_unit_test(test_one_worker_shares_memory),
		cmocka_unit_test(test_alone_and_of_a_group),
		cmocka_unit_test(test_a_block_is_held_once),
		cmocka_unit_test(test_what_was_done_before_is_not_given),
		cmocka_unit_test(test_part_by_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
