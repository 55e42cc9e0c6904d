/* Going on with an earlier run: `farflung run --resume` and `farflung rerun`. */
#ifndef FF_CLI_RESUME_H
#define FF_CLI_RESUME_H

#include "config/config.h"
#include "dispatch/before.h"
#include "plan/plan.h"

/* What is to be gone on with, from its journal to the words of its command. */
struct ff_resume {
	struct ff_before before;
	struct ff_strv words; /* of `farflung run` as it was given then; options and file */
};

/* `run` as ff_run_journal has it; `home`: where the runs are if it says nothing (NULL: the working
 * directory's). Complains and gives an exit code, or 0. */
int ff_resume_read(struct ff_resume *resume, const char *run, const char *home,
		   struct ff_before_again *again);
void ff_resume_release(struct ff_resume *resume);

/* What was done with other `inputs` than there are now is to be run again; says so on stderr. */
void ff_resume_compare(struct ff_before *before, const struct ff_config *config,
		       const struct ff_plan *plan);
/* On stderr: what is gone on with, and what has changed since: the file, and jobs by name. */
void ff_resume_say(const struct ff_before *before, const struct ff_config *config,
		   const struct ff_plan *plan);

#endif
