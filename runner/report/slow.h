/* Where a run's time went: fed with the run's events one by one, live or from a journal, and asked
 * when they are over. It keeps a record of each host, worker, job and file, and a few bytes of each
 * attempt. Pure: no I/O, no clock. */
#ifndef FF_REPORT_SLOW_H
#define FF_REPORT_SLOW_H

#include "base/buf.h"
#include "event/event.h"

/* X(name, word, text): what a slot's time is spent on. All rows of a run add up to its slots times
 * the time that it took. */
#define FF_SLOW_ROW_MAP(X)                                                                         \
	X(CONNECTING, "connecting", "connecting hosts")                                            \
	X(SYNC, "sync", "bringing the tree")                                                       \
	X(HOST_SETUP, "host-setup", "setup of hosts, and of the run")                              \
	X(STARTING, "starting", "starting workers: imports of pytest, plugins, conftests")         \
	X(FRONT, "front", "waiting for the front that plugins or options need")                    \
	X(COLLECTION, "collection", "collecting tests")                                            \
	X(SETUP, "setup", "fixtures: set-up")                                                      \
	X(CALL, "call", "tests and commands")                                                      \
	X(TEARDOWN, "teardown", "fixtures: teardown")                                              \
	X(LOST, "lost", "attempts that came to no result")                                         \
	X(BETWEEN, "between", "workers between two tests")                                         \
	X(HOST_TEARDOWN, "host-teardown", "teardown of hosts, and of the run")                     \
	X(IDLE_WORKER, "idle-worker", "workers before their first test, and behind their last")    \
	X(IDLE_SLOT, "idle-slot", "slots without a worker or command")                             \
	X(AWAY, "away", "hosts that were away or lost")                                            \
	X(OTHER, "other", "other")

enum ff_slow_row {
#define X(name, word, text) FF_SLOW_##name,
	FF_SLOW_ROW_MAP(X)
#undef X
		FF_SLOW_ROWS
};

/* X(name, word, waiting): the steps of the chain that determined when the run was over. */
#define FF_SLOW_STEP_MAP(X)                                                                        \
	X(SET_UP_RUN, "set-up-run", false)                                                         \
	X(WAIT_HOST, "wait-for-host", true) /* before it was connected to */                       \
	X(CONNECT, "connect", false)                                                               \
	X(PREPARE, "prepare", false) /* finding an interpreter there */                            \
	X(SYNC, "sync", false)                                                                     \
	X(SET_UP, "set-up-host", false)                                                            \
	X(WAIT_WORKER, "wait-for-slot", true) /* the host is ready, the worker does not begin */   \
	X(START, "start-worker", false)                                                            \
	X(WAIT_FRONT, "wait-for-front", true)                                                      \
	X(COLLECT, "collect", false)                                                               \
	X(WAIT_UNIT, "wait-for-test", true)                                                        \
	X(UNITS, "tests", false)                                                                   \
	X(GAPS, "wait-between-tests", true)                                                        \
	X(JOB, "job", false) /* one that ran nothing */                                            \
	X(TEAR_DOWN, "tear-down-host", false)                                                      \
	X(TEAR_DOWN_RUN, "tear-down-run", false)                                                   \
	X(END, "end", false) /* of sessions, front and reports */

enum ff_slow_step_kind {
#define X(name, word, waiting) FF_SLOW_STEP_##name,
	FF_SLOW_STEP_MAP(X)
#undef X
		FF_SLOW_STEPS
};

/* An attempt, or a file. */
struct ff_slow_unit {
	const char *name, *job;
	const char *worker; /* or host; NULL: several, or unknown */
	int64_t us;
	uint32_t count; /* its number, of an attempt; of a file its tests */
};

struct ff_slow_step {
	enum ff_slow_step_kind kind;
	const char *name; /* of the host, worker or job */
	int64_t us;
	uint32_t units;	     /* UNITS: so many */
	const char *longest; /* UNITS: the longest of them */
	int64_t longest_us;  /* and GAPS: the longest gap */
	/* By the wall clock; of UNITS all of its worker's time with them, gaps and what it found
	 * meanwhile as well. Those that are not empty follow one another without a hole. */
	int64_t from_us, until_us;
	const char *host, *worker; /* where; NULL: nowhere, or no worker */
	const char *job;	   /* that it was done for; NULL: of JOB and END `name` says it */
};

/* What belongs together for an estimate. */
enum ff_slow_whole { FF_SLOW_TESTS, FF_SLOW_FILES, FF_SLOW_SCOPES, FF_SLOW_GROUPS };

/* Of the recorded durations, the longest first to the slot that is free first. */
struct ff_slow_estimate {
	uint32_t slots;		  /* that ran something at one time; 0: there is no estimate */
	enum ff_slow_whole whole; /* what stays on one slot */
	int64_t now_us;		  /* with these slots */
	int64_t more_us;	  /* with one more */
	int64_t split_us; /* with these, if `longest` were split: into its tests, a test in two */
	int64_t longest_us;
	uint32_t longest_units;
	const char *longest; /* name; NULL: unknown */
	const char *unit;    /* the longest test of it */
};

struct ff_slow_answer {
	const char *run_id; /* "": its beginning is missing */
	bool begun, over;   /* the run; else up to its last event */
	uint32_t shards;    /* that it was merged of; else 0 */
	int64_t wall_us;    /* of merged ones the longest */
	uint32_t slots;
	int64_t slot_us; /* all rows together: slots times wall_us, of each shard */
	uint32_t attempts;
	uint32_t before; /* units that an earlier run had done */
	int64_t rows[FF_SLOW_ROWS];
	struct ff_slow_unit *tests, *files; /* the longest first */
	size_t tests_len, files_len;
	struct ff_slow_step
		*path; /* its steps add up to wall_us, of merged ones to their shard's */
	size_t path_len;
	struct ff_slow_estimate estimate;
};

struct ff_slow;

/* `most`: tests, and files, that are told by name; 0: all. */
struct ff_slow *ff_slow_new(size_t most);
void ff_slow_free(struct ff_slow *slow); /* NULL is fine */
void ff_slow_event(struct ff_slow *slow, const struct ff_event *event);
/* What the events so far come to. Names in it are `slow`'s, until its next event. */
void ff_slow_ask(const struct ff_slow *slow, struct ff_slow_answer *answer);
/* Only its path, of an answer that is empty so far. */
void ff_slow_find_path(const struct ff_slow *slow, struct ff_slow_answer *answer);
void ff_slow_answer_release(struct ff_slow_answer *answer);

const char *ff_slow_row_word(enum ff_slow_row row);
const char *ff_slow_step_word(enum ff_slow_step_kind kind);
bool ff_slow_step_waits(enum ff_slow_step_kind kind);

/* For people, lines without a heading; and a JSON object with a newline behind it. */
void ff_slow_text(struct ff_buf *out, const struct ff_slow_answer *answer);
void ff_slow_json(struct ff_buf *out, const struct ff_slow_answer *answer);

#endif
