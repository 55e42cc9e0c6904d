/* Variables, the environment and secrets in a file, and what comes of them in units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "plan/plan.h"

struct built {
	struct ff_config config;
	struct ff_inventory inventory;
	struct ff_plan plan;
};

static int try_build(struct built *b, const char *text, char **vars, struct ff_err *err)
{
	struct ff_strv given = FF_STRV_INIT;
	const struct ff_config_opts opts = {.vars = &given};
	int rc;

	*b = (struct built){0};
	ff_strv_add_all(&given, vars);
	rc = ff_config_parse_with(&b->config, "demo.yaml", text, strlen(text), &opts, err);
	ff_strv_release(&given);
	if (rc)
		return rc;
	assert_int_equal(ff_inventory_build(&b->inventory, &b->config, err), 0);
	return ff_plan_build(&b->plan, &b->config, &b->inventory, NULL, err);
}

static void release(struct built *b)
{
	ff_plan_release(&b->plan);
	ff_inventory_release(&b->inventory);
	ff_config_release(&b->config);
}

static void build(struct built *b, const char *text, char **vars)
{
	struct ff_err err = {0};

	if (try_build(b, text, vars, &err))
		fail_msg("%s", err.text);
}

static void refuse(const char *text, char **vars, const char *message)
{
	struct ff_err err = {0};
	struct built b;

	assert_int_equal(try_build(&b, text, vars, &err), FF_ECONFIG);
	if (!strstr(err.text, message))
		fail_msg("no '%s' in: %s", message, err.text);
	release(&b);
}

static void assert_shell(const struct built *b, size_t job, const char *expected)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_plan_instance instance;

	assert_int_equal(ff_plan_instance(&b->plan.jobs[job], 0, &arena, &instance), 0);
	assert_string_equal(instance.job.shell, expected);
	ff_arena_release(&arena);
}

static char *none[] = {NULL};

static void test_nearest_wins(void **state)
{
	static const char text[] = "inventory: [popen]\n"
				   "jobs:\n"
				   "  a: {run: 'x {size} {name}', vars: {size: 7}}\n"
				   "  b: {run: 'x {size} {name}', matrix: {size: [3]}}\n"
				   "  c: {run: 'x {size} {{name}} {other} ${size}'}\n"
				   "vars: {size: 1, name: it's a}\n";
	char *given[] = {"size=5", "size=2 3", NULL};
	struct built b;

	build(&b, text, none);
	assert_shell(&b, 0, "x 7 'it'\\''s a'");
	assert_shell(&b, 1, "x 3 'it'\\''s a'");
	assert_shell(&b, 2, "x 1 {name} {other} ${size}");
	release(&b);

	setenv("FARFLUNG_VAR_name", "from outside", 1);
	build(&b, text, given);
	assert_shell(&b, 0, "x '2 3' 'from outside'");
	assert_shell(&b, 1, "x 3 'from outside'");
	release(&b);
	unsetenv("FARFLUNG_VAR_name");
}

static void test_unknown_names(void **state)
{
	static const char text[] = "inventory: [popen]\n"
				   "vars: {size: 1}\n"
				   "jobs:\n"
				   "  a: {run: 'x {siez}'}\n";
	static const char right[] = "inventory: [popen]\n"
				    "vars: {size: 1}\n"
				    "jobs: {a: {run: 'x {size}'}}\n";
	static const char must[] = "inventory: [popen]\n"
				   "vars: {size: }\n"
				   "jobs: {a: {run: 'x {size}'}}\n";
	char *slip[] = {"siez=1", NULL}, *bad[] = {"size", NULL}, *missing[] = {"@no-file", NULL};
	char *given[] = {"size=4", NULL};
	struct built b;

	refuse(text, none,
	       "demo.yaml:4:12: job 'a': 'run' has {siez}, which is nothing; did you mean "
	       "{size}?");
	refuse(right, slip,
	       "demo.yaml: option -e: no variable of the file is called 'siez'; did you "
	       "mean 'size'?");
	refuse(right, bad, "-e wants NAME=VALUE or @FILE, got 'size'");
	refuse(right, missing, "-e @no-file: No such file");
	refuse(must, none, "demo.yaml:2:8: variable 'size' has no value: -e size=VALUE");
	build(&b, must, given);
	assert_shell(&b, 0, "x 4");
	release(&b);
	refuse("vars: {2a: 1}\n", none, "demo.yaml:1:8: '2a' can't name a variable");
	refuse("vars: {index: 1}\n", none, "demo.yaml:1:8: 'index' can't name a variable");
	refuse("vars: {a: [1]}\n", none, "demo.yaml:1:11: variable 'a' wants text or {secret");
	refuse("vars: [a]\n", none, "demo.yaml:1:7: 'vars' wants a mapping of names to text");
}

static void test_environment(void **state)
{
	static const char text[] =
		"inventory: ['popen//id=${env:FF_TEST_A}']\n"
		"settings: {maxfail: '${env:FF_TEST_N}', grace: '${env:FF_TEST_NO:-3s}'}\n"
		"jobs:\n"
		"  a:\n"
		"    run: |\n"
		"      echo ${env:FF_TEST_A} \"${env:FF_TEST_Q}\" ${env:-x} ${secret:0:2} "
		"${env:FF_TEST_NO:-a b}\n"
		"    env: {B: '<${env:FF_TEST_Q}>'}\n"
		"    cwd: '${env:FF_TEST_A}'\n";
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_plan_instance instance;
	struct built b;

	setenv("FF_TEST_A", "one", 1);
	setenv("FF_TEST_N", "12", 1);
	setenv("FF_TEST_Q", "$(x) {size}", 1);
	build(&b, text, none);
	assert_int_equal(b.config.settings.maxfail, 12);
	assert_int_equal(b.config.settings.grace_us, 3000000);
	assert_string_equal(b.inventory.hosts[0].name, "one");
	assert_shell(&b, 0, "echo one \"\\$(x) {size}\" ${env:-x} ${secret:0:2} 'a b'\n");
	assert_int_equal(ff_plan_instance(&b.plan.jobs[0], 0, &arena, &instance), 0);
	assert_string_equal(instance.job.env[0], "B=<$(x) {size}>");
	assert_string_equal(instance.job.cwd, "one");
	ff_arena_release(&arena);
	release(&b);

	refuse("settings: {maxfail: '${env:FF_TEST_NN}'}\n", none,
	       "demo.yaml:1:21: ${env:FF_TEST_NN}: the environment has no 'FF_TEST_NN', and "
	       "${env:FF_TEST_NN:-default} is not said; did you mean 'FF_TEST_N'?");
	refuse("jobs:\n  a: {run: 'x ${env:FF_TEST_NN}'}\n", none,
	       "demo.yaml:2:12: ${env:FF_TEST_NN}");
	refuse("settings: {maxfail: '${env:FF_TEST_N'}\n", none,
	       "demo.yaml:1:21: '${env:FF_TEST_N' wants");
	refuse("settings: {maxfail: '${env:FF_TEST_N:1}'}\n", none, "wants to be ${env:NAME}");
	build(&b,
	      "inventory: [popen]\njobs: {a: {pytest: \"-k '${env:FF_TEST_NO:-a \\\"b}' x\"}}\n",
	      none);
	assert_int_equal(ff_plan_instance(&b.plan.jobs[0], 0, &arena, &instance), 0);
	assert_string_equal(instance.job.args[1], "a \"b");
	assert_string_equal(instance.job.args[2], "x");
	ff_arena_release(&arena);
	release(&b);
	refuse("jobs: {a: {pytest: '-k ${env:FF_TEST_NO:-a b}'}}\n", none,
	       "demo.yaml:1:20: '${env:FF_TEST_NO:-a' wants to be ${env:NAME}");
	setenv("FF_TEST_A", "\xff", 1);
	refuse(text, none, "demo.yaml:1:13: ${env:FF_TEST_A}: its value is not UTF-8");
}

/* Hosts, times and paths are of no unit: they are read with their values. */
static void test_in_other_values(void **state)
{
	static const char text[] = "inventory: ['{n}*popen//id={name}']\n"
				   "jobs:\n"
				   "  a: {run: x, timeout: '{limit}', on: '{name}', vars: {limit: "
				   "5s}, matrix: {k: ['{n}', "
				   "'{{n}}', '{other}']}}\n"
				   "  b: {run: x, timeout: '{limit}'}\n"
				   "report: {junit: '/out/{both}.xml'}\n"
				   "vars: {n: 3, name: one, limit: 9s, both: '{name}-{n}'}\n";
	struct built b;

	build(&b, text, none);
	assert_int_equal(b.inventory.hosts[0].slots, 3);
	assert_string_equal(b.inventory.hosts[0].name, "one");
	assert_int_equal(b.config.jobs[0].timeout_us, 5000000);
	assert_int_equal(b.config.jobs[1].timeout_us, 9000000);
	assert_string_equal(b.config.jobs[0].on, "one");
	assert_string_equal(b.config.jobs[0].axes[0].values.v[0], "3");
	assert_string_equal(b.config.jobs[0].axes[0].values.v[1], "{n}");
	assert_string_equal(b.config.jobs[0].axes[0].values.v[2], "{other}");
	assert_string_equal(b.config.reports[0].path, "/out/one-3.xml");
	release(&b);

	refuse("vars: {limit: 1s}\nreport: {junit: 'x{limt}'}\n", none,
	       "demo.yaml:2:17: {limt} is nothing; did you mean {limit}?");
	refuse("vars: {limit: 1s, a: '{b}', bb: '{limti}'}\n", none,
	       "demo.yaml:1:33: {limti} is nothing; did you mean {limit}?");
	refuse("vars: {token: {secret: env:FF_TEST_S}}\nreport: {junit: '{token}'}\n", none,
	       "demo.yaml:2:17: {token} is a secret, which can stand in 'env' and 'stdin' of jobs");
}

