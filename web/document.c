#include "web/document.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event/json.h"
#include "web/critical.h"
#include "web/timeline.h"

enum { LAST_LINE_MAX = 200 };

static void add_counts(struct ff_json *json, const struct ff_counts *counts)
{
	ff_json_open(json, "counts", '{');
	ff_json_int(json, "total", counts->total);
	for (int i = 0; i < FF_OUTCOMES; i++)
		if (counts->by_outcome[i])
			ff_json_int(json, ff_outcome_word((enum ff_outcome)i),
				    counts->by_outcome[i]);
	if (counts->not_run)
		ff_json_int(json, "not-run", counts->not_run);
	if (counts->parts_not_run)
		ff_json_int(json, "parts-not-run", counts->parts_not_run);
	if (counts->retried)
		ff_json_int(json, "retried", counts->retried);
	ff_json_close(json, '}');
}

static void add_left(struct ff_json *json, const struct ff_model *model, uint32_t number,
		     const char *name)
{
	const struct ff_left *left = &model->left[number];

	ff_json_open(json, name, '{');
	ff_json_int(json, "number", number);
	ff_json_str(json, "host", left->host);
	if (left->attempt)
		ff_json_int(json, "attempt", left->attempt);
	ff_json_int(json, "files", left->files);
	ff_json_uint(json, "bytes", left->bytes);
	ff_json_str(json, "folder", left->folder);
	ff_json_str(json, "error", left->error);
	ff_json_close(json, '}');
}

static void add_jobs(struct ff_json *json, const struct ff_model *model)
{
	ff_json_open(json, "jobs", '[');
	for (uint32_t i = 0; i < model->jobs_len; i++) {
		const struct ff_model_job *job = &model->jobs[i];
		uint32_t number = ff_state_find_job(&model->state, job->name);
		const struct ff_job_record *record =
			number == FF_NOBODY ? NULL : &model->state.jobs[number];

		ff_json_open(json, NULL, '{');
		ff_json_str(json, "name", job->name);
		ff_json_str(json, "payload", job->payload);
		if (record) {
			ff_json_str(json, "state", ff_job_state_word(record->state));
			if (record->state == FF_JOBSTATE_FINISHED)
				ff_json_str(json, "result", ff_job_result_word(record->result));
			ff_json_int(json, "units", record->units_len);
			add_counts(json, &record->counts);
		}
		ff_json_str(json, "reason", job->reason);
		if (job->left) {
			ff_json_open(json, "artifacts", '[');
			for (uint32_t k = job->left; k; k = model->left[k - 1].before)
				add_left(json, model, k - 1, NULL);
			ff_json_close(json, ']');
		}
		ff_json_close(json, '}');
	}
	ff_json_close(json, ']');
}

static void add_hosts(struct ff_json *json, const struct ff_model *model)
{
	ff_json_open(json, "hosts", '[');
	for (uint32_t i = 0; i < model->state.hosts_len; i++) {
		const struct ff_host_record *host = &model->state.hosts[i];

		ff_json_open(json, NULL, '{');
		ff_json_str(json, "name", host->name);
		ff_json_str(json, "state", ff_host_state_word(host->state));
		ff_json_int(json, "slots", host->slots);
		ff_json_int(json, "running", host->running);
		ff_json_str(json, "error", host->error ? host->error : host->unfit);
		ff_json_close(json, '}');
	}
	ff_json_close(json, ']');
}

/* What was said last, of what is no more than a line. */
static void add_last_line(struct ff_json *json, const struct ff_buf *tail)
{
	const char *text = (const char *)ff_buf_data(tail), *begin;
	size_t len = tail->len;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	begin = len ? memrchr(text, '\n', len) : NULL;
	begin = begin ? begin + 1 : text;
	if (len)
		ff_json_strn(json, "last_line", begin,
			     text + len - begin < LAST_LINE_MAX ? (size_t)(text + len - begin)
								: LAST_LINE_MAX);
}

