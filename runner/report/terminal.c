/* The terminal reporter: events become what a person wants to see of a run. It reads no clock:
 * times are the events' and the tick's. */
#include "report/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/text.h"

enum {
	DRAW_EVERY_US = 95000,	 /* ticks come every 100 ms, give or take */
	TEXT_PENDING = 64 << 10, /* permanent text that does not wait for a tick */
};

static const struct terminal_glyphs utf8_glyphs = {"─", "═", "…", "·"};
static const struct terminal_glyphs ascii_glyphs = {"-", "=", "...", "-"};

static const struct {
	const char *label, *style;
} outcomes[] = {
	[FF_OUTCOME_PASSED] = {"PASSED", TERMINAL_GREEN},
	[FF_OUTCOME_FAILED] = {"FAILED", TERMINAL_RED},
	[FF_OUTCOME_ERROR] = {"ERROR", TERMINAL_RED},
	[FF_OUTCOME_SKIPPED] = {"SKIPPED", TERMINAL_YELLOW},
	[FF_OUTCOME_XFAILED] = {"XFAIL", TERMINAL_YELLOW},
	[FF_OUTCOME_XPASSED] = {"XPASS", TERMINAL_YELLOW},
	[FF_OUTCOME_CRASHED] = {"CRASHED", TERMINAL_RED},
	[FF_OUTCOME_TIMEOUT] = {"TIMEOUT", TERMINAL_RED},
	[FF_OUTCOME_LOST] = {"LOST", TERMINAL_RED},
};
_Static_assert(sizeof outcomes / sizeof *outcomes == FF_OUTCOMES, "an outcome has no label");

const char *terminal_outcome_label(enum ff_outcome outcome)
{
	return (unsigned)outcome < FF_OUTCOMES ? outcomes[outcome].label : "?";
}

const char *terminal_outcome_style(enum ff_outcome outcome)
{
	return (unsigned)outcome < FF_OUTCOMES ? outcomes[outcome].style : TERMINAL_RED;
}

void terminal_paint(const struct terminal *t, struct ff_buf *out, const char *style)
{
	if (t->opts.colour)
		ff_buf_addf(out, "\033[%sm", style);
}

void terminal_unpaint(const struct terminal *t, struct ff_buf *out)
{
	if (t->opts.colour)
		ff_buf_addstr(out, "\033[0m");
}

void terminal_name(const struct terminal *t, struct ff_buf *out, const char *name)
{
	ff_text_line(out, name, TERMINAL_NAME_COLUMNS, t->glyphs->ellipsis);
}

void terminal_unit(const struct terminal *t, struct ff_buf *out, const char *job, const char *unit)
{
	size_t len = job ? strlen(job) : 0;
	bool tells = len > 0 && unit && strncmp(unit, job, len) == 0 &&
		     (unit[len] == '\0' || unit[len] == '[');

	if (t->many_jobs && job && !tells) {
		terminal_name(t, out, job);
		ff_buf_addstr(out, ": ");
	}
	terminal_name(t, out, unit);
}

const char *terminal_key(struct terminal *t, const char *a, const char *b, const char *c)
{
	ff_buf_clear(&t->scratch);
	ff_buf_addf(&t->scratch, "%s\001%s\001%s", a ? a : "", b ? b : "", c ? c : "");
	return ff_buf_str(&t->scratch);
}

struct terminal_job *terminal_job(struct terminal *t, const char *name)
{
	struct terminal_job *job = name ? ff_map_get(&t->jobs, name) : NULL;

	if (job || !name)
		return job;
	job = ff_xcalloc(1, sizeof *job);
	job->name = ff_xstrdup(name);
	ff_map_set(&t->jobs, name, job);
	ff_list_add_tail(&t->job_list, &job->node);
	return job;
}

static char *copy_of(const char *text)
{
	return text ? ff_xstrdup(text) : NULL;
}

/* --- what runs --- */

static void running_free(struct terminal_running *running)
{
	ff_list_del(&running->node);
	free(running->job);
	free(running->unit);
	free(running->host);
	free(running->worker);
	free(running);
}

static void running_ended(struct terminal *t, const char *job, const char *unit)
{
	struct terminal_running *running =
		ff_map_del(&t->running, terminal_key(t, job, unit, NULL));

	if (running)
		running_free(running);
}

static void running_started(struct terminal *t, const struct ff_event *event)
{
	struct terminal_running *running;

	running_ended(t, event->job, event->unit);
	running = ff_xcalloc(1, sizeof *running);
	running->job = copy_of(event->job);
	running->unit = copy_of(event->unit);
	running->host = copy_of(event->host);
	running->worker = copy_of(event->worker);
	running->started_us = event->time_us;
	ff_list_add_tail(&t->running_list, &running->node);
	ff_map_set(&t->running, terminal_key(t, event->job, event->unit, NULL), running);
	if (t->first_unit_us == 0)
		t->first_unit_us = event->time_us;
}

