/* Fronts: one per job, opened when a session asks for it. It is told what becomes of the job's
 * units and workers, and what the sessions send it; it ends behind them, and the job behind it. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static struct ff_job_record *record_of(const struct ff_engine *e, uint32_t job)
{
	return &e->state->jobs[job];
}

static struct ff_event about(const struct ff_engine *e, uint32_t job, enum ff_event_kind kind)
{
	return (struct ff_event){.kind = kind, .job = record_of(e, job)->name, .job_id = job + 1};
}

/* It takes in what is told. */
bool ff_front_listens(const struct ff_engine *e, uint32_t job)
{
	enum ff_front_state state = record_of(e, job)->front.state;

	return state == FF_FRONTSTATE_OPENING || state == FF_FRONTSTATE_READY;
}

static bool lives(const struct ff_engine *e, uint32_t job)
{
	return ff_front_listens(e, job) ||
	       record_of(e, job)->front.state == FF_FRONTSTATE_FINISHING;
}

/* --- its time --- */

/* Whether something is to come from it; all else it may take its time for. */
static bool owes(const struct ff_engine *e, uint32_t job)
{
	enum ff_front_state state = record_of(e, job)->front.state;
	const struct job_front *front = &e->jobs[job].front;

	return state == FF_FRONTSTATE_OPENING || state == FF_FRONTSTATE_FINISHING ||
	       (lives(e, job) && (front->unanswered > 0 || front->asked_len > 0 || front->full ||
				  (ff_driven(e, job) && front->heard != front->told)));
}

static int64_t patience(const struct ff_engine *e, uint32_t job)
{
	const int64_t reports_us = INT64_C(30000000); /* which its plugins write at its end */

	if (ff_engine_killing(e))
		return e->opts.config->settings.grace_us;
	return record_of(e, job)->front.state == FF_FRONTSTATE_FINISHING
		       ? ff_job_end_limit(e, job, reports_us)
		       : ff_job_silence_limit(e, job);
}

/* A sign of life came, or something new is owed. */
void ff_front_wait_anew(struct ff_engine *e, uint32_t job)
{
	struct job_front *front = &e->jobs[job].front;
	int64_t limit = owes(e, job) ? patience(e, job) : 0;

	if (limit > 0 || (owes(e, job) && ff_engine_killing(e)))
		ff_engine_due(e, &front->due, e->now.mono_us + limit);
	else
		ff_engine_not_due(e, &front->due);
}

/* --- telling --- */

static void order(struct ff_engine *e, uint32_t job, enum ff_order_kind kind)
{
	struct ff_order to_act = {.kind = kind, .job = job};

	ff_engine_order(e, &to_act);
}

void ff_front_tell(struct ff_engine *e, uint32_t job, const struct ff_front_item *item,
		   uint32_t worker)
{
	struct ff_order to_act = {.kind = FF_ORDER_TELL_FRONT, .job = job, .worker = worker};
	struct ff_front_item told = *item;

	if (worker != FF_NOBODY)
		to_act.host = e->state->workers[worker].host;
	told.index = ff_spread_index(e, job, item->unit);
	e->jobs[job].front.told++;
	to_act.front_item = ff_decision_copy(e->decision, &told, sizeof(told));
	ff_engine_order(e, &to_act);
	if (ff_driven(e, job) && !e->jobs[job].front.due.deadline.pos)
		ff_front_wait_anew(e, job);
}

void ff_front_tell_crash(struct ff_engine *e, uint32_t job, struct ff_front_item *item,
			 uint32_t worker, const struct session *session)
{
	struct job_front *front = &e->jobs[job].front;

	if (front->asked_len == front->asked_cap) {
		front->asked_cap = front->asked_cap ? 2 * front->asked_cap : 16;
		front->asked = ff_xrealloc(front->asked, front->asked_cap * sizeof(*front->asked));
	}
	front->asked[front->asked_len++] = (struct asked){session ? session->record : FF_NOBODY,
							  item->again ? FF_NOBODY : item->unit};
	item->kind = FF_FRONT_CRASH;
	ff_front_tell(e, job, item, worker);
	ff_front_wait_anew(e, job);
}

