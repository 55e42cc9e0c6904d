/* A gateway: the protocol of one framed connection, without the connection. Whoever carries the
 * bytes feeds what arrives and sends what ff_gateway_output holds. Both ends use it: the controller
 * (initiator, odd channel ids) and the native worker (even ids). */
#ifndef FF_GATEWAY_GATEWAY_H
#define FF_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "gateway/channel.h"
#include "wire/task.h"
#include "wire/xspec.h"

struct ff_group;
struct ff_gateway;

enum {
	FF_GATEWAY_OUTPUT_HIGH = 4 << 20,  /* channels count as not writable above this */
	FF_GATEWAY_OUTPUT_MAX = 1 << 30,   /* items are refused (FF_EAGAIN) above this */
	FF_GATEWAY_CHANNELS_MAX = 1 << 20, /* channels a peer may have open */
	FF_GATEWAY_ANSWERS_MAX =
		2 << 20, /* what a peer that asks and does not read may leave us with */
	FF_GATEWAY_HELLO_MAX = 64 << 10,  /* bytes of a HELLO */
	FF_GATEWAY_CONTROL_MAX = 1 << 20, /* of other frames from a worker, save items and errors */
};

/* opening -> open -> closed; refused connections go from opening to closed. */
enum ff_gateway_state { FF_GATEWAY_OPENING, FF_GATEWAY_OPEN, FF_GATEWAY_CLOSED };

/* What the carrier of the bytes, or the worker, wants to hear. Members may be NULL. */
struct ff_gateway_ops {
	/* There is output to send. Called when it turns from empty to not empty, from inside any
	 * function that sends; not before ff_gateway_opened. May read and consume the output, not
	 * call ff_gateway_sent. */
	void (*want_write)(struct ff_gateway *gateway, void *ctx);
	/* CHANNEL_EXEC: run `task`, a tuple (source, file_name, call_name, kwargs), on `channel`,
	 * whose reference becomes the callee's; `task` is valid during the call. NULL: refused with
	 * "execution disallowed". */
	void (*exec)(struct ff_gateway *gateway, struct ff_channel *channel,
		     const struct ff_value *task, void *ctx);
	/* STATUS: how many executions are running. NULL: 0. */
	int (*numexecuting)(struct ff_gateway *gateway, void *ctx);
	/* GATEWAY_TERMINATE arrived: the channels have got their end markers, may still send, and
	 * no new ones can be made. */
	void (*terminate)(struct ff_gateway *gateway, void *ctx);
	/* Packs further keys and values into our own HELLO: what a worker says of itself. */
	void (*announce)(struct ff_gateway *gateway, struct ff_pack *hello, void *ctx);
	/* The peer's HELLO arrived (at a worker: and was answered). */
	void (*hello)(struct ff_gateway *gateway, const struct ff_value *capabilities, void *ctx);
	/* The gateway is closed and its channels have ended; `why` says how (code 0: by request).
	 * Once. Out of memory can close it inside any function that sends. Nothing of the output is
	 * to be sent any more. Not the place for ff_gateway_free. */
	void (*closed)(struct ff_gateway *gateway, const struct ff_err *why, void *ctx);
};

/* Grows at its end: FF_GATEWAY_OPTS_INIT, or .size = sizeof(struct ff_gateway_opts). */
struct ff_gateway_opts {
	size_t size;	/* of this struct as the caller knows it; 0: it ends with ctx */
	const char *id; /* copied */
	bool initiator;
	uint32_t frame_max;    /* 0: FF_FRAME_PAYLOAD_MAX */
	uint32_t window_bytes; /* 0: FF_CHANNEL_WINDOW */
	uint32_t item_max;     /* of its channels, ff_channel_set_item_max; 0: the window and
				* FF_CHANNEL_ITEM_BEYOND */
	/* Initiator: how long the worker shall bear our silence. 0: as long as we bear its own;
	 * negative: for ever, because it sees the end of the line in any case. */
	int64_t peer_silence_ms;
	const char *execmodel; /* for STATUS answers; NULL: "thread" */
	const struct ff_gateway_ops *ops;
	void *ctx;
};
#ifdef __cplusplus
#define FF_GATEWAY_OPTS_INIT                                                                       \
	{                                                                                          \
		sizeof(struct ff_gateway_opts)                                                     \
	}
#else
#define FF_GATEWAY_OPTS_INIT                                                                       \
	{                                                                                          \
		.size = sizeof(struct ff_gateway_opts)                                             \
	}
#endif

/* In state opening. NULL: out of memory. */
struct ff_gateway *ff_gateway_new(const struct ff_gateway_opts *opts);
/* Ends its channels (as if the connection were lost, if it is not closed) and frees it. Must not be
 * called from its own callbacks. */
void ff_gateway_free(struct ff_gateway *gateway);

const char *ff_gateway_id(const struct ff_gateway *gateway);
enum ff_gateway_state ff_gateway_state(const struct ff_gateway *gateway);
/* Why it is closed; code 0 while it is not, and after an orderly end. */
const struct ff_err *ff_gateway_error(const struct ff_gateway *gateway);
/* The group it is a member of, or NULL, and the xspec it was opened with, or NULL. */
struct ff_group *ff_gateway_group(const struct ff_gateway *gateway);
const struct ff_xspec *ff_gateway_spec(const struct ff_gateway *gateway);
/* The `ctx` it was made with if its ops are `ops`, else NULL: for a carrier to know its own. */
void *ff_gateway_ctx(const struct ff_gateway *gateway, const struct ff_gateway_ops *ops);
size_t ff_gateway_num_channels(const struct ff_gateway *gateway);
/* Free use by whoever opened it (not the carrier, which has ops' ctx). */
void ff_gateway_set_data(struct ff_gateway *gateway, void *data);
void *ff_gateway_data(const struct ff_gateway *gateway);

