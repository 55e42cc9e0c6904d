/* Jobs: begun when what they need has passed and the hosts that must be there are, ended when
 * nothing of them is left to do. Only jobs that something happened to are looked at. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static struct ff_job_record *record_of(const struct ff_engine *e, uint32_t job)
{
	return &e->state->jobs[job];
}

static const struct ff_plan_job *plan_of(const struct ff_engine *e, uint32_t job)
{
	return &e->opts.plan->jobs[job];
}

static struct ff_event about(const struct ff_engine *e, uint32_t job, enum ff_event_kind kind)
{
	return (struct ff_event){.kind = kind, .job = record_of(e, job)->name, .job_id = job + 1};
}

void ff_job_touch(struct ff_engine *e, uint32_t job)
{
	if (ff_list_empty(&e->jobs[job].dirty))
		ff_list_add_tail(&e->dirty, &e->jobs[job].dirty);
}

/* --- what is known before it begins --- */

bool ff_job_host_set_look(struct ff_engine *e, struct host_set *set, uint32_t number)
{
	const struct ff_host *host = &e->opts.inventory->hosts[number];
	uint64_t bit = UINT64_C(1) << number % 64;
	bool in = ff_plan_job_on(set->plan, host) && ff_host_matches(host, e->opts.only_hosts);

	if (in)
		set->bits[number / 64] |= bit;
	else
		set->bits[number / 64] &= ~bit;
	return in;
}

struct host_set *ff_job_host_set(struct ff_engine *e, const struct ff_plan_job *plan)
{
	const struct ff_inventory *inventory = e->opts.inventory;
	size_t size = (ff_inventory_room(inventory) / 64 + 1) * sizeof(uint64_t);
	const char *key = plan->config->on ? plan->config->on : "";
	struct host_set *set = plan->only_host ? NULL : ff_map_get(&e->patterns, key);

	if (set)
		return set;
	set = ff_arena_alloc(&e->arena, sizeof(*set));
	if (!set || !(set->bits = ff_arena_alloc(&e->arena, size)))
		ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	memset(set->bits, 0, size);
	set->jobs_left = 0;
	set->plan = plan;
	set->next = e->host_sets;
	e->host_sets = set;
	for (uint32_t i = 0; i < inventory->len; i++)
		e->hosts[i].sets_left += ff_job_host_set_look(e, set, i);
	if (!plan->only_host)
		ff_map_set(&e->patterns, key, set);
	return set;
}

void ff_job_init(struct ff_engine *e, uint32_t job)
{
	const struct ff_plan_job *plan = plan_of(e, job);
	struct ff_plan_instance instance;
	struct ff_event event = {.kind = FF_EVENT_JOB_ADDED, .job = plan->config->name};

	event.u.job_added.payload = plan->payload->name;
	event.u.job_added.units =
		plan->payload->run && !plan->payload->discover ? plan->units_len : 0;
	if (plan->payload->session && !ff_plan_instance(plan, 0, &e->jobs[job].arena, &instance))
		event.u.job_added.args = (const char *const *)instance.job.args;
	event.u.job_added.open = plan->config->source && plan->config->source->open;
	event.u.job_added.timeout_us = plan->config->timeout_us;
	event.u.job_added.addopts_read = plan->config->addopts_read;
	if (e->opts.job_contents)
		event.u.job_added.content = e->opts.job_contents[job];
	ff_engine_emit(e, &event);
	ff_job_touch(e, job);
}

/* --- errors and stops --- */

void ff_job_error(struct ff_engine *e, uint32_t number, enum ff_reason why, const char *text)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_event event = about(e, number, FF_EVENT_NOTICE);
	size_t len = strlen(text);
	char *copy;

	if (job->why != FF_REASON_NONE)
		return;
	/* Remote tracebacks end with a newline. */
	while (len > 0 && text[len - 1] == '\n')
		len--;
	copy = ff_arena_copy(&job->arena, text, len);
	job->error = copy ? copy : text;
	job->why = why;
	event.u.notice.level = "error";
	event.u.notice.text = job->error;
	ff_engine_emit(e, &event);
	ff_job_touch(e, number);
}

void ff_job_stop(struct ff_engine *e, uint32_t number, enum ff_reason why, const char *text)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_list *pos;

	if (record_of(e, number)->state == FF_JOBSTATE_FINISHED || job->stopped)
		return;
	job->stopped = true;
	ff_retry_forget(e, number);
	if (job->why == FF_REASON_NONE) {
		job->why = why;
		job->error = ff_engine_keep(job, text);
	}
	ff_sched_job_stop(e->sched, number);
	ff_ahead_withdraw(e, number, true);
	ff_front_stopped(e, number, why, text);
	ff_list_for_each(pos, &job->sessions)
		ff_run_session_stop(e, ff_container_of(pos, struct session, in_job));
	ff_job_touch(e, number);
}

