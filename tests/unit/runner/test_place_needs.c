/* Placing single units that need more than a slot: pools, the job for themselves, more slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/sched.h"

#define NOBODY UINT32_MAX

static struct ff_sched *one_host(uint32_t slots, const uint32_t *pools, uint32_t pools_len)
{
	struct ff_sched_opts opts = {.hosts = 1, .jobs = 4, .pools = pools, .pools_len = pools_len};
	struct ff_sched *sched = ff_sched_new(&opts);

	ff_sched_host_up(sched, 0, slots);
	return sched;
}

static void start(struct ff_sched *sched, uint32_t job, uint32_t units,
		  const struct ff_claim *claims, size_t len, const struct ff_sched_uses *use)
{
	uint64_t all = UINT64_MAX;
	struct ff_sched_job_opts opts = {
		.hosts = &all, .weight = 1, .uses = use, .uses_len = use ? 1 : 0};
	struct ff_queues_opts queues = {
		.units = units, .workers = 1, .hosts = 1, .claims = claims, .claims_len = len};

	ff_sched_job_start(sched, job, &opts);
	ff_sched_job_units(sched, job, &queues);
}

static struct ff_placement expect(struct ff_sched *sched, uint32_t job, uint32_t unit)
{
	struct ff_placement p;

	assert_true(ff_sched_place(sched, &p));
	assert_int_equal(p.job, job);
	assert_int_equal(p.unit, unit);
	return p;
}

static void expect_none(struct ff_sched *sched)
{
	struct ff_placement p;

	assert_false(ff_sched_place(sched, &p));
}

static struct ff_claim claim(uint32_t unit)
{
	return (struct ff_claim){.unit = unit, .group = NOBODY, .weight = 1};
}

static const uint32_t first_pool[] = {0};

static void test_a_pool_of_one(void **state)
{
	static const uint32_t one[] = {1};
	struct ff_sched *sched = one_host(4, one, 1);
	struct ff_claim claims[2] = {claim(0), claim(2)};
	struct ff_placement a;

	(void)state;
	claims[0].pools = claims[1].pools = first_pool;
	claims[0].pools_len = claims[1].pools_len = 1;
	start(sched, 0, 3, claims, 2, NULL);
	a = expect(sched, 0, 0);
	expect(sched, 0, 1);
	expect_none(sched);
	ff_sched_return(sched, &a);
	a = expect(sched, 0, 2);
	expect_none(sched);
	ff_sched_return(sched, &a);
	ff_sched_free(sched);
}

/* Units of another job that hold the pool by `uses` count, and those that the job's own `uses`
 * hold anyhow are not asked for twice. */
static void test_a_pool_that_jobs_share(void **state)
{
	static const uint32_t one[] = {1};
	static const struct ff_sched_uses use = {0, 1};
	struct ff_sched *sched = one_host(4, one, 1);
	struct ff_claim needs = claim(0);
	struct ff_placement a;

	(void)state;
	needs.pools = first_pool;
	needs.pools_len = 1;
	start(sched, 0, 1, NULL, 0, &use);
	a = expect(sched, 0, 0);
	start(sched, 1, 1, &needs, 1, NULL);
	expect_none(sched);
	ff_sched_return(sched, &a);
	a = expect(sched, 1, 0);
	start(sched, 2, 1, &needs, 1, &use);
	expect_none(sched);
	ff_sched_return(sched, &a);
	a = expect(sched, 2, 0);
	ff_sched_return(sched, &a);
	ff_sched_free(sched);
}

static void test_serial_comes_when_nothing_else_is_left(void **state)
{
	struct ff_sched *sched = one_host(4, NULL, 0);
	struct ff_claim claims[2] = {claim(0), claim(1)};
	struct ff_placement a, b, other;

	(void)state;
	claims[0].serial = claims[1].serial = true;
	start(sched, 0, 4, claims, 2, NULL);
	a = expect(sched, 0, 2);
	b = expect(sched, 0, 3);
	expect_none(sched);
	start(sched, 1, 1, NULL, 0, NULL); /* another job's may run beside them */
	other = expect(sched, 1, 0);
	ff_sched_return(sched, &a);
	expect_none(sched);
	ff_sched_return(sched, &b);
	a = expect(sched, 0, 0);
	ff_sched_again(sched, 0, 2, false, NOBODY);
	expect_none(sched);
	ff_sched_return(sched, &a);
	b = expect(sched, 0, 2);
	expect_none(sched);
	ff_sched_return(sched, &b);
	a = expect(sched, 0, 1);
	ff_sched_return(sched, &a);
	ff_sched_return(sched, &other);
	ff_sched_free(sched);
}

