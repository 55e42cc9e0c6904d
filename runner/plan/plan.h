/* The plan: jobs in an order that `needs` allows, and their units by number (matrix, count): a unit
 * is made when it is asked for, so that a million of them take no memory. */
#ifndef FF_PLAN_PLAN_H
#define FF_PLAN_PLAN_H

#include "config/config.h"
#include "inventory/inventory.h"
#include "payload.h"
#include "sched/ration.h"
#include "plan/when.h"

/* One unit of a per-unit payload, or a session's job. */
/* How files with what was measured begin. */
#define FF_PLAN_COVERAGE ".coverage.farflung"

struct ff_plan_instance {
	char *name; /* unit id: "bench[size=10]", "bench[2]" or just the job's name */
	struct ff_payload_job job; /* resolved: {axis} and {index} replaced, quoted in shell text */
	char *const *artifacts;	   /* patterns; NULL-terminated */
	char *const *sent;	   /* likewise, of `inputs` */
	char *const *inputs, *const *outputs; /* likewise, of up_to_date */
};

/* Units that come from elsewhere than a matrix: lines of a file, say. Pure: the same number gives
 * the same unit each time. */
struct ff_plan_source {
	uint32_t len; /* at least 1, unless it is open */
	bool open;    /* more may come while the run lasts: see ff_run_feed */
	/* Appends the unit's name. 0 or FF_ENOMEM. */
	int (*name)(const struct ff_plan_source *source, uint32_t index, struct ff_buf *name);
	/* Fills in what is the unit's own of `job`, which has the job's; all of it in `arena` or
	 * the source's. `slot`: where it is to run, from 1; 0: not yet known. 0 or FF_ENOMEM. */
	int (*make)(const struct ff_plan_source *source, uint32_t index, uint32_t slot,
		    struct ff_arena *arena, struct ff_payload_job *job);
	/* The patterns of files that it gets, or (`back`) that are brought from it, in `arena`;
	 * NULL: out of memory. No member: they are as the job has them. */
	char **(*files)(const struct ff_plan_source *source, uint32_t index, uint32_t slot,
			bool back, struct ff_arena *arena);
};

/* A need of the configuration's: the jobs of the plan that it stands for. */
struct ff_plan_need {
	size_t first, len; /* of ff_plan->jobs */
	enum ff_config_need to;
};

struct ff_plan_job {
	/* The configuration's; of a job that is for each host a copy, named "job@host",
	 * whose `on` is that host. */
	const struct ff_config_job *config;
	const struct ff_host *only_host; /* of those that `on` matches; NULL: any */
	/* With that: what it is a copy of, whose `on` may match hosts that join later. */
	const struct ff_config_job *each_of;
	const struct ff_payload *payload;
	size_t *needs; /* indexes into plan->jobs, all smaller than this job's own */
	size_t needs_len;
	struct ff_plan_need *needs_by; /* of each of config->needs */
	const struct ff_when *when;    /* NULL */
	/* Per-unit payloads: the product of matrix and count, at least 1. Sessions, and payloads
	 * that discover their units: 0. */
	uint32_t units_len;
	unsigned retry_on;	 /* a bit of each outcome that `retries` is for */
	int64_t output_cap;	 /* bytes kept of a unit's output */
	struct ff_ration ration; /* of its host's memory and CPUs, for each unit */
};

struct ff_plan {
	struct ff_arena arena;
	struct ff_plan_job *jobs; /* file order, stably sorted so that needs come first */
	size_t len;
	/* What is allowed, but probably not what was meant: lines as those of errors. NULL:
	 * nothing. */
	char *hints;
};

enum { FF_PLAN_INSTANCES_MAX = INT32_MAX - 1 };

/* `only`: NULL, or the names to run (with what they need). FF_ECONFIG as file:line:column for an
 * unknown name in needs (nearest suggested), a cycle ("jobs need each other: a -> b -> a"), an
 * unknown payload or dist, an `on` pattern that matches no host, too many instances, a
 * placeholder that is none or whose value can't be quoted, more weight than any host has slots,
 * more required hosts than there are; for a name in `only` that is no job. The plan borrows from
 * `config` and the inventory. A job with `each_host` is as many jobs as hosts that it is for. */
int ff_plan_build(struct ff_plan *plan, const struct ff_config *config,
		  const struct ff_inventory *inventory, char *const *only, struct ff_err *err);
void ff_plan_release(struct ff_plan *plan);

/* Whether the job is meant for the host. */
bool ff_plan_job_on(const struct ff_plan_job *job, const struct ff_host *host);

/* Makes unit `index` (below units_len; of sessions 0, the job itself). All of it is in `arena` or
 * the configuration's. 0 or FF_ENOMEM. */
int ff_plan_instance(const struct ff_plan_job *job, uint32_t index, struct ff_arena *arena,
		     struct ff_plan_instance *instance);
/* Appends the environment of the job's sessions: NAME=value, resolved. 0 or FF_ENOMEM. */
int ff_plan_env(const struct ff_plan_job *job, struct ff_strv *env);
/* The same for a place of its own among what runs, from 1. */
int ff_plan_instance_at(const struct ff_plan_job *job, uint32_t index, uint32_t slot,
			struct ff_arena *arena, struct ff_plan_instance *instance);
/* The same, with the command of one of its steps (below config->steps_len). */
int ff_plan_step(const struct ff_plan_job *job, uint32_t index, uint32_t step,
		 struct ff_arena *arena, struct ff_plan_instance *instance);
/* Whether that unit is to be run, as things came out; the job has a `when`. */
bool ff_plan_when(const struct ff_plan_job *job, uint32_t index, const struct ff_when_facts *facts);
/* Appends its name. 0 or FF_ENOMEM. */
int ff_plan_unit_name(const struct ff_plan_job *job, uint32_t index, struct ff_buf *name);

#endif
