/* The inventory, read again while a run goes on: who has come, who is to go. Reading is done in a
 * thread, so that a program that hangs, or a slow server, holds up nothing. */
#ifndef FF_DISPATCH_REREAD_H
#define FF_DISPATCH_REREAD_H

#include "dispatch/dispatch.h"
#include "dispatch/input.h"
#include "state/state.h"

struct ff_loop;
struct ff_reread;

/* `put` is given HOST_COMES, HOST_LEAVES and WARNED; all of `how` and `state` are borrowed. */
struct ff_reread *ff_reread_new(const struct ff_run_reread *how, struct ff_loop *loop,
				const struct ff_state *state,
				void (*put)(void *ctx, struct ff_input *input), void *ctx);
/* Reads as soon as it can. NULL is fine: false. */
bool ff_reread_now(struct ff_reread *reread);
/* To be called now and then: reads when it is time to, and lets hosts come for which others had to
 * go first. NULL is fine. */
void ff_reread_tick(struct ff_reread *reread, int64_t now_us);
/* Gives up what is being read, and calls `closed` when that is over. NULL is fine: false. */
bool ff_reread_close(struct ff_reread *reread, void (*closed)(void *ctx), void *ctx);

/* Whether there is a terminal that signals of ours may come from. */
bool ff_reread_terminal_there(void);

#endif
