/* Bound units wait in blocks, a line of blocks for each kind of needs. */
#include "sched/bound.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/queues_private.h"

#define NOBODY UINT32_MAX

bool ff_bound_has(const struct ff_bound *bound, uint32_t unit)
{
	return unit < bound->of_len && bound->of[unit] != NOBODY;
}

/* --- needs --- */

static size_t host_bytes(const struct ff_bound *bound)
{
	return ((size_t)bound->hosts / 64 + 1) * sizeof(uint64_t);
}

static void copy_kind(const struct ff_bound *bound, struct ff_bound_kind *to,
		      const struct ff_bound_kind *from)
{
	*to = *from;
	to->pools = ff_xmalloc((from->pools_len + 1) * sizeof(*to->pools));
	if (from->pools_len > 0)
		memcpy(to->pools, from->pools, from->pools_len * sizeof(*to->pools));
	if (from->hosts)
		to->hosts = memcpy(ff_xmalloc(host_bytes(bound)), from->hosts, host_bytes(bound));
	to->line = NULL;
	to->waiting = 0;
	to->head = to->tail = to->cap = 0;
}

static void free_kind(struct ff_bound_kind *kind)
{
	ff_free(kind->pools);
	ff_free(kind->hosts);
	ff_free(kind->line);
}

static void add_pool(struct ff_bound_kind *kind, uint32_t pool)
{
	uint32_t at = 0;

	while (at < kind->pools_len && kind->pools[at] < pool)
		at++;
	if (at < kind->pools_len && kind->pools[at] == pool)
		return;
	kind->pools = ff_xrealloc(kind->pools, (kind->pools_len + 2) * sizeof(*kind->pools));
	memmove(kind->pools + at + 1, kind->pools + at,
		(kind->pools_len - at) * sizeof(*kind->pools));
	kind->pools[at] = pool;
	kind->pools_len++;
}

/* What needs both needs this. */
static void merge(const struct ff_bound *bound, struct ff_bound_kind *kind,
		  const struct ff_claim *claim)
{
	kind->serial |= claim->serial;
	kind->weight = kind->weight > claim->weight ? kind->weight : claim->weight;
	kind->memory = kind->memory > claim->memory ? kind->memory : claim->memory;
	kind->home = kind->home ? kind->home : claim->home;
	for (uint32_t i = 0; i < claim->pools_len; i++)
		add_pool(kind, claim->pools[i]);
	if (claim->hosts && !kind->hosts)
		kind->hosts =
			memcpy(ff_xmalloc(host_bytes(bound)), claim->hosts, host_bytes(bound));
	else if (claim->hosts)
		for (size_t i = 0; i <= bound->hosts / 64; i++)
			kind->hosts[i] &= claim->hosts[i];
}

static bool same_kind(const struct ff_bound *bound, const struct ff_bound_kind *a,
		      const struct ff_bound_kind *b)
{
	return a->serial == b->serial && a->weight == b->weight && a->memory == b->memory &&
	       a->home == b->home && a->pools_len == b->pools_len &&
	       (a->pools_len == 0 ||
		memcmp(a->pools, b->pools, a->pools_len * sizeof(*a->pools)) == 0) &&
	       !a->hosts == !b->hosts &&
	       (!a->hosts || memcmp(a->hosts, b->hosts, host_bytes(bound)) == 0);
}

static uint32_t kind_number(struct ff_bound *bound, const struct ff_bound_kind *kind)
{
	for (uint32_t i = 0; i < bound->kinds_len; i++)
		if (same_kind(bound, &bound->kinds[i], kind))
			return i;
	bound->kinds = ff_xrealloc(bound->kinds, (bound->kinds_len + 1) * sizeof(*bound->kinds));
	copy_kind(bound, &bound->kinds[bound->kinds_len], kind);
	return bound->kinds_len++;
}

/* --- blocks --- */

uint32_t ff_bound_new_block(struct ff_bound *bound)
{
	uint32_t number = bound->blocks_len;

	/* Room doubles. */
	if ((number & (number - 1)) == 0)
		bound->blocks = ff_xrealloc(bound->blocks, (number ? 2 * (size_t)number : 1) *
								   sizeof(*bound->blocks));
	bound->blocks[number] =
		(struct ff_bound_block){.owner = NOBODY, .kind = NOBODY, .from = NOBODY};
	return bound->blocks_len++;
}

