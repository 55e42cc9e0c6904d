/* The fake line. It wraps a real popen connection and owns no protocol: what it does to the bytes
 * is what a network may do to them. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/alloc.h"
#include "fake_transport.h"
#include "transport/popen.h"
#include "transport/transport.h"

enum {
	HELD_HIGH = 1 << 20,   /* the inner line is not read above this */
	TURN_BYTES = 64 << 10, /* handed over in one turn of the loop, at most */
	TURN_PIECES = 256,
};

struct fake {
	struct ff_conn *conn;
	struct ff_conn inner;
	struct fake_settings settings;
	struct ff_buf out;  /* the inner line's: one piece */
	struct ff_buf held; /* of the peer's, not yet handed over */
	uv_idle_t idle;
	uint32_t random;
	size_t in_len, out_len;
	bool pumping, paused, inner_paused, write_closing, cut, inner_closed, told;
	struct ff_err why;
	unsigned alive; /* the idle handle and the inner line */
	void (*freed)(struct ff_conn *conn);
};

static struct fake_settings settings;
static size_t carried_in, carried_out;

const struct ff_transport *__real_ff_transport_find(const struct ff_xspec *spec,
						    struct ff_err *err);
const struct ff_transport *__wrap_ff_transport_find(const struct ff_xspec *spec,
						    struct ff_err *err);

void fake_transport_set(const struct fake_settings *to)
{
	settings = *to;
}

void fake_transport_carried(size_t *in, size_t *out)
{
	*in = carried_in;
	*out = carried_out;
}

/* xorshift: the same seed gives the same pieces. */
static uint32_t next_random(struct fake *fake)
{
	fake->random ^= fake->random << 13;
	fake->random ^= fake->random >> 17;
	fake->random ^= fake->random << 5;
	return fake->random;
}

/* Short ones are as likely as long ones, whatever the scale. */
static size_t next_piece(struct fake *fake, size_t available)
{
	size_t max = fake->settings.piece_max, size;
	unsigned bits = 0;

	if (max == 0)
		return available;
	while ((size_t)1 << bits < max)
		bits++;
	size = (size_t)1 << next_random(fake) % (bits + 1);
	size = 1 + next_random(fake) % size;
	if (size > max)
		size = max;
	return size < available ? size : available;
}

/* --- ours --- */

static void pump(struct fake *fake)
{
	struct ff_buf *from = fake->conn->out;
	size_t limit = fake->settings.cut_out;
	bool sent = false;

	if (fake->pumping) /* the inner line took a piece at once, and says so */
		return;
	fake->pumping = true;
	while (from->len > 0 && fake->out.len == 0 && !fake->cut && !fake->inner_closed) {
		size_t size = next_piece(fake, from->len);

		if (limit && size > limit - fake->out_len)
			size = limit - fake->out_len;
		if (ff_buf_add(&fake->out, ff_buf_data(from), size) != 0)
			abort();
		ff_buf_consume(from, size);
		fake->out_len += size;
		carried_out = fake->out_len;
		sent = true;
		fake->cut = limit && fake->out_len == limit;
		fake->write_closing |= fake->cut;
		fake->inner.transport->flush(&fake->inner);
	}
	if (fake->write_closing && !fake->inner_closed && (from->len == 0 || fake->cut)) {
		fake->write_closing = false;
		fake->inner.transport->close_write(&fake->inner);
	}
	fake->pumping = false;
	if (sent && !fake->told)
		fake->conn->ops->sent(fake->conn, fake->conn->ctx);
}

static void on_sent(struct ff_conn *inner, void *ctx)
{
	pump(ctx);
}

/* --- the peer's --- */

/* A copy of exactly its size: a reader that goes too far is caught. */
static void hand_over(struct fake *fake, size_t size)
{
	void *copy = malloc(size);

	if (!copy)
		abort();
	memcpy(copy, ff_buf_data(&fake->held), size);
	ff_buf_consume(&fake->held, size);
	fake->in_len += size;
	carried_in = fake->in_len;
	fake->conn->ops->data(fake->conn, copy, size, fake->conn->ctx);
	free(copy);
}

static void break_line(struct fake *fake)
{
	fake->cut = true;
	ff_buf_clear(&fake->held);
	ff_err_set(&fake->why, FF_ELOST, "the line was cut after %zu bytes", fake->in_len);
	if (!fake->inner_closed)
		fake->inner.transport->kill(&fake->inner);
}

static void tell_closed(struct fake *fake)
{
	if (fake->told || !fake->inner_closed || fake->held.len > 0)
		return;
	fake->told = true;
	uv_idle_stop(&fake->idle);
	fake->conn->status = fake->inner.status;
	fake->conn->ops->closed(fake->conn, &fake->why, fake->conn->ctx);
}

