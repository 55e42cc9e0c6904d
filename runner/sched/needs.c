/* Single units that need more than slots: memory, one of each of some pools, to be the only one of
 * their job, more slots than the others, the host that some others had. All of it is taken at once
 * when they are placed. While it is not there, others of the job are placed. */
#include <string.h>

#include "base/alloc.h"
#include "sched/private.h"

/* What the job's `uses` takes for each unit anyhow. */
static bool has_by_itself(const struct job *job, uint32_t pool)
{
	for (size_t i = 0; i < job->uses_len; i++)
		if (job->uses[i].pool == pool)
			return true;
	return false;
}

/* Whether all but room and memory is there. */
static bool may_hold(const struct ff_sched *sched, const struct job *job,
		     const struct ff_bound_kind *kind)
{
	if (kind->serial && job->placed > 0)
		return false;
	for (uint32_t i = 0; i < kind->pools_len; i++)
		if (kind->pools[i] < sched->counts.len && !sched->counts.free[kind->pools[i]] &&
		    !has_by_itself(job, kind->pools[i]))
			return false;
	return true;
}

static uint32_t times(uint32_t weight, uint32_t more)
{
	uint32_t product;

	return __builtin_mul_overflow(weight, more ? more : 1, &product) ? UINT32_MAX : product;
}

/* One that is to have its host for itself. */
static struct choice choose_alone(const struct ff_sched *sched, uint32_t number,
				  const struct ff_set_need *need)
{
	const struct job *job = &sched->jobs[number];
	struct choice choice = {NOBODY, NOBODY, false, NOBODY};
	uint32_t avoid, unit = ff_queues_peek_alone(job->queues, 0, &avoid);
	const struct ff_bound_kind *kind =
		unit == NOBODY ? NULL : ff_queues_needs(job->queues, unit);

	if (kind && !may_hold(sched, job, kind))
		return choice;
	choice.host = ff_sched_find_host(sched, number, need);
	choice.lacks_room = choice.host == NOBODY;
	return choice;
}

/* --- homes --- */

static uint32_t home_of(const struct job *job, const struct ff_bound_kind *kind)
{
	return kind->home > 0 && kind->home < job->homes_len ? job->homes[kind->home] : NOBODY;
}

static void settle(struct job *job, uint32_t home, uint32_t host)
{
	if (home >= job->homes_len) {
		uint32_t len = home + 1 > 2 * job->homes_len ? home + 1 : 2 * job->homes_len;

		job->homes = ff_xrealloc(job->homes, len * sizeof(*job->homes));
		memset(job->homes + job->homes_len, 0xff,
		       (len - job->homes_len) * sizeof(*job->homes));
		job->homes_len = len;
	}
	if (job->homes[home] == NOBODY)
		job->homes[home] = host;
}

void ff_sched_job_homeless(struct job *job, uint32_t host)
{
	for (uint32_t i = 0; i < job->homes_len; i++)
		if (job->homes[i] == host)
			job->homes[i] = NOBODY;
}

void ff_sched_homeless(struct ff_sched *sched, uint32_t host)
{
	for (uint32_t i = 0; i < sched->jobs_len; i++)
		ff_sched_job_homeless(&sched->jobs[i], host);
}

/* The host, if it is open to the job and has room. */
static uint32_t find_at(const struct ff_sched *sched, uint32_t number, uint32_t host,
			const struct ff_set_need *need)
{
	uint32_t kept_for = sched->sets.hosts[host].kept_for;

	return (kept_for == NOBODY || kept_for == number) && ff_sets_fits(&sched->sets, host, need)
		       ? host
		       : NOBODY;
}

/* --- choosing --- */

static void try_needs(const struct ff_sched *sched, uint32_t number, struct ff_set_need *need,
		      struct choice *choice)
{
	const struct job *job = &sched->jobs[number];
	const struct ff_bound_kind *kind = ff_queues_needs_at(job->queues, choice->needs);
	uint32_t home;

