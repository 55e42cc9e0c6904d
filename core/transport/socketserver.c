/* The listening half of the socket server: who may listen where, accepting within bounds, and the
 * end of it all. Knows nothing of what a connection carries. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "transport/socketserver_session.h"
#include "io/loop_private.h"

enum {
	BACKLOG = 128,
	HOST_MAX = 256,
	HOST_TEXT = 80, /* numeric, with its scope */
	SERVICE_TEXT = 8,
	PAUSE_US = 1000000, /* without descriptors, before accepting again */
	LINE_MAX_TEXT = 1024,
	STOP_GRACE_S = 5,
};

void ff_socketserver_log(struct ff_socketserver *server, const char *fmt, ...)
{
	char line[LINE_MAX_TEXT];
	va_list args;

	if (!server->opts.log)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	server->opts.log(server->opts.ctx, line);
}

static void name_peer(const struct sockaddr *address, socklen_t len, char *text, size_t size)
{
	char host[HOST_TEXT], service[SERVICE_TEXT];

	if (getnameinfo(address, len, host, sizeof(host), service, sizeof(service),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		snprintf(text, size, "unknown");
		return;
	}
	if (strchr(host, ':'))
		snprintf(text, size, "[%s]:%s", host, service);
	else
		snprintf(text, size, "%s:%s", host, service);
}

/* --- accepting --- */

static void drop_oldest(struct ff_socketserver *server)
{
	struct ff_list *node;

	ff_list_for_each(node, &server->sessions) {
		struct ff_session *session = ff_container_of(node, struct ff_session, node);

		if (!session->pending)
			continue;
		ff_socketserver_log(server, "%s: refused: too many come without proving anything",
				    session->peer);
		ff_session_stop(session, ff_clock_us());
		return;
	}
}

static void welcome(struct ff_socketserver *server, int fd, const struct sockaddr *from,
		    socklen_t len)
{
	char peer[FF_SESSION_PEER_MAX];
	int on = 1;

	name_peer(from, len, peer, sizeof(peer));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (server->num_pending >= FF_SOCKETSERVER_PENDING_MAX)
		drop_oldest(server);
	ff_session_start(server, fd, peer);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void listen_again(struct ff_socketserver *server)
{
	if (server->fd >= 0 && server->num_sessions < FF_SOCKETSERVER_SESSIONS_MAX &&
	    server->pause.deadline_us == FF_NEVER_US)
		uv_poll_start(&server->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct ff_socketserver *server = poll->data;
	struct sockaddr_storage from;
	socklen_t len;
	int fd;

	while (server->fd >= 0) {
		if (server->num_sessions >= FF_SOCKETSERVER_SESSIONS_MAX) {
			uv_poll_stop(&server->poll);
			return;
		}
		len = sizeof(from);
		fd = accept4(server->fd, (struct sockaddr *)&from, &len,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			welcome(server, fd, (struct sockaddr *)&from, len);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			   errno == ENOBUFS) {
			ff_socketserver_log(server, "cannot accept: %s", strerror(errno));
			uv_poll_stop(&server->poll);
			ff_timer_set(&server->pause, ff_clock_us() + PAUSE_US);
			return;
		}
	}
}

static void on_pause_over(struct ff_timer *timer)
{
	listen_again(timer->ctx);
}

static void on_child(uv_signal_t *handle, int signal)
{
	struct ff_socketserver *server = handle->data;
	struct ff_list *node, *next;

	ff_list_for_each_safe(node, next, &server->sessions)
		ff_session_reap(ff_container_of(node, struct ff_session, node));
}

/* --- where --- */

static bool is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

	if (address->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static int bind_one(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1,
	    off = 0, errnum;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (to->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, to->ai_addr, to->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	errnum = errno;
	close(fd);
	errno = errnum;
	return -1;
}

/* IPv4 first where a host has both (execnet's client knows nothing else), but "all addresses" is
 * the IPv6 socket that takes both. */
static int bind_first(struct ff_socketserver *server, const struct addrinfo *list, bool all,
		      struct ff_err *err)
{
	bool bare = !server->has_token && !server->opts.allow_anyone_to_execute_code;
	int errnum = EADDRNOTAVAIL;

	for (int round = 0; round < 2; round++) {
		int family = (round == 0) == all ? AF_INET6 : AF_INET;

		for (const struct addrinfo *to = list; to; to = to->ai_next) {
			if (to->ai_family != family)
				continue;
			if (bare && !is_loopback(to->ai_addr))
				return ff_err_set(err, FF_EINVAL,
						  "--listen %s: anybody who can reach that "
						  "address could execute code here: a token file "
						  "is needed",
						  server->opts.listen);
			server->fd = bind_one(to);
			if (server->fd >= 0)
				return 0;
			errnum = errno;
		}
	}
	return ff_err_sys(err, errnum, "cannot listen on %s", server->opts.listen);
}

static int open_listener(struct ff_socketserver *server, struct ff_err *err)
{
	static const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE,
	};
	const char *text = server->opts.listen, *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	struct addrinfo *list;
	char host[HOST_MAX];
	int rc;

	if (!colon || !colon[1] || len >= sizeof(host))
		return ff_err_set(err, FF_EINVAL, "--listen %s: it wants HOST:PORT", text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)len, text);
	rc = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &list);
	if (rc != 0)
		return ff_err_set(err, FF_EINVAL, "--listen %s: %s", text, gai_strerror(rc));
	rc = bind_first(server, list, !*host, err);
	freeaddrinfo(list);
	return rc;
}

static void find_address(struct ff_socketserver *server)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);

	if (getsockname(server->fd, (struct sockaddr *)&bound, &len) == 0)
		name_peer((struct sockaddr *)&bound, len, server->address, sizeof(server->address));
}

