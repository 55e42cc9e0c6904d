/* Which fields each kind of event has: one table for writing and reading the journal. */
#ifndef FF_EVENT_FIELDS_H
#define FF_EVENT_FIELDS_H

#include "event/event.h"

enum ff_field_type {
	FF_FIELD_TEXT,
	FF_FIELD_BOOL,
	FF_FIELD_INT,
	FF_FIELD_NUMBER, /* an int that is left out when it is 0 */
	FF_FIELD_U32,
	FF_FIELD_U64,
	FF_FIELD_I64,
	FF_FIELD_COUNTS,
	FF_FIELD_RESULT,
	FF_FIELD_LINES,	 /* const char *const *, NULL-terminated */
	FF_FIELD_OUTPUT, /* unit_output's bytes and len */
};

struct ff_field {
	const char *name; /* NULL ends a kind's list */
	enum ff_field_type type;
	size_t offset; /* into struct ff_event */
};

/* The fields of `kind`, in the order they are written. */
const struct ff_field *ff_event_fields(enum ff_event_kind kind);

#endif
