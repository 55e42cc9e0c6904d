/* The loop: libuv's, with what the rest of core needs of it. A loop and all that lives on it belong
 * to one thread at a time; loops in several threads know nothing of each other. What other threads
 * may call is in io/post.h, how it lives in another loop in io/embed.h. What it is made of is
 * private to the library: io/loop_private.h. */
#ifndef FF_IO_LOOP_H
#define FF_IO_LOOP_H

#include <stdint.h>

#include "base/err.h"
#include "io/post.h"

struct ff_loop;

/* NULL on failure: FF_ENOMEM or FF_ESYS. From then on SIGPIPE is ignored, and the soft limit of
 * open files is the hard one (workers get the old one). */
struct ff_loop *ff_loop_new(struct ff_err *err);
/* Waits for what is ending and frees the loop; NULL: 0. With gateways still open FF_EINVAL (and a
 * trace of what is left): the loop stays as it is then. */
int ff_loop_free(struct ff_loop *loop);
/* Runs until at least one event was handled or the deadline passed (monotonic microseconds;
 * FF_NEVER_US: none). FF_EDEADLK inside the loop, FF_ECANCELED after ff_loop_interrupt. Returns 0
 * also when there was nothing left to wait for. */
int ff_loop_run_once(struct ff_loop *loop, int64_t deadline_us);
/* The same for at most timeout_ms (negative: no limit) from now. */
int ff_loop_run_for(struct ff_loop *loop, int64_t timeout_ms);

#endif
