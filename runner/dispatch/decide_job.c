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

static uint32_t slots_for(const struct ff_engine *e, uint32_t job)
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
	job->workers = slots_for(e, number);
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

/* --- ending --- */

static uint32_t bad_units(const struct ff_job_record *job)
{
	uint32_t bad = 0;

	for (int i = 0; i < FF_OUTCOMES; i++)
		if (ff_outcome_bad((enum ff_outcome)i))
			bad += job->counts.by_outcome[i];
	return bad;
}

/* Those that are not known yet count as one. */
static uint32_t units_left(const struct ff_job_record *job)
{
	return job->units_len - job->units_done + job->parts_left + job->open;
}

/* What was collected has names only once they were asked for. */
static bool has_names(const struct ff_engine *e, uint32_t number)
{
	const struct ff_payload *payload = ff_engine_payload(e, number);

	return e->jobs[number].unit_names || (payload->run && !payload->discover);
}

/* What no host could run is lost; each by name where they are not too many to read. */
static void lose_units(struct ff_engine *e, uint32_t number)
{
	struct ff_job_record *job = record_of(e, number);
	struct ff_result result = {.outcome = FF_OUTCOME_LOST, .message = e->jobs[number].error};

	if (units_left(job) > NOT_RUN_NAMED || !has_names(e, number))
		return;
	for (uint32_t i = 0; i < job->units_len; i++) {
		struct unit_at at = {number, i, FF_NOBODY, FF_NOBODY, NULL, false, false};

		if (job->units[i].state == FF_UNIT_WAITING)
			ff_unit_finished(e, &at, &result);
	}
}

static void tell_not_run(struct ff_engine *e, uint32_t number, uint32_t first, uint32_t count)
{
	struct ff_event event = about(e, number, FF_EVENT_UNITS_NOT_RUN);

	event.index = first;
	event.u.units_not_run.count = count;
	event.u.units_not_run.why = e->jobs[number].why;
	if (count == 1 && has_names(e, number))
		event.unit = ff_engine_unit_name(e, number, first);
	ff_engine_emit(e, &event);
	ff_front_not_run(e, number, &event);
}

static void leave_units(struct ff_engine *e, uint32_t number)
{
	struct ff_job_record *job = record_of(e, number);
	bool one_by_one = units_left(job) <= NOT_RUN_NAMED && has_names(e, number);

	for (uint32_t i = 0, end; i < job->units_len && units_left(job) > 0; i = end) {
		end = i + 1;
		if (job->units[i].state != FF_UNIT_WAITING)
			continue;
		while (!one_by_one && end < job->units_len &&
		       job->units[end].state == FF_UNIT_WAITING)
			end++;
		tell_not_run(e, number, i, end - i);
	}
}

/* Whoever was to collect them did not get to it: nobody knows how many units they have. */
static void leave_parts(struct ff_engine *e, uint32_t number)
{
	const struct engine_job *job = &e->jobs[number];
	struct ff_event event = about(e, number, FF_EVENT_PART_NOT_RUN);

	event.u.part_not_run.why = job->why;
	for (uint32_t i = 0; job->in_parts && i < job->parts_len; i++) {
		if (job->parts[i].digest)
			continue;
		event.u.part_not_run.part = job->ids ? job->ids[i] : "";
		ff_engine_emit(e, &event);
		ff_front_part_lost(e, number, event.u.part_not_run.part, ff_front_why(e, number));
	}
}

static bool is_infra(enum ff_reason why)
{
	return why == FF_REASON_NO_HOST || why == FF_REASON_NO_WORKER || why == FF_REASON_RESTARTS;
}

static enum ff_job_result result_of(const struct ff_engine *e, uint32_t number)
{
	const struct engine_job *job = &e->jobs[number];
	const struct ff_job_record *record = record_of(e, number);
	bool bad = bad_units(record) > 0 || record->problems > 0;

	if (record->front.state == FF_FRONTSTATE_FAILED)
		return FF_JOB_ERROR;
	if (job->collect_only && job->why == FF_REASON_NONE && record->problems == 0)
		return FF_JOB_SKIPPED;
	switch (job->why) {
	case FF_REASON_NONE:
		return bad ? FF_JOB_FAILED : FF_JOB_PASSED;
	case FF_REASON_NEEDS:
	case FF_REASON_WHEN:
		return FF_JOB_SKIPPED;
	case FF_REASON_REQUIRED_HOSTS:
		return FF_JOB_STOPPED;
	case FF_REASON_MAXFAIL:
		if (bad)
			return FF_JOB_FAILED;
		/* fall through */
	case FF_REASON_TIME:
	case FF_REASON_INTERRUPTED:
	case FF_REASON_CANCELLED:
	case FF_REASON_DISK:
		/* It came to its end all the same, if nothing is left. */
		if (!record->known || record->parts_left > 0 || record->open ||
		    record->counts.not_run > 0 || (record->front.exit_status != 0 && !bad))
			return FF_JOB_STOPPED;
		return bad ? FF_JOB_FAILED : FF_JOB_PASSED;
	default:
		return FF_JOB_ERROR;
	}
}

