/* Placing, step by step: who is served first, and that nobody is passed by for ever. (The
 * simulation is in test_place_random.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/policy.h"
#include "sched/sched.h"

#define NOBODY UINT32_MAX

/* A scheduler whose jobs may use all hosts; host i has slots[i]. */
static struct ff_sched *by_hand(const uint32_t *slots, uint32_t hosts, const uint32_t *pools,
				uint32_t pools_len)
{
	struct ff_sched_opts opts = {
		.hosts = hosts, .jobs = 8, .pools = pools, .pools_len = pools_len};
	struct ff_sched *sched = ff_sched_new(&opts);

	for (uint32_t i = 0; i < hosts; i++)
		if (slots[i] > 0)
			ff_sched_host_up(sched, i, slots[i]);
	return sched;
}

static void start(struct ff_sched *sched, uint32_t job, uint32_t units, uint32_t weight,
		  const struct ff_sched_uses *use)
{
	uint64_t all = UINT64_MAX;
	struct ff_sched_job_opts opts = {
		.hosts = &all, .weight = weight, .uses = use, .uses_len = use ? 1 : 0};
	struct ff_queues_opts queues = {.units = units, .workers = 1};

	ff_sched_job_start(sched, job, &opts);
	ff_sched_job_units(sched, job, &queues);
}

/* The next placement; job NOBODY: there is none. */
static struct ff_placement next(struct ff_sched *sched)
{
	struct ff_placement p;

	if (!ff_sched_place(sched, &p))
		p = (struct ff_placement){.job = NOBODY};
	return p;
}

static struct ff_placement expect(struct ff_sched *sched, uint32_t job)
{
	struct ff_placement p = next(sched);

	assert_int_equal(p.job, job);
	return p;
}

/* All light ones are followed by another at once, on two hosts in turn: the heavy one gets a whole
 * host after as many ends as that host has slots, and no further. */
static void light_stream(struct ff_sched *sched, struct ff_placement *light, uint32_t len,
			 struct ff_placement *heavy)
{
	for (uint32_t i = 0; i < 2 * len; i++) {
		uint32_t at = i % len;

		if (light[at].job == NOBODY)
			continue;
		ff_sched_return(sched, &light[at]);
		ff_sched_again(sched, light[at].job, light[at].unit, false, NOBODY);
		light[at] = next(sched);
		if (light[at].job != NOBODY && light[at].slots == 4) {
			*heavy = light[at];
			return;
		}
	}
	fail_msg("it is starved");
}

static void heavy_beside_light(bool alone)
{
	static const uint32_t slots[] = {4, 4};
	struct ff_sched *sched = by_hand(slots, 2, NULL, 0);
	struct ff_placement light[8], heavy;

	start(sched, 1, 100, 1, NULL);
	for (uint32_t i = 0; i < 8; i++)
		light[i] = expect(sched, 1);
	start(sched, 0, alone ? 1 : 3, alone ? 1 : 4, NULL);
	if (alone) {
		heavy = next(sched);
		assert_int_equal(heavy.job, NOBODY);
		ff_sched_return(sched, &light[0]);
		light[0] = expect(sched, 0);
		ff_sched_again(sched, 0, 0, true, NOBODY);
	}
	light_stream(sched, light, 8, &heavy);
	assert_int_equal(heavy.job, 0);
	assert_int_equal(heavy.alone, alone);
	assert_int_equal(ff_sched_host_free_slots(sched, heavy.host), 0);
	ff_sched_free(sched);
}

static void test_heavy_ones_are_not_starved(void **state)
{
	heavy_beside_light(false);
	heavy_beside_light(true);
}

