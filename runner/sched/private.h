/* What the files of placing share. */
#ifndef FF_SCHED_PRIVATE_H
#define FF_SCHED_PRIVATE_H

#include "sched/pending.h"
#include "sched/sched.h"
#include "sched/sets.h"

#define NOBODY UINT32_MAX

struct pool {
	struct ff_pending waiting; /* jobs */
};

struct job {
	bool started, stopped, sessions, discover;
	bool no_sessions; /* more */
	uint32_t weight;
	uint32_t set;
	struct ff_sched_uses *uses;
	size_t uses_len;
	struct ff_queues *queues; /* NULL before its units are known */
	uint32_t coming;	  /* sessions that were placed and are not up yet */
	uint32_t *coming_to;	  /* the same by host; NULL: none was placed */
	uint32_t there;		  /* sessions that were placed and are not over */
	uint32_t most;		  /* of these; 0: no limit */
	uint32_t kept;		  /* the host that is kept free for it; NOBODY */
	uint32_t placed;	  /* single units that were placed, and are not over */
	bool serial;		  /* one of them has to be alone in its job */
	uint32_t *homes;	  /* by number: the host of each; NOBODY: it is still open */
	uint32_t homes_len;
	struct ff_ration ration;
	uint32_t promised; /* a host, + 1, where others take only what that leaves; 0: none */
};

struct ff_sched {
	struct ff_sets sets;
	struct job *jobs;
	uint32_t jobs_len;
	struct pool *pools;
	uint32_t pools_len;
	struct ff_pool_counts counts; /* what is free of each */
	struct ff_pending urgent;     /* jobs for which a host is kept that may have room now */
	struct ff_pending hungry;     /* jobs that found room, but not what else their units need */
	int64_t *cpu_taken;	      /* by host: what is declared, as counts has memory */
	bool shared; /* workers of some job share pools, or memory, with what is placed */
	bool seated; /* there was a job whose sessions must be on certain hosts */
};

/* What a job wants to have placed next. */
struct wish {
	bool any, alone;
	uint32_t avoid; /* a host, if there is another; NOBODY */
};

/* --- sched.c --- */
struct ff_set *ff_sched_set(const struct ff_sched *sched, uint32_t job);
/* It is looked at again. */
void ff_sched_job_ready(struct ff_sched *sched, uint32_t number);
struct wish ff_sched_wish(const struct job *job);

/* --- pools.c --- */
bool ff_sched_lacks_pools(const struct ff_sched *sched, uint32_t number);
/* At each of its pools, or no more. */
void ff_sched_stand_in_line(struct ff_sched *sched, uint32_t number, bool stand);
/* As many of those who wait for it as what is free is enough for; the same for each of a job's. */
void ff_sched_wake_pool(struct ff_sched *sched, uint32_t number);
void ff_sched_wake_pools(struct ff_sched *sched, const struct job *job);

/* --- memory.c --- */
/* The host that is kept for the job, or one that is open to all; NOBODY. */
uint32_t ff_sched_find_host(const struct ff_sched *sched, uint32_t number,
			    const struct ff_set_need *need);
/* What a unit that was placed has taken; one that has its host for itself takes none. */
int64_t ff_sched_memory_of(const struct ff_sched *sched, const struct ff_placement *placement);
/* There may be some for the jobs that wait for it. */
void ff_sched_wake_hungry(struct ff_sched *sched);

/* --- ration.c --- */
void ff_sched_take_ration(struct ff_sched *sched, struct ff_placement *placement);
/* If it has one. */
void ff_sched_return_ration(struct ff_sched *sched, const struct ff_placement *placement);
/* The job waits for its ration. */
void ff_sched_promise(struct ff_sched *sched, uint32_t number);
/* It has it, or wants it no more; whether there was a promise. */
bool ff_sched_promise_over(struct ff_sched *sched, uint32_t number);
void ff_sched_host_promised_no_more(struct ff_sched *sched, uint32_t host);

/* --- needs.c --- */
/* What a job's next unit is, and why it can't be placed. */
struct choice {
	uint32_t host;	/* NOBODY: none */
	uint32_t needs; /* of a bound unit, their number with the queues; NOBODY: it is not bound */
	bool lacks_room; /* with host NOBODY: more room is what one of them lacks */
	uint32_t where;	 /* on this host; NOBODY: on any */
};
/* Of the bound units the most demanding for which there is all they need, then the others. `need`
 * says then what is to be taken of the host. */
struct choice ff_sched_choose(const struct ff_sched *sched, uint32_t number,
			      struct ff_set_need *need);
/* Nothing more is placed on this host (of any job, or of this one): what was at home there may have
 * another. */
void ff_sched_homeless(struct ff_sched *sched, uint32_t host);
void ff_sched_job_homeless(struct job *job, uint32_t host);
/* The unit takes more slots than others of the job. */
bool ff_sched_is_heavy(const struct job *job, uint32_t unit);
/* The unit was placed, with all that it needs beyond slots and memory; or is over. */
void ff_sched_hold(struct ff_sched *sched, uint32_t number, uint32_t unit, uint32_t host);
void ff_sched_let_go(struct ff_sched *sched, uint32_t number, uint32_t unit);

#endif
