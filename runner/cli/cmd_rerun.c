/* farflung rerun [RUN] --failed, --lost or UNIT…: these units of an earlier run once more, with the
 * reports of all others. farflung rerun RUN --worker ID: what one worker of it did, once more: the
 * same tests in the same order, in one session. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "cli/recorded.h"
#include "cli/resume.h"
#include "cli/runs.h"
#include "dispatch/dispatch.h"

struct options {
	struct ff_strv reports, vars, profiles;
	const char *worker, *until, *python, *timeout, *color;
	bool quiet, failed, lost;
	int verbose;
	int argc; /* as given */
	char **argv;
};

static const struct ff_option options[] = {
	FF_OPTION("failed", 0, FLAG, NULL, "what failed, in any way, and what did not run", failed),
	FF_OPTION("lost", 0, FLAG, NULL, "what was lost with its host, and what did not run", lost),
	FF_OPTION("worker", 0, TEXT, "ID", "whose tests: gw3, as the run names it", worker),
	FF_OPTION("until", 0, TEXT, "TEST", "stop after this one; by default after its last",
		  until),
	FF_OPTION("python", 0, TEXT, "PROG", "interpreter; by default the one that it had", python),
	{.name = "timeout",
	 .kind = FF_OPTION_CONFIG,
	 .section = FF_SECTION_JOB,
	 .key = "timeout",
	 .help = "for each test; 0: none; by default as in that run",
	 .offset = offsetof(struct options, timeout)},
	FF_OPTION_VARS(vars, profiles),
	FF_OPTION_REPORT_FILES(reports),
	FF_OPTION("verbose", 'v', COUNT, NULL, "a line per test", verbose),
	FF_OPTION("quiet", 'q', FLAG, NULL, "only failures and the summary", quiet),
	FF_OPTION_COLOR(color),
	FF_OPTIONS_END,
};

static char *in_arena(struct ff_config *config, const char *text)
{
	char *copy = ff_arena_strdup(&config->arena, text);

	return copy ? copy : ff_xmalloc(SIZE_MAX); /* says so and aborts */
}

static void add_host(struct ff_config *config, const struct options *o,
		     const struct ff_repeat *repeat)
{
	struct ff_config_host *host = ff_config_add_host(config, "popen");
	struct ff_buf quoted = FF_BUF_INIT;

	host->chdir = in_arena(config, repeat->cwd);
	if (o->python) {
		host->python = in_arena(config, o->python);
	} else if (repeat->python) {
		ff_shell_quote(&quoted, repeat->python);
		host->python = in_arena(config, ff_buf_str(&quoted));
	}
	if (repeat->host_env.len)
		ff_strv_add_all(&host->env, repeat->host_env.v);
	ff_buf_release(&quoted);
}

static void add_job(struct ff_config *config, const struct options *o,
		    const struct ff_recorded_job *recorded, const struct ff_recorded_worker *worker,
		    size_t count, const struct ff_repeat *repeat)
{
	struct ff_config_job *job = ff_config_add_job(config, recorded->name, "pytest");
	const char *slash = strrchr(worker->name, '/');

	if (recorded->seed)
		ff_strv_add(&job->args, recorded->seed);
	if (recorded->args.len)
		ff_strv_add_all(&job->args, recorded->args.v);
	if (repeat->env.len)
		ff_strv_add_all(&job->env, repeat->env.v);
	for (size_t i = 0; i < count; i++)
		ff_strv_add(&job->sequence, worker->steps[i].unit);
	job->sequence_apart = recorded->in_parts;
	/* Of a merged run: "2/gw0". */
	job->sequence_worker = in_arena(config, slash ? slash + 1 : worker->name);
	job->sequence_workers = recorded->workers ? recorded->workers : 1;
	job->addopts_read = recorded->addopts_read;
	job->timeout_us = recorded->timeout_us;
	job->dist = in_arena(config, "no");
	job->collect = in_arena(config, "every");
	/* What a template has imported beforehand is one thing more that could differ. */
	job->template = in_arena(config, "off");
	if (o->timeout)
		ff_config_set(config, job, ff_config_option_find(FF_SECTION_JOB, "timeout"),
			      o->timeout, NULL);
}

