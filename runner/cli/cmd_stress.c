/* farflung stress: tests run again and again, to find those that fail now and then. */
#include <string.h>

#include "cli/command.h"
#include "cli/pytest.h"

static const struct ff_option options[] = {
	{.name = "count",
	 .kind = FF_OPTION_CONFIG,
	 .arg = "N",
	 .section = FF_SECTION_JOB,
	 .key = "count",
	 .help = "runs of each test (default: 100, with --time no limit)",
	 .offset = offsetof(struct options, count)},
	{.name = "time",
	 .kind = FF_OPTION_CONFIG,
	 .arg = "TIME",
	 .section = FF_SECTION_JOB,
	 .key = "timeout",
	 .help = "begin no more runs so long (5m, 90s) after the first",
	 .offset = offsetof(struct options, time)},
	FF_PYTEST_WORKERS,
	FF_OPTION_OF("front", JOB, "front", front, "WHEN"),
	FF_OPTION_OF("template", JOB, "template", template, "WHEN"),
	FF_PYTEST_TREE,
	FF_PYTEST_REPORTS,
	FF_OPTION("json", 0, FLAG, NULL, "a JSON object per test on stdout, no table", json),
	FF_PYTEST_LIMITS,
	FF_PYTEST_LOOK,
	FF_OPTIONS_END,
};

static const char count_default[] = "100";
enum { RESTARTS_MOST = 1000000 };

bool ff_pytest_may_repeat(const struct options *o, const struct ff_strv *args, const char *plain)
{
	if (plain) {
		ff_complain("stress: with %s nothing can be run many times", plain);
		return false;
	}
	for (size_t i = 0; i < args->len; i++)
		if (strncmp(args->v[i], "--co", 4) == 0 && strcmp(args->v[i], "--color") != 0 &&
		    strncmp("--collect-only", args->v[i], strlen(args->v[i])) == 0) {
			ff_complain("stress: with %s nothing is run", args->v[i]);
			return false;
		}
	if (o->time && ff_config_duration_us(o->time) == 0) {
		ff_complain("stress: --time wants more than 0, got '%s'", o->time);
		return false;
	}
	for (size_t i = 1; o->json && i < o->reports.len; i += 2)
		if (strcmp(o->reports.v[i], "-") == 0) {
			ff_complain("stress: --json and --%s can't both be written to stdout",
				    o->reports.v[i - 1]);
			return false;
		}
	return true;
}

/* Runs of one test many times say nothing of what a run of the suite would: no history. Each is
 * given to whoever is free. */
void ff_pytest_repeat(struct ff_config *config, struct ff_config_job *job, const struct options *o)
{
	const char *count = o->count ? o->count : o->time ? NULL : count_default;

	job->repeat = -1;
	if (count)
		ff_config_number(count, 1, INT32_MAX, &job->repeat);
	job->time_us = o->time ? ff_config_duration_us(o->time) : 0;
	job->dist = ff_arena_strdup(&config->arena, "load");
	job->collect = ff_arena_strdup(&config->arena, "every");
	if (!o->restarts) /* that some crash is what is looked for */
		config->settings.max_worker_restart = RESTARTS_MOST;
	config->settings.history = ff_arena_strdup(&config->arena, "none");
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	return ff_pytest_run(command, true, argc, argv);
}

/* pytest-timeout's. */
static const char *const plugins_too[] = {"timeout", "session-timeout", NULL};

const struct ff_command ff_command_stress = {
	.name = "stress",
	.summary = "Run tests again and again to find those that fail now and then.",
	.synopsis = "[OPTIONS] [PYTEST_OPTIONS] TEST... [-- PYTEST_ARGS...]",
	.details =
		"Each test runs --count times, or for --time (whichever comes first), all of them "
		"once before any\n"
		"again, on whatever worker is free. A run is a test of its own, test_a@17, with "
		"fixtures of function\n"
		"scope and an instance of its own; fixtures of wider scopes are their worker's. "
		"With --time alone\n"
		"there are at most 200000 runs of all tests together. The table at the end has for "
		"each test how often\n"
		"it failed, with which messages, and the first run that did so; pytest-randomly's "
		"seed, or a set\n"
		"PYTHONHASHSEED, is told with it. Nothing of it is kept in the history. Exit "
		"codes: 0 all passed,\n"
		"1 a run failed, 2 usage, 3 the infrastructure failed, 130 interrupted.\n",
	.options = options,
	.plugins_too = plugins_too,
	.foreign = ff_pytest_options,
	.foreign_program = "pytest",
	.run = run,
};
