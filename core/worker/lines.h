/* Bytes into lines of text: what a script prints becomes str items. */
#ifndef FF_WORKER_LINES_H
#define FF_WORKER_LINES_H

#include <stddef.h>

#include "base/buf.h"

enum { FF_LINE_MAX = 64 << 10 }; /* longer lines come in pieces */

struct ff_lines {
	struct ff_buf part; /* of a line whose end has not come */
	struct ff_buf text; /* for repairs */
};

void ff_lines_init(struct ff_lines *lines);
void ff_lines_release(struct ff_lines *lines);
/* Calls `fn` for each line that is complete now, without its newline, as valid UTF-8 (bytes that
 * are none become U+FFFD). 0 or FF_ENOMEM. */
int ff_lines_feed(struct ff_lines *lines, const void *bytes, size_t len,
		  void (*fn)(void *ctx, const char *text, size_t len), void *ctx);
/* The last line, if it has no newline. */
int ff_lines_end(struct ff_lines *lines, void (*fn)(void *ctx, const char *text, size_t len),
		 void *ctx);

#endif
