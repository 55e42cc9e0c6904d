/* The shell around decide: a queue of inputs, taken in turn; events to journal, reporters and
 * subscribers; orders to act. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/act.h"
#include "dispatch/run.h"
#include "io/prompt.h"
#include "io/loop_private.h"

enum {
	TICK_US = 100000,
	GAP_US = 2000000, /* a tick that comes so late: we stood still */
	BATCH = 256,	  /* inputs that are decided on before their events are written */
};

static void put(void *ctx, struct ff_input *input)
{
	struct ff_run *run = ctx;

	ff_inputs_put(&run->inputs, input);
	ff_loop_defer(run->loop, &run->deferred);
}

static void put_kind(struct ff_run *run, enum ff_input_kind kind)
{
	put(run, ff_input_new(kind));
}

/* --- from inputs to deeds --- */

/* The wall clock's when the run began, and from there on as time passes, also while the machine
 * sleeps: between two events there was as much time as they say, whatever becomes of the clock. */
static int64_t wall_us(const struct ff_run *run)
{
	return run->began_wall_us + ff_clock_boot_us() - run->began_boot_us;
}

static void decide_batch(struct ff_run *run, struct ff_inputs *done)
{
	struct ff_input *input;

	for (int i = 0; i < BATCH && (input = ff_inputs_take(&run->inputs)); i++) {
		struct ff_now now = {ff_clock_us(), wall_us(run)};

		ff_engine_decide(run->engine, input, now, &run->decision);
		ff_inputs_put(done, input); /* events may borrow from it */
	}
}

static void write_journal(struct ff_run *run)
{
	struct ff_journal *journal = run->opts.journal;
	struct ff_err err = {0};
	struct ff_input *input;

	for (size_t i = 0; journal && i < run->decision.events_len; i++)
		ff_journal_append(journal, &run->decision.events[i]);
	if (!journal || ff_journal_flush(journal, &err) == 0)
		return;
	input = ff_input_new(FF_INPUT_DISK);
	input->u.said.text = ff_input_text(input, err.text);
	put(run, input);
}

static void tell(struct ff_run *run)
{
	for (size_t i = 0; i < run->decision.events_len; i++) {
		const struct ff_event *event = &run->decision.events[i];

		if (run->opts.reporters && !run->told_over)
			ff_reporters_event(run->opts.reporters, event);
		ff_bus_publish(run->bus, event);
		if (event->kind == FF_EVENT_UNIT_STARTED)
			ff_keys_begin(run->keys);
		run->told_over |= event->kind == FF_EVENT_RUN_FINISHED;
	}
}

/* What must be written and can't be ends the run, while it is known what was. */
static void look_at_failures(struct ff_run *run)
{
	struct ff_err err = {0};
	struct ff_input *input;

	if (!run->opts.reporters || !ff_reporters_failed(run->opts.reporters, &err))
		return;
	input = ff_input_new(FF_INPUT_DISK);
	input->u.said.text = ff_input_text(input, err.text);
	put(run, input);
}

/* Reporters that hold too much stall the workers, by credit; never the loop. */
static void look_at_reporters(struct ff_run *run)
{
	bool full = run->opts.reporters && ff_reporters_full(run->opts.reporters);

	look_at_failures(run);
	if (full == run->full)
		return;
	run->full = full;
	ff_teller_hold(run->teller, full);
	put_kind(run, full ? FF_INPUT_FULL : FF_INPUT_DRAINED);
}

static void carry_out(struct ff_run *run, const struct ff_order *order)
{
	if (order->kind == FF_ORDER_TELL_BEFORE)
		ff_teller_ask(run->teller, order->job, run->state.jobs[order->job].name);
	else
		ff_act_order(run->act, order);
}

