/* Units that come through a descriptor while the run lasts. It is looked at by an epoll of our own:
 * the loop would make the descriptor itself non-blocking, for all who share it. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "dispatch/run.h"

enum { READ_BYTES = 64 << 10 };

struct ff_feed {
	struct ff_run_feed opts;
	uv_poll_t poll;
	int epoll;
	bool over, stopped;
	void (*put)(void *ctx, struct ff_input *input);
	void *ctx;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static void put_units(struct ff_feed *feed, int64_t count, const struct ff_err *err)
{
	struct ff_input *input = ff_input_new(FF_INPUT_UNITS);

	input->job = feed->opts.job;
	input->u.units.count = count > 0 ? (uint32_t)count : 0;
	input->u.units.open = !feed->over;
	if (count < 0)
		input->u.units.error = ff_input_text(input, err->text);
	feed->put(feed->ctx, input);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct ff_feed *feed = poll->data;
	struct ff_err err = {0};
	char bytes[READ_BYTES];
	int64_t count;
	ssize_t n;

	(void)status;
	(void)events;
	n = read(feed->opts.fd, bytes, sizeof(bytes));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	feed->over = n <= 0;
	if (n < 0) {
		ff_err_sys(&err, errno, "<stdin>");
		count = -1;
	} else {
		count = feed->opts.take(feed->opts.ctx, bytes, (size_t)n, n == 0, &err);
		feed->over |= count < 0;
	}
	if (count != 0 || feed->over)
		put_units(feed, count, &err);
	if (feed->over)
		uv_poll_stop(poll);
}

struct ff_feed *ff_feed_new(const struct ff_run_feed *opts, struct ff_loop *loop,
			    void (*put)(void *ctx, struct ff_input *input), void *ctx,
			    struct ff_err *err)
{
	struct epoll_event wanted = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct ff_feed *feed;

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, opts->fd, &wanted)) {
		ff_err_sys(err, errno, "<stdin>");
		if (epoll >= 0)
			close(epoll);
		return NULL;
	}
	feed = ff_xcalloc(1, sizeof(*feed));
	feed->opts = *opts;
	feed->epoll = epoll;
	feed->put = put;
	feed->ctx = ctx;
	uv_poll_init(loop->uv, &feed->poll, epoll);
	feed->poll.data = feed;
	uv_poll_start(&feed->poll, UV_READABLE, on_readable);
	return feed;
}

void ff_feed_look(struct ff_feed *feed, uint32_t waiting)
{
	bool stop = waiting > feed->opts.enough;

	if (!feed || feed->over || stop == feed->stopped)
		return;
	feed->stopped = stop;
	if (stop)
		uv_poll_stop(&feed->poll);
	else
		uv_poll_start(&feed->poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *handle)
{
	struct ff_feed *feed = handle->data;

	close(feed->epoll);
	feed->closed(feed->closed_ctx);
	ff_free(feed);
}

bool ff_feed_close(struct ff_feed *feed, void (*closed)(void *ctx), void *ctx)
{
	if (!feed)
		return false;
	feed->closed = closed;
	feed->closed_ctx = ctx;
	uv_close((uv_handle_t *)&feed->poll, on_closed);
	return true;
}
