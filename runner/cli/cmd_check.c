/* farflung check FILE: everything that can be said of a file without reaching a host. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"
#include "notify/notify.h"

struct options {
	struct ff_strv vars, profiles;
	bool explain, schema;
};

static const struct ff_option options[] = {
	FF_OPTION_VARS(vars, profiles),
	FF_OPTION("explain", 0, FLAG, NULL, "each value, and where it comes from", explain),
	FF_OPTION("schema", 0, FLAG, NULL, "print the JSON schema of such files and exit", schema),
	FF_OPTIONS_END,
};

static void print_plan(const char *path, const struct ff_inventory *inventory,
		       const struct ff_plan *plan)
{
	uint32_t slots = 0;

	for (size_t i = 0; i < inventory->len; i++)
		slots += inventory->hosts[i].slots;
	printf("%s: ok: %zu host%s with %u slot%s, %zu job%s\n", path, inventory->len,
	       inventory->len == 1 ? "" : "s", slots, slots == 1 ? "" : "s", plan->len,
	       plan->len == 1 ? "" : "s");
	for (size_t i = 0; i < plan->len; i++) {
		const struct ff_plan_job *job = &plan->jobs[i];

		printf("  job %s (%s", job->config->name, job->payload->name);
		if (job->units_len)
			printf(", %u unit%s", job->units_len, job->units_len == 1 ? "" : "s");
		for (size_t j = 0; j < job->needs_len; j++)
			printf("%s%s", j ? ", " : "; needs ",
			       plan->jobs[job->needs[j]].config->name);
		printf(")\n");
	}
}

/* With `opts`; what is wrong is told. */
static int check_with(const char *path, const struct ff_config_opts *opts, bool quiet,
		      struct ff_strv *profiles)
{
	struct ff_config config;
	struct ff_inventory inventory = {0};
	struct ff_plan plan = {0};
	struct ff_report_wishes reports = {0};
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	if (ff_config_load_with(&config, path, opts, &err) < 0) {
		ff_complain_lines(err.text);
		return FF_EXIT_USAGE;
	}
	for (size_t i = 0; profiles && i < config.profiles_len; i++)
		ff_strv_add(profiles, config.profiles[i]);
	if (ff_inventory_build(&inventory, &config, &err) < 0 ||
	    ff_plan_build(&plan, &config, &inventory, NULL, &err) < 0 ||
	    ff_reports_choose(&reports, &config, NULL, &err) < 0 ||
	    ff_notify_check(&config, &err) < 0) {
		ff_complain_lines(err.text);
	} else {
		if (plan.hints && !quiet)
			ff_complain_lines(plan.hints);
		if (opts->explain)
			fputs(ff_buf_str(opts->explain), stdout);
		else if (!quiet)
			print_plan(config.path, &inventory, &plan);
		code = FF_EXIT_OK;
	}
	ff_reports_release(&reports);
	ff_plan_release(&plan);
	ff_inventory_release(&inventory);
	ff_config_release(&config);
	return code;
}

/* Those of the file that were not asked for are checked, too, each by itself. */
static int check_profiles(const char *path, const struct options *o, const struct ff_strv *names)
{
	int code = FF_EXIT_OK;

	for (size_t i = 0; i < names->len && code == FF_EXIT_OK; i++) {
		struct ff_strv one = FF_STRV_INIT;
		const struct ff_config_opts opts = {.vars = &o->vars, .profiles = &one};

		ff_strv_add(&one, names->v[i]);
		code = check_with(path, &opts, true, NULL);
		if (code != FF_EXIT_OK)
			ff_complain("check: this is so with --profile %s", names->v[i]);
		ff_strv_release(&one);
	}
	return code;
}

static int print_schema(void)
{
	struct ff_config_note *reports = ff_reports_notes();
	struct ff_buf text = FF_BUF_INIT;

	ff_config_schema(&text, reports);
	fputs(ff_buf_str(&text), stdout);
	ff_buf_release(&text);
	ff_free(reports);
	return FF_EXIT_OK;
}

static int check_file(const char *path, void *values)
{
	const struct options *o = values;
	struct ff_buf explain = FF_BUF_INIT;
	const struct ff_config_opts opts = {.vars = &o->vars,
					    .profiles = &o->profiles,
					    .explain = o->explain ? &explain : NULL};
	/* What can be read but once is not read again. */
	bool again = strcmp(path, "-") != 0 && strncmp(path, "/dev/", 5) != 0 &&
		     strncmp(path, "/proc/", 6) != 0;
	struct ff_strv profiles = FF_STRV_INIT;
	int code;

	if (o->schema)
		return print_schema();
	code = check_with(path, &opts, false, &profiles);
	if (code == FF_EXIT_OK && o->profiles.len == 0 && again)
		code = check_profiles(path, o, &profiles);
	ff_strv_release(&profiles);
	ff_buf_release(&explain);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {.explain = false};
	int code = ff_command_on_file(command, argc, argv, &o, check_file);

	ff_strv_release(&o.vars);
	ff_strv_release(&o.profiles);
	return code;
}

const struct ff_command ff_command_check = {
	.name = "check",
	.summary = "Check a YAML file without starting anything.",
	.synopsis = "[OPTIONS] [FILE]",
	.options = options,
	.run = run,
};
