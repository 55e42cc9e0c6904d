/* Placing: free slots of hosts, the jobs that want them, and pools. A job that can't go on is
 * parked at what it waits for (a pool, a host that is kept free for it), and nobody looks at it
 * until that has come. */
#include "sched/sched.h"

#include <string.h>

#include "base/alloc.h"
#include "sched/private.h"

/* --- life --- */

struct ff_sched *ff_sched_new(const struct ff_sched_opts *opts)
{
	struct ff_sched *sched = ff_xcalloc(1, sizeof(*sched));

	ff_sets_init(&sched->sets, opts->hosts, opts->jobs);
	sched->counts.memory_taken =
		ff_xcalloc((size_t)opts->hosts + 1, sizeof(*sched->counts.memory_taken));
	sched->sets.memory = opts->host_memory;
	sched->sets.taken = sched->counts.memory_taken;
	sched->sets.capacity = opts->host_capacity;
	sched->sets.cpu_taken = sched->cpu_taken =
		ff_xcalloc((size_t)opts->hosts + 1, sizeof(*sched->cpu_taken));
	sched->jobs_len = opts->jobs;
	sched->jobs = ff_xcalloc((size_t)opts->jobs + 1, sizeof(*sched->jobs));
	ff_pending_init(&sched->urgent, opts->jobs, false);
	ff_pending_init(&sched->hungry, opts->jobs, false);
	sched->pools_len = opts->pools_len;
	sched->pools = ff_xcalloc((size_t)opts->pools_len + 1, sizeof(*sched->pools));
	sched->counts.free = ff_xcalloc((size_t)opts->pools_len + 1, sizeof(*sched->counts.free));
	sched->counts.len = opts->pools_len;
	for (uint32_t i = 0; i < opts->pools_len; i++) {
		sched->counts.free[i] = opts->pools[i];
		ff_pending_init(&sched->pools[i].waiting, opts->jobs, false);
	}
	return sched;
}

void ff_sched_free(struct ff_sched *sched)
{
	if (!sched)
		return;
	for (uint32_t i = 0; i < sched->jobs_len; i++) {
		ff_free(sched->jobs[i].uses);
		ff_free(sched->jobs[i].coming_to);
		ff_free(sched->jobs[i].homes);
		ff_queues_free(sched->jobs[i].queues);
	}
	for (uint32_t i = 0; i < sched->pools_len; i++)
		ff_pending_release(&sched->pools[i].waiting);
	ff_pending_release(&sched->urgent);
	ff_pending_release(&sched->hungry);
	ff_sets_release(&sched->sets);
	ff_free(sched->jobs);
	ff_free(sched->pools);
	ff_free(sched->counts.free);
	ff_free(sched->counts.memory_taken);
	ff_free(sched->cpu_taken);
	ff_free(sched);
}

/* --- who is looked at again --- */

struct ff_set *ff_sched_set(const struct ff_sched *sched, uint32_t job)
{
	return &sched->sets.sets[sched->jobs[job].set];
}

void ff_sched_job_ready(struct ff_sched *sched, uint32_t number)
{
	if (!sched->jobs[number].started || sched->jobs[number].stopped)
		return;
	ff_pending_del(&ff_sched_set(sched, number)->starved, number);
	ff_pending_del(&sched->hungry, number);
	ff_pending_add(&ff_sched_set(sched, number)->ready, number);
}

static void wake_starved(struct ff_sched *sched, const struct ff_set *set)
{
	if (set->starved.len > 0)
		ff_sched_job_ready(sched, ff_pending_first(&set->starved));
}

/* Whether its sessions must be on certain hosts. */
static bool has_seats(const struct job *job)
{
	return job->sessions && job->queues && ff_queues_has_seats(job->queues);
}

/* The host has more room than it had. */
static void more_room(struct ff_sched *sched, uint32_t number)
{
	uint32_t kept_for = sched->sets.hosts[number].kept_for;

	ff_sets_show(&sched->sets, number);
	if (kept_for != NOBODY) {
		ff_sched_job_ready(sched, kept_for);
		ff_pending_add(&sched->urgent, kept_for);
	}
	for (uint32_t i = 0; i < sched->sets.len; i++)
		if (ff_set_has(&sched->sets.sets[i], number))
			wake_starved(sched, &sched->sets.sets[i]);
	for (uint32_t i = 0; sched->seated && i < sched->jobs_len; i++)
		if (has_seats(&sched->jobs[i]))
			ff_sched_job_ready(sched, i);
}

