/* A hash map from bytes to a pointer: open addressing, keys copied. Order of iteration is not
 * defined and changes with growth. */
#ifndef FF_BASE_MAP_H
#define FF_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff_map_slot;

struct ff_map {
	struct ff_map_slot *slots;
	size_t len;  /* entries */
	size_t cap;  /* slots, 0 or a power of two */
	size_t used; /* entries and tombstones */
};

#define FF_MAP_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}

void ff_map_init(struct ff_map *map);
/* Frees the map's own memory, not what the values point to. */
void ff_map_release(struct ff_map *map);

/* Sets or replaces; `value` must not be NULL. 0 or FF_ENOMEM. */
int ff_map_set(struct ff_map *map, const char *key, void *value);
void *ff_map_get(const struct ff_map *map, const char *key);
/* Removes and returns the value, NULL if there was none. */
void *ff_map_del(struct ff_map *map, const char *key);

/* The same with a number as the key; do not mix both kinds in one map. */
int ff_map_set_u32(struct ff_map *map, uint32_t key, void *value);
void *ff_map_get_u32(const struct ff_map *map, uint32_t key);
void *ff_map_del_u32(struct ff_map *map, uint32_t key);

/* Iterates: start with *cursor = 0; false at the end. `key` (may be NULL) is the string key. The
 * map may lose entries during the walk, not gain any. */
bool ff_map_next(const struct ff_map *map, size_t *cursor, const char **key, void **value);

#endif
