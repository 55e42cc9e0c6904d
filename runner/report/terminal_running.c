/* What runs: kept for the live block, and told as a whole to who asks for it (SIGUSR1). */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "report/terminal.h"
#include "report/text.h"

enum {
	LINE_MAX_BYTES = 400, /* of a unit's last line */
	LINE_COLUMNS = 100,   /* of it that are shown */
	HOST_UNITS = 20,      /* that are told of a host */
	TOLD_MAX = 400,	      /* hosts and units that are told */
};

static void running_free(struct ff_terminal_running *running)
{
	ff_list_del(&running->node);
	ff_free(running->job);
	ff_free(running->unit);
	ff_free(running->host);
	ff_free(running->worker);
	ff_buf_release(&running->line);
	ff_free(running);
}

void ff_terminal_running_ended(struct ff_terminal *t, const char *job, uint32_t index)
{
	struct ff_terminal_running *running =
		ff_map_del(&t->running, ff_terminal_unit_key(t, job, index, 0));

	if (running)
		running_free(running);
}

void ff_terminal_running_started(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_running *running;

	ff_terminal_running_ended(t, event->job, event->index);
	running = ff_xcalloc(1, sizeof(*running));
	running->job = ff_xstrdup(event->job);
	running->unit = ff_xstrdup(event->unit);
	running->host = ff_xstrdup(event->host);
	running->worker = ff_xstrdup(event->worker);
	running->index = event->index;
	running->started_us = event->time_us;
	ff_list_add_tail(&t->running_list, &running->node);
	ff_map_set(&t->running, ff_terminal_unit_key(t, event->job, event->index, 0), running);
	if (t->first_unit_us == 0)
		t->first_unit_us = event->time_us;
}

static bool same(const char *wanted, const char *got)
{
	return !wanted || (got && strcmp(wanted, got) == 0);
}

void ff_terminal_running_gone(struct ff_terminal *t, const char *job, const char *host,
			      const char *worker)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &t->running_list) {
		struct ff_terminal_running *running =
			ff_container_of(pos, struct ff_terminal_running, node);

		if (same(job, running->job) && same(host, running->host) &&
		    same(worker, running->worker))
			ff_terminal_running_ended(t, running->job, running->index);
	}
}

void ff_terminal_running_output(struct ff_terminal *t, const struct ff_event *event)
{
	struct ff_terminal_running *running =
		ff_map_get(&t->running, ff_terminal_unit_key(t, event->job, event->index, 0));
	const char *bytes = event->u.unit_output.bytes, *start;
	size_t len = event->u.unit_output.len, kept = len;

	if (!running || !bytes || len == 0)
		return;
	while (kept > 0 && (bytes[kept - 1] == '\n' || bytes[kept - 1] == '\r'))
		kept--;
	start = kept > 0 ? memrchr(bytes, '\n', kept) : NULL;
	if (start || (kept > 0 && running->line_ended))
		ff_buf_clear(&running->line);
	start = start ? start + 1 : bytes;
	kept -= (size_t)(start - bytes);
	if (kept > LINE_MAX_BYTES - running->line.len)
		kept = LINE_MAX_BYTES - running->line.len;
	ff_buf_add(&running->line, start, kept);
	running->line_ended = bytes[len - 1] == '\n';
}

/* --- what is told of it --- */

/* "    12.3s unit gw0 | its last line" */
static void add_unit(const struct ff_terminal *t, struct ff_buf *out,
		     struct ff_terminal_running *running, int64_t now_us)
{
	struct ff_buf took = FF_BUF_INIT;

