/* Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
 * 2002): the smallest part of a sequence that still makes something fail, as far as leaving out any
 * one of it tells. Who tries the parts, and how many at a time, is the caller's business. */
#ifndef FF_CLI_DDMIN_H
#define FF_CLI_DDMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ff_ddmin_result {
	FF_DDMIN_NOT_TRIED,
	FF_DDMIN_PASSED,
	FF_DDMIN_FAILED,
	FF_DDMIN_UNRESOLVED, /* nobody can tell: it counts as passed */
};

/* A part of the sequence that is left: items first to last (exclusive), or all without these. */
struct ff_ddmin_try {
	const uint32_t *items;
	size_t len, first, last;
	bool without;
	enum ff_ddmin_result result; /* to be filled in */
};

/* Tries some parts; those behind one that fails need not be tried. Nonzero: stop here. */
typedef int (*ff_ddmin_round)(void *ctx, struct ff_ddmin_try *tries, size_t count);

/* Of `items`, which are known to fail together, and not to if there are none, leaves the smallest
 * part that fails, in their order. `width`: how many are tried at a time; the more, the finer the
 * first cuts. 0, or what a round stopped with: *len are the smallest so far. Never allocates more
 * than a round's tries, of which there are at most twice *len. */
int ff_ddmin(uint32_t *items, size_t *len, size_t width, ff_ddmin_round round, void *ctx);

/* Writes the items of a try to `out`, which has room for all; how many. */
size_t ff_ddmin_items(const struct ff_ddmin_try *one, uint32_t *out);

#endif
