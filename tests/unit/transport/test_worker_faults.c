/* The nth allocation, read, write or spawn fails inside a native worker, for every n: its
 * controller hears of it within a bound of time, in words, and the worker leaves nothing behind.
 * The worker is this program, started once more. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "faults.h"
#include "transport/open.h"
#include "worker/worker.h"
#include "io/loop_private.h"

enum { WALK_MAX = 2000, WAIT_MS = 5000, ROUND_US = 9000000, PROGRAM_S = 150, NEVER = 1000000000 };

static const char unmet[] = "the fault was not met";
static char self[512];

/* --- as a worker --- */

static int as_worker(char **words)
{
	const struct ff_fault fault = {(enum ff_fault_call)atoi(words[0]), atoi(words[1]),
				       (size_t)atoi(words[2]), (size_t)atoi(words[3])};
	char byte = 0;
	int in, out, null = open("/dev/null", O_RDWR | O_CLOEXEC), status;

	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
	in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (write(out, "1", 1) != 1)
		return 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ff_fault_set(&fault);
	status = ff_worker_serve(in, out, NULL, 0);
	ff_fault_set(NULL);
	if (ff_fault_hits() == 0 && fault.nth < NEVER)
		fprintf(stderr, "%s\n", unmet);
	return status;
}

/* --- as its controller --- */

struct seen {
	bool opened, unmet, broken;
	struct ff_err err;
	char line[256]; /* of a sanitizer */
};

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct seen *seen = ctx;

	seen->opened = true;
	if (err)
		seen->err = *err;
}

static void on_line(struct ff_gateway *gateway, const char *line, void *ctx)
{
	struct seen *seen = ctx;

	seen->unmet |= strcmp(line, unmet) == 0;
	if (!seen->broken && (strstr(line, "Sanitizer") || strstr(line, "Assertion") ||
			      strstr(line, "runtime error"))) {
		seen->broken = true;
		snprintf(seen->line, sizeof(seen->line), "%s", line);
	}
}

/* To the end of what it sends. */
static int drain(struct ff_channel *channel, int items, struct ff_err *err)
{
	struct ff_item item = FF_ITEM_INIT;
	int rc;

	if (!channel)
		return err->code;
	while ((rc = ff_channel_receive(channel, WAIT_MS, &item, err)) == 0) {
		ff_item_release(&item);
		items--;
	}
	if (rc == FF_EEOF && items > 0)
		fail_msg("a good end, but items are missing");
	ff_channel_unref(channel);
	if (rc == FF_ETIMEOUT)
		fail_msg("it hangs");
	return rc == FF_EEOF ? 0 : rc;
}

static int run_tasks(struct ff_gateway *gateway, struct ff_err *err)
{
	const struct ff_value argv[] = {ff_str("cat")};
	const struct ff_value kwargs[] = {ff_str("argv"),     ff_collection(FF_LIST, argv, 1),
					  ff_str("stdin"),    ff_str("some words\nand more"),
					  ff_str("rlimits"),  ff_none(),
					  ff_str("grace_us"), ff_int(1000)};
	const struct ff_task tasks[] = {
		{.call_name = "command", .kwargs = ff_collection(FF_DICT, kwargs, 4)},
		{.source = "#!/bin/sh\necho one; echo two >&2"},
		{.call_name = "info"},
	};
	static const int items[] = {3, 2, 1};
	int first = 0;

	/* One that fails shall leave the worker able to do the next. */
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		struct ff_err its = {0};
		int rc = drain(ff_gateway_remote_exec(gateway, &tasks[i], &its), items[i], &its);

		if (rc != 0 && first == 0) {
			first = rc;
			*err = its;
		}
	}
	return first;
}

static struct ff_gateway *open_one(struct ff_loop *loop, struct ff_group *group, const char *text,
				   struct seen *seen)
{
	const struct ff_open_opts opts = {.opened = on_opened,
					  .stderr_line = on_line,
					  .ctx = seen,
					  .connect_timeout_ms = WAIT_MS};
	struct ff_gateway *gateway;
	struct ff_xspec spec;

	seen->opened = false;
	assert_int_equal(ff_xspec_parse(&spec, text, NULL), 0);
	gateway = ff_open_gateway(group, &spec, &opts, &seen->err);
	if (!gateway) {
		ff_xspec_release(&spec);
		return NULL;
	}
	while (!seen->opened)
		ff_loop_run_once(loop, FF_NEVER_US);
	return gateway;
}

/* The faulty worker is `text`; with `behind` it only carries the line to another one. */
static int converse(const char *text, const char *behind, struct seen *seen)
{
	struct ff_gateway *gateway;
	struct ff_group *group;
	struct ff_loop loop;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	group = ff_open_group(&loop, NULL);
	assert_non_null(group);
	gateway = open_one(&loop, group, text, seen);
	if (behind && seen->err.code == 0)
		gateway = open_one(&loop, group, behind, seen);
	if (seen->err.code == 0)
		run_tasks(gateway, &seen->err);
	assert_int_equal(ff_group_terminate(group, WAIT_MS), 0);
	ff_group_free(group);
	assert_int_equal(ff_loop_release(&loop), 0);
	return seen->err.code;
}

static const char *behind;

