/* farflung status [RUN], farflung cancel RUN [NAME...]: a run that another terminal or a timer
 * started. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/story.h"
#include "dispatch/dispatch.h"
#include "event/going.h"
#include "event/json.h"
#include "event/reader.h"
#include "report/text.h"

struct status_options {
	bool json;
};

#define options status_options
static const struct ff_option status_options[] = {
	FF_OPTION("json", 0, FLAG, NULL, "a JSON object on stdout; times are in microseconds",
		  json),
	FF_OPTIONS_END,
};
#undef options

struct cancel_options {
	bool now;
};

#define options cancel_options
static const struct ff_option cancel_options[] = {
	FF_OPTION("now", 0, FLAG, NULL,
		  "kill what runs, too; else it may end within settings.grace", now),
	FF_OPTIONS_END,
};
#undef options

static int by_age(const void *a, const void *b)
{
	const struct ff_story_unit *x = *(struct ff_story_unit *const *)a,
				   *y = *(struct ff_story_unit *const *)b;

	return x->since_us < y->since_us ? -1 : x->since_us > y->since_us;
}

static struct ff_story_unit **sorted(const struct ff_story *story)
{
	struct ff_story_unit **all = ff_xcalloc(story->running.len + 1, sizeof(*all));
	size_t cursor = 0, len = 0;
	void *unit;

	while (ff_map_next(&story->running, &cursor, NULL, &unit))
		all[len++] = unit;
	qsort(all, len, sizeof(*all), by_age);
	return all;
}

static const struct ff_buf *last_line(const struct ff_story_unit *unit)
{
	return unit->rest.len ? &unit->rest : &unit->line;
}

static void unit_text(struct ff_story_unit *unit, int64_t now_us, struct ff_buf *out)
{
	ff_buf_addstr(out, "  ");
	ff_story_text(out, unit->host ? unit->host : "?");
	if (unit->worker)
		ff_buf_addf(out, " %s", unit->worker);
	ff_buf_addstr(out, "  ");
	ff_story_text(out, unit->unit);
	ff_buf_addstr(out, "  ");
	ff_text_took(out, now_us > unit->since_us ? now_us - unit->since_us : 0);
	if (unit->attempt > 1)
		ff_buf_addf(out, "  attempt %u", unit->attempt);
	if (last_line(unit)->len) {
		ff_buf_addstr(out, "  | ");
		ff_story_text(out, ff_buf_str((struct ff_buf *)last_line(unit)));
	}
	ff_buf_addch(out, '\n');
}

static void status_text(const struct ff_story *story, bool going, struct ff_buf *out)
{
	int64_t now_us = story->last_us, wall_us = ff_clock_wall_us();
	struct ff_story_unit **all = sorted(story);
	char end[32];

	/* A clock that was put back may be behind what the run has told. */
	if (going && wall_us > now_us)
		now_us = wall_us;
	ff_buf_addf(out, "run %s: ", story->run_id);
	if (going && story->pid > 0)
		ff_buf_addf(out, "going on, process %d on %s", story->pid,
			    story->machine ? story->machine : "?");
	else if (!going && !story->over)
		ff_buf_addf(out,
			    "cut off: its process is gone (farflung run --resume %s goes on with "
			    "it)",
			    story->run_id);
	else
		ff_buf_addstr(out, story->over && going ? "over, its workers are ending"
							: ff_story_end(story, end));
	ff_buf_addstr(out, "\nsince ");
	ff_story_time(story->began_us, out);
	ff_buf_addstr(out, ", ");
	ff_text_took(out, now_us - story->began_us);
	ff_buf_addf(out, "; %u of %u units done: ", ff_story_done(story),
		    story->state.run.counts.total);
	ff_story_counts(story, out);
	ff_buf_addch(out, '\n');
	for (uint32_t i = 0; i < story->state.hosts_len; i++) {
		const struct ff_host_record *host = &story->state.hosts[i];

		ff_buf_addstr(out, "host ");
		ff_story_text(out, host->name);
		ff_buf_addf(out, ": %s, %u of %u slots busy", ff_host_state_word(host->state),
			    host->running, host->slots);
		ff_buf_addstr(out, host->error ? ", " : "");
		ff_story_text(out, host->error);
		ff_buf_addch(out, '\n');
	}
	if (story->running.len)
		ff_buf_addf(out, "%s:\n", going ? "running" : "it was running");
	for (size_t i = 0; i < story->running.len; i++)
		unit_text(all[i], now_us, out);
	ff_free(all);
}

