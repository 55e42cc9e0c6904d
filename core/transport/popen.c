/* Local processes as lines: a program's stdin and stdout, its stderr heard beside them. Knows
 * nothing of what runs there. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "transport/popen.h"
#include "io/loop_private.h"

/* About what is slept anyway when something is due within the next millisecond. */
#define REST_US 1000

enum {
	/* How long something that outlived the program may hold its output open. */
	LEAK_US = 500000,
	/* How long a program that has closed a pipe may take to exit: our worker's guard may have
	 * to kill what it has left. */
	EXIT_US = 12 * 1000 * 1000,
	WORDS_MAX = 80,
};

/* All of this process, whichever thread runs them, for its end. */
static struct ff_list lines = {&lines, &lines};
static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;

struct line {
	struct ff_list node; /* in `lines` */
	pid_t owner;	     /* who started it: a forked child has copies */
	struct ff_conn *conn;
	struct ff_process *process;
	struct ff_deferred start;
	struct ff_timer leak;
	int unreached_status;
	bool heard;	     /* it has written something */
	char why[WORDS_MAX]; /* we had to kill it */
	void (*freed)(struct ff_conn *conn);
};

static void on_out(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	struct line *line = ctx;

	line->heard = true;
	line->conn->ops->data(line->conn, bytes, len, line->conn->ctx);
}

static void on_err(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	struct line *line = ctx;

	if (line->conn->ops->stderr_data)
		line->conn->ops->stderr_data(line->conn, bytes, len, line->conn->ctx);
}

static void on_drained(struct ff_process *process, void *ctx)
{
	struct line *line = ctx;

	line->conn->ops->sent(line->conn, line->conn->ctx);
}

static void on_hung_up(struct ff_process *process, const struct ff_err *err, void *ctx)
{
	struct line *line = ctx;

	if (ff_process_exited(process))
		return;
	if (!err || err->code == FF_ECLOSED) {
		ff_process_close_stdin(process);
		ff_timer_set(&line->leak, ff_clock_us() + EXIT_US);
	} else {
		snprintf(line->why, sizeof(line->why), "%.*s", WORDS_MAX - 1, err->text);
		ff_process_kill(process, SIGKILL);
	}
}

static void on_exited(struct ff_process *process, void *ctx)
{
	struct line *line = ctx;

	/* Whatever it left behind in its group has lost its controller. */
	ff_process_kill(process, SIGKILL);
	ff_timer_set(&line->leak, ff_clock_us() + LEAK_US);
}

static void on_leak(struct ff_timer *timer)
{
	struct line *line = timer->ctx;
	int64_t limit = ff_process_exited(line->process) ? LEAK_US : EXIT_US;

	/* What it has written, or that it has exited, may not have been seen yet. */
	if (ff_overslept(timer->late_us, limit))
		ff_timer_set(timer, ff_clock_us() + limit);
	else if (ff_process_exited(line->process)) {
		ff_process_abandon_output(line->process);
	} else {
		snprintf(line->why, sizeof(line->why), "it had closed the line and did not exit");
		ff_process_kill(line->process, SIGKILL);
	}
}

static void on_finished(struct ff_process *process, void *ctx)
{
	struct line *line = ctx;
	struct ff_conn *conn = line->conn;
	int status = ff_process_status(process);
	struct ff_err err = {0};
	char text[64];

	ff_deferred_cancel(&line->start);
	ff_timer_set(&line->leak, FF_NEVER_US);
	conn->status = status;
	if (status != 0) {
		bool unreached = WIFEXITED(status) && !line->heard &&
				 WEXITSTATUS(status) == line->unreached_status;

		ff_process_status_text(status, text, sizeof(text));
		ff_err_set(&err, unreached ? FF_EUNREACH : FF_ELOST, "%s",
			   line->why[0] ? line->why : text);
	}
	conn->ops->closed(conn, &err, conn->ctx);
}

static const struct ff_process_ops process_ops = {
	.out = on_out,
	.err = on_err,
	.drained = on_drained,
	.hung_up = on_hung_up,
	.exited = on_exited,
	.finished = on_finished,
};

static void on_start(struct ff_deferred *deferred)
{
	struct line *line = ff_container_of(deferred, struct line, start);

	line->conn->ops->opened(line->conn, line->conn->ctx);
}

static void on_timer_closed(struct ff_timer *timer)
{
	struct line *line = timer->ctx;
	struct ff_conn *conn = line->conn;
	void (*freed)(struct ff_conn *) = line->freed;

	pthread_mutex_lock(&lines_lock);
	ff_list_del(&line->node);
	pthread_mutex_unlock(&lines_lock);
	ff_free(line);
	conn->state = NULL;
	freed(conn);
}

static void on_unstarted(struct ff_timer *timer)
{
	ff_free(timer->ctx);
}

