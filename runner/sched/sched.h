/* Schedulers: which unit goes to which worker. Pure: no I/O, no clock; they are told what happened
 * and say what to send. Units are indexes 0 … units-1, workers are indexes given by the caller. */
#ifndef FF_SCHED_SCHED_H
#define FF_SCHED_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ff_sched; /* an instance: each policy's own struct begins with its class */

/* The answer: send these units, in this order, to the worker that was asked about. */
struct ff_sched_batch {
	const uint32_t *units; /* the scheduler's, valid until the next call */
	size_t len;
	bool end; /* nothing more will come for this worker: let it finish */
};

/* Units to be taken back from the tail of a worker's queue. */
struct ff_sched_recall {
	uint32_t worker;
	const uint32_t *units; /* the scheduler's, valid until the next call */
	size_t len;
};

struct ff_sched_class {
	const char *name;
	const char *help;
	/* `names`: the units' ids (for policies that group by them), borrowed for the scheduler's
	 * life. */
	struct ff_sched *(*create)(uint32_t units, const char *const *names, uint32_t workers);
	void (*free)(struct ff_sched *sched);
	/* A worker is there (again) and idle. Worker numbers may exceed `workers`: replacements. */
	void (*worker_up)(struct ff_sched *sched, uint32_t worker);
	/* It is gone: `running` (or UINT32_MAX) is not given out again; what else it had goes back.
	 */
	void (*worker_down)(struct ff_sched *sched, uint32_t worker, uint32_t running);
	/* A unit came to its end there. */
	void (*done)(struct ff_sched *sched, uint32_t worker, uint32_t unit, int64_t duration_us);
	/* Give a unit out again (a retry, or one that a lost worker was running). */
	void (*again)(struct ff_sched *sched, uint32_t unit);
	/* The worker has nothing behind what it runs and can't finish that before it knows what
	 * comes next (pytest tears down accordingly): `next` then answers with a unit or `end`. */
	void (*hungry)(struct ff_sched *sched, uint32_t worker);
	/* What to send to `worker` now; to be asked after each of the above for every worker that
	 * may have become hungry. Units may come back (a retry, a crash elsewhere) after all
	 * workers were told `end`: when `waiting` is not 0 and no worker is left, one must be
	 * brought up again. */
	struct ff_sched_batch (*next)(struct ff_sched *sched, uint32_t worker);
	/* After `next` gave nothing and no end: units to ask back from another worker, so that this
	 * one gets some. len 0: none just now. The other keeps them until `returned`. */
	struct ff_sched_recall (*recall)(struct ff_sched *sched, uint32_t worker);
	/* What a worker gave back when it was asked: not all, if it had begun some. */
	void (*returned)(struct ff_sched *sched, uint32_t worker, const uint32_t *units,
			 size_t len);
	/* No further unit may be given out; `next` answers `end` once. */
	void (*stop)(struct ff_sched *sched);
	/* Units neither given out nor done. */
	uint32_t (*waiting)(const struct ff_sched *sched);
};

struct ff_sched {
	const struct ff_sched_class *class;
};

/* "load", "no", "each" …; NULL: unknown. */
const struct ff_sched_class *ff_sched_find(const char *name);
extern const struct ff_sched_class *const ff_scheds[];

#endif
