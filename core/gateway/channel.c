/* A channel's life, its states and its end. What it receives is in channel_receive.c, what it sends
 * and the credit for it in channel_send.c. It must not know how frames arrive. */
#include "gateway/private.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/log.h"

static const char *gateway_name(const struct ff_channel *channel)
{
	return channel->gateway ? channel->gateway->id : "-";
}

/* --- states --- */

static void transition(struct ff_channel *channel, enum ff_channel_event event)
{
	enum { O = FF_CHANNEL_OPENED, S = FF_CHANNEL_SENDONLY, C = FF_CHANNEL_CLOSED };
	static const uint8_t next[][FF_CHANNEL_EVENTS] = {
		[O] = {[FF_CHANNEL_ON_CLOSE] = C,
		       [FF_CHANNEL_ON_DROP] = C,
		       [FF_CHANNEL_ON_PEER_CLOSE] = C,
		       [FF_CHANNEL_ON_PEER_ERROR] = C,
		       [FF_CHANNEL_ON_PEER_LAST] = S,
		       [FF_CHANNEL_ON_LOST] = S},
		[S] = {[FF_CHANNEL_ON_CLOSE] = C,
		       [FF_CHANNEL_ON_DROP] = C,
		       [FF_CHANNEL_ON_PEER_CLOSE] = C,
		       [FF_CHANNEL_ON_PEER_ERROR] = C,
		       [FF_CHANNEL_ON_PEER_LAST] = S,
		       [FF_CHANNEL_ON_LOST] = S},
		[C] = {C, C, C, C, C, C},
	};
	static const char *const states[] = {[O] = "opened", [S] = "sendonly", [C] = "closed"};
#define X(name, text) [FF_CHANNEL_ON_##name] = text,
	static const char *const events[] = {FF_CHANNEL_EVENT_MAP(X)};
#undef X
	uint8_t old = channel->state;

	channel->state = next[old][event];
	if (channel->state != old && ff_log_on())
		ff_log("%s/%u: %s -> %s (%s)", gateway_name(channel), channel->id, states[old],
		       states[channel->state], events[event]);
}

/* --- life --- */

struct ff_channel *ff_channel_create(struct ff_gateway *gateway, uint32_t id)
{
	struct ff_channel *channel;

	channel = ff_calloc(1, sizeof(*channel));
	if (!channel)
		return NULL;
	channel->id = id;
	channel->gateway = gateway;
	channel->tail = &channel->head;
	channel->strconfig = gateway->strconfig;
	channel->credit = gateway->peer_window;
	ff_buf_init(&channel->pending, 0);
	if (ff_table_add(&gateway->table, channel)) {
		ff_free(channel);
		return NULL;
	}
	channel->listed = true;
	ff_list_init(&channel->drain);
	ff_list_add_tail(&gateway->channels, &channel->link);
	return channel;
}

static void maybe_free(struct ff_channel *channel)
{
	if (channel->refs || channel->holds || channel->listed)
		return;
	if (channel->error && !channel->error_taken && !channel->error_seen)
		ff_log("%s/%u: warning: unhandled remote error: %s", gateway_name(channel),
		       channel->id, channel->error);
	channel->peer_done = true;
	ff_channel_drop_items(channel);
	ff_list_del(&channel->link);
	ff_list_del(&channel->drain);
	ff_buf_release(&channel->pending);
	if (channel->why && !--channel->why->refs)
		ff_free(channel->why);
	ff_free(channel->error);
	ff_free(channel);
}

void ff_channel_hold(struct ff_channel *channel)
{
	channel->holds++;
}

void ff_channel_unhold(struct ff_channel *channel)
{
	channel->holds--;
	maybe_free(channel);
}

void ff_channel_unlist(struct ff_channel *channel)
{
	if (!channel->listed)
		return;
	ff_table_del(&channel->gateway->table, channel->id);
	channel->listed = false;
	maybe_free(channel);
}

struct ff_channel *ff_channel_new(struct ff_gateway *gateway)
{
	struct ff_channel *channel;

	if (gateway->state == FF_GATEWAY_CLOSED || gateway->terminated)
		return NULL;
	while (gateway->next_id <= INT32_MAX && ff_table_get(&gateway->table, gateway->next_id))
		gateway->next_id += 2;
	if (gateway->next_id > INT32_MAX)
		return NULL;
	channel = ff_channel_create(gateway, gateway->next_id);
	if (!channel)
		return NULL;
	gateway->next_id += 2;
	return ff_channel_ref(channel);
}

