/* Bound units: those that may not run just anywhere, at any time, beside anything. They wait apart
 * from the others, in blocks: what must stay on one worker is one block (a group; with policies
 * that have scopes the whole of each scope that has such a unit), and needs all that its units
 * need. A worker that has nothing behind what it runs is given one whose needs can be met just
 * then, and holds them until the last unit of it has ended there. Needs are taken all at once, so
 * nobody waits while he holds something. */
#ifndef FF_SCHED_BOUND_H
#define FF_SCHED_BOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is free of each named pool, and what is taken of each host's memory by units that say so;
 * shared by all queues of a scheduler. */
struct ff_pool_counts {
	uint32_t *free;
	uint32_t len;
	int64_t *memory_taken; /* NULL: each of the queues has its own */
	bool freed; /* something came back that bound units may wait for, since that was looked at
		     */
};

struct ff_claim {
	uint32_t unit;	       /* of units that become known part by part: its place in the part */
	uint32_t group;	       /* units of one group are on one worker; UINT32_MAX: it is of none */
	bool serial;	       /* nothing else of the queues runs beside it */
	uint32_t weight;       /* so many workers of its host, or all that there are; at least 1 */
	int64_t memory;	       /* bytes, of what its host has for such units; 0: not said */
	const uint32_t *pools; /* one of each; ascending */
	uint32_t pools_len;
	const uint64_t *hosts; /* bitset of where it may run; NULL: anywhere */
	/* Of single units that are placed: those of one home, a number from 1 on, are on one host,
	 * one after the other or not; 0: it has none. */
	uint32_t home;
};

struct ff_queues;
struct ff_queues_opts;
struct ff_queues_worker;

/* Units with the same needs. */
struct ff_bound_kind {
	bool serial;
	uint32_t weight;
	int64_t memory;
	uint32_t *pools;
	uint32_t pools_len;
	uint64_t *hosts;  /* NULL: anywhere */
	uint32_t home;	  /* 0: none */
	uint32_t waiting; /* units */
	uint32_t *line;	  /* blocks that wait, first to last */
	uint32_t head, tail, cap;
};

struct ff_bound_block {
	uint32_t *waiting; /* units, ascending */
	uint32_t len, cap;
	uint32_t held;	/* units that its owner has */
	uint32_t owner; /* a worker; UINT32_MAX */
	uint32_t kind;
	/* One unit of a group that is tried alone: the group's block; UINT32_MAX. And how many such
	 * blocks of this one are held: only one of them, or this one, is at one time. */
	uint32_t from, apart;
	bool in_line;
	bool group; /* of a name: who had some of it gets what comes later, too */
};

struct ff_bound {
	uint32_t *of; /* block by unit; UINT32_MAX: it is not bound */
	uint32_t of_len;
	struct ff_bound_kind *kinds;
	struct ff_bound_block *blocks;
	uint32_t kinds_len, blocks_len;
	uint32_t *by_group; /* the block of each; UINT32_MAX */
	uint32_t groups;
	uint32_t waiting;	/* units */
	int64_t left_us;	/* that these are expected to take */
	uint32_t serial, heavy; /* blocks of these kinds that are held */
	uint32_t serial_by;	/* who holds serial ones */
	bool moved;		/* who has nothing to do should ask again */
	/* borrowed */
	struct ff_pool_counts *pools;
	const int64_t *memory; /* by host; 0: unknown, no limit */
	int64_t *memory_taken; /* by host; borrowed, or `own_taken` */
	int64_t *own_taken;
	uint32_t hosts;
};

/* From opts->claims; before units are taken from those that wait for anybody. */
void ff_bound_init(struct ff_queues *queues, const struct ff_queues_opts *opts);
void ff_bound_release(struct ff_bound *bound);
/* Whether it is bound; then it is not among those that wait for anybody. */
bool ff_bound_has(const struct ff_bound *bound, uint32_t unit);
/* The units from `first` on, of a part; those without a claim are not bound, unless `whole` and one
 * of them is. The caller has them wait, or not, by ff_bound_wait. */
void ff_bound_part(struct ff_queues *queues, uint32_t first, uint32_t units,
		   const struct ff_claim *claims, size_t len, bool whole);
/* It waits no more, though nobody has it; false: it did not. */
bool ff_bound_leave(struct ff_queues *queues, uint32_t unit);
/* It waits (again): for who holds the rest of its block, or for whoever can. */
void ff_bound_wait(struct ff_queues *queues, uint32_t unit);
/* It ended there, or is not given out again. */
void ff_bound_drop(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t unit);
/* Whether a worker may be given anything now. */
bool ff_bound_may_work(const struct ff_queues *queues, const struct ff_queues_worker *worker);
/* A block whose needs can be met, if there is one. */
void ff_bound_give(struct ff_queues *queues, uint32_t worker);
/* Whether what waits could run on this host; and whether it is such that not every host will do. */
bool ff_bound_may_come(const struct ff_bound *bound, uint32_t host);
bool ff_bound_wants_hosts(const struct ff_bound *bound);
/* A unit that is to be tried alone, by a worker that has its host for itself, leaves its block;
 * false: it can't be, because not every host will do. */
bool ff_bound_alone(struct ff_queues *queues, uint32_t unit);
/* Such a one is given to the worker now, if its needs can be met; true, too: it has none. */
bool ff_bound_hold_alone(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t unit);
/* Needs may be met now that could not be before: whoever has nothing to do should ask again. */
void ff_bound_look_again(struct ff_queues *queues);
/* For bound.c and bound_give.c. */
uint32_t ff_bound_new_block(struct ff_bound *bound);
void ff_bound_stand_in_line(struct ff_bound *bound, uint32_t block);
void ff_bound_wait_in(struct ff_queues *queues, struct ff_bound_block *block, uint32_t unit);

#endif
