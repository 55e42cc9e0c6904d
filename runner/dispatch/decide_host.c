/* Hosts: opened, prepared, ready; away and tried again with growing pauses; gone. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"

static struct ff_host_record *record_of(const struct ff_engine *e, const struct engine_host *host)
{
	return &e->state->hosts[host - e->hosts];
}

static uint32_t number_of(const struct ff_engine *e, const struct engine_host *host)
{
	return (uint32_t)(host - e->hosts);
}

static struct ff_event about(const struct ff_engine *e, const struct engine_host *host,
			     enum ff_event_kind kind)
{
	return (struct ff_event){
		.kind = kind, .host = record_of(e, host)->name, .host_id = number_of(e, host) + 1};
}

static void order(struct ff_engine *e, const struct engine_host *host, enum ff_order_kind kind)
{
	struct ff_order order = {.kind = kind, .host = number_of(e, host)};

	order.tries = record_of(e, host)->tries;
	ff_engine_order(e, &order);
}

/* The host that an input is about, if the input is about its present connection. */
static struct engine_host *subject(struct ff_engine *e, const struct ff_input *input)
{
	if (input->host >= e->state->hosts_len ||
	    e->state->hosts[input->host].tries != input->tries)
		return NULL;
	return &e->hosts[input->host];
}

bool ff_host_in_set(const struct ff_engine *e, uint32_t job, uint32_t host)
{
	return e->jobs[job].hosts->bits[host / 64] >> host % 64 & 1;
}

bool ff_host_in_job(const struct ff_engine *e, uint32_t job, uint32_t host)
{
	return ff_host_in_set(e, job, host) &&
	       !(e->hosts[host].unfit >> e->jobs[job].payload & 1) &&
	       !ff_ration_too_small(e, job, host);
}

const char *ff_host_in_vain(struct ff_engine *e, uint32_t job, uint32_t host)
{
	const struct ff_host_record *record = &e->state->hosts[host];

	if (record->unfit && job != FF_NOBODY && (e->hosts[host].unfit >> e->jobs[job].payload & 1))
		return record->unfit;
	if (job != FF_NOBODY && ff_ration_too_small(e, job, host))
		return ff_ration_in_vain(e, job, host);
	return record->error ? record->error : "not available";
}

bool ff_host_hopeful(const struct ff_engine *e, uint32_t host)
{
	enum ff_host_state state = e->state->hosts[host].state;

	return state == FF_HOST_JOINING || state == FF_HOST_PREPARING || state == FF_HOST_READY ||
	       state == FF_HOST_AWAY;
}

bool ff_host_all_settled(const struct ff_engine *e)
{
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (e->hosts[i].wanted && !e->hosts[i].spare &&
		    e->state->hosts[i].state != FF_HOST_READY &&
		    e->state->hosts[i].state != FF_HOST_GONE)
			return false;
	return e->state->hosts_len > 0;
}

void ff_host_touch_jobs(struct ff_engine *e)
{
	for (uint32_t i = 0; i < e->state->jobs_len; i++)
		if (e->state->jobs[i].state != FF_JOBSTATE_FINISHED)
			ff_job_touch(e, i);
}

/* --- opening --- */

static void open_one(struct ff_engine *e, struct engine_host *host)
{
	struct ff_event event = about(e, host, FF_EVENT_HOST_JOINING);

	event.u.host_joining.tries = record_of(e, host)->tries + 1;
	host->cut = false;
	host->opened_us = e->now.mono_us;
	if (host->first_opened_us == 0)
		host->first_opened_us = e->now.mono_us;
	ff_engine_emit(e, &event);
	order(e, host, FF_ORDER_OPEN_HOST);
}

/* A host that others go `via` is opened first, and also when no job runs on it. */
static void open_with_parents(struct ff_engine *e, struct engine_host *host, unsigned depth)
{
	enum ff_host_state state = record_of(e, host)->state;

	if ((state != FF_HOST_UNUSED && state != FF_HOST_AWAY) || depth > e->state->hosts_len)
		return;
	ff_engine_not_due(e, &host->retry);
	if (host->parent != FF_NOBODY)
		open_with_parents(e, &e->hosts[host->parent], depth + 1);
	open_one(e, host);
}

