/* What the files of dispatch share: the state of one run. Nobody else includes this. */
#ifndef FF_DISPATCH_PRIVATE_H
#define FF_DISPATCH_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "dispatch/dispatch.h"
#include "gateway/group.h"
#include "io/loop.h"
#include "rsync/send.h"
#include "sched/sched.h"
#include "transport/open.h"

enum {
	HOST_OPENS_MAX = 3, /* a host whose connection dies is opened again so often, in all */
	UNIT_LOST_MAX = 2, /* a unit that was running on so many hosts when they died is given up */
	WANT_US = 1000000, /* a test whose end depends on the next one waits so long for it */
	OUTPUT_TAIL = 64 << 10 /* of output over the cap, the end is kept too */
};

struct run;
struct run_job;

/* Output kept within a cap: the head as it came, then a ring with the tail. */
struct run_output {
	struct ff_buf head, tail;
	uint64_t total;
	size_t cap;
};

enum host_state {
	HOST_UNUSED,
	HOST_RETRYING, /* its connection died: to be opened again */
	HOST_OPENING,
	HOST_SYNCING,
	HOST_PROBING, /* which python? */
	HOST_READY,
	HOST_DOWN,
};

struct run_host {
	struct run *run;
	const struct ff_host *host;
	enum host_state state;
	struct ff_gateway *foreman; /* NULL unless open or opening */
	struct ff_channel *channel; /* of the probe under way */
	struct run_output probe_output;
	char *workdir;	      /* absolute; where payloads run */
	char *python;	      /* chosen interpreter; NULL: as the spec says */
	char *python_problem; /* why no session can run here; NULL: can */
	char *python_seen;    /* what the probe printed */
	struct ff_err error;
	int64_t opened_at, open_us;
	unsigned opens;
	uint32_t used; /* slots taken */
	bool needed, announced;
};

enum unit_state { UNIT_WAITING, UNIT_RUNNING, UNIT_DONE };

struct run_unit {
	const char *name;
	uint32_t attempts;
	uint8_t state; /* enum unit_state */
	uint8_t lost;  /* how often its host died under it */
	uint8_t outcome;
};

enum session_state {
	SESSION_OPENING,
	SESSION_COLLECTING,
	SESSION_WAITING,
	SESSION_RUNNING,
	SESSION_OVER
};

/* A pytest session on a slot: a python gateway and the payload's channel. */
struct run_session {
	struct ff_list node; /* in job->sessions */
	struct run_job *job;
	struct run_host *host;
	struct ff_gateway *gateway;
	struct ff_channel *channel;
	enum session_state state;
	char id[32];
	char digest[80];
	uint32_t worker;  /* its number with the scheduler */
	uint32_t running; /* UINT32_MAX: none */
	int64_t started_at, wants_since;
	bool hungry;	     /* may want units */
	bool wants;	     /* and waits for the answer, since wants_since */
	bool idle;	     /* got neither units nor the end: others may give some back */
	bool ended;	     /* was told that nothing more will come */
	bool finished;	     /* said so itself */
	bool up;	     /* known to the scheduler */
	bool timed_out;	     /* killed because its unit took too long */
	unsigned host_opens; /* of the host when it started: another number now means another
				connection */
};

/* One attempt of a command on a slot. */
struct run_attempt {
	struct ff_list node; /* in job->attempts */
	struct run_job *job;
	struct run_host *host;
	struct ff_channel *channel;
	uint32_t unit;
	int64_t started_at;
	struct run_output out, err;
	bool over;  /* its slot is free, its unit reported */
	bool ended; /* its channel has said its last */
	bool killed;
};

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_FINISHED };

