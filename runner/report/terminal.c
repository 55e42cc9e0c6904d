/* The terminal reporter: events become what a person wants to see of a run. It reads no clock:
 * times are the events' and the tick's. */
#include "report/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "report/text.h"

enum {
	DRAW_EVERY_US = 95000,	 /* ticks come every 100 ms, give or take */
	TEXT_PENDING = 64 << 10, /* permanent text that does not wait for a tick */
};

static const struct ff_terminal_glyphs utf8_glyphs = {"─", "═", "…", "·"};
static const struct ff_terminal_glyphs ascii_glyphs = {"-", "=", "...", "-"};

static const struct {
	const char *label, *style;
} outcomes[] = {
	[FF_OUTCOME_PASSED] = {"PASSED", FF_TERMINAL_GREEN},
	[FF_OUTCOME_FAILED] = {"FAILED", FF_TERMINAL_RED},
	[FF_OUTCOME_ERROR] = {"ERROR", FF_TERMINAL_RED},
	[FF_OUTCOME_SKIPPED] = {"SKIPPED", FF_TERMINAL_YELLOW},
	[FF_OUTCOME_XFAILED] = {"XFAIL", FF_TERMINAL_YELLOW},
	[FF_OUTCOME_XPASSED] = {"XPASS", FF_TERMINAL_YELLOW},
	[FF_OUTCOME_CRASHED] = {"CRASHED", FF_TERMINAL_RED},
	[FF_OUTCOME_TIMEOUT] = {"TIMEOUT", FF_TERMINAL_RED},
	[FF_OUTCOME_LOST] = {"LOST", FF_TERMINAL_RED},
};
_Static_assert(sizeof(outcomes) / sizeof(*outcomes) == FF_OUTCOMES, "an outcome has no label");

const char *ff_terminal_outcome_label(enum ff_outcome outcome)
{
	return (unsigned)outcome < FF_OUTCOMES ? outcomes[outcome].label : "?";
}

const char *ff_terminal_outcome_style(enum ff_outcome outcome)
{
	return (unsigned)outcome < FF_OUTCOMES ? outcomes[outcome].style : FF_TERMINAL_RED;
}

void ff_terminal_paint(const struct ff_terminal *t, struct ff_buf *out, const char *style)
{
	if (t->setup.colour)
		ff_buf_addf(out, "\033[%sm", style);
}

void ff_terminal_unpaint(const struct ff_terminal *t, struct ff_buf *out)
{
	if (t->setup.colour)
		ff_buf_addstr(out, "\033[0m");
}

void ff_terminal_name(const struct ff_terminal *t, struct ff_buf *out, const char *name)
{
	ff_text_line(out, name, FF_TERMINAL_NAME_COLUMNS, t->glyphs->ellipsis);
}

void ff_terminal_reason(struct ff_buf *out, const char *reason)
{
	ff_text_line(out, reason && *reason ? reason : "for no known reason", 0, "");
}

void ff_terminal_place(const struct ff_terminal *t, struct ff_buf *out,
		       const struct ff_event *event)
{
	if (!event->host && !event->worker)
		return;
	ff_buf_addstr(out, " [");
	ff_terminal_name(t, out, event->host);
	if (event->worker) {
		ff_buf_addstr(out, event->host ? " " : "");
		ff_terminal_name(t, out, event->worker);
	}
	ff_buf_addch(out, ']');
}

void ff_terminal_unit(const struct ff_terminal *t, struct ff_buf *out, const char *job,
		      const char *unit)
{
	size_t len = job ? strlen(job) : 0;
	bool tells = len > 0 && unit && strncmp(unit, job, len) == 0 &&
		     (unit[len] == '\0' || unit[len] == '[');

	if (t->many_jobs && job && !tells) {
		ff_terminal_name(t, out, job);
		ff_buf_addstr(out, ": ");
	}
	ff_terminal_name(t, out, unit);
}

