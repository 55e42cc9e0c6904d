/* Lines to a socket server: resolve, connect to one address after another, then a stream. What
 * protects it is socket_guard.c's. Knows nothing of what is sent. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "transport/socket.h"
#include "transport/socket_session.h"
#include "io/loop_private.h"

void ff_sock_free_if_done(struct ff_sock *sock)
{
	struct ff_conn *conn = sock->conn;
	void (*freed)(struct ff_conn *) = sock->freed;

	if (!freed || sock->resolving || sock->polling || sock->streaming || sock->timing ||
	    sock->installing || sock->via)
		return;
	if (sock->addresses)
		uv_freeaddrinfo(sock->addresses);
	ff_channel_unref(sock->installed);
	ff_sock_guard_release(sock);
	ff_free(sock);
	conn->state = NULL;
	freed(conn);
}

static void on_stream_closed(struct ff_stream *stream, void *ctx)
{
	struct ff_sock *sock = ctx;

	sock->streaming = false;
	ff_sock_free_if_done(sock);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct ff_sock *sock = handle->data;

	sock->polling = false;
	ff_sock_free_if_done(sock);
}

static void stop_polling(struct ff_sock *sock)
{
	if (sock->polling && !uv_is_closing((uv_handle_t *)&sock->poll))
		uv_close((uv_handle_t *)&sock->poll, on_poll_closed);
}

static void on_timer_closed(struct ff_timer *timer)
{
	struct ff_sock *sock = timer->ctx;

	sock->timing = false;
	ff_sock_free_if_done(sock);
}

static void on_late(struct ff_timer *timer)
{
	if (ff_overslept(timer->late_us, FF_SOCK_SHAKE_S * FF_SECOND_US))
		ff_timer_set(timer, ff_clock_us() + FF_SOCK_SHAKE_S * FF_SECOND_US);
	else
		ff_sock_guard_late(timer->ctx);
}

static void on_resume(struct ff_deferred *deferred)
{
	ff_sock_guard_resume(ff_container_of(deferred, struct ff_sock, resume));
}

static void on_end(struct ff_deferred *deferred)
{
	struct ff_sock *sock = ff_container_of(deferred, struct ff_sock, end);

	sock->conn->ops->closed(sock->conn, &sock->why, sock->conn->ctx);
}

/* Deferred: it may be noticed inside any call of the owner's. */
void ff_sock_end(struct ff_sock *sock)
{
	if (sock->ended)
		return;
	sock->ended = true;
	ff_deferred_cancel(&sock->resume);
	ff_timer_set(&sock->timer, FF_NEVER_US);
	if (sock->streaming && sock->stream.open)
		ff_stream_close(&sock->stream, on_stream_closed);
	stop_polling(sock);
	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
	ff_sock_uninstall(sock);
	ff_sock_via_end(sock);
	ff_loop_defer(sock->conn->loop, &sock->end);
}

static void on_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	ff_sock_guard_data(ctx, bytes, len);
}

static void on_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_sock *sock = ctx;

	if (err)
		sock->why = *err;
	ff_sock_guard_eof(sock);
	ff_sock_end(sock);
}

static void on_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_sock *sock = ctx;

	if (err) {
		sock->why = *err;
		ff_sock_end(sock);
	} else {
		ff_sock_guard_drained(sock);
	}
}

static const struct ff_stream_ops stream_ops = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
};

void ff_sock_connected(struct ff_sock *sock)
{
	struct ff_conn *conn = sock->conn;
	int on = 1, fd = sock->fd;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	sock->fd = -1;
	sock->why = (struct ff_err){0};
	if (ff_stream_open(&sock->stream, conn->loop, fd,
			   sock->guard == FF_SOCK_PLAIN ? conn->out : &sock->wire, &stream_ops,
			   sock, &sock->why) != 0) {
		ff_sock_end(sock);
		return;
	}
	sock->streaming = true;
	sock->reading = true;
	ff_stream_read(&sock->stream, true);
	ff_sock_guard_start(sock);
}

static void try_next(struct ff_sock *sock);

static void address_failed(struct ff_sock *sock, int errnum)
{
	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
	ff_err_set(&sock->why, FF_EUNREACH, "cannot connect to %s:%s: %s", sock->host,
		   sock->service, strerror(errnum));
}

static void on_tried_closed(uv_handle_t *handle)
{
	struct ff_sock *sock = handle->data;

	sock->polling = false;
	if (sock->ended) {
		ff_sock_free_if_done(sock);
	} else if (sock->fd >= 0) {
		ff_sock_connected(sock);
	} else {
		try_next(sock);
	}
}

static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct ff_sock *sock = poll->data;
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	getsockopt(sock->fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
	/* The descriptor gets another poll handle: this one goes first. */
	uv_close((uv_handle_t *)poll, on_tried_closed);
	if (errnum != 0)
		address_failed(sock, errnum);
}

