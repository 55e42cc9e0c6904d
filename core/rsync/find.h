/* Files below a folder by patterns: what a job leaves there, or what it depends on. */
#ifndef FF_RSYNC_FIND_H
#define FF_RSYNC_FIND_H

#include <stdbool.h>

#include "base/err.h"
#include "base/map.h"
#include "base/strv.h"

enum {
	FF_FIND_FILES_MAX = 100000,
	FF_FIND_PATH_MAX = 4096, /* bytes of one path */
	FF_FIND_REFUSED_MAX = 100,
};

struct ff_find {
	struct ff_strv paths;	/* of regular files, relative, each once, in strcmp's order */
	struct ff_strv missing; /* patterns that nothing matched */
	/* Lines "path: why": what matched, and is not among `paths`; the first ones of many. */
	struct ff_strv refused;
	struct ff_map seen;
};

/* Whether `pattern` may be asked for: relative, without "..", not empty. NULL, or what is wrong. */
const char *ff_find_check(const char *pattern);

/* Looks below `root` (absolute). Patterns are paths whose parts are as a shell's, '*' and '?'
 * leaving a leading '.' alone; a part "**" stands for any folders, also none, hidden ones and links
 * excepted. What a fetch has filled (fetch.h) is passed by. A folder that matches stands for all
 * that is in it. Links are followed as long as they stay below `root`; what leads elsewhere, and
 * what is neither file nor folder, is refused. `find` is overwritten. FF_EINVAL: a pattern may not
 * be asked for; FF_ESYS: `root` can't be read; FF_ETOOBIG: more files than FF_FIND_FILES_MAX;
 * FF_ENOMEM. */
int ff_find(struct ff_find *find, const char *root, char *const *patterns, struct ff_err *err);
/* The same, but what a fetch has filled is found like all else, only its list of sums is not. */
int ff_find_also_fetched(struct ff_find *find, const char *root, char *const *patterns,
			 struct ff_err *err);
void ff_find_release(struct ff_find *find);

#endif
