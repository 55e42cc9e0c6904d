/* Buildkite's page of a build has what its agent's program is given, as `buildkite-agent annotate`
 * documents: Markdown on stdin, of 1 MiB at most. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "report/service.h"

extern char **environ;

enum { AGENT_SECONDS = 15, LOOK_MS = 20 };

/* Its pid, or a negative errno. What it says is of no interest in a log that people read. */
static pid_t spawn(char *const *argv, int text)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&actions, text, STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(&pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return rc ? -rc : pid;
}

static void wait_for(pid_t pid, const volatile bool *hurry, struct ff_buf *why)
{
	int64_t deadline = ff_clock_us() + AGENT_SECONDS * INT64_C(1000000);
	bool killed = false;
	int status = 0;

	while (waitpid(pid, &status, killed ? 0 : WNOHANG) != pid) {
		if (killed && errno != EINTR)
			break;
		killed = *hurry || ff_clock_us() > deadline;
		if (killed)
			kill(-pid, SIGKILL);
		else
			poll(NULL, 0, LOOK_MS);
	}
	if (killed)
		ff_buf_addf(why, "buildkite-agent was still at it after %d s", AGENT_SECONDS);
	else if (WIFSIGNALED(status))
		ff_buf_addf(why, "buildkite-agent was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		ff_buf_addf(why, "buildkite-agent ended with exit status %d", WEXITSTATUS(status));
}

/* Several runs of a step add to one annotation, other steps have their own. */
void ff_service_annotate(const struct ff_buf *markdown, bool good, const volatile bool *hurry,
			 struct ff_buf *why)
{
	const char *step = getenv("BUILDKITE_JOB_ID");
	char context[128], style[16];
	char *argv[] = {"buildkite-agent", "annotate", "--context", context,
			"--style",	   style,      "--append",  NULL};
	int text = memfd_create("annotation", MFD_CLOEXEC), errnum = text < 0 ? errno : 0;
	pid_t pid = -1;

	snprintf(context, sizeof(context), "farflung%s%s", step && *step ? "-" : "",
		 step ? step : "");
	snprintf(style, sizeof(style), "%s", good ? "success" : "error");
	if (!errnum)
		errnum = ff_write_all(text, ff_buf_data(markdown), markdown->len);
	if (!errnum && lseek(text, 0, SEEK_SET) < 0)
		errnum = errno;
	if (!errnum)
		pid = spawn(argv, text);
	if (!errnum && pid < 0)
		errnum = (int)-pid;
	if (text >= 0)
		close(text);
	if (!errnum)
		wait_for(pid, hurry, why);
	else if (errnum != ENOENT)
		ff_buf_addf(why, "buildkite-agent: %s", strerror(errnum));
}
