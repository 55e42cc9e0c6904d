/* Opening as a state machine: a table of transitions, one function that takes them, one action per
 * state. Also the opener's end, and its gateway's. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "transport/opener.h"
#include "transport/socket.h"
#include "worker/bootstrap.h"
#include "io/loop_private.h"

/* How long the end of a gateway waits to be told for the exit of what carried it. */
#define EXIT_LIMIT_US FF_SECOND_US

/* X(name, text in traces) */
#define EVENT_MAP(X)                                                                               \
	X(START, "start")                                                                          \
	X(UP, "line up")                                                                           \
	X(UP_UPLOAD, "line up, upload")                                                            \
	X(RUN, "worker runs")                                                                      \
	X(REFUSED, "native worker refused")                                                        \
	X(ANSWER, "first byte")                                                                    \
	X(HELLO, "HELLO")                                                                          \
	X(CONFIGURED, "configured")                                                                \
	X(FAIL, "failed")

enum event {
#define X(name, text) EV_##name,
	EVENT_MAP(X)
#undef X
};

static const char *const state_names[] = {
#define X(name, text) text,
	FF_OPENER_STATE_MAP(X)
#undef X
};

static const char *const event_names[] = {
#define X(name, text) text,
	EVENT_MAP(X)
#undef X
};

#define S(name) FF_OPENER_##name

static const struct {
	enum ff_opener_state from;
	enum event event;
	enum ff_opener_state to;
} transitions[] = {
	{S(WAITING), EV_START, S(CONNECTING)},	     {S(CONNECTING), EV_UP, S(BOOTING)},
	{S(CONNECTING), EV_UP_UPLOAD, S(UPLOADING)}, {S(CONNECTING), EV_REFUSED, S(RETRYING)},
	{S(UPLOADING), EV_RUN, S(BOOTING)},	     {S(UPLOADING), EV_REFUSED, S(RETRYING)},
	{S(BOOTING), EV_REFUSED, S(RETRYING)},	     {S(RETRYING), EV_START, S(CONNECTING)},
	{S(BOOTING), EV_ANSWER, S(GREETING)},	     {S(GREETING), EV_HELLO, S(CONFIGURING)},
	{S(CONFIGURING), EV_CONFIGURED, S(OPEN)},    {S(WAITING), EV_FAIL, S(FAILED)},
	{S(CONNECTING), EV_FAIL, S(FAILED)},	     {S(UPLOADING), EV_FAIL, S(FAILED)},
	{S(RETRYING), EV_FAIL, S(FAILED)},	     {S(BOOTING), EV_FAIL, S(FAILED)},
	{S(GREETING), EV_FAIL, S(FAILED)},	     {S(CONFIGURING), EV_FAIL, S(FAILED)},
};

static void enter_connecting(struct ff_opener *opener);
static void enter_retrying(struct ff_opener *opener);
static void enter_booting(struct ff_opener *opener);
static void enter_greeting(struct ff_opener *opener);
static void enter_configuring(struct ff_opener *opener);
static void enter_open(struct ff_opener *opener);

static void (*const actions[])(struct ff_opener *opener) = {
	[S(CONNECTING)] = enter_connecting,
	[S(RETRYING)] = enter_retrying,
	[S(BOOTING)] = enter_booting,
	[S(GREETING)] = enter_greeting,
	[S(CONFIGURING)] = enter_configuring,
	[S(OPEN)] = enter_open,
	[S(FAILED)] = NULL,
};

/* False: the event means nothing in this state. */
static bool step(struct ff_opener *opener, enum event event)
{
	for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
		if (transitions[i].from != opener->state || transitions[i].event != event)
			continue;
		if (ff_log_on())
			ff_log("%s: %s -> %s (%s)", ff_gateway_id(opener->gateway),
			       state_names[opener->state], state_names[transitions[i].to],
			       event_names[event]);
		opener->state = transitions[i].to;
		if (actions[opener->state])
			actions[opener->state](opener);
		return true;
	}
	return false;
}

void ff_opener_fail(struct ff_opener *opener, const struct ff_err *cause)
{
	struct ff_err copy = *cause;

	if (opener->state == S(FAILED) || opener->state == S(OPEN))
		return;
	ff_opener_explain(opener, &copy);
	step(opener, EV_FAIL);
	ff_gateway_lost(opener->gateway, &opener->err);
}

