/* From a configuration to an exit code: inventory, plan, reporters, journal, dispatch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"

enum { REPORTERS_MAX = 4 };

/* Keeps the run's last word, to be said after all reports. */
struct last_word {
	struct ff_reporter base;
	char *reason;
};

static void last_word_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct last_word *word = (struct last_word *)reporter;

	if (event->kind == FF_EVENT_RUN_FINISHED) {
		free(word->reason);
		word->reason = ff_xstrdup(event->u.run_finished.reason);
	}
}

static const struct ff_reporter_class last_word_class = {
	.name = "last word",
	.event = last_word_event,
};

void ff_complain_lines(const char *text)
{
	fflush(stdout);
	fprintf(stderr, "%s\n", text);
}

static bool want_colour(const char *when, bool tty)
{
	const char *no = getenv("NO_COLOR"), *force = getenv("FORCE_COLOR");

	if (when && strcmp(when, "always") == 0)
		return true;
	if (when && strcmp(when, "never") == 0)
		return false;
	return (force && *force) || (tty && !(no && *no));
}

/* Opens the reports that were asked for; a path that can't be written is told before anything runs.
 */
static int open_reporters(const struct ff_config *config, const struct ff_execute_opts *opts,
			  struct ff_reporter **reporters, size_t *len, struct ff_err *err)
{
	const char *term = getenv("TERM");
	const char *junit = opts->junit ? opts->junit : config->report.junit;
	const char *jsonl = opts->jsonl ? opts->jsonl : config->report.jsonl;
	int fd = jsonl && strcmp(jsonl, "-") == 0 ? STDERR_FILENO : STDOUT_FILENO;
	bool tty = isatty(fd) && !(term && strcmp(term, "dumb") == 0);
	struct ff_terminal_opts terminal = {
		.fd = fd,
		.tty = tty,
		.colour = want_colour(opts->color, tty),
		.verbosity = opts->quiet ? -1 : opts->verbosity,
		.show_output = opts->verbosity > 1,
	};

	reporters[(*len)++] = ff_report_terminal(&terminal);
	if (junit && !(reporters[(*len)++] = ff_report_junit(junit, err)))
		return err->code;
	if (jsonl && !(reporters[(*len)++] = ff_report_jsonl(jsonl, err)))
		return err->code;
	return 0;
}

static int finish_reporters(struct ff_reporter **reporters, size_t len, int code)
{
	for (size_t i = 0; i < len; i++) {
		struct ff_err err = {0};

		if (!reporters[i])
			continue;
		if (reporters[i]->class->finish &&
		    reporters[i]->class->finish(reporters[i], &err) < 0) {
			ff_complain("%s", err.text);
			code = code == FF_EXIT_OK ? FF_EXIT_INFRA : code;
		}
		if (reporters[i]->class->free)
			reporters[i]->class->free(reporters[i]);
	}
	return code;
}

static int run_with(struct ff_run_opts *run, struct last_word *word,
		    const struct ff_execute_opts *opts)
{
	struct ff_reporter *reporters[REPORTERS_MAX] = {NULL};
	struct ff_buf command_line = FF_BUF_INIT;
	struct ff_err err = {0};
	size_t len = 0;
	int code;

	if (open_reporters(run->config, opts, reporters, &len, &err) < 0) {
		ff_complain("%s", err.text);
		while (len > 0)
			if (reporters[--len])
				reporters[len]->class->free(reporters[len]);
		return FF_EXIT_USAGE;
	}
	ff_buf_addstr(&command_line, opts->command);
	for (int i = 0; i < opts->argc; i++) {
		ff_buf_addstr(&command_line, " ");
		ff_shell_quote(&command_line, opts->argv[i]);
	}
	run->command_line = ff_buf_str(&command_line);
	run->journal = ff_journal_new(run->config->directory, &err);
	if (!run->journal)
		ff_complain("no journal will be kept: %s", err.text);
	reporters[len++] = &word->base;
	run->reporters = reporters;
	run->reporters_len = len;
	code = ff_dispatch_run(run);
	code = finish_reporters(reporters, len, code);
	ff_journal_free(run->journal);
	ff_buf_release(&command_line);
	return code;
}

int ff_execute(struct ff_config *config, const struct ff_execute_opts *opts)
{
	struct ff_inventory inventory = {0};
	struct ff_plan plan = {0};
	struct last_word word = {.base.class = &last_word_class};
	struct ff_run_opts run = {
		.config = config, .inventory = &inventory, .plan = &plan, .only_hosts = opts->on};
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	if (ff_inventory_build(&inventory, config, &err) < 0 ||
	    (opts->on && ff_inventory_check(&inventory, opts->on, &err) < 0) ||
	    ff_plan_build(&plan, config, &inventory, opts->only, &err) < 0)
		ff_complain_lines(err.text);
	else
		code = run_with(&run, &word, opts);
	if (word.reason)
		ff_complain("%s (exit %d)", word.reason, code);
	else if (code == FF_EXIT_USAGE)
		ff_complain("nothing was started (exit %d)", code);
	free(word.reason);
	ff_plan_release(&plan);
	ff_inventory_release(&inventory);
	return code;
}
