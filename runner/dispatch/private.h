/* What the files of decide share: the engine's memory. act.c and its files do not include this. */
#ifndef FF_DISPATCH_PRIVATE_H
#define FF_DISPATCH_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "dispatch/deadlines.h"
#include "dispatch/engine.h"
#include "dispatch/executions.h"
#include "sched/sched.h"

enum {
	UNIT_ALONE_MAX = 2, /* a unit that took so many hosts down, alone on them, is set aside */
	HOST_VAIN_MAX = 8,  /* a host that went away so often in a row without a unit finished */
	HOST_CUT_TRIES = 4, /* a connection that is cut while it opens is tried so often */
	FRONT_LINES_MAX = 64 << 10, /* bytes of lines that were told before a front starts */
	NOT_RUN_NAMED = 10000, /* of a job's units that did not run, so many are named one by one */
};

#define WANT_US                                                                                    \
	INT64_C(1000000) /* a test whose end depends on the next one waits so long for it          \
			  */
#define LOOK_AGAIN_US INT64_C(100000) /* whether it is worth by now to take over some of a part */
#define GRACE_US                                                                                   \
	INT64_C(5000000) /* after we stood still: what is on its way gets so long to arrive */

/* What a deadline is for. */
enum due {
	DUE_HOST,
	DUE_SESSION,
	DUE_SILENCE,
	DUE_WANT,
	DUE_KILL,
	DUE_FRONT,
	DUE_RETRY,
	DUE_TIME,
};

/* A deadline and what it is for. */
struct due_at {
	struct ff_deadline deadline;
	enum due kind;
	void *owner;
};

/* A session: a record's number, and what is going on in it. */
struct session {
	struct ff_list in_host, in_job, idle;
	uint32_t record; /* of the worker */
	uint32_t number; /* with the job's queues */
	struct ff_placement placement;
	int64_t started_us; /* its running unit */
	int64_t up_us;
	uint32_t first_unit; /* where each worker runs everything: its index 0 */
	struct due_at timeout, silence, want;
	int64_t heard_us, let_go_us; /* its latest sign of life; since when it is not needed */
	char *doing;		/* outside of its units, in words; NULL: nothing that it told */
	const char *killed_for; /* in words: it gave no sign of life; NULL */
	/* In words: killed for a unit that had ended when that was told; what it does since then
	 * is not to blame. NULL */
	const char *killed_late;
	const char *digest;
	bool begun;	/* its payload was started */
	bool up;	/* known to the queues */
	bool told_end;	/* nothing more comes */
	bool wants;	/* waits for an answer */
	bool finished;	/* has said its last */
	bool timed_out; /* killed because its unit took too long */
	bool let_go;	/* it is not needed any more */
	bool served;	/* a unit came to its end there */
	/* It has asked for its job's front; that has answered; that was told of its end. */
	bool asks_front, front_answered, front_down;
	/* How it died, while the front is asked whether its unit is run once more; since when. */
	struct ff_input *held;
	int64_t held_us;
	bool host_gone;	   /* meanwhile */
	bool crash_told;   /* to the front */
	bool run_again;	   /* says that */
	bool dismissed;	   /* its job's front has nothing more for it */
	bool leaves_onces; /* it asks for nothing that others set up any more */
	bool in_parts;	   /* it collects parts of the job's units when it is given them */
	bool go_on;	   /* though one of them can't be collected */
	uint32_t parts;	   /* that it found */
	bool part_only;	   /* nothing of `part` runs before it is told what */
	uint32_t part;	   /* that it has to collect; FF_NOBODY */
	bool differs;	   /* its names are to be compared when there are others */
	int64_t part_us;   /* since when */
	uint32_t *firsts; /* by part: its index of the first unit; FF_NOBODY: not collected there */
	uint32_t *units;  /* the job's units by its indexes */
	uint32_t *indexes; /* the other way round, where its collection differs from the job's */
	uint32_t units_len;
	struct ff_payload_mark *marks; /* of the part that it tells next; in its job's arena */
	size_t marks_len;
	uint32_t held_back; /* units that it is given when they have rested */
	uint32_t stolen;    /* times that its front asked for units back and has no answer yet */
};

/* The hosts that a pattern means, and for how many jobs that still matters. */
struct host_set {
	uint64_t *bits;
	uint32_t jobs_left;
};

