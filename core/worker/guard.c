/* The guard process. It holds no line to the controller and does nothing but wait, so there is
 * little that could kill it. Both it and the worker are subreapers: whichever of the two dies,
 * strays are handed to the other one. It must not know about gateways or the loop. */
#include "worker/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/children.h"

#define KILL_LIMIT_US (10 * FF_SECOND_US)

static pid_t worker_pid;

static void forward(int signal)
{
	int saved = errno;

	if (worker_pid > 0)
		kill(worker_pid, signal);
	errno = saved;
}

/* Ends as the worker ended, so that whoever started us sees its status or signal. */
static void __attribute__((noreturn)) end_as(int status)
{
	static const struct rlimit no_core;

	if (WIFSIGNALED(status)) {
		sigset_t set;

		setrlimit(RLIMIT_CORE, &no_core); /* the worker's own core is the interesting one */
		sigemptyset(&set);
		sigaddset(&set, WTERMSIG(status));
		signal(WTERMSIG(status), SIG_DFL);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		raise(WTERMSIG(status));
		_exit(128 + WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

static void __attribute__((noreturn)) guard_loop(void)
{
	struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART};
	sigset_t set;
	int status;
	pid_t pid;

	prctl(PR_SET_NAME, "farflung-guard");
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	/* From a terminal these go to the controller too, which decides what they mean. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	do {
		pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno != EINTR)
			_exit(1);
	} while (pid != worker_pid);
	worker_pid = 0;
	ff_children_kill(KILL_LIMIT_US);
	end_as(status);
}

int ff_guard_start(int in_fd, int out_fd)
{
	sigset_t held, old;
	pid_t guard = getpid();

	/* Signals wait until it is known whom to forward them to. */
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigaddset(&held, SIGCHLD);
	sigprocmask(SIG_BLOCK, &held, &old);
	signal(SIGCHLD, SIG_DFL); /* ignored by whoever started us, it would reap for us */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	worker_pid = fork();
	if (worker_pid < 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		return -1;
	}
	if (worker_pid > 0) {
		close(in_fd);
		close(out_fd);
		guard_loop();
	}
	prctl(PR_SET_NAME, "farflung-worker");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != guard)
		_exit(1);
	/* Out of the guard's group: who kills that one must not take away our time to clean up. */
	setpgid(0, 0);
	sigdelset(&old, SIGTERM);
	sigdelset(&old, SIGHUP);
	sigdelset(&old, SIGCHLD);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return 0;
}
