/* farflung pytest: a pytest run without a YAML file, with pytest-xdist's options. */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "cli/pytest.h"
#include "dispatch/dispatch.h"
#include "report/stress.h"
#include "wire/xspec.h"

static const struct ff_option options[] = {
	FF_PYTEST_WORKERS,
	FF_OPTION_OF("dist", JOB, "dist", dist, "MODE"),
	FF_OPTION_OF("front", JOB, "front", front, "WHEN"),
	FF_OPTION_OF("template", JOB, "template", template, "WHEN"),
	FF_OPTION_OF("collect", JOB, "collect", collect, "HOW"),
	FF_OPTION_IS("strict-collection", 0, "true",
		     "nothing runs when workers collect different tests", strict),
	FF_OPTION("", 'd', FLAG, NULL, "the same as --dist load", load),
	FF_OPTION_OF("maxschedchunk", JOB, "maxschedchunk", maxschedchunk, NULL),
	FF_OPTION_IS("no-loadscope-reorder", 0, "no",
		     "scopes, files and groups as collected, not the largest first", reorder),
	FF_OPTION_IS("loadscope-reorder", 0, "yes", "the largest first (default)", reorder),
	FF_PYTEST_TREE,
	FF_OPTION_OF("testrunuid", JOB, "testrunuid", testrunuid, "ID"),
	FF_OPTION("front-fd", 0, NUMBER, "N", "", front_fd), /* see take_line */
	FF_PYTEST_REPORTS,
	FF_OPTION_OF("retries", JOB, "retries", retries, NULL),
	FF_OPTION_OF("retry-on", JOB, "retry_on", retry_on, "OUTCOMES"),
	FF_OPTION_OF("retry-delay", JOB, "retry_delay", retry_delay, NULL),
	FF_OPTION_IS("flaky-fail", 0, "true",
		     "a test that passes only when tried again fails the run", flaky),
	FF_OPTION("shard", 0, TEXT, "K/N",
		  "only the K-th of N parts of the tests, by history or file sizes", shard),
	FF_OPTION("resume", 0, RUN, "[RUN]",
		  "go on with a killed or interrupted run (default: the last)", resume),
	FF_OPTION_OF("memory", JOB, "memory", memory, "WHEN"),
	FF_PYTEST_LIMITS,
	FF_OPTION_OF("history", SETTINGS, "history", history, "PATH"),
	FF_OPTION_WEB(web, cert, key),
	FF_OPTION_LINKS(links),
	FF_PYTEST_LOOK,
	FF_OPTIONS_END,
};

enum { WORKERS_MAX = 10000 };

/* Cores among the CPUs this process may run on: siblings of one core count once. */
static long physical_cpus(const cpu_set_t *may, long logical)
{
	long cores = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		char path[96], first[32] = "";
		FILE *file;

		if (!CPU_ISSET((size_t)cpu, may))
			continue;
		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
		file = fopen(path, "re");
		if (!file)
			return logical;
		/* The list begins with the smallest: only that one stands for the core, unless it
		 * is out of bounds for us. */
		if (fgets(first, sizeof(first), file)) {
			long sibling = strtol(first, NULL, 10);

			cores += sibling == cpu || !CPU_ISSET((size_t)sibling, may);
		}
		fclose(file);
	}
	return cores > 0 ? cores : logical;
}

static const char *name_of(const struct options *o)
{
	return o->stress ? "stress" : "pytest";
}

