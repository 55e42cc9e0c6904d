/* farflung merge DIR…: one report, one journal and one history of the shards of a run. */
#include "cli/command.h"
#include "cli/merge_tell.h"
#include "dispatch/dispatch.h"

struct options {
	struct ff_strv reports;
	const char *color, *history, *notify;
	bool quiet;
	int verbose;
};

static const struct ff_option options[] = {
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION_OF("history", SETTINGS, "history", history, "PATH"),
	FF_OPTION("notify", 0, TEXT, "FILE",
		  "tell those in the 'notify' of this configuration file", notify),
	FF_OPTION("verbose", 'v', COUNT, NULL, "a line per unit; twice: output too", verbose),
	FF_OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary (default)", quiet),
	FF_OPTION_COLOR(color),
	FF_OPTIONS_END,
};

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv dirs = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &dirs, NULL);
	const struct ff_merge_opts opts = {
		.command = command->name,
		.dirs = dirs.v,
		.reports = &o.reports,
		.verbosity = o.verbose > 0 && !o.quiet ? o.verbose : -1,
		.color = o.color,
		.kept = true,
		.history = o.history,
		.notify = o.notify,
	};

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && dirs.len == 0)
		ff_complain("merge: which runs? DIR is a folder such as .farflung/runs/ID");
	else if (rc == 0)
		code = ff_merge_tell(&opts);
	ff_strv_release(&dirs);
	ff_strv_release(&o.reports);
	return code;
}

const struct ff_command ff_command_merge = {
	.name = "merge",
	.summary = "Make one report, journal and history of the shards of a run.",
	.synopsis = "[OPTIONS] DIR...",
	.details =
		"Each DIR is a run with --shard: its id, its folder (.farflung/runs/ID), or what "
		"holds one: "
		"then its latest. What is\n"
		"missing, there twice, cut off or of another run is complained of by name, and is "
		"an error of the merged\n"
		"run. Its journal goes to .farflung/runs of the working directory (or of "
		"FARFLUNG_RUNS), its history to\n"
		"history.db beside that. Exit codes: that of the worst shard, 2 usage or nothing "
		"to "
		"merge, 3 the shards are\n"
		"not all, or not those, of one run.\n",
	.options = options,
	.run = run,
};
