/* Events: immutable facts about a run, in order. The journal is their file, reporters are their
 * readers; whatever a user sees of a run can be rebuilt from them. */
#ifndef FF_EVENT_EVENT_H
#define FF_EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, word): the words of the journal and of --jsonl. */
#define FF_EVENT_MAP(X)                                                                            \
	X(RUN_STARTED, "run-started")                                                              \
	X(HOST_ADDED, "host-added")                                                                \
	X(JOB_ADDED, "job-added")                                                                  \
	X(HOST_JOINING, "host-joining") /* its connection is being opened */                       \
	X(HOST_OPENED, "host-opened")	/* and is there: tree and interpreter come next */         \
	X(SYNC_FINISHED, "sync-finished")                                                          \
	X(HOST_SETUP, "host-setup") /* it was set up, or torn down */                              \
	X(HOST_READY, "host-ready")                                                                \
	X(HOST_UNFIT, "host-unfit")   /* a payload can't run there */                              \
	X(HOST_AWAY, "host-away")     /* not reached or lost; it is tried again */                 \
	X(HOST_FAILED, "host-failed") /* never came up, and is not tried again */                  \
	X(HOST_LOST, "host-lost")     /* died on the way, and is not tried again */                \
	X(HOST_DRAINING, "host-draining")                                                          \
	X(HOST_LEFT, "host-left") /* in order: nothing more is for it to do */                     \
	X(JOB_STARTED, "job-started")                                                              \
	X(WORKER_OPENING, "worker-opening")                                                        \
	X(WORKER_STARTED, "worker-started")                                                        \
	X(WORKER_ENDED, "worker-ended")                                                            \
	X(COLLECTED, "collected")                                                                  \
	X(UNITS_ADDED, "units-added")	    /* a part of the job's units became known */           \
	X(FILE_COLLECTED, "file-collected") /* one that units come from */                         \
	X(COLLECT_PROBLEM, "collect-problem")                                                      \
	X(UNIT_STARTED, "unit-started")                                                            \
	X(UNIT_OUTPUT, "unit-output")                                                              \
	X(UNIT_FINISHED, "unit-finished")   /* one attempt */                                      \
	X(UNIT_LOST, "unit-lost")	    /* an attempt whose host went away under it */         \
	X(UNIT_ARTIFACTS, "unit-artifacts") /* what an attempt left was brought, or was not */     \
	X(JOB_ARTIFACTS, "job-artifacts")   /* the same, of what its sessions left on a host */    \
	X(UNITS_BEFORE, "units-before")	    /* an earlier run, gone on with, had done them */      \
	X(UNIT_BEFORE, "unit-before")	    /* one of these: an attempt, as that run told it */    \
	X(UNITS_NOT_RUN, "units-not-run")   /* the job ended before they could */                  \
	X(PART_NOT_RUN, "part-not-run")	    /* likewise, of those that never became known */       \
	X(FRONT_STARTED, "front-started")   /* the job's front is being opened */                  \
	X(FRONT_READY, "front-ready")                                                              \
	X(FRONT_TEXT, "front-text")	    /* what it shows, if it has no terminal */             \
	X(FRONT_ENDING, "front-ending")	    /* all was told to it */                               \
	X(FRONT_FINISHED, "front-finished") /* it has said its last, or never will */              \
	X(NOTICE, "notice")                                                                        \
	X(JOB_FINISHED, "job-finished")                                                            \
	X(STOPPING, "stopping")                                                                    \
	X(CANCELLED, "cancelled")     /* somebody wanted some of it no more */                     \
	X(DRAIN_ASKED, "drain-asked") /* somebody wants a host to leave */                         \
	X(INTERRUPTED, "interrupted")                                                              \
	X(RUN_FINISHED, "run-finished")

enum ff_event_kind {
#define X(name, word) FF_EVENT_##name,
	FF_EVENT_MAP(X)
#undef X
		FF_EVENT_KINDS
};