static void say_what(const struct ff_recorded *r, const struct ff_recorded_worker *worker,
		     size_t count, const struct ff_repeat *repeat)
{
	const struct ff_recorded_step *last = &worker->steps[count - 1];
	uint32_t again = 0;

	for (size_t i = 0; i < count; i++)
		again += worker->steps[i].attempt > 1;
	ff_complain("rerun: %zu test%s of %s in run %s", count, count == 1 ? "" : "s", worker->name,
		    r->run_id);
	if (again > 0)
		ff_complain(
			"rerun: %u of them %s tried again there: so %s here, whatever the first "
			"try brings",
			again, again == 1 ? "was" : "were", again == 1 ? "it is" : "they are");
	if (!r->over)
		ff_complain("rerun: the journal ends before the run does: what came later is not "
			    "repeated");
	if (!last->ended || last->outcome == FF_OUTCOME_CRASHED)
		ff_complain("rerun: %s did not get beyond '%s'", worker->name, last->unit);
	if (repeat->notes.len)
		ff_complain_lines(ff_buf_str((struct ff_buf *)&repeat->notes));
}

static int repeat_all(const struct options *o, const struct ff_recorded *r,
		      const struct ff_recorded_worker *worker, size_t count,
		      const struct ff_repeat *repeat)
{
	char id[48];
	const struct ff_execute_opts execute = {
		.reports = &o->reports,
		.verbosity = o->quiet ? -1 : o->verbose,
		.color = o->color,
		.front_has_terminal = true,
		.passing_id = id,
		.command = "rerun",
		.argc = o->argc,
		.argv = o->argv,
	};
	struct ff_config config;
	int code;

	snprintf(id, sizeof(id), "rerun-%lld-%ld", (long long)time(NULL), (long)getpid());
	say_what(r, worker, count, repeat);
	ff_config_init(&config);
	config.directory = in_arena(&config, repeat->home);
	config.settings.max_worker_restart = 0; /* another one would have another past */
	add_host(&config, o, repeat);
	add_job(&config, o, &r->jobs[worker->job], worker, count, repeat);
	code = ff_execute(&config, &execute);
	ff_config_release(&config);
	return code;
}

static int rerun(const struct options *o, const char *run)
{
	const struct ff_recorded_worker *worker;
	struct ff_recorded recorded;
	struct ff_repeat repeat = {0};
	struct ff_err err = {0};
	size_t last = 0;
	int code = FF_EXIT_USAGE, rc = ff_recorded_read(&recorded, run, &err);

	if (!rc)
		rc = ff_recorded_find_worker(&recorded, o->worker, &worker, &err);
	if (!rc) {
		last = worker->len - 1;
		if (o->until)
			rc = ff_recorded_find_step(&recorded, worker, o->until, &last, &err);
	}
	if (!rc)
		rc = ff_repeat_plan(&repeat, &recorded, worker, &err);
	if (!rc) {
		code = repeat_all(o, &recorded, worker, last + 1, &repeat);
	} else {
		code = rc == FF_ENOTFOUND || rc == FF_EUNSUPPORTED ? FF_EXIT_USAGE : FF_EXIT_INFRA;
		ff_complain("rerun: %s", err.text);
		ff_complain_last("nothing was started", code);
	}
	ff_repeat_release(&repeat);
	ff_recorded_release(&recorded);
	return code;
}

/* --- units of a run --- */

/* What of it is for the command that the run was. */
static void pass_on(const struct options *o, struct ff_strv *words)
{
	for (size_t i = 0; i + 1 < o->reports.len; i += 2)
		ff_strv_addf(words, "--%s=%s", o->reports.v[i], o->reports.v[i + 1]);
	for (size_t i = 0; i < o->vars.len; i++)
		ff_strv_addf(words, "--var=%s", o->vars.v[i]);
	for (size_t i = 0; i < o->profiles.len; i++)
		ff_strv_addf(words, "--profile=%s", o->profiles.v[i]);
	for (int i = 0; i < o->verbose; i++)
		ff_strv_add(words, "-v");
	if (o->quiet)
		ff_strv_add(words, "-q");
	if (o->color)
		ff_strv_addf(words, "--color=%s", o->color);
}

static const struct {
	const char *command;
	int (*again)(struct ff_resume *resume, int argc, char **argv, const char *as);
} kinds[] = {{"run", ff_run_again}, {"pytest", ff_pytest_again}, {"map", ff_map_again}};

