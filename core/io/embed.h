/* A loop inside another one: an existing libuv loop is adopted, or any other loop (epoll, glib, Qt,
 * a game's) waits for ours.
 *
 *     each turn of the other loop:
 *         wait until ff_loop_fd() can be read, at most ff_loop_timeout_ms()
 *         ff_loop_turn()
 *
 * The timeout is asked for anew before each wait: any call of the library may change it. */
#ifndef FF_IO_EMBED_H
#define FF_IO_EMBED_H

#include "base/err.h"

struct ff_loop;
struct uv_loop_s; /* uv_loop_t */

/* As ff_loop_new, on a libuv loop that is there already and stays its owner's: whoever runs that
 * runs ours. Our handles keep it alive as long as gateways are open. Blocking calls run it, with
 * all that is on it, so they are not for its owner's callbacks. ff_loop_free, outside of uv_run
 * and before uv_loop_close, runs it until ours has ended and leaves the rest as it was. SIGPIPE and
 * the limit of open files: as ff_loop_new. NULL: FF_EINVAL without a loop, FF_ENOMEM, FF_ESYS. */
struct ff_loop *ff_loop_new_adopted(struct uv_loop_s *uv, struct ff_err *err);

/* A descriptor, ours, that can be read when there is something to do (epoll in epoll, poll). */
int ff_loop_fd(const struct ff_loop *loop);
/* How long may be waited for it: milliseconds, 0: not at all, -1: without limit. */
int ff_loop_timeout_ms(struct ff_loop *loop);
/* Does what there is to do, without waiting. FF_EDEADLK inside the loop. */
int ff_loop_turn(struct ff_loop *loop);

#endif
