/* The units of one job: those that wait, those that workers were given, those to be tried alone.
 * Shared by all policies; sched.h's callers use it for jobs of sessions. */
#ifndef FF_SCHED_QUEUES_H
#define FF_SCHED_QUEUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/bound.h"
#include "sched/policy.h"

struct ff_queues;

struct ff_queues_opts {
	uint32_t units, workers;    /* workers: that there should be */
	const int64_t *expected_us; /* for each unit; NULL: unknown. The longest come first */
	const int64_t *setup_us;  /* of that the set-up, for policies with parcels; NULL: unknown */
	const char *const *names; /* of the units, for policies; may be NULL */
	const char *const *scopes; /* of each unit, for policies with scopes; NULL: from names */
	bool scopes_in_order;	   /* as they come, not the largest first */
	/* For policies with seats, each of which runs everything: the host of each. Units 0 … n-1
	 * are the first seat's, n … 2n-1 the second's, and so on. */
	const uint32_t *seats;
	uint32_t seats_len;
	uint32_t most;		     /* workers at one time; 0: no limit */
	uint32_t chunk;		     /* units that `load` gives in one go; 0: no limit */
	const uint64_t *done_before; /* bitset of units that are not to run; NULL: none */
	/* Of units that become known part by part: how many parts, and what each is expected to
	 * cost, in whatever unit (borrowed only during the call); the most expensive come first. */
	uint32_t parts;
	const int64_t *part_costs;
	bool parts_whole; /* one worker runs a part, and nobody takes some of it over */
	/* Of units that need more than a worker; borrowed only during the call. Not for policies
	 * with seats, or that somebody drives. */
	const struct ff_claim *claims;
	size_t claims_len;
	struct ff_pool_counts *pools; /* that claims speak of; NULL: none */
	uint32_t hosts;		      /* the same: numbers 0 ... hosts-1 */
	const int64_t *host_memory; /* bytes by host, for claims of memory; 0: no limit; or NULL */
	const struct ff_policy *policy; /* NULL: ff_policy_load */
};

/* Arrays are borrowed for the queues' life, save done_before, expected_us and setup_us. */
struct ff_queues *ff_queues_new(const struct ff_queues_opts *opts);
void ff_queues_free(struct ff_queues *queues);

/* --- what waits --- */

/* Units neither given out nor done, and parts that nobody has; units to be tried alone are not
 * among them. */
uint32_t ff_queues_waiting(const struct ff_queues *queues);
/* The same without bound units: what any worker may have at once. */
uint32_t ff_queues_open(const struct ff_queues *queues);
/* Whether since the last time something was given back, or has ended, for which bound units, or
 * those to be tried alone, may have waited: who has nothing to do is to ask again. */
bool ff_queues_moved(struct ff_queues *queues);
bool ff_queues_is_bound(const struct ff_queues *queues, uint32_t unit);
/* Takes out a bound unit that waits and could run on none of these hosts; UINT32_MAX: none. */
uint32_t ff_queues_take_homeless(struct ff_queues *queues, const uint64_t *hosts);
/* Takes the next one out, none that is bound; UINT32_MAX: none. */
uint32_t ff_queues_take(struct ff_queues *queues);
/* What a unit needs of memory; 0: it does not say. */
int64_t ff_queues_memory(const struct ff_queues *queues, uint32_t unit);
/* The most below `below` that one of the bound units that wait needs of memory; 0: none. Takes one
 * with such a need out. Only for queues whose claims are of nothing but memory. */
int64_t ff_queues_next_memory(const struct ff_queues *queues, int64_t below);
uint32_t ff_queues_take_with_memory(struct ff_queues *queues, int64_t memory);
/* Gives a unit out again (a retry, or one that a lost worker was running); to the worker that has
 * its scope, if there is one. */
void ff_queues_again(struct ff_queues *queues, uint32_t unit);
/* The same of a unit that failed on this worker (UINT32_MAX: none) of that host: those of other
 * hosts, and else other workers, are to have it, as long as nobody has to wait for that. */
void ff_queues_retry(struct ff_queues *queues, uint32_t unit, uint32_t worker, uint32_t host);
/* The host where the next unit to be given out should not run, if another one has room; UINT32_MAX:
 * none. */
