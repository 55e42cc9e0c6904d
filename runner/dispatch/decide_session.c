/* Sessions: opened where slots are free and units wait, fed, and over. A session that dies has its
 * running unit reported, what it was given goes back, and its slots are free for another. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

struct ff_worker_record *ff_run_session_record(const struct ff_engine *e,
					       const struct session *session)
{
	return &e->state->workers[session->record];
}

struct engine_job *ff_run_session_job(const struct ff_engine *e, const struct session *session)
{
	return &e->jobs[session->placement.job];
}

struct ff_queues *ff_run_session_queues(const struct ff_engine *e, const struct session *session)
{
	return ff_sched_queues(e->sched, session->placement.job);
}

struct ff_event ff_run_session_event(const struct ff_engine *e, const struct session *session,
				     enum ff_event_kind kind)
{
	return (struct ff_event){
		.kind = kind,
		.job = e->state->jobs[session->placement.job].name,
		.job_id = session->placement.job + 1,
		.host = e->state->hosts[session->placement.host].name,
		.host_id = session->placement.host + 1,
		.worker = ff_run_session_record(e, session)->name,
		.worker_id = session->record + 1,
	};
}

struct unit_at ff_run_session_unit(const struct session *session, uint32_t unit)
{
	return (struct unit_at){session->placement.job,
				unit,
				session->placement.host,
				session->record,
				NULL,
				false,
				false};
}

struct session *ff_run_session_of(const struct ff_engine *e, uint32_t record)
{
	return ff_map_get_u32(&e->sessions, record);
}

bool ff_run_session_runs(const struct ff_engine *e, const struct session *session)
{
	return ff_run_session_record(e, session)->state == FF_WORKER_RUNNING;
}

/* --- orders --- */

static void order_units(struct ff_engine *e, uint32_t record, enum ff_order_kind kind,
			const uint32_t *units, size_t len)
{
	struct ff_order order = {.kind = kind, .worker = record};
	uint32_t *mine = NULL;

	order.host = e->state->workers[record].host;
	order.job = e->state->workers[record].job;
	order.count = e->jobs[order.job].workers;
	order.name = e->state->workers[record].name;
	if (len > 0)
		order.units = mine = ff_decision_copy(e->decision, units, len * sizeof(*units));
	order.units_len = len;
	ff_spread_given(e, ff_run_session_of(e, record), mine, len);
	ff_engine_order(e, &order);
}

static void order(struct ff_engine *e, const struct session *session, enum ff_order_kind kind)
{
	order_units(e, session->record, kind, NULL, 0);
}

/* --- its beginning --- */

void ff_run_session_start(struct ff_engine *e, const struct ff_placement *placement)
{
	struct session *session = ff_xcalloc(1, sizeof(*session));
	struct engine_job *job = &e->jobs[placement->job];
	struct ff_event event = {.kind = FF_EVENT_WORKER_OPENING};

	session->record = e->state->workers_len;
	session->number = job->next_number++;
	session->placement = *placement;
	session->part = FF_NOBODY;
	session->timeout = (struct due_at){.kind = DUE_SESSION, .owner = session};
	session->silence = (struct due_at){.kind = DUE_SILENCE, .owner = session};
	session->want = (struct due_at){.kind = DUE_WANT, .owner = session};
	ff_list_init(&session->idle);
	event.job = e->state->jobs[placement->job].name;
	event.job_id = placement->job + 1;
	event.host = e->state->hosts[placement->host].name;
	event.host_id = placement->host + 1;
	do
		event.worker = ff_engine_text(e, "gw%u", e->next_worker++);
	while (ff_state_find_host(e->state, event.worker) != FF_NOBODY);
	event.u.worker_opening.slots = placement->slots;
	ff_engine_emit(e, &event);
	ff_list_add_tail(&e->hosts[placement->host].sessions, &session->in_host);
	ff_list_add_tail(&job->sessions, &session->in_job);
	ff_map_set_u32(&e->sessions, session->record, session);
	job->live++;
	order(e, session, FF_ORDER_OPEN_WORKER);
}

/* --- giving --- */

static void wants_no_more(struct ff_engine *e, struct session *session)
{
	session->wants = false;
	ff_engine_not_due(e, &session->want);
}

