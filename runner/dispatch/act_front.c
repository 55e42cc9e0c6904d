/* A job's front: a python gateway on this machine, and its channel. What it is told waits here
 * until it takes it; above a bound the job's workers wait, too. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/act_private.h"
#include "io/process.h"
#include "transport/transport.h"
#include "io/loop_private.h"

enum {
	FRONT_ITEM_MAX = 512 << 20,
	FRONT_FULL = 4 << 20,	   /* bytes that wait: with more the job's workers wait */
	FRONT_QUEUE_MAX = 1 << 30, /* with more, of what was under way then, it is given up */
	PROBE_MAX = 64 << 10,	   /* bytes of a probe's output */
	HELD_US = 1000000,	   /* so often is it looked whether its terminal takes anything */
};

/* A packed item that waits. */
struct waiting {
	struct ff_list node;
	struct ff_buf packed;
};

static struct ff_input *about(const struct act_front *front, enum ff_input_kind kind)
{
	struct ff_input *input = ff_input_new(kind);

	input->job = front->job;
	return input;
}

/* What it has for itself; NULL: nothing. */
static const struct ff_run_terminal *own_terminal(const struct act_front *front)
{
	const struct ff_run_terminal *terminal = front->act->opts.run->terminal;

	return terminal && terminal->given ? terminal : NULL;
}

/* The user's own session at the other end of this socket; 0: we start the front. */
static int joined(const struct act_front *front)
{
	const struct ff_run_terminal *terminal = front->act->opts.run->terminal;

	return terminal ? terminal->front_fd : 0;
}

static const struct ff_payload *payload_of(const struct act_front *front)
{
	return front->act->plan->jobs[front->job].payload;
}

static struct act_front *front_of(const struct ff_act *act, uint32_t job)
{
	return ff_map_get_u32(&act->fronts, job + 1);
}

/* --- its end --- */

static void drop_queue(struct act_front *front)
{
	while (!ff_list_empty(&front->queue)) {
		struct waiting *first = ff_container_of(front->queue.next, struct waiting, node);

		ff_list_del(&first->node);
		ff_buf_release(&first->packed);
		ff_free(first);
	}
	front->queued = 0;
}

static void put_ended(struct act_front *front, const char *error, bool failed_open)
{
	struct ff_input *input;

	if (front->ended)
		return;
	front->ended = true;
	drop_queue(front);
	if (front->finished)
		return;
	input = about(front, FF_INPUT_FRONT_ENDED);
	input->u.ended.error = ff_input_text(input, error);
	input->u.ended.failed_open = failed_open;
	if (front->gateway && !failed_open) {
		input->u.ended.said = ff_input_text(input, ff_gateway_stderr(front->gateway));
		input->u.ended.wait.known =
			ff_gateway_wait_status(front->gateway, &input->u.ended.wait.status);
	}
	ff_act_put(front->act, input);
	/* The user's session is no more: nobody waits for what runs, as if he had said so twice. */
	for (int i = 0; joined(front) && i < 2; i++)
		ff_act_put(front->act, ff_input_new(FF_INPUT_SIGNAL));
}

static void on_freed(struct ff_timer *timer)
{
	ff_free(timer->ctx);
}

void ff_act_front_free(struct ff_act *act, struct act_front *front)
{
	ff_channel_unref(front->channel);
	if (front->probe)
		ff_process_free(front->probe);
	drop_queue(front);
	ff_map_del_u32(&act->fronts, front->job + 1);
	ff_list_del(&front->node);
	ff_buf_release(&front->found);
	ff_arena_release(&front->arena);
	ff_timer_close(&front->held, on_freed);
}

static void on_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct act_front *front = ctx;

	put_ended(front, err && err->code != 0 ? err->text : NULL, false);
	front->gateway = NULL;
	ff_open_release(gateway);
	ff_act_front_free(front->act, front);
}

/* --- what it is told --- */

static void look_if_full(struct act_front *front)
{
	bool full = front->full ? front->queued > FRONT_FULL / 2 : front->queued > FRONT_FULL;

	if (full == front->full)
		return;
	front->full = full;
	ff_act_put(front->act, about(front, full ? FF_INPUT_FRONT_FULL : FF_INPUT_FRONT_DRAINED));
}

static void send_queue(struct act_front *front)
{
	while (front->channel && !ff_list_empty(&front->queue) &&
	       ff_channel_writable(front->channel)) {
		struct waiting *first = ff_container_of(front->queue.next, struct waiting, node);
		int rc = ff_channel_send_packed(front->channel, &first->packed, NULL);

		if (rc == FF_EAGAIN)
			break;
		front->queued -= first->packed.len;
		ff_list_del(&first->node);
		ff_buf_release(&first->packed);
		ff_free(first);
		/* A channel that can't be written has ended, or is about to. */
		if (rc < 0 && rc != FF_ECLOSED)
			put_ended(front, ff_err_text(rc), false);
	}
	look_if_full(front);
}

