/* What is expected of units, by kind and name. */
#include "sched/expect.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crc32.h"
#include "base/arena.h"
#include "base/map.h"
#include "sched/policy.h"

enum {
	UNEVEN_LEAST_US = 250000,
	/* An interpreter's own garbage comes to some of this; so many tests beside each other take
	 * what their workers have anyhow. */
	MEMORY_LEAST_KIB = 32 << 10,
	MEMORY_STEPS = 8,  /* from one power of two to the next */
	UNEVEN_SHARE = 20, /* of what a worker has to do, that it may do alone at the end */
};

#define MEMORY_MOST_KIB (INT64_C(1) << 40) /* no host has more; what many take can be added up */

struct kind {
	struct kind *next;
	char *name;
	struct ff_map units; /* name -> struct ff_expect_unit */
	struct ff_map files; /* name -> struct source */
	bool weighed;	     /* the following are those of all that is there */
	struct ff_map sums;  /* file -> struct sum */
	int64_t longest_us, all_us, collect_us, largest_kib;
};

struct source {
	int64_t content, collect_us;
};

/* Of the units of a file. */
struct sum {
	int64_t longest_us, all_us;
};

struct ff_expect {
	struct kind *kinds; /* a few */
	struct ff_arena arena;
};

struct ff_expect *ff_expect_new(void)
{
	return ff_xcalloc(1, sizeof(struct ff_expect));
}

void ff_expect_free(struct ff_expect *expect)
{
	struct kind *next;

	if (!expect)
		return;
	for (struct kind *kind = expect->kinds; kind; kind = next) {
		next = kind->next;
		ff_map_release(&kind->units);
		ff_map_release(&kind->files);
		ff_map_release(&kind->sums);
		ff_free(kind->name);
		ff_free(kind);
	}
	ff_arena_release(&expect->arena);
	ff_free(expect);
}

static struct kind *kind_of(const struct ff_expect *expect, const char *name)
{
	struct kind *kind = expect ? expect->kinds : NULL;

	while (kind && strcmp(kind->name, name))
		kind = kind->next;
	return kind;
}

static struct kind *own_kind(struct ff_expect *expect, const char *name)
{
	struct kind *kind = kind_of(expect, name);

	if (!kind) {
		kind = ff_xcalloc(1, sizeof(*kind));
		kind->name = ff_xstrdup(name);
		kind->next = expect->kinds;
		expect->kinds = kind;
	}
	kind->weighed = false;
	return kind;
}

/* What the map has by this name, which may be new: zeros then. */
static void *entry_of(struct ff_arena *arena, struct ff_map *map, const char *name, size_t size)
{
	void *entry = ff_map_get(map, name);

	if (entry)
		return entry;
	entry = ff_arena_alloc(arena, size);
	if (!entry || ff_map_set(map, name, entry))
		entry = ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	return memset(entry, 0, size);
}

struct ff_expect_unit *ff_expect_add(struct ff_expect *expect, const char *name, const char *unit)
{
	return entry_of(&expect->arena, &own_kind(expect, name)->units, unit,
			sizeof(struct ff_expect_unit));
}

void ff_expect_add_file(struct ff_expect *expect, const char *name, const char *file,
			int64_t content, int64_t collect_us)
{
	struct source *source =
		entry_of(&expect->arena, &own_kind(expect, name)->files, file, sizeof(*source));

	*source = (struct source){content, collect_us};
}

int64_t ff_expect_file_us(const struct ff_expect *expect, const char *name, const char *file)
{
	const struct kind *kind = kind_of(expect, name);
	const struct source *source = kind ? ff_map_get(&kind->files, file) : NULL;

	return source ? source->collect_us : 0;
}

const struct ff_expect_unit *ff_expect_find(const struct ff_expect *expect, const char *name,
					    const char *unit)
{
	const struct kind *kind = kind_of(expect, name);

	return kind ? ff_map_get(&kind->units, unit) : NULL;
}

bool ff_expect_knows(const struct ff_expect *expect, const char *name)
{
	return kind_of(expect, name) != NULL;
}

/* The name's beginning as a text of its own, in `text`, which is made anew where it is too short.
 */
