/* The argv of the limiting stage, and the search that precedes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/limits.h"

static void test_argv(void **state)
{
	const struct ff_value entries[] = {ff_str("nofile"), ff_int(64), ff_str("core"),
					   ff_int(-1)};
	const struct ff_value unknown[] = {ff_str("zap"), ff_int(1)};
	const struct ff_value wrong[] = {ff_str("as"), ff_str("1")};
	struct ff_value rlimits = ff_collection(FF_DICT, entries, 2);
	struct ff_limits limits = {.rlimits = &rlimits};
	char *const argv[] = {"prog", "-x", NULL};
	struct ff_strv out = FF_STRV_INIT;
	struct ff_err err;

	assert_int_equal(ff_limits_argv(&limits, argv, &out, &err), 0);
	assert_int_equal(out.len, 5);
	assert_string_equal(out.v[1], "--limits");
	assert_string_equal(out.v[2], "nofile=64,core=-1");
	assert_string_equal(out.v[3], "prog");
	assert_string_equal(out.v[4], "-x");
	rlimits = ff_collection(FF_DICT, unknown, 1);
	assert_int_equal(ff_limits_argv(&limits, argv, &out, &err), FF_EINVAL);
	assert_string_equal(err.text, "unknown rlimit 'zap'");
	rlimits = ff_collection(FF_DICT, wrong, 1);
	assert_int_equal(ff_limits_argv(&limits, argv, &out, &err), FF_EINVAL);
	limits = (struct ff_limits){.data = 4096, .cgroup = "/a,b=c"};
	ff_strv_release(&out);
	out = (struct ff_strv)FF_STRV_INIT;
	assert_int_equal(ff_limits_argv(&limits, argv, &out, &err), 0);
	assert_string_equal(out.v[2], "data=4096,cgroup=/a,b=c");
	limits = (struct ff_limits){.rlimits = &rlimits};
	rlimits = ff_int(1);
	assert_int_equal(ff_limits_argv(&limits, argv, &out, &err), FF_EINVAL);
	ff_strv_release(&out);
}

static void test_find(void **state)
{
	struct ff_err err;

	assert_int_equal(ff_limits_find("sh", NULL, "/no:/bin", &err), 0);
	assert_int_equal(ff_limits_find("sh", NULL, NULL, &err), 0);
	assert_int_equal(ff_limits_find("sh", NULL, "/no", &err), FF_ESPAWN);
	assert_string_equal(err.text, "cannot run 'sh': No such file or directory");
	assert_int_equal(ff_limits_find("no-such", NULL, "/bin", &err), FF_ESPAWN);
	assert_int_equal(ff_limits_find("/bin/sh", "/", NULL, &err), 0);
	assert_int_equal(ff_limits_find("/bin", NULL, NULL, &err), FF_ESPAWN);
	assert_string_equal(err.text, "cannot run '/bin': Permission denied");
	/* What only the child can know is left to it. */
	assert_int_equal(ff_limits_find("./no-such", "/", NULL, &err), 0);
	assert_int_equal(ff_limits_find("no-such", NULL, "/no:.", &err), 0);
}

static int run_limited(const char *limits, const char *shell)
{
	char *const argv[] = {"sh", "-c", (char *)shell, NULL};
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		_exit(ff_limits_exec(limits, argv));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_exec(void **state)
{
	assert_int_equal(run_limited("nofile=50,core=0",
				     "test $(ulimit -n) = 50 && test $(ulimit -Hn) = 50 && "
				     "test $(ulimit -c) = 0"),
			 0);
	assert_int_equal(run_limited("", "exit 9"), W_EXITCODE(9, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_argv),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
