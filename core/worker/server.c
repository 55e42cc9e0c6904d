/* Carries a gateway's frames over stdin and stdout, and ends the worker in good order. What runs is
 * exec.c's business. */
#include "worker/template.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/prompt.h"
#include "io/spawn.h"
#include "worker/children.h"
#include "worker/exec.h"
#include "worker/info.h"
#include "io/loop_private.h"

#define KILL_LIMIT_US (5 * FF_SECOND_US)

static void complain(const char *text)
{
	fprintf(stderr, "farflung-worker: %s\n", text);
}

static void flush_output(struct ff_worker *worker)
{
	ff_deferred_cancel(&worker->flush);
	worker->flushing = false;
	if (worker->out_failed)
		ff_buf_clear(ff_gateway_output(worker->gateway));
	else
		ff_stream_flush(&worker->out);
}

/* --- ending --- */

static void enter(struct ff_worker *worker, enum ff_worker_state state);

/* What is left to do in each state, by itself: nothing to wait for means the next state. */
static bool is_over(const struct ff_worker *worker)
{
	switch (worker->state) {
	case FF_WORKER_ENDING:
	case FF_WORKER_KILLING:
		return worker->num_execs == 0;
	case FF_WORKER_FLUSHING:
		return worker->out_failed || (!worker->flushing && !ff_stream_unsent(&worker->out));
	case FF_WORKER_SERVING:
	case FF_WORKER_STOPPED:
		break;
	}
	return false;
}

static void advance(struct ff_worker *worker, bool timed_out)
{
	static const enum ff_worker_state when_over[] = {
		[FF_WORKER_ENDING] = FF_WORKER_FLUSHING,
		[FF_WORKER_KILLING] = FF_WORKER_FLUSHING,
		[FF_WORKER_FLUSHING] = FF_WORKER_STOPPED,
	};
	static const enum ff_worker_state when_late[] = {
		[FF_WORKER_ENDING] = FF_WORKER_KILLING,
		[FF_WORKER_KILLING] = FF_WORKER_FLUSHING,
		[FF_WORKER_FLUSHING] = FF_WORKER_STOPPED,
	};

	if (is_over(worker))
		enter(worker, when_over[worker->state]);
	else if (timed_out && worker->state != FF_WORKER_SERVING &&
		 worker->state != FF_WORKER_STOPPED)
		enter(worker, when_late[worker->state]);
}

static void enter(struct ff_worker *worker, enum ff_worker_state state)
{
	int64_t now = ff_clock_us();

	worker->state = state;
	switch (state) {
	case FF_WORKER_ENDING:
		ff_timer_set(&worker->phase, now + FF_WORKER_GRACE_US);
		ff_templates_end(worker);
		ff_exec_end_all(worker, false);
		break;
	case FF_WORKER_KILLING:
		ff_timer_set(&worker->phase, now + FF_WORKER_FLUSH_US);
		ff_exec_end_all(worker, true);
		break;
	case FF_WORKER_FLUSHING:
		ff_timer_set(&worker->phase, now + FF_WORKER_FLUSH_US);
		flush_output(worker);
		break;
	case FF_WORKER_STOPPED:
		ff_timer_set(&worker->phase, FF_NEVER_US);
		/* Right before the loop would wait, there is nothing left to wait for. */
		uv_stop(worker->loop.uv);
		return;
	case FF_WORKER_SERVING:
		return;
	}
	advance(worker, false);
}

static void on_phase(struct ff_timer *timer)
{
	advance(timer->ctx, true);
}

void ff_worker_end(struct ff_worker *worker, int status)
{
	if (worker->state != FF_WORKER_SERVING)
		return;
	worker->status = status;
	enter(worker, FF_WORKER_ENDING);
}

static void on_signal(uv_signal_t *handle, int signal)
{
	struct ff_worker *worker = handle->data;

	/* Somebody else wants us gone, or the guard died: what payloads come to now is our doing.
	 * The controller must not take it for their results; it sees the connection end. */
	worker->out_failed = true;
	ff_worker_end(worker, 128 + signal);
}

