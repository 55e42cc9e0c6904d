/* Units that come after others of their job, and those that are not run at all. What waits is known
 * to no scheduler; it is given out when the last that it waits for has come to its end, or, where
 * one that had to pass has not, comes to its own end without having run. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

static bool was_done(const struct engine_job *job, uint32_t unit)
{
	return job->done_before && (job->done_before[unit / 64] >> unit % 64 & 1);
}

static void hold(struct engine_job *job, uint32_t unit)
{
	job->held[unit / 64] |= UINT64_C(1) << unit % 64;
}

/* --- what is known before any runs --- */

static bool asks(const struct engine_job *job)
{
	for (size_t i = 0; i < job->marks_len; i++)
		if (job->marks[i].skip || job->marks[i].after_len || job->marks[i].needs_len)
			return true;
	return false;
}

static size_t add_edges(struct ff_waits_edge *edges, size_t len, uint32_t unit, const uint32_t *on,
			size_t on_len, bool pass, uint32_t units)
{
	for (size_t i = 0; i < on_len; i++)
		if (on[i] < units && unit < units)
			edges[len++] = (struct ff_waits_edge){unit, on[i], pass};
	return len;
}

static struct ff_waits *make_waits(const struct engine_job *job, uint32_t units)
{
	size_t most = 0, len = 0;
	struct ff_waits_edge *edges;
	struct ff_waits *waits;

	for (size_t i = 0; i < job->marks_len; i++)
		most += job->marks[i].after_len + job->marks[i].needs_len;
	edges = ff_xmalloc((most + 1) * sizeof(*edges));
	for (size_t i = 0; i < job->marks_len; i++) {
		const struct ff_payload_mark *m = &job->marks[i];

		len = add_edges(edges, len, m->unit, m->after, m->after_len, false, units);
		len = add_edges(edges, len, m->unit, m->needs, m->needs_len, true, units);
	}
	waits = ff_waits_new(units, edges, len);
	ff_free(edges);
	return waits;
}

/* What an earlier run had done. One that it was not to run because of another is no better now. */
static void end_done_before(struct ff_engine *e, uint32_t number, uint32_t unit, uint32_t failed)
{
	enum ff_outcome outcome = (enum ff_outcome)e->state->jobs[number].units[unit].outcome;

	ff_waits_ended(e->jobs[number].waits, unit,
		       !ff_outcome_bad(outcome) &&
			       !(outcome == FF_OUTCOME_SKIPPED && failed != FF_NOBODY));
}

/* That which waits for others comes behind them: ff_order_look. */
static void tell_done_before(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	uint32_t units = e->state->jobs[number].units_len;
	uint64_t *blocked = ff_xcalloc(units / 64 + 1, sizeof(*blocked));

	for (uint32_t i = 0; i < units; i++)
		if (ff_waits_blocked(job->waits, i))
			blocked[i / 64] |= UINT64_C(1) << i % 64;
	for (uint32_t i = 0; i < units; i++) {
		if (!was_done(job, i))
			continue;
		hold(job, i);
		if (!(blocked[i / 64] >> i % 64 & 1))
			end_done_before(e, number, i, FF_NOBODY);
	}
	ff_free(blocked);
}

bool ff_order_know(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	uint32_t units = e->state->jobs[number].units_len, circle;

	if (!asks(job))
		return true;
	job->in_vain = FF_NOBODY;
	job->waits = make_waits(job, units);
	job->held = ff_xcalloc(units / 64 + 1, sizeof(*job->held));
	circle = ff_waits_in_circle(job->waits);
	if (circle != FF_NOBODY) {
		ff_job_error(e, number, FF_REASON_USAGE,
			     ff_engine_text(e, "its units wait for each other: '%s' among them",
					    job->unit_names[circle]));
		ff_job_stop(e, number, FF_REASON_USAGE, NULL);
		return false;
	}
	for (uint32_t i = 0; i < units; i++)
		if (ff_waits_blocked(job->waits, i))
			hold(job, i);
	for (size_t i = 0; i < job->marks_len; i++)
		if (job->marks[i].skip && job->marks[i].unit < units)
			hold(job, job->marks[i].unit);
	tell_done_before(e, number);
	ff_job_touch(e, number);
	return true;
}

/* --- one leaves behind what the next one finds, on their host --- */

static uint32_t root_of(uint32_t *up, uint32_t unit)
{
	while (up[unit] != unit)
		unit = up[unit] = up[up[unit]];
	return unit;
}

static void join_all(uint32_t *up, uint32_t unit, const uint32_t *on, size_t len, uint32_t units)
{
	for (size_t i = 0; i < len; i++)
		if (on[i] < units)
			up[root_of(up, on[i])] = root_of(up, unit);
}

