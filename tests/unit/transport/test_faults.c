/* The nth allocation, read, write or spawn of a whole conversation fails, for every n: nothing
 * leaks, hangs or is closed twice, and the error has words. What must go unnoticed, does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "faults.h"
#include "io/process.h"
#include "transport/open.h"
#include "worker/bootstrap.h"
#include "../../fakes/descriptors.h"
#include "io/loop_private.h"

enum {
	WALK_MAX = 5000,
	WAIT_MS = 5000,	    /* for anything: nothing takes longer, unless it hangs */
	ROUND_US = 8000000, /* one scenario, from loop to loop */
	PROGRAM_S = 150,    /* all of them */
};

static char cache[] = "/tmp/ff-test-faults-XXXXXX";

/* Runs with a fault set: 0, or a negative code with words in err. It cleans up in any case. */
typedef int scenario_fn(struct ff_err *err);

/* The worker's memory file is there for good, once it is. */
static int settled_fds(void)
{
	ff_bootstrap_image_fd(NULL);
	return count_fds();
}

/* --- walking --- */

static void check_round(const char *what, size_t nth, int rc, const struct ff_err *err, int fds,
			int64_t begin)
{
	const char *wrong = NULL;
	int status;

	if (rc > 0)
		wrong = "an end that is none";
	else if (rc < 0 && err->code >= 0)
		wrong = "no code in the error";
	else if (rc < 0 && strlen(err->text) < 4)
		wrong = "no words in the error";
	else if (count_fds() != fds)
		wrong = "descriptors are left";
	else if (waitpid(-1, &status, WNOHANG) != -1 || errno != ECHILD)
		wrong = "a child is left";
	else if (ff_clock_us() - begin > ROUND_US)
		wrong = "it took too long";
	if (wrong)
		fail_msg("%s, n=%zu: %s (result %d '%s')", what, nth, wrong, rc, err->text);
}

/* Fails call 1, call 2, … until the scenario gets by without meeting the fault. */
static void walk(scenario_fn *scenario, struct ff_fault fault, size_t stride)
{
	int fds = settled_fds();
	int64_t longest_us = 0;
	size_t failed = 0, n;
	char what[128];
	bool met = true;

	snprintf(what, sizeof(what), "%s: %s%s", ff_fault_name(fault.call),
		 fault.errnum < 0 ? "short" : strerror(fault.errnum),
		 fault.every ? ", from then on" : "");
	for (n = 1; met; n += stride) {
		struct ff_err err = {0};
		int64_t begin = ff_clock_us();
		int rc;

		assert_true(n < WALK_MAX);
		fault.nth = n;
		ff_fault_set(&fault);
		rc = scenario(&err);
		ff_fault_set(NULL);
		met = ff_fault_hits() > 0;
		failed += rc != 0;
		check_round(what, n, rc, &err, fds, begin);
		if (ff_clock_us() - begin > longest_us)
			longest_us = ff_clock_us() - begin;
		if (!met && rc != 0)
			fail_msg("%s: fails without a fault: %s", what, err.text);
	}
	print_message("%s: %zu calls, %zu failed, longest %d ms\n", what, n - stride, failed,
		      (int)(longest_us / 1000));
}

/* What must not be noticed: every nth call, for some n, and still a good end. */
static void insist(scenario_fn *scenario, enum ff_fault_call call, int errnum)
{
	for (size_t every = 2; every <= 5; every++) {
		const struct ff_fault fault = {call, errnum, 1, every};
		struct ff_err err = {0};
		int fds = settled_fds(), rc;
		int64_t begin = ff_clock_us();

		ff_fault_set(&fault);
		rc = scenario(&err);
		ff_fault_set(NULL);
		if (rc != 0)
			fail_msg("%s fails with %d every %zu: %s", ff_fault_name(call), errnum,
				 every, err.text);
		check_round(ff_fault_name(call), every, rc, &err, fds, begin);
	}
}

/* --- scenario: one process --- */

struct watcher {
	size_t bytes;
	bool finished;
};

static void on_out(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	((struct watcher *)ctx)->bytes += len;
}

static void on_finished(struct ff_process *process, void *ctx)
{
	((struct watcher *)ctx)->finished = true;
}

