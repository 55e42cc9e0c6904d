/* What the files of this room share. */
#ifndef FF_PLAN_PRIVATE_H
#define FF_PLAN_PRIVATE_H

#include "config/problems.h"
#include "plan/plan.h"

/* The order of config's jobs in which each comes after what it needs; otherwise file order, as far
 * as that goes. Indexes into config->jobs, malloc'd; NULL: something was wrong, it is in
 * `problems`. */
size_t *ff_plan_order(const struct ff_config *config, struct ff_problems *problems);
/* The index of a job in config->jobs, or config->jobs_len. */
size_t ff_plan_find(const struct ff_config *config, const char *name);

/* Fills job->instances from job->config. */
void ff_plan_instances(struct ff_plan *plan, struct ff_plan_job *job, struct ff_problems *problems);

#endif
