/* Units, or a whole job, that somebody wants no more while all else goes on: what waits is not run,
 * what runs is ended. A unit that is on its way somewhere is asked back; if it begins before that
 * is heard there, it is ended like one that ran. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static const char cancelled[] = "cancelled";

/* What a request means in one job. */
struct meant {
	const char *name; /* the word that means it */
	uint32_t job;
	bool all;	 /* the whole job */
	uint32_t *units; /* else these */
	uint32_t len;
};

bool ff_cancel_is(const struct ff_engine *e, uint32_t number, uint32_t unit)
{
	const struct engine_job *job = &e->jobs[number];

	return job->cancelled_all ||
	       (unit / 64 < job->cancelled_words && (job->cancelled[unit / 64] >> unit % 64 & 1));
}

static void mark(struct engine_job *job, uint32_t unit)
{
	uint32_t words = unit / 64 + 1;

	if (words > job->cancelled_words) {
		words = words > 2 * job->cancelled_words ? words : 2 * job->cancelled_words;
		job->cancelled = ff_xrealloc(job->cancelled, words * sizeof(*job->cancelled));
		memset(job->cancelled + job->cancelled_words, 0,
		       (words - job->cancelled_words) * sizeof(*job->cancelled));
		job->cancelled_words = words;
	}
	job->cancelled[unit / 64] |= UINT64_C(1) << unit % 64;
}

/* --- what is meant --- */

static bool has_names(const struct ff_engine *e, uint32_t number)
{
	const struct ff_payload *payload = ff_engine_payload(e, number);

	return e->state->jobs[number].known &&
	       (e->jobs[number].unit_names || (payload->run && !payload->discover));
}

/* Whether something of it has yet to come to its end. */
static bool find_in(struct ff_engine *e, uint32_t number, const char *name, struct meant *meant,
		    bool *known)
{
	const struct ff_job_record *record = &e->state->jobs[number];

	*meant = (struct meant){.name = name, .job = number};
	if (strcmp(record->name, name) == 0) {
		*known = true;
		meant->all = true;
		return record->state != FF_JOBSTATE_FINISHED && !e->jobs[number].settled;
	}
	for (uint32_t i = 0; has_names(e, number) && i < record->units_len; i++) {
		const char *unit = ff_engine_unit_name(e, number, i);

		if (!unit || strcmp(unit, name) != 0)
			continue;
		*known = true;
		if (record->units[i].state != FF_UNIT_WAITING &&
		    record->units[i].state != FF_UNIT_RUNNING)
			continue;
		meant->units = ff_xrealloc(meant->units, (meant->len + 1) * sizeof(*meant->units));
		meant->units[meant->len++] = i;
	}
	return meant->len > 0;
}

static const char *why_nothing(struct ff_engine *e, const char *name, bool known)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *copy;

	if (known)
		return ff_engine_text(e, "'%s' has come to its end already", name);
	ff_buf_addf(&text, "there is no job and no unit '%s'", name);
	for (uint32_t i = 0; i < e->state->jobs_len; i++)
		if (e->state->jobs[i].state != FF_JOBSTATE_FINISHED && !has_names(e, i))
			ff_buf_addf(&text, "; the units of job '%s' are not known yet",
				    e->state->jobs[i].name);
	copy = ff_engine_text(e, "%s", ff_buf_str(&text));
	ff_buf_release(&text);
	return copy;
}

/* NULL: it can be done. */
static const char *find(struct ff_engine *e, const char *name, struct meant **all, uint32_t *len)
{
	bool known = false;
	uint32_t before = *len;

	for (uint32_t i = 0; i < e->state->jobs_len; i++) {
		struct meant meant;

		if (!find_in(e, i, name, &meant, &known))
			continue;
		*all = ff_xrealloc(*all, (*len + 1) * sizeof(**all));
		(*all)[(*len)++] = meant;
		if (!meant.all && ff_driven(e, i))
			return ff_engine_text(e,
					      "'%s': a scheduler of its own says what runs in job "
					      "'%s', which can only be cancelled as a whole",
					      name, e->state->jobs[i].name);
	}
	return *len == before ? why_nothing(e, name, known) : NULL;
}

