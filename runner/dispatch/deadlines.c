/* A binary heap whose nodes know where they are. */
#include "dispatch/deadlines.h"

#include "base/alloc.h"

void ff_deadlines_release(struct ff_deadlines *deadlines)
{
	ff_free(deadlines->heap);
	*deadlines = (struct ff_deadlines){0};
}

static void put(struct ff_deadlines *d, size_t pos, struct ff_deadline *deadline)
{
	d->heap[pos] = deadline;
	deadline->pos = pos;
}

static void sift(struct ff_deadlines *d, size_t pos)
{
	struct ff_deadline *deadline = d->heap[pos];

	for (; pos > 1 && d->heap[pos / 2]->at_us > deadline->at_us; pos /= 2)
		put(d, pos, d->heap[pos / 2]);
	for (size_t child; (child = 2 * pos) <= d->len; pos = child) {
		if (child < d->len && d->heap[child + 1]->at_us < d->heap[child]->at_us)
			child++;
		if (d->heap[child]->at_us >= deadline->at_us)
			break;
		put(d, pos, d->heap[child]);
	}
	put(d, pos, deadline);
}

void ff_deadline_set(struct ff_deadlines *d, struct ff_deadline *deadline, int64_t at_us)
{
	deadline->at_us = at_us;
	if (deadline->pos == 0) {
		if (d->len + 1 >= d->cap) {
			d->cap = d->cap ? 2 * d->cap : 64;
			d->heap = ff_xrealloc(d->heap, d->cap * sizeof(*d->heap));
		}
		put(d, ++d->len, deadline);
	}
	sift(d, deadline->pos);
}

void ff_deadline_clear(struct ff_deadlines *d, struct ff_deadline *deadline)
{
	size_t pos = deadline->pos;
	struct ff_deadline *last;

	if (pos == 0)
		return;
	deadline->pos = 0;
	last = d->heap[d->len--];
	if (last == deadline)
		return;
	put(d, pos, last);
	sift(d, pos);
}

int64_t ff_deadlines_next(const struct ff_deadlines *d)
{
	return d->len > 0 ? d->heap[1]->at_us : INT64_MAX;
}

struct ff_deadline *ff_deadlines_due(struct ff_deadlines *d, int64_t now_us)
{
	struct ff_deadline *first = d->len > 0 ? d->heap[1] : NULL;

	if (!first || first->at_us > now_us)
		return NULL;
	ff_deadline_clear(d, first);
	return first;
}
