/* What the files of this room share: the inside of channels and gateways. Nobody else includes it.
 */
#ifndef FF_GATEWAY_PRIVATE_H
#define FF_GATEWAY_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "gateway/channel.h"
#include "gateway/gateway.h"
#include "gateway/group.h"
#include "wire/frame.h"

/* Why a gateway ended; shared with the channels that end with it and may outlive it. */
struct ff_why {
	uint32_t refs;
	struct ff_err err;
};

/* A received payload, decoded when it is asked for. */
struct ff_msg {
	struct ff_msg *next;
	uint32_t len;
	uint8_t bytes[];
};

enum ff_channel_state { FF_CHANNEL_OPENED, FF_CHANNEL_SENDONLY, FF_CHANNEL_CLOSED };

/* X(name, text in traces) */
#define FF_CHANNEL_EVENT_MAP(X)                                                                    \
	X(CLOSE, "close")                                                                          \
	X(DROP, "dropped")                                                                         \
	X(PEER_CLOSE, "CLOSE")                                                                     \
	X(PEER_ERROR, "CLOSE_ERROR")                                                               \
	X(PEER_LAST, "LAST_MESSAGE")                                                               \
	X(LOST, "connection ended")

enum ff_channel_event {
#define X(name, text) FF_CHANNEL_ON_##name,
	FF_CHANNEL_EVENT_MAP(X)
#undef X
		FF_CHANNEL_EVENTS,
};

/* Lives while the user has references, the gateway's table knows it, or a call is using it. */
struct ff_channel {
	struct ff_list link;  /* in gateway->channels while the gateway exists */
	struct ff_list drain; /* in gateway->drains while it has a drain callback */
	struct ff_gateway *gateway;
	uint32_t id;
	uint32_t refs;	/* the users' */
	uint32_t holds; /* calls that are using it */
	uint8_t state;	/* enum ff_channel_state */
	bool listed;	/* in the gateway's table */
	bool executing;
	bool executed;	/* a task was sent on it */
	bool eof_sent;	/* LAST_MESSAGE sent */
	bool peer_done; /* the peer sends nothing more on it */
	bool discard;	/* its callback was taken away: items are dropped */
	bool calling;	/* its callback is running */
	bool end_given;
	bool untaken; /* something that was sent was held back when it ended */
	bool hold_credit;
	bool paused; /* its callback is not to be called */
	bool error_taken, error_seen, loss_taken;

	/* receiving */
	ff_channel_fn *fn;
	void *fn_ctx;
	struct ff_msg *head, **tail;
	struct ff_item *current; /* being delivered */
	size_t current_size;
	struct ff_strconfig strconfig;
	char *error;	      /* the remote one */
	struct ff_why *why;   /* the connection's, if it died under the open channel */
	uint64_t uncounted;   /* received before the peer's HELLO and not consumed yet */
	uint64_t outstanding; /* received since, and not yet credited */
	uint32_t item_max;    /* 0: the gateway's */
	uint64_t consumed;    /* the part of it that waits to be credited */

	/* sending */
	int64_t credit;
	struct ff_buf pending; /* whole frames behind the peer's window */
	void (*drain_fn)(struct ff_channel *, void *);
	void *drain_ctx;

	void *data;
};

/* Channels by id: open addressing, no tombstones. */
struct ff_table {
	struct ff_channel **slots;
	uint32_t cap; /* 0 or a power of two */
	uint32_t len;
	unsigned shift;
};

struct ff_channel *ff_table_get(const struct ff_table *table, uint32_t id);
int ff_table_add(struct ff_table *table, struct ff_channel *channel);
void ff_table_del(struct ff_table *table, uint32_t id);
void ff_table_release(struct ff_table *table);

struct ff_gateway {
	char *id;
	char *execmodel;
	const struct ff_gateway_ops *ops;
	void *ctx;
	void *data;
	enum ff_gateway_state state;
	bool initiator;
	bool exiting;
	bool terminated; /* GATEWAY_TERMINATE arrived */
	bool began;	 /* something was sent */
	bool high;	 /* the output was over its high-water mark */
	uint32_t depth;	 /* callbacks being run */
	uint32_t frame_max;
	uint32_t item_max;
	uint32_t next_id;
	struct ff_buf in; /* an incomplete frame */
	size_t skip;	  /* bytes still to come of a frame that nobody wants */
	struct ff_buf out;
	struct ff_table table;
	struct ff_list channels; /* all that exist, also those that left the table */
	struct ff_list drains;
	struct ff_strconfig strconfig;
	struct ff_why *why;
	size_t answers;	      /* bytes of the output that frames have asked for */
	size_t held;	      /* bytes received and not consumed, over all channels */
	struct ff_item rinfo; /* a dict once it was asked for */

	/* ours beyond execnet */
	bool hello_sent, hello_received;
	uint32_t window;      /* what the peer may have under way */
	uint32_t peer_window; /* what we may */
	int64_t heartbeat_us, silence_us;
	int64_t peer_silence_us; /* what HELLO says instead, unless 0 */
	int64_t now_us, sent_us, received_us;
	int64_t doubt_us; /* until then a silent peer has a last chance; since the last byte */

	struct ff_group *group;
	void *member; /* the group's record of it */
	struct ff_xspec spec;
	bool has_spec;
};

/* --- channel.c --- */

