/* Sessions: one long execution of a payload per slot, given units by index. A session that dies has
 * its running unit reported, what it was given goes back, and the freed slot starts another. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"

static void session_over(struct run_session *session, const char *reason, int status);

/* --- sending --- */

static void session_send(struct run_session *session, int rc, struct ff_buf *packed)
{
	struct ff_err err = {0};

	/* A channel that can't be written has ended, or is about to: its end marker tells the rest.
	 */
	if (rc == 0 && session->channel)
		(void)ff_channel_send_packed(session->channel, packed, &err);
	ff_buf_release(packed);
}

void session_tell(struct run_session *session, int (*what)(struct ff_pack *p))
{
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &buf);
	session_send(session, what(&p), &buf);
}

void session_stop(struct run_session *session)
{
	const struct ff_payload *payload = session->job->plan->payload;

	if (session->state == SESSION_OVER || session->ended)
		return;
	session->ended = true;
	session_tell(session, payload->stop);
	session_tell(session, payload->end);
}

static void session_send_units(struct run_session *session, const uint32_t *units, size_t len,
			       int (*what)(struct ff_pack *p, const uint32_t *units, size_t len))
{
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &buf);
	session_send(session, what(&p, units, len), &buf);
}

/* Nothing is left to give out, but another session may have more than it gets to soon. */
static void session_recall(struct run_session *thief)
{
	struct run_job *job = thief->job;
	struct ff_sched_recall recall = job->sched->class->recall(job->sched, thief->worker);
	struct ff_list *pos;

	thief->idle = true;
	if (recall.len == 0)
		return;
	ff_list_for_each(pos, &job->sessions) {
		struct run_session *session = ff_container_of(pos, struct run_session, node);

		if (session->up && session->worker == recall.worker)
			session_send_units(session, recall.units, recall.len,
					   job->plan->payload->take_back);
	}
}

void session_feed(struct run_session *session)
{
	struct run_job *job = session->job;
	const struct ff_payload *payload = job->plan->payload;
	struct ff_sched_batch batch;

	session->hungry = session->idle = false;
	if (session->state != SESSION_RUNNING || session->ended)
		return;
	batch = job->sched->class->next(job->sched, session->worker);
	if (batch.len > 0)
		session_send_units(session, batch.units, batch.len, payload->run);
	if (batch.end) {
		session->ended = true;
		session_tell(session, payload->end);
	}
	if (batch.len > 0 || batch.end)
		session->wants = false;
	else if (session->running == UINT32_MAX || session->wants)
		session_recall(session);
}

/* The test's end is not held up for long: it tears down as if nothing came, and is reported. */
void session_answer_want(struct run_session *session)
{
	if (!session->wants || ff_clock_us() - session->wants_since < WANT_US)
		return;
	session->wants = false;
	session_tell(session, session->job->plan->payload->idle);
}

void session_kill(struct run_session *session)
{
	struct run *run = session->job->run;

	if (session->gateway && ff_gateway_state(session->gateway) != FF_GATEWAY_CLOSED)
		ff_group_driver(run->group)->kill(ff_group_ctx(run->group), session->gateway);
}

/* --- what it says --- */

static void session_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct run_session *session = ctx;
	struct ff_err err = {0};

	if (item) {
		if (session->state != SESSION_OVER &&
		    session->job->plan->payload->item(&item->value, &session_sink, session, &err) <
			    0) {
			run_notice(session->job->run, session->host->host->name, "error",
				   "%s sent what is no item of payload %s (%s): it is killed",
				   session->id, session->job->plan->payload->name, err.text);
			session_kill(session);
		}
		return;
	}
	/* The end of the execution. If the connection is gone too, session_closed knows more. */
	if (ff_gateway_state(session->gateway) != FF_GATEWAY_CLOSED) {
		const char *error = ff_channel_error(channel);

		session_over(session,
			     session->finished ? NULL
			     : error	       ? error
					       : "the payload ended without a word",
			     -1);
		ff_gateway_exit(session->gateway);
	}
}

/* --- its end --- */

/* Whether the connection to the host went down, rather than the worker alone. */
static bool session_host_lost(const struct run_session *session)
{
	const struct run_host *host = session->host;

	return !host->foreman || host->opens != session->host_opens ||
	       ff_gateway_state(host->foreman) == FF_GATEWAY_CLOSED;
}

static void report_running_unit(struct run_session *session, uint32_t unit, const char *reason)
{
	struct run_job *job = session->job;
	struct ff_result result = {.outcome = FF_OUTCOME_CRASHED,
				   .duration_us = ff_clock_us() - session->started_at};
	const char *said = ff_gateway_stderr(session->gateway);
	char *message, *text;

	if (session_host_lost(session) && !job->run->killed) {
		if (job_unit_lost(job, unit, session->host, session->id, reason))
			job->sched->class->again(job->sched, unit);
		return;
	}
	if (session->timed_out) {
		result.outcome = FF_OUTCOME_TIMEOUT;
		message = ff_xasprintf("timed out after %.1f s (worker %s on %s was killed)",
				       (double)job->plan->config->timeout_us / 1e6, session->id,
				       session->host->host->name);
	} else if (job->run->killed) {
		result.outcome = FF_OUTCOME_LOST;
		message = ff_xstrdup("interrupted");
	} else {
		message = ff_xasprintf("worker '%s' on host %s crashed while running '%s': %s",
				       session->id, session->host->host->name,
				       job->units[unit].name, reason);
	}
	text = ff_xasprintf("%s%s%s", message, *said ? "\nits last output on stderr:\n" : "", said);
	result.message = message;
	result.longrepr = text;
	if (job_unit_finished(job, unit, session->host, session->id, &result))
		job->sched->class->again(job->sched, unit);
	free(message);
	free(text);
}

