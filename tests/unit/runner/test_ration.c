/* What units declare of their host's memory and CPUs: counted, never given twice, and not kept from
 * a large one by small ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/sched.h"

#define NOBODY UINT32_MAX

static struct ff_sched *by_hand(const struct ff_capacity *capacity, uint32_t hosts, uint32_t slots)
{
	struct ff_sched_opts opts = {.hosts = hosts, .jobs = 8, .host_capacity = capacity};
	struct ff_sched *sched = ff_sched_new(&opts);

	for (uint32_t i = 0; i < hosts; i++)
		ff_sched_host_up(sched, i, slots);
	return sched;
}

static void start(struct ff_sched *sched, uint32_t job, uint32_t units, struct ff_ration ration)
{
	uint64_t all = UINT64_MAX;
	struct ff_sched_job_opts opts = {.hosts = &all, .weight = 1, .ration = ration};
	struct ff_queues_opts queues = {.units = units, .workers = 1};

	ff_sched_job_start(sched, job, &opts);
	ff_sched_job_units(sched, job, &queues);
}

static struct ff_placement expect(struct ff_sched *sched, uint32_t job)
{
	struct ff_placement p;

	if (!ff_sched_place(sched, &p))
		p = (struct ff_placement){.job = NOBODY};
	assert_int_equal(p.job, job);
	return p;
}

static void test_amounts(void **state)
{
	static const struct ff_capacity there = {1000, 4000}, nothing, half = {500, 2000};
	struct ff_ration ration = {.amount = {600, 0}, .cpu_percent = 50};

	assert_true(ff_ration_any(&ration));
	assert_int_equal(ff_ration_on(&ration, &there).memory, 600);
	assert_int_equal(ff_ration_on(&ration, &there).cpu, 2000);
	assert_int_equal(ff_ration_on(&ration, &nothing).cpu, 0);
	assert_true(ff_ration_fits(&ration, &there, &nothing));
	assert_false(ff_ration_fits(&ration, &there, &half));
	assert_true(ff_ration_fits(&ration, &nothing, &half)); /* unknown: no limit */
	ration.amount.memory = 500;
	assert_true(ff_ration_fits(&ration, &there, &half)); /* to the last byte */
	ration.amount.memory = 1001;
	assert_false(ff_ration_fits(&ration, &there, &nothing));
	assert_false(ff_ration_any(&(struct ff_ration){0}));
	/* No overflow where hosts are huge. */
	ration = (struct ff_ration){.memory_percent = 100};
	assert_int_equal(ff_ration_on(&ration, &(struct ff_capacity){INT64_MAX, 0}).memory,
			 INT64_MAX);
}

/* Memory and CPUs, whichever is less; other jobs have the slots meanwhile. */
static void test_counts(void **state)
{
	static const struct ff_capacity there[] = {{100, 4000}};
	struct ff_sched *sched = by_hand(there, 1, 8);
	struct ff_placement a, b, other;

	start(sched, 0, 3, (struct ff_ration){.amount = {40, 0}});
	start(sched, 1, 3, (struct ff_ration){.amount = {0, 3000}});
	start(sched, 2, 1, (struct ff_ration){0});
	a = expect(sched, 0);
	b = expect(sched, 0);
	expect(sched, 1);
	other = expect(sched, 2);
	expect(sched, NOBODY);
	ff_sched_return(sched, &other); /* slots are not what they wait for */
	expect(sched, NOBODY);
	ff_sched_return(sched, &a);
	a = expect(sched, 0);
	expect(sched, NOBODY);
	/* With its host it is gone, and so is what it took. */
	ff_sched_host_down(sched, 0);
	ff_sched_return_pools(sched, &a);
	ff_sched_return_pools(sched, &b);
	ff_sched_again(sched, 0, a.unit, false, NOBODY);
	ff_sched_again(sched, 0, b.unit, false, NOBODY);
	ff_sched_host_up(sched, 0, 8);
	expect(sched, 0);
	expect(sched, 0);
	expect(sched, NOBODY); /* its CPUs are still counted: nobody gave them back */
	ff_sched_free(sched);
}

