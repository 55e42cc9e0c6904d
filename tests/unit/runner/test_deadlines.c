/* Deadlines against looking at all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dispatch/deadlines.h"
#include "random.h"

enum { NODES = 150 };

static int64_t naive_next(const struct ff_deadline *nodes, const int64_t *at)
{
	int64_t next = INT64_MAX;

	for (int i = 0; i < NODES; i++)
		if (nodes[i].pos && at[i] < next)
			next = at[i];
	return next;
}

static void check(const struct ff_deadlines *d, const struct ff_deadline *nodes, const int64_t *at,
		  const bool *set)
{
	size_t len = 0;

	for (int i = 0; i < NODES; i++) {
		len += set[i];
		assert_int_equal(nodes[i].pos != 0, set[i]);
		if (!set[i])
			continue;
		assert_true(nodes[i].at_us == at[i]);
		assert_ptr_equal(d->heap[nodes[i].pos], &nodes[i]);
	}
	assert_int_equal(d->len, len);
	assert_true(ff_deadlines_next(d) == naive_next(nodes, at));
}

/* All that are due come, the earliest first, and only those. */
static void take_due(struct ff_deadlines *d, const struct ff_deadline *nodes, const int64_t *at,
		     bool *set, int64_t now)
{
	int64_t last = INT64_MIN;
	const struct ff_deadline *due;

	while ((due = ff_deadlines_due(d, now))) {
		ptrdiff_t i = due - nodes;

		assert_in_range(i, 0, NODES - 1);
		assert_true(set[i] && at[i] <= now && at[i] >= last);
		last = at[i];
		set[i] = false;
		check(d, nodes, at, set);
	}
	assert_true(naive_next(nodes, at) > now);
}

static void random_world(uint32_t seed)
{
	struct ff_deadline nodes[NODES] = {0};
	int64_t at[NODES] = {0};
	bool set[NODES] = {0};
	struct ff_deadlines d = {0};
	int64_t now = 0;

	random_seed(seed);
	for (int step = 0; step < 2000; step++) {
		uint32_t i = random_below(NODES);

		if (one_in(50)) {
			now += random_below(300);
			take_due(&d, nodes, at, set, now);
		} else if (one_in(4)) {
			ff_deadline_clear(&d, &nodes[i]);
			set[i] = false;
		} else {
			/* Many at the same moment; some are over already. */
			at[i] = now + random_below(seed % 2 ? 5 : 2000) - 2;
			ff_deadline_set(&d, &nodes[i], at[i]);
			set[i] = true;
		}
		check(&d, nodes, at, set);
	}
	take_due(&d, nodes, at, set, INT64_MAX - 1);
	assert_int_equal(d.len, 0);
	assert_true(ff_deadlines_next(&d) == INT64_MAX);
	ff_deadlines_release(&d);
}

static void test_like_looking_at_all(void **state)
{
	for (uint32_t seed = 1; seed <= 60; seed++)
		random_world(seed);
}

static void test_edges(void **state)
{
	struct ff_deadline a = {0}, b = {0};
	struct ff_deadlines d = {0};

	assert_true(ff_deadlines_next(&d) == INT64_MAX);
	assert_null(ff_deadlines_due(&d, INT64_MAX));
	ff_deadline_clear(&d, &a);
	ff_deadline_set(&d, &a, 10);
	ff_deadline_set(&d, &b, 20);
	assert_null(ff_deadlines_due(&d, 9));
	/* Moved behind the other, and before it again. */
	ff_deadline_set(&d, &a, 30);
	assert_true(ff_deadlines_next(&d) == 20);
	ff_deadline_set(&d, &a, INT64_MIN);
	assert_ptr_equal(ff_deadlines_due(&d, INT64_MIN), &a);
	assert_null(ff_deadlines_due(&d, 19));
	ff_deadline_clear(&d, &a);
	assert_ptr_equal(ff_deadlines_due(&d, 20), &b);
	assert_null(ff_deadlines_due(&d, INT64_MAX));
	ff_deadlines_release(&d);
	ff_deadlines_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_looking_at_all),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
