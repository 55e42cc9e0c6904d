/* Memory: single units whose claims say how much they need, and those that wait for it. They keep
 * no host free meanwhile: others, that need none, run beside what has it. */
#include "sched/private.h"

/* Memory of some host may be there for those that wait for it. */
void ff_sched_wake_hungry(struct ff_sched *sched)
{
	while (sched->hungry.len > 0)
		ff_sched_job_ready(sched, ff_pending_take(&sched->hungry));
}

uint32_t ff_sched_find_host(const struct ff_sched *sched, uint32_t number,
			    const struct ff_set_need *need)
{
	const struct ff_queues *queues = sched->jobs[number].queues;
	const struct ff_set *set = ff_sched_set(sched, number);
	uint32_t kept = sched->jobs[number].kept, host = NOBODY;
	struct ff_set_need elsewhere = *need;

	if (kept != NOBODY && ff_sets_fits(&sched->sets, kept, need))
		return kept;
	/* Rather than where the next unit failed, if it is that which is placed. */
	if (queues && !need->alone && need->memory == 0)
		elsewhere.avoid = ff_queues_shunned_host(queues);
	if (elsewhere.avoid != need->avoid && elsewhere.avoid != NOBODY)
		host = ff_sets_find(&sched->sets, set, &elsewhere);
	return host != NOBODY ? host : ff_sets_find(&sched->sets, set, need);
}

/* What place_on took for it: of a unit that has its host for itself, nothing. */
int64_t ff_sched_memory_of(const struct ff_sched *sched, const struct ff_placement *placement)
{
	const struct ff_queues *queues = sched->jobs[placement->job].queues;

	return queues && placement->unit != NOBODY && !placement->alone
		       ? ff_queues_memory(queues, placement->unit)
		       : 0;
}
