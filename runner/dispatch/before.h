/* Earlier runs that one goes on with, read from their journals: the latest, and those that it went
 * on with itself as far as they are needed. */
#ifndef FF_DISPATCH_BEFORE_H
#define FF_DISPATCH_BEFORE_H

#include "base/err.h"
#include "base/map.h"
#include "state/state.h"

struct ff_before_run {
	char *path; /* of the journal, absolute */
	struct ff_state state;
	uint64_t **again; /* by job: a bitset of units to be run again; NULL: none */
	/* As RUN_STARTED has it; NULL: not told. */
	char *run_id, *command_line, *config_file, *directory, *content, *goes_on, *addopts;
	/* What pytest-randomly drew for the collection that counts, as an option; NULL. */
	char *seed;
	uint32_t promised, told; /* units that it had from earlier ones, and their reports */
};

struct ff_before {
	struct ff_before_run *v; /* the latest first */
	size_t len;
	/* The same for the engine. */
	const struct ff_state **states;
	const uint64_t *const **again;
};

/* What of the earlier runs counts as not done. */
struct ff_before_again {
	unsigned outcomes; /* a bit of each */
	/* And units of these names, each with the value `wanted`, which is another one when it was
	 * found. NULL: none. */
	struct ff_map *units;
	void *wanted;
	/* Asked of each file that units came from, named from `rootdir` (NULL: not told, or not
	 * this machine's) of a run begun in `directory` (likewise): whether it is another one now
	 * than `content` says, which is as FILE_COLLECTED has it. NULL: not asked. */
	bool (*changed)(void *ctx, const char *directory, const char *rootdir, const char *file,
			int64_t content);
	void *ctx;
	bool changed_too; /* what came of the units of such a file counts as not done */
};

enum { FF_BEFORE_RUNS_MAX = 1000 }; /* that went on with each other */

/* FF_ESYS, FF_ELOAD: naming what can't be read. FF_EBUSY: the run is still going; FF_ENOTFOUND: a
 * run that it needs is gone. All in words. */
int ff_before_read(struct ff_before *before, const char *path, const struct ff_before_again *again,
		   struct ff_err *err);
/* A unit that was done counts as not done, either. */
void ff_before_run_again(struct ff_before_run *run, uint32_t job, uint32_t unit);
void ff_before_release(struct ff_before *before);

/* What pytest-randomly drew, as an option ("--randomly-seed=N"), if a header (lines, as of
 * WORKER_STARTED; may be NULL) tells; else NULL. */
const char *ff_before_seed(const char *const *header);

#endif
