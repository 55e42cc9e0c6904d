/* farflung pytest: a pytest run without a YAML file, with pytest-xdist's options. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"

struct options {
	const char *numprocesses, *dist, *junit, *jsonl, *color, *python, *timeout;
	struct ff_strv tx;
	int64_t maxfail, retries, restarts, maxprocesses;
	bool exitfirst, quiet;
	int verbose;
};

#define OPTION(name, letter, kind, arg, help, member)                                              \
	{                                                                                          \
		name, letter, FF_OPTION_##kind, arg, help, offsetof(struct options, member)        \
	}

static const struct ff_option options[] = {
	OPTION("numprocesses", 'n', TEXT, "N",
	       "local workers: a number, auto or logical (default: auto)", numprocesses),
	OPTION("maxprocesses", 0, NUMBER, "N", "at most so many of them", maxprocesses),
	OPTION("tx", 0, LIST, "XSPEC", "workers at an xspec, [N*]popen, ssh=HOST, … (repeatable)",
	       tx),
	OPTION("dist", 0, TEXT, "MODE", "how tests are given out (default: load)", dist),
	OPTION("python", 0, TEXT, "PROG", "interpreter of the local workers", python),
	OPTION("junit", 0, TEXT, "FILE", "write JUnit XML", junit),
	OPTION("jsonl", 0, TEXT, "FILE", "write all events as JSON lines; - is stdout", jsonl),
	OPTION("maxfail", 0, NUMBER, "N", "stop after N bad tests", maxfail),
	OPTION("exitfirst", 'x', FLAG, NULL, "stop after the first bad test", exitfirst),
	OPTION("retries", 0, NUMBER, "N", "run a failing test up to N times more", retries),
	OPTION("timeout", 0, TEXT, "TIME", "kill a test that takes longer: 90s, 10m", timeout),
	OPTION("max-worker-restart", 0, NUMBER, "N", "give up after N crashed workers", restarts),
	OPTION("verbose", 'v', COUNT, NULL, "a line per test", verbose),
	OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary", quiet),
	OPTION("color", 0, TEXT, "WHEN", "auto, always or never", color),
	{NULL, 0, FF_OPTION_FLAG, NULL, NULL, 0},
};

/* Cores among the CPUs this process may run on: siblings of one core count once. */
static long physical_cpus(const cpu_set_t *may, long logical)
{
	long cores = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		char path[96], first[32] = "";
		FILE *file;

		if (!CPU_ISSET((size_t)cpu, may))
			continue;
		snprintf(path, sizeof path,
			 "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
		file = fopen(path, "re");
		if (!file)
			return logical;
		/* The list begins with the smallest: only that one stands for the core, unless it
		 * is out of bounds for us. */
		if (fgets(first, sizeof first, file)) {
			long sibling = strtol(first, NULL, 10);

			cores += sibling == cpu || !CPU_ISSET((size_t)sibling, may);
		}
		fclose(file);
	}
	return cores > 0 ? cores : logical;
}

/* What -n says, or -1 with a complaint. */
static long worker_count(const char *text)
{
	const char *wish = getenv("PYTEST_XDIST_AUTO_NUM_WORKERS");
	bool automatic = !text || strcmp(text, "auto") == 0;
	cpu_set_t may;
	char *end;
	long n;

	if (!automatic && strcmp(text, "logical") != 0) {
		errno = 0;
		n = strtol(text, &end, 10);
		if (errno == 0 && *text && !*end && n >= 1 && n <= 10000)
			return n;
		ff_complain("pytest: -n wants a number from 1 to 10000, auto or logical, got '%s'",
			    text);
		return -1;
	}
	if (wish && *wish) {
		n = strtol(wish, &end, 10);
		if (!*end && n >= 1 && n <= 10000)
			return n;
		ff_complain("PYTEST_XDIST_AUTO_NUM_WORKERS is no number: '%s'; ignored", wish);
	}
	if (sched_getaffinity(0, sizeof may, &may) < 0)
		return 1;
	n = CPU_COUNT(&may);
	return automatic ? physical_cpus(&may, n) : n;
}

/* pytest's own options that mean the whole run are taken over; the rest is for the workers. */
static void take_args(struct options *o, const struct ff_strv *args, struct ff_config_job *job)
{
	static const char *const junit_names[] = {"--junitxml", "--junit-xml"};

	for (size_t i = 0; i < args->len; i++) {
		const char *arg = args->v[i];
		bool taken = false;

		for (int j = 0; j < 2 && !taken; j++) {
			size_t len = strlen(junit_names[j]);

			if (strncmp(arg, junit_names[j], len) != 0)
				continue;
			if (arg[len] == '=') {
				o->junit = arg + len + 1;
				taken = true;
			} else if (!arg[len] && i + 1 < args->len) {
				o->junit = args->v[++i];
				taken = true;
			}
		}
		if (!taken)
			ff_strv_add(&job->args, arg);
	}
}

static int add_hosts(struct ff_config *config, const struct options *o)
{
	for (size_t i = 0; i < o->tx.len; i++)
		ff_config_add_host(config, o->tx.v[i]);
	if (o->tx.len == 0 || o->numprocesses) {
		struct ff_config_host *host;
		long n = worker_count(o->numprocesses);
		char spec[32];

		if (n < 0)
			return -1;
		if (o->maxprocesses > 0 && n > o->maxprocesses)
			n = (long)o->maxprocesses;
		snprintf(spec, sizeof spec, "%ld*popen", n);
		host = ff_config_add_host(config, spec);
		if (o->python)
			host->python = ff_arena_strdup(&config->arena, o->python);
	}
	return 0;
}

static int run_pytest(struct options *o, const struct ff_strv *args, int argc, char **argv)
{
	struct ff_execute_opts execute = {.verbosity = o->verbose,
					  .quiet = o->quiet,
					  .color = o->color,
					  .command = "pytest",
					  .argc = argc,
					  .argv = argv};
	struct ff_config config;
	struct ff_config_job *job;
	int code = FF_EXIT_USAGE;

	ff_config_init(&config);
	job = ff_config_add_job(&config, "pytest", "pytest");
	take_args(o, args, job);
	if (o->dist)
		job->dist = ff_arena_strdup(&config.arena, o->dist);
	job->retries = o->retries;
	config.settings.maxfail = o->exitfirst ? 1 : o->maxfail;
	config.settings.max_worker_restart = o->restarts;
	execute.junit = o->junit;
	execute.jsonl = o->jsonl;
	if (o->timeout)
		job->timeout_us = ff_config_duration_us(o->timeout);
	if (job->timeout_us < 0)
		ff_complain("pytest: --timeout wants a time such as 90s or 10m, got '%s'",
			    o->timeout);
	else if (add_hosts(&config, o) == 0)
		code = ff_execute(&config, &execute);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.restarts = -1};
	struct ff_strv args = FF_STRV_INIT;
	int rc = ff_options_parse(command, argc, argv, &o, &args, NULL);
	int code = rc < 0 ? FF_EXIT_USAGE : FF_EXIT_OK;

	if (rc == 0)
		code = run_pytest(&o, &args, argc, argv);
	ff_strv_release(&args);
	ff_strv_release(&o.tx);
	return code;
}

const struct ff_command ff_command_pytest = {
	.name = "pytest",
	.summary = "Spread a pytest run over local and remote workers.",
	.synopsis = "[OPTIONS] [-- PYTEST_ARGS…]",
	.details = "Names and meanings are pytest-xdist's. The workers need pytest, nothing else. "
		   "Words that\n"
		   "are no option, and all after --, go to pytest.\n",
	.options = options,
	.run = run,
};
