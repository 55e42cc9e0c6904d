/* Gateways opened for real on this machine: both workers, chains, configuration, failures in words,
 * ends. Each test ends with an empty loop and no descriptor more than before. */
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/process.h"
#include "transport/open.h"
#include "worker/bootstrap.h"
#include "../../fakes/descriptors.h"
#include "io/loop_private.h"

#define PYTHON "popen//python=/usr/bin/python3"

struct fixture {
	struct ff_loop loop;
	struct ff_group *group;
	int fds;
	char dir[64];
};

struct seen {
	unsigned opened, closed, lines;
	bool has_status; /* at the end */
	int status;
	struct ff_err open_err, close_err;
	char line[256];
};

/* What is kept for good: libuv's signal pipe and the worker's memory file. */
static int warm_up(void **state)
{
	struct ff_loop loop;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	ff_bootstrap_image_fd(NULL);
	return ff_loop_release(&loop);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->fds = count_fds();
	strcpy(fixture->dir, "/tmp/ff-test-open-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	setenv("XDG_CACHE_HOME", fixture->dir, 1);
	assert_int_equal(ff_loop_init(&fixture->loop, NULL), 0);
	fixture->group = ff_open_group(&fixture->loop, NULL);
	assert_non_null(fixture->group);
	*state = fixture;
	return 0;
}

static int end(struct fixture *fixture)
{
	char command[128];

	ff_group_free(fixture->group);
	assert_int_equal(ff_loop_release(&fixture->loop), 0);
	assert_int_equal(count_fds(), fixture->fds);
	snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ff_group_terminate(fixture->group, 10000), 0);
	return end(fixture);
}

static int teardown_rudely(void **state)
{
	return end(*state);
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct seen *seen = ctx;

	seen->opened++;
	if (err)
		seen->open_err = *err;
	if (err)
		seen->has_status = ff_gateway_wait_status(gateway, &seen->status);
}

static void on_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct seen *seen = ctx;

	seen->closed++;
	seen->close_err = *err;
	seen->has_status = ff_gateway_wait_status(gateway, &seen->status);
}

static void on_line(struct ff_gateway *gateway, const char *line, void *ctx)
{
	struct seen *seen = ctx;

	seen->lines++;
	snprintf(seen->line, sizeof(seen->line), "%s", line);
}

#define RUN_UNTIL(fixture, condition)                                                              \
	do {                                                                                       \
		int64_t deadline_ = ff_clock_us() + 20 * FF_SECOND_US;                             \
		while (!(condition) && ff_clock_us() < deadline_)                                  \
			ff_loop_run_once(&(fixture)->loop, deadline_);                             \
		assert_true(condition);                                                            \
	} while (0)

static struct ff_gateway *begin(struct fixture *fixture, const char *text, int64_t timeout_us,
				struct seen *seen)
{
	const struct ff_open_opts opts = {
		.connect_timeout_ms = timeout_us / 1000,
		.opened = on_opened,
		.closed = on_closed,
		.stderr_line = on_line,
		.ctx = seen,
	};
	struct ff_gateway *gateway;
	struct ff_xspec spec;
	struct ff_err err;

	memset(seen, 0, sizeof(*seen));
	assert_int_equal(ff_xspec_parse(&spec, text, &err), 0);
	gateway = ff_open_gateway(fixture->group, &spec, &opts, &err);
	if (!gateway)
		fail_msg("%s", err.text);
	assert_int_equal(ff_gateway_state(gateway), FF_GATEWAY_OPENING);
	return gateway;
}

static struct ff_gateway *make(struct fixture *fixture, const char *text)
{
	struct ff_err err;
	struct ff_gateway *gateway = ff_makegateway(fixture->group, text, &err);

	if (!gateway)
		fail_msg("%s", err.text);
	return gateway;
}

static struct ff_channel *run(struct ff_gateway *gateway, const char *source, const char *call)
{
	struct ff_task task = {.source = source, .call_name = call};
	struct ff_err err;
	struct ff_channel *channel = ff_gateway_remote_exec(gateway, &task, &err);

	if (!channel)
		fail_msg("%s", err.text);
	ff_channel_set_item_max(channel, 64 << 20);
	return channel;
}