/* By unit: the number of what it is at home with, from 1; 0: it has nothing to do with others. */
static uint32_t *homes_of(const struct engine_job *job, uint32_t units)
{
	uint32_t *up = ff_xmalloc(((size_t)units + 1) * sizeof(*up));
	uint32_t *size = ff_xcalloc((size_t)units + 1, sizeof(*size));
	uint32_t *homes = ff_xcalloc((size_t)units + 1, sizeof(*homes));

	for (uint32_t i = 0; i < units; i++)
		up[i] = i;
	for (size_t i = 0; i < job->marks_len; i++) {
		const struct ff_payload_mark *m = &job->marks[i];

		if (m->unit >= units)
			continue;
		join_all(up, m->unit, m->after, m->after_len, units);
		join_all(up, m->unit, m->needs, m->needs_len, units);
	}
	for (uint32_t i = 0; i < units; i++)
		size[root_of(up, i)]++;
	for (uint32_t i = 0; i < units; i++)
		if (size[root_of(up, i)] > 1)
			homes[i] = root_of(up, i) + 1;
	ff_free(size);
	ff_free(up);
	return homes;
}

static uint32_t hosts_in(const struct ff_engine *e, uint32_t job)
{
	uint32_t hosts = 0;

	for (uint32_t i = 0; i < e->state->hosts_len; i++)
		hosts += ff_host_in_job(e, job, i);
	return hosts;
}

struct ff_claim *ff_order_claims(struct ff_engine *e, uint32_t number, uint32_t units,
				 struct ff_claim *claims, size_t *len)
{
	const struct engine_job *job = &e->jobs[number];
	size_t old = 0, added = 0;
	struct ff_claim *all;
	uint32_t *homes;

	if (!job->waits || job->stopped || hosts_in(e, number) < 2)
		return claims;
	homes = homes_of(job, units);
	all = ff_xmalloc(((size_t)units + 1) * sizeof(*all));
	for (uint32_t i = 0; i < units; i++) {
		bool claimed = old < *len && claims[old].unit == i;

		if (!claimed && homes[i] == 0)
			continue;
		all[added] =
			claimed ? claims[old++]
				: (struct ff_claim){.unit = i, .group = FF_NOBODY, .weight = 1};
		all[added++].home = homes[i];
	}
	ff_free(claims);
	ff_free(homes);
	*len = added;
	return all;
}

void ff_order_free(struct engine_job *job)
{
	ff_waits_free(job->waits);
	ff_free(job->held);
}

/* --- while it runs --- */

void ff_order_ended(struct ff_engine *e, const struct unit_at *at, enum ff_outcome outcome)
{
	const struct engine_job *job = &e->jobs[at->job];

	if (job->waits)
		ff_waits_ended(job->waits, at->unit,
			       !ff_outcome_bad(outcome) && job->in_vain != at->unit);
}

static void end_unrun(struct ff_engine *e, uint32_t number, uint32_t unit, const char *why)
{
	struct unit_at at = {number, unit, FF_NOBODY, FF_NOBODY, NULL, false, false};
	struct ff_result result = {.outcome = FF_OUTCOME_SKIPPED, .message = why};

	ff_unit_finished(e, &at, &result);
}

/* The marks' own, once. */
static void end_skipped(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];

	for (size_t i = 0; i < job->marks_len; i++) {
		const char *why = job->marks[i].skip;

		job->marks[i].skip = NULL;
		if (why && job->marks[i].unit < e->state->jobs[number].units_len &&
		    e->state->jobs[number].units[job->marks[i].unit].state == FF_UNIT_WAITING)
			end_unrun(e, number, job->marks[i].unit, why);
	}
}

void ff_order_look(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_waits_ready ready;

	if (!job->waits || job->stopped || !ff_sched_queues(e->sched, number))
		return;
	end_skipped(e, number);
	while (ff_waits_next(job->waits, &ready)) {
		if (was_done(job, ready.unit))
			end_done_before(e, number, ready.unit, ready.failed);
		/* It was not to run. */
		if (e->state->jobs[number].units[ready.unit].state != FF_UNIT_WAITING)
			continue;
		if (ready.failed == FF_NOBODY) {
			ff_sched_again(e->sched, number, ready.unit, false, FF_NOBODY);
			continue;
		}
		job->in_vain = ready.unit;
		end_unrun(e, number, ready.unit,
			  ff_engine_text(e, "not run: it needs '%s', which did not pass",
					 job->unit_names[ready.failed]));
		job->in_vain = FF_NOBODY;
	}
}
