/* The way of an input: to whoever it is about, and then to jobs that it touched. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "dispatch/private.h"
#include "report/text.h"

/* --- what comes out --- */

void ff_engine_emit(struct ff_engine *e, struct ff_event *event)
{
	struct ff_err err = {0};

	event->seq = e->state->run.seq + 1;
	event->time_us = e->now.wall_us;
	if (ff_state_apply(e->state, event, &err) < 0) {
		e->faults++;
		ff_log("fault: %s", err.text);
		return;
	}
	ff_decision_event(e->decision, event);
	ff_front_hear(e, event);
}

void ff_engine_order(struct ff_engine *e, const struct ff_order *order)
{
	ff_decision_order(e->decision, order);
}

void ff_engine_notice(struct ff_engine *e, const char *host, const char *level, const char *text)
{
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .host = host};

	event.u.notice.level = level;
	event.u.notice.text = text;
	ff_engine_emit(e, &event);
}

void ff_engine_due(struct ff_engine *e, struct due_at *due, int64_t at_us)
{
	ff_deadline_set(&e->deadlines, &due->deadline, at_us);
}

void ff_engine_not_due(struct ff_engine *e, struct due_at *due)
{
	ff_deadline_clear(&e->deadlines, &due->deadline);
}

/* --- what is known --- */

const char *ff_engine_keep(struct engine_job *job, const char *text)
{
	const char *copy = text ? ff_arena_strdup(&job->arena, text) : NULL;

	return copy || !text ? copy : ff_xstrdup(text);
}

bool ff_engine_first(struct engine_job *job, const char *key)
{
	if (ff_map_get(&job->seen, key))
		return false;
	ff_map_set(&job->seen, key, job);
	return true;
}

const struct ff_payload *ff_engine_payload(const struct ff_engine *e, uint32_t job)
{
	return e->opts.plan->jobs[job].payload;
}

const char *ff_engine_unit_name(struct ff_engine *e, uint32_t job, uint32_t unit)
{
	struct ff_buf name = FF_BUF_INIT;
	const char *text;

	if (e->jobs[job].unit_names)
		return e->jobs[job].unit_names[unit];
	if (!e->opts.plan->jobs[job].config->source &&
	    unit >= e->opts.plan->jobs[job].units_len) /* collected, but not named before the end */
		return ff_engine_text(e, "%s[%u]", e->state->jobs[job].name, unit + 1);
	ff_plan_unit_name(&e->opts.plan->jobs[job], unit, &name);
	text = ff_decision_copy(e->decision, ff_buf_str(&name), name.len + 1);
	ff_buf_release(&name);
	return text;
}

bool ff_engine_stopping(const struct ff_engine *e)
{
	return e->state->run.state >= FF_RUN_STOPPING;
}

bool ff_engine_closing(const struct ff_engine *e)
{
	return ff_engine_stopping(e) && !ff_needs_cleans_up(e);
}

bool ff_engine_killing(const struct ff_engine *e)
{
	return e->state->run.state == FF_RUN_KILLING;
}

/* --- the run --- */

static void emit_run_started(struct ff_engine *e)
{
	struct ff_event event = {.kind = FF_EVENT_RUN_STARTED};
	const struct ff_inventory *inventory = e->opts.inventory;
	uint32_t slots = 0;

	for (size_t i = 0; i < inventory->len; i++)
		slots += inventory->hosts[i].slots;
	event.u.run_started.run_id = e->opts.run_id ? e->opts.run_id : "none";
	event.u.run_started.version = FARFLUNG_VERSION;
	event.u.run_started.config_file = e->opts.config->path;
	event.u.run_started.command_line = e->opts.command_line;
	event.u.run_started.directory = e->opts.config->directory;
	event.u.run_started.hosts = (uint32_t)inventory->len;
	event.u.run_started.slots = slots;
	event.u.run_started.jobs = (uint32_t)e->opts.plan->len;
	event.u.run_started.content = e->opts.file_content;
	event.u.run_started.goes_on = e->opts.before_journal;
	event.u.run_started.machine = e->opts.machine;
	event.u.run_started.pid = e->opts.pid;
	event.u.run_started.addopts = e->opts.addopts;
	event.u.run_started.links = e->opts.config->settings.links;
	event.u.run_started.commit = e->opts.config->commit;
	event.u.run_started.below = e->opts.config->below;
	ff_engine_emit(e, &event);
}

