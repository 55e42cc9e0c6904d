/* Which fields each kind of event has: one table for writing and reading the journal. */
#ifndef FF_EVENT_FIELDS_H
#define FF_EVENT_FIELDS_H

#include "event/event.h"

enum ff_field_type {
	FF_FIELD_TEXT,
	FF_FIELD_NAME, /* a text that is never NULL for a reader: "" at least */
	FF_FIELD_BOOL,
	FF_FIELD_FLAG, /* a bool that is left out when it is false */
	FF_FIELD_INT,
	FF_FIELD_NUMBER, /* an int that is left out when it is 0 */
	FF_FIELD_STREAM, /* an int: 1 or 2 */
	FF_FIELD_U32,
	FF_FIELD_ATTEMPT, /* a u32 from 1 */
	FF_FIELD_U64,
	FF_FIELD_SIZE, /* a u64 that is left out when it is 0 */
	FF_FIELD_I64,
	FF_FIELD_COUNTS,
	FF_FIELD_RESULT,
	FF_FIELD_LINES,	 /* const char *const *, NULL-terminated */
	FF_FIELD_OUTPUT, /* unit_output's bytes and len: "text", or "at" and "len" */
	FF_FIELD_FACTS,	 /* worker_started's facts and facts_len, as an object */
	FF_FIELD_WAIT,	 /* struct ff_wait, as the status; left out if it is not known */
	FF_FIELD_REASON, /* enum ff_reason, as its word; left out if it is none */
	FF_FIELD_JOB_RESULT,
	FF_FIELD_OUTCOME,
};

struct ff_field {
	const char *name; /* NULL ends a kind's list */
	enum ff_field_type type;
	size_t offset; /* into struct ff_event */
};

/* The fields of `kind`, in the order they are written. */
const struct ff_field *ff_event_fields(enum ff_event_kind kind);

/* Which of job, unit, host and worker an event of `kind` can't do without: FF_HAS_… */
enum { FF_HAS_JOB = 1, FF_HAS_UNIT = 2, FF_HAS_HOST = 4, FF_HAS_WORKER = 8 };
unsigned ff_event_needs(enum ff_event_kind kind);

#endif
