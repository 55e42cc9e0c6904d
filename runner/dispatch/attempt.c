/* Attempts: one execution of a command on a slot, run by the host's foreman. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"

static void attempt_over(struct run_attempt *attempt)
{
	attempt->over = true;
	attempt->host->used--;
	attempt->job->live--;
}

static void attempt_again(struct run_attempt *attempt)
{
	struct run_job *job = attempt->job;

	if (job->retry_len == job->retry_cap) {
		job->retry_cap = job->retry_cap ? 2 * job->retry_cap : 16;
		job->retry = ff_xrealloc(job->retry, job->retry_cap * sizeof *job->retry);
	}
	job->retry[job->retry_len++] = attempt->unit;
}

/* Adds what was captured to the result and reports it. */
static void attempt_finish(struct run_attempt *attempt, const struct ff_result *bare)
{
	struct ff_result result = *bare;
	struct ff_buf text[2] = {FF_BUF_INIT, FF_BUF_INIT};
	struct run_output *outputs[2] = {&attempt->out, &attempt->err};
	static const char *const titles[2] = {"stdout", "stderr"};
	struct ff_section sections[2];
	bool again;

	if (attempt->over)
		return;
	attempt_over(attempt);
	result.sections = sections;
	result.sections_len = 0;
	for (int i = 0; i < 2; i++) {
		if (outputs[i]->total == 0)
			continue;
		output_text(outputs[i], &text[i]);
		sections[result.sections_len++] = (struct ff_section){
			titles[i], ff_buf_str(&text[i]) ? ff_buf_str(&text[i]) : "", text[i].len};
		result.output_cut |= output_cut(outputs[i]);
		result.output_bytes += outputs[i]->total;
	}
	again = job_unit_finished(attempt->job, attempt->unit, attempt->host, NULL, &result);
	if (again)
		attempt_again(attempt);
	for (int i = 0; i < 2; i++)
		ff_buf_release(&text[i]);
}

static void on_started(void *ctx, uint32_t index)
{
	struct run_attempt *attempt = ctx;

	(void)index;
	attempt->started_at = ff_clock_us();
}

static void on_output(void *ctx, uint32_t index, int stream, const char *bytes, size_t len)
{
	struct run_attempt *attempt = ctx;
	struct run_output *output = stream == 2 ? &attempt->err : &attempt->out;
	struct run_job *job = attempt->job;
	struct ff_event event = {.kind = FF_EVENT_UNIT_OUTPUT,
				 .job = job->name,
				 .unit = job->units[attempt->unit].name,
				 .host = attempt->host->host->name};

	(void)index;
	output_add(output, bytes, len);
	event.u.unit_output.stream = stream;
	event.u.unit_output.bytes = bytes;
	event.u.unit_output.len = output_in_head(output, len);
	if (event.u.unit_output.len > 0)
		run_emit(job->run, &event);
}

static void on_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	struct run_attempt *attempt = ctx;
	struct ff_result killed = *result;

	(void)index;
	if (attempt->killed && attempt->job->run->interrupts > 0) {
		killed.outcome = FF_OUTCOME_LOST;
		killed.message = "interrupted";
		result = &killed;
	}
	attempt_finish(attempt, result);
}

static void on_notice(void *ctx, const char *level, const char *text, const char *category,
		      const char *file, int line)
{
	struct run_attempt *attempt = ctx;

	(void)category;
	(void)file;
	(void)line;
	run_notice(attempt->job->run, attempt->host->host->name, level, "%s", text);
}

static const struct ff_payload_sink attempt_sink = {
	.unit_started = on_started,
	.unit_output = on_output,
	.unit_finished = on_finished,
	.notice = on_notice,
};

static void attempt_error(struct run_attempt *attempt, const char *message)
{
	struct ff_result result = {.outcome = FF_OUTCOME_ERROR,
				   .message = message,
				   .duration_us = ff_clock_us() - attempt->started_at};

	attempt_finish(attempt, &result);
}

static void attempt_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct run_attempt *attempt = ctx;
	struct run_job *job = attempt->job;
	struct ff_err err = {0};
	const char *error;

	if (item) {
		if (!attempt->over &&
		    job->plan->payload->item(&item->value, &attempt_sink, attempt, &err) < 0) {
			attempt_error(attempt, err.text);
			ff_channel_close(channel, NULL);
		}
		return;
	}
	attempt->ended = true;
	if (attempt->over)
		return;
	error = ff_channel_error(channel);
	if (!error && ff_gateway_state(ff_channel_gateway(channel)) == FF_GATEWAY_CLOSED) {
		attempt_over(attempt);
		if (job_unit_lost(job, attempt->unit, attempt->host, NULL,
				  ff_gateway_error(ff_channel_gateway(channel))->text))
			attempt_again(attempt);
		return;
	}
	attempt_error(attempt, error ? error : "the worker ended it without a word");
}

/* The instance as the host needs it: its cwd below the host's working directory. */
static char *attempt_cwd(const struct run_host *host, const char *cwd)
{
	if (!cwd)
		return ff_xstrdup(host->workdir);
	return cwd[0] == '/' ? ff_xstrdup(cwd) : ff_xasprintf("%s/%s", host->workdir, cwd);
}

