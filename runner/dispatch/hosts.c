/* `farflung hosts`: every host is opened, asked about itself, and closed. */
#include <stdio.h>

#include "base/clock.h"
#include "dispatch/run.h"
#include "transport/open.h"

enum { ANSWER_MS = 15000 };

static const char info_source[] =
	"def info(channel):\n"
	"    import os, platform\n"
	"    pages = 'SC_PHYS_PAGES' in os.sysconf_names and os.sysconf('SC_PHYS_PAGES') or 0\n"
	"    channel.send({'platform': platform.system() + ' ' + platform.machine(),\n"
	"                  'hostname': platform.node(), 'cpus': os.cpu_count() or 0,\n"
	"                  'memory_kib': pages * os.sysconf('SC_PAGE_SIZE') // 1024 if pages else "
	"0,\n"
	"                  'load1': os.getloadavg()[0], 'pid': os.getpid(), 'cwd': os.getcwd()})\n";

static int ask_info(struct ff_gateway *foreman, struct ff_item *info, struct ff_err *err)
{
	struct ff_task task = {.call_name = "info"};
	struct ff_channel *channel;
	int rc;

	if (!ff_gateway_is_native(foreman))
		task.source = info_source;
	channel = ff_gateway_remote_exec(foreman, &task, err);
	if (!channel)
		return err->code;
	rc = ff_channel_receive(channel, ANSWER_MS, info, err);
	ff_channel_unref(channel);
	return rc;
}

static void ask(struct ff_gateway *foreman, struct ff_host_report *report, struct ff_item *info,
		struct ff_err *err)
{
	struct ff_item again = FF_ITEM_INIT;
	int64_t start;

	report->native = ff_gateway_is_native(foreman);
	if (ask_info(foreman, info, err) < 0)
		return;
	report->info = &info->value;
	start = ff_clock_us();
	if (ask_info(foreman, &again, err) == 0)
		report->latency_us = ff_clock_us() - start;
	ff_item_release(&again);
}

/* Whether something that is to run there needs what was found out to be missing: the host names an
 * interpreter, or the file has a job for it that looks for one. */
static bool must_be_fit(const struct ff_run *run, const struct ff_host *host)
{
	const struct ff_config *config = run->opts.config;

	for (size_t i = 0; i < config->jobs_len; i++) {
		const struct ff_payload *payload = ff_payload_find(config->jobs[i].payload);

		if (payload && payload->probe && ff_host_matches(host, config->jobs[i].on))
			return true;
	}
	return host->spec.python != NULL;
}

/* "/usr/bin/python3 (3.11.2)"; NULL: none. */
static const char *interpreter(const struct ff_run *run, uint32_t host, char *text, size_t size)
{
	const char *python = ff_act_fact(run->act, host, "python");
	const char *version = ff_act_fact(run->act, host, "version");

	if (!python)
		return NULL;
	snprintf(text, size, "%s%s%s%s", python, version ? " (" : "", version ? version : "",
		 version ? ")" : "");
	return text;
}

/* Returns whether the host is there, and fit for what it is to run. */
static bool report_host(struct ff_run *run, uint32_t number,
			void (*each)(void *ctx, const struct ff_host_report *report), void *ctx)
{
	const struct ff_host_record *record = &run->state.hosts[number];
	struct ff_gateway *foreman = ff_act_foreman(run->act, number);
	struct ff_err err = {0};
	struct ff_host_report report = {.host = &run->opts.inventory->hosts[number], .error = &err};
	struct ff_item info = FF_ITEM_INIT;
	char text[512];

	if (record->state == FF_HOST_READY && foreman) {
		report.python = interpreter(run, number, text, sizeof(text));
		report.unfit = record->unfit;
		report.open_us = ff_act_open_us(run->act, number);
		ask(foreman, &report, &info, &err);
	} else {
		ff_err_set(&err, FF_EUNREACH, "%s", record->error ? record->error : "not there");
	}
	each(ctx, &report);
	ff_item_release(&info);
	return err.code == 0 && !(report.unfit && must_be_fit(run, report.host));
}

int ff_dispatch_hosts(const struct ff_run_opts *opts,
		      void (*each)(void *ctx, const struct ff_host_report *report), void *ctx)
{
	struct ff_err err = {0};
	struct ff_run *run = ff_run_make(opts, true, &err);
	int code = FF_EXIT_OK;

	if (!run)
		return FF_EXIT_INFRA;
	ff_run_wait(run);
	for (uint32_t i = 0; i < run->state.hosts_len && run->state.run.interrupts == 0; i++)
		if (run->state.hosts[i].state != FF_HOST_UNUSED && !report_host(run, i, each, ctx))
			code = FF_EXIT_INFRA;
	if (run->state.run.interrupts > 0)
		code = FF_EXIT_INTERRUPTED;
	ff_run_end(run);
	return code;
}
