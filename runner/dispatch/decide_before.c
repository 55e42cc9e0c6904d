/* What earlier runs had done, where one is gone on with: units of the same job that are the same
 * ones by the collection that gave them, as a whole or part by part. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

/* The job in the latest run before this one that came to know its units; NULL. */
static const struct ff_job_record *latest(const struct ff_engine *e, uint32_t number)
{
	for (size_t i = 0; i < e->opts.before_len; i++) {
		const struct ff_state *state = e->opts.before[i];
		uint32_t found = ff_state_find_job(state, e->state->jobs[number].name);

		/* Units that come with the plan are told as done when the job begins. */
		if (found != FF_NOBODY && state->jobs[found].known &&
		    state->jobs[found].state != FF_JOBSTATE_WAITING)
			return &state->jobs[found];
	}
	return NULL;
}

static bool was_done(const struct ff_job_record *before, uint32_t unit)
{
	return unit < before->units_len && before->units[unit].state == FF_UNIT_DONE;
}

/* Of `count` units from `now` on, which were those from `then` on: runs of one outcome at once. */
static uint64_t *tell(struct ff_engine *e, uint32_t number, const struct ff_job_record *before,
		      uint32_t then, uint32_t now, uint32_t count)
{
	uint64_t *bits = ff_xcalloc(count / 64 + 1, sizeof(*bits));
	struct ff_event event = {.kind = FF_EVENT_UNITS_BEFORE,
				 .job = e->state->jobs[number].name,
				 .job_id = number + 1};

	for (uint32_t i = 0, end; i < count; i = end) {
		for (end = i + 1;
		     end < count && was_done(before, then + i) && was_done(before, then + end) &&
		     before->units[then + end].outcome == before->units[then + i].outcome;)
			end++;
		if (!was_done(before, then + i))
			continue;
		for (uint32_t unit = i; unit < end; unit++)
			bits[unit / 64] |= UINT64_C(1) << unit % 64;
		event.index = now + i;
		event.u.units_before.count = end - i;
		event.u.units_before.outcome = (enum ff_outcome)before->units[then + i].outcome;
		ff_engine_emit(e, &event);
	}
	return bits;
}

void ff_job_tell_done_before(struct ff_engine *e, uint32_t number)
{
	const struct ff_job_record *now = &e->state->jobs[number], *then = latest(e, number);

	if (!then || then->units_len != now->units_len || now->parts_left > 0 || now->open ||
	    (now->digest && (!then->digest || strcmp(now->digest, then->digest) != 0)))
		return;
	e->jobs[number].done_before = tell(e, number, then, 0, 0, now->units_len);
}

/* --- part by part --- */

struct before {
	const struct ff_job_record *job;
	const struct ff_part_record *part;
};

static void add_parts(struct engine_job *job, const struct ff_job_record *then)
{
	for (uint32_t i = 0; i < then->parts_len; i++) {
		struct before *before;

		if (ff_map_get(&job->before, then->parts[i].name))
			continue;
		before = ff_arena_alloc(&job->arena, sizeof(*before));
		if (!before)
			before = ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
		*before = (struct before){then, &then->parts[i]};
		ff_map_set(&job->before, then->parts[i].name, before);
	}
}

/* From the latest run that had it: one that was stopped need not have come so far. */
static const struct before *part_before(struct ff_engine *e, uint32_t number, uint32_t part)
{
	struct engine_job *job = &e->jobs[number];

	for (; job->before_read < e->opts.before_len; job->before_read++) {
		const struct ff_state *state = e->opts.before[job->before_read];
		uint32_t found = ff_state_find_job(state, e->state->jobs[number].name);

		if (found != FF_NOBODY)
			add_parts(job, &state->jobs[found]);
	}
	return ff_map_get(&job->before, job->ids[part]);
}

bool ff_before_has_part(struct ff_engine *e, uint32_t number, uint32_t part)
{
	return part_before(e, number, part) != NULL;
}

uint64_t *ff_before_part(struct ff_engine *e, uint32_t number, uint32_t part)
{
	const struct before *then = part_before(e, number, part);
	const struct job_part *now = &e->jobs[number].parts[part];

	if (!then || then->part->len != now->len || strcmp(then->part->digest, now->digest) != 0)
		return NULL;
	return tell(e, number, then->job, then->part->first, now->first, now->len);
}