static void receive(struct ff_channel *channel, struct ff_item *item)
{
	struct ff_err err;

	if (ff_channel_receive(channel, 20000, item, &err) != 0)
		fail_msg("%s", err.text);
}

static void check_add_one(struct ff_gateway *gateway)
{
	struct ff_channel *channel = run(gateway, "channel.send(channel.receive() + 1)", NULL);
	struct ff_value value = ff_int(41);
	struct ff_item item = FF_ITEM_INIT;

	assert_int_equal(ff_channel_send(channel, &value, NULL), 0);
	receive(channel, &item);
	assert_int_equal(ff_as_int(&item.value, 0), 42);
	ff_item_release(&item);
	assert_int_equal(ff_channel_waitclose(channel, 20000, NULL), 0);
	ff_channel_unref(channel);
}

static int64_t check_info(struct ff_gateway *gateway)
{
	int64_t pid;
	struct ff_channel *channel = run(gateway, NULL, "info");
	struct ff_item item = FF_ITEM_INIT;

	receive(channel, &item);
	assert_true(ff_dict_int(&item.value, "cpus", 0) > 0);
	pid = ff_dict_int(&item.value, "pid", 0);
	assert_true(pid > 1);
	ff_item_release(&item);
	ff_channel_unref(channel);
	return pid;
}

static void python_worker(void **state)
{
	struct ff_gateway *gateway = make(*state, PYTHON);

	assert_false(ff_gateway_is_native(gateway));
	assert_true(ff_gateway_extended(gateway));
	assert_string_equal(ff_dict_str(ff_gateway_info(gateway), "worker", ""), "python");
	assert_true(ff_dict_int(ff_gateway_info(gateway), "pid", 0) > 1);
	check_add_one(gateway);
}

static void native_worker(void **state)
{
	struct ff_gateway *gateway = make(*state, "popen//worker=native");

	assert_true(ff_gateway_is_native(gateway));
	assert_string_equal(ff_dict_str(ff_gateway_info(gateway), "worker", ""), "native");
	check_info(gateway);
}

static void default_spec(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ff_group_set_default_spec(fixture->group, PYTHON "//id=first"), 0);
	assert_string_equal(ff_gateway_id(make(fixture, NULL)), "first");
}

static void check_config(struct fixture *fixture, const char *base)
{
	char text[256], want[256];
	struct ff_gateway *gateway;
	struct ff_channel *channel;
	struct ff_item item = FF_ITEM_INIT;

	snprintf(text, sizeof(text), "%s//chdir=%s/a/b//nice=2//env:FF_X=y=z", base, fixture->dir);
	gateway = make(fixture, text);
	if (ff_gateway_is_native(gateway))
		channel = run(gateway, "#!/bin/sh\necho $(pwd) $FF_X\n", NULL);
	else
		channel = run(gateway,
			      "import os; channel.send(os.getcwd() + ' ' + os.environ['FF_X'])",
			      NULL);
	receive(channel, &item);
	snprintf(want, sizeof(want), "%s/a/b y=z", fixture->dir);
	assert_memory_equal(ff_as_str(&item.value, ""), want, strlen(want));
	ff_item_release(&item);
	ff_channel_unref(channel);
}

static void configured_python(void **state)
{
	check_config(*state, PYTHON);
}

static void configured_native(void **state)
{
	check_config(*state, "popen//worker=native");
}

static void config_that_fails(void **state)
{
	struct fixture *fixture = *state;
	struct ff_err err;

	assert_null(ff_makegateway(fixture->group, PYTHON "//chdir=/dev/null/x", &err));
	assert_non_null(strstr(err.text, "cannot be configured"));
	assert_int_equal(ff_group_len(fixture->group), 0);
}

static void check_failure(struct fixture *fixture, const char *text, const char *words)
{
	struct ff_err err;

	assert_null(ff_makegateway(fixture->group, text, &err));
	assert_string_equal(err.text, words);
	assert_int_equal(ff_group_len(fixture->group), 0);
}