/* What -n says, or -1 with a complaint. As with pytest-xdist 0 means that nothing is spread. */
static int64_t worker_count(const struct options *o, const struct ff_strv *args)
{
	const char *text = o->numprocesses;
	const char *wish = getenv("PYTEST_XDIST_AUTO_NUM_WORKERS");
	bool automatic = !text || strcmp(text, "auto") == 0;
	cpu_set_t may;
	int64_t n = -1;

	if (!automatic && strcmp(text, "logical") != 0) {
		if (!ff_config_number(text, 0, WORKERS_MAX, &n))
			return n;
		ff_complain("%s: -n wants a number from 0 to %d, auto or logical, got '%s'",
			    name_of(o), WORKERS_MAX, text);
		return -1;
	}
	if (ff_pytest_auto(o, args, WORKERS_MAX, &n))
		return n;
	if (wish && *wish) {
		if (!ff_config_number(wish, 1, WORKERS_MAX, &n))
			return n;
		ff_complain("PYTEST_XDIST_AUTO_NUM_WORKERS wants a number from 1 to %d, got '%s'; "
			    "ignored",
			    WORKERS_MAX, wish);
	}
	if (sched_getaffinity(0, sizeof(may), &may) < 0)
		return 1;
	n = CPU_COUNT(&may);
	return automatic ? physical_cpus(&may, (long)n) : n;
}

/* Where the value of `--name=value` begins; "" for `--name`, NULL for any other word. */
static const char *value_in(const char *word, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(word, name, len) != 0 || (word[len] && word[len] != '='))
		return NULL;
	return word + len + (word[len] == '=');
}

/* What is absolute here is elsewhere there. */
static const char *brought(const struct options *o, const char *word, const char *here)
{
	size_t len = strlen(here);

	if (o->rsyncdir.len == 0 || strncmp(word, here, len) != 0)
		return word;
	return word[len] == '/' && word[len + 1] ? word + len + 1 : word[len] ? word : ".";
}

/* --verbosity says of the list of tests what -v and -q do; the workers have it, too. */
static void take_verbosity(struct options *o, const struct ff_strv *args)
{
	for (size_t i = 0; i < args->len; i++) {
		const char *value = value_in(args->v[i], "--verbosity");
		char *end;
		long level;

		if (value && !*value && !strchr(args->v[i], '=') && i + 1 < args->len)
			value = args->v[i + 1];
		level = value ? strtol(value, &end, 10) : 0;
		if (!value || !*value || *end)
			continue;
		o->quiet = level < -9 ? 9 : level < 0 ? (int)-level : 0;
		o->verbose = level < 0 ? 0 : level > 9 ? 9 : (int)level;
	}
}

/* pytest's own options that mean the whole run are taken over; the rest is for the workers. 0, or
 * -1 with a complaint. */
static int take_args(struct options *o, const struct ff_strv *args, struct ff_config_job *job)
{
	char here[PATH_MAX];

	if (!realpath(".", here))
		return -1;
	for (size_t i = 0; o->front_fd && i < args->len; i++)
		ff_strv_add(&job->args, brought(o, args->v[i], here));
	if (o->front_fd)
		return 0; /* they are as pytest took them, and it writes the reports */
	/* It has a say in how much of a difference is shown. */
	for (int i = 0; i < o->verbose; i++)
		ff_strv_add(&job->args, "-v");
	for (int i = 0; i < o->quiet; i++)
		ff_strv_add(&job->args, "-q");
	/* A worker stops before it begins another test, unless the bad one may run again. */
	if (job->retries == 0 && o->maxfail)
		ff_strv_addf(&job->args, "--maxfail=%s", o->maxfail);
	for (size_t i = 0; i < args->len; i++) {
		const char *word = args->v[i], *value = value_in(word, "--junitxml");

		value = value ? value : value_in(word, "--junit-xml");
		if (!value) {
			ff_strv_add(&job->args, brought(o, word, here));
			continue;
		}
		if (!*value && !strchr(word, '=') && i + 1 < args->len)
			value = args->v[++i];
		if (!*value) {
			ff_complain("%s: %.*s wants a path", name_of(o), (int)strcspn(word, "="),
				    word);
			return -1;
		}
		ff_strv_add(&o->reports, "junit");
		ff_strv_add(&o->reports, value);
	}
	return 0;
}

/* Which --python is for: other hosts have their own. */
static bool wants_python(const char *text)
{
	struct ff_xspec spec;
	struct ff_err err;
	bool wants;

	text += strspn(text, "0123456789");
	if (ff_xspec_parse(&spec, *text == '*' ? text + 1 : text, &err))
		return false; /* that is told later */
	wants = spec.popen && !spec.via && !spec.python;
	ff_xspec_release(&spec);
	return wants;
}

