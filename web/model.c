#include "web/model.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "web/grow.h"

/* --- words --- */

const char *ff_row_state_word(enum ff_row_state state)
{
	static const char *const words[] = {
#define X(name, word) [FF_ROW_##name] = word,
		FF_ROW_STATE_MAP(X)
#undef X
	};

	return words[state];
}

const char *ff_span_word(enum ff_span_kind kind)
{
	static const char *const words[] = {
#define X(name, word) [FF_SPAN_##name] = word,
		FF_SPAN_MAP(X)
#undef X
	};

	return words[kind];
}

static enum ff_row_state row_state_of(enum ff_outcome outcome)
{
	static const enum ff_row_state states[] = {
		[FF_OUTCOME_PASSED] = FF_ROW_PASSED,   [FF_OUTCOME_FAILED] = FF_ROW_FAILED,
		[FF_OUTCOME_ERROR] = FF_ROW_ERROR,     [FF_OUTCOME_SKIPPED] = FF_ROW_SKIPPED,
		[FF_OUTCOME_XFAILED] = FF_ROW_XFAILED, [FF_OUTCOME_XPASSED] = FF_ROW_XPASSED,
		[FF_OUTCOME_CRASHED] = FF_ROW_CRASHED, [FF_OUTCOME_TIMEOUT] = FF_ROW_TIMEOUT,
		[FF_OUTCOME_LOST] = FF_ROW_LOST,
	};

	return states[outcome];
}

/* --- what grows --- */

static const char *text_of(struct ff_model *model, const char *text)
{
	const char *copy = text ? ff_arena_strdup(&model->texts, text) : NULL;

	return text && !copy ? "" : copy; /* out of memory: a page may lack a word */
}

static uint32_t number_in(const struct ff_map *map, const char *name)
{
	uintptr_t number = (uintptr_t)ff_map_get(map, name);

	return number ? (uint32_t)(number - 1) : UINT32_MAX;
}

static uint32_t job_number(struct ff_model *model, const char *name)
{
	uint32_t number;

	name = name ? name : "";
	number = number_in(&model->job_numbers, name);
	if (number != UINT32_MAX)
		return number;
	FF_WEB_GROW(model->jobs, model->jobs_len, model->jobs_cap);
	model->jobs[model->jobs_len] =
		(struct ff_model_job){.name = text_of(model, name), .payload = ""};
	ff_map_set(&model->job_numbers, name, (void *)((uintptr_t)model->jobs_len + 1));
	return model->jobs_len++;
}

/* These move when others are added. */
static struct ff_model_job *job_of(struct ff_model *model, const char *name)
{
	uint32_t number = job_number(model, name);

	return &model->jobs[number];
}

uint32_t ff_model_lane(const struct ff_model *model, const char *host, const char *name)
{
	char *key = ff_xasprintf("%s\n%s", host ? host : "", name);
	uint32_t number = number_in(&model->lane_numbers, key);

	ff_free(key);
	return number;
}

static uint32_t lane_number(struct ff_model *model, const char *host, const char *name)
{
	char *key = ff_xasprintf("%s\n%s", host ? host : "", name);
	uint32_t number = number_in(&model->lane_numbers, key);

	if (number == UINT32_MAX) {
		FF_WEB_GROW(model->lanes, model->lanes_len, model->lanes_cap);
		number = model->lanes_len++;
		model->lanes[number] = (struct ff_lane){.host = text_of(model, host ? host : ""),
							.name = text_of(model, name),
							.row = FF_NO_ROW,
							.since_us = -1};
		ff_map_set(&model->lane_numbers, key, (void *)((uintptr_t)number + 1));
	}
	ff_free(key);
	return number;
}

static struct ff_lane *lane_of(struct ff_model *model, const char *host, const char *name)
{
	uint32_t number = lane_number(model, host, name);

	return &model->lanes[number];
}

/* The first slot of a host where nothing runs. */
static uint32_t free_slot(struct ff_model *model, const char *host)
{
	char name[16];

	for (unsigned i = 1;; i++) {
		uint32_t lane;

		snprintf(name, sizeof(name), "#%u", i);
		lane = lane_number(model, host, name);
		if (model->lanes[lane].row == FF_NO_ROW)
			return lane;
	}
}