/* --- what waits --- */

static void tell_not_run(struct ff_engine *e, uint32_t number, uint32_t unit)
{
	struct unit_at at = {number, unit, FF_NOBODY, FF_NOBODY, NULL, false, false};
	struct ff_event event = {.kind = FF_EVENT_UNITS_NOT_RUN,
				 .job = e->state->jobs[number].name,
				 .job_id = number + 1,
				 .unit = ff_engine_unit_name(e, number, unit),
				 .index = unit};

	if (e->state->jobs[number].units[unit].state != FF_UNIT_WAITING)
		return;
	e->cancelled++;
	event.u.units_not_run.count = 1;
	event.u.units_not_run.why = FF_REASON_CANCELLED;
	ff_engine_emit(e, &event);
	ff_front_not_run(e, number, &event);
	ff_order_ended(e, &at, FF_OUTCOME_LOST);
	ff_job_touch(e, number);
}

bool ff_cancel_dropped(struct ff_engine *e, uint32_t number, uint32_t unit)
{
	if (!ff_cancel_is(e, number, unit))
		return false;
	tell_not_run(e, number, unit);
	return true;
}

void ff_cancel_known(struct ff_engine *e, uint32_t number)
{
	const struct engine_job *job = &e->jobs[number];

	for (uint32_t i = 0; i < 64 * job->cancelled_words; i++)
		if (ff_cancel_is(e, number, i))
			ff_queues_exclude(ff_sched_queues(e->sched, number), i);
}

/* No scheduler gives it out any more. It is told when it is certain that nobody has it: see
 * ff_own_look. One that runs may come back without an end, from a host that is lost. */
static void leave(struct ff_engine *e, uint32_t number, uint32_t unit, bool waits)
{
	struct ff_queues *queues = ff_sched_queues(e->sched, number);

	if (waits && (ff_retry_drop(e, number, unit) || !queues))
		tell_not_run(e, number, unit);
	if (queues)
		ff_queues_exclude(queues, unit);
}

/* --- what runs --- */

void ff_cancel_session(struct ff_engine *e, struct session *session)
{
	/* One that is dying anyway ends as it would. */
	if (session->held || session->timed_out || session->killed_late || session->killed_for)
		return;
	session->cancelled = session->timed_out = true;
	session->killed_for = cancelled;
	ff_engine_not_due(e, &session->timeout);
	ff_run_session_kill(e, session);
}

/* Of one unit, or of all (FF_NOBODY). */
static void end_running(struct ff_engine *e, uint32_t number, uint32_t unit)
{
	struct ff_list *pos, *tmp;

	for (uint32_t i = 0; i < e->executions.len; i++) {
		struct execution *x = ff_executions_at(&e->executions, i);

		if (x->number && x->placement.job == number && !x->placement.ahead &&
		    (unit == FF_NOBODY || x->placement.unit == unit))
			ff_execution_kill(e, x);
	}
	ff_list_for_each_safe(pos, tmp, &e->jobs[number].sessions) {
		struct session *session = ff_container_of(pos, struct session, in_job);

		if (ff_run_session_runs(e, session) &&
		    (unit == FF_NOBODY || ff_run_session_record(e, session)->unit == unit))
			ff_cancel_session(e, session);
	}
}

void ff_cancel_began(struct ff_engine *e, uint32_t number, uint32_t unit)
{
	if (ff_cancel_is(e, number, unit))
		end_running(e, number, unit);
}

/* --- a request --- */

static void count(const struct ff_engine *e, const struct meant *meant, struct ff_event *event)
{
	const struct ff_job_record *job = &e->state->jobs[meant->job];

	if (meant->all) {
		event->u.cancelled.running += job->running;
		event->u.cancelled.waiting += job->units_len - job->units_done - job->running;
	}
	for (uint32_t i = 0; i < meant->len; i++)
		if (job->units[meant->units[i]].state == FF_UNIT_RUNNING)
			event->u.cancelled.running++;
		else
			event->u.cancelled.waiting++;
}

