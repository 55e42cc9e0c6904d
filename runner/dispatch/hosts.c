/* `farflung hosts`: every host is opened, asked about itself, and closed. */
#include "base/clock.h"
#include "dispatch/private.h"
#include "worker/bootstrap.h"

static const char info_source[] =
	"def info(channel):\n"
	"    import os, platform\n"
	"    pages = 'SC_PHYS_PAGES' in os.sysconf_names and os.sysconf('SC_PHYS_PAGES') or 0\n"
	"    channel.send({'platform': platform.system() + ' ' + platform.machine(),\n"
	"                  'hostname': platform.node(), 'cpus': os.cpu_count() or 0,\n"
	"                  'memory_kib': pages * os.sysconf('SC_PAGE_SIZE') // 1024 if pages else "
	"0,\n"
	"                  'load1': os.getloadavg()[0], 'pid': os.getpid(), 'cwd': os.getcwd()})\n";

static int ask_info(struct run_host *host, struct ff_item *info, struct ff_err *err)
{
	struct ff_task task = {.call_name = "info"};
	struct ff_channel *channel;
	int rc;

	if (!ff_gateway_is_native(host->foreman))
		task.source = info_source;
	channel = ff_gateway_remote_exec(host->foreman, &task, err);
	if (!channel)
		return err->code;
	rc = ff_channel_receive(channel, 15000, info, err);
	ff_channel_unref(channel);
	return rc;
}

static void report_host(struct run_host *host,
			void (*each)(void *ctx, const struct ff_host_report *report), void *ctx)
{
	struct ff_host_report report = {.host = host->host, .error = &host->error};
	struct ff_item info = FF_ITEM_INIT, again = FF_ITEM_INIT;

	if (host->state == HOST_READY) {
		int64_t start;

		report.open_us = host->open_us;
		report.native = ff_gateway_is_native(host->foreman);
		report.python = host->python_seen	  ? host->python_seen
				: host->python_problem	  ? host->python_problem
				: host->host->spec.python ? host->host->spec.python
							  : NULL;
		if (ask_info(host, &info, &host->error) == 0) {
			report.info = &info.value;
			start = ff_clock_us();
			if (ask_info(host, &again, &host->error) == 0)
				report.latency_us = ff_clock_us() - start;
		}
	}
	each(ctx, &report);
	ff_item_release(&info);
	ff_item_release(&again);
}

static bool settled(const struct run *run)
{
	for (size_t i = 0; i < run->opts->inventory->len; i++) {
		enum host_state state = run->hosts[i].state;

		if (state != HOST_UNUSED && state != HOST_READY && state != HOST_DOWN)
			return false;
	}
	return true;
}

int ff_dispatch_hosts(const struct ff_run_opts *opts,
		      void (*each)(void *ctx, const struct ff_host_report *report), void *ctx)
{
	struct run run;
	struct ff_err err = {0};
	int code = FF_EXIT_OK;

	if (run_init(&run, opts, &err) < 0)
		return FF_EXIT_INFRA;
	run.hosts_only = true;
	host_open_all(&run);
	while (!settled(&run) && run.interrupts < 1)
		ff_loop_run_once(&run.loop, FF_NEVER_US);
	for (size_t i = 0; i < opts->inventory->len && run.interrupts < 1; i++) {
		if (run.hosts[i].state == HOST_UNUSED)
			continue;
		report_host(&run.hosts[i], each, ctx);
		if (run.hosts[i].error.code != 0)
			code = FF_EXIT_INFRA;
	}
	run.stopping = true;
	ff_group_terminate(run.group, 5000);
	if (run.interrupts > 0)
		code = FF_EXIT_INTERRUPTED;
	run_release(&run);
	return code;
}
