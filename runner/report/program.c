#include "report/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

enum { LOOK_MS = 20 };

static void give(posix_spawn_file_actions_t *actions, int fd, int to)
{
	int flags = to == STDIN_FILENO ? O_RDONLY : O_WRONLY;

	if (fd >= 0)
		posix_spawn_file_actions_adddup2(actions, fd, to);
	else
		posix_spawn_file_actions_addopen(actions, to, "/dev/null", flags, 0);
}

/* 0 or an errno. */
static int spawn(const struct ff_program *program, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	give(&actions, program->in, STDIN_FILENO);
	give(&actions, program->out, STDOUT_FILENO);
	give(&actions, program->out, STDERR_FILENO);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(pid, program->argv[0], &actions, &attr, program->argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static int wait_for(const struct ff_program *program, pid_t pid, struct ff_buf *why)
{
	int64_t deadline = ff_clock_us() + program->seconds * INT64_C(1000000);
	const char *name = program->argv[0];
	bool killed = false;
	int status = 0;

	while (waitpid(pid, &status, killed ? 0 : WNOHANG) != pid) {
		if (killed && errno != EINTR)
			break;
		killed = killed || *program->hurry || ff_clock_us() > deadline;
		if (killed)
			kill(-pid, SIGKILL);
		else
			poll(NULL, 0, LOOK_MS);
	}
	if (killed)
		ff_buf_addf(why, "%s took too long (%d s at most)", name, program->seconds);
	else if (WIFSIGNALED(status))
		ff_buf_addf(why, "%s was killed by signal %d", name, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		ff_buf_addf(why, "%s ended with exit status %d", name, WEXITSTATUS(status));
	return killed || status ? -1 : 0;
}

int ff_program_run(const struct ff_program *program, struct ff_buf *why)
{
	pid_t pid;
	int rc = spawn(program, &pid);

	if (rc == 0)
		return wait_for(program, pid, why);
	ff_buf_addf(why, "%s: %s", program->argv[0], strerror(rc));
	return rc;
}
