/* The table itself. A new option is an entry here and a member in config.h, nothing else. */
#include "config/options.h"

#include <string.h>

#include "config/config.h"

#define MS     INT64_C(1000)
#define SECOND (1000 * MS)
#define DAY    (86400 * SECOND)
#define YEAR   (365 * DAY)
#define KIB    INT64_C(1024)
#define MIB    (KIB * KIB)
#define GIB    (KIB * MIB)
#define PIB    (MIB * GIB)

#define CONFIG(member)	  .stored = true, .offset = offsetof(struct ff_config, member)
#define HOST(member)	  .stored = true, .offset = offsetof(struct ff_config_host, member)
#define JOB(member)	  .stored = true, .offset = offsetof(struct ff_config_job, member)
#define JOB_PLACE(member) .placed = true, .place = offsetof(struct ff_config_job, member)

/* clang-format off */
/* What hosts and their defaults have in common. */
#define HOST_OPTIONS(in)                                                                           \
	{.section = in, .key = "slots", .type = FF_TYPE_NUMBER, HOST(slots),                       \
	 .min = 1, .max = 100000, .range = "1 to 100000", .fallback = "1",                         \
	 .help = "places where one test or command runs at a time; N*spec multiplies them"},       \
	{.section = in, .key = "tags", .type = FF_TYPE_TEXTS, HOST(tags),                          \
	 .help = "words by which jobs choose hosts with 'on'; added to those of the defaults"},    \
	{.section = in, .key = "python", .type = FF_TYPE_TEXT, HOST(python),                       \
	 .help = "the interpreter, with options; by default python3 of the host's PATH; ~/ is the home"},           \
	{.section = in, .key = "chdir", .type = FF_TYPE_TEXT, HOST(chdir),                         \
	 .help = "working directory there, ~ is the home; made if it is missing"},                     \
	{.section = in, .key = "nice", .type = FF_TYPE_NUMBER_TEXT, HOST(nice),                    \
	 .min = -20, .max = 19, .range = "-20 to 19", .help = "added to the niceness"},            \
	{.section = in, .key = "worker", .type = FF_TYPE_CHOICE, HOST(worker),                     \
	 .choices = "native or python",                                                            \
	 .help = "the worker to start first; by default native where it can run"},                 \
	{.section = in, .key = "memory", .type = FF_TYPE_SIZE, HOST(memory),                       \
	 .min = MIB, .max = PIB, .range = "1MiB to 1024TiB", .unit = "bytes",                      \
	 .help = "that tests and commands may use there; by default what is available at the start"}, \
	{.section = in, .key = "env", .type = FF_TYPE_ENV, HOST(env),                              \
	 .help = "environment variables; those of the defaults hold where a host has no own"}

