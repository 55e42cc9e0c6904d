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
	X(HOST_READY, "host-ready")                                                                \
	X(HOST_FAILED, "host-failed") /* never came up */                                          \
	X(HOST_LOST, "host-lost")     /* died on the way */                                        \
	X(SYNC_FINISHED, "sync-finished")                                                          \
	X(JOB_STARTED, "job-started")                                                              \
	X(WORKER_STARTED, "worker-started")                                                        \
	X(WORKER_ENDED, "worker-ended")                                                            \
	X(COLLECTED, "collected")                                                                  \
	X(COLLECT_PROBLEM, "collect-problem")                                                      \
	X(UNIT_STARTED, "unit-started")                                                            \
	X(UNIT_OUTPUT, "unit-output")                                                              \
	X(UNIT_FINISHED, "unit-finished") /* one attempt */                                        \
	X(NOTICE, "notice")                                                                        \
	X(JOB_FINISHED, "job-finished")                                                            \
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

const char *ff_outcome_word(enum ff_outcome outcome);
bool ff_outcome_bad(enum ff_outcome outcome);
/* Negative if `word` is none. */
int ff_outcome_from_word(const char *word);

/* Captured text with pytest's title ("Captured stdout call"), or "stdout"/"stderr" of a command. */
struct ff_section {
	const char *title;
	const char *text;
	size_t len;
};

/* One phase of a test as pytest reports it: setup, call, teardown. */
struct ff_phase {
	const char *when;
	enum ff_outcome outcome;
	int64_t duration_us;
	const char *message;  /* one line, or NULL: "AssertionError: …", a skip's reason */
	const char *longrepr; /* traceback text, or NULL */
};

struct ff_property {
	const char *name, *value;
};

/* The result of one attempt. Everything is borrowed by whoever gets it. */
struct ff_result {
	enum ff_outcome outcome;
	int64_t duration_us;
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
	bool output_cut;       /* output over the cap was dropped */
	uint64_t output_bytes; /* all that it wrote */
	bool leaked;	       /* something kept its output open after the end */
};

struct ff_counts {
	uint32_t by_outcome[FF_OUTCOMES]; /* final outcomes of units */
	uint32_t total;			  /* units known so far */
	uint32_t retried;		  /* attempts beyond the first */
};

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
	union {
		struct {
			const char *run_id, *version, *config_file, *command_line, *directory;
			uint32_t hosts, slots, jobs;
		} run_started;
		struct {
			const char *peer, *platform, *cwd;
			bool native;
			uint32_t slots;
			int64_t took_us;
		} host_ready;
		struct {
			const char *error;
			int code; /* FF_E… */
		} host_failed, host_lost;
		struct {
			uint64_t files, sent_files, sent_bytes, deleted;
			int64_t took_us;
			const char *root;
		} sync_finished;
		struct {
			const char *payload;
			uint32_t workers;
		} job_started;
		struct {
			const char *python, *executable, *pytest, *platform;
			int pid;
			const char *const *header; /* NULL-terminated lines, or NULL */
		} worker_started;
		struct {
			bool crashed;
			int status;	    /* wait status, -1 unknown */
			const char *reason; /* words; NULL when in order */
		} worker_ended;
		struct {
			uint32_t count, deselected;
			const char *rootdir;
		} collected;
		struct {
			const char *nodeid, *message, *longrepr;
			bool skipped; /* a module-level skip, not an error */
		} collect_problem;
		struct {
			uint32_t attempt; /* from 1 */
		} unit_started;
		struct {
			int stream; /* 1 stdout, 2 stderr */
			const char *bytes;
			size_t len;
		} unit_output;
		struct {
			uint32_t attempt;
			bool final; /* no further attempt follows */
			const struct ff_result *result;
		} unit_finished;
		struct {
			/* "note", "warning", "error", "stderr" (a worker's line), "list" (a test,
			 * with --collect-only) */
			const char *level;
			const char *text;	     /* may have several lines */
			const char *category, *file; /* pytest warnings */
			int line;
		} notice;
		struct {
			const char *state;  /* "passed", "failed", "error", "skipped" */
			const char *reason; /* NULL, or why: "needs 'build', which failed" */
			struct ff_counts counts;
			int64_t took_us;
		} job_finished;
		struct {
			int times; /* 1: finish what runs, 2: kill */
		} interrupted;
		struct {
			int exit_code;
			const char *reason; /* the last line on stderr */
			struct ff_counts counts;
			int64_t took_us;
		} run_finished;
	} u;
};

const char *ff_event_word(enum ff_event_kind kind);
int ff_event_from_word(const char *word);

#endif
