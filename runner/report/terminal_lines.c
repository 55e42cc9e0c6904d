/* What the terminal reporter says at once: lines about units, notices, output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

enum { SHOWN_US = 5000 }; /* less is 0.00s */

enum {
	PROGRESS_UNITS = 200, /* shorter runs have no progress lines */
	LABEL_WIDTH = 8,
};
#define PROGRESS_EVERY_US ((int64_t)10 * 1000000)

static void add_label(struct ff_terminal *t, const char *style, const char *label)
{
	struct ff_buf *out = &t->screen.text;
	int pad = LABEL_WIDTH - (int)strlen(label);

	ff_terminal_paint(t, out, style);
	ff_buf_addstr(out, label);
	ff_terminal_unpaint(t, out);
	ff_buf_addf(out, "%*s", pad > 0 ? pad : 1, "");
}

/* --- units --- */

void ff_terminal_say_size(struct ff_terminal *t, const struct ff_event *event, uint32_t deselected)
{
	struct ff_terminal_job *job = ff_terminal_job(t, event->job);
	struct ff_buf *out = &t->screen.text;

	if (job->told || t->setup.verbosity < 0 || (job->command && job->total == 1))
		return;
	job->told = true;
	ff_buf_addstr(out, "job ");
	ff_terminal_name(t, out, event->job);
	if (job->parts > 0) {
		ff_buf_addf(out, ": %u file%s found\n", job->parts, job->parts == 1 ? "" : "s");
		return;
	}
	ff_buf_addf(out, ": %s%u %s%s%s", t->setup.runs ? "at most " : "", job->total,
		    job->command    ? "command"
		    : t->setup.runs ? "run"
				    : "test",
		    job->total == 1 ? "" : "s", job->command || t->setup.runs ? "" : " collected");
	if (deselected > 0)
		ff_buf_addf(out, " (%u deselected)", deselected);
	ff_buf_addch(out, '\n');
}

static bool wants_line(struct ff_terminal *t, const struct ff_event *event)
{
	const struct ff_terminal_job *job = ff_terminal_job(t, event->job);

	if (t->setup.verbosity < 0)
		return false;
	return t->setup.verbosity > 0 || !event->u.unit_finished.final ||
	       ff_outcome_bad(event->u.unit_finished.result->outcome) ||
	       (job && job->command && job->total <= FF_TERMINAL_COMMAND_LINES);
}

static void say_steps(struct ff_terminal *t, const struct ff_result *result)
{
	struct ff_buf *out = &t->screen.text;

	for (size_t i = 0; i < result->phases_len && result->phases[0].step; i++) {
		const struct ff_phase *step = &result->phases[i];

		ff_buf_addstr(out, "        ");
		ff_terminal_name(t, out, step->when);
		ff_buf_addf(out, ": %s", ff_outcome_word(step->outcome));
		if (step->outcome != FF_OUTCOME_SKIPPED) {
			ff_buf_addch(out, ' ');
			ff_text_seconds(out, step->duration_us);
		}
		if (step->message) {
			ff_buf_addstr(out, " - ");
			ff_terminal_name(t, out, step->message);
		}
		ff_buf_addch(out, '\n');
	}
}

void ff_terminal_say_unit(struct ff_terminal *t, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_buf *out = &t->screen.text;
	char retry[24];

	if (!wants_line(t, event))
		return;
	if (event->u.unit_finished.final) {
		add_label(t, ff_terminal_outcome_style(result->outcome),
			  ff_terminal_outcome_label(result->outcome));
	} else {
		snprintf(retry, sizeof(retry), "RETRY %u", event->u.unit_finished.attempt % 100);
		add_label(t, FF_TERMINAL_YELLOW, retry);
	}
	ff_terminal_unit(t, out, event->job, event->unit);
	ff_terminal_place(t, out, event);
	/* Of a unit that went away with its host the time may not be known. */
	/* How long a killed one ran is told if it can be seen: it is not what it took. */
	if (result->duration_us >= SHOWN_US || result->outcome != FF_OUTCOME_LOST) {
		ff_buf_addch(out, ' ');
		ff_text_seconds(out, result->duration_us);
	}
	if (!event->u.unit_finished.final || result->message)
		ff_buf_addstr(out, " - ");
	if (!event->u.unit_finished.final)
		ff_buf_addf(out, "%s%s", ff_outcome_word(result->outcome),
			    result->message ? ": " : "");
	ff_terminal_name(t, out, result->message);
	if (result->leaked)
		ff_buf_addstr(out, " (something kept its output open)");
	ff_buf_addch(out, '\n');
	say_steps(t, result);
}

