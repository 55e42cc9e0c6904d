/* What is in the queues: for the files that fill them. */
#ifndef FF_SCHED_QUEUES_PRIVATE_H
#define FF_SCHED_QUEUES_PRIVATE_H

#include "base/map.h"
#include "sched/bound.h"
#include "sched/parcels.h"
#include "sched/pending.h"
#include "sched/queues.h"
#include "sched/scopes.h"
#include "sched/tournament.h"

struct ff_queues_worker {
	uint32_t *queue; /* given out and not done, the running one first */
	uint32_t head, tail, cap;
	uint32_t *back; /* units of its scopes that are to run again, or of blocks that it was given
			 */
	uint32_t back_len, back_cap;
	uint32_t *blocks; /* of bound units, that it holds */
	uint32_t blocks_len;
	int64_t last_us;
	int64_t queue_us; /* with parcels or parts: expected of all in its queue */
	uint32_t more;	  /* with parcels: its file goes on at that rank; UINT32_MAX */
	bool up, ended, alone;
	bool surplus;	/* there are as many as there may be without it */
	bool dismissed; /* there is nothing more for it: by ff_queues_dismiss */
	bool seated;	/* it was given a seat */
	bool fresh, hungry;
	bool recalled;	 /* was asked to give some back, and has not answered yet */
	bool needs_all;	 /* could give nothing back since it was last done with a unit */
	uint32_t host;	 /* alone: units that avoid it are not for it; UINT32_MAX */
	uint32_t avoid;	 /* alone: of the unit that it has */
	uint32_t part;	 /* that it collects, from 1; 0: none */
	int64_t took_us; /* units that were done there, in all */
	uint32_t took;
	int64_t running_us; /* its running unit, when that was told */
};

/* Of units that become known part by part. */
struct ff_queues_part {
	uint32_t owner;	 /* whom it was given to; UINT32_MAX: nobody */
	int64_t took_us; /* to collect it, lately */
};

struct ff_queues_parts {
	uint32_t len;
	bool whole;
	struct ff_queues_part *v;
	struct ff_pending waiting; /* ranks */
	uint32_t *at, *rank_of;	   /* part by rank, and the other way round */
	uint32_t *of;		   /* part by unit */
	int64_t *us;		   /* expected, by unit; 0: unknown */
	uint32_t cap;		   /* units that there is room for */
	uint32_t collecting;	   /* workers that do */
	int64_t took_us;	   /* units that were done, in all */
	uint32_t took;
};

struct ff_queues_suspect {
	uint32_t unit, avoid;
};

struct ff_queues {
	const struct ff_policy *policy;
	const char *const *names;
	uint32_t units;
	uint32_t expected;	   /* workers that there should be */
	uint32_t live;		   /* workers that there are */
	uint32_t most;		   /* of these at one time; 0: no limit */
	uint32_t chunk;		   /* units given in one go; 0: no limit */
	struct ff_pending pending; /* ranks */
	uint32_t *unit_at;	   /* by rank; NULL: rank and unit are one */
	uint32_t *rank_of;
	struct ff_scopes scopes;
	struct ff_parcels parcels;
	struct ff_bound bound;
	struct ff_map shunned;		 /* units that failed: by whom, see retried.c */
	struct ff_pending excluded;	 /* units, see excluded.c; size 0: none is */
	struct ff_pending dropped;	 /* of these, to be told */
	struct ff_queues_suspect *alone; /* those to be tried alone, first to last */
	uint32_t alone_head, alone_tail, alone_cap;
	struct ff_queues_worker *workers;
	uint32_t workers_len;
	struct ff_tournament spare; /* by what workers can do without */
	uint32_t recalls;	    /* under way */
	struct ff_queues_parts parts;
	uint32_t batch_part;
	uint32_t *batch;
	size_t batch_len, batch_cap;
	bool stopped;
};

static inline uint32_t ff_queues_rank(const struct ff_queues *queues, uint32_t unit)
{
	return queues->rank_of ? queues->rank_of[unit] : unit;
}

