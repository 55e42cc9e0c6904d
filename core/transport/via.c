/* Lines through another gateway: channel items are the bytes, a second channel carries control.
 * Knows the proxy's messages; credit of the outer channel follows what the inner side consumed. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/group.h"
#include "io/process.h"
#include "transport/command.h"
#include "transport/open.h"
#include "transport/via.h"
#include "worker/bootstrap.h"
#include "io/loop_private.h"

enum {
	CHUNK = 64 << 10,
	HELD_MAX = 64 << 20, /* what a peer without credit may send while reading is off */
	CONTROL_KILL = 1,
	CONTROL_CLOSE_WRITE = 4,
};

struct tunnel {
	struct ff_conn *conn;
	struct ff_gateway *parent; /* NULL once it may be gone */
	struct ff_channel *data, *control;
	struct ff_deferred start;
	struct ff_buf held; /* arrived while reading is off */
	size_t owed;	    /* credit for it */
	bool paused, close_write, data_ended, control_ended, exited, closed;
	int status, failed;
};

/* A line with a hole in it, or one that can't be told to end, is none: the proxy kills what it runs
 * when the channel closes. */
static void check_sent(struct tunnel *tunnel, int rc)
{
	if (rc == 0 || rc == FF_EAGAIN || rc == FF_ECLOSED)
		return;
	tunnel->failed = rc;
	ff_channel_close(tunnel->data, NULL);
}

static void control_send(struct tunnel *tunnel, int64_t number)
{
	struct ff_value value = ff_int(number);

	check_sent(tunnel, ff_channel_send(tunnel->control, &value, NULL));
}

static void pump(struct tunnel *tunnel)
{
	struct ff_conn *conn = tunnel->conn;
	bool sent = false;
	int rc;

	while (conn->out->len > 0 && ff_channel_writable(tunnel->data)) {
		size_t len = conn->out->len < CHUNK ? conn->out->len : CHUNK;

		rc = ff_channel_send_bytes(tunnel->data, ff_buf_data(conn->out), len, NULL);
		if (rc != 0) {
			check_sent(tunnel, rc);
			break;
		}
		ff_buf_consume(conn->out, len);
		sent = true;
	}
	if (tunnel->close_write && conn->out->len == 0 && !tunnel->closed) {
		tunnel->close_write = false;
		control_send(tunnel, CONTROL_CLOSE_WRITE);
	}
	if (sent && !tunnel->closed)
		conn->ops->sent(conn, conn->ctx);
}

static void on_drain(struct ff_channel *channel, void *ctx)
{
	struct tunnel *tunnel = ctx;

	if (!tunnel->data_ended)
		pump(tunnel);
}

/* The last line of a traceback says what it was. */
static void last_line(const char *text, char *line, size_t size)
{
	size_t end = strlen(text), begin;

	while (end > 0 && text[end - 1] == '\n')
		end--;
	begin = end;
	while (begin > 0 && text[begin - 1] != '\n')
		begin--;
	snprintf(line, size, "%.*s", (int)(end - begin), text + begin);
}

static void report_closed(struct tunnel *tunnel)
{
	struct ff_conn *conn = tunnel->conn;
	const char *remote = ff_channel_error(tunnel->data);
	struct ff_err err = {0};
	char words[512];

	if (tunnel->closed || !tunnel->data_ended || !tunnel->control_ended)
		return;
	if (tunnel->held.len > 0)
		conn->ops->data(conn, ff_buf_data(&tunnel->held), tunnel->held.len, conn->ctx);
	tunnel->closed = true;
	ff_deferred_cancel(&tunnel->start);
	conn->status = tunnel->exited ? tunnel->status : -1;
	if (remote) {
		last_line(remote, words, sizeof(words));
		ff_err_set(&err, FF_ESPAWN, "%s", words);
	} else if (tunnel->exited && tunnel->status != 0) {
		ff_process_status_text(tunnel->status, words, sizeof(words));
		ff_err_set(&err, FF_ELOST, "%s", words);
	} else if (tunnel->failed) {
		ff_err_set(&err, FF_ELOST, "the connection through gateway '%s': %s",
			   conn->spec->via, ff_err_text(tunnel->failed));
	} else if (!tunnel->exited) {
		ff_err_set(&err, FF_ELOST, "the connection through gateway '%s' ended",
			   conn->spec->via);
	}
	conn->ops->closed(conn, &err, conn->ctx);
}

