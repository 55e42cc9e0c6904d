/* Tells what earlier runs reported of the units that this one does not run: their journals are read
 * once more, a piece at a time, while others run. */
#ifndef FF_DISPATCH_TELLER_H
#define FF_DISPATCH_TELLER_H

#include "dispatch/before.h"
#include "dispatch/input.h"
#include "io/loop_private.h"

struct ff_teller;

/* `before` is borrowed. `put` takes an input over. */
struct ff_teller *ff_teller_new(struct ff_loop *loop, const struct ff_before *before,
				void (*put)(void *ctx, struct ff_input *input), void *ctx);
/* BEFORE inputs for this job of the run come, latest run first, then its BEFORE_TOLD. `name`: the
 * job's, borrowed. */
void ff_teller_ask(struct ff_teller *teller, uint32_t job, const char *name);
/* Nothing is read while that is so: those who are told can't take more. */
void ff_teller_hold(struct ff_teller *teller, bool hold);
/* Runs the loop for a moment. NULL is fine. */
void ff_teller_free(struct ff_teller *teller);

#endif
