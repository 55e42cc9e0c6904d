/* The plan: order, matrix and placeholders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/buf.h"
#include "plan/plan.h"

struct built {
	struct ff_config config;
	struct ff_inventory inventory;
	struct ff_plan plan;
};

/* 0, or what ff_plan_build says; `jobs` is what follows "jobs:\n". */
static int try_build(struct built *b, const char *jobs, char *const *only, struct ff_err *err)
{
	struct ff_buf text = FF_BUF_INIT;
	int rc;

	ff_buf_addf(&text, "inventory: [popen]\njobs:\n%s", jobs);
	rc = ff_config_parse(&b->config, "demo.yaml", ff_buf_str(&text), text.len, err);
	ff_buf_release(&text);
	if (rc || ff_inventory_build(&b->inventory, &b->config, err))
		fail_msg("%s", err->text);
	return ff_plan_build(&b->plan, &b->config, &b->inventory, only, err);
}

static void release_input(struct built *b)
{
	ff_inventory_release(&b->inventory);
	ff_config_release(&b->config);
}

static void release(struct built *b)
{
	ff_plan_release(&b->plan);
	release_input(b);
}

static void build(struct built *b, const char *jobs, char *const *only)
{
	struct ff_err err = {0};

	if (try_build(b, jobs, only, &err))
		fail_msg("%s", err.text);
}

static void assert_order(const struct built *b, const char *names)
{
	char found[128] = "";

	for (size_t i = 0; i < b->plan.len; i++) {
		strcat(found, i ? " " : "");
		strcat(found, b->plan.jobs[i].config->name);
		for (size_t j = 0; j < b->plan.jobs[i].needs_len; j++)
			assert_true(b->plan.jobs[i].needs[j] < i);
	}
	assert_string_equal(found, names);
}

static void test_order(void **state)
{
	struct built b;

	build(&b, "  a: {run: x}\n  b: {run: x}\n  c: {run: x}\n", NULL);
	assert_order(&b, "a b c");
	release(&b);
	build(&b,
	      "  d: {run: x, needs: [c, b]}\n  a: {run: x}\n"
	      "  b: {run: x, needs: a}\n  c: {run: x, needs: [a, a]}\n",
	      NULL);
	assert_order(&b, "a c b d");
	assert_int_equal(b.plan.jobs[1].needs_len, 1);
	assert_int_equal(b.plan.jobs[3].needs_len, 2);
	release(&b);
}

static void test_each_host(void **state)
{
	static const char text[] =
		"inventory: [{spec: popen, name: 'n[1-3]'}, {spec: popen, name: n1x, tags: [n1]}]\n"
		"jobs:\n"
		"  t: {run: x, needs: [b, b]}\n"
		"  b: {run: 'x {v}', each_host: true, on: 'n[1-2],n1x', matrix: {v: [1, 2]}}\n";
	struct ff_err err = {0};
	struct ff_buf name = FF_BUF_INIT;
	struct built b;

	if (ff_config_parse(&b.config, "demo.yaml", text, strlen(text), &err) ||
	    ff_inventory_build(&b.inventory, &b.config, &err) ||
	    ff_plan_build(&b.plan, &b.config, &b.inventory, NULL, &err))
		fail_msg("%s", err.text);
	assert_order(&b, "b@n1 b@n2 b@n1x t");
	assert_int_equal(b.plan.jobs[3].needs_len, 3);
	/* A tag of another host's is no name. */
	assert_true(ff_plan_job_on(&b.plan.jobs[0], &b.inventory.hosts[0]));
	assert_false(ff_plan_job_on(&b.plan.jobs[0], &b.inventory.hosts[3]));
	assert_int_equal(b.plan.jobs[1].units_len, 2);
	assert_int_equal(ff_plan_unit_name(&b.plan.jobs[1], 1, &name), 0);
	assert_string_equal(ff_buf_str(&name), "b@n2[v=2]");
	ff_buf_release(&name);
	ff_plan_release(&b.plan);
	b.config.only_hosts = "n2";
	if (ff_plan_build(&b.plan, &b.config, &b.inventory, NULL, &err))
		fail_msg("%s", err.text);
	assert_order(&b, "b@n2 t");
	release(&b);
}

static void test_priority(void **state)
{
	struct built b;

	build(&b,
	      "  a: {run: x}\n  b: {run: x, needs: a, priority: 2}\n  c: {run: x, priority: 1}\n"
	      "  d: {run: x, priority: -1}\n  e: {run: x, needs: d}\n  f: {run: x}\n",
	      NULL);
	assert_order(&b, "a b c d e f");
	release(&b);
	build(&b,
	      "  a: {run: x}\n  b: {run: x, priority: 3}\n  c: {run: x, needs: a, priority: 2}\n",
	      NULL);
	assert_order(&b, "b a c");
	release(&b);
}

