/* Arguments of built-ins, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "worker/kwargs.h"

static struct ff_value dict1(struct ff_value *space, const char *key, struct ff_value value)
{
	space[0] = ff_str(key);
	space[1] = value;
	return ff_collection(FF_DICT, space, 1);
}

static void test_strv(void **state)
{
	const struct ff_value good[] = {ff_str("ls"), ff_bytes("-\xff", 2)};
	const struct ff_value bad[] = {ff_str("ls"), ff_int(1)};
	const struct ff_value nul[] = {ff_strn("a\0b", 3)};
	struct ff_value space[2], kwargs;
	struct ff_strv strv = FF_STRV_INIT;
	struct ff_err err;

	kwargs = dict1(space, "argv", ff_collection(FF_TUPLE, good, 2));
	assert_int_equal(ff_kwargs_strv(&kwargs, "argv", &strv, &err), 0);
	assert_int_equal(strv.len, 2);
	assert_string_equal(strv.v[1], "-\xff");
	assert_int_equal(ff_kwargs_strv(&kwargs, "other", &strv, &err), FF_EINVAL);
	assert_string_equal(err.text, "other must be a list of str");
	kwargs = dict1(space, "argv", ff_collection(FF_LIST, bad, 2));
	assert_int_equal(ff_kwargs_strv(&kwargs, "argv", &strv, &err), FF_EINVAL);
	kwargs = dict1(space, "argv", ff_collection(FF_LIST, nul, 1));
	assert_int_equal(ff_kwargs_strv(&kwargs, "argv", &strv, &err), FF_EINVAL);
	kwargs = dict1(space, "argv", ff_collection(FF_LIST, NULL, 0));
	assert_int_equal(ff_kwargs_strv(&kwargs, "argv", &strv, &err), FF_EINVAL);
	ff_strv_release(&strv);
}

static void test_text(void **state)
{
	struct ff_value space[2], kwargs;
	const char *text = "before";
	struct ff_err err;

	kwargs = dict1(space, "cwd", ff_str("/x"));
	assert_int_equal(ff_kwargs_text(&kwargs, "cwd", &text, &err), 0);
	assert_string_equal(text, "/x");
	assert_int_equal(ff_kwargs_text(&kwargs, "chdir", &text, &err), 0);
	assert_null(text);
	kwargs = dict1(space, "cwd", ff_none());
	text = "before";
	assert_int_equal(ff_kwargs_text(&kwargs, "cwd", &text, &err), 0);
	assert_null(text);
	kwargs = dict1(space, "cwd", ff_int(1));
	assert_int_equal(ff_kwargs_text(&kwargs, "cwd", &text, &err), FF_EINVAL);
	assert_string_equal(err.text, "cwd must be a str");
}

static void test_env(void **state)
{
	char *const parent[] = {"KEEP=1", "DROP=1", "SET=old", "SETTER=x", "odd", NULL};
	const struct ff_value entries[] = {ff_str("DROP"), ff_none(),	  ff_str("SET"),
					   ff_str("a"),	   ff_str("SET"), ff_str("new"),
					   ff_str("NEW"),  ff_str("=")};
	struct ff_value space[2], kwargs;
	struct ff_strv env = FF_STRV_INIT;
	struct ff_err err;

	kwargs = dict1(space, "env", ff_collection(FF_DICT, entries, 4));
	assert_int_equal(ff_kwargs_env(&kwargs, parent, &env, &err), 0);
	assert_int_equal(env.len, 5);
	assert_true(ff_strv_contains(&env, "KEEP=1"));
	assert_true(ff_strv_contains(&env, "SETTER=x"));
	assert_true(ff_strv_contains(&env, "odd"));
	assert_true(ff_strv_contains(&env, "SET=new"));
	assert_true(ff_strv_contains(&env, "NEW=="));
	ff_strv_release(&env);
}

static void test_env_none(void **state)
{
	char *const parent[] = {"KEEP=1", NULL};
	const struct ff_value bad_value[] = {ff_str("A"), ff_int(1)};
	const struct ff_value bad_name[] = {ff_str("A=B"), ff_str("")};
	const struct ff_value no_name[] = {ff_str(""), ff_str("")};
	const struct ff_value *const bad[] = {bad_value, bad_name, no_name};
	struct ff_value space[2], kwargs = ff_none();
	struct ff_strv env = FF_STRV_INIT;
	struct ff_err err;
	size_t i;

	assert_int_equal(ff_kwargs_env(&kwargs, parent, &env, &err), 0);
	kwargs = dict1(space, "env", ff_collection(FF_DICT, NULL, 0));
	assert_int_equal(ff_kwargs_env(&kwargs, parent, &env, &err), 0);
	assert_int_equal(env.len, 0);
	for (i = 0; i < 3; i++) {
		kwargs = dict1(space, "env", ff_collection(FF_DICT, bad[i], 1));
		assert_int_equal(ff_kwargs_env(&kwargs, parent, &env, &err), FF_EINVAL);
	}
	kwargs = dict1(space, "env", ff_int(1));
	assert_int_equal(ff_kwargs_env(&kwargs, parent, &env, &err), FF_EINVAL);
	assert_int_equal(env.len, 0);
	ff_strv_release(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_strv),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_env),
	    cmocka_unit_test(test_env_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