uint32_t ff_queues_shunned_host(const struct ff_queues *queues);
/* The same as `again`, but only where nothing else runs, and not on the host `avoid` (UINT32_MAX:
 * any). */
void ff_queues_again_alone(struct ff_queues *queues, uint32_t unit, uint32_t avoid);
uint32_t ff_queues_alone_waiting(const struct ff_queues *queues);
/* One of these, from 0 in the order in which they come; `avoid` as given. UINT32_MAX: none. */
uint32_t ff_queues_peek_alone(const struct ff_queues *queues, uint32_t nth, uint32_t *avoid);
/* Takes the next one out; UINT32_MAX: none. */
uint32_t ff_queues_take_alone(struct ff_queues *queues);
/* Not every worker has it: it is given out no more. Who runs it goes on; when it waits, or comes
 * back for whatever reason, `take_dropped` says so once. */
void ff_queues_exclude(struct ff_queues *queues, uint32_t unit);
/* UINT32_MAX: none. */
uint32_t ff_queues_take_dropped(struct ff_queues *queues);
/* Excluded units that were given to this worker, behind the first it has: to be asked back. */
size_t ff_queues_excluded_at(const struct ff_queues *queues, uint32_t worker,
			     const uint32_t **units);
/* No further unit is given out; `next` answers `end` once. */
void ff_queues_stop(struct ff_queues *queues);

/* --- workers --- */

/* A worker is there and idle, on `host` (UINT32_MAX: unknown); numbers are the caller's, small, and
 * never used again. `alone`: it has the host for itself, and gets units that are to be tried alone,
 * one at a time, but none that avoids that host (UINT32_MAX: all). */
void ff_queues_worker_up(struct ff_queues *queues, uint32_t worker, bool alone, uint32_t host);
/* It is gone: `running` (or UINT32_MAX) is not given out again; what else it had goes back. */
void ff_queues_worker_down(struct ff_queues *queues, uint32_t worker, uint32_t running);
/* A unit came to its end there. */
void ff_queues_done(struct ff_queues *queues, uint32_t worker, uint32_t unit, int64_t duration_us);
/* It has nothing behind what it runs and can't finish that before it knows what comes next (pytest
 * tears down accordingly): `next` then answers with a unit or `end`. */
void ff_queues_hungry(struct ff_queues *queues, uint32_t worker);

/* What to send to a worker now. */
struct ff_batch {
	const uint32_t *units; /* valid until the next call */
	size_t len;
	uint32_t part; /* to be collected, and all of it run; UINT32_MAX: none */
	bool end;      /* nothing more will come for this worker: let it finish */
};
/* To be asked after each of the above for every worker that may have become hungry. Units may come
 * back after all workers were told `end`: when some wait and no worker is left, one must be brought
 * up again. */
struct ff_batch ff_queues_next(struct ff_queues *queues, uint32_t worker);

/* After `next` gave nothing and no end: units to ask back from another worker, so that this one
 * gets some. len 0: none just now. The other keeps them until `returned`. */
struct ff_recall {
	uint32_t worker;
	const uint32_t *units; /* valid until the next call */
	size_t len;
};
struct ff_recall ff_queues_recall(struct ff_queues *queues, uint32_t worker);
/* Whether each host must run what is its own (also: what waits is bound to certain hosts, all of
 * it); and if so, whether some of that waits and nobody on that host has it. */
bool ff_queues_has_seats(const struct ff_queues *queues);
bool ff_queues_seat_waits(const struct ff_queues *queues, uint32_t host);
/* How many; UINT32_MAX: any number can take what waits. */
uint32_t ff_queues_seats_wait(const struct ff_queues *queues, uint32_t host);
/* Whether some worker has been asked, or could be, to give something back. */
bool ff_queues_may_come_back(const struct ff_queues *queues);
/* What a worker gave back when it was asked: not all, if it had begun some. */
void ff_queues_returned(struct ff_queues *queues, uint32_t worker, const uint32_t *units,
			size_t len);

/* --- units that become known as they come --- */

/* There are so many more, which wait: the next numbers. Only for single units without names, costs
 * and claims. */
void ff_queues_more(struct ff_queues *queues, uint32_t units);

/* --- units that become known part by part (ff_policy_shard) --- */

/* A part is collected by the worker that `next` gave it to, and by any that is given units of it.
 * While that has not happened (ff_queues_collects … ff_queues_collected) nothing is asked back from
 * it. */