/* --- executions --- */

static bool owns(void *ctx, pid_t pid)
{
	return ff_exec_owns(ctx, pid) || ff_templates_own(ctx, pid);
}

static void on_reap(struct ff_timer *timer)
{
	struct ff_worker *worker = timer->ctx;

	if (ff_children_reap(owns, worker))
		ff_timer_set(timer, ff_clock_us() + FF_WORKER_REAP_US);
}

void ff_worker_exec_added(struct ff_worker *worker)
{
	worker->num_execs++;
}

void ff_worker_exec_removed(struct ff_worker *worker)
{
	worker->num_execs--;
	if (worker->reap.deadline_us == FF_NEVER_US)
		ff_timer_set(&worker->reap, ff_clock_us() + FF_WORKER_LOOK_US);
	advance(worker, false);
}

/* --- the line --- */

void ff_worker_hold_input(struct ff_worker *worker, bool hold)
{
	bool held = worker->holds > 0;

	worker->holds += hold ? 1 : (size_t)-1;
	if (held != (worker->holds > 0) && worker->in.open)
		ff_stream_read(&worker->in, held);
}

static void output_lost(struct ff_worker *worker)
{
	worker->out_failed = true;
	ff_buf_clear(ff_gateway_output(worker->gateway));
	ff_worker_end(worker, 0);
	advance(worker, false);
}

static void on_flush(struct ff_deferred *deferred)
{
	struct ff_worker *worker = ff_container_of(deferred, struct ff_worker, flush);

	flush_output(worker);
	ff_gateway_sent(worker->gateway);
	advance(worker, false);
}

static void want_write(struct ff_gateway *gateway, void *ctx)
{
	struct ff_worker *worker = ctx;

	/* Once per turn of the loop, before it would sleep: many small items in one write. */
	worker->flushing = true;
	ff_loop_defer(&worker->loop, &worker->flush);
}

static void set_tick(struct ff_worker *worker)
{
	int64_t due = ff_gateway_deadline(worker->gateway);

	if (due != FF_NEVER_US)
		due += ff_clock_us() - ff_clock_boot_us();
	ff_timer_set(&worker->tick, due);
}

static void on_tick(struct ff_timer *timer)
{
	struct ff_worker *worker = timer->ctx;

	if (!ff_gateway_tick(worker->gateway, ff_clock_boot_us(), NULL))
		set_tick(worker);
}

static void feed(struct ff_worker *worker, const void *bytes, size_t len)
{
	if (!len || ff_gateway_state(worker->gateway) != FF_GATEWAY_OPEN)
		return;
	/* While ending, too: what is still to be sent may need credit. */
	ff_gateway_feed(worker->gateway, bytes, len, ff_clock_boot_us(), NULL);
	if (worker->tick.deadline_us == FF_NEVER_US)
		set_tick(worker);
}

static void on_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	feed(ctx, bytes, len);
}

static void on_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	if (err)
		complain(err->text);
	ff_worker_end(ctx, err ? 1 : 0);
}

static void on_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_worker *worker = ctx;

	if (err) {
		output_lost(worker);
		return;
	}
	ff_gateway_sent(worker->gateway);
	advance(worker, false);
}

static const struct ff_stream_ops in_ops = {.data = on_data, .eof = on_eof};
static const struct ff_stream_ops out_ops = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
};

/* --- the gateway --- */

static void on_exec(struct ff_gateway *gateway, struct ff_channel *channel,
		    const struct ff_value *task, void *ctx)
{
	ff_exec_start(ctx, channel, task);
}

static int num_executing(struct ff_gateway *gateway, void *ctx)
{
	return (int)((struct ff_worker *)ctx)->num_execs;
}

static void on_terminate(struct ff_gateway *gateway, void *ctx)
{
	ff_worker_end(ctx, 0);
}

static void on_announce(struct ff_gateway *gateway, struct ff_pack *hello, void *ctx)
{
	ff_pack_str(hello, "worker");
	ff_pack_str(hello, "native");
	ff_info_pack(hello);
}

