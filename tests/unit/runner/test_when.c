/* Whether a job is to run: expressions and what they come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "plan/when.h"

static enum ff_when_outcome outcome(const void *ctx, size_t need)
{
	return ((const enum ff_when_outcome *)ctx)[need];
}

/* vars.deploy is yes; matrix.os is linux (axis 1) for the unit that is asked for. */
static const char *variable(const void *ctx, const char *name, struct ff_err *err)
{
	if (strcmp(name, "deploy") == 0)
		return "yes";
	ff_err_set(err, FF_ECONFIG, "no %s", name);
	return NULL;
}

static int axis(const void *ctx, const char *name, struct ff_err *err)
{
	return strcmp(name, "os") == 0 ? 1 : ff_err_set(err, FF_ECONFIG, "no axis %s", name);
}

static const char *value(const void *unit, unsigned number)
{
	return number == 1 ? unit : "?";
}

/* With needs `a`, `b-1` and `c.d`, of which the first has passed, the second failed, the third was
 * skipped. A word: what is wrong with it; "true", "false". */
static void assert_when(const char *text, const char *want)
{
	static const enum ff_when_outcome outcomes[] = {FF_WHEN_PASSED, FF_WHEN_FAILED,
							FF_WHEN_SKIPPED};
	char *const env[] = {"CI=true", "OFF=0", "LONG=a b", NULL};
	struct ff_when_facts facts = {.outcome = outcome,
				      .ctx = outcomes,
				      .failed = true,
				      .value = value,
				      .unit = "linux"};
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_when_names names;
	struct ff_strv needs = {0};
	const struct ff_when *when;
	struct ff_err err;

	assert_int_equal(ff_strv_add(&needs, "a"), 0);
	assert_int_equal(ff_strv_add(&needs, "b-1"), 0);
	assert_int_equal(ff_strv_add(&needs, "c.d"), 0);
	names = (struct ff_when_names){&needs, env, variable, axis, &needs};
	when = ff_when_parse(text, &names, &arena, &err);
	if (when)
		assert_string_equal(ff_when_is_true(when, &facts) ? "true" : "false", want);
	else
		assert_string_equal(err.text, want);
	ff_strv_release(&needs);
	ff_arena_release(&arena);
}

static void test_values(void **state)
{
	assert_when("always", "true");
	assert_when("always()", "true");
	assert_when("failure", "true");
	assert_when("on_success", "false");
	assert_when("cancelled()", "false");
	assert_when("passed(a)", "true");
	assert_when("failed( b-1 )", "true");
	assert_when("failed('b-1') and not failed(a)", "true");
	assert_when("skipped(c.d) && !skipped(a)", "true");
	assert_when("failed(c.d) or passed(c.d)", "false");
	assert_when("env.CI", "true");
	assert_when("env.OFF or env.NONE", "false");
	assert_when("env.CI == 'true' and env.LONG == \"a b\"", "true");
	assert_when("env.CI != true", "false");
	assert_when("true or false and false", "true");
	assert_when("(true or false) and false", "false");
	assert_when("not (passed(a) and failed(b-1))", "false");
	assert_when("not not true", "true");
	assert_when("vars.deploy", "true");
	assert_when("vars.deploy == 'yes' and 'no' != vars.deploy", "true");
	assert_when("vars.deploy == no", "false");
	assert_when("matrix.os == 'linux' and passed(a)", "true");
	assert_when("vars.deploy == matrix.os", "false");
	assert_when("not matrix.os", "false");
}

static void test_wrong(void **state)
{
	assert_when("", "expected a value at its end");
	assert_when("failed(x)", "'x' is not in its 'needs'");
	assert_when("failed(a", "expected ')' at its end");
	assert_when("always(a)", "expected ')' at 'a)'");
	assert_when("skipped", "'skipped' wants a job: skipped(NAME)");
	assert_when("true and or", "'or' is nothing: there is always, passed, failed, cancelled, "
				   "skipped(NAME), env.NAME, vars.NAME and matrix.NAME; a text "
				   "wants quotes");
	assert_when("CI == 'true'",
		    "'CI' is nothing: there is always, passed, failed, cancelled, skipped(NAME), "
		    "env.NAME, vars.NAME and matrix.NAME; a text wants quotes");
	assert_when("vars.deploi == 'yes'", "no deploi");
	assert_when("'yes' == vars.deploi", "no deploi");
	assert_when("matrix.oss", "no axis oss");
	assert_when("vars.", "expected a name behind 'vars.' at 'vars.'");
	assert_when("matrix. == 'x'", "expected a name behind 'matrix.' at 'matrix. == 'x''");
	assert_when("'x", "a quote that is never closed: 'x");
	assert_when("true true", "expected 'and', 'or' or nothing at 'true'");
	assert_when("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!true",
		    "expected fewer brackets at '!!!!!!!!true'");
	assert_when("@", "expected a value at '@'");
}

static void test_what_is_asked(void **state)
{
	static const struct {
		const char *text;
		bool outcomes, units;
	} cases[] = {
		{"env.X == 'y' and not failed", true, false},
		{"not (env.X == 'y' or true)", false, false},
		{"matrix.os", false, true},
		{"not ('x' == matrix.os) and passed", true, true},
		{"vars.deploy == 'yes'", false, false},
	};
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_strv needs = {0};
	char *const env[] = {NULL};
	const struct ff_when_names names = {&needs, env, variable, axis, NULL};
	struct ff_err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct ff_when *when = ff_when_parse(cases[i].text, &names, &arena, &err);

		assert_non_null(when);
		assert_int_equal(ff_when_asks_outcomes(when), cases[i].outcomes);
		assert_int_equal(ff_when_asks_units(when), cases[i].units);
	}
	ff_arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_what_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
