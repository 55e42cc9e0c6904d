/* A run as pages show it: rows for its cases (report/cases.h) and for units that run, spans of time
 * on lanes, causes of failures. It grows with the run's events, live ones or those of a journal.
 * Texts that are long (tracebacks, output) are not in it: see details.h. No I/O. */
#ifndef FF_WEB_MODEL_H
#define FF_WEB_MODEL_H

#include "base/arena.h"
#include "report/alike.h"
#include "report/cases.h"
#include "report/slow.h"
#include "state/state.h"

enum { FF_NO_ROW = UINT32_MAX, FF_NO_LANE = UINT32_MAX, FF_NO_CAUSE = UINT32_MAX };

/* X(name, word): what a row has come to. The first are not over. */
#define FF_ROW_STATE_MAP(X)                                                                        \
	X(RUNNING, "running")                                                                      \
	X(PASSED, "passed")                                                                        \
	X(FAILED, "failed")                                                                        \
	X(ERROR, "error")                                                                          \
	X(SKIPPED, "skipped")                                                                      \
	X(XFAILED, "xfailed")                                                                      \
	X(XPASSED, "xpassed")                                                                      \
	X(CRASHED, "crashed")                                                                      \
	X(TIMEOUT, "timeout")                                                                      \
	X(LOST, "lost")                                                                            \
	X(NOT_RUN, "not-run")

enum ff_row_state {
#define X(name, word) FF_ROW_##name,
	FF_ROW_STATE_MAP(X)
#undef X
		FF_ROW_STATES
};

/* A unit, or what else is accounted for. */
struct ff_row {
	const char *name, *message; /* message: one line; NULL */
	const char *file;	    /* NULL */
	int64_t start_us, took_us;  /* of the last attempt; start since the run's first event; took
				       of a running one: 0 */
	uint32_t setup_us, teardown_us;
	uint32_t job;	/* number in `jobs` */
	uint32_t index; /* of the unit in its job; UINT32_MAX: it is none */
	uint32_t lane, cause;
	int32_t line;	   /* 0: unknown */
	uint32_t left;	   /* number in the model's, + 1; 0: nothing was brought of it */
	uint16_t attempts; /* that have begun */
	uint8_t state;	   /* enum ff_row_state */
	uint8_t kind;	   /* enum ff_case_kind */
	bool bad, flaky;
};

/* X(name, word): what a lane's time went into. */
#define FF_SPAN_MAP(X)                                                                             \
	X(UNIT, "unit")                                                                            \
	X(CONNECT, "connect")                                                                      \
	X(SYNC, "sync")                                                                            \
	X(SETUP, "setup") /* of a host, or its teardown */                                         \
	X(START, "start") /* of a worker */                                                        \
	X(COLLECT, "collect")

enum ff_span_kind {
#define X(name, word) FF_SPAN_##name,
	FF_SPAN_MAP(X)
#undef X
		FF_SPANS
};

struct ff_span {
	int64_t start_us, took_us; /* start since the run's first event */
	uint32_t lane, row;	   /* row: of UNIT; else FF_NO_ROW */
	uint8_t kind, state;	   /* state: of UNIT, an attempt's enum ff_row_state */
};

/* Where one thing runs at a time: a worker, a slot of a host for commands, a host for what is done
 * with all of it. */
struct ff_lane {
	const char *host, *name; /* name: the worker's, "#1" of a slot, "" of the host itself */
	uint32_t row;		 /* that runs there; FF_NO_ROW */
	int64_t since_us;	 /* of what a span will be of: see model.c; -1: nothing */
	uint32_t *spans;	 /* numbers, by their start */
	uint32_t spans_len, spans_cap;
	uint32_t attempts;  /* of units that ended here, */
	int64_t busy_us;    /* and what they took */
	struct ff_buf tail; /* the end of what its row has said */
};

enum {
	FF_LANE_TAIL = 16 << 10 /* bytes of `tail` that are kept at least, if there are as many */
};

/* What was brought of a unit's last attempt, or of what a job's sessions left on a host. */
struct ff_left {
	const char *folder; /* NULL: nothing was */
	const char *error;  /* why not all of it; NULL */
	const char *host;
	int64_t told_us; /* by the wall clock */
	uint64_t bytes;
	uint32_t files, attempt; /* attempt 0: of a job */
	uint32_t before;	 /* of the same job on another host, + 1; 0: none */
};

struct ff_model_job {
	const char *name, *payload; /* payload: "" if not told */
	const char *reason;	    /* why it ended as it did; NULL */
	uint32_t *rows;		    /* of its units, by index; FF_NO_ROW: none yet */
	uint32_t rows_cap;
	uint32_t left; /* of its sessions, the last one: number + 1; 0: none */
};

struct ff_model {
	struct ff_state state; /* hosts, jobs and counts of the run */
	struct ff_cases cases;
	struct ff_alike causes;
	struct ff_slow *slow; /* what its end waited for: critical.h asks it */
	struct ff_row *rows;
	struct ff_span *spans;
	struct ff_lane *lanes;
	struct ff_left *left;
	struct ff_model_job *jobs; /* as many as state.jobs, and those that only cases name */
	uint32_t rows_len, rows_cap, spans_len, spans_cap, lanes_len, lanes_cap, jobs_len, jobs_cap,
		left_len, left_cap;
	uint32_t by_state[FF_ROW_STATES];
	struct ff_map lane_numbers, job_numbers; /* number + 1 */
	struct ff_arena texts;
	const char *run_id, *command, *directory, *version, *config_file, *reason; /* NULL: not told
										    */
	const char *links, *commit, *below;					   /* likewise */
	int64_t began_us, last_us; /* wall clock, of the first event and the last */
	uint64_t seq;		   /* of the last event */
	bool over;
	bool going; /* its process is there: who feeds this says so */
	int exit_code;
	uint32_t read; /* thousandths of the journal that this is of: who feeds it says so */
	/* Called for each attempt that came to a result, and each case: what details are kept of.
	 * NULL: nobody keeps them. */
	void (*told)(void *ctx, uint32_t row, const struct ff_case *c);
	void *ctx;
};

void ff_model_init(struct ff_model *model);
void ff_model_release(struct ff_model *model);
/* The next event. FF_EINVAL: it can't be true after the others; hosts, jobs and counts are as they
 * were, rows and spans have what it tells. */
int ff_model_take(struct ff_model *model, const struct ff_event *event, struct ff_err *err);

/* A lane's number; FF_NO_LANE: there is none. */
uint32_t ff_model_lane(const struct ff_model *model, const char *host, const char *name);

const char *ff_row_state_word(enum ff_row_state state);
const char *ff_span_word(enum ff_span_kind kind);

#endif
