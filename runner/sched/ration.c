/* Counting what is declared on each host. A job that finds slots but not enough of these waits like
 * one that finds no memory (memory.c), and is promised one host: there, others take only what it
 * leaves, so that many small units can't keep a large one waiting. */
#include "sched/ration.h"

#include "sched/private.h"

bool ff_ration_any(const struct ff_ration *ration)
{
	return ration->amount.memory > 0 || ration->amount.cpu > 0 || ration->memory_percent > 0 ||
	       ration->cpu_percent > 0;
}

static int64_t share(int64_t amount, uint32_t percent, int64_t there)
{
	return percent == 0 ? amount : there / 100 * percent + there % 100 * percent / 100;
}

struct ff_capacity ff_ration_on(const struct ff_ration *ration, const struct ff_capacity *there)
{
	return (struct ff_capacity){
		share(ration->amount.memory, ration->memory_percent, there->memory),
		share(ration->amount.cpu, ration->cpu_percent, there->cpu),
	};
}

static bool fits(int64_t need, int64_t there, int64_t taken)
{
	return need == 0 || there == 0 || need <= there - taken;
}

bool ff_ration_fits(const struct ff_ration *ration, const struct ff_capacity *there,
		    const struct ff_capacity *taken)
{
	struct ff_capacity need = ff_ration_on(ration, there);

	return fits(need.memory, there->memory, taken->memory) &&
	       fits(need.cpu, there->cpu, taken->cpu);
}

/* --- what is taken --- */

static struct ff_capacity ration_of(const struct ff_sched *sched,
				    const struct ff_placement *placement)
{
	static const struct ff_capacity unknown;
	const struct ff_capacity *all = sched->sets.capacity;

	return ff_ration_on(&sched->jobs[placement->job].ration,
			    all ? &all[placement->host] : &unknown);
}

void ff_sched_take_ration(struct ff_sched *sched, struct ff_placement *placement)
{
	struct ff_capacity ration = ration_of(sched, placement);

	placement->rationed = true;
	sched->counts.memory_taken[placement->host] += ration.memory;
	sched->cpu_taken[placement->host] += ration.cpu;
}

void ff_sched_return_ration(struct ff_sched *sched, const struct ff_placement *placement)
{
	struct ff_capacity ration = ration_of(sched, placement);

	if (!placement->rationed)
		return;
	sched->counts.memory_taken[placement->host] -= ration.memory;
	sched->cpu_taken[placement->host] -= ration.cpu;
	/* Tests of a session may have waited for the memory. */
	sched->counts.freed |= sched->shared && ration.memory > 0;
	ff_sched_wake_hungry(sched);
}

/* --- promises --- */

/* Of hosts that could have it, were nothing there, and that no earlier job has been promised: the
 * one with the most slots free. */
static uint32_t host_to_promise(const struct ff_sched *sched, uint32_t number)
{
	static const struct ff_capacity nothing;
	const struct job *job = &sched->jobs[number];
	const struct ff_sets *sets = &sched->sets;
	uint32_t best = NOBODY;

	for (uint32_t i = 0; i < sets->hosts_len; i++) {
		const struct ff_set_host *host = &sets->hosts[i];

		if (!ff_set_has(ff_sched_set(sched, number), i) || !host->up || host->draining ||
		    (host->promised && host->promised_to <= number) ||
		    (sets->capacity && !ff_ration_fits(&job->ration, &sets->capacity[i], &nothing)))
			continue;
		if (best == NOBODY || host->free > sets->hosts[best].free)
			best = i;
	}
	return best;
}

void ff_sched_promise(struct ff_sched *sched, uint32_t number)
{
	struct job *job = &sched->jobs[number];
	uint32_t host;

	if (job->promised > 0 || !ff_ration_any(&job->ration))
		return;
	host = host_to_promise(sched, number);
	if (host == NOBODY)
		return;
	ff_sched_host_promised_no_more(sched, host);
	job->promised = host + 1;
	sched->sets.hosts[host].promised_to = number;
	sched->sets.hosts[host].promised = &job->ration;
}

bool ff_sched_promise_over(struct ff_sched *sched, uint32_t number)
{
	struct job *job = &sched->jobs[number];

	if (job->promised == 0)
		return false;
	sched->sets.hosts[job->promised - 1].promised = NULL;
	job->promised = 0;
	return true;
}

void ff_sched_host_promised_no_more(struct ff_sched *sched, uint32_t host)
{
	if (sched->sets.hosts[host].promised)
		ff_sched_promise_over(sched, sched->sets.hosts[host].promised_to);
}
