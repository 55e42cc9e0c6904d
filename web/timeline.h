/* Spans of a model's lanes between two times, as pieces of a picture: what is narrower than a pixel
 * is put together, so that a picture costs the same for a hundred units and for a million. No I/O.
 */
#ifndef FF_WEB_TIMELINE_H
#define FF_WEB_TIMELINE_H

#include "web/model.h"

/* X(name, word): what a piece shows. Those of a unit's phases are where they are known, and wide
 * enough to be seen. */
#define FF_PIECE_MAP(X)                                                                            \
	X(UNIT, "unit")                                                                            \
	X(UNIT_SETUP, "unit-setup")                                                                \
	X(UNIT_TEARDOWN, "unit-teardown")                                                          \
	X(MANY, "many") /* units, put together; `row` is of a bad one, if there is one */          \
	X(CONNECT, "connect")                                                                      \
	X(SYNC, "sync")                                                                            \
	X(SETUP, "setup")                                                                          \
	X(START, "start")                                                                          \
	X(COLLECT, "collect")

enum ff_piece_kind {
#define X(name, word) FF_PIECE_##name,
	FF_PIECE_MAP(X)
#undef X
		FF_PIECES
};

struct ff_piece {
	int64_t start_us, took_us; /* since the run's first event */
	uint32_t row;		   /* FF_NO_ROW: of no unit */
	uint8_t kind, state;	   /* state: an enum ff_row_state; of MANY the worst */
	uint32_t count;		   /* units; 1 unless MANY */
};

struct ff_timeline {
	int64_t from_us, to_us; /* to_us > from_us */
	uint32_t pixels;	/* that these stand for; at least 1 */
	/* Called for each piece, lane by lane, by start within a lane. */
	void (*each)(void *ctx, uint32_t lane, const struct ff_piece *piece);
	void *ctx;
};

void ff_timeline_draw(const struct ff_model *model, const struct ff_timeline *timeline);

#endif
