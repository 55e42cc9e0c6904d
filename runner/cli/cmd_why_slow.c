/* farflung why-slow [RUN]: where a run's time went, by its journal. */
#include <stdio.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "dispatch/dispatch.h"
#include "event/reader.h"
#include "report/slow.h"
#include "state/state.h"

struct options {
	int64_t longest;
	bool json;
};

static const struct ff_option options[] = {
	FF_OPTION("longest", 0, NUMBER, "N",
		  "so many tests, and files, by name; 0: all (default: 10)", longest),
	FF_OPTION("json", 0, FLAG, NULL, "a JSON object on stdout; times are in microseconds",
		  json),
	FF_OPTIONS_END,
};

enum { LONGEST_DEFAULT = 10 };

/* Events that can't be true are those of a damaged journal. */
static int read_all(struct ff_slow *slow, const char *path, struct ff_err *err)
{
	struct ff_reader *reader = ff_reader_new(path, err);
	const struct ff_event *event;
	struct ff_state state;
	int rc = reader ? 1 : err->code;

	ff_state_init(&state);
	while (rc == 1 && (rc = ff_reader_next(reader, &event, err)) == 1) {
		int refused = ff_state_apply(&state, event, err);

		if (refused) {
			ff_err_prefix(err, "%s: ", path);
			rc = refused;
		} else {
			ff_slow_event(slow, event);
		}
	}
	ff_state_release(&state);
	ff_reader_free(reader);
	return rc;
}

static int show(const struct options *o, const char *path)
{
	struct ff_slow *slow = ff_slow_new((size_t)o->longest);
	struct ff_slow_answer answer = {0};
	struct ff_buf text = FF_BUF_INIT;
	struct ff_err err = {0};
	int code = FF_EXIT_OK;

	if (read_all(slow, path, &err)) {
		ff_complain("why-slow: %s", err.text);
		code = FF_EXIT_INFRA;
	} else {
		ff_slow_ask(slow, &answer);
		if (!answer.begun) {
			ff_complain("why-slow: %s: it has no beginning of a run", path);
			code = FF_EXIT_USAGE;
		} else if (o->json) {
			ff_slow_json(&text, &answer);
		} else {
			ff_slow_text(&text, &answer);
		}
	}
	ff_print(&text);
	ff_slow_answer_release(&answer);
	ff_slow_free(slow);
	return code;
}

static int find_and_show(const struct options *o, const char *run)
{
	char *path = ff_run_journal(run);
	int code = FF_EXIT_USAGE;

	if (path)
		code = show(o, path);
	else if (run)
		ff_complain(
			"why-slow: no run '%s': expected the id of one in %s/.farflung/runs, or "
			"its folder or journal.jsonl",
			run, ff_runs_home("."));
	else
		ff_complain(
			"why-slow: no run in %s/.farflung/runs (farflung pytest and farflung run "
			"make them)",
			ff_runs_home("."));
	ff_free(path);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.longest = LONGEST_DEFAULT};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && words.len > 1)
		ff_complain("why-slow: one RUN is enough, got '%s' as well", words.v[1]);
	else if (rc == 0)
		code = find_and_show(&o, words.len ? words.v[0] : NULL);
	ff_strv_release(&words);
	return code;
}

const struct ff_command ff_command_why_slow = {
	.name = "why-slow",
	.summary = "Tell where a run's time went, and what would make it faster.",
	.synopsis = "[OPTIONS] [RUN]",
	.details =
		"RUN is the id of a run in .farflung/runs of the working directory (or of "
		"FARFLUNG_RUNS), its folder or\n"
		"its journal; without it, it is the last one. The table has the time of all slots "
		"and adds up to slots\n"
		"times the run's duration. What more workers would bring is an estimate. "
		"pytest --durations=N has\n"
		"the same at its end. Exit codes: 0, 2 usage or no such run, 3 the journal is "
		"damaged.\n",
	.options = options,
	.run = run,
};
