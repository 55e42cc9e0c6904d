/* What the terminal reporter says at the end: errors, failures, warnings, flaky units, jobs that
 * did not run, and the last line. Texts are rendered when they arrive and kept up to a bound. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

enum { RULE_COLUMNS_MAX = 100 };

/* --- texts for the end --- */

static void add_title(const struct terminal *t, struct ff_buf *out, const char *title)
{
	ff_buf_addstr(out, "--- ");
	terminal_name(t, out, title);
	ff_buf_addstr(out, " ---\n");
}

void terminal_sections(struct terminal *t, const struct ff_result *result, struct ff_buf *out,
		       const char *indent)
{
	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];

		if (section->len == 0)
			continue;
		ff_buf_addstr(out, indent);
		add_title(t, out, section->title ? section->title : "output");
		ff_text_lines(out, section->text, section->len, indent, t->opts.colour);
	}
}

/* "── unit: tests/test_x.py::test_a ── FAILED on build1 (gw3)" */
static void add_head(const struct terminal *t, struct ff_buf *out, const struct ff_event *event,
		     const char *unit, const char *what)
{
	const char *thin = t->glyphs->thin;

	terminal_paint(t, out, "31;1");
	ff_buf_addf(out, "%s%s ", thin, thin);
	terminal_unit(t, out, event->job, unit);
	ff_buf_addf(out, " %s%s %s", thin, thin, what);
	if (event->host) {
		ff_buf_addstr(out, " on ");
		terminal_name(t, out, event->host);
	}
	if (event->worker) {
		ff_buf_addstr(out, " (");
		terminal_name(t, out, event->worker);
		ff_buf_addch(out, ')');
	}
}

static void add_text(const struct terminal *t, struct ff_buf *out, const char *text)
{
	if (text)
		ff_text_lines(out, text, strlen(text), "", t->opts.colour);
}

static size_t size_of(const char *text)
{
	return text ? strlen(text) : 0;
}

static size_t result_size(const struct ff_result *result)
{
	size_t size = size_of(result->message) + size_of(result->longrepr);

	for (size_t i = 0; i < result->sections_len; i++)
		size += result->sections[i].len;
	for (size_t i = 0; i < result->phases_len && !result->longrepr; i++)
		size += size_of(result->phases[i].longrepr);
	return size;
}

/* Is there room for a text of about this size? Escapes may make it somewhat longer. */
static bool has_room(const struct terminal *t, size_t size)
{
	return t->errors.len + t->failures.len + size <= TERMINAL_FAILURES_MAX;
}

void terminal_keep_failure(struct terminal *t, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_buf *out = &t->failures;

	if (!has_room(t, result_size(result))) {
		t->failures_left_out++;
		return;
	}
	add_head(t, out, event, event->unit, terminal_outcome_label(result->outcome));
	if (event->u.unit_finished.attempt > 1)
		ff_buf_addf(out, ", attempt %u", event->u.unit_finished.attempt);
	terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
	if (result->message && (!result->longrepr || result->has_status) &&
	    !(result->longrepr && strstr(result->longrepr, result->message)))
		add_text(t, out, result->message);
	add_text(t, out, result->longrepr);
	for (size_t i = 0; i < result->phases_len && !result->longrepr; i++) {
		if (!result->phases[i].longrepr)
			continue;
		add_title(t, out, result->phases[i].when ? result->phases[i].when : "?");
		add_text(t, out, result->phases[i].longrepr);
	}
	terminal_sections(t, result, out, "");
	ff_buf_addch(out, '\n');
}

void terminal_keep_problem(struct terminal *t, const struct ff_event *event)
{
	const char *message = event->u.collect_problem.message;
	const char *longrepr = event->u.collect_problem.longrepr;
	bool skipped = event->u.collect_problem.skipped;
	struct ff_buf *out = &t->screen.text;

	if (t->opts.verbosity > 0 || (t->opts.verbosity == 0 && !skipped)) {
		terminal_paint(t, out, skipped ? TERMINAL_YELLOW : TERMINAL_RED);
		ff_buf_addstr(out, skipped ? "SKIPPED" : "ERROR  ");
		terminal_unpaint(t, out);
		ff_buf_addch(out, ' ');
		terminal_unit(t, out, event->job, event->u.collect_problem.nodeid);
		ff_buf_addstr(out, message ? " - " : "");
		terminal_name(t, out, message);
		ff_buf_addch(out, '\n');
	}
	t->modules_skipped += skipped;
	if (skipped)
		return;
	t->errors_len++;
	out = &t->errors;
	if (!has_room(t, size_of(longrepr ? longrepr : message))) {
		t->errors_left_out++;
		return;
	}
	add_head(t, out, event, event->u.collect_problem.nodeid, "ERROR collecting");
	terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
	add_text(t, out, longrepr ? longrepr : message);
	ff_buf_addch(out, '\n');
}

