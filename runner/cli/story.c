/* A journal read for who shows it. */
#include "cli/story.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "event/going.h"
#include "event/reader.h"
#include "report/text.h"

enum { LINE_MAX_BYTES = 4096 }; /* of a unit's last line */

char *ff_story_find(const char *command, const char *run)
{
	char *path = ff_run_journal(run && strcmp(run, "last") == 0 ? NULL : run);

	if (path)
		return path;
	if (run && strcmp(run, "last") != 0)
		ff_complain("%s: no run '%s': expected the id of one in %s/.farflung/runs, or its "
			    "folder or journal.jsonl",
			    command, run, ff_runs_home("."));
	else
		ff_complain("%s: no run in %s/.farflung/runs (farflung pytest and farflung run "
			    "make them)",
			    command, ff_runs_home("."));
	return NULL;
}

void ff_story_init(struct ff_story *story, const char *path)
{
	*story = (struct ff_story){.path = ff_xstrdup(path)};
	ff_state_init(&story->state);
}

static void free_unit(struct ff_story_unit *unit)
{
	if (!unit)
		return;
	ff_free(unit->unit);
	ff_free(unit->job);
	ff_free(unit->host);
	ff_free(unit->worker);
	ff_buf_release(&unit->line);
	ff_buf_release(&unit->rest);
	ff_free(unit);
}

void ff_story_release(struct ff_story *story)
{
	size_t cursor = 0;
	void *unit;

	while (ff_map_next(&story->running, &cursor, NULL, &unit))
		free_unit(unit);
	ff_map_release(&story->running);
	ff_state_release(&story->state);
	ff_free(story->path);
	ff_free(story->run_id);
	ff_free(story->command);
	ff_free(story->machine);
	ff_free(story->reason);
	*story = (struct ff_story){0};
}

/* --- reading --- */

static void begun(struct ff_story *story, const struct ff_event *event, const char *key)
{
	struct ff_story_unit *unit = ff_xcalloc(1, sizeof(*unit));

	*unit = (struct ff_story_unit){.unit = ff_xstrdup(event->unit),
				       .job = ff_xstrdup(event->job),
				       .host = ff_xstrdup(event->host),
				       .worker = ff_xstrdup(event->worker),
				       .index = event->index,
				       .attempt = event->u.unit_started.attempt,
				       .since_us = event->time_us};
	ff_map_set(&story->running, key, unit);
}

/* Its last whole line with something in it; without any, what there is. */
static void wrote(struct ff_story_unit *unit, const char *bytes, size_t len)
{
	const char *end;

	while ((end = memchr(bytes, '\n', len))) {
		ff_buf_add_shown(&unit->rest, bytes, (size_t)(end - bytes));
		if (unit->rest.len > 0) {
			struct ff_buf line = unit->line;

			unit->line = unit->rest;
			unit->rest = line;
			ff_buf_clear(&unit->rest);
		}
		len -= (size_t)(end + 1 - bytes);
		bytes = end + 1;
	}
	if (unit->rest.len < LINE_MAX_BYTES)
		ff_buf_add_shown(&unit->rest, bytes, len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES);
}

static void follow_units(struct ff_story *story, const struct ff_event *event)
{
	struct ff_buf key = FF_BUF_INIT;
	struct ff_story_unit *unit;

	if (!ff_event_has_index(event->kind) || !event->unit)
		return;
	ff_buf_addf(&key, "%" PRIu32 " %s", event->index, event->job);
	if (event->kind == FF_EVENT_UNIT_STARTED) {
		begun(story, event, ff_buf_str(&key));
	} else if (event->kind == FF_EVENT_UNIT_OUTPUT) {
		unit = ff_map_get(&story->running, ff_buf_str(&key));
		if (unit)
			wrote(unit, event->u.unit_output.bytes, event->u.unit_output.len);
	} else if (event->kind == FF_EVENT_UNIT_FINISHED || event->kind == FF_EVENT_UNIT_LOST) {
		free_unit(ff_map_del(&story->running, ff_buf_str(&key)));
	}
	ff_buf_release(&key);
}

int ff_story_take(struct ff_story *story, const struct ff_event *event, struct ff_err *err)
{
	int rc = ff_state_apply(&story->state, event, err);

	if (rc < 0) {
		ff_err_prefix(err, "%s: ", story->path);
		return rc;
	}
	if (event->time_us > 0)
		story->last_us = event->time_us;
	if (event->kind == FF_EVENT_RUN_STARTED) {
		story->began_us = event->time_us;
		story->run_id = ff_xstrdup(event->u.run_started.run_id);
		story->command = ff_xstrdup(event->u.run_started.command_line);
		story->machine = ff_xstrdup(event->u.run_started.machine);
		story->pid = event->u.run_started.pid;
	} else if (event->kind == FF_EVENT_RUN_FINISHED) {
		story->over = true;
		story->exit_code = event->u.run_finished.exit_code;
		ff_free(story->reason);
		story->reason = ff_xstrdup(event->u.run_finished.reason);
	}
	follow_units(story, event);
	return 0;
}

int ff_story_read(struct ff_story *story, bool brief, struct ff_err *err)
{
	struct ff_reader *reader = ff_reader_new(story->path, err);
	const struct ff_event *event;
	int rc = reader ? 1 : FF_ESYS;

	if (reader && brief)
		ff_reader_brief(reader);
	while (rc == 1 && (rc = ff_reader_next(reader, &event, err)) == 1) {
		int taken = ff_story_take(story, event, err);

		if (taken < 0)
			rc = taken;
	}
	ff_reader_free(reader);
	if (rc == 0 && !story->run_id)
		rc = ff_err_set(err, FF_ELOAD, "%s: it has no beginning of a run", story->path);
	return rc;
}

/* --- showing --- */

void ff_story_counts(const struct ff_story *story, struct ff_buf *out)
{
	static const enum ff_outcome order[] = {
		FF_OUTCOME_FAILED,  FF_OUTCOME_ERROR,	FF_OUTCOME_CRASHED,
		FF_OUTCOME_TIMEOUT, FF_OUTCOME_LOST,	FF_OUTCOME_PASSED,
		FF_OUTCOME_SKIPPED, FF_OUTCOME_XFAILED, FF_OUTCOME_XPASSED};
	const struct ff_counts *counts = &story->state.run.counts;
	size_t from = out->len;
	uint32_t left;

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (counts->by_outcome[order[i]] > 0)
			ff_buf_addf(out, "%s%u %s", out->len > from ? ", " : "",
				    counts->by_outcome[order[i]], ff_outcome_word(order[i]));
	if (out->len == from)
		ff_buf_addstr(out, "nothing ran");
	left = counts->total - ff_story_done(story);
	if (left > 0)
		ff_buf_addf(out, ", %u not run", left);
}

uint32_t ff_story_done(const struct ff_story *story)
{
	uint32_t done = 0;

	for (int i = 0; i < FF_OUTCOMES; i++)
		done += story->state.run.counts.by_outcome[i];
	return done;
}

const char *ff_story_end(const struct ff_story *story, char text[32])
{
	if (!story->over)
		return ff_run_is_going(story->path) ? "going on" : "cut off";
	if (story->exit_code == 0)
		return "passed";
	snprintf(text, 32, "exit %d", story->exit_code);
	return text;
}

void ff_story_time(int64_t time_us, struct ff_buf *out)
{
	time_t second = (time_t)(time_us / 1000000);
	char text[32];
	struct tm tm;

	localtime_r(&second, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	ff_buf_addstr(out, text);
}

void ff_story_text(struct ff_buf *out, const char *text)
{
	ff_text_line(out, text, 0, "");
}
