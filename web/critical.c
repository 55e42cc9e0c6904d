#include "web/critical.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "web/grow.h"

enum { MANY_PARTS = 10 }; /* of a run, as critical.h has them, that are put together at most */

/* An attempt of a unit that had several. */
struct attempt {
	int64_t start_us;
	uint32_t row, span;
};

struct walk {
	const struct ff_model *model;
	struct ff_critical *out;
	struct attempt *attempts; /* by row and start; NULL: nobody asked yet */
	uint32_t attempts_len, attempts_cap;
	int64_t least_us; /* that a step of its own takes */
	int64_t at_us;
	uint32_t lane;			   /* of the units that are told */
	struct ff_critical_step many;	   /* that is being put together; took_us -1: none */
	int64_t longest_us;		   /* of it */
	const struct ff_slow_step *source; /* that is told more closely */
};

static void put(struct walk *walk, const struct ff_critical_step *step)
{
	struct ff_critical *out = walk->out;

	FF_WEB_GROW(out->steps, out->len, out->cap);
	out->steps[out->len++] = *step;
}

/* Between units of a slot that others were on before. */
static enum ff_slow_step_kind gap_kind(const struct walk *walk)
{
	return walk->source->kind == FF_SLOW_STEP_WAIT_WORKER ? FF_SLOW_STEP_WAIT_WORKER
							      : FF_SLOW_STEP_GAPS;
}

static void put_many(struct walk *walk)
{
	if (walk->many.took_us < 0)
		return;
	/* Nothing but waiting is no unit. */
	if (walk->many.units == 0) {
		walk->many.kind = gap_kind(walk);
		walk->many.waited_us = 0;
	}
	if (walk->many.took_us > 0 || walk->many.units > 0)
		put(walk, &walk->many);
	walk->many.took_us = -1;
}

static struct ff_critical_step *many_of(struct walk *walk)
{
	if (walk->many.took_us >= 0)
		return &walk->many;
	walk->longest_us = -1;
	walk->many = (struct ff_critical_step){.kind = FF_SLOW_STEP_UNITS,
					       .start_us = walk->at_us,
					       .lane = walk->lane,
					       .row = FF_NO_ROW,
					       .name = walk->source->name};
	return &walk->many;
}

/* --- attempts before --- */

static int by_row(const void *a, const void *b)
{
	const struct attempt *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return (x->start_us > y->start_us) - (x->start_us < y->start_us);
}

static void list_attempts(struct walk *walk)
{
	const struct ff_model *model = walk->model;

	for (uint32_t i = 0; i < model->spans_len; i++) {
		const struct ff_span *span = &model->spans[i];

		if (span->row == FF_NO_ROW || model->rows[span->row].attempts < 2)
			continue;
		FF_WEB_GROW(walk->attempts, walk->attempts_len, walk->attempts_cap);
		walk->attempts[walk->attempts_len++] =
			(struct attempt){span->start_us, span->row, i};
	}
	if (walk->attempts_len > 1)
		qsort(walk->attempts, walk->attempts_len, sizeof(*walk->attempts), by_row);
}

/* The attempt of the row that was the last to begin before `us`, elsewhere; NULL. */
static const struct ff_span *attempt_before(struct walk *walk, uint32_t row, int64_t us)
{
	const struct ff_span *found = NULL;
	uint32_t low = 0, high;

	if (row == FF_NO_ROW || walk->model->rows[row].attempts < 2)
		return NULL;
	if (!walk->attempts)
		list_attempts(walk);
	high = walk->attempts_len;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (walk->attempts[middle].row < row)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < walk->attempts_len && walk->attempts[low].row == row &&
	       walk->attempts[low].start_us < us;
	     low++)
		found = &walk->model->spans[walk->attempts[low].span];
	return found && found->lane != walk->lane ? found : NULL;
}

/* --- the units of a lane --- */

static void add_wait(struct walk *walk, int64_t until_us, uint32_t row)
{
	struct ff_critical_step step = {.kind = gap_kind(walk),
					.start_us = walk->at_us,
					.took_us = until_us - walk->at_us,
					.lane = walk->lane,
					.row = row,
					.name = walk->source->name};

	if (step.took_us <= 0)
		return;
	if (step.took_us >= walk->least_us) {
		put_many(walk);
		put(walk, &step);
	} else {
		many_of(walk)->took_us += step.took_us;
		walk->many.waited_us += step.took_us;
	}
	walk->at_us = until_us;
}

