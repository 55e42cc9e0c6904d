/* What each frame from the peer does. It must not know how frames are cut from bytes. */
#include "gateway/private.h"

#include "base/log.h"

static void refuse_exec(struct ff_gateway *gateway, uint32_t id, const char *error)
{
	struct ff_channel *channel = ff_table_get(&gateway->table, id);

	ff_channel_ref(channel);
	ff_channel_close(channel, error);
	ff_channel_unref(channel);
}

static void on_exec(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	struct ff_channel *channel = ff_table_get(&gateway->table, frame->channel);
	struct ff_item task = FF_ITEM_INIT;
	struct ff_err err;

	if (frame->channel % 2 == gateway->next_id % 2 || !frame->channel || channel) {
		ff_gateway_fail(gateway, FF_EPROTO,
				"CHANNEL_EXEC for channel %u, which is not free", frame->channel);
		return;
	}
	if (gateway->table.len >= FF_GATEWAY_CHANNELS_MAX) {
		ff_gateway_fail(gateway, FF_ETOOBIG, "the peer has over %u channels open",
				(unsigned int)FF_GATEWAY_CHANNELS_MAX);
		return;
	}
	channel = ff_channel_create(gateway, frame->channel);
	if (!channel) {
		ff_gateway_fail(gateway, FF_ENOMEM, "channel %u: %s", frame->channel,
				ff_err_text(FF_ENOMEM));
		return;
	}
	if (!gateway->ops->exec) {
		refuse_exec(gateway, frame->channel, "execution disallowed");
	} else if (ff_load_item(&task, frame->payload, frame->len, NULL, 0, &err)) {
		/* RECONFIGURE is about items: a task is read as ever. */
		refuse_exec(gateway, frame->channel, err.text);
	} else if (task.value.kind != FF_TUPLE || task.value.len != 4) {
		refuse_exec(gateway, frame->channel, "a task is a tuple of four");
	} else {
		gateway->depth++;
		gateway->ops->exec(gateway, ff_channel_ref(channel), &task.value, gateway->ctx);
		gateway->depth--;
	}
	ff_item_release(&task);
}

static void on_status(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	struct ff_buf *out = &gateway->out;
	struct ff_pack pack;
	size_t mark;
	int executing = 0;
	int rc;

	if (gateway->ops->numexecuting) {
		gateway->depth++;
		executing = gateway->ops->numexecuting(gateway, gateway->ctx);
		gateway->depth--;
	}
	if (gateway->state != FF_GATEWAY_OPEN)
		return;
	rc = ff_frame_begin(out, FF_FRAME_CHANNEL_DATA, frame->channel, &mark);
	if (!rc) {
		ff_pack_init(&pack, out);
		ff_pack_open(&pack, FF_DICT);
		ff_pack_str(&pack, "numchannels");
		ff_pack_int(&pack, gateway->table.len);
		ff_pack_str(&pack, "numexecuting");
		ff_pack_int(&pack, executing);
		ff_pack_str(&pack, "execmodel");
		ff_pack_str(&pack, gateway->execmodel);
		ff_pack_close(&pack);
		rc = ff_pack_done(&pack);
		if (!rc)
			rc = ff_frame_end(out, mark);
		if (rc)
			out->len = mark;
	}
	if (rc) {
		ff_gateway_fail(gateway, rc, "STATUS could not be answered: %s", ff_err_text(rc));
		return;
	}
	ff_gateway_appended(gateway, mark);
	ff_gateway_put(gateway, FF_FRAME_CHANNEL_CLOSE, frame->channel, NULL, 0);
}

static void on_reconfigure(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	struct ff_item item = FF_ITEM_INIT;
	const struct ff_value *first, *second;
	struct ff_channel *channel;
	struct ff_strconfig config;
	struct ff_err err;

	if (ff_load_item(&item, frame->payload, frame->len, &gateway->strconfig, 0, &err)) {
		ff_gateway_fail(gateway, err.code, "RECONFIGURE: %s", err.text);
		return;
	}
	first = ff_at(&item.value, 0);
	second = ff_at(&item.value, 1);
	if (!first || !second || first->kind != FF_BOOL || second->kind != FF_BOOL) {
		ff_gateway_fail(gateway, FF_EPROTO, "RECONFIGURE: not two booleans");
	} else {
		config.py2str_as_py3str = first->boolean;
		config.py3str_as_py2str = second->boolean;
		channel = ff_table_get(&gateway->table, frame->channel);
		if (!frame->channel)
			gateway->strconfig = config;
		else if (channel)
			channel->strconfig = config;
	}
	ff_item_release(&item);
}

static void on_close_error(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	struct ff_channel *channel = ff_table_get(&gateway->table, frame->channel);
	struct ff_item item = FF_ITEM_INIT;
	struct ff_buf shown = FF_BUF_INIT;
	struct ff_err err;
	const char *text;

	if (ff_load_item(&item, frame->payload, frame->len, NULL, 0, &err)) {
		ff_gateway_fail(gateway, err.code, "CHANNEL_CLOSE_ERROR: %s", err.text);
		return;
	}
	text = ff_as_str(&item.value, "(an error without text)");
	/* It will be a C string from here on. */
	if (strlen(text) < item.value.len && ff_as_str(&item.value, NULL) &&
	    ff_buf_add_shown(&shown, text, item.value.len) == 0 && ff_buf_str(&shown))
		text = ff_buf_str(&shown);
	if (channel)
		ff_channel_peer_close(channel, text);
	else
		ff_log("%s/%u: warning: unhandled remote error: %s", gateway->id, frame->channel,
		       text);
	ff_buf_release(&shown);
	ff_item_release(&item);
}