static int end_loop(struct ff_loop *loop)
{
	ff_fault_set(NULL);
	assert_int_equal(ff_loop_release(loop), 0);
	return 0;
}

static int run_process(struct ff_loop *loop, struct ff_err *err)
{
	static const struct ff_process_ops ops = {.out = on_out, .finished = on_finished};
	static char *const argv[] = {"cat", NULL};
	const struct ff_spawn spawn = {.argv = argv, .exec_fd = -1};
	int64_t deadline = ff_clock_us() + WAIT_MS * 1000;
	struct watcher watcher = {0};
	struct ff_process *process;
	int rc = 0;

	process = ff_process_spawn(loop, &spawn, &ops, &watcher, err);
	if (!process)
		return err->code;
	rc = ff_buf_add(ff_process_stdin(process), "hello", 5);
	ff_process_flush(process);
	ff_process_close_stdin(process);
	while (!watcher.finished && ff_clock_us() < deadline)
		ff_loop_run_once(loop, deadline);
	assert_true(watcher.finished);
	if (rc == 0 && watcher.bytes != 5)
		rc = FF_ELOST;
	if (rc == 0 && ff_process_status(process) != 0)
		rc = FF_ESPAWN;
	if (rc != 0)
		ff_err_set(err, rc, "cat did not give back what it was given");
	ff_process_free(process);
	return rc;
}

static int scenario_process(struct ff_err *err)
{
	struct ff_loop loop;
	int rc = ff_loop_init(&loop, err);

	if (rc != 0)
		return rc;
	rc = run_process(&loop, err);
	end_loop(&loop);
	return rc;
}

static int scenario_process_sigchld(struct ff_err *err)
{
	struct ff_loop loop;
	int rc = ff_loop_init(&loop, err);

	if (rc != 0)
		return rc;
	loop.no_pidfd = true;
	rc = run_process(&loop, err);
	end_loop(&loop);
	return rc;
}

/* A process that is let go while it runs. */
static int scenario_drop(struct ff_err *err)
{
	static const struct ff_process_ops ops = {.out = on_out, .finished = on_finished};
	static char *const argv[] = {"sleep", "100", NULL};
	const struct ff_spawn spawn = {.argv = argv, .exec_fd = -1, .merge_stderr = true};
	struct watcher watcher = {0};
	struct ff_process *process;
	struct ff_loop loop;
	int rc = ff_loop_init(&loop, err);

	if (rc != 0)
		return rc;
	process = ff_process_spawn(&loop, &spawn, &ops, &watcher, err);
	rc = process ? 0 : err->code;
	ff_process_free(process);
	end_loop(&loop);
	return rc;
}

/* --- scenarios: gateways --- */

/* A command at the gateway's other end, to its last item. */
static int run_command(struct ff_gateway *gateway, struct ff_err *err)
{
	const struct ff_value argv[] = {ff_str("echo"), ff_str("hi")};
	const struct ff_value kwargs[] = {ff_str("argv"), ff_collection(FF_LIST, argv, 2)};
	const struct ff_task task = {.call_name = "command",
				     .kwargs = ff_collection(FF_DICT, kwargs, 1)};
	struct ff_channel *channel = ff_gateway_remote_exec(gateway, &task, err);
	struct ff_item item = FF_ITEM_INIT;
	int rc, items = 0;

	if (!channel)
		return err->code;
	while ((rc = ff_channel_receive(channel, WAIT_MS, &item, err)) == 0) {
		ff_item_release(&item);
		items++;
	}
	ff_channel_unref(channel);
	if (rc == FF_ETIMEOUT)
		fail_msg("the command hangs");
	if (rc != FF_EEOF)
		return rc;
	return items == 3 ? 0 : ff_err_set(err, FF_ELOST, "%d items of the command", items);
}

static int open_and_run(struct ff_loop *loop, const char *const *specs, bool polite,
			struct ff_err *err)
{
	struct ff_group *group = ff_open_group(loop, err);
	struct ff_gateway *gateway = NULL;
	int rc = group ? 0 : err->code;