void terminal_keep_warning(struct terminal *t, const struct ff_event *event)
{
	const char *text = event->u.notice.text ? event->u.notice.text : "";
	const char *category = event->u.notice.category;
	struct ff_buf *out = &t->warnings;
	size_t first = strcspn(text, "\n");

	t->warnings_len++;
	if (out->len + strlen(text) > TERMINAL_WARNINGS_MAX) {
		t->warnings_left_out++;
		return;
	}
	/* pytest's own wording begins with the place already. */
	if (!strstr(text, category)) {
		if (event->u.notice.file) {
			terminal_name(t, out, event->u.notice.file);
			ff_buf_addf(out, ":%d: ", event->u.notice.line);
		}
		terminal_name(t, out, category);
		ff_buf_addstr(out, ": ");
	}
	ff_text_lines(out, text, first, "", t->opts.colour);
	if (first == 0)
		ff_buf_addch(out, '\n');
	if (text[first])
		ff_text_lines(out, text + first + 1, strlen(text + first + 1), "  ",
			      t->opts.colour);
}

void terminal_keep_flaky(struct terminal *t, const struct ff_event *event)
{
	struct ff_buf *out = &t->flaky;

	if (t->flaky_len++ >= TERMINAL_FLAKY_MAX)
		return;
	terminal_unit(t, out, event->job, event->unit);
	ff_buf_addf(out, " (attempt %u)\n", event->u.unit_finished.attempt);
}

/* --- the end --- */

static void add_rule(const struct terminal *t, struct ff_buf *out, const char *style,
		     const struct ff_buf *title)
{
	size_t columns = ff_screen_size(&t->screen).columns, room;
	size_t width = ff_text_width((const char *)ff_buf_data(title), title->len) + 2;

	columns = !t->opts.tty ? 80 : columns < RULE_COLUMNS_MAX ? columns : RULE_COLUMNS_MAX;
	room = columns > width + 2 ? columns - width : 2;
	for (int side = 0; side < 2; side++) {
		terminal_paint(t, out, style);
		for (size_t i = 0; i < (side ? room - room / 2 : room / 2); i++)
			ff_buf_addstr(out, t->glyphs->thick);
		terminal_unpaint(t, out);
		if (side)
			break;
		ff_buf_addch(out, ' ');
		ff_buf_add(out, ff_buf_data(title), title->len);
		ff_buf_addch(out, ' ');
	}
	ff_buf_addch(out, '\n');
}

static void add_section(struct terminal *t, const char *style, const char *title)
{
	struct ff_buf text = FF_BUF_INIT;

	terminal_paint(t, &text, style);
	ff_buf_addstr(&text, title);
	terminal_unpaint(t, &text);
	add_rule(t, &t->screen.text, style, &text);
	ff_buf_release(&text);
}

static void say_failures(struct terminal *t, const char *title, struct ff_buf *texts,
			 uint32_t left_out)
{
	struct ff_buf *out = &t->screen.text;

	if (texts->len == 0 && left_out == 0)
		return;
	add_section(t, TERMINAL_RED, title);
	ff_buf_add(out, ff_buf_data(texts), texts->len);
	if (left_out > 0)
		ff_buf_addf(out, "%u more %s not shown: texts of more than %d MiB\n\n", left_out,
			    left_out == 1 ? "is" : "are", TERMINAL_FAILURES_MAX >> 20);
	ff_buf_release(texts);
}

