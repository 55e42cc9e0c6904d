/* What earlier runs had done, where one is gone on with: units of the same job that are the same
 * ones by the collection that gave them, as a whole or part by part. That they are done is told at
 * once; what was reported of each is asked for and told while others run, before the job ends. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/private.h"

/* A job of an earlier run; `run`: which. */
struct earlier_job {
	const struct ff_job_record *record;
	size_t run;
	uint32_t number;
};

/* The job in that run, if it was the same one. */
static bool find_same(const struct ff_engine *e, uint32_t number, size_t run,
		      struct earlier_job *found)
{
	const struct ff_state *state = e->opts.before[run];
	const char *content = e->state->jobs[number].content;

	found->number = ff_state_find_job(state, e->state->jobs[number].name);
	if (found->number == FF_NOBODY)
		return false;
	found->record = &state->jobs[found->number];
	found->run = run;
	return !content || (found->record->content && strcmp(content, found->record->content) == 0);
}

/* The job in the latest run before this one that came to know its units. */
static bool latest(const struct ff_engine *e, uint32_t number, struct earlier_job *found)
{
	for (size_t i = 0; i < e->opts.before_len; i++) {
		/* Units that come with the plan are told as done before the job begins. */
		if (find_same(e, number, i, found) && found->record->known &&
		    found->record->state != FF_JOBSTATE_WAITING)
			return true;
	}
	return false;
}

/* A unit that was not run by its values is asked anew: variables may be others. */
static bool may_be_wanted_now(const struct ff_engine *e, uint32_t number,
			      const struct ff_unit_record *unit)
{
	const struct ff_when *when = e->opts.plan->jobs[number].when;

	return unit->outcome == FF_OUTCOME_SKIPPED && when && ff_when_asks_units(when);
}

static bool was_done(const struct ff_engine *e, uint32_t number, const struct earlier_job *before,
		     uint32_t unit)
{
	const uint64_t *const *again =
		e->opts.before_again ? e->opts.before_again[before->run] : NULL;

	if (unit >= before->record->units_len || before->record->units[unit].state != FF_UNIT_DONE)
		return false;
	if (may_be_wanted_now(e, number, &before->record->units[unit]))
		return false;
	return !again || !again[before->number] ||
	       !(again[before->number][unit / 64] >> unit % 64 & 1);
}

static bool is_untold(const struct engine_job *job, uint32_t unit)
{
	return unit / 64 < job->untold_words && (job->untold[unit / 64] >> unit % 64 & 1);
}

static void expect_report(struct engine_job *job, uint32_t unit)
{
	uint32_t words = unit / 64 + 1;

	if (words > job->untold_words) {
		words += job->untold_words;
		job->untold = ff_xrealloc(job->untold, words * sizeof(*job->untold));
		memset(job->untold + job->untold_words, 0,
		       (words - job->untold_words) * sizeof(*job->untold));
		job->untold_words = words;
	}
	job->untold[unit / 64] |= UINT64_C(1) << unit % 64;
	job->untold_left++;
}

/* Of `count` units from `now` on, which were those from `then` on: runs of one outcome at once. */
static uint64_t *tell(struct ff_engine *e, uint32_t number, const struct earlier_job *before,
		      uint32_t then, uint32_t now, uint32_t count)
{
	const struct ff_unit_record *units = before->record->units;
	uint64_t *bits = ff_xcalloc(count / 64 + 1, sizeof(*bits));
	struct ff_event event = {.kind = FF_EVENT_UNITS_BEFORE,
				 .job = e->state->jobs[number].name,
				 .job_id = number + 1};

	for (uint32_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && was_done(e, number, before, then + i) &&
				  was_done(e, number, before, then + end) &&
				  units[then + end].outcome == units[then + i].outcome;)
			end++;
		if (!was_done(e, number, before, then + i))
			continue;
		for (uint32_t unit = i; unit < end; unit++) {
			bits[unit / 64] |= UINT64_C(1) << unit % 64;
			if (e->opts.before_told)
				expect_report(&e->jobs[number], now + unit);
		}
		event.index = now + i;
		event.u.units_before.count = end - i;
		event.u.units_before.outcome = (enum ff_outcome)units[then + i].outcome;
		ff_engine_emit(e, &event);
	}
	return bits;
}

