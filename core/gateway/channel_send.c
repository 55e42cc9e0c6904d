/* The sending half of a channel: items go to the gateway's output while the peer's window is open,
 * else they wait here as whole frames; and the credit that is given back for items received. */
#include "gateway/private.h"

#include "base/alloc.h"

static bool counting(const struct ff_channel *channel)
{
	return channel->gateway->hello_sent;
}

static bool has_credit(const struct ff_channel *channel)
{
	return !counting(channel) || channel->credit > 0;
}

bool ff_channel_can_send(const struct ff_channel *channel)
{
	return channel->gateway && channel->gateway->state != FF_GATEWAY_CLOSED &&
	       channel->state != FF_CHANNEL_CLOSED && !channel->eof_sent;
}

/* Opens a data frame where the next item belongs. */
static int begin_item(struct ff_channel *channel, struct ff_buf **buf, size_t *mark,
		      struct ff_err *err)
{
	struct ff_gateway *gateway = channel->gateway;
	int rc;

	if (!ff_channel_can_send(channel))
		return ff_err_set(err, FF_ECLOSED, "cannot send on channel %u: it is closed",
				  channel->id);
	if (channel->pending.len >= FF_CHANNEL_PENDING_MAX ||
	    gateway->out.len >= FF_GATEWAY_OUTPUT_MAX)
		return ff_err_set(err, FF_EAGAIN, "channel %u: the peer takes no more for now",
				  channel->id);
	*buf = channel->pending.len || !has_credit(channel) ? &channel->pending : &gateway->out;
	rc = ff_frame_begin(*buf, FF_FRAME_CHANNEL_DATA, channel->id, mark);
	if (rc)
		return ff_err_set(err, rc, "channel %u: %s", channel->id, ff_err_text(rc));
	return 0;
}

static int end_item(struct ff_channel *channel, struct ff_buf *buf, size_t mark, int rc,
		    struct ff_err *err)
{
	size_t len = buf->len - mark - FF_FRAME_HEADER;

	if (!rc && len > channel->gateway->frame_max)
		rc = FF_ETOOBIG;
	if (!rc)
		rc = ff_frame_end(buf, mark);
	if (rc) {
		buf->len = mark;
		/* ff_dump_item's words say more, where there are any. */
		if (err && err->code != rc)
			ff_err_set(err, rc, "channel %u: %s", channel->id, ff_err_text(rc));
		return rc;
	}
	if (buf == &channel->gateway->out) {
		if (counting(channel))
			channel->credit -= (int64_t)len;
		ff_gateway_appended(channel->gateway, mark);
	}
	return 0;
}

int ff_channel_send(struct ff_channel *channel, const struct ff_value *value, struct ff_err *err)
{
	struct ff_buf *buf;
	size_t mark;
	int rc;

	if (err)
		err->code = 0;
	rc = begin_item(channel, &buf, &mark, err);
	if (rc)
		return rc;
	return end_item(channel, buf, mark, ff_dump_item(buf, value, err), err);
}

int ff_channel_send_packed(struct ff_channel *channel, const struct ff_buf *packed,
			   struct ff_err *err)
{
	struct ff_buf *buf;
	size_t mark;
	int rc;

	if (err)
		err->code = 0;
	rc = begin_item(channel, &buf, &mark, err);
	if (rc)
		return rc;
	return end_item(channel, buf, mark, ff_buf_add(buf, ff_buf_data(packed), packed->len), err);
}

int ff_channel_send_bytes(struct ff_channel *channel, const void *bytes, size_t len,
			  struct ff_err *err)
{
	struct ff_pack pack;
	struct ff_buf *buf;
	size_t mark;
	int rc;

	if (err)
		err->code = 0;
	rc = begin_item(channel, &buf, &mark, err);
	if (rc)
		return rc;
	ff_pack_init(&pack, buf);
	ff_pack_bytes(&pack, bytes, len);
	return end_item(channel, buf, mark, ff_pack_done(&pack), err);
}

size_t ff_channel_pending(const struct ff_channel *channel)
{
	return channel->pending.len;
}

bool ff_channel_taken(const struct ff_channel *channel)
{
	return !channel->pending.len && !channel->untaken;
}

bool ff_channel_writable(const struct ff_channel *channel)
{
	return ff_channel_can_send(channel) && !channel->pending.len && has_credit(channel) &&
	       channel->gateway->out.len < FF_GATEWAY_OUTPUT_HIGH;
}

void ff_channel_set_drain(struct ff_channel *channel, void (*drain)(struct ff_channel *, void *),
			  void *ctx)
{
	ff_list_del(&channel->drain);
	channel->drain_fn = drain;
	channel->drain_ctx = ctx;
	if (drain && channel->gateway)
		ff_list_add_tail(&channel->gateway->drains, &channel->drain);
}

static void call_drain(struct ff_channel *channel)
{
	struct ff_gateway *gateway = channel->gateway;

	if (!channel->drain_fn)
		return;
	ff_channel_hold(channel);
	gateway->depth++;
	channel->drain_fn(channel, channel->drain_ctx);
	gateway->depth--;
	ff_channel_unhold(channel);
}

void ff_channel_end_sending(struct ff_channel *channel)
{
	void (*drain)(struct ff_channel *, void *) = channel->drain_fn;

	if (!drain)
		return;
	call_drain(channel);
	ff_channel_set_drain(channel, NULL, NULL);
}