static void run_start(struct ff_engine *e)
{
	e->started_us = e->now.mono_us;
	emit_run_started(e);
	for (size_t i = 0; i < e->opts.inventory->len; i++) {
		const struct ff_host *host = &e->opts.inventory->hosts[i];
		struct ff_event event = {.kind = FF_EVENT_HOST_ADDED, .host = host->name};

		event.u.host_added.spec = host->spec.text;
		event.u.host_added.slots = host->slots;
		ff_engine_emit(e, &event);
	}
	for (uint32_t i = 0; i < e->opts.plan->len; i++)
		ff_job_init(e, i);
	/* Where the plan has the units it is known at once what of them is done. */
	for (uint32_t i = 0; i < e->opts.plan->len; i++)
		if (e->state->jobs[i].known)
			ff_job_tell_done_before(e, i);
	ff_run_setup_begin(e);
}

static void stop_all_jobs(struct ff_engine *e, enum ff_reason why)
{
	for (uint32_t i = 0; i < e->opts.plan->len; i++)
		if (ff_needs_outlives(e, i, why))
			ff_job_touch(e, i);
		else
			ff_job_stop(e, i, why, NULL);
}

void ff_engine_stop(struct ff_engine *e, enum ff_reason why, const char *text)
{
	struct ff_event event = {.kind = FF_EVENT_STOPPING};

	if (ff_engine_stopping(e))
		return;
	event.u.stopping.why = why;
	event.u.stopping.reason = text;
	e->stop = ff_arena_strdup(&e->arena, text);
	ff_engine_emit(e, &event);
	stop_all_jobs(e, why);
}

/* Gives whether some are left to `spare`: those that tear down what others had, and jobs that run
 * whatever happens. */
static bool kill_all(struct ff_engine *e, bool spare)
{
	bool spared = false;

	for (uint32_t i = 0; i < e->opts.plan->len; i++) {
		struct ff_list *pos, *tmp;

		ff_list_for_each_safe(pos, tmp, &e->jobs[i].sessions) {
			struct session *session = ff_container_of(pos, struct session, in_job);

			if (spare && ff_once_tears_down(e, session))
				spared = true;
			else
				ff_run_session_kill(e, session);
		}
		ff_front_hurry(e, i);
	}
	for (uint32_t i = 0; i < e->executions.len; i++) {
		struct execution *execution = ff_executions_at(&e->executions, i);

		if (execution->number && !(spare && e->jobs[execution->placement.job].runs_anyway))
			ff_execution_kill(e, execution);
	}
	ff_gather_kill(e);
	/* Their time is not over as long as something has more of it. */
	spared |= spare && ff_needs_cleans_up(e);
	if (!spared)
		ff_teardown_kill(e);
	return spared;
}

static void run_signal(struct ff_engine *e)
{
	struct ff_event event = {.kind = FF_EVENT_INTERRUPTED};

	event.u.interrupted.times = e->state->run.interrupts + 1;
	ff_engine_emit(e, &event);
	e->no_cleanup |= ff_engine_killing(e);
	stop_all_jobs(e, FF_REASON_INTERRUPTED);
	if (ff_engine_killing(e)) {
		ff_engine_not_due(e, &e->kill);
		kill_all(e, false);
		return;
	}
	ff_engine_due(e, &e->kill, e->now.mono_us + e->opts.config->settings.grace_us);
}

static void grace_is_over(struct ff_engine *e)
{
	struct ff_event event = {.kind = FF_EVENT_STOPPING};

	if (ff_engine_killing(e)) {
		e->no_cleanup = true;
		stop_all_jobs(e, FF_REASON_INTERRUPTED);
		kill_all(e, false);
		return;
	}
	event.u.stopping.why =
		e->state->run.interrupts ? FF_REASON_INTERRUPTED : e->state->run.stopped;
	event.u.stopping.kill = true;
	ff_engine_emit(e, &event);
	if (kill_all(e, true))
		ff_engine_due(e, &e->kill, e->now.mono_us + e->opts.config->settings.grace_us);
}

/* It stops, and nobody waits for what runs. */
static void kill_now(struct ff_engine *e)
{
	struct ff_event event = {.kind = FF_EVENT_STOPPING};

	e->kill_now = false;
	if (ff_engine_killing(e))
		return;
	event.u.stopping.why = e->state->run.stopped;
	event.u.stopping.kill = true;
	ff_engine_emit(e, &event);
	ff_engine_not_due(e, &e->kill);
	if (kill_all(e, true))
		ff_engine_due(e, &e->kill, e->now.mono_us + e->opts.config->settings.grace_us);
}

const char *ff_engine_killed(struct ff_engine *e)
{
	if (e->state->run.interrupts > 0 || !e->stop)
		return "interrupted";
	return ff_engine_text(e, "killed: the run stopped %s", e->stop);
}