bool ff_queues_in_parts(const struct ff_queues *queues);
/* It needs `part` before it can run what it was given of it. */
void ff_queues_collects(struct ff_queues *queues, uint32_t worker, uint32_t part);
/* It has that, and took so long. */
void ff_queues_collected(struct ff_queues *queues, uint32_t worker, int64_t took_us);
/* The part has so many units: the next numbers, from the returned one on. Those not in `done` (by
 * their place in the part; NULL: all) are the worker's, behind what it has, or wait if it is not
 * up. But those that are bound (by a claim, whose unit is a place in the part; with `parts_whole`
 * all of them, if one is) wait for whoever is given them. `us` (copied): what each is expected to
 * take; NULL: unknown. */
uint32_t ff_queues_part_known(struct ff_queues *queues, uint32_t worker, uint32_t part,
			      uint32_t units, const uint64_t *done, const int64_t *us,
			      const struct ff_claim *claims, size_t claims_len);
/* Whoever had it is gone, and it is not known. */
void ff_queues_part_again(struct ff_queues *queues, uint32_t part);
/* Who has the most to give back, for `recall`; UINT32_MAX: nobody has any. What runs there has
 * taken so long by now: what is behind it may take as long. */
uint32_t ff_queues_richest(const struct ff_queues *queues);
void ff_queues_ran(struct ff_queues *queues, uint32_t worker, int64_t running_us);
/* The part of a unit. */
uint32_t ff_queues_part_of(const struct ff_queues *queues, uint32_t unit);

/* --- for those who say themselves who gets what, see ff_policy_driven --- */

/* This very unit, which waits, is the worker's now; `next` does not answer with it. False: it does
 * not wait, or the worker is not there, or has been told `end`. */
bool ff_queues_hand(struct ff_queues *queues, uint32_t worker, uint32_t unit);
/* Nothing more will come for this worker: `next` says so. */
void ff_queues_dismiss(struct ff_queues *queues, uint32_t worker);
/* It does not wait any more, though nobody has it; false: it did not. */
bool ff_queues_withdraw(struct ff_queues *queues, uint32_t unit);

/* --- for policies --- */

struct ff_queue_info {
	uint32_t queued; /* given and not done, the running one included */
	int64_t last_us; /* how long its last unit took */
	bool fresh;	 /* got nothing yet */
	bool hungry;
	bool surplus;	 /* there are as many as there may be without it */
	bool collecting; /* a part */
	/* With parcels: what the first of its queue is expected to take, and those behind it. */
	int64_t running_us, ahead_us;
};
struct ff_queue_info ff_queues_info(const struct ff_queues *queues, uint32_t worker);
uint32_t ff_queues_units(const struct ff_queues *queues);
/* How many share the work: those that are there, or that there should be. At least 1. */
uint32_t ff_queues_workers(const struct ff_queues *queues);
const char *ff_queues_name(const struct ff_queues *queues, uint32_t unit);
/* Moves the next waiting unit to the end of the worker's queue; false: none waits. */
bool ff_queues_give_next(struct ff_queues *queues, uint32_t worker);
/* All that waits of the next scope; false: none waits. */
bool ff_queues_give_scope(struct ff_queues *queues, uint32_t worker);
/* What waits of a parcel: the longest, or, where that costs nothing, the next of the file that the
 * worker had last; false: none waits. */
bool ff_queues_give_parcel(struct ff_queues *queues, uint32_t worker);
/* With parcels: what all that waits is expected to take. */
int64_t ff_queues_left_us(const struct ff_queues *queues);
/* The same, when all of it waited; 0: without parcels, or nothing is known. */
int64_t ff_queues_all_us(const struct ff_queues *queues);
/* A seat on the worker's host, if it has none yet and there is one. */
bool ff_queues_give_seat(struct ff_queues *queues, uint32_t worker);
/* The next part, to be collected; false: none waits. */
bool ff_queues_give_part(struct ff_queues *queues, uint32_t worker);
/* All that waits of the part of the first unit that does; false: none waits. */
bool ff_queues_give_rest(struct ff_queues *queues, uint32_t worker);
/* The most that `load` is to give in one go; UINT32_MAX: no limit. */
uint32_t ff_queues_chunk(const struct ff_queues *queues);

#endif