static void add_lanes(struct ff_json *json, const struct ff_model *model)
{
	ff_json_open(json, "lanes", '[');
	for (uint32_t i = 0; i < model->lanes_len; i++) {
		const struct ff_lane *lane = &model->lanes[i];

		ff_json_open(json, NULL, '{');
		ff_json_str(json, "host", lane->host);
		ff_json_str(json, "name", lane->name);
		ff_json_int(json, "attempts", lane->attempts);
		ff_json_int(json, "busy_us", lane->busy_us);
		if (lane->row != FF_NO_ROW) {
			ff_json_int(json, "row", lane->row);
			ff_json_str(json, "unit", model->rows[lane->row].name);
			ff_json_int(json, "since_us", model->rows[lane->row].start_us);
			add_last_line(json, &lane->tail);
		}
		ff_json_close(json, '}');
	}
	ff_json_close(json, ']');
}

static void add_causes(struct ff_json *json, const struct ff_model *model)
{
	struct ff_buf title = FF_BUF_INIT;

	ff_json_open(json, "causes", '[');
	for (size_t i = 0; i < model->causes.len; i++) {
		const struct ff_alike_group *group = model->causes.v[i];

		ff_json_open(json, NULL, '{');
		ff_buf_clear(&title);
		ff_alike_title(&title, group);
		ff_json_str(json, "message", title.len ? ff_buf_str(&title) : "");
		ff_json_str(json, "frame", group->frame);
		ff_json_int(json, "count", group->count);
		ff_json_close(json, '}');
	}
	ff_json_close(json, ']');
	ff_buf_release(&title);
}

int ff_document_run(struct ff_buf *out, const struct ff_model *model)
{
	return ff_document_run_linked(out, model, model->links);
}

int ff_document_run_linked(struct ff_buf *out, const struct ff_model *model, const char *links)
{
	struct ff_json json;

	ff_json_begin(&json, out);
	ff_json_str(&json, "id", model->run_id);
	ff_json_str(&json, "command", model->command);
	ff_json_str(&json, "directory", model->directory);
	ff_json_str(&json, "config_file", model->config_file);
	ff_json_str(&json, "version", model->version);
	ff_json_str(&json, "links", links);
	ff_json_str(&json, "commit", model->commit);
	ff_json_str(&json, "below", model->below);
	ff_json_int(&json, "began_us", model->began_us);
	ff_json_int(&json, "took_us", model->last_us - model->began_us);
	ff_json_uint(&json, "seq", model->seq);
	ff_json_str(&json, "state", ff_run_state_word(model->state.run.state));
	ff_json_bool(&json, "over", model->over);
	ff_json_bool(&json, "going", model->going);
	if (model->over)
		ff_json_int(&json, "exit_code", model->exit_code);
	ff_json_str(&json, "reason", model->reason);
	ff_json_int(&json, "rows", model->rows_len);
	ff_json_int(&json, "read", model->read);
	add_counts(&json, &model->state.run.counts);
	ff_json_open(&json, "by_state", '{');
	for (int i = 0; i < FF_ROW_STATES; i++)
		if (model->by_state[i])
			ff_json_int(&json, ff_row_state_word((enum ff_row_state)i),
				    model->by_state[i]);
	ff_json_close(&json, '}');
	add_jobs(&json, model);
	add_hosts(&json, model);
	add_lanes(&json, model);
	add_causes(&json, model);
	ff_json_end(&json);
	return json.error;
}

/* --- some of it --- */

/* A number that stands for none is -1. */
static int64_t or_none(uint32_t number)
{
	return number == UINT32_MAX ? -1 : (int64_t)number;
}

static void add_row(struct ff_json *json, const struct ff_model *model, uint32_t number)
{
	const struct ff_row *row = &model->rows[number];

	ff_json_int(json, "number", number);
	ff_json_str(json, "name", row->name);
	ff_json_int(json, "job", row->job);
	ff_json_str(json, "state",
		    row->state < FF_ROW_STATES ? ff_row_state_word(row->state) : "running");
	ff_json_int(json, "kind", row->kind);
	ff_json_bool(json, "bad", row->bad);
	ff_json_bool(json, "flaky", row->flaky);
	if (row->lane != FF_NO_LANE)
		ff_json_int(json, "lane", row->lane);
	if (row->cause != FF_NO_CAUSE)
		ff_json_int(json, "cause", row->cause);
	ff_json_int(json, "attempts", row->attempts);
	ff_json_int(json, "start", row->start_us);
	ff_json_int(json, "took", row->took_us);
	ff_json_int(json, "setup", row->setup_us);
	ff_json_int(json, "teardown", row->teardown_us);
	ff_json_str(json, "message", row->message);
	ff_json_str(json, "file", row->file);
	ff_json_int(json, "line", row->line);
}

