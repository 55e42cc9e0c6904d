/* Secrets in what a run tells: whatever comes in from workers passes here before it is an event, so
 * that terminal, journal and reports need not know of them. Bytes in, bytes out. */
#ifndef FF_EVENT_MASK_H
#define FF_EVENT_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define FF_MASK_TEXT "***"
enum { FF_MASK_MIN = 4 }; /* bytes; what is shorter would make holes everywhere */

struct ff_mask {
	struct ff_mask_word {
		char *bytes;
		size_t len;
	} * words; /* the longest first */
	size_t len, cap;
	bool first[256]; /* bytes that one of them begins with */
};

void ff_mask_release(struct ff_mask *mask);
/* What is to be masked from now on: the value; if it has several lines, each of those; and what
 * becomes of it when a program shows it as Python or JSON. Those below FF_MASK_MIN are left out. */
void ff_mask_add(struct ff_mask *mask, const char *value, size_t len);
/* Whether there is anything to mask in the bytes, or a cut to be looked at. */
bool ff_mask_finds(const struct ff_mask *mask, const char *bytes, size_t len);
/* Appends the bytes with FF_MASK_TEXT in the place of each secret: secrets that overlap are one.
 * Around the mark of output that was cut, what is left of a secret is masked, too. */
void ff_mask_put(const struct ff_mask *mask, const char *bytes, size_t len, struct ff_buf *out);

/* The same for what comes piece by piece: the end of a piece may be the beginning of a secret, and
 * is held back until that can be told. */
struct ff_mask_stream {
	struct ff_buf held;
};
void ff_mask_stream_release(struct ff_mask_stream *stream);
/* Appends what can be told now. */
void ff_mask_feed(const struct ff_mask *mask, struct ff_mask_stream *stream, const char *bytes,
		  size_t len, struct ff_buf *out);
/* Appends what was held back: nothing more comes. */
void ff_mask_end(const struct ff_mask *mask, struct ff_mask_stream *stream, struct ff_buf *out);

#endif
