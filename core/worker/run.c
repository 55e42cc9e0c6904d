/* A table of states and events. Knows processes and time, no channels. */
#include "worker/run.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/loop_private.h"

enum event { ON_TIMER, ON_END, ON_KILL, ON_EXIT, ON_EOF, EVENTS };

static void set_timer(struct ff_run *run, int64_t delay_us)
{
	ff_timer_set(&run->timer, delay_us ? ff_clock_us() + delay_us : FF_NEVER_US);
}

/* --- actions: none of them assigns the state --- */

static void act_term(struct ff_run *run)
{
	ff_process_kill(run->process, SIGTERM);
	ff_process_kill(run->process, SIGCONT); /* a stopped one has to run to end */
	set_timer(run, run->grace_us);
}

static void act_time_out(struct ff_run *run)
{
	run->timed_out = true;
	act_term(run);
}

static void act_end(struct ff_run *run)
{
	run->killed = true;
	act_term(run);
}

static void act_kill(struct ff_run *run)
{
	ff_process_kill(run->process, SIGKILL);
	set_timer(run, 0);
}

static void act_kill_now(struct ff_run *run)
{
	run->killed = true;
	act_kill(run);
}

static void act_exit(struct ff_run *run)
{
	run->exit_us = ff_clock_us();
	set_timer(run, run->leak_us);
}

/* After SIGKILL nothing of the group is owed any patience. */
static void act_exit_killed(struct ff_run *run)
{
	run->exit_us = ff_clock_us();
	ff_process_kill(run->process, SIGKILL);
	set_timer(run, run->leak_us);
}

static void act_leak(struct ff_run *run)
{
	run->leaked = true;
	ff_process_kill(run->process, SIGKILL);
	set_timer(run, FF_RUN_CUT_US);
}

/* `finished` may follow from inside, or from the loop. */
static void act_cut(struct ff_run *run)
{
	set_timer(run, 0);
	ff_process_kill(run->process, SIGKILL);
	ff_process_abandon_output(run->process);
}

static void on_timer_closed(struct ff_timer *timer)
{
	struct ff_run *run = timer->ctx;

	ff_buf_release(&run->input);
	run->ops->closed(run);
}

static void act_finish(struct ff_run *run)
{
	struct ff_process *process = run->process;

	ff_process_kill(process, SIGKILL); /* what is left of the group; the leader is a zombie */
	run->ops->finished(run);
	run->process = NULL;
	ff_process_free(process);
	ff_timer_close(&run->timer, on_timer_closed);
}

/* --- states --- */

struct arc {
	void (*act)(struct ff_run *run); /* NULL: nothing happens */
	uint8_t next;
};

static const struct arc arcs[FF_RUN_STATES][EVENTS] = {
	[FF_RUN_RUNNING] =
		{
			[ON_TIMER] = {act_time_out, FF_RUN_TERMINATING},
			[ON_END] = {act_end, FF_RUN_TERMINATING},
			[ON_KILL] = {act_kill_now, FF_RUN_KILLED},
			[ON_EXIT] = {act_exit, FF_RUN_DRAINING},
		},
	[FF_RUN_TERMINATING] =
		{
			[ON_TIMER] = {act_kill, FF_RUN_KILLED},
			[ON_KILL] = {act_kill_now, FF_RUN_KILLED},
			[ON_EXIT] = {act_exit, FF_RUN_DRAINING},
		},
	[FF_RUN_KILLED] =
		{
			[ON_EXIT] = {act_exit_killed, FF_RUN_DRAINING},
		},
	[FF_RUN_DRAINING] =
		{
			[ON_TIMER] = {act_leak, FF_RUN_LEAKED},
			[ON_END] = {act_leak, FF_RUN_LEAKED},
			[ON_KILL] = {act_cut, FF_RUN_LEAKED},
			[ON_EOF] = {act_finish, FF_RUN_FINISHED},
		},
	[FF_RUN_LEAKED] =
		{
			[ON_TIMER] = {act_cut, FF_RUN_LEAKED},
			[ON_KILL] = {act_cut, FF_RUN_LEAKED},
			[ON_EOF] = {act_finish, FF_RUN_FINISHED},
		},
};

static void transition(struct ff_run *run, enum event event)
{
	static const char *const states[] = {"running",	 "terminating", "killed",
					     "draining", "leaked",	"finished"};
	static const char *const events[] = {"timer", "end", "kill", "exit", "eof"};
	const struct arc *arc = &arcs[run->state][event];

	if (!arc->act)
		return;
	if (ff_log_on())
		ff_log("run %d: %s -> %s (%s)", (int)ff_process_pid(run->process),
		       states[run->state], states[arc->next], events[event]);
	run->state = arc->next;
	arc->act(run);
}

/* --- what happens --- */

/* Its time is up, while nobody takes its output: it may be waiting for that. Whether this is a
 * stall shows after a while, and when reading goes on. */
static void hold_time_out(struct ff_run *run)
{
	int64_t stalled_us = ff_clock_us() - run->paused_us;

	set_timer(run, stalled_us < FF_RUN_STALL_US ? FF_RUN_STALL_US - stalled_us : 0);
}

static void on_timer(struct ff_timer *timer)
{
	struct ff_run *run = timer->ctx;

	/* While nobody takes the output, it is open because of us. */
	if (run->paused && run->state == FF_RUN_DRAINING)
		set_timer(run, run->leak_us);
	else if (run->paused && run->state == FF_RUN_RUNNING)
		hold_time_out(run);
	else
		transition(run, ON_TIMER);
}