int ff_document_found(struct ff_buf *out, const struct ff_model *model,
		      const struct ff_rows_found *found, uint32_t from, uint32_t count)
{
	struct ff_json json;

	ff_json_begin(&json, out);
	ff_json_int(&json, "found", found->len);
	ff_json_int(&json, "from", from);
	ff_json_open(&json, "rows", '[');
	for (uint32_t i = 0; i < count && from < found->len && i < found->len - from; i++) {
		ff_json_open(&json, NULL, '{');
		add_row(&json, model, found->v[from + i]);
		ff_json_close(&json, '}');
	}
	ff_json_close(&json, ']');
	ff_json_end(&json);
	return json.error;
}

int ff_document_row(struct ff_buf *out, const struct ff_model *model, uint32_t number,
		    const char *attempts)
{
	const struct ff_row *row = &model->rows[number];
	const struct ff_lane *lane = row->lane == FF_NO_LANE ? NULL : &model->lanes[row->lane];
	struct ff_json json;

	ff_json_begin(&json, out);
	ff_json_open(&json, "row", '{');
	add_row(&json, model, number);
	ff_json_close(&json, '}');
	if (row->left)
		add_left(&json, model, row->left - 1, "artifacts");
	if (lane && lane->row == number)
		ff_json_strn(&json, "output", (const char *)ff_buf_data(&lane->tail),
			     lane->tail.len);
	/* It is JSON already. */
	ff_buf_addstr(out, ",\"attempts\":");
	ff_buf_addstr(out, attempts);
	ff_json_end(&json);
	return json.error;
}

struct pieces {
	struct ff_json *json;
	uint32_t lane; /* whose list is open; FF_NO_LANE */
};