void ff_run_session_give(struct ff_engine *e, struct session *session, const uint32_t *units,
			 size_t len)
{
	if (ff_run_session_job(e, session)->in_parts)
		ff_shard_give(e, session, units, len);
	else
		order_units(e, session->record, FF_ORDER_GIVE, units, len);
	wants_no_more(e, session);
}

/* It runs something, or is about to. */
static bool has_work(const struct ff_engine *e, const struct session *session)
{
	return ff_run_session_runs(e, session) ||
	       ff_queues_info(ff_run_session_queues(e, session), session->number).queued > 0;
}

void ff_run_session_feed(struct ff_engine *e, struct session *session)
{
	struct ff_batch batch;

	ff_list_del(&session->idle);
	if (!session->up || session->told_end || session->killed_late || session->held_back > 0)
		return;
	batch = ff_queues_next(ff_run_session_queues(e, session), session->number);
	if (ff_run_session_job(e, session)->differs)
		ff_job_touch(e, session->placement.job);
	if (batch.len > 0)
		ff_run_session_give(e, session, batch.units, batch.len);
	if (batch.part != FF_NOBODY) {
		ff_shard_give_part(e, session, batch.part);
		wants_no_more(e, session);
	}
	if (batch.end) {
		session->told_end = true;
		order(e, session, FF_ORDER_END);
		wants_no_more(e, session);
		ff_silence_anew(e, session);
	}
	if (batch.len == 0 && !batch.end && session->part == FF_NOBODY &&
	    (session->wants || !has_work(e, session)))
		ff_run_session_recall(e, session);
}

void ff_run_session_take_back(struct ff_engine *e, struct session *session, const uint32_t *units,
			      size_t len)
{
	order_units(e, session->record, FF_ORDER_TAKE_BACK, units, len);
}

void ff_run_session_idle(struct ff_engine *e, struct session *session)
{
	wants_no_more(e, session);
	order(e, session, FF_ORDER_IDLE);
}

void ff_run_session_up(struct ff_engine *e, struct session *session)
{
	struct engine_job *job = ff_run_session_job(e, session);
	const struct ff_placement *at = &session->placement;

	session->up = true;
	session->up_us = e->now.mono_us;
	session->let_go = false;
	ff_engine_not_due(e, &session->timeout);
	ff_queues_worker_up(ff_run_session_queues(e, session), session->number, at->alone,
			    at->anywhere ? FF_NOBODY : at->host);
	ff_sched_session_up(e->sched, &session->placement);
	ff_driven_up(e, session);
	if (job->stopped || session->leaves)
		ff_run_session_stop(e, session);
	else
		ff_run_session_feed(e, session);
}

void ff_run_session_stop(struct ff_engine *e, struct session *session)
{
	enum ff_worker_state state = ff_run_session_record(e, session)->state;
	bool waits = session->asks_front && !session->front_answered;

	if (state == FF_WORKER_ENDED || (state == FF_WORKER_OPENING && !waits) ||
	    session->told_end || session->finished)
		return;
	session->told_end = true;
	ff_list_del(&session->idle);
	order(e, session, waits ? FF_ORDER_END : FF_ORDER_STOP);
	ff_silence_anew(e, session);
}

void ff_run_session_kill(struct ff_engine *e, struct session *session)
{
	order(e, session, FF_ORDER_KILL_WORKER);
}

void ff_run_session_due(struct ff_engine *e, struct session *session, enum due kind)
{
	if (kind == DUE_WANT && session->wants) {
		/* The test's end is not held up for long: it tears down as if nothing came, and is
		 * reported. */
		ff_run_session_idle(e, session);
		if (!ff_list_empty(&session->idle))
			ff_run_session_feed(e, session);
	} else if (kind == DUE_WANT && !ff_list_empty(&session->idle)) {
		ff_run_session_feed(e, session);
	} else if (kind == DUE_SESSION && (e->full || ff_run_session_job(e, session)->front.full)) {
		ff_engine_due(e, &session->timeout, e->now.mono_us + GRACE_US);
	} else if (kind == DUE_SESSION && ff_run_session_runs(e, session)) {
		session->timed_out = true;
		ff_run_session_kill(e, session);
	} else if (kind == DUE_SESSION && session->let_go && !session->finished) {
		ff_silence_dismissed_due(e, session);
	} else if (kind == DUE_SILENCE) {
		ff_silence_due(e, session);
	}
}