const char *ff_terminal_key(struct ff_terminal *t, const char *a, const char *b, const char *c)
{
	ff_buf_clear(&t->scratch);
	ff_buf_addf(&t->scratch, "%s\001%s\001%s", a ? a : "", b ? b : "", c ? c : "");
	return ff_buf_str(&t->scratch);
}

const char *ff_terminal_unit_key(struct ff_terminal *t, const char *job, uint32_t index, int stream)
{
	ff_buf_clear(&t->scratch);
	ff_buf_addstr(&t->scratch, job ? job : "");
	ff_buf_addch(&t->scratch, '\001');
	ff_buf_adduint(&t->scratch, index);
	ff_buf_addch(&t->scratch, (char)('0' + stream));
	return ff_buf_str(&t->scratch);
}

struct ff_terminal_job *ff_terminal_job(struct ff_terminal *t, const char *name)
{
	struct ff_terminal_job *job = name ? ff_map_get(&t->jobs, name) : NULL;

	if (job || !name)
		return job;
	job = ff_xcalloc(1, sizeof(*job));
	job->name = ff_xstrdup(name);
	ff_map_set(&t->jobs, name, job);
	ff_list_add_tail(&t->job_list, &job->node);
	return job;
}

/* --- events --- */

static void on_run_started(struct ff_terminal *t, const struct ff_event *event)
{
	const char *dot = t->glyphs->dot;
	struct ff_buf *out = &t->screen.text;

	t->started_us = event->time_us;
	ff_free(t->few.run_id);
	t->few.run_id = ff_xstrdup(event->u.run_started.run_id);
	t->progress_us = event->time_us;
	t->hosts = event->u.run_started.hosts;
	t->many_jobs = event->u.run_started.jobs > 1;
	if (t->setup.verbosity < 0)
		return;
	ff_buf_addf(out, "farflung %s %s run ", event->u.run_started.version, dot);
	ff_terminal_name(t, out, event->u.run_started.run_id);
	ff_buf_addf(out, " %s %u host%s, %u slot%s, %u job%s\n", dot, t->hosts,
		    t->hosts == 1 ? "" : "s", event->u.run_started.slots,
		    event->u.run_started.slots == 1 ? "" : "s", event->u.run_started.jobs,
		    event->u.run_started.jobs == 1 ? "" : "s");
}

/* How many units a job has, as far as that is known; what does not run leaves the total again. */
static void job_has(struct ff_terminal *t, struct ff_terminal_job *job, uint32_t total)
{
	t->total += total - job->total;
	job->total = total;
	t->steps_told = t->total ? (uint32_t)(10 * (uint64_t)t->finished / t->total) : 0;
}

static void job_lacks(struct ff_terminal *t, struct ff_terminal_job *job, uint32_t not_run)
{
	uint32_t more, left = t->total > t->finished ? t->total - t->finished : 0;

	if (not_run <= job->not_run)
		return;
	more = not_run - job->not_run;
	job->not_run = not_run;
	t->total -= more < left ? more : left;
}

/* JOB_ADDED and JOB_STARTED. */
static void job_is(struct ff_terminal *t, const struct ff_event *event, const char *payload,
		   uint32_t units)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	if (!job)
		return;
	if (payload && !job->kind)
		job->kind = ff_xstrdup(payload);
	if (payload)
		job->command = strcmp(payload, "run") == 0;
	if (units > 0)
		job_has(t, job, units);
}

static void on_job_added(struct ff_terminal *t, const struct ff_event *event)
{
	job_is(t, event, event->u.job_added.payload, event->u.job_added.units);
}

static void on_job_started(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	if (job)
		job->begun = true;
	job_is(t, event, event->u.job_started.payload, event->u.job_started.units);
	if (event->u.job_started.units > 0)
		ff_terminal_say_size(t, event, 0);
}

static void on_collected(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	if (!job || event->u.collected.again)
		return;
	job_has(t, job, event->u.collected.count);
	job->parts = event->u.collected.parts;
	t->deselected += event->u.collected.deselected;
	ff_terminal_say_size(t, event, event->u.collected.deselected);
}