	need->memory = kind->memory;
	need->weight = times(job->weight, kind->weight);
	if (!may_hold(sched, job, kind))
		return;
	home = home_of(job, kind);
	choice->host = home != NOBODY ? find_at(sched, number, home, need)
				      : ff_sched_find_host(sched, number, need);
	if (choice->host != NOBODY)
		return;
	need->memory = 0;
	if ((home != NOBODY ? find_at(sched, number, home, need)
			    : ff_sched_find_host(sched, number, need)) != NOBODY)
		return;
	if (!choice->lacks_room)
		choice->where = home;
	choice->lacks_room = true;
}

static struct choice choose(const struct ff_sched *sched, uint32_t number, struct ff_set_need *need)
{
	const struct job *job = &sched->jobs[number];
	struct choice choice = {NOBODY, NOBODY, false, NOBODY};
	bool open_tried = false;

	if (!job->queues || job->sessions) {
		choice.host = ff_sched_find_host(sched, number, need);
		choice.lacks_room = choice.host == NOBODY;
		return choice;
	}
	if (need->alone)
		return choose_alone(sched, number, need);
	for (;;) {
		choice.needs = ff_queues_next_needs(job->queues, choice.needs);
		/* Those that need nothing more come before those that need to be alone. */
		if (!open_tried && ff_queues_open(job->queues) > 0 &&
		    (choice.needs == NOBODY ||
		     ff_queues_needs_at(job->queues, choice.needs)->serial)) {
			open_tried = true;
			need->memory = 0;
			need->weight = job->weight;
			choice.host = ff_sched_find_host(sched, number, need);
			choice.lacks_room |= choice.host == NOBODY;
			if (choice.host != NOBODY)
				choice.needs = NOBODY;
		}
		if (choice.host != NOBODY || choice.needs == NOBODY)
			return choice;
		try_needs(sched, number, need, &choice);
		if (choice.host != NOBODY)
			return choice;
	}
}

struct choice ff_sched_choose(const struct ff_sched *sched, uint32_t number,
			      struct ff_set_need *need)
{
	struct ff_set_need without = *need;
	struct choice choice = choose(sched, number, need);

	if (choice.host != NOBODY || !choice.lacks_room || !need->ration)
		return choice;
	/* Whether there would be room, were it not for the ration. */
	without.ration = NULL;
	choice.lacks_room = choose(sched, number, &without).host == NOBODY;
	return choice;
}

bool ff_sched_is_heavy(const struct job *job, uint32_t unit)
{
	const struct ff_bound_kind *kind = ff_queues_needs(job->queues, unit);

	return kind && kind->weight > 1;
}

void ff_sched_hold(struct ff_sched *sched, uint32_t number, uint32_t unit, uint32_t host)
{
	struct job *job = &sched->jobs[number];
	const struct ff_bound_kind *kind = ff_queues_needs(job->queues, unit);

	job->placed++;
	if (!kind)
		return;
	job->serial |= kind->serial;
	if (kind->home > 0)
		settle(job, kind->home, host);
	for (uint32_t i = 0; i < kind->pools_len; i++)
		if (kind->pools[i] < sched->counts.len && !has_by_itself(job, kind->pools[i]))
			sched->counts.free[kind->pools[i]]--;
}

void ff_sched_let_go(struct ff_sched *sched, uint32_t number, uint32_t unit)
{
	struct job *job = &sched->jobs[number];
	const struct ff_bound_kind *kind = ff_queues_needs(job->queues, unit);

	job->placed--;
	for (uint32_t i = 0; kind && i < kind->pools_len; i++)
		if (kind->pools[i] < sched->counts.len && !has_by_itself(job, kind->pools[i])) {
			sched->counts.free[kind->pools[i]]++;
			ff_sched_wake_pool(sched, kind->pools[i]);
			sched->counts.freed |= sched->shared;
		}
	if (kind && kind->serial) {
		job->serial = false;
		ff_sched_job_ready(sched, number);
	}
	if (kind || job->placed == 0)
		ff_sched_wake_hungry(sched);
}