/* --- what it says --- */

static void opened(struct ff_engine *e, struct session *session)
{
	if (ff_run_session_record(e, session)->state != FF_WORKER_OPENING || session->told_end)
		return;
	if (!ff_engine_stopping(e) && !ff_run_session_job(e, session)->stopped &&
	    !session->leaves) {
		order(e, session, FF_ORDER_START_SESSION);
		session->begun = true;
		return;
	}
	session->told_end = true;
	order(e, session, FF_ORDER_CLOSE_WORKER);
	ff_run_session_over(e, session, NULL, NULL);
}

static void ended(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	const char *error = input->u.ended.error;
	/* One that waited for a front which did not come has nothing to say. */
	bool in_order = session->finished || (session->let_go && !session->killed_for) ||
			(session->told_end && session->asks_front && !session->front_answered);

	if (session->held)
		return;
	/* What a lost connection took with it is the host's to tell. */
	if (input->u.ended.host_lost && !session->finished)
		return;
	if (input->u.ended.failed_open && !session->let_go && !session->killed_for) {
		/* One interpreter that won't start is no better at the next attempt. */
		ff_host_unfit(e, session->placement.host, ff_run_session_job(e, session)->payload,
			      error);
		ff_run_session_over(e, session, error, input);
		return;
	}
	order(e, session, FF_ORDER_CLOSE_WORKER);
	if (session->killed_for && !session->timed_out)
		error = session->killed_for;
	else if (session->killed_late)
		error = session->killed_late;
	else if (!error || !*error)
		error = "the worker ended by itself";
	if (in_order || !ff_run_session_hold(e, session, error, input))
		ff_run_session_over(e, session, in_order ? NULL : error, input);
}

static void unit_began(struct ff_engine *e, struct session *session, uint32_t index)
{
	uint32_t unit = ff_spread_unit(e, session, index);
	struct unit_at at = ff_run_session_unit(session, unit);
	int64_t limit = ff_marks_timeout_us(e, at.job, unit);
	const struct ff_job_record *job = &e->state->jobs[at.job];

	if (!session->up || unit >= job->units_len || ff_run_session_runs(e, session) ||
	    job->units[unit].state != FF_UNIT_WAITING)
		return;
	session->started_us = e->now.mono_us;
	ff_silence_doing(session, NULL);
	wants_no_more(e, session);
	ff_unit_started(e, &at);
	if (limit > 0 && !session->killed_late)
		ff_engine_due(e, &session->timeout, e->now.mono_us + limit);
	ff_cancel_began(e, at.job, unit);
}

/* It said so before the kill came there, which hits whatever is next. */
static void ended_in_time(struct ff_engine *e, struct session *session, const struct unit_at *at)
{
	session->timed_out = session->cancelled = false;
	session->killed_for = NULL;
	session->killed_late = ff_engine_keep(
		&e->jobs[at->job],
		ff_engine_text(e,
			       "worker '%s' was killed for '%s', which ended just before its time "
			       "was told to be over",
			       ff_run_session_record(e, session)->name,
			       ff_engine_unit_name(e, at->job, at->unit)));
}

static void unit_ended(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct unit_at at = ff_run_session_unit(session, ff_spread_unit(e, session, input->unit));

	if (!ff_run_session_runs(e, session) || ff_run_session_record(e, session)->unit != at.unit)
		return;
	session->served = true;
	ff_silence_doing(session, NULL);
	ff_engine_not_due(e, &session->timeout);
	if (session->timed_out)
		ended_in_time(e, session, &at);
	ff_queues_done(ff_run_session_queues(e, session), session->number, at.unit,
		       input->u.result->duration_us);
	ff_unit_finished(e, &at, input->u.result);
	ff_run_session_feed(e, session);
	ff_run_session_feed_moved(e, at.job);
}

