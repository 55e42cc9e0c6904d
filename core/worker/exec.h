/* Executions: what CHANNEL_EXEC starts on the native worker. A built-in is one function in a table;
 * one that goes on after it returned embeds a struct ff_exec. */
#ifndef FF_WORKER_EXEC_H
#define FF_WORKER_EXEC_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"
#include "gateway/channel.h"
#include "wire/serialize.h"

struct ff_worker;

struct ff_exec {
	struct ff_list node; /* in worker->execs */
	struct ff_worker *worker;
	struct ff_channel *channel; /* a reference */
	pid_t pid;		    /* the child that it waits for; 0: none */
	/* The worker is ending: stop what runs, gently, or (now) at once, and finish soon. NULL:
	 * its channel is closed. May be called in any state. */
	void (*end)(struct ff_exec *exec, bool now);
};

struct ff_request {
	const struct ff_value *source; /* str */
	const char *file_name;	       /* or NULL */
	const char *call_name;	       /* or NULL */
	const struct ff_value *kwargs; /* a dict, or None */
	bool greeted;		       /* the peer said HELLO: it is one of ours */
};

enum { FF_EXEC_RUNNING = 0, FF_EXEC_DONE = 1 };

/* Starts it on `channel`. FF_EXEC_RUNNING: it goes on, with the channel's reference, until its
 * ff_exec_finish. FF_EXEC_DONE: all is said, the channel will be closed; likewise on failure, with
 * err's text as the remote error. */
typedef int ff_builtin_fn(struct ff_worker *worker, struct ff_channel *channel,
			  const struct ff_request *request, struct ff_err *err);

ff_builtin_fn ff_builtin_command, ff_builtin_script, ff_builtin_proxy, ff_builtin_configure,
	ff_builtin_info, ff_builtin_rsync, ff_builtin_echo, ff_builtin_emit, ff_builtin_fetch,
	ff_builtin_stamp, ff_builtin_put;

/* The built-in that a request names: by being source of execnet's own (foreign.h), by call_name, or
 * by "#!" at the front of its source. NULL and words: none. */
ff_builtin_fn *ff_exec_find(const struct ff_request *request, struct ff_err *err);

/* The worker's `exec` callback. */
void ff_exec_start(struct ff_worker *worker, struct ff_channel *channel,
		   const struct ff_value *task);

/* Puts it in the worker's list. */
void ff_exec_begin(struct ff_exec *exec, struct ff_worker *worker, struct ff_channel *channel,
		   void (*end)(struct ff_exec *exec, bool now));
/* Closes the channel (with `error` unless NULL), drops it and leaves the list. The owner frees the
 * memory. The channel's callback may be called from here with the end marker. */
void ff_exec_finish(struct ff_exec *exec, const char *error);
/* Ends all executions. */
void ff_exec_end_all(struct ff_worker *worker, bool now);
/* Whether some execution waits for this child. */
bool ff_exec_owns(const struct ff_worker *worker, pid_t pid);

/* A packer into the worker's scratch buffer, and its item sent; failures are ff_exec_lost. */
void ff_exec_pack(struct ff_worker *worker, struct ff_pack *pack);
int ff_exec_send(struct ff_exec *exec, struct ff_pack *pack);
/* Output could not be sent (rc of the attempt; 0 and FF_ECLOSED are no news): the channel is closed
 * with words, since output with a hole must not look like all of it. Its callback is told. */
void ff_exec_lost(struct ff_exec *exec, int rc);

/* Whether a producer should wait for the drain callback; no when nothing will ever be taken again.
 */
bool ff_exec_full(const struct ff_exec *exec);

/* Whether the end marker means that the controller closed the channel: it wants what runs there to
 * stop. Otherwise it only sends no more, or the connection broke and the worker is ending. */
bool ff_exec_closed_by_peer(const struct ff_channel *channel);

#endif