/* Where units are begun for some time only, that is from the first one on: one runs at least. */
void ff_job_time_runs(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	int64_t time_us = plan_of(e, number)->config->time_us;

	if (time_us == 0 || job->time_runs)
		return;
	job->time_runs = true;
	ff_engine_due(e, &job->time, e->now.mono_us + time_us);
}

void ff_job_time_over(struct ff_engine *e, uint32_t number)
{
	struct ff_event event = about(e, number, FF_EVENT_NOTICE);

	event.u.notice.level = "note";
	event.u.notice.text = "the time is over: what runs comes to its end";
	ff_engine_emit(e, &event);
	ff_job_stop(e, number, FF_REASON_TIME, NULL);
}

/* --- beginning --- */

uint32_t ff_job_slots(const struct ff_engine *e, uint32_t job)
{
	uint32_t slots = 0;

	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (ff_host_in_job(e, job, i) && ff_host_hopeful(e, i))
			slots += e->state->hosts[i].slots;
	return slots;
}

static void tell_scheduler(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	const struct ff_plan_job *plan = plan_of(e, number);
	struct ff_sched_uses *uses = ff_xcalloc(plan->config->uses_len + 1, sizeof(*uses));
	struct ff_sched_job_opts opts = {
		.hosts = job->hosts->bits,
		/* More than any host has: all of one. */
		.weight = plan->config->exclusive ? UINT32_MAX : (uint32_t)plan->config->weight,
		.uses = uses,
		.uses_len = plan->config->uses_len,
		.sessions = plan->payload->session != NULL,
		.discover = plan->payload->discover != NULL,
		.ration = plan->ration,
		/* Where it is clear from the beginning, none is started in vain. */
		.most = plan->config->dist && plan->payload->session
				? ff_policy_find(plan->config->dist)->most
				: 0,
	};

	for (size_t i = 0; i < plan->config->uses_len; i++)
		uses[i] = (struct ff_sched_uses){(uint32_t)plan->config->uses[i].pool,
						 (uint32_t)plan->config->uses[i].amount};
	ff_sched_job_start(e->sched, number, &opts);
	ff_free(uses);
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if (e->hosts[i].unfit >> job->payload & 1 || ff_ration_too_small(e, number, i))
			ff_sched_job_not_on(e->sched, number, i);
}

static void start(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_event event = about(e, number, FF_EVENT_JOB_STARTED);

	job->started_us = e->now.mono_us;
	job->workers = ff_job_slots(e, number);
	tell_scheduler(e, number);
	event.u.job_started.payload = ff_engine_payload(e, number)->name;
	event.u.job_started.workers = job->workers;
	event.u.job_started.units = record_of(e, number)->units_len;
	if (!plan_of(e, number)->payload->session)
		event.u.job_started.slots = (int)plan_of(e, number)->config->weight;
	ff_engine_emit(e, &event);
	if (record_of(e, number)->known) {
		ff_needs_hold_units(e, number);
		ff_job_know_units(e, number, record_of(e, number)->units_len);
		ff_feed_started(e, number);
		ff_needs_skip_units(e, number);
	}
	ff_job_touch(e, number); /* there may be no host for it at all */
}

static uint32_t restart_limit(const struct ff_engine *e, uint32_t number)
{
	int64_t limit = e->opts.config->settings.max_worker_restart;

	return limit >= 0 ? (uint32_t)limit : 4 * e->jobs[number].workers;
}

/* Where each worker runs everything, what is left may be for other hosts. */
static bool may_serve(const struct ff_engine *e, uint32_t number, uint32_t host)
{
	const struct ff_queues *queues = ff_sched_queues(e->sched, number);

	return !queues || !ff_queues_has_seats(queues) || ff_queues_seat_waits(queues, host);
}

/* Whether it is worth telling why a host is of no use: not of one that has done its part. */
static bool may_lack(const struct ff_engine *e, uint32_t number, uint32_t host)
{
	return !ff_host_in_job(e, number, host) || !ff_host_hopeful(e, host);
}

const char *ff_job_no_host(struct ff_engine *e, uint32_t number)
{
	struct ff_buf text = FF_BUF_INIT;
	const char *copy;

	for (uint32_t i = 0; i < e->state->hosts_len; i++) {
		const struct ff_host_record *host = &e->state->hosts[i];

		if (!ff_host_in_set(e, number, i))
			continue;
		if (ff_host_in_job(e, number, i) && ff_host_hopeful(e, i) &&
		    may_serve(e, number, i)) {
			ff_buf_release(&text);
			return NULL;
		}
		if (text.len < 4096 && may_lack(e, number, i))
			ff_buf_addf(&text, "%shost %s: %s", text.len ? "; " : "", host->name,
				    ff_host_in_vain(e, number, i));
	}
	copy = ff_engine_text(e, "%s", text.len ? ff_buf_str(&text) : "there is none");
	ff_buf_release(&text);
	return copy;
}

