/* Policies: how many units, and which, a worker is to have in its queue. One file each, with one
 * function; all they know and do goes through queues.h. */
#ifndef FF_SCHED_POLICY_H
#define FF_SCHED_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff_queues;

struct ff_policy {
	const char *name; /* the word of `dist` */
	const char *help;
	/* Gives `worker` what it is to have now, by ff_queues_give_next and its like; or nothing.
	 */
	void (*pick)(struct ff_queues *queues, uint32_t worker);
	/* The part of a unit's name that says what it belongs to: units of one scope are on one
	 * worker at a time, and go on as a whole if that is lost. NULL: units are on their own. */
	const char *(*scope)(const char *name, size_t *len);
	bool parcels;  /* units of a file are given in parcels: parcels.h */
	bool seats;    /* each worker runs everything: see ff_queues_opts */
	bool in_order; /* as collected, whatever units are expected to take */
	bool driven;   /* somebody else says who gets what, by ff_queues_hand; it picks nothing */
	uint32_t most; /* workers at one time; 0: no limit */
};

/* "load", …; NULL: unknown. */
const struct ff_policy *ff_policy_find(const char *name);
/* All, ends with NULL. */
extern const struct ff_policy *const ff_policies[];

extern const struct ff_policy ff_policy_load, ff_policy_worksteal, ff_policy_loadscope,
	ff_policy_loadfile, ff_policy_loadgroup, ff_policy_auto, ff_policy_each, ff_policy_no;
/* Not of that list: nobody can ask for it by name. */
extern const struct ff_policy ff_policy_driven, ff_policy_shard;

/* A unit's file is its name up to "::": the length of that, and whether it is the same one. */
size_t ff_policy_file_len(const char *name);
bool ff_policy_same_file(const char *a, const char *b);

/* What policies with scopes share: one scope after the other. */
void ff_policy_pick_scopes(struct ff_queues *queues, uint32_t worker);

/* A unit that takes so long can wait for the way to and fro: nothing has to be queued behind it. */
#define FF_POLICY_LONG_US INT64_C(100000)

#endif
