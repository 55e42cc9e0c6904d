/* The largest of many keys that change: a tree of what is largest in each group of a few. */
#ifndef FF_SCHED_TOURNAMENT_H
#define FF_SCHED_TOURNAMENT_H

#include <stdbool.h>
#include <stdint.h>

enum { FF_TOURNAMENT_LEVELS = 12 }; /* 8^11 > 2^32 */

struct ff_tournament {
	/* [0]: the keys of the players, 0 at first; above: the largest of each group below. The
	 * highest has one. */
	uint64_t *levels[FF_TOURNAMENT_LEVELS];
	unsigned depth;
	uint32_t players; /* that there is room for */
};

void ff_tournament_init(struct ff_tournament *tournament, uint32_t players);
void ff_tournament_release(struct ff_tournament *tournament);
/* A player may be new: the tree grows. */
void ff_tournament_set(struct ff_tournament *tournament, uint32_t player, uint64_t key);
/* Who has the largest key; of equals the lowest. UINT32_MAX: all are 0. */
uint32_t ff_tournament_best(const struct ff_tournament *tournament);
/* The same among all but one; UINT32_MAX, or a player that is not there: among all. */
uint32_t ff_tournament_best_but(const struct ff_tournament *tournament, uint32_t player);

static inline uint64_t ff_tournament_key(const struct ff_tournament *tournament, uint32_t player)
{
	return player < tournament->players ? tournament->levels[0][player] : 0;
}

/* Whether all keys are 0. */
static inline bool ff_tournament_empty(const struct ff_tournament *tournament)
{
	return tournament->levels[tournament->depth - 1][0] == 0;
}

#endif
