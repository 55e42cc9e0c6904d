/* Each set has its hosts in two tournaments; a change of a host is told to each set with it. */
#include "sched/sets.h"

#include <string.h>

#include "base/alloc.h"

#define NOBODY UINT32_MAX

/* --- life --- */

void ff_sets_init(struct ff_sets *sets, uint32_t hosts, uint32_t jobs)
{
	*sets = (struct ff_sets){.hosts_len = hosts, .jobs_len = jobs};
	sets->hosts = ff_xcalloc((size_t)hosts + 1, sizeof(*sets->hosts));
	for (uint32_t i = 0; i < hosts; i++)
		sets->hosts[i].kept_for = NOBODY;
}

static void set_release(struct ff_set *set)
{
	ff_free(set->bits);
	ff_tournament_release(&set->share);
	ff_tournament_release(&set->most);
	ff_pending_release(&set->ready);
	ff_pending_release(&set->starved);
	*set = (struct ff_set){0};
}

void ff_sets_release(struct ff_sets *sets)
{
	for (uint32_t i = 0; i < sets->len; i++)
		set_release(&sets->sets[i]);
	ff_free(sets->sets);
	ff_free(sets->hosts);
	*sets = (struct ff_sets){0};
}

/* --- what is free --- */

bool ff_set_has(const struct ff_set *set, uint32_t host)
{
	return set->bits && (set->bits[host / 64] >> host % 64 & 1);
}

static bool is_there(const struct ff_set_host *host)
{
	return host->up && !host->draining;
}

static void show_in(const struct ff_sets *sets, struct ff_set *set, uint32_t number)
{
	const struct ff_set_host *host = &sets->hosts[number];
	bool open = is_there(host) && host->kept_for == NOBODY && host->free > 0;

	ff_tournament_set(&set->share, number,
			  open ? ((uint64_t)host->free << 32) / host->slots : 0);
	ff_tournament_set(&set->most, number, open ? host->free : 0);
}

void ff_sets_show(struct ff_sets *sets, uint32_t number)
{
	struct ff_set_host *host = &sets->hosts[number];
	bool there = is_there(host);

	sets->seen = there && number >= sets->seen ? number + 1 : sets->seen;
	for (uint32_t i = 0; i < sets->len; i++) {
		if (!ff_set_has(&sets->sets[i], number))
			continue;
		sets->sets[i].there += (uint32_t)there - (uint32_t)host->counted;
		show_in(sets, &sets->sets[i], number);
	}
	host->counted = there;
}

/* --- sets --- */

static size_t words(const struct ff_sets *sets)
{
	return sets->hosts_len / 64 + 1;
}

static void set_init(struct ff_sets *sets, struct ff_set *set, const uint64_t *bits)
{
	size_t size = words(sets) * sizeof(*bits);

	set->bits = memcpy(ff_xmalloc(size), bits, size);
	ff_tournament_init(&set->share, sets->seen);
	ff_tournament_init(&set->most, sets->seen);
	ff_pending_init(&set->ready, sets->jobs_len, false);
	ff_pending_init(&set->starved, sets->jobs_len, false);
	for (uint32_t i = 0; i < sets->seen; i++) {
		if (!ff_set_has(set, i))
			continue;
		set->there += sets->hosts[i].counted;
		show_in(sets, set, i);
	}
}

uint32_t ff_sets_enter(struct ff_sets *sets, const uint64_t *bits)
{
	uint32_t spare = sets->len;

	for (uint32_t i = 0; i < sets->len; i++) {
		if (!sets->sets[i].bits) {
			spare = i;
		} else if (memcmp(sets->sets[i].bits, bits, words(sets) * sizeof(*bits)) == 0) {
			sets->sets[i].refs++;
			return i;
		}
	}
	if (spare == sets->len) {
		sets->sets = ff_xrealloc(sets->sets, ((size_t)spare + 1) * sizeof(*sets->sets));
		sets->sets[sets->len++] = (struct ff_set){0};
	}
	set_init(sets, &sets->sets[spare], bits);
	sets->sets[spare].refs = 1;
	return spare;
}

void ff_sets_leave(struct ff_sets *sets, uint32_t set)
{
	if (--sets->sets[set].refs == 0)
		set_release(&sets->sets[set]);
}

