/* A child process on the loop: its pipes as streams, its exit through a pidfd (or SIGCHLD where
 * there are none), completion latched over the exit and both EOFs. Knows no protocol. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"
#include "io/ends.h"
#include "io/process.h"
#include "io/spawn.h"

enum { STATUS_UNKNOWN = 255 };

struct ff_process {
	struct ff_loop *loop;
	const struct ff_process_ops *ops;
	void *ctx;
	pid_t pid;
	int pidfd;
	int status;
	struct rusage rusage;
	struct ff_stream in, out, err;
	struct ff_buf own_input;
	struct ff_watch watch;
	struct ff_list node; /* in the reaper, without a pidfd */
	unsigned handles;    /* not yet closed */
	bool exited, out_eof, err_eof, finished, freed;
};

/* --- the end of it --- */

static void release_if_done(struct ff_process *process)
{
	if (!process->freed || !process->exited || process->handles > 0)
		return;
	ff_buf_release(&process->own_input);
	ff_free(process);
}

/* The zombie is kept until here: while it is there, no other process gets its pid and group. */
static void reap(struct ff_process *process)
{
	while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void finish_if_complete(struct ff_process *process)
{
	if (process->finished || process->freed || !process->exited || !process->out_eof ||
	    !process->err_eof)
		return;
	process->finished = true;
	if (process->ops->finished)
		process->ops->finished(process, process->ctx);
}

static void tell_exit(struct ff_process *process)
{
	process->exited = true;
	if (process->freed) {
		process->loop->ending--;
		reap(process);
		return;
	}
	if (process->ops->exited)
		process->ops->exited(process, process->ctx);
	finish_if_complete(process);
}

static void on_exit_seen(struct ff_process *process)
{
	/* A handle in spirit: the memory must survive its own callbacks. */
	process->handles++;
	/* Most often all is there by now, and nobody had to be woken for it. */
	ff_stream_look(&process->out);
	ff_stream_look(&process->err);
	/* Else there is somebody left who may still write, or hang up. */
	ff_stream_hurry(&process->out);
	ff_stream_hurry(&process->err);
	tell_exit(process);
	process->handles--;
	release_if_done(process);
}

/* Whether it has exited; its status is then filled in, and the zombie still there. */
static bool look_for_exit(struct ff_process *process)
{
	siginfo_t info;
	long rc;

	memset(&info, 0, sizeof(info));
	do {
		rc = syscall(SYS_waitid, P_PID, process->pid, &info, WEXITED | WNOHANG | WNOWAIT,
			     &process->rusage);
	} while (rc != 0 && errno == EINTR);
	if (rc == 0 && info.si_pid == 0)
		return false;
	if (rc != 0) /* somebody else reaped it */
		process->status = W_EXITCODE(STATUS_UNKNOWN, 0);
	else if (info.si_code == CLD_EXITED)
		process->status = W_EXITCODE(info.si_status & 0xff, 0);
	else
		process->status = info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
	return true;
}

/* --- exits through pidfds --- */

static void on_pidfd(struct ff_watch *watch, int events)
{
	struct ff_process *process = ff_container_of(watch, struct ff_process, watch);

	if (!look_for_exit(process))
		return;
	ff_watch_close(watch);
	close(process->pidfd);
	process->pidfd = -1;
	on_exit_seen(process);
}

static bool watch_pidfd(struct ff_process *process)
{
	if (process->pidfd < 0)
		return false;
	if (process->loop->no_pidfd || ff_watch_open(&process->watch, process->loop, process->pidfd,
						     FF_WATCH_READ, on_pidfd) != 0) {
		close(process->pidfd);
		process->pidfd = -1;
		return false;
	}
	return true;
}

/* --- exits through SIGCHLD --- */

struct ff_reaper {
	uv_signal_t signal;
	struct ff_list processes;
};

static void on_sigchld(uv_signal_t *signal, int signum)
{
	struct ff_reaper *reaper = signal->data;
	struct ff_list *pos, exited;

	/* Callbacks may free any process: take one at a time from a list of their own. */
	ff_list_init(&exited);
	for (pos = reaper->processes.next; pos != &reaper->processes;) {
		struct ff_process *process = ff_container_of(pos, struct ff_process, node);

		pos = pos->next;
		if (look_for_exit(process)) {
			ff_list_del(&process->node);
			ff_list_add_tail(&exited, &process->node);
		}
	}
	while (!ff_list_empty(&exited)) {
		struct ff_process *process = ff_container_of(exited.next, struct ff_process, node);

		ff_list_del(&process->node);
		on_exit_seen(process);
	}
	if (ff_list_empty(&reaper->processes))
		uv_signal_stop(signal);
}

static int watch_sigchld(struct ff_process *process)
{
	struct ff_loop *loop = process->loop;

	if (!loop->reaper) {
		loop->reaper = ff_calloc(1, sizeof(*loop->reaper));
		if (!loop->reaper)
			return FF_ENOMEM;
		uv_signal_init(loop->uv, &loop->reaper->signal);
		loop->reaper->signal.data = loop->reaper;
		ff_list_init(&loop->reaper->processes);
	}
	if (ff_list_empty(&loop->reaper->processes))
		uv_signal_start(&loop->reaper->signal, on_sigchld, SIGCHLD);
	ff_list_add_tail(&loop->reaper->processes, &process->node);
	/* It may have exited before the handler was in place. */
	kill(getpid(), SIGCHLD);
	return 0;
}

void ff_reaper_release(struct ff_loop *loop)
{
	if (loop->reaper)
		uv_close((uv_handle_t *)&loop->reaper->signal, NULL);
}

bool ff_reaper_owns(const struct ff_loop *loop, const uv_handle_t *handle)
{
	return loop->reaper && handle == (const uv_handle_t *)&loop->reaper->signal;
}

/* --- pipes --- */

static void on_stream_closed(struct ff_stream *stream, void *ctx)
{
	struct ff_process *process = ctx;

	if (stream == &process->out)
		process->out_eof = true;
	if (stream == &process->err)
		process->err_eof = true;
	process->handles--;
	if (process->freed) {
		release_if_done(process);
	} else {
		finish_if_complete(process);
	}
}

static void on_data(struct ff_stream *stream, const void *bytes, size_t len, void *ctx)
{
	struct ff_process *process = ctx;

	if (stream == &process->out) {
		if (process->ops->out)
			process->ops->out(process, bytes, len, process->ctx);
	} else if (process->ops->err) {
		process->ops->err(process, bytes, len, process->ctx);
	}
}

static void on_eof(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_process *process = ctx;

	if (stream == &process->out) {
		process->out_eof = true;
	} else {
		process->err_eof = true;
	}
	ff_stream_close(stream, on_stream_closed);
	if ((stream == &process->out || err) && process->ops->hung_up)
		process->ops->hung_up(process, err, process->ctx);
	finish_if_complete(process);
}

static void on_drained(struct ff_stream *stream, const struct ff_err *err, void *ctx)
{
	struct ff_process *process = ctx;

	if (err && process->ops->hung_up)
		process->ops->hung_up(process, err, process->ctx);
	if (!process->freed && process->ops->drained)
		process->ops->drained(process, process->ctx);
}

static const struct ff_stream_ops output_ops = {.data = on_data, .eof = on_eof};
static const struct ff_stream_ops input_ops = {
	.data = on_data, .eof = on_eof, .drained = on_drained};

/* Opened once for all children without stdin. -1: it can't be; the child will tell. */
static int null_of(struct ff_loop *loop)
{
	if (loop->null_fd < 0) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		loop->null_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (fd >= 0)
			close(fd);
	}
	return loop->null_fd;
}

