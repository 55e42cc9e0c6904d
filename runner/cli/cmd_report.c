/* farflung report [RUN…]: reports of runs that are over, from their journals; of several as of one.
 */
#include "base/alloc.h"
#include "cli/command.h"
#include "cli/merge_tell.h"
#include "cli/retell.h"
#include "cli/story.h"
#include "dispatch/dispatch.h"

struct options {
	struct ff_strv reports;
	const char *color;
	bool quiet;
	int verbose;
};

static const struct ff_option options[] = {
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION("verbose", 'v', COUNT, NULL, "a line per unit; twice: output too", verbose),
	FF_OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary (default)", quiet),
	FF_OPTION_COLOR(color),
	FF_OPTIONS_END,
};

/* Where files are asked for these are all, but for what went wrong. */
static bool is_silent(const struct options *o)
{
	return o->reports.len > 0 && o->verbose == 0;
}

/* By default only failures and the summary. */
static int verbosity(const struct options *o)
{
	return o->verbose > 0 && !o->quiet ? o->verbose : -1;
}

static int report_one(const struct ff_command *command, const struct options *o, const char *run)
{
	char *path = ff_story_find(command->name, run);
	const struct ff_retell_opts opts = {
		.command = command->name,
		.path = path,
		.reports = &o->reports,
		.verbosity = verbosity(o),
		.color = o->color,
		.no_terminal = is_silent(o),
	};
	int code = path ? ff_retell(&opts) : FF_EXIT_USAGE;

	ff_free(path);
	return code;
}

static int report_all(const struct ff_command *command, const struct options *o, char *const *runs)
{
	const struct ff_merge_opts opts = {
		.command = command->name,
		.dirs = runs,
		.reports = &o->reports,
		.verbosity = verbosity(o),
		.color = o->color,
		.no_terminal = is_silent(o),
	};

	return ff_merge_tell(&opts);
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv runs = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &runs, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && runs.len < 2)
		code = report_one(command, &o, runs.len ? runs.v[0] : NULL);
	else if (rc == 0)
		code = report_all(command, &o, runs.v);
	ff_strv_release(&runs);
	ff_strv_release(&o.reports);
	return code;
}

const struct ff_command ff_command_report = {
	.name = "report",
	.summary =
		"Make reports of runs from their journals, of several runs or shards one report.",
	.synopsis = "[OPTIONS] [RUN...]",
	.details =
		"RUN is the id of a run in .farflung/runs, its folder or its journal; by default "
		"the last one. Without a file\n"
		"to write the summary goes to stdout; the FILE of one report may be '-', for "
		"stdout. Shards of one run become\n"
		"its whole, as with farflung merge, but nothing is kept; of runs that are no "
		"shards "
		"each has its own jobs, and\n"
		"one that several have is called JOB@RUN. Of a run that was cut off or goes on, "
		"units that ran are told as\n"
		"lost, and others as not run. Exit codes: the run's own, of several the worst, 2 "
		"usage or no such run, 3 it was\n"
		"cut off or goes on, the journal is damaged, or shards are missing or there "
		"twice.\n",
	.options = options,
	.run = run,
};
