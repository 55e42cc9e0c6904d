/* The receiving half of a channel: items are queued, or given to its callback, until the end
 * marker. It must not know how frames arrive. */
#include "gateway/private.h"

#include <stdio.h>

#include "base/alloc.h"

static struct ff_msg *pop(struct ff_channel *channel)
{
	struct ff_msg *msg = channel->head;

	if (!msg)
		return NULL;
	channel->head = msg->next;
	if (!channel->head)
		channel->tail = &channel->head;
	if (channel->gateway)
		channel->gateway->held -= sizeof(*msg);
	return msg;
}

void ff_channel_drop_queue(struct ff_channel *channel)
{
	struct ff_msg *msg;

	while ((msg = pop(channel))) {
		ff_channel_consumed(channel, msg->len);
		ff_free(msg);
	}
}

/* Bytes delivered whose credit a sink holds back, or queued. */
size_t ff_channel_unreturned(const struct ff_channel *channel)
{
	return (size_t)(channel->uncounted + channel->outstanding - channel->consumed);
}

void ff_channel_drop_items(struct ff_channel *channel)
{
	ff_channel_drop_queue(channel);
	ff_channel_consumed(channel, ff_channel_unreturned(channel));
}

/* The end marker, when nothing more will come and nothing is queued. It waits for a callback that
 * is running, so that one never nests in itself. */
void ff_channel_give_end(struct ff_channel *channel)
{
	struct ff_gateway *gateway = channel->gateway;

	if (channel->state == FF_CHANNEL_OPENED || !channel->fn || channel->end_given ||
	    channel->calling || channel->paused || channel->head)
		return;
	channel->end_given = true;
	ff_channel_hold(channel);
	if (gateway)
		gateway->depth++;
	channel->fn(channel, NULL, channel->fn_ctx);
	if (gateway)
		gateway->depth--;
	ff_channel_unhold(channel);
}

static void deliver(struct ff_channel *channel, const void *bytes, uint32_t len)
{
	struct ff_gateway *gateway = channel->gateway;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err;

	if (!channel->fn || ff_load_item(&item, bytes, len, &channel->strconfig, 0, &err)) {
		ff_channel_consumed(channel, len);
		if (channel->fn)
			ff_channel_refuse_item(channel, &err);
		return;
	}
	channel->calling = true;
	channel->current = &item;
	channel->current_size = len;
	if (gateway)
		gateway->depth++;
	channel->fn(channel, &item, channel->fn_ctx);
	if (gateway)
		gateway->depth--;
	channel->current = NULL;
	channel->calling = false;
	ff_item_release(&item);
	if (!channel->hold_credit)
		ff_channel_consumed(channel, len);
	ff_channel_give_end(channel); /* if it was closed meanwhile */
}

static void enqueue(struct ff_channel *channel, const uint8_t *bytes, uint32_t len)
{
	struct ff_gateway *gateway = channel->gateway;
	struct ff_msg *msg = ff_malloc(sizeof(*msg) + len);

	if (!msg) {
		ff_gateway_fail(gateway, FF_ENOMEM, "channel %u: %s", channel->id,
				ff_err_text(FF_ENOMEM));
		return;
	}
	msg->next = NULL;
	msg->len = len;
	if (len)
		memcpy(msg->bytes, bytes, len);
	*channel->tail = msg;
	channel->tail = &msg->next;
	gateway->held += sizeof(*msg);
}

/* False: the peer had no right to send anything; the gateway is closed. */
static bool within_window(struct ff_channel *channel)
{
	struct ff_gateway *gateway = channel->gateway;
	uint64_t window = gateway->window > FF_CHANNEL_WINDOW_ASSUMED ? gateway->window
								      : FF_CHANNEL_WINDOW_ASSUMED;

	if (!gateway->hello_received || channel->outstanding < 2 * window)
		return true;
	ff_gateway_fail(gateway, FF_EPROTO,
			"channel %u: the peer exceeds its window of %u bytes: %llu unconsumed",
			channel->id, gateway->window, (unsigned long long)channel->outstanding);
	return false;
}

void ff_channel_set_item_max(struct ff_channel *channel, uint32_t bytes)
{
	channel->item_max = bytes;
}

bool ff_channel_takes(struct ff_channel *channel, uint32_t len)
{
	struct ff_gateway *gateway = channel->gateway;
	uint32_t max = channel->item_max ? channel->item_max : gateway->item_max;
	char text[128];

	if (channel->peer_done || !within_window(channel))
		return false;
	if (len <= max)
		return true;
	ff_channel_hold(channel);
	if (channel->state == FF_CHANNEL_OPENED && !channel->discard) {
		snprintf(text, sizeof(text),
			 "item of %u bytes on channel %u, its reader takes at most %u (item_max)",
			 len, channel->id, max);
		ff_channel_refuse(channel, text);
	}
	/* It is as good as consumed. */
	if (gateway->state != FF_GATEWAY_CLOSED && gateway->hello_received) {
		channel->outstanding += len;
		ff_channel_consumed(channel, len);
	}
	ff_channel_unhold(channel);
	return false;
}

