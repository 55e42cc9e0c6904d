/* What the files of decide share: the engine's memory. act.c and its files do not include this. */
#ifndef FF_DISPATCH_PRIVATE_H
#define FF_DISPATCH_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "dispatch/deadlines.h"
#include "dispatch/engine.h"
#include "dispatch/executions.h"
#include "dispatch/usual.h"
#include "sched/sched.h"
#include "sched/waits.h"

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
	DUE_DRAIN,
	DUE_HOPE,
	DUE_START,
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
	bool timed_out; /* killed because its unit took too long, or … */
	bool cancelled; /* … because it was cancelled */
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
	bool leaves;	   /* its host is to go: it ends with what it runs */
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
	const struct ff_plan_job *plan; /* one of the jobs with that pattern */
	struct host_set *next;
};

struct engine_host {
	uint32_t parent;    /* it goes via that one; FF_NOBODY */
	bool is_parent;	    /* others go via it */
	uint32_t sets_left; /* that it is in, and that jobs still need */
	bool wanted;
	bool late;    /* it came while the run went on */
	bool counted; /* was there when all that must be there were */
	struct ff_list sessions;
	struct due_at retry, drain;
	const char *leaving;  /* in words, why it is to go though jobs need it; NULL: it is not */
	bool spare;	      /* it came again when nothing was left for it: it stays unused */
	bool cut;	      /* its connection is over: what it had is being taken down */
	bool put_out;	      /* and what ran there was told to go elsewhere */
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
	uint32_t came;		/* units, before it was begun */
	bool closed;		/* and no more will */
	bool cut;		/* though more were to: they could not be read */
	struct due_at time;	/* no unit is begun after it; set once */
	bool time_runs;
	struct due_at hope; /* no host is there for it: one may come until then */
	bool hopeless;	    /* none came */
	/* What units ask for, before they are known; what of it is asked of us; groups' numbers
	 * from 1 by name. */
	struct ff_payload_mark *marks;
	size_t marks_len;
	struct ff_map asks; /* by a unit's index: struct unit_asks */
	struct ff_map groups;
	struct once **onces;
	uint32_t onces_len;
	struct ff_map steps;   /* of units with steps that run: decide_steps.c */
	uint64_t *done_before; /* bitset of units; NULL: none */
	/* Of those that earlier runs had done: whose reports have yet to be told again. */
	uint64_t *untold;
	uint32_t untold_words, untold_left;
	bool before_asked, before_over;
	struct ff_map now_parts; /* by name: their number here, from 1 */
	const char **unit_names; /* of collected units; NULL: the plan knows */
	const char **ids;	 /* as they were collected */
	const char **details;	 /* by unit, of those that were discovered; NULL: none */
	struct ff_waits *waits;	 /* units of it that wait for others; NULL: none does */
	uint64_t *held;		 /* bitset: those, and all done before; with `waits` */
	uint32_t in_vain;	 /* the unit that just now comes to its end without it; FF_NOBODY */
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
	uint32_t live;		/* executions and sessions that take slots, or will */
	uint32_t ahead;		/* executions that follow others */
	struct ff_usual *usual; /* what units that passed took, where limits go by that; NULL */
	int64_t typical_us;	/* what its units take lately; 0: unknown */
	uint32_t ids_from;	/* the worker that was asked for the names; FF_NOBODY */
	int64_t started_us;
	struct job_front front;
	int session_status;  /* of the session that ended it; 0 */
	uint64_t *cancelled; /* bitset of units; NULL: none */
	uint32_t cancelled_words;
	bool cancelled_all; /* the whole job was */
	bool settled;	    /* all its units have come to an end: its front may still write */
	bool stopped;	    /* nothing of it is begun any more */
	bool judged;	    /* what it needs has come out, and it was decided whether it runs */
	bool runs_anyway;   /* also while everything else stops */
	bool failed_before; /* it did, or something that it needs, or before that */
	bool given_up;	    /* no session is started any more */
	bool collect_only;
	/* What its sessions leave on hosts: */
	uint64_t *served;	 /* bitset: hosts where one has begun, and all is still there */
	uint32_t served_words;	 /* of 64 hosts each */
	uint32_t gathers;	 /* that go on */
	bool gathered;		 /* all have begun; those of hosts that leave go before */
	const char *ungathered;	 /* what went wrong with these; or NULL */
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
	struct ff_map gathers;	/* by numbers that no execution has */
	uint32_t gathers_made;
	struct ff_map patterns;	    /* of hosts -> host_set */
	struct host_set *host_sets; /* all of them, those of single hosts, too */
	struct ff_map
		resources;    /* pools that the plan doesn't know, by name: their number, from 1 */
	int64_t *host_memory; /* by host: for units that say what they need; 0: unknown */
	struct ff_capacity *capacity; /* by host: all that it has, for rations; 0: unknown */
	struct ff_arena arena;
	struct ff_list dirty;
	struct ff_buf lines; /* of ours, for fronts that start later; each ends with a NUL */
	uint32_t next_worker;
	uint32_t hosts_asked; /* that are needed by some job */
	uint32_t hosts_late;  /* of these, that came while the run went on */
	uint32_t driven;      /* jobs whose front says who runs what */
	const char *stop;     /* why everything stops, in words; NULL */
	struct {
		bool setting_up, owes_teardown, tearing_down;
		int64_t since_us;
	} own_setup;	     /* the run's, beside those of hosts */
	struct due_at start; /* nothing is started before (settings.start_delay) */
	int64_t start_us;    /* that time */
	struct due_at kill;  /* the end of the first interrupt's grace */
	int64_t started_us;
	bool cleans_up;	 /* some jobs go on though everything stops */
	bool no_cleanup; /* and they had their time */
	bool left_one;	 /* an execution has ended on a host that is to go */
	bool kill_now;	 /* what runs is to be killed when this decision is made */
	bool full;	 /* reporters are */
	bool over;
	unsigned faults;
	uint32_t cancelled; /* units that were not run for that */
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
/* It stops, and no job goes on all the same. */
bool ff_engine_closing(const struct ff_engine *e);
/* Why what ran was killed, in words. */
const char *ff_engine_killed(struct ff_engine *e);
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
const char *ff_host_in_vain(struct ff_engine *e, uint32_t job, uint32_t host);
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

/* Takes from the inventory what the engine keeps of it. (engine.c) */
void ff_host_know(struct ff_engine *e, uint32_t host);
/* What runs there is lost, and nobody is to blame for it. */
void ff_host_put_out(struct ff_engine *e, uint32_t host, const char *reason);
/* It is known anew, and wanted: its connection is opened. */
void ff_host_open_late(struct ff_engine *e, uint32_t host);
/* All that waits may look again. */
void ff_host_touch_jobs(struct ff_engine *e);

/* --- decide_inventory.c --- */
/* HOST_COMES, HOST_LEAVES and DRAIN; false: it is none of them. */
bool ff_inventory_input(struct ff_engine *e, const struct ff_input *input);
void ff_inventory_due(struct ff_engine *e, enum due kind, void *owner);
/* No host is left for the job, for that reason, but one may come: it waits, for some time. */
bool ff_inventory_has_hope(struct ff_engine *e, uint32_t job, const char *reason);
/* Others that go via it are there, or may be. */
bool ff_inventory_holds(const struct ff_engine *e, uint32_t host);
/* Those that were to go and have nothing left to do go. */
void ff_inventory_look(struct ff_engine *e);
/* It has gone: the one it went via may be free to. */
void ff_inventory_left(struct ff_engine *e, uint32_t host);

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
struct host_set *ff_job_host_set(struct ff_engine *e, const struct ff_plan_job *plan);
/* Whether the host, as the inventory has it now, is in the set: noted there. */
bool ff_job_host_set_look(struct ff_engine *e, struct host_set *set, uint32_t host);
/* Why no host can do it, in words. */
const char *ff_job_no_host(struct ff_engine *e, uint32_t job);
/* Of the hosts that it may use, as they are now. */
uint32_t ff_job_slots(const struct ff_engine *e, uint32_t job);

/* --- decide_over.c --- */
/* Those that are not known yet count as one. */
uint32_t ff_job_units_left(const struct ff_job_record *job);
/* Nothing of it runs, and nothing more is to: it is finished, or is when what it left is here. */
void ff_job_finish(struct ff_engine *e, uint32_t job);
/* As ff_job_error, behind its last unit: that it was stopped excuses nothing if it would pass. False:
 * it has another error. */
bool ff_job_error_behind(struct ff_engine *e, uint32_t job, enum ff_reason why, const char *text);

/* --- decide_needs.c --- */
/* What it needs is over: whether it is to run. Otherwise it is said why not. */
bool ff_needs_met(struct ff_engine *e, uint32_t job);
/* Where that differs from unit to unit: which are not to be known to the scheduler; and their end.
 */
void ff_needs_hold_units(struct ff_engine *e, uint32_t job);
void ff_needs_skip_units(struct ff_engine *e, uint32_t job);
/* It is over: what waits for it can begin, or never will. */
void ff_needs_tell(struct ff_engine *e, uint32_t job, enum ff_job_result result,
		   enum ff_reason why);
/* Everything stops for that: whether this job is still to run, or goes on. */
bool ff_needs_outlives(struct ff_engine *e, uint32_t job, enum ff_reason why);
/* Some that do are not over. */
bool ff_needs_cleans_up(const struct ff_engine *e);

/* --- decide_before.c --- */
/* The job's units have just become known: those that were done before are told. */
void ff_job_tell_done_before(struct ff_engine *e, uint32_t job);
/* BEFORE and BEFORE_TOLD; false: it is neither. */
bool ff_before_input(struct ff_engine *e, const struct ff_input *input);
/* Whether reports of earlier runs are still to be told: it can't end before. */
bool ff_before_holds(struct ff_engine *e, uint32_t job);
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

/* --- decide_steps.c --- */
/* The execution's step has come to an end. True: another one is begun in its place, which takes the
 * execution's; else the result is that of the whole unit (it may have no steps at all). */
bool ff_steps_go_on(struct ff_engine *e, struct execution *execution, struct ff_result *result);
/* Its host went away. */
void ff_steps_forget(struct ff_engine *e, const struct execution *execution);
void ff_steps_free(struct engine_job *job);

/* --- decide_retry.c --- */
/* Where flaky units fail a job of which all has passed: the end that is told. */
void ff_retry_judge(struct ff_engine *e, uint32_t job, struct ff_event *event);
/* An attempt failed: the next one comes when retry_delay is over. */
void ff_retry(struct ff_engine *e, const struct unit_at *at);
struct resting;
void ff_retry_due(struct ff_engine *e, struct resting *resting);
/* The unit, which is this session's now, rests: it hears of it when that is over. */
bool ff_retry_holds_back(struct ff_engine *e, struct session *session, uint32_t unit);
/* No more of them come to that. */
void ff_retry_forget(struct ff_engine *e, uint32_t job);

/* How long the last of those that rest will take to be over, as far as is known; 0: none rests. */
int64_t ff_retry_left_us(const struct ff_engine *e, uint32_t job, int64_t now_us);
/* The unit rests: no more of it comes. False: it does not. */
bool ff_retry_drop(struct ff_engine *e, uint32_t job, uint32_t unit);

/* --- decide_cancel.c --- */
/* Units, or jobs, are wanted no more. */
void ff_cancel_input(struct ff_engine *e, const struct ff_input *input);
bool ff_cancel_is(const struct ff_engine *e, uint32_t job, uint32_t unit);
/* The scheduler gives it out no more, and nobody has it; false: it was not cancelled. */
bool ff_cancel_dropped(struct ff_engine *e, uint32_t job, uint32_t unit);
/* The scheduler has just been told the job's units. */
void ff_cancel_known(struct ff_engine *e, uint32_t job);
/* It begins, though it may have been cancelled on its way. */
void ff_cancel_began(struct ff_engine *e, uint32_t job, uint32_t unit);
/* What runs there is ended. */
void ff_cancel_session(struct ff_engine *e, struct session *session);
/* Its units have come to their ends: if some were cancelled, it did not pass. */
void ff_cancel_judge(struct ff_engine *e, uint32_t job);

/* --- decide_feed.c --- */
/* Units of an open job have come; what came before the job began it is told then. */
void ff_feed_units(struct ff_engine *e, const struct ff_input *input);
void ff_feed_started(struct ff_engine *e, uint32_t job);

/* --- decide_halt.c --- */
/* A unit has come to its end: whether that is enough. The other one: to a bad one, on a host. */
void ff_halt_look(struct ff_engine *e);
void ff_halt_look_maxfail(struct ff_engine *e);

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

#include "dispatch/private_front.h"
#include "dispatch/private_session.h"
#include "dispatch/private_files.h"

#endif