/* Both take over the descriptor that is ours. */
static int open_input(struct ff_process *process, struct ff_ends *ends,
		      const struct ff_spawn *spawn, struct ff_err *err)
{
	struct ff_buf *input = spawn->input ? spawn->input : &process->own_input;
	int rc = 0, fd = ends->mine[0];

	if (fd >= 0)
		rc = ff_stream_open(&process->in, process->loop, fd, input, &input_ops, process,
				    err);
	ends->mine[0] = -1;
	process->handles += process->in.open;
	return rc;
}

static int open_output(struct ff_process *process, struct ff_stream *stream, int *fd,
		       int64_t late_us, struct ff_err *err)
{
	int rc = 0;

	if (*fd >= 0)
		rc = ff_stream_open_reading(stream, process->loop, *fd, late_us, &output_ops,
					    process, err);
	*fd = -1;
	process->handles += stream->open;
	return rc;
}

static int open_streams(struct ff_process *process, struct ff_ends *ends,
			const struct ff_spawn *spawn, struct ff_err *err)
{
	int rc;

	process->err_eof = ends->mine[2] < 0;
	rc = open_input(process, ends, spawn, err);
	if (rc == 0)
		rc = open_output(process, &process->out, &ends->mine[1], spawn->late_us, err);
	if (rc == 0)
		rc = open_output(process, &process->err, &ends->mine[2], spawn->late_us, err);
	return rc;
}

/* From here on the loop knows of it, whoever has started it. */
static int begin(struct ff_process *process, const struct ff_birth *birth, struct ff_ends *ends,
		 struct ff_err *err)
{
	int rc;

	process->pid = birth->pid;
	process->pidfd = birth->pidfd;
	ff_list_init(&process->node);
	rc = watch_pidfd(process) ? 0 : watch_sigchld(process);
	if (rc != 0) {
		/* Out of memory for the one watcher: undo by hand. */
		ff_err_set(err, rc, "out of memory");
		kill(-process->pid, SIGKILL);
		reap(process);
		ff_ends_close(ends);
		ff_free(process);
		return rc;
	}
	rc = open_streams(process, ends, birth->spawn, err);
	if (rc != 0) {
		ff_ends_close(ends);
		ff_process_free(process);
	}
	return rc;
}

