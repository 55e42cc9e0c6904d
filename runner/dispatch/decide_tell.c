/* What a job's front is told as it is decided: how units and workers end, and lines of ours. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static struct ff_job_record *record_of(const struct ff_engine *e, uint32_t job)
{
	return &e->state->jobs[job];
}

static const char *worker_name(const struct ff_engine *e, uint32_t worker)
{
	return worker == FF_NOBODY ? NULL : e->state->workers[worker].name;
}

/* --- what becomes of units and workers --- */

void ff_front_unit(struct ff_engine *e, const struct unit_at *at, const struct ff_result *result,
		   bool again)
{
	/* Its word on one that would be the unit's end was asked for: ff_front_ask. What is left is
	 * a session that ended in the middle of a unit, and whose worker lives. */
	bool died =
		(result->outcome == FF_OUTCOME_CRASHED || result->outcome == FF_OUTCOME_TIMEOUT) &&
		(again || e->jobs[at->job].stopped || ff_engine_killing(e));
	const struct session *session =
		at->worker == FF_NOBODY ? NULL : ff_run_session_of(e, at->worker);
	struct ff_front_item item = {.worker = worker_name(e, at->worker),
				     .unit = at->unit,
				     .value = result->front,
				     .value_len = result->front_len,
				     .again = again};

	if (session && !session->asks_front)
		e->jobs[at->job].front.frontless = true;
	if (!ff_front_listens(e, at->job))
		return;
	item.kind = died && at->worker != FF_NOBODY ? FF_FRONT_CRASH
		    : result->front		    ? FF_FRONT_UNIT
						    : FF_FRONT_LOST;
	if (item.kind != FF_FRONT_UNIT) {
		item.name = ff_spread_id(e, at);
		item.text = result->longrepr  ? result->longrepr
			    : result->message ? result->message
					      : "its report did not come";
	}
	if (item.kind == FF_FRONT_CRASH)
		ff_front_tell_crash(e, at->job, &item, at->worker, NULL);
	else
		ff_front_tell(e, at->job, &item, at->worker);
}

void ff_front_unit_lost(struct ff_engine *e, const struct unit_at *at, const char *reason)
{
	struct ff_front_item item = {.worker = worker_name(e, at->worker),
				     .unit = at->unit,
				     .text = reason,
				     .again = true};

	/* Of a job that is stopped it is told with all that did not run. */
	if (!ff_front_listens(e, at->job) || e->jobs[at->job].stopped)
		return;
	item.name = ff_spread_id(e, at);
	ff_front_tell_crash(e, at->job, &item, at->worker, NULL);
}

bool ff_front_ask(struct ff_engine *e, struct session *session, uint32_t unit, const char *reason)
{
	uint32_t job = session->placement.job;
	struct ff_front_item item = {
		.worker = worker_name(e, session->record), .unit = unit, .text = reason};
	const struct unit_at at = {.job = job, .unit = unit};

	if (!session->asks_front || !ff_front_listens(e, job))
		return false;
	item.name = ff_spread_id(e, &at);
	ff_front_tell_crash(e, job, &item, session->record, session);
	e->jobs[job].front.unanswered++;
	return true;
}

void ff_front_refuse(struct ff_engine *e, uint32_t job, uint32_t unit)
{
	struct ff_front_item item = {.kind = FF_FRONT_LOST,
				     .unit = unit,
				     .name = ff_engine_unit_name(e, job, unit),
				     .text = "it crashed, and is not run again"};

	ff_front_tell(e, job, &item, FF_NOBODY);
}

const char *ff_front_why(struct ff_engine *e, uint32_t job)
{
	uint32_t problems = record_of(e, job)->problems;

	if (e->jobs[job].error)
		return e->jobs[job].error;
	if (e->jobs[job].why == FF_REASON_NONE && problems > 0)
		return ff_engine_text(e, "%u error%s during collection", problems,
				      problems == 1 ? "" : "s"); /* pytest's words */
	return ff_reason_word(e->jobs[job].why);
}

void ff_front_more(struct ff_engine *e, uint32_t job)
{
	struct ff_front_item item = {.kind = FF_FRONT_MORE,
				     .unit = FF_NOBODY,
				     .number = record_of(e, job)->units_len,
				     .left = record_of(e, job)->parts_left};

	if (ff_front_listens(e, job))
		ff_front_tell(e, job, &item, FF_NOBODY);
}

void ff_front_part_lost(struct ff_engine *e, uint32_t job, const char *name, const char *text)
{
	struct ff_front_item item = {
		.kind = FF_FRONT_LOST, .unit = FF_NOBODY, .name = name, .text = text};

	if (ff_front_listens(e, job))
		ff_front_tell(e, job, &item, FF_NOBODY);
}