static void test_secrets(void **state)
{
	static const char text[] =
		"inventory: [popen]\n"
		"vars: {token: {secret: env:FF_TEST_S}}\n"
		"jobs:\n"
		"  a:\n"
		"    run: x\n"
		"    stdin: 'a {token}'\n"
		"    env: {T: '{token}', U: {secret: 'cmd:echo from cmd'}, V: w}\n";
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_plan_instance instance;
	struct ff_err err = {0};
	struct built b;

	unsetenv("FF_TEST_S");
	build(&b, text, none);
	assert_int_equal(ff_config_reveal(&b.config, b.plan.jobs[0].config, &err), FF_ECONFIG);
	assert_string_equal(err.text,
			    "demo.yaml:2:24: secret env:FF_TEST_S: the environment has none "
			    "of that name");
	setenv("FF_TEST_S", "abc", 1);
	assert_int_equal(ff_config_reveal(&b.config, b.plan.jobs[0].config, &err), FF_ECONFIG);
	assert_non_null(strstr(err.text, "shorter than 4 bytes"));
	setenv("FF_TEST_S", "{token} b", 1);
	assert_int_equal(ff_config_reveal(&b.config, b.plan.jobs[0].config, &err), 0);
	assert_int_equal(ff_plan_instance(&b.plan.jobs[0], 0, &arena, &instance), 0);
	assert_string_equal(instance.job.env[0], "T={token} b");
	assert_string_equal(instance.job.env[1], "U=from cmd");
	assert_string_equal(instance.job.env[2], "V=w");
	assert_string_equal(instance.job.stdin_text, "a {token} b");
	ff_arena_release(&arena);
	release(&b);
}

