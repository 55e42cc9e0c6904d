/* The built-in `proxy`: a program whose stdin and stdout are a channel, so that a gateway can run
 * through this worker. A second channel carries control. It takes the stream as it is and knows
 * nothing of frames. */
#include "worker/proxy.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "worker/exec.h"
#include "worker/kwargs.h"
#include "worker/run.h"
#include "worker/template.h"
#include "worker/worker.h"

/* execnet's requests on the control channel */
enum { CTL_KILL = 1, CTL_WAIT = 2, CTL_ADDRESS = 3, CTL_CLOSE_WRITE = 4 };

/* A program that says so often something short without being spoken to is waited for by nobody. */
enum { UNASKED_MANY = 8, SHORT_BYTES = 2048 };

/* Bytes for a program that does not read, from a peer that knows no credit. */
enum { UNSENT_HIGH = 16 << 20 };

enum proxy_state {
	PROXY_WANTS_SPEC,    /* execnet's form: the xspec's fields, then the control channel */
	PROXY_WANTS_CONTROL, /* come as the first two items */
	PROXY_AWAITS_CHILD,  /* of a template */
	PROXY_RUNNING,
	PROXY_ENDED, /* the program; its last output is under way */
	PROXY_DONE,
};

struct proxy {
	struct ff_exec exec;
	struct ff_run run;
	struct ff_channel *control; /* a reference, until it ends */
	struct ff_strv argv, env;
	char *cwd;
	int nice;
	struct ff_template_order order;
	char *address;	  /* execnet's remote address, or NULL */
	size_t owed;	  /* received, not yet written, not yet credited */
	unsigned waits;	  /* CTL_WAITs to answer */
	unsigned unasked; /* what it has said since it was spoken to */
	int status;
	uint8_t state; /* enum proxy_state */
	uint8_t refs;  /* the execution, the run, the callback of either channel */
	bool ours;     /* not execnet's form: stderr and the exit are told */
	bool holding;  /* the worker's input */
};

static struct proxy *of_run(struct ff_run *run)
{
	return ff_container_of(run, struct proxy, run);
}

static void drop_control(struct proxy *proxy)
{
	struct ff_channel *control = proxy->control;

	proxy->control = NULL;
	if (!control)
		return;
	ff_channel_set_drain(control, NULL, NULL);
	ff_channel_unref(control);
}

static void unref(struct proxy *proxy)
{
	if (--proxy->refs)
		return;
	drop_control(proxy);
	ff_strv_release(&proxy->argv);
	ff_strv_release(&proxy->env);
	ff_free(proxy->cwd);
	ff_free(proxy->address);
	ff_free(proxy);
}

/* --- control: answers --- */

static void answer(struct proxy *proxy, struct ff_value value)
{
	if (proxy->control)
		ff_channel_send(proxy->control, &value, NULL);
}

