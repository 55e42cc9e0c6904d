/* `concurrency:` of a file: runs of one group, in all that share the folder of runs, go one at a
 * time. */
#ifndef FF_CLI_GROUP_H
#define FF_CLI_GROUP_H

#include "base/err.h"
#include "config/config.h"

/* Held by a lock, so that it is given back however the process ends. */
struct ff_group_hold {
	int fd; /* -1: there is no group */
	char *path;
};

/* Waits until nobody else has the group, or ends the run that has it, and says so. 0, also without
 * a group; FF_ECANCELED: SIGINT, SIGTERM or SIGHUP came meanwhile; FF_ESYS naming the path. */
int ff_group_enter(struct ff_group_hold *hold, const struct ff_config *config, struct ff_err *err);
/* Which run has it now, for those who come. */
void ff_group_tell(const struct ff_group_hold *hold, const char *journal);
void ff_group_leave(struct ff_group_hold *hold);

#endif
