/* One channel for plain items and named values together, in the order in which they were sent:
 *
 *     ff_talk_set(talk, &dict, &err)           several names at once: the other side has them now
 *     ff_talk_get(talk, "name", …)             what the other side has set, waiting for it
 *     ff_talk_send, ff_talk_receive            plain items
 *     ff_talk_subscribe(talk, "name" or NULL)  callbacks, several for each name and for items
 *
 * Each side sets for the other. It is a convention about items (PROTOCOL.md, "Talk"): the other
 * side is a talk too, here or by Talk of Python (ff_talk_exec). A table that many ask is names.h.
 */
#ifndef FF_GATEWAY_TALK_H
#define FF_GATEWAY_TALK_H

#include "gateway/channel.h"
#include "gateway/names.h"

struct ff_talk;
struct ff_talk_sub;

/* `name` NULL: a plain item. `value` NULL: the end, no more will come; the last call. Valid during
 * the call. It may do anything but wait or free the talk. */
typedef void ff_talk_fn(const char *name, const struct ff_value *value, void *ctx);

/* Takes a reference to the channel and becomes its callback. NULL: FF_EEXISTS (it has one),
 * FF_ENOMEM. The peer may set FF_NAMES_MAX names with FF_NAMES_BYTES_MAX bytes; over that, or by
 * what is none of this, it gets the channel closed with words. */
struct ff_talk *ff_talk_new(struct ff_channel *channel, struct ff_err *err);
/* Closes the channel and ends the subscriptions. Not from inside a callback or while a call waits.
 * NULL is allowed. */
void ff_talk_free(struct ff_talk *talk);
/* Borrowed. For ff_channel_close, ff_channel_waitclose, ff_channel_id; not to send on. */
struct ff_channel *ff_talk_channel(const struct ff_talk *talk);

/* Sends `count` items in order and waits until the other side's window took them all, at most
 * timeout_ms (negative: no limit). *sent (may be NULL) says how many are on their way, also on
 * failure. FF_ETIMEOUT and errors of ff_channel_send and ff_channel_waitwritable. */
int ff_talk_send(struct ff_talk *talk, const struct ff_value *items, size_t count,
		 int64_t timeout_ms, size_t *sent, struct ff_err *err);
/* The next plain item, in the empty `item`; errors of ff_channel_receive, FF_EINVAL if somebody has
 * subscribed to items. */
int ff_talk_receive(struct ff_talk *talk, int64_t timeout_ms, struct ff_item *item,
		    struct ff_err *err);

/* Sets all names of a dict (str to value) at the other side, in one item. FF_EINVAL: no dict, or no
 * name (1 to FF_NAME_MAX bytes, no NUL); errors of ff_channel_send. Does not wait. */
int ff_talk_set(struct ff_talk *talk, const struct ff_value *names, struct ff_err *err);
/* The value of a name that the other side has set, waiting until it has, and until that is another
 * than `ignore` (NULL: any will do); copied into the empty `item`. Also after the channel's end, if
 * there is such a value. Errors of ff_channel_receive. */
int ff_talk_get(struct ff_talk *talk, const char *name, const struct ff_value *ignore,
		int64_t timeout_ms, struct ff_item *item, struct ff_err *err);

/* `fn` is told each value of `name` from the other side, the present one before this returns; with
 * NULL each plain item, those that wait first. Several are told in the order of subscribing; who is
 * told of the end is not told again. NULL: FF_EINVAL, FF_ETOOBIG, FF_ENOMEM. */
struct ff_talk_sub *ff_talk_subscribe(struct ff_talk *talk, const char *name, ff_talk_fn *fn,
				      void *ctx, struct ff_err *err);
/* Also inside a callback; freed. When the last one for items has gone they wait to be received.
 * NULL is allowed. */
void ff_talk_unsubscribe(struct ff_talk_sub *sub);

#endif
