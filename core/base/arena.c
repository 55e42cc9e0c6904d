/* The bump allocator: blocks that double in size, freed together. Knows nothing of what lives in
 * them. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

enum {
	ALIGNMENT = alignof(max_align_t),
	BLOCK_MIN = 1024,
	BLOCK_MAX = 1 << 20,
};

struct ff_arena_block {
	struct ff_arena_block *older;
	size_t size;
	alignas(max_align_t) unsigned char mem[];
};

/* Large blocks are kept for the next arena: faulting fresh pages in costs as much as filling them.
 * Sanitizers should see each block come and go, so they do without. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEP_BLOCKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define KEEP_BLOCKS 0
#endif
#endif
#ifndef KEEP_BLOCKS
#define KEEP_BLOCKS 1
#endif

enum {
	KEEP_SLOTS = 8,
	KEEP_MIN = 1 << 18, /* of a block */
	KEEP_MAX = 8 << 20, /* of all kept ones together */
};

static struct ff_arena_block *kept[KEEP_SLOTS];
static size_t kept_total;
static atomic_flag kept_busy = ATOMIC_FLAG_INIT; /* who finds it set goes to malloc */

static struct ff_arena_block *take_kept(size_t size, size_t size_max)
{
	struct ff_arena_block *block = NULL;

	if (!KEEP_BLOCKS || size < KEEP_MIN ||
	    atomic_flag_test_and_set_explicit(&kept_busy, memory_order_acquire))
		return NULL;
	for (size_t i = 0; i < KEEP_SLOTS && !block; i++) {
		if (kept[i] && kept[i]->size >= size && kept[i]->size <= size_max) {
			block = kept[i];
			kept[i] = NULL;
			kept_total -= block->size;
		}
	}
	atomic_flag_clear_explicit(&kept_busy, memory_order_release);
	return block;
}

static void keep_or_free(struct ff_arena_block *block)
{
	if (KEEP_BLOCKS && block->size >= KEEP_MIN &&
	    !atomic_flag_test_and_set_explicit(&kept_busy, memory_order_acquire)) {
		for (size_t i = 0; i < KEEP_SLOTS && block; i++) {
			if (!kept[i] && block->size <= KEEP_MAX - kept_total) {
				kept_total += block->size;
				kept[i] = block;
				block = NULL;
			}
		}
		atomic_flag_clear_explicit(&kept_busy, memory_order_release);
	}
	ff_free(block);
}

void ff_arena_init(struct ff_arena *arena)
{
	*arena = (struct ff_arena)FF_ARENA_INIT;
}

void ff_arena_release(struct ff_arena *arena)
{
	struct ff_arena_block *block, *older;

	if (!arena)
		return;
	for (block = arena->block; block; block = older) {
		older = block->older;
		keep_or_free(block);
	}
	arena->block = NULL;
	arena->used = arena->total = 0;
}

static size_t next_block_size(const struct ff_arena *arena, size_t size)
{
	size_t wanted = arena->total < BLOCK_MIN ? BLOCK_MIN : arena->total;

	if (wanted > BLOCK_MAX)
		wanted = BLOCK_MAX;
	if (wanted < size)
		wanted = size;
	if (arena->max && wanted > arena->max - arena->total)
		wanted = arena->max - arena->total;
	return wanted;
}

/* A block of `wanted` bytes; a kept one may be larger, up to twice that and what max allows. */
static struct ff_arena_block *new_block(const struct ff_arena *arena, size_t wanted)
{
	size_t size_max = wanted > SIZE_MAX / 2 ? SIZE_MAX : 2 * wanted;
	struct ff_arena_block *block;

	if (arena->max && size_max > arena->max - arena->total)
		size_max = arena->max - arena->total;
	block = take_kept(wanted, size_max);
	if (block || wanted > SIZE_MAX - sizeof(*block))
		return block;
	block = ff_malloc(sizeof(*block) + wanted);
	if (block)
		block->size = wanted;
	return block;
}

static void *alloc_slow(struct ff_arena *arena, size_t size)
{
	struct ff_arena_block *block, *newest = arena->block;

	if (arena->max && (arena->total > arena->max || size > arena->max - arena->total))
		return NULL;
	block = new_block(arena, next_block_size(arena, size));
	if (!block)
		return NULL;
	arena->total += block->size;
	/* A block that is filled by one object goes below the newest, which still has room. */
	if (newest && block->size - size < newest->size - arena->used) {
		block->older = newest->older;
		newest->older = block;
	} else {
		block->older = newest;
		arena->block = block;
		arena->used = size;
	}
	return block->mem;
}

void *ff_arena_alloc(struct ff_arena *arena, size_t size)
{
	struct ff_arena_block *block = arena->block;
	void *memory;

	if (size > SIZE_MAX - ALIGNMENT)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (!block || size > block->size - arena->used)
		return alloc_slow(arena, size);
	memory = block->mem + arena->used;
	arena->used += size;
	return memory;
}

char *ff_arena_copy(struct ff_arena *arena, const void *bytes, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		return NULL;
	copy = ff_arena_alloc(arena, len + 1);
	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

char *ff_arena_strdup(struct ff_arena *arena, const char *text)
{
	return ff_arena_copy(arena, text, strlen(text));
}
