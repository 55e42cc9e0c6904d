/* Opening gateways: transport, bootstrap, HELLO and configuration, as one state machine per
 * gateway. Gateways open in parallel. */
#ifndef FF_TRANSPORT_OPEN_H
#define FF_TRANSPORT_OPEN_H

#include "gateway/group.h"
#include "io/loop.h"

/* Grows at its end: FF_OPEN_OPTS_INIT, or .size = sizeof(struct ff_open_opts) and zeros. */
struct ff_open_opts {
	size_t size; /* of this struct as the caller knows it; 0: it ends with ctx */
	/* None of these limits is held against the other end while this process was stopped, asleep
	 * or busy for long: then they begin anew. */
	int64_t connect_timeout_ms; /* from the call to the answer; 0: 30 s */
	int64_t heartbeat_ms;	    /* 0: 5 s; negative: none */
	/* 0: 15 s. Workers elsewhere bear our silence four times as long, and those on this machine
	 * as long as this process lives. */
	int64_t silence_ms;
	/* > 0: a descriptor of ours that the worker gets as number 3, and no other child does. For
	 * popen without via; FF_EUNSUPPORTED elsewhere. It may be closed when the worker is there,
	 * or has failed to be. */
	int inherit_fd;
	/* > 0: a connected socket of ours over which the worker is reached, whatever the spec says
	 * of that: at its other end a line is read and executed as by a socket server. Taken over
	 * on success. */
	int line_fd;
	/* Python text (borrowed until `opened`) that makes an interpreter a template
	 * (worker/template.h): this worker is forked from one with the same text, argv and
	 * environment, if that is ready within half of connect_timeout_ms. For popen via a native
	 * worker; without effect elsewhere. NULL: none. */
	const char *template_source;
	uint32_t window_bytes; /* 0: FF_CHANNEL_WINDOW */
	uint32_t item_max;     /* 0: the window and 1 MiB; see ff_channel_set_item_max */
	/* The gateway is open and configured (err NULL), or could not be opened: err says which
	 * xspec, what was run, its exit status or signal, its last stderr lines. Once. After a
	 * failure the gateway is closed, still in the group, and released by ff_group_terminate or
	 * ff_group_remove. */
	void (*opened)(struct ff_gateway *gateway, const struct ff_err *err, void *ctx);
	/* An open gateway ended, after its channels did. err->code 0: in order. If it was not the
	 * connection that ended first, but what the peer said (FF_EPROTO, …), that is ended now,
	 * and this is called when it is known how the worker exited, at most 1 s later. May be
	 * NULL. */
	void (*closed)(struct ff_gateway *gateway, const struct ff_err *err, void *ctx);
	/* Why it was started without the template. May be NULL. */
	void (*no_template)(struct ff_gateway *gateway, const char *why, void *ctx);
	/* A line the worker wrote to its stderr (without newline). NULL: only kept for messages. */
	void (*stderr_line)(struct ff_gateway *gateway, const char *line, void *ctx);
	void *ctx;
	/* What it writes to its stderr, as it is and as it comes. NULL: none. */
	void (*stderr_bytes)(struct ff_gateway *gateway, const void *bytes, size_t len, void *ctx);
	/* > 0: a descriptor of ours to which that is written, too, borrowed for as long as the
	 * gateway is there: 2 is as if the worker had inherited our stderr, wherever it runs. What
	 * can't be written is dropped; who does not read stops the loop. */
	int stderr_fd;
};
#ifdef __cplusplus
#define FF_OPEN_OPTS_INIT                                                                          \
	{                                                                                          \
		sizeof(struct ff_open_opts)                                                        \
	}
#else
#define FF_OPEN_OPTS_INIT                                                                          \
	{                                                                                          \
		.size = sizeof(struct ff_open_opts)                                                \
	}
#endif