static void on_units_added(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	if (!job)
		return;
	job_has(t, job, job->total + event->u.units_added.count);
	t->deselected += event->u.units_added.deselected;
}

static void on_unit_started(struct ff_terminal *t, const struct ff_event *event)
{
	ff_terminal_say_hosts(t);
	if (event->host)
		ff_terminal_host(t, event->host)->worked = true;
	ff_terminal_running_started(t, event);
}

static void on_unit_output(struct ff_terminal *t, const struct ff_event *event)
{
	ff_terminal_running_output(t, event);
	ff_terminal_say_output(t, event);
}

static void on_unit_finished(struct ff_terminal *t, const struct ff_event *event)
{
	size_t before = t->failures.len, lines = t->summary.len;
	uint32_t alike = 0;
	char *attempts;
	bool bad, shown;

	ff_terminal_running_ended(t, event->job, event->index);
	ff_terminal_end_output(t, event);
	if (!event->u.unit_finished.result)
		return;
	bad = ff_outcome_bad(event->u.unit_finished.result->outcome);
	ff_terminal_use(t, event, event->u.unit_finished.result->duration_us, false);
	ff_terminal_keep_durations(t, event);
	shown = !bad || !event->u.unit_finished.final || ff_terminal_tell_failure(t, event, &alike);
	if (!ff_terminal_has_front(t, event) && (shown || t->setup.verbosity > 0))
		ff_terminal_say_unit(t, event);
	if (!event->u.unit_finished.final) {
		t->retries++;
		ff_terminal_keep_attempt(t, event);
		return;
	}
	t->finished++;
	t->failed += bad;
	if (!bad)
		ff_terminal_keep_good(t, event);
	else if (shown)
		ff_terminal_keep_failure(t, event);
	ff_terminal_withhold(t, event, before);
	ff_terminal_keep_few(t, event, alike, before, lines);
	attempts = ff_map_del(&t->retried, ff_terminal_unit_key(t, event->job, event->index, 0));
	if (attempts && !bad)
		ff_terminal_keep_flaky(t, event, attempts);
	ff_free(attempts);
	ff_terminal_say_progress(t);
}

static void on_unit_lost(struct ff_terminal *t, const struct ff_event *event)
{
	ff_terminal_running_ended(t, event->job, event->index);
	ff_terminal_end_output(t, event);
	ff_terminal_use(t, event, event->u.unit_lost.duration_us, true);
	ff_terminal_say_lost_unit(t, event);
	ff_terminal_keep_lost(t, event);
}

static void keep_not_run(struct ff_terminal_job *job, const char *name)
{
	if (job && name && job->not_run_names.len < FF_TERMINAL_NOT_RUN_NAMES)
		ff_strv_add(&job->not_run_names, name);
}

static void on_part_not_run(struct ff_terminal *t, const struct ff_event *event)
{
	keep_not_run(ff_terminal_job(t, event->job), event->u.part_not_run.part);
}

static void on_units_not_run(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	keep_not_run(job, event->unit);
	/* That they are not run is no loss; the job's end says why. */
	if (job && (event->u.units_not_run.why == FF_REASON_TIME ||
		    event->u.units_not_run.why == FF_REASON_WHEN))
		job_has(t, job, job->total - event->u.units_not_run.count);
	else if (job)
		job_lacks(t, job, job->not_run + event->u.units_not_run.count);
}

static void on_host_gone(struct ff_terminal *t, const struct ff_event *event)
{
	if (event->host)
		ff_terminal_running_gone(t, NULL, event->host, NULL);
	ff_terminal_say_host(t, event);
}

static void on_worker_ended(struct ff_terminal *t, const struct ff_event *event)
{
	if (event->worker)
		ff_terminal_running_gone(t, NULL, event->host, event->worker);
	ff_terminal_say_worker(t, event);
}