static bool same(const char *wanted, const char *got)
{
	return !wanted || (got && strcmp(wanted, got) == 0);
}

/* Whatever ran there runs no more; NULL: any. */
static void running_gone(struct terminal *t, const char *job, const char *host, const char *worker)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &t->running_list) {
		struct terminal_running *running =
			ff_container_of(pos, struct terminal_running, node);

		if (same(job, running->job) && same(host, running->host) &&
		    same(worker, running->worker))
			running_ended(t, running->job, running->unit);
	}
}

/* --- events --- */

static void on_run_started(struct terminal *t, const struct ff_event *event)
{
	const char *dot = t->glyphs->dot;
	struct ff_buf *out = &t->screen.text;

	t->started_us = event->time_us;
	t->progress_us = event->time_us;
	t->hosts = event->u.run_started.hosts;
	t->many_jobs = event->u.run_started.jobs > 1;
	if (t->opts.verbosity < 0)
		return;
	ff_buf_addf(out, "farflung %s %s run ", event->u.run_started.version, dot);
	terminal_name(t, out, event->u.run_started.run_id);
	ff_buf_addf(out, " %s %u host%s, %u slot%s, %u job%s\n", dot, t->hosts,
		    t->hosts == 1 ? "" : "s", event->u.run_started.slots,
		    event->u.run_started.slots == 1 ? "" : "s", event->u.run_started.jobs,
		    event->u.run_started.jobs == 1 ? "" : "s");
}

static void on_job_started(struct terminal *t, const struct ff_event *event)
{
	const char *payload = event->u.job_started.payload;

	terminal_job(t, event->job)->command = payload && strcmp(payload, "pytest") != 0;
}

static void on_collected(struct terminal *t, const struct ff_event *event)
{
	terminal_job(t, event->job)->total += event->u.collected.count;
	t->total += event->u.collected.count;
	t->steps_told = t->total ? (uint32_t)(10 * (uint64_t)t->finished / t->total) : 0;
	terminal_say_collected(t, event);
}

static void on_collect_problem(struct terminal *t, const struct ff_event *event)
{
	terminal_keep_problem(t, event);
}

static void on_unit_started(struct terminal *t, const struct ff_event *event)
{
	terminal_say_hosts(t);
	running_started(t, event);
}

static void on_unit_finished(struct terminal *t, const struct ff_event *event)
{
	bool bad = ff_outcome_bad(event->u.unit_finished.result->outcome);

	running_ended(t, event->job, event->unit);
	terminal_end_output(t, event);
	terminal_say_unit(t, event);
	if (!event->u.unit_finished.final) {
		t->retries++;
		ff_map_set(&t->retried, terminal_key(t, event->job, event->unit, NULL), t);
		return;
	}
	t->finished++;
	t->failed += bad;
	if (bad)
		terminal_keep_failure(t, event);
	if (ff_map_del(&t->retried, terminal_key(t, event->job, event->unit, NULL)) && !bad)
		terminal_keep_flaky(t, event);
	terminal_say_progress(t);
}

static void on_gone(struct terminal *t, const struct ff_event *event)
{
	running_gone(t, NULL, event->host, event->worker);
	if (event->kind == FF_EVENT_WORKER_ENDED)
		terminal_say_worker(t, event);
	else
		terminal_say_host(t, event);
}

static void on_job_finished(struct terminal *t, const struct ff_event *event)
{
	struct terminal_job *job = terminal_job(t, event->job);

	running_gone(t, event->job, NULL, NULL);
	free(job->state);
	free(job->reason);
	job->state = copy_of(event->u.job_finished.state);
	job->reason = copy_of(event->u.job_finished.reason);
}

static void on_interrupted(struct terminal *t, const struct ff_event *event)
{
	size_t running = t->running.len;

	t->interrupts = event->u.interrupted.times;
	terminal_paint(t, &t->screen.text, TERMINAL_YELLOW);
	if (t->interrupts > 1)
		ff_buf_addf(&t->screen.text, "interrupted again: killing %zu running unit%s",
			    running, running == 1 ? "" : "s");
	else
		ff_buf_addf(&t->screen.text,
			    "interrupted: waiting for %zu running unit%s (again to kill %s)",
			    running, running == 1 ? "" : "s", running == 1 ? "it" : "them");
	terminal_unpaint(t, &t->screen.text);
	ff_buf_addch(&t->screen.text, '\n');
}

static void on_run_finished(struct terminal *t, const struct ff_event *event)
{
	t->over = true;
	terminal_say_hosts(t);
	terminal_say_end(t, event);
}

