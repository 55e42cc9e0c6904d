/* Child processes: exits, signals, what cannot be started, completion, groups, no leaks. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "io/process.h"
#include "io/spawn.h"
#include "../../fakes/descriptors.h"
#include "io/loop_private.h"

struct fixture {
	struct ff_loop loop;
	int fds;
	int64_t late_us; /* that its output is looked at */
};

struct watcher {
	struct ff_buf out, err;
	struct ff_process *process;
	unsigned exited, finished, drained, hung_up;
	int status;
	bool exited_first; /* the exit was seen before the EOFs */
	bool abandon, kill_group_on_exit;
};

/* libuv keeps a few descriptors for good once it was used. */
static int warm_up(void **state)
{
	struct ff_loop loop;

	assert_int_equal(ff_loop_init(&loop, NULL), 0);
	return ff_loop_release(&loop);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->fds = count_fds();
	assert_int_equal(ff_loop_init(&fixture->loop, NULL), 0);
	*state = fixture;
	return 0;
}

static int setup_sigchld(void **state)
{
	setup(state);
	((struct fixture *)*state)->loop.no_pidfd = true;
	return 0;
}

static int setup_late(void **state)
{
	setup(state);
	((struct fixture *)*state)->late_us = FF_WATCH_LATE_US;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ff_loop_release(&fixture->loop), 0);
	assert_int_equal(count_fds(), fixture->fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	free(fixture);
	return 0;
}

static void on_out(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	ff_buf_add(&((struct watcher *)ctx)->out, bytes, len);
}

static void on_err(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	ff_buf_add(&((struct watcher *)ctx)->err, bytes, len);
}

static void on_drained(struct ff_process *process, void *ctx)
{
	((struct watcher *)ctx)->drained++;
}

static void on_hung_up(struct ff_process *process, const struct ff_err *err, void *ctx)
{
	((struct watcher *)ctx)->hung_up++;
}

static void on_exited(struct ff_process *process, void *ctx)
{
	struct watcher *watcher = ctx;

	assert_true(ff_process_exited(process));
	assert_int_equal(watcher->finished, 0);
	watcher->exited++;
	if (watcher->kill_group_on_exit)
		ff_process_kill(process, SIGKILL);
	if (watcher->abandon)
		ff_process_abandon_output(process);
}

static void on_finished(struct ff_process *process, void *ctx)
{
	struct watcher *watcher = ctx;

	assert_int_equal(watcher->exited, 1);
	watcher->finished++;
	watcher->status = ff_process_status(process);
	ff_process_free(process);
}

static const struct ff_process_ops ops = {
	.out = on_out,
	.err = on_err,
	.drained = on_drained,
	.hung_up = on_hung_up,
	.exited = on_exited,
	.finished = on_finished,
};

static struct ff_process *start(struct fixture *fixture, struct watcher *watcher,
				struct ff_spawn *spawn, char *const *argv)
{
	struct ff_err err;

	memset(watcher, 0, sizeof(*watcher));
	spawn->argv = argv;
	spawn->late_us = fixture->late_us;
	if (spawn->exec_fd == 0)
		spawn->exec_fd = -1;
	watcher->process = ff_process_spawn(&fixture->loop, spawn, &ops, watcher, &err);
	if (!watcher->process)
		fail_msg("%s", err.text);
	return watcher->process;
}

static void await(struct fixture *fixture, struct watcher *watcher)
{
	int64_t deadline = ff_clock_us() + 20 * FF_SECOND_US;

	while (!watcher->finished && ff_clock_us() < deadline)
		ff_loop_run_once(&fixture->loop, deadline);
	assert_int_equal(watcher->finished, 1);
	assert_int_equal(watcher->exited, 1);
}

static void forget(struct watcher *watcher)
{
	ff_buf_release(&watcher->out);
	ff_buf_release(&watcher->err);
}

#define SHELL(script) ((char *[]){"/bin/sh", "-c", script, NULL})

static void exit_status_and_output(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};

	start(*state, &watcher, &spawn, SHELL("echo out; echo err >&2; exit 3"));
	await(*state, &watcher);
	assert_int_equal(WEXITSTATUS(watcher.status), 3);
	assert_string_equal(ff_buf_str(&watcher.out), "out\n");
	assert_string_equal(ff_buf_str(&watcher.err), "err\n");
	forget(&watcher);
}

/* Its exit is seen before anybody looks at what it printed: all of it is told nevertheless, first.
 */