void ff_bound_stand_in_line(struct ff_bound *bound, uint32_t number)
{
	struct ff_bound_block *block = &bound->blocks[number];
	struct ff_bound_kind *kind = &bound->kinds[block->kind];

	if (block->in_line)
		return;
	block->in_line = true;
	if (kind->tail == kind->cap && kind->head > kind->cap / 2) {
		memmove(kind->line, kind->line + kind->head,
			(kind->tail - kind->head) * sizeof(*kind->line));
		kind->tail -= kind->head;
		kind->head = 0;
	} else if (kind->tail == kind->cap) {
		kind->cap = kind->cap ? 2 * kind->cap : 8;
		kind->line = ff_xrealloc(kind->line, kind->cap * sizeof(*kind->line));
	}
	kind->line[kind->tail++] = number;
}

static void of_grow(struct ff_bound *bound, uint32_t units)
{
	if (units <= bound->of_len)
		return;
	units = units > 2 * bound->of_len ? units : 2 * bound->of_len;
	bound->of = ff_xrealloc(bound->of, (size_t)units * sizeof(*bound->of));
	for (uint32_t i = bound->of_len; i < units; i++)
		bound->of[i] = NOBODY;
	bound->of_len = units;
}

static uint32_t *group_at(struct ff_bound *bound, uint32_t group)
{
	if (group >= bound->groups) {
		uint32_t groups = group + 1 > 2 * bound->groups ? group + 1 : 2 * bound->groups;

		bound->by_group =
			ff_xrealloc(bound->by_group, (size_t)groups * sizeof(*bound->by_group));
		for (uint32_t i = bound->groups; i < groups; i++)
			bound->by_group[i] = NOBODY;
		bound->groups = groups;
	}
	return &bound->by_group[group];
}

void ff_bound_wait_in(struct ff_queues *queues, struct ff_bound_block *block, uint32_t unit)
{
	uint32_t at = block->len;

	if (block->len == block->cap) {
		block->cap = block->cap ? 2 * block->cap : 1;
		block->waiting = ff_xrealloc(block->waiting, block->cap * sizeof(*block->waiting));
	}
	while (at > 0 && block->waiting[at - 1] > unit)
		at--;
	if (at > 0 && block->waiting[at - 1] == unit)
		return;
	memmove(block->waiting + at + 1, block->waiting + at,
		(block->len - at) * sizeof(*block->waiting));
	block->waiting[at] = unit;
	block->len++;
	queues->bound.waiting++;
	queues->bound.kinds[block->kind].waiting++;
	queues->bound.left_us += ff_queues_expected(queues, unit);
	queues->bound.moved = true;
}

/* --- at the beginning --- */

static uint32_t root_of(uint32_t *up, uint32_t unit)
{
	while (up[unit] != unit)
		unit = up[unit] = up[up[unit]];
	return unit;
}

static void join(uint32_t *up, uint32_t a, uint32_t b)
{
	a = root_of(up, a);
	b = root_of(up, b);
	if (a < b)
		up[b] = a;
	else
		up[a] = b;
}

/* Finds what stays together: up[] leads to the first of it. */
static void join_groups(const struct ff_queues_opts *opts, uint32_t *up)
{
	uint32_t groups = 0, *first;

	for (size_t i = 0; i < opts->claims_len; i++)
		if (opts->claims[i].group != NOBODY && opts->claims[i].group >= groups)
			groups = opts->claims[i].group + 1;
	first = ff_xmalloc(((size_t)groups + 1) * sizeof(*first));
	memset(first, 0xff, ((size_t)groups + 1) * sizeof(*first));
	for (size_t i = 0; i < opts->claims_len; i++) {
		const struct ff_claim *claim = &opts->claims[i];

		if (claim->group == NOBODY)
			continue;
		if (first[claim->group] == NOBODY)
			first[claim->group] = claim->unit;
		join(up, first[claim->group], claim->unit);
	}
	ff_free(first);
}