static void on_terminate(struct ff_gateway *gateway)
{
	gateway->terminated = true;
	gateway->depth++;
	ff_gateway_each(gateway, ff_channel_end_receiving);
	if (gateway->state == FF_GATEWAY_CLOSED)
		ff_gateway_each(gateway, ff_channel_lost); /* those that the walk had in hand */
	if (gateway->ops->terminate && gateway->state == FF_GATEWAY_OPEN)
		gateway->ops->terminate(gateway, gateway->ctx);
	gateway->depth--;
}

static void on_credit(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	struct ff_channel *channel = ff_table_get(&gateway->table, frame->channel);
	const uint8_t *p = frame->payload;
	uint32_t bytes;

	if (frame->len != 4 || p[0] & 0x80) {
		ff_gateway_fail(gateway, FF_EPROTO, "CHANNEL_CREDIT for channel %u is malformed",
				frame->channel);
		return;
	}
	bytes = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	if (channel)
		ff_channel_add_credit(channel, bytes);
}

/* Ours: only after HELLO. */
static void on_extension(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	if (frame->code == FF_FRAME_HELLO)
		ff_gateway_peer_hello(gateway, frame);
	else if (!gateway->hello_received)
		ff_gateway_fail(gateway, FF_EPROTO, "%s before HELLO", ff_frame_name(frame->code));
	else if (frame->code == FF_FRAME_CHANNEL_CREDIT)
		on_credit(gateway, frame);
}

/* Of the numbers that we give out, one that we have not given out yet. Others may be of channels
 * that have ended here: what was on its way is dropped. */
static bool never_opened(const struct ff_gateway *gateway, uint32_t id)
{
	return !id || (id % 2 == gateway->next_id % 2 && id >= gateway->next_id);
}

static void refuse_unopened(struct ff_gateway *gateway, uint32_t id)
{
	ff_gateway_fail(gateway, FF_EPROTO, "CHANNEL_DATA for channel %u, which was never opened",
			id);
}

bool ff_gateway_takes(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	struct ff_channel *channel;
	uint32_t max = FF_GATEWAY_CONTROL_MAX;

	/* Whoever may have code executed here may as well send what it likes. */
	if (!gateway->initiator)
		return true;
	if (frame->code == FF_FRAME_CHANNEL_DATA) {
		channel = ff_table_get(&gateway->table, frame->channel);
		if (channel)
			return ff_channel_takes(channel, frame->len);
		if (never_opened(gateway, frame->channel))
			refuse_unopened(gateway, frame->channel);
		return false;
	}
	if (frame->code == FF_FRAME_CHANNEL_CLOSE_ERROR)
		max = gateway->item_max;
	if (frame->len <= max)
		return true;
	ff_gateway_fail(gateway, FF_ETOOBIG, "frame %s of %u bytes, limit is %u",
			ff_frame_name(frame->code), frame->len, max);
	return false;
}

void ff_gateway_frame(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	struct ff_channel *channel;

	/* After TERMINATE the peer only waits for our end; what we still send may need its credit.
	 */
	if (gateway->terminated && frame->code >= FF_FRAME_STATUS &&
	    frame->code <= FF_FRAME_CHANNEL_LAST_MESSAGE)
		return;
	switch (frame->code) {
	case FF_FRAME_CHANNEL_DATA:
		channel = ff_table_get(&gateway->table, frame->channel);
		if (channel)
			ff_channel_peer_data(channel, frame->payload, frame->len);
		else if (never_opened(gateway, frame->channel))
			refuse_unopened(gateway, frame->channel);
		break;
	case FF_FRAME_CHANNEL_CLOSE:
		channel = ff_table_get(&gateway->table, frame->channel);
		if (channel)
			ff_channel_peer_close(channel, NULL);
		break;
	case FF_FRAME_CHANNEL_LAST_MESSAGE:
		channel = ff_table_get(&gateway->table, frame->channel);
		if (channel)
			ff_channel_peer_last(channel);
		break;
	case FF_FRAME_CHANNEL_CLOSE_ERROR:
		on_close_error(gateway, frame);
		break;
	case FF_FRAME_CHANNEL_EXEC:
		on_exec(gateway, frame);
		break;
	case FF_FRAME_STATUS:
		on_status(gateway, frame);
		break;
	case FF_FRAME_RECONFIGURE:
		on_reconfigure(gateway, frame);
		break;
	case FF_FRAME_GATEWAY_TERMINATE:
		on_terminate(gateway);
		break;
	case FF_FRAME_HELLO:
	case FF_FRAME_HEARTBEAT:
	case FF_FRAME_CHANNEL_CREDIT:
		on_extension(gateway, frame);
		break;
	default:
		ff_gateway_fail(gateway, FF_EPROTO, "unknown frame code %d (channel %u)",
				frame->code, frame->channel);
	}
}