static void failures_in_words(void **state)
{
	check_failure(*state, "popen//python=nonesuch",
		      "popen//python=nonesuch: cannot run 'nonesuch': No such file or directory");
	check_failure(
		*state, "popen//python=false",
		"popen//python=false: 'false -u -c …' ended before it answered: exit status 1");
	check_failure(*state, "popen//python=true",
		      "popen//python=true: 'true -u -c …' ended before it answered: exit status 0");
	check_failure(
		*state, "popen//python=sh -c 'echo boo >&2; kill -9 $$'",
		"popen//python=sh -c 'echo boo >&2; kill -9 $$': 'sh -c 'echo boo >&2; kill -9 "
		"$$' -u -c …' ended before it answered: killed by signal 9 (SIGKILL); stderr: "
		"boo");
	check_failure(
		*state, "popen//python=sh -c 'echo a >&2; echo b >&2; exit 7'",
		"popen//python=sh -c 'echo a >&2; echo b >&2; exit 7': 'sh -c 'echo a >&2; echo "
		"b >&2; exit 7' -u -c …' ended before it answered: exit status 7; stderr:\n"
		"  a\n  b");
	check_failure(*state, "popen//python='",
		      "popen//python=': python=': command line ''': a quote that is not closed");
	check_failure(*state, "popen//via=nobody",
		      "popen//via=nobody: the group has no gateway 'nobody'");
	check_failure(*state, "python=x", "no gateway type found for 'python=x'");
	check_failure(*state, "socket=localhost:1",
		      "socket=localhost:1: cannot connect to localhost:1: Connection refused");
}

static void silence_before_the_answer(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	begin(fixture, "popen//python=sh -c 'exec sleep 1000'", 50000, &seen);
	RUN_UNTIL(fixture, seen.opened);
	assert_int_equal(seen.open_err.code, FF_ETIMEOUT);
	assert_non_null(strstr(seen.open_err.text, "did not answer within 0.05 s"));
	assert_int_equal(seen.closed, 0);
}

static int64_t away_us;

static int64_t clock_with_pauses(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * FF_SECOND_US + ts.tv_nsec / 1000 + away_us;
}

/* The limit counts anew when it is ourselves that did not look. */
static void paused_before_the_answer(void **state)
{
	static char sleeper[] = "popen//python=/bin/sh -c 'exec sleep 1000'";
	struct fixture *fixture = *state;
	struct seen seen;
	struct ff_gateway *gateway;
	int64_t began;

	away_us = 0;
	ff_clock_fake(clock_with_pauses, NULL);
	gateway = begin(fixture, sleeper, 300000, &seen);
	began = ff_clock_us();
	ff_loop_run_once(&fixture->loop, began + 1000);
	away_us = 3600 * FF_SECOND_US;
	while (!seen.opened)
		ff_loop_run_once(&fixture->loop, FF_NEVER_US);
	assert_int_equal(seen.open_err.code, FF_ETIMEOUT);
	assert_true(ff_clock_us() - away_us - began >= 600000);
	ff_clock_fake(NULL, NULL);
	ff_open_release(gateway);
}

static void noise_before_the_answer(void **state)
{
	struct ff_gateway *gateway = make(
		*state, "popen//python=sh -c 'echo 1 welcome; exec /usr/bin/python3 \"$@\"' x");

	check_add_one(gateway);
}

static void same_id_twice(void **state)
{
	struct fixture *fixture = *state;
	struct ff_err err;

	make(fixture, PYTHON "//id=a");
	assert_null(ff_makegateway(fixture->group, PYTHON "//id=a", &err));
	assert_int_equal(err.code, FF_EEXISTS);
}

static void many_at_once(void **state)
{
	enum { COUNT = 6 };
	struct fixture *fixture = *state;
	struct seen seen[COUNT];

	for (int i = 0; i < COUNT; i++)
		begin(fixture, i % 2 ? PYTHON : "popen//worker=native", 0, &seen[i]);
	for (int i = 0; i < COUNT; i++) {
		RUN_UNTIL(fixture, seen[i].opened);
		assert_int_equal(seen[i].open_err.code, 0);
	}
	assert_int_equal(ff_group_terminate(fixture->group, 10000), 0);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(seen[i].closed, 1);
		assert_string_equal(seen[i].close_err.text, "");
		assert_int_equal(seen[i].close_err.code, 0);
	}
}

