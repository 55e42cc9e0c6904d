/* One execution of a unit, or of a discovery, by the host's foreman. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/act_private.h"
#include "report/trace.h"

static const char *const titles[2] = {"stdout", "stderr"};

static struct ff_input *about(const struct act_execution *execution, enum ff_input_kind kind)
{
	struct ff_input *input = ff_input_new(kind);

	input->execution = execution->number;
	return input;
}

static void put_ended(struct act_execution *execution, const char *error)
{
	struct ff_input *input = about(execution, FF_INPUT_EXEC_ENDED);

	execution->over = true;
	input->u.ended.error = ff_input_text(input, error);
	ff_act_put(execution->act, input);
}

/* --- what it says --- */

static void put_output(struct act_execution *execution, int stream, const char *bytes, size_t len)
{
	struct ff_input *input = about(execution, FF_INPUT_EXEC_OUTPUT);

	input->u.output.stream = stream;
	input->u.output.bytes = ff_input_bytes(input, bytes, len);
	input->u.output.len = len;
	ff_act_put(execution->act, input);
}

static void put_tail(struct act_execution *execution, int stream)
{
	struct ff_event tail = {.kind = FF_EVENT_UNIT_OUTPUT};
	struct ff_input *input;

	if (!ff_output_tail(&execution->out[stream - 1], &tail))
		return;
	input = about(execution, FF_INPUT_EXEC_OUTPUT);
	input->u.output.stream = stream;
	input->u.output.bytes =
		ff_input_bytes(input, tail.u.unit_output.bytes, tail.u.unit_output.len);
	input->u.output.len = tail.u.unit_output.len;
	input->u.output.tail = tail.u.unit_output.tail;
	input->u.output.cut = tail.u.unit_output.cut;
	ff_act_put(execution->act, input);
}

static void keep_output(struct act_execution *execution, int stream, const char *bytes, size_t len)
{
	size_t told = ff_output_add(&execution->out[stream - 1], bytes, len);

	if (told > 0)
		put_output(execution, stream, bytes, told);
}

/* `bytes` NULL: no more will come. A secret may be cut in two by the reads that brought it. */
static void mask_output(struct act_execution *execution, int stream, const char *bytes, size_t len)
{
	const struct ff_mask *mask = ff_input_masking();
	struct ff_mask_stream *masked = &execution->masked[stream - 1];
	struct ff_buf text = FF_BUF_INIT;

	if (bytes)
		ff_mask_feed(mask, masked, bytes, len, &text);
	else
		ff_mask_end(mask, masked, &text);
	if (text.len > 0)
		keep_output(execution, stream, (const char *)ff_buf_data(&text), text.len);
	ff_buf_release(&text);
}

static void on_output(void *ctx, uint32_t index, int stream, const char *bytes, size_t len)
{
	struct act_execution *execution = ctx;
	int which = stream == 2 ? 2 : 1;

	(void)index;
	if (ff_input_masking())
		mask_output(execution, which, bytes, len);
	else
		keep_output(execution, which, bytes, len);
}

/* Adds what was captured to the result. */
static void on_finished(void *ctx, uint32_t index, const struct ff_result *bare)
{
	struct act_execution *execution = ctx;
	struct ff_input *input;
	struct ff_result result = *bare;
	struct ff_buf text[2] = {FF_BUF_INIT, FF_BUF_INIT};
	struct ff_section sections[2];

	(void)index;
	result.sections = sections;
	result.sections_len = 0;
	for (int i = 0; i < 2; i++) {
		const struct ff_output *output = &execution->out[i];

		if (ff_input_masking())
			mask_output(execution, i + 1, NULL, 0);
		if (output->total == 0)
			continue;
		result.output_bytes += output->total;
		if (output->whole && ff_output_cut(output))
			continue; /* it is nowhere but in what was told */
		put_tail(execution, i + 1);
		ff_output_text(output, &text[i]);
		sections[result.sections_len++] = (struct ff_section){
			titles[i], (const char *)ff_buf_data(&text[i]), text[i].len, true};
		result.output_cut |= ff_output_cut(output);
	}
	input = about(execution, FF_INPUT_EXEC_FINISHED);
	input->u.result = ff_input_result(input, &result);
	if (execution->guarded && execution->stage == ACT_RUNS &&
	    result.outcome == FF_OUTCOME_PASSED) {
		execution->held = input;
		execution->answered = true;
	} else {
		execution->over = true;
		ff_act_put(execution->act, input);
	}
	for (int i = 0; i < 2; i++)
		ff_buf_release(&text[i]);
}

