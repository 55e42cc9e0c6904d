/* Processes that are, or became by reparenting, children of this one. */
#ifndef FF_WORKER_CHILDREN_H
#define FF_WORKER_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FF_CHILDREN_BATCH = 1024 };

/* Up to `max` of the present children, zombies included, as /proc tells; their number. */
size_t ff_children_list(pid_t *pids, size_t max);

/* Reaps zombies that `owned` (may be NULL) does not claim; returns how many strays still live. */
size_t ff_children_reap(bool (*owned)(void *ctx, pid_t pid), void *ctx);

/* Kills and reaps all children, and what is handed down to a subreaper when they die, until none is
 * left or `limit_us` passed (what can't be killed). SIGCHLD must be blocked. */
void ff_children_kill(int64_t limit_us);

#endif
