/* The gateways of one program: unique ids, lookup, order of termination, and the loop that blocking
 * calls run. Opening connections is the transport room's business (transport/open.h). */
#ifndef FF_GATEWAY_GROUP_H
#define FF_GATEWAY_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/gateway.h"

/* What a group needs from a loop and its connections; io and transport provide it. */
struct ff_group_driver {
	/* Runs the loop until something happened or deadline_us (monotonic) passed. 0, FF_EDEADLK
	 * when called from inside the loop. */
	int (*run_once)(void *ctx, int64_t deadline_us);
	/* Monotonic now. */
	int64_t (*now_us)(void *ctx);
	/* Kills what carries a gateway, at once; ff_gateway_lost follows, now or later. NULL: the
	 * group calls ff_gateway_lost itself. */
	void (*kill)(void *ctx, struct ff_gateway *gateway);
	/* Frees what carried a closed gateway, and the gateway itself, now or when that has become
	 * safe. It is no member any more. Never called inside one of that gateway's callbacks.
	 * NULL: closed gateways just leave the group. */
	void (*release)(void *ctx, struct ff_gateway *gateway);
	/* Fills in the task that runs a built-in of our workers there (transport/exec.h). NULL:
	 * nobody knows how. */
	int (*builtin)(void *ctx, const struct ff_gateway *gateway, const char *name,
		       struct ff_task *task, struct ff_err *err);
};

struct ff_group;

/* driver may be NULL: a group without a loop, for tests. */
struct ff_group *ff_group_new(const struct ff_group_driver *driver, void *ctx);
/* Members must be closed (ff_group_terminate); others are killed and waited for. */
void ff_group_free(struct ff_group *group);
void *ff_group_ctx(const struct ff_group *group);
const struct ff_group_driver *ff_group_driver(const struct ff_group *group);

/* Gives `spec` an id if it has none: gw0, gw1, … FF_EEXISTS: its own id is taken. */
int ff_group_allocate_id(struct ff_group *group, struct ff_xspec *spec, struct ff_err *err);
/* Adds a gateway; its id must be unique: FF_EEXISTS; FF_ECLOSED while the group is terminating. Its
 * spec (for `via`) is set before or after.
 *
 * Who frees: a gateway that closes outside of a termination stays a member, closed, until somebody
 * takes it out with ff_group_remove and then frees it and its carrier himself (a transport does so
 * when opening fails), or until the group terminates or is freed: then group code takes it out and
 * hands it to the driver's release. ff_gateway_free takes a member out, too. Nothing else removes
 * members. */
int ff_group_add(struct ff_group *group, struct ff_gateway *gateway, struct ff_err *err);
/* Harmless for a gateway that is no member. */
void ff_group_remove(struct ff_group *group, struct ff_gateway *gateway);

/* Members, without those that ff_gateway_exit was called for. */
size_t ff_group_len(const struct ff_group *group);
struct ff_gateway *ff_group_at(const struct ff_group *group, size_t index); /* in order of adding */
struct ff_gateway *ff_group_get(const struct ff_group *group, const char *id);

/* The spec used where none is given: "popen" until set. */
const char *ff_group_default_spec(const struct ff_group *group);
int ff_group_set_default_spec(struct ff_group *group, const char *spec);
/* execnet's set_execmodel: `remote` (NULL: as local) is what workers run by whose xspec says no
 * execmodel=. `local` is this side's, where all runs in the loop's thread: "thread", or NULL.
 * FF_EINVAL: no such model; FF_EUNSUPPORTED: not here; FF_EEXISTS: there are members already. */
int ff_group_set_execmodel(struct ff_group *group, const char *local, const char *remote,
			   struct ff_err *err);
/* The one for workers; "thread" until set. */
const char *ff_group_execmodel(const struct ff_group *group);

/* Starts ending all members in parallel, those that others go `via` (or `installvia`) last; returns
 * at once. Those that are still opening are killed. What is not down after timeout_ms (negative: no
 * limit) is killed by ff_group_tick. Harmless while one is under way, but may shorten the time. */
void ff_group_begin_terminate(struct ff_group *group, int64_t timeout_ms);
/* Next step of a termination under way; to be called when a member closed or the deadline passed,
 * not inside a member's callback (such a member is left to the next call). True: none is left. */
bool ff_group_tick(struct ff_group *group, int64_t now_us);
/* Has `fn` called (NULL: nothing) whenever the time of the next tick may have become earlier,
 * inside a member's callback: for who ticks without looking at ff_group_deadline each time. One. */
void ff_group_set_notify(struct ff_group *group, void (*fn)(void *ctx), void *ctx);
bool ff_group_has_notify(const struct ff_group *group);
/* When ff_group_tick wants to be called: the kill deadline, 0 (now) if members closed since the
 * last call, FF_NEVER_US. */
int64_t ff_group_deadline(const struct ff_group *group);
/* Both of the above, running the loop until all are down. 0, FF_EDEADLK, or FF_EUNSUPPORTED when
 * members are left and there is no loop. */
int ff_group_terminate(struct ff_group *group, int64_t timeout_ms);

/* Runs the group's loop until `done` says so: 0, FF_ETIMEOUT after timeout_ms (negative: no limit),
 * FF_EDEADLK inside a callback, FF_ECANCELED, FF_EUNSUPPORTED without a group (NULL) or its loop.
 * `done` is asked before each turn, and may do anything but wait. */
int ff_group_wait(struct ff_group *group, bool (*done)(void *ctx), void *ctx, int64_t timeout_ms,
		  struct ff_err *err);
/* The task that runs a built-in on a member's worker, by the driver's `builtin`; FF_EUNSUPPORTED if
 * the gateway is in no group that has one. */
int ff_group_builtin(const struct ff_gateway *gateway, const char *name, struct ff_task *task,
		     struct ff_err *err);

#endif