/* --- life --- */

static void free_if_done(struct ff_socketserver *server)
{
	if (!server->freeing || server->handles > 0 || server->num_sessions > 0)
		return;
	server->loop->ending--;
	explicit_bzero(&server->token, sizeof(server->token));
	ff_free(server->python);
	ff_free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct ff_socketserver *server = handle->data;

	server->handles--;
	free_if_done(server);
}

static void on_pause_closed(struct ff_timer *timer)
{
	struct ff_socketserver *server = timer->ctx;

	server->handles--;
	free_if_done(server);
}

static void stop_listening(struct ff_socketserver *server)
{
	if (server->fd < 0)
		return;
	uv_close((uv_handle_t *)&server->poll, on_handle_closed);
	close(server->fd);
	server->fd = -1;
}

static void close_rest(struct ff_socketserver *server)
{
	if (!server->freeing || server->num_sessions > 0)
		return;
	uv_close((uv_handle_t *)&server->child, on_handle_closed);
	ff_timer_close(&server->pause, on_pause_closed);
}

static struct ff_socketserver *fail(struct ff_socketserver *server)
{
	if (server->fd >= 0)
		close(server->fd);
	explicit_bzero(&server->token, sizeof(server->token));
	ff_free(server->python);
	ff_free(server);
	return NULL;
}

struct ff_socketserver *ff_socketserver_new(struct ff_loop *loop,
					    const struct ff_socketserver_opts *opts,
					    struct ff_err *err)
{
	struct ff_socketserver *server = ff_calloc(1, sizeof(*server));
	int rc;

