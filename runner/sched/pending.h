/* A set of numbers, with the lowest at hand: a tree of bitmaps. */
#ifndef FF_SCHED_PENDING_H
#define FF_SCHED_PENDING_H

#include <stdbool.h>
#include <stdint.h>

enum { FF_PENDING_LEVELS = 6 }; /* 64^6 > 2^32 */

struct ff_pending {
	uint64_t
		*levels[FF_PENDING_LEVELS]; /* [0]: a bit per number; above: a bit per word below */
	unsigned depth;
	uint32_t size; /* numbers there can be */
	uint32_t len;  /* numbers in it */
};

/* `full`: with all of 0 ... size-1 in it. */
void ff_pending_init(struct ff_pending *pending, uint32_t size, bool full);
void ff_pending_release(struct ff_pending *pending);
/* There can be numbers below `size`, which is no smaller than before. */
void ff_pending_grow(struct ff_pending *pending, uint32_t size);
bool ff_pending_has(const struct ff_pending *pending, uint32_t number);
/* Adding what is in it, or what can't be, changes nothing; nor does removing what is not in it. */
void ff_pending_add(struct ff_pending *pending, uint32_t number);
void ff_pending_del(struct ff_pending *pending, uint32_t number);
/* The lowest; it must not be empty. */
uint32_t ff_pending_first(const struct ff_pending *pending);
/* The lowest that is at least `number`; UINT32_MAX: none. */
uint32_t ff_pending_next(const struct ff_pending *pending, uint32_t number);
/* Takes the lowest out; it must not be empty. */
uint32_t ff_pending_take(struct ff_pending *pending);

#endif
