/* The tree of bitmaps: a bit above is set while the word below it is not zero. */
#include "sched/pending.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

enum { WORD = 64 };

/* All bits of the first `size`. */
static void fill(uint64_t *words, size_t size)
{
	memset(words, 0xff, size / WORD * sizeof(*words));
	if (size % WORD)
		words[size / WORD] = (UINT64_C(1) << size % WORD) - 1;
}

void ff_pending_init(struct ff_pending *pending, uint32_t size, bool full)
{
	size_t bits = size;

	*pending = (struct ff_pending){.size = size, .len = full ? size : 0};
	do {
		size_t words = (bits + WORD - 1) / WORD;
		uint64_t *level = ff_xcalloc(words + 1, sizeof(*level));

		if (full)
			fill(level, bits);
		pending->levels[pending->depth++] = level;
		bits = words;
	} while (bits > 1);
}

void ff_pending_release(struct ff_pending *pending)
{
	for (unsigned i = 0; i < pending->depth; i++)
		ff_free(pending->levels[i]);
	*pending = (struct ff_pending){0};
}

void ff_pending_grow(struct ff_pending *pending, uint32_t size)
{
	struct ff_pending longer;

	ff_pending_init(&longer, size, false);
	while (pending->len > 0)
		ff_pending_add(&longer, ff_pending_take(pending));
	ff_pending_release(pending);
	*pending = longer;
}

bool ff_pending_has(const struct ff_pending *pending, uint32_t number)
{
	return number < pending->size && (pending->levels[0][number / WORD] >> number % WORD & 1);
}

void ff_pending_add(struct ff_pending *pending, uint32_t number)
{
	if (number >= pending->size || ff_pending_has(pending, number))
		return;
	pending->len++;
	for (unsigned i = 0; i < pending->depth; i++) {
		pending->levels[i][number / WORD] |= UINT64_C(1) << number % WORD;
		number /= WORD;
	}
}

void ff_pending_del(struct ff_pending *pending, uint32_t number)
{
	if (!ff_pending_has(pending, number))
		return;
	pending->len--;
	for (unsigned i = 0; i < pending->depth; i++) {
		pending->levels[i][number / WORD] &= ~(UINT64_C(1) << number % WORD);
		if (pending->levels[i][number / WORD])
			break;
		number /= WORD;
	}
}

/* The lowest below bit `at` of a level. */
static uint32_t descend(const struct ff_pending *pending, unsigned level, uint32_t at)
{
	while (level-- > 0)
		at = at * WORD + (uint32_t)__builtin_ctzll(pending->levels[level][at]);
	return at;
}

uint32_t ff_pending_first(const struct ff_pending *pending)
{
	return descend(pending, pending->depth, 0);
}

uint32_t ff_pending_next(const struct ff_pending *pending, uint32_t number)
{
	if (number >= pending->size)
		return UINT32_MAX;
	for (unsigned i = 0; i < pending->depth; i++) {
		uint32_t word = number / WORD; /* each level has an empty one at its end */
		uint64_t rest = pending->levels[i][word] >> number % WORD;

		if (rest)
			return descend(pending, i, number + (uint32_t)__builtin_ctzll(rest));
		number = word + 1;
	}
	return UINT32_MAX;
}

uint32_t ff_pending_take(struct ff_pending *pending)
{
	uint32_t first = ff_pending_first(pending);

	ff_pending_del(pending, first);
	return first;
}
