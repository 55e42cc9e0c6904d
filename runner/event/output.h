/* Output of a unit, kept within a cap: its head as it came and, when there is more, its tail. What
 * a run shows at once, and what a replay shows of it later, are put together here. */
#ifndef FF_EVENT_OUTPUT_H
#define FF_EVENT_OUTPUT_H

#include "base/buf.h"
#include "event/event.h"

enum { FF_OUTPUT_TAIL = 64 << 10 }; /* of output over the cap, so much of its end is kept too */

struct ff_output {
	struct ff_buf head, tail; /* the tail may hold more than it should: see ff_output_tail */
	uint64_t total;		  /* all that was written */
	size_t cap;
	bool whole; /* set by who wants all of it told: then nothing is kept of more than the cap */
	int error;  /* FF_ENOMEM, FF_ETOOBIG: something is missing */
};

void ff_output_init(struct ff_output *output, size_t cap); /* 0: no limit */
void ff_output_release(struct ff_output *output);
/* How many of the bytes, from the front, went into the head: these are told at once. */
size_t ff_output_add(struct ff_output *output, const void *bytes, size_t len);
/* Whether there was more than the cap. */
bool ff_output_cut(const struct ff_output *output);
/* What is to be told at the end, as a UNIT_OUTPUT event: fills in bytes (borrowed from `output`),
 * len, tail and cut. False: nothing. */
bool ff_output_tail(const struct ff_output *output, struct ff_event *event);
/* Appends all that was kept, with a mark where something is left out. 0 or FF_ENOMEM, FF_ETOOBIG.
 */
int ff_output_text(const struct ff_output *output, struct ff_buf *text);

/* The mark: `cut` bytes are left out after `head_len`, before `len_after` others. */
int ff_output_mark(struct ff_buf *text, uint64_t cut, uint64_t head_len, uint64_t len_after);

/* The stream of a told section: 1 for "stdout", 2 for "stderr", 0 for any other title or NULL. */
int ff_output_stream(const char *title);

#endif
