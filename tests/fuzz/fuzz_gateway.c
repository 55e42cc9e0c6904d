/* Whatever bytes a peer sends: a gateway of either role takes them, in pieces the input chooses,
 * with channels of every sort open, and gives all its memory back. The first byte is the piece
 * size; the second's bits are the settings. */
#include <stddef.h>
#include <stdint.h>

#include "gateway/channel.h"
#include "gateway/gateway.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
	struct ff_gateway *gateway;
	struct ff_channel *polled, *called, *executed;
	uint8_t settings;
};

static void on_exec(struct ff_gateway *gateway, struct ff_channel *channel,
		    const struct ff_value *task, void *ctx)
{
	struct target *target = ctx;

	ff_channel_unref(target->executed);
	target->executed = channel;
}

/* Answers, and now and then closes what it is called for. */
static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct target *target = ctx;

	if (!item)
		return;
	ff_channel_send(channel, &item->value, NULL);
	if (item->value.kind == FF_CHANNEL && target->settings & 4)
		ff_channel_unref(ff_channel_from_id(target->gateway, item->value.channel));
	if (item->value.kind == FF_NONE && target->settings & 8)
		ff_channel_close(channel, "enough");
}

static void poll_all(struct ff_channel *channel)
{
	struct ff_item item = FF_ITEM_INIT;
	int rc;

	if (!channel)
		return;
	do {
		rc = ff_channel_poll(channel, &item, NULL);
		ff_item_release(&item);
	} while (!rc);
}

static void feed(bool initiator, uint8_t settings, size_t piece, const uint8_t *data, size_t size)
{
	static const struct ff_gateway_ops ops = {.exec = on_exec};
	struct target target = {.settings = settings};
	const struct ff_gateway_opts opts = {.id = "fuzz",
					     .initiator = initiator,
					     .frame_max = 1 << 16,
					     .window_bytes = settings & 1 ? 16 : 0,
					     .ops = &ops,
					     .ctx = &target};
	int64_t now_us = 0;

	target.gateway = ff_gateway_new(&opts);
	if (!target.gateway)
		return;
	ff_gateway_opened(target.gateway);
	if (initiator && settings & 2)
		ff_gateway_hello(target.gateway, 1, 1000, now_us);
	target.polled = ff_channel_new(target.gateway);
	target.called = ff_channel_new(target.gateway);
	if (target.called)
		ff_channel_set_callback(target.called, on_item, &target);
	while (size && ff_gateway_state(target.gateway) == FF_GATEWAY_OPEN) {
		size_t len = size < piece ? size : piece;

		now_us += 1000;
		ff_gateway_feed(target.gateway, data, len, now_us, NULL);
		ff_gateway_tick(target.gateway, now_us, NULL);
		data += len;
		size -= len;
		if (settings & 16) {
			ff_buf_clear(ff_gateway_output(target.gateway));
			ff_gateway_sent(target.gateway);
			poll_all(target.polled);
			poll_all(target.executed);
		}
	}
	if (settings & 32) {
		ff_channel_unref(target.called);
		target.called = NULL;
	}
	poll_all(target.polled);
	poll_all(target.executed);
	ff_gateway_free(target.gateway);
	ff_channel_unref(target.polled);
	ff_channel_unref(target.called);
	ff_channel_unref(target.executed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	feed(true, data[1], (size_t)data[0] + 1, data + 2, size - 2);
	feed(false, data[1], (size_t)data[0] + 1, data + 2, size - 2);
	return 0;
}
