/* Error codes, their words, and messages that are cut, prefixed and nested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/err.h"

static void test_names(void **state)
{
	assert_string_equal(ff_err_name(FF_ENOMEM), "FF_ENOMEM");
	assert_string_equal(ff_err_name(FF_ECONFIG), "FF_ECONFIG");
	assert_string_equal(ff_err_name(1), "FF_E?");
	assert_string_equal(ff_err_name(0), "0");
	assert_string_equal(ff_err_text(0), "no error");
	assert_string_equal(ff_err_text(FF_EEOF), "end of file");
	assert_string_equal(ff_err_text(-999), "unknown error");
}

static void test_set(void **state)
{
	struct ff_err err;

	assert_int_equal(ff_err_set(&err, FF_EINVAL, "part %d", 7), FF_EINVAL);
	assert_int_equal(err.code, FF_EINVAL);
	assert_string_equal(err.text, "part 7");
	assert_int_equal(ff_err_set(&err, FF_EPROTO, "again: %s", err.text), FF_EPROTO);
	assert_string_equal(err.text, "again: part 7");
	assert_int_equal(ff_err_set(NULL, FF_ELOAD, "x"), FF_ELOAD);
}

static void test_sys(void **state)
{
	struct ff_err err;

	assert_int_equal(ff_err_sys(&err, ENOENT, "open %s", "x"), FF_ESYS);
	assert_string_equal(err.text, "open x: No such file or directory");
	assert_int_equal(err.code, FF_ESYS);
	assert_int_equal(ff_err_sys(NULL, ENOENT, "x"), FF_ESYS);
}

static void test_prefix(void **state)
{
	struct ff_err err;

	ff_err_set(&err, FF_EAUTH, "no key");
	assert_int_equal(ff_err_prefix(&err, "host %s: ", "b1"), FF_EAUTH);
	assert_string_equal(err.text, "host b1: no key");
	assert_int_equal(ff_err_prefix(NULL, "x"), FF_EINVAL);
}

static void test_long_texts_are_cut(void **state)
{
	struct ff_err err;
	char text[4096];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ff_err_set(&err, FF_EINVAL, "%s", text);
	assert_int_equal(strlen(err.text), FF_ERR_TEXT_MAX - 1);
	/* Never inside a character: here one of two bytes sits on the border. */
	memcpy(text + FF_ERR_TEXT_MAX - 2, "\xc3\xa9", 2);
	ff_err_set(&err, FF_EINVAL, "%s", text);
	assert_int_equal(strlen(err.text), FF_ERR_TEXT_MAX - 2);
	ff_err_sys(&err, ENOENT, "%s", text);
	assert_string_equal(strrchr(err.text, ':'), ": No such file or directory");
	ff_err_prefix(&err, "%s", "before ");
	assert_memory_equal(err.text, "before aaa", 10);
	assert_true(strlen(err.text) < FF_ERR_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_set),
	    cmocka_unit_test(test_sys),
	    cmocka_unit_test(test_prefix),
	    cmocka_unit_test(test_long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
