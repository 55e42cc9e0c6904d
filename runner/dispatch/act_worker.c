/* A session's worker: a python gateway through the host's foreman, and the payload's channel. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "dispatch/act_private.h"

enum {
	SESSION_ITEM_MAX = 512 << 20,
	LATELY_MAX = 16 << 10, /* bytes from the front; there is a tail, too */
};

static struct ff_input *about(const struct act_worker *worker, enum ff_input_kind kind)
{
	struct ff_input *input = ff_input_new(kind);

	input->worker = worker->number;
	return input;
}

static struct ff_act *act_of(const struct act_worker *worker)
{
	return worker->host->act;
}

static const struct ff_payload *payload_of(const struct act_worker *worker)
{
	return act_of(worker)->plan->jobs[worker->job].payload;
}

/* Whether the connection to the host went down, rather than the worker alone. */
static bool host_lost(const struct act_worker *worker)
{
	return !ff_act_host_open(worker->host) || worker->host->tries != worker->tries;
}

/* --- what it writes on stderr --- */

static void put_said(struct act_worker *worker, const char *text)
{
	struct ff_input *input = about(worker, FF_INPUT_WORKER_SAID);

	input->u.said.text = ff_input_text(input, text);
	ff_act_put(act_of(worker), input);
}

/* The cap of all output holds for it, too. */
static void on_stderr(struct ff_gateway *gateway, const char *line, void *ctx)
{
	struct act_worker *worker = ctx;
	size_t len = strlen(line), told;

	(void)gateway;
	ff_output_add(&worker->lately, line, len);
	ff_output_add(&worker->lately, "\n", 1);
	told = ff_output_add(&worker->said, line, len);
	told += ff_output_add(&worker->said, "\n", 1);
	if (told == len + 1)
		put_said(worker, line);
}

/* The end of what was over the cap; what comes after it has a cap of its own. */
static void put_rest_of_stderr(struct act_worker *worker)
{
	struct ff_event tail = {.kind = FF_EVENT_UNIT_OUTPUT};
	struct ff_buf text = FF_BUF_INIT;

	if (!ff_output_cut(&worker->said) || !ff_output_tail(&worker->said, &tail))
		return;
	ff_output_mark(&text, tail.u.unit_output.cut, worker->said.head.len,
		       tail.u.unit_output.len);
	ff_buf_add(&text, tail.u.unit_output.bytes, tail.u.unit_output.len);
	put_said(worker, ff_buf_str(&text));
	ff_buf_release(&text);
	ff_output_release(&worker->said);
	ff_output_init(&worker->said, FF_OUTPUT_TAIL);
}

static void on_no_template(struct ff_gateway *gateway, const char *why, void *ctx)
{
	(void)gateway;
	ff_act_template_failed(ctx, why);
}

void ff_act_worker_begins(struct act_worker *worker)
{
	ff_act_turn_over(worker);
	if (worker->lately.total == 0 && worker->before.total == 0)
		return;
	ff_output_release(&worker->before);
	worker->before = worker->lately;
	ff_output_init(&worker->lately, LATELY_MAX);
}

void ff_act_worker_finished(struct act_worker *worker)
{
	put_rest_of_stderr(worker);
	ff_act_turn_over(worker);
	worker->finished = true;
}

/* --- its end --- */

/* From its cause on, if that is there; else what it wrote since the running unit began. By which
 * pipe sooner is a matter of chance: what it wrote before may be here later than the word that the
 * unit has begun, and what it wrote then may be here before that. */
static const char *said_lately(struct act_worker *worker, struct ff_input *input)
{
	const struct ff_payload_session *session = payload_of(worker)->session;
	struct ff_buf text = FF_BUF_INIT;
	const char *said = NULL, *cause, *from = "", *copy;
	size_t began;

	ff_output_text(&worker->before, &text);
	began = text.len;
	if (!ff_output_text(&worker->lately, &text))
		said = ff_buf_str(&text);
	if (said) {
		cause = session->cause ? session->cause(said) : NULL;
		from = cause ? cause : said + began;
	}
	copy = ff_input_text(input, *from ? from : ff_gateway_stderr(worker->gateway));
	ff_buf_release(&text);
	return copy;
}