struct engine_host {
	uint32_t parent;    /* it goes via that one; FF_NOBODY */
	bool is_parent;	    /* others go via it */
	uint32_t sets_left; /* that it is in, and that jobs still need */
	bool wanted;
	bool counted; /* was there when all that must be there were */
	struct ff_list sessions;
	struct due_at retry;
	uint32_t probed;      /* bits: payloads that were looked for, by their number */
	uint32_t unfit;	      /* bits: and can't run there */
	char *platform, *cwd; /* what the latest connection told; cwd: after the sync */
	bool native;
	/* It is being set up; waits for another one in the same folder to be; is to be torn down at
	 * the end; is being so. */
	bool setting_up, waits_setup, owes_teardown, tearing_down;
	char *unusable;	   /* its setup failed; NULL */
	int64_t setup_us;  /* since when that is going on */
	int64_t opened_us; /* latest try */
	int64_t first_opened_us;
	int64_t away_us; /* since when it is away; 0 */
	int64_t synced_us;
};

/* A crash that a front has to settle. */
struct asked {
	uint32_t session; /* who waits for that; FF_NOBODY */
	uint32_t unit;	  /* what ran there; FF_NOBODY: it is run again anyhow */
};

/* A job's front, beside its record. */
struct job_front {
	struct due_at due;
	uint32_t unanswered; /* sessions that wait for its first word to them */
	bool full;	     /* workers wait for it */
	bool stopped;	     /* it knows that nothing more is begun */
	bool frontless;	     /* units ran in sessions that had not asked for it */
	const char *words;   /* its last; NULL */
	struct asked *asked; /* crashes that it was told, in order */
	uint32_t asked_len, asked_cap;
	uint32_t told, heard; /* items; the second of a front that drives its job */
	/* The same: workers that there were to be, those of them that came to an end in order;
	 * it has asked for something since it was told that nothing goes on, which it was so often.
	 */
	uint32_t planned, dismissed;
	uint32_t again_at; /* `told` when a unit was to be run once more */
	bool stirs;
	uint32_t stuck;
};

/* Some of a job's units, which become known together: a file of tests. */
struct job_part {
	const char *digest; /* NULL: they are not known */
	uint32_t first, len;
	uint32_t worker; /* who collected it first: a record's number; FF_NOBODY */
	uint8_t deaths;	 /* hosts that went away while it was collected there */
};

struct once; /* something that one worker sets up for others: decide_once.c */

/* What a unit's own marks say. */
struct unit_asks {
	int64_t timeout_us, retries; /* -1: not said */
	const char *host;	     /* NULL: any */
};

struct engine_job {
	struct ff_list dirty; /* in engine->dirty: to be looked at */
	uint32_t *dependents;
	uint32_t dependents_len, needs_left;
	struct host_set *hosts; /* shared by jobs with one pattern */
	uint32_t payload;	/* its number */
	struct ff_list sessions, idle;
	struct ff_list resting; /* units that failed, and are tried again later: decide_retry.c */
	struct due_at time;	/* no unit is begun after it; set once */
	bool time_runs;
	/* What units ask for, before they are known; what of it is asked of us; groups' numbers
	 * from 1 by name. */
	struct ff_payload_mark *marks;
	size_t marks_len;
	struct ff_map asks; /* by a unit's index: struct unit_asks */
	struct ff_map groups;
	struct once **onces;
	uint32_t onces_len;
	uint64_t *done_before;	 /* bitset of units; NULL: none */
	const char **unit_names; /* of collected units; NULL: the plan knows */
	const char **ids;	 /* as they were collected */
	struct ff_map lacking;	 /* by these, from 0: who has not collected it, in words */
	const char *differs;	 /* in words: not all have collected the same tests */
	uint32_t named_by;	 /* the worker that told them */
	/* Units that become known part by part; `ids` are the parts' names then. */
	bool in_parts, go_on; /* go_on: though one of them can't be collected */
	struct job_part *parts;
	uint32_t parts_len;
	const int64_t *part_costs;
	bool parts_timed; /* these are µs */
	bool parts_whole;
	uint32_t names_cap;	  /* of unit_names, which is on the heap */
	struct ff_map before;	  /* parts of earlier runs, by name */
	size_t before_read;	  /* of these runs */
	const char **unit_scopes; /* what each belongs to, as pytest's own scheduler says; NULL */
	bool unchosen;		  /* nobody has said how its units are to be spread */
	const struct ff_policy *policy; /* NULL: not known yet */
	uint32_t most;			/* sessions at one time; 0: no limit */
	uint32_t each;			/* each worker runs so many units; 0: they are shared out */
	uint32_t *seats;		/* the host of each of these workers */
	uint32_t seats_len;
	struct ff_arena arena;
	struct ff_map seen; /* problems and warnings that were told already */
	int64_t worked_us;  /* by sessions that are over, since they were up */
	uint32_t workers;   /* slots that it may use, when it started */
	uint32_t next_number;
	uint32_t live;	    /* executions and sessions that take slots, or will */
	uint32_t ahead;	    /* executions that follow others */
	int64_t typical_us; /* what its units take lately; 0: unknown */
	uint32_t ids_from;  /* the worker that was asked for the names; FF_NOBODY */
	int64_t started_us;
	struct job_front front;
	int session_status; /* of the session that ended it; 0 */
	bool settled;	    /* all its units have come to an end: its front may still write */
	bool stopped;	    /* nothing of it is begun any more */
	bool given_up;	    /* no session is started any more */
	bool collect_only;
	enum ff_reason why;	 /* not NONE: the job as a whole failed, or ended early */
	const char *error;	 /* in words */
	const char *last_reason; /* why the first session died before it had collected */
	/* What that one was at then; NULL: none has died so. */
	const char *died_while;
};

