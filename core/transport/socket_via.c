/* A socket server that another gateway's worker connects to. A program there passes bytes on; here
 * they go through a pair of local sockets, whose other end is to socket.c what a connection of our
 * own would be, so that tokens hold from end to end. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "gateway/group.h"
#include "transport/open.h"
#include "transport/socket_session.h"
#include "transport/via.h"

enum {
	HIGH = 1 << 20, /* bytes that wait in either direction before the other side is stopped */
	WORDS_MAX = 512,
};

/* What the program says first: it is connected. */
#define CONNECTED "+"

struct ff_sock_via {
	struct ff_sock *sock;
	struct ff_conn conn;	 /* to the program */
	struct ff_stream stream; /* our end of the pair */
	struct ff_buf out, in;	 /* to the program; to the pair */
	struct ff_deferred reap;
	char words[WORDS_MAX]; /* its stderr */
	bool live, streaming, reaping, up;
};

/* For python workers, and on native ones farflung-worker's --connect: both take stdin and stdout,
 * say CONNECTED, or exit with words on stderr. */
static const char relay[] = "import os, socket, sys, threading\n"
			    "try:\n"
			    "    sock = socket.create_connection((sys.argv[1], sys.argv[2]))\n"
			    "    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
			    "except OSError as exc:\n"
			    "    sys.exit(exc.strerror or str(exc))\n"
			    "def forth():\n"
			    "    try:\n"
			    "        data = os.read(0, 65536)\n"
			    "        while data:\n"
			    "            sock.sendall(data)\n"
			    "            data = os.read(0, 65536)\n"
			    "        sock.shutdown(socket.SHUT_WR)\n"
			    "    except OSError:\n"
			    "        pass\n"
			    "def back(data):\n"
			    "    while data:\n"
			    "        data = data[os.write(1, data):]\n"
			    "back(b'" CONNECTED "')\n"
			    "threading.Thread(target=forth, daemon=True).start()\n"
			    "try:\n"
			    "    data = sock.recv(65536)\n"
			    "    while data:\n"
			    "        back(data)\n"
			    "        data = sock.recv(65536)\n"
			    "except OSError:\n"
			    "    os._exit(1)\n"
			    "os._exit(0)\n";

/* --- the end --- */

static void free_if_done(struct ff_sock_via *via)
{
	struct ff_sock *sock = via->sock;

	if (via->live || via->streaming || via->reaping)
		return;
	ff_buf_release(&via->out);
	ff_buf_release(&via->in);
	ff_free(via);
	sock->via = NULL;
	ff_sock_free_if_done(sock);
}

static void on_stream_closed(struct ff_stream *stream, void *ctx)
{
	struct ff_sock_via *via = ctx;

	via->streaming = false;
	free_if_done(via);
}

static void close_stream(struct ff_sock_via *via)
{
	if (via->streaming && via->stream.open)
		ff_stream_close(&via->stream, on_stream_closed);
}

static void on_conn_freed(struct ff_conn *conn)
{
	struct ff_sock_via *via = conn->ctx;

	via->reaping = false;
	free_if_done(via);
}

static void on_reap(struct ff_deferred *deferred)
{
	struct ff_sock_via *via = ff_container_of(deferred, struct ff_sock_via, reap);

	via->conn.transport->release(&via->conn, on_conn_freed);
}

void ff_sock_via_end(struct ff_sock *sock)
{
	struct ff_sock_via *via = sock->via;

	if (!via)
		return;
	close_stream(via);
	if (via->live)
		via->conn.transport->kill(&via->conn);
}

/* --- from the program --- */

static void on_opened(struct ff_conn *conn, void *ctx)
{
	/* It runs; whether it is connected it will say. */
}

static void on_conn_data(struct ff_conn *conn, const void *bytes, size_t len, void *ctx)
{
	struct ff_sock_via *via = ctx;
	struct ff_sock *sock = via->sock;

	if (!via->up && len && !sock->ended) {
		via->up = true;
		if (*(const char *)bytes != *CONNECTED) {
			ff_err_set(&sock->why, FF_EPROTO, "gateway '%s' cannot connect",
				   conn->spec->via);
			ff_sock_end(sock);
			return;
		}
		bytes = (const char *)bytes + 1;
		len--;
		ff_sock_connected(sock);
	}
	if (!len || !via->streaming || !via->stream.open)
		return;
	if (ff_buf_add(&via->in, bytes, len) != 0) {
		ff_sock_via_end(sock);
		return;
	}
	ff_stream_flush(&via->stream);
	if (via->live && via->in.len > HIGH)
		conn->transport->read(conn, false);
}