static const char *worker_name(const struct ff_engine *e, uint32_t worker)
{
	return worker == FF_NOBODY ? NULL : e->state->workers[worker].name;
}

void ff_front_tell_line(struct ff_engine *e, uint32_t job, const char *text)
{
	struct ff_front_item item = {.kind = FF_FRONT_LINE, .text = text};

	ff_front_tell(e, job, &item, FF_NOBODY);
}

/* --- its beginning --- */

/* The workers that the job has, and those that it may yet get. */
static void plan_workers(struct ff_engine *e, uint32_t number, struct ff_order *to_act)
{
	const char *dist = e->opts.plan->jobs[number].config->dist;
	uint32_t len = 0, most = e->jobs[number].workers + e->state->workers_len;
	uint32_t at_once = dist ? ff_policy_find(dist)->most : 0; /* 0: no limit */
	struct ff_order_worker *list = ff_xcalloc(most + 1U, sizeof(*list));
	uint32_t *taken = ff_xcalloc(e->state->hosts_len + 1U, sizeof(*taken));
	uint32_t weight = (uint32_t)e->opts.plan->jobs[number].config->weight;
	uint32_t next = e->next_worker;

	for (uint32_t i = 0; i < e->state->workers_len; i++) {
		const struct ff_worker_record *worker = &e->state->workers[i];

		if (worker->job != number || worker->state == FF_WORKER_ENDED)
			continue;
		list[len++] = (struct ff_order_worker){worker->name, worker->host};
		taken[worker->host]++;
	}
	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		if (!ff_host_in_job(e, number, i) || !ff_host_hopeful(e, i))
			continue;
		for (; taken[i] < e->state->hosts[i].slots / weight && len < most &&
		       (at_once == 0 || len < at_once);
		     taken[i]++)
			list[len++] =
				(struct ff_order_worker){ff_engine_text(e, "gw%u", next++), i};
	}
	to_act->planned = ff_decision_copy(e->decision, list, len * sizeof(*list));
	to_act->planned_len = e->jobs[number].front.planned = len;
	ff_free(list);
	ff_free(taken);
}

static void open_front(struct ff_engine *e, uint32_t number, const char *const *reasons)
{
	struct ff_event event = about(e, number, FF_EVENT_FRONT_STARTED);
	struct ff_order to_act = {.kind = FF_ORDER_OPEN_FRONT, .job = number};

	event.u.front_started.reasons = reasons;
	ff_engine_emit(e, &event);
	plan_workers(e, number, &to_act);
	ff_engine_order(e, &to_act);
	for (size_t at = 0; at < e->lines.len;) {
		const char *line = (const char *)ff_buf_data(&e->lines) + at;

		ff_front_tell_line(e, number, ff_engine_text(e, "%s", line));
		at += strlen(line) + 1;
	}
}

void ff_front_needed(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t number = session->placement.job;
	struct engine_job *job = &e->jobs[number];
	struct ff_front_item item = {.kind = FF_FRONT_WORKER};

	if (session->asks_front || e->state->workers[session->record].state != FF_WORKER_OPENING)
		return;
	session->asks_front = true;
	if (!ff_engine_payload(e, number)->front)
		ff_job_error(e, number, FF_REASON_PAYLOAD, "it asks for a front, and has none");
	else if (record_of(e, number)->front.state == FF_FRONTSTATE_NONE && !job->stopped)
		open_front(e, number, input->u.lines.v);
	job->front.unanswered++;
	if (!ff_front_listens(e, number) || job->stopped) {
		ff_run_session_stop(e, session);
		return;
	}
	item.worker = worker_name(e, session->record);
	item.value = input->u.lines.about;
	item.value_len = input->u.lines.about_len;
	ff_front_tell(e, number, &item, session->record);
	ff_front_wait_anew(e, number);
}

