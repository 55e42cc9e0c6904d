/* farflung hosts FILE: opens every host and shows what is there. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/execute.h"
#include "dispatch/dispatch.h"

struct options {
	const char *on;
};

static const struct ff_option options[] = {
	{"on", 0, FF_OPTION_TEXT, "PATTERN", "only hosts that match", offsetof(struct options, on)},
	{NULL, 0, FF_OPTION_FLAG, NULL, NULL, 0},
};

static void print_host(void *ctx, const struct ff_host_report *report)
{
	const struct ff_value *info = report->info;

	(void)ctx;
	if (report->error->code != 0) {
		printf("%-16s %s\n", report->host->name, report->error->text);
		fflush(stdout);
		return;
	}
	printf("%-16s %-6s  %s, %lld CPUs, %.1f GiB, load %.2f; %u slot%s; opened in %.0f ms, "
	       "latency %.2f ms\n",
	       report->host->name, report->native ? "native" : "python",
	       ff_dict_str(info, "platform", "?"), (long long)ff_dict_int(info, "cpus", 0),
	       (double)ff_dict_int(info, "memory_kib", 0) / 1048576.0,
	       ff_dict_float(info, "load1", 0), report->host->slots,
	       report->host->slots == 1 ? "" : "s", (double)report->open_us / 1e3,
	       (double)report->latency_us / 1e3);
	printf("%-16s python: %s\n", "", report->python ? report->python : "none");
	fflush(stdout);
}

static int show_hosts(const char *path, void *values)
{
	const struct options *o = values;
	struct ff_config config;
	struct ff_inventory inventory = {0};
	struct ff_plan plan = {0};
	struct ff_run_opts opts = {
		.config = &config, .inventory = &inventory, .plan = &plan, .only_hosts = o->on};
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	if (ff_config_load(&config, path, &err) < 0) {
		ff_complain_lines(err.text);
		return FF_EXIT_USAGE;
	}
	if (ff_inventory_build(&inventory, &config, &err) < 0 ||
	    (o->on && ff_inventory_check(&inventory, o->on, &err) < 0))
		ff_complain_lines(err.text);
	else
		code = ff_dispatch_hosts(&opts, print_host, NULL);
	ff_inventory_release(&inventory);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};

	return ff_command_on_file(command, argc, argv, &o, show_hosts);
}

const struct ff_command ff_command_hosts = {
	.name = "hosts",
	.summary = "Open every host of a YAML file and show what is there.",
	.synopsis = "[OPTIONS] [FILE]",
	.options = options,
	.run = run,
};