void ff_host_open_all(struct ff_engine *e)
{
	const struct ff_inventory *inventory = e->opts.inventory;

	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		struct engine_host *host = &e->hosts[i];

		if (e->state->hosts[i].state == FF_HOST_GONE)
			continue; /* it has left while the run was set up */
		host->wanted = e->opts.hosts_only &&
			       ff_host_matches(&inventory->hosts[i], e->opts.only_hosts);
		for (uint32_t j = 0; j < e->state->jobs_len && !host->wanted; j++)
			host->wanted = ff_host_in_job(e, j, i);
		e->hosts_asked += host->wanted;
	}
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (e->hosts[i].wanted)
			open_with_parents(e, &e->hosts[i], 0);
}

void ff_host_open_late(struct ff_engine *e, uint32_t number)
{
	open_with_parents(e, &e->hosts[number], 0);
}

void ff_host_retry(struct ff_engine *e, struct engine_host *host)
{
	if (!ff_engine_closing(e))
		open_with_parents(e, host, 0);
}

/* --- preparing --- */

static void keep_text(char **kept, const char *text)
{
	ff_free(*kept);
	*kept = ff_xstrdup(text);
}

static void ready(struct ff_engine *e, struct engine_host *host)
{
	struct ff_event event = about(e, host, FF_EVENT_HOST_READY);

	if (host->leaving) /* it is being torn down */
		return;
	event.u.host_ready.peer = e->opts.inventory->hosts[number_of(e, host)].spec.text;
	event.u.host_ready.platform = host->platform;
	event.u.host_ready.cwd = host->cwd;
	event.u.host_ready.native = host->native;
	event.u.host_ready.slots = record_of(e, host)->slots;
	event.u.host_ready.took_us = e->now.mono_us - host->first_opened_us;
	host->away_us = 0;
	ff_engine_emit(e, &event);
	ff_sched_host_up(e->sched, number_of(e, host), record_of(e, host)->slots);
	/* Jobs may wait for it. */
	if (e->opts.config->settings.require_hosts != 0)
		ff_host_touch_jobs(e);
}

/* Whether something has to be found out there before the job can run. */
static bool wants_probe(const struct ff_engine *e, uint32_t job, uint32_t host)
{
	const struct ff_payload *payload = ff_engine_payload(e, job);

	return payload->probe ||
	       (payload->memory && e->host_memory[host] == 0 && ff_memory_counts(e, job));
}

/* The next payload that some job will run there and nobody looked for yet; its job, or FF_NOBODY.
 */
static uint32_t job_to_probe_for(const struct ff_engine *e, const struct engine_host *host)
{
	for (uint32_t i = 0; i < e->state->jobs_len; i++)
		if (wants_probe(e, i, number_of(e, host)) &&
		    !(host->probed >> e->jobs[i].payload & 1) &&
		    e->state->jobs[i].state != FF_JOBSTATE_FINISHED &&
		    ff_host_in_job(e, i, number_of(e, host)))
			return i;
	return FF_NOBODY;
}

static uint32_t payload_to_probe(const struct ff_engine *e, const struct engine_host *host)
{
	uint32_t job = job_to_probe_for(e, host);

	if (job != FF_NOBODY)
		return e->jobs[job].payload;
	for (uint32_t i = 0; e->opts.hosts_only && !e->opts.hosts_bare && ff_payloads[i]; i++)
		if (ff_payloads[i]->probe && !(host->probed >> i & 1))
			return i;
	return FF_NOBODY;
}

static void probe_or_ready(struct ff_engine *e, struct engine_host *host)
{
	struct ff_order probe = {.kind = FF_ORDER_PROBE_HOST, .host = number_of(e, host)};

	probe.payload = payload_to_probe(e, host);
	probe.tries = record_of(e, host)->tries;
	if (probe.payload == FF_NOBODY)
		ready(e, host);
	else
		ff_engine_order(e, &probe);
}

void ff_host_prepared(struct ff_engine *e, uint32_t number)
{
	probe_or_ready(e, &e->hosts[number]);
}

