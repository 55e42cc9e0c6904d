/* Units that belong together, and the worker that each such scope was given to. */
#ifndef FF_SCHED_SCOPES_H
#define FF_SCHED_SCOPES_H

#include <stdbool.h>
#include <stdint.h>

struct ff_queues_opts;

struct ff_scopes {
	uint32_t *of;	      /* by unit; NULL: units are on their own */
	uint32_t len;	      /* scopes, numbered as they come first */
	uint32_t *end;	      /* by scope: the rank behind its last unit's */
	uint32_t *owner;      /* by scope: whom it was given to; UINT32_MAX: nobody yet */
	const uint32_t *host; /* by scope: where it must be; NULL: anywhere; borrowed */
};

void ff_scopes_init(struct ff_scopes *scopes, const struct ff_queues_opts *opts);
void ff_scopes_release(struct ff_scopes *scopes);
/* The order in which units are given out: the longest first, or the largest scopes, with the units
 * of each in a row. *unit_at (by rank) and *rank_of are to be freed; NULL: as they are numbered. */
void ff_scopes_order(struct ff_scopes *scopes, const struct ff_queues_opts *opts,
		     uint32_t **unit_at, uint32_t **rank_of);

#endif
