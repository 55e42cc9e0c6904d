/* The worker proper: a gateway over stdin and stdout, and the executions that it runs. Shared by
 * the files of this room; knows no transport. */
#ifndef FF_WORKER_WORKER_H
#define FF_WORKER_WORKER_H

#include "base/list.h"
#include "gateway/gateway.h"
#include "io/loop_private.h"
#include "io/stream.h"
#include "worker/cgroup.h"

#define FF_WORKER_GRACE_US (2 * FF_SECOND_US)  /* from SIGTERM to SIGKILL when the worker ends */
#define FF_WORKER_FLUSH_US (1 * FF_SECOND_US)  /* for the last output to be taken */
#define FF_WORKER_LOOK_US  (FF_SECOND_US / 10) /* from an execution's end to a look for strays */
#define FF_WORKER_REAP_US  (2 * FF_SECOND_US)  /* between further looks, while some live */

enum ff_worker_state {
	FF_WORKER_SERVING,
	FF_WORKER_ENDING,   /* executions were asked to end */
	FF_WORKER_KILLING,  /* they were killed */
	FF_WORKER_FLUSHING, /* the last output is under way */
	FF_WORKER_STOPPED,
};

struct ff_worker {
	struct ff_loop loop;
	struct ff_gateway *gateway;
	struct ff_stream in, out;
	struct ff_timer tick;	  /* heartbeats, silence */
	struct ff_timer phase;	  /* the end of the current state */
	struct ff_timer reap;	  /* strays that have become zombies */
	struct ff_deferred flush; /* sends what one turn of the loop has produced */
	uv_signal_t sigterm, sighup;
	struct ff_list execs;
	struct ff_list templates; /* template.h */
	size_t num_execs;
	size_t holds;		   /* who wants stdin not to be read for now */
	struct ff_buf scratch;	   /* for packing items */
	struct ff_cgroups cgroups; /* for commands with limits */
	int64_t start_us;
	int64_t silent_us; /* that the command took which ended last; 0: it had something to say */
	enum ff_worker_state state;
	int status;    /* to exit with */
	bool greeted;  /* the peer said HELLO */
	bool flushing; /* something is to be sent */
	bool out_failed;
};

/* Serves frames from `in_fd` to `out_fd` (both are taken over) until asked to end, and returns the
 * status to exit with: 0 after GATEWAY_TERMINATE and at the end of input, 1 when the controller
 * fell silent or sent nonsense, 128 + n after signal n. `first` is input that was read already. All
 * that it started is gone when it returns. */
int ff_worker_serve(int in_fd, int out_fd, const void *first, size_t first_len);

/* Begins to end: executions get SIGTERM, a grace time, SIGKILL. The first call's status counts. */
void ff_worker_end(struct ff_worker *worker, int status);

/* An execution came, or went. */
void ff_worker_exec_added(struct ff_worker *worker);
void ff_worker_exec_removed(struct ff_worker *worker);

/* Back-pressure for peers that know no credit: stdin is not read while anyone holds it. */
void ff_worker_hold_input(struct ff_worker *worker, bool hold);

#endif
