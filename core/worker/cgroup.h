/* Groups of processes with limits of their own: folders of cgroup v2, made for one program each and
 * removed behind it. They are made where this process may: in the folder that FARFLUNG_CGROUP
 * names, in its own (which must be delegated to it), or beside that. Nothing outside of these is
 * changed. */
#ifndef FF_WORKER_CGROUP_H
#define FF_WORKER_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

struct ff_cgroups {
	char *path;	     /* the folder that groups are made in; NULL: there is none */
	bool memory, cpu;    /* which limits they may have there */
	char why[200];	     /* why there is no path, or not both */
	struct ff_strv left; /* groups that could not be removed yet */
	uint32_t made;
	bool looked;
};

/* Where to look, for tests; NULL: the system's own. */
struct ff_cgroup_places {
	const char *mounts; /* /proc/self/mountinfo */
	const char *own;    /* /proc/self/cgroup */
	const char *wish;   /* what FARFLUNG_CGROUP has; NULL */
};

/* Finds out what can be done; once, later calls do nothing. What killed workers have left there is
 * removed. */
void ff_cgroups_look(struct ff_cgroups *cgroups, const struct ff_cgroup_places *places);
/* Of workers that are no more; groups that are not empty stay. */
void ff_cgroups_remove_stale(const struct ff_cgroups *cgroups);
/* Waits a little for what is left to be removed. */
void ff_cgroups_release(struct ff_cgroups *cgroups);

/* A new group's folder (malloc'd). memory: bytes, swap included; cpu: thousandths of a CPU; 0:
 * none. NULL: err. A process joins it by writing 0 into its cgroup.procs. */
char *ff_cgroup_make(struct ff_cgroups *cgroups, int64_t memory, int64_t cpu, struct ff_err *err);
/* Whether something in it was killed for want of memory. */
bool ff_cgroup_ran_out(const char *path);
/* Kills what is in it, and removes it, now or a little later. */
void ff_cgroup_remove(struct ff_cgroups *cgroups, const char *path);

#endif