static void say_lists(struct terminal *t)
{
	struct ff_buf *out = &t->screen.text;

	if (t->warnings_len > 0) {
		add_section(t, TERMINAL_YELLOW, "warnings summary");
		ff_buf_add(out, ff_buf_data(&t->warnings), t->warnings.len);
		if (t->warnings_left_out > 0)
			ff_buf_addf(out, "%u more %s not shown\n", t->warnings_left_out,
				    t->warnings_left_out == 1 ? "is" : "are");
		ff_buf_addch(out, '\n');
	}
	if (t->flaky_len > 0) {
		add_section(t, TERMINAL_YELLOW, "passed after retries");
		ff_buf_add(out, ff_buf_data(&t->flaky), t->flaky.len);
		if (t->flaky_len > TERMINAL_FLAKY_MAX)
			ff_buf_addf(out, "and %u more\n", t->flaky_len - TERMINAL_FLAKY_MAX);
		ff_buf_addch(out, '\n');
	}
}

static void say_jobs(struct terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	struct ff_list *pos;
	bool any = false;

	ff_list_for_each(pos, &t->job_list) {
		const struct terminal_job *job = ff_container_of(pos, struct terminal_job, node);
		bool error = job->state && strcmp(job->state, "error") == 0;
		size_t first;

		if (!error && !(job->state && strcmp(job->state, "skipped") == 0))
			continue;
		any = true;
		terminal_paint(t, out, error ? TERMINAL_RED : TERMINAL_YELLOW);
		ff_buf_addstr(out, "job ");
		terminal_name(t, out, job->name);
		ff_buf_addf(out, ": %s", job->state);
		terminal_unpaint(t, out);
		if (!job->reason || !*job->reason) {
			ff_buf_addch(out, '\n');
			continue;
		}
		first = strcspn(job->reason, "\n");
		ff_text_lines(out, job->reason, first, ": ", t->opts.colour);
		if (first == 0)
			ff_buf_addch(out, '\n');
		if (job->reason[first])
			add_text(t, out, job->reason + first + 1);
	}
	if (any)
		ff_buf_addch(out, '\n');
}

static void add_count(const struct terminal *t, struct ff_buf *out, uint32_t count,
		      const char *style, const char *what)
{
	if (count == 0)
		return;
	ff_buf_addstr(out, out->len ? ", " : "");
	terminal_paint(t, out, style);
	ff_buf_addf(out, "%u %s", count, what);
	terminal_unpaint(t, out);
}

static void say_last_line(struct terminal *t, const struct ff_event *event)
{
	static const enum ff_outcome order[] = {
		FF_OUTCOME_FAILED,  FF_OUTCOME_ERROR,	FF_OUTCOME_CRASHED,
		FF_OUTCOME_TIMEOUT, FF_OUTCOME_LOST,	FF_OUTCOME_PASSED,
		FF_OUTCOME_SKIPPED, FF_OUTCOME_XFAILED, FF_OUTCOME_XPASSED};
	const struct ff_counts *counts = &event->u.run_finished.counts;
	struct ff_buf title = FF_BUF_INIT;
	const char *style, *in;

	_Static_assert(sizeof order / sizeof *order == FF_OUTCOMES, "an outcome is not counted");
	style = event->u.run_finished.exit_code != 0 ? TERMINAL_RED
		: counts->by_outcome[FF_OUTCOME_PASSED] > 0 && t->warnings_len == 0
			? TERMINAL_GREEN
			: TERMINAL_YELLOW;
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		add_count(t, &title,
			  counts->by_outcome[order[i]] +
				  (order[i] == FF_OUTCOME_SKIPPED ? t->modules_skipped : 0),
			  terminal_outcome_style(order[i]), ff_outcome_word(order[i]));
	add_count(t, &title, t->errors_len, TERMINAL_RED, "not collected");
	add_count(t, &title, counts->retried, TERMINAL_YELLOW, "retried");
	add_count(t, &title, t->warnings_len, TERMINAL_YELLOW,
		  t->warnings_len == 1 ? "warning" : "warnings");
	in = title.len > 0 ? " in " : "nothing ran in ";
	terminal_paint(t, &title, style);
	ff_buf_addstr(&title, in);
	ff_text_seconds(&title, event->u.run_finished.took_us);
	terminal_unpaint(t, &title);
	add_rule(t, &t->screen.text, style, &title);
	ff_buf_release(&title);
}

void terminal_say_end(struct terminal *t, const struct ff_event *event)
{
	ff_buf_addch(&t->screen.text, '\n');
	say_failures(t, "errors", &t->errors, t->errors_left_out);
	say_failures(t, "failures", &t->failures, t->failures_left_out);
	if (t->opts.verbosity >= 0)
		say_lists(t);
	say_jobs(t);
	say_last_line(t, event);
}
