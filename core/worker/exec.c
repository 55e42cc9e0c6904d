/* Dispatch of CHANNEL_EXEC to the built-ins, and the list of what is running. A built-in's own
 * doings are in the file that is named after it. */
#include "worker/exec.h"

#include <stdio.h>
#include <string.h>

#include "worker/foreign.h"
#include "worker/worker.h"

static const struct {
	const char *name;
	ff_builtin_fn *start;
} builtins[] = {
	{"command", ff_builtin_command}, {"rsync", ff_builtin_rsync},
	{"proxy", ff_builtin_proxy},	 {"configure", ff_builtin_configure},
	{"info", ff_builtin_info},	 {"echo", ff_builtin_echo},
	{"emit", ff_builtin_emit},	 {"fetch", ff_builtin_fetch},
	{"stamp", ff_builtin_stamp},	 {"put", ff_builtin_put},
};

ff_builtin_fn *ff_exec_find(const struct ff_request *request, struct ff_err *err)
{
	const struct ff_value *source = request->source;
	ff_builtin_fn *foreign = ff_foreign_find(request);
	size_t i;

	if (foreign)
		return foreign;
	for (i = 0; request->call_name && i < sizeof(builtins) / sizeof(builtins[0]); i++) {
		if (!strcmp(builtins[i].name, request->call_name))
			return builtins[i].start;
	}
	if (request->call_name) {
		ff_err_set(err, FF_ENOTFOUND, "this is a native worker: it has no built-in '%s'",
			   request->call_name);
		return NULL;
	}
	/* A module is no script, though it may begin like one: run by itself it would do something
	 * else, such as listen to everybody. */
	if (request->file_name && !request->greeted) {
		ff_err_set(err, FF_EUNSUPPORTED,
			   "this is a native worker: it runs no Python, so not the module '%s'",
			   request->file_name);
		return NULL;
	}
	if (source->kind == FF_STR && source->len >= 2 && !memcmp(source->text, "#!", 2))
		return ff_builtin_script;
	ff_err_set(err, FF_EUNSUPPORTED,
		   "this is a native worker: it runs no Python, only built-ins by call_name and "
		   "texts that begin with \"#!\"");
	return NULL;
}

static int start(struct ff_worker *worker, struct ff_channel *channel, const struct ff_value *task,
		 struct ff_err *err)
{
	static const struct ff_value none = {.kind = FF_NONE};
	const struct ff_value *kwargs = ff_at(task, 3);
	struct ff_request request = {.source = ff_at(task, 0),
				     .kwargs = kwargs ? kwargs : &none,
				     .greeted = worker->greeted};
	const struct ff_value *file_name = ff_at(task, 1), *call_name = ff_at(task, 2);
	ff_builtin_fn *fn;

	if (!request.source)
		return ff_err_set(err, FF_EINVAL, "malformed task");
	if (file_name && file_name->kind == FF_STR)
		request.file_name = file_name->text;
	if (call_name && call_name->kind == FF_STR)
		request.call_name = call_name->text;
	if (worker->state != FF_WORKER_SERVING)
		return ff_err_set(err, FF_ECANCELED, "the worker is ending");
	fn = ff_exec_find(&request, err);
	return fn ? fn(worker, channel, &request, err) : err->code;
}

void ff_exec_start(struct ff_worker *worker, struct ff_channel *channel,
		   const struct ff_value *task)
{
	struct ff_err err = {0};
	int rc = start(worker, channel, task, &err);

	if (rc == FF_EXEC_RUNNING)
		return;
	ff_channel_close(channel, rc < 0 ? err.text : NULL);
	ff_channel_unref(channel);
}

void ff_exec_begin(struct ff_exec *exec, struct ff_worker *worker, struct ff_channel *channel,
		   void (*end)(struct ff_exec *exec, bool now))
{
	exec->worker = worker;
	exec->channel = channel;
	exec->end = end;
	ff_list_add_tail(&worker->execs, &exec->node);
	ff_worker_exec_added(worker);
}

void ff_exec_finish(struct ff_exec *exec, const char *error)
{
	ff_list_del(&exec->node);
	ff_channel_set_drain(exec->channel, NULL, NULL);
	ff_channel_close(exec->channel, error);
	ff_channel_unref(exec->channel);
	exec->channel = NULL;
	ff_worker_exec_removed(exec->worker);
}

void ff_exec_end_all(struct ff_worker *worker, bool now)
{
	struct ff_list todo = {.next = NULL}, *node;

	/* Ending one may finish it, or others: each is moved to the list's end before it is asked.
	 */
	ff_list_init(&todo);
	while (!ff_list_empty(&worker->execs)) {
		node = worker->execs.next;
		ff_list_del(node);
		ff_list_add_tail(&todo, node);
	}
	while (!ff_list_empty(&todo)) {
		struct ff_exec *exec = ff_container_of(todo.next, struct ff_exec, node);

		ff_list_del(&exec->node);
		ff_list_add_tail(&worker->execs, &exec->node);
		if (exec->end)
			exec->end(exec, now);
		else
			ff_channel_close(exec->channel, "the worker is ending");
	}
}

bool ff_exec_owns(const struct ff_worker *worker, pid_t pid)
{
	struct ff_list *node;

	ff_list_for_each(node, &worker->execs) {
		if (ff_container_of(node, struct ff_exec, node)->pid == pid)
			return true;
	}
	return false;
}

void ff_exec_pack(struct ff_worker *worker, struct ff_pack *pack)
{
	ff_buf_clear(&worker->scratch);
	ff_pack_init(pack, &worker->scratch);
}

void ff_exec_lost(struct ff_exec *exec, int rc)
{
	char text[64];

	if (!rc || rc == FF_ECLOSED)
		return;
	snprintf(text, sizeof(text), "output was lost: %s", ff_err_text(rc));
	ff_channel_close(exec->channel, text);
}

int ff_exec_send(struct ff_exec *exec, struct ff_pack *pack)
{
	int rc = ff_pack_done(pack);

	if (!rc)
		rc = ff_channel_send_packed(exec->channel, &exec->worker->scratch, NULL);
	ff_exec_lost(exec, rc);
	return rc;
}

bool ff_exec_full(const struct ff_exec *exec)
{
	struct ff_gateway *gateway = ff_channel_gateway(exec->channel);

	return !ff_channel_writable(exec->channel) && !ff_channel_isclosed(exec->channel) &&
	       gateway && ff_gateway_state(gateway) != FF_GATEWAY_CLOSED;
}

bool ff_exec_closed_by_peer(const struct ff_channel *channel)
{
	struct ff_gateway *gateway = ff_channel_gateway(channel);

	return ff_channel_isclosed(channel) && gateway &&
	       ff_gateway_state(gateway) != FF_GATEWAY_CLOSED;
}