static void on_job_finished(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	if (!job)
		return;
	ff_terminal_running_gone(t, event->job, NULL, NULL);
	job_lacks(t, job, event->u.job_finished.counts.not_run);
	job->parts_not_run = event->u.job_finished.counts.parts_not_run;
	job->over = true;
	job->result = event->u.job_finished.result;
	job->why = event->u.job_finished.why;
	ff_free(job->reason);
	job->reason = ff_xstrdup(event->u.job_finished.reason);
}

static void on_stopping(struct ff_terminal *t, const struct ff_event *event)
{
	enum ff_reason why = event->u.stopping.why;
	size_t running = t->running.len;
	struct ff_buf *out = &t->screen.text;

	if (event->u.stopping.kill && running > 0) {
		ff_terminal_paint(t, out, FF_TERMINAL_YELLOW);
		ff_buf_addf(out, "time is up: killing %zu running unit%s", running,
			    running == 1 ? "" : "s");
		ff_terminal_unpaint(t, out);
		ff_buf_addch(out, '\n');
	}
	/* An interrupt has its own words. */
	if (t->stopping || t->interrupts > 0 || why == FF_REASON_INTERRUPTED)
		return;
	t->stopping = true;
	ff_terminal_paint(t, out, FF_TERMINAL_YELLOW);
	ff_buf_addstr(out, why == FF_REASON_MAXFAIL ? "stopping " : "stopping: ");
	ff_terminal_reason(out, event->u.stopping.reason ? event->u.stopping.reason
							 : ff_reason_word(why));
	ff_terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
}

static void on_interrupted(struct ff_terminal *t, const struct ff_event *event)
{
	size_t running = t->running.len;

	t->interrupts = event->u.interrupted.times;
	ff_terminal_paint(t, &t->screen.text, FF_TERMINAL_YELLOW);
	if (t->interrupts > 1)
		ff_buf_addf(&t->screen.text, "interrupted again: killing %zu running unit%s",
			    running, running == 1 ? "" : "s");
	else
		ff_buf_addf(&t->screen.text,
			    "interrupted: waiting for %zu running unit%s (again to kill %s)",
			    running, running == 1 ? "" : "s", running == 1 ? "it" : "them");
	ff_terminal_unpaint(t, &t->screen.text);
	ff_buf_addch(&t->screen.text, '\n');
}

static void on_run_finished(struct ff_terminal *t, const struct ff_event *event)
{
	t->over = true;
	ff_terminal_say_hosts(t);
	ff_terminal_say_end(t, event);
}

static void (*const handlers[FF_EVENT_KINDS])(struct ff_terminal *t,
					      const struct ff_event *event) = {
	[FF_EVENT_RUN_STARTED] = on_run_started,
	[FF_EVENT_HOST_ADDED] = ff_terminal_say_host,
	[FF_EVENT_JOB_ADDED] = on_job_added,
	[FF_EVENT_HOST_JOINING] = ff_terminal_say_host,
	[FF_EVENT_SYNC_FINISHED] = ff_terminal_say_host,
	[FF_EVENT_HOST_READY] = ff_terminal_say_host,
	[FF_EVENT_HOST_UNFIT] = ff_terminal_say_host,
	[FF_EVENT_HOST_AWAY] = on_host_gone,
	[FF_EVENT_HOST_FAILED] = on_host_gone,
	[FF_EVENT_HOST_LOST] = on_host_gone,
	[FF_EVENT_HOST_SETUP] = ff_terminal_say_setup,
	[FF_EVENT_HOST_DRAINING] = ff_terminal_say_host,
	[FF_EVENT_HOST_LEFT] = ff_terminal_say_host,
	[FF_EVENT_JOB_STARTED] = on_job_started,
	[FF_EVENT_WORKER_OPENING] = ff_terminal_say_worker,
	[FF_EVENT_WORKER_STARTED] = ff_terminal_say_worker,
	[FF_EVENT_WORKER_ENDED] = on_worker_ended,
	[FF_EVENT_COLLECTED] = on_collected,
	[FF_EVENT_UNITS_ADDED] = on_units_added,
	[FF_EVENT_COLLECT_PROBLEM] = ff_terminal_keep_problem,
	[FF_EVENT_UNIT_STARTED] = on_unit_started,
	[FF_EVENT_UNIT_OUTPUT] = on_unit_output,
	[FF_EVENT_UNIT_FINISHED] = on_unit_finished,
	[FF_EVENT_UNIT_LOST] = on_unit_lost,
	[FF_EVENT_UNITS_BEFORE] = ff_terminal_units_before,
	[FF_EVENT_UNIT_BEFORE] = ff_terminal_unit_before,
	[FF_EVENT_UNIT_ARTIFACTS] = ff_terminal_hear_artifacts,
	[FF_EVENT_JOB_ARTIFACTS] = ff_terminal_hear_job_artifacts,
	[FF_EVENT_UNITS_NOT_RUN] = on_units_not_run,
	[FF_EVENT_PART_NOT_RUN] = on_part_not_run,
	[FF_EVENT_FRONT_STARTED] = ff_terminal_front_started,
	[FF_EVENT_FRONT_TEXT] = ff_terminal_front_text,
	[FF_EVENT_FRONT_FINISHED] = ff_terminal_front_finished,
	[FF_EVENT_NOTICE] = ff_terminal_say_notice,
	[FF_EVENT_JOB_FINISHED] = on_job_finished,
	[FF_EVENT_STOPPING] = on_stopping,
	[FF_EVENT_INTERRUPTED] = on_interrupted,
	[FF_EVENT_RUN_FINISHED] = on_run_finished,
};

