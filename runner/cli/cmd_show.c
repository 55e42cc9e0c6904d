/* farflung show RUN [UNIT]: what a run did, or one unit of it. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/story.h"
#include "config/mistakes.h"
#include "dispatch/dispatch.h"
#include "event/reader.h"
#include "report/text.h"

struct options {
	bool output;
};

static const struct ff_option options[] = {
	FF_OPTION("output", 0, FLAG, NULL, "of UNIT: just what it wrote, as it is", output),
	FF_OPTIONS_END,
};

/* --- the run --- */

static void show_job(const struct ff_job_record *job, struct ff_buf *out)
{
	ff_buf_addstr(out, "job ");
	ff_story_text(out, job->name);
	ff_buf_addf(out, ": %s",
		    job->state == FF_JOBSTATE_FINISHED ? ff_job_result_word(job->result)
						       : ff_job_state_word(job->state));
	if (job->known)
		ff_buf_addf(out, ", %u of %u units have an end", job->units_done, job->units_len);
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (job->counts.by_outcome[i] > 0)
			ff_buf_addf(out, ", %u %s", job->counts.by_outcome[i],
				    ff_outcome_word((enum ff_outcome)i));
	ff_buf_addch(out, '\n');
}

static int show_run(const char *path)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_story story;
	struct ff_err err = {0};
	char end[32];
	int code = FF_EXIT_OK;

	ff_story_init(&story, path);
	if (ff_story_read(&story, false, &err) < 0) {
		ff_complain("show: %s", err.text);
		code = FF_EXIT_INFRA;
	} else {
		ff_buf_addf(&out, "run %s: %s\nbegan ", story.run_id, ff_story_end(&story, end));
		ff_story_time(story.began_us, &out);
		ff_buf_addstr(&out, story.over ? ", took " : ", last heard of after ");
		ff_text_took(&out, story.last_us - story.began_us);
		ff_buf_addstr(&out, "\ncommand: farflung ");
		ff_story_text(&out, story.command);
		ff_buf_addch(&out, '\n');
		for (uint32_t i = 0; i < story.state.jobs_len; i++)
			show_job(&story.state.jobs[i], &out);
		ff_buf_addstr(&out, "in all: ");
		ff_story_text(&out, story.over ? story.reason : "");
		if (!story.over)
			ff_story_counts(&story, &out);
		ff_buf_addch(&out, '\n');
	}
	ff_print(&out);
	ff_story_release(&story);
	return code;
}

/* --- a unit --- */

struct seeking {
	const char *unit;
	bool output, found;
	struct ff_suggest suggest;
	char *nearest; /* what it has, kept */
	struct ff_buf out;
};

static void add_lines(struct ff_buf *out, const char *title, const char *text, size_t len)
{
	if (len == 0)
		return;
	ff_buf_addf(out, "── %s\n", title);
	ff_text_lines(out, text, len, "", false);
}

static void show_attempt(struct seeking *s, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;

	for (size_t i = 0; s->output && i < result->sections_len; i++)
		ff_buf_add(&s->out, result->sections[i].text, result->sections[i].len);
	if (s->output)
		return;
	ff_story_text(&s->out, event->unit);
	ff_buf_addstr(&s->out, " of job ");
	ff_story_text(&s->out, event->job);
	ff_buf_addf(&s->out, ": attempt %u %s", event->u.unit_finished.attempt,
		    ff_outcome_word(result->outcome));
	if (event->host) {
		ff_buf_addstr(&s->out, " on ");
		ff_story_text(&s->out, event->host);
	}
	if (event->worker)
		ff_buf_addf(&s->out, ", %s", event->worker);
	ff_buf_addstr(&s->out, ", took ");
	ff_text_took(&s->out, result->duration_us);
	ff_buf_addstr(&s->out,
		      event->kind == FF_EVENT_UNIT_BEFORE ? " (in an earlier run)\n" : "\n");
	if (result->limits) {
		ff_buf_addstr(&s->out, "limits: ");
		ff_story_text(&s->out, result->limits);
		ff_buf_addch(&s->out, '\n');
	}
	if (result->message)
		add_lines(&s->out, "message", result->message, strlen(result->message));
	if (result->longrepr)
		add_lines(&s->out, "report", result->longrepr, strlen(result->longrepr));
	for (size_t i = 0; i < result->sections_len; i++)
		add_lines(&s->out, result->sections[i].title ? result->sections[i].title : "output",
			  result->sections[i].text, result->sections[i].len);
}

static void look_at(struct seeking *s, const struct ff_event *event)
{
	bool end = event->kind == FF_EVENT_UNIT_FINISHED || event->kind == FF_EVENT_UNIT_BEFORE;

	if (!event->unit)
		return;
	if (strcmp(event->unit, s->unit) != 0) {
		ff_suggest_offer(&s->suggest, event->unit);
		if (s->suggest.best == event->unit) {
			ff_free(s->nearest);
			s->suggest.best = s->nearest = ff_xstrdup(event->unit);
		}
		return;
	}
	s->found = true;
	if (end && event->u.unit_finished.result)
		show_attempt(s, event);
	else if (event->kind == FF_EVENT_UNIT_LOST && !s->output)
		ff_buf_addf(&s->out, "attempt %u was lost with host %s: %s\n",
			    event->u.unit_lost.attempt, event->host ? event->host : "?",
			    event->u.unit_lost.reason ? event->u.unit_lost.reason : "");
}

static int show_unit(const char *path, const char *unit, bool output)
{
	struct seeking s = {.unit = unit, .output = output};
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_err err = {0};
	struct ff_reader *reader = ff_reader_new(path, &err);
	const struct ff_event *event;
	int rc = reader ? 1 : FF_ESYS, code = FF_EXIT_OK;

	ff_suggest_init(&s.suggest, unit);
	while (rc == 1 && (rc = ff_reader_next(reader, &event, &err)) == 1)
		look_at(&s, event);
	if (rc < 0) {
		ff_complain("show: %s", err.text);
		code = FF_EXIT_INFRA;
	} else if (!s.found) {
		ff_complain("show: the run began no unit '%s'%s", unit,
			    ff_suggest_text(&s.suggest, hint));
		code = FF_EXIT_USAGE;
	} else if (s.out.len == 0 && !output) {
		ff_story_text(&s.out, unit);
		ff_buf_addstr(&s.out, ": it has begun, and has no end\n");
	}
	ff_print(&s.out);
	ff_free(s.nearest);
	ff_reader_free(reader);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);
	char *path = NULL;

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && (words.len == 0 || words.len > 2))
		ff_complain("show: it wants RUN, or RUN and UNIT ('last' is the last run)");
	else if (rc == 0 && o.output && words.len == 1)
		ff_complain("show: --output is of a unit: farflung show RUN UNIT --output");
	else if (rc == 0 && (path = ff_story_find("show", words.v[0])))
		code = words.len == 2 ? show_unit(path, words.v[1], o.output) : show_run(path);
	ff_free(path);
	ff_strv_release(&words);
	return code;
}

const struct ff_command ff_command_show = {
	.name = "show",
	.summary = "Show what a run did, or a unit of it: attempts, where, how long, output.",
	.synopsis = "[OPTIONS] RUN [UNIT]",
	.details = "RUN is the id of a run in .farflung/runs, its folder, its journal, or last. "
		   "UNIT is "
		   "the name of a test or\n"
		   "command as the run's reports have it. Exit codes: 0, 2 usage, no such run or "
		   "unit, "
		   "3 the journal is damaged.\n",
	.options = options,
	.run = run,
};