/* Scopes with a bound unit are bound as a whole. */
static void join_scopes(const struct ff_scopes *scopes, const struct ff_queues_opts *opts,
			uint32_t *up, bool *bound)
{
	uint32_t *first = ff_xmalloc(((size_t)scopes->len + 1) * sizeof(*first));

	memset(first, 0xff, ((size_t)scopes->len + 1) * sizeof(*first));
	for (size_t i = 0; i < opts->claims_len; i++)
		first[scopes->of[opts->claims[i].unit]] = opts->claims[i].unit;
	for (uint32_t i = 0; i < opts->units; i++) {
		uint32_t with = first[scopes->of[i]];

		if (with == NOBODY)
			continue;
		join(up, with, i);
		bound[i] = true;
	}
	ff_free(first);
}

static bool done_before(const struct ff_queues_opts *opts, uint32_t unit)
{
	return opts->done_before && (opts->done_before[unit / 64] >> unit % 64 & 1);
}

static void make_blocks(struct ff_queues *queues, const struct ff_queues_opts *opts, uint32_t *up,
			const bool *is_bound)
{
	struct ff_bound *bound = &queues->bound;
	struct ff_bound_kind *kinds = ff_xcalloc((size_t)opts->units + 1, sizeof(*kinds));

	for (size_t i = 0; i < opts->claims_len; i++)
		merge(bound, &kinds[root_of(up, opts->claims[i].unit)], &opts->claims[i]);
	of_grow(bound, opts->units);
	for (uint32_t i = 0; i < opts->units; i++) {
		uint32_t root = root_of(up, i);

		if (!is_bound[i])
			continue;
		if (bound->of[root] == NOBODY) { /* that comes before all that is with it */
			uint32_t number = ff_bound_new_block(bound);

			bound->of[root] = number;
			bound->blocks[number].kind = kind_number(bound, &kinds[root]);
			free_kind(&kinds[root]);
			kinds[root] = (struct ff_bound_kind){0};
		}
		bound->of[i] = bound->of[root];
		if (!done_before(opts, i))
			ff_bound_wait_in(queues, &bound->blocks[bound->of[i]], i);
	}
	for (size_t i = 0; i < opts->claims_len; i++)
		if (opts->claims[i].group != NOBODY)
			bound->blocks[bound->of[opts->claims[i].unit]].group = true;
	ff_free(kinds);
}

struct rank {
	int64_t worth;
	uint32_t block;
};

static int first_to_last(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->worth != y->worth)
		return x->worth > y->worth ? -1 : 1;
	return x->block < y->block ? -1 : x->block > y->block;
}

/* The largest first, as scopes. */
static void line_up(struct ff_queues *queues, const struct ff_queues_opts *opts)
{
	struct ff_bound *bound = &queues->bound;
	struct rank *ranks = ff_xmalloc(((size_t)bound->blocks_len + 1) * sizeof(*ranks));

	for (uint32_t i = 0; i < bound->blocks_len; i++) {
		const struct ff_bound_block *block = &bound->blocks[i];

		ranks[i] = (struct rank){0, i};
		for (uint32_t j = 0; j < block->len; j++) {
			int64_t more = opts->expected_us ? opts->expected_us[block->waiting[j]] : 1;

			if (__builtin_add_overflow(ranks[i].worth, more, &ranks[i].worth))
				ranks[i].worth = INT64_MAX;
		}
	}
	qsort(ranks, bound->blocks_len, sizeof(*ranks), first_to_last);
	for (uint32_t i = 0; i < bound->blocks_len; i++)
		if (bound->blocks[ranks[i].block].len > 0)
			ff_bound_stand_in_line(bound, ranks[i].block);
	ff_free(ranks);
}

/* Whether it matters what other jobs have, memory of its host too, or where it runs. */
static bool needs_others(const struct ff_queues_opts *opts)
{
	for (size_t i = 0; i < opts->claims_len; i++)
		if (opts->claims[i].pools_len > 0 || opts->claims[i].memory > 0 ||
		    opts->claims[i].hosts)
			return true;
	return false;
}

