/* The guard: the parent of the worker proper, which outlives it to clear away what it leaves. */
#ifndef FF_WORKER_GUARD_H
#define FF_WORKER_GUARD_H

/* Forks. Returns 0 in the child, which goes on as the worker proper, in a process group of its own,
 * and gets SIGTERM if the guard dies; negative: could not fork (errno). The parent never returns:
 * it closes `in_fd` and `out_fd`, waits for the child, kills every descendant, and ends as the
 * child ended. */
int ff_guard_start(int in_fd, int out_fd);

#endif
