/* Going on with an earlier run: `--resume` of run, pytest and map, and `farflung rerun`. */
#ifndef FF_CLI_RESUME_H
#define FF_CLI_RESUME_H

#include "config/config.h"
#include "dispatch/before.h"
#include "plan/plan.h"

/* What is to be gone on with, from its journal to the words of its command. */
struct ff_resume {
	struct ff_before before;
	char *command;	      /* the subcommand that it was: "run" */
	struct ff_strv words; /* what that was given then */
};

/* `run` as ff_run_journal has it; `home`: where the runs are if it says nothing (NULL: the working
 * directory's). `usage`: the exit code for what can't be. Complains and gives an exit code, or 0.
 */
int ff_resume_read(struct ff_resume *resume, const char *run, const char *home,
		   struct ff_before_again *again, int usage);
void ff_resume_release(struct ff_resume *resume);

/* 0 if the run was `farflung COMMAND`; else it is complained of, with the command that goes on with
 * it: `code`. */
int ff_resume_check(const struct ff_resume *resume, const char *command, int code);
/* 0 if it was begun in the working directory, from where its words are meant; else complains. */
int ff_resume_check_folder(const struct ff_resume *resume, int code);

/* Of a run that pytest ran: which files its tests came from are other ones now, by content. They
 * are noted as the journal is read, by the members of ff_before_again. */
struct ff_changed {
	struct ff_strv files;
};
void ff_changed_ask(struct ff_changed *changed, struct ff_before_again *again);
/* On stderr; `again`: whether their tests count as not done. */
void ff_changed_say(const struct ff_changed *changed, bool again);
void ff_changed_release(struct ff_changed *changed);

/* What was done with other `inputs` than there are now is to be run again; says so on stderr. */
void ff_resume_compare(struct ff_before *before, const struct ff_config *config,
		       const struct ff_plan *plan);
/* On stderr: what is gone on with, and what has changed since: the file, and jobs by name. */
void ff_resume_say(const struct ff_before *before, const struct ff_config *config,
		   const struct ff_plan *plan);

/* Appends argv, an option --resume (or --resume-failed) as "--resume=VALUE" (`value`: what was
 * parsed of it, NULL: nothing), so that it reads the same when that run is gone. */
void ff_resume_add_words(struct ff_strv *words, int argc, char **argv, const char *value);

/* Go on with a run of their own command, by the words that it was given then and `argv` behind
 * them. `as`: whose words argv is. The exit code. */
int ff_run_again(struct ff_resume *resume, int argc, char **argv, const char *as);
int ff_pytest_again(struct ff_resume *resume, int argc, char **argv, const char *as);
int ff_map_again(struct ff_resume *resume, int argc, char **argv, const char *as);

#endif
