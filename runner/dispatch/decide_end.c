/* How sessions end: with their work done, with a crash, or with their host. What was running there
 * is reported, what it was given goes back, its slots are free. A crash may have to wait for the
 * job's front to say whether the unit is run once more. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

void ff_run_session_free(struct ff_engine *e, struct session *session)
{
	ff_engine_not_due(e, &session->timeout);
	ff_engine_not_due(e, &session->silence);
	ff_engine_not_due(e, &session->want);
	ff_list_del(&session->idle);
	ff_list_del(&session->in_host);
	ff_list_del(&session->in_job);
	ff_map_del_u32(&e->sessions, session->record);
	ff_input_free(session->held);
	ff_free(session->doing);
	ff_shard_free(session);
	ff_free(session);
}

/* Its slots are free, its units elsewhere; the session is no more, though its process may be. */
void ff_run_session_take_out(struct ff_engine *e, struct session *session, uint32_t running,
			     bool host_lost)
{
	struct engine_job *job = ff_run_session_job(e, session);
	uint32_t number = session->placement.job;

	ff_shard_left(e, session);
	ff_once_gone(e, session);
	if (session->up) {
		ff_queues_worker_down(ff_run_session_queues(e, session), session->number, running);
		job->worked_us += e->now.mono_us - session->up_us;
	} else {
		ff_sched_session_up(e->sched, &session->placement);
	}
	if (job->ids_from == session->record)
		ff_collect_ask_another(e, session);
	if (host_lost)
		ff_sched_return_pools(e->sched, &session->placement);
	else
		ff_sched_return(e->sched, &session->placement);
	ff_sched_wake(e->sched, number);
	job->live--;
	ff_job_touch(e, number);
}

static const char *seconds(struct ff_engine *e, int64_t us)
{
	return ff_engine_text(e, "%.1f", (double)us / 1e6);
}

/* Why its running unit came to no end of its own. */
static const char *words_of(struct ff_engine *e, const struct session *session, const char *reason)
{
	uint32_t job = session->placement.job, unit = ff_run_session_record(e, session)->unit;
	const char *worker = ff_run_session_record(e, session)->name;
	const char *host = e->state->hosts[session->placement.host].name;

	if (session->cancelled)
		return session->killed_for;
	if (session->timed_out && session->killed_for)
		return ff_engine_text(e, "%s (worker %s on %s was killed)", session->killed_for,
				      worker, host);
	if (session->timed_out)
		return ff_engine_text(e, "timed out after %s s (worker %s on %s was killed)",
				      seconds(e, ff_marks_timeout_us(e, job, unit)), worker, host);
	if (ff_engine_killing(e))
		return ff_engine_killed(e);
	return ff_engine_text(e, "worker '%s' on host %s crashed while running '%s': %s", worker,
			      host, ff_engine_unit_name(e, job, unit), reason);
}

/* The unit that was running when the worker died by itself, or was killed. */
void ff_run_session_report(struct ff_engine *e, struct session *session, const char *reason,
			   const struct ff_input *input)
{
	struct unit_at at = ff_run_session_unit(session, ff_run_session_record(e, session)->unit);
	static const char quoted[] = "; stderr:";
	const char *said = input ? input->u.ended.said : NULL;
	struct ff_result result = {.outcome = session->cancelled     ? FF_OUTCOME_LOST
					      : session->timed_out   ? FF_OUTCOME_TIMEOUT
					      : ff_engine_killing(e) ? FF_OUTCOME_LOST
								     : FF_OUTCOME_CRASHED,
				   .duration_us = e->now.mono_us - session->started_us};

	/* What it wrote is told below, and more of it. */
	if (said && *said && strstr(reason, quoted))
		reason = ff_engine_text(e, "%.*s", (int)(strstr(reason, quoted) - reason), reason);
	result.message = words_of(e, session, reason);
	result.longrepr = ff_engine_text(e, "%s%s%s", result.message,
					 said && *said ? "\nits last output on stderr:\n" : "",
					 said ? said : "");
	if (input && input->u.ended.wait.known) {
		result.has_status = true;
		result.status = input->u.ended.wait.status;
	}
	at.told = session->crash_told;
	at.again = session->run_again;
	ff_unit_finished(e, &at, &result);
}

static void emit_ended(struct ff_engine *e, const struct session *session, const char *reason,
		       const struct ff_input *input)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_WORKER_ENDED);

	event.u.worker_ended.crashed = reason && !ff_engine_killing(e) && !session->cancelled &&
				       !(input && input->u.ended.host_lost);
	if (input)
		event.u.worker_ended.wait = input->u.ended.wait;
	event.u.worker_ended.reason = reason;
	ff_engine_emit(e, &event);
}

/* What kills the interpreter while it collects would kill the next ones, too: when a second worker
 * has died at the same place, it is told, and that is enough. */
static void judge_start(struct ff_engine *e, const struct session *session, const char *reason)
{
	uint32_t number = session->placement.job;
	struct engine_job *job = &e->jobs[number];
	const char *while_at = ff_silence_while(session);

	if (e->state->jobs[number].known || !session->begun || session->digest ||
	    session->killed_for || job->stopped || ff_engine_killing(e))
		return;
	if (!job->died_while || strcmp(job->died_while, while_at) != 0) {
		job->died_while = ff_engine_keep(job, while_at);
		return;
	}
	ff_job_error(e, number, FF_REASON_USAGE,
		     ff_engine_text(e, "%s crashed while %s, as one did before it: %s",
				    e->state->workers[session->record].name, while_at, reason));
	ff_job_stop(e, number, FF_REASON_USAGE, job->error);
}