static void put_ended(struct act_worker *worker, const char *error, int code, bool failed_open)
{
	struct ff_input *input;

	if (worker->ended)
		return;
	worker->ended = true;
	ff_act_turn_over(worker);
	put_rest_of_stderr(worker);
	input = about(worker, FF_INPUT_WORKER_ENDED);
	input->u.ended.error = ff_input_text(input, error);
	input->u.ended.code = code;
	input->u.ended.host_lost = host_lost(worker);
	input->u.ended.failed_open = failed_open;
	if (worker->gateway) {
		input->u.ended.said = said_lately(worker, input);
		input->u.ended.wait.known =
			ff_gateway_wait_status(worker->gateway, &input->u.ended.wait.status);
	}
	ff_act_put(act_of(worker), input);
}

void ff_act_worker_free(struct ff_act *act, struct act_worker *worker)
{
	ff_act_template_gone(worker);
	ff_act_turn_over(worker);
	ff_channel_unref(worker->channel);
	ff_map_del_u32(&act->workers, worker->number + 1);
	ff_list_del(&worker->node);
	ff_output_release(&worker->said);
	ff_output_release(&worker->lately);
	ff_output_release(&worker->before);
	ff_free(worker);
}

static void on_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct act_worker *worker = ctx;

	put_ended(worker, err && err->code != 0 ? err->text : NULL, err ? err->code : 0, false);
	worker->gateway = NULL;
	ff_open_release(gateway);
	ff_act_worker_free(act_of(worker), worker);
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct act_worker *worker = ctx;

	if (!err) {
		ff_act_put(act_of(worker), about(worker, FF_INPUT_WORKER_OPENED));
		return;
	}
	put_ended(worker, err->text, err->code, !host_lost(worker));
	worker->gateway = NULL;
	ff_open_release(gateway);
	ff_act_worker_free(act_of(worker), worker);
}

/* --- its beginning --- */

const char *ff_act_interpreter(const struct act_host *host)
{
	const char *found = ff_act_fact(host->act, host->number, "python");

	return found ? found : host->host->spec.python;
}

/* An interpreter started by the host's foreman, in the host's working directory. */
static int make_spec(const struct act_worker *worker, struct ff_xspec *spec, struct ff_err *err)
{
	const struct act_host *host = worker->host;
	const struct ff_xspec *from = &host->host->spec;
	int rc = ff_xspec_parse(spec, "popen", err);

	if (rc < 0)
		return rc;
	ff_xspec_set(spec, "id", worker->id);
	ff_xspec_set(spec, "via", ff_gateway_id(host->foreman));
	ff_xspec_set(spec, "chdir", host->workdir);
	ff_xspec_set(spec, "python", ff_act_interpreter(host));
	ff_xspec_set(spec, "execmodel", from->execmodel);
	ff_xspec_set(spec, "dont_write_bytecode", from->dont_write_bytecode);
	if (host->act->vars.len > 0)
		rc = ff_strv_add_all(&spec->env, host->act->vars.v);
	if (host->vars.len > 0 && !rc)
		rc = ff_strv_add_all(&spec->env, host->vars.v);
	return rc ? rc : ff_plan_env(&act_of(worker)->plan->jobs[worker->job], &spec->env);
}

