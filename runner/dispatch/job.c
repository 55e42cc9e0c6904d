/* Jobs: their life, and the book-keeping of units that sessions and commands share. Each unit is
 * reported to its end exactly once. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"

void job_error(struct run_job *job, bool infra, const char *fmt, ...)
{
	struct ff_buf text = FF_BUF_INIT;
	va_list args;

	va_start(args, fmt);
	ff_buf_vaddf(&text, fmt, args);
	va_end(args);
	/* Remote tracebacks end with a newline. */
	while (text.len > 0 && ff_buf_data(&text)[text.len - 1] == '\n')
		text.len--;
	if (!job->error) {
		struct ff_event event = {.kind = FF_EVENT_NOTICE, .job = job->name};

		job->error = ff_buf_take(&text);
		job->infra = infra;
		event.u.notice.level = "error";
		event.u.notice.text = job->error;
		run_emit(job->run, &event);
	}
	ff_buf_release(&text);
}

static uint32_t job_slots(const struct run_job *job)
{
	uint32_t slots = 0;

	for (size_t i = 0; i < job->run->opts->inventory->len; i++)
		if (host_usable(&job->run->hosts[i]) && job_wants_host(job, &job->run->hosts[i]))
			slots += job->run->hosts[i].host->slots;
	return slots;
}

void job_start(struct run_job *job)
{
	struct ff_event event = {.kind = FF_EVENT_JOB_STARTED, .job = job->name};

	job->state = JOB_RUNNING;
	job->started_at = ff_clock_us();
	job->workers = job_slots(job);
	if (job->plan->payload->shape == FF_PAYLOAD_PER_UNIT) {
		job->units_len = (uint32_t)job->plan->instances_len;
		job->units = ff_xcalloc(job->units_len + 1, sizeof *job->units);
		for (uint32_t i = 0; i < job->units_len; i++)
			job->units[i].name = job->plan->instances[i].name;
		job->counts.total = job->units_len;
		job->run->counts.total += job->units_len;
	}
	event.u.job_started.payload = job->plan->payload->name;
	event.u.job_started.workers = job->workers;
	run_emit(job->run, &event);
	if (job->plan->payload->shape == FF_PAYLOAD_PER_UNIT) {
		struct ff_event collected = {.kind = FF_EVENT_COLLECTED, .job = job->name};

		collected.u.collected.count = job->units_len;
		run_emit(job->run, &collected);
	}
}

static uint32_t job_bad(const struct run_job *job)
{
	uint32_t bad = 0;

	for (int i = 0; i < FF_OUTCOMES; i++)
		if (ff_outcome_bad((enum ff_outcome)i))
			bad += job->counts.by_outcome[i];
	return bad;
}

void job_finish(struct run_job *job)
{
	struct ff_event event = {.kind = FF_EVENT_JOB_FINISHED, .job = job->name};

	if (job->state == JOB_FINISHED)
		return;
	/* What could not be run for want of hosts is reported too; what was stopped on purpose is
	 * not. */
	if (job->error && job->infra && !job->stopped) {
		for (uint32_t i = 0; i < job->units_len; i++) {
			struct ff_result result = {.outcome = FF_OUTCOME_LOST,
						   .message = job->error};

			if (job->units[i].state != UNIT_DONE)
				job_unit_finished(job, i, NULL, NULL, &result);
		}
	}
	event.u.job_finished.state = job->skipped			     ? "skipped"
				     : job->error			     ? "error"
				     : job_bad(job) > 0 || job->problems > 0 ? "failed"
				     : job->stopped || job->started_at == 0  ? "skipped"
									     : "passed";
	job->ok = strcmp(event.u.job_finished.state, "passed") == 0;
	job->state = JOB_FINISHED;
	event.u.job_finished.reason = job->error;
	event.u.job_finished.counts = job->counts;
	event.u.job_finished.took_us = job->started_at ? ff_clock_us() - job->started_at : 0;
	run_emit(job->run, &event);
}

void job_unit_started(struct run_job *job, uint32_t unit, struct run_host *host, const char *worker)
{
	struct ff_event event = {.kind = FF_EVENT_UNIT_STARTED,
				 .job = job->name,
				 .unit = job->units[unit].name,
				 .host = host->host->name,
				 .worker = worker};

	job->units[unit].state = UNIT_RUNNING;
	job->units[unit].attempts++;
	event.u.unit_started.attempt = job->units[unit].attempts;
	run_emit(job->run, &event);
}

bool job_unit_finished(struct run_job *job, uint32_t unit, struct run_host *host,
		       const char *worker, const struct ff_result *result)
{
	struct run_unit *u = &job->units[unit];
	bool bad = ff_outcome_bad(result->outcome);
	/* A lost unit was given up for good, whatever `retries` says. */
	bool again = bad && result->outcome != FF_OUTCOME_LOST && !job->stopped &&
		     u->attempts <= job->plan->config->retries;
	struct ff_event event = {.kind = FF_EVENT_UNIT_FINISHED,
				 .job = job->name,
				 .unit = u->name,
				 .host = host ? host->host->name : NULL,
				 .worker = worker};
	int64_t maxfail = job->run->opts->config->settings.maxfail;

	if (u->state == UNIT_DONE)
		return false;
	if (again) {
		u->state = UNIT_WAITING;
		job->counts.retried++;
		job->run->counts.retried++;
	} else {
		u->state = UNIT_DONE;
		u->outcome = (uint8_t)result->outcome;
		job->units_done++;
		job->counts.by_outcome[result->outcome]++;
		job->run->counts.by_outcome[result->outcome]++;
	}
	event.u.unit_finished.attempt = u->attempts;
	event.u.unit_finished.final = !again;
	event.u.unit_finished.result = result;
	run_emit(job->run, &event);
	if (!again && bad && maxfail > 0 && host) {
		uint32_t all = 0;

		for (size_t i = 0; i < job->run->opts->plan->len; i++)
			all += job_bad(&job->run->jobs[i]);
		if (all >= maxfail)
			run_stop(job->run, "maxfail was reached");
	}
	return again;
}

bool job_unit_lost(struct run_job *job, uint32_t unit, struct run_host *host, const char *worker,
		   const char *reason)
{
	struct run_unit *u = &job->units[unit];
	struct ff_result result = {.outcome = FF_OUTCOME_LOST};
	char *message;

	if (u->state == UNIT_DONE)
		return false;
	if (++u->lost < UNIT_LOST_MAX && !job->stopped && !job->run->stopping) {
		u->state = UNIT_WAITING;
		run_notice(job->run, host->host->name, "warning",
			   "%s was running when the host was lost (%s): it will run again", u->name,
			   reason);
		return true;
	}
	message = ff_xasprintf("host %s was lost while running it%s%s: %s", host->host->name,
			       worker ? " on " : "", worker ? worker : "", reason);
	result.message = message;
	job_unit_finished(job, unit, host, worker, &result);
	free(message);
	return false;
}

void job_release(struct run_job *job)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &job->sessions)
		session_free(ff_container_of(pos, struct run_session, node));
	ff_list_for_each_safe(pos, tmp, &job->attempts)
		attempt_free(ff_container_of(pos, struct run_attempt, node));
	if (job->sched)
		job->sched->class->free(job->sched);
	free(job->units);
	free(job->unit_names);
	free(job->retry);
	free(job->error);
	free(job->last_reason);
	ff_map_release(&job->seen);
	ff_arena_release(&job->names);
}