/* What has no effect is told once per job. */
void ff_front_without(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	uint32_t number = session->placement.job;

	for (const char *const *line = input->u.lines.v; *line; line++) {
		struct ff_event event = about(e, number, FF_EVENT_NOTICE);

		if (!ff_engine_first(&e->jobs[number], ff_engine_text(e, "without:%s", *line)))
			continue;
		event.u.notice.level = "warning";
		event.u.notice.text =
			ff_engine_text(e, "without a front this has no effect: %s", *line);
		ff_engine_emit(e, &event);
	}
}

void ff_front_from(struct ff_engine *e, struct session *session, const struct ff_input *input)
{
	struct ff_front_item item = {.kind = FF_FRONT_FROM,
				     .worker = worker_name(e, session->record),
				     .value = input->u.packed.bytes,
				     .value_len = input->u.packed.len};

	if (session->asks_front && ff_front_listens(e, session->placement.job))
		ff_front_tell(e, session->placement.job, &item, session->record);
}

/* --- its end --- */

bool ff_front_holds(struct ff_engine *e, uint32_t job)
{
	struct ff_event event = about(e, job, FF_EVENT_FRONT_ENDING);
	struct ff_front_item item = {.kind = FF_FRONT_END};

	if (!ff_front_listens(e, job) || e->jobs[job].front.asked_len > 0)
		return lives(e, job);
	ff_engine_emit(e, &event);
	item.again = e->state->run.interrupts > 0;
	item.text = e->jobs[job].error ? e->jobs[job].error : "";
	ff_front_tell(e, job, &item, FF_NOBODY);
	ff_front_wait_anew(e, job);
	return true;
}

/* It is no more: what it was owed for, nobody waits for. */
static void over(struct ff_engine *e, uint32_t job)
{
	e->jobs[job].front.asked_len = 0;
	ff_run_session_release_all(e, job);
	ff_engine_not_due(e, &e->jobs[job].front.due);
	if (e->jobs[job].front.full) {
		e->jobs[job].front.full = false;
		order(e, job, FF_ORDER_RESUME);
	}
	ff_job_touch(e, job);
}

static void said(struct ff_engine *e, uint32_t job, const char *level, const char *text)
{
	struct ff_event event = about(e, job, FF_EVENT_NOTICE);

	event.u.notice.level = level;
	event.u.notice.text = text;
	ff_engine_emit(e, &event);
}

static void failed(struct ff_engine *e, uint32_t job, const char *text, struct ff_wait wait)
{
	struct ff_event event = about(e, job, FF_EVENT_FRONT_FINISHED);

	event.u.front_finished.error = text;
	event.u.front_finished.wait = wait;
	ff_engine_emit(e, &event);
	order(e, job, FF_ORDER_KILL_FRONT);
	over(e, job);
	if (e->jobs[job].why != FF_REASON_NONE)
		said(e, job, "error", text); /* the job has another error already */
	ff_job_error(e, job, FF_REASON_FRONT, text);
	ff_job_stop(e, job, FF_REASON_FRONT, NULL);
}

static void ended(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	const char *error = input->u.ended.error, *said = input->u.ended.said;

	failed(e, job,
	       ff_engine_text(e, "the front of job '%s' %s: %s%s%s", record_of(e, job)->name,
			      input->u.ended.failed_open ? "could not start" : "died",
			      error && *error ? error : "it ended without a word",
			      said && *said ? "\nits last output on stderr:\n" : "",
			      said ? said : ""),
	       input->u.ended.wait);
}