static void (*const handlers[FF_EVENT_KINDS])(struct terminal *t, const struct ff_event *event) = {
	[FF_EVENT_RUN_STARTED] = on_run_started,
	[FF_EVENT_HOST_READY] = terminal_say_host,
	[FF_EVENT_HOST_FAILED] = terminal_say_host,
	[FF_EVENT_HOST_LOST] = on_gone,
	[FF_EVENT_SYNC_FINISHED] = terminal_say_host,
	[FF_EVENT_JOB_STARTED] = on_job_started,
	[FF_EVENT_WORKER_STARTED] = terminal_say_worker,
	[FF_EVENT_WORKER_ENDED] = on_gone,
	[FF_EVENT_COLLECTED] = on_collected,
	[FF_EVENT_COLLECT_PROBLEM] = on_collect_problem,
	[FF_EVENT_UNIT_STARTED] = on_unit_started,
	[FF_EVENT_UNIT_OUTPUT] = terminal_say_output,
	[FF_EVENT_UNIT_FINISHED] = on_unit_finished,
	[FF_EVENT_NOTICE] = terminal_say_notice,
	[FF_EVENT_JOB_FINISHED] = on_job_finished,
	[FF_EVENT_INTERRUPTED] = on_interrupted,
	[FF_EVENT_RUN_FINISHED] = on_run_finished,
};

static void terminal_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct terminal *t = (struct terminal *)reporter;

	t->now_us = event->time_us;
	handlers[event->kind](t, event);
	/* While a block is drawn, lines wait for its next frame: one write, no flicker. */
	if (t->screen.rows > 0 && !t->over && event->kind != FF_EVENT_INTERRUPTED &&
	    t->screen.text.len < TEXT_PENDING)
		return;
	if (t->screen.text.len > 0 || t->screen.rows > 0)
		ff_screen_frame(&t->screen, NULL, 0);
}

/* The wall time of a tick: what the events said last, carried on by the tick's own clock. */
static int64_t wall_time(struct terminal *t, int64_t now_us)
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
	struct terminal *t = (struct terminal *)reporter;
	struct ff_buf block = FF_BUF_INIT;
	unsigned rows;

	if (!t->opts.tty || t->opts.verbosity < 0 || t->over || t->started_us == 0 ||
	    t->screen.errnum || (t->drawn_us > 0 && now_us - t->drawn_us < DRAW_EVERY_US))
		return;
	t->drawn_us = now_us;
	rows = terminal_live(t, wall_time(t, now_us), &block);
	ff_screen_frame(&t->screen, rows ? &block : NULL, rows);
	ff_buf_release(&block);
}

static int terminal_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct terminal *t = (struct terminal *)reporter;

	ff_screen_frame(&t->screen, NULL, 0);
	ff_screen_drain(&t->screen);
	/* A reader that went away ("| head", a closed window) wants no more: no failure. */
	if (t->screen.errnum && t->screen.errnum != EPIPE && t->screen.errnum != EIO)
		return ff_err_sys(err, t->screen.errnum, "cannot write to the terminal");
	return 0;
}

static void terminal_free(struct ff_reporter *reporter)
{
	struct terminal *t = (struct terminal *)reporter;
	struct ff_list *pos, *tmp;
	size_t cursor = 0;
	void *line;

	running_gone(t, NULL, NULL, NULL);
	ff_list_for_each_safe(pos, tmp, &t->job_list) {
		struct terminal_job *job = ff_container_of(pos, struct terminal_job, node);

		free(job->name);
		free(job->state);
		free(job->reason);
		free(job);
	}
	while (ff_map_next(&t->output, &cursor, NULL, &line)) {
		ff_buf_release(line);
		free(line);
	}
	ff_map_release(&t->output);
	ff_map_release(&t->jobs);
	ff_map_release(&t->running);
	ff_map_release(&t->retried);
	ff_map_release(&t->pythons);
	ff_buf_release(&t->errors);
	ff_buf_release(&t->failures);
	ff_buf_release(&t->warnings);
	ff_buf_release(&t->flaky);
	ff_buf_release(&t->scratch);
	ff_screen_release(&t->screen);
	free(t->slowest);
	free(t);
}

static const struct ff_reporter_class terminal_class = {
	.name = "terminal",
	.event = terminal_event,
	.tick = terminal_tick,
	.finish = terminal_finish,
	.free = terminal_free,
};

struct ff_reporter *ff_report_terminal(const struct ff_terminal_opts *opts)
{
	struct terminal *t = ff_xcalloc(1, sizeof *t);

	t->base.class = &terminal_class;
	t->opts = *opts;
	t->glyphs = ff_text_locale_is_utf8() ? &utf8_glyphs : &ascii_glyphs;
	ff_screen_init(&t->screen, opts->fd);
	ff_list_init(&t->job_list);
	ff_list_init(&t->running_list);
	return &t->base;
}
