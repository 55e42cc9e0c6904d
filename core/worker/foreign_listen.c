/* execnet's socket server as `installvia=` wants it: bound to the address that was asked for and to
 * no other, for one connection, which gets a worker of its own. As with execnet, whoever connects
 * first is served: there is nothing in its protocol to know him by. So the port is not open for
 * longer than a peer needs that is already waiting for it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/spawn.h"
#include "io/watch.h"
#include "worker/foreign.h"
#include "worker/worker.h"

#define LISTEN_US (60 * FF_SECOND_US)

enum { HOST_MAX = 256, PORT_MAX = 65535 };

struct listener {
	struct ff_exec exec;
	struct ff_watch watch;
	struct ff_timer timer; /* until somebody has connected */
	int fd;		       /* -1: none yet */
	uint8_t refs;	       /* the execution, the callback, the timer */
	bool over;
};

static void unref(struct listener *listener)
{
	if (--listener->refs == 0)
		ff_free(listener);
}

static void on_timer_closed(struct ff_timer *timer)
{
	unref(timer->ctx);
}

static void finish(struct listener *listener, const char *error)
{
	if (listener->over)
		return;
	listener->over = true;
	if (listener->fd >= 0) {
		ff_watch_close(&listener->watch);
		close(listener->fd);
		listener->fd = -1;
	}
	ff_exec_finish(&listener->exec, error);
	ff_timer_close(&listener->timer, on_timer_closed);
	unref(listener);
}

static void on_time_out(struct ff_timer *timer)
{
	finish(timer->ctx, "nobody has connected in time");
}

static void end(struct ff_exec *exec, bool now)
{
	finish(ff_container_of(exec, struct listener, exec), "the worker is ending");
}

/* --- the connection --- */

static int serve(int sock, struct ff_err *err)
{
	char *const argv[] = {"/proc/self/exe", "-c", "socket", NULL};
	const struct ff_spawn spawn = {.argv = argv, .exec_fd = -1, .die_with_parent = true};
	struct ff_birth birth = {.spawn = &spawn, .in = sock, .out = sock, .err = -1};
	int rc = ff_spawn_run(&birth, err);

	if (!rc && birth.pidfd >= 0)
		close(birth.pidfd);
	return rc;
}

static void on_connection(struct ff_watch *watch, int events)
{
	struct listener *listener = ff_container_of(watch, struct listener, watch);
	int sock = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	struct ff_err err;
	int rc;

	if (sock < 0)
		return; /* it went away again */
	rc = serve(sock, &err);
	close(sock);
	finish(listener, rc ? err.text : NULL);
}

/* --- the address --- */

static int parse(const struct ff_value *item, struct sockaddr_in *address, struct ff_err *err)
{
	const struct ff_value *host = ff_at(item, 0), *number = ff_at(item, 1);
	char text[HOST_MAX] = "", *colon;
	int64_t port = -1;

	if (item->kind == FF_STR && item->len < HOST_MAX) {
		memcpy(text, item->text, item->len);
		colon = strrchr(text, ':');
		if (colon && colon[1] && !colon[1 + strspn(colon + 1, "0123456789")])
			port = strtol(colon + 1, NULL, 10);
		if (colon)
			*colon = '\0';
	} else if (host && number && host->kind == FF_STR && host->len < HOST_MAX) {
		memcpy(text, host->text, host->len);
		port = number->kind == FF_INT ? number->integer : -1;
	}
	if (port < 0 || port > PORT_MAX)
		return ff_err_set(err, FF_EINVAL, "cannot listen: (host, port) was expected");
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)port);
	if (!text[0])
		address->sin_addr.s_addr = htonl(INADDR_ANY); /* as Python means it */
	else if (!strcmp(text, "localhost"))
		address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (inet_pton(AF_INET, text, &address->sin_addr) != 1)
		return ff_err_set(err, FF_EUNSUPPORTED,
				  "cannot listen on '%s': a native worker knows no names but "
				  "localhost, only IPv4 addresses",
				  text);
	return 0;
}

static int open_port(struct listener *listener, const struct ff_value *item, struct ff_err *err)
{
	struct sockaddr_in address = {0};
	socklen_t len = sizeof(address);
	char text[INET_ADDRSTRLEN];
	struct ff_value pair[2], tuple;
	int rc = parse(item, &address, err), fd, on = 1;

	if (rc)
		return rc;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ff_err_sys(err, errno, "cannot listen");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
	if (bind(fd, (struct sockaddr *)&address, len) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&address, &len) ||
	    ff_watch_open(&listener->watch, &listener->exec.worker->loop, fd, FF_WATCH_READ,
			  on_connection)) {
		ff_err_sys(err, errno, "cannot listen on %s:%d", text, ntohs(address.sin_port));
		close(fd);
		return err->code;
	}
	listener->fd = fd;
	ff_timer_set(&listener->timer, ff_clock_us() + LISTEN_US);
	pair[0] = ff_str(text);
	pair[1] = ff_int(ntohs(address.sin_port));
	tuple = ff_collection(FF_TUPLE, pair, 2);
	return ff_channel_send(listener->exec.channel, &tuple, err);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct listener *listener = ctx;
	struct ff_err err;

	if (item) {
		if (listener->fd < 0 && !listener->over && open_port(listener, &item->value, &err))
			finish(listener, err.text);
		return;
	}
	/* execnet drops the channel once it knows the address, and connects after that. */
	if (listener->fd < 0)
		finish(listener, NULL);
	unref(listener);
}

int ff_foreign_listen(struct ff_worker *worker, struct ff_channel *channel,
		      const struct ff_request *request, struct ff_err *err)
{
	struct listener *listener = ff_calloc(1, sizeof(*listener));

	if (!listener)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	listener->fd = -1;
	listener->refs = 3;
	ff_timer_init(&listener->timer, &worker->loop, on_time_out, listener);
	ff_exec_begin(&listener->exec, worker, channel, end);
	ff_channel_set_callback(channel, on_item, listener);
	return FF_EXEC_RUNNING;
}
