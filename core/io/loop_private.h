/* What a loop is made of, for the library's own files and for who is linked to it statically:
 * timers and deferred calls, whose memory is their owner's. Not installed: libuv's types stand
 * here. */
#ifndef FF_IO_LOOP_PRIVATE_H
#define FF_IO_LOOP_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"
#include "io/loop.h"

/* Of post.c: what other threads have left. */
struct ff_posts {
	pthread_mutex_t lock; /* over queue, ended and the handle's end */
	struct ff_list queue;
	bool ended;
	bool interrupted, stopped; /* atomic */
	uv_async_t async;
};

struct ff_loop {
	uv_loop_t *uv;
	uv_loop_t own; /* what uv points to, unless it was adopted (io/embed.h) */
	bool running;  /* inside uv_run: blocking calls are FF_EDEADLK */
	uv_timer_t wakeup;
	uint8_t *scratch;	    /* what streams read into; valid during their data callback */
	struct ff_reaper *reaper;   /* process.c: exits where pidfds are missing */
	struct ff_watches *watches; /* watch.c; NULL before they are needed */
	int null_fd;		    /* process.c: /dev/null; -1 before it is needed */
	bool no_pidfd;		    /* for tests: behave as on a kernel without pidfds */
	uv_prepare_t prepare;
	uv_idle_t idle;		 /* active: something was handled, do not wait this time */
	struct ff_list deferred; /* ff_loop_defer */
	unsigned spin_rest; /* so many waits are slept through before the next try to stay awake */
	unsigned spin_next_rest; /* and so many after that, should it fail */
	unsigned ending;	 /* what ends by itself and ff_loop_release waits for */
	struct ff_posts posts;
};

enum { FF_LOOP_SCRATCH = 64 << 10 };

/* As ff_loop_new, in memory of the caller's. 0, FF_ENOMEM or FF_ESYS. */
int ff_loop_init(struct ff_loop *loop, struct ff_err *err);
/* Waits for what is `ending` and runs pending close callbacks; every other handle must be closing
 * or closed: FF_EINVAL (and a trace of what is left) otherwise. */
int ff_loop_release(struct ff_loop *loop);
/* As ff_loop_new_adopted (io/embed.h), in memory of the caller's. */
int ff_loop_adopt(struct ff_loop *loop, uv_loop_t *uv, struct ff_err *err);

/* Something to be done once, soon, but not from inside the present call: right before the loop
 * waits the next time. The memory is the caller's. */
struct ff_deferred {
	struct ff_list node;
	void (*fn)(struct ff_deferred *deferred);
};
void ff_deferred_init(struct ff_deferred *deferred, void (*fn)(struct ff_deferred *));
/* Harmless when it is deferred already. */
void ff_loop_defer(struct ff_loop *loop, struct ff_deferred *deferred);
void ff_deferred_cancel(struct ff_deferred *deferred);

/* A timer whose memory is the caller's. Times are monotonic microseconds (rounded up to ms). */
struct ff_timer {
	uv_timer_t uv;
	struct ff_loop *loop;
	void (*fn)(struct ff_timer *timer);
	void *ctx;
	int64_t deadline_us; /* FF_NEVER_US: not set */
	int64_t late_us;     /* inside `fn`: how long after its deadline it is called */
	bool open;
};
int ff_timer_init(struct ff_timer *timer, struct ff_loop *loop, void (*fn)(struct ff_timer *),
		  void *ctx);
/* Fires once at deadline_us; replaces an earlier setting; FF_NEVER_US stops it. */
void ff_timer_set(struct ff_timer *timer, int64_t deadline_us);
/* For limits on what others do: whether the end of a limit of `limit_us` is seen so late (by a
 * quarter of it) that it says nothing about them: we were stopped, or busy ourselves. */
bool ff_overslept(int64_t late_us, int64_t limit_us);
/* `closed` (may be NULL) is called when the memory may be reused. */
void ff_timer_close(struct ff_timer *timer, void (*closed)(struct ff_timer *));

/* Of loop.c, for embed.c: the beginning of all but libuv's loop. */
int ff_loop_begin(struct ff_loop *loop, uv_loop_t *uv, struct ff_err *err);
/* Of post.c, for the loop's own beginning and end. */
int ff_posts_init(struct ff_loop *loop);
/* From now on nothing can be posted; what was posted is called. */
void ff_posts_end(struct ff_loop *loop);
void ff_posts_go_on(struct ff_loop *loop);
void ff_posts_close(struct ff_loop *loop, uv_close_cb closed);
bool ff_posts_wait(struct ff_loop *loop); /* whether some do */
bool ff_posts_take_interrupt(struct ff_loop *loop);

#endif
