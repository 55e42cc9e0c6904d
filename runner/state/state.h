/* The records of a run: hosts, jobs, workers, units and the run itself, each with a state that a
 * table moves. ff_state_apply is the only function that assigns anything in here; live runs, replay
 * and whoever shows a run get the same records from the same events. No I/O, no clock. */
#ifndef FF_STATE_STATE_H
#define FF_STATE_STATE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"

enum { FF_NOBODY = UINT32_MAX }; /* no such record */

/* X(name, word) */
#define FF_HOST_STATE_MAP(X)                                                                       \
	X(UNUSED, "unused")                                                                        \
	X(JOINING, "joining")	  /* its connection is being opened */                             \
	X(PREPARING, "preparing") /* the tree is brought, an interpreter looked for */             \
	X(READY, "ready")                                                                          \
	X(DRAINING, "draining") /* gets nothing new */                                             \
	X(AWAY, "away")		/* not reached or lost; is tried again */                          \
	X(GONE, "gone")

#define FF_WORKER_STATE_MAP(X)                                                                     \
	X(OPENING, "opening")                                                                      \
	X(STARTED, "started")                                                                      \
	X(COLLECTED, "collected") /* and runs nothing */                                           \
	X(RUNNING, "running")                                                                      \
	X(ENDED, "ended")

#define FF_UNIT_STATE_MAP(X)                                                                       \
	X(WAITING, "waiting")                                                                      \
	X(RUNNING, "running")                                                                      \
	X(DONE, "done")                                                                            \
	X(NOT_RUN, "not-run")

#define FF_JOB_STATE_MAP(X)                                                                        \
	X(WAITING, "waiting")                                                                      \
	X(RUNNING, "running")                                                                      \
	X(FINISHED, "finished")

#define FF_RUN_STATE_MAP(X)                                                                        \
	X(NEW, "new")                                                                              \
	X(RUNNING, "running")                                                                      \
	X(STOPPING, "stopping") /* nothing new is begun */                                         \
	X(KILLING, "killing")	/* and what runs is ended */                                       \
	X(FINISHED, "finished")

/* The front of a job. */
#define FF_FRONT_STATE_MAP(X)                                                                      \
	X(NONE, "none")                                                                            \
	X(OPENING, "opening")                                                                      \
	X(READY, "ready")                                                                          \
	X(FINISHING, "finishing") /* it knows all */                                               \
	X(FINISHED, "finished")                                                                    \
	X(FAILED, "failed")

#define X(name, word) FF_HOST_##name,
enum ff_host_state { FF_HOST_STATE_MAP(X) FF_HOST_STATES };
#undef X
#define X(name, word) FF_WORKER_##name,
enum ff_worker_state { FF_WORKER_STATE_MAP(X) FF_WORKER_STATES };
#undef X
#define X(name, word) FF_UNIT_##name,
enum ff_unit_state { FF_UNIT_STATE_MAP(X) FF_UNIT_STATES };
#undef X
#define X(name, word) FF_JOBSTATE_##name,
enum ff_job_state { FF_JOB_STATE_MAP(X) FF_JOB_STATES };
#undef X
#define X(name, word) FF_RUN_##name,
enum ff_run_state { FF_RUN_STATE_MAP(X) FF_RUN_STATES };
#undef X

#define X(name, word) FF_FRONTSTATE_##name,
enum ff_front_state { FF_FRONT_STATE_MAP(X) FF_FRONT_STATES };
#undef X

struct ff_host_record {
	char *name;
	enum ff_host_state state;
	uint32_t slots;
	uint32_t running; /* units */
	uint32_t workers; /* that have not ended */
	uint32_t tries;	  /* how often it was opened */
	uint32_t vain;	  /* times it went away since a unit was finished there */
	bool was_ready;
	char *unfit; /* why some payload can't run there; NULL: all can */
	char *error; /* why it is away or gone; NULL */
};