static void finished(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	struct ff_event event = about(e, job, FF_EVENT_FRONT_FINISHED);
	const char *words = input->u.finished.stop;
	bool early = ff_front_listens(e, job);

	event.u.front_finished.exit_status = input->u.finished.exitstatus;
	event.u.front_finished.bad = input->u.finished.bad;
	event.u.front_finished.words = words;
	ff_engine_emit(e, &event);
	order(e, job, FF_ORDER_CLOSE_FRONT);
	e->jobs[job].front.words = ff_engine_keep(&e->jobs[job], words);
	over(e, job);
	if (!early)
		return;
	ff_job_error(e, job, FF_REASON_SESSION,
		     ff_engine_text(e, "the front of job '%s' ended before the job did%s%s",
				    record_of(e, job)->name, words ? ": " : "",
				    words ? words : ""));
	ff_job_stop(e, job, FF_REASON_SESSION, NULL);
}

/* Green must mean green, here and there. */
void ff_front_judge(struct ff_engine *e, uint32_t number, bool bad)
{
	const struct ff_front_record *front = &record_of(e, number)->front;
	const struct engine_job *job = &e->jobs[number];
	const char *words = job->front.words;

	if (front->state == FF_FRONTSTATE_NONE)
		return;
	if (job->front.frontless)
		ff_job_error(e, number, FF_REASON_FRONT,
			     "some workers did without the front that others asked for: what it "
			     "tells has not all that ran");
	if (front->state == FF_FRONTSTATE_FINISHED && (front->bad || (front->exit_status && !bad)))
		ff_job_error(e, number, FF_REASON_SESSION,
			     words && *words ? words
					     : ff_engine_text(e, "the front's exit status is %d",
							      front->exit_status));
}

void ff_front_due(struct ff_engine *e, uint32_t job)
{
	int64_t limit = patience(e, job);

	/* While we don't read, it can't say anything. */
	if (e->full) {
		ff_engine_due(e, &e->jobs[job].front.due, e->now.mono_us + GRACE_US);
		return;
	}
	failed(e, job,
	       ff_engine_text(e, "the front of job '%s' gave no sign of life for %lld s",
			      record_of(e, job)->name, (long long)(limit / 1000000)),
	       (struct ff_wait){0});
}

void ff_front_give_time(struct ff_engine *e)
{
	for (uint32_t job = 0; job < e->state->jobs_len; job++)
		ff_engine_put_off(e, &e->jobs[job].front.due);
}

/* What runs is killed: it has its grace from here, and no time at all if that was asked for again.
 */
void ff_front_hurry(struct ff_engine *e, uint32_t job)
{
	if (!lives(e, job))
		return;
	if (e->state->run.interrupts > 2)
		failed(e, job, "interrupted, its front was killed", (struct ff_wait){0});
	else
		ff_front_wait_anew(e, job);
}

/* --- what it says --- */

static void to_worker(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	uint32_t worker = ff_state_find_worker(e->state, input->u.packed.name);
	struct session *session = worker == FF_NOBODY ? NULL : ff_run_session_of(e, worker);
	struct ff_order to_act = {.kind = FF_ORDER_PASS_ON, .worker = worker, .job = job};

	if (!session || session->placement.job != job || !session->asks_front ||
	    session->front_down)
		return;
	if (!session->front_answered) {
		session->front_answered = true;
		e->jobs[job].front.unanswered--;
		ff_silence_anew(e, session);
	}
	to_act.value = input->u.packed.bytes;
	to_act.value_len = input->u.packed.len;
	ff_engine_order(e, &to_act);
}

/* The first crash that is not is dealt with: the unit is run again, or that was its end. */
static void settled(struct ff_engine *e, uint32_t job, bool again)
{
	struct job_front *front = &e->jobs[job].front;
	struct session *session;
	struct asked asked;

	if (front->asked_len == 0)
		return;
	asked = front->asked[0];
	front->asked[0].session = FF_NOBODY; /* `settled` may follow */
	if (!again)
		memmove(front->asked, front->asked + 1, --front->asked_len * sizeof(*front->asked));
	session = ff_run_session_of(e, asked.session);
	if (session && session->held)
		ff_run_session_release(e, session, again);
	else if (again && asked.unit != FF_NOBODY && ff_front_listens(e, job))
		ff_front_refuse(e, job, asked.unit);
	ff_job_touch(e, job);
}