static inline uint32_t ff_queues_unit_at(const struct ff_queues *queues, uint32_t rank)
{
	return queues->unit_at ? queues->unit_at[rank] : rank;
}

static inline uint32_t ff_queues_queued(const struct ff_queues_worker *worker)
{
	return worker->tail - worker->head;
}

/* With parcels or parts; else nothing. */
static inline int64_t ff_queues_expected(const struct ff_queues *queues, uint32_t unit)
{
	if (queues->parts.us)
		return queues->parts.us[unit];
	return queues->parcels.us ? queues->parcels.us[unit] : 0;
}

/* NULL: it was never up. */
static inline struct ff_queues_worker *ff_queues_worker(const struct ff_queues *queues,
							uint32_t number)
{
	return number < queues->workers_len ? &queues->workers[number] : NULL;
}

/* Those of the ranks `first` … end-1 that wait; `first` does. */
void ff_queues_give_ranks(struct ff_queues *queues, uint32_t worker, uint32_t first, uint32_t end);
/* --- alone.c --- */
/* One for a worker that has none: should the host go down, it is known under what. */
void ff_queues_give_alone(struct ff_queues *queues, struct ff_queues_worker *worker);
bool ff_queues_alone_may_come(const struct ff_queues *queues,
			      const struct ff_queues_worker *worker);

/* --- excluded.c --- */
/* It is to wait, or was to be given: whether it is dropped instead. */
bool ff_queues_drops(struct ff_queues *queues, uint32_t unit);

/* --- retried.c --- */
/* Whether the worker has another unit of its scope, or of its part where that stays together. */
bool ff_queues_has_mate(const struct ff_queues *queues, const struct ff_queues_worker *worker,
			uint32_t unit);
/* Whether another worker is to have it, which failed here, if this one has something else to do. */
bool ff_queues_shuns(const struct ff_queues *queues, const struct ff_queues_worker *worker,
		     uint32_t unit);
/* It is given out. */
void ff_queues_shuns_no_more(struct ff_queues *queues, uint32_t unit);
/* The first rank that waits and that the worker is to be given now; UINT32_MAX: none. */
uint32_t ff_queues_first_for(const struct ff_queues *queues, const struct ff_queues_worker *worker);

/* --- parts.c --- */
void ff_queues_parts_init(struct ff_queues *queues, const struct ff_queues_opts *opts);
void ff_queues_parts_release(struct ff_queues *queues);
/* A unit took so long. */
void ff_queues_parts_learn(struct ff_queues *queues, struct ff_queues_worker *worker,
			   int64_t duration_us);
/* It is gone, or has collected. */
void ff_queues_parts_left(struct ff_queues *queues, struct ff_queues_worker *worker);
/* Whether what another worker collects may be taken over by this one. */
bool ff_queues_parts_may_come(const struct ff_queues *queues,
			      const struct ff_queues_worker *worker);
/* What a worker has to run yet, to find out who has the most; 0: nothing that it could do without.
 */
uint64_t ff_queues_parts_rich(const struct ff_queues *queues,
			      const struct ff_queues_worker *worker);
/* How many units from the end of its queue another worker had better run, so that both are through
 * at about the same time; 0 if it would not be sooner: it has to collect them again. */
uint32_t ff_queues_parts_spare(const struct ff_queues *queues,
			       const struct ff_queues_worker *worker);

/* --- recall.c --- */
/* How worth it a worker is to be asked for some of what it has; 0: it can do without none. */
uint64_t ff_queues_rich(const struct ff_queues *queues, const struct ff_queues_worker *worker);
/* It can do without more, or less. */
void ff_queues_note_spare(struct ff_queues *queues, const struct ff_queues_worker *worker);
/* It has answered, or never will. */
void ff_queues_recall_over(struct ff_queues *queues, struct ff_queues_worker *worker);

/* --- queues.c --- */
/* What `next` answers with. */
void ff_queues_batch(struct ff_queues *queues, uint32_t unit);
/* It is to be given to this worker, when that asks. */
void ff_queues_put_back(struct ff_queues_worker *worker, uint32_t unit);
/* To the end of its queue. */
void ff_queues_append(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t unit);

#endif