static void on_data(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct tunnel *tunnel = ctx;
	size_t size;

	if (!item) {
		tunnel->data_ended = true;
		/* Nothing answers control once the proxy is gone. */
		ff_channel_close(tunnel->control, NULL);
		tunnel->control_ended |= ff_channel_receive_closed(tunnel->control);
		report_closed(tunnel);
		return;
	}
	size = ff_channel_item_size(channel);
	if (item->value.kind != FF_BYTES) {
		ff_channel_give_credit(channel, size);
		return;
	}
	if (!tunnel->paused) {
		tunnel->conn->ops->data(tunnel->conn, item->value.text, item->value.len,
					tunnel->conn->ctx);
		ff_channel_give_credit(channel, size);
	} else if (ff_buf_add(&tunnel->held, item->value.text, item->value.len) == 0) {
		tunnel->owed += size;
	} else {
		ff_channel_close(channel, NULL);
	}
}

static void on_control(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct tunnel *tunnel = ctx;
	struct ff_conn *conn = tunnel->conn;
	const struct ff_value *what, *value;

	if (!item) {
		tunnel->control_ended = true;
		report_closed(tunnel);
		return;
	}
	what = ff_at(&item->value, 0);
	value = ff_at(&item->value, 1);
	if (!what || !value)
		return; /* the answer to a number */
	if (ff_is_str(what, "exit")) {
		tunnel->exited = true;
		tunnel->status = (int)ff_as_int(value, -1);
	} else if (ff_is_str(what, "template") && conn->ops->no_template) {
		conn->ops->no_template(conn, ff_as_str(value, "?"), conn->ctx);
	} else if (ff_is_str(what, "stderr") && value->kind == FF_BYTES && conn->ops->stderr_data) {
		conn->ops->stderr_data(conn, value->text, value->len, conn->ctx);
	}
}

static void on_start(struct ff_deferred *deferred)
{
	struct tunnel *tunnel = ff_container_of(deferred, struct tunnel, start);

	tunnel->conn->ops->opened(tunnel->conn, tunnel->conn->ctx);
}

/* What a python worker runs in; NULL: it is none, or does not know. */
static const char *interpreter_of(const struct ff_gateway *parent)
{
	const char *own = ff_dict_str(ff_gateway_info(parent), "executable", NULL);

	return own && *own && !ff_gateway_is_native(parent) ? own : NULL;
}

/* What the proxy runs: here `popen` means the parent's machine, everything else a program there
 * (for a socket, the one that socket_via.c names). */
static int build_argv(struct ff_strv *argv, const struct ff_conn *conn,
		      const struct ff_gateway *parent, const struct ff_launch *launch,
		      struct ff_err *err)
{
	int rc;

	if (conn->spec->socket) {
		rc = ff_strv_add_all(argv, launch->argv);
		return rc == 0 ? 0 : ff_err_set(err, rc, "%s", ff_err_text(rc));
	}
	if (!conn->spec->popen)
		return ff_command_argv(argv, conn->spec, launch->command, err);
	if (!launch->native) {
		const char *own = conn->spec->python ? NULL : interpreter_of(parent);

		rc = ff_strv_add(argv, own ? own : launch->argv[0]);
		if (rc == 0)
			rc = ff_strv_add_all(argv, launch->argv + 1);
	} else {
		rc = ff_strv_add(argv, "/bin/sh");
		if (rc == 0)
			rc = ff_strv_add(argv, "-c");
		if (rc == 0)
			rc = ff_strv_add(argv, launch->command);
	}
	return rc == 0 ? 0 : ff_err_set(err, rc, "%s", ff_err_text(rc));
}

/* A native worker keeps templates; the text for one goes with each that is to be like it. */
static uint32_t add_template(struct ff_value *pairs, const struct ff_launch *launch)
{
	if (!launch->template || launch->template->len == 0)
		return 0;
	pairs[0] = ff_str("template");
	pairs[1] = ff_bytes(ff_buf_data(launch->template), launch->template->len);
	pairs[2] = ff_str("template_us");
	pairs[3] = ff_int(launch->template_us);
	return 2;
}