	for (; rc == 0 && *specs; specs++) {
		gateway = ff_makegateway(group, *specs, err);
		rc = gateway ? 0 : err->code;
	}
	if (rc == 0)
		rc = run_command(gateway, err);
	if (group && polite)
		assert_int_equal(ff_group_terminate(group, WAIT_MS), 0);
	ff_group_free(group);
	return rc;
}

static int conversation(const char *const *specs, bool polite, struct ff_err *err)
{
	struct ff_loop loop;
	int rc = ff_loop_init(&loop, err);

	if (rc != 0)
		return rc;
	rc = open_and_run(&loop, specs, polite, err);
	end_loop(&loop);
	return rc;
}

static int scenario_native(struct ff_err *err)
{
	static const char *const specs[] = {"popen//worker=native", NULL};

	return conversation(specs, true, err);
}

static int scenario_configured(struct ff_err *err)
{
	static const char *const specs[] = {"popen//worker=native//chdir=/tmp//nice=1//env:FF_A=b",
					    NULL};

	return conversation(specs, true, err);
}

static int scenario_rude(struct ff_err *err)
{
	static const char *const specs[] = {"popen//worker=native", NULL};

	return conversation(specs, false, err);
}

static int scenario_chain(struct ff_err *err)
{
	static const char *const specs[] = {"popen//worker=native//id=p1",
					    "popen//worker=native//id=p2//via=p1",
					    "popen//worker=native//via=p2", NULL};

	return conversation(specs, true, err);
}

static int scenario_python(struct ff_err *err)
{
	static const char *const specs[] = {"popen//worker=native//id=p1",
					    "popen//via=p1//python=/usr/bin/python3//id=p2", NULL};
	struct ff_loop loop;
	struct ff_group *group;
	int rc = ff_loop_init(&loop, err);

	if (rc != 0)
		return rc;
	group = ff_open_group(&loop, err);
	rc = group ? 0 : err->code;
	for (int i = 0; rc == 0 && i < 2; i++)
		rc = ff_makegateway(group, specs[i], err) ? 0 : err->code;
	if (group)
		assert_int_equal(ff_group_terminate(group, WAIT_MS), 0);
	ff_group_free(group);
	end_loop(&loop);
	return rc;
}

/* --- tests --- */

static const struct {
	enum ff_fault_call call;
	int errnum;
} failures[] = {
	{FF_FAULT_read, EIO},
	{FF_FAULT_read, ECONNRESET},
	{FF_FAULT_write, EPIPE},
	{FF_FAULT_write, EIO},
	{FF_FAULT_write, ENOSPC},
	{FF_FAULT_pipe2, EMFILE},
	{FF_FAULT_pipe2, ENFILE},
	{FF_FAULT_clone, EAGAIN},
	{FF_FAULT_clone, ENOMEM},
	{FF_FAULT_open, EMFILE},
	{FF_FAULT_uv_loop_init, EMFILE},
	{FF_FAULT_uv_poll_init, ENOMEM},
	{FF_FAULT_uv_poll_init, ENOSPC},
	{FF_FAULT_epoll_ctl, ENOMEM},
	{FF_FAULT_epoll_ctl, ENOSPC},
};

static void walk_failures(scenario_fn *scenario)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		walk(scenario, (struct ff_fault){failures[i].call, failures[i].errnum, 1, 0}, 1);
		walk(scenario, (struct ff_fault){failures[i].call, failures[i].errnum, 1, 1}, 1);
	}
}

static void walk_memory(scenario_fn *scenario, size_t stride)
{
	walk(scenario, (struct ff_fault){FF_FAULT_ALLOC, ENOMEM, 1, 0}, stride);
	walk(scenario, (struct ff_fault){FF_FAULT_ALLOC, ENOMEM, 1, 1}, stride);
}

static void insist_all(scenario_fn *scenario)
{
	insist(scenario, FF_FAULT_read, EINTR);
	insist(scenario, FF_FAULT_read, EAGAIN);
	insist(scenario, FF_FAULT_read, FF_FAULT_SHORT);
	insist(scenario, FF_FAULT_write, EINTR);
	insist(scenario, FF_FAULT_write, EAGAIN);
	insist(scenario, FF_FAULT_write, FF_FAULT_SHORT);
	insist(scenario, FF_FAULT_waitpid, EINTR);
	insist(scenario, FF_FAULT_syscall, EINTR);
}

