/* The run's own setup and teardown: a command on this machine, in the configuration's folder, with
 * the same stamps as hosts have. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/act_private.h"
#include "io/process.h"
#include "rsync/stamp.h"
#include "state/state.h"
#include "io/loop_private.h"

#define STAMP "setup-run"

#define LEAK_US (FF_SECOND_US / 5) /* for output that stays open after the exit */

enum { OUTPUT_CAP = 64 << 10 };

struct act_own_setup {
	struct ff_act *act;
	bool teardown;
	struct ff_process *process; /* NULL: it is no more */
	struct ff_timer timer;
	struct ff_output out;
	char digest[FF_STAMP_DIGEST];
	bool timed_out;
};

extern char **environ;

static const struct ff_config_setup *config_of(const struct act_own_setup *setup)
{
	return setup->teardown ? &setup->act->config->teardown : &setup->act->config->setup;
}

static void put_done(struct act_own_setup *setup, bool skipped, const char *error)
{
	struct ff_input *input =
		ff_input_new(setup->teardown ? FF_INPUT_HOST_TORN_DOWN : FF_INPUT_HOST_SET_UP);
	struct ff_buf text = FF_BUF_INIT;

	input->host = FF_NOBODY;
	input->u.set_up.skipped = skipped;
	input->u.set_up.error = ff_input_text(input, error);
	if (error && ff_output_text(&setup->out, &text) == 0 && text.len > 0)
		input->u.set_up.output = ff_input_text(input, ff_buf_str(&text));
	ff_buf_release(&text);
	ff_act_put(setup->act, input);
}

static void on_timer_closed(struct ff_timer *timer)
{
	struct act_own_setup *setup = timer->ctx;

	ff_output_release(&setup->out);
	ff_free(setup);
}

void ff_act_own_setup_drop(struct ff_act *act)
{
	struct act_own_setup *setup = act->own_setup;

	act->own_setup = NULL;
	if (!setup)
		return;
	if (setup->process) {
		ff_process_kill(setup->process, SIGKILL);
		ff_process_free(setup->process);
	}
	ff_timer_close(&setup->timer, on_timer_closed);
}

/* --- stamps --- */

/* What it exported; false: `error` says what is wrong. */
static bool keep_vars(struct act_own_setup *setup, const struct ff_stamp *stamp, char error[120])
{
	const uint8_t *bytes = ff_buf_data(&stamp->kept);
	const struct ff_value kept = ff_bytes(bytes ? (const void *)bytes : "", stamp->kept.len);

	return ff_act_read_vars(&setup->act->vars, &kept, error);
}

static int ask_stamp(struct act_own_setup *setup, bool write, struct ff_stamp *stamp,
		     struct ff_err *err)
{
	const struct ff_config_setup *config = config_of(setup);
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_value kwargs[] = {
		ff_str("root"),
		ff_str(setup->act->config->directory),
		ff_str("name"),
		ff_str(STAMP),
		ff_str(write ? "write" : "salt"),
		ff_str(!write			? config->run
		       : config->inputs.len > 0 ? setup->digest
						: ""),
		ff_str("inputs"),
		ff_act_texts(&config->inputs, &arena),
		ff_str("force"),
		ff_bool(setup->act->config->force),
	};
	struct ff_value dict = ff_collection(FF_DICT, kwargs, 5);
	int rc = write ? ff_stamp_write(stamp, &dict, err) : ff_stamp_check(stamp, &dict, err);

	ff_arena_release(&arena);
	return rc;
}

/* Its command has succeeded. */
static void finish_setup(struct act_own_setup *setup)
{
	struct ff_stamp stamp;
	struct ff_err err = {0};
	char error[120];

	if (ask_stamp(setup, true, &stamp, &err) < 0) {
		put_done(setup, false, err.text);
		return;
	}
	put_done(setup, false, keep_vars(setup, &stamp, error) ? NULL : error);
	ff_stamp_release(&stamp);
}

/* --- the process --- */

static void on_output(struct ff_process *process, const void *bytes, size_t len, void *ctx)
{
	struct act_own_setup *setup = ctx;

	ff_output_add(&setup->out, bytes, len);
}