void ff_gateway_drain(struct ff_gateway *gateway)
{
	struct ff_list round;

	if (ff_list_empty(&gateway->drains))
		return;
	/* One round: each is moved back before it is called, and may leave either list. */
	round = gateway->drains;
	round.next->prev = &round;
	round.prev->next = &round;
	ff_list_init(&gateway->drains);
	while (!ff_list_empty(&round)) {
		struct ff_channel *channel = ff_container_of(round.next, struct ff_channel, drain);

		ff_list_del(&channel->drain);
		ff_list_add_tail(&gateway->drains, &channel->drain);
		if (ff_channel_writable(channel))
			call_drain(channel);
	}
}

void ff_channel_put(struct ff_channel *channel, int code, const void *payload, size_t len)
{
	struct ff_gateway *gateway = channel->gateway;
	int rc;

	if (!channel->pending.len) {
		ff_gateway_put(gateway, code, channel->id, payload, len);
		return;
	}
	rc = ff_frame_put(&channel->pending, code, channel->id, payload, len);
	if (rc)
		ff_gateway_fail(gateway, rc, "channel %u: %s could not be sent: %s", channel->id,
				ff_frame_name(code), ff_err_text(rc));
}

/* A copy that is valid UTF-8 whatever the text was. */
static char *ascii_copy(const char *text)
{
	char *copy = ff_strdup(text);
	char *c;

	for (c = copy; c && *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	return copy;
}

void ff_channel_put_error(struct ff_channel *channel, const char *error)
{
	struct ff_value text = ff_str(error);
	struct ff_buf packed = FF_BUF_INIT;
	char *copy = NULL;
	int rc;

	rc = ff_dump_item(&packed, &text, NULL);
	if (rc == FF_EDUMP && (copy = ascii_copy(error))) {
		text = ff_str(copy);
		rc = ff_dump_item(&packed, &text, NULL);
	}
	ff_free(copy);
	if (rc)
		ff_gateway_fail(channel->gateway, rc, "channel %u: its error could not be sent: %s",
				channel->id, ff_err_text(rc));
	else
		ff_channel_put(channel, FF_FRAME_CHANNEL_CLOSE_ERROR, ff_buf_data(&packed),
			       packed.len);
	ff_buf_release(&packed);
}

void ff_channel_flush(struct ff_channel *channel)
{
	struct ff_gateway *gateway = channel->gateway;
	size_t before = gateway->out.len;
	struct ff_frame frame;
	size_t used;
	int rc = 0;

	while (channel->pending.len) {
		/* We wrote these frames: they parse, whatever the limit for received ones. */
		ff_frame_parse(ff_buf_data(&channel->pending), channel->pending.len, INT32_MAX,
			       &frame, &used, NULL);
		if (frame.code == FF_FRAME_CHANNEL_DATA && !has_credit(channel))
			break;
		rc = ff_buf_add(&gateway->out, ff_buf_data(&channel->pending), used);
		if (rc)
			break;
		if (frame.code == FF_FRAME_CHANNEL_DATA)
			channel->credit -= frame.len;
		ff_buf_consume(&channel->pending, used);
	}
	if (!channel->pending.len)
		ff_buf_release(&channel->pending);
	if (gateway->out.len > before)
		ff_gateway_appended(gateway, before);
	if (rc)
		ff_gateway_fail(gateway, rc, "channel %u: %s", channel->id, ff_err_text(rc));
	else if (!channel->pending.len && channel->state == FF_CHANNEL_CLOSED)
		ff_channel_unlist(channel); /* its CLOSE is out */
}

void ff_channel_add_credit(struct ff_channel *channel, int64_t bytes)
{
	bool before = ff_channel_writable(channel);

	ff_channel_hold(channel);
	/* More than was ever under way is the peer's mistake, at its own cost; it must not
	 * overflow. */
	if (channel->credit < INT64_MAX / 2)
		channel->credit += bytes;
	ff_channel_flush(channel);
	if (!before && ff_channel_writable(channel))
		call_drain(channel);
	ff_channel_unhold(channel);
}

static void put_credit(struct ff_channel *channel, uint32_t bytes)
{
	const uint8_t payload[4] = {(uint8_t)(bytes >> 24), (uint8_t)(bytes >> 16),
				    (uint8_t)(bytes >> 8), (uint8_t)bytes};

	/* Not behind pending data: both sides may be waiting for credit. */
	ff_gateway_put(channel->gateway, FF_FRAME_CHANNEL_CREDIT, channel->id, payload,
		       sizeof(payload));
}

void ff_channel_consumed(struct ff_channel *channel, size_t bytes)
{
	struct ff_gateway *gateway = channel->gateway;
	uint64_t old, room = channel->outstanding - channel->consumed;

	old = bytes < channel->uncounted ? bytes : channel->uncounted;
	if (bytes - old > room)
		bytes = (size_t)(old + room); /* more than was received */
	channel->uncounted -= old;
	channel->consumed += bytes - old;
	if (!gateway)
		return;
	gateway->held -= bytes < gateway->held ? bytes : gateway->held;
	if (gateway->state == FF_GATEWAY_CLOSED || channel->peer_done || !channel->listed)
		return;
	while (channel->consumed && channel->consumed >= gateway->window / 2) {
		uint32_t part =
			channel->consumed > INT32_MAX ? INT32_MAX : (uint32_t)channel->consumed;

		channel->consumed -= part;
		channel->outstanding -= part;
		put_credit(channel, part);
	}
}

void ff_channel_hold_credit(struct ff_channel *channel, bool hold)
{
	channel->hold_credit = hold;
}

void ff_channel_give_credit(struct ff_channel *channel, size_t bytes)
{
	ff_channel_consumed(channel, bytes);
}
