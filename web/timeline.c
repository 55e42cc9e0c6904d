#include "web/timeline.h"

enum { PHASES_FROM = 12 }; /* pixels of a unit, from which its phases are shown */

/* The first of a lane's spans that can reach into the picture. They follow one another, but for a
 * host's own lane, where a few overlap. */
static uint32_t first_of(const struct ff_model *model, const struct ff_lane *lane, int64_t from_us)
{
	uint32_t low = 0, high = lane->spans_len;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (model->spans[lane->spans[middle]].start_us < from_us)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 8 ? low - 8 : 0;
}

struct drawing {
	const struct ff_model *model;
	const struct ff_timeline *timeline;
	uint32_t lane;
	int64_t pixel_us;
	struct ff_piece many; /* that is being put together; count 0: none */
};

static void put(struct drawing *drawing, const struct ff_piece *piece)
{
	if (piece->took_us >= 0)
		drawing->timeline->each(drawing->timeline->ctx, drawing->lane, piece);
}

static void put_many(struct drawing *drawing)
{
	if (drawing->many.count == 1)
		drawing->many.kind = FF_PIECE_UNIT;
	if (drawing->many.count)
		put(drawing, &drawing->many);
	drawing->many.count = 0;
}

static bool is_bad(const struct ff_model *model, const struct ff_span *span)
{
	return span->row != FF_NO_ROW && model->rows[span->row].bad;
}

static void add_narrow(struct drawing *drawing, const struct ff_span *span)
{
	struct ff_piece *many = &drawing->many;
	int64_t end = span->start_us + span->took_us;

	if (many->count && span->start_us - many->start_us >= drawing->pixel_us)
		put_many(drawing);
	if (!many->count)
		*many = (struct ff_piece){.start_us = span->start_us,
					  .row = span->row,
					  .kind = FF_PIECE_MANY,
					  .state = span->state};
	many->count++;
	if (end - many->start_us > many->took_us)
		many->took_us = end - many->start_us;
	/* Of many on one pixel a bad one is what is seen. */
	if (is_bad(drawing->model, span)) {
		many->row = span->row;
		many->state = span->state;
	}
}

/* A unit's set-up, call and teardown: of its last attempt, which is the row's own. */
static void put_unit(struct drawing *drawing, const struct ff_span *span)
{
	const struct ff_row *row = &drawing->model->rows[span->row];
	int64_t setup = row->setup_us, teardown = row->teardown_us;
	struct ff_piece piece = {span->start_us, span->took_us, span->row,
				 FF_PIECE_UNIT,	 span->state,	1};

	if (span->took_us < PHASES_FROM * drawing->pixel_us || span->start_us != row->start_us ||
	    setup + teardown == 0 || setup + teardown > span->took_us) {
		put(drawing, &piece);
		return;
	}
	piece.kind = FF_PIECE_UNIT_SETUP;
	piece.took_us = setup;
	if (setup)
		put(drawing, &piece);
	piece.kind = FF_PIECE_UNIT;
	piece.start_us += setup;
	piece.took_us = span->took_us - setup - teardown;
	put(drawing, &piece);
	piece.kind = FF_PIECE_UNIT_TEARDOWN;
	piece.start_us += piece.took_us;
	piece.took_us = teardown;
	if (teardown)
		put(drawing, &piece);
}

static void add_span(struct drawing *drawing, const struct ff_span *span)
{
	static const uint8_t kinds[] = {
#define X(name, word) [FF_SPAN_##name] = FF_PIECE_##name,
		FF_SPAN_MAP(X)
#undef X
	};
	struct ff_piece piece = {span->start_us,    span->took_us, FF_NO_ROW,
				 kinds[span->kind], span->state,   1};

	if (span->start_us + span->took_us < drawing->timeline->from_us)
		return;
	if (span->kind == FF_SPAN_UNIT && span->took_us < drawing->pixel_us) {
		add_narrow(drawing, span);
		return;
	}
	put_many(drawing);
	if (span->kind == FF_SPAN_UNIT)
		put_unit(drawing, span);
	else
		put(drawing, &piece);
}

void ff_timeline_draw(const struct ff_model *model, const struct ff_timeline *timeline)
{
	struct drawing drawing = {.model = model, .timeline = timeline};

	drawing.pixel_us = (timeline->to_us - timeline->from_us) / timeline->pixels;
	drawing.pixel_us = drawing.pixel_us ? drawing.pixel_us : 1;
	for (drawing.lane = 0; drawing.lane < model->lanes_len; drawing.lane++) {
		const struct ff_lane *lane = &model->lanes[drawing.lane];
		uint32_t i = first_of(model, lane, timeline->from_us);

		for (; i < lane->spans_len; i++) {
			const struct ff_span *span = &model->spans[lane->spans[i]];

			if (span->start_us >= timeline->to_us)
				break;
			add_span(&drawing, span);
		}
		put_many(&drawing);
		if (lane->row != FF_NO_ROW && model->rows[lane->row].start_us < timeline->to_us)
			put(&drawing,
			    &(struct ff_piece){.start_us = model->rows[lane->row].start_us,
					       .took_us = model->last_us - model->began_us -
							  model->rows[lane->row].start_us,
					       .row = lane->row,
					       .kind = FF_PIECE_UNIT,
					       .state = FF_ROW_RUNNING,
					       .count = 1});
	}
}
