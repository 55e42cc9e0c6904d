/* Reading earlier journals a piece at a time. */
#include "dispatch/teller.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "event/reader.h"

enum {
	PIECE = 128,	/* lines looked at before others have their turn */
	PIECE_US = 2000 /* and for no longer than this, about */
};

struct ff_teller {
	struct ff_loop *loop;
	const struct ff_before *before;
	void (*put)(void *ctx, struct ff_input *input);
	void *ctx;
	uv_idle_t idle;	     /* with each turn of the loop: others come in between */
	struct ff_map asked; /* jobs by name: number + 1; for the next look through */
	struct ff_map under_way;
	bool reading, held, closed;
	size_t run; /* being read */
	struct ff_reader *reader;
};

static void on_turn(uv_idle_t *idle);

static void go_on(struct ff_teller *t)
{
	if (t->reading && !t->held)
		uv_idle_start(&t->idle, on_turn);
	else
		uv_idle_stop(&t->idle);
}

static void begin(struct ff_teller *t)
{
	struct ff_map empty = t->under_way;

	t->reading = true;
	t->run = 0;
	t->under_way = t->asked;
	t->asked = empty;
	go_on(t);
}

/* What it could not read is missing from reports: that is said. */
static void warn(struct ff_teller *t, const char *text)
{
	struct ff_input *input = ff_input_new(FF_INPUT_WARNED);

	input->u.said.text = ff_input_text(input, text);
	t->put(t->ctx, input);
}

static void end(struct ff_teller *t)
{
	size_t cursor = 0;
	void *number;

	while (ff_map_next(&t->under_way, &cursor, NULL, &number)) {
		struct ff_input *input = ff_input_new(FF_INPUT_BEFORE_TOLD);

		input->job = (uint32_t)((uintptr_t)number - 1);
		t->put(t->ctx, input);
	}
	ff_map_release(&t->under_way);
	t->reading = false;
	if (t->asked.len > 0)
		begin(t);
	go_on(t);
}

/* Of output that was told as it came this journal has only the report. */
static const struct ff_result *whole(struct ff_input *input, const struct ff_result *result)
{
	const struct ff_result *copy = ff_input_result(input, result);

	for (size_t i = 0; i < copy->sections_len; i++)
		((struct ff_section *)copy->sections)[i].told = false;
	return copy;
}

static void tell(struct ff_teller *t, const struct ff_event *event)
{
	struct ff_input *input;

	if ((event->kind != FF_EVENT_UNIT_FINISHED && event->kind != FF_EVENT_UNIT_BEFORE) ||
	    !ff_map_get(&t->under_way, event->job))
		return;
	input = ff_input_new(FF_INPUT_BEFORE);
	input->unit = event->index;
	input->u.before.run = (uint32_t)t->run;
	input->u.before.job = ff_input_text(input, event->job);
	input->u.before.name = ff_input_text(input, event->unit);
	input->u.before.host = ff_input_text(input, event->host);
	input->u.before.worker = ff_input_text(input, event->worker);
	input->u.before.attempt = event->u.unit_finished.attempt;
	input->u.before.final = event->u.unit_finished.final;
	/* A history is written at the end of a run. */
	input->u.before.unkept =
		t->before->v[t->run].state.run.state != FF_RUN_FINISHED &&
		(event->kind == FF_EVENT_UNIT_FINISHED || event->u.unit_finished.unkept);
	input->u.before.result = whole(input, event->u.unit_finished.result);
	t->put(t->ctx, input);
}

/* Whether there is more in this journal. */
static bool read_one(struct ff_teller *t)
{
	const struct ff_event *event;
	struct ff_err err = {0};
	int rc;

	if (!t->reader)
		t->reader = ff_reader_new(t->before->v[t->run].path, &err);
	rc = t->reader ? ff_reader_next(t->reader, &event, &err) : -1;
	if (rc > 0) {
		tell(t, event);
		return true;
	}
	if (rc < 0)
		warn(t, err.text);
	else if (ff_reader_missing(t->reader))
		warn(t, ff_reader_missing(t->reader));
	return false;
}

static void on_turn(uv_idle_t *idle)
{
	struct ff_teller *t = idle->data;
	int64_t until_us = ff_clock_us() + PIECE_US;

	for (int i = 0; i < PIECE && t->run < t->before->len && ff_clock_us() < until_us; i++) {
		if (read_one(t))
			continue;
		ff_reader_free(t->reader);
		t->reader = NULL;
		t->run++;
	}
	if (t->run == t->before->len)
		end(t);
}

struct ff_teller *ff_teller_new(struct ff_loop *loop, const struct ff_before *before,
				void (*put)(void *ctx, struct ff_input *input), void *ctx)
{
	struct ff_teller *t = ff_xcalloc(1, sizeof(*t));

	t->loop = loop;
	t->before = before;
	t->put = put;
	t->ctx = ctx;
	uv_idle_init(loop->uv, &t->idle);
	t->idle.data = t;
	return t;
}

void ff_teller_ask(struct ff_teller *teller, uint32_t job, const char *name)
{
	ff_map_set(&teller->asked, name, (void *)((uintptr_t)job + 1));
	if (!teller->reading)
		begin(teller);
}

void ff_teller_hold(struct ff_teller *teller, bool hold)
{
	if (!teller || teller->held == hold)
		return;
	teller->held = hold;
	go_on(teller);
}

static void on_closed(uv_handle_t *handle)
{
	struct ff_teller *t = handle->data;

	t->closed = true;
}

void ff_teller_free(struct ff_teller *teller)
{
	if (!teller)
		return;
	uv_close((uv_handle_t *)&teller->idle, on_closed);
	while (!teller->closed)
		ff_loop_run_once(teller->loop, FF_NEVER_US);
	ff_reader_free(teller->reader);
	ff_map_release(&teller->asked);
	ff_map_release(&teller->under_way);
	ff_free(teller);
}