static void status_json(const struct ff_story *story, bool going, struct ff_buf *out)
{
	struct ff_story_unit **all = sorted(story);
	struct ff_json w;

	ff_json_begin(&w, out);
	ff_json_str(&w, "run", story->run_id);
	ff_json_str(&w, "state", story->over ? "ended" : going ? "going" : "cut-off");
	ff_json_int(&w, "began_us", story->began_us);
	ff_json_int(&w, "last_us", story->last_us);
	if (story->over)
		ff_json_int(&w, "exit_code", story->exit_code);
	ff_json_str(&w, "machine", story->machine);
	if (story->pid)
		ff_json_int(&w, "pid", story->pid);
	ff_json_uint(&w, "total", story->state.run.counts.total);
	ff_json_uint(&w, "done", ff_story_done(story));
	ff_json_open(&w, "running", '[');
	for (size_t i = 0; i < story->running.len; i++) {
		const struct ff_buf *line = last_line(all[i]);

		ff_json_open(&w, NULL, '{');
		ff_json_str(&w, "job", all[i]->job);
		ff_json_str(&w, "unit", all[i]->unit);
		ff_json_str(&w, "host", all[i]->host);
		ff_json_str(&w, "worker", all[i]->worker);
		ff_json_uint(&w, "attempt", all[i]->attempt);
		ff_json_int(&w, "since_us", all[i]->since_us);
		if (line->len)
			ff_json_str(&w, "line", ff_buf_str((struct ff_buf *)line));
		ff_json_close(&w, '}');
	}
	ff_json_close(&w, ']');
	ff_json_end(&w);
	ff_buf_addch(out, '\n');
	ff_free(all);
}

static int status_of(const char *path, bool json)
{
	/* Asked for first: a run that ends meanwhile has its end in the journal. */
	bool going = ff_run_is_going(path);
	struct ff_buf out = FF_BUF_INIT;
	struct ff_story story;
	struct ff_err err = {0};
	int code = FF_EXIT_OK;

	ff_story_init(&story, path);
	if (ff_story_read(&story, false, &err) < 0) {
		ff_complain("status: %s", err.text);
		code = FF_EXIT_INFRA;
	} else if (json) {
		status_json(&story, going, &out);
	} else {
		status_text(&story, going, &out);
	}
	ff_print(&out);
	ff_story_release(&story);
	return code;
}

static int status(const struct ff_command *command, int argc, char **argv)
{
	struct status_options o = {0};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);
	char *path = NULL;

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && words.len > 1)
		ff_complain("status: one RUN is enough, got '%s' as well", words.v[1]);
	else if (rc == 0 && (path = ff_story_find("status", words.len ? words.v[0] : NULL)))
		code = status_of(path, o.json);
	ff_free(path);
	ff_strv_release(&words);
	return code;
}

/* --- cancel --- */

/* What keeps it from being ended from here; 0: nothing. */
static int may_cancel(const struct ff_story *story, struct ff_err *err)
{
	char machine[256] = "";

	gethostname(machine, sizeof(machine) - 1);
	if (!ff_run_is_going(story->path))
		return ff_err_set(err, FF_ENOTFOUND, "run %s is not going", story->run_id);
	if (!story->machine || story->pid <= 0)
		return ff_err_set(err, FF_ENOTFOUND, "run %s does not tell its process",
				  story->run_id);
	if (strcmp(story->machine, machine) != 0)
		return ff_err_set(err, FF_ENOTFOUND, "run %s goes on on %s: cancel it there",
				  story->run_id, story->machine);
	return 0;
}

/* Two signals that come at once are one: the second waits until the first was taken in. */
static int wait_interrupted(const struct ff_story *story, struct ff_err *err)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	struct ff_reader *reader = ff_reader_new(story->path, err);
	const struct ff_event *event;
	int rc = reader ? 0 : FF_ESYS;

	if (reader)
		ff_reader_brief(reader);
	while (rc >= 0) {
		rc = ff_reader_next(reader, &event, err);
		if (rc > 0 && event->kind == FF_EVENT_INTERRUPTED)
			break;
		if (rc == 0 && !ff_run_is_going(story->path))
			break;
		if (rc == 0)
			nanosleep(&pause, NULL);
	}
	ff_reader_free(reader);
	return rc < 0 ? rc : 0;
}

/* SIGTERM: what a shell starts in the background ignores SIGINT. */
static int end_it(const struct ff_story *story, bool now, struct ff_err *err)
{
	int rc = ff_run_signal(story->path, story->pid, SIGTERM, err);

	if (rc < 0 || !now)
		return rc;
	rc = wait_interrupted(story, err);
	if (rc == 0)
		rc = ff_run_signal(story->path, story->pid, SIGTERM, err);
	/* One that is over between them is what was wanted. */
	return rc == FF_ENOTFOUND ? 0 : rc;
}

