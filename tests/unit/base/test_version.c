/* The headers' version is the project's. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/version.h"

static void one_version(void **state)
{
	char text[64];

	snprintf(text, sizeof(text), "%d.%d.%d", FF_VERSION_MAJOR, FF_VERSION_MINOR,
		 FF_VERSION_PATCH);
	assert_string_equal(text, FF_VERSION);
	assert_string_equal(ff_version(), FARFLUNG_VERSION);
	assert_string_equal(ff_version(), FF_VERSION);
	assert_int_equal(ff_version_number(), FF_VERSION_NUMBER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_version)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
