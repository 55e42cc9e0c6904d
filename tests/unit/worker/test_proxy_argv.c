/* execnet's xspec fields into an argv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/proxy.h"

#define LINE "import sys;exec(eval(sys.stdin.readline()))"

static void expect(const struct ff_value *entries, size_t len, const char *const *argv)
{
	struct ff_value spec = ff_collection(FF_DICT, entries, len);
	struct ff_strv got = FF_STRV_INIT;
	struct ff_err err;
	size_t i;

	assert_int_equal(ff_proxy_argv(&spec, &got, &err), 0);
	for (i = 0; argv[i]; i++) {
		assert_true(i < got.len);
		assert_string_equal(got.v[i], argv[i]);
	}
	assert_int_equal(got.len, i);
	ff_strv_release(&got);
}

static void test_popen(void **state)
{
	const struct ff_value plain[] = {ff_str("popen"), ff_bool(true)};
	const struct ff_value full[] = {
	    ff_str("popen"), ff_bool(true),    ff_str("dont_write_bytecode"),
	    ff_bool(true),   ff_str("python"), ff_str("env 'A=b c' py"),
	    ff_str("id"),    ff_str("gw1")};

	expect(plain, 1, (const char *const[]){"python3", "-u", "-c", LINE, NULL});
	expect(full, 4, (const char *const[]){"env", "A=b c", "py", "-u", "-B", "-c", LINE, NULL});
}

static void test_remote(void **state)
{
	const struct ff_value ssh[] = {ff_str("ssh"), ff_str("-p 22  build1"), ff_str("ssh_config"),
				       ff_str("my config")};
	const struct ff_value vagrant[] = {ff_str("vagrant_ssh"), ff_str("box"), ff_str("python"),
					   ff_str("python3.9")};

	expect(ssh, 2,
	       (const char *const[]){"ssh", "-C", "-F", "my config", "-p", "22", "build1",
				     "python -c \"" LINE "\"", NULL});
	expect(vagrant, 2,
	       (const char *const[]){"vagrant", "ssh", "box", "--", "-C",
				     "python3.9 -c \"" LINE "\"", NULL});
}

static void test_refused(void **state)
{
	const struct ff_value socket[] = {ff_str("socket"), ff_str("h:1")};
	const struct ff_value quote[] = {ff_str("popen"), ff_bool(true), ff_str("python"),
					 ff_str("'x")};
	struct ff_value spec = ff_collection(FF_DICT, socket, 1);
	struct ff_strv argv = FF_STRV_INIT;
	struct ff_err err;

	assert_int_equal(ff_proxy_argv(&spec, &argv, &err), FF_EINVAL);
	spec = ff_collection(FF_DICT, quote, 2);
	assert_int_equal(ff_proxy_argv(&spec, &argv, &err), FF_EINVAL);
	spec = ff_int(1);
	assert_int_equal(ff_proxy_argv(&spec, &argv, &err), FF_EINVAL);
	ff_strv_release(&argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_popen),
	    cmocka_unit_test(test_remote),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