/* Up to what comes next, the row's attempt: if it was one of several, the one before it may be
 * what it waited for. */
static void add_gap(struct walk *walk, int64_t until_us, uint32_t row)
{
	const struct ff_span *before;
	int64_t end_us;

	if (until_us - walk->at_us < walk->least_us) {
		add_wait(walk, until_us, row);
		return;
	}
	before = attempt_before(walk, row, until_us);
	end_us = before ? before->start_us + before->took_us : 0;
	end_us = end_us < until_us ? end_us : until_us;
	if (before && end_us > walk->at_us) {
		add_wait(walk, before->start_us, row);
		put_many(walk);
		put(walk, &(struct ff_critical_step){
				  .kind = FF_SLOW_STEP_UNITS,
				  .start_us = walk->at_us,
				  .took_us = end_us - walk->at_us,
				  .lane = before->lane,
				  .row = row,
				  .units = 1,
				  .state = before->state,
				  .before = true,
				  .name = walk->model->lanes[before->lane].host,
			  });
		walk->at_us = end_us;
	}
	add_wait(walk, until_us, row);
}

static void add_unit(struct walk *walk, uint32_t row, uint8_t state, int64_t until_us)
{
	int64_t us = until_us > walk->at_us ? until_us - walk->at_us : 0;
	struct ff_critical_step *many;

	if (us >= walk->least_us)
		put_many(walk);
	many = many_of(walk);
	many->units++;
	many->took_us += us;
	if (us > walk->longest_us) {
		walk->longest_us = us;
		many->row = row;
		many->state = state;
	}
	walk->at_us += us;
	if (us >= walk->least_us || many->took_us >= MANY_PARTS * walk->least_us)
		put_many(walk);
}

/* From where the walk is: an attempt, as much of it as lies in the step. */
static void add_attempt(struct walk *walk, const struct ff_span *span, int64_t until_us)
{
	int64_t end_us = span->start_us + span->took_us;

	if (span->start_us > walk->at_us)
		add_gap(walk, span->start_us, span->row);
	add_unit(walk, span->row, span->state, end_us < until_us ? end_us : until_us);
}

static void tell_lane(struct walk *walk, int64_t until_us)
{
	const struct ff_model *model = walk->model;
	const struct ff_lane *lane = &model->lanes[walk->lane];
	int64_t from_us = walk->at_us;

	walk->many.took_us = -1;
	for (uint32_t i = 0; i < lane->spans_len; i++) {
		const struct ff_span *span = &model->spans[lane->spans[i]];

		if (span->kind == FF_SPAN_UNIT && span->start_us < until_us &&
		    (span->start_us >= from_us || span->start_us + span->took_us > from_us))
			add_attempt(walk, span, until_us);
	}
	if (lane->row != FF_NO_ROW && model->rows[lane->row].start_us < until_us)
		add_attempt(walk,
			    &(struct ff_span){.start_us = model->rows[lane->row].start_us,
					      .took_us = INT64_MAX / 4,
					      .row = lane->row,
					      .state = FF_ROW_RUNNING},
			    until_us);
	add_wait(walk, until_us, FF_NO_ROW);
	put_many(walk);
}

/* When a slot was busy last, with what began before `until_us`; -1: never. */
static int64_t busy_until(const struct ff_model *model, const struct ff_lane *lane,
			  int64_t until_us)
{
	if (lane->row != FF_NO_ROW && model->rows[lane->row].start_us < until_us)
		return INT64_MAX;
	for (uint32_t i = lane->spans_len; i > 0; i--) {
		const struct ff_span *span = &model->spans[lane->spans[i - 1]];

		if (span->start_us < until_us)
			return span->start_us + span->took_us;
	}
	return -1;
}

/* Commands have no worker: of their host's slots the one that was busy last. */
static uint32_t slot_of(const struct ff_model *model, const char *host, int64_t until_us)
{
	uint32_t best = FF_NO_LANE;
	int64_t best_us = -1, us;

	for (uint32_t i = 0; i < model->lanes_len; i++) {
		const struct ff_lane *lane = &model->lanes[i];

		if (lane->name[0] != '#' || strcmp(lane->host, host) != 0)
			continue;
		us = busy_until(model, lane, until_us);
		if (us > best_us) {
			best_us = us;
			best = i;
		}
	}
	return best;
}

