/* From a configuration to an exit code: inventory, plan, reporters, journal, dispatch. */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "cli/group.h"
#include "cli/last_word.h"
#include "cli/links.h"
#include "cli/resume.h"
#include "cli/runs.h"
#include "cli/secrets.h"
#include "cli/serve.h"
#include "cli/shard.h"
#include "cli/told.h"
#include "dispatch/dispatch.h"
#include "dispatch/input.h"
#include "event/mask.h"
#include "notify/notify.h"
#include "report/coverage.h"
#include "report/mapped.h"
#include "report/stress.h"
#include "report/trace.h"
#include "store/history.h"

/* One run, from its reporters to its end. */
struct execution {
	struct ff_run_opts run;
	struct ff_run_reread reread;
	struct ff_reporters reporters;
	struct ff_run_terminal terminal;
	struct ff_last_word *word; /* in reporters */
	struct ff_group_hold group;
	struct ff_web *web;  /* shows it; NULL */
	struct ff_told told; /* whose `notify` holds, if it was asked for */
	struct ff_trace trace;
	struct ff_strv vars;		     /* of all units */
	const struct ff_reporter *history;   /* likewise; NULL: none */
	struct ff_reporter *notify;	     /* likewise */
	const struct ff_mapped_opts *mapped; /* its units are told so; NULL */
	struct ff_config *shard;	     /* whose jobs run but a part of their units; NULL */
	struct ff_mask mask;		     /* secrets of the jobs that run */
	_Atomic(struct ff_run *) running;    /* whom reporters wake */
};

static void wake_run(void *ctx)
{
	struct execution *x = ctx;
	struct ff_run *run = atomic_load(&x->running);

	if (run)
		ff_run_wake(run);
}

static int64_t left_us(void *ctx, int64_t units_us)
{
	struct execution *x = ctx;
	const struct ff_run *run = atomic_load(&x->running);

	return run ? ff_run_left_us(run, units_us) : -1;
}

static bool known(void *ctx, const char *kind, const char *unit, struct ff_report_known *known)
{
	const struct execution *x = ctx;

	return x->history && ff_history_known(x->history, kind, unit, known);
}

static bool green(void *ctx, struct ff_report_green *green)
{
	const struct execution *x = ctx;

	return x->history && ff_history_green(x->history, green);
}

static void complain(const char *text)
{
	ff_complain("%s", text);
}

static bool has_job_of(const struct ff_config *config, const struct ff_payload *payload)
{
	for (size_t i = 0; i < config->jobs_len; i++)
		if (strcmp(config->jobs[i].payload, payload->name) == 0)
			return true;
	return false;
}

/* Jobs whose coverage is to be combined. */
static void open_coverage(struct execution *x)
{
	const struct ff_config *config = x->run.config;
	struct ff_coverage_opts opts = {.directory = ff_config_home(config),
					.file_prefix = FF_PLAN_COVERAGE,
					.source = config->tree.source,
					.dest = config->tree.dest};
	bool wanted = false;

	for (size_t i = 0; i < config->jobs_len; i++)
		wanted |= config->jobs[i].coverage;
	if (wanted)
		ff_reporters_add(&x->reporters, ff_report_coverage(&opts));
}

/* What `farflung map` shows and writes, in the place of people's text. */
static int open_mapped(struct execution *x, const struct ff_reporter_opts *how,
		       const struct ff_mapped_opts *mapped, struct ff_err *err)
{
	struct ff_reporter *files[2] = {NULL};
	int len = 0;

	if (mapped->joblog && !(files[len++] = ff_report_joblog(how, mapped, err)))
		return err->code;
	if (mapped->results && !(files[len++] = ff_report_mapped_results(mapped, err))) {
		if (files[0])
			files[0]->class->free(files[0]);
		return err->code;
	}
	ff_reporters_add(&x->reporters, ff_report_mapped(how, mapped));
	for (int i = 0; i < len; i++)
		ff_reporters_add(&x->reporters, files[i]);
	return 0;
}