static uint32_t new_row(struct ff_model *model, const char *job, const char *name)
{
	uint32_t number = model->rows_len;

	FF_WEB_GROW(model->rows, model->rows_len, model->rows_cap);
	model->rows[model->rows_len++] = (struct ff_row){
		.name = text_of(model, name ? name : ""),
		.job = job_number(model, job),
		.index = UINT32_MAX,
		.lane = FF_NO_LANE,
		.cause = FF_NO_CAUSE,
		.state = FF_ROW_STATES,
	};
	return number;
}

static uint32_t *row_place(struct ff_model *model, const char *job, uint32_t index)
{
	struct ff_model_job *of = job_of(model, job);

	if (index >= of->rows_cap) {
		uint32_t cap = of->rows_cap ? of->rows_cap : 16;

		while (cap <= index)
			cap *= 2;
		of->rows = ff_xrealloc(of->rows, cap * sizeof(*of->rows));
		memset(of->rows + of->rows_cap, 0xff, (cap - of->rows_cap) * sizeof(*of->rows));
		of->rows_cap = cap;
	}
	return &of->rows[index];
}

/* The row of a unit; made if there is none. */
static uint32_t row_of_unit(struct ff_model *model, const char *job, uint32_t index,
			    const char *name)
{
	uint32_t number = *row_place(model, job, index);

	if (number == FF_NO_ROW) {
		number = new_row(model, job, name);
		model->rows[number].index = index;
		*row_place(model, job, index) = number;
	}
	return number;
}

static void set_state(struct ff_model *model, uint32_t row, enum ff_row_state state)
{
	struct ff_row *of = &model->rows[row];

	if (of->state < FF_ROW_STATES)
		model->by_state[of->state]--;
	of->state = (uint8_t)state;
	model->by_state[state]++;
}

/* Spans come as they end, which is nearly by their start. */
static void add_to_lane(struct ff_model *model, struct ff_lane *lane, uint32_t span)
{
	uint32_t at;

	FF_WEB_GROW(lane->spans, lane->spans_len, lane->spans_cap);
	for (at = lane->spans_len++; at > 0; at--) {
		uint32_t before = lane->spans[at - 1];

		if (model->spans[before].start_us <= model->spans[span].start_us)
			break;
		lane->spans[at] = before;
	}
	lane->spans[at] = span;
}

static void add_span(struct ff_model *model, const struct ff_span *span)
{
	FF_WEB_GROW(model->spans, model->spans_len, model->spans_cap);
	model->spans[model->spans_len] = *span;
	add_to_lane(model, &model->lanes[span->lane], model->spans_len++);
}

static int64_t now_of(const struct ff_model *model, const struct ff_event *event)
{
	int64_t now = event->time_us - model->began_us;

	return now > 0 ? now : 0;
}

/* --- units --- */

static void on_unit_started(struct ff_model *model, const struct ff_event *event)
{
	uint32_t number = row_of_unit(model, event->job, event->index, event->unit);
	uint32_t lane = event->worker ? lane_number(model, event->host, event->worker)
				      : free_slot(model, event->host);
	struct ff_row *row = &model->rows[number];

	row->start_us = now_of(model, event);
	row->took_us = 0;
	row->lane = lane;
	row->attempts = (uint16_t)event->u.unit_started.attempt;
	model->lanes[lane].row = number;
	ff_buf_clear(&model->lanes[lane].tail);
	set_state(model, number, FF_ROW_RUNNING);
}

static void on_unit_output(struct ff_model *model, const struct ff_event *event)
{
	uint32_t number = *row_place(model, event->job, event->index);
	uint32_t lane = number == FF_NO_ROW ? FF_NO_LANE : model->rows[number].lane;
	struct ff_buf *tail = lane == FF_NO_LANE ? NULL : &model->lanes[lane].tail;

	if (!tail || model->lanes[lane].row != number)
		return;
	ff_buf_add(tail, event->u.unit_output.bytes, event->u.unit_output.len);
	if (tail->len > 2 * FF_LANE_TAIL)
		ff_buf_consume(tail, tail->len - FF_LANE_TAIL);
}

