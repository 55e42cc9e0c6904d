/* farflung notify: those that a file's `notify` tells, and what they were not told yet. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/runs.h"
#include "dispatch/dispatch.h"
#include "notify/notify.h"

struct options {
	struct ff_strv vars, profiles;
	bool test, flush, list;
};

static const struct ff_option options[] = {
	FF_OPTION("test", 0, FLAG, NULL, "send a test message to each, or to NAME alone", test),
	FF_OPTION("flush", 0, FLAG, NULL, "send what is queued for those of FILE", flush),
	FF_OPTION("list", 0, FLAG, NULL, "show what is queued", list),
	FF_OPTION_VARS(vars, profiles),
	FF_OPTIONS_END,
};

static void complain(const char *text)
{
	ff_complain("%s", text);
}

static void mask_one(void *ctx, const char *value)
{
	ff_mask_add(ctx, value, strlen(value));
}

/* A failure is 1; what could not even be tried is a mistake of the file or the call. */
static int exit_code(int rc, const struct ff_err *err)
{
	if (rc < 0)
		ff_complain_lines(err->text);
	return rc == FF_ESYS ? FF_EXIT_INFRA
	       : rc < 0	     ? FF_EXIT_USAGE
	       : rc > 0	     ? FF_EXIT_FAILED
			     : FF_EXIT_OK;
}

static int list(const char *home)
{
	struct ff_err err = {0};
	int rc = ff_notify_list(home, stdout, &err);

	if (rc == 0)
		printf("nothing is queued\n");
	return exit_code(rc < 0 ? rc : 0, &err);
}

static int with_file(const struct options *o, const char *path, const char *name)
{
	const struct ff_config_opts opts = {.vars = &o->vars, .profiles = &o->profiles};
	struct ff_mask mask = {0};
	struct ff_config config;
	struct ff_err err = {0};
	struct ff_notify_opts notify = {.config = &config, .mask = &mask, .complain = complain};
	int rc = ff_config_load_with(&config, path, &opts, &err);

	if (rc < 0)
		return exit_code(FF_ECONFIG, &err);
	notify.home = ff_runs_home(config.directory);
	if (!o->list)
		rc = ff_config_reveal_receivers(&config, mask_one, &mask, &err);
	if (!rc && !o->list)
		rc = ff_notify_check(&config, &err);
	if (rc < 0)
		rc = exit_code(FF_ECONFIG, &err);
	else if (o->list)
		rc = list(notify.home);
	else if (o->test)
		rc = exit_code(ff_notify_test(&notify, name, stdout, &err), &err);
	else
		rc = exit_code(ff_notify_flush(&notify, stdout, &err), &err);
	ff_mask_release(&mask);
	ff_config_release(&config);
	return rc;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct ff_strv words = FF_STRV_INIT;
	struct options o = {0};
	int code = FF_EXIT_USAGE;
	int rc = ff_options_parse(command, argc, argv, &o, &words, NULL);

	if (rc > 0)
		code = FF_EXIT_OK;
	else if (rc == 0 && o.test + o.flush + o.list != 1)
		ff_complain("notify: one of --test, --flush and --list is wanted");
	else if (rc == 0 && words.len > (o.test ? 2 : 1))
		ff_complain("notify: FILE%s, got '%s' as well", o.test ? " and NAME" : " alone",
			    words.v[words.len - 1]);
	else if (rc == 0 && o.list && !words.len)
		code = list(ff_runs_home("."));
	else if (rc == 0)
		code = with_file(&o, words.len ? words.v[0] : "farflung.yaml",
				 words.len > 1 ? words.v[1] : NULL);
	ff_strv_release(&words);
	ff_strv_release(&o.vars);
	ff_strv_release(&o.profiles);
	return code;
}

const struct ff_command ff_command_notify = {
	.name = "notify",
	.summary = "Try out who is told of runs, or send what could not be sent.",
	.synopsis = "--test|--flush|--list [FILE] [NAME]",
	.details = "FILE defaults to farflung.yaml; its 'notify' says who is told, when and how "
		   "(farflung "
		   "run --help-config).\n"
		   "What a run could not send is in .farflung/notify, for a week: the next run of "
		   "the same "
		   "file sends it,\n"
		   "or --flush. Exit codes: 0, 1 somebody was not told, 2 usage or configuration, "
		   "3 the "
		   "queue can't be read.\n",
	.options = options,
	.run = run,
};