static int go_on(struct ff_resume *resume, const struct ff_strv *words)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].command, resume->command) == 0)
			return kinds[i].again(resume, (int)words->len, words->v, "rerun");
	return ff_resume_check(resume, NULL, FF_EXIT_USAGE);
}

static int rerun_units(const struct options *o, const char *run, char *const *units, size_t len)
{
	static char named; /* that it is wanted, and not found yet */
	struct ff_changed changed = {0};
	struct ff_before_again again = {0};
	struct ff_map wanted = FF_MAP_INIT;
	struct ff_strv words = FF_STRV_INIT;
	struct ff_resume resume;
	int code;

	for (int i = 0; i < FF_OUTCOMES; i++)
		if ((o->failed && ff_outcome_bad((enum ff_outcome)i)) ||
		    (o->lost && i == FF_OUTCOME_LOST))
			again.outcomes |= 1U << i;
	for (size_t i = 0; i < len; i++)
		ff_map_set(&wanted, units[i], &named);
	again.units = len > 0 ? &wanted : NULL;
	again.wanted = &named;
	ff_changed_ask(&changed, &again);
	pass_on(o, &words);
	code = ff_resume_read(&resume, run, NULL, &again, FF_EXIT_USAGE);
	if (code == 0) {
		ff_changed_say(&changed, false);
		code = go_on(&resume, &words);
		ff_resume_release(&resume);
	}
	ff_changed_release(&changed);
	ff_strv_release(&words);
	ff_map_release(&wanted);
	return code;
}

static bool is_run(const char *word)
{
	char *journal = ff_run_journal(word);
	bool is = journal || strcmp(word, "last") == 0;

	ff_free(journal);
	return is;
}

static int choose(const struct options *o, const struct ff_strv *words)
{
	/* The first word is a run if there is one of that name. */
	bool has_run = words->len && is_run(words->v[0]);
	bool of_units = o->failed || o->lost;
	size_t units = words->len - has_run;

	if (words->len == 1 && (o->worker || (has_run && !of_units)))
		return rerun(o, words->v[0]); /* which asks for the worker */
	if ((o->worker && words->len) || (has_run && units > 0 && is_run(words->v[1])))
		ff_complain("rerun: one RUN is enough");
	else if (o->worker || (!words->len && !of_units))
		ff_complain(
			"rerun: which RUN? A run's folder, such as .farflung/runs/ID, its ID, or "
			"last; and what of it: --failed, --lost, names of units, or --worker ID");
	else if (o->until || o->python || o->timeout)
		ff_complain("rerun: --%s goes with --worker ID only", o->until	  ? "until"
								      : o->python ? "python"
										  : "timeout");
	else
		return rerun_units(o, has_run ? words->v[0] : NULL,
				   words->v ? words->v + has_run : NULL, units);
	return FF_EXIT_USAGE;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.argc = argc, .argv = argv};
	struct ff_strv words = FF_STRV_INIT;
	int code = FF_EXIT_USAGE, rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0)
		code = choose(&o, &words);
	ff_strv_release(&words);
	ff_strv_release(&o.reports);
	ff_strv_release(&o.vars);
	ff_strv_release(&o.profiles);
	return code;
}

const struct ff_command ff_command_rerun = {
	.name = "rerun",
	.summary = "Run what failed in an earlier run once more, or what one of its workers did.",
	.synopsis = "[OPTIONS] [RUN] --failed|--lost|UNIT... | RUN --worker ID",
	.details =
		"RUN is a run's folder (.farflung/runs/ID), its ID, or last, the default. Of a run "
		"of farflung run,\n"
		"pytest or map, the units named, failed or lost run again, with the options, hosts "
		"and arguments that it\n"
		"had (of run by the same file as it is now, of map on the lines that were read "
		"then); all others are told\n"
		"as they were, so that reports and exit code are of all. Runs of pytest and map "
		"are gone on with where they\n"
		"were begun. With --worker, one pytest session on this machine runs the tests of "
		"that worker in its order,\n"
		"with the arguments, the interpreter and the folder that it had; what can't be as "
		"it was is said, and it\n"
		"leaves no journal and no history. Exit codes: 0 all passed, 1 something failed or "
		"is not there any more,\n"
		"2 usage, 3 the infrastructure failed, 130 interrupted; of pytest's runs and map's "
		"those of these commands.\n",
	.options = options,
	.run = run,
};