/* Its host's own line says enough, unless somebody wants to know each unit's way. */
void ff_terminal_say_lost_unit(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_buf *out = &t->screen.text;

	if (t->setup.verbosity < 1)
		return;
	add_label(t, FF_TERMINAL_YELLOW, "LOST");
	ff_terminal_unit(t, out, event->job, event->unit);
	ff_terminal_place(t, out, event);
	if (event->u.unit_lost.duration_us >= SHOWN_US) {
		ff_buf_addch(out, ' ');
		ff_text_seconds(out, event->u.unit_lost.duration_us);
	}
	ff_buf_addf(out, " - attempt %u: ", event->u.unit_lost.attempt);
	ff_terminal_name(t, out,
			 event->u.unit_lost.reason ? event->u.unit_lost.reason
						   : "its host went away");
	ff_buf_addch(out, '\n');
}

void ff_terminal_say_progress(struct ff_terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	uint32_t step;

	if (t->setup.tty || t->setup.verbosity != 0 || t->total <= PROGRESS_UNITS)
		return;
	step = (uint32_t)(10 * (uint64_t)t->finished / t->total);
	if (step <= t->steps_told && t->now_us - t->progress_us < PROGRESS_EVERY_US)
		return;
	t->steps_told = step;
	t->progress_us = t->now_us;
	ff_buf_addf(out, "[%3u%%] %u/%u", (unsigned)(100 * (uint64_t)t->finished / t->total),
		    t->finished, t->total);
	if (t->failed > 0)
		ff_buf_addf(out, ", %u failed", t->failed);
	if (t->retries > 0)
		ff_buf_addf(out, ", %u retried", t->retries);
	ff_buf_addstr(out, ", ");
	ff_text_took(out, t->now_us - t->started_us);
	ff_buf_addch(out, '\n');
}

/* --- notices and output --- */

void ff_terminal_say_notice(struct ff_terminal *t, const struct ff_event *event)
{
	const char *level = event->u.notice.level ? event->u.notice.level : "note";
	const char *text = event->u.notice.text ? event->u.notice.text : "";
	bool error = strcmp(level, "error") == 0, output = strcmp(level, "output") == 0;
	struct ff_buf *out = &t->screen.text;
	const char *end = strchr(text, '\n');

	if (event->u.notice.category) {
		if (!ff_terminal_has_front(t, event))
			ff_terminal_keep_warning(t, event);
		return;
	}
	if (strcmp(level, "property") == 0)
		ff_terminal_hear_shard(t, event);
	if ((output && ff_terminal_has_front(t, event)) || strcmp(level, "property") == 0)
		return; /* its own text has it; for files */
	if (error)
		ff_map_set(&t->words, text, t);
	if (error && event->host && !event->unit)
		ff_terminal_blame_host(t, event->host, text);
	if (t->setup.verbosity < 1 && strcmp(level, "detail") == 0)
		return;
	if (t->setup.verbosity < 0 && !error && !output && strcmp(level, "list") != 0)
		return;
	if (strcmp(level, "list") == 0) {
		ff_text_line(out, text, 0, "");
		ff_buf_addch(out, '\n');
		return;
	}
	if (output || strcmp(level, "stderr") == 0) {
		ff_buf_addf(out, "[");
		ff_terminal_name(t, out, event->worker ? event->worker : event->job);
		ff_buf_addstr(out, event->host ? " " : "");
		ff_terminal_name(t, out, event->host);
		if (output) {
			ff_buf_addch(out, ' ');
			ff_terminal_unit(t, out, event->job, event->unit);
		}
		ff_buf_addstr(out, "] ");
	} else {
		ff_terminal_paint(t, out,
				  error				  ? FF_TERMINAL_RED
				  : strcmp(level, "warning") == 0 ? FF_TERMINAL_YELLOW
								  : FF_TERMINAL_BLUE);
		ff_terminal_name(t, out, level);
		ff_buf_addch(out, ':');
		ff_terminal_unpaint(t, out);
		ff_buf_addch(out, ' ');
		if (event->host) {
			ff_buf_addstr(out, "host ");
			ff_terminal_name(t, out, event->host);
			ff_buf_addstr(out, ": ");
		} else if (event->job && t->many_jobs) {
			ff_buf_addstr(out, "job ");
			ff_terminal_name(t, out, event->job);
			ff_buf_addstr(out, ": ");
		}
	}
	ff_text_lines(out, text, end ? (size_t)(end - text) : strlen(text), "", false);
	if (*text == '\0' || *text == '\n')
		ff_buf_addch(out, '\n');
	if (end && end[1])
		ff_text_lines(out, end + 1, strlen(end + 1), "  ", false);
}