static void killed_worker(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;
	struct ff_gateway *gateway = begin(fixture, PYTHON, 0, &seen);
	struct ff_channel *channel;
	struct ff_err err;

	RUN_UNTIL(fixture, seen.opened);
	channel = run(gateway,
		      "import os, sys; sys.stderr.write('last words\\n'); os.kill(os.getpid(), 9)",
		      NULL);
	assert_int_equal(ff_channel_waitclose(channel, 20000, &err), FF_ELOST);
	RUN_UNTIL(fixture, seen.closed);
	assert_int_equal(seen.close_err.code, FF_ELOST);
	assert_string_equal(seen.close_err.text, PYTHON
			    ": the worker ended: killed by signal 9 (SIGKILL); stderr: last words");
	assert_int_equal(seen.lines, 1);
	assert_string_equal(seen.line, "last words");
	assert_string_equal(ff_gateway_stderr(gateway), "last words\n");
	ff_channel_unref(channel);
	ff_open_release(gateway);
	assert_int_equal(ff_group_len(fixture->group), 0);
}

static void check_exit(struct fixture *fixture, const char *spec, const char *source, int status)
{
	struct seen seen;
	struct ff_gateway *gateway = begin(fixture, spec, 0, &seen);

	RUN_UNTIL(fixture, seen.opened);
	assert_int_equal(seen.open_err.code, 0);
	assert_false(ff_gateway_wait_status(gateway, &seen.status));
	if (source)
		ff_channel_unref(run(gateway, source, NULL));
	else
		ff_gateway_exit(gateway);
	RUN_UNTIL(fixture, seen.closed);
	assert_true(seen.has_status);
	assert_int_equal(seen.status, status);
	seen.status = -1;
	assert_true(ff_gateway_wait_status(gateway, &seen.status));
	assert_int_equal(seen.status, status);
	ff_open_release(gateway);
}

static void exits_are_known(void **state)
{
	static const char *const specs[] = {PYTHON, PYTHON "//via=foreman", PYTHON "//via=master"};

	make(*state, "popen//worker=native//id=foreman");
	make(*state, PYTHON "//id=master");
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		check_exit(*state, specs[i], NULL, 0);
		check_exit(*state, specs[i], "import os; os._exit(7)", W_EXITCODE(7, 0));
		check_exit(*state, specs[i], "import os; os.kill(os.getpid(), 15)", 15);
	}
	check_exit(*state, "popen//worker=native", NULL, 0);
}

/* It ends because of what it says, and its exit comes later. */
static void exit_after_nonsense(void **state)
{
	static const char source[] = "import os, time\n"
				     "os.write(channel.gateway._wfd, b'\\xff' * 9)\n"
				     "time.sleep(1000)";
	static const char *const specs[] = {PYTHON, PYTHON "//via=foreman"};
	struct fixture *fixture = *state;
	struct ff_channel *channel;
	struct ff_gateway *gateway;
	struct seen seen;

	make(*state, "popen//worker=native//id=foreman");
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		gateway = begin(fixture, specs[i], 0, &seen);
		RUN_UNTIL(fixture, seen.opened);
		channel = run(gateway, source, NULL);
		assert_int_equal(ff_channel_waitclose(channel, 20000, NULL), FF_ELOST);
		ff_channel_unref(channel);
		RUN_UNTIL(fixture, seen.closed);
		assert_int_equal(seen.close_err.code, FF_EPROTO);
		assert_true(seen.has_status);
		assert_int_equal(seen.status, SIGKILL);
		ff_open_release(gateway);
	}
	/* Who ends all meanwhile is told, too. */
	begin(fixture, PYTHON, 0, &seen);
	RUN_UNTIL(fixture, seen.opened);
	gateway = ff_group_at(fixture->group, ff_group_len(fixture->group) - 1);
	channel = run(gateway, source, NULL);
	RUN_UNTIL(fixture, ff_gateway_state(gateway) == FF_GATEWAY_CLOSED);
	assert_int_equal(ff_group_terminate(fixture->group, 20000), 0);
	assert_int_equal(seen.closed, 1);
	ff_channel_unref(channel);
}

