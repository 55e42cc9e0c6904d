/* Keys that somebody presses while a run goes on, where the run has a terminal to itself. */
#ifndef FF_DISPATCH_KEYS_H
#define FF_DISPATCH_KEYS_H

#include "io/loop_private.h"

struct ff_keys;

/* For keys from stdin, taken one by one and unseen, if that is a terminal, stdout or stderr is one,
 * too, and this process is in its foreground; signals that the terminal sends stay as they are, and
 * while the process is stopped or in the background the terminal is as it was. One at a time in a
 * process. NULL: it is not so. */
struct ff_keys *ff_keys_new(struct ff_loop *loop, void (*pressed)(void *ctx, char key), void *ctx);
/* From the first call on keys are ours: before, somebody may be asked for a passphrase. */
void ff_keys_begin(struct ff_keys *keys);
/* The terminal is as it was. NULL is fine. */
void ff_keys_free(struct ff_keys *keys);
/* The process goes on after a stop (SIGCONT), or is about to be stopped (SIGTSTP). */
void ff_keys_resume(struct ff_keys *keys);
void ff_keys_suspend(struct ff_keys *keys);

#endif
