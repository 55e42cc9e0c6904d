/* Decide's parts that deal with sessions: long executions that are given units by index. Included
 * by private.h. */
#ifndef FF_DISPATCH_PRIVATE_SESSION_H
#define FF_DISPATCH_PRIVATE_SESSION_H

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
/* The same of an execution that discovers all. */
void ff_marks_discovered(struct ff_engine *e, uint32_t job, const struct ff_input *input);
/* What it has for tests. */
void ff_marks_host_has(struct ff_engine *e, uint32_t host, const struct ff_input *input);
/* Units from `first` on, so many, are known by name: what of these marks the scheduler is to see,
 * to be freed by ff_free after use. A mark that can't be met is an error of the job. */
struct ff_claim *ff_marks_claims(struct ff_engine *e, uint32_t job,
				 const struct ff_payload_mark *marks, size_t marks_len,
				 uint32_t first, uint32_t count, size_t *len);
void ff_marks_free(struct engine_job *job);
int64_t ff_marks_timeout_us(struct ff_engine *e, uint32_t job, uint32_t unit);
/* So long an attempt took: what limits in per cent of a job whose units are all alike go by. */
void ff_marks_took(struct ff_engine *e, uint32_t number, const struct ff_result *result);
int64_t ff_marks_retries(const struct ff_engine *e, uint32_t job, uint32_t unit);
/* Units for which no host is left come to their end. */
void ff_marks_look(struct ff_engine *e, uint32_t job);
/* What they waited for may be there. */
void ff_marks_moved(struct ff_engine *e, uint32_t job);
/* The same, if what came back was what jobs share: whatever has nothing to do. */
bool ff_marks_freed(struct ff_engine *e);

/* --- decide_order.c --- */
/* From the marks of units that were discovered, whose names are known: which wait for others, and
 * which are not run. False: they wait in a circle, which is an error of the job. */
bool ff_order_know(struct ff_engine *e, uint32_t job);
/* Units that come after each other are to be on one host, where there is more than one: that is
 * added to their claims (of `units` of them, ascending; on the heap, and so is what comes back). */
struct ff_claim *ff_order_claims(struct ff_engine *e, uint32_t job, uint32_t units,
				 struct ff_claim *claims, size_t *len);
/* A unit has come to its end. */
void ff_order_ended(struct ff_engine *e, const struct unit_at *at, enum ff_outcome outcome);
/* Units that wait no more are given out, or come to their end without having run. */
void ff_order_look(struct ff_engine *e, uint32_t job);
void ff_order_free(struct engine_job *job);

/* --- decide_memory.c --- */
/* Whether the job goes by what its units need of memory, and there is something to go by. */
/* --- decide_ration.c --- */
/* Whether one unit of the job declares more than the host has. */
bool ff_ration_too_small(const struct ff_engine *e, uint32_t job, uint32_t host);
/* A host is open, and tells what it has. */
void ff_ration_host_told(struct ff_engine *e, const struct ff_input *input);
/* In words: what the host lacks; and, if all of the job's hosts are too small, which one is the
 * largest (else NULL). */
const char *ff_ration_in_vain(struct ff_engine *e, uint32_t job, uint32_t host);
const char *ff_ration_no_host(struct ff_engine *e, uint32_t job);

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
/* What is excluded and others have, and have not begun, is asked back. */
void ff_own_take_back(struct ff_engine *e, uint32_t job);
/* Units that not all have come to their end, and cancelled ones. */
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

#endif