static void session_over(struct run_session *session, const char *reason, int status)
{
	struct run_job *job = session->job;
	struct ff_event event = {.kind = FF_EVENT_WORKER_ENDED,
				 .job = job->name,
				 .host = session->host->host->name,
				 .worker = session->id};
	uint32_t running = session->running;
	bool opened = session->state != SESSION_OPENING;

	if (session->state == SESSION_OVER)
		return;
	session->state = SESSION_OVER;
	session->host->used--;
	job->live--;
	if (opened) {
		event.u.worker_ended.crashed = reason != NULL;
		event.u.worker_ended.status = status;
		event.u.worker_ended.reason = reason;
		run_emit(job->run, &event);
	}
	if (reason && !session_host_lost(session) && !job->run->killed)
		job->crashes++;
	if (job->ids_from == session && !job->collected) {
		job->ids_from = NULL;
		job->digest[0] = '\0';
	}
	if (session->up)
		job->sched->class->worker_down(job->sched, session->worker, running);
	job->moved = true;
	session->running = UINT32_MAX;
	if (running != UINT32_MAX)
		report_running_unit(session, running, reason ? reason : "it ended in the middle");
	if (!job->collected && reason && !session_host_lost(session) && !job->last_reason)
		job->last_reason = ff_xstrdup(reason);
}

static void session_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct run_session *session = ctx;

	session_over(session,
		     session->finished	     ? NULL
		     : err && err->code != 0 ? err->text
					     : "the worker ended by itself",
		     -1);
	session->gateway = NULL;
	ff_open_release(gateway);
}

static void session_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct run_session *session = ctx;
	struct run_job *job = session->job;
	struct ff_payload_worker worker = {
		.id = session->id,
		.count = job->workers,
		.run_id = job->run->opts->journal ? ff_journal_run_id(job->run->opts->journal)
						  : "none",
		.host = session->host->host->name};
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_task task;
	struct ff_err failed = {0};

	if (err) {
		/* One interpreter that won't start is no better at the next attempt. */
		if (!session->host->python_problem && !session_host_lost(session))
			session->host->python_problem = ff_xstrdup(err->text);
		session_over(session, err->text, -1);
		return;
	}
	if (job->run->stopping || job->stopped) {
		session->finished = true;
		session_over(session, NULL, -1);
		ff_gateway_exit(gateway);
		return;
	}
	session->state = SESSION_COLLECTING;
	if (job->plan->payload->task(&job->plan->instances[0].job, &worker, false, &arena, &task,
				     &failed) == 0)
		session->channel = ff_gateway_remote_exec(gateway, &task, &failed);
	ff_arena_release(&arena);
	if (!session->channel ||
	    ff_channel_set_callback(session->channel, session_item, session) < 0) {
		session_over(session, failed.text, -1);
		ff_gateway_exit(gateway);
	}
}

static void session_stderr(struct ff_gateway *gateway, const char *line, void *ctx)
{
	struct run_session *session = ctx;
	struct ff_event event = {.kind = FF_EVENT_NOTICE,
				 .job = session->job->name,
				 .host = session->host->host->name,
				 .worker = session->id};

	(void)gateway;
	event.u.notice.level = "stderr";
	event.u.notice.text = line;
	run_emit(session->job->run, &event);
}

/* --- its beginning --- */

/* The worker's spec: an interpreter started by the host's foreman, in the host's working directory.
 */
static int session_spec(const struct run_session *session, struct ff_xspec *spec,
			struct ff_err *err)
{
	const struct run_host *host = session->host;
	const struct ff_xspec *from = &host->host->spec;
	char *const *env = session->job->plan->config->env.v;
	int rc = ff_xspec_parse(spec, "popen", err);

	if (rc < 0)
		return rc;
	ff_xspec_set(spec, "id", session->id);
	ff_xspec_set(spec, "via", ff_gateway_id(host->foreman));
	ff_xspec_set(spec, "chdir", host->workdir);
	ff_xspec_set(spec, "python", host->python ? host->python : from->python);
	ff_xspec_set(spec, "execmodel", from->execmodel);
	ff_xspec_set(spec, "dont_write_bytecode", from->dont_write_bytecode);
	return env ? ff_strv_add_all(&spec->env, env) : 0;
}

void session_start(struct run_job *job, struct run_host *host)
{
	struct run *run = job->run;
	struct run_session *session = ff_xcalloc(1, sizeof *session);
	struct ff_open_opts opts = {
		.connect_timeout_us = run->opts->config->settings.connect_timeout_us,
		/* Silence is the foreman's to judge: an interpreter may be busy in C for long. */
		.heartbeat_us = -1,
		.opened = session_opened,
		.closed = session_closed,
		.stderr_line = session_stderr,
		.ctx = session,
	};
	struct ff_xspec spec;
	struct ff_err err = {0};

	session->job = job;
	session->host = host;
	session->host_opens = host->opens;
	session->running = UINT32_MAX;
	do
		snprintf(session->id, sizeof session->id, "gw%u", run->next_gw++);
	while (ff_group_get(run->group, session->id));
	ff_list_add_tail(&job->sessions, &session->node);
	host->used++;
	job->live++;
	if (session_spec(session, &spec, &err) == 0) {
		session->gateway = ff_open_gateway(run->group, &spec, &opts, &err);
		if (session->gateway)
			return;
		ff_xspec_release(&spec);
	}
	if (!host->python_problem)
		host->python_problem = ff_xstrdup(err.text);
	session_over(session, err.text, -1);
}

void session_free(struct run_session *session)
{
	ff_channel_unref(session->channel);
	ff_list_del(&session->node);
	free(session);
}