static void on_drain(struct ff_channel *channel, void *ctx)
{
	send_queue(ctx);
}

static void fill_node(const struct ff_act *act, const struct ff_order *order,
		      struct ff_front_worker *node)
{
	const struct act_host *host = &act->hosts[order->host];

	*node = (struct ff_front_worker){
		.id = order->front_item->worker,
		.spec = host->host->spec.text,
		.host = host->host->name,
		.python = ff_act_interpreter(host),
		.chdir = host->workdir,
		.local = host->host->local,
	};
}

void ff_act_tell_front(struct ff_act *act, const struct ff_order *order)
{
	struct act_front *front = front_of(act, order->job);
	struct ff_front_item item = *order->front_item;
	struct ff_front_worker node;
	struct waiting *waiting;
	struct ff_pack p;
	int rc;

	if (!front || front->ended)
		return;
	if (item.kind == FF_FRONT_WORKER) {
		fill_node(act, order, &node);
		item.node = &node;
	}
	waiting = ff_xcalloc(1, sizeof(*waiting));
	ff_pack_init(&p, &waiting->packed);
	rc = payload_of(front)->front->tell(&p, &item);
	if (rc < 0 || front->queued > FRONT_QUEUE_MAX) {
		ff_buf_release(&waiting->packed);
		ff_free(waiting);
		put_ended(front, rc < 0 ? p.reason : "it takes nothing", false);
		return;
	}
	ff_list_add_tail(&front->queue, &waiting->node);
	front->queued += waiting->packed.len;
	send_queue(front);
}

void ff_act_pass_on(struct ff_act *act, const struct ff_order *order)
{
	struct act_worker *worker = ff_map_get_u32(&act->workers, order->worker + 1);
	struct ff_buf packed = FF_BUF_INIT;
	struct ff_pack p;

	if (!worker || !worker->channel)
		return;
	ff_pack_init(&p, &packed);
	if (act->plan->jobs[worker->job].payload->front->pass_on(&p, order->value,
								 order->value_len) == 0)
		(void)ff_channel_send_packed(worker->channel, &packed, NULL);
	ff_buf_release(&packed);
}

/* --- what it says --- */

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct act_front *front = ctx;
	struct ff_err err = {0};
	char *text;

	if (item) {
		if (front->ended || payload_of(front)->front->item(&item->value, &ff_act_front_sink,
								   front, &err) == 0)
			return;
		text = ff_xasprintf("it sent what is no item of a front (%s)", err.text);
		put_ended(front, text, false);
		ff_free(text);
		return;
	}
	/* If the connection is gone too, on_closed knows more. */
	if (!front->gateway || ff_gateway_state(front->gateway) == FF_GATEWAY_CLOSED)
		return;
	if (!front->finished)
		put_ended(front,
			  ff_channel_error(channel) ? ff_channel_error(channel)
						    : "it ended without a word",
			  false);
	ff_gateway_exit(front->gateway);
}

static void on_stderr(struct ff_gateway *gateway, const char *line, void *ctx)
{
	struct act_front *front = ctx;
	struct ff_input *input = about(front, FF_INPUT_FRONT_SAID);

	(void)gateway;
	input->u.said.text = ff_input_text(input, line);
	ff_act_put(front->act, input);
}

/* While nobody reads its terminal it can't be expected to go on; and what the user's own session
 * takes its time for is the user's affair. */
static void on_held(struct ff_timer *timer)
{
	struct act_front *front = timer->ctx;
	struct pollfd out = {.fd = front->act->opts.run->terminal->fd, .events = POLLOUT};

	if (front->ended || front->finished)
		return;
	if (joined(front) || poll(&out, 1, 0) == 0)
		ff_act_put(front->act, about(front, FF_INPUT_FRONT_HELD));
	ff_timer_set(timer, ff_clock_us() + HELD_US);
}

/* --- its beginning --- */

static void plan_workers(const struct act_front *front, struct ff_front_worker *workers)
{
	const struct ff_act *act = front->act;

	for (uint32_t i = 0; i < front->planned_len; i++) {
		const struct ff_host *host = act->hosts[front->planned[i].host].host;

		workers[i] = (struct ff_front_worker){.id = front->planned[i].name,
						      .spec = host->spec.text,
						      .host = host->name,
						      .local = host->local};
	}
}

