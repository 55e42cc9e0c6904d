/* Policies: how many units, and which, a worker is to have in its queue. One file each, with one
 * function; all they know and do goes through queues.h. */
#ifndef FF_SCHED_POLICY_H
#define FF_SCHED_POLICY_H

#include <stdint.h>

struct ff_queues;

struct ff_policy {
	const char *name; /* the word of `dist` */
	const char *help;
	/* Gives `worker` what it is to have now, by ff_queues_give_next; or nothing. */
	void (*pick)(struct ff_queues *queues, uint32_t worker);
};

/* "load", …; NULL: unknown. */
const struct ff_policy *ff_policy_find(const char *name);
/* All, ends with NULL. */
extern const struct ff_policy *const ff_policies[];

extern const struct ff_policy ff_policy_load;

#endif
