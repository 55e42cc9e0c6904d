/* act: carries out orders. The only place with handles: gateways, channels, the tree that is
 * synced. What they say becomes inputs; nothing is decided here. */
#ifndef FF_DISPATCH_ACT_H
#define FF_DISPATCH_ACT_H

#include "dispatch/decision.h"
#include "dispatch/dispatch.h"
#include "dispatch/input.h"
#include "gateway/group.h"
#include "io/loop_private.h"

struct ff_act;

struct ff_act_opts {
	const struct ff_run_opts *run;
	struct ff_loop *loop;
	/* Takes an input over. */
	void (*put)(void *ctx, struct ff_input *input);
	void *ctx;
};

struct ff_act *ff_act_new(const struct ff_act_opts *opts, struct ff_err *err);
void ff_act_order(struct ff_act *act, const struct ff_order *order);
/* Ends all workers: those that still have something to do get `grace_us` for it. Runs the loop. */
void ff_act_terminate(struct ff_act *act, int64_t grace_us);
void ff_act_free(struct ff_act *act);

/* Whether the tree has to be brought to a host: not where payloads run in the tree itself. */
bool ff_act_wants_sync(void *act, uint32_t host);

/* For `farflung hosts`: a host's foreman (NULL: it has none), and what a probe found. */
struct ff_gateway *ff_act_foreman(const struct ff_act *act, uint32_t host);
int64_t ff_act_open_us(const struct ff_act *act, uint32_t host); /* how long it took */
const char *ff_act_fact(const struct ff_act *act, uint32_t host, const char *key);

#endif
