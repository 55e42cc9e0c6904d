/* Units: each comes to exactly one end. Failures and losses are counted apart: a host that goes
 * away never uses up a retry, and a unit is set aside only if it was alone responsible. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static struct ff_unit_record *record_of(const struct ff_engine *e, const struct unit_at *at)
{
	return &e->state->jobs[at->job].units[at->unit];
}

static struct ff_event about(struct ff_engine *e, const struct unit_at *at, enum ff_event_kind kind)
{
	struct ff_event event = {.kind = kind,
				 .job = e->state->jobs[at->job].name,
				 .job_id = at->job + 1,
				 .unit = at->name ? at->name
						  : ff_engine_unit_name(e, at->job, at->unit),
				 .index = at->unit};

	if (at->host != FF_NOBODY) {
		event.host = e->state->hosts[at->host].name;
		event.host_id = at->host + 1;
	}
	if (at->worker != FF_NOBODY) {
		event.worker = e->state->workers[at->worker].name;
		event.worker_id = at->worker + 1;
	}
	return event;
}

void ff_unit_started(struct ff_engine *e, const struct unit_at *at)
{
	struct ff_event event = about(e, at, FF_EVENT_UNIT_STARTED);

	event.u.unit_started.attempt = record_of(e, at)->attempts + 1U;
	ff_engine_emit(e, &event);
	ff_job_time_runs(e, at->job);
	ff_memory_started(e, at);
}

bool ff_unit_may_retry(const struct ff_engine *e, uint32_t job, uint32_t unit,
		       enum ff_outcome outcome)
{
	return (e->opts.plan->jobs[job].retry_on >> outcome & 1) &&
	       e->state->jobs[job].units[unit].failures < ff_marks_retries(e, job, unit);
}

void ff_unit_finished(struct ff_engine *e, const struct unit_at *at, const struct ff_result *result)
{
	struct ff_unit_record *unit = record_of(e, at);
	struct ff_event event = about(e, at, FF_EVENT_UNIT_FINISHED);
	bool bad = ff_outcome_bad(result->outcome);
	/* A lost unit was given up for good, whatever `retries` says. */
	bool again = bad && result->outcome != FF_OUTCOME_LOST && !e->jobs[at->job].stopped &&
		     !ff_cancel_is(e, at->job, at->unit) &&
		     (at->again || ff_unit_may_retry(e, at->job, at->unit, result->outcome));

	event.u.unit_finished.attempt = unit->attempts;
	event.u.unit_finished.final = !again;
	event.u.unit_finished.result = ff_decision_copy(e->decision, result, sizeof(*result));
	ff_engine_emit(e, &event);
	if (!at->told || again != at->again)
		ff_front_unit(e, at, result, again);
	if (!again)
		ff_order_ended(e, at, result->outcome);
	if (again)
		ff_retry(e, at);
	else if (bad && at->host != FF_NOBODY)
		ff_halt_look_maxfail(e);
	if (!again)
		ff_halt_look(e);
	ff_job_touch(e, at->job);
}

/* Tried again, alone, and elsewhere if possible; or set aside. */
void ff_unit_lost(struct ff_engine *e, const struct unit_at *at, bool alone, const char *reason,
		  int64_t duration_us)
{
	struct ff_event event = about(e, at, FF_EVENT_UNIT_LOST);
	struct ff_unit_record *unit = record_of(e, at);
	struct ff_result result = {.outcome = FF_OUTCOME_LOST, .duration_us = duration_us};
	struct unit_at nowhere = *at;

	event.u.unit_lost.attempt = unit->attempts;
	event.u.unit_lost.alone = alone;
	event.u.unit_lost.reason = reason;
	event.u.unit_lost.duration_us = duration_us;
	ff_engine_emit(e, &event);
	ff_job_touch(e, at->job);
	if (unit->alone < UNIT_ALONE_MAX) {
		ff_front_unit_lost(e, at, reason);
		/* Of a job that is stopped it is told with all that did not run. */
		if (!e->jobs[at->job].stopped) {
			/* Not alone, if it was not to blame: its host was to go. */
			ff_sched_again(e->sched, at->job, at->unit, !e->hosts[at->host].put_out,
				       at->host);
			ff_driven_again(e, at->job);
		}
		return;
	}
	nowhere.worker = FF_NOBODY; /* that is no more */
	result.message = ff_engine_text(e, "host %s was lost while running it%s%s: %s", event.host,
					event.worker ? " on " : "",
					event.worker ? event.worker : "", reason);
	ff_unit_finished(e, &nowhere, &result);
}