static void add_piece(void *ctx, uint32_t lane, const struct ff_piece *piece)
{
	struct pieces *pieces = ctx;
	const int64_t numbers[] = {piece->start_us, piece->took_us, piece->kind,
				   piece->state,    piece->count,   or_none(piece->row)};

	if (pieces->lane != lane) {
		if (pieces->lane != FF_NO_LANE) {
			ff_json_close(pieces->json, ']');
			ff_json_close(pieces->json, '}');
		}
		pieces->lane = lane;
		ff_json_open(pieces->json, NULL, '{');
		ff_json_int(pieces->json, "lane", lane);
		ff_json_open(pieces->json, "pieces", '[');
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		ff_json_int(pieces->json, NULL, numbers[i]);
}

int ff_document_timeline(struct ff_buf *out, const struct ff_model *model, int64_t from_us,
			 int64_t to_us, uint32_t pixels)
{
	struct ff_json json;
	struct pieces pieces = {&json, FF_NO_LANE};

	ff_json_begin(&json, out);
	ff_json_int(&json, "from", from_us);
	ff_json_int(&json, "to", to_us);
	ff_json_open(&json, "lanes", '[');
	ff_timeline_draw(model, &(struct ff_timeline){from_us, to_us, pixels, add_piece, &pieces});
	if (pieces.lane != FF_NO_LANE) {
		ff_json_close(&json, ']');
		ff_json_close(&json, '}');
	}
	ff_json_close(&json, ']');
	ff_json_end(&json);
	return json.error;
}

static void add_critical(struct ff_json *json, const struct ff_model *model,
			 const struct ff_critical_step *step)
{
	bool waiting = ff_slow_step_waits(step->kind);

	ff_json_open(json, NULL, '{');
	ff_json_str(json, "step", ff_slow_step_word(step->kind));
	ff_json_bool(json, "waiting", waiting);
	ff_json_int(json, "start", step->start_us);
	ff_json_int(json, "took", step->took_us);
	ff_json_str(json, "name", step->name);
	if (step->lane != FF_NO_LANE)
		ff_json_int(json, "lane", step->lane);
	if (step->row != FF_NO_ROW) {
		ff_json_int(json, "row", step->row);
		ff_json_str(json, "unit", model->rows[step->row].name);
	}
	if (step->units) {
		ff_json_int(json, "units", step->units);
		ff_json_int(json, "waited", step->waited_us);
	}
	if (step->row != FF_NO_ROW && !waiting)
		ff_json_str(json, "state", ff_row_state_word((enum ff_row_state)step->state));
	if (step->before)
		ff_json_bool(json, "before", true);
	ff_json_close(json, '}');
}

int ff_document_critical(struct ff_buf *out, const struct ff_model *model)
{
	struct ff_critical critical;
	struct ff_json json;

	ff_critical_find(model, &critical);
	ff_json_begin(&json, out);
	ff_json_open(&json, "steps", '[');
	for (uint32_t i = 0; i < critical.len; i++)
		add_critical(&json, model, &critical.steps[i]);
	ff_json_close(&json, ']');
	ff_json_end(&json);
	ff_critical_release(&critical);
	return json.error;
}

/* --- columns --- */

#define COLUMN(json, of, list, len, name, value)                                                   \
	do {                                                                                       \
		ff_json_open(json, name, '[');                                                     \
		for (uint32_t i = 0; i < (len); i++) {                                             \
			const typeof(*(list)) *of = &(list)[i];                                    \
			ff_json_int(json, NULL, value);                                            \
		}                                                                                  \
		ff_json_close(json, ']');                                                          \
	} while (0)

/* [row, text, …] of those that have one. */
static void add_sparse(struct ff_json *json, const struct ff_model *model, const char *name,
		       size_t offset)
{
	ff_json_open(json, name, '[');
	for (uint32_t i = 0; i < model->rows_len; i++) {
		const char *text = *(const char *const *)((const char *)&model->rows[i] + offset);

		if (!text)
			continue;
		ff_json_int(json, NULL, i);
		ff_json_str(json, NULL, text);
	}
	ff_json_close(json, ']');
}

int ff_document_rows(struct ff_buf *out, const struct ff_model *model)
{
	const struct ff_row *rows = model->rows;
	uint32_t len = model->rows_len;
	struct ff_json json;

	ff_json_begin(&json, out);
	ff_json_open(&json, "name", '[');
	for (uint32_t i = 0; i < len; i++)
		ff_json_str(&json, NULL, rows[i].name);
	ff_json_close(&json, ']');
	COLUMN(&json, row, rows, len, "job", row->job);
	COLUMN(&json, row, rows, len, "state", row->state);
	COLUMN(&json, row, rows, len, "kind", row->kind);
	COLUMN(&json, row, rows, len, "flags", (row->bad ? 1 : 0) | (row->flaky ? 2 : 0));
	COLUMN(&json, row, rows, len, "lane", or_none(row->lane));
	COLUMN(&json, row, rows, len, "cause", or_none(row->cause));
	COLUMN(&json, row, rows, len, "attempts", row->attempts);
	COLUMN(&json, row, rows, len, "start", row->start_us);
	COLUMN(&json, row, rows, len, "took", row->took_us);
	COLUMN(&json, row, rows, len, "setup", row->setup_us);
	COLUMN(&json, row, rows, len, "teardown", row->teardown_us);
	COLUMN(&json, row, rows, len, "line", row->line);
	add_sparse(&json, model, "message", offsetof(struct ff_row, message));
	add_sparse(&json, model, "file", offsetof(struct ff_row, file));
	ff_json_end(&json);
	return json.error;
}

int ff_document_left(struct ff_buf *out, const struct ff_model *model)
{
	struct ff_json json;
	char name[16];

	ff_json_begin(&json, out);
	for (uint32_t i = 0; i < model->rows_len; i++) {
		snprintf(name, sizeof(name), "%u", i);
		if (model->rows[i].left)
			add_left(&json, model, model->rows[i].left - 1, name);
	}
	ff_json_end(&json);
	return json.error;
}

int ff_document_spans(struct ff_buf *out, const struct ff_model *model)
{
	const struct ff_span *spans = model->spans;
	uint32_t len = model->spans_len;
	struct ff_json json;

	ff_json_begin(&json, out);
	COLUMN(&json, span, spans, len, "kind", span->kind);
	COLUMN(&json, span, spans, len, "state", span->state);
	COLUMN(&json, span, spans, len, "lane", span->lane);
	COLUMN(&json, span, spans, len, "row", or_none(span->row));
	COLUMN(&json, span, spans, len, "start", span->start_us);
	COLUMN(&json, span, spans, len, "took", span->took_us);
	ff_json_end(&json);
	return json.error;
}
