/* What the terminal reporter says at once: lines about hosts, workers, units, notices, output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "report/terminal.h"
#include "report/text.h"

enum {
	PROGRESS_UNITS = 200, /* shorter runs have no progress lines */
	LABEL_WIDTH = 8,
};
#define PROGRESS_EVERY_US ((int64_t)10 * 1000000)

static void add_label(struct terminal *t, const char *style, const char *label)
{
	struct ff_buf *out = &t->screen.text;
	int pad = LABEL_WIDTH - (int)strlen(label);

	terminal_paint(t, out, style);
	ff_buf_addstr(out, label);
	terminal_unpaint(t, out);
	ff_buf_addf(out, "%*s", pad > 0 ? pad : 1, "");
}

/* " [build1 gw3]" */
static void add_place(struct terminal *t, const struct ff_event *event)
{
	struct ff_buf *out = &t->screen.text;

	if (!event->host && !event->worker)
		return;
	ff_buf_addstr(out, " [");
	terminal_name(t, out, event->host);
	if (event->worker) {
		ff_buf_addstr(out, event->host ? " " : "");
		terminal_name(t, out, event->worker);
	}
	ff_buf_addch(out, ']');
}

/* --- hosts and workers --- */

static void host_is_ready(struct terminal *t, const struct ff_event *event)
{
	struct ff_buf *out = &t->screen.text;

	t->hosts_ready++;
	t->hosts_native += event->u.host_ready.native;
	if (event->u.host_ready.took_us >= t->slowest_us) {
		free(t->slowest);
		t->slowest = ff_xstrdup(event->host);
		t->slowest_us = event->u.host_ready.took_us;
	}
	if (t->opts.verbosity < 0 || (t->hosts > TERMINAL_HOST_LINES && t->opts.verbosity == 0))
		return;
	ff_buf_addstr(out, "host ");
	terminal_name(t, out, event->host);
	ff_buf_addf(out, ": %s worker", event->u.host_ready.native ? "native" : "python");
	if (event->u.host_ready.platform) {
		ff_buf_addstr(out, ", ");
		terminal_name(t, out, event->u.host_ready.platform);
	}
	ff_buf_addf(out, ", %u slot%s, ready in ", event->u.host_ready.slots,
		    event->u.host_ready.slots == 1 ? "" : "s");
	ff_text_took(out, event->u.host_ready.took_us);
	ff_buf_addch(out, '\n');
}

static void host_is_synced(struct terminal *t, const struct ff_event *event)
{
	struct ff_buf *out = &t->screen.text;

	t->sent_files += event->u.sync_finished.sent_files;
	t->sent_bytes += event->u.sync_finished.sent_bytes;
	if (t->opts.verbosity < 0 || (t->hosts > TERMINAL_HOST_LINES && t->opts.verbosity == 0))
		return;
	ff_buf_addstr(out, "host ");
	terminal_name(t, out, event->host);
	ff_buf_addstr(out, ": tree in ");
	terminal_name(t, out, event->u.sync_finished.root ? event->u.sync_finished.root : "?");
	ff_buf_addf(out, ": %llu of %llu file%s sent, ",
		    (unsigned long long)event->u.sync_finished.sent_files,
		    (unsigned long long)event->u.sync_finished.files,
		    event->u.sync_finished.files == 1 ? "" : "s");
	ff_text_size(out, event->u.sync_finished.sent_bytes);
	if (event->u.sync_finished.deleted > 0)
		ff_buf_addf(out, ", %llu deleted",
			    (unsigned long long)event->u.sync_finished.deleted);
	ff_buf_addstr(out, ", in ");
	ff_text_took(out, event->u.sync_finished.took_us);
	ff_buf_addch(out, '\n');
}

static void host_is_down(struct terminal *t, const struct ff_event *event)
{
	bool lost = event->kind == FF_EVENT_HOST_LOST;
	const char *error = lost ? event->u.host_lost.error : event->u.host_failed.error;
	struct ff_buf *out = &t->screen.text;

	t->hosts_failed += !lost;
	terminal_paint(t, out, TERMINAL_RED);
	ff_buf_addstr(out, "host ");
	terminal_name(t, out, event->host);
	ff_buf_addstr(out, lost ? " lost: " : " failed: ");
	ff_text_line(out, error ? error : "for no known reason", 0, "");
	terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
}

void terminal_say_host(struct terminal *t, const struct ff_event *event)
{
	if (event->kind == FF_EVENT_HOST_READY)
		host_is_ready(t, event);
	else if (event->kind == FF_EVENT_SYNC_FINISHED)
		host_is_synced(t, event);
	else
		host_is_down(t, event);
	if (t->hosts_ready + t->hosts_failed >= t->hosts)
		terminal_say_hosts(t);
}