static void arm(struct ff_opener *opener)
{
	int64_t due = ff_gateway_deadline(opener->gateway);

	if (opener->untold)
		return; /* the timer is for that */
	if (due != FF_NEVER_US)
		due += ff_clock_us() - ff_clock_boot_us();
	if (opener->state < S(OPEN) && opener->connect_deadline_us < due)
		due = opener->connect_deadline_us;
	if (ff_gateway_state(opener->gateway) == FF_GATEWAY_CLOSED)
		due = FF_NEVER_US;
	ff_timer_set(&opener->timer, due);
}

static void on_timer(struct ff_timer *timer)
{
	static const struct ff_err late = {.code = FF_ETIMEOUT};
	struct ff_opener *opener = timer->ctx;
	int64_t now = ff_clock_us();

	ff_opener_tell_closed(opener);
	if (opener->state < S(OPEN) &&
	    ff_overslept(now - opener->connect_deadline_us, opener->connect_timeout_us))
		opener->connect_deadline_us = now + opener->connect_timeout_us;
	if (opener->state < S(OPEN) && now >= opener->connect_deadline_us)
		ff_opener_fail(opener, &late);
	else if (opener->state >= S(GREETING))
		ff_gateway_tick(opener->gateway, ff_clock_boot_us(), NULL);
	arm(opener);
}

/* --- the states --- */

static void refuse_file(struct ff_opener *opener, const char *why)
{
	ff_opener_note(opener,
		       "the native worker does not run from memory (%s): the cache is tried", why);
	step(opener, EV_REFUSED);
}

static void enter_connecting(struct ff_opener *opener)
{
	struct ff_err err;

	if (ff_opener_connect(opener, &err) == 0)
		return;
	if (opener->native && opener->exec_file && (err.code == FF_ESPAWN || err.code == FF_ESYS)) {
		refuse_file(opener, err.text);
	} else {
		ff_opener_fail(opener, &err);
	}
}

static void enter_retrying(struct ff_opener *opener)
{
	if (opener->exec_file && !opener->no_file)
		opener->no_file = true;
	else
		opener->native = false;
	ff_opener_kill_line(opener);
	if (opener->line == FF_LINE_NONE)
		step(opener, EV_START);
}

void ff_opener_line_up(struct ff_opener *opener)
{
	bool asks = opener->native && !opener->exec_file;

	/* A socket server has its own; what has not answers in the same words. */
	if (asks && !opener->transport->launches)
		ff_buf_addstr(&opener->out, FF_SOCKET_NATIVE_LINE);
	step(opener, asks ? EV_UP_UPLOAD : EV_UP);
	ff_opener_flush(opener);
}

static void send_image(struct ff_opener *opener)
{
	const void *image;
	size_t size;
	struct ff_err err;

	if (opener->needs++ >= FF_UPLOADS_MAX) {
		ff_err_set(&err, FF_EPROTO, "it asks for the worker again and again");
		ff_opener_fail(opener, &err);
		return;
	}
	ff_bootstrap_image(&image, &size);
	if (ff_buf_add(&opener->out, image, size) == 0)
		ff_opener_flush(opener);
}

static void refuse(struct ff_opener *opener)
{
	/* Servers that know only Python are no surprise. */
	if (opener->transport->launches || strcmp(opener->refusal.text, FF_SOCKET_NO_NATIVE) != 0)
		ff_opener_note(opener,
			       "the native worker does not run here (%s): Python takes its place",
			       opener->refusal.text);
	step(opener, EV_REFUSED);
}

static void scan_early(struct ff_opener *opener)
{
	for (;;) {
		switch (ff_opener_early(opener)) {
		case FF_EARLY_RUN:
			step(opener, EV_RUN);
			break;
		case FF_EARLY_NEED:
			send_image(opener);
			break;
		case FF_EARLY_NO:
			refuse(opener);
			return;
		case FF_EARLY_ANSWER:
			step(opener, EV_ANSWER);
			return;
		case FF_EARLY_NOTHING:
			return;
		}
	}
}