static void cancel_units(struct ff_engine *e, const struct meant *meant)
{
	uint32_t number = meant->job;

	for (uint32_t i = 0; i < meant->len; i++) {
		uint32_t unit = meant->units[i];
		enum ff_unit_state state = e->state->jobs[number].units[unit].state;

		if (ff_cancel_is(e, number, unit))
			continue;
		mark(&e->jobs[number], unit);
		if (state == FF_UNIT_RUNNING)
			end_running(e, number, unit);
		if (!e->jobs[number].stopped)
			leave(e, number, unit, state == FF_UNIT_WAITING);
	}
	if (e->jobs[number].stopped)
		return;
	ff_ahead_withdraw(e, number, true);
	ff_own_take_back(e, number);
	ff_own_look(e, number);
	ff_sched_wake(e->sched, number);
	ff_run_session_feed_idle(e, number);
	ff_job_touch(e, number);
}

static void cancel_job(struct ff_engine *e, uint32_t number)
{
	if (e->jobs[number].cancelled_all)
		return;
	e->jobs[number].cancelled_all = true;
	ff_job_stop(e, number, FF_REASON_CANCELLED,
		    ff_engine_text(e, "job '%s' was cancelled", e->state->jobs[number].name));
	end_running(e, number, FF_NOBODY);
}

static void tell(struct ff_engine *e, const struct ff_input *input, const char *name,
		 struct ff_event *event)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *request = input->u.cancel.request;

	event->u.cancelled.request = ff_engine_text(e, "%s", request);
	event->u.cancelled.name = ff_engine_text(e, "%s", name);
	ff_engine_emit(e, event);
	ff_buf_addf(&text, "cancel '%s': ", name);
	if (event->u.cancelled.error)
		ff_buf_addstr(&text, event->u.cancelled.error);
	else
		ff_buf_addf(&text, "%u running, %u waiting", event->u.cancelled.running,
			    event->u.cancelled.waiting);
	ff_engine_notice(e, NULL, "note", ff_engine_text(e, "%s", ff_buf_str(&text)));
	ff_buf_release(&text);
}

/* All of it or nothing. */
void ff_cancel_input(struct ff_engine *e, const struct ff_input *input)
{
	const char *const *names = input->u.cancel.names;
	struct meant *all = NULL;
	uint32_t len = 0;
	const char *error = NULL;

	if (!names || !input->u.cancel.request)
		return;
	for (size_t i = 0; names[i] && !error; i++) {
		struct ff_event event = {.kind = FF_EVENT_CANCELLED};

		error = find(e, names[i], &all, &len);
		event.u.cancelled.error = error;
		if (error)
			tell(e, input, names[i], &event);
	}
	for (size_t i = 0; names[i] && !error; i++) {
		struct ff_event event = {.kind = FF_EVENT_CANCELLED};

		event.u.cancelled.last = names[i + 1] == NULL;
		for (uint32_t j = 0; j < len; j++)
			if (!strcmp(all[j].name, names[i]))
				count(e, &all[j], &event);
		tell(e, input, names[i], &event);
	}
	for (uint32_t i = 0; i < len && !error; i++)
		if (all[i].all)
			cancel_job(e, all[i].job);
		else
			cancel_units(e, &all[i]);
	for (uint32_t i = 0; i < len; i++)
		ff_free(all[i].units);
	ff_free(all);
}

void ff_cancel_judge(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];

	if (job->why != FF_REASON_NONE || job->cancelled_words == 0 ||
	    e->state->jobs[number].counts.not_run == 0)
		return;
	job->why = FF_REASON_CANCELLED;
	job->error = ff_engine_keep(job, ff_engine_text(e, "units of job '%s' were cancelled",
							e->state->jobs[number].name));
}
