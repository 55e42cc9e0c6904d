/* farflung check FILE: everything that can be said of a file without reaching a host. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"

static const struct ff_option options[] = {
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

static int check_file(const char *path, void *values)
{
	struct ff_config config;
	struct ff_inventory inventory = {0};
	struct ff_plan plan = {0};
	struct ff_report_wishes reports = {0};
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	if (ff_config_load(&config, path, &err) < 0) {
		ff_complain_lines(err.text);
		return FF_EXIT_USAGE;
	}
	if (ff_inventory_build(&inventory, &config, &err) < 0 ||
	    ff_plan_build(&plan, &config, &inventory, NULL, &err) < 0 ||
	    ff_reports_choose(&reports, &config, NULL, &err) < 0) {
		ff_complain_lines(err.text);
	} else {
		if (plan.hints)
			ff_complain_lines(plan.hints);
		print_plan(config.path, &inventory, &plan);
		code = FF_EXIT_OK;
	}
	ff_reports_release(&reports);
	ff_plan_release(&plan);
	ff_inventory_release(&inventory);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	return ff_command_on_file(command, argc, argv, NULL, check_file);
}

const struct ff_command ff_command_check = {
	.name = "check",
	.summary = "Check a YAML file without starting anything.",
	.synopsis = "[FILE]",
	.options = options,
	.run = run,
};
