/* The moment of birth: vfork and exec. The child borrows the parent's memory until it execs, so it
 * makes plain system calls only and leaves its errno where the parent finds it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/spawn.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

/* ThreadSanitizer takes clone for a fork, and then what the child does to be the program's own. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

/* Nothing that a sanitizer has put a trap into may run in the child. */
#define RAW __attribute__((no_sanitize("address", "undefined", "thread"), noinline))

enum {
	CHILD_STACK = 32 << 10,
	SIGNALS = 31, /* without the realtime ones, which nobody here touches */
	KERNEL_SIGSET_BYTES = 8,
	EXIT_NOT_STARTED = 127,
};

/* Bit n - 1: children have to be given signal n's default action. */
static uint32_t unsettled = UINT32_MAX;

enum stage { STAGE_NONE, STAGE_STDIO, STAGE_NICE, STAGE_CWD, STAGE_EXEC };

struct child {
	const struct ff_birth *birth;
	char *const *env;
	const char *path; /* NULL: argv[0] is run as it is */
	pid_t parent;
	const struct rlimit *files; /* NULL: the parent's */
	volatile int stage;	    /* where it failed */
	volatile int errnum;
};

RAW static int child_fail(struct child *child, enum stage stage)
{
	child->errnum = errno;
	child->stage = (int)stage;
	_exit(EXIT_NOT_STARTED);
}

RAW static int child_stdio(const struct ff_birth *birth)
{
	int null = -1;

	if (birth->in < 0 || birth->out < 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0)
			return -1;
	}
	if (dup2(birth->in < 0 ? null : birth->in, STDIN_FILENO) < 0 ||
	    dup2(birth->out < 0 ? null : birth->out, STDOUT_FILENO) < 0)
		return -1;
	return birth->err < 0 || dup2(birth->err, STDERR_FILENO) >= 0 ? 0 : -1;
}

/* A copy that the standard streams and the number it shall have leave alone. */
RAW static int child_save(const struct ff_spawn *spawn)
{
	return spawn->inherit > 0 ? fcntl(spawn->inherit, F_DUPFD_CLOEXEC, spawn->inherit_as + 1)
				  : 0;
}

/* After the standard streams, whose sources it may close. */
RAW static int child_inherit(const struct ff_spawn *spawn, int saved, int *exec_fd)
{
	*exec_fd = spawn->exec_fd;
	if (saved == 0)
		return 0;
	if (*exec_fd == spawn->inherit_as) {
		*exec_fd = fcntl(*exec_fd, F_DUPFD_CLOEXEC, spawn->inherit_as + 1);
		if (*exec_fd < 0)
			return -1;
	}
	return dup2(saved, spawn->inherit_as) < 0 ? -1 : 0;
}

/* All signals are blocked until the dispositions are default ones: a handler of the parent's must
 * not run here. The zeroed array is a struct sigaction of the kernel's, and a signal set. */
RAW static void child_signals(void)
{
	static const unsigned long zeros[16];

	for (int sig = 1; sig <= SIGNALS; sig++) {
		if ((unsettled >> (sig - 1) & 1) && sig != SIGKILL && sig != SIGSTOP)
			syscall(SYS_rt_sigaction, sig, zeros, NULL, KERNEL_SIGSET_BYTES);
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, NULL, KERNEL_SIGSET_BYTES);
}

RAW static void child_search(struct child *child, const char *name)
{
	char *const *argv = child->birth->spawn->argv;
	char file[PATH_MAX];
	bool denied = false;
	size_t name_len = 0;

	while (name[name_len])
		name_len++;
	for (const char *dir = child->path; dir;) {
		size_t len = 0;

		while (dir[len] && dir[len] != ':')
			len++;
		if (len + name_len + 2 <= sizeof(file)) {
			size_t at = 0;

			for (; at < len; at++)
				file[at] = dir[at];
			if (len > 0)
				file[at++] = '/';
			for (size_t i = 0; i <= name_len; i++)
				file[at + i] = name[i];
			execve(file, argv, child->env);
			if (errno == EACCES) {
				denied = true;
			} else if (errno != ENOENT && errno != ENOTDIR) {
				return;
			}
		}
		dir = dir[len] ? dir + len + 1 : NULL;
	}
	errno = denied ? EACCES : ENOENT;
}

/* Valgrind finds no file behind a memory file's descriptor, but one by its name. */
RAW static void child_exec_by_path(const struct child *child, int fd)
{
	char path[] = "/proc/self/fd/\0\0\0\0\0\0\0\0\0\0";
	int at = (int)sizeof("/proc/self/fd/") - 1, saved = errno;

	if (saved != ENOENT)
		return;
	for (int rest = fd; rest >= 10; rest /= 10)
		at++;
	for (int rest = fd; at >= (int)sizeof("/proc/self/fd/") - 1; rest /= 10)
		path[at--] = (char)('0' + rest % 10);
	execve(path, child->birth->spawn->argv, child->env);
	errno = saved;
}