/* --- for the carrier of the bytes --- */

/* The bootstrap is done: frames may flow. */
void ff_gateway_opened(struct ff_gateway *gateway);
/* Bytes that arrived, any number at any boundary. A protocol error closes the gateway (state
 * closed, channels ended) and is returned. `now_us` is monotonic. Not re-entrant. FF_EINVAL before
 * ff_gateway_opened; FF_ECLOSED once it is closed. */
int ff_gateway_feed(struct ff_gateway *gateway, const void *bytes, size_t len, int64_t now_us,
		    struct ff_err *err);
/* What is to be sent; the carrier consumes from its front. Nothing is freed under the carrier
 * between two calls into the gateway. */
struct ff_buf *ff_gateway_output(struct ff_gateway *gateway);
/* Tells the gateway that output was consumed, so that drained channels hear of it. */
void ff_gateway_sent(struct ff_gateway *gateway);
/* The connection ended: NULL or code 0 after an orderly end (we terminated it), else what happened.
 */
void ff_gateway_lost(struct ff_gateway *gateway, const struct ff_err *why);

/* --- beyond execnet: HELLO, heartbeats, credit (PROTOCOL.md, "Ours") --- */

/* Offers our extensions, right after ff_gateway_opened (silence counts from here): only to a peer
 * that is known to understand, by the initiator, before anything else is sent (FF_EINVAL). A worker
 * answers by itself. heartbeat_ms 0: none, and at most a third of silence_ms; after silence_ms (0:
 * no limit) without a byte from the peer, ff_gateway_tick gives FF_ELOST. Both ends keep to both.
 * Only time in which we could have looked counts: a tick that comes late by silence_ms / 4 or more
 * says that we were away (stopped, asleep, busy in a callback), and the peer gets its silence_ms
 * anew; one that comes a little late looks once more before it gives up. */
int ff_gateway_hello(struct ff_gateway *gateway, int64_t heartbeat_ms, int64_t silence_ms,
		     int64_t now_us);
/* Whether the peer answered HELLO (credit and heartbeats are in use). */
bool ff_gateway_extended(const struct ff_gateway *gateway);
/* When ff_gateway_tick wants to be called next; FF_NEVER_US: not at all. */
int64_t ff_gateway_deadline(const struct ff_gateway *gateway);
/* Sends a heartbeat if one is due. FF_ELOST, with words: the peer was silent too long (the gateway
 * is closed then, as by ff_gateway_lost). */
int ff_gateway_tick(struct ff_gateway *gateway, int64_t now_us, struct ff_err *err);

/* --- for users --- */

/* Starts a task; returns its channel (the caller's reference), NULL on failure (FF_ECLOSED, …). */
struct ff_channel *ff_gateway_remote_exec(struct ff_gateway *gateway, const struct ff_task *task,
					  struct ff_err *err);
/* The same on a channel of ff_channel_new, made beforehand so that its callback is there already.
 * Once, and before its id travels in an item. FF_EEXISTS: the second time; FF_EINVAL: the channel
 * is one of the peer's; FF_ECLOSED, FF_ETOOBIG, FF_EDUMP, FF_ENOMEM: nothing was sent. */
int ff_channel_remote_exec(struct ff_channel *channel, const struct ff_task *task,
			   struct ff_err *err);
/* Asks for the peer's status: a channel that delivers one dict (numchannels, numexecuting,
 * execmodel) and closes. */
struct ff_channel *ff_gateway_remote_status(struct ff_gateway *gateway, struct ff_err *err);
/* What the other end says of itself, execnet's rinfo: a dict with "platform", "version",
 * "executable", "cwd", "pid", from python workers also "version_info" (tuple), from native ones
 * what their built-in `info` gives. Asked for once, again with `update`; waits by running the loop
 * of the gateway's group, errors as of ff_exec_call. Owned by the gateway, valid until the next
 * update. NULL: failed. */
const struct ff_value *ff_gateway_rinfo(struct ff_gateway *gateway, bool update, int64_t timeout_ms,
					struct ff_err *err);
/* As execnet's repr, "<Gateway id='gw0' receive-live, thread model, 2 active channels>", with the
 * model of its xspec: appended. 0 or FF_ENOMEM. */
int ff_gateway_repr(const struct ff_gateway *gateway, struct ff_buf *out);
/* Sends GATEWAY_TERMINATE. The peer ends what runs and closes the connection; until then the
 * gateway stays open. It leaves the group's list at once and its id is free, as with execnet, but
 * still ends and is freed with the group, unless it is released before. Harmless when closed. */
void ff_gateway_exit(struct ff_gateway *gateway);
/* Whether ff_gateway_exit was called. */
bool ff_gateway_exiting(const struct ff_gateway *gateway);
int ff_gateway_reconfigure(struct ff_gateway *gateway, struct ff_strconfig config);

/* --- for group.c --- */
void ff_gateway_set_group(struct ff_gateway *gateway, struct ff_group *group);
/* Takes over the spec's content. */
void ff_gateway_set_spec(struct ff_gateway *gateway, struct ff_xspec *spec);

#endif
