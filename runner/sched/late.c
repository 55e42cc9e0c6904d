/* Hosts that come when jobs have begun. */
#include "sched/private.h"

void ff_sched_job_also_on(struct ff_sched *sched, uint32_t number, uint32_t host)
{
	struct job *job = &sched->jobs[number];

	if (!job->started || ff_sched_job_hosts(sched, number, host))
		return;
	ff_pending_del(&ff_sched_set(sched, number)->ready, number);
	ff_pending_del(&ff_sched_set(sched, number)->starved, number);
	job->set = ff_sets_with(&sched->sets, job->set, host);
	ff_sched_job_ready(sched, number);
}