/* What comes faster than it is run waits where it comes from. */
static void look_at_feed(struct ff_run *run)
{
	const struct ff_job_record *job;

	if (!run->feed || run->opts.feed->job >= run->state.jobs_len)
		return;
	job = &run->state.jobs[run->opts.feed->job];
	ff_feed_look(run->feed, job->units_len - job->units_done);
}

static void drain(struct ff_run *run)
{
	while (run->inputs.first) {
		struct ff_inputs done = {0};

		decide_batch(run, &done);
		write_journal(run);
		tell(run);
		for (size_t i = 0; i < run->decision.orders_len; i++)
			carry_out(run, &run->decision.orders[i]);
		ff_decision_clear(&run->decision);
		ff_inputs_release(&done);
		look_at_reporters(run);
		look_at_feed(run);
	}
	ff_timer_set(&run->due, ff_engine_deadline(run->engine));
}

static void on_deferred(struct ff_deferred *deferred)
{
	drain(ff_container_of(deferred, struct ff_run, deferred));
}

/* --- time, signals, threads --- */

/* After a stop (Ctrl-Z, a laptop's sleep) nothing that is due may be held against anybody. */
static void note_gap(struct ff_run *run)
{
	int64_t now = ff_clock_us();

	if (run->ticked_us > 0 && now - run->ticked_us > TICK_US + GAP_US)
		put_kind(run, FF_INPUT_GAP);
	run->ticked_us = now;
}

/* --- what others ask --- */

static void on_request(void *ctx, enum ff_request what, const char *id, const char *const *names)
{
	struct ff_input *input =
		ff_input_new(what == FF_REQUEST_DRAIN ? FF_INPUT_DRAIN : FF_INPUT_CANCEL);

	input->u.cancel.request = ff_input_text(input, id);
	input->u.cancel.names = ff_input_lines(input, names);
	put(ctx, input);
}

static void look_at_requests(struct ff_run *run)
{
	struct ff_err err = {0};
	struct ff_input *input;

	if (!run->requests || ff_requests_look(run->requests, &err) == 0)
		return;
	input = ff_input_new(FF_INPUT_WARNED);
	input->u.said.text = ff_input_text(input, err.text);
	put(run, input);
}

static void on_due(struct ff_timer *timer)
{
	struct ff_run *run = timer->ctx;

	note_gap(run);
	put_kind(run, FF_INPUT_TICK);
}

static void on_tick(struct ff_timer *timer)
{
	struct ff_run *run = timer->ctx;

	note_gap(run);
	if (run->opts.reporters && !run->told_over)
		ff_reporters_tick(run->opts.reporters, run->ticked_us);
	look_at_reporters(run);
	look_at_feed(run);
	look_at_requests(run);
	ff_reread_tick(run->reread, run->ticked_us);
	ff_bus_pump(run->bus);
	ff_timer_set(timer, run->ticked_us + TICK_US);
}

static void show(struct ff_run *run)
{
	if (run->opts.reporters && !run->told_over)
		ff_reporters_show(run->opts.reporters);
}

static void on_key(void *ctx, char key)
{
	if (key == 't' || key == 'T')
		show(ctx);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct ff_run *run = handle->data;

	switch (signum) {
	case SIGUSR1:
		show(run);
		break;
	case SIGTSTP:
		/* As by default, but for the terminal that we hold. */
		ff_keys_suspend(run->keys);
		raise(SIGSTOP);
		break;
	case SIGCONT:
		ff_keys_resume(run->keys);
		break;
	case SIGHUP:
		if ((!run->had_terminal || ff_reread_terminal_there()) &&
		    ff_reread_now(run->reread))
			break;
		/* fall through */
	default:
		run->signalled = true;
		put_kind(run, FF_INPUT_SIGNAL);
		break;
	}
}

static void on_wake(uv_async_t *handle)
{
	look_at_reporters(handle->data);
}

void ff_run_wake(void *ctx)
{
	struct ff_run *run = ctx;

	uv_async_send(&run->wake);
}