static struct ff_process *process_new(struct ff_loop *loop, const struct ff_process_ops *ops,
				      void *ctx, struct ff_err *err)
{
	struct ff_process *process = ff_calloc(1, sizeof(*process));

	if (!process) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	process->loop = loop;
	process->ops = ops;
	process->ctx = ctx;
	return process;
}

struct ff_process *ff_process_spawn(struct ff_loop *loop, const struct ff_spawn *spawn,
				    const struct ff_process_ops *ops, void *ctx, struct ff_err *err)
{
	struct ff_birth birth = {.spawn = spawn};
	struct ff_process *process;
	struct ff_ends ends;

	if (ff_ends_open(&ends, spawn, err) != 0)
		return NULL;
	process = process_new(loop, ops, ctx, err);
	birth.in = spawn->stdin_null ? null_of(loop) : ends.theirs[0];
	birth.out = ends.theirs[1];
	birth.err = spawn->merge_stderr ? birth.out : ends.theirs[2];
	if (!process || ff_spawn_run(&birth, err) != 0) {
		ff_ends_close(&ends);
		ff_free(process);
		return NULL;
	}
	ff_ends_close_theirs(&ends);
	return begin(process, &birth, &ends, err) == 0 ? process : NULL;
}

struct ff_process *ff_process_adopt(struct ff_loop *loop, pid_t pid, struct ff_ends *ends,
				    const struct ff_process_ops *ops, void *ctx, struct ff_err *err)
{
	static const struct ff_spawn spawn = {.exec_fd = -1};
	struct ff_birth birth = {.spawn = &spawn, .pid = pid};
	struct ff_process *process = process_new(loop, ops, ctx, err);

	if (!process) {
		kill(-pid, SIGKILL);
		ff_ends_close(ends);
		return NULL;
	}
	birth.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ff_ends_close_theirs(ends);
	return begin(process, &birth, ends, err) == 0 ? process : NULL;
}

void ff_process_free(struct ff_process *process)
{
	if (!process || process->freed)
		return;
	process->freed = true;
	if (process->exited) {
		reap(process);
	} else {
		process->loop->ending++;
		kill(-process->pid, SIGKILL);
	}
	if (process->in.open)
		ff_stream_close(&process->in, on_stream_closed);
	if (process->out.open)
		ff_stream_close(&process->out, on_stream_closed);
	if (process->err.open)
		ff_stream_close(&process->err, on_stream_closed);
	release_if_done(process);
}

/* --- what the owner does with it --- */

pid_t ff_process_pid(const struct ff_process *process)
{
	return process->pid;
}

struct ff_buf *ff_process_stdin(struct ff_process *process)
{
	return process->in.out ? process->in.out : &process->own_input;
}

void ff_process_flush(struct ff_process *process)
{
	ff_stream_flush(&process->in);
}

void ff_process_close_stdin(struct ff_process *process)
{
	ff_stream_shutdown(&process->in);
}

size_t ff_process_unsent(const struct ff_process *process)
{
	return ff_stream_unsent(&process->in);
}

void ff_process_read(struct ff_process *process, bool on)
{
	if (process->out.open)
		ff_stream_read(&process->out, on);
	if (process->err.open)
		ff_stream_read(&process->err, on);
}

void ff_process_rest(struct ff_process *process, int64_t rest_us)
{
	ff_stream_rest(&process->out, rest_us);
}

void ff_process_kill(struct ff_process *process, int signal)
{
	if (!process->freed)
		kill(-process->pid, signal);
}

void ff_process_abandon_output(struct ff_process *process)
{
	if (process->out.open)
		ff_stream_close(&process->out, on_stream_closed);
	if (process->err.open)
		ff_stream_close(&process->err, on_stream_closed);
}

bool ff_process_exited(const struct ff_process *process)
{
	return process->exited;
}

int ff_process_status(const struct ff_process *process)
{
	return process->status;
}

const struct rusage *ff_process_rusage(const struct ff_process *process)
{
	return &process->rusage;
}

int ff_process_status_text(int status, char *text, size_t size)
{
	const char *name;

	if (!WIFSIGNALED(status))
		return snprintf(text, size, "exit status %d", WEXITSTATUS(status));
	name = sigabbrev_np(WTERMSIG(status));
	if (!name)
		return snprintf(text, size, "killed by signal %d", WTERMSIG(status));
	return snprintf(text, size, "killed by signal %d (SIG%s)", WTERMSIG(status), name);
}

/* --- the end of the program --- */

static void hang_up(const struct ff_stream *stream, int null)
{
	/* Not closed: the loop's owner may still want to do that. */
	if (stream->open && stream->fd >= 0)
		dup3(null, stream->fd, O_CLOEXEC);
}

void ff_process_hang_up(struct ff_process *process)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	hang_up(&process->in, null);
	hang_up(&process->out, null);
	hang_up(&process->err, null);
	close(null);
}

bool ff_process_await(struct ff_process *process, int timeout_ms)
{
	struct pollfd pollfd = {.fd = process->pidfd, .events = POLLIN};

	if (process->exited || process->pidfd < 0)
		return process->exited || look_for_exit(process);
	return poll(&pollfd, 1, timeout_ms) > 0;
}
