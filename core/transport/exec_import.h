/* What runs Python at the other end and speaks to it in calls: a module's file as a namespace
 * there, and talks. Peers may be plain execnet. */
#ifndef FF_TRANSPORT_EXEC_IMPORT_H
#define FF_TRANSPORT_EXEC_IMPORT_H

#include "gateway/gateway.h"
#include "gateway/talk.h"

struct ff_module;

/* Sends a Python file there and runs it as a module (not in sys.modules; its name is the file's
 * without ".py"); waits until it has run, at most timeout_ms (negative: no limit). NULL: FF_EREMOTE
 * with the traceback, errors of ff_exec_source_read and ff_channel_receive. */
struct ff_module *ff_remote_import(struct ff_gateway *gateway, const char *path, int64_t timeout_ms,
				   struct ff_err *err);
/* The module goes, with what it holds. Not while a call waits. NULL is allowed. */
void ff_module_free(struct ff_module *module);

struct ff_module_args {
	size_t size;		/* of this struct as the caller knows it; 0: it ends with kwargs */
	struct ff_value args;	/* list or tuple; None: none */
	struct ff_value kwargs; /* dict; None: none */
};
/* Calls a function of the module ("name", "Class.method") and gives its result in the empty `item`;
 * what is no function gives its value. `args` NULL: none. One call at a time: after FF_ETIMEOUT the
 * module can only be freed (FF_EBUSY). FF_EREMOTE: the function's traceback, after which others can
 * be called; FF_EINVAL; errors of ff_channel_send and ff_channel_receive. */
int ff_module_call(struct ff_module *module, const char *name, const struct ff_module_args *args,
		   int64_t timeout_ms, struct ff_item *item, struct ff_err *err);

/* Runs `task` (its source is Python; no file's name, no function) where `talk`, the other end of
 * what is returned, and the class Talk are there (core/python/farflung/talk.py). The first line of
 * the source is line 2 there. NULL: errors of ff_gateway_remote_exec and ff_talk_new, FF_EINVAL. */
struct ff_talk *ff_talk_exec(struct ff_gateway *gateway, const struct ff_task *task,
			     struct ff_err *err);

#endif
