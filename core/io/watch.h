/* Descriptors on the loop: who is called when one can be read or written. libuv's own watchers cost
 * four system calls each for what is checked and set anew; a child that lives for a millisecond has
 * three. These take one to begin, and one to end. */
#ifndef FF_IO_WATCH_H
#define FF_IO_WATCH_H

#include "base/list.h"
#include "io/loop_private.h"

enum { FF_WATCH_READ = 1, FF_WATCH_WRITE = 2 };

/* How long what is opened late, or rests, goes unwatched, where nobody knows better. */
#define FF_WATCH_LATE_US 2000

struct ff_watch {
	struct ff_loop *loop;
	/* `events` may be more than what was asked for: reading or writing will tell. What is
	 * called may close any watch. */
	void (*fn)(struct ff_watch *watch, int events);
	int fd;
	int events;	     /* what is watched for */
	uint32_t generation; /* tells it from others that had its descriptor */
	bool late;	     /* not watched yet */
	int64_t due_us;	     /* when it will be */
	struct ff_list node; /* among those that are late, by that time */
};

/* Begins. The memory is the caller's; one watch for a descriptor. 0, or a negative errno (EPERM:
 * regular files, /dev/null). */
int ff_watch_open(struct ff_watch *watch, struct ff_loop *loop, int fd, int events,
		  void (*fn)(struct ff_watch *watch, int events));
/* The same, but watched only after late_us: for what may be over by then, and whose owner hears of
 * that elsewhere. It costs no call until then, and nobody is woken. */
int ff_watch_open_late(struct ff_watch *watch, struct ff_loop *loop, int fd, int events,
		       int64_t late_us, void (*fn)(struct ff_watch *watch, int events));
/* It is late no longer: watched from the loop's next turn on. */
void ff_watch_hurry(struct ff_watch *watch);
/* Not watched for rest_us: what comes by then is met together. Harmless when it is so
 * already. */
void ff_watch_rest(struct ff_watch *watch, int64_t rest_us);
/* What to watch for from now on; 0: nothing. */
void ff_watch_set(struct ff_watch *watch, int events);
/* Ends; to be called before the descriptor is closed. The memory may be reused at once. */
void ff_watch_close(struct ff_watch *watch);

/* --- for loop.c --- */
size_t ff_watches_open(const struct ff_loop *loop);
bool ff_watches_own(const struct ff_loop *loop, const uv_handle_t *handle);
void ff_watches_end(struct ff_loop *loop);
void ff_watches_free(struct ff_loop *loop); /* after its handle was closed */

#endif
