/* Beyond execnet: capabilities, heartbeats, silence. Time is an argument. */
#include "gateway/private.h"

#include "base/clock.h"
#include "base/log.h"

enum { HELLO_VERSION = 1 };

/* Parts of silence_us: a tick that is late by AWAY says that nobody looked; a last look takes
 * DOUBT. */
enum { AWAY_PART = 4, DOUBT_PART = 16, HEARTBEATS_IN_SILENCE = 3 };
/* Timers are no more exact than this. */
#define ON_TIME_US ((int64_t)20000)

static int64_t announced_silence(const struct ff_gateway *gateway)
{
	if (!gateway->peer_silence_us || !gateway->silence_us)
		return gateway->silence_us;
	return gateway->peer_silence_us < 0 ? 0 : gateway->peer_silence_us;
}

static int put_hello(struct ff_gateway *gateway)
{
	struct ff_buf packed = FF_BUF_INIT;
	struct ff_pack pack;
	int rc;

	ff_pack_init(&pack, &packed);
	ff_pack_open(&pack, FF_DICT);
	ff_pack_str(&pack, "version");
	ff_pack_int(&pack, HELLO_VERSION);
	ff_pack_str(&pack, "window");
	ff_pack_int(&pack, gateway->window);
	ff_pack_str(&pack, "heartbeat_us");
	ff_pack_int(&pack, gateway->heartbeat_us);
	ff_pack_str(&pack, "silence_us");
	ff_pack_int(&pack, announced_silence(gateway));
	if (gateway->ops->announce)
		gateway->ops->announce(gateway, &pack, gateway->ctx);
	ff_pack_close(&pack);
	rc = ff_pack_done(&pack);
	if (rc)
		ff_gateway_fail(gateway, rc, "HELLO could not be sent: %s", ff_err_text(rc));
	else
		rc = ff_gateway_put(gateway, FF_FRAME_HELLO, 0, ff_buf_data(&packed), packed.len);
	ff_buf_release(&packed);
	if (!rc)
		gateway->hello_sent = true;
	return rc;
}

int ff_gateway_hello(struct ff_gateway *gateway, int64_t heartbeat_ms, int64_t silence_ms,
		     int64_t now_us)
{
	int64_t heartbeat_us = ff_us_of_ms(heartbeat_ms), silence_us = ff_us_of_ms(silence_ms);

	if (gateway->state == FF_GATEWAY_CLOSED)
		return FF_ECLOSED;
	if (!gateway->initiator || gateway->began || heartbeat_us < 0 || silence_us < 0)
		return FF_EINVAL;
	/* Who is to be heard within a time has to speak within it. */
	if (silence_us > 0 && heartbeat_us > silence_us / HEARTBEATS_IN_SILENCE)
		heartbeat_us = silence_us / HEARTBEATS_IN_SILENCE + 1;
	gateway->heartbeat_us = heartbeat_us;
	gateway->silence_us = silence_us;
	gateway->now_us = gateway->received_us = now_us;
	return put_hello(gateway);
}

/* Every channel's credit moves by `delta`. An item that was already sent on the strength of the
 * default window may leave it negative. */
static void adjust_credit(struct ff_gateway *gateway, int64_t delta)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &gateway->channels)
		ff_container_of(pos, struct ff_channel, link)->credit += delta;
}

static void flush_all(struct ff_gateway *gateway)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &gateway->channels) {
		struct ff_channel *channel = ff_container_of(pos, struct ff_channel, link);

		if (!channel->pending.len)
			continue;
		ff_channel_flush(channel);
		if (gateway->state == FF_GATEWAY_CLOSED)
			return;
	}
	ff_gateway_drain(gateway);
}

