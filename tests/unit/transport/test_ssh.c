/* The driver's life without an sshd: hosts that do not answer, ends at any time. Servers here are
 * sockets that accept and stay silent. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "transport/ssh_config.h"
#include "transport/transport.h"
#include "io/loop_private.h"

extern const struct ff_transport ff_transport_ssh;

enum { ROUNDS = 100000, GATEWAYS = 8 };

struct fixture {
	struct ff_loop loop;
	int listener;
	int port;
};

struct line {
	struct ff_conn conn;
	struct ff_xspec spec;
	struct ff_buf out;
	struct ff_err err;
	int opened, closed, freed;
};

static void on_opened(struct ff_conn *conn, void *ctx)
{
	((struct line *)ctx)->opened++;
}

static void on_data(struct ff_conn *conn, const void *bytes, size_t len, void *ctx)
{
}

static void on_sent(struct ff_conn *conn, void *ctx)
{
}

static void on_closed(struct ff_conn *conn, const struct ff_err *err, void *ctx)
{
	struct line *line = ctx;

	line->closed++;
	line->err = *err;
}

static void on_freed(struct ff_conn *conn)
{
	((struct line *)conn->ctx)->freed++;
}

static const struct ff_conn_ops ops = {
	.opened = on_opened,
	.data = on_data,
	.sent = on_sent,
	.closed = on_closed,
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	/* No agent of whoever runs the tests. */
	unsetenv("SSH_AUTH_SOCK");
	if (ff_loop_init(&f->loop, NULL) < 0)
		return -1;
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(f->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(f->listener, GATEWAYS) < 0 ||
	    getsockname(f->listener, (struct sockaddr *)&address, &len) < 0)
		return -1;
	f->port = ntohs(address.sin_port);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc = ff_loop_release(&f->loop);

	ff_ssh_resolve_clear();
	close(f->listener);
	free(f);
	return rc;
}

static int start(struct fixture *f, struct line *line, const char *spec, struct ff_err *err)
{
	struct ff_launch launch = {.command = "true", .exec_fd = -1};

	memset(line, 0, sizeof(*line));
	assert_int_equal(ff_xspec_parse(&line->spec, spec, err), 0);
	ff_buf_init(&line->out, 0);
	line->conn = (struct ff_conn){
		.transport = &ff_transport_ssh,
		.loop = &f->loop,
		.spec = &line->spec,
		.out = &line->out,
		.ops = &ops,
		.ctx = line,
		.status = -1,
	};
	return ff_transport_ssh.open(&line->conn, &launch, err);
}

static void start_here(struct fixture *f, struct line *line)
{
	struct ff_err err;
	char spec[128];

	snprintf(spec, sizeof(spec), "ssh=-o IdentityFile=none -p %d 127.0.0.1", f->port);
	assert_int_equal(start(f, line, spec, &err), 0);
}

static void release(struct fixture *f, struct line *line)
{
	line->conn.transport->release(&line->conn, on_freed);
	for (int i = 0; i < ROUNDS && !line->freed; i++)
		ff_loop_run_once(&f->loop, INT64_MAX);
	assert_int_equal(line->freed, 1);
	ff_xspec_release(&line->spec);
	ff_buf_release(&line->out);
}

static void wait_closed(struct fixture *f, struct line *line)
{
	for (int i = 0; i < ROUNDS && !line->closed; i++)
		ff_loop_run_once(&f->loop, INT64_MAX);
	assert_int_equal(line->closed, 1);
	assert_int_equal(line->opened, 0);
}

/* Until the handshake is under way: the other end has our version text. */
static int wait_handshake(struct fixture *f)
{
	char text[16];
	int fd = -1;

	for (int i = 0; i < ROUNDS && fd < 0; i++) {
		ff_loop_run_once(&f->loop, INT64_MAX);
		fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	}
	assert_true(fd >= 0);
	for (int i = 0; i < ROUNDS; i++) {
		if (recv(fd, text, 8, MSG_PEEK) == 8)
			break;
		ff_loop_run_once(&f->loop, 0);
	}
	assert_int_equal(recv(fd, text, 8, 0), 8);
	assert_memory_equal(text, "SSH-2.0-", 8);
	return fd;
}

static void test_no_host(void **state)
{
	struct line line;
	struct ff_err err = {0};

	assert_int_equal(start(*state, &line, "ssh", &err), FF_EINVAL);
	assert_null(line.conn.state);
	ff_xspec_release(&line.spec);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct line line;
	char words[128];

	/* A bound port that does not listen. */
	shutdown(f->listener, SHUT_RDWR);
	start_here(f, &line);
	wait_closed(f, &line);
	assert_int_equal(line.err.code, FF_EUNREACH);
	snprintf(words, sizeof(words), "ssh=127.0.0.1: connect to 127.0.0.1:%d: Connection refused",
		 f->port);
	assert_string_equal(line.err.text, words);
	release(f, &line);
}

