/* The median of durations, of any number of them in fixed room: counts of classes that are 3% wide.
 * Pure. */
#ifndef FF_DISPATCH_USUAL_H
#define FF_DISPATCH_USUAL_H

#include <stdint.h>

enum { FF_USUAL_BITS = 5, FF_USUAL_CLASSES = 64 << FF_USUAL_BITS };

/* Zeroed it has none. */
struct ff_usual {
	uint32_t len;
	uint32_t classes[FF_USUAL_CLASSES];
};

void ff_usual_add(struct ff_usual *usual, int64_t us);
/* 0: it has none yet. */
int64_t ff_usual_median_us(const struct ff_usual *usual);

#endif
