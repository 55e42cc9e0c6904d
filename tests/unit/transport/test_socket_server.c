/* The socket server and its clients in one process, on one loop: bounds, refusals, ends. What needs
 * other programs is in tests/conform/socket_server.py. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "transport/open.h"
#include "transport/socketserver.h"
#include "transport/token.h"
#include "worker/bootstrap.h"
#include "../../fakes/descriptors.h"
#include "io/loop_private.h"

enum { LIMIT_MS = 20000 };

struct fixture {
	struct ff_loop loop;
	struct ff_group *group;
	struct ff_socketserver *server;
	char token[64];
	char log[4096];
	int fds;
};

static int warm_up(void **state)
{
	struct ff_loop loop;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	ff_bootstrap_image_fd(NULL);
	return ff_loop_release(&loop);
}

static int setup(void **state)
{
	struct fixture *f = ff_xcalloc(1, sizeof(*f));

	f->fds = count_fds();
	assert_int_equal(ff_loop_init(&f->loop, NULL), 0);
	f->group = ff_open_group(&f->loop, NULL);
	snprintf(f->token, sizeof(f->token), "/tmp/ff-server-%d", (int)getpid());
	assert_int_equal(ff_token_make_file(f->token, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ff_group_terminate(f->group, LIMIT_MS), 0);
	ff_group_free(f->group);
	ff_socketserver_free(f->server);
	assert_int_equal(ff_loop_release(&f->loop), 0);
	assert_int_equal(unlink(f->token), 0);
	assert_int_equal(count_fds(), f->fds);
	ff_free(f);
	return 0;
}

static void on_log(void *ctx, const char *line)
{
	struct fixture *f = ctx;
	size_t len = strlen(f->log);

	snprintf(f->log + len, sizeof(f->log) - len, "%s\n", line);
}

static void serve(struct fixture *f, bool token, bool once)
{
	const struct ff_socketserver_opts opts = {
		.listen = "127.0.0.1:0",
		.token_file = token ? f->token : NULL,
		.once = once,
		.python = "/usr/bin/python3",
		.log = on_log,
		.ctx = f,
	};
	struct ff_err err = {0};

	f->server = ff_socketserver_new(&f->loop, &opts, &err);
	assert_string_equal(err.text, "");
	assert_non_null(f->server);
}

static struct ff_gateway *open_one(struct fixture *f, const char *more, struct ff_err *err)
{
	char spec[256];

	snprintf(spec, sizeof(spec), "socket=%s%s", ff_socketserver_address(f->server), more);
	return ff_makegateway(f->group, spec, err);
}

static int connect_raw(struct fixture *f)
{
	const char *port = strrchr(ff_socketserver_address(f->server), ':') + 1;
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void run_until_logged(struct fixture *f, const char *words)
{
	int64_t deadline_us = ff_clock_us() + (int64_t)LIMIT_MS * 1000;

	while (!strstr(f->log, words)) {
		assert_true(ff_clock_us() < deadline_us);
		ff_loop_run_once(&f->loop, deadline_us);
	}
}

static void echo(struct ff_gateway *gateway)
{
	struct ff_task task = {.source = "channel.send(channel.receive() * 2)"};
	struct ff_channel *channel = ff_gateway_remote_exec(gateway, &task, NULL);
	struct ff_value value = ff_int(21);
	struct ff_item item = FF_ITEM_INIT;

	assert_non_null(channel);
	assert_int_equal(ff_channel_send(channel, &value, NULL), 0);
	assert_int_equal(ff_channel_receive(channel, LIMIT_MS, &item, NULL), 0);
	assert_int_equal(ff_as_int(&item.value, 0), 42);
	ff_item_release(&item);
	ff_channel_unref(channel);
}

static void both_workers(void **state)
{
	struct fixture *f = *state;
	struct ff_gateway *gateway;
	struct ff_err err = {0};
	char more[128];

	serve(f, true, false);
	snprintf(more, sizeof(more), "//token_file=%s", f->token);
	gateway = open_one(f, more, &err);
	assert_string_equal(err.text, "");
	assert_false(ff_gateway_is_native(gateway));
	echo(gateway);
	snprintf(more, sizeof(more), "//token_file=%s//worker=native", f->token);
	gateway = open_one(f, more, &err);
	assert_string_equal(err.text, "");
	assert_true(ff_gateway_is_native(gateway));
	assert_int_equal(ff_group_terminate(f->group, LIMIT_MS), 0);
	run_until_logged(f, "the worker ended: exit status 0");
}

static void once(void **state)
{
	struct fixture *f = *state;
	struct ff_err err = {0};
	int64_t deadline_us = ff_clock_us() + (int64_t)LIMIT_MS * 1000;

	serve(f, false, true);
	assert_non_null(open_one(f, "", &err));
	assert_false(ff_socketserver_done(f->server));
	assert_null(open_one(f, "", &err));
	assert_int_equal(err.code, FF_EUNREACH);
	assert_int_equal(ff_group_terminate(f->group, LIMIT_MS), 0);
	while (!ff_socketserver_done(f->server)) {
		assert_true(ff_clock_us() < deadline_us);
		ff_loop_run_once(&f->loop, deadline_us);
	}
}

static void long_line(void **state)
{
	struct fixture *f = *state;
	char *line = ff_xcalloc(1, FF_SOCKETSERVER_REQUEST_MAX + 1);
	size_t sent = 0;
	int fd;

	memset(line, 'x', FF_SOCKETSERVER_REQUEST_MAX + 1);
	serve(f, false, false);
	fd = connect_raw(f);
	while (sent < FF_SOCKETSERVER_REQUEST_MAX + 1) {
		ssize_t count = write(fd, line + sent,
				      FF_SOCKETSERVER_REQUEST_MAX + 1 - sent < 65536
					      ? FF_SOCKETSERVER_REQUEST_MAX + 1 - sent
					      : 65536);

		assert_true(count > 0);
		sent += (size_t)count;
		ff_loop_run_once(&f->loop, ff_clock_us() + 1000);
	}
	run_until_logged(f, "refused: the line to execute is too long");
	close(fd);
	ff_free(line);
}

static void leaves_early(void **state)
{
	struct fixture *f = *state;
	int fd;

	serve(f, true, false);
	fd = connect_raw(f);
	close(fd);
	run_until_logged(f, "refused: it left without a word");
}

static void stop_ends_workers(void **state)
{
	struct fixture *f = *state;
	struct ff_gateway *gateway;
	struct ff_err err = {0};
	int64_t deadline_us = ff_clock_us() + (int64_t)LIMIT_MS * 1000;

	serve(f, false, false);
	gateway = open_one(f, "", &err);
	assert_non_null(gateway);
	ff_socketserver_stop(f->server, 0);
	while (!ff_socketserver_done(f->server) || ff_gateway_state(gateway) != FF_GATEWAY_CLOSED) {
		assert_true(ff_clock_us() < deadline_us);
		ff_loop_run_once(&f->loop, deadline_us);
	}
	assert_int_equal(ff_gateway_error(gateway)->code, FF_ELOST);
}

static void bad_python(void **state)
{
	struct fixture *f = *state;
	const struct ff_socketserver_opts opts = {
		.listen = "127.0.0.1:0",
		.python = "/nowhere/python",
		.log = on_log,
		.ctx = f,
	};
	struct ff_err err = {0};

	f->server = ff_socketserver_new(&f->loop, &opts, &err);
	assert_non_null(f->server);
	assert_null(open_one(f, "", &err));
	assert_int_equal(err.code, FF_ELOST);
	assert_non_null(strstr(f->log, "cannot run '/nowhere/python'"));
}

static void addresses(void **state)
{
	static const struct {
		const char *listen;
		int code;
		const char *words;
	} rows[] = {
		{"0.0.0.0:0", FF_EINVAL, "a token file is needed"},
		{":0", FF_EINVAL, "a token file is needed"},
		{"[::]:0", FF_EINVAL, "a token file is needed"},
		{"nonsense", FF_EINVAL, "HOST:PORT"},
		{"127.0.0.1:", FF_EINVAL, "HOST:PORT"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ff_socketserver_opts opts = {.listen = rows[i].listen};
		struct ff_err err = {0};

		assert_null(ff_socketserver_new(&f->loop, &opts, &err));
		assert_int_equal(err.code, rows[i].code);
		assert_non_null(strstr(err.text, rows[i].words));
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(both_workers),	 CASE(once),	   CASE(long_line), CASE(leaves_early),
		CASE(stop_ends_workers), CASE(bad_python), CASE(addresses),
	};

	return cmocka_run_group_tests(tests, warm_up, NULL);
}
