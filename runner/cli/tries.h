/* Tries of `farflung bisect`: sequences of tests, each run by a process of pytest that can't see
 * the others. A round of them is a run of the engine with a command for each. */
#ifndef FF_CLI_TRIES_H
#define FF_CLI_TRIES_H

#include <signal.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/strv.h"
#include "cli/recorded.h"

/* What became of the sequence's last test. */
enum ff_try_end {
	FF_TRY_NONE,   /* not known: the round was stopped before */
	FF_TRY_PASSED, /* or skipped, or failed as expected */
	FF_TRY_FAILED,
	FF_TRY_MISSING, /* it was not collected */
	FF_TRY_BROKEN,	/* it did not come to it */
	FF_TRY_HUNG,	/* its time was over */
};

struct ff_try {
	const uint32_t *tests; /* numbers of steps before the last */
	size_t len;
	bool all;   /* with all files of the run collected, not just those of the tests */
	bool plain; /* by pytest alone, as the command line of the same try before says */
	enum ff_try_end end;
	uint32_t number; /* of its files */
	int64_t took_us;
	char *words; /* what is to be said of it; NULL: nothing */
};

struct ff_tries {
	const struct ff_repeat *repeat;
	const struct ff_recorded_job *job;
	const struct ff_recorded_worker *worker;
	size_t last;		      /* the step that they are about */
	bool hang_fails;	      /* as it did then */
	const struct ff_strv *python; /* the interpreter's words */
	int64_t slots, timeout_us;
	char *folder; /* of all of them; made by ff_tries_open */
	uint32_t made;
	sigset_t signals; /* that were held before */
};

/* From here to ff_tries_close signals wait, but while tries run. FF_ESYS: there is no place for
 * temporary files. */
int ff_tries_open(struct ff_tries *tries, struct ff_err *err);
/* Removes the folder, and lets go of signals but those that ended the tries. */
void ff_tries_close(struct ff_tries *tries);

/* Runs all, so many at a time as there are slots. 0, FF_ECANCELED after Ctrl-C (those that came to
 * their end by then have it), or why none could be run. `words` are the caller's to free. */
int ff_tries_run(struct ff_tries *tries, struct ff_try *v, size_t count, struct ff_err *err);

/* How plain pytest runs what a try ran; FF_ESYS: it did not come to that. */
int ff_tries_command(const struct ff_tries *tries, const struct ff_try *one, struct ff_strv *words,
		     struct ff_err *err);

#endif