static void test_only(void **state)
{
	const char *jobs = "  a: {run: x}\n  b: {run: x, needs: a}\n  c: {run: x}\n"
			   "  build: {run: x, needs: b}\n";
	char *b_only[] = {"b", NULL}, *two[] = {"c", "b", NULL}, *wrong[] = {"biuld", NULL};
	struct ff_err err;
	struct built b;

	build(&b, jobs, b_only);
	assert_order(&b, "a b");
	release(&b);
	build(&b, jobs, two);
	assert_order(&b, "a b c");
	release(&b);
	assert_int_equal(try_build(&b, jobs, wrong, &err), FF_ECONFIG);
	assert_string_equal(err.text, "demo.yaml: no job is called 'biuld'; did you mean 'build'?");
	release_input(&b);
}

/* Unit `index` of a job of the plan. */
static struct ff_plan_instance unit(struct built *b, size_t job, uint32_t index)
{
	struct ff_plan_instance instance = {0};
	struct ff_buf name = FF_BUF_INIT;

	assert_int_equal(ff_plan_instance(&b->plan.jobs[job], index, &b->plan.arena, &instance), 0);
	assert_int_equal(ff_plan_unit_name(&b->plan.jobs[job], index, &name), 0);
	assert_string_equal(ff_buf_str(&name), instance.name);
	ff_buf_release(&name);
	return instance;
}

static void test_matrix(void **state)
{
	struct ff_payload_job made;
	struct built b;

	build(&b,
	      "  bench:\n"
	      "    run: 'echo {size} ${size} {os}{os} {other} {{size}} {{{size}}} {size'\n"
	      "    matrix: {size: [1, 10], os: [a, b]}\n"
	      "    env: {S: 'x{size}', T: plain}\n"
	      "    cwd: '{os}'\n"
	      "    stdin: '{size}{os}'\n",
	      NULL);
	assert_string_equal(b.plan.jobs[0].payload->name, "run");
	assert_int_equal(b.plan.jobs[0].units_len, 4);
	assert_string_equal(unit(&b, 0, 0).name, "bench[size=1,os=a]");
	assert_string_equal(unit(&b, 0, 1).name, "bench[size=1,os=b]");
	assert_string_equal(unit(&b, 0, 3).name, "bench[size=10,os=b]");
	made = unit(&b, 0, 3).job;
	assert_string_equal(made.shell, "echo 10 ${size} bb {other} {size} {{size}} {size");
	assert_string_equal(made.env[0], "S=x10");
	assert_string_equal(made.env[1], "T=plain");
	assert_null(made.env[2]);
	assert_string_equal(made.cwd, "b");
	assert_string_equal(made.stdin_text, "10b");
	assert_null(made.args);
	assert_int_equal(made.output_cap, 1 << 20);
	release(&b);
}

static void test_count(void **state)
{
	struct built b;

	build(&b,
	      "  a: {run: [sh, -c, '{index}'], count: 3}\n"
	      "  b: {run: x, count: 2, matrix: {k: [u, v]}}\n"
	      "  c: {run: [echo, '{index}']}\n"
	      "  d: {run: [echo, '{index}'], count: 1}\n",
	      NULL);
	assert_int_equal(b.plan.jobs[0].units_len, 3);
	assert_string_equal(unit(&b, 0, 0).name, "a[1]");
	assert_string_equal(unit(&b, 0, 2).name, "a[3]");
	assert_string_equal(unit(&b, 0, 2).job.args[0], "sh");
	assert_string_equal(unit(&b, 0, 2).job.args[2], "3");
	assert_null(unit(&b, 0, 2).job.args[3]);
	assert_int_equal(b.plan.jobs[1].units_len, 4);
	assert_string_equal(unit(&b, 1, 1).name, "b[k=u,index=2]");
	assert_string_equal(unit(&b, 1, 2).name, "b[k=v,index=1]");
	assert_string_equal(unit(&b, 2, 0).name, "c");
	assert_string_equal(unit(&b, 2, 0).job.args[1], "{index}");
	assert_non_null(unit(&b, 2, 0).job.env);
	assert_null(unit(&b, 2, 0).job.env[0]);
	assert_string_equal(unit(&b, 3, 0).name, "d");
	assert_string_equal(unit(&b, 3, 0).job.args[1], "1");
	release(&b);
}