static void on_turn(uv_idle_t *idle)
{
	struct fake *fake = idle->data;
	size_t limit = fake->settings.cut_in, left = TURN_BYTES;

	for (int i = 0; i < TURN_PIECES && left > 0 && fake->held.len > 0 && !fake->paused; i++) {
		size_t size = next_piece(fake, fake->held.len < left ? fake->held.len : left);

		if (limit && size > limit - fake->in_len)
			size = limit - fake->in_len;
		left -= size;
		hand_over(fake, size);
		if (limit && fake->in_len == limit) {
			break_line(fake);
			break;
		}
		if (fake->settings.piece_max && next_random(fake) % 16 == 0)
			break; /* the rest is late */
	}
	if (fake->held.len == 0 || fake->paused)
		uv_idle_stop(idle);
	if (fake->inner_paused && fake->held.len < HELD_HIGH && !fake->inner_closed) {
		fake->inner_paused = false;
		fake->inner.transport->read(&fake->inner, true);
	}
	tell_closed(fake);
}

static void on_data(struct ff_conn *inner, const void *bytes, size_t len, void *ctx)
{
	struct fake *fake = ctx;

	if (fake->cut && fake->settings.cut_in)
		return;
	if (ff_buf_add(&fake->held, bytes, len) != 0)
		abort();
	if (fake->held.len >= HELD_HIGH && !fake->inner_paused) {
		fake->inner_paused = true;
		inner->transport->read(inner, false);
	}
	if (!fake->paused)
		uv_idle_start(&fake->idle, on_turn);
}

static void on_stderr(struct ff_conn *inner, const void *bytes, size_t len, void *ctx)
{
	struct fake *fake = ctx;

	if (fake->conn->ops->stderr_data)
		fake->conn->ops->stderr_data(fake->conn, bytes, len, fake->conn->ctx);
}

static void on_opened(struct ff_conn *inner, void *ctx)
{
	struct fake *fake = ctx;

	fake->conn->ops->opened(fake->conn, fake->conn->ctx);
}

static void on_closed(struct ff_conn *inner, const struct ff_err *err, void *ctx)
{
	struct fake *fake = ctx;

	fake->inner_closed = true;
	if (fake->why.code == 0)
		fake->why = *err;
	tell_closed(fake);
}

static const struct ff_conn_ops inner_ops = {
	.opened = on_opened,
	.data = on_data,
	.stderr_data = on_stderr,
	.sent = on_sent,
	.closed = on_closed,
};

/* --- the driver --- */

static void part_freed(struct fake *fake)
{
	struct ff_conn *conn = fake->conn;
	void (*freed)(struct ff_conn *) = fake->freed;

	if (--fake->alive > 0)
		return;
	ff_buf_release(&fake->out);
	ff_buf_release(&fake->held);
	free(fake);
	if (!freed)
		return; /* it was never opened */
	conn->state = NULL;
	freed(conn);
}

static void on_idle_closed(uv_handle_t *handle)
{
	part_freed(handle->data);
}

static void on_inner_freed(struct ff_conn *inner)
{
	part_freed(inner->ctx);
}

static int fake_open(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	int rc;

	if (!fake)
		abort();
	fake->conn = conn;
	fake->settings = settings;
	fake->random = settings.seed * 2654435761u + 1;
	fake->inner = *conn;
	fake->inner.transport = &ff_transport_popen;
	fake->inner.out = &fake->out;
	fake->inner.ops = &inner_ops;
	fake->inner.ctx = fake;
	fake->alive = 1;
	uv_idle_init(conn->loop->uv, &fake->idle);
	fake->idle.data = fake;
	rc = fake->inner.transport->open(&fake->inner, launch, err);
	if (rc != 0) {
		uv_close((uv_handle_t *)&fake->idle, on_idle_closed);
		return rc;
	}
	fake->alive++;
	carried_in = carried_out = 0;
	memcpy(conn->peer, fake->inner.peer, sizeof(conn->peer));
	conn->state = fake;
	return 0;
}

static void fake_flush(struct ff_conn *conn)
{
	pump(conn->state);
}

static void fake_read(struct ff_conn *conn, bool on)
{
	struct fake *fake = conn->state;

	fake->paused = !on;
	if (on && fake->held.len > 0)
		uv_idle_start(&fake->idle, on_turn);
}

static void fake_close_write(struct ff_conn *conn)
{
	struct fake *fake = conn->state;

	fake->write_closing = !fake->cut;
	pump(fake);
}

static void fake_kill(struct ff_conn *conn)
{
	struct fake *fake = conn->state;

	fake_read(conn, true);
	if (!fake->inner_closed)
		fake->inner.transport->kill(&fake->inner);
}

static void fake_release(struct ff_conn *conn, void (*freed)(struct ff_conn *conn))
{
	struct fake *fake = conn->state;

	fake->freed = freed;
	uv_close((uv_handle_t *)&fake->idle, on_idle_closed);
	fake->inner.transport->release(&fake->inner, on_inner_freed);
}

static const struct ff_transport transport_fake = {
	.name = "fake",
	.local = true,
	.launches = true,
	.open = fake_open,
	.flush = fake_flush,
	.read = fake_read,
	.close_write = fake_close_write,
	.kill = fake_kill,
	.release = fake_release,
};

const struct ff_transport *__wrap_ff_transport_find(const struct ff_xspec *spec, struct ff_err *err)
{
	const struct ff_transport *found = __real_ff_transport_find(spec, err);

	return settings.on && found == &ff_transport_popen ? &transport_fake : found;
}