struct run_job {
	struct run *run;
	const struct ff_plan_job *plan;
	const char *name;
	enum job_state state;
	bool ok; /* finished, and others may need it */
	struct run_unit *units;
	uint32_t units_len, units_done;
	struct ff_arena names;
	struct ff_map seen; /* problems and warnings that were told already */
	char *last_reason;  /* why the first session died before it had collected */
	/* sessions */
	struct ff_list sessions;
	struct ff_sched *sched;
	const char **unit_names;
	char digest[80];
	struct run_session *ids_from; /* who was asked for the names */
	uint32_t workers;	      /* slots it may use, when it started */
	uint32_t next_worker, live, crashes, problems;
	bool collected, stopped, skipped;
	bool collect_only;
	bool moved;    /* units came to an end or back: idle sessions ask again */
	bool given_up; /* no session is started any more */
	/* commands */
	struct ff_list attempts;
	uint32_t next_unit;
	uint32_t *retry; /* units to run again */
	size_t retry_len, retry_cap;
	/* result */
	struct ff_counts counts;
	char *error; /* why the job as a whole failed; NULL */
	bool infra, usage;
	int64_t started_at;
};

struct run {
	const struct ff_run_opts *opts;
	struct ff_loop loop;
	struct ff_group *group;
	struct run_host *hosts;
	struct run_job *jobs;
	struct ff_rsync *rsync;
	uv_signal_t sigint, sigterm, sighup;
	struct ff_timer tick, kill_timer;
	int interrupts;
	bool stopping; /* nothing new is started */
	bool killed;
	uint64_t seq;
	int64_t started_at;
	uint32_t next_gw;
	struct ff_counts counts;
	uint32_t skipped_modules; /* as a whole, while they were collected */
	bool journal_failed;
	bool hosts_only; /* `farflung hosts`: no jobs, no sync, but look for a Python */
};

/* emit.c */
void run_emit(struct run *run, struct ff_event *event);
void run_notice(struct run *run, const char *host, const char *level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* output.c */
void output_init(struct run_output *output, size_t cap);
void output_add(struct run_output *output, const void *bytes, size_t len);
/* How many of `len` bytes just added still belong to the head (the part that is streamed). */
size_t output_in_head(const struct run_output *output, size_t len);
/* Head, a line that says what was cut, and tail, in one buffer. */
void output_text(struct run_output *output, struct ff_buf *text);
bool output_cut(const struct run_output *output);
void output_release(struct run_output *output);

/* host.c, probe.c */
void host_open_all(struct run *run);
void host_pump(struct run *run);		   /* opens again what died */
bool host_usable(const struct run_host *host);	   /* ready, or may become so */
bool host_takes_work(const struct run_host *host); /* ready, and its connection not just lost */
void host_probe(struct run_host *host);
void host_probed(struct run_host *host);
void host_release(struct run_host *host);
bool job_wants_host(const struct run_job *job, const struct run_host *host);

/* job.c */
void job_start(struct run_job *job);
void job_finish(struct run_job *job);
void job_error(struct run_job *job, bool infra, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A unit's attempt came to an end; says whether it is to be run again. */
bool job_unit_finished(struct run_job *job, uint32_t unit, struct run_host *host,
		       const char *worker, const struct ff_result *result);
void job_unit_started(struct run_job *job, uint32_t unit, struct run_host *host,
		      const char *worker);
/* Its host died under it: true: to be run again; false: given up, and reported as lost. */
bool job_unit_lost(struct run_job *job, uint32_t unit, struct run_host *host, const char *worker,
		   const char *reason);
void job_release(struct run_job *job);

/* session.c */
void session_start(struct run_job *job, struct run_host *host);
void session_feed(struct run_session *session); /* give it units, or tell it to end */
void session_stop(struct run_session *session);
void session_answer_want(struct run_session *session);
void session_kill(struct run_session *session);
void session_free(struct run_session *session);
void session_tell(struct run_session *session, int (*what)(struct ff_pack *p));

/* session_sink.c */
extern const struct ff_payload_sink session_sink;

/* session_job.c */
void session_job_pump(struct run_job *job);

/* attempt.c */
void attempt_job_pump(struct run_job *job);
void attempt_kill(struct run_attempt *attempt, bool at_once);
void attempt_free(struct run_attempt *attempt);

/* run.c */
int run_init(struct run *run, const struct ff_run_opts *opts, struct ff_err *err);
void run_release(struct run *run);
void run_stop(struct run *run, const char *why);

#endif