static void attempt_start(struct run_job *job, uint32_t unit, struct run_host *host)
{
	struct run_attempt *attempt = ff_xcalloc(1, sizeof *attempt);
	struct ff_payload_job instance = job->plan->instances[unit].job;
	struct ff_payload_worker worker = {
		.id = host->host->name, .count = job->workers, .host = host->host->name};
	size_t cap = (size_t)job->run->opts->config->settings.output_cap_bytes;
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_err err = {0};
	struct ff_task task;
	char *cwd = attempt_cwd(host, instance.cwd);

	attempt->job = job;
	attempt->host = host;
	attempt->unit = unit;
	attempt->started_at = ff_clock_us();
	output_init(&attempt->out, cap);
	output_init(&attempt->err, cap);
	ff_list_add_tail(&job->attempts, &attempt->node);
	host->used++;
	job->live++;
	job_unit_started(job, unit, host, NULL);
	instance.cwd = cwd;
	if (job->plan->payload->task(&instance, &worker, ff_gateway_is_native(host->foreman),
				     &arena, &task, &err) == 0)
		attempt->channel = ff_gateway_remote_exec(host->foreman, &task, &err);
	ff_arena_release(&arena);
	free(cwd);
	if (!attempt->channel ||
	    ff_channel_set_callback(attempt->channel, attempt_item, attempt) < 0)
		attempt_error(attempt, err.text);
}

void attempt_kill(struct run_attempt *attempt, bool at_once)
{
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

	if (attempt->over || !attempt->channel)
		return;
	attempt->killed = true;
	if (at_once) {
		struct ff_result result = {.outcome = FF_OUTCOME_LOST, .message = "interrupted"};

		attempt_finish(attempt, &result);
		ff_channel_close(attempt->channel, NULL);
		return;
	}
	ff_pack_init(&p, &buf);
	if (attempt->job->plan->payload->kill(&p) == 0)
		(void)ff_channel_send_packed(attempt->channel, &buf, NULL);
	ff_buf_release(&buf);
}

/* The ready host of this job with the largest share of free slots. */
static struct run_host *freest_host(struct run_job *job)
{
	struct run_host *best = NULL;

	for (size_t i = 0; i < job->run->opts->inventory->len; i++) {
		struct run_host *host = &job->run->hosts[i];
		uint64_t free_slots, best_free;

		if (!host_takes_work(host) || host->used >= host->host->slots ||
		    !job_wants_host(job, host))
			continue;
		if (best) {
			free_slots = (uint64_t)(host->host->slots - host->used) * best->host->slots;
			best_free = (uint64_t)(best->host->slots - best->used) * host->host->slots;
			if (free_slots <= best_free)
				continue;
		}
		best = host;
	}
	return best;
}

static bool any_host_left(const struct run_job *job)
{
	for (size_t i = 0; i < job->run->opts->inventory->len; i++)
		if (host_usable(&job->run->hosts[i]) && job_wants_host(job, &job->run->hosts[i]))
			return true;
	return false;
}

static void no_host_error(struct run_job *job)
{
	struct ff_buf text = FF_BUF_INIT;

	for (size_t i = 0; i < job->run->opts->inventory->len; i++) {
		const struct run_host *host = &job->run->hosts[i];

		if (job_wants_host(job, host))
			ff_buf_addf(&text, "%shost %s: %s", text.len ? "; " : "", host->host->name,
				    host->error.text[0] ? host->error.text : "not available");
	}
	job_error(job, true, "no host is left for it: %s", ff_buf_str(&text));
	ff_buf_release(&text);
}

void attempt_job_pump(struct run_job *job)
{
	struct ff_list *pos, *tmp;
	bool may_start = !job->run->stopping && !job->stopped && !job->error;

	ff_list_for_each_safe(pos, tmp, &job->attempts) {
		struct run_attempt *attempt = ff_container_of(pos, struct run_attempt, node);

		if (attempt->over && (attempt->ended || !attempt->channel))
			attempt_free(attempt);
	}
	while (may_start && (job->retry_len > 0 || job->next_unit < job->units_len)) {
		struct run_host *host = freest_host(job);

		if (!host)
			break;
		attempt_start(job,
			      job->retry_len > 0 ? job->retry[--job->retry_len] : job->next_unit++,
			      host);
	}
	if (job->live > 0)
		return;
	if (job->units_done == job->units_len || job->run->stopping || job->stopped) {
		job_finish(job);
	} else if (!any_host_left(job)) {
		no_host_error(job);
		job_finish(job);
	}
}

void attempt_free(struct run_attempt *attempt)
{
	/* A dropped channel would go on calling back. */
	if (attempt->channel && !attempt->ended)
		ff_channel_close(attempt->channel, NULL);
	ff_channel_unref(attempt->channel);
	output_release(&attempt->out);
	output_release(&attempt->err);
	ff_list_del(&attempt->node);
	free(attempt);
}