/* X(name, word, bad): what became of a unit; `bad` ones make the run exit 1. */
#define FF_OUTCOME_MAP(X)                                                                          \
	X(PASSED, "passed", false)                                                                 \
	X(FAILED, "failed", true)                                                                  \
	X(ERROR, "error", true)                                                                    \
	X(SKIPPED, "skipped", false)                                                               \
	X(XFAILED, "xfailed", false)                                                               \
	X(XPASSED, "xpassed", false)                                                               \
	X(CRASHED, "crashed", true)                                                                \
	X(TIMEOUT, "timeout", true)                                                                \
	X(LOST, "lost", true)

enum ff_outcome {
#define X(name, word, bad) FF_OUTCOME_##name,
	FF_OUTCOME_MAP(X)
#undef X
		FF_OUTCOMES
};

/* X(name, word, exit code): why a job, or the run, is not plainly over. Words beside it are for
 * people, the code is for programs; the largest exit code of all jobs is the run's, save that 2
 * comes before 3. */
#define FF_REASON_MAP(X)                                                                           \
	X(NONE, "", 0)                                                                             \
	X(NEEDS, "needs", 0)	 /* a job that it needs did not pass */                            \
	X(WHEN, "when", 0)	 /* it was not to be run, as things came out */                    \
	X(MAXFAIL, "maxfail", 1) /* so many bad units end the run */                               \
	X(TIME, "time", 0)	 /* a job that begins units for a time: that is over */            \
	X(INTERRUPTED, "interrupted", 130)                                                         \
	X(CANCELLED, "cancelled", 1) /* by somebody, while all else went on */                     \
	X(FLAKY, "flaky", 1)	     /* units passed only when tried again: settings.flaky_fail */ \
	X(SESSION, "session", 1)     /* a session of its payload ended it: pytest.exit, -x */      \
	X(NOTHING, "nothing-collected", 1)                                                         \
	X(DIFFER, "collections-differ", 1)                                                         \
	X(PAYLOAD, "payload", 1) /* an internal error of the payload */                            \
	X(USAGE, "usage", 2)	 /* the payload refuses its arguments */                           \
	X(NO_HOST, "no-host", 3)                                                                   \
	X(NO_WORKER, "no-worker", 3)                                                               \
	X(RESTARTS, "restarts", 3)   /* too many workers crashed */                                \
	X(FRONT, "front", 3)	     /* it could not start, died, or tells another story */        \
	X(ARTIFACTS, "artifacts", 1) /* what its sessions left could not be brought */             \
	X(SETUP, "setup", 3)	     /* of a host failed, or its teardown */                       \
	X(REQUIRED_HOSTS, "required-hosts", 3)                                                     \
	X(DISK, "disk", 3)     /* journal, or job log can't be written */                          \
	X(SHARDS, "shards", 3) /* some are missing, or there twice, or not of one run */

enum ff_reason {
#define X(name, word, code) FF_REASON_##name,
	FF_REASON_MAP(X)
#undef X
		FF_REASONS
};

/* X(name, word): what became of a job. */
#define FF_JOB_RESULT_MAP(X)                                                                       \
	X(PASSED, "passed")                                                                        \
	X(FAILED, "failed")   /* units of it did */                                                \
	X(ERROR, "error")     /* the job as a whole did: `why` says how */                         \
	X(SKIPPED, "skipped") /* what it needs did not pass, or nothing in it was to run */        \
	X(STOPPED, "stopped") /* an interrupt or maxfail came before its end */

enum ff_job_result {
#define X(name, word) FF_JOB_##name,
	FF_JOB_RESULT_MAP(X)
#undef X
		FF_JOB_RESULTS
};

const char *ff_outcome_word(enum ff_outcome outcome);
bool ff_outcome_bad(enum ff_outcome outcome);
/* Negative if `word` is none. */
int ff_outcome_from_word(const char *word);
const char *ff_reason_word(enum ff_reason reason);
int ff_reason_from_word(const char *word);
int ff_reason_exit_code(enum ff_reason reason);
const char *ff_job_result_word(enum ff_job_result result);
int ff_job_result_from_word(const char *word);

/* Captured text with pytest's title ("Captured stdout call"), or "stdout"/"stderr" of a command. */
struct ff_section {
	const char *title;
	const char *text; /* may hold NULs */
	size_t len;
	/* By UNIT_OUTPUT events of this attempt (titles "stdout" and "stderr" only): neither the
	 * journal nor --jsonl repeats it. */
	bool told;
};