static int start_proxy(struct tunnel *tunnel, const struct ff_strv *argv,
		       const struct ff_launch *launch, struct ff_err *err)
{
	bool native = ff_gateway_is_native(tunnel->parent);
	const struct ff_xspec *spec = tunnel->conn->spec;
	struct ff_value kwargs[10], *words, *entries;
	struct ff_task task = {
		.source = native ? NULL : ff_bootstrap_source("proxy"),
		.call_name = "proxy",
		.kwargs = ff_collection(FF_DICT, kwargs, 3),
	};

	words = ff_calloc(argv->len + 2 * spec->env.len, sizeof(*words));
	tunnel->control = ff_channel_new(tunnel->parent);
	if (!words || !tunnel->control) {
		ff_free(words);
		return ff_err_set(err, FF_ENOMEM, "no channel to gateway '%s'", spec->via);
	}
	entries = words + argv->len;
	for (size_t i = 0; i < argv->len; i++)
		words[i] = ff_str(argv->v[i]);
	kwargs[0] = ff_str("argv");
	kwargs[1] = ff_collection(FF_LIST, words, argv->len);
	kwargs[2] = ff_str("control");
	kwargs[3] =
		(struct ff_value){.kind = FF_CHANNEL, .channel = ff_channel_id(tunnel->control)};
	/* From the start, since an interpreter reads some of it only then (PYTHONHASHSEED). */
	kwargs[4] = ff_str("env");
	kwargs[5] = spec->popen ? ff_xspec_env(spec, entries) : ff_none();
	if (native && spec->popen)
		task.kwargs.len += add_template(kwargs + 6, launch);
	tunnel->data = ff_gateway_remote_exec(tunnel->parent, &task, err);
	ff_free(words);
	return tunnel->data ? 0 : FF_ELOST;
}

static void tunnel_free(struct tunnel *tunnel)
{
	if (!tunnel)
		return;
	if (tunnel->data)
		ff_channel_set_drain(tunnel->data, NULL, NULL);
	ff_channel_unref(tunnel->data);
	ff_channel_unref(tunnel->control);
	ff_buf_release(&tunnel->held);
	ff_free(tunnel);
}

static int via_open(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err)
{
	struct tunnel *tunnel = ff_calloc(1, sizeof(*tunnel));
	struct ff_strv argv = FF_STRV_INIT;
	int rc;

	if (!tunnel)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	tunnel->conn = conn;
	tunnel->parent = ff_group_get(conn->group, conn->spec->via);
	ff_buf_init(&tunnel->held, HELD_MAX);
	ff_deferred_init(&tunnel->start, on_start);
	if (!tunnel->parent || ff_gateway_state(tunnel->parent) != FF_GATEWAY_OPEN) {
		rc = ff_err_set(err, FF_EUNREACH, "gateway '%s' is not open", conn->spec->via);
	} else {
		rc = build_argv(&argv, conn, tunnel->parent, launch, err);
		if (rc == 0)
			rc = start_proxy(tunnel, &argv, launch, err);
	}
	tunnel->parent = NULL;
	ff_strv_release(&argv);
	if (rc != 0) {
		tunnel_free(tunnel);
		return rc;
	}
	snprintf(conn->peer, sizeof(conn->peer), "via %s", conn->spec->via);
	conn->state = tunnel;
	ff_loop_defer(conn->loop, &tunnel->start);
	ff_channel_hold_credit(tunnel->data, true);
	ff_channel_set_drain(tunnel->data, on_drain, tunnel);
	ff_channel_set_callback(tunnel->control, on_control, tunnel);
	ff_channel_set_callback(tunnel->data, on_data, tunnel);
	return 0;
}

static void via_flush(struct ff_conn *conn)
{
	pump(conn->state);
}

static void via_read(struct ff_conn *conn, bool on)
{
	struct tunnel *tunnel = conn->state;
	struct ff_buf held = tunnel->held;
	size_t owed = tunnel->owed;

	tunnel->paused = !on;
	if (!on || held.len == 0 || tunnel->closed)
		return;
	ff_buf_init(&tunnel->held, HELD_MAX);
	tunnel->owed = 0;
	ff_channel_give_credit(tunnel->data, owed);
	conn->ops->data(conn, ff_buf_data(&held), held.len, conn->ctx);
	ff_buf_release(&held);
}

static void via_close_write(struct ff_conn *conn)
{
	struct tunnel *tunnel = conn->state;

	tunnel->close_write = true;
	pump(tunnel);
}

static void via_kill(struct ff_conn *conn)
{
	struct tunnel *tunnel = conn->state;

	tunnel->close_write = false;
	control_send(tunnel, CONTROL_KILL);
}

static void via_release(struct ff_conn *conn, void (*freed)(struct ff_conn *conn))
{
	tunnel_free(conn->state);
	conn->state = NULL;
	freed(conn);
}

static bool via_handles(const struct ff_xspec *spec)
{
	return spec->via && !spec->socket;
}

const struct ff_transport ff_transport_via = {
	.name = "via",
	.handles = via_handles,
	.launches = true,
	.open = via_open,
	.flush = via_flush,
	.read = via_read,
	.close_write = via_close_write,
	.kill = via_kill,
	.release = via_release,
};
