/* Children: finding, reaping and killing them, those that were handed down included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "worker/children.h"

static pid_t spawn_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

/* Waits for its end, and leaves the zombie. */
static void await_zombie(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static bool is_pid(void *ctx, pid_t pid)
{
	return *(pid_t *)ctx == pid;
}

static void test_list_and_reap(void **state)
{
	pid_t owned = spawn_sleeper(), stray = spawn_sleeper(), found[8];
	siginfo_t info;

	assert_int_equal(ff_children_list(found, 8), 2);
	assert_int_equal(ff_children_list(found, 1), 1);
	assert_int_equal(ff_children_reap(is_pid, &owned), 1);
	kill(owned, SIGKILL);
	kill(stray, SIGKILL);
	await_zombie(owned);
	await_zombie(stray);
	assert_int_equal(ff_children_reap(is_pid, &owned), 0);
	/* The owned one is still there to be waited for. */
	assert_int_equal(waitid(P_PID, (id_t)stray, &info, WEXITED | WNOHANG), -1);
	assert_int_equal(waitpid(owned, NULL, 0), owned);
}

static void test_kill_handed_down(void **state)
{
	int tell[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(tell), 0);
	pid = fork();
	if (pid == 0) {
		/* A child with a grandchild in a session of its own. */
		if (fork() == 0) {
			setsid();
			if (fork() != 0)
				_exit(0);
			signal(SIGTERM, SIG_IGN);
		}
		if (write(tell[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(tell[0], &byte, 1), 1);
	assert_int_equal(read(tell[0], &byte, 1), 1);
	close(tell[1]);
	ff_children_kill(20 * FF_SECOND_US);
	/* All writers are gone. */
	assert_int_equal(read(tell[0], &byte, 1), 0);
	close(tell[0]);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_kill_nothing(void **state)
{
	ff_children_kill(20 * FF_SECOND_US);
	assert_int_equal(ff_children_reap(NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_list_and_reap),
	    cmocka_unit_test(test_kill_handed_down),
	    cmocka_unit_test(test_kill_nothing),
	};
	sigset_t set;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
