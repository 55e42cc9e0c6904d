/* Hosts that come and go while the run goes on. One that comes joins like any other: it is opened,
 * gets the tree, is set up, and gets what is left; jobs for each host, which were made when the run
 * began, have no part on it. One that is to go is drained: nothing new is begun there, what runs
 * comes to its end (or goes elsewhere, after inventory.drain_timeout), it is torn down, and its
 * connection is closed. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "dispatch/private.h"

/* --- coming --- */

/* As if nothing had been there before; what is late from a former life has another `tries`. */
static void forget(struct ff_engine *e, struct engine_host *host)
{
	ff_engine_not_due(e, &host->retry);
	ff_engine_not_due(e, &host->drain);
	ff_free(host->unusable);
	host->unusable = NULL;
	host->leaving = NULL;
	host->put_out = host->spare = host->cut = false;
	host->probed = host->unfit = 0;
	host->setting_up = host->waits_setup = host->owes_teardown = host->tearing_down = false;
	host->first_opened_us = host->away_us = 0;
	host->sets_left = 0;
}

/* Jobs that have begun are to use it, too; or no more, if it had another name for them before. */
static void tell_scheduler(struct ff_engine *e, uint32_t number)
{
	for (uint32_t i = 0; i < e->state->jobs_len; i++)
		if (ff_host_in_set(e, i, number))
			ff_sched_job_also_on(e->sched, i, number);
		else
			ff_sched_job_not_on(e->sched, i, number);
}

/* One that was there before, and was counted, is no other. */
static void ask(struct ff_engine *e, struct engine_host *host)
{
	if (host->wanted)
		return;
	host->wanted = host->late = true;
	e->hosts_asked++;
	e->hosts_late++;
}

static void join(struct ff_engine *e, uint32_t number)
{
	struct engine_host *host = &e->hosts[number];
	bool wanted = false;

	forget(e, host);
	ff_host_know(e, number);
	for (struct host_set *set = e->host_sets; set; set = set->next)
		if (ff_job_host_set_look(e, set, number) && set->jobs_left > 0)
			host->sets_left++;
	tell_scheduler(e, number);
	if (e->own_setup.setting_up) /* it is opened behind that, with the others */
		return;
	for (uint32_t i = 0; i < e->state->jobs_len; i++) {
		if (!ff_host_in_set(e, i, number) ||
		    e->state->jobs[i].state == FF_JOBSTATE_FINISHED)
			continue;
		wanted = true;
		ff_engine_not_due(e, &e->jobs[i].hope);
		e->jobs[i].hopeless = false;
	}
	host->spare = !wanted;
	if (!wanted)
		return;
	ask(e, host);
	ff_host_open_late(e, number);
	for (uint32_t i = 0; i < e->state->jobs_len; i++)
		if (e->state->jobs[i].state == FF_JOBSTATE_RUNNING)
			e->jobs[i].workers = ff_job_slots(e, i);
	ff_host_touch_jobs(e);
}

/* Jobs for each host are those of the beginning: that such a one had none of this host is said. */
static void tell_left_out(struct ff_engine *e, const struct ff_host *host)
{
	const struct ff_plan *plan = e->opts.plan;
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .host = host->name};

	for (size_t i = 0; i < plan->len; i++) {
		const struct ff_config_job *each = plan->jobs[i].each_of;
		bool has = false;

		if (!each || (i > 0 && plan->jobs[i - 1].each_of == each) ||
		    !ff_host_matches(host, each->on) || !ff_host_matches(host, e->opts.only_hosts))
			continue;
		for (size_t j = i; j < plan->len && plan->jobs[j].each_of == each; j++)
			has |= plan->jobs[j].only_host->index == host->index;
		if (has)
			continue;
		event.host_id = host->index + 1;
		event.u.notice.level = "warning";
		event.u.notice.text = ff_engine_text(
			e, "job %s (each_host) is not run on it: it has joined after the beginning",
			each->name);
		ff_engine_emit(e, &event);
	}
}

static void comes(struct ff_engine *e, uint32_t number)
{
	struct ff_event event = {.kind = FF_EVENT_HOST_ADDED};
	const struct ff_host *host;

	if (number >= e->opts.inventory->len || number > e->state->hosts_len ||
	    e->opts.hosts_only || ff_engine_closing(e) ||
	    (number < e->state->hosts_len && e->state->hosts[number].state != FF_HOST_GONE))
		return;
	host = &e->opts.inventory->hosts[number];
	event.host = host->name;
	event.u.host_added.spec = host->spec.text;
	event.u.host_added.slots = host->slots;
	event.u.host_added.late = true;
	ff_engine_emit(e, &event);
	tell_left_out(e, host);
	join(e, number);
}