/* A run that is told as a trace hands that on to its units; NULL: it is not. */
static const struct ff_trace *begin_trace(struct execution *x,
					  const struct ff_report_wishes *wishes)
{
	char text[FF_TRACEPARENT_LEN + 1], *seed;
	uint8_t span[8];
	size_t i = 0;

	while (i < wishes->len && strcmp(wishes->v[i].kind->name, "otlp") != 0)
		i++;
	if (i == wishes->len)
		return NULL;
	seed = ff_xasprintf("%lld %d", (long long)ff_clock_wall_us(), (int)getpid());
	ff_trace_init(&x->trace, getenv("TRACEPARENT"), seed);
	ff_free(seed);
	ff_trace_span(&x->trace, "run", "", 0, 0, span);
	ff_trace_parent(&x->trace, span, text);
	ff_strv_addf(&x->vars, "TRACEPARENT=%s", text);
	x->run.vars = &x->vars;
	x->run.trace = &x->trace;
	return &x->trace;
}

/* Opens what was asked for; a path that can't be written is told before anything runs. */
static int open_reporters(struct execution *x, const struct ff_execute_opts *opts,
			  const struct ff_report_wishes *wishes, struct ff_err *err)
{
	bool served = !opts->front_fd && ff_reports_served(wishes);
	struct ff_reporter_opts how = {
		.verbosity = opts->verbosity,
		.color = opts->color,
		.runs = opts->stress != NULL,
		.few_tests = !opts->payload_exits && !opts->front_has_terminal,
		.front = x->terminal.given && !served,
		.junit_prefix = opts->junit_prefix,
		.stdout_taken = wishes->stdout_taken || (opts->stress && opts->stress->json),
		.left_us = left_us,
		.known = known,
		.green = green,
		.wake = wake_run,
		.ctx = x,
		.trace = begin_trace(x, wishes),
	};
	const struct ff_report_look look = ff_report_look(&how);

	/* A front's text may hold anything: it comes by us. */
	x->terminal.given &= !served;
	x->terminal.fd = look.fd;
	x->terminal.columns = look.columns;
	/* Who has the terminal sees for himself, unless it was said. */
	x->terminal.colour = x->terminal.given && (!opts->color || !strcmp(opts->color, "auto"))
				     ? -1
				     : look.colour;
	x->run.terminal = &x->terminal;

	if (opts->mapped && open_mapped(x, &how, opts->mapped, err))
		return err->code;
	if (!opts->mapped) {
		how.terminal = ff_report_terminal(&how);
		ff_reporters_add(&x->reporters, how.terminal);
	}
	if (!opts->mapped && !opts->passing_id)
		open_coverage(x);
	if (opts->stress)
		ff_reporters_add(&x->reporters, ff_report_stress(&how, opts->stress));
	if (ff_reports_open(&x->reporters, wishes, &how, err))
		return err->code;
	for (const struct ff_payload *const *p = ff_payloads; *p; p++)
		if ((*p)->follow && !opts->passing_id && has_job_of(x->run.config, *p))
			ff_reporters_add(&x->reporters,
					 (*p)->follow(ff_config_home(x->run.config), complain));
	x->word = ff_last_word_new();
	ff_reporters_add(&x->reporters, &x->word->base);
	return 0;
}

/* --- the end of the reports: their readers may take their time, unless the user has no more --- */

static struct ff_reporters *finishing; /* for the signal handler */

static void abandon_reports(int number)
{
	ff_reporters_abandon(finishing);
}

static int finish_reporters(struct execution *x, int code)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction before[sizeof(signals) / sizeof(*signals)];
	struct sigaction abandon = {.sa_handler = abandon_reports, .sa_flags = SA_RESTART};
	int rc;

	finishing = &x->reporters;
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &abandon, &before[i]);
	rc = ff_reporters_finish(&x->reporters, complain);
	code = rc && code == FF_EXIT_OK ? FF_EXIT_INFRA : code;
	if (x->notify)
		ff_notify_end(x->notify, code);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &before[i], NULL);
	return code;
}

/* Where journals are kept, and those of earlier runs pruned. */
static const char *runs_directory(const struct ff_config *config)
{
	return ff_runs_home(config->directory);
}