struct ff_channel *ff_channel_from_id(struct ff_gateway *gateway, uint32_t id)
{
	struct ff_channel *channel = ff_table_get(&gateway->table, id);

	if (!channel) {
		if (!id || id > INT32_MAX || gateway->state == FF_GATEWAY_CLOSED ||
		    gateway->terminated || gateway->table.len >= FF_GATEWAY_CHANNELS_MAX)
			return NULL;
		channel = ff_channel_create(gateway, id);
	}
	return channel ? ff_channel_ref(channel) : NULL;
}

struct ff_channel *ff_channel_ref(struct ff_channel *channel)
{
	channel->refs++;
	return channel;
}

/* The last reference to a channel that the peer still knows. */
static void drop(struct ff_channel *channel)
{
	if (channel->fn && channel->state == FF_CHANNEL_OPENED) {
		/* The callback lives on, until the peer closes. */
		ff_channel_send_eof(channel);
		return;
	}
	if (!channel->peer_done || !channel->eof_sent)
		ff_channel_put(channel, FF_FRAME_CHANNEL_CLOSE, NULL, 0);
	transition(channel, FF_CHANNEL_ON_DROP);
	if (!channel->pending.len)
		ff_channel_unlist(channel);
	ff_channel_drop_items(channel);
}

void ff_channel_unref(struct ff_channel *channel)
{
	if (!channel)
		return;
	assert(channel->refs);
	if (--channel->refs)
		return;
	ff_channel_hold(channel);
	channel->executing = false;
	ff_channel_pause(channel, false); /* nobody else could */
	if (channel->refs) {		  /* its callback has taken one */
		ff_channel_unhold(channel);
		return;
	}
	ff_channel_set_drain(channel, NULL, NULL);
	if (channel->state != FF_CHANNEL_CLOSED && channel->gateway &&
	    channel->gateway->state != FF_GATEWAY_CLOSED)
		drop(channel);
	ff_channel_unhold(channel);
}

uint32_t ff_channel_id(const struct ff_channel *channel)
{
	return channel->id;
}

struct ff_gateway *ff_channel_gateway(const struct ff_channel *channel)
{
	return channel->gateway;
}

void ff_channel_set_data(struct ff_channel *channel, void *data)
{
	channel->data = data;
}

void *ff_channel_data(const struct ff_channel *channel)
{
	return channel->data;
}

void ff_channel_set_executing(struct ff_channel *channel, bool executing)
{
	channel->executing = executing;
}

/* --- ending --- */

/* After a transition to closed by whichever side. */
static void closed(struct ff_channel *channel)
{
	ff_channel_hold(channel);
	if (!channel->pending.len)
		ff_channel_unlist(channel);
	ff_channel_give_end(channel);
	ff_channel_end_sending(channel);
	ff_channel_unhold(channel);
}

static void set_error(struct ff_channel *channel, const char *error)
{
	if (channel->error)
		return;
	channel->error = ff_strdup(error);
	if (!channel->error)
		ff_gateway_fail(channel->gateway, FF_ENOMEM, "channel %u: %s", channel->id,
				ff_err_text(FF_ENOMEM));
}

/* Nobody will take it any more. */
static void drop_pending(struct ff_channel *channel)
{
	channel->untaken |= channel->pending.len > 0;
	ff_buf_release(&channel->pending);
}

void ff_channel_peer_close(struct ff_channel *channel, const char *error)
{
	bool closing = channel->state == FF_CHANNEL_CLOSED;

	ff_channel_hold(channel);
	if (error && !closing)
		set_error(channel, error);
	channel->peer_done = true;
	drop_pending(channel);
	transition(channel, error ? FF_CHANNEL_ON_PEER_ERROR : FF_CHANNEL_ON_PEER_CLOSE);
	if (channel->gateway->state != FF_GATEWAY_CLOSED)
		closed(channel);
	ff_channel_unhold(channel);
}

void ff_channel_end_receiving(struct ff_channel *channel)
{
	ff_channel_hold(channel);
	channel->peer_done = true;
	transition(channel, FF_CHANNEL_ON_PEER_LAST);
	ff_channel_give_end(channel);
	ff_channel_unhold(channel);
}

void ff_channel_peer_last(struct ff_channel *channel)
{
	ff_channel_hold(channel);
	ff_channel_end_receiving(channel);
	/* Nobody sends: dropped here, ended there. */
	if (!channel->refs && channel->state == FF_CHANNEL_SENDONLY &&
	    channel->gateway->state != FF_GATEWAY_CLOSED)
		drop(channel);
	ff_channel_unhold(channel);
}