static void terminal_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct ff_terminal *t = (struct ff_terminal *)reporter;

	t->now_us = event->time_us;
	t->heard_us = ff_clock_us();
	ff_terminal_hear_times(t, event);
	if ((unsigned)event->kind < FF_EVENT_KINDS && handlers[event->kind])
		handlers[event->kind](t, event);
	if (ff_terminal_hushed(t, event))
		return;
	/* While a block is drawn, lines wait for its next frame: no flicker. */
	if (t->screen.block && !t->over && event->kind != FF_EVENT_INTERRUPTED &&
	    t->screen.text.len < TEXT_PENDING)
		return;
	if (t->screen.text.len > 0 || t->screen.block)
		ff_screen_frame(&t->screen, NULL, 0);
}

/* The wall time of a tick: what the events said last, carried on by the tick's own clock. */
static int64_t wall_time(struct ff_terminal *t, int64_t now_us)
{
	int64_t wall = t->anchor_wall_us + (now_us - t->anchor_mono_us);

	if (t->anchor_mono_us == 0 || t->now_us > wall) {
		t->anchor_mono_us = now_us;
		t->anchor_wall_us = wall = t->now_us;
	}
	return wall;
}

static void terminal_tick(struct ff_reporter *reporter, int64_t now_us)
{
	struct ff_terminal *t = (struct ff_terminal *)reporter;
	struct ff_buf block = FF_BUF_INIT;
	unsigned rows;

	if (t->voice != FF_TERMINAL_OWN || !t->setup.tty || t->setup.verbosity < 0 || t->over ||
	    t->started_us == 0 || ff_writer_error(t->screen.writer) ||
	    (t->drawn_us > 0 && now_us - t->drawn_us < DRAW_EVERY_US))
		return;
	t->drawn_us = now_us;
	rows = ff_terminal_live(t, wall_time(t, now_us), &block);
	ff_screen_frame(&t->screen, rows ? &block : NULL, rows);
	ff_buf_release(&block);
}

/* A terminal has it above its live block; else it is nothing that a report's reader asked for. */
static void terminal_show(struct ff_reporter *reporter)
{
	struct ff_terminal *t = (struct ff_terminal *)reporter;

	if (t->over || t->started_us == 0)
		return;
	if (t->setup.tty && t->voice == FF_TERMINAL_OWN) {
		ff_terminal_tell_running(t, &t->screen.text);
		ff_screen_frame(&t->screen, NULL, 0);
		return;
	}
	ff_terminal_tell_running(t, &t->aside_text);
	ff_terminal_pass_stderr(t);
}

