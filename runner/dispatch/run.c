/* The main loop: callbacks change what they are about, the pump draws the conclusions. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"

enum { TICK_US = 100000 };

/* --- stopping --- */

void run_stop(struct run *run, const char *why)
{
	for (size_t i = 0; i < run->opts->plan->len; i++) {
		struct run_job *job = &run->jobs[i];
		struct ff_list *pos;

		if (job->state == JOB_FINISHED || job->stopped)
			continue;
		job->stopped = true;
		if (job->sched)
			job->sched->class->stop(job->sched);
		ff_list_for_each(pos, &job->sessions)
			session_stop(ff_container_of(pos, struct run_session, node));
	}
	if (why)
		run_notice(run, NULL, "note", "stopping: %s", why);
}

static void run_kill(struct run *run)
{
	run->killed = true;
	for (size_t i = 0; i < run->opts->plan->len; i++) {
		struct ff_list *pos;

		ff_list_for_each(pos, &run->jobs[i].sessions)
			session_kill(ff_container_of(pos, struct run_session, node));
		ff_list_for_each(pos, &run->jobs[i].attempts)
			attempt_kill(ff_container_of(pos, struct run_attempt, node), true);
	}
}

static void on_kill_timer(struct ff_timer *timer)
{
	run_kill(timer->ctx);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct run *run = handle->data;
	struct ff_event event = {.kind = FF_EVENT_INTERRUPTED};

	(void)signum;
	event.u.interrupted.times = ++run->interrupts;
	run_emit(run, &event);
	if (run->interrupts == 1) {
		run->stopping = true;
		run_stop(run, NULL);
		ff_timer_set(&run->kill_timer,
			     ff_clock_us() + run->opts->config->settings.grace_us);
	} else {
		run_kill(run);
	}
}

static void on_tick(struct ff_timer *timer)
{
	struct run *run = timer->ctx;
	int64_t now = ff_clock_us();

	for (size_t i = 0; i < run->opts->reporters_len; i++)
		if (run->opts->reporters[i]->class->tick)
			run->opts->reporters[i]->class->tick(run->opts->reporters[i], now);
	ff_timer_set(timer, now + TICK_US);
}

/* --- jobs --- */

static bool job_needs_met(struct run_job *job)
{
	for (size_t i = 0; i < job->plan->needs_len; i++) {
		struct run_job *need = &job->run->jobs[job->plan->needs[i]];

		if (need->state != JOB_FINISHED)
			return false;
		if (!need->ok && !job->error)
			job->error = ff_xasprintf("it needs '%s', which did not pass", need->name);
	}
	return true;
}

static void job_pump(struct run_job *job)
{
	if (job->state == JOB_WAITING) {
		if (job->run->stopping || job->stopped) {
			job_finish(job);
			return;
		}
		if (!job_needs_met(job))
			return;
		if (job->error) {
			job->skipped = true;
			job_finish(job);
			return;
		}
		job_start(job);
	}
	if (job->state != JOB_RUNNING)
		return;
	if (job->plan->payload->shape == FF_PAYLOAD_SESSION)
		session_job_pump(job);
	else
		attempt_job_pump(job);
}

static bool run_pump(struct run *run)
{
	bool all_finished = true;

	host_pump(run);
	for (size_t i = 0; i < run->opts->plan->len; i++) {
		job_pump(&run->jobs[i]);
		all_finished &= run->jobs[i].state == JOB_FINISHED;
	}
	return all_finished;
}

/* --- beginning and end --- */

int run_init(struct run *run, const struct ff_run_opts *opts, struct ff_err *err)
{
	int rc;

	*run = (struct run){.opts = opts, .started_at = ff_clock_us()};
	rc = ff_loop_init(&run->loop, err);
	if (rc < 0)
		return rc;
	run->group = ff_open_group(&run->loop, err);
	if (!run->group)
		return err->code;
	run->hosts = ff_xcalloc(opts->inventory->len + 1, sizeof *run->hosts);
	for (size_t i = 0; i < opts->inventory->len; i++)
		run->hosts[i] = (struct run_host){.run = run, .host = &opts->inventory->hosts[i]};
	run->jobs = ff_xcalloc(opts->plan->len + 1, sizeof *run->jobs);
	for (size_t i = 0; i < opts->plan->len; i++) {
		run->jobs[i] = (struct run_job){.run = run,
						.plan = &opts->plan->jobs[i],
						.name = opts->plan->jobs[i].config->name};
		ff_list_init(&run->jobs[i].sessions);
		ff_list_init(&run->jobs[i].attempts);
	}
	ff_timer_init(&run->tick, &run->loop, on_tick, run);
	ff_timer_init(&run->kill_timer, &run->loop, on_kill_timer, run);
	ff_timer_set(&run->tick, ff_clock_us() + TICK_US);
	uv_signal_t *signals[] = {&run->sigint, &run->sigterm, &run->sighup};
	const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

	for (int i = 0; i < 3; i++) {
		struct sigaction before;

		uv_signal_init(&run->loop.uv, signals[i]);
		signals[i]->data = run;
		/* nohup and shells ignore some for us: that is to stay so. */
		if (sigaction(numbers[i], NULL, &before) != 0 || before.sa_handler != SIG_IGN)
			uv_signal_start(signals[i], on_signal, numbers[i]);
	}
	return 0;
}

