/* Moments at which something is due: a heap of nodes that sit in what they belong to. Pure. */
#ifndef FF_DISPATCH_DEADLINES_H
#define FF_DISPATCH_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

struct ff_deadline {
	int64_t at_us;
	size_t pos; /* in the heap, from 1; 0: not set */
};

struct ff_deadlines {
	struct ff_deadline **heap; /* from 1 */
	size_t len, cap;
};

void ff_deadlines_release(struct ff_deadlines *deadlines);
/* Sets or moves it. */
void ff_deadline_set(struct ff_deadlines *deadlines, struct ff_deadline *deadline, int64_t at_us);
/* Harmless when it is not set. */
void ff_deadline_clear(struct ff_deadlines *deadlines, struct ff_deadline *deadline);
/* The earliest; INT64_MAX: none. */
int64_t ff_deadlines_next(const struct ff_deadlines *deadlines);
/* Takes out one that is due; NULL: none is. */
struct ff_deadline *ff_deadlines_due(struct ff_deadlines *deadlines, int64_t now_us);

#endif