static void told_before_its_exit(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};

	start(*state, &watcher, &spawn, SHELL("head -c 60000 /dev/zero; echo err >&2"));
	ff_process_await(watcher.process, 20000);
	await(*state, &watcher);
	assert_int_equal(watcher.out.len, 60000);
	assert_string_equal(ff_buf_str(&watcher.err), "err\n");
	forget(&watcher);
}

/* One that prints and lives on is heard, too. */
static void heard_while_it_lives(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {0};
	struct ff_process *process =
		start(*state, &watcher, &spawn, SHELL("echo one; read x; echo $x"));
	int64_t deadline = ff_clock_us() + 20 * FF_SECOND_US;

	while (watcher.out.len < 4 && ff_clock_us() < deadline)
		ff_loop_run_once(&((struct fixture *)*state)->loop, deadline);
	assert_int_equal(watcher.exited, 0);
	ff_buf_addstr(ff_process_stdin(process), "two\n");
	ff_process_flush(process);
	await(*state, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out), "one\ntwo\n");
	forget(&watcher);
}

static void death_by_signal(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};
	char text[64];

	start(*state, &watcher, &spawn, SHELL("kill -KILL $$"));
	await(*state, &watcher);
	assert_true(WIFSIGNALED(watcher.status));
	ff_process_status_text(watcher.status, text, sizeof(text));
	assert_string_equal(text, "killed by signal 9 (SIGKILL)");
	ff_process_status_text(W_EXITCODE(3, 0), text, sizeof(text));
	assert_string_equal(text, "exit status 3");
	forget(&watcher);
}

static void refused(struct fixture *fixture, struct ff_spawn *spawn, const char *words)
{
	struct ff_err err;

	assert_null(ff_process_spawn(&fixture->loop, spawn, &ops, NULL, &err));
	assert_int_equal(err.code, FF_ESPAWN);
	assert_string_equal(err.text, words);
}

static void what_cannot_start(void **state)
{
	struct ff_spawn spawn = {.exec_fd = -1};

	spawn.argv = (char *[]){"ff-no-such-program", NULL};
	refused(*state, &spawn, "cannot run 'ff-no-such-program': No such file or directory");
	spawn.argv = (char *[]){"/dev/null", NULL};
	refused(*state, &spawn, "cannot run '/dev/null': Permission denied");
	spawn.argv = (char *[]){"true", NULL};
	spawn.cwd = "/ff-no-such-dir";
	refused(*state, &spawn,
		"cannot run 'true' in '/ff-no-such-dir': No such file or directory");
	spawn.argv = (char *[]){"", NULL};
	refused(*state, &spawn, "cannot run '': no program is named");
}

static void environment_and_cwd(void **state)
{
	struct watcher watcher;
	char *env[] = {"PATH=/nowhere:/bin:/usr/bin", "FF_A=b", NULL};
	struct ff_spawn spawn = {.stdin_null = true, .env = env, .cwd = "/usr"};

	start(*state, &watcher, &spawn, (char *[]){"sh", "-c", "echo $FF_A $HOME; pwd", NULL});
	await(*state, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out), "b\n/usr\n");
	forget(&watcher);
}

static void input_is_passed_on(void **state)
{
	enum { SIZE = 3 << 20 };
	struct watcher watcher;
	struct ff_spawn spawn = {0};
	struct ff_process *process = start(*state, &watcher, &spawn, SHELL("cat"));
	uint8_t *to = ff_buf_reserve(ff_process_stdin(process), SIZE);

	memset(to, 'x', SIZE);
	ff_buf_added(ff_process_stdin(process), SIZE);
	ff_process_flush(process);
	assert_true(ff_process_unsent(process) > 0);
	ff_process_close_stdin(process);
	await(*state, &watcher);
	assert_int_equal(watcher.out.len, SIZE);
	assert_true(watcher.drained > 0);
	assert_int_equal(watcher.status, 0);
	forget(&watcher);
}

static void input_nobody_reads(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {0};
	struct ff_process *process = start(*state, &watcher, &spawn, SHELL("exec <&-; cat"));
	uint8_t *to = ff_buf_reserve(ff_process_stdin(process), 1 << 20);

	memset(to, 'x', 1 << 20);
	ff_buf_added(ff_process_stdin(process), 1 << 20);
	ff_process_flush(process);
	await(*state, &watcher);
	forget(&watcher);
}

static void merged_output(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true, .merge_stderr = true};

	start(*state, &watcher, &spawn, SHELL("echo a; echo b >&2; echo c"));
	await(*state, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out), "a\nb\nc\n");
	forget(&watcher);
}

/* A grandchild that left the group keeps the pipe: the exit comes alone, abandoning ends it. The
 * grandchild ends when its stdin, which we hold, does. */
