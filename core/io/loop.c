/* The loop: starting and ending it, running it step by step, timers on microsecond deadlines. It
 * knows nothing of what runs on it. */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/loop_private.h"
#include "io/process.h"
#include "io/spawn.h"
#include "io/watch.h"

/* Rounds of close callbacks that close further handles. */
enum { CLOSE_ROUNDS = 64 };

/* How long a wait may begin awake, and how many waits rest after a try in vain. */
enum { TIMER_ERROR_US = 20000 };

enum { SPIN_NS = 50000, SPIN_REST_MIN = 16, SPIN_REST_MAX = 4096 };

static void on_idle(uv_idle_t *idle)
{
	uv_idle_stop(idle);
}

/* Timers and deferred calls come before libuv waits: without this, run_once would handle one and
 * then wait for another event, while the caller's condition holds already. */
static void do_not_wait(struct ff_loop *loop)
{
	uv_idle_start(&loop->idle, on_idle);
}

static void on_wakeup(uv_timer_t *timer)
{
	do_not_wait(timer->data);
}

/* A parent that ignores SIGCHLD would leave us children without an exit status. */
static void prepare_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
		memset(&action, 0, sizeof(action));
		action.sa_handler = SIG_DFL;
		sigaction(SIGCHLD, &action, NULL);
	}
}

int ff_loop_begin(struct ff_loop *loop, uv_loop_t *uv, struct ff_err *err)
{
	int rc;

	memset(loop, 0, sizeof(*loop));
	loop->uv = uv ? uv : &loop->own;
	loop->null_fd = -1;
	loop->scratch = ff_malloc(FF_LOOP_SCRATCH);
	if (!loop->scratch)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	rc = uv ? 0 : uv_loop_init(&loop->own);
	if (rc != 0) {
		ff_err_set(err, FF_ESYS, "cannot make an event loop: %s", uv_strerror(rc));
		goto no_loop;
	}
	rc = ff_posts_init(loop);
	if (rc != 0) {
		ff_err_set(err, rc, "cannot make an event loop: %s", ff_err_text(rc));
		goto no_posts;
	}
	uv_timer_init(loop->uv, &loop->wakeup);
	uv_prepare_init(loop->uv, &loop->prepare);
	uv_idle_init(loop->uv, &loop->idle);
	loop->wakeup.data = loop->prepare.data = loop;
	ff_list_init(&loop->deferred);
	loop->spin_next_rest = SPIN_REST_MIN;
	prepare_signals();
	ff_spawn_raise_files();
	return 0;

no_posts:
	if (!uv)
		uv_loop_close(&loop->own);
no_loop:
	ff_free(loop->scratch);
	loop->scratch = NULL;
	return rc == FF_ENOMEM ? FF_ENOMEM : FF_ESYS;
}

int ff_loop_init(struct ff_loop *loop, struct ff_err *err)
{
	return ff_loop_begin(loop, NULL, err);
}

struct survey {
	struct ff_loop *loop;
	unsigned open, closing, own;
};

static bool is_own(const struct ff_loop *loop, const uv_handle_t *handle)
{
	return handle == (const uv_handle_t *)&loop->wakeup ||
	       handle == (const uv_handle_t *)&loop->prepare ||
	       handle == (const uv_handle_t *)&loop->idle ||
	       handle == (const uv_handle_t *)&loop->posts.async || ff_reaper_owns(loop, handle) ||
	       ff_watches_own(loop, handle);
}

static void survey_handle(uv_handle_t *handle, void *ctx)
{
	struct survey *survey = ctx;

	if (is_own(survey->loop, handle)) {
		survey->own++;
		return;
	}
	if (uv_is_closing(handle)) {
		survey->closing++;
	} else if (survey->loop->uv == &survey->loop->own) { /* else it may be the adopter's */
		survey->open++;
	}
}

static void trace_handle(uv_handle_t *handle, void *ctx)
{
	if (!is_own(ctx, handle) && !uv_is_closing(handle))
		ff_log("loop: a %s handle is still open", uv_handle_type_name(handle->type));
}