/* Many hosts in one line, once: when all are known, or the first unit starts. */
void terminal_say_hosts(struct terminal *t)
{
	struct ff_buf *out = &t->screen.text;

	if (t->hosts_told || t->opts.verbosity != 0 || t->hosts <= TERMINAL_HOST_LINES)
		return;
	t->hosts_told = true;
	ff_buf_addf(out, "hosts: %u of %u ready, %u with the native worker", t->hosts_ready,
		    t->hosts, t->hosts_native);
	if (t->slowest) {
		ff_buf_addstr(out, ", the slowest (");
		terminal_name(t, out, t->slowest);
		ff_buf_addstr(out, ") in ");
		ff_text_took(out, t->slowest_us);
	}
	if (t->sent_files > 0) {
		ff_buf_addf(out, "; %llu file%s sent, ", (unsigned long long)t->sent_files,
			    t->sent_files == 1 ? "" : "s");
		ff_text_size(out, t->sent_bytes);
	}
	ff_buf_addch(out, '\n');
}

static void worker_has_ended(struct terminal *t, const struct ff_event *event)
{
	struct ff_buf *out = &t->screen.text;

	if (!event->u.worker_ended.crashed || t->opts.verbosity < 0)
		return;
	terminal_paint(t, out, TERMINAL_RED);
	ff_buf_addstr(out, "worker ");
	terminal_name(t, out, event->worker);
	ff_buf_addstr(out, " on ");
	terminal_name(t, out, event->host);
	ff_buf_addstr(out, " ended: ");
	ff_text_line(out,
		     event->u.worker_ended.reason ? event->u.worker_ended.reason
						  : "for no known reason",
		     0, "");
	terminal_unpaint(t, out);
	ff_buf_addch(out, '\n');
}

/* The interpreter and pytest, once for each host, or once for each kind when there are many hosts.
 */
void terminal_say_worker(struct terminal *t, const struct ff_event *event)
{
	bool many = t->hosts > TERMINAL_HOST_LINES;
	const char *executable = event->u.worker_started.executable;
	const char *python = event->u.worker_started.python;
	const char *pytest = event->u.worker_started.pytest;
	struct ff_buf *out = &t->screen.text;
	const char *key;

	if (event->kind == FF_EVENT_WORKER_ENDED) {
		worker_has_ended(t, event);
		return;
	}
	if (t->opts.verbosity < 0)
		return;
	key = many ? terminal_key(t, python, executable, pytest)
		   : terminal_key(t, event->host, executable, NULL);
	if (ff_map_get(&t->pythons, key) || t->pythons.len >= TERMINAL_HOST_LINES)
		return;
	ff_map_set(&t->pythons, key, t);
	ff_buf_addstr(out, many ? "first on host " : "host ");
	terminal_name(t, out, event->host);
	ff_buf_addstr(out, ": ");
	terminal_name(t, out, executable ? executable : "python");
	if (python) {
		ff_buf_addch(out, ' ');
		terminal_name(t, out, python);
	}
	if (pytest) {
		ff_buf_addstr(out, ", pytest ");
		terminal_name(t, out, pytest);
	}
	ff_buf_addch(out, '\n');
	for (const char *const *line = event->u.worker_started.header;
	     t->opts.verbosity > 0 && line && *line; line++)
		ff_text_lines(out, *line, strlen(*line), "  ", t->opts.colour);
}

/* --- units --- */

void terminal_say_collected(struct terminal *t, const struct ff_event *event)
{
	bool command = terminal_job(t, event->job)->command;
	uint32_t count = event->u.collected.count;
	struct ff_buf *out = &t->screen.text;

	if (t->opts.verbosity < 0 || (command && count == 1))
		return;
	ff_buf_addstr(out, "job ");
	terminal_name(t, out, event->job);
	ff_buf_addf(out, ": %u %s%s%s", count, command ? "command" : "test", count == 1 ? "" : "s",
		    command ? "" : " collected");
	if (event->u.collected.deselected > 0)
		ff_buf_addf(out, " (%u deselected)", event->u.collected.deselected);
	ff_buf_addch(out, '\n');
}

static bool wants_line(struct terminal *t, const struct ff_event *event)
{
	const struct terminal_job *job = terminal_job(t, event->job);

	if (t->opts.verbosity < 0)
		return false;
	return t->opts.verbosity > 0 || !event->u.unit_finished.final ||
	       ff_outcome_bad(event->u.unit_finished.result->outcome) ||
	       (job && job->command && job->total <= TERMINAL_COMMAND_LINES);
}

void terminal_say_unit(struct terminal *t, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_buf *out = &t->screen.text;
	const struct terminal_job *job = terminal_job(t, event->job);
	char retry[24];

	if (!wants_line(t, event))
		return;
	if (event->u.unit_finished.final) {
		add_label(t, terminal_outcome_style(result->outcome),
			  terminal_outcome_label(result->outcome));
	} else {
		snprintf(retry, sizeof retry, "RETRY %u", event->u.unit_finished.attempt % 100);
		add_label(t, TERMINAL_YELLOW, retry);
	}
	terminal_unit(t, out, event->job, event->unit);
	add_place(t, event);
	ff_buf_addch(out, ' ');
	ff_text_seconds(out, result->duration_us);
	if (!event->u.unit_finished.final || result->message)
		ff_buf_addstr(out, " - ");
	if (!event->u.unit_finished.final)
		ff_buf_addf(out, "%s%s", ff_outcome_word(result->outcome),
			    result->message ? ": " : "");
	terminal_name(t, out, result->message);
	if (result->leaked)
		ff_buf_addstr(out, " (something kept its output open)");
	ff_buf_addch(out, '\n');
	if (t->opts.show_output && t->opts.verbosity < 2 && job && job->command &&
	    !ff_outcome_bad(result->outcome))
		terminal_sections(t, result, out, "    ");
}

