/* xspecs: what is parsed, what is refused and how, copies and labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "wire/xspec.h"

static void test_parse(void **state)
{
	struct ff_xspec spec;

	assert_int_equal(
		ff_xspec_parse(&spec,
			       "ssh=-p 2222 build1//python=python3.11//chdir=a=b//nice=-5//"
			       "env:A=b//env:EMPTY=//dont_write_bytecode//slots=4//new=1//bare",
			       NULL),
		0);
	assert_string_equal(spec.ssh, "-p 2222 build1");
	assert_string_equal(spec.python, "python3.11");
	assert_string_equal(spec.chdir, "a=b");
	assert_string_equal(spec.nice, "-5");
	assert_string_equal(spec.slots, "4");
	assert_string_equal(spec.dont_write_bytecode, "");
	assert_null(spec.popen);
	assert_null(spec.id);
	assert_int_equal(spec.env.len, 2);
	assert_string_equal(spec.env.v[0], "A=b");
	assert_string_equal(spec.env.v[1], "EMPTY=");
	assert_int_equal(spec.unknown.len, 2);
	assert_string_equal(spec.unknown.v[0], "new=1");
	assert_string_equal(spec.unknown.v[1], "bare");
	assert_memory_equal(spec.text, "ssh=-p 2222 build1//", 20);
	ff_xspec_release(&spec);
	assert_null(spec.ssh);
}

static void test_every_known_key(void **state)
{
	static const char text[] =
		"id=a//popen//ssh=a//vagrant_ssh=a//socket=a//python=a//chdir=a//nice=20//"
		"execmodel=main_thread_only//dont_write_bytecode//ssh_config=a//via=a//"
		"installvia=a//"
		"worker=native//slots=100000//tags=a,b//docker=a//kubectl=a//namespace=a//podman=a/"
		"/"
		"srun=a//token_file=a//plain";
	struct ff_xspec spec;

	assert_int_equal(ff_xspec_parse(&spec, text, NULL), 0);
	assert_int_equal(spec.unknown.len, 0);
#define X(key, member) assert_non_null(spec.member);
	FF_XSPEC_KEYS(X)
#undef X
	assert_string_equal(spec.k8s_namespace, "a");
	ff_xspec_release(&spec);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "xspec '': empty part"},
		{"popen//", "xspec 'popen//': empty part"},
		{"popen////id=a", "xspec 'popen////id=a': empty part"},
		{"=x", "xspec '=x': empty key in 'x'"},
		{"popen//popen", "xspec 'popen//popen': duplicate key 'popen'"},
		{"popen//popen=a", "xspec 'popen//popen=a': duplicate key 'popen'"},
		{"x=1//xy//x", "xspec 'x=1//xy//x': duplicate key 'x'"},
		{"env:A=1//env:AB=2//env:A=3",
		 "xspec 'env:A=1//env:AB=2//env:A=3': duplicate key 'env:A'"},
		{"env:A", "xspec 'env:A': no value for 'env:A'"},
		{"env:=1", "xspec 'env:=1': no variable name in 'env:'"},
		{"popen//_x=1", "xspec 'popen//_x=1': key starts with an underscore: '_x'"},
		{"nice", "xspec 'nice': nice='' must be a number"},
		{"nice=-", "xspec 'nice=-': nice='-' must be a number"},
		{"nice=1x", "xspec 'nice=1x': nice='1x' must be a number"},
		{"slots=0", "xspec 'slots=0': slots='0' must be a number from 1 to 100000"},
		{"slots=100001",
		 "xspec 'slots=100001': slots='100001' must be a number from 1 to 100000"},
		{"slots=99999999999999999999",
		 "xspec 'slots=99999999999999999999': slots='99999999999999999999' must be a "
		 "number from 1 to 100000"},
		{"worker=c", "xspec 'worker=c': worker='c' must be native or python"},
		{"execmodel", "xspec 'execmodel': execmodel='' must be thread, main_thread_only, "
			      "gevent or eventlet"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_xspec spec = {.id = (char *)"untouched"};
		struct ff_err err;

		assert_int_equal(ff_xspec_parse(&spec, cases[i].text, &err), FF_EINVAL);
		assert_string_equal(err.text, cases[i].message);
		assert_string_equal(spec.id, "untouched");
	}
}

static void test_set_and_copy(void **state)
{
	struct ff_xspec spec, copy;

	ff_xspec_parse(&spec, "popen//env:A=1//odd=2", NULL);
	assert_int_equal(ff_xspec_set(&spec, "id", "gw1"), 0);
	assert_int_equal(ff_xspec_set(&spec, "id", "gw2"), 0);
	assert_int_equal(ff_xspec_set(&spec, "nothing", "x"), FF_ENOTFOUND);
	assert_int_equal(ff_xspec_set(&spec, "nice", "x"), FF_EINVAL);
	assert_int_equal(ff_xspec_copy(&copy, &spec), 0);
	assert_int_equal(ff_xspec_set(&spec, "id", NULL), 0);
	assert_null(spec.id);
	ff_xspec_release(&spec);
	assert_string_equal(copy.id, "gw2");
	assert_string_equal(copy.popen, "");
	assert_string_equal(copy.text, "popen//env:A=1//odd=2");
	assert_string_equal(copy.env.v[0], "A=1");
	assert_string_equal(copy.unknown.v[0], "odd=2");
	assert_null(copy.ssh);
	ff_xspec_release(&copy);
}

static void test_label(void **state)
{
	static const char *const cases[][2] = {
		{"ssh=-p 2222 build1//id=a", "ssh=build1"},
		{"ssh=build1", "ssh=build1"},
		{"id=x//popen", "popen"},
		{"popen=1", "popen=1"},
		{"socket=h:8888//via=gw0", "socket=h:8888"},
		{"docker=box//chdir=x", "docker=box"},
		{"chdir=x", "chdir=x"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_buf out = FF_BUF_INIT;
		struct ff_xspec spec;

		assert_int_equal(ff_xspec_parse(&spec, cases[i][0], NULL), 0);
		assert_int_equal(ff_xspec_label(&out, &spec), 0);
		assert_string_equal(ff_buf_str(&out), cases[i][1]);
		ff_buf_release(&out);
		ff_xspec_release(&spec);
	}
}

static void test_nth_allocation_fails(void **state)
{
	int rc = FF_ENOMEM;

	for (size_t nth = 1; rc; nth++) {
		struct ff_xspec spec = {0}, copy = {0};
		struct ff_err err;

		assert_true(nth < 1000);
		ff_alloc_fail_at(nth);
		rc = ff_xspec_parse(&spec, "ssh=a//env:A=1//odd=2//bare//slots=3", &err);
		if (!rc)
			rc = ff_xspec_copy(&copy, &spec);
		if (!rc)
			rc = ff_xspec_set(&copy, "id", "x");
		ff_alloc_fail_at(0);
		assert_true(rc == 0 || rc == FF_ENOMEM);
		ff_xspec_release(&spec);
		ff_xspec_release(&copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	cmocka_unit_test(test_every_known_key),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_set_and_copy),
		cmocka_unit_test(test_label),	cmocka_unit_test(test_nth_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