void ff_gateway_peer_hello(struct ff_gateway *gateway, const struct ff_frame *frame)
{
	struct ff_item item = FF_ITEM_INIT;
	int64_t window, heartbeat_us, silence_us;
	struct ff_err err;

	if (gateway->hello_received || (gateway->initiator && !gateway->hello_sent)) {
		ff_gateway_fail(gateway, FF_EPROTO, "HELLO that was not asked for");
		return;
	}
	if (ff_load_item(&item, frame->payload, frame->len, NULL, 0, &err)) {
		ff_gateway_fail(gateway, err.code, "HELLO: %s", err.text);
		return;
	}
	window = ff_dict_int(&item.value, "window", FF_CHANNEL_WINDOW_ASSUMED);
	heartbeat_us = ff_dict_int(&item.value, "heartbeat_us", 0);
	silence_us = ff_dict_int(&item.value, "silence_us", 0);
	if (item.value.kind != FF_DICT || window < 1 || window > INT32_MAX || heartbeat_us < 0 ||
	    silence_us < 0 || ff_dict_int(&item.value, "version", 0) < HELLO_VERSION) {
		ff_gateway_fail(gateway, FF_EPROTO, "HELLO is malformed");
		ff_item_release(&item);
		return;
	}
	gateway->hello_received = true;
	adjust_credit(gateway, window - (int64_t)gateway->peer_window);
	gateway->peer_window = (uint32_t)window;
	if (!gateway->initiator) {
		gateway->heartbeat_us = heartbeat_us;
		gateway->silence_us = silence_us;
		put_hello(gateway);
	}
	gateway->depth++;
	if (gateway->state != FF_GATEWAY_CLOSED)
		flush_all(gateway);
	if (gateway->ops->hello && gateway->state != FF_GATEWAY_CLOSED)
		gateway->ops->hello(gateway, &item.value, gateway->ctx);
	gateway->depth--;
	ff_item_release(&item);
}

bool ff_gateway_extended(const struct ff_gateway *gateway)
{
	return gateway->hello_sent && gateway->hello_received;
}

static int64_t after(int64_t from_us, int64_t period_us)
{
	return period_us > FF_NEVER_US - from_us ? FF_NEVER_US : from_us + period_us;
}

static int64_t heartbeat_due(const struct ff_gateway *gateway)
{
	if (!gateway->heartbeat_us || !ff_gateway_extended(gateway))
		return FF_NEVER_US;
	return after(gateway->sent_us, gateway->heartbeat_us);
}

static int64_t silence_due(const struct ff_gateway *gateway)
{
	if (!gateway->silence_us || !gateway->hello_sent || gateway->state != FF_GATEWAY_OPEN)
		return FF_NEVER_US;
	if (gateway->doubt_us)
		return gateway->doubt_us;
	return after(gateway->received_us, gateway->silence_us);
}

int64_t ff_gateway_deadline(const struct ff_gateway *gateway)
{
	int64_t heartbeat = heartbeat_due(gateway);
	int64_t silence = silence_due(gateway);

	if (gateway->state == FF_GATEWAY_CLOSED)
		return FF_NEVER_US;
	return heartbeat < silence ? heartbeat : silence;
}

/* Nobody looked for long: what the peer has said meanwhile may still lie there, and what it may
 * have said had it heard from us. */
static void forgive_absence(struct ff_gateway *gateway, int64_t due_us)
{
	int64_t late_us = gateway->now_us - due_us;

	if (!gateway->silence_us || late_us < gateway->silence_us / AWAY_PART ||
	    late_us <= ON_TIME_US)
		return;
	if (ff_log_on())
		ff_log("%s: we were away for %g s: its silence counts from here", gateway->id,
		       (double)late_us / (double)FF_SECOND_US);
	gateway->received_us = gateway->now_us;
	gateway->doubt_us = 0;
}

/* True: it is given up. */
static bool is_silent(struct ff_gateway *gateway)
{
	int64_t due_us = silence_due(gateway);

	if (due_us > gateway->now_us)
		return false;
	if (gateway->doubt_us || gateway->now_us - due_us <= ON_TIME_US)
		return true;
	gateway->doubt_us = after(gateway->now_us, gateway->silence_us / DOUBT_PART);
	return false;
}

int ff_gateway_tick(struct ff_gateway *gateway, int64_t now_us, struct ff_err *err)
{
	int64_t due_us = ff_gateway_deadline(gateway);
	int rc;

	if (gateway->state == FF_GATEWAY_CLOSED)
		return 0;
	gateway->now_us = now_us;
	forgive_absence(gateway, due_us);
	if (is_silent(gateway)) {
		ff_gateway_fail(gateway, FF_ELOST, "no sign of life for %g s",
				(double)gateway->silence_us / (double)FF_SECOND_US);
		return ff_err_set(err, FF_ELOST, "%s: %s", gateway->id, gateway->why->err.text);
	}
	if (heartbeat_due(gateway) > now_us)
		return 0;
	if (gateway->out.len) {
		gateway->sent_us = now_us; /* what waits says it as well, once it gets through */
		return 0;
	}
	rc = ff_gateway_put(gateway, FF_FRAME_HEARTBEAT, 0, NULL, 0);
	return rc ? ff_err_set(err, rc, "%s: %s", gateway->id, gateway->why->err.text) : 0;
}