static void output_held_open(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {0};
	int gate[2];
	char script[128];

	assert_int_equal(pipe(gate), 0);
	fcntl(gate[1], F_SETFD, FD_CLOEXEC);
	snprintf(script, sizeof(script), "echo x; setsid cat <&%d & exit 5", gate[0]);
	start(*state, &watcher, &spawn, SHELL(script));
	close(gate[0]);
	watcher.abandon = true;
	await(*state, &watcher);
	assert_int_equal(WEXITSTATUS(watcher.status), 5);
	close(gate[1]);
	forget(&watcher);
}

static void output_held_by_the_group(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};

	start(*state, &watcher, &spawn, SHELL("sleep 1000 & exit 6"));
	watcher.kill_group_on_exit = true;
	await(*state, &watcher);
	assert_int_equal(WEXITSTATUS(watcher.status), 6);
	forget(&watcher);
}

static void freed_while_it_runs(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {0};
	struct fixture *fixture = *state;
	struct ff_process *process = start(fixture, &watcher, &spawn, SHELL("sleep 1000"));

	ff_process_free(process);
	uv_run(fixture->loop.uv, UV_RUN_DEFAULT);
	assert_int_equal(watcher.exited + watcher.finished, 0);
	forget(&watcher);
}

static void clean_signals(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};
	sigset_t blocked, before;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	start(*state, &watcher, &spawn, SHELL("grep -E 'Sig(Blk|Ign)' /proc/self/status"));
	sigprocmask(SIG_SETMASK, &before, NULL);
	await(*state, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out),
			    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	forget(&watcher);
}

/* What is ignored when it is settled that no more will be is still not ignored by children. */
static void settled_signals(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};

	signal(SIGUSR2, SIG_IGN);
	ff_spawn_settle_signals();
	start(*state, &watcher, &spawn, SHELL("grep SigIgn /proc/self/status"));
	signal(SIGUSR2, SIG_DFL);
	await(*state, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out), "SigIgn:\t0000000000000000\n");
	forget(&watcher);
}

/* It is over, but what it has left goes on: from then on nothing of that is met late. */
static void output_behind_its_exit(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};
	struct fixture *fixture = *state;
	int64_t began_us = ff_clock_us();

	if (fixture->late_us)
		fixture->late_us = 1000 * FF_SECOND_US;
	start(fixture, &watcher, &spawn, SHELL("{ sleep 0.1; echo later; } & echo first"));
	await(fixture, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out), "first\nlater\n");
	assert_true(ff_clock_us() - began_us < 500 * FF_SECOND_US);
	forget(&watcher);
}

static void nice_is_added(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true, .nice = 3};
	int now = nice(0);
	char words[16];

	start(*state, &watcher, &spawn, (char *[]){"nice", NULL});
	await(*state, &watcher);
	snprintf(words, sizeof(words), "%d\n", now + 3);
	assert_string_equal(ff_buf_str(&watcher.out), words);
	forget(&watcher);
}

static void a_file_is_run(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};

	spawn.exec_fd = open("/bin/echo", O_RDONLY | O_CLOEXEC);
	start(*state, &watcher, &spawn, (char *[]){"anything", "hello", NULL});
	close(spawn.exec_fd);
	await(*state, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out), "hello\n");
	forget(&watcher);
}

static void reading_pauses(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};
	struct fixture *fixture = *state;
	struct ff_process *process =
		start(fixture, &watcher, &spawn, SHELL("head -c 1000000 /dev/zero"));

	ff_process_read(process, false);
	for (int i = 0; i < 3; i++)
		uv_run(fixture->loop.uv, UV_RUN_NOWAIT);
	assert_int_equal(watcher.out.len, 0);
	ff_process_read(process, true);
	await(fixture, &watcher);
	assert_int_equal(watcher.out.len, 1000000);
	forget(&watcher);
}

static void many_leave_nothing(void **state)
{
	for (int i = 0; i < 500; i++) {
		struct watcher a, b;
		struct ff_spawn spawn = {.stdin_null = i % 2 == 0};

		start(*state, &a, &spawn, (char *[]){"/bin/true", NULL});
		start(*state, &b, &spawn, (char *[]){"/bin/false", NULL});
		await(*state, &a);
		await(*state, &b);
		assert_int_equal(a.status, 0);
		assert_int_equal(WEXITSTATUS(b.status), 1);
		forget(&a);
		forget(&b);
	}
}

