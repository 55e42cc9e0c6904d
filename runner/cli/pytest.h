/* What the files of `farflung pytest` share. */
#ifndef FF_CLI_PYTEST_H
#define FF_CLI_PYTEST_H

#include "cli/command.h"
#include "cli/plain.h"
#include "config/config.h"

enum { FF_PYTEST_USAGE = 4 }; /* pytest's own number */

/* Options that those commands have in common which run pytest. */
#define FF_PYTEST_WORKERS                                                                          \
	FF_OPTION("numprocesses", 'n', TEXT, "N",                                                  \
		  "local workers: a number, auto or logical (default: auto)", numprocesses),       \
		FF_OPTION("maxprocesses", 0, NUMBER, "N", "at most so many of them; 0: no limit",  \
			  maxprocesses),                                                           \
		FF_OPTION("tx", 0, LIST, "XSPEC",                                                  \
			  "workers at an xspec, [N*]popen, ssh=HOST, ... (repeatable)", tx),       \
		FF_OPTION("px", 0, LIST, "XSPEC",                                                  \
			  "a host that runs no tests: others go via=ID (repeatable)", px)
#define FF_PYTEST_TREE                                                                             \
	FF_OPTION("rsyncdir", 0, LIST, "DIR",                                                      \
		  "bring this folder along, from the working directory (repeatable)", rsyncdir),   \
		FF_OPTION("rsyncignore", 0, LIST, "PATTERN",                                       \
			  "but not what this matches (repeatable)", rsyncignore)
#define FF_PYTEST_REPORTS                                                                          \
	FF_OPTION("python", 0, TEXT, "PROG", "interpreter of the local workers and the front",     \
		  python),                                                                         \
		FF_OPTION_REPORT_FILES(reports),                                                   \
		FF_OPTION("notify", 0, TEXT, "FILE",                                               \
			  "tell those in the 'notify' of this configuration file", notify),        \
		FF_OPTION("junit-prefix", 0, TEXT, "TEXT",                                         \
			  "before the class names of the JUnit report", junit_prefix),             \
		FF_OPTION("junitprefix", 0, TEXT, "TEXT", "the same", junit_prefix),               \
		FF_OPTION_OF("maxfail", SETTINGS, "maxfail", maxfail, NULL),                       \
		FF_OPTION_IS("exitfirst", 'x', "1", "stop after the first bad test", maxfail)
#define FF_PYTEST_LIMITS                                                                           \
	FF_OPTION_OF("timeout", JOB, "timeout", timeout, NULL),                                    \
		FF_OPTION_OF("session-timeout", JOB, "session_timeout", session_timeout, NULL),    \
		FF_OPTION_OF("max-worker-restart", SETTINGS, "max_worker_restart", restarts, NULL)
#define FF_PYTEST_LOOK                                                                             \
	FF_OPTION("verbose", 'v', COUNT, NULL, "a line per test", verbose),                        \
		FF_OPTION("quiet", 'q', COUNT, NULL, "only failures and the summary", quiet),      \
	{                                                                                          \
		.name = "color", .kind = FF_OPTION_CHOICE, .arg = "WHEN",                          \
		.choices = "auto, always, never, yes or no", /* the last two are pytest's words */ \
			.help = "auto, always or never", .offset = offsetof(struct options, color) \
	}

/* By the name that the entries of its table have for it. */
struct options {
	const char *numprocesses, *dist, *color, *python, *timeout, *session_timeout, *maxfail,
		*retries, *restarts, *history, *shard, *flaky, *retry_on, *retry_delay;
	const char *front, *template, *collect, *memory, *strict, *reorder, *maxschedchunk,
		*testrunuid, *junit_prefix, *web, *cert, *key, *links, *notify;
	struct ff_strv tx, px, rsyncdir, rsyncignore, reports;
	int64_t maxprocesses;
	int64_t front_fd; /* pytest has started us: its end of the front's line; 0 */
	bool load;
	int verbose, quiet;
	const char *resume;
	struct ff_before *before; /* what is gone on with; NULL */
	const char *addopts;	  /* PYTEST_ADDOPTS; NULL */
	int usage;		  /* the exit code for what can't be */
	bool stress;		  /* of `farflung stress`, and what it has: */
	const char *count, *time;
	bool json;
};

/* Runs it as `command` has its options. Options behind "--" are understood like those before it;
 * what is not ours is pytest's. `stress`: each test many times. */
int ff_pytest_run(const struct ff_command *command, bool stress, int argc, char **argv);

/* What a command line says: words for pytest, of which the first `before` stood before "--". */
struct ff_pytest_given {
	struct ff_strv args;
	size_t before;
	struct ff_strv words, after; /* what options may point into */
};
/* Into *o, PYTEST_ADDOPTS (o->addopts) first. 0, 1 after --help, or -1 with a complaint. */
int ff_pytest_parse(const struct ff_command *command, struct options *o, int argc, char **argv,
		    struct ff_pytest_given *given);
int ff_pytest_run_given(struct options *o, const struct ff_pytest_given *given, int argc,
			char **argv);
void ff_pytest_release(struct options *o, struct ff_pytest_given *given);
/* Whether the words begin a run whose front the user's own pytest is. */
bool ff_pytest_is_joined(int argc, char **argv);
/* farflung pytest --resume [RUN]: the exit code. */
int ff_pytest_resume(const char *run, int argc, char **argv);
/* Whether these can be run so (`plain`: the option with which nothing is spread, or NULL); else it
 * is complained of. */
bool ff_pytest_may_repeat(const struct options *o, const struct ff_strv *args, const char *plain);
void ff_pytest_repeat(struct ff_config *config, struct ff_config_job *job, const struct options *o);

/* Becomes pytest: gives an exit code only if that can't be started. */
int ff_pytest_plain(const struct options *o, const struct ff_strv *args, const char *because);
/* What somebody's pytest_xdist_auto_num_workers wants for -n auto: 1: *workers; 0: nobody has one;
 * -1: complained of. */
int ff_pytest_auto(const struct options *o, const struct ff_strv *args, int64_t most,
		   int64_t *workers);

/* --rsyncdir and --rsyncignore as the configuration's tree. 0, or -1 with a complaint. */
int ff_pytest_tree(struct ff_config *config, const struct options *o);

#endif