/* Ours with the spec's env: on top, from the start: an interpreter reads some of it only then. */
static int spawn_env(struct ff_strv *env, const struct ff_xspec *spec)
{
	int rc = 0;

	if (!spec->popen || spec->env.len == 0)
		return 0;
	for (char **old = environ; *old && rc == 0; old++) {
		size_t len = strcspn(*old, "=") + 1;
		bool replaced = false;

		for (size_t i = 0; i < spec->env.len; i++)
			replaced |= strncmp(*old, spec->env.v[i], len) == 0;
		if (!replaced)
			rc = ff_strv_add(env, *old);
	}
	return rc ? rc : ff_strv_add_all(env, spec->env.v);
}

int ff_popen_start(struct ff_conn *conn, const struct ff_popen *popen, struct ff_err *err)
{
	struct ff_spawn spawn = {
		.argv = popen->argv,
		.exec_fd = popen->exec_fd,
		.new_session = popen->new_session,
		.wide_pipes = true,
		.inherit = popen->inherit,
		.inherit_as = FF_LAUNCH_INHERITED,
		.input = conn->out,
	};
	struct line *line = ff_calloc(1, sizeof(*line));
	struct ff_strv env = FF_STRV_INIT;
	struct ff_err cause = {0};

	if (!line || spawn_env(&env, conn->spec) != 0) {
		ff_strv_release(&env);
		ff_free(line);
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	}
	spawn.env = env.v;
	line->conn = conn;
	line->unreached_status = popen->unreached_status;
	ff_deferred_init(&line->start, on_start);
	ff_timer_init(&line->leak, conn->loop, on_leak, line);
	line->process = ff_process_spawn(conn->loop, &spawn, &process_ops, line, &cause);
	ff_strv_release(&env);
	if (!line->process) {
		ff_timer_close(&line->leak, on_unstarted);
		return ff_err_set(err, cause.code, "%s", cause.text);
	}
	line->owner = getpid();
	pthread_mutex_lock(&lines_lock);
	ff_list_add_tail(&lines, &line->node);
	pthread_mutex_unlock(&lines_lock);
	conn->state = line;
	ff_loop_defer(conn->loop, &line->start);
	return 0;
}

void ff_popen_flush(struct ff_conn *conn)
{
	ff_process_flush(((struct line *)conn->state)->process);
}

void ff_popen_read(struct ff_conn *conn, bool on)
{
	ff_process_read(((struct line *)conn->state)->process, on);
}

static void popen_rest(struct ff_conn *conn)
{
	struct line *line = conn->state;

	ff_process_rest(line->process, REST_US);
}

void ff_popen_close_write(struct ff_conn *conn)
{
	ff_process_close_stdin(((struct line *)conn->state)->process);
}

void ff_popen_kill(struct ff_conn *conn)
{
	ff_process_kill(((struct line *)conn->state)->process, SIGKILL);
}

void ff_popen_release(struct ff_conn *conn, void (*freed)(struct ff_conn *conn))
{
	struct line *line = conn->state;

	line->freed = freed;
	ff_process_free(line->process);
	line->process = NULL;
	ff_timer_close(&line->leak, on_timer_closed);
}

void ff_popen_end_all(int64_t limit_us)
{
	int64_t deadline = ff_clock_us() + limit_us, left;
	struct timespec until;
	struct ff_list *node;

	/* A copy of a process made by fork may have been born with the lock held. */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += limit_us / FF_SECOND_US;
	if (pthread_mutex_timedlock(&lines_lock, &until) != 0)
		return;
	ff_list_for_each(node, &lines) {
		struct line *line = ff_container_of(node, struct line, node);

		if (line->owner == getpid() && line->process)
			ff_process_hang_up(line->process);
	}
	ff_list_for_each(node, &lines) {
		struct line *line = ff_container_of(node, struct line, node);

		if (line->owner != getpid() || !line->process)
			continue;
		left = deadline - ff_clock_us();
		if (!ff_process_await(line->process, left > 0 ? (int)(left / 1000) : 0))
			ff_process_kill(line->process, SIGKILL);
	}
	pthread_mutex_unlock(&lines_lock);
}

static bool popen_handles(const struct ff_xspec *spec)
{
	return spec->popen && !spec->via;
}

static int popen_open(struct ff_conn *conn, const struct ff_launch *launch, struct ff_err *err)
{
	struct ff_popen popen = {
		.argv = launch->argv,
		.exec_fd = launch->exec_fd,
		.inherit = launch->inherit,
		.unreached_status = -1,
	};

	memcpy(conn->peer, "popen", sizeof("popen"));
	return ff_popen_start(conn, &popen, err);
}

const struct ff_transport ff_transport_popen = {
	.name = "popen",
	.handles = popen_handles,
	.local = true,
	.launches = true,
	.open = popen_open,
	.flush = ff_popen_flush,
	.read = ff_popen_read,
	.rest = popen_rest,
	.close_write = ff_popen_close_write,
	.kill = ff_popen_kill,
	.release = ff_popen_release,
};
