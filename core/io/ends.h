/* The pipes of a child, both ends of each, until ours have become streams. Knows no loop. */
#ifndef FF_IO_ENDS_H
#define FF_IO_ENDS_H

#include "io/process.h"

struct ff_ends {
	int mine[3], theirs[3]; /* stdin, stdout, stderr; -1: none. The child's are above 2 */
};

/* All close-on-exec, and only those that `spawn` asks for. FF_ESYS: nothing is open. */
int ff_ends_open(struct ff_ends *ends, const struct ff_spawn *spawn, struct ff_err *err);
void ff_ends_close_theirs(struct ff_ends *ends);
void ff_ends_close(struct ff_ends *ends);

#endif