/* Of items that come in order the first ones are the same, however many have come by now. */
static bool same_units(const struct ff_engine *e, uint32_t number, const struct ff_job_record *then)
{
	const struct ff_job_record *now = &e->state->jobs[number];

	if (e->opts.plan->jobs[number].config->source)
		return then->units_len <= now->units_len;
	return !now->open && then->units_len == now->units_len && now->parts_left == 0 &&
	       now->parts_len == 0 &&
	       (!now->digest || (then->digest && strcmp(now->digest, then->digest) == 0));
}

/* All that are told of it come with one look through the journals: so it is asked for once, as soon
 * as it is known which. */
static void ask(struct ff_engine *e, uint32_t number)
{
	struct ff_order order = {.kind = FF_ORDER_TELL_BEFORE, .job = number};

	if (e->jobs[number].before_asked || e->jobs[number].untold_left == 0)
		return;
	e->jobs[number].before_asked = true;
	ff_engine_order(e, &order);
}

/* What was collected is something else: nothing of it counts, and nobody is to wonder why. */
static void say_others(struct ff_engine *e, uint32_t number, const struct ff_job_record *then)
{
	struct ff_event event = {
		.kind = FF_EVENT_NOTICE, .job = e->state->jobs[number].name, .job_id = number + 1};

	if (then->units_done == 0)
		return;
	event.u.notice.level = "note";
	event.u.notice.text =
		ff_engine_text(e,
			       "it has other tests than in the run before: all of them run (%u "
			       "had an end)",
			       then->units_done);
	ff_engine_emit(e, &event);
}

void ff_job_tell_done_before(struct ff_engine *e, uint32_t number)
{
	const struct ff_job_record *now = &e->state->jobs[number];
	struct earlier_job then;

	if (!latest(e, number, &then) || now->parts_left > 0)
		return;
	if (!same_units(e, number, then.record)) {
		say_others(e, number, then.record);
		return;
	}
	e->jobs[number].done_before = tell(e, number, &then, 0, 0, now->units_len);
	ask(e, number);
}

/* --- part by part --- */

struct before {
	struct earlier_job job;
	const struct ff_part_record *part;
};

static void add_parts(struct engine_job *job, const struct earlier_job *then)
{
	for (uint32_t i = 0; i < then->record->parts_len; i++) {
		const struct ff_part_record *part = &then->record->parts[i];
		struct before *before;

		if (ff_map_get(&job->before, part->name))
			continue;
		before = ff_arena_alloc(&job->arena, sizeof(*before));
		if (!before)
			before = ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
		*before = (struct before){*then, part};
		ff_map_set(&job->before, part->name, before);
	}
}

