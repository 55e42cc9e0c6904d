/* TAP (versions 12 to 14) as text to what it says. Points of subtests are counted apart: how they
 * come out is said by the point that follows them. */
#ifndef FF_PLUGINS_TAP_PARSE_H
#define FF_PLUGINS_TAP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct ff_tap {
	int64_t planned; /* -1: there is no plan */
	int64_t points, failed, todo, skipped;
	int64_t todo_passed; /* passed though they were still to be done */
	int64_t nested;	     /* points of subtests */
	bool bailed;
	struct ff_buf bail;	/* why; may be empty */
	struct ff_buf skip;	/* why the plan says that nothing runs; empty: it gives no reason */
	struct ff_buf first;	/* "not ok 3 - adds": the first that failed */
	struct ff_buf failures; /* all that failed, each with its diagnostics */
	struct ff_buf wrong;	/* what is wrong with it as TAP, the first thing; empty: nothing */
};

/* Reads all of it; to be released. */
void ff_tap_parse(struct ff_tap *tap, const char *text, size_t len);
void ff_tap_release(struct ff_tap *tap);

#endif