	ff_text_took(&took, now_us > running->started_us ? now_us - running->started_us : 0);
	ff_buf_addf(out, "  %8s ", ff_buf_str(&took));
	ff_buf_release(&took);
	ff_terminal_unit(t, out, running->job, running->unit);
	if (running->worker) {
		ff_buf_addstr(out, " (");
		ff_terminal_name(t, out, running->worker);
		ff_buf_addch(out, ')');
	}
	if (running->line.len > 0) {
		ff_buf_addstr(out, " | ");
		ff_text_line(out, ff_buf_str(&running->line), LINE_COLUMNS, t->glyphs->ellipsis);
	}
	ff_buf_addch(out, '\n');
}

/* Gives how many lines it has. */
static uint32_t add_host(const struct ff_terminal *t, struct ff_buf *out,
			 const struct ff_terminal_host *host, int64_t now_us)
{
	static const char *const words[] = {
		"coming", "ready", "away, may come back", "could not be used", "lost", "left"};
	uint32_t units = 0;
	struct ff_list *pos;

	ff_buf_addstr(out, "host ");
	ff_terminal_name(t, out, host->name);
	ff_buf_addf(out, ": %s\n", words[host->state]);
	ff_list_for_each(pos, &t->running_list) {
		struct ff_terminal_running *running =
			ff_container_of(pos, struct ff_terminal_running, node);

		if (running->host && strcmp(running->host, host->name) == 0 && units++ < HOST_UNITS)
			add_unit(t, out, running, now_us);
	}
	if (units > HOST_UNITS)
		ff_buf_addf(out, "           and %u more here\n", units - HOST_UNITS);
	return 1 + (units < HOST_UNITS ? units : HOST_UNITS);
}

static void add_waiting(const struct ff_terminal *t, struct ff_buf *out)
{
	uint32_t begun = t->finished + (uint32_t)t->running.len, waiting, told = 0;
	bool none_ready = t->hosts_ready == 0;
	struct ff_list *pos;

	waiting = t->total > begun ? t->total - begun : 0;
	ff_list_for_each(pos, &t->job_list) {
		const struct ff_terminal_job *job =
			ff_container_of(pos, struct ff_terminal_job, node);

		if (job->begun || job->over)
			continue;
		waiting -= job->total < waiting ? job->total : waiting;
		if (told++ >= HOST_UNITS)
			continue;
		ff_buf_addstr(out, "waiting: job ");
		ff_terminal_name(t, out, job->name);
		ff_buf_addstr(out, none_ready ? ", no host is ready yet\n"
					      : ", for the jobs that it needs, or a host for it\n");
	}
	if (told > HOST_UNITS)
		ff_buf_addf(out, "and %u more jobs\n", told - HOST_UNITS);
	if (waiting > 0)
		ff_buf_addf(out, "waiting: %u unit%s, %s\n", waiting, waiting == 1 ? "" : "s",
			    t->interrupts > 0 || t->stopping ? "not to be begun: the run stops"
			    : none_ready		     ? "no host is ready yet"
							     : "for a free slot");
}

void ff_terminal_tell_running(struct ff_terminal *t, struct ff_buf *out)
{
	/* By the clock of the events, whatever has become of the system's. */
	int64_t now_us = t->now_us + ff_clock_us() - t->heard_us;
	uint32_t told = 0, hosts_left = 0;
	struct ff_list *pos;

	ff_buf_addf(out, "running: %zu unit%s; %u of %u done, %u failed; for ", t->running.len,
		    t->running.len == 1 ? "" : "s", t->finished, t->total, t->failed);
	ff_text_took(out, now_us > t->started_us ? now_us - t->started_us : 0);
	ff_buf_addch(out, '\n');
	ff_list_for_each(pos, &t->host_list) {
		if (told < TOLD_MAX)
			told += add_host(t, out,
					 ff_container_of(pos, struct ff_terminal_host, node),
					 now_us);
		else
			hosts_left++;
	}
	if (hosts_left > 0)
		ff_buf_addf(out, "and %u more host%s: farflung status %s\n", hosts_left,
			    hosts_left == 1 ? "" : "s", t->few.run_id ? t->few.run_id : "");
	add_waiting(t, out);
}
