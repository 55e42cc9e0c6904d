/* Units that wait for others: counts, circles, and who failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/waits.h"

#define NOBODY UINT32_MAX

static void expect(struct ff_waits *waits, uint32_t unit, uint32_t failed)
{
	struct ff_waits_ready ready;

	assert_true(ff_waits_next(waits, &ready));
	assert_int_equal(ready.unit, unit);
	assert_int_equal(ready.failed, failed);
}

static void expect_none(struct ff_waits *waits)
{
	struct ff_waits_ready ready;

	assert_false(ff_waits_next(waits, &ready));
}

static void test_after_the_last(void **state)
{
	static const struct ff_waits_edge edges[] = {
		{3, 1, false}, {3, 0, false}, {2, 3, true}, {3, 1, false}};
	struct ff_waits *waits = ff_waits_new(4, edges, 4);

	(void)state;
	assert_int_equal(ff_waits_in_circle(waits), NOBODY);
	assert_false(ff_waits_blocked(waits, 0));
	assert_false(ff_waits_blocked(waits, 1));
	assert_true(ff_waits_blocked(waits, 2));
	assert_true(ff_waits_blocked(waits, 3));
	ff_waits_ended(waits, 1, false);
	expect_none(waits);
	ff_waits_ended(waits, 0, true);
	expect(waits, 3, NOBODY);
	expect_none(waits);
	ff_waits_ended(waits, 3, true);
	expect(waits, 2, NOBODY);
	expect_none(waits);
	ff_waits_free(waits);
}

/* Also one that is to pass, and just to end, is to pass; all of them are waited for. */
static void test_one_that_had_to_pass(void **state)
{
	static const struct ff_waits_edge edges[] = {
		{2, 0, false}, {2, 0, true}, {2, 1, true}, {3, 2, true}};
	struct ff_waits *waits = ff_waits_new(4, edges, 4);

	(void)state;
	ff_waits_ended(waits, 0, false);
	expect_none(waits);
	ff_waits_ended(waits, 1, false);
	expect(waits, 2, 0);
	ff_waits_ended(waits, 2, false);
	expect(waits, 3, 2);
	ff_waits_free(waits);
}

static void test_a_circle(void **state)
{
	static const struct ff_waits_edge edges[] = {{1, 0, false}, {2, 3, false}, {3, 2, true}};
	static const struct ff_waits_edge self = {0, 0, false};
	struct ff_waits *waits = ff_waits_new(4, edges, 3);

	(void)state;
	assert_int_equal(ff_waits_in_circle(waits), 2);
	ff_waits_free(waits);
	waits = ff_waits_new(1, &self, 1);
	assert_int_equal(ff_waits_in_circle(waits), 0);
	ff_waits_free(waits);
	waits = ff_waits_new(0, NULL, 0);
	assert_int_equal(ff_waits_in_circle(waits), NOBODY);
	expect_none(waits);
	ff_waits_free(waits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_the_last),
		cmocka_unit_test(test_one_that_had_to_pass),
		cmocka_unit_test(test_a_circle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