static void emit_run_started(struct run *run)
{
	struct ff_event event = {.kind = FF_EVENT_RUN_STARTED};
	uint32_t slots = 0;

	for (size_t i = 0; i < run->opts->inventory->len; i++)
		slots += run->opts->inventory->hosts[i].slots;
	event.u.run_started.run_id =
		run->opts->journal ? ff_journal_run_id(run->opts->journal) : "none";
	event.u.run_started.version = FARFLUNG_VERSION;
	event.u.run_started.config_file = run->opts->config->path;
	event.u.run_started.command_line = run->opts->command_line;
	event.u.run_started.directory = run->opts->config->directory;
	event.u.run_started.hosts = (uint32_t)run->opts->inventory->len;
	event.u.run_started.slots = slots;
	event.u.run_started.jobs = (uint32_t)run->opts->plan->len;
	run_emit(run, &event);
}

/* "2 failed, 98 passed" in the order that matters; "nothing ran" without any. */
static void counts_text(const struct run *run, struct ff_buf *text)
{
	const struct ff_counts *counts = &run->counts;
	static const enum ff_outcome order[] = {
		FF_OUTCOME_FAILED,  FF_OUTCOME_ERROR,	FF_OUTCOME_CRASHED,
		FF_OUTCOME_TIMEOUT, FF_OUTCOME_LOST,	FF_OUTCOME_PASSED,
		FF_OUTCOME_SKIPPED, FF_OUTCOME_XFAILED, FF_OUTCOME_XPASSED};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		uint32_t n = counts->by_outcome[order[i]];

		if (order[i] == FF_OUTCOME_SKIPPED)
			n += run->skipped_modules;
		if (n > 0)
			ff_buf_addf(text, "%s%u %s", text->len ? ", " : "", n,
				    ff_outcome_word(order[i]));
	}
	if (counts->retried > 0)
		ff_buf_addf(text, ", %u retried", counts->retried);
	if (text->len == 0)
		ff_buf_addstr(text, "nothing ran");
}

/* The worst that happened decides: interrupted, usage, infrastructure, failures. */
static int exit_code(const struct run *run, struct ff_buf *reason)
{
	int code = FF_EXIT_OK;
	uint32_t problems = 0;
	const char *error = NULL;

	counts_text(run, reason);
	for (size_t i = 0; i < run->opts->plan->len; i++) {
		const struct run_job *job = &run->jobs[i];
		int job_code = job->skipped	   ? FF_EXIT_OK
			       : job->usage	   ? FF_EXIT_USAGE
			       : job->error	   ? (job->infra ? FF_EXIT_INFRA : FF_EXIT_FAILED)
			       : job->problems > 0 ? FF_EXIT_FAILED
						   : FF_EXIT_OK;

		problems += job->problems;
		if (job_code > 0 && job->error && (!error || job_code == FF_EXIT_USAGE))
			error = job->error;
		if (job_code == FF_EXIT_USAGE || (code != FF_EXIT_USAGE && job_code > code))
			code = job_code;
	}
	if (problems > 0)
		ff_buf_addf(reason, ", %u not collected", problems);
	if (error)
		ff_buf_addf(reason, "; %s", error);
	for (int i = 0; i < FF_OUTCOMES && code == FF_EXIT_OK; i++)
		if (ff_outcome_bad((enum ff_outcome)i) && run->counts.by_outcome[i] > 0)
			code = FF_EXIT_FAILED;
	if (run->interrupts > 0) {
		ff_buf_addstr(reason, "; interrupted");
		code = FF_EXIT_INTERRUPTED;
	}
	return code;
}

static int emit_run_finished(struct run *run)
{
	struct ff_event event = {.kind = FF_EVENT_RUN_FINISHED};
	struct ff_buf reason = FF_BUF_INIT;
	int code = exit_code(run, &reason);

	event.u.run_finished.exit_code = code;
	event.u.run_finished.reason = ff_buf_str(&reason);
	event.u.run_finished.counts = run->counts;
	event.u.run_finished.took_us = ff_clock_us() - run->started_at;
	run_emit(run, &event);
	ff_buf_release(&reason);
	return code;
}

void run_release(struct run *run)
{
	for (size_t i = 0; i < run->opts->plan->len; i++)
		job_release(&run->jobs[i]);
	for (size_t i = 0; i < run->opts->inventory->len; i++)
		host_release(&run->hosts[i]);
	ff_group_free(run->group);
	uv_close((uv_handle_t *)&run->sigint, NULL);
	uv_close((uv_handle_t *)&run->sigterm, NULL);
	uv_close((uv_handle_t *)&run->sighup, NULL);
	ff_timer_close(&run->tick, NULL);
	ff_timer_close(&run->kill_timer, NULL);
	ff_loop_release(&run->loop);
	free(run->hosts);
	free(run->jobs);
}

int ff_dispatch_run(const struct ff_run_opts *opts)
{
	struct run run;
	struct ff_err err = {0};
	int code;

	if (run_init(&run, opts, &err) < 0) {
		run.opts = opts;
		run_notice(&run, NULL, "error", "%s", err.text);
		return FF_EXIT_INFRA;
	}
	emit_run_started(&run);
	host_open_all(&run);
	while (!run_pump(&run))
		ff_loop_run_once(&run.loop, FF_NEVER_US);
	/* Workers end before the last word is spoken, so that nothing follows it. */
	ff_rsync_free(run.rsync);
	run.rsync = NULL;
	run.stopping = true;
	ff_group_terminate(run.group, run.killed ? 0 : 5000);
	code = emit_run_finished(&run);
	run_release(&run);
	return code;
}