/* When the last of a lane's attempts that were over by `us` was; -1: none was. */
static int64_t freed_at(const struct ff_model *model, const struct ff_lane *lane, int64_t us)
{
	for (uint32_t i = lane->spans_len; i > 0; i--) {
		const struct ff_span *span = &model->spans[lane->spans[i - 1]];

		if (span->kind == FF_SPAN_UNIT && span->start_us + span->took_us <= us)
			return span->start_us + span->took_us;
	}
	return -1;
}

/* Of a host's lanes the one that was free last, for a worker that began then. */
static uint32_t freed_before(const struct ff_model *model, const char *host, int64_t us)
{
	uint32_t best = FF_NO_LANE;
	int64_t best_us = -1, freed_us;

	for (uint32_t i = 0; i < model->lanes_len; i++) {
		if (strcmp(model->lanes[i].host, host) != 0)
			continue;
		freed_us = freed_at(model, &model->lanes[i], us);
		if (freed_us > best_us) {
			best_us = freed_us;
			best = i;
		}
	}
	return best_us >= 0 ? best : FF_NO_LANE;
}

/* --- all of it --- */

/* Where a step is; of one that waits for a slot, where others were meanwhile. `behind`: what the
 * slot was wanted for; NULL: nothing came. */
static uint32_t lane_of(const struct ff_model *model, const struct ff_slow_step *step,
			const struct ff_slow_step *behind)
{
	int64_t until_us = step->until_us - model->began_us;

	switch (step->kind) {
	case FF_SLOW_STEP_WAIT_HOST:
	case FF_SLOW_STEP_CONNECT:
	case FF_SLOW_STEP_PREPARE:
	case FF_SLOW_STEP_SYNC:
	case FF_SLOW_STEP_SET_UP:
	case FF_SLOW_STEP_TEAR_DOWN:
		return ff_model_lane(model, step->name, "");
	case FF_SLOW_STEP_WAIT_WORKER:
		if (step->worker)
			return freed_before(model, step->host, until_us);
		return slot_of(model, step->host,
			       (behind ? behind : step)->until_us - model->began_us);
	default:
		if (!step->host)
			return FF_NO_LANE;
		return step->worker ? ff_model_lane(model, step->host, step->worker)
				    : slot_of(model, step->host, until_us);
	}
}

static void tell(struct walk *walk, const struct ff_slow_step *step,
		 const struct ff_slow_step *behind)
{
	int64_t until_us = step->until_us - walk->model->began_us;
	bool units = step->kind == FF_SLOW_STEP_UNITS;

	if (until_us <= walk->at_us && !(units && step->units))
		return;
	walk->source = step;
	walk->lane = lane_of(walk->model, step, behind);
	if ((units || step->kind == FF_SLOW_STEP_WAIT_WORKER) && walk->lane != FF_NO_LANE) {
		tell_lane(walk, until_us);
		return;
	}
	put(walk, &(struct ff_critical_step){
			  .kind = step->kind,
			  .start_us = walk->at_us,
			  .took_us = until_us > walk->at_us ? until_us - walk->at_us : 0,
			  .lane = walk->lane,
			  .row = FF_NO_ROW,
			  .units = step->units,
			  .name = step->name});
	walk->at_us = until_us > walk->at_us ? until_us : walk->at_us;
}

/* The units that the slot was wanted for. */
static const struct ff_slow_step *units_behind(const struct ff_slow_answer *answer, size_t at)
{
	for (size_t i = at + 1; i < answer->path_len; i++)
		if (answer->path[i].kind == FF_SLOW_STEP_UNITS)
			return &answer->path[i];
	return NULL;
}

void ff_critical_find(const struct ff_model *model, struct ff_critical *critical)
{
	struct ff_slow_answer answer = {0};
	struct walk walk = {.model = model, .out = critical};

	*critical = (struct ff_critical){0};
	ff_slow_find_path(model->slow, &answer);
	walk.many.took_us = -1;
	if (answer.path_len > 0) {
		const struct ff_slow_step *last = &answer.path[answer.path_len - 1];

		walk.at_us = answer.path[0].from_us - model->began_us;
		walk.least_us = (last->until_us - answer.path[0].from_us) / FF_CRITICAL_PARTS;
		walk.least_us = walk.least_us > 0 ? walk.least_us : 1;
	}
	for (size_t i = 0; i < answer.path_len; i++)
		tell(&walk, &answer.path[i], units_behind(&answer, i));
	ff_slow_answer_release(&answer);
	ff_free(walk.attempts);
}

void ff_critical_release(struct ff_critical *critical)
{
	ff_free(critical->steps);
	*critical = (struct ff_critical){0};
}