/* --- going --- */

bool ff_inventory_holds(const struct ff_engine *e, uint32_t number)
{
	for (uint32_t i = 0; e->hosts[number].is_parent && i < e->state->hosts_len; i++)
		if (e->hosts[i].parent == number && e->state->hosts[i].state != FF_HOST_UNUSED &&
		    e->state->hosts[i].state != FF_HOST_GONE)
			return true;
	return false;
}

void ff_inventory_left(struct ff_engine *e, uint32_t number)
{
	if (e->hosts[number].parent != FF_NOBODY)
		ff_host_leave_if_idle(e, e->hosts[number].parent);
}

void ff_inventory_look(struct ff_engine *e)
{
	e->left_one = false;
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (e->hosts[i].leaving)
			ff_host_leave_if_idle(e, i);
}

/* Commands that have not begun there are for others; sessions end with what they run, and what they
 * were given beyond that goes back. */
static void stop_what_is_there(struct ff_engine *e, uint32_t number)
{
	const struct execution *x = ff_executions_first(&e->executions, number);
	struct ff_list *pos;

	for (; x; x = ff_executions_next(&e->executions, x)) {
		struct ff_order withdraw = {.kind = FF_ORDER_WITHDRAW, .execution = x->number};

		withdraw.host = number;
		if (x->placement.ahead)
			ff_engine_order(e, &withdraw);
	}
	ff_list_for_each(pos, &e->hosts[number].sessions) {
		struct session *session = ff_container_of(pos, struct session, in_host);

		session->leaves = true;
		ff_run_session_stop(e, session);
	}
}

/* Before it was there it is none that has to be: it counts no more. */
static void ask_no_more(struct ff_engine *e, uint32_t number)
{
	struct engine_host *host = &e->hosts[number];

	if (!host->wanted || host->counted || e->state->hosts[number].was_ready)
		return;
	e->hosts_asked--;
	e->hosts_late -= host->late;
	host->wanted = host->late = false;
}

static void go(struct ff_engine *e, uint32_t number, const char *reason)
{
	struct engine_host *host = &e->hosts[number];
	int64_t limit = e->opts.config->outside.drain_us;

	if (e->state->hosts[number].state == FF_HOST_GONE || host->leaving)
		return;
	host->leaving = ff_arena_strdup(&e->arena, reason);
	ask_no_more(e, number);
	if (e->state->hosts[number].state == FF_HOST_UNUSED) {
		ff_host_leave(e, number);
		return;
	}
	if (e->state->hosts[number].state == FF_HOST_READY)
		stop_what_is_there(e, number);
	ff_host_drain(e, number);
	if (limit > 0 && e->state->hosts[number].state == FF_HOST_DRAINING)
		ff_engine_due(e, &host->drain, e->now.mono_us + limit);
	ff_host_touch_jobs(e);
}

static void drain_due(struct ff_engine *e, uint32_t number)
{
	if (e->state->hosts[number].state != FF_HOST_DRAINING || e->hosts[number].put_out ||
	    e->hosts[number].tearing_down)
		return;
	ff_host_put_out(
		e, number,
		ff_engine_text(e, "host %s is to leave, and this took longer than drain_timeout",
			       e->state->hosts[number].name));
	ff_host_leave_if_idle(e, number);
	ff_host_touch_jobs(e);
}

/* --- somebody asks for that --- */

static bool is_there(const struct ff_engine *e, uint32_t number)
{
	enum ff_host_state state = e->state->hosts[number].state;

	return state != FF_HOST_GONE && state != FF_HOST_UNUSED;
}

/* Notes what a pattern means of the hosts that have not gone; NULL, or why it means none. */
static const char *choose(struct ff_engine *e, const char *pattern, bool *chosen)
{
	const struct ff_inventory *inventory = e->opts.inventory;
	struct ff_err err = {0};
	bool any = false;

	if (ff_inventory_check(inventory, pattern, &err) < 0)
		return ff_engine_text(e, "%s", err.text);
	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		if (e->state->hosts[i].state == FF_HOST_GONE ||
		    !ff_host_matches(&inventory->hosts[i], pattern))
			continue;
		chosen[i] = any = true;
	}
	return any ? NULL : ff_engine_text(e, "what '%s' means is not there any more", pattern);
}