/* The host is open to all again. */
static void keep_no_more(struct ff_sched *sched, uint32_t number)
{
	uint32_t job = sched->sets.hosts[number].kept_for;

	if (job == NOBODY)
		return;
	sched->sets.hosts[number].kept_for = NOBODY;
	sched->jobs[job].kept = NOBODY;
	ff_pending_del(&sched->urgent, job);
	ff_sched_job_ready(sched, job);
	more_room(sched, number);
}

/* --- wishes --- */

struct wish ff_sched_wish(const struct job *job)
{
	struct ff_queues *queues = job->queues;
	struct wish wish = {.avoid = NOBODY};

	if (job->no_sessions || job->serial || (job->most && job->there >= job->most)) {
		wish.any = false;
	} else if (!queues) {
		wish.any = job->sessions || (job->discover && job->coming == 0);
	} else if (ff_queues_waiting(queues) > (job->sessions ? job->coming : 0)) {
		wish.any = true;
	} else if (ff_queues_waiting(queues) == 0 &&
		   ff_queues_alone_waiting(queues) > job->coming) {
		wish.any = wish.alone = true;
		/* Those before it are for sessions that are coming. */
		ff_queues_peek_alone(queues, job->coming, &wish.avoid);
	}
	return wish;
}

/* It wants nothing more: whatever was held for it is for others. */
static void step_aside(struct ff_sched *sched, uint32_t number)
{
	const struct job *job = &sched->jobs[number];
	struct ff_set *set = ff_sched_set(sched, number);

	if (job->kept != NOBODY)
		keep_no_more(sched, job->kept);
	ff_pending_del(&set->ready, number);
	ff_pending_del(&set->starved, number);
	ff_pending_del(&sched->hungry, number);
	ff_sched_stand_in_line(sched, number, false);
	wake_starved(sched, set);
	ff_sched_wake_pools(sched, job);
	if (ff_sched_promise_over(sched, number))
		ff_sched_wake_hungry(sched);
}

/* --- hosts --- */

void ff_sched_host_up(struct ff_sched *sched, uint32_t host, uint32_t slots)
{
	struct ff_set_host *h = &sched->sets.hosts[host];

	keep_no_more(sched, host);
	h->slots = h->free = slots ? slots : 1;
	h->up = true;
	h->draining = false;
	more_room(sched, host);
	ff_sched_wake_hungry(sched);
}

/* Jobs that have no host any more leave the pools to others. */
static void host_closed(struct ff_sched *sched, uint32_t host)
{
	keep_no_more(sched, host);
	ff_sched_host_promised_no_more(sched, host);
	ff_sched_homeless(sched, host);
	ff_sets_show(&sched->sets, host);
	for (uint32_t i = 0; i < sched->pools_len; i++)
		ff_sched_wake_pool(sched, i);
	/* Units that waited for it, to avoid another one, may go there now. */
	for (uint32_t i = 0; i < sched->sets.len; i++)
		while (ff_set_has(&sched->sets.sets[i], host) &&
		       sched->sets.sets[i].starved.len > 0)
			wake_starved(sched, &sched->sets.sets[i]);
	ff_sched_wake_hungry(sched);
}

void ff_sched_host_down(struct ff_sched *sched, uint32_t host)
{
	sched->sets.hosts[host].up = false;
	sched->sets.hosts[host].free = 0;
	host_closed(sched, host);
}

void ff_sched_host_drain(struct ff_sched *sched, uint32_t host)
{
	sched->sets.hosts[host].draining = true;
	host_closed(sched, host);
}

uint32_t ff_sched_host_free_slots(const struct ff_sched *sched, uint32_t host)
{
	return sched->sets.hosts[host].up ? sched->sets.hosts[host].free : 0;
}

/* --- jobs --- */

void ff_sched_job_start(struct ff_sched *sched, uint32_t number,
			const struct ff_sched_job_opts *opts)
{
	struct job *job = &sched->jobs[number];

	*job = (struct job){
		.started = true,
		.sessions = opts->sessions,
		.discover = opts->discover,
		.weight = opts->weight ? opts->weight : 1,
		.most = opts->most,
		.uses_len = opts->uses_len,
		.ration = opts->ration,
		.kept = NOBODY,
	};
	if (opts->uses_len > 0)
		job->uses = memcpy(ff_xmalloc(opts->uses_len * sizeof(*job->uses)), opts->uses,
				   opts->uses_len * sizeof(*job->uses));
	job->set = ff_sets_enter(&sched->sets, opts->hosts);
	ff_sched_job_ready(sched, number);
}