/* One phase of a test as pytest reports it: setup, call, teardown; or a step of a list of commands.
 */
struct ff_phase {
	const char *when;
	enum ff_outcome outcome;
	int64_t duration_us;
	const char *message;  /* one line, or NULL: "AssertionError: …", a skip's reason */
	const char *longrepr; /* traceback text, or NULL */
	bool rerun;	      /* a plugin ran the test again behind it, within the attempt */
	bool step;	      /* `when` is the step's name; all of the list are told */
};

struct ff_property {
	const char *name, *value;
};

/* The result of one attempt. Everything is borrowed by whoever gets it. */
struct ff_result {
	enum ff_outcome outcome;
	int64_t duration_us;
	int64_t setup_us;     /* of that its set-up, fixtures included; 0: hardly any, or unknown */
	int64_t teardown_us;  /* and its teardown; likewise */
	const char *message;  /* one line, why it is not passed; NULL if passed */
	const char *longrepr; /* all the text to show; NULL if there is none */
	const struct ff_section *sections;
	size_t sections_len;
	const struct ff_phase *phases; /* pytest: those worth telling; may be empty */
	size_t phases_len;
	const struct ff_property *properties;
	size_t properties_len;
	const char *file; /* of the test, relative to its root; NULL for commands */
	int line;	  /* 1-based; 0 unknown */
	bool has_status;  /* the following hold: commands, crashes */
	int status;	  /* wait status */
	int64_t user_us, system_us;
	int64_t max_rss_kib;
	/* What a test took at its peak beyond what its worker had before; of a command all that it
	 * took (of its largest process). 0: nobody asked (`memory: auto`), or it is not known. */
	int64_t memory_kib;
	/* Of a command with limits (`memory`, `cpu`): by what they were set there, in words. NULL:
	 * it had none. */
	const char *limits;
	bool out_of_memory;    /* the kernel killed something of it for its memory limit */
	bool output_cut;       /* output over the cap was dropped */
	uint64_t output_bytes; /* all that it wrote */
	bool leaked;	       /* something kept its output open after the end */
	/* What the payload wants its job's front to have, as a packed item; NULL: nothing. For the
	 * front alone: no event that is kept, written or told has it. */
	const void *front;
	size_t front_len;
};

/* Of a test that had failed before: the teardown that went wrong as well, which pytest tells as an
 * error of its own; else NULL. */
const struct ff_phase *ff_result_second_error(const struct ff_result *result);

/* What a worker says of itself, as key and value: "python" "3.11.2", "pytest" "7.2.1". */
struct ff_fact {
	const char *key, *value;
};

struct ff_counts {
	uint32_t by_outcome[FF_OUTCOMES]; /* final outcomes of units */
	uint32_t total;			  /* units known so far */
	uint32_t retried;		  /* attempts beyond the first that a failure brought */
	uint32_t not_run;		  /* units that got no outcome, save for TIME */
	uint32_t parts_not_run;		  /* parts whose units never became known */
	uint32_t more_errors; /* teardowns that went wrong after a failure (ff_result_second_error)
			       */
};

/* How a process ended, where that is known. */
struct ff_wait {
	bool known;
	int status; /* as of waitpid */
};

enum { FF_NO_ID = 0 };

