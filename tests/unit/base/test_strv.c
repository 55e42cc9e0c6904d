/* String vectors, splitting and quoting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"

static void test_add(void **state)
{
	struct ff_strv strv = FF_STRV_INIT, other = FF_STRV_INIT;

	assert_null(strv.v);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(ff_strv_addf(&strv, "n%d", i), 0);
		assert_int_equal(strv.len, i + 1);
		assert_null(strv.v[i + 1]);
	}
	assert_string_equal(strv.v[99], "n99");
	assert_true(ff_strv_contains(&strv, "n42"));
	assert_false(ff_strv_contains(&strv, "n100"));
	assert_false(ff_strv_contains(&other, "x"));
	assert_int_equal(ff_strv_add_all(&other, strv.v), 0);
	assert_int_equal(ff_strv_add_all(&other, NULL), 0);
	assert_int_equal(other.len, 100);
	ff_strv_release(&strv);
	ff_strv_release(&other);
	assert_null(strv.v);
}

/* `words`: what comes out, joined by "|". */
static void check_split(const char *line, const char *words)
{
	struct ff_strv strv = FF_STRV_INIT;
	struct ff_buf joined = FF_BUF_INIT;

	assert_int_equal(ff_strv_split(&strv, line, NULL), 0);
	for (size_t i = 0; i < strv.len; i++)
		ff_buf_addf(&joined, "%s%s", i ? "|" : "", strv.v[i]);
	assert_string_equal(ff_buf_str(&joined), words);
	ff_buf_release(&joined);
	ff_strv_release(&strv);
}

/* Expectations are what Python's shlex.split gives. */
static void test_split(void **state)
{
	struct ff_strv strv = FF_STRV_INIT;

	check_split("", "");
	check_split("  \t\n ", "");
	check_split("a b  c\n", "a|b|c");
	check_split("python3 -c 'import x'", "python3|-c|import x");
	check_split("a\"b c\"d'e f'", "ab cde f");
	check_split("'a\\b'", "a\\b");
	check_split("\"a\\\"b\\\\c\\d\\$e'f\"", "a\"b\\c\\d\\$e'f");
	check_split("a\\ b \\\\ \\'", "a b|\\|'");
	check_split("# no comment", "#|no|comment");
	check_split("$HOME *", "$HOME|*");
	assert_int_equal(ff_strv_split(&strv, "'' x \"\"", NULL), 0);
	assert_int_equal(strv.len, 3);
	assert_string_equal(strv.v[0], "");
	assert_string_equal(strv.v[2], "");
	ff_strv_release(&strv);
}

static void test_split_refuses(void **state)
{
	static const char *const lines[] = {"a 'b", "a \"b", "a b\\", "a \"b\\"};
	struct ff_strv strv = FF_STRV_INIT;
	struct ff_err err;

	ff_strv_add(&strv, "before");
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ff_strv_split(&strv, lines[i], &err), FF_EINVAL);
		assert_non_null(strstr(err.text, lines[i]));
		assert_int_equal(strv.len, 1);
		assert_null(strv.v[1]);
	}
	ff_strv_release(&strv);
}

static void test_split_blanks(void **state)
{
	struct ff_strv strv = FF_STRV_INIT;

	assert_int_equal(ff_strv_split_blanks(&strv, " -p 2222\t\v'a b' \n"), 0);
	assert_int_equal(strv.len, 4);
	assert_string_equal(strv.v[0], "-p");
	assert_string_equal(strv.v[2], "'a");
	assert_string_equal(strv.v[3], "b'");
	assert_int_equal(ff_strv_split_blanks(&strv, "  "), 0);
	assert_int_equal(strv.len, 4);
	ff_strv_release(&strv);
}

static void test_quote(void **state)
{
	char *const argv[] = {"ls", "-l", "a b", "", "it's", "x=$y", "50%@h:/p", NULL};
	struct ff_buf out = FF_BUF_INIT;
	struct ff_strv back = FF_STRV_INIT;

	assert_int_equal(ff_shell_join(&out, argv), 0);
	assert_string_equal(ff_buf_str(&out), "ls -l 'a b' '' 'it'\"'\"'s' 'x=$y' 50%@h:/p");
	assert_int_equal(ff_strv_split(&back, ff_buf_str(&out), NULL), 0);
	assert_int_equal(back.len, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(back.v[i], argv[i]);
	ff_buf_release(&out);
	ff_strv_release(&back);
	ff_buf_init(&out, 6);
	assert_int_equal(ff_shell_join(&out, argv), FF_ETOOBIG);
	assert_int_equal(out.len, 0);
	ff_buf_release(&out);
}

static void test_nth_allocation_fails(void **state)
{
	static const char line[] = "a b c d e f g h i 'a longer word than the others are' k l m n";
	int rc = FF_ENOMEM;

	for (size_t nth = 1; rc; nth++) {
		struct ff_strv strv = FF_STRV_INIT, copy = FF_STRV_INIT;
		struct ff_err err;

		assert_true(nth < 1000);
		ff_alloc_fail_at(nth);
		rc = ff_strv_split(&strv, line, &err);
		if (!rc)
			rc = ff_strv_split_blanks(&strv, line);
		if (!rc)
			rc = ff_strv_add_all(&copy, strv.v);
		if (!rc)
			rc = ff_strv_addf(&copy, "%d", 1);
		ff_alloc_fail_at(0);
		assert_true(rc == 0 || rc == FF_ENOMEM);
		assert_true(strv.len == 0 || strv.len == 14 || strv.len == 14 + 20);
		assert_true(copy.len == 0 || copy.len >= 34);
		ff_strv_release(&strv);
		ff_strv_release(&copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_add),		  cmocka_unit_test(test_split),
	    cmocka_unit_test(test_split_refuses), cmocka_unit_test(test_split_blanks),
	    cmocka_unit_test(test_quote),	  cmocka_unit_test(test_nth_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