/* --- executions --- */

struct unit_at ff_execution_unit(struct ff_engine *e, const struct execution *execution)
{
	struct unit_at at = {execution->placement.job,
			     execution->placement.unit,
			     execution->placement.host,
			     FF_NOBODY,
			     NULL,
			     false,
			     false};

	const char *name = ff_execution_name(execution);

	if (*name)
		at.name = ff_decision_copy(e->decision, name, strlen(name) + 1);
	return at;
}

static bool discovers(const struct execution *execution)
{
	return execution->placement.unit == FF_NOBODY;
}

struct execution *ff_execution_start(struct ff_engine *e, const struct ff_placement *placement,
				     const struct execution *behind)
{
	bool discovers_units = placement->unit == FF_NOBODY;
	const char *name =
		discovers_units ? "" : ff_engine_unit_name(e, placement->job, placement->unit);
	struct execution *execution = ff_executions_add(&e->executions, placement, name);
	struct ff_order order = {.kind = FF_ORDER_RUN};
	struct unit_at at;

	e->jobs[placement->job].live++;
	order.execution = execution->number;
	order.host = placement->host;
	order.tries = e->state->hosts[placement->host].tries;
	order.job = placement->job;
	order.unit = placement->unit;
	order.count = e->jobs[placement->job].workers;
	at = ff_execution_unit(e, execution);
	order.name = at.name;
	if (!discovers_units)
		order.attempt = record_of(e, &at)->attempts + 1U; /* it has not started yet */
	if (!discovers_units && e->jobs[placement->job].details)
		order.detail = e->jobs[placement->job].details[placement->unit];
	if (behind) {
		order.follows = execution->follows = behind->number;
		e->jobs[placement->job].ahead++;
	} else {
		execution->started_us = e->now.mono_us;
	}
	if (!discovers_units && e->opts.plan->jobs[placement->job].config->timeout_percent)
		order.timeout_us = ff_marks_timeout_us(e, placement->job, placement->unit);
	if (discovers_units)
		order.kind = FF_ORDER_DISCOVER;
	else if (!behind)
		ff_unit_started(e, &at);
	ff_engine_order(e, &order);
	if (!behind)
		ff_ahead_give(e, execution);
	return execution;
}

/* Whatever became of it: what it was sent may have been for it alone. */
static void clean(struct ff_engine *e, const struct execution *execution)
{
	struct ff_order order = {.kind = FF_ORDER_CLEAN,
				 .execution = execution->number,
				 .host = execution->placement.host,
				 .tries = e->state->hosts[execution->placement.host].tries};

	const struct ff_config_inputs *inputs =
		&e->opts.plan->jobs[execution->placement.job].config->inputs;

	if (inputs->paths.len > 0 || inputs->cleanup)
		ff_engine_order(e, &order);
}

void ff_execution_over(struct ff_engine *e, struct execution *execution, bool host_lost)
{
	uint32_t job = execution->placement.job;

	clean(e, execution);
	if (discovers(execution))
		ff_sched_session_up(e->sched, &execution->placement);
	if (host_lost)
		ff_sched_return_pools(e->sched, &execution->placement);
	else
		ff_sched_return(e->sched, &execution->placement);
	e->left_one |= e->hosts[execution->placement.host].leaving != NULL;
	e->jobs[job].live--;
	e->jobs[job].ahead -= execution->placement.ahead;
	ff_job_touch(e, job);
	ff_executions_remove(&e->executions, execution);
}

static void on_output(struct ff_engine *e, const struct ff_input *input)
{
	struct execution *execution = ff_executions_find(&e->executions, input->execution);
	struct ff_event event;
	struct unit_at at;

	if (!execution || discovers(execution))
		return;
	ff_ahead_begin(e, execution);
	at = ff_execution_unit(e, execution);
	event = about(e, &at, FF_EVENT_UNIT_OUTPUT);
	event.u.unit_output.stream = input->u.output.stream;
	event.u.unit_output.bytes = input->u.output.bytes;
	event.u.unit_output.len = input->u.output.len;
	event.u.unit_output.tail = input->u.output.tail;
	event.u.unit_output.cut = input->u.output.cut;
	ff_engine_emit(e, &event);
}

