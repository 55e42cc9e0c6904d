/* Makes the nth call of one kind fail, in a test program that is linked with the --wrap options of
 * FF_FAULT_WRAPS (tests/unit/CMakeLists.txt). Production code knows nothing of it. */
#ifndef FF_FAKES_FAULTS_H
#define FF_FAKES_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* X(name of the function) */
#define FF_FAULT_CALLS(X)                                                                          \
	X(read)                                                                                    \
	X(write)                                                                                   \
	X(open)                                                                                    \
	X(pipe2)                                                                                   \
	X(clone)                                                                                   \
	X(waitpid)                                                                                 \
	X(syscall)                                                                                 \
	X(memfd_create)                                                                            \
	X(uv_loop_init)                                                                            \
	X(uv_poll_init)                                                                            \
	X(epoll_ctl) /* what adds a descriptor */                                                  \
	X(malloc)                                                                                  \
	X(calloc)                                                                                  \
	X(realloc)

enum ff_fault_call {
#define X(name) FF_FAULT_##name,
	FF_FAULT_CALLS(X)
#undef X
		FF_FAULT_ALLOC, /* malloc, calloc and realloc, counted together */
};

/* Instead of an errno: reads or writes one byte only. */
enum { FF_FAULT_SHORT = -1 };

struct ff_fault {
	enum ff_fault_call call;
	int errnum;
	size_t nth;   /* 1: the next call */
	size_t every; /* 0: that one only; 1: all later ones as well; 2: every second one, … */
};

/* From now on; in this process only, not in children. NULL: no more. */
void ff_fault_set(const struct ff_fault *fault);
/* How many calls have failed since. */
size_t ff_fault_hits(void);
const char *ff_fault_name(enum ff_fault_call call);

#endif
