/* Asks a table of named values (names.h) at the other end of a channel. */
#ifndef FF_GATEWAY_NAMES_CLIENT_H
#define FF_GATEWAY_NAMES_CLIENT_H

#include "gateway/names.h"

struct ff_names_client;
struct ff_names_sub;

/* Takes a reference to the channel and becomes its callback. NULL: FF_EEXISTS (it has one),
 * FF_ENOMEM. */
struct ff_names_client *ff_names_client_new(struct ff_channel *channel, struct ff_err *err);
/* Closes the channel and ends the subscriptions. Not from inside a callback or while a get waits.
 * NULL is allowed. */
void ff_names_client_free(struct ff_names_client *client);

/* Binds a name there. Does not wait; errors of ff_channel_send, FF_EINVAL as ff_names_set. */
int ff_names_client_set(struct ff_names_client *client, const char *name,
			const struct ff_value *value, struct ff_err *err);
/* The value a name has there, waiting until it is bound, into the empty `item`. What this client
 * has set before is seen. Errors of ff_channel_receive, among them FF_ETIMEOUT, FF_EREMOTE (the
 * table refused something) and FF_EDEADLK. */
int ff_names_client_get(struct ff_names_client *client, const char *name, int64_t timeout_ms,
			struct ff_item *item, struct ff_err *err);

/* `fn` is told the present value, as soon as it is known (for a second subscription to a name that
 * is before this returns), and each later one. `fn` may do anything but wait or free the client.
 * Any number to one name. NULL: errors of ff_channel_send, FF_EINVAL. */
struct ff_names_sub *ff_names_client_subscribe(struct ff_names_client *client, const char *name,
					       ff_names_fn *fn, void *ctx, struct ff_err *err);
/* Also inside a callback; `fn` is not called again. The subscription is freed. NULL is allowed. */
void ff_names_client_unsubscribe(struct ff_names_sub *sub);

#endif
