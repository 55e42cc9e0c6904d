/* The public face of opening: groups on a loop, gateways by xspec, and what is known of them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "base/clock.h"
#include "io/trace.h"
#include "transport/exec.h"
#include "transport/given.h"
#include "transport/opener.h"
#include "transport/popen.h"
#include "io/loop_private.h"

enum {
	CONNECT_TIMEOUT_S = 30,
	HEARTBEAT_S = 5,
	SILENCE_S = 15,
	PATIENCE = 4, /* of a worker elsewhere with us, as a multiple of ours with it */
	EXIT_LIMIT_S = 1,
};

struct ff_opener *ff_opener_of(const struct ff_gateway *gateway)
{
	return ff_gateway_ctx(gateway, &ff_opener_gateway_ops);
}

/* --- the group's driver --- */

static int driver_run_once(void *ctx, int64_t deadline_us)
{
	return ff_loop_run_once(ctx, deadline_us);
}

static int64_t driver_now(void *ctx)
{
	return ff_clock_us();
}

static void driver_kill(void *ctx, struct ff_gateway *gateway)
{
	struct ff_opener *opener = ff_opener_of(gateway);

	if (opener)
		ff_opener_kill(opener);
}

static void driver_release(void *ctx, struct ff_gateway *gateway)
{
	struct ff_opener *opener = ff_opener_of(gateway);

	if (!opener)
		return;
	ff_opener_tell_closed(opener);
	ff_opener_release(opener);
}

static int driver_builtin(void *ctx, const struct ff_gateway *gateway, const char *name,
			  struct ff_task *task, struct ff_err *err)
{
	return ff_exec_builtin(gateway, name, task, err);
}

static const struct ff_group_driver driver = {
	.run_once = driver_run_once,
	.now_us = driver_now,
	.kill = driver_kill,
	.release = driver_release,
	.builtin = driver_builtin,
};

/* Members that a program leaves behind: those elsewhere see the connection end. */
static void on_exit_of_program(void)
{
	ff_popen_end_all(EXIT_LIMIT_S * FF_SECOND_US);
}

static void register_exit(void)
{
	atexit(on_exit_of_program);
}

struct ff_group *ff_open_group(struct ff_loop *loop, struct ff_err *err)
{
	static pthread_once_t registered = PTHREAD_ONCE_INIT;
	struct ff_group *group;

	ff_trace_from_env();
	pthread_once(&registered, register_exit);
	group = ff_group_new(&driver, loop);
	if (!group)
		ff_err_set(err, FF_ENOMEM, "out of memory");
	return group;
}

void ff_open_release(struct ff_gateway *gateway)
{
	struct ff_group *group = gateway ? ff_gateway_group(gateway) : NULL;
	struct ff_opener *opener = group ? ff_opener_of(gateway) : NULL;

	if (!group)
		return;
	ff_group_remove(group, gateway);
	if (opener)
		ff_opener_release(opener);
}

/* --- opening --- */

/* In microseconds, 0 being `standard` seconds; far from where sums overflow. */
static int64_t limit_us(int64_t ms, int64_t standard)
{
	if (ms > FF_NEVER_US / (2 * PATIENCE * 1000))
		return FF_NEVER_US / (2 * PATIENCE);
	return ms ? ms * 1000 : standard * FF_SECOND_US;
}

static void set_opts(struct ff_opener *opener, const struct ff_open_opts *opts)
{
	opener->opts = *opts;
	opener->connect_timeout_us = limit_us(opts->connect_timeout_ms, CONNECT_TIMEOUT_S);
	opener->heartbeat_us =
		opts->heartbeat_ms < 0 ? -1 : limit_us(opts->heartbeat_ms, HEARTBEAT_S);
	opener->silence_us = limit_us(opts->silence_ms, SILENCE_S);
}

/* On this machine a worker sees our end in any case; elsewhere only who is patient can tell a
 * controller that was stopped for a while from one that is gone. */
static int64_t peer_silence_ms(const struct ff_opener *opener)
{
	int64_t own = opener->silence_us;

	return opener->transport->local || own > FF_NEVER_US / PATIENCE ? -1
									: PATIENCE * own / 1000;
}