static void enter_booting(struct ff_opener *opener)
{
	const struct ff_xspec *spec = ff_gateway_spec(opener->gateway);
	struct ff_err err;

	if (!opener->native) {
		if (ff_bootstrap_python_line(&opener->out, spec->id, spec->execmodel,
					     !opener->transport->launches, &err) != 0) {
			ff_opener_fail(opener, &err);
			return;
		}
		ff_opener_flush(opener);
	}
}

static void enter_greeting(struct ff_opener *opener)
{
	int64_t beat = opener->heartbeat_us / 1000, silence = opener->silence_us / 1000;
	int rc = FF_EINVAL;

	if (!ff_gateway_spec(opener->gateway)->plain)
		rc = ff_gateway_hello(opener->gateway, beat < 0 ? 0 : beat, beat < 0 ? 0 : silence,
				      ff_clock_boot_us());

	ff_gateway_opened(opener->gateway);
	arm(opener);
	ff_opener_flush(opener);
	/* The spec says so, or somebody has sent already: then it is plain execnet. */
	if (rc == FF_EINVAL)
		step(opener, EV_HELLO);
}

static void on_hello(struct ff_gateway *gateway, const struct ff_value *capabilities, void *ctx)
{
	struct ff_opener *opener = ctx;
	struct ff_buf packed = FF_BUF_INIT;

	if (ff_dump_item(&packed, capabilities, NULL) == 0)
		ff_load_item(&opener->info, ff_buf_data(&packed), packed.len, NULL, 0, NULL);
	ff_buf_release(&packed);
	step(opener, EV_HELLO);
}

static void on_config(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_opener *opener = ctx;
	struct ff_err err;

	if (opener->state != S(CONFIGURING))
		return;
	if (item) {
		const char *cwd = ff_dict_str(&item->value, "cwd", NULL);

		opener->configured = true;
		ff_free(opener->cwd);
		opener->cwd = cwd ? ff_strdup(cwd) : NULL;
	} else if (opener->configured) {
		step(opener, EV_CONFIGURED);
	} else if (ff_gateway_state(opener->gateway) == FF_GATEWAY_OPEN) {
		const char *why = ff_channel_error(channel);

		ff_err_set(&err, FF_EREMOTE, "cannot be configured: %s",
			   why ? why : "it gave no answer");
		ff_opener_fail(opener, &err);
	}
}

static void send_config(struct ff_opener *opener, const struct ff_xspec *spec,
			struct ff_value *entries)
{
	bool native = ff_gateway_is_native(opener->gateway);
	struct ff_value kwargs[6] = {
		ff_str("chdir"), ff_str(spec->chdir && *spec->chdir ? spec->chdir : NULL),
		ff_str("nice"),	 ff_int(spec->nice ? strtol(spec->nice, NULL, 10) : 0),
		ff_str("env"),	 ff_xspec_env(spec, entries),
	};
	struct ff_task task = {
		.source = native ? NULL : ff_bootstrap_source("configure"),
		.call_name = "configure",
		.kwargs = ff_collection(FF_DICT, kwargs, 3),
	};
	struct ff_err err;

	opener->config = ff_gateway_remote_exec(opener->gateway, &task, &err);
	if (!opener->config) {
		ff_opener_fail(opener, &err);
		return;
	}
	ff_channel_set_callback(opener->config, on_config, opener);
}

static void enter_configuring(struct ff_opener *opener)
{
	const struct ff_xspec *spec = ff_gateway_spec(opener->gateway);
	static const struct ff_err no_memory = {FF_ENOMEM, "out of memory"};
	struct ff_value *entries;

	if (!spec->chdir && !spec->nice && spec->env.len == 0) {
		step(opener, EV_CONFIGURED);
		return;
	}
	entries = ff_calloc(2 * spec->env.len + 1, sizeof(*entries));
	if (!entries) {
		ff_opener_fail(opener, &no_memory);
		return;
	}
	send_config(opener, spec, entries);
	ff_free(entries);
}

static void enter_open(struct ff_opener *opener)
{
	arm(opener);
	while (!ff_list_empty(&opener->children)) {
		struct ff_opener *child =
			ff_container_of(opener->children.next, struct ff_opener, waiting);

		ff_list_del(&child->waiting);
		ff_opener_start(child);
	}
	if (opener->opts.opened)
		opener->opts.opened(opener->gateway, NULL, opener->opts.ctx);
}

/* --- the line --- */

