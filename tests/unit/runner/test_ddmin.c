/* ddmin: what it leaves, how many rounds that takes, and when it stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/ddmin.h"

enum { ITEMS_MAX = 600 };

/* Fails if all of `culprits` are there. */
struct world {
	const uint32_t *culprits;
	size_t culprits_len;
	uint32_t unresolved; /* parts without this item, but with a culprit, tell nothing;
				UINT32_MAX */
	size_t rounds, tries, stop_after;
	bool lazy; /* stops a round at the first that fails */
};

static bool holds(const uint32_t *items, size_t len, uint32_t item)
{
	for (size_t i = 0; i < len; i++)
		if (items[i] == item)
			return true;
	return false;
}

static enum ff_ddmin_result judge(const struct world *w, const uint32_t *items, size_t len)
{
	size_t there = 0;

	for (size_t i = 0; i < w->culprits_len; i++)
		there += holds(items, len, w->culprits[i]);
	if (w->unresolved != UINT32_MAX && there > 0 && !holds(items, len, w->unresolved))
		return FF_DDMIN_UNRESOLVED;
	return there == w->culprits_len ? FF_DDMIN_FAILED : FF_DDMIN_PASSED;
}

static int play(void *ctx, struct ff_ddmin_try *tries, size_t count)
{
	struct world *w = ctx;
	uint32_t items[ITEMS_MAX];

	for (size_t i = 0; i < count; i++) {
		size_t len = ff_ddmin_items(&tries[i], items);

		assert_true(len > 0 && len < tries[i].len);
		for (size_t j = 1; j < len; j++)
			assert_true(items[j - 1] < items[j]);
		tries[i].result = judge(w, items, len);
		w->tries++;
		if (w->lazy && tries[i].result == FF_DDMIN_FAILED)
			break;
	}
	w->rounds++;
	return w->rounds == w->stop_after ? 7 : 0;
}

static size_t run(struct world *w, uint32_t *items, size_t len, size_t width, int rc)
{
	for (size_t i = 0; i < len; i++)
		items[i] = (uint32_t)i;
	assert_int_equal(ff_ddmin(items, &len, width, play, w), rc);
	return len;
}

static void test_one(void **state)
{
	uint32_t items[ITEMS_MAX];

	for (size_t width = 1; width <= 16; width *= 2)
		for (uint32_t culprit = 0; culprit < 500; culprit += 7) {
			struct world w = {.culprits = &culprit,
					  .culprits_len = 1,
					  .unresolved = UINT32_MAX,
					  .lazy = width % 4 == 0};

			assert_int_equal(run(&w, items, 500, width, 0), 1);
			assert_int_equal(items[0], culprit);
			/* As many as halving takes, or fewer where more is tried at a time. */
			assert_true(w.rounds <= (width <= 2   ? 9
						 : width == 4 ? 5
						 : width == 8 ? 3
							      : 3));
		}
}

static void test_several(void **state)
{
	static const uint32_t sets[][4] = {
		{0, 499, 0, 0}, {3, 4, 0, 0}, {100, 400, 0, 0}, {0, 250, 499, 0}, {7, 8, 9, 450}};
	static const size_t lens[] = {2, 2, 2, 3, 4};
	uint32_t items[ITEMS_MAX];

	for (size_t s = 0; s < sizeof(lens) / sizeof(*lens); s++)
		for (size_t width = 1; width < 20; width++) {
			struct world w = {.culprits = sets[s],
					  .culprits_len = lens[s],
					  .unresolved = UINT32_MAX};

			assert_int_equal(run(&w, items, 500, width, 0), lens[s]);
			assert_memory_equal(items, sets[s], lens[s] * sizeof(*items));
			assert_true(w.tries < 1000);
		}
}

static void test_all_of_them(void **state)
{
	uint32_t culprits[8], items[ITEMS_MAX];
	struct world w = {.culprits = culprits, .culprits_len = 8, .unresolved = UINT32_MAX};

	for (uint32_t i = 0; i < 8; i++)
		culprits[i] = i;
	assert_int_equal(run(&w, items, 8, 2, 0), 8);
}

static void test_small(void **state)
{
	uint32_t items[ITEMS_MAX], culprit = 0;
	struct world w = {.culprits = &culprit, .culprits_len = 1, .unresolved = UINT32_MAX};

	assert_int_equal(run(&w, items, 0, 2, 0), 0);
	assert_int_equal(run(&w, items, 1, 2, 0), 1);
	assert_int_equal(w.tries, 0);
	assert_int_equal(run(&w, items, 2, 16, 0), 1);
	assert_int_equal(items[0], 0);
}

/* What can't be told is not taken for a failure: the item that must be there stays. */
static void test_unresolved(void **state)
{
	const uint32_t culprit = 40;
	struct world w = {.culprits = &culprit, .culprits_len = 1, .unresolved = 90};
	uint32_t items[ITEMS_MAX];

	assert_int_equal(run(&w, items, 100, 4, 0), 2);
	assert_int_equal(items[0], 40);
	assert_int_equal(items[1], 90);
}

static void test_stops(void **state)
{
	const uint32_t culprit = 300;
	struct world w = {
		.culprits = &culprit, .culprits_len = 1, .unresolved = UINT32_MAX, .stop_after = 3};
	uint32_t items[ITEMS_MAX];
	size_t len = run(&w, items, 500, 2, 7);

	/* What the third round found still counts. */
	assert_in_range(len, 60, 65);
	assert_true(holds(items, len, culprit));
	assert_int_equal(w.rounds, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),	    cmocka_unit_test(test_several),
		cmocka_unit_test(test_all_of_them), cmocka_unit_test(test_small),
		cmocka_unit_test(test_unresolved),  cmocka_unit_test(test_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