void ff_bound_init(struct ff_queues *queues, const struct ff_queues_opts *opts)
{
	struct ff_bound *bound = &queues->bound;
	uint32_t *up;
	bool *is_bound;

	bound->pools = opts->pools;
	bound->memory = opts->host_memory;
	bound->hosts = opts->hosts;
	bound->memory_taken = opts->pools ? opts->pools->memory_taken : NULL;
	if (!bound->memory_taken)
		bound->memory_taken = bound->own_taken =
			ff_xcalloc((size_t)opts->hosts + 1, sizeof(*bound->own_taken));
	bound->serial_by = NOBODY;
	if (opts->claims_len == 0 || opts->parts > 0 || queues->policy->seats ||
	    queues->policy->driven)
		return;
	/* One worker keeps the order of what nobody else has a part in. */
	if (queues->most == 1 && !needs_others(opts))
		return;
	up = ff_xmalloc(((size_t)opts->units + 1) * sizeof(*up));
	is_bound = ff_xcalloc((size_t)opts->units + 1, sizeof(*is_bound));
	for (uint32_t i = 0; i < opts->units; i++)
		up[i] = i;
	for (size_t i = 0; i < opts->claims_len; i++)
		is_bound[opts->claims[i].unit] = true;
	join_groups(opts, up);
	if (queues->scopes.of)
		join_scopes(&queues->scopes, opts, up, is_bound);
	make_blocks(queues, opts, up, is_bound);
	line_up(queues, opts);
	ff_free(is_bound);
	ff_free(up);
}

void ff_bound_release(struct ff_bound *bound)
{
	for (uint32_t i = 0; i < bound->kinds_len; i++)
		free_kind(&bound->kinds[i]);
	for (uint32_t i = 0; i < bound->blocks_len; i++)
		ff_free(bound->blocks[i].waiting);
	ff_free(bound->kinds);
	ff_free(bound->blocks);
	ff_free(bound->by_group);
	ff_free(bound->own_taken);
	ff_free(bound->of);
	*bound = (struct ff_bound){0};
}

/* --- part by part --- */

/* The block for these needs: that which `group` (NULL: none) has by now, if it can be. */
static uint32_t block_for(struct ff_bound *bound, uint32_t *group, const struct ff_claim *claims,
			  size_t len)
{
	struct ff_bound_kind kind = {0};
	uint32_t number = group ? *group : NOBODY, wanted;

	if (number != NOBODY)
		copy_kind(bound, &kind, &bound->kinds[bound->blocks[number].kind]);
	for (size_t i = 0; i < len; i++)
		merge(bound, &kind, &claims[i]);
	wanted = kind_number(bound, &kind);
	free_kind(&kind);
	/* What is under way can't be changed. */
	if (number == NOBODY ||
	    (bound->blocks[number].kind != wanted && bound->blocks[number].held))
		number = ff_bound_new_block(bound);
	if (group && *group == NOBODY)
		*group = number;
	bound->blocks[number].group |= group != NULL;
	if (bound->blocks[number].kind != wanted) {
		if (bound->blocks[number].len > 0)
			bound->kinds[bound->blocks[number].kind].waiting -=
				bound->blocks[number].len;
		bound->kinds[wanted].waiting += bound->blocks[number].len;
		bound->blocks[number].kind = wanted;
		bound->blocks[number].in_line = false; /* of the other kind; that is skipped */
		if (bound->blocks[number].len > 0)
			ff_bound_stand_in_line(bound, number);
	}
	return number;
}

void ff_bound_part(struct ff_queues *queues, uint32_t first, uint32_t units,
		   const struct ff_claim *claims, size_t len, bool whole)
{
	struct ff_bound *bound = &queues->bound;
	uint32_t *group = NULL;

	if (len == 0)
		return;
	of_grow(bound, first + units);
	for (size_t i = 0; i < len && !whole; i++) {
		group = claims[i].group == NOBODY ? NULL : group_at(bound, claims[i].group);
		bound->of[first + claims[i].unit] = block_for(bound, group, &claims[i], 1);
	}
	if (!whole)
		return;
	for (size_t i = 0; i < len && !group; i++)
		if (claims[i].group != NOBODY)
			group = group_at(bound, claims[i].group);
	bound->of[first] = block_for(bound, group, claims, len);
	for (uint32_t i = 1; i < units; i++)
		bound->of[first + i] = bound->of[first];
}
