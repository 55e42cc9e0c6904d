/* The check value of CRC-32, and what Python's zlib.crc32 gives. */
#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_known(void **state)
{
	static const unsigned char all[] = {0, 255, 128, 1};

	assert_int_equal(ff_crc32("123456789", 9), 0xcbf43926);
	assert_int_equal(ff_crc32("", 0), 0);
	assert_int_equal(ff_crc32(NULL, 0), 0);
	assert_int_equal(ff_crc32("a", 1), 0xe8b7be43);
	assert_int_equal(ff_crc32(all, sizeof(all)), 0xd358432c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
