/* Subscribers to a run's events: each gets them exactly once and in order, from the one that it
 * asked for on, whenever it comes. */
#ifndef FF_EVENT_BUS_H
#define FF_EVENT_BUS_H

#include "base/err.h"
#include "event/journal.h"
#include "event/ref.h"

/* How many older events a subscriber gets at one go; a run must not stand still for it. */
enum { FF_BUS_STEP = 256 };

struct ff_bus;
struct ff_subscription;

/* `journal` (borrowed, may be NULL: then there are no older events) is where older events are read
 * back from; each event is appended to it before it is published. */
struct ff_bus *ff_bus_new(struct ff_journal *journal);
/* Ends all subscriptions. Not from a callback. NULL is fine. */
void ff_bus_free(struct ff_bus *bus);

/* Hands the event to all who have had those before it; the others get theirs from the journal, a
 * step on each call. An event that is published from within a callback is handed out after the
 * present one. */
void ff_bus_publish(struct ff_bus *bus, const struct ff_event *event);

/* `fn` is called for every event with seq >= from_seq (from 1): now for older ones, up to a step of
 * them, for the rest by ff_bus_pump and ff_bus_publish. Events that can't be read back (the disk
 * was full) are made up for by one NOTICE of level "error" with the last one's seq. It may
 * subscribe, unsubscribe (itself too) and publish. NULL: FF_ESYS (the journal can't be opened,
 * flushed), or FF_ENOTFOUND: there is no journal, and the event is past. */
struct ff_subscription *ff_bus_subscribe(struct ff_bus *bus, uint64_t from_seq,
					 void (*fn)(struct ff_event_ref *event, void *ctx),
					 void *ctx, struct ff_err *err);
/* `fn` is not called again. */
void ff_bus_unsubscribe(struct ff_bus *bus, struct ff_subscription *subscription);

/* A step more for each subscriber that is behind. True: somebody still is; call it again when there
 * is nothing more urgent. */
bool ff_bus_pump(struct ff_bus *bus);

#endif