/* In the table, without a reference; NULL: out of memory, too many, or no more ids. */
struct ff_channel *ff_channel_create(struct ff_gateway *gateway, uint32_t id);
void ff_channel_hold(struct ff_channel *channel);
void ff_channel_unhold(struct ff_channel *channel);
void ff_channel_unlist(struct ff_channel *channel);
/* What the peer and the connection do to it. */
void ff_channel_peer_close(struct ff_channel *channel, const char *error);
void ff_channel_peer_last(struct ff_channel *channel);
void ff_channel_lost(struct ff_channel *channel);
/* The peer ends the conversation in good order and asks us to stop: no more items. */
void ff_channel_end_receiving(struct ff_channel *channel);
/* An item that cannot be decoded ends a channel as an exception in a callback does in execnet. */
void ff_channel_refuse_item(struct ff_channel *channel, const struct ff_err *err);
/* Closes it on both sides with an error that is ours; what is queued stays. */
void ff_channel_refuse(struct ff_channel *channel, const char *error);

/* --- channel_receive.c --- */

void ff_channel_peer_data(struct ff_channel *channel, const uint8_t *bytes, uint32_t len);
/* An item begins to arrive. False: it is not to be kept; it has been dealt with. */
bool ff_channel_takes(struct ff_channel *channel, uint32_t len);
/* Takes its callback away; items are dropped from now on. */
void ff_channel_drop_callback(struct ff_channel *channel);
void ff_channel_drop_queue(struct ff_channel *channel);
/* The queue, and what a sink holds back. */
void ff_channel_drop_items(struct ff_channel *channel);
/* Bytes delivered whose credit a sink holds back, or queued. */
size_t ff_channel_unreturned(const struct ff_channel *channel);
/* The end marker, when nothing more will come and nothing is queued. */
void ff_channel_give_end(struct ff_channel *channel);

/* --- channel_wait.c --- */

/* The loop that may be run to wait for it; NULL: none. */
const struct ff_group_driver *ff_channel_driver(const struct ff_channel *channel, void **ctx);
/* now + timeout_ms in the driver's time; FF_NEVER_US for a negative timeout or no driver. */
int64_t ff_deadline_after(const struct ff_group_driver *driver, void *ctx, int64_t timeout_ms);
/* A time limit over several waits, each of which takes milliseconds. */
struct ff_limit {
	const struct ff_group_driver *driver;
	void *ctx;
	int64_t deadline_us;
	int64_t timeout_ms;
};
struct ff_limit ff_limit_start(const struct ff_group_driver *driver, void *ctx, int64_t timeout_ms);
int64_t ff_limit_left(const struct ff_limit *limit);
/* FF_EDEADLK inside a callback of the channel's gateway. */
int ff_channel_check_blocking(const struct ff_channel *channel, struct ff_err *err);
/* Runs the loop once: 0 to look again. `ran` counts, so that even a timeout of 0 moves bytes. */
int ff_channel_wait_once(struct ff_channel *channel, int64_t deadline_us, bool *ran,
			 struct ff_err *err);

/* Negative ones stay negative; what is too long to add to a moment is as long as can be. */
static inline int64_t ff_us_of_ms(int64_t ms)
{
	return ms < 0 ? -1 : ms > INT64_MAX / 4000 ? INT64_MAX / 4 : ms * 1000;
}

/* Until nothing is held back by the peer's window; errors as of ff_channel_waitwritable. */
int ff_channel_waittaken(struct ff_channel *channel, int64_t timeout_ms, struct ff_err *err);

/* --- channel_send.c --- */

/* A frame that needs no credit but keeps its place behind pending data. Closes the gateway if that
 * is impossible. */
void ff_channel_put(struct ff_channel *channel, int code, const void *payload, size_t len);
void ff_channel_put_error(struct ff_channel *channel, const char *error);
bool ff_channel_can_send(const struct ff_channel *channel);
/* Moves pending frames to the output as far as credit reaches. */
void ff_channel_flush(struct ff_channel *channel);
void ff_channel_add_credit(struct ff_channel *channel, int64_t bytes);
/* Items of `bytes` payload were dealt with. */
void ff_channel_consumed(struct ff_channel *channel, size_t bytes);
/* Nothing can be sent any more: tells a waiting producer, once. */
void ff_channel_end_sending(struct ff_channel *channel);
/* Calls drain callbacks of channels that are writable (again). */
void ff_gateway_drain(struct ff_gateway *gateway);

/* --- gateway.c --- */

/* Closes it and ends its channels; `why` NULL or code 0: in good order. */
void ff_gateway_close(struct ff_gateway *gateway, const struct ff_err *why);
/* Calls `fn` for every channel in the table. */
void ff_gateway_each(struct ff_gateway *gateway, void (*fn)(struct ff_channel *));
/* Closes it with words; returns `code`. */
int ff_gateway_fail(struct ff_gateway *gateway, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Output was appended; it held `before` bytes. */
void ff_gateway_appended(struct ff_gateway *gateway, size_t before);
/* A frame into the output: 0, FF_ENOMEM, FF_ETOOBIG (the gateway is closed then). */
int ff_gateway_put(struct ff_gateway *gateway, int code, uint32_t channel, const void *payload,
		   size_t len);

/* --- frames.c --- */

void ff_gateway_frame(struct ff_gateway *gateway, const struct ff_frame *frame);
/* The header of a long frame, before the rest is kept. False: the rest is to be skipped, or the
 * gateway was closed. */
bool ff_gateway_takes(struct ff_gateway *gateway, const struct ff_frame *frame);

/* --- hello.c --- */

void ff_gateway_peer_hello(struct ff_gateway *gateway, const struct ff_frame *frame);

/* --- group.c --- */

void ff_group_member_closed(struct ff_group *group, struct ff_gateway *gateway);
/* It is not shown any more, and its id is free. Harmless for who is no member. */
void ff_group_member_left(struct ff_group *group, struct ff_gateway *gateway);

/* --- remote.c --- */

/* GATEWAY_TERMINATE, once. */
void ff_gateway_send_exit(struct ff_gateway *gateway);

#endif