static void try_next(struct ff_sock *sock)
{
	while (sock->next) {
		const struct addrinfo *to = sock->next;

		sock->next = to->ai_next;
		sock->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (sock->fd < 0 ||
		    (connect(sock->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)) {
			address_failed(sock, errno);
			continue;
		}
		if (uv_poll_init(sock->conn->loop->uv, &sock->poll, sock->fd) != 0) {
			address_failed(sock, ENOMEM);
			continue;
		}
		sock->poll.data = sock;
		sock->polling = true;
		uv_poll_start(&sock->poll, UV_WRITABLE, on_connect);
		return;
	}
	ff_sock_end(sock);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
	struct ff_sock *sock = request->data;

	sock->resolving = false;
	sock->addresses = sock->next = addresses;
	if (sock->ended) {
		ff_sock_free_if_done(sock);
		return;
	}
	if (status != 0) {
		ff_err_set(&sock->why, FF_EUNREACH, "cannot resolve '%s': %s", sock->host,
			   uv_strerror(status));
		ff_sock_end(sock);
		return;
	}
	try_next(sock);
}

int ff_sock_split(struct ff_sock *sock, const char *text, struct ff_err *err)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (!colon || !colon[1] || len >= FF_SOCK_HOST_MAX ||
	    strlen(colon + 1) >= FF_SOCK_SERVICE_MAX)
		return ff_err_set(err, FF_EINVAL, "socket=%s: it wants host:port", text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	memcpy(sock->host, text, len);
	sock->host[len] = '\0';
	if (len == 0)
		memcpy(sock->host, "localhost", sizeof("localhost"));
	memcpy(sock->service, colon + 1, strlen(colon + 1) + 1);
	return 0;
}

int ff_sock_reach(struct ff_sock *sock, struct ff_err *err)
{
	static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	int rc = uv_getaddrinfo(sock->conn->loop->uv, &sock->resolve, on_resolved, sock->host,
				sock->service, &hints);

	if (rc != 0)
		return ff_err_set(err, FF_EUNREACH, "cannot resolve '%s': %s", sock->host,
				  uv_strerror(rc));
	sock->resolving = true;
	return 0;
}

static int begin(struct ff_sock *sock, struct ff_err *err)
{
	const struct ff_xspec *spec = sock->conn->spec;
	int rc = ff_sock_guard_choose(sock, err);

	if (rc != 0)
		return rc;
	if (spec->installvia)
		return ff_sock_install(sock, err);
	rc = ff_sock_split(sock, spec->socket, err);
	if (rc == 0)
		rc = spec->via ? ff_sock_via_reach(sock, err) : ff_sock_reach(sock, err);
	return rc;
}

static void on_unused_timer(struct ff_timer *timer)
{
	struct ff_sock *sock = timer->ctx;

	ff_channel_unref(sock->installed);
	ff_sock_guard_release(sock);
	ff_free(sock);
}

static int socket_open(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err)
{
	struct ff_sock *sock = ff_calloc(1, sizeof(*sock));
	int rc;

	if (!sock)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	sock->conn = conn;
	sock->fd = -1;
	sock->resolve.data = sock;
	ff_deferred_init(&sock->end, on_end);
	ff_deferred_init(&sock->resume, on_resume);
	ff_buf_init(&sock->line, FF_SOCK_LINE_MAX);
	ff_timer_init(&sock->timer, conn->loop, on_late, sock);
	sock->timing = true;
	snprintf(conn->peer, sizeof(conn->peer), "socket %.200s", conn->spec->socket);
	rc = begin(sock, err);
	if (rc != 0) {
		ff_timer_close(&sock->timer, on_unused_timer);
		return rc;
	}
	conn->state = sock;
	return 0;
}

static void socket_flush(struct ff_conn *conn)
{
	struct ff_sock *sock = conn->state;

	if (sock->streaming && !sock->ended)
		ff_sock_guard_flush(sock);
}

static void socket_read(struct ff_conn *conn, bool on)
{
	struct ff_sock *sock = conn->state;

	if (!sock->streaming || sock->ended)
		return;
	sock->reading = on;
	ff_stream_read(&sock->stream, on);
	if (on && sock->tls)
		ff_loop_defer(conn->loop, &sock->resume);
}

static void socket_close_write(struct ff_conn *conn)
{
	struct ff_sock *sock = conn->state;

	if (!sock->streaming || sock->ended)
		return;
	sock->close_write = true;
	ff_sock_guard_flush(sock);
}

static void socket_kill(struct ff_conn *conn)
{
	struct ff_sock *sock = conn->state;

	if (!sock->ended)
		ff_err_set(&sock->why, FF_ELOST, "the connection was closed here");
	ff_sock_end(sock);
}

static void socket_release(struct ff_conn *conn, void (*freed)(struct ff_conn *conn))
{
	struct ff_sock *sock = conn->state;

	sock->freed = freed;
	if (sock->resolving)
		uv_cancel((uv_req_t *)&sock->resolve);
	ff_timer_close(&sock->timer, on_timer_closed);
	ff_sock_free_if_done(sock);
}

static bool socket_handles(const struct ff_xspec *spec)
{
	return spec->socket;
}

const struct ff_transport ff_transport_socket = {
	.name = "socket",
	.handles = socket_handles,
	.open = socket_open,
	.flush = socket_flush,
	.read = socket_read,
	.close_write = socket_close_write,
	.kill = socket_kill,
	.release = socket_release,
};
