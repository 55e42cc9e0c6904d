/* One libfarflung loop for all Python threads of a process. Whoever holds the hub's lock may call
 * into the library and run the loop; a thread that waits runs it itself, so that an answer needs no
 * second thread to be woken. A thread of the hub's own does it while no other waits. It never
 * touches Python.
 *
 * The lock is held for moments only, and never while the interpreter's lock is waited for: so it
 * may be taken with or without that. */
#ifndef FF_PYTHON_HUB_H
#define FF_PYTHON_HUB_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/loop_private.h"

/* A thread, or a greenlet, that waits for something. */
struct hub_waiter {
	struct ff_list node; /* in the list of what it waits for */
	sem_t wake;
	int fd;	      /* >= 0: an eventfd that is written to instead */
	bool leading; /* it runs the loop */
};

struct hub {
	pthread_mutex_t lock;
	struct ff_loop *loop;
	pthread_t thread;
	int own_fd, lead_fd;	   /* wake our own thread, and a leader */
	struct hub_waiter *leader; /* &own while it is our own thread */
	struct hub_waiter own;
	uint64_t leads; /* how often others led */
	unsigned followers;
	unsigned rest, next_rest; /* waits that a leader sleeps through at once */
	int64_t asleep_until_us;  /* our own thread, while others lead */
	int64_t poll_until_us;	  /* the leader; FF_NEVER_US: until something happens */
	bool stop;
	bool forked; /* this is a child of its process: the loop is not ours to run */
	bool started;
};
extern struct hub hub;

/* The first call starts it. False: `err` says why, or this is a fork of its process. */
bool hub_start(struct ff_err *err);
/* Ends its thread; the loop stays as it is. */
void hub_stop(void);

void hub_lock(void);
void hub_unlock(void);
/* Does what can be done without waiting: to be called before the lock is given up, by whoever
 * called something that may send. */
void hub_drive(void);

enum hub_wait { HUB_READY, HUB_TIMEOUT, HUB_SIGNAL };
/* Waits until ready(arg), called with the lock; `list` is where that wakes its waiters. With the
 * lock, which is given up meanwhile, and without the interpreter's. HUB_SIGNAL: the thread got a
 * signal, whose handler may want to be run. */
enum hub_wait hub_wait(struct ff_list *list, int64_t deadline_us, bool (*ready)(void *), void *arg);
/* All that are in the list. With the lock. */
void hub_wake(struct ff_list *list);

#endif
