/* What a host is set up with before its first unit, and torn down with when nothing more comes: a
 * command of the user's each. A host where the first fails runs nothing; the second is run whatever
 * happened, as long as the host is there. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static const struct ff_config_setup *setup_of(const struct ff_engine *e)
{
	return &e->opts.config->setup;
}

static const struct ff_config_setup *teardown_of(const struct ff_engine *e)
{
	return &e->opts.config->teardown;
}

static void order(struct ff_engine *e, uint32_t host, enum ff_order_kind kind)
{
	struct ff_order order = {.kind = kind, .host = host, .tries = e->state->hosts[host].tries};

	ff_engine_order(e, &order);
}

static void tell(struct ff_engine *e, uint32_t number, bool teardown, const struct ff_input *input,
		 const char *error)
{
	struct engine_host *host = &e->hosts[number];
	struct ff_event event = {.kind = FF_EVENT_HOST_SETUP,
				 .host = e->state->hosts[number].name,
				 .host_id = number + 1};

	event.u.host_setup.phase = teardown ? "teardown" : "setup";
	event.u.host_setup.error = error;
	event.u.host_setup.took_us = e->now.mono_us - host->setup_us;
	if (input) {
		event.u.host_setup.skipped = input->u.set_up.skipped;
		event.u.host_setup.output = input->u.set_up.output;
	}
	ff_engine_emit(e, &event);
}

static bool all_jobs_over(const struct ff_engine *e)
{
	return e->state->run.jobs_finished == e->state->jobs_len;
}

/* --- setup --- */

/* Local hosts may share a folder: there one after the other is set up, so that the second finds it
 * done. */
static bool must_wait(const struct ff_engine *e, uint32_t number)
{
	const struct ff_host *hosts = e->opts.inventory->hosts;
	const char *cwd = e->hosts[number].cwd;

	if (!hosts[number].local || !cwd)
		return false;
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (i != number && (e->hosts[i].setting_up || e->hosts[i].tearing_down) &&
		    hosts[i].local && e->hosts[i].cwd && strcmp(e->hosts[i].cwd, cwd) == 0)
			return true;
	return false;
}

bool ff_setup_too_late(const struct ff_engine *e, uint32_t number)
{
	return e->hosts[number].tearing_down || (!e->opts.hosts_only && all_jobs_over(e));
}

void ff_setup_begin(struct ff_engine *e, uint32_t number)
{
	struct engine_host *host = &e->hosts[number];

	host->setup_us = e->now.mono_us;
	host->waits_setup = false;
	if (e->opts.hosts_only) {
		ff_host_prepared(e, number);
		return;
	}
	if (ff_setup_too_late(e, number))
		return;
	if (!ff_setup_is_of_hosts(setup_of(e))) {
		host->owes_teardown = ff_setup_is_of_hosts(teardown_of(e));
		ff_host_prepared(e, number);
	} else if (must_wait(e, number)) {
		host->waits_setup = true;
	} else {
		host->owes_teardown = ff_setup_is_of_hosts(teardown_of(e));
		host->setting_up = true;
		order(e, number, FF_ORDER_SET_UP);
	}
}

static void begin_those_who_wait(struct ff_engine *e)
{
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (e->hosts[i].waits_setup && e->state->hosts[i].state == FF_HOST_PREPARING)
			ff_setup_begin(e, i);
}

/* The host that an input is about, if the input is about its present connection. */
static struct engine_host *subject(struct ff_engine *e, const struct ff_input *input)
{
	if (input->host >= e->state->hosts_len ||
	    e->state->hosts[input->host].tries != input->tries)
		return NULL;
	return &e->hosts[input->host];
}

void ff_setup_done(struct ff_engine *e, const struct ff_input *input)
{
	struct engine_host *host = subject(e, input);
	const char *error;

	if (input->host == FF_NOBODY)
		ff_run_setup_done(e, input);
	if (!host || !host->setting_up || host->tearing_down)
		return;
	host->setting_up = false;
	error = input->u.set_up.error;
	tell(e, input->host, false, input, error);
	begin_those_who_wait(e);
	if (!error) {
		ff_host_prepared(e, input->host);
		return;
	}
	ff_free(host->unusable);
	host->unusable = ff_xstrdup(error);
	if (!ff_teardown_begin(e, input->host))
		ff_host_unusable(e, input->host);
}

/* --- teardown --- */

bool ff_teardown_begin(struct ff_engine *e, uint32_t number)
{
	struct engine_host *host = &e->hosts[number];

	if (host->tearing_down)
		return true;
	if (!host->owes_teardown)
		return false;
	host->owes_teardown = host->setting_up = host->waits_setup = false;
	host->tearing_down = true;
	host->setup_us = e->now.mono_us;
	order(e, number, FF_ORDER_TEAR_DOWN);
	/* What is interrupted has so much time. */
	if (e->state->run.interrupts > 0 || ff_engine_killing(e))
		ff_engine_due(e, &e->kill, e->now.mono_us + e->opts.config->settings.grace_us);
	return true;
}

/* What the host waited for. */
static void go_on(struct ff_engine *e, uint32_t number)
{
	const struct engine_host *host = &e->hosts[number];

	if (host->unusable)
		ff_host_unusable(e, number);
	else if (!all_jobs_over(e))
		ff_host_leave(e, number);
}

void ff_teardown_done(struct ff_engine *e, const struct ff_input *input)
{
	struct engine_host *host = subject(e, input);

	if (input->host == FF_NOBODY)
		ff_run_teardown_done(e, input);
	if (!host || !host->tearing_down)
		return;
	host->tearing_down = false;
	tell(e, input->host, true, input, input->u.set_up.error);
	go_on(e, input->host);
	begin_those_who_wait(e);
}

void ff_teardown_kill(struct ff_engine *e)
{
	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		if (!e->hosts[i].tearing_down)
			continue;
		e->hosts[i].tearing_down = false;
		order(e, i, FF_ORDER_DROP_SETUP);
		tell(e, i, true, NULL, "interrupted");
		go_on(e, i);
	}
	ff_run_teardown_kill(e);
	begin_those_who_wait(e);
}

static void tell_owed(struct ff_engine *e, uint32_t number)
{
	if (!e->hosts[number].owes_teardown)
		return;
	e->hosts[number].owes_teardown = false;
	ff_engine_notice(e, e->state->hosts[number].name, "warning",
			 "its teardown could not be run: the host is not there");
}

bool ff_teardown_all(struct ff_engine *e)
{
	bool over = true;

	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		enum ff_host_state state = e->state->hosts[i].state;

		if (state == FF_HOST_READY || state == FF_HOST_PREPARING ||
		    state == FF_HOST_DRAINING)
			over &= !ff_teardown_begin(e, i);
		else
			tell_owed(e, i);
	}
	return over && ff_run_teardown(e);
}

/* --- hosts that go --- */

void ff_setup_host_down(struct ff_engine *e, uint32_t number, const char *reason)
{
	struct engine_host *host = &e->hosts[number];
	bool was = host->setting_up || host->tearing_down;

	host->setting_up = host->waits_setup = false;
	if (host->tearing_down) {
		host->tearing_down = false;
		tell(e, number, true, NULL,
		     ff_engine_text(e, "the host was lost: %s", reason ? reason : "it left"));
	}
	if (was)
		begin_those_who_wait(e);
}

void ff_setup_host_gone(struct ff_engine *e, uint32_t number)
{
	tell_owed(e, number);
}
