/* Jobs with a front, which tells their story itself: on the user's terminal, then we say nothing
 * there, or as text of the job among ours. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

/* --- who speaks --- */

/* Whether it is known by now that the run goes on without a front. */
static bool settles(const struct ff_event *event)
{
	switch (event->kind) {
	case FF_EVENT_WORKER_STARTED:
	case FF_EVENT_COLLECTED:
	case FF_EVENT_COLLECT_PROBLEM:
	case FF_EVENT_UNIT_STARTED:
	case FF_EVENT_JOB_FINISHED:
	case FF_EVENT_INTERRUPTED:
	case FF_EVENT_RUN_FINISHED:
		return true;
	default:
		return false;
	}
}

/* What workers and the front write on stderr goes to ours, as it would from programs of the
 * user's. */
static void keep_stderr(struct ff_terminal *t, const struct ff_event *event)
{
	const char *text = event->u.notice.text ? event->u.notice.text : "";

	if (event->kind != FF_EVENT_NOTICE || !event->u.notice.level ||
	    strcmp(event->u.notice.level, "stderr") != 0)
		return;
	ff_text_lines(&t->aside_text, text, strlen(text), "", t->setup.colour);
	if (*text == '\0')
		ff_buf_addch(&t->aside_text, '\n');
}

void ff_terminal_pass_stderr(struct ff_terminal *t)
{
	struct ff_writer_opts opts = t->setup.writer;

	if (t->aside_text.len == 0)
		return;
	opts.fd = STDERR_FILENO;
	if (!t->aside)
		t->aside = ff_writer_new(&opts);
	ff_writer_put(t->aside, ff_buf_data(&t->aside_text), t->aside_text.len, NULL);
	ff_buf_clear(&t->aside_text);
}

bool ff_terminal_hushed(struct ff_terminal *t, const struct ff_event *event)
{
	if (t->voice == FF_TERMINAL_HELD && event->kind == FF_EVENT_FRONT_STARTED)
		t->voice = FF_TERMINAL_SILENT;
	else if (t->voice == FF_TERMINAL_HELD && settles(event))
		t->voice = FF_TERMINAL_OWN;
	/* What it would have told is for us to tell after all. */
	else if (t->voice == FF_TERMINAL_SILENT && event->kind == FF_EVENT_FRONT_FINISHED &&
		 event->u.front_finished.error)
		t->voice = FF_TERMINAL_OWN;
	if (t->voice == FF_TERMINAL_OWN)
		return false;
	keep_stderr(t, event);
	if (t->voice == FF_TERMINAL_HELD)
		return true;
	ff_buf_clear(&t->screen.text);
	ff_terminal_pass_stderr(t);
	/* The front has said its last by then, and durations with it. */
	if (event->kind != FF_EVENT_RUN_FINISHED || ff_terminal_no_summary(t))
		return true;
	ff_terminal_say_times(t);
	return false;
}

/* --- its text, in `farflung run` --- */

static void say_line(struct ff_terminal *t, const struct ff_terminal_job *job, const char *text,
		     size_t len)
{
	struct ff_buf prefix = FF_BUF_INIT;
	struct ff_buf *out = &t->screen.text;

	if (t->many_jobs) {
		ff_buf_addch(&prefix, '[');
		ff_terminal_name(t, &prefix, job->name);
		ff_buf_addstr(&prefix, "] ");
	}
	if (len > 0)
		ff_text_lines(out, text, len, ff_buf_str(&prefix), t->setup.colour);
	else
		ff_buf_addch(out, '\n');
	ff_buf_release(&prefix);
}

static void end_line(struct ff_terminal *t, struct ff_terminal_job *job)
{
	if (job->line.len > 0)
		say_line(t, job, (const char *)ff_buf_data(&job->line), job->line.len);
	ff_buf_clear(&job->line);
}

void ff_terminal_front_text(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);
	const char *text = event->u.front_text.text;

	while (job && text && *text) {
		size_t len = strcspn(text, "\n");

		if (len > FF_TERMINAL_OUTPUT_LINE_MAX)
			len = FF_TERMINAL_OUTPUT_LINE_MAX;
		ff_buf_add(&job->line, text, len);
		text += len;
		if (*text == '\n') {
			say_line(t, job, (const char *)ff_buf_data(&job->line), job->line.len);
			ff_buf_clear(&job->line);
			text++;
		} else if (job->line.len >= FF_TERMINAL_OUTPUT_LINE_MAX) {
			end_line(t, job);
		}
	}
}

void ff_terminal_front_started(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	if (job)
		job->front = true;
}

void ff_terminal_front_finished(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	if (!job)
		return;
	end_line(t, job);
	if (!event->u.front_finished.error)
		return;
	job->front = false;
	ff_buf_add(&t->failures, ff_buf_data(&job->withheld), job->withheld.len);
	ff_buf_clear(&job->withheld);
}

bool ff_terminal_has_front(struct ff_terminal *t, const struct ff_event *event)
{
	const struct ff_terminal_job *job = event->job ? ff_terminal_job(t, event->job) : NULL;

	return job && job->front;
}

/* Its own text has them; they are ours to show only if that does not come. */
void ff_terminal_withhold(struct ff_terminal *t, const struct ff_event *event, size_t before)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);
	size_t len = t->failures.len - before;

	if (!job || !job->front || len == 0 || t->voice != FF_TERMINAL_OWN)
		return;
	ff_buf_add(&job->withheld, (const char *)ff_buf_data(&t->failures) + before, len);
	t->failures.len = before;
}
