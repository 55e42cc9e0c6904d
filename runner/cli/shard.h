/* --shard K/N: one part of a run's units, the other parts being other machines'. */
#ifndef FF_CLI_SHARD_H
#define FF_CLI_SHARD_H

#include "config/config.h"
#include "plan/plan.h"
#include "sched/expect.h"

enum { FF_SHARDS_MAX = 10000 };

/* "3/8"; FF_ECONFIG, and both as they were, if it is none. */
int ff_shard_parse(const char *text, uint32_t *shard, uint32_t *shards, struct ff_err *err);
/* Marks the jobs that the plan has. FF_ECONFIG with words: what was wanted and what was given, or
 * which job can't be cut, and why. */
int ff_shard_mark(struct ff_config *config, const struct ff_plan *plan, const char *text,
		  struct ff_err *err);
/* Gives pytest's jobs what is known of their tests; the text is in the configuration's arena. */
void ff_shard_tell(struct ff_config *config, const struct ff_expect *expect);

#endif