void ff_channel_peer_data(struct ff_channel *channel, const uint8_t *bytes, uint32_t len)
{
	struct ff_gateway *gateway = channel->gateway;

	if (channel->peer_done || !within_window(channel))
		return;
	if (!gateway->hello_received)
		channel->uncounted += len;
	else
		channel->outstanding += len;
	gateway->held += len;
	if (gateway->held > FF_CHANNEL_QUEUE_MAX) {
		ff_gateway_fail(gateway, FF_ETOOBIG,
				"channel %u: over %u bytes of received items wait to be read",
				channel->id, (unsigned int)FF_CHANNEL_QUEUE_MAX);
		return;
	}
	ff_channel_hold(channel);
	if (channel->state != FF_CHANNEL_OPENED || channel->discard)
		ff_channel_consumed(channel, len);
	else if (channel->fn && !channel->head && !channel->paused)
		deliver(channel, bytes, len);
	else
		enqueue(channel, bytes, len);
	ff_channel_unhold(channel);
}

/* What is queued, as far as the callback wants it, and the end marker if that is all. */
static void deliver_queue(struct ff_channel *channel)
{
	struct ff_msg *msg;

	ff_channel_hold(channel);
	while (channel->fn && !channel->paused && !channel->calling && (msg = pop(channel))) {
		deliver(channel, msg->bytes, msg->len);
		ff_free(msg);
	}
	ff_channel_give_end(channel);
	ff_channel_unhold(channel);
}

void ff_channel_pause(struct ff_channel *channel, bool pause)
{
	bool before = channel->paused;

	channel->paused = pause && channel->refs;
	if (before && !channel->paused)
		deliver_queue(channel);
}

int ff_channel_set_callback(struct ff_channel *channel, ff_channel_fn *fn, void *ctx)
{
	if (channel->fn || channel->discard)
		return FF_EEXISTS;
	channel->fn = fn;
	channel->fn_ctx = ctx;
	deliver_queue(channel);
	return 0;
}

int ff_channel_replace_callback(struct ff_channel *channel, ff_channel_fn *fn, void *ctx)
{
	if (!channel->fn || channel->discard)
		return FF_EINVAL;
	if (channel->end_given)
		return FF_ECLOSED;
	channel->fn = fn;
	channel->fn_ctx = ctx;
	return 0;
}

int ff_channel_end_reason(const struct ff_channel *channel, struct ff_err *err)
{
	if (err)
		*err = (struct ff_err){0};
	if (channel->error && channel->state != FF_CHANNEL_OPENED) {
		((struct ff_channel *)channel)->error_seen = true; /* whoever looks has been told */
		return ff_err_set(err, FF_EREMOTE, "%s", channel->error);
	}
	return channel->why ? ff_err_set(err, FF_ELOST, "%s", channel->why->err.text) : 0;
}

void ff_channel_drop_callback(struct ff_channel *channel)
{
	channel->fn = NULL;
	channel->discard = true;
	/* What the sink held back will never be given by it. */
	ff_channel_drop_items(channel);
}

int ff_channel_take_item(struct ff_channel *channel, struct ff_item *item)
{
	if (!channel->current)
		return FF_EINVAL;
	*item = *channel->current;
	*channel->current = (struct ff_item)FF_ITEM_INIT;
	channel->current = NULL;
	return 0;
}

size_t ff_channel_item_size(const struct ff_channel *channel)
{
	return channel->calling ? channel->current_size : 0;
}

/* What a channel gives that has ended and holds nothing. */
static int ended(struct ff_channel *channel, struct ff_err *err)
{
	if (channel->error && !channel->error_taken) {
		channel->error_taken = true;
		return ff_err_set(err, FF_EREMOTE, "%s", channel->error);
	}
	if (channel->why && !channel->loss_taken) {
		channel->loss_taken = true;
		return ff_err_set(err, FF_ELOST, "%s", channel->why->err.text);
	}
	return ff_err_set(err, FF_EEOF, "channel %u: end of file", channel->id);
}

/* Whether there is an item to be polled: 0, else what the poll gives. */
static int check_poll(struct ff_channel *channel, struct ff_err *err)
{
	if (channel->fn || channel->discard)
		return ff_err_set(err, FF_EINVAL, "channel %u has a callback", channel->id);
	if (channel->head)
		return 0;
	return channel->state == FF_CHANNEL_OPENED ? FF_EAGAIN : ended(channel, err);
}

static void drop_first(struct ff_channel *channel)
{
	struct ff_msg *msg = pop(channel);

	if (!channel->hold_credit)
		ff_channel_consumed(channel, msg->len);
	ff_free(msg);
}

int ff_channel_poll(struct ff_channel *channel, struct ff_item *item, struct ff_err *err)
{
	int rc = check_poll(channel, err);

	if (rc)
		return rc;
	rc = ff_load_item(item, channel->head->bytes, channel->head->len, &channel->strconfig, 0,
			  err);
	if (rc != FF_ENOMEM) /* else it may be polled again */
		drop_first(channel);
	return rc;
}

int ff_channel_poll_packed(struct ff_channel *channel, struct ff_buf *out, struct ff_err *err)
{
	int rc = check_poll(channel, err);

	if (rc)
		return rc;
	rc = ff_buf_add(out, channel->head->bytes, channel->head->len);
	if (rc)
		return ff_err_set(err, rc, "channel %u: %s", channel->id, ff_err_text(rc));
	drop_first(channel);
	return 0;
}
