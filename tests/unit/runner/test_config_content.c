/* What makes a job another one, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config/content.h"
#include "config/options.h"

static void content_of(const char *job, struct ff_buf *out)
{
	char *text = ff_xasprintf("inventory: [popen]\njobs:\n  j: {%s}\n", job);
	struct ff_config config;
	struct ff_err err = {0};

	if (ff_config_parse(&config, "x.yaml", text, strlen(text), &err))
		fail_msg("%s", err.text);
	ff_config_job_content(&config.jobs[0], out);
	ff_config_release(&config);
	ff_free(text);
}

static bool alike(const char *a, const char *b)
{
	struct ff_buf x = FF_BUF_INIT, y = FF_BUF_INIT;
	bool same;

	content_of(a, &x);
	content_of(b, &y);
	same = x.len == y.len && memcmp(ff_buf_data(&x), ff_buf_data(&y), x.len) == 0;
	ff_buf_release(&x);
	ff_buf_release(&y);
	return same;
}

static void test_what_it_does(void **state)
{
	assert_true(alike("run: echo", "run: echo"));
	assert_false(alike("run: echo", "run: [echo]"));
	assert_false(alike("run: [a, b]", "run: ['a,', b]"));
	assert_false(alike("run: [a, b]", "run: [ab]"));
	assert_false(alike("run: echo, env: {A: b}", "run: echo, env: {A: c}"));
	assert_false(alike("run: echo, env: {A: b}", "run: echo"));
	assert_false(alike("run: echo, stdin: x", "run: echo, stdin: ''"));
	assert_false(alike("run: echo, stdin: ''", "run: echo"));
	assert_false(alike("run: echo, cwd: x", "run: echo"));
	assert_false(alike("run: 'echo {n}', matrix: {n: [1, 2]}",
			   "run: 'echo {n}', matrix: {n: [12]}"));
	assert_false(alike("run: 'echo {n}', matrix: {n: [1, 2]}",
			   "run: 'echo {n}', matrix: {n: [2, 1]}"));
	assert_false(alike("run: echo, count: 2", "run: echo, count: 3"));
	assert_false(alike("pytest: [tests]", "run: [tests]"));
	assert_false(alike("run: echo, inputs: a", "run: echo, inputs: b"));
	assert_false(alike("run: echo, inputs: a", "run: echo"));
	assert_false(alike("pytest: [-k, a]", "pytest: [-k, b]"));
}

static void test_how_it_is_run(void **state)
{
	assert_true(alike("run: echo", "run: echo, timeout: 5s, grace: 1s, weight: 1, retries: 3"));
	assert_true(
		alike("run: echo", "run: echo, retry_delay: 1s, retry_on: crashed, memory: auto"));
	assert_true(alike("pytest: [a]", "pytest: [a], dist: load, front: never, collect: every"));
}

/* Words of pytest that change nothing but what is seen of tests. */
static void test_how_it_is_shown(void **state)
{
	static const char *const shows[] = {
		"-v",  "-vv",  "-q",	      "-x",	    "-vxl",	   "--tb=short",
		"-rA", "-rfE", "--maxfail=3", "--color=no", "--exitfirst", "--durations=5"};
	static const char *const counts[] = {"-k", "-vk",  "-m",   "-r",    "-ra-",  "-p",
					     "-",  "--tb", "--lf", "--vvv", "tests", "v",
					     "",   "--",   "-s",   "-n4",   "-rvk"};

	for (size_t i = 0; i < sizeof(shows) / sizeof(*shows); i++)
		assert_true(ff_config_pytest_only_shows(shows[i]));
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		assert_false(ff_config_pytest_only_shows(counts[i]));
	assert_true(alike("pytest: [a]", "pytest: [-v, a, -q, --tb=no]"));
	assert_false(alike("pytest: [a, -k, b]", "pytest: [a, -k, -v, b, c]"));
	assert_false(alike("ctest: [a]", "ctest: [a, -v]"));
}

/* A new key of jobs either counts or does not: content.c has to know. */
static void test_every_key(void **state)
{
	for (const struct ff_config_option *o = ff_config_options; o->key; o++)
		if (o->section == FF_SECTION_JOB && !ff_config_content_knows(o))
			fail_msg("'%s' of a job: say in config/content.c whether another value "
				 "makes "
				 "another job of it",
				 o->key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_does),
		cmocka_unit_test(test_how_it_is_run),
		cmocka_unit_test(test_how_it_is_shown),
		cmocka_unit_test(test_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
