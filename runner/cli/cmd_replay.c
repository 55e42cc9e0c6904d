/* farflung replay RUN, farflung attach [RUN]: a run's journal, told to the reporters again, or as
 * it grows. */
#include "base/alloc.h"
#include "cli/command.h"
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
	FF_OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary", quiet),
	FF_OPTION_COLOR(color),
	FF_OPTIONS_END,
};

static int tell(const struct ff_command *command, const struct options *o, const char *run,
		bool follow)
{
	char *path = ff_story_find(command->name, run);
	const struct ff_retell_opts opts = {
		.command = command->name,
		.path = path,
		.reports = &o->reports,
		.verbosity = o->quiet ? -1 : o->verbose,
		.color = o->color,
		.follow = follow,
	};
	int code = path ? ff_retell(&opts) : FF_EXIT_USAGE;

	ff_free(path);
	return code;
}

static int run_either(const struct ff_command *command, int argc, char **argv, bool follow)
{
	struct options o = {0};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && words.len > 1)
		ff_complain("%s: one RUN is enough, got '%s' as well", command->name, words.v[1]);
	else if (rc == 0)
		code = tell(command, &o, words.len ? words.v[0] : NULL, follow);
	ff_strv_release(&words);
	ff_strv_release(&o.reports);
	return code;
}

static int replay(const struct ff_command *command, int argc, char **argv)
{
	return run_either(command, argc, argv, false);
}

static int attach(const struct ff_command *command, int argc, char **argv)
{
	return run_either(command, argc, argv, true);
}

const struct ff_command ff_command_replay = {
	.name = "replay",
	.summary = "Tell a run's journal again: its summary, or other reports of it.",
	.synopsis = "[OPTIONS] [RUN]",
	.details =
		"RUN is the id of a run in .farflung/runs, its folder or its journal; by default "
		"the "
		"last one. Of a run that\n"
		"was cut off, units that ran are told as lost, and others as not run. Exit codes: "
		"the run's own, 2 usage or\n"
		"no such run, 3 it was cut off, or the journal is damaged.\n",
	.options = options,
	.run = replay,
};

const struct ff_command ff_command_attach = {
	.name = "attach",
	.summary = "Follow a run that another terminal or a timer started, to its end.",
	.synopsis = "[OPTIONS] [RUN]",
	.details =
		"RUN is the id of a run in .farflung/runs, its folder or its journal; by default "
		"the "
		"last one. It is shown\n"
		"from its beginning, as on its own terminal. Ctrl-C leaves it, and the run goes on "
		"(exit 130). Exit codes: the\n"
		"run's own, 2 usage or no such run, 3 its process was killed, or the journal is "
		"damaged.\n",
	.options = options,
	.run = attach,
};
