/* What the files of `farflung pytest` share. */
#ifndef FF_CLI_PYTEST_H
#define FF_CLI_PYTEST_H

#include "cli/command.h"
#include "cli/plain.h"
#include "config/config.h"

/* By the name that the entries of its table have for it. */
struct options {
	const char *numprocesses, *dist, *color, *python, *timeout, *maxfail, *retries, *restarts;
	const char *front, *reorder, *maxschedchunk, *testrunuid, *junit_prefix;
	struct ff_strv tx, px, rsyncdir, rsyncignore, reports;
	int64_t maxprocesses;
	bool quiet, load;
	int verbose;
};

/* Becomes pytest: gives an exit code only if that can't be started. */
int ff_pytest_plain(const struct options *o, const struct ff_strv *args, const char *because);

/* --rsyncdir and --rsyncignore as the configuration's tree. 0, or -1 with a complaint. */
int ff_pytest_tree(struct ff_config *config, const struct options *o);

#endif
