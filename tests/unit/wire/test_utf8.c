/* The UTF-8 check, also at every offset from a word's border. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/utf8.h"

static void check(const char *text, size_t len, bool valid)
{
	for (size_t before = 0; before < 18; before++) {
		for (size_t after = 0; after < 18; after++) {
			size_t all = before + len + after;
			char *exact = malloc(all ? all : 1);

			memset(exact, 'a', all);
			memcpy(exact + before, text, len);
			assert_int_equal(ff_is_utf8(exact, all), valid);
			assert_int_equal(ff_is_ascii(exact, all), len == 0);
			free(exact);
		}
	}
}

static void test_valid(void **state)
{
	static const char *const texts[] = {"",
					    "é",
					    "€",
					    "𝄞",
					    "\xc2\x80",
					    "\xdf\xbf",
					    "\xe0\xa0\x80",
					    "\xed\x9f\xbf",
					    "\xee\x80\x80",
					    "\xef\xbf\xbf",
					    "\xf0\x90\x80\x80",
					    "\xf4\x8f\xbf\xbf",
					    "äöüß€𝄞é"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		check(texts[i], strlen(texts[i]), true);
}

static void test_invalid(void **state)
{
	static const char *const texts[] = {"\x80",
					    "\xbf",
					    "\xc0\x80",
					    "\xc1\xbf",
					    "\xc3",
					    "\xc3\xc3",
					    "\xe0\x9f\xbf",
					    "\xe2\x82",
					    "\xed\xa0\x80",
					    "\xed\xbf\xbf",
					    "\xf0\x8f\xbf\xbf",
					    "\xf4\x90\x80\x80",
					    "\xf5\x80\x80\x80",
					    "\xff",
					    "\xf0\x9d\x84",
					    "é\xa9",
					    "\xe2\x28\xa1",
					    "\xf0\x90\x28\xbc",
					    "\xf0\x90\x90\x28"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		check(texts[i], strlen(texts[i]), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