/* Behind the other reporters: nobody waits for it. */
static void open_history(struct execution *x)
{
	const char *wish = x->run.config->settings.history;
	struct ff_reporter *history;
	char *path;

	if (wish && strcmp(wish, "none") == 0)
		return;
	if (!wish)
		path = ff_xasprintf("%s/.farflung/history.db", runs_directory(x->run.config));
	else if (*wish == '/')
		path = ff_xstrdup(wish);
	else
		path = ff_xasprintf("%s/%s", x->run.config->directory, wish);
	history = ff_history_new(path, complain);
	ff_reporters_add(&x->reporters, history);
	x->history = history;
	if (x->shard) {
		ff_shard_tell(x->shard, ff_history_expect(history));
		ff_history_leave(history);
	}
	x->run.expect = ff_history_expect(history);
	x->run.sharded = ff_history_sharded(history);
	ff_free(path);
}

/* Behind all others, whose files are there when somebody is told of them. */
static void open_notify(struct execution *x)
{
	const struct ff_config *config = x->told.loaded ? &x->told.config : x->run.config;
	const struct ff_notify_opts opts = {.config = config,
					    .home = runs_directory(x->run.config),
					    .mask = &x->mask,
					    .complain = complain};

	if (!config->receivers_len)
		return;
	x->notify = ff_notify_new(&opts);
	ff_reporters_add(&x->reporters, x->notify);
}

static void prune_journals(const struct ff_config *config)
{
	struct ff_err err;

	if (ff_journal_prune(runs_directory(config), config->settings.keep_runs,
			     config->settings.keep_days, &err))
		ff_complain("journals of earlier runs were not removed: %s", err.text);
}

/* Whether who read stdout has left: a report's writer knows, and a front goes on all the same. */
static bool deserted(const struct execution *x)
{
	struct pollfd out = {.fd = x->terminal.fd, .events = POLLOUT};

	if (ff_reporters_deserted(&x->reporters))
		return true;
	return x->terminal.given && poll(&out, 1, 0) == 1 && out.revents & (POLLERR | POLLHUP);
}

/* What units are made from is known again. */
static bool goes_on(const struct ff_execute_opts *opts)
{
	if (opts->mapped && (!opts->begun || opts->mapped->tally->deserted))
		return false;
	return !opts->stress && opts->front_fd == 0;
}

static void say_last_word(const struct execution *x, const struct ff_execute_opts *opts, int code)
{
	const char *reason = x->word->reason ? x->word->reason : "the run did not come to its end";
	char *text;

	/* The user's own session has said the same. */
	if (x->terminal.front_fd > 0 && x->word->front_status == code)
		return;
	if (x->word->why == FF_REASON_DISK && x->run.journal && goes_on(opts))
		ff_complain("what is done is in %s: make room, and farflung %s --resume %s goes "
			    "on from there",
			    ff_journal_path(x->run.journal), opts->command,
			    ff_journal_run_id(x->run.journal));
	text = ff_xasprintf("%s%s", reason, deserted(x) ? "; stdout was closed" : "");
	ff_complain_last(text, code);
	ff_free(text);
}

static int serve(struct execution *x, const struct ff_execute_opts *opts, struct ff_err *err)
{
	const struct ff_serve_opts how = {.listen = opts->web,
					  .any_port = true,
					  .token = true,
					  .cert = opts->cert,
					  .key = opts->key};

	if (!opts->web && (opts->cert || opts->key))
		return ff_err_set(err, FF_EINVAL, "--%s is for --web, which is not given",
				  opts->cert ? "cert" : "key");
	if (opts->web)
		x->web = ff_serve(runs_directory(x->run.config), &how, err);
	return opts->web && !x->web ? err->code : 0;
}

/* Where the run is shown: whoever knows that may end it. */
static void say_pages(const struct execution *x)
{
	char *path = ff_xasprintf("/runs/%s", ff_journal_run_id(x->run.journal));
	char *url = ff_web_url(x->web, path);

	ff_complain("web: %s", url);
	ff_free(url);
	ff_free(path);
}

