/* What the terminal reporter says at the end: errors, failures, warnings, flaky units, jobs that
 * did not run, and the last line. Texts are rendered when they arrive and kept up to a bound. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

/* --- texts for the end --- */

static void add_title(const struct ff_terminal *t, struct ff_buf *out, const char *title)
{
	ff_buf_addstr(out, "--- ");
	ff_terminal_name(t, out, title);
	ff_buf_addstr(out, " ---\n");
}

static void add_sections(struct ff_terminal *t, const struct ff_event *event, struct ff_buf *out)
{
	const struct ff_result *result = event->u.unit_finished.result;

	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];

		if (section->len == 0 || !section->text ||
		    !ff_terminal_shows_section(t, event->job, section->title))
			continue;
		add_title(t, out, section->title ? section->title : "output");
		ff_text_lines(out, section->text, section->len, "", t->setup.colour);
	}
}

/* "── unit: tests/test_x.py::test_a ── FAILED on build1 (gw3)" */
static void add_head(const struct ff_terminal *t, struct ff_buf *out, const struct ff_event *event,
		     const char *unit, const char *what)
{
	const char *thin = t->glyphs->thin;

	ff_terminal_paint(t, out, "31;1");
	ff_buf_addf(out, "%s%s ", thin, thin);
	ff_terminal_unit(t, out, event->job, unit);
	ff_buf_addf(out, " %s%s %s", thin, thin, what);
	if (event->host) {
		ff_buf_addstr(out, " on ");
		ff_terminal_name(t, out, event->host);
	}
	if (event->worker) {
		ff_buf_addstr(out, " (");
		ff_terminal_name(t, out, event->worker);
		ff_buf_addch(out, ')');
	}
}

/* A unit's own text may have colours; what is said of it has none. */
static void add_text(const struct ff_terminal *t, struct ff_buf *out, const char *text)
{
	if (text)
		ff_text_lines(out, text, strlen(text), "", t->setup.colour);
}

/* A traceback, in pytest's colours where it has none: what went wrong stands out. */
static void add_traceback(const struct ff_terminal *t, struct ff_buf *out, const char *text)
{
	size_t len;

	if (!t->setup.colour || !text || strchr(text, '\033')) {
		add_text(t, out, text);
		return;
	}
	for (; *text; text += len + (text[len] == '\n')) {
		const char *style = strncmp(text, "E  ", 3) == 0 ? "31;1"
				    : *text == '>'		 ? "1"
								 : NULL;

		len = strcspn(text, "\n");
		if (style)
			ff_terminal_paint(t, out, style);
		ff_text_lines(out, text, len, "", false);
		if (len == 0)
			ff_buf_addch(out, '\n');
		if (style)
			ff_terminal_unpaint(t, out);
	}
}