/* Of an adopted loop only ours: it goes on with what else is there. */
static int close_own(struct ff_loop *loop)
{
	struct survey survey;

	ff_reaper_release(loop);
	ff_watches_end(loop);
	uv_close((uv_handle_t *)&loop->wakeup, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->idle, NULL);
	ff_posts_close(loop, NULL);
	do {
		uv_run(loop->uv, UV_RUN_NOWAIT);
		survey = (struct survey){.loop = loop};
		uv_walk(loop->uv, survey_handle, &survey);
	} while (survey.own > 0);
	return loop->uv == &loop->own ? uv_loop_close(&loop->own) : 0;
}

int ff_loop_release(struct ff_loop *loop)
{
	struct survey survey;
	int rc;

	if (!loop)
		return 0;
	ff_posts_end(loop);
	while (loop->ending > 0 && uv_loop_alive(loop->uv))
		uv_run(loop->uv, UV_RUN_ONCE);
	for (int round = 0; round < CLOSE_ROUNDS; round++) {
		survey = (struct survey){.loop = loop};
		uv_walk(loop->uv, survey_handle, &survey);
		survey.open += (unsigned)ff_watches_open(loop);
		survey.closing += !ff_list_empty(&loop->deferred);
		if (survey.closing == 0)
			break;
		uv_run(loop->uv, UV_RUN_NOWAIT);
	}
	if (survey.open > 0 || survey.closing > 0) {
		uv_walk(loop->uv, trace_handle, loop);
		ff_posts_go_on(loop);
		return FF_EINVAL;
	}
	rc = close_own(loop);
	ff_watches_free(loop);
	if (loop->null_fd >= 0)
		close(loop->null_fd);
	loop->null_fd = -1;
	ff_free(loop->reaper);
	ff_free(loop->scratch);
	loop->reaper = NULL;
	loop->scratch = NULL;
	return rc == 0 ? 0 : FF_EINVAL;
}

struct ff_loop *ff_loop_new(struct ff_err *err)
{
	struct ff_loop *loop = ff_malloc(sizeof(*loop));

	if (!loop) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	if (ff_loop_init(loop, err) == 0)
		return loop;
	ff_free(loop);
	return NULL;
}

int ff_loop_free(struct ff_loop *loop)
{
	int rc = loop ? ff_loop_release(loop) : 0;

	if (rc == 0)
		ff_free(loop);
	return rc;
}

/* libuv counts whole milliseconds from a cached, cut-off time: compute an absolute millisecond that
 * is not before the deadline, so that no timer fires early. */
static uint64_t timeout_ms(const uv_loop_t *uv, int64_t deadline_us)
{
	int64_t wait_us = deadline_us - ff_clock_us();
	uint64_t due_ms, now_ms = uv_now(uv);

	if (wait_us <= 0)
		return 0;
	due_ms = (uv_hrtime() / 1000 + (uint64_t)wait_us + 999) / 1000;
	return due_ms > now_ms ? due_ms - now_ms : 0;
}

/* An answer that is microseconds away is met awake: falling asleep and being woken takes longer,
 * most of all in a virtual machine. Only as long as that pays: a try in vain is followed by waits
 * that sleep at once, twice as many each time; and who else wants this CPU is let go first. */
static void stay_awake(struct ff_loop *loop)
{
	struct pollfd ready = {.fd = uv_backend_fd(loop->uv), .events = POLLIN};
	uint64_t end;

	if (loop->spin_rest > 0) {
		loop->spin_rest--;
		return;
	}
	if (uv_backend_timeout(loop->uv) == 0)
		return;
	end = uv_hrtime() + SPIN_NS;
	do {
		if (poll(&ready, 1, 0) != 0) {
			loop->spin_next_rest = SPIN_REST_MIN;
			return;
		}
		sched_yield();
	} while (uv_hrtime() < end);
	loop->spin_rest = loop->spin_next_rest;
	if (loop->spin_next_rest < SPIN_REST_MAX)
		loop->spin_next_rest *= 2;
}

