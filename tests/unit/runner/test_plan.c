/* The plan: order, matrix and placeholders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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

static void test_matrix(void **state)
{
	const struct ff_plan_job *job;
	struct built b;

	build(&b,
	      "  bench:\n"
	      "    run: 'echo {size} ${size} {os}{os} {other} {index} {{size}} {size'\n"
	      "    matrix: {size: [1, 10], os: [a, b]}\n"
	      "    env: {S: 'x{size}', T: plain}\n"
	      "    cwd: '{os}'\n"
	      "    stdin: '{size}{os}'\n",
	      NULL);
	job = &b.plan.jobs[0];
	assert_string_equal(job->payload->name, "run");
	assert_int_equal(job->instances_len, 4);
	assert_string_equal(job->instances[0].name, "bench[size=1,os=a]");
	assert_string_equal(job->instances[1].name, "bench[size=1,os=b]");
	assert_string_equal(job->instances[3].name, "bench[size=10,os=b]");
	assert_string_equal(job->instances[3].job.shell,
			    "echo 10 ${size} bb {other} {index} {10} {size");
	assert_string_equal(job->instances[3].job.env[0], "S=x10");
	assert_string_equal(job->instances[3].job.env[1], "T=plain");
	assert_null(job->instances[3].job.env[2]);
	assert_string_equal(job->instances[3].job.cwd, "b");
	assert_string_equal(job->instances[3].job.stdin_text, "10b");
	assert_null(job->instances[3].job.args);
	release(&b);
}

static void test_count(void **state)
{
	const struct ff_plan_job *job;
	struct built b;

	build(&b,
	      "  a: {run: [sh, -c, '{index}'], count: 3}\n"
	      "  b: {run: x, count: 2, matrix: {k: [u, v]}}\n"
	      "  c: {run: [echo, '{index}']}\n",
	      NULL);
	job = &b.plan.jobs[0];
	assert_int_equal(job->instances_len, 3);
	assert_string_equal(job->instances[0].name, "a[1]");
	assert_string_equal(job->instances[2].name, "a[3]");
	assert_string_equal(job->instances[2].job.args[0], "sh");
	assert_string_equal(job->instances[2].job.args[2], "3");
	assert_null(job->instances[2].job.args[3]);
	job = &b.plan.jobs[1];
	assert_int_equal(job->instances_len, 4);
	assert_string_equal(job->instances[1].name, "b[k=u,index=2]");
	assert_string_equal(job->instances[2].name, "b[k=v,index=1]");
	job = &b.plan.jobs[2];
	assert_string_equal(job->instances[0].name, "c");
	assert_string_equal(job->instances[0].job.args[1], "{index}");
	assert_non_null(job->instances[0].job.env);
	assert_null(job->instances[0].job.env[0]);
	release(&b);
}

static void test_many_instances(void **state)
{
	struct built b;

	build(&b, "  a: {run: x, count: 1000000}\n", NULL);
	assert_int_equal(b.plan.jobs[0].instances_len, FF_PLAN_INSTANCES_MAX);
	assert_string_equal(b.plan.jobs[0].instances[999999].name, "a[1000000]");
	release(&b);
}

static void test_session(void **state)
{
	struct built b;

	build(&b, "  unit: {pytest: [tests, -x], timeout: 3}\n", NULL);
	assert_int_equal(b.plan.jobs[0].instances_len, 1);
	assert_int_equal(b.plan.jobs[0].payload->shape, FF_PAYLOAD_SESSION);
	assert_string_equal(b.plan.jobs[0].instances[0].job.args[1], "-x");
	assert_int_equal(b.plan.jobs[0].instances[0].job.timeout_us, 3000000);
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

static void test_deep_needs(void **state)
{
	enum { DEEP = 3000 };
	struct ff_buf jobs = FF_BUF_INIT;
	struct built b;

	ff_buf_addstr(&jobs, "  j0: {run: x}\n");
	for (int i = 1; i < DEEP; i++)
		ff_buf_addf(&jobs, "  j%d: {run: x, needs: j%d}\n", i, i - 1);
	build(&b, ff_buf_str(&jobs), NULL);
	assert_int_equal(b.plan.len, DEEP);
	ff_buf_release(&jobs);
	release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_only),
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_many_instances),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_all_problems_are_told),
		cmocka_unit_test(test_deep_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