/* Hosts that no job needs any more are let go, while others go on. */
static void let_hosts_go(struct ff_engine *e, struct host_set *set)
{
	if (--set->jobs_left > 0 || e->state->run.jobs_finished == e->state->jobs_len)
		return;
	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		if ((set->bits[i / 64] >> i % 64 & 1) && --e->hosts[i].sets_left == 0 &&
		    !ff_required_host_waited_for(e, i))
			ff_host_drain(e, i);
}

static const char *words_of_rest(struct ff_engine *e, const struct ff_job_record *record)
{
	if (record->open)
		return "it ended before all of its units were known";
	if (record->parts_left > 0)
		return ff_engine_text(e, "it ended before %u of its files were collected",
				      record->parts_left);
	return ff_engine_text(e, "it ended before %u of its %u units had run", units_left(record),
			      record->units_len);
}

/* Each unit that has not come to an end comes to one now. */
static void settle(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	const struct ff_job_record *record = record_of(e, number);

	job->settled = true;
	if (job->differs)
		ff_job_error(e, number, FF_REASON_DIFFER, job->differs);
	ff_retry_forget(e, number);
	if (is_infra(job->why) && record->known && !job->stopped)
		lose_units(e, number);
	/* Green must mean green. */
	if (!record->known && job->why == FF_REASON_NONE && record->problems == 0 &&
	    !job->collect_only)
		ff_job_error(e, number, FF_REASON_SESSION, "it ended before it knew what to run");
	if (record->known && units_left(record) > 0) {
		if (job->why == FF_REASON_NONE && record->problems == 0 && !job->collect_only)
			ff_job_error(e, number, FF_REASON_SESSION, words_of_rest(e, record));
		leave_units(e, number);
		leave_parts(e, number);
	}
	ff_cancel_judge(e, number);
	ff_once_end(e, number);
	ff_sched_job_end(e->sched, number);
}

static void finish(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_job_record *record = record_of(e, number);
	struct ff_event event = about(e, number, FF_EVENT_JOB_FINISHED);
	bool passed;

	if (!job->settled)
		settle(e, number);
	ff_engine_not_due(e, &job->time);
	ff_engine_not_due(e, &job->hope);
	if (ff_gather_holds(e, number, result_of(e, number) != FF_JOB_PASSED) ||
	    ff_before_holds(e, number) || ff_front_holds(e, number))
		return;
	ff_front_judge(e, number, bad_units(record) > 0 || record->problems > 0);
	event.u.job_finished.result = result_of(e, number);
	passed = event.u.job_finished.result == FF_JOB_PASSED;
	event.u.job_finished.why =
		passed || event.u.job_finished.result == FF_JOB_FAILED ? FF_REASON_NONE : job->why;
	if (passed)
		ff_retry_judge(e, number, &event);
	event.u.job_finished.reason = job->error;
	event.u.job_finished.counts = record->counts;
	event.u.job_finished.problems = record->problems;
	event.u.job_finished.took_us = job->started_us ? e->now.mono_us - job->started_us : 0;
	ff_engine_emit(e, &event);
	ff_needs_tell(e, number, event.u.job_finished.result, event.u.job_finished.why);
	let_hosts_go(e, job->hosts);
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
		finish(e, number);
		return;
	}
	if (record->known && record->units_len + units_left(record) == 0 && record->problems == 0 &&
	    job->why == FF_REASON_NONE && !job->collect_only)
		ff_job_error(e, number, FF_REASON_NOTHING, "no tests were collected");
	if ((record->known && units_left(record) == 0) || job->stopped || job->given_up ||
	    job->why != FF_REASON_NONE) {
		finish(e, number);
		return;
	}
	if (ff_driven_out(e, number)) {
		finish(e, number);
		return;
	}
	if (sessions && record->crashes > restart_limit(e, number)) {
		ff_job_error(e, number, FF_REASON_RESTARTS,
			     ff_engine_text(
				     e,
				     "%u workers crashed, more than max_worker_restart allows%s%s",
				     record->crashes, job->last_reason ? "; the first: " : "",
				     job->last_reason ? job->last_reason : ""));
		finish(e, number);
		return;
	}
	reason = ff_job_no_host(e, number);
	if (!reason || ff_inventory_has_hope(e, number, reason))
		return;
	if (ff_ration_no_host(e, number)) {
		ff_job_error(e, number, FF_REASON_NO_HOST, ff_ration_no_host(e, number));
		finish(e, number);
		return;
	}
	ff_job_error(e, number, sessions ? FF_REASON_NO_WORKER : FF_REASON_NO_HOST,
		     ff_engine_text(e, "no %s is left for it: %s", sessions ? "worker" : "host",
				    reason));
	finish(e, number);
}

/* Whoever has not collected yet is not needed when all is done. */
static void dismiss(struct ff_engine *e, uint32_t number)
{
	const struct ff_job_record *record = record_of(e, number);
	struct ff_list *pos;

	if (!record->known || record->units_len == 0 || units_left(record) > 0)
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
			finish(e, number);
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
