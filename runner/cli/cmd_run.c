/* farflung run [FILE] */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"

struct options {
	struct ff_strv jobs, reports;
	const char *on, *color, *maxfail, *required, *history, *shard, *flaky, *retry_delay,
		*strict, *memory, *collect;
	bool quiet, help_config, force;
	int verbose;
	int argc; /* as given, for the journal */
	char **argv;
};

static const struct ff_option options[] = {
	FF_OPTION("job", 'j', LIST, "NAME", "run only this job and what it needs (repeatable)",
		  jobs),
	FF_OPTION("on", 0, TEXT, "PATTERN",
		  "use only hosts that match: names, tags, n[1-9], !not, &and", on),
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION_OF("maxfail", SETTINGS, "maxfail", maxfail, NULL),
	FF_OPTION_IS("flaky-fail", 0, "true", "what passes only when tried again fails the run",
		     flaky),
	FF_OPTION_OF("retry-delay", SETTINGS, "retry_delay", retry_delay, NULL),
	FF_OPTION_IS("strict-collection", 0, "true",
		     "nothing runs when workers collect different tests", strict),
	FF_OPTION_OF("require-hosts", SETTINGS, "require_hosts", required, NULL),
	FF_OPTION_OF("history", SETTINGS, "history", history, "PATH"),
	FF_OPTION_OF("collect", SETTINGS, "collect", collect, "DIR"),
	FF_OPTION("force", 0, FLAG, NULL, "run also what is up to date, setups included", force),
	FF_OPTION_OF("memory", JOB, "memory", memory, "WHEN"),
	FF_OPTION("shard", 0, TEXT, "K/N",
		  "only the K-th of N parts of the tests, by history or file sizes", shard),
	FF_OPTION("verbose", 'v', COUNT, NULL, "a line per unit; twice: output too", verbose),
	FF_OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary", quiet),
	FF_OPTION_COLOR(color),
	FF_OPTION("help-config", 0, FLAG, NULL, "describe every key of the file and exit",
		  help_config),
	FF_OPTIONS_END,
};

static int print_reference(void)
{
	struct ff_config_note *reports;
	struct ff_buf text = FF_BUF_INIT;
	size_t len = 0;

	while (ff_reporter_kinds[len])
		len++;
	reports = ff_xcalloc(len + 1, sizeof(*reports));
	for (size_t i = 0; i < len; i++)
		reports[i] = (struct ff_config_note){.key = ff_reporter_kinds[i]->name,
						     .help = ff_reporter_kinds[i]->help};
	ff_config_reference(&text, reports);
	fputs(ff_buf_str(&text), stdout);
	ff_buf_release(&text);
	ff_free(reports);
	return FF_EXIT_OK;
}

/* The values were checked when they were parsed. */
static void override(struct ff_config *config, const char *key, const char *text)
{
	if (text)
		ff_config_set(config, NULL, ff_config_option_find(FF_SECTION_SETTINGS, key), text,
			      NULL);
}

/* A folder of the command line is meant from the working directory. */
static void override_collect(struct ff_config *config, const char *folder)
{
	char here[PATH_MAX], *whole;

	if (!folder)
		return;
	whole = *folder == '/' || !getcwd(here, sizeof(here)) ? ff_xstrdup(folder)
							      : ff_xasprintf("%s/%s", here, folder);
	override(config, "collect", whole);
	ff_free(whole);
}

static int run_file(const char *path, void *values)
{
	const struct options *o = values;
	struct ff_execute_opts execute = {.reports = &o->reports,
					  .on = o->on,
					  .only = o->jobs.v,
					  .verbosity = o->quiet ? -1 : o->verbose,
					  .color = o->color,
					  .command = "run",
					  .shard = o->shard,
					  .argc = o->argc,
					  .argv = o->argv};
	struct ff_config config;
	struct ff_err err = {0};
	int code;

	if (o->help_config)
		return print_reference();
	if (ff_config_load(&config, path, &err) < 0) {
		ff_complain_lines(err.text);
		ff_complain_last("nothing was started", FF_EXIT_USAGE);
		return FF_EXIT_USAGE;
	}
	override(&config, "maxfail", o->maxfail);
	override(&config, "flaky_fail", o->flaky);
	override(&config, "retry_delay", o->retry_delay);
	override(&config, "strict_collection", o->strict);
	override(&config, "require_hosts", o->required);
	override(&config, "history", o->history);
	config.force = o->force;
	override_collect(&config, o->collect);
	for (size_t i = 0; o->memory && i < config.jobs_len; i++)
		ff_config_set(&config, &config.jobs[i],
			      ff_config_option_find(FF_SECTION_JOB, "memory"), o->memory, NULL);
	code = ff_execute(&config, &execute);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.argc = argc, .argv = argv};
	int code = ff_command_on_file(command, argc, argv, &o, run_file);

	ff_strv_release(&o.jobs);
	ff_strv_release(&o.reports);
	return code;
}

const struct ff_command ff_command_run = {
	.name = "run",
	.summary = "Run the jobs of a YAML file on its inventory.",
	.synopsis = "[OPTIONS] [FILE]",
	.details =
		"FILE defaults to farflung.yaml; - is standard input. Exit codes: 0 all passed, 1 "
		"something failed, 2 "
		"usage or\n"
		"configuration, 3 the infrastructure failed, 130 interrupted. Ctrl-C once lets "
		"running\n"
		"units end within settings.grace; twice kills them; both report what there is.\n",
	.options = options,
	.run = run,
};