static int make_task(struct act_front *front, struct ff_arena *arena, struct ff_task *task,
		     struct ff_err *err)
{
	const struct ff_act *act = front->act;
	const struct ff_run_terminal *terminal = act->opts.run->terminal;
	const struct ff_plan_job *job = &act->plan->jobs[front->job];
	struct ff_front_worker *workers =
		ff_arena_alloc(arena, (front->planned_len + 1U) * sizeof(*workers));
	struct ff_front_run run = {.run_id = ff_act_run_id(act),
				   .workers = workers,
				   .workers_len = front->planned_len,
				   .maxfail = act->config->settings.maxfail,
				   .max_worker_restart = act->config->settings.max_worker_restart,
				   .terminal = -1,
				   .colour = -1,
				   .joined = joined(front) > 0};
	struct ff_plan_instance instance;

	if (!workers || ff_plan_instance(job, 0, arena, &instance) < 0)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	plan_workers(front, workers);
	if (terminal) {
		run.terminal = terminal->given ? FF_LAUNCH_INHERITED : -1;
		run.columns = terminal->columns;
		run.colour = terminal->colour;
	}
	return job->payload->front->task(&instance.job, &run, arena, task, err);
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *failure, void *ctx)
{
	struct act_front *front = ctx;
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_err err = {0};
	struct ff_task task;

	if (failure) {
		put_ended(front, failure->text, true);
		front->gateway = NULL;
		ff_open_release(gateway);
		ff_act_front_free(front->act, front);
		return;
	}
	if (make_task(front, &arena, &task, &err) == 0)
		front->channel = ff_gateway_remote_exec(gateway, &task, &err);
	ff_arena_release(&arena);
	if (!front->channel) {
		put_ended(front, err.text, true);
		ff_gateway_exit(gateway);
		return;
	}
	ff_channel_set_item_max(front->channel, FRONT_ITEM_MAX);
	ff_channel_set_drain(front->channel, on_drain, front);
	if (front->act->paused)
		ff_channel_pause(front->channel, true);
	if (ff_channel_set_callback(front->channel, on_item, front) < 0)
		put_ended(front, "out of memory", true);
	if (own_terminal(front))
		ff_timer_set(&front->held, ff_clock_us() + HELD_US);
	send_queue(front);
}

static int make_spec(const struct act_front *front, const char *python, struct ff_xspec *spec,
		     struct ff_err *err)
{
	const struct ff_config *config = front->act->config;
	char id[32];
	int rc = ff_xspec_parse(spec, "popen", err);

	if (rc < 0)
		return rc;
	snprintf(id, sizeof(id), "front%u", front->job);
	for (unsigned i = 0; ff_group_get(front->act->group, id); i++)
		snprintf(id, sizeof(id), "front%u-%u", front->job, i);
	ff_xspec_set(spec, "id", id);
	if (joined(front))
		return 0;
	ff_xspec_set(spec, "python", python);
	ff_xspec_set(spec, "chdir", ff_config_home(config));
	return ff_plan_env(&front->act->plan->jobs[front->job], &spec->env);
}

static void open_with(struct act_front *front, const char *python)
{
	const struct ff_run_terminal *terminal = own_terminal(front);
	struct ff_open_opts opts = {
		.connect_timeout_ms = front->act->config->settings.connect_timeout_us / 1000,
		.heartbeat_ms = -1, /* its plugins may be busy in C for long */
		.inherit_fd = terminal && !joined(front) ? terminal->fd : 0,
		.line_fd = joined(front),
		.opened = on_opened,
		.closed = on_closed,
		.stderr_line = on_stderr,
		.ctx = front,
	};
	struct ff_err err = {0};
	struct ff_xspec spec;

	if (make_spec(front, python, &spec, &err) == 0) {
		front->gateway = ff_open_gateway(front->act->group, &spec, &opts, &err);
		if (front->gateway)
			return;
		ff_xspec_release(&spec);
	}
	put_ended(front, err.text, true);
	ff_act_front_free(front->act, front);
}

/* --- the interpreter where no local host has told one: found as it is on hosts --- */

static void on_found(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	struct act_front *front = ctx;

	if (front->found.len < PROBE_MAX)
		ff_buf_add(&front->found, bytes, len);
}

static void on_ignored(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
}

static bool look(struct act_front *front);

/* It may be another one than the user thinks. */
static void tell_found(struct act_front *front, const char *python)
{
	struct ff_input *input = about(front, FF_INPUT_FRONT_NOTICE);
	char *text =
		ff_xasprintf("the front of job '%s' runs here with %s%s",
			     front->act->plan->jobs[front->job].config->name, python,
			     front->vainly ? ", since the one that was named is not here" : "");

	input->u.notice.level = ff_input_text(input, "note");
	input->u.notice.text = ff_input_text(input, text);
	ff_act_put(front->act, input);
	ff_free(text);
}