/* Our own limit of open files is raised; a program gets the one we were started with. */
static void limit_of_open_files(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true};
	struct rlimit now;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_true(now.rlim_cur == now.rlim_max);
	start(*state, &watcher, &spawn, (char *[]){"/bin/sh", "-c", "ulimit -n", NULL});
	await(*state, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out), "200\n");
	forget(&watcher);
	/* One that the program has set itself is for its children, too. */
	now.rlim_cur = 300;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	start(*state, &watcher, &spawn, (char *[]){"/bin/sh", "-c", "ulimit -n", NULL});
	await(*state, &watcher);
	assert_string_equal(ff_buf_str(&watcher.out), "300\n");
	forget(&watcher);
	now.rlim_cur = now.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

/* It has closed its output and lives on: that is told at once. */
static void output_closed_by_a_living_one(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {0};

	start(*state, &watcher, &spawn,
	      (char *[]){"/bin/sh", "-c", "exec >&-; read x; exit 3", NULL});
	while (watcher.hung_up == 0)
		ff_loop_run_once(&((struct fixture *)*state)->loop, FF_NEVER_US);
	assert_false(ff_process_exited(watcher.process));
	ff_process_close_stdin(watcher.process);
	await(*state, &watcher);
	assert_int_equal(WEXITSTATUS(watcher.status), 3);
	assert_int_equal(watcher.hung_up, 1);
	forget(&watcher);
}

/* With pidfds and without, and where the output is looked at late. */
#define EACH(test)                                                                                 \
	{#test, test, setup, teardown, NULL},                                                      \
		{#test " (SIGCHLD)", test, setup_sigchld, teardown, NULL},                         \
	{                                                                                          \
#test " (late)", test, setup_late, teardown, NULL                                  \
	}

/* One descriptor goes to one child, under the number that it was promised, whichever is ours. */
static void a_descriptor_is_inherited(void **state)
{
	struct watcher watcher;
	struct ff_spawn spawn = {.stdin_null = true, .inherit_as = 3};
	int ends[2], high;
	char got[8];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	high = fcntl(ends[1], F_DUPFD_CLOEXEC, 50);
	for (int i = 0; i < 2; i++) {
		spawn.inherit = i == 0 ? high : ends[1];
		start(*state, &watcher, &spawn, SHELL("echo hello >&3"));
		await(*state, &watcher);
		assert_int_equal(WEXITSTATUS(watcher.status), 0);
		assert_int_equal(read(ends[0], got, sizeof(got)), 6);
		forget(&watcher);
	}
	close(high);
	high = dup(STDERR_FILENO); /* one of the standard ones, which the child has as a pipe */
	dup2(ends[1], STDERR_FILENO);
	spawn.inherit = STDERR_FILENO;
	start(*state, &watcher, &spawn, SHELL("echo hello >&3"));
	dup2(high, STDERR_FILENO);
	close(high);
	await(*state, &watcher);
	assert_int_equal(read(ends[0], got, sizeof(got)), 6);
	forget(&watcher);
	spawn.inherit = spawn.inherit_as = ends[1];
	start(*state, &watcher, &spawn, (char *[]){"/bin/ls", "/proc/self/fd", NULL});
	await(*state, &watcher);
	snprintf(got, sizeof(got), "\n%d\n", ends[1]);
	assert_non_null(strstr(ff_buf_str(&watcher.out), got));
	forget(&watcher);
	assert_true(fcntl(ends[1], F_GETFD) & FD_CLOEXEC);
	spawn.inherit = 0;
	start(*state, &watcher, &spawn, (char *[]){"/bin/ls", "/proc/self/fd", NULL});
	await(*state, &watcher);
	assert_null(strstr(ff_buf_str(&watcher.out), got));
	forget(&watcher);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(exit_status_and_output),
		EACH(told_before_its_exit),
		EACH(heard_while_it_lives),
		EACH(death_by_signal),
		EACH(what_cannot_start),
		EACH(environment_and_cwd),
		EACH(input_is_passed_on),
		EACH(input_nobody_reads),
		EACH(merged_output),
		EACH(output_held_open),
		EACH(output_held_by_the_group),
		EACH(freed_while_it_runs),
		EACH(clean_signals),
		EACH(settled_signals),
		EACH(output_behind_its_exit),
		EACH(nice_is_added),
		EACH(a_file_is_run),
		EACH(reading_pauses),
		EACH(limit_of_open_files),
		EACH(output_closed_by_a_living_one),
		EACH(a_descriptor_is_inherited),
		EACH(many_leave_nothing),
	};
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = 200;
	setrlimit(RLIMIT_NOFILE, &files);
	return cmocka_run_group_tests(tests, warm_up, NULL);
}