static void on_unit_started(void *ctx, uint32_t index)
{
	(void)ctx;
	(void)index;
}

/* It was withdrawn in time. */
static void on_returned(void *ctx, const uint32_t *indexes, size_t count)
{
	struct act_execution *execution = ctx;

	(void)indexes;
	(void)count;
	execution->over = true;
	ff_act_put(execution->act, about(execution, FF_INPUT_EXEC_RETURNED));
}

static void on_notice(void *ctx, const struct ff_payload_notice *notice)
{
	struct act_execution *execution = ctx;
	struct ff_input *input = ff_input_new(FF_INPUT_HOST_SAID);

	input->host = execution->host->number;
	input->tries = execution->host->tries;
	input->u.said.text = ff_input_text(input, notice->text);
	ff_act_put(execution->act, input);
}

static const struct ff_payload_sink run_sink = {
	.unit_started = on_unit_started,
	.returned = on_returned,
	.unit_output = on_output,
	.unit_finished = on_finished,
	.notice = on_notice,
};

/* --- its channel --- */

static int take_answer(struct act_execution *execution, const struct ff_item *item,
		       struct ff_err *err)
{
	bool fresh;

	if (ff_act_fresh_item(execution, &item->value, &fresh) < 0)
		return ff_err_set(err, FF_EPROTO, "the worker's answer makes no sense");
	execution->answered = true;
	if (execution->stage == ACT_ASKS && fresh)
		on_finished(execution, 0,
			    &(struct ff_result){.outcome = FF_OUTCOME_SKIPPED,
						.message = "up to date"});
	return 0;
}

static int take_item(struct act_execution *execution, const struct ff_item *item,
		     struct ff_err *err)
{
	const struct ff_payload *payload = execution->act->plan->jobs[execution->job].payload;
	struct act_speaker speaker = {.act = execution->act, .execution = execution->number};
	const struct ff_payload_sink *sink =
		execution->discovers ? &ff_act_session_sink : &run_sink;
	void *ctx = execution->discovers ? (void *)&speaker : execution;

	if (execution->stage == ACT_SENDS)
		return ff_act_supply_item(execution, &item->value) < 0
			       ? ff_err_set(err, FF_EPROTO,
					    "inputs: the worker's answer makes no "
					    "sense")
			       : 0;
	if (execution->stage != ACT_RUNS)
		return take_answer(execution, item, err);
	if (payload->reader)
		return payload->reader->item(execution->reader, &item->value, sink, ctx, err);
	return payload->item(&item->value, sink, ctx, err);
}

static bool go_on(struct act_execution *execution);

/* Its command has succeeded, which is told with or without a note of it. */
static void put_held(struct act_execution *execution, const char *error)
{
	struct ff_input *warning;
	char *text;

	if (error) {
		text = ff_xasprintf("%s: it is not noted as up to date: %s", execution->name,
				    error);
		warning = ff_input_new(FF_INPUT_WARNED);
		warning->u.said.text = ff_input_text(warning, text);
		ff_free(text);
		ff_act_put(execution->act, warning);
	}
	execution->over = true;
	ff_act_put(execution->act, execution->held);
	execution->held = NULL;
}

