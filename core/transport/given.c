/* Lines over a socket that was connected by others. Knows nothing of what is sent. */
#include <stdio.h>

#include "base/alloc.h"
#include "io/stream.h"
#include "transport/given.h"
#include "io/loop_private.h"

struct given {
	struct ff_conn *conn;
	struct ff_stream stream;
	struct ff_deferred start, end;
	struct ff_err why;
	bool ended;
	bool closing; /* the stream */
	void (*freed)(struct ff_conn *conn);
};

static void free_if_done(struct given *given)
{
	struct ff_conn *conn = given->conn;
	void (*freed)(struct ff_conn *) = given->freed;

	if (!freed || given->closing)
		return;
	ff_free(given);
	conn->state = NULL;
	freed(conn);
}

static void on_stream_closed(struct ff_stream *stream, void *ctx)
{
	struct given *given = ctx;

	given->closing = false;
	free_if_done(given);
}

static void on_end(struct ff_deferred *deferred)
{
	struct given *given = ff_container_of(deferred, struct given, end);

	given->conn->ops->closed(given->conn, &given->why, given->conn->ctx);
}

/* Deferred: it may be noticed inside any call of the owner's. */
static void end(struct given *given, const struct ff_err *why)
{
	if (given->ended)
		return;
	given->ended = true;
	if (why)
		given->why = *why;
	ff_deferred_cancel(&given->start);
	given->closing = true;
	ff_stream_close(&given->stream, on_stream_closed);
	ff_loop_defer(given->conn->loop, &given->end);
}

static void on_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	struct given *given = ctx;

	given->conn->ops->data(given->conn, bytes, len, given->conn->ctx);
}

static void on_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	end(ctx, err);
}

static void on_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct given *given = ctx;

	if (err)
		end(given, err);
	else if (!given->ended)
		given->conn->ops->sent(given->conn, given->conn->ctx);
}

static const struct ff_stream_ops stream_ops = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
};

static void on_start(struct ff_deferred *deferred)
{
	struct given *given = ff_container_of(deferred, struct given, start);

	ff_stream_read(&given->stream, true);
	given->conn->ops->opened(given->conn, given->conn->ctx);
}

static bool given_handles(const struct ff_xspec *spec)
{
	return false;
}

static int given_open(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err)
{
	struct given *given = ff_calloc(1, sizeof(*given));
	int rc;

	if (!given)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	given->conn = conn;
	ff_deferred_init(&given->start, on_start);
	ff_deferred_init(&given->end, on_end);
	snprintf(conn->peer, sizeof(conn->peer), "descriptor %d", launch->line);
	rc = ff_stream_open(&given->stream, conn->loop, launch->line, conn->out, &stream_ops, given,
			    err);
	if (rc != 0) {
		ff_free(given);
		return rc;
	}
	conn->state = given;
	ff_loop_defer(conn->loop, &given->start);
	return 0;
}

static void given_flush(struct ff_conn *conn)
{
	struct given *given = conn->state;

	if (!given->ended)
		ff_stream_flush(&given->stream);
}

static void given_read(struct ff_conn *conn, bool on)
{
	struct given *given = conn->state;

	if (!given->ended)
		ff_stream_read(&given->stream, on);
}

static void given_close_write(struct ff_conn *conn)
{
	struct given *given = conn->state;

	if (!given->ended)
		ff_stream_shutdown(&given->stream);
}

static void given_kill(struct ff_conn *conn)
{
	const struct ff_err why = {.code = FF_ELOST, .text = "the connection was closed here"};

	end(conn->state, &why);
}

static void given_release(struct ff_conn *conn, void (*freed)(struct ff_conn *conn))
{
	struct given *given = conn->state;

	given->freed = freed;
	free_if_done(given);
}

const struct ff_transport ff_transport_given = {
	.name = "given",
	.handles = given_handles,
	.local = true,
	.open = given_open,
	.flush = given_flush,
	.read = given_read,
	.close_write = given_close_write,
	.kill = given_kill,
	.release = given_release,
};
