/* What a run's end waited for, step by step from its start: the walk of report/slow.h, in which the
 * units of a worker, or of a slot, are told one by one, and what was on a slot that was
 * waited for. No I/O. */
#ifndef FF_WEB_CRITICAL_H
#define FF_WEB_CRITICAL_H

#include "report/slow.h"
#include "web/model.h"

enum {
	/* What takes less than this part of the run is put together with its neighbours, so that a
	 * path has a few times as many steps at most, however many units there are. */
	FF_CRITICAL_PARTS = 400
};

struct ff_critical_step {
	enum ff_slow_step_kind kind; /* UNITS: an attempt, or several; GAPS: waiting for `row` */
	int64_t start_us, took_us;   /* start since the run's first event */
	int64_t waited_us;	     /* UNITS: what of it was between them */
	uint32_t lane;		     /* FF_NO_LANE: of no lane */
	uint32_t row;		     /* UNITS: the longest; FF_NO_ROW */
	uint32_t units;		     /* UNITS: so many */
	uint8_t state;		     /* UNITS: of `row`, enum ff_row_state */
	/* UNITS: an attempt elsewhere that the next one waited for. `took_us` is what of it passed
	 * while its worker waited. */
	bool before;
	const char *name; /* of the host, worker or job */
};

/* They follow one another without a hole, from the run's start to its end or, of one that goes on
 * or was cut off, to its last event. Of merged runs those of the one that took longest. */
struct ff_critical {
	struct ff_critical_step *steps;
	uint32_t len, cap;
};

/* Names are the model's; they are valid until its next event. */
void ff_critical_find(const struct ff_model *model, struct ff_critical *critical);
void ff_critical_release(struct ff_critical *critical);

#endif