void ff_run_interrupt(struct ff_run *run)
{
	put_kind(run, FF_INPUT_SIGNAL);
}

static void catch_signals(struct ff_run *run)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGTSTP, SIGCONT};

	for (int i = 0; i < RUN_SIGNALS; i++) {
		struct sigaction before;

		uv_signal_init(run->loop->uv, &run->signals[i]);
		run->signals[i].data = run;
		if (!run->keys && (numbers[i] == SIGTSTP || numbers[i] == SIGCONT))
			continue;
		/* nohup and shells ignore some for us: that is to stay so. */
		if (sigaction(numbers[i], NULL, &before) != 0 || before.sa_handler != SIG_IGN)
			uv_signal_start(&run->signals[i], on_signal, numbers[i]);
	}
}

/* --- life --- */

static void note_contents(struct ff_run *run)
{
	const struct ff_plan *plan = run->opts.plan;

	run->contents = ff_content_of_jobs(plan);
	run->job_contents = ff_xcalloc(plan->len + 1, sizeof(*run->job_contents));
	for (size_t i = 0; i < plan->len; i++)
		run->job_contents[i] = run->contents[i];
	ff_content_of_file(run->opts.config->path, run->file_content);
	gethostname(run->machine, sizeof(run->machine) - 1);
}

static void make_engine(struct ff_run *run)
{
	const struct ff_before *before = run->opts.before;
	struct ff_engine_opts opts = {
		.config = run->opts.config,
		.inventory = run->opts.inventory,
		.plan = run->opts.plan,
		.only_hosts = run->opts.only_hosts,
		.command_line = run->opts.command_line,
		.addopts = run->opts.addopts,
		.run_id =
			run->opts.journal ? ff_journal_run_id(run->opts.journal) : run->opts.run_id,
		.wants_sync = ff_act_wants_sync,
		.ctx = run->act,
		.hosts_only = run->hosts_only,
		.hosts_bare = run->opts.hosts_bare,
		.expect = run->opts.expect,
		.payload_exits = run->opts.payload_exits,
	};

	note_contents(run);
	opts.job_contents = run->job_contents;
	opts.file_content = *run->file_content ? run->file_content : NULL;
	opts.machine = run->machine;
	opts.pid = (int)getpid();
	if (before) {
		opts.before = before->states;
		opts.before_len = before->len;
		opts.before_again = before->again;
		opts.before_told = true;
		opts.before_journal = before->v[0].path;
		run->teller = ff_teller_new(run->loop, before, put, run);
	}
	ff_state_init(&run->state);
	run->engine = ff_engine_new(&opts, &run->state);
}

static int make_handles(struct ff_run *run, struct ff_err *err)
{
	struct ff_act_opts opts = {.run = &run->opts, .put = put, .ctx = run};
	int rc;

	run->loop = run->opts.loop ? run->opts.loop : &run->own_loop;
	if (!run->opts.loop) {
		ff_prompt(); /* a lent loop's thread is its owner's */
		rc = ff_loop_init(&run->own_loop, err);
		if (rc < 0)
			return rc;
	}
	opts.loop = run->loop;
	run->act = ff_act_new(&opts, err);
	if (!run->act) {
		if (!run->opts.loop)
			ff_loop_release(&run->own_loop);
		return err ? err->code : FF_ENOMEM;
	}
	ff_deferred_init(&run->deferred, on_deferred);
	ff_timer_init(&run->tick, run->loop, on_tick, run);
	ff_timer_init(&run->due, run->loop, on_due, run);
	uv_async_init(run->loop->uv, &run->wake, on_wake);
	run->wake.data = run;
	if (!run->opts.loop && !run->opts.feed && !run->opts.keys_are_others)
		run->keys = ff_keys_new(run->loop, on_key, run);
	if (!run->opts.loop)
		catch_signals(run);
	ff_timer_set(&run->tick, ff_clock_us() + TICK_US);
	return 0;
}