static void wants(struct ff_engine *e, struct session *session)
{
	struct ff_queues *queues;

	if (!session->up)
		return;
	queues = ff_run_session_queues(e, session);
	if (ff_driven(e, session->placement.job)) {
		/* It waits as long as its scheduler may know more; what crossed this on its way
		 * has answered it. */
		session->wants =
			ff_queues_info(queues, session->number).queued == 1 + session->held_back;
		if (session->wants && session->held_back > 0)
			ff_run_session_idle(e, session);
		return;
	}
	session->wants = true;
	ff_engine_due(e, &session->want, e->now.mono_us + WANT_US);
	ff_queues_hungry(queues, session->number);
	ff_run_session_feed(e, session);
}

static void take_in(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	size_t len = input->u.returned.len;
	uint32_t *units = ff_xmalloc((len + 1) * sizeof(*units));

	for (size_t i = 0; i < len; i++)
		units[i] = ff_spread_unit(e, session, input->u.returned.units[i]);
	ff_queues_returned(ff_run_session_queues(e, session), session->number, units, len);
	ff_free(units);
}

static void returned(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	if (!session->up)
		return;
	/* Where each worker runs everything it is asked for nothing. */
	if (ff_run_session_job(e, session)->each == 0 || ff_run_session_job(e, session)->differs ||
	    ff_run_session_job(e, session)->cancelled)
		take_in(e, session, input);
	ff_driven_returned(e, session, input);
	ff_run_session_feed_idle(e, session->placement.job);
	ff_sched_wake(e->sched, session->placement.job);
	ff_job_touch(e, session->placement.job);
}

/* It has said its last: what it still does (atexit) is its own business, behind the summary. */
static void finished(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t number = session->placement.job;
	struct engine_job *job = &e->jobs[number];
	const char *stop = input->u.finished.stop;
	bool early = !session->up && !job->collect_only, bad = input->u.finished.bad;
	bool runs = ff_run_session_runs(e, session);

	if (session->finished)
		return;
	/* First, or what it was at would be given out beside being reported. */
	ff_run_session_take_out(e, session, ff_run_session_record(e, session)->unit, false);
	if (runs)
		ff_run_session_report(e, session, stop && *stop ? stop : "it ended in the middle",
				      NULL);
	/* A session that ends before it has collected, or run anything, would do so again. */
	if (!session->leaves && (!session->up || (!session->served && !session->told_end)))
		job->given_up = true;
	ff_driven_over(e, session, !session->leaves || session->dismissed);
	session->finished = true;
	ff_engine_not_due(e, &session->timeout);
	ff_engine_not_due(e, &session->silence);
	session->up = false;
	ff_front_down(e, session, NULL, false);
	if (bad && job->session_status == 0)
		job->session_status = input->u.finished.exitstatus;
	/* Errors of collection were told one by one. */
	if ((bad || (early && stop && *stop)) && e->state->jobs[number].problems == 0)
		ff_job_stop(e, number, FF_REASON_SESSION,
			    ff_engine_text(e, "%s: %s", ff_run_session_record(e, session)->name,
					   stop && *stop
						   ? stop
						   : ff_engine_text(e, "exit status %d",
								    input->u.finished.exitstatus)));
	else if (stop && *stop && !job->stopped && e->state->jobs[number].problems == 0)
		ff_job_stop(e, number, FF_REASON_MAXFAIL,
			    ff_engine_text(e, "%s stopped: %s",
					   ff_run_session_record(e, session)->name, stop));
	ff_run_session_feed_moved(e, number);
}

static void failed(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	ff_job_error(e, session->placement.job, input->u.error.why, input->u.error.text);
	if (!session->finished)
		ff_run_session_take_out(e, session, ff_run_session_record(e, session)->unit, false);
	session->finished = true;
	session->up = false;
}

static void missing(struct ff_engine *e, struct session *session, const char *text)
{
	ff_host_unfit(e, session->placement.host, ff_run_session_job(e, session)->payload, text);
	if (!session->finished)
		ff_run_session_take_out(e, session, FF_NOBODY, false);
	session->finished = true;
	session->up = false;
}

/* What an execution that discovers units says is told by the same inputs. */
static void discovery_input(struct ff_engine *e, const struct ff_input *input)
{
	struct execution *execution = ff_executions_find(&e->executions, input->execution);

	if (execution)
		ff_collect_discovered(e, execution, input);
}

/* What it has collected, and how its settings want that to be spread. False: it is of another
 * kind. */