/* A heavy one has the first turn, is not passed by for ever by later jobs, and one that is heavier
 * than the host takes all of it. */
static void test_heavy_ones(void **state)
{
	struct ff_sched *sched = one_host(4, NULL, 0);
	struct ff_claim claims[2] = {claim(1), claim(2)};
	struct ff_placement a, light[2];

	(void)state;
	claims[0].weight = 3;
	claims[1].weight = 99;
	start(sched, 0, 3, claims, 2, NULL);
	a = expect(sched, 0, 2);
	assert_int_equal(a.slots, 4);
	expect_none(sched);
	ff_sched_return(sched, &a);
	a = expect(sched, 0, 1);
	assert_int_equal(a.slots, 3);
	light[0] = expect(sched, 0, 0);
	expect_none(sched);
	ff_sched_return(sched, &a);
	ff_sched_return(sched, &light[0]);

	start(sched, 2, 100, NULL, 0, NULL);
	for (int i = 0; i < 2; i++)
		light[i] = expect(sched, 2, (uint32_t)i);
	claims[0].unit = 0;
	start(sched, 1, 1, claims, 1, NULL);
	expect_none(sched); /* a host is kept for it */
	ff_sched_return(sched, &light[0]);
	a = expect(sched, 1, 0);
	assert_int_equal(a.slots, 3);
	ff_sched_return(sched, &a);
	ff_sched_return(sched, &light[1]);
	ff_sched_free(sched);
}

/* One that took its host down is tried alone: it waits for what it needs there, too. */
static void test_alone(void **state)
{
	static const uint32_t one[] = {1};
	static const struct ff_sched_uses use = {0, 1};
	struct ff_sched *sched = one_host(4, one, 1);
	struct ff_claim needs = claim(0);
	struct ff_placement a, b;

	(void)state;
	needs.pools = first_pool;
	needs.pools_len = 1;
	start(sched, 1, 1, &needs, 1, NULL);
	a = expect(sched, 1, 0);
	ff_sched_return(sched, &a);
	start(sched, 0, 1, NULL, 0, &use);
	b = expect(sched, 0, 0);
	ff_sched_again(sched, 1, 0, true, NOBODY);
	expect_none(sched);
	ff_sched_return(sched, &b);
	a = expect(sched, 1, 0);
	assert_true(a.alone);
	ff_sched_return(sched, &a);
	ff_sched_free(sched);
}

/* What is at home together is placed on one host: that is kept for it when it is full, and another
 * one takes its place when it goes. */
static void test_homes(void **state)
{
	struct ff_sched_opts opts = {.hosts = 2, .jobs = 4};
	struct ff_sched *sched = ff_sched_new(&opts);
	struct ff_claim claims[3] = {claim(0), claim(1), claim(2)};
	struct ff_placement first, other, p;
	uint32_t home;

	(void)state;
	claims[0].home = claims[1].home = claims[2].home = 3;
	ff_sched_host_up(sched, 0, 1);
	ff_sched_host_up(sched, 1, 1);
	start(sched, 0, 3, claims, 3, NULL);
	start(sched, 1, 9, NULL, 0, NULL);
	first = expect(sched, 0, 0);
	home = first.host;
	other = expect(sched, 1, 0); /* there is room, but not at home */
	assert_int_not_equal(other.host, home);
	expect_none(sched);
	ff_sched_return(sched, &other);
	other = expect(sched, 1, 1);
	ff_sched_return(sched, &first);
	p = expect(sched, 0, 1);
	assert_int_equal(p.host, home);
	ff_sched_host_down(sched, home);
	ff_sched_return_pools(sched, &p);
	ff_sched_again(sched, 0, 1, false, NOBODY);
	expect_none(sched);
	ff_sched_return(sched, &other);
	p = expect(sched, 0, 1);
	assert_int_not_equal(p.host, home);
	ff_sched_host_up(sched, home, 1);
	first = expect(sched, 1, 2);
	assert_int_equal(first.host, home);
	ff_sched_return(sched, &p);
	p = expect(sched, 0, 2);
	assert_int_not_equal(p.host, home);
	ff_sched_return(sched, &p);
	ff_sched_free(sched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pool_of_one),
		cmocka_unit_test(test_a_pool_that_jobs_share),
		cmocka_unit_test(test_serial_comes_when_nothing_else_is_left),
		cmocka_unit_test(test_heavy_ones),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_homes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