static void test_kill_at_once(void **state)
{
	struct fixture *f = *state;
	struct line line;

	start_here(f, &line);
	ff_transport_ssh.kill(&line.conn);
	assert_int_equal(line.closed, 0);
	wait_closed(f, &line);
	assert_int_equal(line.err.code, FF_ECANCELED);
	/* Late calls are harmless. */
	ff_transport_ssh.flush(&line.conn);
	ff_transport_ssh.close_write(&line.conn);
	ff_transport_ssh.kill(&line.conn);
	release(f, &line);
	assert_int_equal(line.closed, 1);
}

static void test_kill_at_each_turn(void **state)
{
	struct fixture *f = *state;

	for (int turns = 0; turns < 8; turns++) {
		struct line line;

		start_here(f, &line);
		for (int i = 0; i < turns; i++)
			ff_loop_run_once(&f->loop, 0);
		ff_transport_ssh.kill(&line.conn);
		wait_closed(f, &line);
		assert_int_equal(line.err.code, FF_ECANCELED);
		release(f, &line);
		ff_ssh_resolve_clear();
	}
}

static void test_kill_in_the_handshake(void **state)
{
	struct fixture *f = *state;
	struct line line;
	int fd;

	start_here(f, &line);
	fd = wait_handshake(f);
	ff_transport_ssh.kill(&line.conn);
	wait_closed(f, &line);
	assert_int_equal(line.err.code, FF_ECANCELED);
	release(f, &line);
	close(fd);
}

static void test_release_in_the_handshake(void **state)
{
	struct fixture *f = *state;
	struct line line;
	int fd;

	start_here(f, &line);
	fd = wait_handshake(f);
	release(f, &line);
	assert_int_equal(line.closed, 0);
	close(fd);
}

static void test_release_at_once(void **state)
{
	struct line line;

	start_here(*state, &line);
	release(*state, &line);
	assert_int_equal(line.closed, 0);
}

static void test_peer_hangs_up(void **state)
{
	struct fixture *f = *state;
	struct line line;
	int fd;

	start_here(f, &line);
	fd = wait_handshake(f);
	close(fd);
	wait_closed(f, &line);
	assert_int_equal(line.err.code, FF_ELOST);
	assert_non_null(strstr(line.err.text, "no ssh handshake"));
	release(f, &line);
}

/* Puts an `ssh` in front of PATH that counts its runs in the folder's file "runs". */
static void fake_ssh(char *folder, int port)
{
	char path[64], file[64];
	FILE *script;

	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/ssh", folder);
	script = fopen(file, "w");
	fprintf(script,
		"#!/bin/sh\necho run >>%s/runs\necho hostname 127.0.0.1\necho port %d\n"
		"echo identityfile none\n",
		folder, port);
	fclose(script);
	chmod(file, 0700);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", folder);
	setenv("PATH", path, 1);
}

static long size_of_runs(const char *folder)
{
	char file[64];
	struct stat st;

	snprintf(file, sizeof(file), "%s/runs", folder);
	return stat(file, &st) == 0 ? (long)st.st_size : 0;
}

static void remove_fake_ssh(const char *folder)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/ssh", folder);
	unlink(file);
	snprintf(file, sizeof(file), "%s/runs", folder);
	unlink(file);
	rmdir(folder);
}

/* Several to one host ask `ssh -G` together, and it runs once; the first one's end does not disturb
 * the others. */
static void test_many(void **state)
{
	struct fixture *f = *state;
	static struct line lines[GATEWAYS];
	char folder[] = "/tmp/ff-ssh-XXXXXX";
	char *path = strdup(getenv("PATH"));

	fake_ssh(folder, f->port);

	shutdown(f->listener, SHUT_RDWR);
	for (int i = 0; i < GATEWAYS; i++)
		start_here(f, &lines[i]);
	ff_transport_ssh.kill(&lines[0].conn);
	for (int i = 0; i < GATEWAYS; i++) {
		wait_closed(f, &lines[i]);
		assert_int_equal(lines[i].err.code, i == 0 ? FF_ECANCELED : FF_EUNREACH);
	}
	for (int i = 0; i < GATEWAYS; i++)
		release(f, &lines[i]);
	assert_int_equal(size_of_runs(folder), strlen("run\n"));
	/* A later one finds the answer. */
	start_here(f, &lines[0]);
	wait_closed(f, &lines[0]);
	release(f, &lines[0]);
	assert_int_equal(size_of_runs(folder), strlen("run\n"));
	remove_fake_ssh(folder);
	setenv("PATH", path, 1);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_host, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill_at_each_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill_in_the_handshake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_release_in_the_handshake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_release_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_hangs_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