/* "[build1 unit[x=1]] text" */
static void say_output_line(struct ff_terminal *t, const struct ff_event *event, const char *text,
			    size_t len)
{
	struct ff_buf prefix = FF_BUF_INIT;
	struct ff_buf *out = &t->screen.text;

	ff_buf_addch(&prefix, '[');
	ff_terminal_name(t, &prefix, event->host ? event->host : "?");
	ff_buf_addch(&prefix, ' ');
	ff_terminal_unit(t, &prefix, event->job, event->unit);
	ff_buf_addstr(&prefix, "] ");
	if (len > 0) {
		ff_text_lines(out, text, len, ff_buf_str(&prefix), t->setup.colour);
	} else {
		ff_buf_add(out, ff_buf_data(&prefix), prefix.len - 1);
		ff_buf_addch(out, '\n');
	}
	ff_buf_release(&prefix);
}

void ff_terminal_say_output(struct ff_terminal *t, const struct ff_event *event)
{
	const char *bytes = event->u.unit_output.bytes;
	size_t left = event->u.unit_output.len;
	int stream = event->u.unit_output.stream == 2 ? 2 : 1;
	struct ff_buf *line;
	const char *key;

	if (t->setup.verbosity < 2 || !bytes)
		return;
	key = ff_terminal_unit_key(t, event->job, event->index, stream);
	line = ff_map_get(&t->output, key);
	if (!line) {
		line = ff_xcalloc(1, sizeof(*line));
		ff_map_set(&t->output, key, line);
	}
	while (left > 0) {
		const char *end = memchr(bytes, '\n', left);
		size_t len = end ? (size_t)(end - bytes) : left;

		if (len > FF_TERMINAL_OUTPUT_LINE_MAX - line->len) {
			len = FF_TERMINAL_OUTPUT_LINE_MAX - line->len;
			end = bytes + len; /* not a line's end: nothing is skipped */
		}
		ff_buf_add(line, bytes, len);
		if (end) {
			say_output_line(t, event, (const char *)ff_buf_data(line), line->len);
			ff_buf_clear(line);
			len += len < left && bytes[len] == '\n';
		}
		bytes += len;
		left -= len;
	}
}

void ff_terminal_end_output(struct ff_terminal *t, const struct ff_event *event)
{
	if (t->output.len == 0)
		return;
	for (int stream = 1; stream <= 2; stream++) {
		struct ff_buf *line = ff_map_del(
			&t->output, ff_terminal_unit_key(t, event->job, event->index, stream));

		if (!line)
			continue;
		if (line->len > 0)
			say_output_line(t, event, (const char *)ff_buf_data(line), line->len);
		ff_buf_release(line);
		ff_free(line);
	}
}