RAW static int child_main(void *arg)
{
	struct child *child = arg;
	const struct ff_spawn *spawn = child->birth->spawn;
	int exec_fd, saved;

	if (spawn->new_session) {
		setsid();
	} else {
		setpgid(0, 0);
	}
	if (spawn->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != child->parent)
			_exit(EXIT_NOT_STARTED);
	}
	saved = child_save(spawn);
	if (saved < 0 || child_stdio(child->birth) != 0 ||
	    child_inherit(spawn, saved, &exec_fd) != 0)
		return child_fail(child, STAGE_STDIO);
	if (spawn->nice != 0) {
		errno = 0;
		if (nice(spawn->nice) == -1 && errno != 0)
			return child_fail(child, STAGE_NICE);
	}
	if (spawn->cwd && chdir(spawn->cwd) != 0)
		return child_fail(child, STAGE_CWD);
	child_signals();
	if (child->files)
		syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, child->files, NULL);
	if (exec_fd >= 0) {
		fexecve(exec_fd, spawn->argv, child->env);
		child_exec_by_path(child, exec_fd);
	} else if (child->path) {
		child_search(child, spawn->argv[0]);
	} else {
		execve(spawn->argv[0], spawn->argv, child->env);
	}
	return child_fail(child, STAGE_EXEC);
}

/* --- the limit of open files --- */

static struct {
	pthread_once_t once;
	bool raised;
	struct rlimit before, after;
} files = {.once = PTHREAD_ONCE_INIT};

static void raise_files(void)
{
	if (getrlimit(RLIMIT_NOFILE, &files.before) != 0 ||
	    files.before.rlim_cur == files.before.rlim_max)
		return;
	files.after = files.before;
	files.after.rlim_cur = files.after.rlim_max;
	files.raised = setrlimit(RLIMIT_NOFILE, &files.after) == 0;
}

void ff_spawn_raise_files(void)
{
	pthread_once(&files.once, raise_files);
}

/* What the program has set itself since then is for its children, too. */
static const struct rlimit *files_for_child(void)
{
	struct rlimit now;

	if (!files.raised || getrlimit(RLIMIT_NOFILE, &now) != 0 ||
	    now.rlim_cur != files.after.rlim_cur || now.rlim_max != files.after.rlim_max)
		return NULL;
	return &files.before;
}

/* --- the parent's side --- */

void ff_spawn_settle_signals(void)
{
	struct sigaction action;

	for (int sig = 1; sig <= SIGNALS; sig++) {
		if (sigaction(sig, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
			unsettled &= ~(UINT32_C(1) << (sig - 1));
	}
}

static const char *find_path(char *const *env)
{
	for (; env && *env; env++) {
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	}
	return "/usr/local/bin:/usr/bin:/bin";
}

static int explain(const struct child *child, struct ff_err *err)
{
	const struct ff_spawn *spawn = child->birth->spawn;
	const char *prog = spawn->argv[0], *why = strerror(child->errnum);

	switch ((enum stage)child->stage) {
	case STAGE_NONE:
	case STAGE_EXEC:
		break;
	case STAGE_STDIO:
		return ff_err_set(err, FF_ESPAWN, "cannot run '%s': standard streams: %s", prog,
				  why);
	case STAGE_NICE:
		return ff_err_set(err, FF_ESPAWN, "cannot run '%s' with nice %d: %s", prog,
				  spawn->nice, why);
	case STAGE_CWD:
		return ff_err_set(err, FF_ESPAWN, "cannot run '%s' in '%s': %s", prog, spawn->cwd,
				  why);
	}
	return ff_err_set(err, FF_ESPAWN, "cannot run '%s': %s", prog, why);
}

int ff_spawn_run(struct ff_birth *birth, struct ff_err *err)
{
	const struct ff_spawn *spawn = birth->spawn;
	struct child child = {.birth = birth, .env = spawn->env ? spawn->env : environ};
	sigset_t all, before;
	char *stack;
	int errnum;

	if (!spawn->argv || !spawn->argv[0] || !spawn->argv[0][0])
		return ff_err_set(err, FF_ESPAWN, "cannot run '': no program is named");
	if (spawn->exec_fd < 0 && !strchr(spawn->argv[0], '/'))
		child.path = find_path(child.env);
	child.parent = getpid();
	child.files = files_for_child();
	stack = ff_malloc(CHILD_STACK);
	if (!stack)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	birth->pidfd = -1;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	birth->pid = clone(child_main, stack + CHILD_STACK,
			   CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &child, &birth->pidfd);
	errnum = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	ff_free(stack);
	if (birth->pid < 0)
		return ff_err_set(err, FF_ESPAWN, "cannot run '%s': cannot fork: %s",
				  spawn->argv[0], strerror(errnum));
	if (child.errnum == 0)
		return 0;
	while (waitpid(birth->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (birth->pidfd >= 0)
		close(birth->pidfd);
	return explain(&child, err);
}
