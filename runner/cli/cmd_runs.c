/* farflung runs: the runs that have their folders here. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "cli/story.h"
#include "dispatch/dispatch.h"
#include "event/glance.h"
#include "event/journal.h"
#include "event/json.h"
#include "event/reader.h"

struct options {
	int64_t limit;
	bool json;
};

static const struct ff_option options[] = {
	FF_OPTION("limit", 'n', NUMBER, "N", "only the latest N; 0: all (default: 20)", limit),
	FF_OPTION("json", 0, FLAG, NULL, "a JSON object a run, a line each, on stdout", json),
	FF_OPTIONS_END,
};

enum {
	LIMIT_DEFAULT = 20,
};

/* The end that stands in the journal's last line, if it does: then nothing else need be read. */
static bool read_end(struct ff_story *story)
{
	struct ff_arena arena = {0};
	struct ff_event event;
	bool found = ff_journal_end(story->path, &arena, &event);

	if (found) {
		story->over = true;
		story->exit_code = event.u.run_finished.exit_code;
		story->last_us = event.time_us;
		story->state.run.counts = event.u.run_finished.counts;
		story->reason = ff_xstrdup(event.u.run_finished.reason);
	}
	ff_arena_release(&arena);
	return found;
}

static int read_beginning(struct ff_story *story, struct ff_err *err)
{
	struct ff_reader *reader = ff_reader_new(story->path, err);
	const struct ff_event *event;
	int rc = reader ? ff_reader_next(reader, &event, err) : FF_ESYS;

	if (rc == 1)
		rc = ff_story_take(story, event, err);
	else if (rc == 0)
		rc = ff_err_set(err, FF_ELOAD, "%s: it has no beginning of a run", story->path);
	ff_reader_free(reader);
	return rc;
}

static int read_run(struct ff_story *story, const char *path, struct ff_err *err)
{
	int64_t ended_us;
	int rc;

	ff_story_init(story, path);
	if (!read_end(story))
		return ff_story_read(story, true, err);
	ended_us = story->last_us;
	rc = read_beginning(story, err);
	story->last_us = ended_us;
	return rc;
}

/* --- showing --- */

static void show_text(struct ff_story *story, const char *id, struct ff_buf *out)
{
	char end[32];

	ff_buf_addf(out, "%s  ", id);
	ff_story_time(story->began_us, out);
	ff_buf_addf(out, "  %-9s  ", ff_story_end(story, end));
	ff_story_text(out, story->command ? story->command : "?");
	ff_buf_addstr(out, "  (");
	ff_story_counts(story, out);
	ff_buf_addstr(out, ")\n");
}

static void show_json(struct ff_story *story, const char *id, struct ff_buf *out)
{
	const struct ff_counts *counts = &story->state.run.counts;
	struct ff_json w;
	char end[32];

	ff_json_begin(&w, out);
	ff_json_str(&w, "run", id);
	ff_json_str(&w, "journal", story->path);
	ff_json_str(&w, "command", story->command);
	ff_json_int(&w, "began_us", story->began_us);
	if (story->over)
		ff_json_int(&w, "ended_us", story->last_us);
	ff_json_str(&w, "state",
		    story->over					    ? "ended"
		    : !strcmp(ff_story_end(story, end), "going on") ? "going"
								    : "cut-off");
	if (story->over)
		ff_json_int(&w, "exit_code", story->exit_code);
	ff_json_str(&w, "reason", story->reason);
	ff_json_open(&w, "counts", '{');
	ff_json_uint(&w, "total", counts->total);
	ff_json_uint(&w, "not_run", counts->total - ff_story_done(story));
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (counts->by_outcome[i] > 0)
			ff_json_uint(&w, ff_outcome_word((enum ff_outcome)i),
				     counts->by_outcome[i]);
	ff_json_close(&w, '}');
	ff_json_end(&w);
	ff_buf_addch(out, '\n');
}

/* --- which there are --- */

struct entry {
	char *name, *path; /* of the journal */
	int64_t began_us;  /* 0: it has no beginning yet, or is damaged */
};

static int latest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->began_us != y->began_us)
		return x->began_us < y->began_us ? 1 : -1;
	return strcmp(y->name, x->name);
}

static void add_entry(struct entry **all, size_t *len, char *path, const char *name)
{
	struct ff_story story;

	ff_story_init(&story, path);
	read_beginning(&story, NULL);
	*all = ff_xrealloc(*all, (*len + 1) * sizeof(**all));
	(*all)[(*len)++] = (struct entry){ff_xstrdup(name), path, story.began_us};
	ff_story_release(&story);
}

static int list(const char *runs, struct entry **all, size_t *len)
{
	struct dirent *entry;
	DIR *dir = opendir(runs);

	if (!dir) {
		ff_complain("runs: %s: %s", runs,
			    errno == ENOENT ? "no run was started here" : strerror(errno));
		return FF_EXIT_USAGE;
	}
	while ((entry = readdir(dir))) {
		char *path = ff_xasprintf("%s/%s/journal.jsonl", runs, entry->d_name);

		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "last") != 0 &&
		    access(path, F_OK) == 0)
			add_entry(all, len, path, entry->d_name);
		else
			ff_free(path);
	}
	closedir(dir);
	if (*len)
		qsort(*all, *len, sizeof(**all), latest_first);
	return FF_EXIT_OK;
}

/* Whether it could be read. */
static bool show_one(const struct options *o, const struct entry *entry)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_story story;
	struct ff_err err = {0};
	bool good = read_run(&story, entry->path, &err) == 0;

	if (!good)
		ff_complain("runs: %s", err.text);
	else if (o->json)
		show_json(&story, entry->name, &out);
	else
		show_text(&story, entry->name, &out);
	ff_print(&out);
	ff_story_release(&story);
	return good;
}

static int show_all(const struct options *o)
{
	char *runs = ff_xasprintf("%s/.farflung/runs", ff_runs_home("."));
	struct entry *all = NULL;
	size_t len = 0, most;
	int code = list(runs, &all, &len);

	most = o->limit && (size_t)o->limit < len ? (size_t)o->limit : len;
	for (size_t i = 0; i < most; i++)
		if (!show_one(o, &all[i]))
			code = FF_EXIT_INFRA;
	if (!o->json && most < len)
		printf("and %zu earlier (--limit 0 has all)\n", len - most);
	for (size_t i = 0; i < len; i++) {
		ff_free(all[i].name);
		ff_free(all[i].path);
	}
	ff_free(all);
	ff_free(runs);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.limit = LIMIT_DEFAULT};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && words.len > 0)
		ff_complain("runs: it takes no words, got '%s' (farflung show RUN shows one)",
			    words.v[0]);
	else if (rc == 0)
		code = show_all(&o);
	ff_strv_release(&words);
	return code;
}

const struct ff_command ff_command_runs = {
	.name = "runs",
	.summary =
		"List the runs that were started here: id, when, how they ended, command, counts.",
	.synopsis = "[OPTIONS]",
	.details =
		"Those in .farflung/runs of the working directory (or of FARFLUNG_RUNS), the "
		"latest "
		"first. 'going on' has a\n"
		"process, 'cut off' has none and no end: it was killed, and farflung run --resume "
		"RUN goes on with it.\n"
		"settings.keep of the file says how many stay. Exit codes: 0, 2 usage or no runs, "
		"3 "
		"a journal is damaged.\n",
	.options = options,
	.run = run,
};