static void add_message(struct ff_buf *out, const char *text)
{
	if (text)
		ff_text_lines(out, text, strlen(text), "", false);
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
static bool has_room(const struct ff_terminal *t, size_t size)
{
	return t->errors.len + t->failures.len + t->passes.len + size <= FF_TERMINAL_FAILURES_MAX;
}

/* "FAILED tests/test_x.py::test_a - assert 1 == 2" */
static void keep_line(struct ff_terminal *t, const struct ff_event *event, char what,
		      const char *label, const char *unit, const char *message)
{
	const char *style = what == 'f' || what == 'E'	 ? FF_TERMINAL_RED
			    : what == 'p' || what == 'P' ? FF_TERMINAL_GREEN
							 : FF_TERMINAL_YELLOW;
	struct ff_buf *out = &t->summary;

	if (!ff_terminal_wants(t, event->job, what))
		return;
	if (out->len > FF_TERMINAL_WARNINGS_MAX || ff_terminal_has_front(t, event))
		return;
	ff_terminal_paint(t, out, style);
	ff_buf_addstr(out, label);
	ff_terminal_unpaint(t, out);
	ff_buf_addch(out, ' ');
	ff_terminal_unit(t, out, event->job, unit);
	ff_buf_addstr(out, message ? " - " : "");
	ff_terminal_name(t, out, message);
	ff_buf_addch(out, '\n');
}

/* "ERROR at setup", or the outcome's own word. */
static const char *label_of(const struct ff_result *result)
{
	const char *label = ff_terminal_outcome_label(result->outcome);

	for (size_t i = 0; i < result->phases_len && result->outcome == FF_OUTCOME_ERROR; i++) {
		if (result->phases[i].outcome != FF_OUTCOME_ERROR)
			continue;
		if (strcmp(result->phases[i].when, "setup") == 0)
			return "ERROR at setup";
		if (strcmp(result->phases[i].when, "teardown") == 0)
			return "ERROR at teardown";
	}
	return label;
}

static void add_failure_head(const struct ff_terminal *t, const struct ff_event *event,
			     struct ff_buf *out, const char *label)
{
	add_head(t, out, event, event->unit, label);
	if (event->u.unit_finished.attempt > 1)
		ff_buf_addf(out, ", attempt %u", event->u.unit_finished.attempt);
	ff_terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
}

/* Both of what went wrong, each below its own head. */
static void add_both(const struct ff_terminal *t, const struct ff_event *event, struct ff_buf *out,
		     const struct ff_phase *second)
{
	const struct ff_result *result = event->u.unit_finished.result;

	for (const struct ff_phase *phase = result->phases; phase < second; phase++)
		add_traceback(t, out, phase->longrepr);
	ff_buf_addch(out, '\n');
	add_failure_head(t, event, out, "ERROR at teardown");
	add_traceback(t, out, second->longrepr);
}

void ff_terminal_keep_failure(struct ff_terminal *t, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	const struct ff_phase *second = ff_result_second_error(result);
	enum ff_terminal_traceback shown = ff_terminal_traceback(t, event->job);
	struct ff_buf *out = &t->failures;

	keep_line(t, event, result->outcome == FF_OUTCOME_ERROR ? 'E' : 'f',
		  ff_terminal_outcome_label(result->outcome), event->unit, result->message);
	if (second)
		keep_line(t, event, 'E', "ERROR", event->unit, second->message);
	if (shown == FF_TERMINAL_NO_TRACEBACK)
		return;
	if (!has_room(t, result_size(result))) {
		t->failures_left_out++;
		return;
	}
	if (shown == FF_TERMINAL_LINE) {
		add_text(t, out, result->longrepr ? result->longrepr : result->message);
		return;
	}
	add_failure_head(t, event, out, label_of(result));
	if (result->message && (!result->longrepr || result->has_status) &&
	    !(result->longrepr && strstr(result->longrepr, result->message)))
		add_message(out, result->message);
	if (second)
		add_both(t, event, out, second);
	else
		add_traceback(t, out, result->longrepr);
	for (size_t i = 0; i < result->phases_len && !result->longrepr; i++) {
		if (!result->phases[i].longrepr)
			continue;
		add_title(t, out, result->phases[i].when ? result->phases[i].when : "?");
		add_text(t, out, result->phases[i].longrepr);
	}
	add_sections(t, event, out);
	ff_buf_addch(out, '\n');
}

void ff_terminal_keep_good(struct ff_terminal *t, const struct ff_event *event)
{
	static const struct {
		enum ff_outcome outcome;
		char what;
		const char *label; /* as pytest has it */
	} goods[] = {{FF_OUTCOME_PASSED, 'p', "PASSED"},
		     {FF_OUTCOME_SKIPPED, 's', "SKIPPED"},
		     {FF_OUTCOME_XFAILED, 'x', "XFAIL"},
		     {FF_OUTCOME_XPASSED, 'X', "XPASS"}};
	const struct ff_result *result = event->u.unit_finished.result;

	for (size_t i = 0; i < sizeof(goods) / sizeof(*goods); i++)
		if (result->outcome == goods[i].outcome)
			keep_line(t, event, goods[i].what, goods[i].label, event->unit,
				  result->message);
	if (result->outcome != FF_OUTCOME_PASSED || result->sections_len == 0 ||
	    !ff_terminal_wants(t, event->job, 'P') || ff_terminal_has_front(t, event) ||
	    !has_room(t, result_size(result)))
		return;
	add_head(t, &t->passes, event, event->unit, "PASSED");
	ff_terminal_unpaint(t, &t->passes);
	ff_buf_addch(&t->passes, '\n');
	add_sections(t, event, &t->passes);
	ff_buf_addch(&t->passes, '\n');
}

void ff_terminal_keep_problem(struct ff_terminal *t, const struct ff_event *event)
{
	const char *message = event->u.collect_problem.message;
	const char *longrepr = event->u.collect_problem.longrepr;
	bool skipped = event->u.collect_problem.skipped;
	struct ff_buf *out = &t->screen.text;

	if (t->setup.verbosity > 0 || (t->setup.verbosity == 0 && !skipped)) {
		ff_terminal_paint(t, out, skipped ? FF_TERMINAL_YELLOW : FF_TERMINAL_RED);
		ff_buf_addstr(out, skipped ? "SKIPPED" : "ERROR  ");
		ff_terminal_unpaint(t, out);
		ff_buf_addch(out, ' ');
		ff_terminal_unit(t, out, event->job, event->u.collect_problem.nodeid);
		ff_buf_addstr(out, message ? " - " : "");
		ff_terminal_name(t, out, message);
		ff_buf_addch(out, '\n');
	}
	t->modules_skipped += skipped;
	if (skipped)
		return;
	t->errors_len++;
	keep_line(t, event, 'E', "ERROR", event->u.collect_problem.nodeid, message);
	if (ff_terminal_traceback(t, event->job) == FF_TERMINAL_NO_TRACEBACK)
		return;
	out = &t->errors;
	if (!has_room(t, size_of(longrepr ? longrepr : message))) {
		t->errors_left_out++;
		return;
	}
	add_head(t, out, event, event->u.collect_problem.nodeid, "ERROR collecting");
	ff_terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
	if (longrepr)
		add_traceback(t, out, longrepr);
	else
		add_message(out, message);
	ff_buf_addch(out, '\n');
}

void ff_terminal_keep_flaky(struct ff_terminal *t, const struct ff_event *event,
			    const char *attempts)
{
	struct ff_buf *out = &t->flaky;

	if (t->flaky_len++ >= FF_TERMINAL_FLAKY_MAX)
		return;
	ff_terminal_unit(t, out, event->job, event->unit);
	ff_buf_addf(out, " (attempt %u)\n%s", event->u.unit_finished.attempt, attempts);
}

/* --- the end --- */

/* 0: nobody knows how wide it will be shown. */
static size_t columns_of(const struct ff_terminal *t)
{
	return t->setup.columns ? t->setup.columns
	       : t->setup.tty	? ff_screen_size(&t->screen).columns
				: 0;
}

void ff_terminal_wrap(struct ff_terminal *t, struct ff_buf *line, const char *indent)
{
	ff_text_wrap(&t->screen.text, (const char *)ff_buf_data(line), line->len, columns_of(t),
		     indent);
	ff_buf_addch(&t->screen.text, '\n');
	ff_buf_clear(line);
}

static void add_rule(struct ff_terminal *t, const char *style, const struct ff_buf *title)
{
	struct ff_buf *out = &t->screen.text;
	size_t known = columns_of(t), columns = known ? known : 80, room;
	size_t width = ff_text_width((const char *)ff_buf_data(title), title->len) + 2;

	if (known && width > known) {
		struct ff_buf line = FF_BUF_INIT;

		ff_buf_add(&line, ff_buf_data(title), title->len);
		ff_terminal_wrap(t, &line, "");
		ff_buf_release(&line);
		return;
	}
	room = columns > width + 2 ? columns - width : 2;
	for (int side = 0; side < 2; side++) {
		ff_terminal_paint(t, out, style);
		for (size_t i = 0; i < (side ? room - room / 2 : room / 2); i++)
			ff_buf_addstr(out, t->glyphs->thick);
		ff_terminal_unpaint(t, out);
		if (side)
			break;
		ff_buf_addch(out, ' ');
		ff_buf_add(out, ff_buf_data(title), title->len);
		ff_buf_addch(out, ' ');
	}
	ff_buf_addch(out, '\n');
}

void ff_terminal_say_title(struct ff_terminal *t, const char *style, const char *fmt, ...)
{
	struct ff_buf text = FF_BUF_INIT;
	va_list args;

	ff_terminal_paint(t, &text, style ? style : "");
	va_start(args, fmt);
	ff_buf_vaddf(&text, fmt, args);
	va_end(args);
	ff_terminal_unpaint(t, &text);
	add_rule(t, style ? style : "", &text);
	ff_buf_release(&text);
}

void ff_terminal_say_left_out(struct ff_terminal *t, uint32_t left_out)
{
	if (left_out > 0)
		ff_buf_addf(&t->screen.text, "%u more %s not shown: texts of more than %d MiB\n\n",
			    left_out, left_out == 1 ? "is" : "are", FF_TERMINAL_FAILURES_MAX >> 20);
}

static void say_failures(struct ff_terminal *t, const char *title, struct ff_buf *texts,
			 uint32_t left_out)
{
	struct ff_buf *out = &t->screen.text;

	if (texts->len == 0 && left_out == 0)
		return;
	ff_terminal_say_title(t, FF_TERMINAL_RED, "%s", title);
	ff_buf_add(out, ff_buf_data(texts), texts->len);
	ff_terminal_say_left_out(t, left_out);
	ff_buf_release(texts);
}

static void say_lists(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;

	if (t->warnings_len > 0 && ff_terminal_somebody_wants(t, 'w')) {
		ff_terminal_say_title(t, FF_TERMINAL_YELLOW, "warnings summary");
		ff_terminal_say_warnings(t);
	}
	if (t->flaky_len > 0 && t->setup.verbosity >= 0) {
		ff_terminal_say_title(t, FF_TERMINAL_YELLOW, "passed after retries");
		ff_buf_add(out, ff_buf_data(&t->flaky), t->flaky.len);
		if (t->flaky_len > FF_TERMINAL_FLAKY_MAX)
			ff_buf_addf(out, "and %u more\n", t->flaky_len - FF_TERMINAL_FLAKY_MAX);
		ff_buf_addch(out, '\n');
	}
}

/* "; 12 of 20 tests did not run, nor did 3 files" */
static void add_not_run(struct ff_buf *out, const struct ff_terminal_job *job)
{
	const char *what = job->command ? "command" : "test";
	uint32_t files = job->parts_not_run;

	if (job->not_run + files > 0)
		ff_buf_addstr(out, "; ");
	if (job->not_run == 0) {
		if (files > 0)
			ff_buf_addf(out, "%u file%s did not run", files, files == 1 ? "" : "s");
		return;
	}
	ff_buf_addf(out, "%u ", job->not_run);
	if (job->total >= job->not_run)
		ff_buf_addf(out, "of %u ", job->total);
	ff_buf_addf(out, "%s%s did not run", what,
		    (job->total > job->not_run ? job->total : job->not_run) == 1 ? "" : "s");
	if (files > 0)
		ff_buf_addf(out, ", nor did %u file%s", files, files == 1 ? "" : "s");
}

/* ": a, b and 3 more" of what is known by name. */
static void add_not_run_names(const struct ff_terminal *t, struct ff_buf *out,
			      const struct ff_terminal_job *job)
{
	const struct ff_strv *names = &job->not_run_names;
	size_t all = (size_t)job->not_run + job->parts_not_run;

	for (size_t i = 0; i < names->len; i++) {
		ff_buf_addstr(out, i ? ", " : ": ");
		ff_terminal_name(t, out, names->v[i]);
	}
	if (names->len > 0 && all > names->len)
		ff_buf_addf(out, " and %zu more", all - names->len);
}

static void say_job(struct ff_terminal *t, const struct ff_terminal_job *job)
{
	const char *whole = job->reason ? job->reason : ff_reason_word(job->why);
	bool told = ff_map_get(&t->words, whole);
	struct ff_buf gist = FF_BUF_INIT;
	const char *reason = whole;
	size_t first;
	bool bad = job->result == FF_JOB_ERROR || job->result == FF_JOB_FAILED;
	struct ff_buf line = FF_BUF_INIT, *out = &line;

	if (told) {
		ff_text_gist(&gist, whole);
		reason = ff_buf_str(&gist);
	}
	first = strcspn(reason, "\n");
	ff_terminal_paint(t, out, bad ? FF_TERMINAL_RED : FF_TERMINAL_YELLOW);
	ff_buf_addstr(out, "job ");
	ff_terminal_name(t, out, job->name);
	ff_buf_addf(out, ": %s", job->over ? ff_job_result_word(job->result) : "not finished");
	ff_terminal_unpaint(t, out);
	if (first > 0) {
		char *text = ff_xstrndup(reason, first);

		ff_buf_addstr(out, ": ");
		ff_text_line(out, text, 0, "");
		ff_free(text);
	}
	add_not_run(out, job);
	add_not_run_names(t, out, job);
	ff_terminal_wrap(t, out, "  ");
	ff_buf_release(&line);
	if (reason[first] && !told)
		ff_text_lines(&t->screen.text, reason + first + 1, strlen(reason + first + 1), "",
			      false);
	ff_buf_release(&gist);
}

/* Whether the units' own lines leave something to say. */
static bool wants_line(const struct ff_terminal_job *job)
{
	return job->not_run > 0 || job->parts_not_run > 0 ||
	       (job->over &&
		(job->result == FF_JOB_ERROR || job->result == FF_JOB_SKIPPED ||
		 job->result == FF_JOB_STOPPED ||
		 (job->result == FF_JOB_FAILED && (job->reason || job->why != FF_REASON_NONE))));
}

static void say_jobs(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	uint32_t told = 0, more = 0;
	struct ff_list *pos;
	bool any = false;

	ff_list_for_each(pos, &t->job_list) {
		const struct ff_terminal_job *job =
			ff_container_of(pos, struct ff_terminal_job, node);

		if (!wants_line(job))
			continue;
		any = true;
		if (job->result == FF_JOB_ERROR || job->result == FF_JOB_FAILED ||
		    told++ < FF_TERMINAL_JOB_LINES)
			say_job(t, job);
		else
			more++;
	}
	if (more > 0)
		ff_buf_addf(out, "and %u more job%s\n", more, more == 1 ? "" : "s");
	if (any)
		ff_buf_addch(out, '\n');
}

static uint32_t count_not_run(const struct ff_terminal *t, const struct ff_counts *counts)
{
	uint32_t sum = 0;
	struct ff_list *pos;

	ff_list_for_each(pos, &t->job_list)
		sum += ff_container_of(pos, struct ff_terminal_job, node)->not_run;
	return counts->not_run > sum ? counts->not_run : sum;
}

static void add_count(const struct ff_terminal *t, struct ff_buf *out, uint32_t count,
		      const char *style, const char *what)
{
	if (count == 0)
		return;
	ff_buf_addstr(out, out->len ? ", " : "");
	ff_terminal_paint(t, out, style);
	ff_buf_addf(out, "%u %s", count, what);
	ff_terminal_unpaint(t, out);
}

/* One of each outcome, with the words that pytest has for several. */
static void add_outcome(const struct ff_terminal *t, struct ff_buf *out, enum ff_outcome outcome,
			const struct ff_counts *counts)
{
	uint32_t count = counts->by_outcome[outcome];
	bool error = outcome == FF_OUTCOME_ERROR;

	if (outcome == FF_OUTCOME_SKIPPED)
		count += t->modules_skipped;
	else if (error)
		count += counts->more_errors;
	add_count(t, out, count, ff_terminal_outcome_style(outcome),
		  error && count > 1 ? "errors" : ff_outcome_word(outcome));
	if (outcome == FF_OUTCOME_SKIPPED)
		add_count(t, out, t->deselected, FF_TERMINAL_YELLOW, "deselected");
}

static void say_last_line(struct ff_terminal *t, const struct ff_event *event)
{
	static const enum ff_outcome order[] = {
		FF_OUTCOME_FAILED,  FF_OUTCOME_ERROR,	FF_OUTCOME_CRASHED,
		FF_OUTCOME_TIMEOUT, FF_OUTCOME_LOST,	FF_OUTCOME_PASSED,
		FF_OUTCOME_SKIPPED, FF_OUTCOME_XFAILED, FF_OUTCOME_XPASSED};
	const struct ff_counts *counts = &event->u.run_finished.counts;
	struct ff_buf title = FF_BUF_INIT;
	const char *style, *in;

	_Static_assert(sizeof(order) / sizeof(*order) == FF_OUTCOMES, "an outcome is not counted");
	style = event->u.run_finished.exit_code != 0 ? FF_TERMINAL_RED
		: counts->by_outcome[FF_OUTCOME_PASSED] > 0 && t->warnings_len == 0
			? FF_TERMINAL_GREEN
			: FF_TERMINAL_YELLOW;
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		add_outcome(t, &title, order[i], counts);
	add_count(t, &title, t->errors_len, FF_TERMINAL_RED, "not collected");
	add_count(t, &title, count_not_run(t, counts), FF_TERMINAL_YELLOW, "not run");
	add_count(t, &title, counts->parts_not_run, FF_TERMINAL_YELLOW,
		  counts->parts_not_run == 1 ? "file not run" : "files not run");
	add_count(t, &title, counts->retried, FF_TERMINAL_YELLOW, "retried");
	add_count(t, &title, t->flaky_len, FF_TERMINAL_YELLOW, "flaky");
	add_count(t, &title, t->warnings_len, FF_TERMINAL_YELLOW,
		  t->warnings_len == 1 ? "warning" : "warnings");
	add_count(t, &title, t->before, style, "by an earlier run");
	in = title.len > 0 ? " in " : "nothing ran in ";
	ff_terminal_paint(t, &title, style);
	ff_buf_addstr(&title, in);
	ff_text_seconds(&title, event->u.run_finished.took_us);
	ff_terminal_unpaint(t, &title);
	add_rule(t, style, &title);
	ff_buf_release(&title);
}

/* Of units, one by one. */
static void say_units(struct ff_terminal *t)
{
	say_failures(t, "errors", &t->errors, t->errors_left_out);
	if (ff_terminal_shows_few(t) && t->failures.len > 0)
		ff_terminal_say_few_failures(t);
	else
		say_failures(t, "failures", &t->failures, t->failures_left_out);
	say_lists(t);
	if (t->passes.len > 0) {
		ff_terminal_say_title(t, FF_TERMINAL_GREEN, "passes");
		ff_buf_add(&t->screen.text, ff_buf_data(&t->passes), t->passes.len);
		ff_buf_release(&t->passes);
	}
	ff_terminal_say_durations(t);
	ff_terminal_say_times(t);
	if (t->summary.len > 0) {
		ff_terminal_say_title(t, FF_TERMINAL_BLUE, "short test summary info");
		if (ff_terminal_shows_few(t)) {
			ff_terminal_say_few_lines(t);
			return;
		}
		ff_buf_add(&t->screen.text, ff_buf_data(&t->summary), t->summary.len);
		ff_buf_addch(&t->screen.text, '\n');
	}
}

void ff_terminal_say_end(struct ff_terminal *t, const struct ff_event *event)
{
	ff_buf_addch(&t->screen.text, '\n');
	if (!ff_terminal_no_summary(t)) {
		say_units(t);
		ff_terminal_say_tells(t);
		ff_terminal_say_lost_units(t);
	}
	ff_terminal_say_lost_hosts(t);
	if (!ff_terminal_no_summary(t))
		ff_terminal_say_use(t, event->u.run_finished.took_us);
	say_jobs(t);
	ff_terminal_say_artifacts(t);
	if (t->setup.verbosity >= -1)
		say_last_line(t, event);
}