static bool collect_input(struct ff_engine *e, struct session *session,
			  const struct ff_input *input)
{
	switch (input->kind) {
	case FF_INPUT_SESSION_ONLY_COLLECTS:
		ff_run_session_job(e, session)->collect_only =
			ff_run_session_job(e, session)->given_up = true;
		return true;
	case FF_INPUT_SESSION_SETTINGS:
		ff_spread_settings(e, session, input);
		return true;
	case FF_INPUT_SESSION_IN_PARTS:
		ff_shard_in_parts(e, session, input);
		return true;
	case FF_INPUT_MARKS:
		ff_marks_told(e, session, input);
		return true;
	case FF_INPUT_SOURCES:
		ff_collect_sources(e, session, input);
		return true;
	case FF_INPUT_COSTS:
		ff_shard_costs(e, session, input);
		return true;
	case FF_INPUT_PART:
		ff_shard_collected(e, session, input);
		return true;
	case FF_INPUT_SCOPES:
		ff_spread_scopes(e, session, input);
		return true;
	case FF_INPUT_COLLECTED:
		ff_collect_digest(e, session, input);
		return true;
	case FF_INPUT_IDS:
		ff_collect_ids(e, session, input);
		return true;
	case FF_INPUT_PROBLEM:
		ff_collect_problem(e, session, input);
		return true;
	default:
		return false;
	}
}

/* What it says besides, to us or to the front. The same. */
static bool said_input(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	switch (input->kind) {
	case FF_INPUT_WORKER_SAID:
		ff_said_line(e, session, input);
		return true;
	case FF_INPUT_NOTICE:
		ff_said_notice(e, session, input);
		return true;
	case FF_INPUT_UNIT_SAID:
		ff_said_by_unit(e, session, input);
		return true;
	case FF_INPUT_SESSION_ONCE:
		ff_once_said(e, session, input);
		return true;
	case FF_INPUT_SESSION_DOING:
		ff_silence_doing(session, input->u.said.text);
		return true;
	case FF_INPUT_SESSION_NEEDS_FRONT:
		ff_front_needed(e, session, input);
		return true;
	case FF_INPUT_SESSION_WITHOUT_FRONT:
		ff_front_without(e, session, input);
		return true;
	case FF_INPUT_SESSION_TO_FRONT:
		ff_front_from(e, session, input);
		return true;
	default:
		return false;
	}
}

static void session_input(struct ff_engine *e, struct session *session,
			  const struct ff_input *input)
{
	if ((session->finished || session->held) && input->kind != FF_INPUT_WORKER_ENDED &&
	    input->kind != FF_INPUT_WORKER_SAID && input->kind != FF_INPUT_NOTICE)
		return;
	if (collect_input(e, session, input) || said_input(e, session, input))
		return;
	switch (input->kind) {
	case FF_INPUT_WORKER_OPENED:
		opened(e, session);
		break;
	case FF_INPUT_WORKER_ENDED:
		ended(e, session, input);
		break;
	case FF_INPUT_SESSION_STARTED:
		ff_collect_started(e, session, input);
		break;
	case FF_INPUT_SESSION_MISSING:
		missing(e, session, input->u.said.text);
		break;
	case FF_INPUT_SESSION_WANTS:
		wants(e, session);
		break;
	case FF_INPUT_SESSION_RETURNED:
		returned(e, session, input);
		break;
	case FF_INPUT_SESSION_FINISHED:
		finished(e, session, input);
		break;
	case FF_INPUT_SESSION_ERROR:
		failed(e, session, input);
		break;
	case FF_INPUT_UNIT_STARTED:
		unit_began(e, session, input->unit);
		break;
	case FF_INPUT_UNIT_FINISHED:
		unit_ended(e, session, input);
		break;
	default:
		break;
	}
}

void ff_run_session_input(struct ff_engine *e, const struct ff_input *input)
{
	struct session *session;

	if (input->execution != 0) {
		discovery_input(e, input);
		return;
	}
	session = ff_run_session_of(e, input->worker);
	if (session)
		session_input(e, session, input);
	session = ff_run_session_of(e, input->worker); /* it may be no more */
	if (session)
		ff_silence_heard(e, session);
}