void ff_sched_job_units(struct ff_sched *sched, uint32_t number, const struct ff_queues_opts *units)
{
	struct job *job = &sched->jobs[number];
	struct ff_queues_opts with_pools = *units;

	ff_queues_free(job->queues);
	with_pools.pools = &sched->counts;
	job->queues = ff_queues_new(&with_pools);
	sched->seated |= has_seats(job);
	sched->shared |= units->parts > 0; /* what these need comes with them */
	for (size_t i = 0; job->sessions && i < units->claims_len && !sched->shared; i++)
		sched->shared = units->claims[i].pools_len > 0 || units->claims[i].memory > 0;
	if (job->stopped)
		ff_queues_stop(job->queues);
	ff_sched_job_ready(sched, number);
}

void ff_sched_job_more(struct ff_sched *sched, uint32_t number, uint32_t units)
{
	ff_queues_more(sched->jobs[number].queues, units);
	ff_sched_job_ready(sched, number);
}

void ff_sched_job_stop(struct ff_sched *sched, uint32_t number)
{
	struct job *job = &sched->jobs[number];

	if (!job->started || job->stopped)
		return;
	job->stopped = true;
	if (job->queues)
		ff_queues_stop(job->queues);
	step_aside(sched, number);
}

void ff_sched_job_end(struct ff_sched *sched, uint32_t number)
{
	struct job *job = &sched->jobs[number];

	if (!job->started)
		return;
	ff_sched_job_stop(sched, number);
	ff_sets_leave(&sched->sets, job->set);
	ff_queues_free(job->queues);
	ff_free(job->uses);
	ff_free(job->coming_to);
	ff_free(job->homes);
	*job = (struct job){.kept = NOBODY};
}

bool ff_sched_job_hosts(const struct ff_sched *sched, uint32_t job, uint32_t host)
{
	return sched->jobs[job].started && ff_set_has(ff_sched_set(sched, job), host);
}

void ff_sched_job_not_on(struct ff_sched *sched, uint32_t number, uint32_t host)
{
	struct job *job = &sched->jobs[number];

	if (!ff_sched_job_hosts(sched, number, host))
		return;
	if (job->kept == host)
		keep_no_more(sched, host);
	if (job->promised == host + 1)
		ff_sched_promise_over(sched, number);
	ff_sched_job_homeless(job, host);
	ff_pending_del(&ff_sched_set(sched, number)->ready, number);
	ff_pending_del(&ff_sched_set(sched, number)->starved, number);
	job->set = ff_sets_without(&sched->sets, job->set, host);
	ff_sched_job_ready(sched, number);
	/* It may have been the last. */
	ff_sched_wake_pools(sched, job);
}

uint32_t ff_sched_waiting(const struct ff_sched *sched, uint32_t job)
{
	const struct ff_queues *queues = sched->jobs[job].queues;

	return queues ? ff_queues_waiting(queues) + ff_queues_alone_waiting(queues) : 0;
}

struct ff_queues *ff_sched_queues(const struct ff_sched *sched, uint32_t job)
{
	return sched->jobs[job].queues;
}

void ff_sched_again(struct ff_sched *sched, uint32_t number, uint32_t unit, bool alone,
		    uint32_t avoid)
{
	struct job *job = &sched->jobs[number];

	if (!job->queues)
		return;
	if (alone)
		ff_queues_again_alone(job->queues, unit, avoid);
	else
		ff_queues_again(job->queues, unit);
	ff_sched_job_ready(sched, number);
}

void ff_sched_retry(struct ff_sched *sched, uint32_t number, uint32_t unit, uint32_t worker,
		    uint32_t host)
{
	if (!sched->jobs[number].queues)
		return;
	ff_queues_retry(sched->jobs[number].queues, unit, worker, host);
	ff_sched_job_ready(sched, number);
}

void ff_sched_no_sessions(struct ff_sched *sched, uint32_t job)
{
	sched->jobs[job].no_sessions = true;
	if (sched->jobs[job].started)
		step_aside(sched, job);
}

void ff_sched_job_most(struct ff_sched *sched, uint32_t job, uint32_t most)
{
	sched->jobs[job].most = most;
	sched->jobs[job].no_sessions = false;
	ff_sched_job_ready(sched, job);
}