/* Each by its name, or that they are so many. */
void ff_front_not_run(struct ff_engine *e, uint32_t job, const struct ff_event *event)
{
	const char *why = event->u.units_not_run.why == FF_REASON_CANCELLED
				  ? ff_reason_word(FF_REASON_CANCELLED)
				  : ff_front_why(e, job);
	struct ff_front_item item = {
		.kind = FF_FRONT_LOST, .unit = event->index, .name = event->unit, .text = why};

	/* Errors of collection speak for themselves. */
	if (!ff_front_listens(e, job) || event->u.units_not_run.why == FF_REASON_TIME ||
	    (e->jobs[job].why == FF_REASON_NONE && record_of(e, job)->problems > 0))
		return;
	if (event->unit)
		ff_front_tell(e, job, &item, FF_NOBODY);
	else
		ff_front_tell_line(e, job,
				   ff_engine_text(e, "farflung: %u units were not run: %s",
						  event->u.units_not_run.count, why));
}

void ff_front_down(struct ff_engine *e, struct session *session, const char *error, bool idle)
{
	uint32_t job = session->placement.job;
	struct ff_front_item item = {
		.worker = worker_name(e, session->record), .unit = FF_NOBODY, .text = error};

	if (!session->asks_front || session->front_down)
		return;
	session->front_down = true;
	if (!session->front_answered)
		e->jobs[job].front.unanswered--;
	if (!ff_front_listens(e, job))
		return;
	if (error && idle) {
		item.kind = FF_FRONT_CRASH;
		item.again = !e->jobs[job].stopped;
		ff_front_tell(e, job, &item, session->record);
		item.again = false;
	}
	item.kind = FF_FRONT_DOWN;
	ff_front_tell(e, job, &item, session->record);
}

void ff_front_stopped(struct ff_engine *e, uint32_t job, enum ff_reason why, const char *text)
{
	struct ff_front_item item = {.kind = FF_FRONT_STOP};
	int64_t maxfail = e->opts.config->settings.maxfail;

	/* That its time is over is an end in order. */
	if (!ff_front_listens(e, job) || e->jobs[job].front.stopped || why == FF_REASON_TIME)
		return;
	e->jobs[job].front.stopped = true;
	if (why == FF_REASON_MAXFAIL && !text && maxfail > 0)
		text = ff_engine_text(e, "stopping after %lld failures", (long long)maxfail);
	if (!text)
		text = why == FF_REASON_NONE ? ff_front_why(e, job) : ff_reason_word(why);
	item.text = text;
	ff_front_tell(e, job, &item, FF_NOBODY);
}

/* --- lines of ours --- */

/* What there is to say of hosts, and in words of ours, as a line; NULL: nothing. */
static const char *line_of(struct ff_engine *e, const struct ff_event *event)
{
	const char *level = event->u.notice.level;

	switch (event->kind) {
	case FF_EVENT_HOST_UNFIT:
		return ff_engine_text(e, "farflung: host %s: %s", event->host,
				      event->u.host_unfit.error);
	case FF_EVENT_HOST_AWAY:
		return ff_engine_text(e, "farflung: host %s is away: %s", event->host,
				      event->u.host_away.error ? event->u.host_away.error : "?");
	case FF_EVENT_HOST_FAILED:
	case FF_EVENT_HOST_LOST:
		return ff_engine_text(e, "farflung: host %s is lost: %s", event->host,
				      event->u.host_lost.error ? event->u.host_lost.error : "?");
	case FF_EVENT_NOTICE:
		if (strcmp(level, "output") == 0)
			return ff_engine_text(e, "[%s %s %s] %s", event->worker, event->host,
					      event->unit, event->u.notice.text);
		if (event->u.notice.category || strcmp(level, "stderr") == 0 ||
		    strcmp(level, "detail") == 0 || strcmp(level, "list") == 0 ||
		    strcmp(level, "property") == 0)
			return NULL;
		return ff_engine_text(
			e, "farflung: %s: %s%s%s", level, event->host ? "host " : "",
			event->host ? event->host : "",
			ff_engine_text(e, "%s%s", event->host ? ": " : "", event->u.notice.text));
	default:
		return NULL;
	}
}

void ff_front_hear(struct ff_engine *e, const struct ff_event *event)
{
	const char *line = line_of(e, event);

	if (!line)
		return;
	for (uint32_t job = 0; job < e->state->jobs_len; job++)
		if (ff_front_listens(e, job) && (!event->job || event->job_id == job + 1))
			ff_front_tell_line(e, job, line);
	/* Those that start later hear it then. */
	if (!event->job && e->lines.len < FRONT_LINES_MAX)
		ff_buf_addf(&e->lines, "%s%c", line, '\0');
}