enum { PROXY_PATTERN_MAX = 32 };
static const char proxy_tag[] = "farflung-proxy";

static int add_local(struct ff_config *config, const struct options *o, const struct ff_strv *args,
		     struct ff_config_job *job)
{
	struct ff_config_host *host;
	int64_t n = worker_count(o, args);
	char spec[32];

	if (n < 0)
		return -1;
	if (o->maxprocesses > 0 && n > o->maxprocesses)
		n = o->maxprocesses;
	if (n == 0)
		job->dist = ff_arena_strdup(&config->arena, "no");
	snprintf(spec, sizeof(spec), "%lld*popen", (long long)(n ? n : 1));
	host = ff_config_add_host(config, spec);
	if (o->python)
		host->python = ff_arena_strdup(&config->arena, o->python);
	return 0;
}

static int add_hosts(struct ff_config *config, const struct options *o, const struct ff_strv *args,
		     struct ff_config_job *job)
{
	char pattern[PROXY_PATTERN_MAX];
	int64_t none;
	int rc = 0;

	/* -n 0 switches all of it off, as with pytest-xdist. */
	if (o->numprocesses && !ff_config_number(o->numprocesses, 0, 0, &none))
		return add_local(config, o, args, job);
	for (size_t i = 0; i < o->tx.len; i++) {
		struct ff_config_host *host = ff_config_add_host(config, o->tx.v[i]);

		if (o->python && wants_python(o->tx.v[i]))
			host->python = ff_arena_strdup(&config->arena, o->python);
	}
	if (o->tx.len == 0 || o->numprocesses)
		rc = add_local(config, o, args, job);
	for (size_t i = 0; i < o->px.len; i++)
		ff_strv_add(&ff_config_add_host(config, o->px.v[i])->tags, proxy_tag);
	snprintf(pattern, sizeof(pattern), "*,!%s", proxy_tag);
	if (o->px.len > 0)
		job->on = ff_arena_strdup(&config->arena, pattern);
	job->workers_said = o->tx.len > 0 || o->numprocesses;
	job->workers_open = !job->workers_said;
	return rc;
}

/* What the command line says in place of a file; the values were checked when they were parsed. */
static void set(struct ff_config *config, struct ff_config_job *job, enum ff_config_section section,
		const char *key, const char *text)
{
	if (text)
		ff_config_set(config, job, ff_config_option_find(section, key), text, NULL);
}

static void set_all(struct ff_config *config, struct ff_config_job *job, const struct options *o)
{
	set(config, job, FF_SECTION_JOB, "dist", o->dist ? o->dist : o->load ? "load" : NULL);
	set(config, job, FF_SECTION_JOB, "front", o->front);
	set(config, job, FF_SECTION_JOB, "template", o->template);
	set(config, job, FF_SECTION_JOB, "collect", o->collect);
	set(config, job, FF_SECTION_JOB, "strict_collection", o->strict);
	set(config, job, FF_SECTION_JOB, "retries", o->retries);
	set(config, job, FF_SECTION_JOB, "retry_on", o->retry_on);
	set(config, job, FF_SECTION_JOB, "retry_delay", o->retry_delay);
	set(config, job, FF_SECTION_JOB, "timeout", o->timeout);
	set(config, job, FF_SECTION_JOB, "session_timeout", o->session_timeout);
	set(config, job, FF_SECTION_JOB, "maxschedchunk", o->maxschedchunk);
	set(config, job, FF_SECTION_JOB, "memory", o->memory);
	set(config, job, FF_SECTION_JOB, "testrunuid", o->testrunuid);
	set(config, NULL, FF_SECTION_SETTINGS, "maxfail", o->maxfail);
	set(config, NULL, FF_SECTION_SETTINGS, "flaky_fail", o->flaky);
	set(config, NULL, FF_SECTION_SETTINGS, "max_worker_restart", o->restarts);
	job->python = o->python ? ff_arena_strdup(&config->arena, o->python) : NULL;
	set(config, NULL, FF_SECTION_SETTINGS, "history", o->history);
	job->scope_reorder = !o->reorder || strcmp(o->reorder, "no") != 0;
	job->addopts_read = true;
	job->settings_read = o->front_fd;
	if (o->front_fd)
		job->front = ff_arena_strdup(&config->arena, "always");
}

