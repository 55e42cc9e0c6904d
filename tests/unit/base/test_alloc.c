/* Allocation, and the switch that makes the nth one fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static int switch_off(void **state)
{
	ff_alloc_fail_at(0);
	return 0;
}

static void test_copies(void **state)
{
	char *text = ff_strdup("abc"), *part = ff_strndup("abcdef", 2), *all = ff_strndup("ab", 9);
	char *made = ff_asprintf("%d-%s", 5, "x");
	int *zeros = ff_calloc(4, sizeof(*zeros));

	assert_string_equal(text, "abc");
	assert_string_equal(part, "ab");
	assert_string_equal(all, "ab");
	assert_string_equal(made, "5-x");
	assert_int_equal(zeros[0] | zeros[1] | zeros[2] | zeros[3], 0);
	ff_free(text);
	ff_free(part);
	ff_free(all);
	ff_free(made);
	ff_free(zeros);
	ff_free(NULL);
}

static void test_size_zero_is_not_out_of_memory(void **state)
{
	void *a = ff_malloc(0), *b = ff_calloc(0, 8), *c = ff_malloc(8);

	assert_non_null(a);
	assert_non_null(b);
	c = ff_realloc(c, 0);
	assert_non_null(c);
	ff_free(a);
	ff_free(b);
	ff_free(c);
}

static void test_nth_fails(void **state)
{
	void *first, *second;

	ff_alloc_fail_at(3);
	first = ff_malloc(1);
	second = ff_calloc(1, 1);
	assert_non_null(first);
	assert_non_null(second);
	assert_null(ff_malloc(1));
	assert_null(ff_calloc(1, 1));
	assert_null(ff_realloc(first, 100));
	assert_null(ff_strdup("x"));
	assert_null(ff_strndup("x", 1));
	assert_null(ff_asprintf("x"));
	ff_alloc_fail_at(0);
	ff_free(first);
	first = ff_malloc(1);
	assert_non_null(first);
	ff_free(first);
	ff_free(second);
}

static void test_cleanup(void **state)
{
	__attribute__((cleanup(ff_cleanup_free))) char *text = ff_strdup("freed at the end");

	assert_non_null(text); /* the leak checker tells the rest */
}

static void test_or_abort_forms(void **state)
{
	char *a = ff_xstrdup("a"), *b = ff_xstrndup("bcd", 1), *c = ff_xasprintf("%d", 3);
	char *d = ff_xrealloc(ff_xmalloc(1), 2), *e = ff_xcalloc(1, 1);

	assert_null(ff_xstrdup(NULL));
	assert_string_equal(a, "a");
	assert_string_equal(b, "b");
	assert_string_equal(c, "3");
	assert_int_equal(*e, 0);
	free(a);
	free(b);
	free(c);
	free(d);
	free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_size_zero_is_not_out_of_memory),
		cmocka_unit_test_teardown(test_nth_fails, switch_off),
		cmocka_unit_test(test_cleanup),
		cmocka_unit_test(test_or_abort_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
