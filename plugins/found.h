/* Units that a discovery has found, on their way to the sink. */
#ifndef FF_PLUGINS_FOUND_H
#define FF_PLUGINS_FOUND_H

#include "base/arena.h"
#include "payload.h"

struct ff_found {
	struct ff_arena arena; /* of names, details, and of what marks point to */
	struct ff_value *names, *details;
	struct ff_payload_mark *marks;
	uint32_t len, cap;
	uint32_t marks_len, marks_cap;
	bool full; /* there was not memory enough: nothing of it is told */
};

/* Adds a unit (copies): its number. `detail`: NULL: "". */
uint32_t ff_found_add(struct ff_found *found, const char *name, const char *detail);
/* A mark for a unit, which asks for nothing yet; what it points to is to be in the arena, or
 * static. NULL: out of memory. Valid until the next. */
struct ff_payload_mark *ff_found_mark(struct ff_found *found, uint32_t unit);
/* Tells all of it: collected, marks, details, names. */
void ff_found_tell(struct ff_found *found, const struct ff_payload_sink *sink, void *ctx);
void ff_found_release(struct ff_found *found);

#endif