/* Not of what is told in a table, nor where it knows of a part of the tests only. */
static bool front_has_terminal(const struct options *o)
{
	return !o->stress && !o->before &&
	       (o->front_fd || !o->front || strcmp(o->front, "never") != 0);
}

static int run_pytest(struct options *o, const struct ff_strv *args, int argc, char **argv)
{
	const struct ff_stress_opts stress = {.json = o->json};
	struct ff_execute_opts execute = {.reports = &o->reports,
					  .color = o->color,
					  .payload_exits = !o->stress,
					  .usage_code = o->usage,
					  .front_has_terminal = front_has_terminal(o),
					  .front_fd = (int)o->front_fd,
					  .junit_prefix = o->junit_prefix,
					  .command = name_of(o),
					  .shard = o->shard,
					  .web = o->web,
					  .cert = o->cert,
					  .key = o->key,
					  .links = o->links,
					  .notify = o->notify,
					  .addopts = o->addopts,
					  .before = o->before,
					  .stress = o->stress ? &stress : NULL,
					  .argc = argc,
					  .argv = argv};
	struct ff_config config;
	struct ff_config_job *job;
	int code = o->usage;

	take_verbosity(o, args);
	execute.verbosity = o->verbose - o->quiet;
	ff_config_init(&config);
	job = ff_config_add_job(&config, "pytest", "pytest");
	set_all(&config, job, o);
	if (o->stress)
		ff_pytest_repeat(&config, job, o);
	if (!take_args(o, args, job) && !add_hosts(&config, o, args, job) &&
	    !ff_pytest_tree(&config, o))
		code = ff_execute(&config, &execute);
	ff_config_release(&config);
	return code;
}

/* As pytest reads it: before the command line, which wins. */
static int read_environment(const struct ff_command *command, struct options *o,
			    struct ff_strv *words, struct ff_strv *args)
{
	struct ff_err err;

	if (!o->addopts)
		return 0;
	if (ff_strv_split(words, o->addopts, &err)) {
		ff_complain("PYTEST_ADDOPTS: %s", err.text);
		return -1;
	}
	return ff_options_parse_known(command, words, o, args);
}

/* By the words that we have for it. */
static void name_color(struct options *o)
{
	if (o->color && strcmp(o->color, "yes") == 0)
		o->color = "always";
	else if (o->color && strcmp(o->color, "no") == 0)
		o->color = "never";
}

/* With `pytest --farflung` (plugins/pytest/pytest_farflung) the user's pytest is the front, and
 * what it is to be told goes over this socket. The terminal's signals are for pytest, who passes
 * them on; without it, the line is gone. */
static int take_line(const struct options *o)
{
	int type, fd = (int)o->front_fd;
	socklen_t len = sizeof(type);

	if (fd <= STDERR_FILENO || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    type != SOCK_STREAM || fcntl(fd, F_SETFD, FD_CLOEXEC)) {
		ff_complain("pytest: --front-fd wants the number of a connected socket, got %d: "
			    "it is for the plugin pytest-farflung",
			    fd);
		return -1;
	}
	(void)setpgid(0, 0);
	return 0;
}

int ff_pytest_run_given(struct options *o, const struct ff_pytest_given *given, int argc,
			char **argv)
{
	const struct ff_strv *args = &given->args;
	const char *plain =
		o->front_fd ? NULL : ff_pytest_is_plain(args, args->len - given->before);

	if (o->stress)
		return ff_pytest_may_repeat(o, args, plain) ? run_pytest(o, args, argc, argv)
							    : FF_EXIT_USAGE;
	/* What is to be run elsewhere is collected there. */
	if (plain && strncmp(plain, "--co", 4) == 0 && o->tx.len > 0)
		plain = NULL;
	return plain ? ff_pytest_plain(o, args, plain) : run_pytest(o, args, argc, argv);
}

