/* Failures that are alike: the same message at the same place, whatever addresses, numbers, times
 * and temporary paths stand in it. Pure. */
#ifndef FF_REPORT_ALIKE_H
#define FF_REPORT_ALIKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"

enum {
	FF_ALIKE_GROUPS_MAX = 2000, /* failures of further causes are counted only */
	FF_ALIKE_NAMES_MAX = 3,	    /* units of a group that are kept by name */
	FF_ALIKE_TEXT_MAX = 1000,   /* bytes of a message that are compared */
};

struct ff_alike_group {
	char *cause;   /* said before the message: "exit status 3"; "": nothing */
	char *message; /* as the first one had it */
	char *frame;   /* "tests/test_x.py:12"; "": unknown */
	char *names[FF_ALIKE_NAMES_MAX];
	uint32_t count;
	uint32_t number; /* its place in `v` */
};

struct ff_alike {
	struct ff_map by_key;
	struct ff_alike_group **v; /* in the order of their first */
	size_t len, cap;
	uint32_t total;			   /* failures */
	uint32_t largest;		   /* of a group */
	const struct ff_alike_group *last; /* that one was added to; NULL: it is only counted */
};

void ff_alike_release(struct ff_alike *alike);
/* `longrepr` may be NULL, as may `message`: then the frame alone counts, and what has neither is
 * only counted. `name` is kept as it is given. Gives how many there are by now that are alike; 0:
 * it is only counted. */
uint32_t ff_alike_add(struct ff_alike *alike, const char *message, const char *longrepr,
		      const char *name);
/* Of a command: `cause` is compared to the letter ("exit status 3" is not "exit status 4"), the
 * last line of its output, which need not end and may be NULL, as a message is. */
uint32_t ff_alike_add_command(struct ff_alike *alike, const char *cause, const char *last_line,
			      const char *name);

/* Of a unit of a job with that payload: as its kind is compared. */
struct ff_result;
uint32_t ff_alike_add_result(struct ff_alike *alike, const char *payload,
			     const struct ff_result *result, const char *name);
/* What was said of it in one line: "exit status 3: No such file". "": nothing. */
void ff_alike_title(struct ff_buf *out, const struct ff_alike_group *group);

/* `message` without what differs from one failure to the next of the same cause: "0x..." for
 * addresses, "N" for numbers, "<path>" for what lies in a temporary folder; of its first line. */
void ff_alike_message(struct ff_buf *out, const char *message);
/* Where it was: the last line of a traceback that begins with "FILE:NUMBER:" or is Python's own
 * `  File "FILE", line NUMBER`. Nothing if there is none. */
void ff_alike_frame(struct ff_buf *out, const char *longrepr);

#endif