struct ff_engine {
	struct ff_engine_opts opts;
	struct ff_state *state;
	struct ff_sched *sched;
	struct ff_deadlines deadlines;
	struct engine_host *hosts;
	struct engine_job *jobs;
	struct executions executions;
	struct ff_map sessions; /* by their record's number */
	struct ff_map fetches;	/* by their execution's */
	struct ff_map patterns; /* of hosts -> host_set */
	struct ff_map
		resources;    /* pools that the plan doesn't know, by name: their number, from 1 */
	int64_t *host_memory; /* by host: for units that say what they need; 0: unknown */
	struct ff_arena arena;
	struct ff_list dirty;
	struct ff_buf lines; /* of ours, for fronts that start later; each ends with a NUL */
	uint32_t next_worker;
	uint32_t hosts_asked; /* that are needed by some job */
	uint32_t driven;      /* jobs whose front says who runs what */
	const char *stop;     /* why everything stops, in words; NULL */
	struct {
		bool setting_up, owes_teardown, tearing_down;
		int64_t since_us;
	} own_setup;	    /* the run's, beside those of hosts */
	struct due_at kill; /* the end of the first interrupt's grace */
	int64_t started_us;
	bool full; /* reporters are */
	bool over;
	unsigned faults;
	/* of the decision under way */
	struct ff_now now;
	struct ff_decision *decision;
};

/* --- decide.c --- */
void ff_engine_emit(struct ff_engine *e, struct ff_event *event);
void ff_engine_order(struct ff_engine *e, const struct ff_order *order);
void ff_engine_notice(struct ff_engine *e, const char *host, const char *level, const char *text);
#define ff_engine_text(e, ...) ff_decision_text((e)->decision, __VA_ARGS__)
void ff_engine_due(struct ff_engine *e, struct due_at *due, int64_t at_us);
void ff_engine_not_due(struct ff_engine *e, struct due_at *due);
/* What is due soon is due a little later. */
void ff_engine_put_off(struct ff_engine *e, struct due_at *due);
/* Text that lives as long as the job. */
const char *ff_engine_keep(struct engine_job *job, const char *text);
/* Whether this key of the job's is new. */
bool ff_engine_first(struct engine_job *job, const char *key);
const struct ff_payload *ff_engine_payload(const struct ff_engine *e, uint32_t job);
const char *ff_engine_unit_name(struct ff_engine *e, uint32_t job, uint32_t unit);
bool ff_engine_stopping(const struct ff_engine *e);
bool ff_engine_killing(const struct ff_engine *e);
/* Everything stops: nothing is begun any more. `text` in words. */
void ff_engine_stop(struct ff_engine *e, enum ff_reason why, const char *text);

/* What is due is put off: we could not hear what was said. */
void ff_engine_give_time(struct ff_engine *e);

