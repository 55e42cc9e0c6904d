/* Whether a job is run, by what became of the jobs that it needs (`needs`, `when`). Jobs that say
 * they run whatever happens do so also when everything stops, if they are commands: behind an
 * interrupt they have its grace, and once more so long when that has ended all else. */
#include "base/alloc.h"
#include "dispatch/private.h"

static enum ff_when_outcome outcome_of(const struct ff_job_record *job)
{
	switch (job->result) {
	case FF_JOB_PASSED:
		return FF_WHEN_PASSED;
	case FF_JOB_SKIPPED:
		return FF_WHEN_SKIPPED;
	case FF_JOB_STOPPED:
		return job->why == FF_REASON_INTERRUPTED || job->why == FF_REASON_MAXFAIL ||
				       job->why == FF_REASON_TIME
			       ? FF_WHEN_CANCELLED
			       : FF_WHEN_FAILED;
	default:
		return FF_WHEN_FAILED;
	}
}

struct question {
	const struct ff_engine *e;
	const struct ff_plan_job *plan;
};

/* The worst of those that are for each host. */
static enum ff_when_outcome outcome(const void *ctx, size_t need)
{
	const struct question *asked = ctx;
	const struct ff_plan_need *by = &asked->plan->needs_by[need];
	enum ff_when_outcome worst = FF_WHEN_PASSED;

	for (size_t i = by->first; i < by->first + by->len; i++) {
		enum ff_when_outcome one = outcome_of(&asked->e->state->jobs[i]);

		worst = one > worst ? one : worst;
	}
	return worst;
}

static void skip(struct engine_job *job, bool by_failure, const char *text)
{
	job->why = by_failure ? FF_REASON_NEEDS : FF_REASON_WHEN;
	job->error = ff_engine_keep(job, text);
}

/* The first need that has not come out as it should; false: there is none. */
static bool unmet(struct ff_engine *e, struct engine_job *job, const struct question *asked)
{
	const struct ff_plan_job *plan = asked->plan;

	for (size_t i = 0; i < plan->config->needs.len; i++) {
		enum ff_when_outcome came = outcome(asked, i);
		const char *name = plan->config->needs.v[i];

		if (plan->needs_by[i].to == FF_NEED_PASSED && came == FF_WHEN_SKIPPED &&
		    !job->failed_before) {
			skip(job, false,
			     ff_engine_text(e, "it needs '%s', which was skipped", name));
			return true;
		}
		if (plan->needs_by[i].to == FF_NEED_PASSED && came != FF_WHEN_PASSED) {
			skip(job, true,
			     ff_engine_text(e, "it needs '%s', which did not pass", name));
			return true;
		}
		if (plan->needs_by[i].to == FF_NEED_FAILED && came != FF_WHEN_FAILED) {
			skip(job, came == FF_WHEN_CANCELLED,
			     ff_engine_text(e, "it is for when '%s' fails, which it did not",
					    name));
			return true;
		}
	}
	return false;
}

static struct ff_when_facts facts_of(const struct ff_engine *e, const struct engine_job *job,
				     const struct question *asked)
{
	struct ff_when_facts facts = {.outcome = outcome,
				      .ctx = asked,
				      .passed = true,
				      .failed = job->failed_before,
				      .cancelled = ff_engine_stopping(e)};

	for (size_t i = 0; i < asked->plan->config->needs.len; i++) {
		facts.passed &= outcome(asked, i) == FF_WHEN_PASSED;
		facts.cancelled |= outcome(asked, i) == FF_WHEN_CANCELLED;
	}
	return facts;
}

/* Whether it is so for one of the units, where these may differ; else for the job. */
static bool is_true(const struct ff_plan_job *plan, const struct ff_when_facts *facts)
{
	uint32_t units = ff_when_asks_units(plan->when) ? plan->units_len : 1;

	for (uint32_t i = 0; i < units; i++)
		if (ff_plan_when(plan, i, facts))
			return true;
	return false;
}

