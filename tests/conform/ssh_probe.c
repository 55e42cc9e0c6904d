/* For ssh_transport.py: runs a command through the ssh driver alone, with our stdin and stdout as
 *its own. Says what happened on stderr, a line each, starting with "probe: ".
 *
 *	ssh_probe [-c] [-k BYTES] [-s BYTES] [-v] XSPEC COMMAND
 *
 * -c: do not close its input at our end of file, -k: kill it after BYTES of output, -s: stop
 *reading for a turn of the loop after each BYTES, -v: trace. Exit status: 0 if the line closed in
 *order, 3 if not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strv.h"
#include "transport/transport.h"
#include "io/loop_private.h"

extern const struct ff_transport ff_transport_ssh;

enum { PIECE = 1 << 16, OUT_MAX = 64 << 20, EXIT_BAD = 3 };

struct probe {
	struct ff_loop loop;
	struct ff_conn conn;
	struct ff_buf out;
	struct ff_deferred resume;
	size_t got, kill_at, pause_every, paused_at;
	bool done, freed, killed;
	int result;
};

static void trace(void *ctx, const char *text)
{
	fprintf(stderr, "trace: %s\n", text);
}

static void on_opened(struct ff_conn *conn, void *ctx)
{
	fprintf(stderr, "probe: opened: %s\n", conn->peer);
}

static void on_resume(struct ff_deferred *deferred)
{
	struct probe *probe = ff_container_of(deferred, struct probe, resume);

	if (!probe->done)
		probe->conn.transport->read(&probe->conn, true);
}

static void on_data(struct ff_conn *conn, const void *bytes, size_t len, void *ctx)
{
	struct probe *probe = ctx;

	if (fwrite(bytes, 1, len, stdout) != len)
		exit(EXIT_BAD);
	probe->got += len;
	if (probe->kill_at && probe->got >= probe->kill_at && !probe->killed) {
		probe->killed = true;
		conn->transport->kill(conn);
	}
	if (probe->pause_every && probe->got - probe->paused_at >= probe->pause_every) {
		probe->paused_at = probe->got;
		conn->transport->read(conn, false);
		ff_loop_defer(&probe->loop, &probe->resume);
	}
}

static void on_stderr(struct ff_conn *conn, const void *bytes, size_t len, void *ctx)
{
	fwrite(bytes, 1, len, stderr);
}

static void on_sent(struct ff_conn *conn, void *ctx)
{
}

static void on_closed(struct ff_conn *conn, const struct ff_err *err, void *ctx)
{
	struct probe *probe = ctx;

	fprintf(stderr, "probe: closed: %s %s; status %d; peer %s\n",
		err->code ? ff_err_name(err->code) : "ok", err->text, conn->status, conn->peer);
	probe->done = true;
	probe->result = err->code ? EXIT_BAD : 0;
}

static void on_freed(struct ff_conn *conn)
{
	struct probe *probe = conn->ctx;

	probe->freed = true;
}

static const struct ff_conn_ops ops = {
	.opened = on_opened,
	.data = on_data,
	.stderr_data = on_stderr,
	.sent = on_sent,
	.closed = on_closed,
};

/* All of our stdin, before anything runs. */
static void read_input(struct ff_buf *out)
{
	for (;;) {
		uint8_t *room = ff_buf_reserve(out, PIECE);
		ssize_t count = room ? read(STDIN_FILENO, room, PIECE) : 0;

		if (count <= 0)
			return;
		ff_buf_added(out, (size_t)count);
	}
}

static int run(struct probe *probe, const char *command, bool keep_open)
{
	struct ff_launch launch = {.command = command, .exec_fd = -1};
	struct ff_err err = {0};
	struct ff_conn *conn = &probe->conn;

	if (conn->transport->open(conn, &launch, &err) < 0) {
		fprintf(stderr, "probe: not started: %s %s\n", ff_err_name(err.code), err.text);
		return EXIT_BAD;
	}
	conn->transport->flush(conn);
	if (!keep_open)
		conn->transport->close_write(conn);
	while (!probe->done)
		ff_loop_run_once(&probe->loop, INT64_MAX);
	conn->transport->release(conn, on_freed);
	while (!probe->freed)
		ff_loop_run_once(&probe->loop, INT64_MAX);
	return probe->result;
}

int main(int argc, char **argv)
{
	static struct probe probe;
	struct ff_xspec spec;
	struct ff_err err = {0};
	bool keep_open = false;
	int option, rc;

	while ((option = getopt(argc, argv, "ck:s:v")) != -1) {
		if (option == 'c')
			keep_open = true;
		else if (option == 'k')
			probe.kill_at = strtoul(optarg, NULL, 10);
		else if (option == 's')
			probe.pause_every = strtoul(optarg, NULL, 10);
		else if (option == 'v')
			ff_log_set(trace, NULL);
		else
			return 2;
	}
	if (argc - optind != 2)
		return 2;
	if (ff_xspec_parse(&spec, argv[optind], &err) < 0 || ff_loop_init(&probe.loop, &err) < 0) {
		fprintf(stderr, "probe: %s\n", err.text);
		return EXIT_BAD;
	}
	ff_buf_init(&probe.out, OUT_MAX);
	ff_deferred_init(&probe.resume, on_resume);
	probe.conn = (struct ff_conn){
		.transport = &ff_transport_ssh,
		.loop = &probe.loop,
		.spec = &spec,
		.out = &probe.out,
		.ops = &ops,
		.ctx = &probe,
		.status = -1,
	};
	if (!isatty(STDIN_FILENO))
		read_input(&probe.out);
	rc = run(&probe, argv[optind + 1], keep_open);
	ff_deferred_cancel(&probe.resume);
	if (ff_loop_release(&probe.loop) != 0) {
		fprintf(stderr, "probe: handles are left\n");
		rc = EXIT_BAD;
	}
	ff_buf_release(&probe.out);
	ff_xspec_release(&spec);
	fflush(stdout);
	return rc;
}