void ff_opener_line_data(struct ff_opener *opener, const void *bytes, size_t len)
{
	struct ff_err err;

	if (opener->state >= S(GREETING)) {
		if (ff_gateway_state(opener->gateway) != FF_GATEWAY_CLOSED)
			ff_gateway_feed(opener->gateway, bytes, len, ff_clock_boot_us(), NULL);
		return;
	}
	opener->noise += len;
	if (opener->noise > FF_NOISE_MAX || ff_buf_add(&opener->early, bytes, len) != 0) {
		ff_err_set(&err, FF_EPROTO, "too much output before the worker answered");
		ff_opener_fail(opener, &err);
		return;
	}
	scan_early(opener);
	if (opener->state >= S(GREETING) && opener->early.len > 0 &&
	    ff_gateway_state(opener->gateway) == FF_GATEWAY_OPEN) {
		struct ff_buf rest = opener->early;

		ff_buf_init(&opener->early, FF_EARLY_MAX);
		ff_gateway_feed(opener->gateway, ff_buf_data(&rest), rest.len, ff_clock_boot_us(),
				NULL);
		ff_buf_release(&rest);
	}
}

enum { SSH_UNREACHED = 255 };

/* The native worker was to be executed, and ended before its first byte: a shell or our own child
 * could not run it, a machine or its rules don't allow it, or what it runs under (valgrind, say)
 * can't. Not so if somebody has ended it, or ssh says that the host was not reached. */
static bool could_not_run(const struct ff_opener *opener)
{
	int status = opener->conn.status;

	if (!opener->native || opener->state != S(BOOTING) || status == -1)
		return false;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM &&
		       WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGHUP;
	return WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != SSH_UNREACHED;
}

void ff_opener_line_down(struct ff_opener *opener, const struct ff_err *err)
{
	if (ff_gateway_state(opener->gateway) == FF_GATEWAY_CLOSED) {
		ff_opener_tell_closed(opener);
		return;
	}
	if (opener->state == S(RETRYING))
		return;
	if (could_not_run(opener) && !opener->killed && opener->exec_file) {
		refuse_file(opener, err->text);
	} else if (could_not_run(opener) && !opener->killed) {
		opener->refusal = *err;
		refuse(opener);
	} else if (opener->state != S(OPEN)) {
		ff_opener_fail(opener, err);
	} else if (ff_gateway_exiting(opener->gateway) && err->code == 0) {
		ff_opener_stderr_end(opener);
		ff_gateway_lost(opener->gateway, NULL);
	} else {
		ff_opener_explain_end(opener, err);
		ff_gateway_lost(opener->gateway, &opener->err);
	}
}

/* --- what the gateway says --- */

static void on_want_write(struct ff_gateway *gateway, void *ctx)
{
	struct ff_opener *opener = ctx;

	ff_loop_defer(opener->loop, &opener->flush);
}

static void on_flush(struct ff_deferred *deferred)
{
	ff_opener_flush(ff_container_of(deferred, struct ff_opener, flush));
}

static void fail_children(struct ff_opener *opener)
{
	struct ff_err err;

	while (!ff_list_empty(&opener->children)) {
		struct ff_opener *child =
			ff_container_of(opener->children.next, struct ff_opener, waiting);

		ff_list_del(&child->waiting);
		ff_err_set(&err, FF_EUNREACH, "gateway '%s' is not there: %s",
			   ff_gateway_id(opener->gateway), ff_gateway_error(opener->gateway)->text);
		ff_opener_fail(child, &err);
	}
}

void ff_opener_tell_closed(struct ff_opener *opener)
{
	if (!opener->untold)
		return;
	opener->untold = false;
	ff_timer_set(&opener->timer, FF_NEVER_US);
	if (opener->opts.closed)
		opener->opts.closed(opener->gateway, ff_gateway_error(opener->gateway),
				    opener->opts.ctx);
}