struct ff_worker_record {
	char *name;
	enum ff_worker_state state;
	uint32_t host, job;
	uint32_t unit; /* running; FF_NOBODY */
};

struct ff_unit_record {
	uint8_t state;	 /* enum ff_unit_state */
	uint8_t outcome; /* enum ff_outcome, when done */
	uint8_t deaths;	 /* hosts that went away while it ran there */
	uint8_t alone;	 /* of these, where nothing else ran, since a host has outlived it */
	uint16_t attempts;
	uint16_t failures; /* attempts that were bad by themselves */
	uint32_t host;	   /* of the latest attempt; FF_NOBODY */
};

/* Units that became known together. */
struct ff_part_record {
	char *name, *digest;
	uint32_t first, len;
};

struct ff_front_record {
	enum ff_front_state state;
	int exit_status; /* when finished */
	bool bad;
};

struct ff_job_record {
	char *name;
	enum ff_job_state state;
	enum ff_job_result result; /* when finished */
	enum ff_reason why;
	struct ff_unit_record *units; /* NULL before they are known */
	uint32_t units_len;
	uint32_t units_done;	      /* done or not run */
	uint32_t running;	      /* units */
	uint32_t workers;	      /* that have not ended */
	uint32_t problems;	      /* of collection */
	uint32_t crashes;	      /* of workers */
	uint32_t flaky;		      /* units that passed, and had failed before */
	bool known;		      /* its units are */
	char *digest;		      /* of the collection that gave them; NULL */
	char *content;		      /* of what it is, as JOB_ADDED told it; NULL */
	struct ff_part_record *parts; /* those that are known, of units that come part by part */
	uint32_t parts_len;
	uint32_t parts_left; /* that are not known yet */
	bool open;	     /* further units come, of no part */
	struct ff_front_record front;
	struct ff_counts counts;
};

struct ff_run_record {
	enum ff_run_state state;
	uint64_t seq; /* of the latest event */
	int interrupts;
	enum ff_reason stopped; /* why it is stopping */
	uint32_t running;	/* units */
	uint32_t workers;	/* that have not ended */
	uint32_t jobs_finished;
	uint32_t skipped_modules; /* while they were collected */
	uint32_t problems;	  /* of collection */
	uint32_t setups_failed;	  /* of hosts, teardowns included */
	int exit_code;
	struct ff_counts counts;
};

struct ff_state {
	struct ff_run_record run;
	struct ff_host_record *hosts;
	uint32_t hosts_len, hosts_cap;
	struct ff_job_record *jobs;
	uint32_t jobs_len, jobs_cap;
	struct ff_worker_record *workers;
	uint32_t workers_len, workers_cap;
	struct ff_map names[3]; /* of the three above: name -> number + 1 */
	struct ff_arena texts;	/* these names */
};

void ff_state_init(struct ff_state *state);
void ff_state_release(struct ff_state *state);

/* Makes `event` true. Records that it adds get the next number; the others are found by the
 * event's …_id, or by name. FF_EINVAL: it can't be true in this state (words: which record was in
 * which state, and what came); nothing was changed. */
int ff_state_apply(struct ff_state *state, const struct ff_event *event, struct ff_err *err);

/* Numbers of records; FF_NOBODY. */
uint32_t ff_state_find_host(const struct ff_state *state, const char *name);
uint32_t ff_state_find_job(const struct ff_state *state, const char *name);
uint32_t ff_state_find_worker(const struct ff_state *state, const char *name);

const char *ff_host_state_word(enum ff_host_state state);
const char *ff_worker_state_word(enum ff_worker_state state);
const char *ff_unit_state_word(enum ff_unit_state state);
const char *ff_job_state_word(enum ff_job_state state);
const char *ff_front_state_word(enum ff_front_state state);
const char *ff_run_state_word(enum ff_run_state state);

/* Whether both say the same of a run; else the first difference in words. For tests. */
bool ff_state_equal(const struct ff_state *a, const struct ff_state *b, struct ff_err *err);

#endif