static struct ff_gateway *make_gateway(struct ff_opener *opener, const struct ff_xspec *spec)
{
	const struct ff_gateway_opts opts = {
		.id = spec->id,
		.initiator = true,
		.window_bytes = opener->opts.window_bytes,
		.item_max = opener->opts.item_max,
		.peer_silence_ms = peer_silence_ms(opener),
		.ops = &ff_opener_gateway_ops,
		.ctx = opener,
	};

	return ff_gateway_new(&opts);
}

static void on_unused_timer(struct ff_timer *timer)
{
	ff_free(timer->ctx);
}

static struct ff_opener *make_opener(struct ff_group *group, const struct ff_xspec *spec,
				     const struct ff_transport *transport,
				     const struct ff_open_opts *opts, struct ff_err *err)
{
	struct ff_opener *opener = ff_calloc(1, sizeof(*opener));

	if (!opener || ff_opener_init(opener, ff_group_ctx(group)) != 0) {
		ff_free(opener);
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	set_opts(opener, opts);
	opener->transport = transport;
	/* What installvia= starts has Python only. */
	opener->native = spec->worker && *spec->worker == 'n' && !spec->installvia;
	opener->connect_deadline_us = ff_clock_us() + opener->connect_timeout_us;
	opener->gateway = make_gateway(opener, spec);
	if (!opener->gateway)
		ff_err_set(err, FF_ENOMEM, "out of memory");
	if (!opener->gateway || ff_group_add(group, opener->gateway, err) != 0) {
		/* Its end is nobody's news. */
		opener->state = FF_OPENER_FAILED;
		opener->opts = (struct ff_open_opts){0};
		if (opener->gateway)
			ff_gateway_free(opener->gateway);
		ff_timer_close(&opener->timer, on_unused_timer);
		return NULL;
	}
	return opener;
}

static int find_parent(struct ff_group *group, const struct ff_xspec *spec,
		       struct ff_opener **parent, struct ff_err *err)
{
	const char *id = spec->via ? spec->via : spec->installvia;
	struct ff_gateway *gateway;

	*parent = NULL;
	if (spec->installvia && (spec->via || !spec->socket))
		return ff_err_set(err, FF_EINVAL, "%s: installvia= is for socket= alone",
				  spec->text);
	if (!id)
		return 0;
	gateway = ff_group_get(group, id);
	if (!gateway)
		return ff_err_set(err, FF_EINVAL, "%s: the group has no gateway '%s'", spec->text,
				  id);
	if (ff_gateway_state(gateway) == FF_GATEWAY_CLOSED)
		return ff_err_set(err, FF_EINVAL, "%s: gateway '%s' is closed", spec->text, id);
	*parent = ff_opener_of(gateway);
	return 0;
}

static int choose_model(struct ff_group *group, struct ff_xspec *spec, struct ff_err *err)
{
	const char *model = ff_group_execmodel(group);

	if (spec->execmodel || !strcmp(model, "thread") || !ff_xspec_set(spec, "execmodel", model))
		return 0;
	return ff_err_set(err, FF_ENOMEM, "out of memory");
}

struct ff_gateway *ff_open_gateway(struct ff_group *group, struct ff_xspec *spec,
				   const struct ff_open_opts *given, struct ff_err *err)
{
	struct ff_open_opts all, *opts = &all;
	const struct ff_transport *transport;
	bool had_id = spec->id;
	struct ff_opener *parent, *opener = NULL;

	ff_opts_copy(&all, sizeof(all), given, FF_OPTS_UNTIL(struct ff_open_opts, ctx));
	transport = opts->line_fd > 0 ? &ff_transport_given : ff_transport_find(spec, err);
	if (!transport || find_parent(group, spec, &parent, err) != 0)
		return NULL;
	if (opts->inherit_fd > 0 && transport != &ff_transport_popen) {
		ff_err_set(err, FF_EUNSUPPORTED, "%s: a descriptor is for popen alone", spec->text);
		return NULL;
	}
	if (ff_group_allocate_id(group, spec, err) == 0 && choose_model(group, spec, err) == 0)
		opener = make_opener(group, spec, transport, opts, err);
	if (!opener) {
		if (!had_id)
			ff_xspec_set(spec, "id", NULL);
		return NULL;
	}
	ff_gateway_set_spec(opener->gateway, spec);
	if (parent && parent->state != FF_OPENER_OPEN) {
		ff_list_add_tail(&parent->children, &opener->waiting);
		ff_timer_set(&opener->timer, opener->connect_deadline_us);
	} else {
		ff_opener_start(opener);
	}
	return opener->gateway;
}

struct waiter {
	bool done;
	struct ff_err err;
};

static void on_made(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct waiter *waiter = ctx;

	waiter->done = true;
	if (err)
		waiter->err = *err;
}

struct ff_gateway *ff_makegateway(struct ff_group *group, const char *text, struct ff_err *err)
{
	struct waiter waiter = {0};
	const struct ff_open_opts opts = {.opened = on_made, .ctx = &waiter};
	struct ff_gateway *gateway;
	struct ff_xspec spec;
	struct ff_loop *loop;
	int rc = 0;

	if (!group && !(group = ff_default_group(err)))
		return NULL;
	loop = ff_group_ctx(group);
	if (loop->running) {
		ff_err_set(err, FF_EDEADLK, "%s", ff_err_text(FF_EDEADLK));
		return NULL;
	}
	if (ff_xspec_parse(&spec, text && *text ? text : ff_group_default_spec(group), err) != 0)
		return NULL;
	gateway = ff_open_gateway(group, &spec, &opts, err);
	if (!gateway) {
		ff_xspec_release(&spec);
		return NULL;
	}
	while (!waiter.done && rc == 0)
		rc = ff_loop_run_once(loop, FF_NEVER_US);
	if (rc)
		ff_err_set(&waiter.err, rc, "%s", ff_err_text(rc));
	if (waiter.err.code == 0)
		return gateway;
	if (err)
		*err = waiter.err;
	ff_open_release(gateway);
	return NULL;
}

/* --- what is known of it --- */

bool ff_gateway_is_native(const struct ff_gateway *gateway)
{
	const struct ff_opener *opener = ff_opener_of(gateway);
	const struct ff_value *worker;

	if (!opener)
		return false;
	/* python= may name anything: what it says of itself counts. */
	worker = ff_dict_get(&opener->info.value, "worker");
	return worker ? ff_is_str(worker, "native") : opener->native;
}

void ff_gateway_rest(struct ff_gateway *gateway)
{
	struct ff_opener *opener = ff_opener_of(gateway);

	if (opener && opener->line == FF_LINE_LIVE && opener->transport->rest)
		opener->transport->rest(&opener->conn);
}

const struct ff_value *ff_gateway_info(const struct ff_gateway *gateway)
{
	static const struct ff_value none = {.kind = FF_NONE};
	const struct ff_opener *opener = ff_opener_of(gateway);

	return opener ? &opener->info.value : &none;
}

const char *ff_gateway_cwd(const struct ff_gateway *gateway)
{
	const struct ff_opener *opener = ff_opener_of(gateway);

	if (opener && opener->cwd)
		return opener->cwd;
	return ff_dict_str(ff_gateway_info(gateway), "cwd", "");
}

const char *ff_gateway_stderr(const struct ff_gateway *gateway)
{
	struct ff_opener *opener = ff_opener_of(gateway);
	const char *text = opener ? ff_buf_str(&opener->stderr_text) : NULL;

	return text ? text : "";
}

const char *ff_gateway_peer(const struct ff_gateway *gateway)
{
	const struct ff_opener *opener = ff_opener_of(gateway);

	return opener ? opener->conn.peer : "";
}

bool ff_gateway_wait_status(const struct ff_gateway *gateway, int *status)
{
	const struct ff_opener *opener = ff_opener_of(gateway);

	/* Before there was a connection there is no transport either. */
	if (!opener || !opener->conn.transport || opener->line == FF_LINE_LIVE ||
	    opener->conn.status == -1)
		return false;
	*status = opener->conn.status;
	return true;
}
