/* The executions under way: found by number, and by host. With ten thousand hosts it is what has to
 * be looked for in memory that a finished unit costs: each is one cache line, and stays where it
 * is. */
#ifndef FF_DISPATCH_EXECUTIONS_H
#define FF_DISPATCH_EXECUTIONS_H

#include <stdint.h>

#include "sched/sched.h"

enum {
	EXECUTION_PLACE_BITS = 20, /* of its number: so many may be under way at one time */
	EXECUTION_NAME = 24,	   /* bytes of a name that lie in it; longer ones lie elsewhere */
};

/* One execution of a unit on a slot, by the host's foreman; or of a discovery. */
struct execution {
	uint32_t number;	       /* 0: none, the place is free */
	uint32_t next, prev;	       /* the ring of its host's: places */
	struct ff_placement placement; /* unit FF_NOBODY: a discovery */
	union {
		int64_t started_us;
		uint32_t follows; /* placement.ahead: the execution that it follows */
	};
	union {
		char here[EXECUTION_NAME]; /* the last byte says which: not 0, it is elsewhere */
		char *elsewhere;
	} name; /* of its unit; "": a discovery */
};

struct executions {
	void **blocks;
	uint32_t *free_places, *first; /* first: each host's oldest, or FF_NOBODY */
	uint32_t len, free_len, cap;   /* places */
	uint32_t generation;	       /* of the next one's number */
};

void ff_executions_init(struct executions *all, uint32_t hosts);
void ff_executions_release(struct executions *all);

/* A new one, with all but its start. */
struct execution *ff_executions_add(struct executions *all, const struct ff_placement *placement,
				    const char *name);
void ff_executions_remove(struct executions *all, struct execution *execution);

/* By number; NULL: none, or no more. Numbers of those that had one place in turn differ. */
struct execution *ff_executions_find(const struct executions *all, uint32_t number);
/* place < len; its number may be 0. */
struct execution *ff_executions_at(const struct executions *all, uint32_t place);
/* The oldest on a host, and the next younger one; NULL: there is none. */
struct execution *ff_executions_first(const struct executions *all, uint32_t host);
struct execution *ff_executions_next(const struct executions *all,
				     const struct execution *execution);

const char *ff_execution_name(const struct execution *execution);

#endif