bool ff_pytest_is_joined(int argc, char **argv)
{
	return argc > 0 && value_in(argv[0], "--front-fd");
}

int ff_pytest_parse(const struct ff_command *command, struct options *o, int argc, char **argv,
		    struct ff_pytest_given *given)
{
	int rc = read_environment(command, o, &given->words, &given->args);

	if (!rc)
		rc = ff_options_parse(command, argc, argv, o, &given->args, &given->after);
	given->before = given->args.len;
	if (!rc && o->front_fd && given->after.len)
		rc = ff_strv_add_all(&given->args, given->after.v);
	else if (!rc && !o->front_fd)
		rc = ff_options_parse_known(command, &given->after, o, &given->args);
	name_color(o);
	return rc;
}

void ff_pytest_release(struct options *o, struct ff_pytest_given *given)
{
	ff_strv_release(&given->args);
	ff_strv_release(&given->words);
	ff_strv_release(&given->after);
	ff_strv_release(&o->tx);
	ff_strv_release(&o->px);
	ff_strv_release(&o->rsyncdir);
	ff_strv_release(&o->rsyncignore);
	ff_strv_release(&o->reports);
}

int ff_pytest_run(const struct ff_command *command, bool stress, int argc, char **argv)
{
	struct options o = {.stress = stress, .usage = stress ? FF_EXIT_USAGE : FF_PYTEST_USAGE};
	bool joined = !stress && ff_pytest_is_joined(argc, argv);
	struct ff_pytest_given given = {0};
	int code = o.usage, rc;

	o.addopts = joined ? NULL : getenv("PYTEST_ADDOPTS");
	rc = ff_pytest_parse(command, &o, argc, argv, &given);
	if (!rc && o.front_fd)
		rc = take_line(&o);
	if (rc > 0)
		code = FF_EXIT_OK;
	else if (!rc && o.resume)
		code = ff_pytest_resume(o.resume, argc, argv);
	else if (!rc)
		code = ff_pytest_run_given(&o, &given, argc, argv);
	ff_pytest_release(&o, &given);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	return ff_pytest_run(command, false, argc, argv);
}

/* pytest-timeout's, pytest-retry's, and such as many a conftest.py has. */
static const char *const plugins_too[] = {"timeout", "session-timeout", "retries", "cert", "key",
					  NULL};

const struct ff_command ff_command_pytest = {
	.name = "pytest",
	.summary = "Spread a pytest run over local and remote workers.",
	.synopsis = "[OPTIONS] [PYTEST_OPTIONS] [FILE_OR_DIR...] [-- PYTEST_ARGS...]",
	.details =
		"Names and meanings are pytest-xdist's. The workers need pytest, nothing else. "
		"pytest's own\n"
		"options (-k, -m, -s, --lf, --tb=short, ...) and words that are no option go to "
		"pytest. Those of\n"
		"other plugins belong after --, where all of the above are understood, too, but "
		"for --timeout,\n"
		"--session-timeout and --retries, which are plugins' there. PYTEST_ADDOPTS is read "
		"like that; of\n"
		"addopts in a file --dist chooses how tests are spread, and -n how many of the "
		"workers are used.\n"
		"With --pdb, --trace, --setup-only, and what only shows something (--version, "
		"--fixtures,\n"
		"--markers, --cache-show, --setup-plan, and --help behind --) one plain pytest "
		"runs here.\n"
		"With --resume all that the run was given holds, and what is done is not run "
		"again; "
		"hosts, reports\n"
		"and how tests are shown may be said anew.\n",
	.options = options,
	.plugins_too = plugins_too,
	.foreign = ff_pytest_options,
	.foreign_program = "pytest",
	.run = run,
};
