/* Units that are given out together, for the policy `auto`: neighbours of one file, cut where what
 * they are expected to take would be too much for one worker; and what is expected of each. */
#ifndef FF_SCHED_PARCELS_H
#define FF_SCHED_PARCELS_H

#include <stdint.h>

#include "sched/pending.h"

struct ff_queues_opts;

struct ff_parcels {
	int64_t *us;	/* by unit: expected, at least 1; NULL: there are no parcels */
	uint32_t *end;	/* by rank: the one behind the last of its parcel */
	uint32_t *more; /* by rank: the first of the next parcel of its file; UINT32_MAX */
	/* Files, numbered as they are expected to take most. */
	uint32_t *file;		     /* by rank: its file */
	uint32_t *first;	     /* by file: the first rank of its longest parcel */
	struct ff_pending untouched; /* files of which nobody was given anything */
	int64_t left_us;	     /* of all that wait */
	int64_t all_us;		     /* the same at first; 0: it is a guess */
};

/* Cuts, and orders: the longest parcel first. *unit_at and *rank_of as of ff_scopes_order. */
void ff_parcels_init(struct ff_parcels *parcels, const struct ff_queues_opts *opts,
		     uint32_t **unit_at, uint32_t **rank_of);
void ff_parcels_release(struct ff_parcels *parcels);

#endif
