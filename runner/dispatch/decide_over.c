/* How a job comes to its end: what has not run is told of one by one, what it left is brought, and
 * its outcome is found. */
#include <string.h>

#include "dispatch/private.h"

static struct ff_job_record *record_of(const struct ff_engine *e, uint32_t job)
{
	return &e->state->jobs[job];
}

static struct ff_event about(const struct ff_engine *e, uint32_t job, enum ff_event_kind kind)
{
	return (struct ff_event){.kind = kind, .job = record_of(e, job)->name, .job_id = job + 1};
}

static uint32_t bad_units(const struct ff_job_record *job)
{
	uint32_t bad = 0;

	for (int i = 0; i < FF_OUTCOMES; i++)
		if (ff_outcome_bad((enum ff_outcome)i))
			bad += job->counts.by_outcome[i];
	return bad;
}

uint32_t ff_job_units_left(const struct ff_job_record *job)
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

	if (ff_job_units_left(job) > NOT_RUN_NAMED || !has_names(e, number))
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
	bool one_by_one = ff_job_units_left(job) <= NOT_RUN_NAMED && has_names(e, number);

	for (uint32_t i = 0, end; i < job->units_len && ff_job_units_left(job) > 0; i = end) {
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

bool ff_job_error_behind(struct ff_engine *e, uint32_t number, enum ff_reason why, const char *text)
{
	struct engine_job *job = &e->jobs[number];

	if (result_of(e, number) == FF_JOB_PASSED)
		job->why = FF_REASON_NONE;
	if (job->why != FF_REASON_NONE)
		return false;
	ff_job_error(e, number, why, text);
	return true;
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
	return ff_engine_text(e, "it ended before %u of its %u units had run",
			      ff_job_units_left(record), record->units_len);
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
	if (record->known && ff_job_units_left(record) > 0) {
		if (job->why == FF_REASON_NONE && record->problems == 0 && !job->collect_only)
			ff_job_error(e, number, FF_REASON_SESSION, words_of_rest(e, record));
		leave_units(e, number);
		leave_parts(e, number);
	}
	ff_cancel_judge(e, number);
	ff_once_end(e, number);
	ff_sched_job_end(e->sched, number);
}

void ff_job_finish(struct ff_engine *e, uint32_t number)
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