/* The one that differs in this host. */
static uint32_t other_set(struct ff_sets *sets, uint32_t set, uint32_t host, bool with)
{
	size_t size = words(sets) * sizeof(uint64_t);
	uint64_t *bits = memcpy(ff_xmalloc(size), sets->sets[set].bits, size);
	uint64_t bit = UINT64_C(1) << host % 64;
	uint32_t other;

	bits[host / 64] = with ? bits[host / 64] | bit : bits[host / 64] & ~bit;
	ff_sets_leave(sets, set);
	other = ff_sets_enter(sets, bits);
	ff_free(bits);
	return other;
}

uint32_t ff_sets_without(struct ff_sets *sets, uint32_t set, uint32_t host)
{
	return other_set(sets, set, host, false);
}

uint32_t ff_sets_with(struct ff_sets *sets, uint32_t set, uint32_t host)
{
	return other_set(sets, set, host, true);
}

/* --- finding --- */

uint32_t ff_sets_slots(const struct ff_set_host *host, const struct ff_set_need *need)
{
	return need->alone || need->weight > host->slots ? host->slots : need->weight;
}

static bool has_memory(const struct ff_sets *sets, uint32_t number, int64_t need)
{
	int64_t there = sets->memory ? sets->memory[number] : 0;
	int64_t taken = sets->taken ? sets->taken[number] : 0;

	return need == 0 || there == 0 || taken == 0 || need <= there - taken;
}

/* Beside what was taken, and is promised to others. */
static bool has_ration(const struct ff_sets *sets, uint32_t number, const struct ff_ration *ration)
{
	const struct ff_ration *promised = sets->hosts[number].promised;
	struct ff_capacity taken = {0}, other;

	if (!ration || !sets->capacity)
		return true;
	if (promised && promised != ration)
		taken = ff_ration_on(promised, &sets->capacity[number]);
	other = (struct ff_capacity){sets->taken ? sets->taken[number] : 0,
				     sets->cpu_taken ? sets->cpu_taken[number] : 0};
	taken.memory += other.memory;
	taken.cpu += other.cpu;
	return ff_ration_fits(ration, &sets->capacity[number], &taken);
}

bool ff_sets_fits(const struct ff_sets *sets, uint32_t number, const struct ff_set_need *need)
{
	const struct ff_set_host *host = &sets->hosts[number];

	return is_there(host) && number != need->avoid && host->free >= ff_sets_slots(host, need) &&
	       has_memory(sets, number, need->memory) && has_ration(sets, number, need->ration);
}

/* The largest share free among those that fit and are open to all. Looks at each of them. */
static uint32_t find_with_memory(const struct ff_sets *sets, const struct ff_set *set,
				 const struct ff_set_need *need)
{
	uint64_t most = 0;
	uint32_t best = NOBODY;

	for (uint32_t i = 0; i < sets->seen; i++) {
		const struct ff_set_host *host = &sets->hosts[i];
		uint64_t share = ((uint64_t)host->free << 32) / (host->slots ? host->slots : 1);

		if (share <= most || host->kept_for != NOBODY || !ff_set_has(set, i) ||
		    !ff_sets_fits(sets, i, need))
			continue;
		most = share;
		best = i;
	}
	return best;
}

/* If any host has slots enough, one of the two has: as many free ones as are needed, or it is
 * smaller and wholly free. */
uint32_t ff_sets_find(const struct ff_sets *sets, const struct ff_set *set,
		      const struct ff_set_need *need)
{
	uint32_t best = ff_tournament_best_but(&set->share, need->avoid);

	if (best != NOBODY && ff_sets_fits(sets, best, need))
		return best;
	best = ff_set_roomiest(set, need->avoid);
	if (best == NOBODY || ff_sets_fits(sets, best, need))
		return best;
	return (need->memory > 0 && sets->memory) || (need->ration && sets->capacity)
		       ? find_with_memory(sets, set, need)
		       : NOBODY;
}

uint32_t ff_set_roomiest(const struct ff_set *set, uint32_t avoid)
{
	return ff_tournament_best_but(&set->most, avoid);
}

bool ff_sets_other_there(const struct ff_sets *sets, const struct ff_set *set, uint32_t avoid)
{
	bool itself =
		avoid < sets->hosts_len && ff_set_has(set, avoid) && is_there(&sets->hosts[avoid]);

	return set->there > (uint32_t)itself;
}