/* An attempt has ended: its span, and its lane is free. */
static void end_attempt(struct ff_model *model, uint32_t number, int64_t now, int64_t took_us,
			enum ff_row_state state)
{
	struct ff_row *row = &model->rows[number];
	struct ff_span span = {.lane = row->lane, .row = number, .state = (uint8_t)state};

	if (row->lane == FF_NO_LANE)
		return;
	if (model->lanes[row->lane].row == number)
		model->lanes[row->lane].row = FF_NO_ROW;
	/* Workers tell late, in letters: an attempt took what it says, up to now at most. */
	span.took_us = took_us >= 0 ? took_us : now - row->start_us;
	span.start_us =
		took_us >= 0 && now - took_us > row->start_us ? now - took_us : row->start_us;
	row->start_us = span.start_us;
	row->took_us = span.took_us;
	model->lanes[row->lane].attempts++;
	model->lanes[row->lane].busy_us += span.took_us;
	add_span(model, &span);
}

static void on_unit_lost(struct ff_model *model, const struct ff_event *event)
{
	uint32_t number = row_of_unit(model, event->job, event->index, event->unit);

	end_attempt(model, number, now_of(model, event), -1, FF_ROW_LOST);
}

/* --- cases --- */

static void fill_result(struct ff_model *model, uint32_t number, const struct ff_case *c)
{
	const struct ff_result *result = c->result;
	struct ff_row *row = &model->rows[number];

	row->took_us = result->duration_us;
	row->setup_us = result->setup_us < UINT32_MAX ? (uint32_t)result->setup_us : UINT32_MAX;
	row->teardown_us =
		result->teardown_us < UINT32_MAX ? (uint32_t)result->teardown_us : UINT32_MAX;
	row->message = result->message ? text_of(model, result->message) : NULL;
	row->file = result->file ? text_of(model, result->file) : NULL;
	row->line = result->line;
	row->bad = ff_outcome_bad(result->outcome);
	row->flaky = ff_case_flaky(c);
	if (!row->bad)
		return;
	ff_alike_add_result(&model->causes, c->payload, result, row->name);
	row->cause = model->causes.last ? model->causes.last->number : FF_NO_CAUSE;
}

static uint32_t row_of_case(struct ff_model *model, const struct ff_case *c)
{
	uint32_t number, place;

	if (c->index == UINT32_MAX || c->count != 1)
		return new_row(model, c->job, c->name);
	place = *row_place(model, c->job, c->index);
	number = place != FF_NO_ROW ? place : row_of_unit(model, c->job, c->index, c->name);
	/* Of a list of commands each step is a row; the unit's own becomes that of the main one. */
	if (c->named && strcmp(model->rows[number].name, c->name) != 0)
		model->rows[number].name = text_of(model, c->name);
	return number;
}

static void on_case(void *ctx, const struct ff_case *c)
{
	struct ff_model *model = ctx;
	uint32_t number = row_of_case(model, c);
	struct ff_row *row = &model->rows[number];
	int64_t now = c->time_us - model->began_us;
	enum ff_row_state state = c->result			 ? row_state_of(c->result->outcome)
				  : c->kind == FF_CASE_NOT_RUN	 ? FF_ROW_NOT_RUN
				  : c->status == FF_CASE_SKIPPED ? FF_ROW_SKIPPED
								 : FF_ROW_ERROR;

	row->kind = (uint8_t)c->kind;
	if (c->result && row->state == FF_ROW_RUNNING)
		end_attempt(model, number, now, c->result->duration_us, state);
	if (c->kind == FF_CASE_ATTEMPT) {
		if (model->told)
			model->told(model->ctx, number, c);
		return;
	}
	if (row->index == UINT32_MAX || row->lane == FF_NO_LANE)
		row->start_us = now > 0 ? now : 0;
	if (c->result) {
		fill_result(model, number, c);
	} else {
		row->message = c->message ? text_of(model, c->message) : NULL;
		row->bad = c->status == FF_CASE_ERROR;
	}
	set_state(model, number, state);
	if (model->told)
		model->told(model->ctx, number, c);
}

