/* Events that outlive their telling. */
#ifndef FF_EVENT_REF_H
#define FF_EVENT_REF_H

#include "event/event.h"

/* An event as a subscriber gets it. `event` is valid during the call; who wants it for longer takes
 * ff_event_keep's. */
struct ff_event_ref {
	const struct ff_event *event;
};

/* A reference that lasts until it is dropped; its event is a copy with all its texts, made once for
 * all who keep it. What was kept may be kept again, by any thread; what a subscriber gets, only
 * during the call. Ends the program when out of memory. */
struct ff_event_ref *ff_event_keep(struct ff_event_ref *ref);
/* Drops a kept one; from any thread. NULL is fine. */
void ff_event_unref(struct ff_event_ref *ref);

/* A kept reference to a copy of `event`. */
struct ff_event_ref *ff_event_copy(const struct ff_event *event);

/* For those who hand events to subscribers: a reference for the time of some calls. */
struct ff_event_lent {
	struct ff_event_ref ref; /* first: it is cast back */
	bool kept;		 /* false: it is a lent one */
	struct ff_event_ref *copy;
};

#define FF_EVENT_LENT(event_)                                                                      \
	{                                                                                          \
		.ref = { event_ }                                                                  \
	}

void ff_event_lent_release(struct ff_event_lent *lent);

#endif