/* Runs, reports, and says the last word; what workers do at their exit comes behind it. */
static int run_all(struct execution *x, const struct ff_execute_opts *opts)
{
	struct ff_err err = {0};
	struct ff_run *run;
	int code;

	if (!x->run.run_id) {
		x->run.journal = ff_journal_new(runs_directory(x->run.config), &err);
		if (!x->run.journal)
			ff_complain("no journal will be kept: %s", err.text);
		else
			ff_group_tell(&x->group, ff_journal_path(x->run.journal));
		if (x->web && x->run.journal)
			say_pages(x);
		if (x->run.journal && opts->begun)
			opts->begun(opts->begun_ctx, ff_journal_path(x->run.journal));
		open_history(x);
		open_notify(x);
	}
	run = ff_run_start(&x->run, &err);
	if (!run) {
		ff_complain("%s", err.text);
		ff_journal_free(x->run.journal);
		ff_complain_last("nothing was started", FF_EXIT_INFRA);
		return FF_EXIT_INFRA;
	}
	atomic_store(&x->running, run);
	code = finish_reporters(x, ff_run_wait(run));
	if (x->mapped)
		code = ff_mapped_exit_code(x->run.config, x->mapped, code);
	if (x->run.journal)
		prune_journals(x->run.config);
	if (!x->mapped || code != FF_EXIT_OK)
		say_last_word(x, opts, code);
	/* Their threads may wake the run: it goes last. */
	ff_reporters_release(&x->reporters);
	atomic_store(&x->running, NULL);
	ff_run_end(run);
	ff_journal_free(x->run.journal);
	return code;
}

/* Of its group, if it has one. (What only looks into another run waits for nobody.) */
static int run_in_turn(struct execution *x, const struct ff_execute_opts *opts)
{
	struct ff_err err = {0};
	int rc = 0, code;

	x->group.fd = -1;
	if (!x->run.run_id)
		rc = ff_group_enter(&x->group, x->run.config, &err);
	if (rc < 0) {
		code = rc == FF_ECANCELED ? FF_EXIT_INTERRUPTED : FF_EXIT_INFRA;
		ff_complain("%s", err.text);
		ff_complain_last("nothing was started", code);
		return code;
	}
	code = run_all(x, opts);
	ff_group_leave(&x->group);
	return code;
}

static int refuse(const struct ff_execute_opts *opts, const char *text)
{
	int code = opts->usage_code ? opts->usage_code : FF_EXIT_USAGE;

	ff_complain_lines(text);
	ff_complain_last("nothing was started", code);
	return code;
}

static int run_with(struct execution *x, const struct ff_execute_opts *opts)
{
	struct ff_report_wishes wishes = {0};
	struct ff_buf command_line = FF_BUF_INIT;
	struct ff_err err = {0};
	int code;

	if (ff_reports_choose(&wishes, x->run.config, opts->reports, &err))
		return refuse(opts, err.text);
	x->run.reporters = &x->reporters;
	x->run.reports = opts->reports;
	ff_buf_addstr(&command_line, opts->command);
	for (int i = 0; i < opts->argc; i++) {
		/* -e may give what is a secret in the file. */
		struct ff_buf word = FF_BUF_INIT;

		ff_mask_put(&x->mask, opts->argv[i], strlen(opts->argv[i]), &word);
		ff_buf_addstr(&command_line, " ");
		ff_shell_quote(&command_line, word.len ? ff_buf_str(&word) : "");
		ff_buf_release(&word);
	}
	x->run.command_line = ff_buf_str(&command_line);
	if (open_reporters(x, opts, &wishes, &err)) {
		ff_complain("%s", err.text);
		code = refuse(opts, "");
	} else if (serve(x, opts, &err)) {
		ff_complain("--web: %s", err.text);
		code = refuse(opts, "");
	} else {
		code = run_in_turn(x, opts);
	}
	ff_web_farewell(x->web);
	ff_web_stop(x->web);
	ff_reporters_release(&x->reporters);
	ff_reports_release(&wishes);
	ff_buf_release(&command_line);
	return code;
}

static void mask_one(void *ctx, const char *value)
{
	ff_mask_add(ctx, value, strlen(value));
}

/* The values of all secrets that jobs of the plan may use, and those that are told. From here on
 * they are no text of the run. */