/* --- what else takes time --- */

static void begin_lane(struct ff_model *model, const struct ff_event *event, const char *name)
{
	lane_of(model, event->host, name)->since_us = now_of(model, event);
}

/* What began on the lane has ended; what follows at once begins, with `again`. */
static void end_lane(struct ff_model *model, const struct ff_event *event, const char *name,
		     enum ff_span_kind kind, bool again)
{
	uint32_t number = lane_number(model, event->host, name);
	struct ff_lane *lane = &model->lanes[number];
	int64_t now = now_of(model, event);

	if (lane->since_us >= 0)
		add_span(model, &(struct ff_span){.start_us = lane->since_us,
						  .took_us = now - lane->since_us,
						  .lane = number,
						  .row = FF_NO_ROW,
						  .kind = (uint8_t)kind});
	lane->since_us = again ? now : -1;
}

static void add_took(struct ff_model *model, const struct ff_event *event, const char *name,
		     enum ff_span_kind kind, int64_t took_us)
{
	int64_t now = now_of(model, event);

	if (took_us <= 0)
		return;
	add_span(model, &(struct ff_span){.start_us = now > took_us ? now - took_us : 0,
					  .took_us = took_us,
					  .lane = lane_number(model, event->host, name),
					  .row = FF_NO_ROW,
					  .kind = (uint8_t)kind});
}

static void on_time(struct ff_model *model, const struct ff_event *event)
{
	const char *worker = event->worker ? event->worker : "";

	switch (event->kind) {
	case FF_EVENT_HOST_JOINING:
		begin_lane(model, event, "");
		break;
	case FF_EVENT_HOST_OPENED:
		end_lane(model, event, "", FF_SPAN_CONNECT, false);
		break;
	case FF_EVENT_SYNC_FINISHED:
		add_took(model, event, "", FF_SPAN_SYNC, event->u.sync_finished.took_us);
		break;
	case FF_EVENT_HOST_SETUP:
		if (event->host && !event->u.host_setup.skipped)
			add_took(model, event, "", FF_SPAN_SETUP, event->u.host_setup.took_us);
		break;
	case FF_EVENT_WORKER_OPENING:
		begin_lane(model, event, worker);
		break;
	case FF_EVENT_WORKER_STARTED:
		end_lane(model, event, worker, FF_SPAN_START, true);
		break;
	case FF_EVENT_COLLECTED:
		if (event->worker)
			end_lane(model, event, worker, FF_SPAN_COLLECT, false);
		break;
	case FF_EVENT_WORKER_ENDED:
		lane_of(model, event->host, worker)->since_us = -1;
		break;
	default:
		break;
	}
}

/* --- what was left --- */

static void add_left(struct ff_model *model, uint32_t *place, const struct ff_left *left)
{
	uint32_t number = *place;
	const char *host = left->host ? left->host : "";

	while (number && left->attempt == 0 && strcmp(model->left[number - 1].host, host) != 0)
		number = model->left[number - 1].before;
	if (!number) {
		FF_WEB_GROW(model->left, model->left_len, model->left_cap);
		number = ++model->left_len;
		model->left[number - 1] = (struct ff_left){.before = *place};
		*place = number;
	}
	number--;
	model->left[number] = (struct ff_left){
		.folder = text_of(model, left->folder),
		.error = text_of(model, left->error),
		.host = text_of(model, host),
		.told_us = left->told_us,
		.bytes = left->bytes,
		.files = left->files,
		.attempt = left->attempt,
		.before = model->left[number].before,
	};
}