static void on_exited(struct ff_process *process, void *ctx)
{
	struct act_own_setup *setup = ctx;

	ff_timer_set(&setup->timer, ff_clock_us() + LEAK_US);
}

static void on_finished(struct ff_process *process, void *ctx)
{
	struct act_own_setup *setup = ctx;
	int status = ff_process_status(process);
	char text[100] = "timed out";

	if (!setup->timed_out)
		ff_process_status_text(status, text, sizeof(text));
	if (status != 0 || setup->timed_out)
		put_done(setup, false, text);
	else if (setup->teardown)
		put_done(setup, false, NULL);
	else
		finish_setup(setup);
	ff_act_own_setup_drop(setup->act);
}

static const struct ff_process_ops process_ops = {
	.out = on_output,
	.err = on_output,
	.exited = on_exited,
	.finished = on_finished,
};

static void on_timer(struct ff_timer *timer)
{
	struct act_own_setup *setup = timer->ctx;
	int64_t grace_us;

	if (!setup->process)
		return;
	if (ff_process_exited(setup->process)) {
		ff_process_abandon_output(setup->process);
		return;
	}
	grace_us = setup->timed_out ? FF_SECOND_US : setup->act->config->settings.grace_us;
	ff_process_kill(setup->process, setup->timed_out || grace_us == 0 ? SIGKILL : SIGTERM);
	setup->timed_out = true;
	/* Not at once: it would never end to be due. */
	ff_timer_set(timer, ff_clock_us() + (grace_us > LEAK_US ? grace_us : LEAK_US));
}

static int run_command(struct act_own_setup *setup, struct ff_err *err)
{
	const struct ff_config_setup *config = config_of(setup);
	const char *directory = setup->act->config->directory;
	struct ff_spawn spawn = {.exec_fd = -1, .stdin_null = true, .die_with_parent = true};
	struct ff_strv env = FF_STRV_INIT;
	int rc = ff_strv_add_all(&env, environ);

	if (setup->teardown && setup->act->vars.len > 0)
		ff_config_merge(&env, &setup->act->vars, '=');
	if (!setup->teardown)
		ff_strv_addf(&env, "FARFLUNG_ENV=%s/.farflung/stamps/" STAMP ".env", directory);
	spawn.argv = (char *[]){"/bin/sh", "-c", config->run, NULL};
	spawn.cwd = directory;
	spawn.env = env.v;
	if (!rc)
		setup->process =
			ff_process_spawn(setup->act->opts.loop, &spawn, &process_ops, setup, err);
	ff_strv_release(&env);
	if (setup->process && config->timeout_us > 0)
		ff_timer_set(&setup->timer, ff_clock_us() + config->timeout_us);
	return setup->process ? 0 : FF_ESPAWN;
}

/* Whether the command is to be run; else all is told. */
static bool check(struct act_own_setup *setup)
{
	struct ff_stamp stamp;
	struct ff_err err = {0};
	char error[120];
	bool fresh;

	if (ask_stamp(setup, false, &stamp, &err) < 0) {
		put_done(setup, false, err.text);
		return false;
	}
	fresh = stamp.fresh;
	snprintf(setup->digest, sizeof(setup->digest), "%s", stamp.digest);
	if (fresh)
		put_done(setup, true, keep_vars(setup, &stamp, error) ? NULL : error);
	ff_stamp_release(&stamp);
	return !fresh;
}

void ff_act_own_setup(struct ff_act *act, const struct ff_order *order)
{
	struct act_own_setup *setup;
	struct ff_err err = {0};
	bool runs;

	ff_act_own_setup_drop(act);
	if (order->kind == FF_ORDER_DROP_SETUP)
		return;
	setup = ff_xcalloc(1, sizeof(*setup));
	setup->act = act;
	setup->teardown = order->kind == FF_ORDER_TEAR_DOWN;
	ff_output_init(&setup->out, OUTPUT_CAP);
	if (ff_timer_init(&setup->timer, act->opts.loop, on_timer, setup) < 0) {
		put_done(setup, false, "out of memory");
		ff_free(setup);
		return;
	}
	act->own_setup = setup;
	runs = setup->teardown || check(setup);
	if (runs && run_command(setup, &err) == 0)
		return;
	if (runs)
		put_done(setup, false, err.text);
	ff_act_own_setup_drop(act);
}
