/* A count for each unit of those that it still waits for, and for each a list of who waits. */
#include "sched/waits.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define NOBODY UINT32_MAX

struct waiter {
	uint32_t unit;
	bool pass;
};

struct ff_waits {
	uint32_t units;
	uint32_t *left;	  /* by unit: how many it waits for */
	uint32_t *failed; /* by unit: of those the first that should have passed; NOBODY */
	uint32_t *first;  /* by unit: where in `waiters` its own begin; one more at the end */
	struct waiter *waiters;
	uint32_t *ready; /* units, in the order in which they became so */
	uint32_t head, tail;
};

static int by_pair(const void *a, const void *b)
{
	const struct ff_waits_edge *x = a, *y = b;

	if (x->on != y->on)
		return x->on < y->on ? -1 : 1;
	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return (int)y->pass - (int)x->pass; /* of two the stronger one */
}

struct ff_waits *ff_waits_new(uint32_t units, const struct ff_waits_edge *edges, size_t len)
{
	struct ff_waits *waits = ff_xcalloc(1, sizeof(*waits));
	struct ff_waits_edge *sorted = ff_xmalloc((len + 1) * sizeof(*sorted));
	uint32_t kept = 0, on = 0;

	if (len > 0)
		memcpy(sorted, edges, len * sizeof(*sorted));
	qsort(sorted, len, sizeof(*sorted), by_pair);
	waits->units = units;
	waits->left = ff_xcalloc((size_t)units + 1, sizeof(*waits->left));
	waits->failed = ff_xmalloc(((size_t)units + 1) * sizeof(*waits->failed));
	memset(waits->failed, 0xff, ((size_t)units + 1) * sizeof(*waits->failed));
	waits->first = ff_xcalloc((size_t)units + 2, sizeof(*waits->first));
	waits->waiters = ff_xmalloc((len + 1) * sizeof(*waits->waiters));
	waits->ready = ff_xmalloc(((size_t)units + 1) * sizeof(*waits->ready));
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && sorted[i].on == sorted[i - 1].on &&
		    sorted[i].unit == sorted[i - 1].unit)
			continue;
		while (on <= sorted[i].on)
			waits->first[on++] = kept;
		waits->waiters[kept++] = (struct waiter){sorted[i].unit, sorted[i].pass};
		waits->left[sorted[i].unit]++;
	}
	while (on <= units)
		waits->first[on++] = kept;
	ff_free(sorted);
	return waits;
}

void ff_waits_free(struct ff_waits *waits)
{
	if (!waits)
		return;
	ff_free(waits->left);
	ff_free(waits->failed);
	ff_free(waits->first);
	ff_free(waits->waiters);
	ff_free(waits->ready);
	ff_free(waits);
}

bool ff_waits_blocked(const struct ff_waits *waits, uint32_t unit)
{
	return waits->left[unit] > 0;
}

uint32_t ff_waits_in_circle(const struct ff_waits *waits)
{
	size_t size = ((size_t)waits->units + 1) * sizeof(uint32_t);
	uint32_t *left = memcpy(ff_xmalloc(size), waits->left, size);
	uint32_t *open = ff_xmalloc(size);
	uint32_t len = 0, found = NOBODY;

	for (uint32_t i = 0; i < waits->units; i++)
		if (left[i] == 0)
			open[len++] = i;
	for (uint32_t i = 0; i < len; i++)
		for (uint32_t j = waits->first[open[i]]; j < waits->first[open[i] + 1]; j++)
			if (--left[waits->waiters[j].unit] == 0)
				open[len++] = waits->waiters[j].unit;
	for (uint32_t i = 0; i < waits->units && found == NOBODY; i++)
		if (left[i] > 0)
			found = i;
	ff_free(left);
	ff_free(open);
	return found;
}

void ff_waits_ended(struct ff_waits *waits, uint32_t unit, bool passed)
{
	for (uint32_t i = waits->first[unit]; i < waits->first[unit + 1]; i++) {
		const struct waiter *waiter = &waits->waiters[i];

		if (waiter->pass && !passed && waits->failed[waiter->unit] == NOBODY)
			waits->failed[waiter->unit] = unit;
		if (--waits->left[waiter->unit] == 0)
			waits->ready[waits->tail++] = waiter->unit;
	}
}

bool ff_waits_next(struct ff_waits *waits, struct ff_waits_ready *ready)
{
	if (waits->head == waits->tail)
		return false;
	ready->unit = waits->ready[waits->head++];
	ready->failed = waits->failed[ready->unit];
	return true;
}
