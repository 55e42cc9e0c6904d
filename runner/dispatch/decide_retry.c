/* What failed is tried again: at once, or when retry_delay is over. Until then it rests here, known
 * to no scheduler, and takes nothing; its job is not over. But where a job's front says who
 * runs what, that gives it to a worker at once, from which it is held back. */
#include "base/alloc.h"
#include "dispatch/private.h"

struct resting {
	struct ff_list in_job;
	struct due_at due;
	uint32_t job, unit;
	uint32_t worker, host; /* where it failed: the worker with the job's queues; FF_NOBODY */
	uint32_t holder; /* from whom it is held back: a record's number; FF_NOBODY: from nobody */
	bool given_out;	 /* to a front that says who gets it */
};

#define DELAY_MAX INT64_C(86400000000) /* that backoff makes: a day */

/* From 0 to 999999, the same each time it is asked in this run. */
static int64_t dice(const struct ff_engine *e, const struct unit_at *at, uint32_t failures)
{
	uint64_t x = ((uint64_t)at->job << 40) ^ ((uint64_t)failures << 32) ^ at->unit;

	for (const char *c = e->opts.run_id; c && *c; c++)
		x = (x ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (int64_t)((x ^ x >> 31) % 1000000);
}

static int64_t delay_of(const struct ff_engine *e, const struct unit_at *at)
{
	const struct ff_config_job *config = e->opts.plan->jobs[at->job].config;
	uint32_t failures = e->state->jobs[at->job].units[at->unit].failures;
	int64_t delay = config->retry_delay_us >= 0 ? config->retry_delay_us
						    : e->opts.config->settings.retry_delay_us;

	for (uint32_t i = 1; i < failures && config->backoff > 1000 && delay < DELAY_MAX; i++)
		delay = delay * config->backoff / 1000;
	delay = delay < DELAY_MAX ? delay : DELAY_MAX;
	if (config->jitter > 0)
		delay += delay / 100 * config->jitter * (2 * dice(e, at, failures) - 1000000) /
			 1000000;
	return delay;
}

/* Rather by others than by who had it, if they have nothing to do. */
static void give_out(struct ff_engine *e, const struct resting *unit)
{
	if (!e->opts.plan->jobs[unit->job].config->elsewhere) {
		ff_sched_retry(e->sched, unit->job, unit->unit, FF_NOBODY, FF_NOBODY);
		ff_driven_again(e, unit->job);
		if (!ff_driven(e, unit->job))
			ff_run_session_feed_idle(e, unit->job);
		return;
	}
	ff_sched_retry(e->sched, unit->job, unit->unit, unit->worker, unit->host);
	ff_driven_again(e, unit->job);
	if (!ff_driven(e, unit->job))
		ff_run_session_feed_elsewhere(e, unit->job, unit->host);
}

void ff_retry(struct ff_engine *e, const struct unit_at *at)
{
	const struct session *session =
		at->worker == FF_NOBODY ? NULL : ff_run_session_of(e, at->worker);
	int64_t delay = delay_of(e, at);
	struct resting unit = {.job = at->job,
			       .unit = at->unit,
			       .worker = session ? session->number : FF_NOBODY,
			       .host = at->host,
			       .holder = FF_NOBODY};
	struct resting *resting;

	unit.given_out = ff_driven(e, at->job);
	if (delay == 0 || unit.given_out)
		give_out(e, &unit);
	if (delay == 0)
		return;
	resting = ff_xmalloc(sizeof(*resting));
	*resting = unit;
	resting->due = (struct due_at){.kind = DUE_RETRY, .owner = resting};
	ff_list_add_tail(&e->jobs[at->job].resting, &resting->in_job);
	ff_engine_due(e, &resting->due, e->now.mono_us + delay);
}

bool ff_retry_holds_back(struct ff_engine *e, struct session *session, uint32_t unit)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &ff_run_session_job(e, session)->resting) {
		struct resting *resting = ff_container_of(pos, struct resting, in_job);

		if (resting->unit != unit)
			continue;
		resting->holder = session->record;
		session->held_back++;
		return true;
	}
	return false;
}

int64_t ff_retry_left_us(const struct ff_engine *e, uint32_t job, int64_t now_us)
{
	const char *kind = ff_engine_payload(e, job)->name;
	int64_t longest = 0;
	struct ff_list *pos;

	ff_list_for_each(pos, &e->jobs[job].resting) {
		const struct resting *resting = ff_container_of(pos, struct resting, in_job);
		const char *const *names = e->jobs[job].unit_names;
		const struct ff_expect_unit *known =
			names ? ff_expect_find(e->opts.expect, kind, names[resting->unit]) : NULL;
		int64_t us = resting->due.deadline.at_us - now_us + (known ? known->us : 0);

		longest = us > longest ? us : longest;
	}
	return longest;
}

/* Who had it may be no more: then the front gives it to another. */
static void hand_over(struct ff_engine *e, const struct resting *unit)
{
	struct session *session =
		unit->holder == FF_NOBODY ? NULL : ff_run_session_of(e, unit->holder);

	if (!session)
		return;
	session->held_back--;
	if (!session->up || session->told_end)
		return;
	ff_run_session_give(e, session, &unit->unit, 1);
	ff_run_session_feed(e, session);
}

void ff_retry_due(struct ff_engine *e, struct resting *resting)
{
	struct resting unit = *resting;

	ff_list_del(&resting->in_job);
	ff_free(resting);
	if (unit.given_out)
		hand_over(e, &unit);
	else
		give_out(e, &unit);
	ff_job_touch(e, unit.job);
}

bool ff_retry_drop(struct ff_engine *e, uint32_t job, uint32_t unit)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &e->jobs[job].resting) {
		struct resting *resting = ff_container_of(pos, struct resting, in_job);

		if (resting->unit != unit)
			continue;
		ff_engine_not_due(e, &resting->due);
		ff_list_del(&resting->in_job);
		ff_free(resting);
		return true;
	}
	return false;
}

void ff_retry_forget(struct ff_engine *e, uint32_t job)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &e->jobs[job].resting) {
		struct resting *resting = ff_container_of(pos, struct resting, in_job);

		ff_engine_not_due(e, &resting->due);
		ff_list_del(&resting->in_job);
		ff_free(resting);
	}
}

void ff_retry_judge(struct ff_engine *e, uint32_t number, struct ff_event *event)
{
	uint32_t flaky = e->state->jobs[number].flaky;

	if (!e->opts.config->settings.flaky_fail || flaky == 0)
		return;
	event->u.job_finished.result = FF_JOB_FAILED;
	event->u.job_finished.why = FF_REASON_FLAKY;
	e->jobs[number].error =
		ff_engine_keep(&e->jobs[number],
			       ff_engine_text(e, "%u flaky: passed only when tried again", flaky));
}