static void walk(enum ff_fault_call call, int errnum, size_t every, size_t stride)
{
	size_t failed = 0, n;
	bool met = true;

	for (n = 1; met; n += stride) {
		int64_t begin = ff_clock_us();
		struct seen seen = {0};
		char text[1024];
		int rc;

		assert_true(n < WALK_MAX);
		snprintf(text, sizeof(text), "popen//id=p//python=%s --worker %d %d %zu %zu", self,
			 (int)call, errnum, n, every);
		rc = converse(text, behind, &seen);
		met = !seen.unmet;
		failed += rc != 0;
		if (seen.broken)
			fail_msg("%s %d, n=%zu: %s", ff_fault_name(call), errnum, n, seen.line);
		if (rc != 0 && (rc > 0 || strlen(seen.err.text) < 4))
			fail_msg("%s, n=%zu: no words for %d", ff_fault_name(call), n, rc);
		if (rc != 0 && !met)
			fail_msg("fails without a fault: %s", seen.err.text);
		if (ff_clock_us() - begin > ROUND_US)
			fail_msg("%s %d, n=%zu: it took too long: %s", ff_fault_name(call), errnum,
				 n, seen.err.text);
		if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
			fail_msg("%s %d, n=%zu: a process is left", ff_fault_name(call), errnum, n);
	}
	print_message("%s: %s%s: %zu calls, %zu failed\n", ff_fault_name(call),
		      errnum < 0 ? "short" : strerror(errnum), every ? ", from then on" : "",
		      n - stride, failed);
}

static void test_memory(void **state)
{
	walk(FF_FAULT_ALLOC, ENOMEM, 0, 1);
}

static void test_memory_gone(void **state)
{
	walk(FF_FAULT_ALLOC, ENOMEM, 1, 1);
}

static void test_creation(void **state)
{
	walk(FF_FAULT_clone, EAGAIN, 0, 1);
	walk(FF_FAULT_clone, ENOMEM, 1, 1);
	walk(FF_FAULT_pipe2, EMFILE, 0, 1);
	walk(FF_FAULT_pipe2, ENFILE, 1, 1);
	walk(FF_FAULT_uv_poll_init, ENOMEM, 0, 1);
	walk(FF_FAULT_uv_poll_init, ENOSPC, 1, 1);
	walk(FF_FAULT_epoll_ctl, ENOMEM, 0, 1);
	walk(FF_FAULT_epoll_ctl, ENOSPC, 1, 1);
	walk(FF_FAULT_uv_loop_init, EMFILE, 0, 1);
	walk(FF_FAULT_open, EMFILE, 1, 1);
	walk(FF_FAULT_memfd_create, EMFILE, 1, 1);
}

static void test_lines(void **state)
{
	walk(FF_FAULT_read, EIO, 0, 1);
	walk(FF_FAULT_read, ECONNRESET, 1, 2);
	walk(FF_FAULT_write, EIO, 0, 1);
	walk(FF_FAULT_write, EPIPE, 1, 1);
}

static void test_proxy(void **state)
{
	char text[1024];

	/* One without a fault that it would ever meet. */
	snprintf(text, sizeof(text), "popen//via=p//python=%s --worker 0 0 %d 0", self, NEVER);
	behind = text;
	walk(FF_FAULT_ALLOC, ENOMEM, 0, 1);
	walk(FF_FAULT_ALLOC, ENOMEM, 1, 1);
	walk(FF_FAULT_clone, EAGAIN, 0, 1);
	walk(FF_FAULT_pipe2, EMFILE, 0, 1);
	walk(FF_FAULT_uv_poll_init, ENOMEM, 0, 1);
	walk(FF_FAULT_epoll_ctl, ENOMEM, 0, 1);
	walk(FF_FAULT_read, EIO, 0, 1);
	walk(FF_FAULT_write, EIO, 0, 1);
	walk(FF_FAULT_write, EPIPE, 1, 1);
	behind = NULL;
}

/* Not to be noticed at all. */
static void test_interrupted(void **state)
{
	static const struct {
		enum ff_fault_call call;
		int errnum;
	} harmless[] = {
		{FF_FAULT_read, EINTR},	   {FF_FAULT_read, EAGAIN},   {FF_FAULT_write, EINTR},
		{FF_FAULT_waitpid, EINTR}, {FF_FAULT_syscall, EINTR}, {FF_FAULT_read, -1},
		{FF_FAULT_write, -1},
	};

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		struct seen seen = {0};
		char text[1024];

		snprintf(text, sizeof(text), "popen//python=%s --worker %d %d 1 2", self,
			 (int)harmless[i].call, harmless[i].errnum);
		if (converse(text, NULL, &seen) != 0)
			fail_msg("%s %d: %s", ff_fault_name(harmless[i].call), harmless[i].errnum,
				 seen.err.text);
		assert_false(seen.broken);
	}
}

static int set_up(void **state)
{
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(len > 0);
	alarm(PROGRAM_S);
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),	    cmocka_unit_test(test_memory_gone),
		cmocka_unit_test(test_creation),    cmocka_unit_test(test_lines),
		cmocka_unit_test(test_interrupted), cmocka_unit_test(test_proxy),
	};

	if (argc > 5 && strcmp(argv[1], "--worker") == 0)
		return as_worker(argv + 2);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
