/* Many channels as one, and a queue that gathers what they receive. */
#ifndef FF_GATEWAY_MULTICHANNEL_H
#define FF_GATEWAY_MULTICHANNEL_H

#include "gateway/channel.h"

struct ff_multichannel;
struct ff_queue;

/* Holds a reference to each channel. NULL: out of memory. */
struct ff_multichannel *ff_multichannel_new(struct ff_channel *const *channels, size_t count);
void ff_multichannel_free(struct ff_multichannel *multi);
size_t ff_multichannel_len(const struct ff_multichannel *multi);
struct ff_channel *ff_multichannel_at(const struct ff_multichannel *multi, size_t index);

/* To all; the first error is returned after all were tried. */
int ff_multichannel_send_each(struct ff_multichannel *multi, const struct ff_value *value,
			      struct ff_err *err);
/* One item from each, in order; items must have room for all, filled ones are the caller's to
 * release. The first error ends it; *received says how many were filled. */
int ff_multichannel_receive_each(struct ff_multichannel *multi, int64_t timeout_ms,
				 struct ff_item *items, size_t *received, struct ff_err *err);
/* Waits for all; then the first remote error, if any. */
int ff_multichannel_waitclose(struct ff_multichannel *multi, int64_t timeout_ms,
			      struct ff_err *err);

/* A receive queue over the channels (which get it as their callback). One per multichannel: called
 * again it gives the same one, as it is. NULL: out of memory. Freed with the multichannel. With
 * `endmarkers`, each channel's end is an entry of its own. */
struct ff_queue *ff_multichannel_queue(struct ff_multichannel *multi, bool endmarkers);

struct ff_queue_entry {
	struct ff_channel *channel; /* borrowed from the multichannel */
	bool end;		    /* the channel's end marker: no item */
	struct ff_item item;	    /* the caller's to release */
};

/* One on the heap, for those who can't know the size, to be filled by the calls below; NULL: out of
 * memory. It is released before it is filled again. */
struct ff_queue_entry *ff_queue_entry_new(void);
void ff_queue_entry_free(struct ff_queue_entry *entry); /* NULL: nothing */
/* Frees its item. NULL: nothing. */
void ff_queue_entry_release(struct ff_queue_entry *entry);
struct ff_channel *ff_queue_entry_channel(const struct ff_queue_entry *entry);
bool ff_queue_entry_end(const struct ff_queue_entry *entry);
const struct ff_value *ff_queue_entry_value(const struct ff_queue_entry *entry);

/* The next entry without waiting: 0, FF_EAGAIN, FF_EEOF (all channels ended, queue empty),
 * FF_ENOMEM (an entry was lost for want of memory; for ever). The peer gets its credit back here.
 */
int ff_queue_poll(struct ff_queue *queue, struct ff_queue_entry *entry);
/* The same, running the loop: FF_ETIMEOUT, FF_EDEADLK, FF_EUNSUPPORTED. */
int ff_queue_get(struct ff_queue *queue, int64_t timeout_ms, struct ff_queue_entry *entry,
		 struct ff_err *err);
size_t ff_queue_len(const struct ff_queue *queue);

#endif
