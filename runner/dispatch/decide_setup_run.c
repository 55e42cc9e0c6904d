/* What is set up once for the whole run, on this machine, before any host is opened; and torn down
 * when all hosts are. Where the first fails nothing is run. */
#include <string.h>

#include "dispatch/private.h"

static bool is_of_run(const struct ff_config_setup *setup)
{
	return setup->run && strcmp(setup->per, "run") == 0;
}

bool ff_setup_is_of_hosts(const struct ff_config_setup *setup)
{
	return setup->run && !is_of_run(setup);
}

static void order(struct ff_engine *e, enum ff_order_kind kind)
{
	struct ff_order order = {.kind = kind, .host = FF_NOBODY};

	ff_engine_order(e, &order);
}

static void tell(struct ff_engine *e, bool teardown, const struct ff_input *input,
		 const char *error)
{
	struct ff_event event = {.kind = FF_EVENT_HOST_SETUP};

	event.u.host_setup.phase = teardown ? "teardown" : "setup";
	event.u.host_setup.error = error;
	event.u.host_setup.took_us = e->now.mono_us - e->own_setup.since_us;
	if (input) {
		event.u.host_setup.skipped = input->u.set_up.skipped;
		event.u.host_setup.output = input->u.set_up.output;
	}
	ff_engine_emit(e, &event);
}

void ff_run_setup_begin(struct ff_engine *e)
{
	const struct ff_config *config = e->opts.config;

	e->own_setup.since_us = e->now.mono_us;
	e->own_setup.owes_teardown = !e->opts.hosts_only && is_of_run(&config->teardown);
	if (e->opts.hosts_only || !is_of_run(&config->setup)) {
		ff_host_open_all(e);
		return;
	}
	e->own_setup.setting_up = true;
	order(e, FF_ORDER_SET_UP);
}

/* Nothing can run without it, not even what runs whatever happens. */
static void fails(struct ff_engine *e, const char *text)
{
	ff_engine_stop(e, FF_REASON_SETUP, text);
	for (uint32_t i = 0; i < e->state->jobs_len; i++)
		ff_job_stop(e, i, FF_REASON_SETUP, text);
}

void ff_run_setup_done(struct ff_engine *e, const struct ff_input *input)
{
	const char *error = input->u.set_up.error;

	if (!e->own_setup.setting_up)
		return;
	e->own_setup.setting_up = false;
	tell(e, false, input, error);
	for (uint32_t i = 0; i < e->state->jobs_len; i++)
		ff_job_touch(e, i); /* they have waited for it */
	if (error)
		fails(e, ff_engine_text(e, "setup: %s", error));
	else if (!ff_engine_stopping(e))
		ff_host_open_all(e);
}

static bool begin_teardown(struct ff_engine *e)
{
	e->own_setup.owes_teardown = e->own_setup.setting_up = false;
	e->own_setup.tearing_down = true;
	e->own_setup.since_us = e->now.mono_us;
	order(e, FF_ORDER_TEAR_DOWN);
	if (e->state->run.interrupts > 0 || ff_engine_killing(e))
		ff_engine_due(e, &e->kill, e->now.mono_us + e->opts.config->settings.grace_us);
	return false;
}

bool ff_run_teardown(struct ff_engine *e)
{
	if (e->own_setup.tearing_down)
		return false;
	if (e->own_setup.owes_teardown)
		return begin_teardown(e);
	if (e->own_setup.setting_up) { /* it was interrupted */
		e->own_setup.setting_up = false;
		order(e, FF_ORDER_DROP_SETUP);
	}
	return true;
}

void ff_run_teardown_done(struct ff_engine *e, const struct ff_input *input)
{
	if (!e->own_setup.tearing_down)
		return;
	e->own_setup.tearing_down = false;
	tell(e, true, input, input->u.set_up.error);
}

void ff_run_teardown_kill(struct ff_engine *e)
{
	if (!e->own_setup.tearing_down)
		return;
	e->own_setup.tearing_down = false;
	order(e, FF_ORDER_DROP_SETUP);
	tell(e, true, NULL, "interrupted");
}
