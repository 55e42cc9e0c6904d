/* A journal seen at a glance: its first line and its last, whatever its length. */
#ifndef FF_EVENT_GLANCE_H
#define FF_EVENT_GLANCE_H

#include "base/arena.h"
#include "base/err.h"
#include "event/event.h"

/* The RUN_FINISHED in the journal's last line; false: it has none there. Texts live in `arena`. */
bool ff_journal_end(const char *path, struct ff_arena *arena, struct ff_event *event);
/* Its RUN_STARTED; 0, FF_ELOAD or FF_ESYS. */
int ff_journal_beginning(const char *path, struct ff_arena *arena, struct ff_event *event,
			 struct ff_err *err);

#endif
