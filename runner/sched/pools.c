/* Pools: a job that can't be placed stands in line at each of its pools, in the order of the jobs.
 * Those behind take only what the first leaves, or he would wait for ever. */
#include "base/alloc.h"
#include "sched/private.h"

static uint32_t amount_of(const struct job *job, uint32_t pool)
{
	for (size_t i = 0; i < job->uses_len; i++)
		if (job->uses[i].pool == pool)
			return job->uses[i].amount;
	return 0;
}

/* Whether it keeps others waiting: not if it wants nothing now, or has no host. */
static bool stands_in_line(const struct ff_sched *sched, uint32_t number)
{
	const struct job *job = &sched->jobs[number];

	return job->started && !job->stopped && ff_sched_wish(job).any &&
	       ff_sched_set(sched, number)->there > 0;
}

bool ff_sched_lacks_pools(const struct ff_sched *sched, uint32_t number)
{
	const struct job *job = &sched->jobs[number];

	for (size_t i = 0; i < job->uses_len; i++) {
		const struct pool *pool = &sched->pools[job->uses[i].pool];
		uint32_t first = ff_pending_next(&pool->waiting, 0);
		uint64_t need = job->uses[i].amount;

		if (first < number && stands_in_line(sched, first))
			need += amount_of(&sched->jobs[first], job->uses[i].pool);
		if (sched->counts.free[job->uses[i].pool] < need)
			return true;
	}
	return false;
}

void ff_sched_stand_in_line(struct ff_sched *sched, uint32_t number, bool stand)
{
	const struct job *job = &sched->jobs[number];

	for (size_t i = 0; i < job->uses_len; i++) {
		struct ff_pending *line = &sched->pools[job->uses[i].pool].waiting;

		if (stand)
			ff_pending_add(line, number);
		else
			ff_pending_del(line, number);
	}
}

void ff_sched_wake_pool(struct ff_sched *sched, uint32_t number)
{
	struct pool *pool = &sched->pools[number];
	uint32_t left = sched->counts.free[number];
	uint32_t job = ff_pending_next(&pool->waiting, 0);

	for (; left > 0 && job != NOBODY; job = ff_pending_next(&pool->waiting, job + 1)) {
		uint32_t amount = amount_of(&sched->jobs[job], number);

		ff_sched_job_ready(sched, job);
		if (stands_in_line(sched, job))
			left -= amount < left ? amount : left;
		else
			ff_pending_del(&pool->waiting, job);
	}
}

void ff_sched_wake_pools(struct ff_sched *sched, const struct job *job)
{
	for (size_t i = 0; i < job->uses_len; i++)
		ff_sched_wake_pool(sched, job->uses[i].pool);
}

uint32_t ff_sched_add_pool(struct ff_sched *sched, uint32_t size)
{
	uint32_t number = sched->pools_len++;

	sched->pools = ff_xrealloc(sched->pools, sched->pools_len * sizeof(*sched->pools));
	ff_pending_init(&sched->pools[number].waiting, sched->jobs_len, false);
	sched->counts.free =
		ff_xrealloc(sched->counts.free, sched->pools_len * sizeof(*sched->counts.free));
	sched->counts.free[number] = size;
	sched->counts.len = sched->pools_len;
	return number;
}

bool ff_sched_pools_freed(struct ff_sched *sched)
{
	bool freed = sched->counts.freed;

	sched->counts.freed = false;
	for (uint32_t i = 0; freed && i < sched->pools_len; i++)
		ff_sched_wake_pool(sched, i);
	if (freed)
		ff_sched_wake_hungry(sched);
	return freed;
}
