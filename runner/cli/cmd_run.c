/* farflung run [FILE] */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"

struct options {
	struct ff_strv jobs;
	const char *on, *junit, *jsonl, *color;
	int64_t maxfail;
	bool quiet, help_config;
	int verbose;
	int argc; /* as given, for the journal */
	char **argv;
};

#define OPTION(name, letter, kind, arg, help, member)                                              \
	{                                                                                          \
		name, letter, FF_OPTION_##kind, arg, help, offsetof(struct options, member)        \
	}

static const struct ff_option options[] = {
	OPTION("job", 'j', LIST, "NAME", "run only this job and what it needs (repeatable)", jobs),
	OPTION("on", 0, TEXT, "PATTERN", "use only hosts that match: names, tags, !not, &and", on),
	OPTION("junit", 0, TEXT, "FILE", "write JUnit XML (over the file's report: junit)", junit),
	OPTION("jsonl", 0, TEXT, "FILE", "write all events as JSON lines; - is stdout", jsonl),
	OPTION("maxfail", 0, NUMBER, "N", "stop after N bad units", maxfail),
	OPTION("verbose", 'v', COUNT, NULL, "a line per unit; twice: output too", verbose),
	OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary", quiet),
	OPTION("color", 0, TEXT, "WHEN", "auto, always or never", color),
	OPTION("help-config", 0, FLAG, NULL, "describe every key of the file and exit",
	       help_config),
	{NULL, 0, FF_OPTION_FLAG, NULL, NULL, 0},
};

static int print_reference(void)
{
	struct ff_buf text = FF_BUF_INIT;

	ff_config_reference(&text);
	fputs(ff_buf_str(&text), stdout);
	ff_buf_release(&text);
	return FF_EXIT_OK;
}

static int run_file(const char *path, void *values)
{
	const struct options *o = values;
	struct ff_execute_opts execute = {.junit = o->junit,
					  .jsonl = o->jsonl,
					  .on = o->on,
					  .only = o->jobs.v,
					  .verbosity = o->verbose,
					  .quiet = o->quiet,
					  .color = o->color,
					  .command = "run",
					  .argc = o->argc,
					  .argv = o->argv};
	struct ff_config config;
	struct ff_err err = {0};
	int code;

	if (o->help_config)
		return print_reference();
	if (ff_config_load(&config, path, &err) < 0) {
		ff_complain_lines(err.text);
		ff_complain("nothing was started (exit %d)", FF_EXIT_USAGE);
		return FF_EXIT_USAGE;
	}
	if (o->maxfail > 0)
		config.settings.maxfail = o->maxfail;
	code = ff_execute(&config, &execute);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.argc = argc, .argv = argv};
	int code = ff_command_on_file(command, argc, argv, &o, run_file);

	ff_strv_release(&o.jobs);
	return code;
}

const struct ff_command ff_command_run = {
	.name = "run",
	.summary = "Run the jobs of a YAML file on its inventory.",
	.synopsis = "[OPTIONS] [FILE]",
	.details =
		"FILE defaults to farflung.yaml. Exit codes: 0 all passed, 1 something failed, 2 "
		"usage or\n"
		"configuration, 3 the infrastructure failed, 130 interrupted. Ctrl-C once lets "
		"running\n"
		"units end within settings.grace; twice kills them; both report what there is.\n",
	.options = options,
	.run = run,
};
