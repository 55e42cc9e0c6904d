/* Resource limits for a program: set by a short-lived stage of our own between the worker's child
 * and the program, since a process can only limit itself before it starts. */
#ifndef FF_WORKER_LIMITS_H
#define FF_WORKER_LIMITS_H

#include "base/err.h"
#include "base/strv.h"
#include "wire/value.h"

/* What the stage is to do. */
struct ff_limits {
	const struct ff_value
		*rlimits;   /* kwargs["rlimits"]: names to int, negative: unlimited; NULL */
	int64_t data;	    /* bytes of RLIMIT_DATA beside these; 0: none */
	const char *cgroup; /* the folder of a group that it joins (cgroup.h); NULL */
};

/* argv of that stage and the program's `argv`: "farflung-worker", "--limits",
 * "as=1,core=0,cgroup=/folder", then argv. FF_EINVAL: an unknown name, or no int. It is to be
 * executed from /proc/self/exe. */
int ff_limits_argv(const struct ff_limits *limits, char *const *argv, struct ff_strv *out,
		   struct ff_err *err);
/* Finds a program as exec will: FF_ESPAWN "cannot run 'prog': …" if it can't be. `path` may be
 * NULL; only what would fail surely is refused. */
int ff_limits_find(const char *program, const char *cwd, const char *path, struct ff_err *err);
/* The stage itself: sets the limits and executes argv. Returns the status to exit with. */
int ff_limits_exec(const char *limits, char *const *argv);

#endif
