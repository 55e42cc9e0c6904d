/* The tree of bitmaps: a bit above is set while the word below it is not zero. */
#include "sched/pending.h"

#include <stddef.h>

#include "base/alloc.h"

enum { WORD = 64 };

void ff_pending_init(struct ff_pending *pending, uint32_t size, bool full)
{
	size_t words = size;

	*pending = (struct ff_pending){.size = size};
	do {
		words = (words + WORD - 1) / WORD;
		pending->levels[pending->depth++] = ff_xcalloc(words + 1, sizeof(uint64_t));
	} while (words > 1);
	for (uint32_t unit = 0; full && unit < size; unit++)
		ff_pending_add(pending, unit);
}

void ff_pending_release(struct ff_pending *pending)
{
	for (unsigned i = 0; i < pending->depth; i++)
		ff_free(pending->levels[i]);
	*pending = (struct ff_pending){0};
}

bool ff_pending_has(const struct ff_pending *pending, uint32_t unit)
{
	return unit < pending->size && (pending->levels[0][unit / WORD] >> unit % WORD & 1);
}

void ff_pending_add(struct ff_pending *pending, uint32_t unit)
{
	if (unit >= pending->size || ff_pending_has(pending, unit))
		return;
	pending->len++;
	for (unsigned i = 0; i < pending->depth; i++) {
		pending->levels[i][unit / WORD] |= UINT64_C(1) << unit % WORD;
		unit /= WORD;
	}
}

uint32_t ff_pending_take(struct ff_pending *pending)
{
	uint32_t at = 0, unit;

	for (unsigned i = pending->depth; i-- > 0;)
		at = at * WORD + (uint32_t)__builtin_ctzll(pending->levels[i][at]);
	unit = at;
	pending->len--;
	for (unsigned i = 0; i < pending->depth; i++) {
		pending->levels[i][at / WORD] &= ~(UINT64_C(1) << at % WORD);
		if (pending->levels[i][at / WORD])
			break;
		at /= WORD;
	}
	return unit;
}