static void put_unsent(struct act_execution *execution, const char *error)
{
	char *text =
		ff_xasprintf("inputs: %s", error ? error : "the worker ended it without a word");

	put_ended(execution, text);
	ff_free(text);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct act_execution *execution = ctx;
	struct ff_err err = {0};

	if (item) {
		if (!execution->over && take_item(execution, item, &err) < 0) {
			put_ended(execution, err.text);
			ff_channel_close(channel, NULL);
		}
		return;
	}
	if (execution->stage == ACT_SENDS)
		execution->answered = ff_act_supply_sent(execution) && !ff_channel_error(channel);
	/* What a lost connection took with it is the host's to tell. */
	if (!execution->over && ff_act_host_open(execution->host) &&
	    ff_channel_gateway(channel) == execution->host->foreman) {
		if (execution->answered && execution->stage != ACT_STAMPS) {
			if (execution->stage == ACT_SENDS)
				ff_act_supply_note(execution);
			execution->channel = NULL;
			ff_channel_unref(channel);
			if (!go_on(execution))
				ff_act_execution_free(execution);
			return;
		}
		if (execution->stage == ACT_SENDS)
			put_unsent(execution, ff_channel_error(channel));
		else if (execution->held)
			put_held(execution, execution->answered ? NULL : ff_channel_error(channel));
		else
			put_ended(execution, ff_channel_error(channel));
	}
	ff_channel_unref(channel);
	execution->channel = NULL;
	ff_act_execution_free(execution);
}

/* The instance as the host needs it: its cwd below the host's working directory. */
char *ff_act_absolute(const struct act_host *host, const char *cwd)
{
	if (!cwd)
		return ff_xstrdup(host->workdir);
	return cwd[0] == '/' ? ff_xstrdup(cwd) : ff_xasprintf("%s/%s", host->workdir, cwd);
}

static void set_limits(const struct act_host *host, const struct ff_ration *ration,
		       struct ff_payload_worker *worker)
{
	struct ff_capacity there = ff_act_capacity(host), limits = ff_ration_on(ration, &there);

	worker->memory = limits.memory;
	worker->cpu = limits.cpu;
}

/* What the unit does is of the attempt that --otlp tells: notify/otlp.c has the same span. A
 * TRACEPARENT of a setup or of its own stays. */
static void name_parent(const struct ff_act *act, struct ff_payload_job *job,
			const struct ff_order *order, struct ff_arena *arena)
{
	static const char variable[] = "TRACEPARENT=";
	const struct ff_trace *trace = act->opts.run->trace;
	const size_t skip = sizeof(variable) - 1;
	char text[sizeof(variable) + FF_TRACEPARENT_LEN];
	size_t at = 0, len = 0;
	uint8_t span[8];
	char **env;

	while (job->env && job->env[len])
		len++;
	while (at < len && strncmp(job->env[at], variable, skip) != 0)
		at++;
	if (!trace || at == len)
		return;
	ff_trace_span(trace, "attempt", act->plan->jobs[order->job].config->name, order->unit,
		      order->attempt, span);
	memcpy(text, variable, skip);
	ff_trace_parent(trace, span, text + skip);
	env = ff_arena_alloc(arena, (len + 1) * sizeof(*env));
	if (!env)
		return;
	memcpy(env, job->env, (len + 1) * sizeof(*env));
	env[at] = ff_arena_strdup(arena, text);
	if (!env[at])
		return;
	job->env = env; /* the run's come first: that is the one which was there */
}

static int make_task(struct act_execution *execution, const struct ff_order *order,
		     struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	const struct ff_plan_job *job = &execution->act->plan->jobs[order->job];
	struct act_host *host = execution->host;
	struct ff_payload_worker worker = {
		.id = host->host->name,
		.count = order->count,
		.run_id = ff_act_run_id(execution->act),
		.host = host->host->name,
		.native = ff_gateway_is_native(host->foreman),
	};
	const struct act_execution *before =
		order->follows ? ff_map_get_u32(&host->act->executions, order->follows) : NULL;
	struct ff_plan_instance instance;
	uint32_t index = job->payload->discover ? 0 : order->unit;
	char *cwd;
	int rc = job->config->steps_len
			 ? ff_plan_step(job, index, order->step, arena, &instance)
			 : ff_plan_instance_at(job, index, execution->slot, arena, &instance);

	if (rc < 0)
		return ff_err_set(err, rc, "%s", ff_err_text(rc));
	cwd = ff_act_absolute(host, instance.job.cwd);
	instance.job.cwd = cwd;
	/* A step may have its own. */
	if (order->timeout_us > 0 && instance.job.timeout_us == 0)
		instance.job.timeout_us = order->timeout_us;
	ff_act_add_vars(host, &instance.job, arena);
	if (!execution->discovers && order->attempt > 0)
		name_parent(execution->act, &instance.job, order, arena);
	if (!execution->discovers)
		set_limits(host, &job->ration, &worker);
	/* One that has ended meanwhile is no longer there to be followed. */
	if (before && before->channel && !before->over)
		worker.follow = ff_channel_id(before->channel);
	if (job->payload->discover && !execution->discovers) {
		instance.job.unit = order->name;
		instance.job.detail = order->detail;
	}
	rc = execution->discovers
		     ? job->payload->discover->task(&instance.job, &worker, arena, task, err)
		     : job->payload->run->task(&instance.job, &worker, arena, task, err);
	if (rc == 0 && job->payload->reader &&
	    !(execution->reader = job->payload->reader->open(&instance.job)))
		rc = ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	ff_free(cwd);
	return rc;
}