/* The event itself. Strings are valid during the emit call; seq starts at 1. */
struct ff_event {
	uint64_t seq;
	int64_t time_us; /* wall clock */
	enum ff_event_kind kind;
	/* Who it is about; NULL where it does not apply. */
	const char *job;
	const char *unit;   /* node id or command instance */
	const char *host;   /* inventory name */
	const char *worker; /* gateway id: gw0, … */
	/* The unit's number in its job, from 0: what tells units of one name apart. Holds where
	 * `unit` is given, and for UNITS_BEFORE and UNITS_NOT_RUN. */
	uint32_t index;
	/* Numbers of the records that job, host and worker name, from 1; FF_NO_ID: look for the
	 * name (as a replay does, where they are not in the journal). */
	uint32_t job_id, host_id, worker_id;
	union {
		struct {
			const char *run_id, *version, *config_file, *command_line, *directory;
			uint32_t hosts, slots, jobs;
			const char *content; /* the file's, as a digest; NULL: there is none */
			const char *goes_on; /* the journal of the run that it goes on with; NULL */
			const char *machine; /* that it runs on, and its process there; NULL, 0: */
			int pid;	     /* not told */
			const char *addopts; /* PYTEST_ADDOPTS, if the command read it; NULL */
			/* Where files can be looked at, the commit that is checked out, and where
			 * in it the directory is ("sub/"); NULL: not told. */
			const char *links, *commit, *below;
		} run_started;
		struct {
			const char *spec;
			uint32_t slots;
			bool late; /* it came while the run went on, perhaps not for the first time
				    */
		} host_added;
		struct {
			const char *reason; /* in words; NULL: no job needs it any more */
			uint32_t running;   /* units that end there */
		} host_draining;
		struct {
			const char *reason; /* likewise */
		} host_left;
		struct {
			const char *payload;
			uint32_t units; /* 0: not known before it was collected */
			/* As the job was asked for, for who repeats a part of it. No `env`, and no
			 * commands' words: these may be secret. */
			const char *const *args; /* NULL-terminated; NULL: none, or not kept */
			int64_t timeout_us;	 /* of a unit; 0: none */
			bool addopts_read;	 /* PYTEST_ADDOPTS is among `args` */
			/* What its units are, and those that they need, as a digest: another one,
			 * and what was done of them counts no more. NULL: not told. */
			const char *content;
			bool open; /* further units come, by UNITS_ADDED without a part */
		} job_added;
		struct {
			uint32_t tries; /* this one included */
		} host_joining;
		struct {
			const char *peer, *platform, *cwd;
			bool native;
			int64_t took_us;
		} host_opened;
		struct {
			uint64_t files, sent_files, sent_bytes, deleted, problems;
			int64_t took_us;
			const char *root;
		} sync_finished;
		struct {
			const char *peer, *platform, *cwd;
			bool native;
			uint32_t slots;
			int64_t took_us; /* from the first try */
		} host_ready;
		struct {
			const char *payload;
			const char *error;
		} host_unfit;
		struct ff_host_end {
			const char *error;
			int code;	     /* FF_E… */
			struct ff_wait wait; /* of the process that carried it */
			uint32_t units;	     /* that were running there */
			int64_t retry_us;    /* HOST_AWAY: from now; else 0 */
		} host_away, host_failed, host_lost;
		struct {
			const char *payload;
			uint32_t workers;
			uint32_t units; /* as in job_added */
			int slots;	/* that each of its commands takes; 0: its workers do */
		} job_started;
		struct {
			uint32_t slots; /* that it takes of its host */
		} worker_opening;
		struct {
			const char *words; /* for people: "Python 3.11.2, pytest 7.2.1" */
			const struct ff_fact *facts;
			size_t facts_len;
			const char *const *header; /* NULL-terminated lines, or NULL */
		} worker_started;
		struct {
			bool crashed;
			struct ff_wait wait; /* of its process */
			const char *reason;  /* words; NULL when in order */
		} worker_ended;
		struct {
			uint32_t count, deselected;
			const char *digest, *rootdir;
			bool again; /* a further worker's; the first one's told the units */
			uint32_t
				parts; /* the units come by so many UNITS_ADDED; 0: all are known */
			const char *
				dist; /* how they are spread; NULL: as told before, or not at all */
		} collected;
		struct {
			const char *nodeid, *message, *longrepr;
			bool skipped; /* a module-level skip, not an error */
		} collect_problem;
		struct {
			const char *file;
			int64_t content; /* tells it from what else it may have been; 0: unknown */
			int64_t took_us;
		} file_collected;
		/* They have the next numbers. */
		struct {
			const char *part; /* its name; NULL: the job is open */
			const char *digest;
			uint32_t count, deselected;
			bool open; /* and stays so */
		} units_added;
		struct {
			uint32_t attempt; /* from 1 */
		} unit_started;
		struct {
			int stream; /* 1 stdout, 2 stderr */
			const char *bytes;
			size_t len;
			bool tail;    /* what follows a cut: the end of what was over the cap */
			uint64_t cut; /* first of a tail: bytes dropped before it */
		} unit_output;
		struct {
			uint32_t attempt;
			bool final; /* no further attempt follows */
			const struct ff_result *result;
			/* UNIT_BEFORE: the run that had it was cut off, no history has it. */
			bool unkept;
		} unit_finished; /* and UNIT_BEFORE */
		struct {
			uint32_t attempt;
			bool alone; /* nothing else ran on the host */
			const char *reason;
			int64_t duration_us;
		} unit_lost;
		struct {
			const char *phase;  /* "setup", "teardown" */
			bool skipped;	    /* nothing has changed since it last succeeded there */
			const char *error;  /* NULL: it succeeded */
			const char *output; /* the end of it, of one that failed; NULL */
			int64_t took_us;
		} host_setup;
		struct {
			uint32_t attempt;
			const char *folder; /* where to, absolute */
			uint32_t files;
			uint64_t bytes;
			const char *error; /* NULL: all that there was is here */
			int64_t took_us;
		} unit_artifacts;
		struct {
			const char *folder; /* where to, absolute */
			uint32_t files;
			uint64_t bytes;
			const char *error; /* NULL: all that there was is here */
			int64_t took_us;
		} job_artifacts;
		struct {
			uint32_t count; /* from `index` on */
			enum ff_outcome outcome;
		} units_before;
		struct {
			uint32_t count; /* from `index` on; `unit` is given if it is 1 */
			enum ff_reason why;
		} units_not_run;
		struct {
			const char *part; /* its name */
			enum ff_reason why;
		} part_not_run;
		struct {
			const char *const *reasons; /* NULL-terminated */
		} front_started;
		struct {
			const char *rootdir;
			const char *const *header;
		} front_ready;
		struct {
			const char *text; /* any part of it */
		} front_text;
		struct {
			const char *error; /* NULL: it ended in order */
			int exit_status;   /* of the payload, for the whole job */
			bool bad;	   /* that is more than units account for */
			const char *words; /* NULL: none */
			struct ff_wait wait;
		} front_finished;
		struct {
			/* "detail" (a note for those who ask for more), "note", "warning", "error",
			 * "stderr" (a worker's line), "list" (a test, with --collect-only),
			 * "property" ("name=value", for reports) */
			const char *level;
			const char *text; /* may have several lines */
			/* pytest warnings: the line there, and the test that gave it, or NULL */
			const char *category, *file, *source, *test;
			int line;
		} notice;
		struct {
			enum ff_job_result result;
			enum ff_reason why;
			const char *reason; /* NULL, or why in words: "it needs 'build', …" */
			struct ff_counts counts;
			uint32_t problems; /* errors of collection */
			int64_t took_us;   /* 0: it did not start */
		} job_finished;
		struct {
			enum ff_reason why;
			const char *reason;
			bool kill; /* what runs is ended, too */
		} stopping;
		struct {
			const char *request;	   /* whose it is */
			const char *name;	   /* of a job, or of units */
			uint32_t running, waiting; /* units, when it came */
			bool last;		   /* of the request's names */
			const char *error;	   /* NULL; else nothing of the request was done */
		} cancelled;
		struct {
			const char *request;
			const char *name;  /* of a host; with an error: what was asked for */
			uint32_t running;  /* units there, when it came */
			bool last;	   /* of the request's names */
			const char *error; /* NULL; else nothing of the request was done */
		} drain_asked;
		struct {
			int times; /* 1: finish what runs, 2: kill */
		} interrupted;
		struct {
			int exit_code;
			enum ff_reason why;
			const char *reason; /* the last line on stderr: always one line */
			struct ff_counts counts;
			int64_t took_us;
		} run_finished;
	} u;
};

const char *ff_event_word(enum ff_event_kind kind);
int ff_event_from_word(const char *word);
/* Whether `index` holds. */
bool ff_event_has_index(enum ff_event_kind kind);

#endif
