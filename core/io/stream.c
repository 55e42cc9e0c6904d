/* Bytes through a descriptor: read and written directly, libuv only says when. What is unsent stays
 * in the owner's buffer, so that its length is the truth. Knows no protocol. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/stream.h"
#include "io/loop_private.h"

enum {
	READS_PER_EVENT = 8, /* then others have their turn */
	WRITE_MAX = 1 << 20, /* bytes in one call */
};

static void on_ready(struct ff_watch *watch, int events);
static void on_end(struct ff_deferred *end);

static int open_stream(struct ff_stream *stream, const struct ff_stream *as, int64_t late_us,
		       struct ff_err *err)
{
	int events = as->reading ? FF_WATCH_READ : 0, on = 1, rc;

	*stream = *as;
	stream->open = true;
	ff_deferred_init(&stream->end, on_end);
	rc = ioctl(stream->fd, FIONBIO, &on) == 0 ? 0 : -errno;
	if (rc == 0)
		rc = late_us > 0 ? ff_watch_open_late(&stream->watch, stream->loop, stream->fd,
						      events, late_us, on_ready)
				 : ff_watch_open(&stream->watch, stream->loop, stream->fd, events,
						 on_ready);
	if (rc == 0)
		return 0;
	stream->open = false;
	close(stream->fd);
	return ff_err_set(err, FF_ESYS, "cannot watch a descriptor: %s", strerror(-rc));
}

int ff_stream_open(struct ff_stream *stream, struct ff_loop *loop, int fd, struct ff_buf *out,
		   const struct ff_stream_ops *ops, void *ctx, struct ff_err *err)
{
	const struct ff_stream as = {.loop = loop, .fd = fd, .out = out, .ops = ops, .ctx = ctx};

	return open_stream(stream, &as, 0, err);
}

int ff_stream_open_reading(struct ff_stream *stream, struct ff_loop *loop, int fd, int64_t late_us,
			   const struct ff_stream_ops *ops, void *ctx, struct ff_err *err)
{
	const struct ff_stream as = {
		.loop = loop, .fd = fd, .ops = ops, .ctx = ctx, .reading = true};

	return open_stream(stream, &as, late_us, err);
}

static void watch_again(struct ff_stream *stream)
{
	if (stream->fd >= 0)
		ff_watch_set(&stream->watch, (stream->reading ? FF_WATCH_READ : 0) |
						     (stream->writing ? FF_WATCH_WRITE : 0));
}

static void fail_write(struct ff_stream *stream, int errnum)
{
	struct ff_err err;

	stream->write_failed = true;
	stream->writing = false;
	ff_buf_clear(stream->out);
	ff_err_set(&err, errnum == EPIPE ? FF_ECLOSED : FF_ELOST, "cannot write: %s",
		   strerror(errnum));
	if (stream->ops->drained)
		stream->ops->drained(stream, &err, stream->ctx);
}

/* True: all was written; false: the descriptor is full, or failed. */
static bool write_some(struct ff_stream *stream)
{
	while (stream->out->len > 0) {
		size_t size = stream->out->len < WRITE_MAX ? stream->out->len : WRITE_MAX;
		ssize_t count = write(stream->fd, ff_buf_data(stream->out), size);

		if (count >= 0) {
			ff_buf_consume(stream->out, (size_t)count);
		} else if (errno == EAGAIN) {
			stream->writing = true;
			return false;
		} else if (errno != EINTR) {
			fail_write(stream, errno);
			return false;
		}
	}
	return true;
}

static void close_fd(struct ff_stream *stream);

static void end_writing(struct ff_stream *stream)
{
	if (shutdown(stream->fd, SHUT_WR) != 0 && errno == ENOTSOCK)
		close_fd(stream);
}