static const char *file_of(const char *name, char **text, size_t *cap)
{
	size_t len = ff_policy_file_len(name);

	if (len + 1 > *cap) {
		*cap = 2 * (len + 1);
		*text = ff_xrealloc(*text, *cap);
	}
	memcpy(*text, name, len);
	(*text)[len] = '\0';
	return *text;
}

void ff_expect_sources(struct ff_expect *expect, const char *name, const char *const *files,
		       const int64_t *contents, size_t len)
{
	struct kind *kind = kind_of(expect, name);
	struct ff_map changed = {0};
	size_t cursor = 0, cap = 0;
	const char *unit;
	char *text = NULL;
	void *value;

	for (size_t i = 0; kind && i < len; i++) {
		struct source *source = ff_map_get(&kind->files, files[i]);

		if (source && source->content != contents[i])
			entry_of(&expect->arena, &changed, files[i], 1);
	}
	while (changed.len > 0 && ff_map_next(&kind->units, &cursor, &unit, &value)) {
		struct ff_expect_unit *known = value;

		if (ff_map_get(&changed, file_of(unit, &text, &cap)))
			known->us = known->setup_us = 0;
	}
	if (changed.len > 0)
		kind->weighed = false;
	ff_map_release(&changed);
	ff_free(text);
}

/* Once: each worker that starts asks. */
static void weigh(struct ff_arena *arena, struct kind *kind)
{
	size_t cursor = 0, cap = 0;
	const char *name;
	char *text = NULL;
	void *value;

	ff_map_release(&kind->sums);
	kind->longest_us = kind->all_us = kind->collect_us = kind->largest_kib = 0;
	while (ff_map_next(&kind->units, &cursor, &name, &value)) {
		const struct ff_expect_unit *unit = value;
		int64_t us = unit->us;
		struct sum *sum =
			entry_of(arena, &kind->sums, file_of(name, &text, &cap), sizeof(*sum));

		kind->all_us += us;
		sum->all_us += us;
		if (us > sum->longest_us)
			sum->longest_us = us;
		if (us > kind->longest_us)
			kind->longest_us = us;
		if (unit->memory_kib > kind->largest_kib)
			kind->largest_kib = unit->memory_kib;
	}
	for (cursor = 0; ff_map_next(&kind->files, &cursor, NULL, &value);)
		kind->collect_us += ((const struct source *)value)->collect_us;
	ff_free(text);
	kind->weighed = true;
}

bool ff_expect_uneven(struct ff_expect *expect, const char *name, uint32_t workers, uint32_t crowd)
{
	struct kind *kind = kind_of(expect, name);
	int64_t share_us, lost_us = 0;
	size_t cursor = 0;
	void *value;

	if (!kind)
		return false;
	if (!kind->weighed)
		weigh(&expect->arena, kind);
	share_us = kind->all_us / (workers ? workers : 1);
	if (kind->longest_us < UNEVEN_LEAST_US || kind->longest_us <= share_us / UNEVEN_SHARE)
		return false;
	/* The longest files come first: only in one that takes a worker more than its share may the
	 * longest unit begin too late. */
	while (ff_map_next(&kind->sums, &cursor, NULL, &value)) {
		const struct sum *sum = value;

		if (sum->all_us > share_us && sum->longest_us > lost_us)
			lost_us = sum->longest_us;
	}
	return lost_us > kind->collect_us * crowd;
}

int64_t ff_expect_memory(const struct ff_expect *expect, const char *name, const char *unit)
{
	const struct ff_expect_unit *known = ff_expect_find(expect, name, unit);
	int64_t kib = known ? known->memory_kib : 0, step = MEMORY_LEAST_KIB / MEMORY_STEPS;

	if (kib < MEMORY_LEAST_KIB)
		return 0;
	kib = kib < MEMORY_MOST_KIB ? kib : MEMORY_MOST_KIB;
	while (kib >= 2 * step * MEMORY_STEPS)
		step *= 2;
	return (kib + step - 1) / step * step * 1024;
}

bool ff_expect_modest(struct ff_expect *expect, const char *name)
{
	struct kind *kind = kind_of(expect, name);

	if (kind && !kind->weighed)
		weigh(&expect->arena, kind);
	return !kind || kind->largest_kib < MEMORY_LEAST_KIB;
}

