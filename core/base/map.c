/* The hash map: linear probing, tombstones, rebuilt when three quarters are used. Knows nothing of
 * what its values point to. */
#include "base/map.h"

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

enum { MAP_MIN = 8 };

/* value NULL: free if `hash` is 0, else a tombstone. */
struct ff_map_slot {
	void *value;
	char *key; /* NULL in maps by number */
	uint32_t hash;
	uint32_t number;
};

struct wanted {
	const char *key; /* NULL: by number */
	size_t len;
	uint32_t number;
	uint32_t hash;
};

void ff_map_init(struct ff_map *map)
{
	*map = (struct ff_map)FF_MAP_INIT;
}

void ff_map_release(struct ff_map *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->cap; i++)
		ff_free(map->slots[i].key);
	ff_free(map->slots);
	ff_map_init(map);
}

/* Spreads a 64-bit state over 32 bits; never 0, which marks a free slot. */
static uint32_t finish_hash(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	h ^= h >> 29;
	return (uint32_t)(h >> 16) | 1;
}

static struct wanted by_text(const char *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	const char *p;

	for (p = key; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return (struct wanted){.key = key, .len = (size_t)(p - key), .hash = finish_hash(h)};
}

static struct wanted by_number(uint32_t number)
{
	return (struct wanted){
		.number = number,
		.hash = finish_hash((uint64_t)number * UINT64_C(0xd6e8feb86659fd93)),
	};
}

static bool matches(const struct ff_map_slot *slot, const struct wanted *wanted)
{
	if (slot->hash != wanted->hash)
		return false;
	if (!wanted->key)
		return slot->number == wanted->number;
	return slot->key && strcmp(slot->key, wanted->key) == 0;
}

/* The low bit of the hash is constant, so positions come from the others. */
static size_t home(const struct ff_map *map, uint32_t hash)
{
	return (hash >> 1) & (map->cap - 1);
}

static struct ff_map_slot *find(const struct ff_map *map, const struct wanted *wanted)
{
	size_t at;

	if (!map->cap)
		return NULL;
	for (at = home(map, wanted->hash);; at = (at + 1) & (map->cap - 1)) {
		struct ff_map_slot *slot = &map->slots[at];

		if (slot->value && matches(slot, wanted))
			return slot;
		if (!slot->value && !slot->hash)
			return NULL;
	}
}

static struct ff_map_slot *find_free(const struct ff_map *map, uint32_t hash)
{
	size_t at = home(map, hash);

	while (map->slots[at].value)
		at = (at + 1) & (map->cap - 1);
	return &map->slots[at];
}

/* A table with room for one more entry and without tombstones. */
static int rebuild(struct ff_map *map)
{
	struct ff_map bigger = {.cap = map->cap ? map->cap : MAP_MIN};

	while ((map->len + 1) * 2 > bigger.cap)
		bigger.cap *= 2;
	bigger.slots = ff_calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return FF_ENOMEM;
	for (size_t i = 0; i < map->cap; i++)
		if (map->slots[i].value)
			*find_free(&bigger, map->slots[i].hash) = map->slots[i];
	bigger.len = bigger.used = map->len;
	ff_free(map->slots);
	*map = bigger;
	return 0;
}

static int set(struct ff_map *map, const struct wanted *wanted, void *value)
{
	struct ff_map_slot *slot = find(map, wanted);
	char *key = NULL;

	if (slot) {
		slot->value = value;
		return 0;
	}
	if ((map->used + 1) * 4 > map->cap * 3 && rebuild(map))
		return FF_ENOMEM;
	if (wanted->key) {
		key = ff_strndup(wanted->key, wanted->len);
		if (!key)
			return FF_ENOMEM;
	}
	slot = find_free(map, wanted->hash);
	if (!slot->hash)
		map->used++;
	*slot = (struct ff_map_slot){
		.value = value, .key = key, .hash = wanted->hash, .number = wanted->number};
	map->len++;
	return 0;
}

static void *get(const struct ff_map *map, const struct wanted *wanted)
{
	const struct ff_map_slot *slot = find(map, wanted);

	return slot ? slot->value : NULL;
}

static void *del(struct ff_map *map, const struct wanted *wanted)
{
	struct ff_map_slot *slot = find(map, wanted);
	void *value;

	if (!slot)
		return NULL;
	value = slot->value;
	ff_free(slot->key);
	*slot = (struct ff_map_slot){.hash = slot->hash};
	map->len--;
	return value;
}

int ff_map_set(struct ff_map *map, const char *key, void *value)
{
	struct wanted wanted = by_text(key);

	return set(map, &wanted, value);
}

void *ff_map_get(const struct ff_map *map, const char *key)
{
	struct wanted wanted = by_text(key);

	return get(map, &wanted);
}

void *ff_map_del(struct ff_map *map, const char *key)
{
	struct wanted wanted = by_text(key);

	return del(map, &wanted);
}

int ff_map_set_u32(struct ff_map *map, uint32_t key, void *value)
{
	struct wanted wanted = by_number(key);

	return set(map, &wanted, value);
}

void *ff_map_get_u32(const struct ff_map *map, uint32_t key)
{
	struct wanted wanted = by_number(key);

	return get(map, &wanted);
}

void *ff_map_del_u32(struct ff_map *map, uint32_t key)
{
	struct wanted wanted = by_number(key);

	return del(map, &wanted);
}

bool ff_map_next(const struct ff_map *map, size_t *cursor, const char **key, void **value)
{
	while (*cursor < map->cap) {
		const struct ff_map_slot *slot = &map->slots[(*cursor)++];

		if (!slot->value)
			continue;
		if (key)
			*key = slot->key;
		if (value)
			*value = slot->value;
		return true;
	}
	return false;
}