/* The smallest number that none has which runs, or the one of whom it follows. Only units that come
 * from elsewhere may ask for it. */
static void take_slot(struct act_execution *execution, const struct ff_order *order)
{
	struct ff_act *act = execution->act;
	const struct act_execution *before =
		order->follows ? ff_map_get_u32(&act->executions, order->follows) : NULL;
	uint32_t slot = before ? before->slot : 1;

	if (!act->plan->jobs[order->job].config->source)
		return;
	while (slot < act->slots_len && !before && act->slots[slot] > 0)
		slot++;
	if (slot >= act->slots_len) {
		uint32_t len = 2 * slot + 1;

		act->slots = ff_xrealloc(act->slots, len * sizeof(*act->slots));
		memset(act->slots + act->slots_len, 0,
		       (len - act->slots_len) * sizeof(*act->slots));
		act->slots_len = len;
	}
	act->slots[slot]++;
	execution->slot = slot;
}

/* Its channel for the stage; false: there is none, which was told. */
static bool begin_stage(struct act_execution *execution, const struct ff_order *order)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_task task;
	struct ff_err err = {0};

	execution->answered = false;
	if (execution->stage == ACT_SENDS)
		execution->channel = ff_act_supply_send(execution, &err);
	else if (execution->stage != ACT_RUNS)
		execution->channel =
			ff_act_fresh_ask(execution, execution->stage == ACT_STAMPS, &err);
	else if (make_task(execution, order, &arena, &task, &err) == 0)
		execution->channel = ff_gateway_remote_exec(execution->host->foreman, &task, &err);
	ff_arena_release(&arena);
	if (execution->channel && execution->act->paused)
		ff_channel_pause(execution->channel, true);
	if (execution->channel &&
	    ff_channel_set_callback(execution->channel, on_item, execution) == 0)
		return true;
	if (execution->held)
		put_held(execution, err.text);
	else if (ff_act_host_open(execution->host))
		put_ended(execution, execution->channel ? "out of memory" : err.text);
	return false;
}

static bool go_on(struct act_execution *execution)
{
	struct ff_order order = {.kind = FF_ORDER_RUN,
				 .job = execution->job,
				 .unit = execution->unit,
				 .attempt = execution->attempt,
				 .count = execution->count,
				 .timeout_us = execution->timeout_us,
				 .name = execution->name,
				 .detail = execution->detail};

	if (execution->stage == ACT_SENDS)
		execution->stage = execution->guarded ? ACT_ASKS : ACT_RUNS;
	else
		execution->stage = execution->stage == ACT_ASKS ? ACT_RUNS : ACT_STAMPS;
	return begin_stage(execution, &order);
}

void ff_act_supply_found(struct act_execution *execution, const char *error)
{
	if (!ff_act_host_open(execution->host) || execution->host->tries != execution->tries) {
		ff_act_execution_free(execution); /* its end is on the way, as an input */
		return;
	}
	if (error)
		put_unsent(execution, error);
	if (error || !begin_stage(execution, NULL))
		ff_act_execution_free(execution);
}

