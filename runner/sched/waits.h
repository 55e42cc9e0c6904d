/* Units of a job that wait for others of it: until these have come to their end, or until they have
 * passed. Knows neither what a unit is nor who runs it: it counts. */
#ifndef FF_SCHED_WAITS_H
#define FF_SCHED_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff_waits;

/* `unit` comes after `on`; `pass`: and only if that has passed. */
struct ff_waits_edge {
	uint32_t unit, on;
	bool pass;
};

/* Edges are copied; units are below `units`. One that is there twice counts once. */
struct ff_waits *ff_waits_new(uint32_t units, const struct ff_waits_edge *edges, size_t len);
void ff_waits_free(struct ff_waits *waits);

/* It waits for another one. */
bool ff_waits_blocked(const struct ff_waits *waits, uint32_t unit);
/* A unit that waits, by way of others, for itself; UINT32_MAX: none. O(units + edges). */
uint32_t ff_waits_in_circle(const struct ff_waits *waits);
/* A unit has come to its end; once for each. O(units that wait for it). */
void ff_waits_ended(struct ff_waits *waits, uint32_t unit, bool passed);

/* A unit that waits no more. */
struct ff_waits_ready {
	uint32_t unit;
	uint32_t failed; /* one that should have passed before, and has not; UINT32_MAX: none */
};
/* The next one of these, each once; false: none. */
bool ff_waits_next(struct ff_waits *waits, struct ff_waits_ready *ready);

#endif