bool ff_needs_met(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	struct question asked = {e, &e->opts.plan->jobs[number]};
	const struct ff_when *when = asked.plan->when;
	struct ff_when_facts facts;

	if (job->judged)
		return job->why != FF_REASON_NEEDS && job->why != FF_REASON_WHEN;
	job->judged = true;
	if (!when || !ff_when_asks_outcomes(when)) {
		if (unmet(e, job, &asked))
			return false;
	}
	if (!when)
		return true;
	facts = facts_of(e, job, &asked);
	if (!is_true(asked.plan, &facts)) {
		skip(job, false, ff_engine_text(e, "not when: %s", asked.plan->config->when));
		return false;
	}
	/* Also when everything begins to stop while it runs. */
	facts.passed = false;
	facts.cancelled = true;
	job->runs_anyway = ff_when_asks_outcomes(when) && is_true(asked.plan, &facts);
	return true;
}

/* --- units --- */

void ff_needs_hold_units(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	struct question asked = {e, &e->opts.plan->jobs[number]};
	uint32_t units = e->state->jobs[number].units_len;
	struct ff_when_facts facts;

	if (!asked.plan->when || !ff_when_asks_units(asked.plan->when))
		return;
	facts = facts_of(e, job, &asked);
	job->held = ff_xcalloc(units / 64 + 1, sizeof(*job->held));
	for (uint32_t i = 0; i < units; i++)
		if (!ff_plan_when(asked.plan, i, &facts) ||
		    (job->done_before && (job->done_before[i / 64] >> i % 64 & 1)))
			job->held[i / 64] |= UINT64_C(1) << i % 64;
}

void ff_needs_skip_units(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	const struct ff_plan_job *plan = &e->opts.plan->jobs[number];
	struct ff_job_record *record = &e->state->jobs[number];

	if (!plan->when || !ff_when_asks_units(plan->when))
		return;
	for (uint32_t i = 0; i < record->units_len; i++) {
		struct unit_at at = {number, i, FF_NOBODY, FF_NOBODY, NULL, false, false};
		struct ff_result result = {.outcome = FF_OUTCOME_SKIPPED};

		if (!(job->held[i / 64] >> i % 64 & 1) || record->units[i].state != FF_UNIT_WAITING)
			continue;
		result.message = ff_engine_text(e, "not when: %s", plan->config->when);
		ff_unit_finished(e, &at, &result);
	}
}

void ff_needs_tell(struct ff_engine *e, uint32_t number, enum ff_job_result result,
		   enum ff_reason why)
{
	const struct engine_job *job = &e->jobs[number];
	struct ff_job_record over = {.result = result, .why = why};
	bool failed = job->failed_before || outcome_of(&over) == FF_WHEN_FAILED;

	for (uint32_t i = 0; i < job->dependents_len; i++) {
		struct engine_job *next = &e->jobs[job->dependents[i]];

		next->needs_left--;
		next->failed_before |= failed;
		ff_job_touch(e, job->dependents[i]);
	}
}

bool ff_needs_outlives(struct ff_engine *e, uint32_t number, enum ff_reason why)
{
	const struct ff_plan_job *plan = &e->opts.plan->jobs[number];
	struct engine_job *job = &e->jobs[number];
	bool outlives = plan->when && ff_when_asks_outcomes(plan->when) && plan->payload->run &&
			!plan->payload->discover && !e->no_cleanup && !job->stopped &&
			(why == FF_REASON_INTERRUPTED || why == FF_REASON_MAXFAIL) &&
			(!job->judged || job->runs_anyway) &&
			e->state->jobs[number].state != FF_JOBSTATE_FINISHED;

	e->cleans_up |= outlives;
	return outlives;
}

bool ff_needs_cleans_up(const struct ff_engine *e)
{
	if (!e->cleans_up || e->no_cleanup)
		return false;
	for (uint32_t i = 0; i < e->opts.plan->len; i++)
		if (!e->jobs[i].stopped && e->state->jobs[i].state != FF_JOBSTATE_FINISHED)
			return true;
	return false;
}