/* A group that lives on a loop, which must not be released before it. When the program exits with
 * members left, local ones get the end of their input, 1 s, and SIGKILL (for their process group);
 * those elsewhere see the connection end and stop by themselves. That
 * touches the members of all loops: before exit or the return of main, other threads must have left
 * theirs (ff_loop_stop and pthread_join); who can't wait for that calls _exit. Looks at
 * FARFLUNG_DEBUG (io/trace.h). NULL: FF_ENOMEM. */
struct ff_group *ff_open_group(struct ff_loop *loop, struct ff_err *err);

/* ff_group_terminate without waiting: `done` is called once, from the loop, when all members are
 * down and freed, and may free the group. Until then the loop has to run and the group to stay.
 * FF_EBUSY: this is under way already; FF_ENOMEM. */
int ff_open_terminate(struct ff_group *group, int64_t timeout_ms,
		      void (*done)(struct ff_group *group, void *ctx), void *ctx);

/* The calling thread's default group, as execnet.default_group, with a loop of its own; made by the
 * first call. NULL: errors of ff_loop_new and ff_open_group. */
struct ff_group *ff_default_group(struct ff_err *err);
/* Ends its members, in timeout_ms (negative: no limit), and frees it with its loop; the next call
 * of the above makes another. Programs and threads that end need not, but for their memory. Errors
 * of ff_group_terminate; then it stays. Without one: 0. */
int ff_default_group_free(int64_t timeout_ms);

/* Starts opening `spec` (taken over on success: its content moves). The gateway is in the group, in
 * state opening, when this returns. NULL, err: the spec has no transport, its via= or id is wrong,
 * or memory is short; nothing was started. Which worker: worker=native|python, python if the spec
 * is silent; where the native worker can't run, the python worker takes its place
 * (ff_gateway_is_native tells). */
struct ff_gateway *ff_open_gateway(struct ff_group *group, struct ff_xspec *spec,
				   const struct ff_open_opts *opts, struct ff_err *err);
/* Takes a gateway that is closed (or failed to open) out of its group and frees it with what
 * carried it, when that is safe; may be called inside its callbacks. Groups do the same to members
 * that are left when they terminate. */
void ff_open_release(struct ff_gateway *gateway);
/* Opens one and waits until it is open; `group` NULL: the default group, `spec` NULL or "": the
 * group's default. On failure nothing stays in the group. */
struct ff_gateway *ff_makegateway(struct ff_group *group, const char *spec, struct ff_err *err);

/* Whether a native or a python worker is at the other end of an open gateway. */
bool ff_gateway_is_native(const struct ff_gateway *gateway);
/* Much will arrive soon, and may as well be heard together, 2 ms later: where that is possible
 * (local workers) we are woken once for it. Nothing is lost if the worker dies meanwhile. */
void ff_gateway_rest(struct ff_gateway *gateway);
/* What the worker said of itself in HELLO: dict with "worker" (native|python), "pid", "python"
 * (version text), "platform", "executable" as far as it knows; None before. Owned by the gateway.
 */
const struct ff_value *ff_gateway_info(const struct ff_gateway *gateway);
/* The worker's working directory after chdir=, absolute; "" if unknown. Owned by the gateway. */
const char *ff_gateway_cwd(const struct ff_gateway *gateway);
/* How it is reached: "popen", "ssh build1:22 as jo", "socket 10.0.0.1:8888", "via gw0"; "" before.
 * Owned by the gateway. */
const char *ff_gateway_peer(const struct ff_gateway *gateway);
/* The last lines of its stderr, "" if none. */
const char *ff_gateway_stderr(const struct ff_gateway *gateway);
/* How what carried the gateway ended: a local process (the worker, or the program that reaches it:
 * docker's own status, say), an ssh command, or what a `via` gateway ran. True: *status is as of
 * waitpid (WIFEXITED, WIFSIGNALED, …). False: still running, never started, or nobody can know: the
 * connection to the host was lost first (silence included: what is killed then may be known a
 * little later), or it is a socket. Known from the `closed` callback on, and from an `opened` that
 * tells a failure. */
bool ff_gateway_wait_status(const struct ff_gateway *gateway, int *status);

#endif