static int reveal_secrets(struct execution *x, struct ff_config *config, const struct ff_plan *plan,
			  struct ff_err *err)
{
	for (size_t i = 0; i < plan->len; i++) {
		const struct ff_config_job *job = plan->jobs[i].config;
		int rc = ff_config_reveal(config, job, err);

		if (rc < 0)
			return rc;
		for (size_t j = 0; j < job->vars_len; j++)
			if (job->vars[j].secret)
				ff_mask_add(&x->mask, job->vars[j].secret->value,
					    strlen(job->vars[j].secret->value));
	}
	if (ff_config_reveal_receivers(config, mask_one, &x->mask, err) ||
	    ff_notify_check(config, err))
		return err->code;
	ff_input_mask(&x->mask);
	return 0;
}

static int read_again(void *ctx, struct ff_config *config, const atomic_bool *stop,
		      struct ff_err *err)
{
	const struct ff_execute_opts *opts = ctx;
	struct ff_config_opts how = *opts->file_opts;
	int rc;

	how.inventory_only = true;
	how.stop = stop;
	rc = ff_config_load_with(config, opts->file, &how, err);
	if (!rc && opts->file_change)
		opts->file_change(opts->file_ctx, config);
	return rc;
}

static int build_inventory(struct execution *x, struct ff_config *config,
			   struct ff_inventory *inventory, const struct ff_execute_opts *opts,
			   struct ff_err *err)
{
	int rc = ff_inventory_build(inventory, config, err);

	if (!rc && !opts->file && config->outside.refresh_us > 0)
		ff_complain("inventory: refresh has no effect: what was read can't be read again");
	if (!opts->file)
		config->outside.refresh_us = 0; /* nobody need wait for that */
	if (rc || !opts->file)
		return rc;
	ff_inventory_reserve(inventory, FF_RUN_LATE_HOSTS);
	x->reread = (struct ff_run_reread){.inventory = inventory,
					   .every_us = config->outside.refresh_us,
					   .read = read_again,
					   .ctx = (void *)(uintptr_t)opts};
	x->run.reread = &x->reread;
	return 0;
}

int ff_execute(struct ff_config *config, const struct ff_execute_opts *opts)
{
	struct ff_inventory inventory = {0};
	struct ff_plan plan = {0};
	struct execution x = {
		.run = {.config = config,
			.inventory = &inventory,
			.plan = &plan,
			.payload_exits = opts->payload_exits,
			.run_id = opts->passing_id,
			.before = opts->before,
			.feed = opts->feed,
			.addopts = opts->addopts,
			.keys_are_others = opts->front_has_terminal || opts->front_fd > 0,
			.only_hosts = opts->on},
		.terminal = {.given = opts->front_has_terminal, .front_fd = opts->front_fd},
		.mapped = opts->mapped,
		.shard = opts->shard ? config : NULL};
	char hint[FF_SUGGEST_TEXT_MAX] = "";
	struct ff_err err = {0};
	struct ff_links links;
	int code;

	config->only_hosts = opts->on;
	if (ff_links_begin(&links, config, opts->links, &err)) {
		ff_complain("%s", err.text);
		code = refuse(opts, "");
	} else if (build_inventory(&x, config, &inventory, opts, &err)) {
		code = refuse(opts, err.text);
	} else if (opts->on && ff_inventory_check(&inventory, opts->on, &err)) {
		ff_inventory_suggest(&inventory, opts->on, hint);
		ff_err_set(&err, err.code, "%s%s", err.text, hint);
		code = refuse(opts, err.text);
	} else if (ff_plan_build(&plan, config, &inventory, opts->only, &err) ||
		   (opts->shard && ff_shard_mark(config, &plan, opts->shard, &err)) ||
		   ff_secrets_of_hosts(&inventory, config, opts->on, &x.mask, &err) ||
		   reveal_secrets(&x, config, &plan, &err) ||
		   (opts->notify && ff_told_load(&x.told, opts->notify, &x.mask, &err))) {
		code = refuse(opts, err.text);
	} else {
		if (plan.hints)
			ff_complain_lines(plan.hints);
		if (opts->before) {
			ff_resume_compare(opts->before, config, &plan);
			ff_resume_say(opts->before, config, &plan);
		}
		code = run_with(&x, opts);
	}
	ff_input_mask(NULL);
	ff_strv_release(&x.vars);
	ff_told_release(&x.told);
	ff_mask_release(&x.mask);
	ff_plan_release(&plan);
	ff_inventory_release(&inventory);
	ff_links_end(&links, config);
	return code;
}
