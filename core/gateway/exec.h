/* Forms of remote_exec that wait for what comes back, and one for all members of a group. */
#ifndef FF_GATEWAY_EXEC_H
#define FF_GATEWAY_EXEC_H

#include "gateway/gateway.h"
#include "gateway/group.h"
#include "gateway/multichannel.h"

enum {
	/* What ff_exec_collect keeps before it gives up (FF_ETOOBIG). */
	FF_COLLECT_ITEMS_MAX = 1 << 20,
	FF_COLLECT_BYTES_MAX = 1 << 30, /* as they came over the line */
};

struct ff_items {
	struct ff_item *v;
	size_t len, cap;
};

#define FF_ITEMS_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

/* Frees the items; it is empty afterwards and may be filled again. */
void ff_items_release(struct ff_items *items);

/* One shot: runs `task`, waits until its channel has closed, and gives all items it sent, in order,
 * into the empty `items` (the caller's to release). Runs the loop of the gateway's group. A failure
 * closes the channel, so that the peer ends the task (a python worker's next send raises, a native
 * worker kills), and gives no items: FF_EREMOTE with the remote traceback, FF_ELOST, FF_ETIMEOUT
 * after timeout_ms (negative: no limit), FF_ETOOBIG, FF_EDEADLK inside a callback, FF_EUNSUPPORTED
 * without a loop, and those of ff_gateway_remote_exec. */
int ff_exec_collect(struct ff_gateway *gateway, const struct ff_task *task, int64_t timeout_ms,
		    struct ff_items *items, struct ff_err *err);
/* The same for a task that answers with one item, into the empty `result`; it stays None if none
 * came. FF_EPROTO: there were more. */
int ff_exec_call(struct ff_gateway *gateway, const struct ff_task *task, int64_t timeout_ms,
		 struct ff_item *result, struct ff_err *err);

/* Starts `task` on every member of the group, in its order (an empty group gives an empty
 * multichannel). The first failure ends it: what was started is closed again, NULL is returned and
 * err names the gateway. A closed member is a failure, FF_ECLOSED. Does not wait. */
struct ff_multichannel *ff_exec_group(struct ff_group *group, const struct ff_task *task,
				      struct ff_err *err);

#endif