void terminal_say_progress(struct terminal *t)
{
	struct ff_buf *out = &t->screen.text;
	uint32_t step;

	if (t->opts.tty || t->opts.verbosity != 0 || t->total <= PROGRESS_UNITS)
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

void terminal_say_notice(struct terminal *t, const struct ff_event *event)
{
	const char *level = event->u.notice.level ? event->u.notice.level : "note";
	const char *text = event->u.notice.text ? event->u.notice.text : "";
	bool error = strcmp(level, "error") == 0;
	struct ff_buf *out = &t->screen.text;
	const char *end = strchr(text, '\n');

	if (event->u.notice.category) {
		terminal_keep_warning(t, event);
		return;
	}
	if (t->opts.verbosity < 0 && !error && strcmp(level, "list") != 0)
		return;
	if (strcmp(level, "list") == 0) {
		terminal_name(t, out, text);
		ff_buf_addch(out, '\n');
		return;
	}
	if (strcmp(level, "stderr") == 0) {
		ff_buf_addf(out, "[");
		terminal_name(t, out, event->worker ? event->worker : event->job);
		ff_buf_addstr(out, event->host ? " " : "");
		terminal_name(t, out, event->host);
		ff_buf_addstr(out, "] ");
	} else {
		terminal_paint(t, out,
			       error			       ? TERMINAL_RED
			       : strcmp(level, "warning") == 0 ? TERMINAL_YELLOW
							       : TERMINAL_BLUE);
		terminal_name(t, out, level);
		ff_buf_addch(out, ':');
		terminal_unpaint(t, out);
		ff_buf_addch(out, ' ');
		if (event->host) {
			ff_buf_addstr(out, "host ");
			terminal_name(t, out, event->host);
			ff_buf_addstr(out, ": ");
		} else if (event->job && t->many_jobs) {
			ff_buf_addstr(out, "job ");
			terminal_name(t, out, event->job);
			ff_buf_addstr(out, ": ");
		}
	}
	ff_text_lines(out, text, end ? (size_t)(end - text) : strlen(text), "", t->opts.colour);
	if (*text == '\0' || *text == '\n')
		ff_buf_addch(out, '\n');
	if (end && end[1])
		ff_text_lines(out, end + 1, strlen(end + 1), "  ", t->opts.colour);
}

/* "[build1 unit[x=1]] text" */
static void say_output_line(struct terminal *t, const struct ff_event *event, const char *text,
			    size_t len)
{
	struct ff_buf prefix = FF_BUF_INIT;
	struct ff_buf *out = &t->screen.text;

	ff_buf_addch(&prefix, '[');
	terminal_name(t, &prefix, event->host ? event->host : "?");
	ff_buf_addch(&prefix, ' ');
	terminal_unit(t, &prefix, event->job, event->unit);
	ff_buf_addstr(&prefix, "] ");
	if (len > 0) {
		ff_text_lines(out, text, len, ff_buf_str(&prefix), t->opts.colour);
	} else {
		ff_buf_add(out, ff_buf_data(&prefix), prefix.len - 1);
		ff_buf_addch(out, '\n');
	}
	ff_buf_release(&prefix);
}

void terminal_say_output(struct terminal *t, const struct ff_event *event)
{
	const char *bytes = event->u.unit_output.bytes;
	size_t left = event->u.unit_output.len;
	const char *stream = event->u.unit_output.stream == 2 ? "2" : "1";
	struct ff_buf *line;
	const char *key;

	if (t->opts.verbosity < 2 || left == 0)
		return;
	key = terminal_key(t, event->job, event->unit, stream);
	line = ff_map_get(&t->output, key);
	if (!line) {
		line = ff_xcalloc(1, sizeof *line);
		ff_map_set(&t->output, key, line);
	}
	while (left > 0) {
		const char *end = memchr(bytes, '\n', left);
		size_t len = end ? (size_t)(end - bytes) : left;

		if (len > TERMINAL_OUTPUT_LINE_MAX - line->len) {
			len = TERMINAL_OUTPUT_LINE_MAX - line->len;
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

void terminal_end_output(struct terminal *t, const struct ff_event *event)
{
	static const char *const streams[] = {"1", "2"};

	if (t->output.len == 0)
		return;
	for (int i = 0; i < 2; i++) {
		struct ff_buf *line = ff_map_del(
			&t->output, terminal_key(t, event->job, event->unit, streams[i]));

		if (!line)
			continue;
		if (line->len > 0)
			say_output_line(t, event, (const char *)ff_buf_data(line), line->len);
		ff_buf_release(line);
		free(line);
	}
}
