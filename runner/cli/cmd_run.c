/* farflung run [FILE] */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "cli/resume.h"
#include "cli/runs.h"
#include "dispatch/dispatch.h"

struct options {
	struct ff_strv jobs, reports, vars, profiles;
	const char *on, *color, *maxfail, *required, *history, *shard, *flaky, *retry_delay,
		*strict, *memory, *resume, *collect, *web, *cert, *key, *links;
	struct ff_before *before; /* that was found by it */
	bool quiet, help_config, force, no_notify;
	int verbose;
	int argc; /* as given, for the journal */
	char **argv;
};

static const struct ff_option options[] = {
	FF_OPTION("job", 'j', LIST, "NAME", "run only this job and what it needs (repeatable)",
		  jobs),
	FF_OPTION("on", 0, TEXT, "PATTERN",
		  "use only hosts that match: names, tags, @groups, n[1-9], !not, &and", on),
	FF_OPTION_VARS(vars, profiles),
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION_WEB(web, cert, key),
	FF_OPTION_LINKS(links),
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
	FF_OPTION("resume", 0, RUN, "[RUN]",
		  "go on with a killed, interrupted or full-disk run (default: the last)", resume),
	FF_OPTION("no-notify", 0, FLAG, NULL, "tell nobody of those in 'notify'", no_notify),
	FF_OPTION("verbose", 'v', COUNT, NULL, "a line per unit; twice: output too", verbose),
	FF_OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary", quiet),
	FF_OPTION_COLOR(color),
	FF_OPTION("help-config", 0, FLAG, NULL, "describe every key of the file and exit",
		  help_config),
	FF_OPTIONS_END,
};

static int print_reference(void)
{
	struct ff_config_note *reports = ff_reports_notes();
	struct ff_buf text = FF_BUF_INIT;

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
					  .web = o->web,
					  .cert = o->cert,
					  .key = o->key,
					  .links = o->links,
					  .before = o->before,
					  .argc = o->argc,
					  .argv = o->argv};
	const struct ff_config_opts opts = {.vars = &o->vars, .profiles = &o->profiles};
	struct ff_config config;
	struct ff_err err = {0};
	int code;

	if (o->help_config)
		return print_reference();
	if (ff_config_load_with(&config, path, &opts, &err) < 0) {
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
	if (o->no_notify)
		config.receivers_len = 0;
	override_collect(&config, o->collect);
	for (size_t i = 0; o->memory && i < config.jobs_len; i++)
		ff_config_set(&config, &config.jobs[i],
			      ff_config_option_find(FF_SECTION_JOB, "memory"), o->memory, NULL);
	if (strcmp(path, "-") != 0 && strcmp(path, "/dev/stdin") != 0) {
		execute.file = path;
		execute.file_opts = &opts;
	}
	code = ff_execute(&config, &execute);
	ff_config_release(&config);
	return code;
}

/* The folder of the file that is among `rest`; NULL: none is. The caller's to free. */
static char *home_of(const struct ff_strv *rest)
{
	const char *slash = rest->len ? strrchr(rest->v[0], '/') : NULL;

	if (rest->len == 0 || strcmp(rest->v[0], "-") == 0 || strcmp(rest->v[0], "/dev/stdin") == 0)
		return NULL;
	return slash ? ff_xstrndup(rest->v[0], (size_t)(slash - rest->v[0]) + 1) : ff_xstrdup(".");
}

/* What the earlier run was given holds where nothing else is given now. */
int ff_run_again(struct ff_resume *resume, int argc, char **argv, const char *as)
{
	struct options o = {.before = &resume->before};
	struct ff_strv then = FF_STRV_INIT, now = FF_STRV_INIT, all = FF_STRV_INIT;
	const struct ff_command *run = &ff_command_run;
	int code = FF_EXIT_USAGE;

	if (ff_options_parse(run, (int)resume->words.len, resume->words.v, &o, &then, NULL) == 0 &&
	    ff_options_parse(run, argc, argv, &o, &now, NULL) == 0) {
		const struct ff_strv *files = now.len ? &now : &then;

		/* What is written down is what a third run is to go on with. */
		if (!now.len && resume->words.len)
			ff_strv_add_all(&all, resume->words.v);
		ff_resume_add_words(&all, argc, argv, o.resume);
		o.argc = (int)all.len;
		o.argv = all.v;
		if (files->len > 1)
			ff_complain("%s: one FILE at a time, got '%s' and '%s'", as, files->v[0],
				    files->v[1]);
		else
			code = run_file(files->len ? files->v[0] : "farflung.yaml", &o);
	}
	ff_strv_release(&o.jobs);
	ff_strv_release(&o.reports);
	ff_strv_release(&o.vars);
	ff_strv_release(&o.profiles);
	ff_strv_release(&then);
	ff_strv_release(&now);
	ff_strv_release(&all);
	return code;
}

static int go_on(const struct options *given, const struct ff_strv *rest, int argc, char **argv)
{
	struct ff_before_again again = {.outcomes = 1U << FF_OUTCOME_LOST};
	struct ff_changed changed = {0};
	char *home = home_of(rest);
	struct ff_resume resume;
	int code;

	ff_changed_ask(&changed, &again);
	code = ff_resume_read(&resume, given->resume, home, &again, FF_EXIT_USAGE);
	if (code == 0) {
		code = ff_resume_check(&resume, "run", FF_EXIT_USAGE);
		if (code == 0) {
			ff_changed_say(&changed, false);
			code = ff_run_again(&resume, argc, argv, "run");
		}
		ff_resume_release(&resume);
	}
	ff_changed_release(&changed);
	ff_free(home);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.argc = argc, .argv = argv};
	struct ff_strv rest = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &rest, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && rest.len > 1)
		ff_complain("%s: one FILE at a time, got '%s' and '%s'", command->name, rest.v[0],
			    rest.v[1]);
	else if (rc == 0 && o.resume)
		code = go_on(&o, &rest, argc, argv);
	else if (rc == 0)
		code = run_file(rest.len ? rest.v[0] : "farflung.yaml", &o);
	ff_strv_release(&rest);
	ff_strv_release(&o.jobs);
	ff_strv_release(&o.reports);
	ff_strv_release(&o.vars);
	ff_strv_release(&o.profiles);
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