static void on_hello(struct ff_gateway *gateway, const struct ff_value *capabilities, void *ctx)
{
	((struct ff_worker *)ctx)->greeted = true;
}

/* Silence, nonsense, or no memory. */
static void on_closed(struct ff_gateway *gateway, const struct ff_err *why, void *ctx)
{
	struct ff_worker *worker = ctx;

	if (worker->state != FF_WORKER_SERVING)
		return;
	complain(why->text);
	ff_worker_end(worker, 1);
}

static const struct ff_gateway_ops gateway_ops = {
	.want_write = want_write,
	.exec = on_exec,
	.numexecuting = num_executing,
	.terminate = on_terminate,
	.announce = on_announce,
	.hello = on_hello,
	.closed = on_closed,
};

/* --- life --- */

/* All that a worker ever changes of its signals; what it starts gets them back. A file over the
 * limit is one error among others, not the worker's end. */
static void set_signals(struct ff_worker *worker)
{
	uv_signal_init(worker->loop.uv, &worker->sigterm);
	uv_signal_init(worker->loop.uv, &worker->sighup);
	worker->sigterm.data = worker->sighup.data = worker;
	uv_signal_start(&worker->sigterm, on_signal, SIGTERM);
	uv_signal_start(&worker->sighup, on_signal, SIGHUP);
	signal(SIGXFSZ, SIG_IGN);
	ff_spawn_settle_signals();
}

static int open_all(struct ff_worker *worker, int in_fd, int out_fd, struct ff_err *err)
{
	const struct ff_gateway_opts opts = {
		.id = "worker",
		.ops = &gateway_ops,
		.ctx = worker,
	};
	int rc;

	rc = ff_loop_init(&worker->loop, err);
	if (rc)
		return rc;
	ff_list_init(&worker->execs);
	ff_list_init(&worker->templates);
	worker->gateway = ff_gateway_new(&opts);
	if (!worker->gateway)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	ff_timer_init(&worker->tick, &worker->loop, on_tick, worker);
	ff_timer_init(&worker->phase, &worker->loop, on_phase, worker);
	ff_timer_init(&worker->reap, &worker->loop, on_reap, worker);
	ff_deferred_init(&worker->flush, on_flush);
	set_signals(worker);
	rc = ff_stream_open(&worker->in, &worker->loop, in_fd, NULL, &in_ops, worker, err);
	if (rc)
		return rc;
	return ff_stream_open(&worker->out, &worker->loop, out_fd,
			      ff_gateway_output(worker->gateway), &out_ops, worker, err);
}

static void close_all(struct ff_worker *worker)
{
	ff_timer_close(&worker->tick, NULL);
	ff_timer_close(&worker->phase, NULL);
	ff_timer_close(&worker->reap, NULL);
	uv_close((uv_handle_t *)&worker->sigterm, NULL);
	uv_close((uv_handle_t *)&worker->sighup, NULL);
	ff_stream_close(&worker->in, NULL);
	ff_stream_close(&worker->out, NULL);
	ff_loop_release(&worker->loop);
	ff_gateway_free(worker->gateway);
	ff_buf_release(&worker->scratch);
}

int ff_worker_serve(int in_fd, int out_fd, const void *first, size_t first_len)
{
	/* Static: it is big, and where something can't be killed it is simply left. */
	static struct ff_worker worker;
	struct ff_err err;
	sigset_t set;

	ff_prompt(); /* not before a fork, which ends it */
	worker.start_us = ff_clock_us();
	if (open_all(&worker, in_fd, out_fd, &err)) {
		complain(err.text);
		return 1;
	}
	ff_gateway_opened(worker.gateway);
	ff_stream_read(&worker.in, true);
	feed(&worker, first, first_len);
	while (worker.state != FF_WORKER_STOPPED)
		ff_loop_run_once(&worker.loop, FF_NEVER_US);
	if (!worker.num_execs)
		close_all(&worker);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ff_children_kill(KILL_LIMIT_US);
	ff_cgroups_release(&worker.cgroups);
	return worker.status;
}
