/* Wrappers that fail on demand. They are what the linker puts in the place of the real ones, for
 * calls made by our code; libraries and the test program's own children are not concerned. */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <unistd.h>
#include <uv.h>

static struct {
	struct ff_fault fault;
	bool on;
	size_t calls, hits;
	pid_t owner;
} faults;

void ff_fault_set(const struct ff_fault *fault)
{
	faults.on = fault;
	if (fault) {
		faults.fault = *fault;
		faults.calls = faults.hits = 0;
		faults.owner = getpid();
	}
}

size_t ff_fault_hits(void)
{
	return faults.hits;
}

const char *ff_fault_name(enum ff_fault_call call)
{
	static const char *const names[] = {
#define X(name) #name,
		FF_FAULT_CALLS(X)
#undef X
			"any allocation",
	};

	return names[call];
}

/* Runs in vforked children, too: no sanitizer's traps there. */
__attribute__((no_sanitize("address", "undefined"))) static bool strike(enum ff_fault_call call)
{
	const struct ff_fault *fault = &faults.fault;
	size_t past;

	if (!faults.on || getpid() != faults.owner)
		return false;
	if (call != fault->call && (fault->call != FF_FAULT_ALLOC || call < FF_FAULT_malloc))
		return false;
	if (++faults.calls < fault->nth)
		return false;
	past = faults.calls - fault->nth;
	if (fault->every ? past % fault->every : past)
		return false;
	faults.hits++;
	errno = fault->errnum;
	return true;
}

ssize_t __real_read(int fd, void *bytes, size_t len);
ssize_t __wrap_read(int fd, void *bytes, size_t len);
ssize_t __wrap_read(int fd, void *bytes, size_t len)
{
	if (!strike(FF_FAULT_read))
		return __real_read(fd, bytes, len);
	return faults.fault.errnum == FF_FAULT_SHORT ? __real_read(fd, bytes, len ? 1 : 0) : -1;
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	if (!strike(FF_FAULT_write))
		return __real_write(fd, bytes, len);
	return faults.fault.errnum == FF_FAULT_SHORT ? __real_write(fd, bytes, len ? 1 : 0) : -1;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
__attribute__((no_sanitize("address", "undefined"))) int __wrap_open(const char *path, int flags,
								     ...)
{
	mode_t mode = 0;
	va_list args;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	return strike(FF_FAULT_open) ? -1 : __real_open(path, flags, mode);
}

int __real_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags)
{
	return strike(FF_FAULT_pipe2) ? -1 : __real_pipe2(fds, flags);
}

int __real_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	va_list args;
	int *pidfd;

	va_start(args, arg);
	pidfd = va_arg(args, int *);
	va_end(args);
	return strike(FF_FAULT_clone) ? -1 : __real_clone(fn, stack, flags, arg, pidfd);
}

pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	return strike(FF_FAULT_waitpid) ? -1 : __real_waitpid(pid, status, options);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
__attribute__((no_sanitize("address", "undefined"))) long __wrap_syscall(long number, ...)
{
	long words[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		words[i] = va_arg(args, long);
	va_end(args);
	if (strike(FF_FAULT_syscall))
		return -1;
	return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags)
{
	return strike(FF_FAULT_memfd_create) ? -1 : __real_memfd_create(name, flags);
}

int __real_uv_loop_init(uv_loop_t *loop);
int __wrap_uv_loop_init(uv_loop_t *loop);
int __wrap_uv_loop_init(uv_loop_t *loop)
{
	return strike(FF_FAULT_uv_loop_init) ? -faults.fault.errnum : __real_uv_loop_init(loop);
}

int __real_uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd);
int __wrap_uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd);
int __wrap_uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
	if (strike(FF_FAULT_uv_poll_init))
		return -faults.fault.errnum;
	return __real_uv_poll_init(loop, poll, fd);
}

int __real_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_ADD && strike(FF_FAULT_epoll_ctl)) {
		errno = faults.fault.errnum;
		return -1;
	}
	return __real_epoll_ctl(set, op, fd, event);
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return strike(FF_FAULT_malloc) ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return strike(FF_FAULT_calloc) ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
	return strike(FF_FAULT_realloc) ? NULL : __real_realloc(old, size);
}
