/* The two forms of an event's line: with its texts inline (--jsonl), or with their places in the
 * output file (the journal). Private to this room. */
#ifndef FF_EVENT_CODEC_H
#define FF_EVENT_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"

/* The last microsecond of the year 9999: what the form of `time` can hold. */
#define FF_EVENT_TIME_MAX INT64_C(253402300799999999)

/* Where texts go that are kept out of the line. */
struct ff_output_sink {
	struct ff_buf *bytes;
	uint64_t base; /* place of the first of `bytes` in the output file */
};

/* Appends a line; without a sink as ff_event_json does. On failure `out` and the sink's bytes are
 * as before. */
int ff_event_encode(struct ff_buf *out, const struct ff_event *event, struct ff_output_sink *sink);

/* Where texts come from that are not in the line. Each gives a text that lives in `arena` or
 * longer; negative: an error, told in `err`. */
struct ff_output_source {
	/* `len` bytes of the output file from `at`; of `event` all but its fields is read. */
	int (*bytes)(struct ff_output_source *source, const struct ff_event *event,
		     struct ff_arena *arena, uint64_t at, size_t len, struct ff_section *text,
		     struct ff_err *err);
	/* All that the attempt of `event` wrote to a stream, which should be `len` bytes. */
	int (*told)(struct ff_output_source *source, const struct ff_event *event,
		    struct ff_arena *arena, int stream, size_t len, struct ff_section *text,
		    struct ff_err *err);
};

/* Where an event of kind UNIT_OUTPUT has its bytes. */
struct ff_output_place {
	uint64_t at;
	size_t len;
};

/* Decodes one line. Without a source, places are refused and told sections are empty. `place` (may
 * be NULL) is filled for UNIT_OUTPUT. FF_ELOAD names the key. */
int ff_event_decode(struct ff_event *event, struct ff_arena *arena, const char *line, size_t len,
		    struct ff_output_source *source, struct ff_output_place *place,
		    struct ff_err *err);

/* The same for who only counts ends: 1: an end of a unit's attempt with its names, number and
 * outcome, and nothing else. 0: its beginning, its output or its loss, of which only kind and seq
 * are given. -1: decode it. */
bool ff_event_left_out(enum ff_event_kind kind); /* by who reads in brief */
int ff_event_brief(struct ff_event *event, struct ff_arena *arena, const char *line, size_t len);

#endif