/* --- what is not known --- */

static int smaller_first(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of those that are known; 0: none is. */
static int64_t median(const int64_t *us, size_t len, int64_t *scratch)
{
	size_t known = 0;

	for (size_t i = 0; i < len; i++)
		if (us[i] > 0)
			scratch[known++] = us[i];
	qsort(scratch, known, sizeof(*scratch), smaller_first);
	return known ? scratch[known / 2] : 0;
}

static void guess(const char *const *names, size_t len, int64_t *us)
{
	int64_t *scratch = ff_xcalloc(len + 1, sizeof(*scratch));
	int64_t all = median(us, len, scratch);

	for (size_t i = 0, end; i < len; i = end) {
		int64_t here = -1;

		for (end = i + 1; end < len && ff_policy_same_file(names[i], names[end]);)
			end++;
		for (size_t unit = i; unit < end; unit++) {
			if (us[unit] > 0)
				continue;
			/* Before the first guess, which is no knowledge. */
			if (here < 0)
				here = median(us + i, end - i, scratch);
			us[unit] = -(here > 0 ? here : all);
		}
		for (size_t unit = i; unit < end; unit++)
			us[unit] = us[unit] < 0 ? -us[unit] : us[unit];
	}
	ff_free(scratch);
}

bool ff_expect_fill(const struct ff_expect *expect, const char *name, const char *const *names,
		    size_t len, int64_t *us, int64_t *setup_us)
{
	const struct kind *kind = kind_of(expect, name);
	size_t known = 0;

	if (!kind)
		return false;
	for (size_t i = 0; i < len; i++) {
		const struct ff_expect_unit *unit = ff_map_get(&kind->units, names[i]);

		us[i] = unit ? unit->us : 0;
		setup_us[i] = unit ? unit->setup_us : 0;
		known += us[i] > 0;
	}
	if (known > 0 && known < len)
		guess(names, len, us);
	return known > 0;
}

bool ff_expect_files(const struct ff_expect *expect, const char *name, const char *const *files,
		     size_t len, int64_t *us)
{
	const struct kind *kind = kind_of(expect, name);
	struct ff_map places = {0}; /* file -> its place in `us` */
	size_t cursor = 0, cap = 0;
	const char *unit;
	char *text = NULL;
	void *value;
	bool known = false;

	memset(us, 0, len * sizeof(*us));
	for (size_t i = 0; kind && i < len; i++)
		if (ff_map_set(&places, files[i], &us[i]))
			ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	while (kind && ff_map_next(&kind->units, &cursor, &unit, &value)) {
		int64_t *place = ff_map_get(&places, file_of(unit, &text, &cap));

		if (!place)
			continue;
		*place += ((const struct ff_expect_unit *)value)->us;
		known |= *place > 0;
	}
	for (cursor = 0; kind && ff_map_next(&kind->files, &cursor, &unit, &value);) {
		int64_t *place = ff_map_get(&places, unit);

		if (place && *place > 0)
			*place += ((const struct source *)value)->collect_us;
	}
	ff_map_release(&places);
	ff_free(text);
	return known;
}

/* --- for others --- */

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

void ff_expect_known(const struct ff_expect *expect, const char *name, struct ff_buf *out)
{
	const struct kind *kind = kind_of(expect, name);
	size_t cursor = 0, len = 0;
	uint64_t *all;
	const char *unit;
	void *value;

	if (!kind || kind->units.len == 0)
		return;
	all = ff_xmalloc(kind->units.len * sizeof(*all));
	while (ff_map_next(&kind->units, &cursor, &unit, &value)) {
		const struct ff_expect_unit *known = value;
		int64_t ms = known->us / 1000 + 1;

		if (known->us > 0)
			all[len++] = (uint64_t)ff_crc32(unit, strlen(unit)) << 32 |
				     (uint64_t)(ms < INT32_MAX ? ms : INT32_MAX);
	}
	qsort(all, len, sizeof(*all), compare_numbers);
	for (size_t i = 0; i < len; i++)
		for (int byte = 0; byte < 8; byte++)
			ff_buf_addch(out,
				     (char)(all[i] >> (byte < 4 ? 32 + 8 * byte : 8 * (byte - 4))));
	ff_free(all);
}
