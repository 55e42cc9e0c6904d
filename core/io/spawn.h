/* The moment of birth: one program started by vfork and exec, with what went wrong in words. Knows
 * nothing of loops, pipes or exits. */
#ifndef FF_IO_SPAWN_H
#define FF_IO_SPAWN_H

#include "io/process.h"

struct ff_birth {
	const struct ff_spawn *spawn;
	int in, out,
		err; /* the child's ends, close-on-exec; -1: /dev/null, /dev/null, the parent's */
	pid_t pid;   /* filled */
	int pidfd;   /* filled; -1 where the kernel has none */
};

/* 0; FF_ESPAWN with words, FF_ENOMEM. The descriptors stay the caller's. */
int ff_spawn_run(struct ff_birth *birth, struct ff_err *err);

/* From now on this program ignores no signal that it does not ignore yet: its children are spared
 * the calls for all others that have their default action, as most have. */
void ff_spawn_settle_signals(void);

/* Raises this process's soft limit of open files to the hard one, once: a group of a thousand
 * gateways needs four for each. Children get back what we were started with, since programs that
 * use select() break with more. */
void ff_spawn_raise_files(void);

#endif