void ff_stream_flush(struct ff_stream *stream)
{
	if (!stream->open || stream->flushing || !stream->out)
		return;
	if (stream->write_failed || stream->fd < 0) {
		ff_buf_clear(stream->out);
		return;
	}
	stream->flushing = true;
	while (stream->out->len > 0 && !stream->write_failed) {
		if (!write_some(stream) || !stream->open)
			break;
		if (stream->ops->drained)
			stream->ops->drained(stream, NULL, stream->ctx);
		if (!stream->open)
			break;
	}
	stream->flushing = false;
	if (!stream->open)
		return;
	if (stream->shut && (stream->out->len == 0 || stream->write_failed))
		end_writing(stream);
	watch_again(stream);
}

void ff_stream_shutdown(struct ff_stream *stream)
{
	if (!stream->open || stream->shut)
		return;
	stream->shut = true;
	if (stream->flushing || stream->fd < 0)
		return;
	if (stream->out && stream->out->len > 0) {
		ff_stream_flush(stream);
	} else {
		end_writing(stream);
	}
}

static void end_reading(struct ff_stream *stream, int errnum)
{
	struct ff_err err;

	stream->reading = false;
	if (errnum)
		ff_err_set(&err, FF_ELOST, "cannot read: %s", strerror(errnum));
	stream->ops->eof(stream, errnum ? &err : NULL, stream->ctx);
}

/* Whether there may be more. */
static bool read_once(struct ff_stream *stream, size_t *count)
{
	ssize_t got = read(stream->fd, stream->loop->scratch, FF_LOOP_SCRATCH);

	*count = got > 0 ? (size_t)got : 0;
	if (got > 0) {
		stream->ops->data(stream, stream->loop->scratch, *count, stream->ctx);
		return stream->open && stream->reading;
	}
	if (got < 0 && errno == EINTR)
		return true;
	if (got == 0 || errno != EAGAIN)
		end_reading(stream, got == 0 ? 0 : errno);
	return false;
}

static void read_some(struct ff_stream *stream)
{
	size_t count;

	for (int i = 0; i < READS_PER_EVENT; i++) {
		/* A short read is as good as EAGAIN, which would cost another call. */
		if (!read_once(stream, &count) || (count > 0 && count < FF_LOOP_SCRATCH))
			return;
	}
}

void ff_stream_look(struct ff_stream *stream)
{
	size_t count;

	for (int i = 0; i < READS_PER_EVENT && stream->open && stream->reading; i++) {
		if (!read_once(stream, &count))
			return;
	}
}

void ff_stream_hurry(struct ff_stream *stream)
{
	if (stream->open && stream->fd >= 0)
		ff_watch_hurry(&stream->watch);
}

static void on_ready(struct ff_watch *watch, int events)
{
	struct ff_stream *stream = ff_container_of(watch, struct ff_stream, watch);

	if (stream->reading && (events & FF_WATCH_READ))
		read_some(stream);
	if (stream->open && stream->writing && (events & FF_WATCH_WRITE)) {
		stream->writing = false;
		ff_stream_flush(stream);
	}
	if (stream->open)
		watch_again(stream);
}

int ff_stream_read(struct ff_stream *stream, bool on)
{
	if (!stream->open || stream->fd < 0)
		return FF_ECLOSED;
	stream->reading = on;
	watch_again(stream);
	return 0;
}

void ff_stream_rest(struct ff_stream *stream, int64_t rest_us)
{
	if (stream->open && stream->fd >= 0)
		ff_watch_rest(&stream->watch, rest_us);
}

size_t ff_stream_unsent(const struct ff_stream *stream)
{
	return stream->open && stream->out ? stream->out->len : 0;
}

static void on_end(struct ff_deferred *end)
{
	struct ff_stream *stream = ff_container_of(end, struct ff_stream, end);

	stream->closed(stream, stream->ctx);
}

/* Its number may be somebody else's in a moment. */
static void close_fd(struct ff_stream *stream)
{
	if (stream->fd < 0)
		return;
	stream->reading = false;
	stream->writing = false;
	ff_watch_close(&stream->watch);
	close(stream->fd);
	stream->fd = -1;
}

void ff_stream_close(struct ff_stream *stream, void (*closed)(struct ff_stream *, void *ctx))
{
	stream->open = false;
	stream->closed = closed;
	close_fd(stream);
	if (closed)
		ff_loop_defer(stream->loop, &stream->end);
}
