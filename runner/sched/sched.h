/* The scheduler: which unit goes where. It holds what waits and what is given out, slots, weights
 * and pools, for tests and commands alike. Pure: no I/O, no clock; it is told what happened and
 * says what to do next. Hosts, jobs, workers and units are numbers of the caller's.
 *
 * Two kinds of jobs. In a job of single units each one is *placed*: it takes slots of a host, and
 * gives them back at its end. In a job of sessions it is sessions that are placed; each takes its
 * slots for its life, and as a worker has a queue of units which a policy fills (queues.h).
 *
 * Jobs come in the order of their numbers: the first that can be placed is. One that finds no host
 * with room enough has one kept free for it; one that lacks some of a pool stands in line there,
 * and those behind it take only what it leaves. So no later job can keep an earlier one waiting for
 * ever.
 *
 * Single units that say what they need beyond slots (claims: memory, some of pools, the job for
 * themselves, a host that others had) are placed where all of it is there, the most demanding
 * first; while none of them fits, those that say nothing are. So is what each unit of a job
 * declares of its host's memory and CPUs (ration.h); what no host can have is the caller's to see:
 * such hosts are none of the job's.
 *
 * Costs: O(log hosts) a placement and a return, O(log workers) a unit given or done; nothing looks
 * at all hosts (but for one with memory enough) or all workers. What comes back to a pool is
 * offered to as many jobs as it is enough for. */
#ifndef FF_SCHED_SCHED_H
#define FF_SCHED_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/policy.h"
#include "sched/queues.h"
#include "sched/ration.h"

struct ff_sched;

struct ff_sched_opts {
	uint32_t hosts; /* numbers 0 … hosts-1 */
	uint32_t jobs;
	const uint32_t *pools; /* the size of each named pool; borrowed only during the call */
	uint32_t pools_len;
	const int64_t *host_memory; /* bytes by host, as in queues.h; borrowed */
	/* By host, for rations; borrowed; or NULL. It does not change while something with a ration
	 * is placed there. */
	const struct ff_capacity *host_capacity;
};

struct ff_sched *ff_sched_new(const struct ff_sched_opts *opts);
void ff_sched_free(struct ff_sched *sched);

/* One pool more: its number. */
uint32_t ff_sched_add_pool(struct ff_sched *sched, uint32_t size);
/* Whether something that bound units (bound.h) may wait for came back to a pool, or to a host's
 * memory, since the last time: workers of all jobs that have nothing to do are to ask again. */
bool ff_sched_pools_freed(struct ff_sched *sched);

/* --- hosts --- */

/* It is there with so many free slots. */
void ff_sched_host_up(struct ff_sched *sched, uint32_t host, uint32_t slots);
/* Nothing is placed there any more. What was placed there counts as returned: no ff_sched_return
 * for it. */
void ff_sched_host_down(struct ff_sched *sched, uint32_t host);
/* Nothing new is placed there; what runs goes on and is returned. */
void ff_sched_host_drain(struct ff_sched *sched, uint32_t host);
uint32_t ff_sched_host_free_slots(const struct ff_sched *sched, uint32_t host);

/* --- jobs --- */

struct ff_sched_uses {
	uint32_t pool, amount;
};

struct ff_sched_job_opts {
	const uint64_t *hosts; /* bitset of those it may use; copied, once per distinct set */
	uint32_t weight;       /* slots that a unit (or a session) takes; at least 1 */
	const struct ff_sched_uses *uses; /* of pools, by each unit that runs; copied */
	size_t uses_len;
	bool sessions;
	bool discover; /* its units are not known: first one thing is placed that finds them */
	uint32_t most; /* sessions at one time; 0: no limit */
	struct ff_ration ration; /* of each single unit, once they are known */
};