static void test_process(void **state)
{
	walk_failures(scenario_process);
	walk_memory(scenario_process, 1);
	insist_all(scenario_process);
}

static void test_process_sigchld(void **state)
{
	walk_memory(scenario_process_sigchld, 1);
	walk_failures(scenario_process_sigchld);
	insist_all(scenario_process_sigchld);
}

static void test_drop(void **state)
{
	walk_memory(scenario_drop, 1);
	walk_failures(scenario_drop);
}

/* Where memory files are refused, the worker runs from the cache, and says why. */
static void test_no_memory_file(void **state)
{
	struct ff_err err = {0};
	struct ff_gateway *gateway;
	struct ff_group *group;
	struct ff_loop loop;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	group = ff_open_group(&loop, NULL);
	ff_fault_set(&(struct ff_fault){FF_FAULT_memfd_create, EPERM, 1, 1});
	gateway = ff_makegateway(group, "popen//worker=native", &err);
	ff_fault_set(NULL);
	if (!gateway)
		fail_msg("%s", err.text);
	assert_true(ff_gateway_is_native(gateway));
	assert_string_equal(
		ff_gateway_stderr(gateway),
		"the native worker does not run from memory (cannot make a memory file: "
		"Operation not permitted): the cache is tried\n");
	assert_int_equal(ff_group_terminate(group, WAIT_MS), 0);
	ff_group_free(group);
	assert_int_equal(ff_loop_release(&loop), 0);
}

/* Among the first: afterwards the worker's memory file is there for good. */
static void test_image(void **state)
{
	struct ff_err err = {0};

	for (size_t i = 0; i < 2; i++) {
		ff_fault_set(&(struct ff_fault){FF_FAULT_memfd_create, EMFILE, 1, 1});
		assert_int_equal(ff_bootstrap_image_fd(&err), FF_ESYS);
		ff_fault_set(&(struct ff_fault){FF_FAULT_write, ENOSPC, 1, 1});
		assert_int_equal(ff_bootstrap_image_fd(&err), FF_ESYS);
	}
	ff_fault_set(&(struct ff_fault){FF_FAULT_write, EINTR, 1, 2});
	assert_true(ff_bootstrap_image_fd(&err) >= 0);
	ff_fault_set(NULL);
}

static void test_native(void **state)
{
	walk_failures(scenario_native);
	walk_memory(scenario_native, 1);
	insist_all(scenario_native);
}

static void test_configured(void **state)
{
	walk_memory(scenario_configured, 1);
}

static void test_rude(void **state)
{
	walk_memory(scenario_rude, 1);
	walk(scenario_rude, (struct ff_fault){FF_FAULT_read, EIO, 1, 0}, 1);
	walk(scenario_rude, (struct ff_fault){FF_FAULT_write, EPIPE, 1, 0}, 1);
}

static void test_chain(void **state)
{
	walk_memory(scenario_chain, 5);
	walk(scenario_chain, (struct ff_fault){FF_FAULT_read, EIO, 1, 0}, 3);
	walk(scenario_chain, (struct ff_fault){FF_FAULT_write, EPIPE, 1, 0}, 3);
	walk(scenario_chain, (struct ff_fault){FF_FAULT_clone, EAGAIN, 1, 0}, 1);
}

static void test_python(void **state)
{
	walk_memory(scenario_python, 29);
}

/* What is kept for good: libuv's signal pipe. */
static int warm_up(void **state)
{
	struct ff_loop loop;

	alarm(PROGRAM_S);
	assert_non_null(mkdtemp(cache));
	setenv("XDG_CACHE_HOME", cache, 1);
	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	return ff_loop_release(&loop);
}

static int clean_up(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", cache);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory_file),	cmocka_unit_test(test_image),
		cmocka_unit_test(test_process),		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_process_sigchld), cmocka_unit_test(test_native),
		cmocka_unit_test(test_configured),	cmocka_unit_test(test_rude),
		cmocka_unit_test(test_chain),		cmocka_unit_test(test_python),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, warm_up, clean_up);
}