static void on_closed(struct ff_gateway *gateway, const struct ff_err *why, void *ctx)
{
	struct ff_opener *opener = ctx;
	bool was_open = opener->state == S(OPEN);

	ff_timer_set(&opener->timer, FF_NEVER_US);
	opener->untold = was_open;
	ff_deferred_cancel(&opener->start);
	ff_list_del(&opener->waiting);
	ff_opener_kill_line(opener);
	if (was_open) {
		/* Nonsense: how the worker exits comes after it. A silent host's exit is our
		 * doing. */
		if (opener->line == FF_LINE_LIVE && why->code != FF_ELOST)
			ff_timer_set(&opener->timer, ff_clock_us() + EXIT_LIMIT_US);
		else
			ff_opener_tell_closed(opener);
	} else {
		if (opener->state != S(FAILED)) {
			ff_opener_explain(opener, why);
			step(opener, EV_FAIL);
		}
		if (opener->opts.opened)
			opener->opts.opened(gateway, &opener->err, opener->opts.ctx);
	}
	fail_children(opener);
}

const struct ff_gateway_ops ff_opener_gateway_ops = {
	.want_write = on_want_write,
	.hello = on_hello,
	.closed = on_closed,
};

/* --- life --- */

static void on_start(struct ff_deferred *deferred)
{
	step(ff_container_of(deferred, struct ff_opener, start), EV_START);
}

static void on_line_freed(struct ff_conn *conn)
{
	struct ff_opener *opener = conn->ctx;

	opener->line = FF_LINE_NONE;
	ff_opener_line_freed(opener);
}

static void on_reap(struct ff_deferred *deferred)
{
	struct ff_opener *opener = ff_container_of(deferred, struct ff_opener, reap);

	if (opener->line != FF_LINE_CLOSED)
		return;
	opener->line = FF_LINE_RELEASING;
	opener->conn.transport->release(&opener->conn, on_line_freed);
}

int ff_opener_init(struct ff_opener *opener, struct ff_loop *loop)
{
	opener->loop = loop;
	ff_deferred_init(&opener->start, on_start);
	ff_deferred_init(&opener->flush, on_flush);
	ff_deferred_init(&opener->reap, on_reap);
	ff_buf_init(&opener->early, FF_EARLY_MAX);
	ff_list_init(&opener->waiting);
	ff_list_init(&opener->children);
	return ff_timer_init(&opener->timer, loop, on_timer, opener);
}

void ff_opener_start(struct ff_opener *opener)
{
	arm(opener);
	ff_loop_defer(opener->loop, &opener->start);
}

void ff_opener_kill(struct ff_opener *opener)
{
	static const struct ff_err killed = {FF_ECANCELED, "ended on request"};

	opener->killed = true;
	if (opener->line == FF_LINE_LIVE && opener->state != S(RETRYING)) {
		ff_opener_kill_line(opener);
	} else if (opener->state == S(OPEN)) {
		ff_gateway_lost(opener->gateway, &killed);
	} else {
		ff_opener_fail(opener, &killed);
	}
}

static void on_timer_closed(struct ff_timer *timer)
{
	struct ff_opener *opener = timer->ctx;

	opener->loop->ending--;
	ff_deferred_cancel(&opener->start);
	ff_deferred_cancel(&opener->flush);
	ff_deferred_cancel(&opener->reap);
	ff_channel_unref(opener->config);
	ff_gateway_free(opener->gateway);
	ff_item_release(&opener->info);
	ff_free(opener->cwd);
	ff_buf_release(&opener->out);
	ff_buf_release(&opener->early);
	ff_buf_release(&opener->noise_text);
	ff_buf_release(&opener->stderr_text);
	ff_buf_release(&opener->stderr_line);
	ff_free(opener);
}

void ff_opener_line_freed(struct ff_opener *opener)
{
	if (opener->releasing) {
		ff_timer_close(&opener->timer, on_timer_closed);
	} else if (opener->state == S(RETRYING)) {
		step(opener, EV_START);
	}
}

void ff_opener_release(struct ff_opener *opener)
{
	if (opener->releasing)
		return;
	opener->releasing = true;
	opener->loop->ending++;
	/* It may not have begun yet, and then it shall not. */
	ff_deferred_cancel(&opener->start);
	/* Nobody is listening any more. */
	opener->opts.opened = NULL;
	opener->opts.closed = NULL;
	opener->opts.stderr_line = NULL;
	opener->opts.stderr_bytes = NULL;
	if (opener->line == FF_LINE_NONE)
		ff_timer_close(&opener->timer, on_timer_closed);
	else
		ff_opener_kill_line(opener);
}
