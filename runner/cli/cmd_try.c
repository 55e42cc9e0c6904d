/* farflung try: a suite by plain pytest, by ours and by pytest-xdist, compared. What is compared,
 * and how, is pytest's business: farflung becomes the interpreter that runs plugins/pytest/try. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/plain.h"
#include "dispatch/dispatch.h"

/* The build's texts, with a NUL behind each. */
extern const unsigned char ff_source_pytest_try[], ff_source_pytest_try_record[];

enum {
	WORKERS_MAX = 10000,
	SECONDS_DEFAULT = 3600,
	NO_LIMIT = 365 * 24 * 3600,
};

struct options {
	const char *dist, *python, *timeout;
	int64_t workers;
	bool json;
};

static const struct ff_option options[] = {
	FF_OPTION("numprocesses", 'n', NUMBER, "N",
		  "workers; 0: one for each CPU, at least 2 (default)", workers),
	{.name = "dist",
	 .kind = FF_OPTION_CHOICE,
	 .arg = "MODE",
	 .choices = "load, worksteal, loadscope, loadfile or loadgroup",
	 .help = "load, worksteal, loadscope, loadfile or loadgroup; default: addopts'",
	 .offset = offsetof(struct options, dist)},
	FF_OPTION("python", 0, TEXT, "PROG", "interpreter of all runs", python),
	{.name = "timeout",
	 .kind = FF_OPTION_CONFIG,
	 .section = FF_SECTION_JOB,
	 .key = "timeout",
	 .help = "for all runs together; 0: none; default: 1h",
	 .offset = offsetof(struct options, timeout)},
	FF_OPTION("json", 0, FLAG, NULL, "what was found as a JSON object on stdout", json),
	FF_OPTIONS_END,
};

static int64_t seconds_of(const char *timeout)
{
	int64_t us = timeout ? ff_config_duration_us(timeout) : SECONDS_DEFAULT * INT64_C(1000000);

	return us == 0 ? NO_LIMIT : (us + 999999) / 1000000;
}

/* Becomes the comparison: gives an exit code only if that can't be started. */
static int become(const struct options *o, const struct ff_strv *args)
{
	struct ff_strv argv = FF_STRV_INIT, python = FF_STRV_INIT;
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len > 0 && ff_pytest_interpreter(o->python, &python)) {
		self[len] = '\0';
		ff_strv_add_all(&argv, python.v);
		ff_strv_add(&argv, "-I"); /* nothing of the suite's is imported */
		ff_strv_add(&argv, "-c");
		ff_strv_add(&argv, (const char *)ff_source_pytest_try);
		ff_strv_add(&argv, (const char *)ff_source_pytest_try_record);
		ff_strv_add(&argv, self);
		ff_strv_addf(&argv, "%lld", (long long)o->workers);
		ff_strv_add(&argv, o->dist ? o->dist : "");
		ff_strv_addf(&argv, "%lld", (long long)seconds_of(o->timeout));
		ff_strv_add(&argv, o->json ? "json" : "text");
		ff_strv_addf(&argv, "%zu", python.len);
		ff_strv_add_all(&argv, python.v);
		if (args->len)
			ff_strv_add_all(&argv, args->v);
		fflush(NULL);
		execvp(argv.v[0], argv.v);
		ff_complain("try: %s cannot be started", argv.v[0]);
	}
	ff_strv_release(&argv);
	ff_strv_release(&python);
	ff_complain_last("nothing was started", FF_EXIT_INFRA);
	return FF_EXIT_INFRA;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	struct ff_strv args = FF_STRV_INIT, after = FF_STRV_INIT;
	const char *plain;
	int code = FF_EXIT_USAGE;
	int rc = ff_options_parse(command, argc, argv, &o, &args, &after);

	if (rc == 0 && after.len)
		ff_strv_add_all(&args, after.v);
	plain = ff_pytest_is_plain(&args, after.len);
	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && plain)
		ff_complain("try: with %s nothing is spread, so there is nothing to compare",
			    plain);
	else if (rc == 0 && o.workers > WORKERS_MAX)
		ff_complain("try: -n wants a number from 0 to %d, got %lld", WORKERS_MAX,
			    (long long)o.workers);
	else if (rc == 0)
		code = become(&o, &args);
	ff_strv_release(&args);
	ff_strv_release(&after);
	return code;
}

const struct ff_command ff_command_try = {
	.name = "try",
	.summary = "Compare a suite's outcomes here with those of plain pytest and pytest-xdist.",
	.synopsis = "[OPTIONS] [PYTEST_OPTIONS] [FILE_OR_DIR...] [-- PYTEST_ARGS...]",
	.details =
		"The suite runs by pytest, by farflung pytest, and by pytest-xdist where the "
		"interpreter has it. If a\n"
		"test comes out otherwise by ours, further runs (alone, once more, by one worker, "
		"by file) tell why, and\n"
		"what would help: order, a file or port in use, a flaky test. -x and --maxfail "
		"have no effect; .pytest_cache\n"
		"stays as it is. Where --collect auto has all tests collected by each worker, it "
		"is tried whether --collect\n"
		"shard changes anything; if not, that is noted in .farflung/history.db for later "
		"runs. Exit codes: 0 the same, 1 differences, 2 usage, 3 "
		"it could not be compared\n"
		"(--timeout, no interpreter), 4 pytest's own usage error, 5 it collects nothing, "
		"130 interrupted.\n",
	.options = options,
	.foreign = ff_pytest_options,
	.foreign_program = "pytest",
	.run = run,
};