static void on_probed(struct ff_process *process, void *ctx)
{
	struct act_front *front = ctx;
	struct ff_buf note = FF_BUF_INIT;
	struct ff_fact *facts = NULL;
	struct ff_err err = {0};
	const char *python = NULL;
	size_t len = 0;
	int rc = payload_of(front)->probe->read((const char *)ff_buf_data(&front->found),
						front->found.len, &front->arena, &facts, &len,
						&note, &err);

	ff_process_free(process);
	front->probe = NULL;
	ff_buf_release(&note);
	for (size_t i = 0; rc >= 0 && i < len; i++)
		if (strcmp(facts[i].key, "python") == 0)
			python = facts[i].value;
	if (rc >= 0) {
		if (python)
			tell_found(front, python);
		open_with(front, python);
		return;
	}
	if (front->named) {
		front->vainly = true;
		ff_buf_release(&front->found);
		if (look(front))
			return;
	}
	put_ended(front, err.text, true);
	ff_act_front_free(front->act, front);
}

static const struct ff_process_ops probe_ops = {
	.out = on_found,
	.err = on_ignored,
	.finished = on_probed,
};

/* The next interpreter that the user has named, for the run or for a host; NULL: no more. */
static const char *next_named(struct act_front *front)
{
	const struct ff_act *act = front->act;

	while (front->tried <= front->planned_len) {
		uint32_t i = front->tried++;
		const char *python =
			i == 0 ? act->plan->jobs[front->job].config->python
			       : act->hosts[front->planned[i - 1].host].host->spec.python;

		if (python && *python && (!front->named || strcmp(python, front->named) != 0))
			return python;
	}
	return NULL;
}

/* False: there is nothing to look for, or it can't be looked. */
static bool look(struct act_front *front)
{
	const struct ff_payload_probe *how = payload_of(front)->probe;
	struct ff_spawn spawn = {.exec_fd = -1, .stdin_null = true, .die_with_parent = true};
	struct ff_xspec spec;
	const char *shell = NULL;
	struct ff_err err;

	front->named = next_named(front);
	if (!how || ff_xspec_parse(&spec, "popen", &err) < 0)
		return false;
	if (front->named)
		ff_xspec_set(&spec, "python", front->named);
	if (how->command(&spec, &front->arena, &shell) == 0) {
		spawn.argv = (char *[]){"/bin/sh", "-c", (char *)(uintptr_t)shell, NULL};
		front->probe =
			ff_process_spawn(front->act->opts.loop, &spawn, &probe_ops, front, &err);
	}
	ff_xspec_release(&spec);
	return front->probe != NULL;
}

/* Of the job's first host on this machine that has one. */
static const char *known_interpreter(const struct act_front *front)
{
	const struct ff_act *act = front->act;

	for (uint32_t i = 0; i < front->planned_len; i++) {
		const struct act_host *host = &act->hosts[front->planned[i].host];

		if (host->host->local && !host->host->spec.via && ff_act_interpreter(host))
			return ff_act_interpreter(host);
	}
	return NULL;
}

static void copy_planned(struct act_front *front, const struct ff_order *order)
{
	front->planned =
		ff_arena_alloc(&front->arena, (order->planned_len + 1U) * sizeof(*front->planned));
	for (uint32_t i = 0; front->planned && i < order->planned_len; i++)
		front->planned[front->planned_len++] = (struct ff_order_worker){
			ff_arena_strdup(&front->arena, order->planned[i].name),
			order->planned[i].host};
}

void ff_act_open_front(struct ff_act *act, const struct ff_order *order)
{
	struct act_front *front = ff_xcalloc(1, sizeof(*front));
	const char *python;

	front->act = act;
	front->job = order->job;
	ff_list_init(&front->queue);
	ff_timer_init(&front->held, act->opts.loop, on_held, front);
	ff_list_add_tail(&act->all_fronts, &front->node);
	ff_map_set_u32(&act->fronts, front->job + 1, front);
	copy_planned(front, order);
	python = joined(front) ? NULL : known_interpreter(front);
	if (joined(front) || python || !look(front))
		open_with(front, python);
}

void ff_act_end_front(struct ff_act *act, const struct ff_order *order)
{
	struct act_front *front = front_of(act, order->job);

	if (!front)
		return;
	if (order->kind == FF_ORDER_CLOSE_FRONT) {
		if (front->gateway)
			ff_gateway_exit(front->gateway);
		return;
	}
	front->ended = true;
	drop_queue(front);
	if (front->gateway)
		ff_group_driver(act->group)->kill(ff_group_ctx(act->group), front->gateway);
	else if (front->probe)
		ff_act_front_free(act, front);
}
