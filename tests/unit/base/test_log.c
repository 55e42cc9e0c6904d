/* The trace sink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/log.h"

static void keep(void *ctx, const char *text)
{
	snprintf(ctx, 64, "%s", text);
}

static void test_sink(void **state)
{
	char last[64] = "";

	assert_false(ff_log_on());
	ff_log("nobody listens");
	ff_log_set(keep, last);
	assert_true(ff_log_on());
	ff_log("gw%d: %s", 3, "two\nlines");
	assert_string_equal(last, "gw3: two lines");
	ff_log_set(NULL, NULL);
	ff_log("more");
	assert_string_equal(last, "gw3: two lines");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sink)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