static bool terminal_full(const struct ff_reporter *reporter)
{
	const struct ff_terminal *t = (const struct ff_terminal *)reporter;

	return ff_writer_full(t->screen.writer) || (t->aside && ff_writer_full(t->aside));
}

static int terminal_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct ff_terminal *t = (struct ff_terminal *)reporter;
	int errnum;

	if (t->aside)
		ff_writer_finish(t->aside);
	ff_screen_frame(&t->screen, NULL, 0);
	errnum = ff_writer_finish(t->screen.writer);
	if (errnum && errnum != ECANCELED && !ff_writer_deserted(t->screen.writer))
		return ff_err_sys(err, errnum, "cannot write to %s",
				  t->setup.writer.fd == STDERR_FILENO ? "stderr" : "stdout");
	return 0;
}

static bool terminal_deserted(const struct ff_reporter *reporter)
{
	return ff_writer_deserted(((const struct ff_terminal *)reporter)->screen.writer);
}

static void terminal_abandon(struct ff_reporter *reporter)
{
	struct ff_terminal *t = (struct ff_terminal *)reporter;

	if (t->aside)
		ff_writer_abandon(t->aside);
	ff_writer_abandon(t->screen.writer);
}

static void terminal_free(struct ff_reporter *reporter)
{
	struct ff_terminal *t = (struct ff_terminal *)reporter;
	struct ff_list *pos, *tmp;
	size_t cursor = 0;
	void *line;

	ff_terminal_running_gone(t, NULL, NULL, NULL);
	ff_terminal_free_tells(t);
	ff_terminal_free_few(t);
	ff_terminal_free_hosts(t);
	ff_list_for_each_safe(pos, tmp, &t->job_list) {
		struct ff_terminal_job *job = ff_container_of(pos, struct ff_terminal_job, node);

		ff_free(job->name);
		ff_free(job->kind);
		ff_free(job->reason);
		ff_strv_release(&job->not_run_names);
		ff_buf_release(&job->line);
		ff_buf_release(&job->withheld);
		ff_free(job);
	}
	while (ff_map_next(&t->output, &cursor, NULL, &line)) {
		ff_buf_release(line);
		ff_free(line);
	}
	ff_map_release(&t->output);
	ff_map_release(&t->jobs);
	ff_map_release(&t->running);
	ff_buf_release(&t->errors);
	ff_buf_release(&t->failures);
	ff_buf_release(&t->passes);
	ff_buf_release(&t->summary);
	ff_terminal_free_warnings(t);
	ff_terminal_free_durations(t);
	ff_terminal_free_artifacts(t);
	ff_terminal_free_lost(t);
	ff_buf_release(&t->flaky);
	ff_buf_release(&t->scratch);
	ff_writer_free(t->aside);
	ff_buf_release(&t->aside_text);
	ff_screen_release(&t->screen);
	ff_free(t);
}

static const struct ff_reporter_class terminal_class = {
	.name = "terminal",
	.event = terminal_event,
	.tick = terminal_tick,
	.show = terminal_show,
	.full = terminal_full,
	.finish = terminal_finish,
	.deserted = terminal_deserted,
	.abandon = terminal_abandon,
	.free = terminal_free,
};

struct ff_reporter *ff_terminal_new(const struct ff_terminal_setup *setup)
{
	struct ff_terminal *t = ff_xcalloc(1, sizeof(*t));

	t->base.class = &terminal_class;
	t->setup = *setup;
	t->glyphs = ff_text_locale_is_utf8() ? &utf8_glyphs : &ascii_glyphs;
	ff_screen_init(&t->screen, &setup->writer);
	ff_list_init(&t->host_list);
	ff_list_init(&t->job_list);
	ff_list_init(&t->running_list);
	ff_list_init(&t->warning_list);
	ff_list_init(&t->lost.list);
	t->voice = setup->front ? FF_TERMINAL_HELD : FF_TERMINAL_OWN;
	return &t->base;
}
