/* The plan: jobs in an order that `needs` allows, with their instances (matrix, count). */
#ifndef FF_PLAN_PLAN_H
#define FF_PLAN_PLAN_H

#include "config/config.h"
#include "inventory/inventory.h"
#include "payload.h"

/* One command instance; sessions' units come from collection instead. */
struct ff_plan_instance {
	char *name; /* unit id: "bench[size=10]", "bench[2]" or just the job's name */
	struct ff_payload_job
		job; /* resolved: {axis} and {index} replaced; borrowed from the plan */
};

struct ff_plan_job {
	const struct ff_config_job *config;
	const struct ff_payload *payload;
	size_t *needs; /* indexes into plan->jobs, all smaller than this job's own */
	size_t needs_len;
	struct ff_plan_instance
		*instances; /* per-unit payloads: at least one; sessions: exactly one */
	size_t instances_len;
};

struct ff_plan {
	struct ff_arena arena;
	struct ff_plan_job *jobs; /* file order, stably sorted so that needs come first */
	size_t len;
};

enum { FF_PLAN_INSTANCES_MAX = 1000000 };

/* `only`: NULL, or the names to run (with what they need). FF_ECONFIG as file:line:column for an
 * unknown name in needs (nearest suggested), a cycle ("jobs need each other: a -> b -> a"), an
 * unknown payload or dist, an `on` pattern that matches no host, an unknown {name}, too many
 * instances; for a name in `only` that is no job. */
int ff_plan_build(struct ff_plan *plan, const struct ff_config *config,
		  const struct ff_inventory *inventory, char *const *only, struct ff_err *err);
void ff_plan_release(struct ff_plan *plan);

#endif
