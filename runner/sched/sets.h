/* Hosts with their free slots, and the sets of them that jobs may use: where is most room? Jobs
 * with the same hosts share a set. Nothing here knows what a job is. */
#ifndef FF_SCHED_SETS_H
#define FF_SCHED_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/pending.h"
#include "sched/ration.h"
#include "sched/tournament.h"

struct ff_set_host {
	uint32_t slots, free;
	uint32_t kept_for;    /* a job that gets the next that can be started here; UINT32_MAX */
	uint32_t promised_to; /* a job, if: */
	const struct ff_ration *promised; /* to a job that waits for so much here; NULL */
	bool up, draining;
	bool counted; /* in `there` of its sets */
};

struct ff_set {
	uint64_t *bits;		    /* its hosts; NULL: not in use */
	uint32_t refs;		    /* jobs */
	uint32_t there;		    /* hosts that are up and not draining */
	struct ff_tournament share; /* by the free part of their slots */
	struct ff_tournament most;  /* by free slots */
	struct ff_pending ready;    /* jobs that may be placed */
	struct ff_pending starved;  /* jobs that found no host with room enough */
};

struct ff_sets {
	struct ff_set_host *hosts;
	struct ff_set *sets;
	uint32_t hosts_len, len, jobs_len;
	uint32_t seen; /* no host from this number on was ever there: most may only come yet */
	const int64_t *memory;		    /* by host, borrowed; 0: unknown, no limit; or NULL */
	const int64_t *taken;		    /* of that, by what says so; borrowed; or NULL */
	const struct ff_capacity *capacity; /* by host, for rations; borrowed; or NULL */
	const int64_t *cpu_taken;	    /* of that, likewise */
};

/* What is to be found on a host. */
struct ff_set_need {
	uint32_t weight; /* slots; of smaller hosts all */
	uint32_t avoid;	 /* not there; UINT32_MAX */
	bool alone;	 /* all slots */
	int64_t memory;	 /* bytes, beside what others have taken; alone there it fits anywhere */
	const struct ff_ration *ration; /* beside what others have taken; or NULL */
};

void ff_sets_init(struct ff_sets *sets, uint32_t hosts, uint32_t jobs);
void ff_sets_release(struct ff_sets *sets);

/* The set with these hosts (copied), with one reference more. Pointers to sets are valid until the
 * next call. */
uint32_t ff_sets_enter(struct ff_sets *sets, const uint64_t *bits);
/* With the last reference it is gone. */
void ff_sets_leave(struct ff_sets *sets, uint32_t set);
/* Changes a reference to `set` for one to the set without that host. */
uint32_t ff_sets_without(struct ff_sets *sets, uint32_t set, uint32_t host);
uint32_t ff_sets_with(struct ff_sets *sets, uint32_t set, uint32_t host);
bool ff_set_has(const struct ff_set *set, uint32_t host);

/* To be called after each change to sets->hosts[host]. Nothing of a host that is kept for somebody
 * is free to others. */
void ff_sets_show(struct ff_sets *sets, uint32_t host);

/* Slots that it takes of a host: never more than that has. */
uint32_t ff_sets_slots(const struct ff_set_host *host, const struct ff_set_need *need);
bool ff_sets_fits(const struct ff_sets *sets, uint32_t host, const struct ff_set_need *need);
/* A host with room enough: the one with the largest share free, else the one with the most slots
 * free. UINT32_MAX: none. Looks at all hosts only if these have too little memory. */
uint32_t ff_sets_find(const struct ff_sets *sets, const struct ff_set *set,
		      const struct ff_set_need *need);
/* The one with the most slots free, enough or not. UINT32_MAX: all are full, or kept. */
uint32_t ff_set_roomiest(const struct ff_set *set, uint32_t avoid);
/* Whether one of its hosts is there, other than `avoid`. */
bool ff_sets_other_there(const struct ff_sets *sets, const struct ff_set *set, uint32_t avoid);

#endif
