/* The receiving half of tree sync, as the native worker runs it: compares a manifest with what is
 * there, asks for what is missing, writes it. Never touches anything outside its root. */
#ifndef FF_RSYNC_RECEIVE_H
#define FF_RSYNC_RECEIVE_H

#include "gateway/channel.h"
#include "rsync/tree.h"

struct ff_rsync_receive;

/* Serves one transfer on `channel` (a reference is taken): installs the channel's callback and
 * answers. `kwargs` are the task's: dest (str), delete (bool), version (int), and owner and holder
 * (str) if dest is to be locked for as long as this process lives. `finished` is called
 * once, after the answer was sent or the channel ended; error is NULL or the text to close the
 * channel with. The object frees itself after `finished` returned. FF_EINVAL: kwargs are wrong;
 * FF_EBUSY: dest is locked by another owner, which was said on the channel. */
int ff_rsync_receive_start(struct ff_channel *channel, const struct ff_value *kwargs,
			   void (*finished)(struct ff_channel *channel, const char *error,
					    void *ctx),
			   void *ctx, struct ff_err *err);

#endif
