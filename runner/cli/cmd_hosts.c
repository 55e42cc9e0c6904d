/* farflung hosts FILE: opens every host and shows what is there. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/secrets.h"
#include "dispatch/dispatch.h"
#include "report/text.h"

struct options {
	const char *on;
	struct ff_strv vars, profiles;
};

static const struct ff_option options[] = {
	FF_OPTION("on", 0, TEXT, "PATTERN",
		  "only hosts that match: names, tags, @groups, n[1-9], !not, &and", on),
	FF_OPTION_VARS(vars, profiles),
	FF_OPTIONS_END,
};

/* One line, of what may have come from the host. */
static void print_line(const char *name, const char *text)
{
	struct ff_buf line = FF_BUF_INIT;

	ff_text_line(&line, text, 0, "");
	printf("%-16s %s\n", name, ff_buf_str(&line));
	ff_buf_release(&line);
}

static void print_host(void *ctx, const struct ff_host_report *report)
{
	const struct ff_value *info = report->info;
	const char *name = report->host->name;
	char *text;

	if (report->error->code != 0) {
		print_line(name, report->error->text);
		fflush(stdout);
		return;
	}
	text = ff_xasprintf("%-6s  %s, %lld CPUs, %.1f GiB, load %.2f; %u slot%s; opened in "
			    "%.0f ms, latency %.2f ms",
			    report->native ? "native" : "python",
			    ff_dict_str(info, "platform", "?"),
			    (long long)ff_dict_int(info, "cpus", 0),
			    (double)ff_dict_int(info, "memory_kib", 0) / 1048576.0,
			    ff_dict_float(info, "load1", 0), report->host->slots,
			    report->host->slots == 1 ? "" : "s", (double)report->open_us / 1e3,
			    (double)report->latency_us / 1e3);
	print_line(name, text);
	ff_free(text);
	text = ff_xasprintf("python: %s", report->unfit	   ? report->unfit
					  : report->python ? report->python
							   : "none");
	print_line("", text);
	ff_free(text);
	fflush(stdout);
}

static int show_hosts(const char *path, void *values)
{
	const struct options *o = values;
	const struct ff_config_opts with = {.vars = &o->vars, .profiles = &o->profiles};
	struct ff_config config;
	struct ff_inventory inventory = {0};
	struct ff_mask mask = {0};
	struct ff_plan plan = {0};
	struct ff_run_opts opts = {
		.config = &config, .inventory = &inventory, .plan = &plan, .only_hosts = o->on};
	char hint[FF_SUGGEST_TEXT_MAX] = "";
	struct ff_err err = {0};
	int code = FF_EXIT_USAGE;

	if (ff_config_load_with(&config, path, &with, &err) < 0) {
		ff_complain_lines(err.text);
		return FF_EXIT_USAGE;
	}
	if (ff_inventory_build(&inventory, &config, &err) < 0) {
		ff_complain_lines(err.text);
	} else if (o->on && ff_inventory_check(&inventory, o->on, &err) < 0) {
		ff_inventory_suggest(&inventory, o->on, hint);
		ff_err_set(&err, err.code, "%s%s", err.text, hint);
		ff_complain_lines(err.text);
	} else if (ff_secrets_of_hosts(&inventory, &config, o->on, &mask, &err) < 0) {
		ff_complain_lines(err.text);
	} else {
		code = ff_dispatch_hosts(&opts, print_host, NULL);
	}
	ff_secrets_forget(&mask);
	ff_inventory_release(&inventory);
	ff_config_release(&config);
	return code;
}

static int run(const struct ff_command *command, int argc, char **argv)
{
	struct options o = {0};
	int code = ff_command_on_file(command, argc, argv, &o, show_hosts);

	ff_strv_release(&o.vars);
	ff_strv_release(&o.profiles);
	return code;
}

const struct ff_command ff_command_hosts = {
	.name = "hosts",
	.summary = "Open every host of a YAML file and show what is there.",
	.synopsis = "[OPTIONS] [FILE]",
	.options = options,
	.run = run,
};