static void exit_before_it_is_open(void **state)
{
	struct seen seen;
	struct ff_gateway *gateway = begin(*state, "popen//python=/bin/false", 0, &seen);

	RUN_UNTIL((struct fixture *)*state, seen.opened);
	assert_true(seen.open_err.code);
	assert_true(seen.has_status);
	assert_int_equal(seen.status, W_EXITCODE(1, 0));
	ff_open_release(gateway);
	gateway = begin(*state, "popen//python=/no/such/thing", 0, &seen);
	RUN_UNTIL((struct fixture *)*state, seen.opened);
	assert_true(seen.open_err.code);
	assert_false(seen.has_status);
	ff_open_release(gateway);
}

/* Bytes there and back: more than any window, in one piece. */
static void check_bulk(struct fixture *fixture, struct ff_gateway *gateway)
{
	enum { SIZE = 5 << 20 };
	char *bytes = malloc(SIZE);
	struct ff_channel *channel = run(gateway, "channel.send(channel.receive())", NULL);
	struct ff_item item = FF_ITEM_INIT;

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 31 >> 4);
	assert_int_equal(ff_channel_send_bytes(channel, bytes, SIZE, NULL), 0);
	receive(channel, &item);
	assert_int_equal(item.value.len, SIZE);
	assert_memory_equal(item.value.text, bytes, SIZE);
	ff_item_release(&item);
	ff_channel_unref(channel);
	free(bytes);
}

static void via_native(void **state)
{
	struct ff_gateway *gateway;

	make(*state, "popen//worker=native//id=foreman");
	gateway = make(*state, PYTHON "//via=foreman");
	check_add_one(gateway);
	check_bulk(*state, gateway);
}

static void via_python(void **state)
{
	struct ff_gateway *gateway;

	make(*state, PYTHON "//id=master");
	gateway = make(*state, PYTHON "//via=master");
	check_add_one(gateway);
	check_bulk(*state, gateway);
}

static void via_twice(void **state)
{
	make(*state, "popen//worker=native//id=a");
	make(*state, "popen//worker=native//id=b//via=a");
	assert_true(ff_gateway_is_native(ff_group_get(((struct fixture *)*state)->group, "b")));
	check_add_one(make(*state, PYTHON "//via=b"));
}

/* The upload command is what remote hosts run: first with, then without the upload. */
static void upload_and_cache(void **state)
{
	struct fixture *fixture = *state;
	char path[512];
	FILE *file;

	make(fixture, "popen//worker=native//id=a");
	check_info(make(fixture, "popen//worker=native//via=a"));
	snprintf(path, sizeof(path), "%s/farflung/worker-%s", fixture->dir,
		 ff_bootstrap_image_hash());
	assert_int_equal(access(path, X_OK), 0);
	check_info(make(fixture, "popen//worker=native//via=a"));
	/* Damaged; not in place, as it is being executed. */
	assert_int_equal(unlink(path), 0);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("#!/bin/sh\nexit 1\n", file);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
	check_info(make(fixture, "popen//worker=native//via=a"));
}

/* A host of another kind: python takes the native worker's place. */
static void native_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[128], *before = strdup(getenv("PATH"));
	struct ff_gateway *gateway;
	FILE *file;

	snprintf(path, sizeof(path), "%s/uname", fixture->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("#!/bin/sh\necho Plan9 mips\n", file);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", fixture->dir);
	setenv("PATH", path, 1);
	make(fixture, "popen//worker=native//id=a");
	setenv("PATH", before, 1);
	free(before);
	gateway = make(fixture, PYTHON "//worker=native//via=a");
	assert_false(ff_gateway_is_native(gateway));
	assert_string_equal(ff_gateway_stderr(gateway),
			    "the native worker does not run here (Plan9 mips): Python takes its "
			    "place\n");
	check_add_one(gateway);
}

static void server_said(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	ff_buf_add(ctx, bytes, len);
}

static const struct ff_process_ops server_ops = {.out = server_said};