static void on_conn_stderr(struct ff_conn *conn, const void *bytes, size_t len, void *ctx)
{
	struct ff_sock_via *via = ctx;
	size_t have = strlen(via->words);

	snprintf(via->words + have, sizeof(via->words) - have, "%.*s", (int)len,
		 (const char *)bytes);
	via->words[strcspn(via->words, "\n")] = '\0';
}

static void on_sent(struct ff_conn *conn, void *ctx)
{
	struct ff_sock_via *via = ctx;

	if (via->out.len < HIGH && via->streaming && via->stream.open)
		ff_stream_read(&via->stream, true);
}

static void on_conn_closed(struct ff_conn *conn, const struct ff_err *err, void *ctx)
{
	struct ff_sock_via *via = ctx;
	struct ff_sock *sock = via->sock;

	via->live = false;
	via->reaping = true;
	ff_loop_defer(conn->loop, &via->reap);
	if (sock->ended)
		return;
	if (via->up && via->streaming && via->stream.open) {
		/* What has come is read first, then the end. */
		ff_stream_flush(&via->stream);
		ff_stream_shutdown(&via->stream);
		return;
	}
	ff_err_set(&sock->why, FF_EUNREACH, "gateway '%s' cannot connect to %s:%s: %s",
		   conn->spec->via, sock->host, sock->service,
		   *via->words ? via->words : err->text);
	ff_sock_end(sock);
}

static const struct ff_conn_ops conn_ops = {
	.opened = on_opened,
	.data = on_conn_data,
	.stderr_data = on_conn_stderr,
	.sent = on_sent,
	.closed = on_conn_closed,
};

/* --- from the pair --- */

static void on_stream_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	struct ff_sock_via *via = ctx;

	if (!via->live)
		return;
	if (ff_buf_add(&via->out, bytes, len) != 0) {
		via->conn.transport->kill(&via->conn);
		return;
	}
	via->conn.transport->flush(&via->conn);
	if (via->out.len > HIGH)
		ff_stream_read(stream, false);
}

static void on_stream_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_sock_via *via = ctx;

	if (via->live)
		via->conn.transport->close_write(&via->conn);
}

static void on_stream_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_sock_via *via = ctx;

	if (!err && via->live)
		via->conn.transport->read(&via->conn, true);
}

static const struct ff_stream_ops stream_ops = {
	.data = on_stream_data,
	.eof = on_stream_eof,
	.drained = on_stream_drained,
};

/* --- the beginning --- */

static int start_program(struct ff_sock_via *via, struct ff_err *err)
{
	struct ff_sock *sock = via->sock;
	const struct ff_gateway *parent = ff_group_get(via->conn.group, via->conn.spec->via);
	const char *own = parent ? ff_dict_str(ff_gateway_info(parent), "executable", "") : "";
	char *text = (char *)(uintptr_t)relay, python[] = "python3", c[] = "-c";
	char self[] = "/proc/self/exe", mode[] = "--connect";
	char *native[] = {self, mode, sock->host, sock->service, NULL};
	char *words[] = {
		*own ? (char *)(uintptr_t)own : python, c, text, sock->host, sock->service, NULL};
	const struct ff_launch launch = {
		.argv = parent && ff_gateway_is_native(parent) ? native : words, .exec_fd = -1};

	return via->conn.transport->open(&via->conn, &launch, err);
}

static int start(struct ff_sock_via *via, struct ff_err *err)
{
	int ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends))
		return ff_err_set(err, FF_ESYS, "no pair of sockets");
	rc = ff_stream_open(&via->stream, via->conn.loop, ends[0], &via->in, &stream_ops, via, err);
	if (rc) {
		close(ends[1]);
		return rc;
	}
	via->streaming = true;
	ff_stream_read(&via->stream, true);
	rc = start_program(via, err);
	if (rc) {
		close(ends[1]);
		return rc;
	}
	via->live = true;
	via->sock->fd = ends[1];
	return 0;
}

int ff_sock_via_reach(struct ff_sock *sock, struct ff_err *err)
{
	struct ff_sock_via *via = ff_calloc(1, sizeof(*via));
	int rc;

	if (!via)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	*via = (struct ff_sock_via){.sock = sock,
				    .conn = {.transport = &ff_transport_via,
					     .loop = sock->conn->loop,
					     .group = sock->conn->group,
					     .spec = sock->conn->spec,
					     .out = &via->out,
					     .ops = &conn_ops,
					     .ctx = via,
					     .status = -1}};
	ff_deferred_init(&via->reap, on_reap);
	sock->via = via;
	rc = start(via, &sock->why);
	if (rc && !via->streaming) {
		sock->via = NULL;
		ff_free(via);
		return ff_err_set(err, rc, "%s", sock->why.text);
	}
	/* The pair's end comes later, and so is the failure told. */
	if (rc)
		ff_sock_end(sock);
	return 0;
}