void ff_channel_lost(struct ff_channel *channel)
{
	struct ff_why *why = channel->gateway->why;

	ff_channel_hold(channel);
	if (channel->state == FF_CHANNEL_OPENED && why->err.code) {
		channel->why = why;
		why->refs++;
	}
	channel->peer_done = true;
	transition(channel, FF_CHANNEL_ON_LOST);
	drop_pending(channel);
	ff_channel_unlist(channel);
	ff_channel_give_end(channel);
	ff_channel_end_sending(channel);
	ff_channel_unhold(channel);
}

/* An item that cannot be decoded ends a channel as an exception in a callback does in execnet. */
void ff_channel_refuse_item(struct ff_channel *channel, const struct ff_err *err)
{
	struct ff_gateway *gateway = channel->gateway;

	channel->error_seen = true; /* it is ours */
	if (channel->state == FF_CHANNEL_CLOSED)
		return;
	if (!gateway || gateway->state == FF_GATEWAY_CLOSED) {
		transition(channel, FF_CHANNEL_ON_CLOSE);
		return;
	}
	ff_channel_drop_queue(channel);
	ff_channel_refuse(channel, err->text);
}

void ff_channel_refuse(struct ff_channel *channel, const char *error)
{
	struct ff_gateway *gateway = channel->gateway;

	channel->error_seen = true;
	if (gateway->state != FF_GATEWAY_CLOSED)
		ff_channel_put_error(channel, error);
	if (gateway->state != FF_GATEWAY_CLOSED)
		set_error(channel, error);
	transition(channel, FF_CHANNEL_ON_CLOSE);
	if (gateway->state != FF_GATEWAY_CLOSED)
		closed(channel);
}

int ff_channel_close(struct ff_channel *channel, const char *error)
{
	struct ff_gateway *gateway;

	if (!channel)
		return 0;
	if (channel->executing)
		return FF_EINVAL;
	gateway = channel->gateway;
	if (channel->state == FF_CHANNEL_CLOSED)
		return 0;
	ff_channel_hold(channel);
	if (gateway && gateway->state != FF_GATEWAY_CLOSED) {
		if (error)
			ff_channel_put_error(channel, error);
		else
			ff_channel_put(channel, FF_FRAME_CHANNEL_CLOSE, NULL, 0);
	}
	transition(channel, FF_CHANNEL_ON_CLOSE);
	/* What is queued may stay, but no more will be: a peer that is stalled, too, must get to
	 * our CLOSE. */
	if (channel->pending.len)
		ff_channel_consumed(channel, ff_channel_unreturned(channel));
	if (gateway)
		closed(channel);
	ff_channel_unhold(channel);
	return 0;
}

int ff_channel_send_eof(struct ff_channel *channel)
{
	if (!channel->gateway || channel->gateway->state == FF_GATEWAY_CLOSED ||
	    channel->state == FF_CHANNEL_CLOSED)
		return FF_ECLOSED;
	if (channel->eof_sent)
		return 0;
	channel->eof_sent = true;
	ff_channel_hold(channel);
	ff_channel_put(channel, FF_FRAME_CHANNEL_LAST_MESSAGE, NULL, 0);
	ff_channel_set_drain(channel, NULL, NULL);
	ff_channel_unhold(channel);
	return 0;
}

bool ff_channel_isclosed(const struct ff_channel *channel)
{
	return channel->state == FF_CHANNEL_CLOSED;
}

bool ff_channel_receive_closed(const struct ff_channel *channel)
{
	return channel->state != FF_CHANNEL_OPENED;
}

const char *ff_channel_error(const struct ff_channel *channel)
{
	/* Whoever looks has been told. */
	((struct ff_channel *)channel)->error_seen = true;
	return channel->error;
}

int ff_channel_reconfigure(struct ff_channel *channel, struct ff_strconfig config)
{
	const uint8_t payload[] = {config.py2str_as_py3str ? 'R' : 'C',
				   config.py3str_as_py2str ? 'R' : 'C',
				   '@',
				   0,
				   0,
				   0,
				   2,
				   'Q'};

	if (!channel->gateway || channel->gateway->state == FF_GATEWAY_CLOSED ||
	    channel->state == FF_CHANNEL_CLOSED)
		return FF_ECLOSED;
	channel->strconfig = config;
	ff_channel_put(channel, FF_FRAME_RECONFIGURE, payload, sizeof(payload));
	return channel->gateway->state == FF_GATEWAY_CLOSED ? FF_ENOMEM : 0;
}
