/* How many small items a second go from a worker's channel to the controller's callback, in memory:
 * serialize, frame, credit, parse, deserialize, call. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gateway/channel.h"
#include "gateway/gateway.h"

enum { ITEMS = 2000000, BATCH = 4000, CHANNELS = 64 };

static long received;

static void count(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	received += item != NULL;
}

static void move(struct ff_gateway *from, struct ff_gateway *to)
{
	struct ff_buf *out = ff_gateway_output(from);

	if (out->len && ff_gateway_feed(to, ff_buf_data(out), out->len, 0, NULL))
		abort();
	ff_buf_consume(out, out->len);
	ff_gateway_sent(from);
}

/* Items of CHANNELS channels in turn; polled from queues, or given to callbacks. */
static double run(bool callbacks)
{
	const struct ff_gateway_opts opts_a = {.id = "a", .initiator = true};
	const struct ff_gateway_opts opts_b = {.id = "b"};
	struct ff_gateway *a = ff_gateway_new(&opts_a), *b = ff_gateway_new(&opts_b);
	struct ff_channel *ours[CHANNELS], *theirs[CHANNELS];
	struct ff_item item = FF_ITEM_INIT;
	int64_t start;
	long sent;
	int i;

	received = 0;
	ff_gateway_opened(a);
	ff_gateway_opened(b);
	ff_gateway_hello(a, 0, 0, 0);
	move(a, b);
	move(b, a);
	for (i = 0; i < CHANNELS; i++) {
		ours[i] = ff_channel_new(a);
		theirs[i] = ff_channel_from_id(b, ff_channel_id(ours[i]));
		if (callbacks)
			ff_channel_set_callback(ours[i], count, NULL);
	}
	start = ff_clock_us();
	for (sent = 0; sent < ITEMS;) {
		for (i = 0; i < BATCH; i++, sent++) {
			const struct ff_value value = ff_int(sent);

			if (ff_channel_send(theirs[sent % CHANNELS], &value, NULL))
				abort();
		}
		move(b, a);
		for (i = 0; i < CHANNELS && !callbacks; i++) {
			while (!ff_channel_poll(ours[i], &item, NULL)) {
				received++;
				ff_item_release(&item);
			}
		}
		move(a, b);
	}
	if (received != ITEMS)
		abort();
	start = ff_clock_us() - start;
	for (i = 0; i < CHANNELS; i++) {
		ff_channel_unref(ours[i]);
		ff_channel_unref(theirs[i]);
	}
	ff_gateway_free(a);
	ff_gateway_free(b);
	return ITEMS / ((double)start / (double)FF_SECOND_US);
}

int main(void)
{
	printf("messages_per_s %.0f\n", run(true));
	printf("queued_messages_per_s %.0f\n", run(false));
	return 0;
}