void ff_sched_wake(struct ff_sched *sched, uint32_t job)
{
	ff_sched_job_ready(sched, job);
}

void ff_sched_session_up(struct ff_sched *sched, const struct ff_placement *placement)
{
	struct job *job = &sched->jobs[placement->job];

	if (job->coming > 0)
		job->coming--;
	if (job->coming_to && job->coming_to[placement->host] > 0)
		job->coming_to[placement->host]--;
	ff_sched_job_ready(sched, placement->job);
}

/* One more is placed there, and not up yet. */
static void comes(const struct ff_sched *sched, struct job *job, uint32_t host)
{
	job->coming++;
	if (!job->sessions)
		return;
	if (!job->coming_to)
		job->coming_to = ff_xcalloc(sched->sets.hosts_len, sizeof(*job->coming_to));
	job->coming_to[host]++;
}

/* --- placing --- */

/* No host has room enough: the one with the most is kept free for the job from now on. Where all
 * are full the next to have some will be it. */
static void keep_a_host(struct ff_sched *sched, uint32_t number, uint32_t avoid, uint32_t only)
{
	uint32_t best = only != NOBODY ? only : ff_set_roomiest(ff_sched_set(sched, number), avoid);

	if (best == NOBODY || sched->sets.hosts[best].kept_for != NOBODY)
		return;
	sched->sets.hosts[best].kept_for = number;
	sched->jobs[number].kept = best;
	ff_sets_show(&sched->sets, best);
}

static void place_on(struct ff_sched *sched, uint32_t number, uint32_t host,
		     const struct ff_set_need *need, uint32_t needs, struct ff_placement *placement)
{
	struct job *job = &sched->jobs[number];

	*placement = (struct ff_placement){
		.job = number,
		.host = host,
		.unit = NOBODY,
		.slots = ff_sets_slots(&sched->sets.hosts[host], need),
		.alone = need->alone,
	};
	if (job->sessions || !job->queues)
		comes(sched, job, host);
	job->there += job->sessions;
	if (!job->sessions && job->queues) {
		placement->unit = need->alone	    ? ff_queues_take_alone(job->queues)
				  : needs != NOBODY ? ff_queues_take_with(job->queues, needs)
						    : ff_queues_take(job->queues);
		ff_sched_hold(sched, number, placement->unit, host);
	}
	sched->sets.hosts[host].free -= placement->slots;
	sched->counts.memory_taken[host] += need->memory;
	if (need->ration)
		ff_sched_take_ration(sched, placement);
	ff_sets_show(&sched->sets, host);
	if (job->kept != NOBODY)
		keep_no_more(sched, job->kept);
	for (size_t i = 0; i < job->uses_len; i++)
		sched->counts.free[job->uses[i].pool] -= job->uses[i].amount;
	ff_sched_stand_in_line(sched, number, false);
	wake_starved(sched, ff_sched_set(sched, number));
	ff_sched_wake_pools(sched, job);
	if (ff_sched_promise_over(sched, number))
		ff_sched_wake_hungry(sched);
}

enum want { WANT_POOLS, WANT_ROOM, WANT_NEEDS };

/* It can't be placed now, for want of something. */
static void park(struct ff_sched *sched, uint32_t number, enum want want)
{
	struct job *job = &sched->jobs[number];
	struct ff_set *set = ff_sched_set(sched, number);

	/* Nobody keeps a host while he waits for what another may have who waits for the host. */
	if (want != WANT_ROOM && job->kept != NOBODY)
		keep_no_more(sched, job->kept);
	if (want == WANT_POOLS && ff_sched_promise_over(sched, number))
		ff_sched_wake_hungry(sched);
	ff_pending_del(&set->ready, number);
	ff_sched_stand_in_line(sched, number, true);
	if (want == WANT_ROOM) {
		ff_pending_add(&set->starved, number);
		return;
	}
	if (want == WANT_NEEDS)
		ff_pending_add(&sched->hungry, number);
	ff_pending_del(&set->starved, number);
	wake_starved(sched, set);
}

/* A host with room on which a part of the job waits that can run only there; NOBODY. Looks at all
 * hosts, for jobs that run everything on each of them anyway. */