	if (!server) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	server->loop = loop;
	server->opts = *opts;
	server->fd = -1;
	server->python = ff_strdup(opts->python && *opts->python ? opts->python : "python3");
	ff_list_init(&server->sessions);
	server->has_token = opts->token_file;
	rc = server->python ? 0 : ff_err_set(err, FF_ENOMEM, "out of memory");
	if (rc == 0 && server->has_token)
		rc = ff_token_read(&server->token, opts->token_file, err);
	if (rc == 0)
		rc = open_listener(server, err);
	if (rc != 0)
		return fail(server);
	rc = uv_poll_init(loop->uv, &server->poll, server->fd);
	if (rc != 0) {
		ff_err_set(err, FF_ESYS, "cannot watch a descriptor: %s", uv_strerror(rc));
		return fail(server);
	}
	find_address(server);
	uv_signal_init(loop->uv, &server->child);
	ff_timer_init(&server->pause, loop, on_pause_over, server);
	server->handles = 3;
	server->poll.data = server->child.data = server;
	uv_signal_start(&server->child, on_child, SIGCHLD);
	listen_again(server);
	/* What is named in them may not outlive this call. */
	server->opts.listen = server->opts.token_file = server->opts.python = NULL;
	if (opts->listening)
		opts->listening(opts->ctx, server->address);
	return server;
}

const char *ff_socketserver_address(const struct ff_socketserver *server)
{
	return server->address;
}

void ff_socketserver_served(struct ff_socketserver *server)
{
	struct ff_list *node, *next;

	if (!server->opts.once)
		return;
	stop_listening(server);
	server->stopped = true;
	ff_list_for_each_safe(node, next, &server->sessions) {
		struct ff_session *session = ff_container_of(node, struct ff_session, node);

		if (session->state < FF_SESSION_RUNNING)
			ff_session_stop(session, ff_clock_us());
	}
}

void ff_socketserver_left(struct ff_socketserver *server)
{
	listen_again(server);
	close_rest(server);
	free_if_done(server);
}

void ff_socketserver_stop(struct ff_socketserver *server, int64_t grace_us)
{
	int64_t kill_at_us = ff_clock_us() + grace_us;
	struct ff_list *node, *next;

	stop_listening(server);
	server->stopped = true;
	ff_list_for_each_safe(node, next, &server->sessions)
		ff_session_stop(ff_container_of(node, struct ff_session, node), kill_at_us);
}

bool ff_socketserver_done(const struct ff_socketserver *server)
{
	return server->stopped && server->num_sessions == 0;
}

void ff_socketserver_free(struct ff_socketserver *server)
{
	if (!server)
		return;
	server->loop->ending++;
	ff_socketserver_stop(server, 0);
	server->opts.log = NULL;
	server->freeing = true;
	close_rest(server);
}

/* --- as a program --- */

static void on_stop(uv_signal_t *handle, int signal)
{
	struct ff_socketserver *server = handle->data;

	ff_socketserver_stop(server, server->stopping ? 0 : STOP_GRACE_S * FF_SECOND_US);
	server->stopping = true;
}

int ff_socketserver_run(const struct ff_socketserver_opts *opts, struct ff_err *err)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	enum { SIGNALS = sizeof(numbers) / sizeof(numbers[0]) };
	struct ff_socketserver *server;
	uv_signal_t signals[SIGNALS];
	struct ff_loop loop;
	struct ff_err cause = {0};
	int rc = ff_loop_init(&loop, err);

	if (rc != 0)
		return rc;
	/* Before anybody hears that it listens. */
	for (int i = 0; i < SIGNALS; i++) {
		uv_signal_init(loop.uv, &signals[i]);
		uv_signal_start(&signals[i], on_stop, numbers[i]);
	}
	server = ff_socketserver_new(&loop, opts, &cause);
	for (int i = 0; i < SIGNALS; i++)
		signals[i].data = server;
	while (server && !ff_socketserver_done(server))
		ff_loop_run_once(&loop, FF_NEVER_US);
	for (int i = 0; i < SIGNALS; i++)
		uv_close((uv_handle_t *)&signals[i], NULL);
	ff_socketserver_free(server);
	ff_loop_release(&loop);
	if (!server && err)
		*err = cause;
	return server ? 0 : cause.code;
}