/* From now on the job may be placed: single units as of ff_sched_units, sessions at once. */
void ff_sched_job_start(struct ff_sched *sched, uint32_t job, const struct ff_sched_job_opts *opts);
/* Its units are known; see queues.h for what is borrowed. */
void ff_sched_job_units(struct ff_sched *sched, uint32_t job, const struct ff_queues_opts *units);
/* So many more of them are: see ff_queues_more. */
void ff_sched_job_more(struct ff_sched *sched, uint32_t job, uint32_t units);
/* Nothing of it is placed or given out any more; what runs goes on. */
void ff_sched_job_stop(struct ff_sched *sched, uint32_t job);
/* All of it is over: its memory goes. */
void ff_sched_job_end(struct ff_sched *sched, uint32_t job);
bool ff_sched_job_hosts(const struct ff_sched *sched, uint32_t job, uint32_t host);
/* Units that wait: neither placed, nor given out, nor done. */
uint32_t ff_sched_waiting(const struct ff_sched *sched, uint32_t job);
/* The job's queues (NULL before its units are known): for jobs of sessions. */
struct ff_queues *ff_sched_queues(const struct ff_sched *sched, uint32_t job);
/* A host is not fit for it, as was found out: taken out of its set. */
void ff_sched_job_not_on(struct ff_sched *sched, uint32_t job, uint32_t host);
/* A host that has just come is for it, too: put into its set. */
void ff_sched_job_also_on(struct ff_sched *sched, uint32_t job, uint32_t host);

/* There are to be no more sessions of it at one time; those that are there go on. Takes back
 * ff_sched_no_sessions. */
void ff_sched_job_most(struct ff_sched *sched, uint32_t job, uint32_t most);
/* No session of it is placed any more; those that are there go on. */
void ff_sched_no_sessions(struct ff_sched *sched, uint32_t job);
/* Something was done to its queues that may leave units waiting: look at it again. */
void ff_sched_wake(struct ff_sched *sched, uint32_t job);

/* A unit is to be placed (or given) again: a retry, or one whose host was lost. `alone`: where
 * nothing else runs, for it may be what takes hosts down; not on `avoid` (UINT32_MAX: anywhere) if
 * another host of the set is there. */
void ff_sched_again(struct ff_sched *sched, uint32_t job, uint32_t unit, bool alone,
		    uint32_t avoid);

/* It failed there (`worker` as in queues.h, or UINT32_MAX), and is to be tried again: elsewhere if
 * that is as soon. */
void ff_sched_retry(struct ff_sched *sched, uint32_t job, uint32_t unit, uint32_t worker,
		    uint32_t host);

/* --- placing --- */

struct ff_placement {
	uint32_t job, host;
	uint32_t unit;	   /* UINT32_MAX: a session */
	uint32_t slots;	   /* that it has taken */
	bool alone : 1;	   /* it has the host for itself */
	bool anywhere : 1; /* alone: no other host is there; for units that avoid it, too */
	bool ahead : 1;	   /* it follows another on its slots, and has none before that ends */
	bool recalled : 1; /* ahead, and whoever placed it has asked for it back */
	bool rationed : 1; /* it has its job's ration of the host */
};

/* The next thing to start; false: nothing can be started now. Its slots, and a unit's pools, are
 * taken. To be asked until it says false after each thing that happened. */
bool ff_sched_place(struct ff_sched *sched, struct ff_placement *placement);
/* A unit to follow the placed `before` on its slots, when that has ended: the next one of the same
 * job, if that would be placed there anyway and more than `spare` of its units wait. */
bool ff_sched_place_behind(struct ff_sched *sched, const struct ff_placement *before,
			   uint32_t spare, struct ff_placement *placement);
/* `before` has ended: its slots are for the one that was placed behind it. */
void ff_sched_pass(struct ff_placement *before, struct ff_placement *placement);
/* A session that was placed is up, and known to the queues; or will never be. */
void ff_sched_session_up(struct ff_sched *sched, const struct ff_placement *placement);
/* A placed thing has ended, on a host that is still there. */
void ff_sched_return(struct ff_sched *sched, const struct ff_placement *placement);
/* Only its pools: its host went down. */
void ff_sched_return_pools(struct ff_sched *sched, const struct ff_placement *placement);

#endif