static uint32_t host_of_seat(const struct ff_sched *sched, uint32_t number,
			     const struct ff_set_need *need)
{
	const struct job *job = &sched->jobs[number];

	for (uint32_t i = 0; i < sched->sets.seen; i++) {
		uint32_t kept_for = sched->sets.hosts[i].kept_for;
		uint32_t coming = job->coming_to ? job->coming_to[i] : 0;

		/* It may have been kept for this very job before that had seats. */
		if (ff_set_has(ff_sched_set(sched, number), i) &&
		    (kept_for == NOBODY || kept_for == number) &&
		    ff_sets_fits(&sched->sets, i, need) &&
		    ff_queues_seats_wait(job->queues, i) > coming)
			return i;
	}
	return NOBODY;
}

/* One try for the job that comes first; true: it was placed. Else it is not ready any more. */
static bool try_place(struct ff_sched *sched, uint32_t number, struct ff_placement *placement)
{
	struct job *job = &sched->jobs[number];
	const struct ff_set *set = ff_sched_set(sched, number);
	struct wish wish = ff_sched_wish(job);
	struct ff_set_need need = {job->weight, wish.avoid, wish.alone, 0, NULL};
	struct choice choice = {NOBODY, NOBODY, true, NOBODY};

	if (!wish.any) {
		step_aside(sched, number);
		return false;
	}
	if (job->queues && !job->sessions && ff_ration_any(&job->ration))
		need.ration = &job->ration;
	if (has_seats(job)) {
		sched->seated = true;
		choice.host = host_of_seat(sched, number, &need);
		/* It keeps no host, and no pools: until there is room just where it must run. */
		if (choice.host == NOBODY) {
			step_aside(sched, number);
			return false;
		}
	}
	if (ff_sched_lacks_pools(sched, number)) {
		park(sched, number, WANT_POOLS);
		return false;
	}
	if (need.avoid != NOBODY && !ff_sets_other_there(&sched->sets, set, need.avoid))
		need.avoid = NOBODY;
	if (job->kept != NOBODY && job->kept == need.avoid)
		keep_no_more(sched, job->kept);
	if (!has_seats(job))
		choice = ff_sched_choose(sched, number, &need);
	if (choice.host != NOBODY) {
		place_on(sched, number, choice.host, &need, choice.needs, placement);
		placement->anywhere = need.avoid != wish.avoid;
		return true;
	}
	/* There is room: others may have it. */
	if (!choice.lacks_room) {
		if (need.ration)
			ff_sched_promise(sched, number);
		park(sched, number, WANT_NEEDS);
		return false;
	}
	if (job->kept == NOBODY)
		keep_a_host(sched, number, need.avoid, choice.where);
	park(sched, number, WANT_ROOM);
	return false;
}

/* The set whose first ready job comes first, of those with something free. */
static const struct ff_set *set_to_serve(const struct ff_sched *sched)
{
	const struct ff_set *best = NULL;

	for (uint32_t i = 0; i < sched->sets.len; i++) {
		const struct ff_set *set = &sched->sets.sets[i];

		if (set->ready.len == 0 || ff_tournament_empty(&set->most))
			continue;
		if (!best || ff_pending_first(&set->ready) < ff_pending_first(&best->ready))
			best = set;
	}
	return best;
}

bool ff_sched_place(struct ff_sched *sched, struct ff_placement *placement)
{
	const struct ff_set *set;

	for (;;) {
		uint32_t job;

		if (sched->urgent.len > 0)
			job = ff_pending_take(&sched->urgent);
		else if ((set = set_to_serve(sched)))
			job = ff_pending_first(&set->ready);
		else
			return false;
		if (try_place(sched, job, placement))
			return true;
	}
}

void ff_sched_return_pools(struct ff_sched *sched, const struct ff_placement *placement)
{
	struct job *job = &sched->jobs[placement->job];
	int64_t memory = ff_sched_memory_of(sched, placement);

	job->there -= job->sessions;
	for (size_t i = 0; i < job->uses_len; i++)
		sched->counts.free[job->uses[i].pool] += job->uses[i].amount;
	ff_sched_wake_pools(sched, job);
	sched->counts.memory_taken[placement->host] -= memory;
	ff_sched_return_ration(sched, placement);
	if (!job->sessions && job->queues && placement->unit != NOBODY)
		ff_sched_let_go(sched, placement->job, placement->unit);
	else if (memory > 0)
		ff_sched_wake_hungry(sched);
	sched->counts.freed |= sched->shared && (memory > 0 || job->uses_len > 0);
}

void ff_sched_return(struct ff_sched *sched, const struct ff_placement *placement)
{
	ff_sched_return_pools(sched, placement);
	sched->sets.hosts[placement->host].free += placement->slots;
	more_room(sched, placement->host);
}
