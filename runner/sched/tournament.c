/* A group's keys lie side by side: a change costs a look at one cache line on each of few levels,
 * and ends where the group's largest stays as it was. */
#include "sched/tournament.h"

#include <string.h>

#include "base/alloc.h"

enum { GROUP = 8 };

static uint64_t largest(const uint64_t *group)
{
	uint64_t max = group[0];

	for (int i = 1; i < GROUP; i++)
		max = group[i] > max ? group[i] : max;
	return max;
}

static void grow(struct ff_tournament *t, uint32_t players)
{
	struct ff_tournament old = *t;
	uint64_t len = players;

	*t = (struct ff_tournament){.players = players};
	do {
		len = (len + GROUP - 1) / GROUP;
		t->levels[t->depth++] = ff_xcalloc((size_t)len * GROUP, sizeof(uint64_t));
	} while (len > 1);
	t->levels[t->depth++] = ff_xcalloc(GROUP, sizeof(uint64_t));
	if (old.players > 0)
		memcpy(t->levels[0], old.levels[0], old.players * sizeof(uint64_t));
	len = players;
	for (unsigned i = 1; i < t->depth; i++) {
		len = (len + GROUP - 1) / GROUP;
		for (uint64_t at = 0; at < len; at++)
			t->levels[i][at] = largest(t->levels[i - 1] + at * GROUP);
	}
	ff_tournament_release(&old);
}

void ff_tournament_init(struct ff_tournament *tournament, uint32_t players)
{
	*tournament = (struct ff_tournament){0};
	grow(tournament, players ? players : 1);
}

void ff_tournament_release(struct ff_tournament *tournament)
{
	for (unsigned i = 0; i < tournament->depth; i++)
		ff_free(tournament->levels[i]);
	*tournament = (struct ff_tournament){0};
}

void ff_tournament_set(struct ff_tournament *t, uint32_t player, uint64_t key)
{
	size_t at = player;
	uint64_t old;

	if (player >= t->players)
		grow(t, player < t->players * UINT64_C(2) ? t->players * 2 : player + 1);
	old = t->levels[0][at];
	t->levels[0][at] = key;
	for (unsigned i = 1; i < t->depth && old != key; i++) {
		const uint64_t *group = t->levels[i - 1] + at / GROUP * GROUP;
		uint64_t *max = &t->levels[i][at /= GROUP];

		/* Only where the largest went down the others must be looked at. */
		if (key < *max && old < *max)
			return;
		if (key < *max)
			key = largest(group);
		old = *max;
		*max = key;
	}
}

/* The lowest player below entry `at` of a level whose key is that entry's. */
static uint32_t descend(const struct ff_tournament *t, unsigned level, size_t at)
{
	uint64_t key = t->levels[level][at];

	while (level-- > 0)
		for (at *= GROUP; t->levels[level][at] != key; at++)
			;
	return (uint32_t)at;
}

uint32_t ff_tournament_best(const struct ff_tournament *tournament)
{
	if (ff_tournament_empty(tournament))
		return UINT32_MAX;
	return descend(tournament, tournament->depth - 1, 0);
}

uint32_t ff_tournament_best_but(const struct ff_tournament *t, uint32_t player)
{
	size_t own = player, best_at = 0;
	unsigned best_level = 0;
	uint64_t best = 0;

	if (player >= t->players)
		return ff_tournament_best(t);
	/* The others of each group that it is in. */
	for (unsigned i = 0; i + 1 < t->depth; i++, own /= GROUP) {
		size_t first = own / GROUP * GROUP;
		uint64_t found = 0;
		size_t found_at = first;

		for (size_t at = first; at < first + GROUP; at++) {
			if (at == own || t->levels[i][at] <= found)
				continue;
			found = t->levels[i][at];
			found_at = at;
		}
		/* Of equals the lowest: those before its group are lower than what was found in it.
		 */
		if (found > best || (found == best && found > 0 && found_at < own)) {
			best = found;
			best_at = found_at;
			best_level = i;
		}
	}
	return best > 0 ? descend(t, best_level, best_at) : UINT32_MAX;
}
