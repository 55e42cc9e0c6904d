/* Reads a journal from its beginning, while its run goes on or later; texts come from the output
 * file beside it. */
#ifndef FF_EVENT_READER_H
#define FF_EVENT_READER_H

#include "base/err.h"
#include "event/event.h"

struct ff_reader;

/* NULL: FF_ESYS naming the path. */
struct ff_reader *ff_reader_new(const char *path, struct ff_err *err);
void ff_reader_free(struct ff_reader *reader); /* NULL is fine */

/* From now on attempts are read in brief, for who counts ends in a long journal: UNIT_STARTED,
 * UNIT_OUTPUT, UNIT_ARTIFACTS and UNIT_LOST are left out, and of UNIT_FINISHED and UNIT_BEFORE only
 * whose it was, `final` and the outcome need be given. */
void ff_reader_brief(struct ff_reader *reader);

/* 1: *event is the next one, valid until the next call. 0: there is none yet (a line without its
 * end is none). FF_ELOAD (file, line, key), FF_ESYS, FF_ENOMEM: it can't be read on.
 *
 * Sections that were told before are put together from the attempt's output, so that the result is
 * what reporters saw. A text that the output file no longer has is "[output is missing]". */
int ff_reader_next(struct ff_reader *reader, const struct ff_event **event, struct ff_err *err);

/* How much of the journal has been read, and how long it is by now, in bytes; 0 and 0: unknown. */
void ff_reader_place(const struct ff_reader *reader, uint64_t *at, uint64_t *size);

/* The first text that was missing, in words that name the file; NULL: none so far. */
const char *ff_reader_missing(const struct ff_reader *reader);

#endif