/* Programs of these names that run their last three words, or fail. */
static void programs_that_carry(void **state)
{
	struct fixture *fixture = *state;
	char path[128], *before = strdup(getenv("PATH"));
	struct ff_gateway *gateway;
	struct ff_err err;
	FILE *file;

	snprintf(path, sizeof(path), "%s/docker", fixture->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("#!/bin/sh\n[ \"$3\" = c1 ] && shift 3 && exec \"$@\"\n"
	      "echo no such container >&2; exit 125\n",
	      file);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", fixture->dir);
	setenv("PATH", path, 1);
	gateway = make(fixture, "docker=c1//python=/usr/bin/python3");
	check_add_one(gateway);
	check_info(make(fixture, "docker=c1//worker=native"));
	assert_null(ff_makegateway(fixture->group, "docker=c2", &err));
	assert_string_equal(err.text, "docker=c2: 'python3 -u -c …' ended before it answered: exit "
				      "status 125; stderr: no such container");
	assert_null(ff_makegateway(fixture->group, "podman=c2", &err));
	setenv("PATH", before, 1);
	free(before);
}

/* A server as execnet's socketserver.py is one: it executes the line it is sent. */
static void socket_server(void **state)
{
	static char source[] =
		"import socket\n"
		"server = socket.socket()\n"
		"server.bind(('127.0.0.1', 0))\n"
		"server.listen(1)\n"
		"print(server.getsockname()[1], flush=True)\n"
		"clientsock, address = server.accept()\n"
		"lines = clientsock.makefile('rb')\n"
		"line = lines.readline().rstrip()\n"
		"lines.close()\n"
		"exec(compile(eval(line), 'server', 'exec'),\n"
		"     {'clientsock': clientsock, 'address': address, 'execmodel': None})\n";
	char *argv[] = {"/usr/bin/python3", "-c", source, NULL}, text[64];
	struct ff_spawn spawn = {
		.argv = argv, .exec_fd = -1, .stdin_null = true, .inherit_stderr = true};
	struct fixture *fixture = *state;
	struct ff_buf said = FF_BUF_INIT;
	struct ff_process *server =
		ff_process_spawn(&fixture->loop, &spawn, &server_ops, &said, NULL);
	struct ff_gateway *gateway;

	assert_non_null(server);
	RUN_UNTIL(fixture, said.len > 0 && ff_buf_str(&said)[said.len - 1] == '\n');
	snprintf(text, sizeof(text), "socket=127.0.0.1:%d", atoi(ff_buf_str(&said)));
	gateway = make(fixture, text);
	check_add_one(gateway);
	check_bulk(fixture, gateway);
	assert_int_equal(ff_group_terminate(fixture->group, 10000), 0);
	ff_process_free(server);
	ff_buf_release(&said);
}

/* Somebody has connected it already, and does at its other end what a server does. */
static void a_line_that_is_there(void **state)
{
	static char source[] = "import socket\n"
			       "clientsock = socket.socket(fileno=3)\n"
			       "lines = clientsock.makefile('rb')\n"
			       "line = lines.readline().rstrip()\n"
			       "lines.close()\n"
			       "exec(eval(line), {'clientsock': clientsock})\n";
	char *argv[] = {"/usr/bin/python3", "-c", source, NULL};
	struct fixture *fixture = *state;
	struct seen seen = {0}, none = {0};
	struct ff_open_opts opts = {.opened = on_opened, .closed = on_closed, .ctx = &seen};
	struct ff_spawn spawn = {.argv = argv,
				 .exec_fd = -1,
				 .stdin_null = true,
				 .inherit_stderr = true,
				 .inherit_as = 3};
	struct ff_buf said = FF_BUF_INIT;
	struct ff_process *peer;
	struct ff_gateway *gateway;
	struct ff_xspec spec;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	spawn.inherit = ends[1];
	opts.line_fd = ends[0];
	peer = ff_process_spawn(&fixture->loop, &spawn, &server_ops, &said, NULL);
	assert_non_null(peer);
	close(ends[1]);
	assert_int_equal(ff_xspec_parse(&spec, "popen", NULL), 0);
	gateway = ff_open_gateway(fixture->group, &spec, &opts, NULL);
	assert_non_null(gateway);
	RUN_UNTIL(fixture, seen.opened);
	assert_int_equal(seen.open_err.code, 0);
	check_add_one(gateway);
	check_bulk(fixture, gateway);
	ff_process_kill(peer, SIGKILL);
	RUN_UNTIL(fixture, seen.closed);
	assert_false(seen.has_status);
	ff_process_free(peer);
	ff_buf_release(&said);
	/* And one at whose other end there is nobody. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	close(ends[1]);
	opts = (struct ff_open_opts){.opened = on_opened, .ctx = &none, .line_fd = ends[0]};
	assert_int_equal(ff_xspec_parse(&spec, "popen", NULL), 0);
	assert_non_null(ff_open_gateway(fixture->group, &spec, &opts, NULL));
	RUN_UNTIL(fixture, none.opened);
	assert_int_not_equal(none.open_err.code, 0);
}

static void waits_for_its_parent(void **state)
{
	struct fixture *fixture = *state;
	struct seen parent, child;

	begin(fixture, "popen//worker=native//id=p", 0, &parent);
	begin(fixture, PYTHON "//via=p", 0, &child);
	RUN_UNTIL(fixture, child.opened);
	assert_int_equal(parent.opened, 1);
	assert_int_equal(child.open_err.code, 0);
}

static void fails_with_its_parent(void **state)
{
	struct fixture *fixture = *state;
	struct seen parent, child;

	begin(fixture, "popen//python=nonesuch//id=p", 0, &parent);
	begin(fixture, PYTHON "//via=p", 0, &child);
	RUN_UNTIL(fixture, child.opened);
	assert_int_equal(parent.opened, 1);
	assert_string_equal(child.open_err.text, PYTHON
			    "//via=p: gateway 'p' is not there: popen//python=nonesuch//id=p: "
			    "cannot run 'nonesuch': No such file or directory");
}

static void via_failures(void **state)
{
	struct fixture *fixture = *state;
	struct ff_err err;

	make(fixture, "popen//worker=native//id=p");
	assert_null(ff_makegateway(fixture->group, "popen//python=nonesuch//via=p", &err));
	assert_non_null(strstr(err.text, "cannot run 'nonesuch': No such file or directory"));
	assert_null(ff_makegateway(fixture->group,
				   "popen//python=sh -c 'echo x >&2; exit 3'//via=p", &err));
	assert_non_null(strstr(err.text, "exit status 3; stderr: x"));
	assert_int_equal(ff_group_len(fixture->group), 1);
}

static void parent_dies(void **state)
{
	struct fixture *fixture = *state;
	struct seen parent, child;
	struct ff_gateway *gateway = begin(fixture, "popen//worker=native//id=p", 0, &parent);
	pid_t pid;

	begin(fixture, PYTHON "//via=p", 0, &child);
	RUN_UNTIL(fixture, child.opened);
	pid = (pid_t)check_info(gateway);
	kill(pid, SIGKILL);
	RUN_UNTIL(fixture, parent.closed && child.closed);
	assert_int_equal(child.close_err.code, FF_ELOST);
}

static void terminated_while_opening(void **state)
{
	struct fixture *fixture = *state;
	struct seen a, b, c;

	begin(fixture, "popen//python=sh -c 'exec sleep 1000'//id=a", 0, &a);
	begin(fixture, PYTHON "//via=a", 0, &b);
	begin(fixture, PYTHON, 0, &c);
	assert_int_equal(ff_group_terminate(fixture->group, 5000), 0);
	assert_int_equal(ff_group_len(fixture->group), 0);
}

static void freed_without_termination(void **state)
{
	struct fixture *fixture = *state;
	static struct seen seen; /* heard of in the teardown */

	make(fixture, PYTHON);
	begin(fixture, "popen//worker=native", 0, &seen);
}

/* Whatever allocation fails: an error or a gateway, and nothing left behind. */
static void out_of_memory(void **state)
{
	struct fixture *fixture = *state;
	bool made = false;

	for (size_t nth = 1; !made; nth++) {
		struct ff_gateway *gateway;
		struct seen seen = {0};
		const struct ff_open_opts opts = {
			.connect_timeout_ms = 100,
			.opened = on_opened,
			.ctx = &seen,
		};
		struct ff_xspec spec;

		assert_true(nth < 1000);
		assert_int_equal(ff_xspec_parse(&spec, "popen//worker=native//nice=0", NULL), 0);
		ff_alloc_fail_at(nth);
		gateway = ff_open_gateway(fixture->group, &spec, &opts, NULL);
		if (gateway) {
			RUN_UNTIL(fixture, seen.opened);
			made = seen.open_err.code == 0;
		} else {
			ff_xspec_release(&spec);
		}
		ff_alloc_fail_at(0);
		if (gateway && !made)
			ff_open_release(gateway);
	}
}

/* A python worker gets a descriptor of ours as number 3; others see nothing of it. */
static void a_descriptor_for_the_worker(void **state)
{
	struct fixture *fixture = *state;
	struct ff_open_opts opts = {.opened = on_opened, .closed = on_closed};
	struct seen seen = {0};
	struct ff_channel *channel;
	struct ff_xspec spec;
	struct ff_err err;
	char text[8] = "";
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	opts.inherit_fd = ends[1];
	opts.ctx = &seen;
	assert_int_equal(ff_xspec_parse(&spec, "popen//via=x", &err), 0);
	assert_null(ff_open_gateway(fixture->group, &spec, &opts, &err));
	ff_xspec_release(&spec);
	assert_int_equal(ff_xspec_parse(&spec, PYTHON, &err), 0);
	assert_non_null(ff_open_gateway(fixture->group, &spec, &opts, &err));
	RUN_UNTIL(fixture, seen.opened);
	assert_int_equal(seen.open_err.code, 0);
	channel =
		run(ff_group_get(fixture->group, "gw0"), "import os\nos.write(3, b'hello')", NULL);
	assert_int_equal(ff_channel_waitclose(channel, 20000, NULL), 0);
	ff_channel_unref(channel);
	assert_int_equal(read(ends[0], text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	close(ends[0]);
	close(ends[1]);
}

static bool older_opened;

static void on_older_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	assert_null(err);
	assert_null(ctx);
	older_opened = true;
}

static void on_unknown(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	fail_msg("what lies behind the options was called");
}

/* A program that knows the options up to `opened`; what lies behind is none of ours. */
static void older_options(void **state)
{
	struct fixture *fixture = *state;
	const struct ff_open_opts opts = {
		.size = offsetof(struct ff_open_opts, closed),
		.opened = on_older_opened,
		.closed = on_unknown,
		.ctx = fixture,
	};
	struct ff_xspec spec;

	older_opened = false;
	assert_int_equal(ff_xspec_parse(&spec, "popen//worker=native", NULL), 0);
	assert_non_null(ff_open_gateway(fixture->group, &spec, &opts, NULL));
	RUN_UNTIL(fixture, older_opened);
	assert_int_equal(ff_group_terminate(fixture->group, 5000), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(python_worker),
		CASE(older_options),
		CASE(a_descriptor_for_the_worker),
		CASE(native_worker),
		CASE(default_spec),
		CASE(configured_python),
		CASE(configured_native),
		CASE(config_that_fails),
		CASE(failures_in_words),
		CASE(silence_before_the_answer),
		CASE(paused_before_the_answer),
		CASE(noise_before_the_answer),
		CASE(same_id_twice),
		CASE(many_at_once),
		CASE(killed_worker),
		CASE(exits_are_known),
		CASE(exit_after_nonsense),
		CASE(exit_before_it_is_open),
		CASE(via_native),
		CASE(via_python),
		CASE(via_twice),
		CASE(upload_and_cache),
		CASE(out_of_memory),
		CASE(native_is_refused),
		CASE(programs_that_carry),
		CASE(socket_server),
		CASE(a_line_that_is_there),
		CASE(waits_for_its_parent),
		CASE(fails_with_its_parent),
		CASE(via_failures),
		CASE(parent_dies),
		CASE(terminated_while_opening),
		cmocka_unit_test_setup_teardown(freed_without_termination, setup, teardown_rudely),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("open", tests, warm_up, NULL);
}