/* What a later stage needs to know of it. */
static void keep_order(struct act_execution *execution, const struct ff_order *order)
{
	execution->unit = order->unit;
	execution->attempt = order->attempt;
	execution->count = order->count;
	execution->timeout_us = order->timeout_us;
	execution->name = ff_xstrdup(order->name);
	execution->detail = order->detail ? ff_xstrdup(order->detail) : NULL;
	execution->tries = order->tries;
}

void ff_act_execute(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host = &act->hosts[order->host];
	const struct ff_config_job *config = act->plan->jobs[order->job].config;
	struct act_execution *execution;
	size_t cap = (size_t)act->config->settings.output_cap_bytes;

	if (!ff_act_host_open(host) || host->tries != order->tries)
		return; /* its end is on the way, as an input */
	execution = ff_xcalloc(1, sizeof(*execution));
	execution->act = act;
	execution->host = host;
	execution->number = order->execution;
	execution->job = order->job;
	execution->discovers = order->kind == FF_ORDER_DISCOVER;
	ff_output_init(&execution->out[0], cap);
	ff_output_init(&execution->out[1], cap);
	execution->out[0].whole = execution->out[1].whole = config->output_whole;
	take_slot(execution, order);
	ff_list_add_tail(&act->all_executions, &execution->node);
	ff_map_set_u32(&act->executions, execution->number, execution);
	if (!execution->discovers && config->fresh.inputs.len > 0) {
		execution->guarded = true;
		execution->stage = ACT_ASKS;
	}
	if (config->inputs.paths.len > 0 && order->step == 0)
		execution->stage = ACT_SENDS;
	if (execution->stage != ACT_RUNS)
		keep_order(execution, order);
	if (execution->stage == ACT_SENDS)
		ff_act_supply_begin(execution);
	else if (!begin_stage(execution, order))
		ff_act_execution_free(execution);
}

void ff_act_drop(struct ff_act *act, const struct ff_order *order)
{
	struct act_execution *execution = ff_map_get_u32(&act->executions, order->execution);

	ff_act_fetch_drop(act, order->execution);
	if (!execution)
		return;
	execution->guarded = false;
	if (!execution->over && !execution->discovers)
		on_finished(execution, order->unit,
			    &(struct ff_result){.outcome = FF_OUTCOME_LOST});
	execution->over = true;
	if (!execution->channel) { /* its files are looked for */
		ff_act_execution_free(execution);
		return;
	}
	ff_channel_pause(execution->channel, false);
	ff_channel_close(execution->channel, NULL);
}

void ff_act_rest(struct ff_act *act, const struct ff_order *order)
{
	if (act->hosts[order->host].foreman)
		ff_gateway_rest(act->hosts[order->host].foreman);
}

void ff_act_withdraw(struct ff_act *act, const struct ff_order *order)
{
	struct act_execution *execution = ff_map_get_u32(&act->executions, order->execution);
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

	if (!execution || execution->over || !execution->channel || execution->stage != ACT_RUNS)
		return;
	ff_pack_init(&p, &buf);
	if (act->plan->jobs[execution->job].payload->run->take_back(&p) == 0)
		(void)ff_channel_send_packed(execution->channel, &buf, NULL);
	ff_buf_release(&buf);
}

void ff_act_execution_free(struct act_execution *execution)
{
	/* A dropped channel would go on calling back. */
	if (execution->channel) {
		struct ff_channel *channel = execution->channel;

		execution->channel = NULL;
		execution->over = true;
		ff_channel_pause(channel, false);
		ff_channel_close(channel, NULL); /* ends in on_item, and there comes back here */
		return;
	}
	if (execution->slot)
		execution->act->slots[execution->slot]--;
	ff_map_del_u32(&execution->act->executions, execution->number);
	ff_list_del(&execution->node);
	ff_act_supply_free(execution->inputs);
	ff_input_free(execution->held);
	ff_free(execution->name);
	ff_free(execution->detail);
	ff_output_release(&execution->out[0]);
	ff_output_release(&execution->out[1]);
	if (execution->reader)
		execution->act->plan->jobs[execution->job].payload->reader->close(
			execution->reader);
	ff_mask_stream_release(&execution->masked[0]);
	ff_mask_stream_release(&execution->masked[1]);
	ff_free(execution);
}