void ff_host_opened(struct ff_engine *e, const struct ff_input *input)
{
	struct engine_host *host = subject(e, input);
	struct ff_event event;

	if (!host || record_of(e, host)->state != FF_HOST_JOINING)
		return;
	event = about(e, host, FF_EVENT_HOST_OPENED);
	event.u.host_opened.peer = e->opts.inventory->hosts[input->host].spec.text;
	event.u.host_opened.platform = input->u.host_opened.platform;
	event.u.host_opened.cwd = input->u.host_opened.cwd;
	event.u.host_opened.native = input->u.host_opened.native;
	event.u.host_opened.took_us = e->now.mono_us - host->opened_us;
	ff_engine_emit(e, &event);
	keep_text(&host->platform, input->u.host_opened.platform);
	keep_text(&host->cwd, input->u.host_opened.cwd);
	host->native = input->u.host_opened.native;
	host->synced_us = e->now.mono_us;
	ff_ration_host_told(e, input);
	if (ff_engine_closing(e))
		return;
	if (e->opts.wants_sync && e->opts.wants_sync(e->opts.ctx, input->host))
		order(e, host, FF_ORDER_SYNC_HOST);
	else
		ff_setup_begin(e, input->host);
}

void ff_host_unfit(struct ff_engine *e, uint32_t number, uint32_t payload, const char *error)
{
	struct engine_host *host = &e->hosts[number];
	struct ff_event event = about(e, host, FF_EVENT_HOST_UNFIT);

	if (host->unfit >> payload & 1)
		return;
	host->unfit |= 1U << payload;
	event.u.host_unfit.payload = ff_payloads[payload]->name;
	event.u.host_unfit.error = error;
	ff_engine_emit(e, &event);
	for (uint32_t i = 0; i < e->state->jobs_len; i++) {
		if (e->jobs[i].payload != payload)
			continue;
		ff_sched_job_not_on(e->sched, i, number);
		if (ff_host_in_set(e, i, number))
			ff_required_host_unfit(e, i);
		ff_job_touch(e, i);
	}
}

void ff_host_probed(struct ff_engine *e, const struct ff_input *input)
{
	struct engine_host *host = subject(e, input);
	uint32_t payload = input->u.host_probed.payload;

	if (!host || record_of(e, host)->state != FF_HOST_PREPARING || payload >= 32 ||
	    (host->probed >> payload & 1))
		return;
	host->probed |= 1U << payload;
	if (input->u.host_probed.note && !e->opts.hosts_only)
		ff_engine_notice(e, record_of(e, host)->name, "note", input->u.host_probed.note);
	if (input->u.host_probed.memory > 0 && e->host_memory[input->host] == 0)
		e->host_memory[input->host] = input->u.host_probed.memory;
	if (input->u.host_probed.error && ff_payloads[payload]->probe)
		ff_host_unfit(e, input->host, payload, input->u.host_probed.error);
	if (!ff_setup_too_late(e, input->host))
		probe_or_ready(e, host);
}

/* --- leaving --- */

static void leave(struct ff_engine *e, struct engine_host *host)
{
	struct ff_event event = about(e, host, FF_EVENT_HOST_LEFT);

	ff_engine_not_due(e, &host->retry);
	ff_engine_not_due(e, &host->drain);
	ff_setup_host_down(e, number_of(e, host), NULL);
	ff_setup_host_gone(e, number_of(e, host));
	event.u.host_left.reason = host->leaving;
	ff_engine_emit(e, &event);
	order(e, host, FF_ORDER_CLOSE_HOST);
	ff_inventory_left(e, number_of(e, host));
}

void ff_host_leave(struct ff_engine *e, uint32_t number)
{
	leave(e, &e->hosts[number]);
}

void ff_host_leave_if_idle(struct ff_engine *e, uint32_t number)
{
	const struct ff_host_record *record = &e->state->hosts[number];

	if (record->state == FF_HOST_DRAINING && !e->hosts[number].cut && record->workers == 0 &&
	    record->running == 0 && !ff_executions_first(&e->executions, number) &&
	    !ff_inventory_holds(e, number) && !ff_gather_holds_host(e, number) &&
	    !ff_teardown_begin(e, number))
		leave(e, &e->hosts[number]);
}

void ff_host_drain(struct ff_engine *e, uint32_t number)
{
	struct engine_host *host = &e->hosts[number];
	struct ff_event event = about(e, host, FF_EVENT_HOST_DRAINING);
	enum ff_host_state state = record_of(e, host)->state;

	if ((host->is_parent && !host->leaving) || state == FF_HOST_UNUSED ||
	    state == FF_HOST_GONE || state == FF_HOST_DRAINING)
		return;
	ff_sched_host_drain(e->sched, number);
	if (state != FF_HOST_READY) {
		if (state != FF_HOST_PREPARING || !ff_teardown_begin(e, number))
			leave(e, host);
		return;
	}
	event.u.host_draining.reason = host->leaving;
	event.u.host_draining.running = record_of(e, host)->running;
	ff_engine_emit(e, &event);
	ff_host_leave_if_idle(e, number);
}

