/* What other threads may ask of a loop: a call inside it, the end of a wait, the end of a run. All
 * else of a loop and of what lives on it belongs to one thread at a time, the loop's. */
#ifndef FF_IO_POST_H
#define FF_IO_POST_H

#include <stdbool.h>

#include "base/err.h"

struct ff_loop;

/* Has `fn(loop, arg)` called once, from inside the loop, by the thread that runs it; at the latest
 * by ff_loop_free. From any thread and from callbacks. What one thread posts is called in the
 * order in which it was posted; what a posted call posts comes after what was posted before. `arg`
 * stays the caller's. Inside `fn` blocking calls are FF_EDEADLK, all others are allowed.
 *
 * 0; FF_EINVAL without `fn`; FF_ENOMEM; FF_ECLOSED after ff_loop_free: it will not be called.
 * The loop's memory must be there still. */
int ff_loop_post(struct ff_loop *loop, void (*fn)(struct ff_loop *loop, void *arg), void *arg);

/* Ends the blocking call that the loop's thread is in (ff_channel_receive, ff_queue_get,
 * ff_makegateway, ff_loop_run_once, ff_loop_run…), or if it is in none the next one: that returns
 * FF_ECANCELED, nothing else has changed, and it can be called again. Several interrupts that no
 * call has met are one. From any thread, and from signal handlers, but not
 * after the loop's end. */
void ff_loop_interrupt(struct ff_loop *loop);

/* Runs the loop, and waits for posts where there is nothing else, until ff_loop_stop. 0,
 * FF_ECANCELED, or FF_EDEADLK inside the loop. */
int ff_loop_run(struct ff_loop *loop);
/* Ends the present ff_loop_run, or the next one at once: from any thread, and from callbacks. */
void ff_loop_stop(struct ff_loop *loop);

#endif
