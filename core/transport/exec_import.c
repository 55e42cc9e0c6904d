/* Calls into Python at the other end. The Python is worker/python/import.py and talk.py. */
#include "transport/exec_import.h"

#include <string.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "transport/exec.h"
#include "worker/bootstrap.h"

enum { NAME_SIZE = 256, EXTENSION = 3 };

struct ff_module {
	struct ff_channel *channel;
	bool calling; /* an answer is under way that nobody has waited for */
};

/* --- modules --- */

static void name_of(const char *path, char name[NAME_SIZE])
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = strlen(base);

	if (len > EXTENSION && !strcmp(base + len - EXTENSION, ".py"))
		len -= EXTENSION;
	if (len >= NAME_SIZE)
		len = NAME_SIZE - 1;
	memcpy(name, base, len);
	name[len] = '\0';
}

static struct ff_channel *start(struct ff_gateway *gateway, const char *path, const char *text,
				struct ff_err *err)
{
	char name[NAME_SIZE];
	struct ff_value kwargs[] = {ff_str("name"), ff_none(), ff_str("path"), ff_str(path)};
	struct ff_task task = {.source = ff_bootstrap_source("import"),
			       .call_name = "serve",
			       .kwargs = ff_collection(FF_DICT, kwargs, 2)};
	struct ff_value value = ff_str(text);
	struct ff_channel *channel;

	name_of(path, name);
	kwargs[1] = ff_str(name);
	channel = ff_gateway_remote_exec(gateway, &task, err);
	if (channel && ff_channel_send(channel, &value, err)) {
		ff_channel_unref(channel);
		return NULL;
	}
	return channel;
}

struct ff_module *ff_remote_import(struct ff_gateway *gateway, const char *path, int64_t timeout_ms,
				   struct ff_err *err)
{
	struct ff_module *module = ff_calloc(1, sizeof(*module));
	struct ff_item item = FF_ITEM_INIT;
	struct ff_exec_source source;

	if (!module) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	if (ff_exec_source_read(&source, path, NULL, err)) {
		ff_free(module);
		return NULL;
	}
	module->channel = start(gateway, path, source.text, err);
	ff_exec_source_release(&source);
	if (!module->channel || ff_channel_receive(module->channel, timeout_ms, &item, err)) {
		ff_module_free(module);
		return NULL;
	}
	ff_item_release(&item);
	return module;
}

void ff_module_free(struct ff_module *module)
{
	if (!module)
		return;
	ff_channel_close(module->channel, NULL);
	ff_channel_unref(module->channel);
	ff_free(module);
}

/* (True, result) or (False, traceback): the result is moved to the caller. */
static int take(struct ff_item *answer, struct ff_item *item, struct ff_err *err)
{
	const struct ff_value *good = ff_at(&answer->value, 0), *what = ff_at(&answer->value, 1);

	if (!good || !what)
		return ff_err_set(err, FF_EPROTO, "this is no answer to a call");
	if (!ff_as_int(good, 0))
		return ff_err_set(err, FF_EREMOTE, "%s", ff_as_str(what, "?"));
	*item = *answer;
	item->value = *what;
	*answer = (struct ff_item)FF_ITEM_INIT;
	return 0;
}

int ff_module_call(struct ff_module *module, const char *name, const struct ff_module_args *given,
		   int64_t timeout_ms, struct ff_item *item, struct ff_err *err)
{
	struct ff_module_args args = {0};
	struct ff_item answer = FF_ITEM_INIT;
	struct ff_value call[3], request;
	int rc;

	if (given)
		ff_opts_copy(&args, sizeof(args), given,
			     FF_OPTS_UNTIL(struct ff_module_args, kwargs));
	call[0] = ff_str(name);
	call[1] = args.args.kind == FF_NONE ? ff_collection(FF_TUPLE, NULL, 0) : args.args;
	call[2] = args.kwargs.kind == FF_NONE ? ff_collection(FF_DICT, NULL, 0) : args.kwargs;
	request = ff_collection(FF_TUPLE, call, 3);
	if (module->calling)
		return ff_err_set(err, FF_EBUSY, "%s: the last call has not returned", name);
	if ((call[1].kind != FF_TUPLE && call[1].kind != FF_LIST) || call[2].kind != FF_DICT)
		return ff_err_set(err, FF_EINVAL, "%s: a tuple and a dict were expected", name);
	rc = ff_channel_send(module->channel, &request, err);
	if (rc)
		return rc;
	module->calling = true;
	rc = ff_channel_receive(module->channel, timeout_ms, &answer, err);
	if (rc)
		return rc;
	module->calling = false;
	rc = take(&answer, item, err);
	ff_item_release(&answer);
	return rc;
}

/* --- talks --- */

/* One line, whatever is in the text: exec("…"). */
static int add_class(struct ff_buf *out)
{
	const char *text = ff_bootstrap_source("talk");
	int rc = ff_buf_addstr(out, "exec(\"");

	for (; !rc && *text; text++) {
		if (*text == '\n')
			rc = ff_buf_addstr(out, "\\n");
		else if (*text == '"' || *text == '\\')
			rc = ff_buf_addf(out, "\\%c", *text);
		else
			rc = ff_buf_addch(out, *text);
	}
	return rc ? rc : ff_buf_addstr(out, "\"); talk = Talk(channel)\n");
}

struct ff_talk *ff_talk_exec(struct ff_gateway *gateway, const struct ff_task *task,
			     struct ff_err *err)
{
	struct ff_buf source = FF_BUF_INIT;
	struct ff_task with;
	struct ff_channel *channel;
	struct ff_talk *talk = NULL;

	ff_opts_copy(&with, sizeof(with), task, FF_OPTS_UNTIL(struct ff_task, kwargs));
	if (!with.source || with.call_name) {
		ff_err_set(err, FF_EINVAL, "a talk wants a source, and no function");
		return NULL;
	}
	if (add_class(&source) || ff_buf_addstr(&source, with.source)) {
		ff_buf_release(&source);
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	with.source = ff_buf_str(&source);
	channel = ff_gateway_remote_exec(gateway, &with, err);
	ff_buf_release(&source);
	if (channel)
		talk = ff_talk_new(channel, err);
	ff_channel_unref(channel);
	return talk;
}
