/* The median of what was added, within a class. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "dispatch/usual.h"

static void expect(const int64_t *us, size_t len, int64_t median)
{
	struct ff_usual *usual = ff_xcalloc(1, sizeof(*usual));

	for (size_t i = 0; i < len; i++)
		ff_usual_add(usual, us[i]);
	assert_true(ff_usual_median_us(usual) >= median);
	assert_true(ff_usual_median_us(usual) - median <= median / 32);
	ff_free(usual);
}

static void medians(void **state)
{
	expect(NULL, 0, 0);
	expect((int64_t[]){7}, 1, 7);
	expect((int64_t[]){0, -5, 900}, 3, 0);
	expect((int64_t[]){100, 1, 1000000}, 3, 100);
	expect((int64_t[]){5000000, 1, 2, 5000000, 5000000}, 5, 5000000);
}

/* Each is in a class that is no wider than promised, up to the largest there is. */
static void classes(void **state)
{
	for (int64_t us = 1; us > 0 && us < INT64_MAX / 3; us += us / 7 + 1)
		expect(&us, 1, us);
	expect((int64_t[]){INT64_MAX}, 1, INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(medians), cmocka_unit_test(classes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