/* The journal is no record of the run any more: it ends cleanly, with the path. */
static void run_disk(struct ff_engine *e, const char *text)
{
	ff_engine_notice(e, NULL, "error", text);
	ff_engine_stop(e, FF_REASON_DISK, text);
}

/* "2 failed, 98 passed" in the order that matters; "nothing ran" without any. */
static void counts_text(const struct ff_run_record *run, struct ff_buf *text)
{
	static const enum ff_outcome order[] = {
		FF_OUTCOME_FAILED,  FF_OUTCOME_ERROR,	FF_OUTCOME_CRASHED,
		FF_OUTCOME_TIMEOUT, FF_OUTCOME_LOST,	FF_OUTCOME_PASSED,
		FF_OUTCOME_SKIPPED, FF_OUTCOME_XFAILED, FF_OUTCOME_XPASSED};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		uint32_t n = run->counts.by_outcome[order[i]];

		if (order[i] == FF_OUTCOME_SKIPPED)
			n += run->skipped_modules;
		if (order[i] == FF_OUTCOME_ERROR)
			n += run->counts.more_errors;
		if (n > 0)
			ff_buf_addf(text, "%s%u %s%s", text->len ? ", " : "", n,
				    ff_outcome_word(order[i]),
				    order[i] == FF_OUTCOME_ERROR && n > 1 ? "s" : "");
	}
	if (run->counts.retried > 0)
		ff_buf_addf(text, "%s%u retried", text->len ? ", " : "", run->counts.retried);
	if (text->len == 0)
		ff_buf_addstr(text, "nothing ran");
	if (run->counts.not_run > 0)
		ff_buf_addf(text, ", %u not run", run->counts.not_run);
	if (run->counts.parts_not_run > 0)
		ff_buf_addf(text, ", %u file%s not run", run->counts.parts_not_run,
			    run->counts.parts_not_run == 1 ? "" : "s");
}

static bool worse(int code, int than)
{
	return code == 2 ? than != 2 : than != 2 && code > than;
}

/* In the numbers of the only job's payload. `code` is what the run would end with otherwise. */
static int payload_exit_code(const struct ff_engine *e, int code)
{
	const struct ff_job_record *job = &e->state->jobs[0];
	const struct ff_payload *payload = ff_engine_payload(e, 0);
	struct ff_job_end end = {
		.why = e->jobs[0].why != FF_REASON_NONE ? e->jobs[0].why : e->state->run.stopped,
		.bad = job->problems > 0,
		.not_collected = job->problems > 0,
		.interrupted = e->state->run.interrupts > 0,
		.session_status = e->jobs[0].session_status,
		.front_status = -1,
		.run_status = code,
	};

	if (!e->opts.payload_exits || e->state->jobs_len != 1 || !payload->exit_status)
		return code;
	for (int i = 0; i < FF_OUTCOMES; i++) {
		end.bad |= ff_outcome_bad((enum ff_outcome)i) && job->counts.by_outcome[i] > 0;
		end.not_collected &= job->counts.by_outcome[i] == 0;
	}
	if (job->front.state == FF_FRONTSTATE_FINISHED)
		end.front_status = job->front.exit_status;
	return payload->exit_status(&end);
}