/* Units are made one by one: a plan of a billion takes neither time nor memory. */
static void test_many_units(void **state)
{
	struct ff_err err;
	struct built b;

	build(&b, "  a: {run: 'x {index} {k}', count: 1000000000, matrix: {k: [u, v]}}\n", NULL);
	assert_int_equal(b.plan.jobs[0].units_len, 2000000000);
	assert_true(b.plan.arena.total < 1 << 20);
	assert_string_equal(unit(&b, 0, 0).name, "a[k=u,index=1]");
	assert_string_equal(unit(&b, 0, 999999999).name, "a[k=u,index=1000000000]");
	assert_string_equal(unit(&b, 0, 1999999999).name, "a[k=v,index=1000000000]");
	assert_string_equal(unit(&b, 0, 1000000000).job.shell, "x 1 v");
	release(&b);
	assert_int_equal(try_build(&b, "  a: {run: x, count: 1000000000, matrix: {k: [1, 2, 3]}}\n",
				   NULL, &err),
			 FF_ECONFIG);
	assert_string_equal(err.text, "demo.yaml:3:3: job 'a' has more than 2147483646 instances");
	release_input(&b);
}

static void test_arena_is_full(void **state)
{
	struct ff_arena arena = {.max = 64};
	struct ff_plan_instance instance = {.name = NULL};
	struct built b;

	build(&b,
	      "  a: {run: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx {k}',"
	      " matrix: {k: [u]}}\n",
	      NULL);
	assert_int_equal(ff_plan_instance(&b.plan.jobs[0], 0, &arena, &instance), FF_ENOMEM);
	assert_null(instance.name);
	ff_arena_release(&arena);
	release(&b);
}

static void test_session(void **state)
{
	struct ff_plan_instance session;
	struct built b;

	build(&b, "  unit: {pytest: [tests, -x], timeout: 3}\n", NULL);
	assert_int_equal(b.plan.jobs[0].units_len, 0);
	assert_non_null(b.plan.jobs[0].payload->session);
	session = unit(&b, 0, 0);
	assert_string_equal(session.name, "unit");
	assert_string_equal(session.job.args[1], "-x");
	assert_int_equal(session.job.timeout_us, 3000000);
	release(&b);
}

static void test_all_problems_are_told(void **state)
{
	struct ff_err err;
	struct built b;

	assert_int_equal(try_build(&b,
				   "  a: {run: x, needs: [b, x]}\n  b: {run: x, needs: c}\n"
				   "  c: {run: x, needs: [a, y]}\n  d: {run: x, needs: d}\n",
				   NULL, &err),
			 FF_ECONFIG);
	assert_string_equal(err.text, "demo.yaml:3:3: jobs need each other: a -> b -> c -> a\n"
				      "demo.yaml:3:26: job 'a' needs 'x', which is no job\n"
				      "demo.yaml:5:26: job 'c' needs 'y', which is no job\n"
				      "demo.yaml:6:3: jobs need each other: d -> d");
	release_input(&b);
}

static void refuse(const char *jobs, const char *message)
{
	struct ff_err err;
	struct built b;

	assert_int_equal(try_build(&b, jobs, NULL, &err), FF_ECONFIG);
	assert_string_equal(err.text, message);
	release_input(&b);
}

static void test_what_no_host_can_do(void **state)
{
	struct built b;

	refuse("  a: {run: x, weight: 2}\n", "demo.yaml:3:23: job 'a' has weight 2, but no host "
					     "that it may run on has more than 1"
					     " slot");
	refuse("  a: {run: x, on: poopen}\n",
	       "demo.yaml:3:19: job 'a': no host matches 'poopen'; did you mean 'popen'?");
	refuse("  a: {run: x}\nsettings: {require_hosts: 2}\n",
	       "demo.yaml:4:27: 'require_hosts' wants 2, but the inventory has 1 host");
	build(&b, "  a: {run: x}\nsettings: {require_hosts: all}\n", NULL);
	assert_null(b.plan.hints);
	release(&b);
}

/* Placeholders in every text, each told where it stands. */
static void test_misspelt_everywhere(void **state)
{
	refuse("  a:\n    matrix: {size: [1]}\n    cwd: '{sise}'\n    stdin: '{siz}'\n"
	       "    env: {A: '{SIZE}'}\n    run: [x, '{sizes}']\n",
	       "demo.yaml:5:10: job 'a': 'cwd' has {sise}, which is nothing; did you mean {size}?"
	       " ({{sise}} stands for the text itself)\n"
	       "demo.yaml:6:12: job 'a': 'stdin' has {siz}, which is nothing; did you mean {size}?"
	       " ({{siz}} stands for the text itself)\n"
	       "demo.yaml:7:10: job 'a': 'env' has {SIZE}, which is nothing; did you mean {size}?"
	       " ({{SIZE}} stands for the text itself)\n"
	       "demo.yaml:8:10: job 'a': 'run' has {sizes}, which is nothing; did you mean {size}?"
	       " ({{sizes}} stands for the text itself)");
}