/* From the latest run that had it: one that was stopped need not have come so far. */
static const struct before *part_before(struct ff_engine *e, uint32_t number, uint32_t part)
{
	struct engine_job *job = &e->jobs[number];

	for (; job->before_read < e->opts.before_len; job->before_read++) {
		struct earlier_job found;

		if (find_same(e, number, job->before_read, &found))
			add_parts(job, &found);
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
	return tell(e, number, &then->job, then->part->first, now->first, now->len);
}

/* --- their reports --- */

/* The part of the earlier job's that has the unit; NULL: none. */
static const struct ff_part_record *part_of(const struct ff_job_record *job, uint32_t unit)
{
	uint32_t low = 0, high = job->parts_len;

	while (low < high) { /* they have their numbers in order */
		uint32_t middle = low + (high - low) / 2;

		if (job->parts[middle].first + job->parts[middle].len <= unit)
			low = middle + 1;
		else
			high = middle;
	}
	return low < job->parts_len && job->parts[low].first <= unit ? &job->parts[low] : NULL;
}

static const struct ff_part_record *part_now(struct ff_engine *e, uint32_t number, const char *name)
{
	const struct ff_job_record *now = &e->state->jobs[number];
	struct ff_map *map = &e->jobs[number].now_parts;
	uintptr_t found;

	for (uint32_t i = (uint32_t)map->len; i < now->parts_len; i++)
		ff_map_set(map, now->parts[i].name, (void *)((uintptr_t)i + 1));
	found = (uintptr_t)ff_map_get(map, name);
	return found ? &now->parts[found - 1] : NULL;
}

/* What the number of a unit there is here; FF_NOBODY: it is no unit of this job. */
static uint32_t unit_now(struct ff_engine *e, uint32_t number, const struct earlier_job *then,
			 uint32_t unit)
{
	const struct ff_part_record *part = part_of(then->record, unit), *now;

	if (!part)
		return same_units(e, number, then->record) ? unit : FF_NOBODY;
	now = part_now(e, number, part->name);
	if (!now || now->len != part->len || strcmp(now->digest, part->digest) != 0)
		return FF_NOBODY;
	return now->first + (unit - part->first);
}

static void emit_before(struct ff_engine *e, uint32_t number, uint32_t unit,
			const struct ff_input *input)
{
	struct engine_job *job = &e->jobs[number];
	struct ff_event event = {.kind = FF_EVENT_UNIT_BEFORE,
				 .job = e->state->jobs[number].name,
				 .job_id = number + 1,
				 .unit = input->u.before.name,
				 .index = unit,
				 .host = input->u.before.host,
				 .worker = input->u.before.worker};

	event.u.unit_finished.attempt = input->u.before.attempt;
	event.u.unit_finished.final = input->u.before.final;
	event.u.unit_finished.unkept = input->u.before.unkept;
	event.u.unit_finished.result = input->u.before.result;
	ff_engine_emit(e, &event);
	if (!input->u.before.final)
		return;
	job->untold[unit / 64] &= ~(UINT64_C(1) << unit % 64);
	job->untold_left--;
}

/* A later run's report comes before an earlier one's: the first that is final holds. */
static void heard(struct ff_engine *e, const struct ff_input *input)
{
	uint32_t number = ff_state_find_job(e->state, input->u.before.job), unit;
	const struct ff_unit_record *record;
	struct earlier_job then;

	if (number == FF_NOBODY || input->u.before.run >= e->opts.before_len ||
	    !find_same(e, number, input->u.before.run, &then))
		return;
	unit = unit_now(e, number, &then, input->unit);
	if (unit == FF_NOBODY || !is_untold(&e->jobs[number], unit))
		return;
	record = &e->state->jobs[number].units[unit];
	if (input->u.before.final ? input->u.before.result->outcome != record->outcome
				  : input->u.before.attempt <= record->attempts)
		return;
	emit_before(e, number, unit, input);
}

/* Nobody has a report of it; it is in no report of this run otherwise. */
static void tell_without(struct ff_engine *e, uint32_t number, uint32_t unit)
{
	struct ff_input input = {.kind = FF_INPUT_BEFORE};
	struct ff_result result = {
		.outcome = (enum ff_outcome)e->state->jobs[number].units[unit].outcome,
		.message = "an earlier run had done it; its report is lost"};

	input.u.before.name = ff_engine_unit_name(e, number, unit);
	input.u.before.final = true;
	input.u.before.result = ff_decision_copy(e->decision, &result, sizeof(result));
	emit_before(e, number, unit, &input);
}

static void all_heard(struct ff_engine *e, uint32_t number)
{
	struct engine_job *job;

	if (number >= e->state->jobs_len || !e->jobs[number].before_asked)
		return;
	job = &e->jobs[number];
	job->before_over = true;
	for (uint32_t i = 0; i < job->untold_words * 64 && job->untold_left > 0; i++)
		if (is_untold(job, i))
			tell_without(e, number, i);
	ff_job_touch(e, number);
}

bool ff_before_input(struct ff_engine *e, const struct ff_input *input)
{
	if (input->kind == FF_INPUT_BEFORE)
		heard(e, input);
	else if (input->kind == FF_INPUT_BEFORE_TOLD)
		all_heard(e, input->job);
	else
		return false;
	return true;
}

bool ff_before_holds(struct ff_engine *e, uint32_t number)
{
	ask(e, number);
	return e->jobs[number].before_asked && !e->jobs[number].before_over;
}