struct ff_run *ff_run_make(const struct ff_run_opts *opts, bool hosts_only, struct ff_err *err)
{
	struct ff_run *run = ff_xcalloc(1, sizeof(*run));

	run->opts = *opts;
	run->hosts_only = hosts_only;
	run->began_wall_us = ff_clock_wall_us();
	run->began_boot_us = ff_clock_boot_us();
	if (make_handles(run, err) < 0) {
		ff_free(run);
		return NULL;
	}
	run->bus = ff_bus_new(opts->journal);
	if (opts->journal)
		run->requests = ff_requests_new(ff_journal_path(opts->journal), on_request, run);
	make_engine(run);
	if (opts->feed) {
		run->feed = ff_feed_new(opts->feed, run->loop, put, run, err);
		if (!run->feed) {
			ff_run_end(run);
			return NULL;
		}
	}
	if (opts->reread)
		run->reread = ff_reread_new(opts->reread, run->loop, &run->state, put, run);
	run->had_terminal = ff_reread_terminal_there();
	put_kind(run, FF_INPUT_START);
	return run;
}

struct ff_run *ff_run_start(const struct ff_run_opts *opts, struct ff_err *err)
{
	return ff_run_make(opts, false, err);
}

int ff_run_wait(struct ff_run *run)
{
	int code = FF_EXIT_OK;

	while (!ff_run_over(run, &code))
		ff_loop_run_once(run->loop, FF_NEVER_US);
	return code;
}

bool ff_run_over(const struct ff_run *run, int *exit_code)
{
	if (!ff_engine_over(run->engine) || run->inputs.first)
		return false;
	*exit_code = run->state.run.exit_code;
	return true;
}

int64_t ff_run_left_us(const struct ff_run *run, int64_t units_us)
{
	return ff_engine_left_us(run->engine, units_us, ff_clock_us());
}

struct ff_bus *ff_run_bus(struct ff_run *run)
{
	return run->bus;
}

static void count_closed(uv_handle_t *handle)
{
	struct ff_run *run = handle->data;

	run->closing--;
}

static void timer_closed(struct ff_timer *timer)
{
	struct ff_run *run = timer->ctx;

	run->closing--;
}

static void part_closed(void *ctx)
{
	struct ff_run *run = ctx;

	run->closing--;
}

static void close_handles(struct ff_run *run)
{
	run->closing = 3;
	run->closing += run->reread != NULL;
	ff_reread_close(run->reread, part_closed, run);
	run->closing += ff_feed_close(run->feed, part_closed, run);
	ff_keys_free(run->keys);
	ff_deferred_cancel(&run->deferred);
	ff_timer_close(&run->tick, timer_closed);
	ff_timer_close(&run->due, timer_closed);
	uv_close((uv_handle_t *)&run->wake, count_closed);
	for (int i = 0; i < RUN_SIGNALS && !run->opts.loop; i++, run->closing++)
		uv_close((uv_handle_t *)&run->signals[i], count_closed);
	while (run->closing > 0)
		ff_loop_run_once(run->loop, FF_NEVER_US);
}

void ff_run_end(struct ff_run *run)
{
	bool killed;

	if (!run)
		return;
	killed = run->state.run.state == FF_RUN_KILLING || run->state.run.interrupts > 1;
	ff_act_terminate(run->act, killed ? 0 : run->opts.config->settings.grace_us);
	drain(run);
	ff_act_free(run->act);
	ff_teller_free(run->teller);
	ff_requests_free(run->requests);
	ff_inputs_release(&run->inputs);
	close_handles(run);
	ff_bus_free(run->bus);
	ff_engine_free(run->engine);
	ff_state_release(&run->state);
	ff_decision_release(&run->decision);
	ff_free(run->contents);
	ff_free(run->job_contents);
	if (!run->opts.loop)
		ff_loop_release(&run->own_loop);
	ff_free(run);
}