/* --- going away --- */

/* Whether there is something else that goes on without this host. */
static bool others_work(const struct ff_engine *e, const struct engine_host *host)
{
	if (e->state->run.running > 0 || e->state->run.workers > 0)
		return true;
	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		enum ff_host_state state = e->state->hosts[i].state;

		if (&e->hosts[i] != host &&
		    (state == FF_HOST_JOINING || state == FF_HOST_PREPARING))
			return true;
	}
	return false;
}

/* Errors that the next try would only repeat. */
static bool for_good(int code)
{
	switch (code) {
	case FF_EAUTH:
	case FF_EHOSTKEY:
	case FF_EINVAL:
	case FF_ENOTFOUND:
	case FF_EUNSUPPORTED:
	case FF_ECONFIG:
	case FF_EEXISTS:
	case FF_ESPAWN:
		return true;
	default:
		return false;
	}
}

static bool was_cut(int code)
{
	return code == FF_ELOST || code == FF_EEOF || code == FF_ECLOSED || code == FF_EPROTO;
}

/* Whether the host is tried again. What was there may come back, and is waited for; what never came
 * is tried as long as others work; what is cut while it opens gets some more tries in any case, and
 * whose folder another run holds is waited for like what was there. */
static bool has_hope(const struct ff_engine *e, const struct engine_host *host, int code)
{
	const struct ff_host_record *record = record_of(e, host);
	int64_t away = e->now.mono_us - host->away_us;

	if (ff_engine_closing(e) || e->opts.hosts_only || !host->wanted)
		return false;
	if (record->was_ready)
		return (record->vain < HOST_VAIN_MAX &&
			away < e->opts.config->settings.reconnect_us) ||
		       others_work(e, host);
	if (for_good(code))
		return false;
	/* Another run has its folder, and may be over soon. */
	if (code == FF_EBUSY && away < e->opts.config->settings.reconnect_us)
		return true;
	if (was_cut(code) && record->tries < HOST_CUT_TRIES)
		return true;
	return others_work(e, host);
}

static int64_t pause_before_retry(const struct ff_host_record *record)
{
	int64_t pause = 50000;

	for (uint32_t i = 0; i < record->vain && pause < 15 * FF_SECOND_US; i++)
		pause *= i < 2 ? 4 : 2;
	return pause < 15 * FF_SECOND_US ? pause : 15 * FF_SECOND_US;
}

/* The end of a connection, as an event: away, or gone for good. */
static void ended(struct ff_engine *e, struct engine_host *host, const struct ff_host_end *end)
{
	const struct ff_host_record *record = record_of(e, host);
	struct ff_event event = about(e, host, FF_EVENT_HOST_AWAY);
	bool hope;

	if (host->away_us == 0)
		host->away_us = e->now.mono_us;
	ff_setup_host_down(e, number_of(e, host), end->error);
	hope = has_hope(e, host, end->code);
	ff_sched_host_down(e->sched, number_of(e, host));
	event.u.host_away = *end;
	if (record->state == FF_HOST_DRAINING) {
		leave(e, host); /* it was to go anyway */
		return;
	}
	if (hope) {
		event.u.host_away.retry_us = pause_before_retry(record);
		ff_engine_due(e, &host->retry, e->now.mono_us + event.u.host_away.retry_us);
	} else if (record->was_ready) {
		event.kind = FF_EVENT_HOST_LOST;
	} else {
		event.kind = FF_EVENT_HOST_FAILED;
	}
	if (!hope)
		ff_setup_host_gone(e, number_of(e, host));
	ff_engine_emit(e, &event);
	ff_host_touch_jobs(e);
}

static uint32_t units_on(const struct ff_engine *e, const struct engine_host *host)
{
	const struct execution *x = ff_executions_first(&e->executions, number_of(e, host));
	uint32_t units = 0;
	struct ff_list *pos;

	for (; x; x = ff_executions_next(&e->executions, x))
		units += x->placement.unit != FF_NOBODY && !x->placement.ahead;
	ff_list_for_each(pos, &host->sessions)
		units += ff_run_session_runs(e, ff_container_of(pos, struct session, in_host));
	return units;
}