static void on_left(struct ff_model *model, const struct ff_event *event)
{
	bool unit = event->kind == FF_EVENT_UNIT_ARTIFACTS;
	struct ff_left left = {.host = event->host, .told_us = event->time_us};
	uint32_t row;

	if (unit) {
		left.folder = event->u.unit_artifacts.folder;
		left.error = event->u.unit_artifacts.error;
		left.bytes = event->u.unit_artifacts.bytes;
		left.files = event->u.unit_artifacts.files;
		left.attempt =
			event->u.unit_artifacts.attempt ? event->u.unit_artifacts.attempt : 1;
		row = row_of_unit(model, event->job, event->index, event->unit);
		add_left(model, &model->rows[row].left, &left);
	} else {
		left.folder = event->u.job_artifacts.folder;
		left.error = event->u.job_artifacts.error;
		left.bytes = event->u.job_artifacts.bytes;
		left.files = event->u.job_artifacts.files;
		add_left(model, &job_of(model, event->job)->left, &left);
	}
}

/* --- the run --- */

static void on_run_started(struct ff_model *model, const struct ff_event *event)
{
	model->run_id = text_of(model, event->u.run_started.run_id);
	model->command = text_of(model, event->u.run_started.command_line);
	model->directory = text_of(model, event->u.run_started.directory);
	model->version = text_of(model, event->u.run_started.version);
	model->config_file = text_of(model, event->u.run_started.config_file);
	model->links = text_of(model, event->u.run_started.links);
	model->commit = text_of(model, event->u.run_started.commit);
	model->below = text_of(model, event->u.run_started.below);
}

static void on_event(struct ff_model *model, const struct ff_event *event)
{
	struct ff_model_job *job;

	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		on_run_started(model, event);
		break;
	case FF_EVENT_JOB_ADDED:
		job = job_of(model, event->job);
		job->payload = text_of(
			model, event->u.job_added.payload ? event->u.job_added.payload : "");
		break;
	case FF_EVENT_JOB_FINISHED:
		job = job_of(model, event->job);
		job->reason = text_of(model, event->u.job_finished.reason);
		break;
	case FF_EVENT_UNIT_STARTED:
		on_unit_started(model, event);
		break;
	case FF_EVENT_UNIT_OUTPUT:
		on_unit_output(model, event);
		break;
	case FF_EVENT_UNIT_LOST:
		on_unit_lost(model, event);
		break;
	case FF_EVENT_UNIT_ARTIFACTS:
	case FF_EVENT_JOB_ARTIFACTS:
		on_left(model, event);
		break;
	case FF_EVENT_RUN_FINISHED:
		model->over = true;
		model->exit_code = event->u.run_finished.exit_code;
		model->reason = text_of(model, event->u.run_finished.reason);
		break;
	default:
		on_time(model, event);
		break;
	}
}

int ff_model_take(struct ff_model *model, const struct ff_event *event, struct ff_err *err)
{
	int rc = ff_state_apply(&model->state, event, err);

	if (model->began_us == 0)
		model->began_us = event->time_us;
	model->last_us = event->time_us;
	model->seq = event->seq;
	on_event(model, event);
	ff_cases_event(&model->cases, event);
	ff_slow_event(model->slow, event);
	return rc;
}

void ff_model_init(struct ff_model *model)
{
	*model = (struct ff_model){
		.cases = {.each = on_case, .ctx = model}, .slow = ff_slow_new(1), .read = 1000};
	ff_state_init(&model->state);
	ff_arena_init(&model->texts);
}

void ff_model_release(struct ff_model *model)
{
	for (uint32_t i = 0; i < model->jobs_len; i++)
		ff_free(model->jobs[i].rows);
	for (uint32_t i = 0; i < model->lanes_len; i++) {
		ff_free(model->lanes[i].spans);
		ff_buf_release(&model->lanes[i].tail);
	}
	ff_free(model->jobs);
	ff_free(model->left);
	ff_free(model->rows);
	ff_free(model->spans);
	ff_free(model->lanes);
	ff_map_release(&model->lane_numbers);
	ff_map_release(&model->job_numbers);
	ff_alike_release(&model->causes);
	ff_slow_free(model->slow);
	ff_cases_release(&model->cases);
	ff_state_release(&model->state);
	ff_arena_release(&model->texts);
}
