/* A channel: one numbered conversation inside a gateway. States as execnet has them:
 *
 *     opened -> sendonly (the peer sent LAST_MESSAGE, or the connection ended) -> closed -> deleted
 *
 * A closed channel still hands out the items it holds; then every receive gives the remote error
 * once, then end of file. Sans-I/O: bytes to send collect in the gateway's output. */
#ifndef FF_GATEWAY_CHANNEL_H
#define FF_GATEWAY_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/serialize.h"
#include "wire/value.h"

struct ff_gateway;
struct ff_channel;

enum {
	/* Items a channel holds back while the peer's window is full; sending more is FF_EAGAIN. */
	FF_CHANNEL_PENDING_MAX = 64 << 20,
	/* Receive window that we announce: bytes a peer that knows credit may have under way.
	 * Several items of 1 MiB, or such a stream waits for each one's credit. */
	FF_CHANNEL_WINDOW = 4 << 20,
	/* What either side assumes of the other before its HELLO (PROTOCOL.md, "Credit"). */
	FF_CHANNEL_WINDOW_ASSUMED = 1 << 20,
	/* Bytes that all channels of a gateway together may have received and not consumed. Credit
	 * keeps it far from that; a peer without credit that exceeds it loses the connection
	 * (FF_ETOOBIG). */
	FF_CHANNEL_QUEUE_MAX = 1 << 30,
	/* One received item may exceed the window by so much, unless its reader asks for larger
	 * ones (ff_channel_set_item_max). Who sends more at once is in the right (PROTOCOL.md), but
	 * nobody should have to take any size. */
	FF_CHANNEL_ITEM_BEYOND = 1 << 20,
};

/* What a channel tells its owner. `item` is valid during the call; NULL is the end marker, given
 * exactly once, after which the callback is never called again. A callback may do anything to any
 * channel, this one included, save block (FF_EDEADLK); it is never nested in itself: closing the
 * channel inside it gives the end marker when it has returned. An item that cannot be decoded is
 * not given: the channel closes, here with the reason as its error, there with CLOSE_ERROR. */
typedef void ff_channel_fn(struct ff_channel *channel, const struct ff_item *item, void *ctx);

/* --- life --- */

/* A new channel with the next free id; one reference, the caller's. NULL: out of memory or the
 * gateway is closed. */
struct ff_channel *ff_channel_new(struct ff_gateway *gateway);
/* The channel for an id that was received in an item; creates it if unknown. One reference more.
 * NULL also for an id that cannot be, and over FF_GATEWAY_CHANNELS_MAX. */
struct ff_channel *ff_channel_from_id(struct ff_gateway *gateway, uint32_t id);

struct ff_channel *ff_channel_ref(struct ff_channel *channel);
/* Dropping the last reference to an open channel sends LAST_MESSAGE if it has a callback (which
 * goes on being called), else CLOSE; an unread remote error is then traced as a warning. NULL is
 * allowed. A gateway that goes away closes its channels; references stay valid until dropped. */
void ff_channel_unref(struct ff_channel *channel);

uint32_t ff_channel_id(const struct ff_channel *channel);
/* NULL once the gateway was freed. */
struct ff_gateway *ff_channel_gateway(const struct ff_channel *channel);
/* Free use by the owner. */
void ff_channel_set_data(struct ff_channel *channel, void *data);
void *ff_channel_data(const struct ff_channel *channel);
/* While executing, ff_channel_close is refused: for whoever runs what came with CHANNEL_EXEC, who
 * switches it off before closing. */
void ff_channel_set_executing(struct ff_channel *channel, bool executing);

/* --- sending --- */

/* One item. FF_ECLOSED: closed here or there; FF_EDUMP; FF_EAGAIN: FF_CHANNEL_PENDING_MAX bytes
 * wait for the peer's window already, or FF_GATEWAY_OUTPUT_MAX for the connection; nothing was
 * taken (wait for the drain callback); FF_ETOOBIG: over the frame limit; FF_ENOMEM. */
int ff_channel_send(struct ff_channel *channel, const struct ff_value *value, struct ff_err *err);
/* One item made with a packer (ff_pack_done included); the bytes are copied. */
int ff_channel_send_packed(struct ff_channel *channel, const struct ff_buf *packed,
			   struct ff_err *err);
/* One bytes item, without a detour. */
int ff_channel_send_bytes(struct ff_channel *channel, const void *bytes, size_t len,
			  struct ff_err *err);
/* Bytes held back by the peer's window. 0: a producer may go on. */
size_t ff_channel_pending(const struct ff_channel *channel);
/* Whether none was held back in the end: also of a channel that was closed since. */
bool ff_channel_taken(const struct ff_channel *channel);
/* Whether the peer's window is open and the gateway's output below its high-water mark: what a
 * producer that can wait should ask before each send. */
bool ff_channel_writable(const struct ff_channel *channel);
/* Waits until it is, for producers that have nothing else to do: 0, FF_ECLOSED when nothing can be
 * sent any more, FF_ETIMEOUT after timeout_ms (negative: no limit), FF_EDEADLK inside a callback,
 * FF_EUNSUPPORTED without a loop. */
int ff_channel_waitwritable(struct ff_channel *channel, int64_t timeout_ms, struct ff_err *err);
/* Called whenever ff_channel_writable turns true again (not at once), and once when the channel is
 * closed or its connection ends. Spurious calls happen. NULL takes it away; so do send_eof and the
 * last unref. */
void ff_channel_set_drain(struct ff_channel *channel, void (*drain)(struct ff_channel *, void *ctx),
			  void *ctx);

/* --- receiving --- */