void ff_act_open_worker(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host = &act->hosts[order->host];
	struct act_worker *worker = ff_xcalloc(1, sizeof(*worker));
	struct ff_open_opts opts = {
		.connect_timeout_ms = act->config->settings.connect_timeout_us / 1000,
		/* Silence is the foreman's to judge: an interpreter may be busy in C for long. */
		.heartbeat_ms = -1,
		.opened = on_opened,
		.closed = on_closed,
		.no_template = on_no_template,
		.stderr_line = on_stderr,
		.ctx = worker,
	};
	struct ff_xspec spec;
	struct ff_err err = {0};

	worker->host = host;
	worker->number = order->worker;
	worker->job = order->job;
	worker->count = order->count;
	worker->tries = host->tries;
	snprintf(worker->id, sizeof(worker->id), "%s", order->name);
	ff_output_init(&worker->said, (size_t)act->config->settings.output_cap_bytes);
	ff_output_init(&worker->lately, LATELY_MAX);
	ff_output_init(&worker->before, LATELY_MAX);
	ff_list_add_tail(&act->all_workers, &worker->node);
	ff_map_set_u32(&act->workers, worker->number + 1, worker);
	if (!ff_act_host_open(host)) {
		ff_act_worker_free(act, worker); /* the host's end is on the way, as an input */
		return;
	}
	if (make_spec(worker, &spec, &err) == 0) {
		opts.template_source = ff_act_template(worker);
		worker->gateway = ff_open_gateway(act->group, &spec, &opts, &err);
		if (worker->gateway)
			return;
		ff_xspec_release(&spec);
	}
	put_ended(worker, err.text, err.code, true);
	ff_act_worker_free(act, worker);
}

/* --- the session --- */

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct act_worker *worker = ctx;
	struct act_speaker speaker = {
		.act = act_of(worker), .worker = worker->number, .session = worker};
	struct ff_err err = {0};
	char *text;

	if (item) {
		if (worker->ended || payload_of(worker)->item(&item->value, &ff_act_session_sink,
							      &speaker, &err) == 0)
			return;
		text = ff_xasprintf("it sent what is no item of payload %s (%s)",
				    payload_of(worker)->name, err.text);
		put_ended(worker, text, FF_EPROTO, false);
		ff_free(text);
		return;
	}
	/* The execution has ended. If the connection is gone too, on_closed knows more; a session
	 * that has said its last lets its interpreter end. */
	if (!worker->gateway || ff_gateway_state(worker->gateway) == FF_GATEWAY_CLOSED)
		return;
	if (worker->finished) {
		ff_gateway_exit(worker->gateway);
		return;
	}
	put_ended(worker,
		  ff_channel_error(channel) ? ff_channel_error(channel)
					    : "the payload ended without a word",
		  FF_EREMOTE, false);
}

/* How many workers share a CPU on the first host that has some: what all do takes so much longer.
 * One answer for the whole run, as all sessions of a job have to collect in the same way. */
static uint32_t crowd_of(const struct act_worker *worker)
{
	const struct act_host *host = worker->host;
	struct ff_act *act = act_of(worker);
	int64_t slots = host->host->slots, cpus = 0;

	if (act->crowd == 0 && host->foreman)
		cpus = ff_dict_int(ff_gateway_info(host->foreman), "cpus", 0);
	if (act->crowd == 0)
		act->crowd = cpus > 0 && slots > cpus ? (uint32_t)((slots + cpus - 1) / cpus) : 1;
	return act->crowd;
}

void ff_act_start_session(struct act_worker *worker)
{
	struct ff_act *act = act_of(worker);
	const struct ff_plan_job *job = &act->plan->jobs[worker->job];
	struct ff_payload_worker me = {
		.id = worker->id,
		.count = worker->count,
		.run_id = ff_act_run_id(act),
		.host = worker->host->host->name,
		.imports = ff_act_template_asks(worker),
		.sharded = act->opts.run->sharded,
		.uneven = ff_expect_uneven(act->opts.run->expect, job->payload->name, worker->count,
					   crowd_of(worker)),
		.hungry = ff_config_job_memory(job->config) &&
			  !ff_expect_modest(act->opts.run->expect, job->payload->name)};
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_plan_instance instance;
	struct ff_task task;
	struct ff_err err = {0};

	worker->waits_turn = false;
	if (ff_plan_instance(job, 0, &arena, &instance) == 0) {
		if (act->opts.run->terminal)
			instance.job.columns = act->opts.run->terminal->columns;
		ff_act_add_vars(worker->host, &instance.job, &arena);
		if (job->payload->session->task(&instance.job, &me, &arena, &task, &err) == 0)
			worker->channel = ff_gateway_remote_exec(worker->gateway, &task, &err);
	}
	ff_arena_release(&arena);
	/* The names of a large suite's tests are one item. */
	if (worker->channel)
		ff_channel_set_item_max(worker->channel, SESSION_ITEM_MAX);
	if (worker->channel && ff_act_job_paused(act, worker->job))
		ff_channel_pause(worker->channel, true);
	if (!worker->channel || ff_channel_set_callback(worker->channel, on_item, worker) < 0)
		put_ended(worker, err.text, err.code, false);
}