static void ready(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	struct ff_event event = about(e, job, FF_EVENT_FRONT_READY);

	if (record_of(e, job)->front.state != FF_FRONTSTATE_OPENING)
		return;
	event.u.front_ready.rootdir = input->u.front_ready.rootdir;
	event.u.front_ready.header = input->u.front_ready.header;
	ff_engine_emit(e, &event);
}

static void shows(struct ff_engine *e, uint32_t job, const char *text)
{
	struct ff_event event = about(e, job, FF_EVENT_FRONT_TEXT);

	event.u.front_text.text = text;
	ff_engine_emit(e, &event);
}

static void is_full(struct ff_engine *e, uint32_t job, bool full)
{
	struct job_front *front = &e->jobs[job].front;

	if (front->full == full)
		return;
	front->full = full;
	order(e, job, full ? FF_ORDER_PAUSE : FF_ORDER_RESUME);
	if (!full)
		ff_engine_give_time(e);
}

static void stops(struct ff_engine *e, uint32_t job, const char *text)
{
	e->jobs[job].front.stopped = true; /* it knows */
	ff_job_stop(e, job, FF_REASON_MAXFAIL, text);
}

/* Of a traceback the last line is what people look for: it comes first. */
static void has_error(struct ff_engine *e, uint32_t job, const struct ff_input *input)
{
	const char *text = input->u.error.text, *last = text;
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\n')
			last = text + i + 1;
	if (input->u.error.why == FF_REASON_PAYLOAD && last != text)
		text = ff_engine_text(e, "the front of job '%s': %.*s\n%s", record_of(e, job)->name,
				      (int)(text + len - last), last, text);
	ff_job_error(e, job, input->u.error.why, text);
	ff_job_stop(e, job, input->u.error.why, NULL);
}

void ff_front_input(struct ff_engine *e, const struct ff_input *input)
{
	uint32_t job = input->job;

	if (job >= e->state->jobs_len)
		return;
	if (input->kind == FF_INPUT_FRONT_SAID) {
		said(e, job, "stderr", input->u.said.text);
		return;
	}
	if (!lives(e, job))
		return;
	switch (input->kind) {
	case FF_INPUT_FRONT_READY:
		ready(e, job, input);
		break;
	case FF_INPUT_FRONT_TO_WORKER:
		to_worker(e, job, input);
		break;
	case FF_INPUT_FRONT_AGAIN:
	case FF_INPUT_FRONT_SETTLED:
		settled(e, job, input->kind == FF_INPUT_FRONT_AGAIN);
		break;
	case FF_INPUT_FRONT_GIVES:
	case FF_INPUT_FRONT_STEALS:
	case FF_INPUT_FRONT_DISMISSES:
	case FF_INPUT_FRONT_GIVES_UP:
	case FF_INPUT_FRONT_HEARD:
		ff_driven_input(e, job, input);
		break;
	case FF_INPUT_FRONT_STOP:
		stops(e, job, input->u.said.text);
		break;
	case FF_INPUT_FRONT_TEXT:
		shows(e, job, input->u.said.text);
		break;
	case FF_INPUT_FRONT_NOTICE:
		said(e, job, input->u.notice.level, input->u.notice.text);
		break;
	case FF_INPUT_FRONT_ERROR:
		has_error(e, job, input);
		break;
	case FF_INPUT_FRONT_FULL:
	case FF_INPUT_FRONT_DRAINED:
		is_full(e, job, input->kind == FF_INPUT_FRONT_FULL);
		break;
	case FF_INPUT_FRONT_FINISHED:
		finished(e, job, input);
		break;
	case FF_INPUT_FRONT_ENDED:
		ended(e, job, input);
		break;
	default:
		/* FRONT_HELD: it can't go on, which is no fault of its own; but who has interrupted
		 * twice, or for long, does not wait for a reader. */
		if (ff_engine_killing(e))
			return;
		break;
	}
	ff_front_wait_anew(e, job);
}