/* --- decide_host.c --- */
void ff_host_open_all(struct ff_engine *e);
void ff_host_opened(struct ff_engine *e, const struct ff_input *input);
void ff_host_synced(struct ff_engine *e, const struct ff_input *input);
void ff_host_probed(struct ff_engine *e, const struct ff_input *input);
void ff_host_ended(struct ff_engine *e, const struct ff_input *input);
void ff_host_said(struct ff_engine *e, const struct ff_input *input);
void ff_host_retry(struct ff_engine *e, struct engine_host *host);
void ff_host_unfit(struct ff_engine *e, uint32_t host, uint32_t payload, const char *error);
/* Whether the job is meant for it; and whether it can run there. */
bool ff_host_in_set(const struct ff_engine *e, uint32_t job, uint32_t host);
bool ff_host_in_job(const struct ff_engine *e, uint32_t job, uint32_t host);
/* Why the job can't use it; nobody's job: why nobody can. */
const char *ff_host_in_vain(const struct ff_engine *e, uint32_t job, uint32_t host);
/* No job needs it any more: it is let go, once what is ending there has ended. */
void ff_host_drain(struct ff_engine *e, uint32_t host);
void ff_host_leave_if_idle(struct ff_engine *e, uint32_t host);
/* Ready, or may become so. */
bool ff_host_hopeful(const struct ff_engine *e, uint32_t host);
bool ff_host_all_settled(const struct ff_engine *e);

/* It has its tree, and is set up: on to what payloads need. */
void ff_host_prepared(struct ff_engine *e, uint32_t host);
/* Its setup failed: it is let go for good. */
void ff_host_unusable(struct ff_engine *e, uint32_t host);
void ff_host_leave(struct ff_engine *e, uint32_t host);

/* --- decide_required.c --- */
/* Whether the job may begin; if hosts that must be there can't be any more, it is stopped. */
bool ff_required_hosts_there(struct ff_engine *e, uint32_t job);
/* The job goes on, and has just learnt that a host can't run its payload. */
void ff_required_host_unfit(struct ff_engine *e, uint32_t job);
/* Jobs that have not begun may wait for it to be there, whether they use it or not. */
bool ff_required_host_waited_for(const struct ff_engine *e, uint32_t host);

/* --- decide_job.c --- */
void ff_job_init(struct ff_engine *e, uint32_t job);
void ff_job_touch(struct ff_engine *e, uint32_t job);
/* Looks at all that were touched, and starts what can be started. */
void ff_job_pump(struct ff_engine *e);
void ff_job_error(struct ff_engine *e, uint32_t job, enum ff_reason why, const char *text);
void ff_job_stop(struct ff_engine *e, uint32_t job, enum ff_reason why, const char *text);
/* A unit of it begins: where it has some time only, that runs. */
void ff_job_time_runs(struct ff_engine *e, uint32_t job);
void ff_job_time_over(struct ff_engine *e, uint32_t job);
/* And what they are called: the scheduler gets them. */
void ff_job_know_units(struct ff_engine *e, uint32_t job, uint32_t units);
struct host_set *ff_job_host_set(struct ff_engine *e, const char *on);
/* Why no host can do it, in words. */
const char *ff_job_no_host(struct ff_engine *e, uint32_t job);

/* --- decide_before.c --- */
/* The job's units have just become known: those that were done before are told. */
void ff_job_tell_done_before(struct ff_engine *e, uint32_t job);
/* The same of a part's, when that is known. The bitset of its units that were done, by their place
 * in it, to be freed; NULL: none. */
uint64_t *ff_before_part(struct ff_engine *e, uint32_t job, uint32_t part);
/* Whether an earlier run had such a part. */
bool ff_before_has_part(struct ff_engine *e, uint32_t job, uint32_t part);

