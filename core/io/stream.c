/* Bytes through a descriptor: read and written directly, libuv only says when. What is unsent stays
 * in the owner's buffer, so that its length is the truth. Knows no protocol. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/stream.h"

enum {
	READS_PER_EVENT = 8, /* then others have their turn */
	WRITE_MAX = 1 << 20, /* bytes in one call */
};

static void stream_poll(struct ff_stream *stream);

int ff_stream_open(struct ff_stream *stream, struct ff_loop *loop, int fd, struct ff_buf *out,
		   const struct ff_stream_ops *ops, void *ctx, struct ff_err *err)
{
	int rc;

	memset(stream, 0, sizeof(*stream));
	rc = uv_poll_init(&loop->uv, &stream->uv.poll, fd);
	if (rc != 0) {
		close(fd);
		return ff_err_set(err, FF_ESYS, "cannot watch a descriptor: %s", uv_strerror(rc));
	}
	stream->uv.poll.data = stream;
	stream->fd = fd;
	stream->out = out;
	stream->ops = ops;
	stream->ctx = ctx;
	stream->loop = loop;
	stream->open = true;
	return 0;
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
	stream_poll(stream);
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

static void read_some(struct ff_stream *stream)
{
	for (int i = 0; i < READS_PER_EVENT; i++) {
		ssize_t count = read(stream->fd, stream->loop->scratch, FF_LOOP_SCRATCH);

		if (count > 0) {
			stream->ops->data(stream, stream->loop->scratch, (size_t)count,
					  stream->ctx);
			/* A short read is as good as EAGAIN, which would cost another call. */
			if (!stream->open || !stream->reading || count < FF_LOOP_SCRATCH)
				return;
		} else if (count == 0) {
			end_reading(stream, 0);
			return;
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			end_reading(stream, errno);
			return;
		}
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct ff_stream *stream = poll->data;

	if (status < 0) {
		/* libuv stopped polling; what the matter is, reading or writing will tell. */
		stream->events = 0;
		events = UV_READABLE | UV_WRITABLE;
	}
	if (stream->reading && (events & (UV_READABLE | UV_DISCONNECT)))
		read_some(stream);
	if (stream->open && stream->writing && (events & UV_WRITABLE)) {
		stream->writing = false;
		ff_stream_flush(stream);
	}
	if (stream->open)
		stream_poll(stream);
}

static void stream_poll(struct ff_stream *stream)
{
	int events = (stream->reading ? UV_READABLE : 0) | (stream->writing ? UV_WRITABLE : 0);

	if (stream->handle_closing || events == stream->events)
		return;
	stream->events = events;
	if (events) {
		uv_poll_start(&stream->uv.poll, events, on_poll);
	} else {
		uv_poll_stop(&stream->uv.poll);
	}
}

int ff_stream_read(struct ff_stream *stream, bool on)
{
	if (!stream->open || stream->fd < 0)
		return FF_ECLOSED;
	stream->reading = on;
	stream_poll(stream);
	return 0;
}

size_t ff_stream_unsent(const struct ff_stream *stream)
{
	return stream->open && stream->out ? stream->out->len : 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct ff_stream *stream = handle->data;

	stream->handle_closed = true;
	if (!stream->open && stream->closed)
		stream->closed(stream, stream->ctx);
}

/* The poll handle goes with the descriptor: its number may be somebody else's in a moment. */
static void close_fd(struct ff_stream *stream)
{
	if (stream->fd < 0)
		return;
	stream->reading = false;
	stream->writing = false;
	stream->handle_closing = true;
	uv_close(&stream->uv.handle, on_closed);
	close(stream->fd);
	stream->fd = -1;
}

void ff_stream_close(struct ff_stream *stream, void (*closed)(struct ff_stream *, void *ctx))
{
	stream->open = false;
	stream->closed = closed;
	if (stream->handle_closed) {
		uv_idle_init(&stream->loop->uv, &stream->uv.idle);
		stream->uv.idle.data = stream;
		uv_close(&stream->uv.handle, on_closed);
	} else {
		close_fd(stream);
	}
}