/* As Python's Popen.wait gives it. */
static int exit_code(int status)
{
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void answer_waits(struct proxy *proxy)
{
	for (; proxy->waits; proxy->waits--)
		answer(proxy, ff_int(exit_code(proxy->status)));
}

static void tell(struct proxy *proxy, const char *word, struct ff_value value)
{
	struct ff_value pair[2] = {ff_str(word), value};
	struct ff_value tuple = ff_collection(FF_TUPLE, pair, 2);

	answer(proxy, tuple);
}

/* --- the end --- */

static void finish(struct proxy *proxy, const char *error)
{
	struct ff_channel *control = proxy->control;
	bool ran = proxy->state == PROXY_ENDED;

	if (proxy->state == PROXY_DONE)
		return;
	proxy->state = PROXY_DONE;
	if (proxy->holding)
		ff_worker_hold_input(proxy->exec.worker, false);
	proxy->holding = false;
	if (proxy->ours && control) {
		if (ran)
			tell(proxy, "exit", ff_int(proxy->status));
		ff_channel_ref(control);
		ff_channel_close(control, NULL);
		ff_channel_unref(control);
	}
	/* execnet's form may ask on its control channel for ever. */
	ff_exec_finish(&proxy->exec, error);
	unref(proxy);
}

/* The exit must not overtake the output, which goes through another channel. */
static void finish_if_sent(struct proxy *proxy)
{
	if (proxy->state == PROXY_ENDED &&
	    (!ff_exec_full(&proxy->exec) || !ff_channel_pending(proxy->exec.channel)))
		finish(proxy, proxy->run.lost[0] ? proxy->run.lost : NULL);
}

static void on_finished(struct ff_run *run)
{
	struct proxy *proxy = of_run(run);

	proxy->status = ff_process_status(run->process);
	proxy->exec.pid = 0;
	proxy->state = PROXY_ENDED;
	if (proxy->owed)
		ff_channel_give_credit(proxy->exec.channel, proxy->owed);
	proxy->owed = 0;
	answer_waits(proxy);
	finish_if_sent(proxy);
}

static void on_closed(struct ff_run *run)
{
	unref(of_run(run));
}

static void end(struct ff_exec *exec, bool now)
{
	struct proxy *proxy = ff_container_of(exec, struct proxy, exec);

	if (proxy->state != PROXY_RUNNING) {
		finish(proxy, NULL);
		return;
	}
	ff_process_close_stdin(proxy->run.process);
	ff_run_limit_grace(&proxy->run, FF_WORKER_GRACE_US);
	ff_run_end(&proxy->run, now);
}

/* --- from the program --- */

static bool is_full(const struct proxy *proxy)
{
	struct ff_exec control = {.channel = proxy->control};

	return ff_exec_full(&proxy->exec) ||
	       (proxy->ours && proxy->control && ff_exec_full(&control));
}

static void on_output(struct ff_run *run, bool is_err, const void *bytes, size_t len)
{
	struct proxy *proxy = of_run(run);

	if (is_err)
		tell(proxy, "stderr", ff_bytes(bytes, len));
	else
		ff_exec_lost(&proxy->exec,
			     ff_channel_send_bytes(proxy->exec.channel, bytes, len, NULL));
	if (is_full(proxy))
		ff_run_read(run, false);
	else if (!is_err && ++proxy->unasked > UNASKED_MANY && len < SHORT_BYTES)
		ff_run_rest(run);
}

static void on_drain(struct ff_channel *channel, void *ctx)
{
	struct proxy *proxy = ctx;

	if (proxy->state == PROXY_RUNNING && !is_full(proxy))
		ff_run_read(&proxy->run, true);
	finish_if_sent(proxy);
}

/* --- to the program --- */

/* Credit for what is written, and no more input than the program takes. */
static void settle(struct proxy *proxy)
{
	size_t unsent = ff_process_unsent(proxy->run.process);
	struct ff_gateway *gateway = ff_channel_gateway(proxy->exec.channel);
	bool hold;

	if (proxy->owed > unsent) {
		ff_channel_give_credit(proxy->exec.channel, proxy->owed - unsent);
		proxy->owed = unsent;
	}
	hold = unsent > UNSENT_HIGH && gateway && !ff_gateway_extended(gateway);
	if (hold != proxy->holding) {
		proxy->holding = hold;
		ff_worker_hold_input(proxy->exec.worker, hold);
	}
}

static void on_drained(struct ff_run *run)
{
	struct proxy *proxy = of_run(run);

	if (proxy->state == PROXY_RUNNING)
		settle(proxy);
}

static void write_item(struct proxy *proxy, const struct ff_value *value)
{
	struct ff_process *process = proxy->run.process;

	proxy->unasked = 0;
	if ((value->kind == FF_BYTES || value->kind == FF_STR) &&
	    ff_buf_add(ff_process_stdin(process), value->text, value->len)) {
		ff_run_end(&proxy->run, true); /* a stream with a hole is worse than none */
		return;
	}
	proxy->owed += ff_channel_item_size(proxy->exec.channel);
	ff_process_flush(process);
	settle(proxy);
}

static const struct ff_run_ops run_ops = {
	.output = on_output,
	.drained = on_drained,
	.finished = on_finished,
	.closed = on_closed,
};

/* --- control: requests --- */

static void on_control(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct proxy *proxy = ctx;
	bool running = proxy->state == PROXY_RUNNING;

	if (!item) {
		drop_control(proxy);
		unref(proxy);
		return;
	}
	switch (ff_as_int(&item->value, 0)) {
	case CTL_KILL:
		if (running)
			ff_run_signal(&proxy->run, SIGKILL);
		answer(proxy, ff_none());
		break;
	case CTL_WAIT:
		proxy->waits++;
		if (!running)
			answer_waits(proxy);
		break;
	case CTL_ADDRESS:
		answer(proxy, ff_str(proxy->address));
		break;
	case CTL_CLOSE_WRITE:
		if (running)
			ff_process_close_stdin(proxy->run.process);
		answer(proxy, ff_none());
		break;
	}
}

/* --- the start --- */

static int take_control(struct proxy *proxy, const struct ff_value *value, struct ff_err *err)
{
	struct ff_gateway *gateway = ff_channel_gateway(proxy->exec.channel);

	if (!value || value->kind != FF_CHANNEL)
		return ff_err_set(err, FF_EINVAL, "proxy: control must be a channel");
	proxy->control = ff_channel_from_id(gateway, value->channel);
	if (!proxy->control)
		return ff_err_set(err, FF_ECLOSED, "proxy: no such control channel");
	return 0;
}

static void started(struct proxy *proxy)
{
	proxy->exec.pid = ff_process_pid(proxy->run.process);
	proxy->state = PROXY_RUNNING;
	proxy->refs += 2;
	if (proxy->ours)
		ff_channel_set_drain(proxy->control, on_drain, proxy);
	if (ff_channel_set_callback(proxy->control, on_control, proxy))
		proxy->refs--; /* somebody else's: we can speak, but not listen */
}

static int start(struct proxy *proxy, const struct ff_run_opts *opts, struct ff_err *err)
{
	int rc;

	rc = ff_run_start(&proxy->run, &proxy->exec.worker->loop, opts, &run_ops, err);
	if (rc) {
		if (proxy->control)
			ff_channel_close(proxy->control, err->text);
		drop_control(proxy);
		return rc;
	}
	started(proxy);
	return 0;
}

static int start_from_spec(struct proxy *proxy, struct ff_err *err)
{
	const struct ff_run_opts opts = {
		.spawn = {.argv = proxy->argv.v,
			  .exec_fd = -1,
			  .die_with_parent = true,
			  .inherit_stderr = true,
			  .wide_pipes = true},
		.keep_stdin = true,
		.grace_us = FF_RUN_GRACE_US,
		.leak_us = FF_RUN_LEAK_US,
	};

	return start(proxy, &opts, err);
}

static int take_spec(struct proxy *proxy, const struct ff_value *spec, struct ff_err *err)
{
	const char *ssh = ff_dict_str(spec, "ssh", NULL);

	if (!ssh)
		ssh = ff_dict_str(spec, "vagrant_ssh", NULL);
	if (ssh && !(proxy->address = ff_strdup(ssh)))
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	return ff_proxy_argv(spec, &proxy->argv, err);
}

static void on_end(struct proxy *proxy, const struct ff_channel *channel)
{
	if (proxy->state == PROXY_RUNNING && ff_exec_closed_by_peer(channel))
		ff_run_end(&proxy->run, true);
	else if (proxy->state == PROXY_RUNNING)
		ff_process_close_stdin(proxy->run.process);
	else
		finish(proxy, NULL);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct proxy *proxy = ctx;
	struct ff_err err;
	int rc = 0;

	if (!item) {
		on_end(proxy, channel);
		unref(proxy);
		return;
	}
	if (proxy->state == PROXY_RUNNING) {
		write_item(proxy, &item->value);
		return;
	}
	ff_channel_give_credit(channel, ff_channel_item_size(channel));
	if (proxy->state == PROXY_WANTS_SPEC) {
		rc = take_spec(proxy, &item->value, &err);
		proxy->state = PROXY_WANTS_CONTROL;
	} else if (proxy->state == PROXY_WANTS_CONTROL) {
		rc = take_control(proxy, &item->value, &err);
		if (!rc)
			rc = start_from_spec(proxy, &err);
	}
	if (rc)
		finish(proxy, err.text);
}

/* --- ours: stderr and the exit are told, and it may be a template's child --- */

static struct ff_run_opts opts_of(const struct proxy *proxy)
{
	return (struct ff_run_opts){
		.spawn = {.argv = proxy->argv.v,
			  .env = proxy->env.len ? proxy->env.v : NULL,
			  .cwd = proxy->cwd,
			  .nice = proxy->nice,
			  .exec_fd = -1,
			  .die_with_parent = true,
			  .wide_pipes = true},
		.keep_stdin = true,
		.grace_us = FF_RUN_GRACE_US,
		.leak_us = FF_RUN_LEAK_US,
	};
}

static void listen_to_peer(struct proxy *proxy)
{
	proxy->refs++;
	ff_channel_set_callback(proxy->exec.channel, on_item, proxy);
}

static void on_child(struct ff_template_order *order, pid_t pid, const char *why)
{
	struct proxy *proxy = ff_container_of(order, struct proxy, order);
	struct ff_run_opts opts = opts_of(proxy);
	struct ff_err err;
	int rc;

	if (proxy->state != PROXY_AWAITS_CHILD) { /* it was ended meanwhile */
		if (pid > 0) {
			kill(-pid, SIGKILL);
			ff_ends_close(&order->ends);
		}
		unref(proxy);
		return;
	}
	if (why)
		tell(proxy, "template", ff_str(why));
	if (pid > 0) {
		rc = ff_run_adopt(&proxy->run, &proxy->exec.worker->loop, pid, &order->ends, &opts,
				  &run_ops, &err);
		if (rc == 0)
			started(proxy);
	} else {
		rc = start(proxy, &opts, &err);
	}
	if (rc == 0)
		listen_to_peer(proxy);
	else
		finish(proxy, err.text);
	unref(proxy);
}

/* Without a template if there is none to be had. */
static int start_like(struct proxy *proxy, const struct ff_value *kwargs, struct ff_err *err)
{
	const struct ff_value *line = ff_dict_get(kwargs, "template");
	int64_t limit_us = ff_dict_int(kwargs, "template_us", 0);
	struct ff_run_opts opts = opts_of(proxy);

	if (line && line->kind == FF_BYTES && line->len > 0) {
		proxy->order.done = on_child;
		if (ff_template_fork(proxy->exec.worker, &opts.spawn, line->text, line->len,
				     limit_us, &proxy->order, err) == 0) {
			proxy->state = PROXY_AWAITS_CHILD;
			proxy->refs++;
			return 0;
		}
	}
	return start(proxy, &opts, err);
}

static int start_ours(struct proxy *proxy, const struct ff_value *kwargs, struct ff_err *err)
{
	const char *cwd = NULL;
	int rc;

	proxy->ours = true;
	proxy->nice = (int)ff_dict_int(kwargs, "nice", 0);
	rc = ff_kwargs_strv(kwargs, "argv", &proxy->argv, err);
	if (!rc)
		rc = ff_kwargs_text(kwargs, "cwd", &cwd, err);
	if (!rc && cwd && !(proxy->cwd = ff_strdup(cwd)))
		rc = ff_err_set(err, FF_ENOMEM, "out of memory");
	if (!rc)
		rc = ff_kwargs_env(kwargs, environ, &proxy->env, err);
	if (!rc)
		rc = take_control(proxy, ff_dict_get(kwargs, "control"), err);
	return rc ? rc : start_like(proxy, kwargs, err);
}

int ff_builtin_proxy(struct ff_worker *worker, struct ff_channel *channel,
		     const struct ff_request *request, struct ff_err *err)
{
	struct proxy *proxy = ff_calloc(1, sizeof(*proxy));
	int rc;

	if (!proxy)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	proxy->refs = 1;
	proxy->exec.worker = worker;
	proxy->exec.channel = channel;
	if (ff_dict_get(request->kwargs, "argv")) {
		rc = start_ours(proxy, request->kwargs, err);
		if (rc) {
			drop_control(proxy);
			unref(proxy);
			return rc;
		}
	}
	ff_exec_begin(&proxy->exec, worker, channel, end);
	ff_channel_hold_credit(channel, true);
	ff_channel_set_drain(channel, on_drain, proxy);
	if (proxy->state != PROXY_AWAITS_CHILD)
		listen_to_peer(proxy);
	return FF_EXEC_RUNNING;
}