/* Nothing of it runs: whether it is over, or can't go on. */
static void check_idle(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	const struct ff_job_record *record = record_of(e, number);
	bool sessions = ff_engine_payload(e, number)->session != NULL;
	const char *reason;

	if (job->settled) {
		ff_job_finish(e, number);
		return;
	}
	if (record->known && record->units_len + ff_job_units_left(record) == 0 &&
	    record->problems == 0 && job->why == FF_REASON_NONE && !job->collect_only)
		ff_job_error(e, number, FF_REASON_NOTHING, "no tests were collected");
	if ((record->known && ff_job_units_left(record) == 0) || job->stopped || job->given_up ||
	    job->why != FF_REASON_NONE) {
		ff_job_finish(e, number);
		return;
	}
	if (ff_driven_out(e, number)) {
		ff_job_finish(e, number);
		return;
	}
	if (sessions && record->crashes > restart_limit(e, number)) {
		ff_job_error(e, number, FF_REASON_RESTARTS,
			     ff_engine_text(
				     e,
				     "%u workers crashed, more than max_worker_restart allows%s%s",
				     record->crashes, job->last_reason ? "; the first: " : "",
				     job->last_reason ? job->last_reason : ""));
		ff_job_finish(e, number);
		return;
	}
	reason = ff_job_no_host(e, number);
	if (!reason || ff_inventory_has_hope(e, number, reason))
		return;
	if (ff_ration_no_host(e, number)) {
		ff_job_error(e, number, FF_REASON_NO_HOST, ff_ration_no_host(e, number));
		ff_job_finish(e, number);
		return;
	}
	ff_job_error(e, number, sessions ? FF_REASON_NO_WORKER : FF_REASON_NO_HOST,
		     ff_engine_text(e, "no %s is left for it: %s", sessions ? "worker" : "host",
				    reason));
	ff_job_finish(e, number);
}

/* Whoever has not collected yet is not needed when all is done. */
static void dismiss(struct ff_engine *e, uint32_t number)
{
	const struct ff_job_record *record = record_of(e, number);
	struct ff_list *pos;

	if (!record->known || record->units_len == 0 || ff_job_units_left(record) > 0)
		return;
	ff_list_for_each(pos, &e->jobs[number].sessions)
		ff_silence_dismiss(e, ff_container_of(pos, struct session, in_job));
}

static void look_at(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	enum ff_job_state state = record_of(e, number)->state;

	ff_own_look(e, number);
	ff_order_look(e, number);
	if (state == FF_JOBSTATE_WAITING) {
		if (job->stopped || (job->needs_left == 0 && !ff_needs_met(e, number)))
			ff_job_finish(e, number);
		else if (job->needs_left == 0 && !e->own_setup.setting_up &&
			 ff_required_hosts_there(e, number) &&
			 (!ff_engine_stopping(e) || job->runs_anyway))
			start(e, number);
	} else if (state == FF_JOBSTATE_RUNNING && job->live == 0) {
		ff_marks_look(e, number);
		check_idle(e, number);
	} else if (state == FF_JOBSTATE_RUNNING) {
		ff_marks_look(e, number);
		ff_once_look(e, number);
		dismiss(e, number);
	}
}

/* --- placing --- */

static bool may_start_session(const struct ff_engine *e, uint32_t number)
{
	const struct engine_job *job = &e->jobs[number];

	return !job->stopped && !job->given_up && job->why == FF_REASON_NONE &&
	       record_of(e, number)->crashes <= restart_limit(e, number);
}

static void place(struct ff_engine *e, const struct ff_placement *placement)
{
	if (placement->unit != FF_NOBODY || ff_engine_payload(e, placement->job)->discover)
		ff_execution_start(e, placement, NULL);
	else
		ff_run_session_start(e, placement);
}

/* Whether the next start has to wait for its time. */
static bool held(struct ff_engine *e)
{
	if (e->start_us <= e->now.mono_us)
		return false;
	ff_engine_due(e, &e->start, e->start_us);
	return true;
}

void ff_job_pump(struct ff_engine *e)
{
	struct ff_placement placement;

	for (;;) {
		while (!ff_list_empty(&e->dirty)) {
			struct ff_list *first = e->dirty.next;

			ff_list_del(first);
			look_at(e, (uint32_t)(ff_container_of(first, struct engine_job, dirty) -
					      e->jobs));
		}
		if (ff_engine_closing(e))
			return;
		/* Sessions may have waited for what a command has given back. */
		ff_marks_freed(e);
		if (held(e) || !ff_sched_place(e->sched, &placement)) {
			if (!ff_driven_look(e))
				return;
			continue;
		}
		if (ff_engine_payload(e, placement.job)->session &&
		    !may_start_session(e, placement.job)) {
			/* It goes on with the sessions that it has, or ends with the last. */
			ff_sched_session_up(e->sched, &placement);
			ff_sched_return(e->sched, &placement);
			ff_sched_no_sessions(e->sched, placement.job);
			ff_job_touch(e, placement.job);
			continue;
		}
		place(e, &placement);
		e->start_us = e->now.mono_us + e->opts.config->settings.start_delay_us;
	}
}
