/* Named values over channels: set a name, get one (which waits until it is bound), subscribe to its
 * changes. Here is the table of them, which serves any number of channels; names_client.h asks such
 * a table. It is all plain items (PROTOCOL.md, "Named values"): any peer that has a channel can
 * take part. */
#ifndef FF_GATEWAY_NAMES_H
#define FF_GATEWAY_NAMES_H

#include "gateway/channel.h"

struct ff_names;
struct ff_names_watch;

/* Whoever exceeds one: FF_ETOOBIG; a peer gets its channel closed with words. */
enum {
	FF_NAME_MAX = 255,		/* bytes of a name; it is not empty and has no NUL */
	FF_NAMES_MAX = 1 << 16,		/* names in a table, those that are waited for included */
	FF_NAMES_BYTES_MAX = 256 << 20, /* of all values, as they travel */
	FF_NAMES_WATCHES_MAX = 4096,	/* gets and subscriptions of one peer that wait */
};

/* A subscribed name got `value`, which is valid until the name is set again, but not beyond the
 * call. It may do anything to the table save free it; who sets the same name in here makes
 * subscribers whose turn is still to come hear of the newer value only. */
typedef void ff_names_fn(const char *name, const struct ff_value *value, void *ctx);

/* NULL: out of memory. */
struct ff_names *ff_names_new(void);
/* Closes the attached channels and ends local subscriptions. Not from inside a callback. NULL is
 * allowed. */
void ff_names_free(struct ff_names *names);

/* Serves a peer: the table takes a reference to the channel and becomes its callback, until one of
 * both ends. A peer that sends what is no request, or subscribes and does not read
 * (FF_CHANNEL_PENDING_MAX), gets its channel closed with an error. FF_EEXISTS: the channel has a
 * callback; FF_ENOMEM. */
int ff_names_attach(struct ff_names *names, struct ff_channel *channel, struct ff_err *err);

/* Binds a name, again if it was bound; who waits for it is told before this returns. The value is
 * copied. FF_EINVAL: no name, or a value with a channel inside (it means nothing to another
 * gateway); FF_ETOOBIG, FF_EDUMP, FF_ENOMEM. */
int ff_names_set(struct ff_names *names, const char *name, const struct ff_value *value,
		 struct ff_err *err);
/* The value of a name, the table's own, valid until the name is set again; NULL: not bound. */
const struct ff_value *ff_names_value(const struct ff_names *names, const char *name);
/* The same, waiting until it is bound by running the loop of an attached channel's group: a copy
 * in the empty `item`. FF_ETIMEOUT after timeout_ms (negative: no limit), FF_EDEADLK inside a
 * callback, FF_EUNSUPPORTED when no attached channel has a loop, FF_ENOMEM. */
int ff_names_get(struct ff_names *names, const char *name, int64_t timeout_ms, struct ff_item *item,
		 struct ff_err *err);

/* `fn` is told the present value, if there is one, before this returns, and each that is set from
 * then on. NULL: FF_EINVAL, FF_ETOOBIG, FF_ENOMEM. */
struct ff_names_watch *ff_names_subscribe(struct ff_names *names, const char *name, ff_names_fn *fn,
					  void *ctx, struct ff_err *err);
/* Also inside a callback. The watch is freed. NULL is allowed. */
void ff_names_unsubscribe(struct ff_names_watch *watch);

#endif
