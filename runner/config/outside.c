/* Runs an inventory's program. Before the run there is no loop yet, and while one goes on this is
 * done in a thread of its own: so it waits by itself. */
#include "config/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

enum {
	LOOK_MS = 50, /* how often it is asked whether it has ended: what it started may hold its
			 output open */
};

struct program {
	pid_t pid;
	int out;     /* what it writes */
	int signals; /* is readable when one is pending */
	bool ended;
	int status;
};

static void block(sigset_t *ours, sigset_t *before)
{
	sigemptyset(ours);
	sigaddset(ours, SIGINT);
	sigaddset(ours, SIGTERM);
	sigaddset(ours, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ours, before);
}

/* 0 or an errno. */
static int spawn(struct program *program, char *const *argv, const char *directory, int out,
		 const sigset_t *mask)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	rc = posix_spawn_file_actions_addchdir_np(&actions, directory);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, mask);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	if (!rc)
		rc = posix_spawnp(&program->pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static void look(struct program *program)
{
	if (!program->ended)
		program->ended = waitpid(program->pid, &program->status, WNOHANG) == program->pid;
}

/* Reads what there is: 1 if there may be more, 0 at the end, FF_ESYS, FF_ENOMEM. */
static int read_some(struct program *program, struct ff_buf *out)
{
	uint8_t *room = ff_buf_reserve(out, 1 << 16);
	ssize_t got;

	if (!room)
		return FF_ENOMEM;
	got = read(program->out, room, 1 << 16);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : FF_ESYS;
	ff_buf_added(out, (size_t)got);
	return got > 0;
}

static int wait_for(struct program *program, struct ff_buf *out, const struct ff_outside_opts *opts,
		    struct ff_err *err)
{
	int64_t deadline = ff_clock_us() + opts->timeout_us;
	size_t before = out->len;
	int more = 1;

	while (more > 0 || !program->ended) {
		struct pollfd fds[2] = {{.fd = program->signals, .events = POLLIN},
					{.fd = more ? program->out : -1, .events = POLLIN}};
		int ready = poll(fds, 2, LOOK_MS);

		if (opts->stop && atomic_load(opts->stop))
			return ff_err_set(err, FF_ECANCELED, "given up");
		if (ready > 0 && fds[0].revents)
			return ff_err_set(err, FF_ECANCELED, "interrupted");
		if (ready > 0 && fds[1].revents)
			more = read_some(program, out);
		else if (program->ended)
			break;
		else
			look(program);
		if (!more)
			look(program);
		if (more < 0)
			return ff_err_set(err, FF_ECONFIG, "its output can't be read: %s",
					  more == FF_ENOMEM ? ff_err_text(more) : strerror(errno));
		if (out->len - before > opts->max_bytes)
			return ff_err_set(err, FF_ECONFIG, "writes more than %zu MiB",
					  opts->max_bytes >> 20);
		if (ff_clock_us() > deadline)
			return ff_err_set(err, FF_ECONFIG, "took longer than %.1f s",
					  (double)opts->timeout_us / 1e6);
	}
	return 0;
}

static int judge(int status, struct ff_err *err)
{
	if (WIFSIGNALED(status))
		return ff_err_set(err, FF_ECONFIG, "was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		return ff_err_set(err, FF_ECONFIG, "ended with exit status %d",
				  WEXITSTATUS(status));
	return 0;
}

int ff_outside_run(struct ff_buf *out, char *const *argv, const struct ff_outside_opts *opts,
		   struct ff_err *err)
{
	struct program program = {.pid = -1};
	sigset_t ours, before;
	int pipe_fds[2], rc;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return ff_err_set(err, FF_ECONFIG, "%s", strerror(errno));
	program.out = pipe_fds[0];
	fcntl(program.out, F_SETFL, O_NONBLOCK);
	/* In a thread beside a loop signals are the loop's, and `stop` says what they meant. */
	block(&ours, &before);
	program.signals = opts->stop ? -1 : signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	rc = spawn(&program, argv, opts->directory, pipe_fds[1], &before);
	close(pipe_fds[1]);
	if (rc) {
		rc = ff_err_set(err, FF_ECONFIG, "can't be run: %s", strerror(rc));
	} else {
		rc = wait_for(&program, out, opts, err);
		/* Also what it left behind. */
		kill(-program.pid, SIGKILL);
		while (!program.ended && waitpid(program.pid, &program.status, 0) < 0 &&
		       errno == EINTR)
			;
		if (!rc)
			rc = judge(program.status, err);
	}
	close(program.out);
	if (program.signals >= 0)
		close(program.signals);
	pthread_sigmask(SIG_SETMASK, &before, NULL); /* one that is pending comes now */
	return rc;
}