/* Only the shell needs quotes. */
static void test_nothing_is_quoted_outside_of_shell_text(void **state)
{
	struct ff_payload_job made;
	struct built b;

	build(&b,
	      "  a:\n    run: [x, '{v}', 'a{v:raw}']\n    matrix: {v: [\"it's; $x\"]}\n"
	      "    cwd: '{v}'\n    env: {A: '\"{v}\"'}\n    stdin: '{{v}} {v}'\n",
	      NULL);
	made = unit(&b, 0, 0).job;
	assert_string_equal(made.args[1], "it's; $x");
	assert_string_equal(made.args[2], "ait's; $x");
	assert_string_equal(made.cwd, "it's; $x");
	assert_string_equal(made.env[0], "A=\"it's; $x\"");
	assert_string_equal(made.stdin_text, "{v} it's; $x");
	release(&b);
}

static void test_lists_that_look_like_shell_text(void **state)
{
	static const char *const fine[] = {
		"[make, test]",	       "[sh, -c, 'sh x']", "[expr, 1, '<', 2]",
		"[echo, 'make test']", "[find, '.', ;]",   "['./my tool', 'a b']",
		"[makefoo, 'make x']",
	};
	struct built b;

#define LIST ": a list holds the words of one command, a text is what the shell runs"
	build(&b,
	      "  a: {run: [make, 'make test']}\n  b: {run: [/bin/ls, '|', wc]}\n"
	      "  c: {run: ['./my tool -x']}\n",
	      NULL);
	assert_string_equal(
		b.plan.hints,
		"demo.yaml:3:12: hint: job 'a': 'make test' is an argument of 'make' here" LIST "\n"
		"demo.yaml:4:12: hint: job 'b': '|' is an argument of '/bin/ls' here" LIST "\n"
		"demo.yaml:5:12: hint: job 'c': the program is called './my tool -x', blanks "
		"included" LIST);
	release(&b);
	refuse("  a: {run: [make test]}\n",
	       "demo.yaml:3:12: job 'a': the program is called 'make test', blanks included" LIST);
	for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
		char job[64];

		snprintf(job, sizeof(job), "  a: {run: %s}\n", fine[i]);
		build(&b, job, NULL);
		assert_null(b.plan.hints);
		release(&b);
	}
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* Jobs in a chain, backwards, and one that needs them all: reading them takes as long as they are
 * many, not the square of it. */
static void test_many_needs(void **state)
{
	enum { MANY = 20000 };
	struct ff_buf jobs = FF_BUF_INIT;
	int64_t start = now_us();
	struct built b;

	for (int i = 0; i < MANY; i++)
		ff_buf_addf(&jobs, "  j%d: {run: x, needs: j%d, on: popen}\n", i, i + 1);
	ff_buf_addf(&jobs, "  j%d: {run: x}\n  all: {run: x, needs: [j0", MANY);
	for (int i = 0; i < MANY; i++)
		ff_buf_addf(&jobs, ", j%d", i % 2 ? i : i + 1);
	ff_buf_addstr(&jobs, "]}\n");
	build(&b, ff_buf_str(&jobs), NULL);
	assert_int_equal(b.plan.len, MANY + 2);
	assert_int_equal(b.plan.jobs[MANY + 1].needs_len, MANY / 2 + 1);
	assert_string_equal(b.plan.jobs[0].config->name, "j20000");
	ff_buf_release(&jobs);
	release(&b);
	assert_true(now_us() - start < 10000000);
}

/* Twenty thousand mistakes are found as fast; the first of them are told. */
static void test_many_problems(void **state)
{
	enum { MANY = 20000 };
	struct ff_buf jobs = FF_BUF_INIT;
	int64_t start = now_us();
	struct ff_err err;
	struct built b;

	for (int i = 0; i < MANY; i++)
		ff_buf_addf(&jobs,
			    "  job-number-%d: {run: x, needs: [job-numbr-%d, job-number-%d]}\n", i,
			    i, (i + 1) % MANY);
	assert_int_equal(try_build(&b, ff_buf_str(&jobs), NULL, &err), FF_ECONFIG);
	assert_non_null(strstr(err.text, "did you mean 'job-number-0'?"));
	ff_buf_release(&jobs);
	release_input(&b);
	assert_true(now_us() - start < 10000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_only),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_each_host),
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_many_units),
		cmocka_unit_test(test_arena_is_full),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_all_problems_are_told),
		cmocka_unit_test(test_what_no_host_can_do),
		cmocka_unit_test(test_misspelt_everywhere),
		cmocka_unit_test(test_nothing_is_quoted_outside_of_shell_text),
		cmocka_unit_test(test_lists_that_look_like_shell_text),
		cmocka_unit_test(test_many_needs),
		cmocka_unit_test(test_many_problems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