static int wait_and_tell(const struct ff_story *story)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_story after;
	struct ff_err err = {0};
	char end[32];

	if (ff_run_wait_gone(story->path, &err) < 0) {
		ff_complain("cancel: %s", err.text);
		return FF_EXIT_INFRA;
	}
	ff_story_init(&after, story->path);
	if (ff_story_read(&after, true, &err) == 0) {
		ff_buf_addf(&out, "run %s was ended: %s, ", after.run_id,
			    ff_story_end(&after, end));
		ff_story_counts(&after, &out);
		ff_buf_addch(&out, '\n');
	}
	ff_print(&out);
	ff_story_release(&after);
	return FF_EXIT_OK;
}

static int cancel_run(const char *path, bool now)
{
	struct ff_story story;
	struct ff_err err = {0};
	int rc, code;

	ff_story_init(&story, path);
	rc = ff_story_read(&story, true, &err);
	if (rc == 0)
		rc = may_cancel(&story, &err);
	if (rc == 0)
		rc = end_it(&story, now, &err);
	if (rc == 0) {
		code = wait_and_tell(&story);
	} else {
		ff_complain("cancel: %s", err.text);
		code = rc == FF_ENOTFOUND ? FF_EXIT_USAGE : FF_EXIT_INFRA;
	}
	ff_story_release(&story);
	return code;
}

/* One line of what the run has answered. */
static enum ff_answer tell_answer(const struct ff_event *event, const char *id, struct ff_buf *out)
{
	if (event->kind != FF_EVENT_CANCELLED || strcmp(event->u.cancelled.request, id) != 0)
		return FF_ANSWER_OTHER;
	if (event->u.cancelled.error) {
		ff_complain("cancel: %s; nothing was cancelled", event->u.cancelled.error);
		return FF_ANSWER_REFUSED;
	}
	ff_buf_addstr(out, "cancelled ");
	ff_story_text(out, event->u.cancelled.name);
	ff_buf_addf(out, ": %u running, %u waiting\n", event->u.cancelled.running,
		    event->u.cancelled.waiting);
	return event->u.cancelled.last ? FF_ANSWER_LAST : FF_ANSWER_MORE;
}

static const struct ff_ask ask_cancel = {"cancel", FF_REQUEST_CANCEL, tell_answer};

static int cancel(const struct ff_command *command, int argc, char **argv)
{
	struct cancel_options o = {0};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);
	char *path = NULL;

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && words.len == 0)
		ff_complain("cancel: which RUN? ('last' is the last that was started)");
	else if (rc == 0 && words.len > 1 && o.now)
		ff_complain("cancel: --now is for a whole run; what is named is killed anyway");
	else if (rc == 0 && (path = ff_story_find("cancel", words.v[0])))
		code = words.len > 1 ? ff_ask_run(&ask_cancel, path,
						  (const char *const *)(uintptr_t)words.v + 1)
				     : cancel_run(path, o.now);
	ff_free(path);
	ff_strv_release(&words);
	return code;
}

const struct ff_command ff_command_status = {
	.name = "status",
	.summary = "Show what runs where since when, with its last line, of a run that goes on.",
	.synopsis = "[OPTIONS] [RUN]",
	.details =
		"RUN is the id of a run in .farflung/runs, its folder or its journal; by default "
		"the "
		"last one. Of a run that\n"
		"was killed it shows what it was at. Exit codes: 0, 2 usage or no such run, 3 the "
		"journal is damaged.\n",
	.options = status_options,
	.run = status,
};

const struct ff_command ff_command_cancel = {
	.name = "cancel",
	.summary = "End a run that goes on, or only some of its jobs or units.",
	.synopsis = "[OPTIONS] RUN [JOB|UNIT...]",
	.details =
		"A run ends as by Ctrl-C on its terminal: running units may end within "
		"settings.grace, its reports are\n"
		"written; it must be one of this machine. Nothing but the process that has the "
		"run's journal open is ever\n"
		"sent a signal. Of jobs and units, named as rerun has them, those that wait are "
		"not run, those that run are\n"
		"killed, and all else goes on; the run does not pass. It is told what runs and "
		"waits when the run has taken\n"
		"that. Exit codes: 0 done, 2 usage, no such run, job or unit, or it is not going, "
		"3 it can't be ended.\n",
	.options = cancel_options,
	.run = cancel,
};
