/* What the files of `farflung pytest` share. */
#ifndef FF_CLI_PYTEST_H
#define FF_CLI_PYTEST_H

#include "cli/command.h"
#include "cli/plain.h"
#include "config/config.h"

/* By the name that the entries of its table have for it. */
struct options {
	const char *numprocesses, *dist, *color, *python, *timeout, *session_timeout, *maxfail,
		*retries, *restarts, *history, *shard, *flaky, *retry_on;
	const char *front, *template, *collect, *memory, *reorder, *maxschedchunk, *testrunuid,
		*junit_prefix;
	struct ff_strv tx, px, rsyncdir, rsyncignore, reports;
	int64_t maxprocesses;
	int64_t front_fd; /* pytest has started us: its end of the front's line; 0 */
	bool load;
	int verbose, quiet;
};

/* Becomes pytest: gives an exit code only if that can't be started. */
int ff_pytest_plain(const struct options *o, const struct ff_strv *args, const char *because);
/* What somebody's pytest_xdist_auto_num_workers wants for -n auto: 1: *workers; 0: nobody has one;
 * -1: complained of. */
int ff_pytest_auto(const struct options *o, const struct ff_strv *args, int64_t most,
		   int64_t *workers);

/* --rsyncdir and --rsyncignore as the configuration's tree. 0, or -1 with a complaint. */
int ff_pytest_tree(struct ff_config *config, const struct options *o);

#endif