int ff_loop_run_once(struct ff_loop *loop, int64_t deadline_us)
{
	if (loop->running)
		return FF_EDEADLK;
	if (ff_posts_take_interrupt(loop))
		return FF_ECANCELED;
	uv_update_time(loop->uv);
	if (deadline_us != FF_NEVER_US)
		uv_timer_start(&loop->wakeup, on_wakeup, timeout_ms(loop->uv, deadline_us), 0);
	if (ff_posts_wait(loop)) /* by its own the door keeps no loop running */
		do_not_wait(loop);
	else if (ff_list_empty(&loop->deferred))
		stay_awake(loop);
	loop->running = true;
	uv_run(loop->uv, UV_RUN_ONCE);
	loop->running = false;
	uv_timer_stop(&loop->wakeup);
	return ff_posts_take_interrupt(loop) ? FF_ECANCELED : 0;
}

void ff_deferred_init(struct ff_deferred *deferred, void (*fn)(struct ff_deferred *))
{
	ff_list_init(&deferred->node);
	deferred->fn = fn;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct ff_loop *loop = prepare->data;

	/* What is deferred meanwhile has its turn, too: nothing must be left when the loop waits.
	 */
	while (!ff_list_empty(&loop->deferred)) {
		struct ff_deferred *deferred =
			ff_container_of(loop->deferred.next, struct ff_deferred, node);

		ff_list_del(&deferred->node);
		deferred->fn(deferred);
	}
	uv_prepare_stop(prepare);
	do_not_wait(loop);
}

void ff_loop_defer(struct ff_loop *loop, struct ff_deferred *deferred)
{
	if (!ff_list_empty(&deferred->node))
		return;
	ff_list_add_tail(&loop->deferred, &deferred->node);
	uv_prepare_start(&loop->prepare, on_prepare);
	/* A prepare handle alone does not show in uv_backend_timeout, by which foreign loops wait.
	 */
	do_not_wait(loop);
}

void ff_deferred_cancel(struct ff_deferred *deferred)
{
	ff_list_del(&deferred->node);
}

int ff_timer_init(struct ff_timer *timer, struct ff_loop *loop, void (*fn)(struct ff_timer *),
		  void *ctx)
{
	if (uv_timer_init(loop->uv, &timer->uv) != 0)
		return FF_ESYS;
	timer->uv.data = NULL;
	timer->loop = loop;
	timer->fn = fn;
	timer->ctx = ctx;
	timer->deadline_us = FF_NEVER_US;
	timer->open = true;
	return 0;
}

static void on_timer(uv_timer_t *uv)
{
	struct ff_timer *timer = (struct ff_timer *)uv;

	timer->late_us = ff_clock_us() - timer->deadline_us;
	timer->deadline_us = FF_NEVER_US;
	do_not_wait(timer->loop);
	timer->fn(timer);
}

void ff_timer_set(struct ff_timer *timer, int64_t deadline_us)
{
	if (!timer->open || timer->deadline_us == deadline_us)
		return;
	timer->deadline_us = deadline_us;
	if (deadline_us == FF_NEVER_US) {
		uv_timer_stop(&timer->uv);
	} else {
		uv_timer_start(&timer->uv, on_timer, timeout_ms(timer->uv.loop, deadline_us), 0);
	}
}

bool ff_overslept(int64_t late_us, int64_t limit_us)
{
	return late_us > TIMER_ERROR_US && late_us >= limit_us / 4;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct ff_timer *timer = (struct ff_timer *)handle;
	void (*closed)(struct ff_timer *) = (void (*)(struct ff_timer *))handle->data;

	if (closed)
		closed(timer);
}

void ff_timer_close(struct ff_timer *timer, void (*closed)(struct ff_timer *))
{
	if (!timer || !timer->open)
		return;
	timer->open = false;
	timer->uv.data = (void *)closed;
	uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}