/* --- decide_shard.c --- */
void ff_shard_in_parts(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_shard_costs(struct ff_engine *e, struct session *session, const struct ff_input *input);
/* The first session knows what parts there are; and their names are known, in job->ids. */
void ff_shard_begin(struct ff_engine *e, const struct session *session);
void ff_shard_know_parts(struct ff_engine *e, uint32_t job);
/* A session has collected a part. */
void ff_shard_collected(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_shard_give(struct ff_engine *e, struct session *session, const uint32_t *units, size_t len);
void ff_shard_give_part(struct ff_engine *e, struct session *session, uint32_t part);
/* What it knows a unit of the job by; the other way round. FF_NOBODY: it doesn't. */
uint32_t ff_shard_index(const struct ff_engine *e, const struct session *session, uint32_t unit);
uint32_t ff_shard_unit(const struct session *session, uint32_t index);
/* It is to be taken out: what it has to collect is for others. */
void ff_shard_left(struct ff_engine *e, struct session *session);
/* It died while it collected. True: nothing more of the job is to run, see ff_shard_stop. */
bool ff_shard_crashed(struct ff_engine *e, struct session *session, const char *reason,
		      const char *said);
/* The same with its host: true only if that was not the first. */
bool ff_shard_host_lost(struct ff_engine *e, struct session *session, const char *reason);
/* A part can't be collected: the job ends, unless it goes on. */
void ff_shard_stop(struct ff_engine *e, uint32_t job);
void ff_shard_free(struct session *session);

/* --- decide_unit.c --- */
struct unit_at {
	uint32_t job, unit, host;
	uint32_t worker;  /* a record's number; FF_NOBODY */
	const char *name; /* of the unit, for as long as the decision; NULL: it is to be made */
	bool told;	  /* the job's front knows this attempt's end … */
	bool again;	  /* … and wants another */
};
void ff_unit_started(struct ff_engine *e, const struct unit_at *at);
/* An attempt came to an end; it is run again if it may be. */
void ff_unit_finished(struct ff_engine *e, const struct unit_at *at,
		      const struct ff_result *result);
/* One more attempt that ends so does not end it. */
bool ff_unit_may_retry(const struct ff_engine *e, uint32_t job, uint32_t unit,
		       enum ff_outcome outcome);
/* Its host went away under it. */
void ff_unit_lost(struct ff_engine *e, const struct unit_at *at, bool alone, const char *reason,
		  int64_t duration_us);
/* `behind`: the execution that it follows; NULL: it begins at once. */
struct execution *ff_execution_start(struct ff_engine *e, const struct ff_placement *placement,
				     const struct execution *behind);
/* What it runs; its name lives as long as the decision. */
struct unit_at ff_execution_unit(struct ff_engine *e, const struct execution *execution);
void ff_execution_input(struct ff_engine *e, const struct ff_input *input);
void ff_execution_lost(struct ff_engine *e, struct execution *execution, bool alone,
		       const char *reason);
/* Its slots are free. */
void ff_execution_over(struct ff_engine *e, struct execution *execution, bool host_lost);
void ff_execution_kill(struct ff_engine *e, struct execution *execution);

/* Its command's end is its own. */
void ff_execution_end(struct ff_engine *e, struct execution *execution,
		      const struct ff_result *result);

/* --- decide_retry.c --- */
/* An attempt failed: the next one comes when retry_delay is over. */
void ff_retry(struct ff_engine *e, const struct unit_at *at);
struct resting;
void ff_retry_due(struct ff_engine *e, struct resting *resting);
/* The unit, which is this session's now, rests: it hears of it when that is over. */
bool ff_retry_holds_back(struct ff_engine *e, struct session *session, uint32_t unit);
/* No more of them come to that. */
void ff_retry_forget(struct ff_engine *e, uint32_t job);

/* --- decide_ahead.c --- */
/* A unit of the job took so long. */
void ff_ahead_learn(struct engine_job *job, int64_t duration_us);
/* The execution has begun: if it is short, another one is sent to follow it. */
void ff_ahead_give(struct ff_engine *e, const struct execution *execution);
/* It has ended: the one that has its slots now, or NULL. */
struct execution *ff_ahead_pass(struct ff_engine *e, struct execution *execution);
/* It runs. */
void ff_ahead_begin(struct ff_engine *e, struct execution *execution);
/* All that have not begun are to come back; or one of them, for a slot that is free. */
void ff_ahead_withdraw(struct ff_engine *e, uint32_t job, bool all);
void ff_ahead_returned(struct ff_engine *e, const struct ff_input *input);

/* --- decide_session.c --- */
void ff_run_session_start(struct ff_engine *e, const struct ff_placement *placement);
struct session *ff_run_session_of(const struct ff_engine *e, uint32_t record);
struct ff_worker_record *ff_run_session_record(const struct ff_engine *e,
					       const struct session *session);
struct engine_job *ff_run_session_job(const struct ff_engine *e, const struct session *session);
struct ff_queues *ff_run_session_queues(const struct ff_engine *e, const struct session *session);
/* About its job, host and worker. */
struct ff_event ff_run_session_event(const struct ff_engine *e, const struct session *session,
				     enum ff_event_kind kind);
struct unit_at ff_run_session_unit(const struct session *session, uint32_t unit);
void ff_run_session_input(struct ff_engine *e, const struct ff_input *input);
void ff_run_session_due(struct ff_engine *e, struct session *session, enum due kind);
void ff_run_session_stop(struct ff_engine *e, struct session *session);
void ff_run_session_kill(struct ff_engine *e, struct session *session);
/* What it is to get now. */
void ff_run_session_feed(struct ff_engine *e, struct session *session);
void ff_run_session_give(struct ff_engine *e, struct session *session, const uint32_t *units,
			 size_t len);
void ff_run_session_take_back(struct ff_engine *e, struct session *session, const uint32_t *units,
			      size_t len);
/* It wanted to hear what comes next: nothing, for now. */
void ff_run_session_idle(struct ff_engine *e, struct session *session);
bool ff_run_session_runs(const struct ff_engine *e, const struct session *session);
void ff_run_session_lost(struct ff_engine *e, struct session *session, bool alone,
			 const char *reason);

/* --- decide_recall.c --- */
/* It has nothing to do: it gets something of another's, or waits. */
void ff_run_session_recall(struct ff_engine *e, struct session *thief);
/* Units came back, or may be worth that by now: those that wait ask again. */
void ff_run_session_feed_idle(struct ff_engine *e, uint32_t job);
/* The same, those of this host last. */
void ff_run_session_feed_elsewhere(struct ff_engine *e, uint32_t job, uint32_t host);
void ff_run_session_feed_moved(struct ff_engine *e, uint32_t job);

/* --- decide_end.c --- */
void ff_run_session_free(struct ff_engine *e, struct session *session);
void ff_run_session_take_out(struct ff_engine *e, struct session *session, uint32_t running,
			     bool host_lost);
/* The running unit's end. `input`: of its worker; NULL. */
void ff_run_session_report(struct ff_engine *e, struct session *session, const char *reason,
			   const struct ff_input *input);
void ff_run_session_over(struct ff_engine *e, struct session *session, const char *reason,
			 const struct ff_input *input);
/* It crashed, and its job's front is asked what becomes of the unit; false: nobody is. */
bool ff_run_session_hold(struct ff_engine *e, struct session *session, const char *reason,
			 const struct ff_input *input);
void ff_run_session_release(struct ff_engine *e, struct session *session, bool again);
/* Nobody will answer: all of the job that are held. */
void ff_run_session_release_all(struct ff_engine *e, uint32_t job);

/* --- decide_silence.c --- */
/* How long something of a job may give no sign of life outside of units, and how long at its end,
 * which a limit of units bounds, too, but not below `least_us`. 0: for ever. */
int64_t ff_job_silence_limit(const struct ff_engine *e, uint32_t job);
int64_t ff_job_end_limit(const struct ff_engine *e, uint32_t job, int64_t least_us);
/* What it is at outside of units; NULL: nothing that it told. */
void ff_silence_doing(struct session *session, const char *words);
/* That, of one that has not come to its units: what comes first goes without saying. */
const char *ff_silence_while(const struct session *session);
/* It gave a sign of life; or something was asked of it. */
void ff_silence_heard(struct ff_engine *e, struct session *session);
void ff_silence_anew(struct ff_engine *e, struct session *session);
void ff_silence_due(struct ff_engine *e, struct session *session);
/* All units are done: if it has yet to collect, it isn't needed. While it gives signs of life it
 * has a little time left, and is let go without a word. */
void ff_silence_dismiss(struct ff_engine *e, struct session *session);
void ff_silence_dismissed_due(struct ff_engine *e, struct session *session);

/* --- decide_marks.c --- */
/* A session tells what units ask for, of all or of a part. */
void ff_marks_told(struct ff_engine *e, struct session *session, const struct ff_input *input);
/* What it has for tests. */
void ff_marks_host_has(struct ff_engine *e, uint32_t host, const struct ff_input *input);
/* Units from `first` on, so many, are known by name: what of these marks the scheduler is to see,
 * to be freed by ff_free after use. A mark that can't be met is an error of the job. */
struct ff_claim *ff_marks_claims(struct ff_engine *e, uint32_t job,
				 const struct ff_payload_mark *marks, size_t marks_len,
				 uint32_t first, uint32_t count, size_t *len);
void ff_marks_free(struct engine_job *job);
int64_t ff_marks_timeout_us(const struct ff_engine *e, uint32_t job, uint32_t unit);
int64_t ff_marks_retries(const struct ff_engine *e, uint32_t job, uint32_t unit);
/* Units for which no host is left come to their end. */
void ff_marks_look(struct ff_engine *e, uint32_t job);
/* What they waited for may be there. */
void ff_marks_moved(struct ff_engine *e, uint32_t job);
/* The same, if what came back was what jobs share: whatever has nothing to do. */
bool ff_marks_freed(struct ff_engine *e);

/* --- decide_memory.c --- */
/* Whether the job goes by what its units need of memory, and there is something to go by. */
bool ff_memory_counts(const struct ff_engine *e, uint32_t job);
/* With `memory: auto` what units are known to need is added to their claims (of `units` of them,
 * ascending; on the heap, and so is what comes back). */
struct ff_claim *ff_memory_claims(struct ff_engine *e, uint32_t job, uint32_t units,
				  struct ff_claim *claims, size_t *len);
/* A unit is begun where it does not fit, because nothing else of that kind is there. */
void ff_memory_started(struct ff_engine *e, const struct unit_at *at);
/* Of a command that is all that it had. */
void ff_memory_of_command(const struct ff_engine *e, uint32_t job, struct ff_result *result);

/* --- decide_once.c --- */
void ff_once_said(struct ff_engine *e, struct session *session, const struct ff_input *input);
/* The session is no more, or has said its last. */
void ff_once_gone(struct ff_engine *e, struct session *session);
/* Everything may have to stop: what is torn down at the very end is torn down now. */
void ff_once_look(struct ff_engine *e, uint32_t job);
/* It does, or waits to. */
bool ff_once_tears_down(const struct ff_engine *e, const struct session *session);
/* The job is over: what nobody tore down is told. */
void ff_once_end(struct ff_engine *e, uint32_t job);
void ff_once_free(struct engine_job *job);

/* --- decide_said.c --- */
void ff_said_notice(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_said_line(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_said_by_unit(struct ff_engine *e, struct session *session, const struct ff_input *input);

/* --- decide_spread.c --- */
void ff_spread_settings(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_spread_scopes(struct ff_engine *e, struct session *session, const struct ff_input *input);
/* How many units the job has when a session has collected so many. */
uint32_t ff_spread_count(struct ff_engine *e, uint32_t job, uint32_t collected);
/* From job->ids. */
void ff_spread_names(struct ff_engine *e, uint32_t job);
/* The job's units, on their way to a session: as it knows them. */
void ff_spread_given(const struct ff_engine *e, struct session *session, uint32_t *units,
		     size_t len);
/* The job's unit that a session means; FF_NOBODY: none. */
uint32_t ff_spread_unit(const struct ff_engine *e, const struct session *session, uint32_t index);
/* The job's unit, as its sessions know it: by its index and its name. */
uint32_t ff_spread_index(const struct ff_engine *e, uint32_t job, uint32_t unit);
const char *ff_spread_id(struct ff_engine *e, const struct unit_at *at);

/* --- decide_own.c --- */
/* A session has another collection than the job: what both have runs; false: nothing may. */
bool ff_own_collection(struct ff_engine *e, struct session *session, const struct ff_input *input,
		       const char *text);
/* Units that not all have come to their end. */
void ff_own_look(struct ff_engine *e, uint32_t job);
/* What it knows the test by; the other way round. Those of others: as they are. */
uint32_t ff_own_index(const struct session *session, uint32_t id);
uint32_t ff_own_id(const struct session *session, uint32_t index);

/* --- decide_collect.c --- */
void ff_run_session_up(struct ff_engine *e, struct session *session);
void ff_collect_started(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_collect_digest(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_collect_ids(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_collect_sources(struct ff_engine *e, const struct session *session,
			const struct ff_input *input);
/* The session that was asked for the names is no more. */
void ff_collect_ask_another(struct ff_engine *e, struct session *session);

/* What a worker collected; names NULL: not known. */
struct collection {
	const char *worker;
	const char *const *names;
	uint32_t len;
};

/* Tells which names only one of them has, or where the order differs. */
void ff_collect_tell_diff(struct ff_engine *e, uint32_t job, const struct collection *was,
			  const struct collection *is);

void ff_collect_problem(struct ff_engine *e, struct session *session, const struct ff_input *input);
void ff_collect_discovered(struct ff_engine *e, struct execution *execution,
			   const struct ff_input *input);

#include "dispatch/private_front.h"
#include "dispatch/private_files.h"

#endif