/* A channel that can't be written has ended, or is about to: its end tells the rest. */
static void send_packed(struct act_worker *worker, int rc, struct ff_buf *packed)
{
	if (rc == 0 && worker->channel)
		(void)ff_channel_send_packed(worker->channel, packed, NULL);
	ff_buf_release(packed);
}

static void tell(struct act_worker *worker, int (*what)(struct ff_pack *p))
{
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &buf);
	send_packed(worker, what(&p), &buf);
}

static void tell_units(struct act_worker *worker, const struct ff_order *order,
		       int (*what)(struct ff_pack *p, const uint32_t *units, size_t len))
{
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &buf);
	send_packed(worker, what(&p, order->units, order->units_len), &buf);
}

static void tell_part(struct act_worker *worker, const struct ff_order *order,
		      const struct ff_payload_session *session)
{
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;
	static const uint32_t none;

	if (!session->run_part)
		return;
	ff_pack_init(&p, &buf);
	send_packed(worker,
		    session->run_part(&p, order->part, order->digest,
				      order->all	     ? NULL
				      : order->units_len > 0 ? order->units
							     : &none,
				      order->units_len),
		    &buf);
}

static void tell_once(struct act_worker *worker, const struct ff_order *order,
		      const struct ff_payload_session *session)
{
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

	if (!session->once)
		return;
	ff_pack_init(&p, &buf);
	send_packed(worker, session->once(&p, order->word, order->name, order->all, order->digest),
		    &buf);
}

void ff_act_worker_order(struct ff_act *act, const struct ff_order *order)
{
	struct act_worker *worker = ff_map_get_u32(&act->workers, order->worker + 1);
	const struct ff_payload_session *session;

	if (!worker || !worker->gateway)
		return;
	if (worker->waits_turn && (order->kind == FF_ORDER_STOP || order->kind == FF_ORDER_END))
		ff_act_start_session(worker); /* or it would never hear that this is all */
	session = payload_of(worker)->session;
	switch (order->kind) {
	case FF_ORDER_START_SESSION:
		if (ff_act_turn_take(worker))
			ff_act_start_session(worker);
		break;
	case FF_ORDER_ASK_IDS:
		tell(worker, session->ask_ids);
		break;
	case FF_ORDER_GIVE:
		tell_units(worker, order, session->run);
		break;
	case FF_ORDER_GIVE_PART:
		tell_part(worker, order, session);
		break;
	case FF_ORDER_TAKE_BACK:
		tell_units(worker, order, session->take_back);
		break;
	case FF_ORDER_STOP:
		tell(worker, session->stop);
		tell(worker, session->end);
		break;
	case FF_ORDER_END:
		tell(worker, session->end);
		break;
	case FF_ORDER_ONCE:
		tell_once(worker, order, session);
		break;
	case FF_ORDER_IDLE:
		tell(worker, session->idle);
		break;
	case FF_ORDER_KILL_WORKER:
		ff_group_driver(act->group)->kill(ff_group_ctx(act->group), worker->gateway);
		break;
	case FF_ORDER_CLOSE_WORKER:
		ff_gateway_exit(worker->gateway);
		break;
	default:
		break;
	}
}
