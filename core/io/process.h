/* Child processes: spawned with vfork and exec, each in a process group of its own, finished when
 * the exit status and all output EOFs have arrived. */
#ifndef FF_IO_PROCESS_H
#define FF_IO_PROCESS_H

#include <sys/resource.h>
#include <sys/types.h>

#include "io/stream.h"

struct ff_process;
struct ff_ends; /* io/ends.h */

struct ff_spawn {
	char *const *argv;    /* argv[0] is looked up in PATH (the child's) unless it has a '/' */
	int exec_fd;	      /* >= 0: run this file (fexecve) under argv's name; -1: by name */
	char *const *env;     /* NULL: the parent's */
	const char *cwd;      /* NULL: the parent's */
	int nice;	      /* added to the parent's; 0: unchanged */
	bool new_session;     /* setsid instead of setpgid */
	bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL */
	bool merge_stderr;    /* stderr goes where stdout goes */
	bool stdin_null;      /* /dev/null instead of a pipe */
	bool inherit_stderr;  /* the parent's own stderr */
	int inherit;	      /* > 0: the child gets this descriptor of ours as well … */
	int inherit_as;	      /* … under this number, above 2; ours stays close-on-exec */
	int64_t late_us;      /* it may be over in a moment: what it prints before that time has
				 passed is told then, or at its exit; 0: at once */
	bool wide_pipes;      /* for bulk: FF_PROCESS_PIPE_WIDE bytes in each pipe, if allowed */
	struct ff_buf *input; /* what ff_process_stdin returns, the caller's; NULL: an own one */
};

/* More would soon meet the kernel's limit for the pipes of one user. */
enum { FF_PROCESS_PIPE_WIDE = 256 << 10 };

struct ff_process_ops {
	void (*out)(struct ff_process *process, const void *bytes, size_t len, void *ctx);
	void (*err)(struct ff_process *process, const void *bytes, size_t len, void *ctx);
	/* stdin took all there was, or failed and dropped it; may be NULL */
	void (*drained)(struct ff_process *process, void *ctx);
	/* It may still run, but can't be talked to any more: its stdout has ended (err NULL), its
	 * stdin was closed (FF_ECLOSED), or a pipe broke, stderr's included (FF_ELOST). May be
	 * NULL, and called for each. */
	void (*hung_up)(struct ff_process *process, const struct ff_err *err, void *ctx);
	/* The exit status arrived (EOFs may be outstanding); may be NULL. */
	void (*exited)(struct ff_process *process, void *ctx);
	/* Exit status and both EOFs are there; once. The process may be freed from here. */
	void (*finished)(struct ff_process *process, void *ctx);
};

/* Starts it. On failure NULL and err: FF_ESPAWN "cannot run 'prog': No such file or directory"
 * (also for a bad cwd, naming it), FF_ESYS, FF_ENOMEM; nothing is left behind. */
struct ff_process *ff_process_spawn(struct ff_loop *loop, const struct ff_spawn *spawn,
				    const struct ff_process_ops *ops, void *ctx,
				    struct ff_err *err);
/* The same of a child of ours (of ours alone is its status known) that somebody else has started
 * with `ends`, which are taken over, and made the leader of a group. NULL, FF_ENOMEM: it was
 * killed. */
struct ff_process *ff_process_adopt(struct ff_loop *loop, pid_t pid, struct ff_ends *ends,
				    const struct ff_process_ops *ops, void *ctx,
				    struct ff_err *err);
/* Also from inside its callbacks. Kills the group if its leader still runs (and reaps that), closes
 * everything; the memory is freed when that is safe. */
void ff_process_free(struct ff_process *process);

pid_t ff_process_pid(const struct ff_process *process);
/* Append here, then flush. */
struct ff_buf *ff_process_stdin(struct ff_process *process);
void ff_process_flush(struct ff_process *process);
void ff_process_close_stdin(struct ff_process *process); /* after what is unsent */
/* Bytes of stdin not yet written. */
size_t ff_process_unsent(const struct ff_process *process);
/* Back-pressure: stop and go on reading its output. */
void ff_process_read(struct ff_process *process, bool on);
/* What it prints to stdout in the next rest_us may come together. */
void ff_process_rest(struct ff_process *process, int64_t rest_us);
/* To the whole process group. Harmless when it is gone: the leader's pid stays reserved until
 * ff_process_free. */
void ff_process_kill(struct ff_process *process, int signal);
/* Give up waiting for EOFs after the exit (something that left the group keeps a pipe open):
 * `finished` follows. */
void ff_process_abandon_output(struct ff_process *process);

bool ff_process_exited(const struct ff_process *process);
/* As waitpid gives it; 0 before the exit. */
int ff_process_status(const struct ff_process *process);
/* User and system time, peak memory; zeros before the exit. */
const struct rusage *ff_process_rusage(const struct ff_process *process);
/* "exit status 3" or "killed by signal 9 (SIGKILL)"; returns its length. */
int ff_process_status_text(int status, char *text, size_t size);

/* --- for the end of the program, when the loop may be gone: neither touches it --- */
/* Its pipes end, as if this process had ended; their numbers stay taken. */
void ff_process_hang_up(struct ff_process *process);
/* Whether it exits within timeout_ms; it is not reaped, and nobody is told. Without pidfds: whether
 * it has exited. */
bool ff_process_await(struct ff_process *process, int timeout_ms);

/* --- for loop.c --- */
/* Closes what watches for exits without pidfds, if anything does. */
void ff_reaper_release(struct ff_loop *loop);
bool ff_reaper_owns(const struct ff_loop *loop, const uv_handle_t *handle);

#endif
