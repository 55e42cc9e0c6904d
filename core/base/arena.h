/* A bump allocator: many small objects with one lifetime. */
#ifndef FF_BASE_ARENA_H
#define FF_BASE_ARENA_H

#include <stddef.h>

struct ff_arena_block;

struct ff_arena {
	struct ff_arena_block *block; /* newest; NULL while empty */
	size_t used;		      /* bytes taken in the newest block */
	size_t total;		      /* bytes of all blocks */
	size_t max;		      /* refuse to grow past this many bytes; 0: no limit */
};

#define FF_ARENA_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

void ff_arena_init(struct ff_arena *arena);
/* Frees everything that was taken from it; the arena is empty and usable afterwards. */
void ff_arena_release(struct ff_arena *arena);

/* `size` bytes aligned for any type; NULL when out of memory or over arena->max. */
void *ff_arena_alloc(struct ff_arena *arena, size_t size);
/* A copy with a NUL appended. */
char *ff_arena_copy(struct ff_arena *arena, const void *bytes, size_t len);
char *ff_arena_strdup(struct ff_arena *arena, const char *text);

#endif