/* A unit takes what it says of whichever host it is on. */
static void test_per_cent(void **state)
{
	static const struct ff_capacity there[] = {{100, 4000}, {1000, 8000}};
	struct ff_sched *sched = by_hand(there, 2, 8);

	start(sched, 0, 9, (struct ff_ration){.memory_percent = 50});
	for (int i = 0; i < 4; i++)
		expect(sched, 0);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

/* Where slots are many and memory little, the host with enough is found. */
static void test_looked_for_on_all_hosts(void **state)
{
	static const struct ff_capacity there[] = {{50, 0}, {50, 0}, {100, 0}, {50, 0}};
	struct ff_sched *sched = by_hand(there, 4, 8);
	struct ff_placement busy[2];

	start(sched, 0, 2, (struct ff_ration){.amount = {80, 0}});
	/* As the engine does with hosts that can never have enough. */
	ff_sched_job_not_on(sched, 0, 0);
	ff_sched_job_not_on(sched, 0, 1);
	ff_sched_job_not_on(sched, 0, 3);
	busy[0] = expect(sched, 0);
	assert_int_equal(busy[0].host, 2);
	expect(sched, NOBODY);
	start(sched, 1, 1, (struct ff_ration){.amount = {40, 0}});
	busy[1] = expect(sched, 1);
	assert_int_not_equal(busy[1].host, 2);
	ff_sched_return(sched, &busy[0]);
	assert_int_equal(expect(sched, 0).host, 2);
	ff_sched_free(sched);
}

/* A stream of small ones leaves the large one its host as they end, also with those that say
 * nothing on all other slots. */
static void test_a_large_one_has_its_turn(void **state)
{
	static const struct ff_capacity there[] = {{100, 0}};
	struct ff_sched *sched = by_hand(there, 1, 16);
	struct ff_placement small[4], large;

	start(sched, 1, 100, (struct ff_ration){.amount = {25, 0}});
	for (int i = 0; i < 4; i++)
		small[i] = expect(sched, 1);
	expect(sched, NOBODY);
	start(sched, 0, 1, (struct ff_ration){.amount = {75, 0}});
	expect(sched, NOBODY);
	for (int i = 0; i < 2; i++) {
		ff_sched_return(sched, &small[i]);
		expect(sched, NOBODY);
	}
	start(sched, 2, 1, (struct ff_ration){0});
	expect(sched, 2);
	ff_sched_return(sched, &small[2]);
	large = expect(sched, 0);
	expect(sched, NOBODY);
	ff_sched_return(sched, &large);
	for (int i = 0; i < 3; i++)
		expect(sched, 1);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

/* What is promised is for others again when the job that waits for it is stopped, or its host goes.
 */
static void test_promises_end(void **state)
{
	static const struct ff_capacity there[] = {{100, 0}, {100, 0}};
	struct ff_sched *sched = by_hand(there, 1, 16);
	struct ff_placement small;

	start(sched, 1, 9, (struct ff_ration){.amount = {50, 0}});
	expect(sched, 1);
	small = expect(sched, 1);
	start(sched, 0, 1, (struct ff_ration){.amount = {100, 0}});
	expect(sched, NOBODY);
	ff_sched_return(sched, &small);
	expect(sched, NOBODY);
	ff_sched_job_stop(sched, 0);
	expect(sched, 1);
	expect(sched, NOBODY);
	ff_sched_job_end(sched, 0);
	ff_sched_free(sched);

	sched = by_hand(there, 2, 16);
	start(sched, 1, 9, (struct ff_ration){.amount = {50, 0}});
	for (int i = 0; i < 4; i++)
		small = expect(sched, 1);
	start(sched, 0, 1, (struct ff_ration){.amount = {100, 0}});
	expect(sched, NOBODY);
	ff_sched_host_drain(sched, 0);
	ff_sched_host_drain(sched, 1);
	expect(sched, NOBODY);
	ff_sched_host_up(sched, 0, 16); /* what was there is not given back: it is full */
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

/* Who follows another of the job has what that one had, unless an earlier job waits for it. */
static void test_behind(void **state)
{
	static const struct ff_capacity there[] = {{100, 0}};
	struct ff_sched *sched = by_hand(there, 1, 2);
	struct ff_placement first, next, third;

	start(sched, 1, 9, (struct ff_ration){.amount = {60, 0}});
	first = expect(sched, 1);
	expect(sched, NOBODY);
	assert_true(ff_sched_place_behind(sched, &first, 0, &next));
	ff_sched_pass(&first, &next);
	ff_sched_return(sched, &first);
	expect(sched, NOBODY); /* it is all still taken */
	start(sched, 0, 1, (struct ff_ration){.amount = {50, 0}});
	expect(sched, NOBODY);
	assert_false(ff_sched_place_behind(sched, &next, 0, &third));
	ff_sched_return(sched, &next);
	expect(sched, 0);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amounts),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_per_cent),
		cmocka_unit_test(test_looked_for_on_all_hosts),
		cmocka_unit_test(test_a_large_one_has_its_turn),
		cmocka_unit_test(test_promises_end),
		cmocka_unit_test(test_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