void ff_execution_end(struct ff_engine *e, struct execution *execution,
		      const struct ff_result *result)
{
	struct unit_at at = ff_execution_unit(e, execution);
	struct engine_job *job = &e->jobs[at.job];
	struct execution *next;

	ff_ahead_begin(e, execution); /* it was to be withdrawn, too late */
	next = ff_ahead_pass(e, execution);
	ff_ahead_learn(job, result->duration_us);
	ff_marks_took(e, at.job, result);
	ff_execution_over(e, execution, false);
	ff_unit_finished(e, &at, result);
	/* One that was asked back has the slots, but begins with its first word: the end that was
	 * told here may be ahead of what its host does. */
	if (next && !job->stopped && !next->placement.recalled)
		ff_ahead_begin(e, next);
	else if (!next && job->ahead > 0 && ff_sched_waiting(e->sched, at.job) == 0)
		ff_ahead_withdraw(e, at.job, false);
}

static void on_finished(struct ff_engine *e, const struct ff_input *input)
{
	struct execution *execution = ff_executions_find(&e->executions, input->execution);
	struct ff_result result = *input->u.result;

	if (!execution || discovers(execution) || ff_fetch_runs(e, execution))
		return;
	/* The answer to a DROP. */
	if (result.outcome == FF_OUTCOME_LOST && !result.message) {
		if (execution->placement.ahead) {
			ff_ahead_returned(e, input);
			return;
		}
		result.message =
			ff_cancel_is(e, execution->placement.job, execution->placement.unit)
				? "cancelled"
				: ff_engine_killed(e);
		result.duration_us = e->now.mono_us - execution->started_us;
	}
	if (ff_steps_go_on(e, execution, &result))
		return;
	ff_memory_of_command(e, execution->placement.job, &result);
	if (ff_fetch_expected(e, execution->placement.job) && ff_fetch_begin(e, execution, &result))
		return;
	ff_execution_end(e, execution, &result);
}

static void on_ended(struct ff_engine *e, const struct ff_input *input)
{
	struct execution *execution = ff_executions_find(&e->executions, input->execution);
	const char *error = input->u.ended.error;
	struct ff_result result = {.outcome = FF_OUTCOME_ERROR};

	if (!execution || ff_fetch_runs(e, execution))
		return;
	if (!error)
		error = "the worker ended it without a word";
	if (discovers(execution)) {
		uint32_t job = execution->placement.job;

		if (!e->state->jobs[job].known)
			ff_job_error(e, job, FF_REASON_PAYLOAD,
				     ff_engine_text(e, "its units could not be found: %s", error));
		ff_execution_over(e, execution, false);
		return;
	}
	ff_ahead_begin(e, execution);
	result.message = error;
	result.duration_us = e->now.mono_us - execution->started_us;
	if (ff_steps_go_on(e, execution, &result))
		return;
	ff_execution_end(e, execution, &result);
}

void ff_execution_lost(struct ff_engine *e, struct execution *execution, bool alone,
		       const char *reason)
{
	struct unit_at at = ff_execution_unit(e, execution);
	int64_t took = e->now.mono_us - execution->started_us;
	bool unit = !discovers(execution), ahead = execution->placement.ahead;

	if (ff_fetch_runs(e, execution)) {
		ff_fetch_host_lost(e, execution, reason);
		return;
	}
	ff_steps_forget(e, execution);
	ff_execution_over(e, execution, true);
	if (ahead && !e->jobs[at.job].stopped)
		ff_sched_again(e->sched, at.job, at.unit, false, FF_NOBODY);
	else if (unit && !ahead)
		ff_unit_lost(e, &at, alone, reason, took);
}

/* What was begun is told as lost as soon as it is known what it has printed; how its process ends
 * is not waited for. */
void ff_execution_kill(struct ff_engine *e, struct execution *execution)
{
	struct ff_order order = {.kind = FF_ORDER_DROP, .execution = execution->number};

	order.host = execution->placement.host;
	order.unit = execution->placement.unit;
	ff_engine_order(e, &order);
	if (ff_fetch_runs(e, execution))
		ff_fetch_kill(e, execution);
	else if (discovers(execution))
		ff_execution_over(e, execution, false);
}

void ff_execution_input(struct ff_engine *e, const struct ff_input *input)
{
	switch (input->kind) {
	case FF_INPUT_EXEC_OUTPUT:
		on_output(e, input);
		break;
	case FF_INPUT_EXEC_FINISHED:
		on_finished(e, input);
		break;
	case FF_INPUT_EXEC_RETURNED:
		ff_ahead_returned(e, input);
		break;
	case FF_INPUT_EXEC_FETCHED:
		if (!ff_gather_done(e, input))
			ff_fetch_done(e, input);
		break;
	default:
		on_ended(e, input);
	}
}