/* Looked up before hosts are opened, and only of those that are. */
static void test_secrets_of_hosts(void **state)
{
	static const char text[] =
		"inventory:\n"
		"  defaults: {env: {D: {secret: env:FF_TEST_S}}}\n"
		"  hosts:\n"
		"    - {spec: popen, name: a, env: {A: w}}\n"
		"    - {spec: popen, name: b, env: {B: {secret: env:FF_TEST_NO}}}\n"
		"jobs: {a: {run: x}}\n";
	struct ff_err err = {0};
	struct built b;

	setenv("FF_TEST_S", "hidden", 1);
	unsetenv("FF_TEST_NO");
	build(&b, text, none);
	assert_null(strstr(b.inventory.hosts[0].spec.text, "hidden"));
	assert_int_equal(ff_inventory_reveal(&b.inventory, &b.config, NULL, &err), FF_ECONFIG);
	assert_string_equal(err.text, "demo.yaml:5:48: secret env:FF_TEST_NO: the environment has "
				      "none of that name");
	assert_int_equal(ff_inventory_reveal(&b.inventory, &b.config, "a", &err), 0);
	assert_int_equal(b.inventory.hosts[0].spec.env.len, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(!strcmp(b.inventory.hosts[0].spec.env.v[i], "A=w") ||
			    !strcmp(b.inventory.hosts[0].spec.env.v[i], "D=hidden"));
	assert_null(strstr(b.inventory.hosts[0].spec.text, "hidden"));
	release(&b);
}

/* Where others could read it, or nobody would look. */
static void test_secrets_elsewhere(void **state)
{
	static const char head[] = "inventory: [popen]\nvars: {token: {secret: env:FF_TEST_S}}\n";
	static const char *const jobs[][2] = {
		{"run: 'x {token}'",
		 "demo.yaml:3:17: job 'a': 'run' has {token}, a secret, which all"},
		{"run: 'x {token:raw}'", "'run' has {token}, a secret"},
		{"run: [x, '{token}']", "'run' has {token}, a secret"},
		{"run: x, cwd: '{token}'", "'cwd' has {token}, a secret"},
		{"pytest: ['{token}']", "'pytest' has {token}, a secret"},
		{"run: x, env: {A: '${secret:env:B}'}", "a secret is a value of its own"},
		{"run: 'x ${farflung-secret:0}'", "a secret is a value of its own"},
		{"run: x, env: {A: {secret: B}}",
		 "'secret' wants env:NAME, file:PATH or cmd:COMMAND"},
		{"run: x, env: {A: {secret: 'env:'}}", "'secret' wants env:NAME"},
		{"run: x, env: {A: {secret: 'env:B', b: c}}", "and nothing beside it"},
		{"run: {secret: env:B}", "'run' wants text for the shell or a list of texts"},
	};

	for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%sjobs: {a: {%s}}\n", head, jobs[i][0]);
		refuse(text, none, jobs[i][1]);
	}
	refuse("inventory:\n  hosts:\n    - {spec: popen, env: {A: {secret: what}}}\n", none,
	       "demo.yaml:3:39: 'secret' wants env:NAME");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest_wins),	 cmocka_unit_test(test_unknown_names),
		cmocka_unit_test(test_environment),	 cmocka_unit_test(test_in_other_values),
		cmocka_unit_test(test_secrets),		 cmocka_unit_test(test_secrets_elsewhere),
		cmocka_unit_test(test_secrets_of_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