/* The worst that happened decides; of equals the first one's words are given. */
static int exit_code(const struct ff_engine *e, struct ff_buf *reason, enum ff_reason *why)
{
	const struct ff_run_record *run = &e->state->run;
	const char *words = NULL;
	int code = 0;

	counts_text(run, reason);
	*why = FF_REASON_NONE;
	for (uint32_t i = 0; i < e->state->jobs_len; i++) {
		const struct ff_job_record *job = &e->state->jobs[i];
		int own = ff_reason_exit_code(job->why);

		if (own == 0 && (job->problems > 0 || job->result == FF_JOB_FAILED))
			own = 1;
		if (job->why == FF_REASON_INTERRUPTED)
			own = 0; /* the run's own, below */
		if (!worse(own, code) && !(own == code && own > 0 && !words))
			continue;
		code = own;
		*why = job->why;
		if (job->result != FF_JOB_PASSED && job->result != FF_JOB_SKIPPED &&
		    e->jobs[i].error)
			words = e->jobs[i].error;
	}
	if (run->problems > 0)
		ff_buf_addf(reason, ", %u not collected", run->problems);
	if (words) {
		ff_buf_addstr(reason, "; ");
		ff_text_gist(reason, words);
	}
	if (e->stop)
		ff_buf_addf(reason, "; %s%s", run->stopped == FF_REASON_MAXFAIL ? "stopped " : "",
			    e->stop);
	for (int i = 0; i < FF_OUTCOMES && code == 0; i++)
		if (ff_outcome_bad((enum ff_outcome)i) && run->counts.by_outcome[i] > 0)
			code = 1;
	/* Also of a job that would have been skipped. */
	if (code == 0 && e->cancelled > 0) {
		code = 1;
		*why = FF_REASON_CANCELLED;
	}
	if (run->interrupts > 0) {
		ff_buf_addstr(reason, "; interrupted");
		*why = FF_REASON_INTERRUPTED;
		return 130;
	}
	if (run->stopped != FF_REASON_NONE && worse(ff_reason_exit_code(run->stopped), code)) {
		code = ff_reason_exit_code(run->stopped);
		*why = run->stopped;
	}
	if (run->setups_failed > 0) {
		ff_buf_addf(reason, "; %u setup%s or teardown%s of hosts failed",
			    run->setups_failed, run->setups_failed == 1 ? "" : "s",
			    run->setups_failed == 1 ? "" : "s");
		if (worse(3, code)) {
			code = 3;
			*why = FF_REASON_SETUP;
		}
	}
	if (e->faults > 0 && worse(3, code)) {
		ff_buf_addstr(reason, "; farflung's own state was wrong, please report it");
		code = 3;
	}
	return code;
}

static void run_finish(struct ff_engine *e)
{
	struct ff_event event = {.kind = FF_EVENT_RUN_FINISHED};
	struct ff_buf reason = FF_BUF_INIT;

	event.u.run_finished.exit_code =
		payload_exit_code(e, exit_code(e, &reason, &event.u.run_finished.why));
	event.u.run_finished.reason = ff_engine_text(e, "%s", ff_buf_str(&reason));
	event.u.run_finished.counts = e->state->run.counts;
	event.u.run_finished.took_us = e->now.mono_us - e->started_us;
	ff_buf_release(&reason);
	ff_engine_emit(e, &event);
	e->over = true;
}

/* --- time --- */

static void due(struct ff_engine *e, struct due_at *due)
{
	switch (due->kind) {
	case DUE_HOST:
		ff_host_retry(e, due->owner);
		break;
	case DUE_SESSION:
	case DUE_SILENCE:
	case DUE_WANT:
		ff_run_session_due(e, due->owner, due->kind);
		break;
	case DUE_KILL:
		grace_is_over(e);
		break;
	case DUE_RETRY:
		ff_retry_due(e, due->owner);
		break;
	case DUE_FRONT:
		ff_front_due(e, (uint32_t)((struct engine_job *)due->owner - e->jobs));
		break;
	case DUE_START:
		break; /* ff_job_pump looks */
	case DUE_TIME:
		ff_job_time_over(e, (uint32_t)((struct engine_job *)due->owner - e->jobs));
		break;
	case DUE_DRAIN:
	case DUE_HOPE:
		ff_inventory_due(e, due->kind, due->owner);
		break;
	}
}

static void tick(struct ff_engine *e)
{
	struct ff_deadline *deadline;

	while ((deadline = ff_deadlines_due(&e->deadlines, e->now.mono_us)))
		due(e, ff_container_of(deadline, struct due_at, deadline));
}

void ff_engine_put_off(struct ff_engine *e, struct due_at *due)
{
	if (due->deadline.pos && due->deadline.at_us < e->now.mono_us + GRACE_US)
		ff_engine_due(e, due, e->now.mono_us + GRACE_US);
}

/* We could not hear what the sessions said: their tests' limits wait until we have. */
void ff_engine_give_time(struct ff_engine *e)
{
	size_t cursor = 0;
	void *value;

	while (ff_map_next(&e->sessions, &cursor, NULL, &value)) {
		struct session *session = value;
		struct due_at *limits[] = {&session->timeout, &session->silence};

		for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
			ff_engine_put_off(e, limits[i]);
	}
	ff_front_give_time(e);
}

static void full(struct ff_engine *e, bool is_full)
{
	struct ff_order order = {.kind = is_full ? FF_ORDER_PAUSE : FF_ORDER_RESUME,
				 .job = FF_NOBODY};

	if (e->full == is_full)
		return;
	e->full = is_full;
	ff_engine_order(e, &order);
	if (!is_full)
		ff_engine_give_time(e);
}

/* --- the way in --- */