/* It ended with its host still there. `reason` NULL: in order. */
void ff_run_session_over(struct ff_engine *e, struct session *session, const char *reason,
			 const struct ff_input *input)
{
	uint32_t job = session->placement.job, host = session->placement.host;
	uint32_t running = ff_run_session_record(e, session)->unit;
	bool runs = ff_run_session_runs(e, session), stop = false;
	struct unit_at at = ff_run_session_unit(session, running);

	if (!session->finished) {
		if (reason && !session->killed_late)
			stop = ff_shard_crashed(e, session, reason,
						input ? input->u.ended.said : NULL);
		ff_driven_over(e, session, false);
		ff_run_session_take_out(e, session, running, session->host_gone);
	}
	if (runs && session->killed_late)
		ff_unit_lost(e, &at, false, session->killed_late,
			     e->now.mono_us - session->started_us);
	else if (runs)
		ff_run_session_report(e, session, reason ? reason : "it ended in the middle",
				      input);
	if (reason && !e->state->jobs[job].known && !e->jobs[job].last_reason)
		e->jobs[job].last_reason = ff_engine_keep(&e->jobs[job], reason);
	if (reason)
		judge_start(e, session, reason);
	ff_front_down(e, session, reason, !runs);
	/* A worker's silence is told already, as the job's error. */
	emit_ended(e, session, session->killed_for && !runs ? NULL : reason, input);
	ff_run_session_free(e, session);
	if (stop)
		ff_shard_stop(e, job);
	ff_run_session_feed_moved(e, job);
	ff_host_leave_if_idle(e, host);
}

void ff_run_session_lost(struct ff_engine *e, struct session *session, bool alone,
			 const char *reason)
{
	struct ff_event event = ff_run_session_event(e, session, FF_EVENT_WORKER_ENDED);
	struct unit_at at = ff_run_session_unit(session, ff_run_session_record(e, session)->unit);
	int64_t took = e->now.mono_us - session->started_us;
	bool runs = ff_run_session_runs(e, session), stop = false;
	uint32_t job = session->placement.job;

	if (session->held) { /* it had crashed before */
		session->host_gone = true;
		ff_run_session_release(e, session, false);
		return;
	}
	if (!session->finished) {
		stop = ff_shard_host_lost(e, session, reason);
		ff_driven_over(e, session, false);
		ff_run_session_take_out(e, session, at.unit, true);
	}
	if (runs)
		ff_unit_lost(e, &at, alone, reason, took);
	ff_front_down(e, session, reason, !runs);
	event.u.worker_ended.reason = session->finished ? NULL : reason;
	ff_engine_emit(e, &event);
	ff_run_session_free(e, session);
	if (stop)
		ff_shard_stop(e, job);
	ff_run_session_feed_moved(e, job);
}

/* --- crashes that the job's front is asked about --- */

bool ff_run_session_hold(struct ff_engine *e, struct session *session, const char *reason,
			 const struct ff_input *input)
{
	uint32_t unit = ff_run_session_record(e, session)->unit;
	struct ff_input *held;

	if (!ff_run_session_runs(e, session) || session->killed_late || session->cancelled ||
	    ff_engine_killing(e) || ff_run_session_job(e, session)->stopped ||
	    ff_unit_may_retry(e, session->placement.job, unit,
			      session->timed_out ? FF_OUTCOME_TIMEOUT : FF_OUTCOME_CRASHED))
		return false;
	if (!ff_front_ask(e, session, unit, words_of(e, session, reason)))
		return false;
	held = ff_input_new(FF_INPUT_WORKER_ENDED);
	held->u.ended = input->u.ended;
	held->u.ended.error = ff_input_text(held, reason);
	held->u.ended.said = ff_input_text(held, input->u.ended.said);
	session->held = held;
	session->held_us = e->now.mono_us;
	ff_engine_not_due(e, &session->timeout);
	ff_engine_not_due(e, &session->silence);
	return true;
}

void ff_run_session_release(struct ff_engine *e, struct session *session, bool again)
{
	struct ff_input *held = session->held;
	struct ff_input ended = {.u.ended = held->u.ended};

	/* Events live longer than it does. */
	ended.u.ended.error = ff_engine_text(e, "%s", held->u.ended.error);
	ended.u.ended.said = ff_engine_text(e, "%s", held->u.ended.said ? held->u.ended.said : "");
	ff_input_free(held);
	session->held = NULL;
	session->crash_told = true;
	session->run_again = again;
	session->started_us += e->now.mono_us - session->held_us;
	e->jobs[session->placement.job].front.unanswered--;
	ff_run_session_over(e, session, ended.u.ended.error, &ended);
}

void ff_run_session_release_all(struct ff_engine *e, uint32_t job)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &e->jobs[job].sessions) {
		struct session *session = ff_container_of(pos, struct session, in_job);

		if (session->held)
			ff_run_session_release(e, session, false);
	}
}