/* Items go to `fn` from now on: first those that are queued, then each on arrival, then the end
 * marker (also when the connection dies). Each channel can have one callback, once: FF_EEXISTS. */
int ff_channel_set_callback(struct ff_channel *channel, ff_channel_fn *fn, void *ctx);
/* Another one takes its place from the next item on; NULL takes it away: items queue for
 * ff_channel_poll, or for the next ff_channel_set_callback. Also inside the callback. The end
 * marker goes to whoever is there when it comes. FF_EINVAL: there is none; FF_ECLOSED: it had the
 * end marker. */
int ff_channel_replace_callback(struct ff_channel *channel, ff_channel_fn *fn, void *ctx);
/* How it ended, without taking it, as for a callback with its end marker: 0 (also while nothing has
 * ended, err->code 0 then), FF_EREMOTE with the remote error's text, FF_ELOST with what became of
 * the connection. */
int ff_channel_end_reason(const struct ff_channel *channel, struct ff_err *err);

/* The next queued item, without waiting: 0 (then *item, which must be empty, is the caller's to
 * release), FF_EAGAIN, FF_EINVAL (it has a callback); at the end FF_EREMOTE with the remote
 * traceback in err (once) or FF_ELOST (connection died: the gateway's error), then FF_EEOF for
 * ever. */
int ff_channel_poll(struct ff_channel *channel, struct ff_item *item, struct ff_err *err);
/* The same, waiting by running the group's loop: FF_ETIMEOUT after timeout_ms (negative: no limit),
 * FF_EDEADLK inside a callback, FF_EUNSUPPORTED if the gateway's group has no loop. */
int ff_channel_receive(struct ff_channel *channel, int64_t timeout_ms, struct ff_item *item,
		       struct ff_err *err);
/* For loops over all items, waiting as ff_channel_receive does: releases what `item` holds and puts
 * the next one there. False at the end, with nothing in `item` and code 0 in err (not NULL) if the
 * channel ended in order, else why: FF_EREMOTE, FF_ELOST, FF_ETIMEOUT, …:
 *
 *     while (ff_channel_next(channel, -1, &item, &err))
 *             use(&item.value); */
bool ff_channel_next(struct ff_channel *channel, int64_t timeout_ms, struct ff_item *item,
		     struct ff_err *err);
/* The items' bytes as they travel, for those who decode themselves (ff_load_item; what
 * ff_channel_send_packed sends): appended to `out`. Errors as of ff_channel_poll and
 * ff_channel_receive, but FF_ELOAD. */
int ff_channel_poll_packed(struct ff_channel *channel, struct ff_buf *out, struct ff_err *err);
int ff_channel_receive_packed(struct ff_channel *channel, int64_t timeout_ms, struct ff_buf *out,
			      struct ff_err *err);
/* Waits until nothing more will arrive: 0, FF_EREMOTE, FF_ELOST, FF_ETIMEOUT. Queued items stay. */
int ff_channel_waitclose(struct ff_channel *channel, int64_t timeout_ms, struct ff_err *err);

/* Credit is given back to the peer when an item was polled, or when the callback returns. A sink
 * that passes items on holds that back and gives `bytes` (ff_channel_item_size of each) when it is
 * done with them. hold is set before the first item; give may be called at any time. */
void ff_channel_hold_credit(struct ff_channel *channel, bool hold);
void ff_channel_give_credit(struct ff_channel *channel, size_t bytes);
/* Stops and goes on giving items to the callback, at any time, also inside it. Meanwhile items
 * queue and no credit is granted for them: a peer that knows credit stalls when its window is used
 * up, while heartbeats and other channels go on. Going on gives what is queued first, from inside
 * this call (inside the callback itself: after it). The end marker waits as well, also that of our
 * own close or of a lost connection: whoever pauses must go on, or drop the last reference, which
 * does so. Who polls need only not poll. Peers that know no credit (plain execnet) do not stall:
 * what they send queues up to FF_CHANNEL_QUEUE_MAX. */
void ff_channel_pause(struct ff_channel *channel, bool pause);
/* The largest item that this channel takes, in bytes as sent; 0: the gateway's item_max. A larger
 * one is not even kept while it arrives: it closes the channel, here and there, with an error that
 * says so; what is queued may still be read. For the initiator's channels; below 64 KiB it is not
 * looked at. */
void ff_channel_set_item_max(struct ff_channel *channel, uint32_t bytes);
/* Payload bytes of the item being delivered to the callback right now. */
size_t ff_channel_item_size(const struct ff_channel *channel);
/* Inside the callback: makes the item being delivered the caller's, into the empty `item`; the
 * callback's own is None then. FF_EINVAL outside, or the second time. */
int ff_channel_take_item(struct ff_channel *channel, struct ff_item *item);

/* --- closing --- */

bool ff_channel_isclosed(const struct ff_channel *channel);
/* Nothing more will arrive (what is queued may still be read). */
bool ff_channel_receive_closed(const struct ff_channel *channel);
/* Sends CLOSE, or CLOSE_ERROR with `error` unless NULL, if the peer did not close already. Closing
 * twice is harmless. FF_EINVAL: code executing remotely can't close its own channel. */
int ff_channel_close(struct ff_channel *channel, const char *error);
/* Sends LAST_MESSAGE: no more will be sent, but items are still received. */
int ff_channel_send_eof(struct ff_channel *channel);
/* The remote error text, in full (NULs shown as "\x00", as in what receiving gives), without taking
 * it; NULL if there is none. Valid as long as the channel; a text that was taken stays. */
const char *ff_channel_error(const struct ff_channel *channel);

/* Python 2 string coercion for this channel, here and at the peer. */
int ff_channel_reconfigure(struct ff_channel *channel, struct ff_strconfig config);

#endif