static void of_host(struct ff_engine *e, const struct ff_input *input)
{
	if (input->kind == FF_INPUT_HOST_OPENED)
		ff_host_opened(e, input);
	else if (input->kind == FF_INPUT_HOST_SYNCED)
		ff_host_synced(e, input);
	else if (input->kind == FF_INPUT_HOST_SET_UP)
		ff_setup_done(e, input);
	else if (input->kind == FF_INPUT_HOST_TORN_DOWN)
		ff_teardown_done(e, input);
	else if (input->kind == FF_INPUT_HOST_PROBED)
		ff_host_probed(e, input);
	else if (input->kind == FF_INPUT_HOST_ENDED)
		ff_host_ended(e, input);
	else
		ff_host_said(e, input);
}

static void dispatch(struct ff_engine *e, const struct ff_input *input)
{
	switch (input->kind) {
	case FF_INPUT_START:
		run_start(e);
		break;
	case FF_INPUT_TICK:
		tick(e);
		break;
	case FF_INPUT_SIGNAL:
		run_signal(e);
		break;
	case FF_INPUT_GAP:
		ff_engine_give_time(e);
		break;
	case FF_INPUT_FULL:
	case FF_INPUT_DRAINED:
		full(e, input->kind == FF_INPUT_FULL);
		break;
	case FF_INPUT_DISK:
		run_disk(e, input->u.said.text);
		break;
	case FF_INPUT_CANCEL:
		ff_cancel_input(e, input);
		break;
	case FF_INPUT_UNITS:
		ff_feed_units(e, input);
		break;
	case FF_INPUT_WARNED:
		ff_engine_notice(e, NULL, "warning", input->u.said.text);
		break;
	case FF_INPUT_HOST_OPENED:
	case FF_INPUT_HOST_SYNCED:
	case FF_INPUT_HOST_SET_UP:
	case FF_INPUT_HOST_TORN_DOWN:
	case FF_INPUT_HOST_PROBED:
	case FF_INPUT_HOST_ENDED:
	case FF_INPUT_HOST_SAID:
		of_host(e, input);
		break;
	case FF_INPUT_FRONT_READY:
	case FF_INPUT_FRONT_TO_WORKER:
	case FF_INPUT_FRONT_AGAIN:
	case FF_INPUT_FRONT_SETTLED:
	case FF_INPUT_FRONT_STOP:
	case FF_INPUT_FRONT_GIVES:
	case FF_INPUT_FRONT_STEALS:
	case FF_INPUT_FRONT_DISMISSES:
	case FF_INPUT_FRONT_GIVES_UP:
	case FF_INPUT_FRONT_HEARD:
	case FF_INPUT_FRONT_TEXT:
	case FF_INPUT_FRONT_ERROR:
	case FF_INPUT_FRONT_FINISHED:
	case FF_INPUT_FRONT_ENDED:
	case FF_INPUT_FRONT_NOTICE:
	case FF_INPUT_FRONT_SAID:
	case FF_INPUT_FRONT_FULL:
	case FF_INPUT_FRONT_DRAINED:
	case FF_INPUT_FRONT_HELD:
		ff_front_input(e, input);
		break;
	case FF_INPUT_EXEC_OUTPUT:
	case FF_INPUT_EXEC_FINISHED:
	case FF_INPUT_EXEC_RETURNED:
	case FF_INPUT_EXEC_FETCHED:
	case FF_INPUT_EXEC_ENDED:
		ff_execution_input(e, input);
		break;
	default:
		ff_run_session_input(e, input);
	}
}

void ff_engine_decide(struct ff_engine *e, const struct ff_input *input, struct ff_now now,
		      struct ff_decision *decision)
{
	e->now = now;
	e->decision = decision;
	if (e->state->run.state == FF_RUN_NEW && input->kind != FF_INPUT_START)
		return;
	/* After its last word only workers' ends are noted, and what they say until then. */
	if (e->over && input->kind != FF_INPUT_WORKER_ENDED &&
	    input->kind != FF_INPUT_WORKER_SAID && input->kind != FF_INPUT_FRONT_SAID)
		return;
	if (!ff_before_input(e, input) && !ff_inventory_input(e, input))
		dispatch(e, input);
	if (e->over)
		return;
	if (e->kill_now)
		kill_now(e);
	if (e->left_one)
		ff_inventory_look(e);
	ff_job_pump(e);
	if (e->opts.hosts_only)
		e->over = ff_host_all_settled(e) || ff_engine_stopping(e);
	else if (e->state->run.jobs_finished == e->state->jobs_len && ff_teardown_all(e))
		run_finish(e);
}

int64_t ff_engine_deadline(const struct ff_engine *e)
{
	return e->over ? INT64_MAX : ff_deadlines_next(&e->deadlines);
}
