/* The clocks and their replacement in tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static int64_t at_five(void)
{
	return 5;
}

static int64_t at_seven(void)
{
	return 7;
}

static void test_real(void **state)
{
	int64_t first = ff_clock_us();

	assert_true(ff_clock_us() >= first);
	assert_true(ff_clock_wall_us() > INT64_C(1500000000) * FF_SECOND_US);
}

static void test_fake(void **state)
{
	ff_clock_fake(at_five, at_seven);
	assert_int_equal(ff_clock_us(), 5);
	assert_int_equal(ff_clock_wall_us(), 7);
	ff_clock_fake(NULL, NULL);
	assert_true(ff_clock_wall_us() > FF_SECOND_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_real),
	    cmocka_unit_test(test_fake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