/* The stall is over: what it took is given back. */
static void give_time(struct ff_run *run)
{
	int64_t stalled_us = ff_clock_us() - run->paused_us;

	if (run->state != FF_RUN_RUNNING || run->deadline_us == FF_NEVER_US)
		return;
	if (stalled_us >= FF_RUN_STALL_US)
		run->deadline_us += stalled_us;
	ff_timer_set(&run->timer, run->deadline_us);
}

static void on_out(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	struct ff_run *run = ctx;

	if (!run->hasty)
		run->ops->output(run, false, bytes, len);
}

static void on_err(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	struct ff_run *run = ctx;

	if (!run->hasty)
		run->ops->output(run, true, bytes, len);
}

static void on_drained(struct ff_process *process, void *ctx)
{
	struct ff_run *run = ctx;

	if (run->ops->drained)
		run->ops->drained(run);
}

/* What we have of its output is not all of it, or it has not all of its input. */
static void on_hung_up(struct ff_process *process, const struct ff_err *err, void *ctx)
{
	struct ff_run *run = ctx;

	/* It reads no more, as it may: then there is nothing more for it. */
	if (err && err->code == FF_ECLOSED)
		ff_process_close_stdin(process);
	if (!err || err->code == FF_ECLOSED || run->lost[0])
		return;
	snprintf(run->lost, sizeof(run->lost), "%.*s", (int)sizeof(run->lost) - 1, err->text);
	ff_run_end(run, true);
}

static void on_exited(struct ff_process *process, void *ctx)
{
	transition(ctx, ON_EXIT);
}

static void on_finished(struct ff_process *process, void *ctx)
{
	transition(ctx, ON_EOF);
}

static const struct ff_process_ops process_ops = {
	.out = on_out,
	.err = on_err,
	.drained = on_drained,
	.hung_up = on_hung_up,
	.exited = on_exited,
	.finished = on_finished,
};

static void init(struct ff_run *run, const struct ff_run_opts *opts, const struct ff_run_ops *ops)
{
	*run = (struct ff_run){
		.ops = ops,
		.grace_us = opts->grace_us > 0 ? opts->grace_us : 1,
		.leak_us = opts->leak_us > 0 ? opts->leak_us : 1,
	};
	run->start_us = ff_clock_us();
}

static void begin(struct ff_run *run, struct ff_loop *loop, const struct ff_run_opts *opts)
{
	ff_timer_init(&run->timer, loop, on_timer, run);
	run->deadline_us = opts->timeout_us > 0 ? run->start_us + opts->timeout_us : FF_NEVER_US;
	ff_timer_set(&run->timer, run->deadline_us);
	if (!opts->spawn.stdin_null && !opts->keep_stdin)
		ff_process_close_stdin(run->process);
}

int ff_run_start(struct ff_run *run, struct ff_loop *loop, const struct ff_run_opts *opts,
		 const struct ff_run_ops *ops, struct ff_err *err)
{
	struct ff_spawn spawn;
	int rc;

	init(run, opts, ops);
	spawn = opts->spawn;
	spawn.late_us = opts->late_us > 0 ? opts->late_us : FF_WATCH_LATE_US;
	if (opts->input_len) {
		rc = ff_buf_add(&run->input, opts->input, opts->input_len);
		if (rc)
			return ff_err_set(err, rc, "stdin: %s", ff_err_text(rc));
		spawn.input = &run->input;
	}
	run->process = ff_process_spawn(loop, &spawn, &process_ops, run, err);
	if (!run->process) {
		ff_buf_release(&run->input);
		return err->code;
	}
	begin(run, loop, opts);
	return 0;
}

int ff_run_adopt(struct ff_run *run, struct ff_loop *loop, pid_t pid, struct ff_ends *ends,
		 const struct ff_run_opts *opts, const struct ff_run_ops *ops, struct ff_err *err)
{
	init(run, opts, ops);
	run->process = ff_process_adopt(loop, pid, ends, &process_ops, run, err);
	if (!run->process)
		return err->code;
	begin(run, loop, opts);
	return 0;
}

void ff_run_end(struct ff_run *run, bool now)
{
	if (now && run->state != FF_RUN_FINISHED) {
		/* Nobody wants its output any more: read it away, so that its end is seen. */
		ff_run_read(run, true);
		run->hasty = true;
	}
	transition(run, now ? ON_KILL : ON_END);
}

void ff_run_limit_grace(struct ff_run *run, int64_t grace_us)
{
	if (run->grace_us <= grace_us)
		return;
	run->grace_us = grace_us;
	if (run->state == FF_RUN_TERMINATING)
		set_timer(run, grace_us);
}

void ff_run_signal(struct ff_run *run, int signal)
{
	if (run->state < FF_RUN_DRAINING)
		ff_process_kill(run->process, signal);
}

void ff_run_read(struct ff_run *run, bool on)
{
	if (run->paused == !on || run->hasty || run->state == FF_RUN_FINISHED)
		return;
	run->paused = !on;
	if (run->paused)
		run->paused_us = ff_clock_us();
	else
		give_time(run);
	ff_process_read(run->process, on);
}

void ff_run_rest(struct ff_run *run)
{
	if (run->state != FF_RUN_FINISHED)
		ff_process_rest(run->process, FF_WATCH_LATE_US);
}