/* What ran there is lost with it. A unit is suspected alone if nothing else ran there. */
static uint32_t take_down_units(struct ff_engine *e, struct engine_host *host, const char *reason)
{
	uint32_t number = number_of(e, host), units = units_on(e, host);
	bool suspect = units == 1 && !host->put_out;
	struct execution *execution;
	struct ff_list *pos, *tmp;

	while ((execution = ff_executions_first(&e->executions, number)))
		ff_execution_lost(e, execution, suspect, reason);
	ff_gather_host_lost(e, number, reason);
	ff_list_for_each_safe(pos, tmp, &host->sessions)
		ff_run_session_lost(e, ff_container_of(pos, struct session, in_host), suspect,
				    reason);
	return units;
}

void ff_host_put_out(struct ff_engine *e, uint32_t number, const char *reason)
{
	struct engine_host *host = &e->hosts[number];
	struct execution *x = ff_executions_first(&e->executions, number);
	struct ff_list *pos;

	for (; x; x = ff_executions_next(&e->executions, x)) {
		struct ff_order drop = {.kind = FF_ORDER_DROP, .execution = x->number};

		drop.host = number;
		drop.unit = x->placement.unit;
		ff_engine_order(e, &drop);
	}
	ff_list_for_each(pos, &host->sessions)
		ff_run_session_kill(e, ff_container_of(pos, struct session, in_host));
	host->put_out = true;
	take_down_units(e, host, reason);
}

void ff_host_ended(struct ff_engine *e, const struct ff_input *input)
{
	struct engine_host *host = subject(e, input);
	enum ff_host_state state;
	struct ff_host_end end = {.code = input->u.ended.code, .wait = input->u.ended.wait};

	if (!host)
		return;
	state = record_of(e, host)->state;
	if (state == FF_HOST_UNUSED || state == FF_HOST_AWAY || state == FF_HOST_GONE)
		return;
	end.error = input->u.ended.error;
	if (!end.error || !*end.error)
		end.error = ff_engine_text(e, "%s: the worker ended by itself",
					   e->opts.inventory->hosts[input->host].spec.text);
	if (end.code == 0)
		end.code = FF_ELOST;
	host->cut = true;
	/* Before its units are given out again. */
	ff_sched_host_down(e->sched, input->host);
	end.units = take_down_units(e, host, end.error);
	ended(e, host, &end);
}

/* No other try would help. */
static void give_up(struct ff_engine *e, struct engine_host *host, const struct ff_host_end *end)
{
	order(e, host, FF_ORDER_CLOSE_HOST);
	ended(e, host, end);
}

void ff_host_unusable(struct ff_engine *e, uint32_t number)
{
	struct engine_host *host = &e->hosts[number];
	struct ff_host_end end = {.code = FF_EINVAL};

	end.error = ff_engine_text(e, "setup: %s", host->unusable);
	keep_text(&host->unusable, NULL);
	give_up(e, host, &end);
}

void ff_host_synced(struct ff_engine *e, const struct ff_input *input)
{
	struct engine_host *host = subject(e, input);
	struct ff_event event;

	if (!host || record_of(e, host)->state != FF_HOST_PREPARING)
		return;
	if (input->u.host_synced.error) {
		struct ff_host_end end = {.error = input->u.host_synced.error,
					  .code = input->u.host_synced.for_good
							  ? FF_EINVAL
							  : input->u.host_synced.code};

		give_up(e, host, &end);
		return;
	}
	event = about(e, host, FF_EVENT_SYNC_FINISHED);
	event.u.sync_finished.files = input->u.host_synced.files;
	event.u.sync_finished.sent_files = input->u.host_synced.sent_files;
	event.u.sync_finished.sent_bytes = input->u.host_synced.sent_bytes;
	event.u.sync_finished.deleted = input->u.host_synced.deleted;
	event.u.sync_finished.problems = input->u.host_synced.problems;
	event.u.sync_finished.root = input->u.host_synced.root;
	event.u.sync_finished.took_us = e->now.mono_us - host->synced_us;
	ff_engine_emit(e, &event);
	keep_text(&host->cwd, input->u.host_synced.root);
	ff_setup_begin(e, input->host);
}

void ff_host_said(struct ff_engine *e, const struct ff_input *input)
{
	if (input->host < e->state->hosts_len)
		ff_engine_notice(e, e->state->hosts[input->host].name, "note", input->u.said.text);
}
