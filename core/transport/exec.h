/* remote_exec of files: a module as a whole, or one function of it. */
#ifndef FF_TRANSPORT_EXEC_H
#define FF_TRANSPORT_EXEC_H

#include "gateway/gateway.h"

enum { FF_EXEC_SOURCE_MAX = 16 << 20 }; /* bytes of a source file */

/* A task whose texts were read from a file and are owned. Its kwargs are the caller's to set. */
struct ff_exec_source {
	struct ff_task task;
	char *text, *path;
};

/* Reads a file into `source`, to be released by the caller. Tracebacks of the worker name `path` as
 * it is given here, with the file's line numbers. With `function` only that function's own lines
 * are sent, dedented, as execnet does, and it is called with the channel and kwargs; the rest of
 * the file neither runs nor can be used there: imports belong into the function. Its first
 * parameter must be called `channel`, and it may have no decorator (this looks at the text only: a
 * line `def NAME(channel`; the last one, before any that are indented). A file that begins with
 * "#!" is run as a script by native workers. err names the path: FF_ESYS (cannot be read),
 * FF_ETOOBIG (over FF_EXEC_SOURCE_MAX), FF_EINVAL (no regular file, not UTF-8, a NUL in it, no such
 * function or one that cannot be sent), FF_ENOMEM. */
int ff_exec_source_read(struct ff_exec_source *source, const char *path, const char *function,
			struct ff_err *err);
void ff_exec_source_release(struct ff_exec_source *source);
/* The same on the heap, for those who can't know the size; NULL: err. */
struct ff_exec_source *ff_exec_source_new(const char *path, const char *function,
					  struct ff_err *err);
void ff_exec_source_free(struct ff_exec_source *source); /* NULL: nothing */
/* Its task, whose kwargs are the caller's to set. */
struct ff_task *ff_exec_source_task(struct ff_exec_source *source);

/* Both in one: reads the file and starts it on a gateway. `function` NULL: the file as a module;
 * kwargs (a dict; NULL: none) are for functions: FF_EINVAL without one, as in execnet. The channel
 * is the caller's reference; NULL: the above, and those of ff_gateway_remote_exec. */
struct ff_channel *ff_exec_file(struct ff_gateway *gateway, const char *path, const char *function,
				const struct ff_value *kwargs, struct ff_err *err);

/* Fills in the task that runs a built-in of our workers, "command", "rsync" or "proxy", on
 * whichever worker is at the other end of an open gateway: native ones know it by name, python ones
 * are sent its source (static). kwargs are the caller's to set (core/worker/README.md).
 * FF_ENOTFOUND: no such built-in. */
int ff_exec_builtin(const struct ff_gateway *gateway, const char *name, struct ff_task *task,
		    struct ff_err *err);

#endif