/* Who goes via one that is to leave has to leave, too. */
static const char *who_stays(struct ff_engine *e, const bool *chosen)
{
	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		uint32_t parent = e->hosts[i].parent;

		if (parent != FF_NOBODY && chosen[parent] && !chosen[i] && is_there(e, i) &&
		    !e->hosts[i].leaving)
			return ff_engine_text(e, "host '%s' goes via '%s', and is to stay",
					      e->state->hosts[i].name,
					      e->state->hosts[parent].name);
	}
	return NULL;
}

static void answer(struct ff_engine *e, const struct ff_input *input, const char *name,
		   uint32_t running, bool last, const char *error)
{
	struct ff_event event = {.kind = FF_EVENT_DRAIN_ASKED};

	event.u.drain_asked.request = ff_engine_text(e, "%s", input->u.cancel.request);
	event.u.drain_asked.name = ff_engine_text(e, "%s", name);
	event.u.drain_asked.running = running;
	event.u.drain_asked.last = last;
	event.u.drain_asked.error = error;
	ff_engine_emit(e, &event);
}

static void drain_chosen(struct ff_engine *e, const struct ff_input *input, const bool *chosen)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		left += chosen[i];
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (chosen[i])
			answer(e, input, e->state->hosts[i].name, e->state->hosts[i].running,
			       --left == 0, NULL);
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (chosen[i])
			go(e, i, "somebody asked it to");
}

/* All of them or none. */
static void drain(struct ff_engine *e, const struct ff_input *input)
{
	const char *const *names = input->u.cancel.names;
	const char *error = NULL, *name = "";
	bool *chosen;

	if (!names || !input->u.cancel.request)
		return;
	chosen = ff_xcalloc(e->state->hosts_len + 1U, sizeof(*chosen));
	for (uint32_t i = 0; names[i] && !error; i++) {
		name = names[i];
		error = choose(e, name, chosen);
	}
	if (!error)
		error = who_stays(e, chosen);
	if (error)
		answer(e, input, name, 0, true, error);
	else
		drain_chosen(e, input, chosen);
	ff_free(chosen);
}

/* --- jobs without a host --- */

static void tell_hope(struct ff_engine *e, uint32_t number, const char *reason, int64_t wait_us)
{
	struct ff_event event = {
		.kind = FF_EVENT_NOTICE, .job = e->state->jobs[number].name, .job_id = number + 1};

	event.u.notice.level = "warning";
	event.u.notice.text =
		ff_engine_text(e, "no host is left for it: %s; one may join within %.1f s", reason,
			       (double)wait_us / 1e6);
	ff_engine_emit(e, &event);
}

bool ff_inventory_has_hope(struct ff_engine *e, uint32_t number, const char *reason)
{
	struct engine_job *job = &e->jobs[number];
	const struct ff_config *config = e->opts.config;
	int64_t refresh = config->outside.refresh_us;
	int64_t wait_us = refresh + config->settings.reconnect_us;

	if (refresh == 0 || job->hopeless || e->opts.plan->jobs[number].only_host ||
	    ff_engine_stopping(e))
		return false;
	if (job->hope.deadline.pos)
		return true;
	ff_engine_due(e, &job->hope, e->now.mono_us + wait_us);
	tell_hope(e, number, reason, wait_us);
	return true;
}

/* --- the way in --- */

void ff_inventory_due(struct ff_engine *e, enum due kind, void *owner)
{
	struct engine_job *job = owner;

	if (kind == DUE_DRAIN) {
		drain_due(e, (uint32_t)((struct engine_host *)owner - e->hosts));
		return;
	}
	job->hopeless = true;
	ff_job_touch(e, (uint32_t)(job - e->jobs));
}

bool ff_inventory_input(struct ff_engine *e, const struct ff_input *input)
{
	if (input->kind == FF_INPUT_HOST_COMES)
		comes(e, input->host);
	else if (input->kind == FF_INPUT_DRAIN)
		drain(e, input);
	else if (input->kind != FF_INPUT_HOST_LEAVES)
		return false;
	else if (input->host < e->state->hosts_len && input->u.said.text)
		go(e, input->host, input->u.said.text);
	return true;
}
