/* Units that follow others of their job on the same slots, without a turn of their own. */
#include "sched/private.h"

/* Whether no job but this one waits for room on the host, as far as its turn comes first. */
static bool is_first_on(const struct ff_sched *sched, uint32_t number, uint32_t host)
{
	for (uint32_t i = 0; i < sched->sets.len; i++) {
		const struct ff_set *set = &sched->sets.sets[i];

		if (!ff_set_has(set, host))
			continue;
		if ((set->ready.len > 0 && ff_pending_first(&set->ready) < number) ||
		    (set->starved.len > 0 && ff_pending_first(&set->starved) < number))
			return false;
	}
	return true;
}

/* Whether an earlier job may want what it has of the host's memory and CPUs. */
static bool is_awaited(const struct ff_sched *sched, const struct ff_placement *placement)
{
	return placement->rationed && sched->hungry.len > 0 &&
	       ff_pending_first(&sched->hungry) < placement->job;
}

bool ff_sched_place_behind(struct ff_sched *sched, const struct ff_placement *before,
			   uint32_t spare, struct ff_placement *placement)
{
	const struct job *job = &sched->jobs[before->job];
	const struct ff_set_host *host = &sched->sets.hosts[before->host];

	if (!job->started || job->stopped || job->sessions || !job->queues || job->uses_len > 0 ||
	    before->alone || job->serial || ff_sched_is_heavy(job, before->unit) || !host->up ||
	    host->draining || host->kept_for != NOBODY || ff_queues_open(job->queues) <= spare ||
	    ff_queues_shunned_host(job->queues) == before->host ||
	    !is_first_on(sched, before->job, before->host) || is_awaited(sched, before))
		return false;
	*placement = (struct ff_placement){
		.job = before->job,
		.host = before->host,
		.unit = ff_queues_take(job->queues),
		.ahead = true,
	};
	ff_sched_hold(sched, before->job, placement->unit, before->host);
	return true;
}

void ff_sched_pass(struct ff_placement *before, struct ff_placement *placement)
{
	placement->slots = before->slots;
	placement->rationed = before->rationed;
	before->slots = 0;
	before->rationed = false;
}