/* A host is kept free for a heavy unit, which is then placed on another: it is open again. */
static void test_what_was_kept_is_open_again(void **state)
{
	static const uint32_t slots[] = {4, 4, 0};
	struct ff_sched *sched = by_hand(slots, 3, NULL, 0);
	struct ff_placement light[2], heavy;

	start(sched, 1, 2, 1, NULL);
	light[0] = expect(sched, 1);
	light[1] = expect(sched, 1);
	assert_true(light[0].host != light[1].host);
	start(sched, 0, 1, 4, NULL);
	expect(sched, NOBODY);
	ff_sched_host_up(sched, 2, 4);
	heavy = expect(sched, 0);
	assert_int_equal(heavy.host, 2);
	/* Six slots are free on two hosts, of which one had been kept. */
	start(sched, 2, 7, 1, NULL);
	for (int i = 0; i < 6; i++)
		expect(sched, 2);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

static void start_with_memory(struct ff_sched *sched, uint32_t job, uint32_t units,
			      const struct ff_claim *claims, size_t len)
{
	uint64_t all = UINT64_MAX;
	struct ff_sched_job_opts opts = {.hosts = &all, .weight = 1};
	struct ff_queues_opts queues = {
		.units = units, .workers = 1, .claims = claims, .claims_len = len};

	ff_sched_job_start(sched, job, &opts);
	ff_sched_job_units(sched, job, &queues);
}

/* The largest for which there is room comes first; meanwhile those that need none run, of later
 * jobs too. One that is larger than its host is the only one there that needs any. */
static void test_memory_is_not_given_twice(void **state)
{
	static const int64_t memory[] = {100};
	static const struct ff_claim claims[] = {
		{.unit = 1, .group = NOBODY, .weight = 1, .memory = 40},
		{.unit = 2, .group = NOBODY, .weight = 1, .memory = 70},
		{.unit = 3, .group = NOBODY, .weight = 1, .memory = 200}};
	struct ff_sched_opts opts = {.hosts = 1, .jobs = 8, .host_memory = memory};
	struct ff_sched *sched = ff_sched_new(&opts);
	struct ff_placement over, small, large, other;

	ff_sched_host_up(sched, 0, 3);
	start_with_memory(sched, 0, 4, claims, 3);
	start(sched, 1, 3, 1, NULL);
	over = expect(sched, 0);
	assert_int_equal(over.unit, 3);
	small = expect(sched, 0);
	assert_int_equal(small.unit, 0); /* it says nothing */
	other = expect(sched, 1);
	expect(sched, NOBODY);
	ff_sched_return(sched, &small);
	expect(sched, 1);
	ff_sched_return(sched, &over);
	large = expect(sched, 0);
	assert_int_equal(large.unit, 2);
	expect(sched, NOBODY);
	ff_sched_return(sched, &other); /* room, but no memory: that is for others */
	expect(sched, 1);
	ff_sched_return(sched, &large);
	small = expect(sched, 0);
	assert_int_equal(small.unit, 1);
	/* It is tried again: what it had is there again. */
	ff_sched_return(sched, &small);
	ff_sched_again(sched, 0, 1, false, NOBODY);
	small = expect(sched, 0);
	assert_int_equal(small.unit, 1);
	/* With its host it is gone, and so is what it took. */
	ff_sched_host_down(sched, 0);
	ff_sched_return_pools(sched, &small);
	ff_sched_again(sched, 0, 1, true, 0);
	ff_sched_host_up(sched, 0, 3);
	small = expect(sched, 0);
	assert_true(small.alone);
	ff_sched_free(sched);
}

/* Two hosts: where there is memory, though the other has more slots. */
static void test_memory_is_looked_for_on_all_hosts(void **state)
{
	static const int64_t memory[] = {100, 0, 30};
	static const struct ff_claim claims[] = {
		{.unit = 0, .group = NOBODY, .weight = 1, .memory = 80},
		{.unit = 1, .group = NOBODY, .weight = 1, .memory = 80},
		{.unit = 2, .group = NOBODY, .weight = 1, .memory = 80}};
	struct ff_sched_opts opts = {.hosts = 3, .jobs = 8, .host_memory = memory};
	struct ff_sched *sched = ff_sched_new(&opts);
	struct ff_placement first;

	ff_sched_host_up(sched, 0, 8);
	start_with_memory(sched, 0, 3, claims, 3);
	first = expect(sched, 0);
	assert_int_equal(first.host, 0);
	expect(sched, NOBODY);
	ff_sched_host_up(sched, 1, 1); /* nobody knows what it has: no limit */
	assert_int_equal(expect(sched, 0).host, 1);
	expect(sched, NOBODY);
	ff_sched_host_up(sched, 2, 2); /* alone there */
	assert_int_equal(expect(sched, 0).host, 2);
	ff_sched_free(sched);
}

/* What needs two of a pool comes before those behind it that need one, however often they ask. */
static void test_pools_are_served_in_order(void **state)
{
	static const uint32_t slots[] = {16};
	static const uint32_t pools[] = {2};
	static const struct ff_sched_uses one = {0, 1}, two = {0, 2};
	struct ff_sched *sched = by_hand(slots, 1, pools, 1);
	struct ff_placement a, b, both;

	start(sched, 2, 10, 1, &one);
	a = expect(sched, 2);
	b = expect(sched, 2);
	expect(sched, NOBODY);
	start(sched, 1, 1, 1, &two);
	expect(sched, NOBODY);
	ff_sched_return(sched, &a);
	expect(sched, NOBODY);
	/* A retry, a wake and a job that is new are no reason to pass it by. */
	ff_sched_again(sched, 2, a.unit, false, NOBODY);
	expect(sched, NOBODY);
	ff_sched_wake(sched, 2);
	expect(sched, NOBODY);
	start(sched, 3, 1, 1, &one);
	expect(sched, NOBODY);
	/* Save for one that comes first in the file. */
	start(sched, 0, 1, 1, &one);
	a = expect(sched, 0);
	ff_sched_return(sched, &a);
	ff_sched_return(sched, &b);
	both = expect(sched, 1);
	expect(sched, NOBODY);
	ff_sched_return(sched, &both);
	expect(sched, 2);
	expect(sched, 2);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

/* Those behind one that lacks another pool take what it leaves, but no more. */
static void test_two_pools(void **state)
{
	static const uint32_t slots[] = {16};
	static const uint32_t pools[] = {3, 1};
	static const struct ff_sched_uses db = {0, 1}, gpu = {1, 1}, uses[] = {{0, 1}, {1, 1}};
	uint64_t all = 1;
	struct ff_sched_job_opts opts = {.hosts = &all, .uses = uses, .uses_len = 2};
	struct ff_queues_opts units = {.units = 1};
	struct ff_sched *sched = by_hand(slots, 1, pools, 2);
	struct ff_placement gpu_user, p;

	start(sched, 1, 2, 1, &gpu);
	gpu_user = expect(sched, 1);
	ff_sched_job_start(sched, 0, &opts);
	ff_sched_job_units(sched, 0, &units);
	start(sched, 2, 5, 1, &db);
	expect(sched, 2);
	p = expect(sched, 2);
	expect(sched, NOBODY);
	ff_sched_return(sched, &p);
	expect(sched, 2);
	expect(sched, NOBODY);
	ff_sched_return(sched, &gpu_user);
	expect(sched, 0);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

/* Whoever is first in line and then is stopped, is content, or has no host any more, gives way. */
static void give_way(int how)
{
	static const uint32_t slots[] = {4, 4};
	static const uint32_t pools[] = {2};
	static const struct ff_sched_uses one = {0, 1}, two = {0, 2};
	uint64_t first = 1;
	struct ff_sched_job_opts opts = {.hosts = &first, .uses = &two, .uses_len = 1};
	struct ff_queues_opts units = {.units = 1};
	struct ff_sched *sched = by_hand(slots, 2, pools, 1);
	struct ff_placement a, b;

	start(sched, 1, 3, 1, &one);
	a = expect(sched, 1);
	b = expect(sched, 1);
	ff_sched_job_start(sched, 0, &opts);
	ff_sched_job_units(sched, 0, &units);
	expect(sched, NOBODY);
	ff_sched_return(sched, a.host == 1 ? &a : &b);
	expect(sched, NOBODY);
	switch (how) {
	case 0:
		ff_sched_job_stop(sched, 0);
		break;
	case 1:
		ff_sched_job_not_on(sched, 0, 0);
		break;
	case 2:
		ff_sched_host_drain(sched, 0);
		break;
	case 3:
		ff_sched_no_sessions(sched, 0);
		break;
	default:
		ff_sched_host_down(sched, 0);
	}
	assert_int_equal(expect(sched, 1).host, 1);
	ff_sched_free(sched);
}

static void test_those_before_give_way(void **state)
{
	for (int how = 0; how < 5; how++)
		give_way(how);
}

static void test_units_after_a_stop(void **state)
{
	static const uint32_t slots[] = {1};
	uint64_t all = 1;
	struct ff_sched_job_opts opts = {.hosts = &all, .sessions = true};
	struct ff_queues_opts units = {.units = 5, .workers = 1};
	struct ff_sched *sched = by_hand(slots, 1, NULL, 0);

	ff_sched_job_start(sched, 0, &opts);
	expect(sched, 0);
	ff_sched_job_stop(sched, 0);
	ff_sched_job_units(sched, 0, &units);
	assert_int_equal(ff_sched_waiting(sched, 0), 0);
	ff_queues_worker_up(ff_sched_queues(sched, 0), 0, false, NOBODY);
	assert_int_equal(ff_queues_next(ff_sched_queues(sched, 0), 0).len, 0);
	ff_sched_free(sched);
}

/* A suspect is tried elsewhere, even if the only host that is free is the one that it avoids; and
 * on that if there is no other. */
static void test_a_suspect_avoids_a_host(void **state)
{
	static const uint32_t slots[] = {2, 2};
	struct ff_sched *sched = by_hand(slots, 2, NULL, 0);
	struct ff_placement p[4], q;

	start(sched, 0, 4, 1, NULL);
	for (int i = 0; i < 4; i++)
		p[i] = expect(sched, 0);
	for (int i = 0; i < 4; i++)
		if (p[i].host == 0)
			ff_sched_return(sched, &p[i]);
	ff_sched_again(sched, 0, 0, true, 0);
	expect(sched, NOBODY);
	for (int i = 0; i < 4; i++)
		if (p[i].host == 1)
			ff_sched_return(sched, &p[i]);
	q = expect(sched, 0);
	assert_int_equal(q.host, 1);
	assert_true(q.alone && !q.anywhere);
	/* The host that was kept for one is not taken for another that avoids it. */
	ff_sched_again(sched, 0, 1, true, 0);
	expect(sched, NOBODY);
	ff_sched_host_down(sched, 1);
	ff_sched_again(sched, 0, 0, true, 1);
	q = expect(sched, 0);
	assert_int_equal(q.host, 0);
	assert_true(q.anywhere);
	assert_int_equal(q.unit, 1);
	ff_sched_free(sched);
}

/* A host was kept for a suspect that avoids it, as there was no other; now there is one. */
static void test_a_suspect_gives_up_what_it_avoids(void **state)
{
	static const uint32_t slots[] = {2, 0};
	struct ff_sched *sched = by_hand(slots, 2, NULL, 0);
	struct ff_placement light, q;

	start(sched, 3, 1, 1, NULL);
	light = expect(sched, 3);
	start(sched, 1, 1, 1, NULL);
	q = expect(sched, 1);
	ff_sched_return(sched, &q);
	ff_sched_again(sched, 1, 0, true, 0);
	expect(sched, NOBODY);
	start(sched, 0, 1, 1, NULL);
	ff_sched_host_up(sched, 1, 2);
	q = expect(sched, 0);
	assert_int_equal(q.host, 1);
	expect(sched, NOBODY);
	ff_sched_return(sched, &light);
	expect(sched, NOBODY);
	start(sched, 2, 3, 1, NULL);
	assert_int_equal(expect(sched, 2).host, 0);
	assert_int_equal(expect(sched, 2).host, 0);
	expect(sched, NOBODY);
	ff_sched_return(sched, &q);
	q = expect(sched, 1);
	assert_true(q.alone && !q.anywhere && q.host == 1);
	ff_sched_free(sched);
}

/* Sessions for two suspects: each is placed for its own. */
static void test_sessions_for_suspects(void **state)
{
	static const uint32_t slots[] = {2, 2};
	uint64_t all = 3;
	struct ff_sched_job_opts opts = {.hosts = &all, .sessions = true};
	struct ff_queues_opts units = {.units = 2, .workers = 2};
	struct ff_sched *sched = by_hand(slots, 2, NULL, 0);

	ff_sched_job_start(sched, 0, &opts);
	ff_sched_job_units(sched, 0, &units);
	ff_queues_take(ff_sched_queues(sched, 0));
	ff_queues_take(ff_sched_queues(sched, 0));
	ff_sched_again(sched, 0, 0, true, 0);
	ff_sched_again(sched, 0, 1, true, 1);
	assert_int_equal(expect(sched, 0).host, 1);
	assert_int_equal(expect(sched, 0).host, 0);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

/* A host was kept for a job before it was known that this has a seat there: that is no reason for
 * the seat not to be served again when its worker has died. */
static void test_a_seat_on_a_host_that_was_kept_for_it(void **state)
{
	static const uint32_t slots[] = {3}, seats[] = {0};
	uint64_t all = 1;
	struct ff_sched_job_opts opts = {.hosts = &all, .sessions = true, .weight = 2};
	struct ff_queues_opts units = {.policy = &ff_policy_each,
				       .units = 2,
				       .workers = 1,
				       .seats = seats,
				       .seats_len = 1};
	struct ff_sched *sched = by_hand(slots, 1, NULL, 0);
	struct ff_placement first;

	ff_sched_job_start(sched, 0, &opts);
	first = expect(sched, 0);
	expect(sched, NOBODY); /* a second one would have to wait for room */
	ff_sched_job_units(sched, 0, &units);
	ff_queues_worker_up(ff_sched_queues(sched, 0), 0, false, 0);
	ff_sched_session_up(sched, &first);
	assert_int_equal(ff_queues_next(ff_sched_queues(sched, 0), 0).len, 2);
	expect(sched, NOBODY);
	ff_queues_worker_down(ff_sched_queues(sched, 0), 0, NOBODY);
	ff_sched_return(sched, &first);
	assert_int_equal(expect(sched, 0).host, 0);
	ff_sched_free(sched);
}

/* One has run all that its seat is for before the other is up: no third is placed for that one's.
 */
static void test_no_session_for_the_seat_of_one_that_comes(void **state)
{
	static const uint32_t slots[] = {2}, seats[] = {0, 0};
	uint64_t all = 1;
	struct ff_sched_job_opts opts = {.hosts = &all, .sessions = true, .weight = 1};
	struct ff_queues_opts units = {.policy = &ff_policy_each,
				       .units = 6,
				       .workers = 2,
				       .seats = seats,
				       .seats_len = 2};
	struct ff_sched *sched = by_hand(slots, 1, NULL, 0);
	struct ff_placement first, second;

	ff_sched_job_start(sched, 0, &opts);
	first = expect(sched, 0);
	second = expect(sched, 0);
	ff_sched_job_units(sched, 0, &units);
	ff_queues_worker_up(ff_sched_queues(sched, 0), 0, false, 0);
	ff_sched_session_up(sched, &first);
	assert_int_equal(ff_queues_next(ff_sched_queues(sched, 0), 0).len, 3);
	for (uint32_t i = 0; i < 3; i++)
		ff_queues_done(ff_sched_queues(sched, 0), 0, i, 1);
	ff_queues_worker_down(ff_sched_queues(sched, 0), 0, NOBODY);
	ff_sched_return(sched, &first);
	expect(sched, NOBODY);
	ff_sched_session_up(sched, &second); /* it never will be */
	ff_sched_return(sched, &second);
	assert_int_equal(expect(sched, 0).host, 0);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

/* Hosts are kept for two; then a third comes that has room for both. */
static void test_a_new_host_is_for_all(void **state)
{
	static const uint32_t slots[] = {2, 2, 0};
	struct ff_sched *sched = by_hand(slots, 3, NULL, 0);

	start(sched, 2, 2, 1, NULL);
	expect(sched, 2);
	expect(sched, 2);
	start(sched, 0, 1, 2, NULL);
	start(sched, 1, 1, 2, NULL);
	expect(sched, NOBODY);
	ff_sched_host_up(sched, 2, 4);
	assert_int_equal(expect(sched, 0).host, 2);
	assert_int_equal(expect(sched, 1).host, 2);
	expect(sched, NOBODY);
	ff_sched_free(sched);
}

/* Job 1 has host 0 kept, and lacks what job 0 is first in line for, which needs that host. */
static void test_nobody_keeps_what_another_waits_for(void **state)
{
	static const uint32_t slots[] = {2, 2};
	static const uint32_t pools[] = {3};
	static const struct ff_sched_uses one = {0, 1}, three = {0, 3};
	struct ff_sched *sched = by_hand(slots, 2, pools, 1);
	struct ff_placement a, b, c;

	start(sched, 5, 1, 1, &one);
	a = expect(sched, 5);
	assert_int_equal(a.host, 0);
	start(sched, 3, 1, 1, &one);
	b = expect(sched, 3);
	assert_int_equal(b.host, 1);
	start(sched, 6, 2, 1, NULL);
	c = expect(sched, 6);
	expect(sched, 6);
	assert_int_equal(c.host, 0);
	ff_sched_return(sched, &c);
	start(sched, 1, 1, 2, &one);
	expect(sched, NOBODY);
	start(sched, 0, 1, 1, &three);
	ff_sched_return(sched, &b);
	expect(sched, NOBODY);
	ff_sched_host_down(sched, 1);
	ff_sched_return(sched, &a);
	a = expect(sched, 0);
	expect(sched, NOBODY);
	ff_sched_return(sched, &a);
	expect(sched, 1);
	ff_sched_free(sched);
}

/* The emptiest host first, by its share. */
static void test_the_load_is_spread(void **state)
{
	static const uint32_t slots[] = {1, 2, 8, 0};
	struct ff_sched *sched = by_hand(slots, 4, NULL, 0);
	uint32_t count[4] = {0};

	start(sched, 0, 100, 1, NULL);
	for (int i = 0; i < 3; i++)
		count[expect(sched, 0).host]++;
	for (int i = 0; i < 3; i++)
		assert_int_equal(count[i], 1);
	for (int i = 0; i < 8; i++)
		count[expect(sched, 0).host]++;
	expect(sched, NOBODY);
	for (int i = 0; i < 4; i++)
		assert_int_equal(count[i], slots[i]);
	ff_sched_free(sched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heavy_ones_are_not_starved),
		cmocka_unit_test(test_what_was_kept_is_open_again),
		cmocka_unit_test(test_memory_is_not_given_twice),
		cmocka_unit_test(test_memory_is_looked_for_on_all_hosts),
		cmocka_unit_test(test_pools_are_served_in_order),
		cmocka_unit_test(test_two_pools),
		cmocka_unit_test(test_those_before_give_way),
		cmocka_unit_test(test_units_after_a_stop),
		cmocka_unit_test(test_a_suspect_avoids_a_host),
		cmocka_unit_test(test_a_suspect_gives_up_what_it_avoids),
		cmocka_unit_test(test_sessions_for_suspects),
		cmocka_unit_test(test_a_seat_on_a_host_that_was_kept_for_it),
		cmocka_unit_test(test_no_session_for_the_seat_of_one_that_comes),
		cmocka_unit_test(test_a_new_host_is_for_all),
		cmocka_unit_test(test_nobody_keeps_what_another_waits_for),
		cmocka_unit_test(test_the_load_is_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