const struct ff_config_option ff_config_options[] = {
	{.section = FF_SECTION_TOP, .key = "version", .type = FF_TYPE_CHOICE,
	 .choices = "1", .fallback = "1",
	 .help = "of this format"},
	{.section = FF_SECTION_TOP, .key = "inventory", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_INVENTORY, .placed = true,
	 .place = offsetof(struct ff_config, hosts_place),
	 .help = "the hosts"},
	{.section = FF_SECTION_TOP, .key = "tree", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_TREE, .placed = true,
	 .place = offsetof(struct ff_config, tree.place),
	 .help = "the folder to bring to each host"},
	{.section = FF_SECTION_TOP, .key = "jobs", .type = FF_TYPE_JOBS, .child = FF_SECTION_JOB,
	 .placed = true, .place = offsetof(struct ff_config, jobs_place),
	 .help = "what to run"},
	{.section = FF_SECTION_TOP, .key = "setup", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_SETUP,
	 .help = "a command for each host before its first unit; where it fails nothing is run"},
	{.section = FF_SECTION_TOP, .key = "teardown", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_TEARDOWN,
	 .help = "a command for each host at the end, whatever happened"},
	{.section = FF_SECTION_TOP, .key = "pools", .type = FF_TYPE_POOLS,
	 .min = 1, .max = 1000000, .range = "1 to 1000000",
	 .help = "what there is a number of (licences, ports), so that jobs share it: see 'uses'"},
	{.section = FF_SECTION_TOP, .key = "report", .type = FF_TYPE_REPORTS,
	 .help = "files to write"},
	{.section = FF_SECTION_TOP, .key = "settings", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_SETTINGS,
	 .help = "how a run behaves"},

	{.section = FF_SECTION_INVENTORY, .key = "defaults", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_DEFAULTS,
	 .help = "for all hosts"},
	{.section = FF_SECTION_INVENTORY, .key = "hosts", .type = FF_TYPE_HOSTS,
	 .child = FF_SECTION_HOST,
	 .help = "each a text (an xspec) or a mapping"},

	{.section = FF_SECTION_HOST, .key = "spec", .type = FF_TYPE_TEXT, HOST(spec),
	 .required = true,
	 .help = "an xspec: popen, ssh=build[01-10]//python=python3.11, 4*popen"},
	{.section = FF_SECTION_HOST, .key = "name", .type = FF_TYPE_TEXT, HOST(name),
	 .help = "in reports and patterns; by default the spec's id, or from its address"},
	HOST_OPTIONS(FF_SECTION_HOST),
	HOST_OPTIONS(FF_SECTION_DEFAULTS),

	{.section = FF_SECTION_TREE, .key = "source", .type = FF_TYPE_FOLDER, CONFIG(tree.source),
	 .required = true,
	 .help = "the folder, from the file's own folder"},
	{.section = FF_SECTION_TREE, .key = "dest", .type = FF_TYPE_TEXT, CONFIG(tree.dest),
	 .help = "where to on the hosts; by default the working directory there"},
	{.section = FF_SECTION_TREE, .key = "exclude", .type = FF_TYPE_TEXTS, CONFIG(tree.exclude),
	 .help = "names neither brought nor deleted, as shell patterns; by default .git and caches"},
	{.section = FF_SECTION_TREE, .key = "delete", .type = FF_TYPE_BOOLEAN, CONFIG(tree.remove),
	 .fallback = "false",
	 .help = "whether what an earlier sync brought there, and is here no more, is deleted"},

	{.section = FF_SECTION_JOB, .key = "pytest", .type = FF_TYPE_WORDS, JOB(args),
	 .payload = true,
	 .help = "run tests with pytest; its arguments"},
	{.section = FF_SECTION_JOB, .key = "run", .type = FF_TYPE_COMMAND, .payload = true,
	 JOB_PLACE(run_place),
	 .help = "run a command; a text for /bin/sh, or a list of program and arguments"},
	{.section = FF_SECTION_JOB, .key = "dist", .type = FF_TYPE_TEXT, JOB(dist),
	 .only = "pytest", JOB_PLACE(dist_place),
	 .help = "auto, load, worksteal, loadscope, loadfile, loadgroup, each, no; else addopts'"},
	{.section = FF_SECTION_JOB, .key = "front", .type = FF_TYPE_CHOICE, JOB(front),
	 .choices = "auto, always or never", .fallback = "auto", .only = "pytest",
	 .help = "the controller's half of pytest and its plugins: auto where they need it"},
	{.section = FF_SECTION_JOB, .key = "collect", .type = FF_TYPE_CHOICE, JOB(collect),
	 .choices = "shard, every or auto", .fallback = "auto", .only = "pytest",
	 .help = "each file by who runs it, all by every worker, or whichever is safe"},
	{.section = FF_SECTION_JOB, .key = "strict_collection", .type = FF_TYPE_BOOLEAN,
	 JOB(strict_collection), .fallback = "false", .only = "pytest",
	 .help = "whether nothing runs when workers collect different tests; else what all have"},
	{.section = FF_SECTION_JOB, .key = "template", .type = FF_TYPE_CHOICE, JOB(template),
	 .choices = "auto or off", .fallback = "auto", .only = "pytest",
	 .help = "workers forked from one interpreter that has imported what the last run's had"},
	{.section = FF_SECTION_JOB, .key = "memory", .type = FF_TYPE_CHOICE, JOB(memory),
	 .choices = "auto or off", .fallback = "off",
	 .help = "auto: peaks are recorded; what does not fit on a host at once is kept apart"},
	{.section = FF_SECTION_JOB, .key = "maxschedchunk", .type = FF_TYPE_NUMBER,
	 JOB(maxschedchunk), .min = 0, .max = 1000000000, .range = "0 to 1000000000",
	 .fallback = "0", .only = "pytest",
	 .help = "tests that load gives a worker in one go; 0: no limit"},
	{.section = FF_SECTION_JOB, .key = "scope_reorder", .type = FF_TYPE_BOOLEAN,
	 JOB(scope_reorder), .fallback = "true", .only = "pytest",
	 .help = "whether the largest scopes, files or groups come first; else as collected"},
	{.section = FF_SECTION_JOB, .key = "testrunuid", .type = FF_TYPE_TEXT, JOB(testrunuid),
	 .only = "pytest",
	 .help = "what the fixture testrun_uid gives; by default the run's own id"},
	{.section = FF_SECTION_JOB, .key = "on", .type = FF_TYPE_TEXT, JOB(on),
	 JOB_PLACE(on_place),
	 .help = "hosts, by names and tags: 'linux,!small', 'n[1-12]', '*'; by default all"},
	{.section = FF_SECTION_JOB, .key = "needs", .type = FF_TYPE_TEXTS, JOB(needs),
	 JOB_PLACE(needs_places),
	 .help = "jobs that must have passed before"},
	{.section = FF_SECTION_JOB, .key = "env", .type = FF_TYPE_ENV, JOB(env),
	 .help = "environment variables"},
	{.section = FF_SECTION_JOB, .key = "timeout", .type = FF_TYPE_DURATION, JOB(timeout_us),
	 .min = 0, .max = YEAR, .range = "0 to 365d", .fallback = "0", .unit = "s",
	 .help = "for each test or command; 0: none"},
	{.section = FF_SECTION_JOB, .key = "session_timeout", .type = FF_TYPE_DURATION,
	 JOB(session_timeout_us), .min = 0, .max = YEAR, .range = "0 to 365d", .unit = "s",
	 .only = "pytest",
	 .help = "without a sign of life outside of tests; 0: none; else 5m"},
	{.section = FF_SECTION_JOB, .key = "grace", .type = FF_TYPE_DURATION, JOB(grace_us),
	 .min = 0, .max = DAY, .range = "0 to 1d", .fallback = "settings.grace", .unit = "s",
	 .help = "between SIGTERM and SIGKILL when the time is over"},
	{.section = FF_SECTION_JOB, .key = "retries", .type = FF_TYPE_NUMBER, JOB(retries),
	 .min = 0, .max = 100, .range = "0 to 100", .fallback = "0",
	 .help = "how often what failed is tried again"},
	{.section = FF_SECTION_JOB, .key = "retry_on", .type = FF_TYPE_TEXT, JOB(retry_on),
	 JOB_PLACE(retry_on_place),
	 .help = "only after these, as 'error,crashed'; of failed, error, crashed, timeout"},
	{.section = FF_SECTION_JOB, .key = "retry_delay", .type = FF_TYPE_DURATION,
	 JOB(retry_delay_us), .min = 0, .max = DAY, .range = "0 to 1d",
	 .fallback = "settings.retry_delay", .unit = "s",
	 .help = "how long what failed rests before it is tried again"},
	{.section = FF_SECTION_JOB, .key = "weight", .type = FF_TYPE_NUMBER, JOB(weight),
	 .min = 1, .max = 100000, .range = "1 to 100000", .fallback = "1", JOB_PLACE(weight_place),
	 .help = "slots of a host that one test or command takes"},
	{.section = FF_SECTION_JOB, .key = "uses", .type = FF_TYPE_USES,
	 .min = 1, .max = 1000000, .range = "1 to 1000000",
	 .help = "how much of each pool one test or command holds while it runs"},
	{.section = FF_SECTION_JOB, .key = "cwd", .type = FF_TYPE_TEXT, JOB(cwd), .only = "run",
	 .help = "where it runs, from the host's working directory"},
	{.section = FF_SECTION_JOB, .key = "stdin", .type = FF_TYPE_TEXT, JOB(stdin_text),
	 .only = "run", .may_be_empty = true,
	 .help = "text that the command reads; by default nothing"},
	{.section = FF_SECTION_JOB, .key = "count", .type = FF_TYPE_NUMBER, JOB(count),
	 .min = 1, .max = 1000000000, .range = "1 to 1000000000", .only = "run",
	 .help = "how many times it runs; {index} is replaced by 1, 2, ...; by default once"},
	{.section = FF_SECTION_JOB, .key = "matrix", .type = FF_TYPE_MATRIX, .only = "run",
	 .help = "runs it once for each combination of values: see placeholders"},

	{.section = FF_SECTION_JOB, .key = "artifacts", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_ARTIFACTS, JOB_PLACE(artifacts.place),
	 .help = "files that each unit leaves, brought to settings.collect/JOB/UNIT"},

	{.section = FF_SECTION_JOB, .key = "up_to_date", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_FRESH, .only = "run",
	 .help = "skips what has not changed since it last succeeded in its folder"},

	{.section = FF_SECTION_FRESH, .key = "inputs", .type = FF_TYPE_TEXTS,
	 JOB(fresh.inputs), JOB_PLACE(fresh.inputs_places), .required = true,
	 .help = "files that it depends on, as patterns below where it runs; also the command counts"},
	{.section = FF_SECTION_FRESH, .key = "outputs", .type = FF_TYPE_TEXTS,
	 JOB(fresh.outputs), JOB_PLACE(fresh.outputs_places),
	 .help = "files that must be there, as patterns"},

	{.section = FF_SECTION_ARTIFACTS, .key = "paths", .type = FF_TYPE_TEXTS,
	 JOB(artifacts.paths), JOB_PLACE(artifacts.places), .required = true,
	 .help = "below where it runs, as shell patterns; '**': any folders; a folder: all in it"},
	{.section = FF_SECTION_ARTIFACTS, .key = "when", .type = FF_TYPE_CHOICE,
	 JOB(artifacts.when), .choices = "always, failure or success", .fallback = "always",
	 .help = "after which end"},
	{.section = FF_SECTION_ARTIFACTS, .key = "required", .type = FF_TYPE_BOOLEAN,
	 JOB(artifacts.required), .fallback = "false",
	 .help = "whether a pattern that nothing matches is an error; else a warning"},

	{.section = FF_SECTION_SETUP, .key = "run", .type = FF_TYPE_TEXT, CONFIG(setup.run),
	 .required = true,
	 .help = "for /bin/sh in the working directory; NAME=VALUE lines in $FARFLUNG_ENV reach units"},
	{.section = FF_SECTION_SETUP, .key = "per", .type = FF_TYPE_CHOICE, CONFIG(setup.per),
	 .choices = "host or run", .fallback = "host",
	 .help = "run: once, on this machine, in the file's folder, before any host is opened"},
	{.section = FF_SECTION_SETUP, .key = "inputs", .type = FF_TYPE_TEXTS, CONFIG(setup.inputs),
	 .placed = true, .place = offsetof(struct ff_config, setup.places),
	 .help = "files it depends on, as patterns: skipped while they are as when it last succeeded"},
	{.section = FF_SECTION_SETUP, .key = "timeout", .type = FF_TYPE_DURATION,
	 CONFIG(setup.timeout_us), .min = 0, .max = YEAR, .range = "0 to 365d", .fallback = "0",
	 .unit = "s",
	 .help = "0: none"},
	{.section = FF_SECTION_TEARDOWN, .key = "run", .type = FF_TYPE_TEXT, CONFIG(teardown.run),
	 .required = true,
	 .help = "for /bin/sh, in the host's working directory"},
	{.section = FF_SECTION_TEARDOWN, .key = "per", .type = FF_TYPE_CHOICE, CONFIG(teardown.per),
	 .choices = "host or run", .fallback = "host",
	 .help = "run: once, on this machine, in the file's folder, at the very end"},
	{.section = FF_SECTION_TEARDOWN, .key = "timeout", .type = FF_TYPE_DURATION,
	 CONFIG(teardown.timeout_us), .min = SECOND, .max = YEAR, .range = "1s to 365d",
	 .fallback = "5m", .unit = "s",
	 .help = "after an interrupt no more than settings.grace"},

	{.section = FF_SECTION_SETTINGS, .key = "connect_timeout", .type = FF_TYPE_DURATION,
	 CONFIG(settings.connect_timeout_us), .min = MS, .max = DAY, .range = "1ms to 1d",
	 .fallback = "30s", .unit = "s",
	 .help = "how long a host may take until its worker answers"},
	{.section = FF_SECTION_SETTINGS, .key = "heartbeat", .type = FF_TYPE_DURATION,
	 CONFIG(settings.heartbeat_us), .min = MS, .max = DAY, .range = "1ms to 1d",
	 .fallback = "5s", .unit = "s",
	 .help = "how often each side shows that it lives"},
	{.section = FF_SECTION_SETTINGS, .key = "silence", .type = FF_TYPE_DURATION,
	 CONFIG(settings.silence_us), .min = MS, .max = DAY, .range = "1ms to 1d",
	 .fallback = "15s", .unit = "s",
	 .help = "a host that was not heard for so long is lost"},
	{.section = FF_SECTION_SETTINGS, .key = "grace", .type = FF_TYPE_DURATION,
	 CONFIG(settings.grace_us), .min = 0, .max = DAY, .range = "0 to 1d",
	 .fallback = "5s", .unit = "s",
	 .help = "how long what runs may go on after an interrupt, or after SIGTERM"},
	{.section = FF_SECTION_SETTINGS, .key = "output_cap", .type = FF_TYPE_SIZE,
	 CONFIG(settings.output_cap_bytes), .min = KIB, .max = GIB, .range = "1KiB to 1GiB",
	 .fallback = "1MiB", .unit = "bytes",
	 .help = "how much output of a test or command is kept"},
	{.section = FF_SECTION_SETTINGS, .key = "maxfail", .type = FF_TYPE_NUMBER,
	 CONFIG(settings.maxfail), .min = 0, .max = 1000000000, .range = "0 to 1000000000",
	 .fallback = "0",
	 .help = "stop after so many failures; 0: never"},
	{.section = FF_SECTION_SETTINGS, .key = "retry_delay", .type = FF_TYPE_DURATION,
	 CONFIG(settings.retry_delay_us), .min = 0, .max = DAY, .range = "0 to 1d",
	 .fallback = "0", .unit = "s",
	 .help = "how long what failed rests before it is tried again; 0: not at all"},
	{.section = FF_SECTION_SETTINGS, .key = "strict_collection", .type = FF_TYPE_BOOLEAN,
	 CONFIG(settings.strict_collection), .fallback = "false",
	 .help = "strict_collection of all jobs"},
	{.section = FF_SECTION_SETTINGS, .key = "flaky_fail", .type = FF_TYPE_BOOLEAN,
	 CONFIG(settings.flaky_fail), .fallback = "false",
	 .help = "whether what passed only when tried again fails the run"},
	{.section = FF_SECTION_SETTINGS, .key = "max_worker_restart", .type = FF_TYPE_NUMBER,
	 CONFIG(settings.max_worker_restart), .min = -1, .max = 1000000, .range = "-1 to 1000000",
	 .fallback = "-1",
	 .help = "how many crashed workers are replaced; -1: 4 times their number"},
	{.section = FF_SECTION_SETTINGS, .key = "require_hosts", .type = FF_TYPE_NUMBER_OR_ALL,
	 CONFIG(settings.require_hosts), .min = 1, .max = 100000, .range = "1 to 100000",
	 .placed = true, .place = offsetof(struct ff_config, settings.require_hosts_place),
	 .help = "hosts that must be there, fit for their jobs; by default one"},
	{.section = FF_SECTION_SETTINGS, .key = "reconnect", .type = FF_TYPE_DURATION,
	 CONFIG(settings.reconnect_us), .min = 0, .max = DAY, .range = "0 to 1d",
	 .fallback = "60s", .unit = "s",
	 .help = "how long lost hosts and busy folders are waited for when nothing else can run"},
	{.section = FF_SECTION_SETTINGS, .key = "collect", .type = FF_TYPE_TEXT,
	 CONFIG(settings.collect), .fallback = "out",
	 .help = "where artifacts are brought to, a folder for each job in it"},
	{.section = FF_SECTION_SETTINGS, .key = "history", .type = FF_TYPE_TEXT,
	 CONFIG(settings.history),
	 .help = "what is kept of units for later runs; none; default: .farflung/history.db"},
	{.section = FF_SECTION_SETTINGS, .key = "keep", .type = FF_TYPE_SECTION,
	 .child = FF_SECTION_KEEP,
	 .help = "which journals of earlier runs stay in .farflung"},

	{.section = FF_SECTION_KEEP, .key = "runs", .type = FF_TYPE_NUMBER,
	 CONFIG(settings.keep_runs), .min = 0, .max = 1000000, .range = "0 to 1000000",
	 .fallback = "100",
	 .help = "the newest so many; 0: all"},
	{.section = FF_SECTION_KEEP, .key = "days", .type = FF_TYPE_NUMBER,
	 CONFIG(settings.keep_days), .min = 0, .max = 36500, .range = "0 to 36500",
	 .fallback = "0", .unit = "days",
	 .help = "those that are not older; 0: of any age"},
	{0},
};
/* clang-format on */

const struct ff_config_option *ff_config_option_find(enum ff_config_section section,
						     const char *key)
{
	for (const struct ff_config_option *option = ff_config_options; option->key; option++)
		if (option->section == section && !strcmp(option->key, key))
			return option;
	return NULL;
}

const char *ff_section_where(enum ff_config_section section)
{
	static const char *const where[] = {
#define X(name, words, what) [FF_SECTION_##name] = words,
		FF_SECTION_MAP(X)
#undef X
	};

	return where[section];
}
