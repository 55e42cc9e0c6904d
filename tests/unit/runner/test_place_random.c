/* Placing, driven by a simulation: hosts come and go, jobs of all kinds want slots and pools. After
 * each step the books must balance; nothing waits while it could be run on an idle cluster; and in
 * the end all of it was run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "random.h"
#include "sched/sched.h"

enum { HOSTS = 7, JOBS = 9, POOLS = 3, UNITS_MAX = 60, USES_MAX = 3, RUNS_MAX = 200 };
enum { WORDS = HOSTS / 64 + 1 };

#define NOBODY UINT32_MAX

enum kind { SINGLE, SESSIONS, DISCOVER };

struct unit {
	bool running, done;
	bool alone;
	uint32_t avoid;
	unsigned attempts;
	int64_t memory; /* that it says it needs; of single ones */
};

struct job {
	enum kind kind;
	bool started, known, stopped, ended, closed; /* closed: gets no more sessions */
	uint64_t hosts[WORDS];
	uint32_t weight;
	struct ff_sched_uses uses[USES_MAX];
	size_t uses_len;
	struct unit units[UNITS_MAX];
	uint32_t units_len;
	uint32_t live; /* placements */
	uint32_t next_number;
	uint64_t done_before[1];
};

struct host {
	uint32_t slots, used, running;
	bool up, draining, has_alone;
};

static const int64_t host_memory[HOSTS] = {100, 100, 0, 60, 100, 30, 100}; /* 0: unknown */

/* Something that was placed. */
struct run {
	struct ff_placement p;
	bool up; /* a session that is known to the queues */
	bool ended;
	uint32_t number;
	uint32_t queue[UNITS_MAX];
	uint32_t head, tail;
	bool begun; /* the first of the queue runs */
};

struct world {
	struct ff_sched *sched;
	struct host hosts[HOSTS];
	struct job jobs[JOBS];
	uint32_t pools[POOLS], used[POOLS];
	struct run runs[RUNS_MAX];
	uint32_t runs_len;
	uint64_t placed;
};

/* --- the model's own view --- */

static bool in_set(const struct job *job, uint32_t host)
{
	return job->hosts[host / 64] >> host % 64 & 1;
}

static bool usable(const struct world *w, uint32_t host)
{
	return w->hosts[host].up && !w->hosts[host].draining;
}

static uint32_t usable_hosts(const struct world *w, const struct job *job, uint32_t but)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < HOSTS; i++)
		count += i != but && in_set(job, i) && usable(w, i);
	return count;
}

static uint32_t not_done(const struct job *job)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < job->units_len; i++)
		count += !job->units[i].done;
	return count;
}

static bool wants(const struct job *job)
{
	if (!job->started || job->stopped || job->ended || job->closed)
		return false;
	return job->known ? not_done(job) > 0 : job->kind != SINGLE;
}

/* Units that say what memory they need have that beside each other, or are the only such. */
static void check_memory(const struct world *w)
{
	int64_t taken[HOSTS] = {0};
	uint32_t needy[HOSTS] = {0};

	for (uint32_t i = 0; i < w->runs_len; i++) {
		const struct ff_placement *p = &w->runs[i].p;
		int64_t memory = p->unit == NOBODY ? 0 : w->jobs[p->job].units[p->unit].memory;

		taken[p->host] += memory;
		needy[p->host] += memory > 0;
	}
	for (uint32_t i = 0; i < HOSTS; i++)
		assert_true(host_memory[i] == 0 || needy[i] < 2 || taken[i] <= host_memory[i]);
}

/* What the scheduler says must be what happened. */
static void check_books(const struct world *w)
{
	for (uint32_t i = 0; i < HOSTS; i++) {
		const struct host *host = &w->hosts[i];

		assert_true(host->used <= host->slots || !host->up);
		assert_int_equal(ff_sched_host_free_slots(w->sched, i),
				 host->up ? host->slots - host->used : 0);
	}
	for (uint32_t i = 0; i < POOLS; i++)
		assert_true(w->used[i] <= w->pools[i]);
	check_memory(w);
}

static void check_not_stuck(const struct world *w)
{
	if (w->runs_len > 0)
		return;
	for (uint32_t i = 0; i < JOBS; i++)
		if (wants(&w->jobs[i]) && usable_hosts(w, &w->jobs[i], NOBODY) > 0)
			fail_msg("nothing runs, and job %u has a host", i);
}

static void check_placement(const struct world *w, const struct ff_placement *p)
{
	const struct job *job = &w->jobs[p->job];
	const struct host *host = &w->hosts[p->host];
	uint32_t slots = job->weight < host->slots ? job->weight : host->slots;

	assert_true(wants(job));
	assert_true(usable(w, p->host) && in_set(job, p->host));
	assert_true(ff_sched_job_hosts(w->sched, p->job, p->host));
	assert_false(host->has_alone);
	assert_int_equal(p->slots, p->alone ? host->slots : slots);
	if (p->alone)
		assert_int_equal(host->running, 0);
	if (p->anywhere)
		assert_true(p->alone && usable_hosts(w, job, p->host) == 0);
	assert_int_equal(p->unit == NOBODY, job->kind == SESSIONS || !job->known);
	if (p->unit == NOBODY)
		return;
	assert_false(job->units[p->unit].running || job->units[p->unit].done);
	assert_int_equal(job->units[p->unit].alone, p->alone);
	if (p->alone && job->units[p->unit].avoid == p->host)
		assert_true(p->anywhere);
}

/* --- what happens --- */

static void take(struct world *w, const struct ff_placement *p)
{
	struct job *job = &w->jobs[p->job];

	assert_true(w->runs_len < RUNS_MAX);
	w->runs[w->runs_len++] = (struct run){.p = *p};
	w->placed++;
	job->live++;
	w->hosts[p->host].used += p->slots;
	w->hosts[p->host].running++;
	w->hosts[p->host].has_alone = p->alone;
	for (size_t i = 0; i < job->uses_len; i++)
		w->used[job->uses[i].pool] += job->uses[i].amount;
	if (p->unit != NOBODY)
		job->units[p->unit].running = true;
}

static void place_all(struct world *w)
{
	struct ff_placement p;

	while (ff_sched_place(w->sched, &p)) {
		check_placement(w, &p);
		take(w, &p);
		check_books(w);
	}
	assert_false(ff_sched_place(w->sched, &p));
	check_not_stuck(w);
}

/* It has ended; with its host, or without. */
static void give_back(struct world *w, uint32_t at, bool host_lost)
{
	struct ff_placement p = w->runs[at].p;
	struct job *job = &w->jobs[p.job];

	w->runs[at] = w->runs[--w->runs_len];
	job->live--;
	w->hosts[p.host].used -= p.slots;
	w->hosts[p.host].running--;
	if (p.alone)
		w->hosts[p.host].has_alone = false;
	for (size_t i = 0; i < job->uses_len; i++)
		w->used[job->uses[i].pool] -= job->uses[i].amount;
	if (host_lost)
		ff_sched_return_pools(w->sched, &p);
	else
		ff_sched_return(w->sched, &p);
}

static void unit_over(struct world *w, uint32_t number, uint32_t index, bool suspect, uint32_t host)
{
	struct job *job = &w->jobs[number];
	struct unit *unit = &job->units[index];
	bool again = unit->attempts < 3 && !job->stopped && (suspect || one_in(6));

	assert_false(unit->done);
	unit->running = false;
	unit->done = !again;
	unit->attempts++;
	unit->alone = again && suspect;
	unit->avoid = suspect && one_in(4) ? NOBODY : host;
	if (again)
		ff_sched_again(w->sched, number, index, suspect, unit->avoid);
}

static void know_units(struct world *w, uint32_t number)
{
	struct job *job = &w->jobs[number];
	int64_t expected_us[UNITS_MAX];
	struct ff_claim claims[UNITS_MAX];
	struct ff_queues_opts opts = {
		.claims = claims,
		.units = job->units_len,
		.workers = 1 + random_below(10),
		.done_before = job->done_before,
		.expected_us = one_in(2) ? expected_us : NULL,
	};

	job->known = true;
	for (uint32_t i = 0; i < job->units_len; i++) {
		expected_us[i] = random_below(5);
		job->units[i].done = job->done_before[0] >> i & 1;
		if (job->units[i].memory > 0)
			claims[opts.claims_len++] =
				(struct ff_claim){.unit = i,
						  .group = NOBODY,
						  .weight = 1,
						  .memory = job->units[i].memory};
	}
	ff_sched_job_units(w->sched, number, &opts);
	if (!job->stopped)
		assert_int_equal(ff_sched_waiting(w->sched, number), not_done(job));
	else
		assert_int_equal(ff_sched_waiting(w->sched, number), 0);
}

/* --- sessions --- */

static struct ff_queues *queues_of(const struct world *w, const struct run *run)
{
	return ff_sched_queues(w->sched, run->p.job);
}

static bool knows(const struct run *run, uint32_t unit)
{
	for (uint32_t i = run->head; i < run->tail; i++)
		if (run->queue[i] == unit)
			return true;
	return false;
}

static void receive(struct world *w, struct run *run, const struct ff_batch *batch)
{
	struct job *job = &w->jobs[run->p.job];

	memmove(run->queue, run->queue + run->head, (run->tail - run->head) * sizeof(uint32_t));
	run->tail -= run->head;
	run->head = 0;
	for (size_t i = 0; i < batch->len; i++) {
		struct unit *unit = &job->units[batch->units[i]];

		assert_false(unit->running || unit->done || job->stopped);
		assert_int_equal(unit->alone, run->p.alone);
		if (unit->alone && unit->avoid == run->p.host)
			assert_true(run->p.anywhere);
		unit->running = true;
		run->queue[run->tail++] = batch->units[i];
	}
	if (run->p.alone)
		assert_true(run->tail <= 1);
	run->ended |= batch->end;
}

static void give_up_units(struct world *w, const struct run *run)
{
	for (uint32_t i = run->head + run->begun; i < run->tail; i++)
		w->jobs[run->p.job].units[run->queue[i]].running = false;
}

static void answer_recall(struct world *w, const struct ff_recall *recall)
{
	uint32_t back[UNITS_MAX];
	uint32_t len = 0, kept;
	struct run *rich = NULL;

	/* Asked of somebody else of the same job: the caller has no other. */
	for (uint32_t i = 0; i < w->runs_len; i++)
		if (w->runs[i].up && w->runs[i].number == recall->worker &&
		    knows(&w->runs[i], recall->units[0]))
			rich = &w->runs[i];
	assert_non_null(rich);
	kept = rich->head;
	for (uint32_t i = rich->head; i < rich->tail; i++) {
		bool wanted = false;

		for (size_t j = 0; j < recall->len; j++)
			wanted |= recall->units[j] == rich->queue[i];
		if (wanted && i > rich->head && !one_in(5)) {
			back[len++] = rich->queue[i];
			w->jobs[rich->p.job].units[rich->queue[i]].running = false;
		} else {
			rich->queue[kept++] = rich->queue[i];
		}
	}
	rich->tail = kept;
	ff_queues_returned(queues_of(w, rich), rich->number, back, len);
	ff_sched_wake(w->sched, rich->p.job);
}

static void ask(struct world *w, struct run *run)
{
	struct ff_batch batch = ff_queues_next(queues_of(w, run), run->number);
	struct ff_recall recall;

	receive(w, run, &batch);
	if (run->ended || run->head < run->tail)
		return;
	recall = ff_queues_recall(queues_of(w, run), run->number);
	if (recall.len > 0)
		answer_recall(w, &recall);
}

static void session_over(struct world *w, uint32_t at, bool host_lost)
{
	struct run run = w->runs[at];

	give_up_units(w, &run);
	if (run.up)
		ff_queues_worker_down(queues_of(w, &run), run.number,
				      run.begun ? run.queue[run.head] : NOBODY);
	else
		ff_sched_session_up(w->sched, &run.p);
	give_back(w, at, host_lost);
	ff_sched_wake(w->sched, run.p.job);
	if (run.begun)
		unit_over(w, run.p.job, run.queue[run.head], host_lost, run.p.host);
}

static void session_up(struct world *w, uint32_t at)
{
	struct run *run = &w->runs[at];

	if (!w->jobs[run->p.job].known)
		know_units(w, run->p.job);
	run->up = true;
	run->number = w->jobs[run->p.job].next_number++;
	ff_queues_worker_up(queues_of(w, run), run->number, run->p.alone,
			    run->p.anywhere ? NOBODY : run->p.host);
	ff_sched_session_up(w->sched, &run->p);
	ask(w, run);
}

static void session_step(struct world *w, uint32_t at)
{
	struct run *run = &w->runs[at];

	if (!run->up) {
		if (one_in(8))
			session_over(w, at, false);
		else
			session_up(w, at);
	} else if (one_in(40)) {
		session_over(w, at, false);
	} else if (run->begun) {
		uint32_t unit = run->queue[run->head++];

		run->begun = false;
		ff_queues_done(queues_of(w, run), run->number, unit, 1);
		unit_over(w, run->p.job, unit, false, run->p.host);
		ask(w, run);
	} else if (run->head < run->tail) {
		run->begun = true;
	} else if (run->ended) {
		session_over(w, at, false);
	} else {
		ask(w, run);
	}
}

/* --- steps --- */

static void placed_step(struct world *w, uint32_t at)
{
	struct run *run = &w->runs[at];
	struct ff_placement p = run->p;

	if (w->jobs[p.job].kind == SESSIONS) {
		session_step(w, at);
		return;
	}
	if (p.unit == NOBODY) {
		/* It has found the units, or failed and is tried again. */
		if (!one_in(3) && !w->jobs[p.job].known)
			know_units(w, p.job);
		ff_sched_session_up(w->sched, &p);
	}
	give_back(w, at, false);
	if (p.unit != NOBODY)
		unit_over(w, p.job, p.unit, false, p.host);
}

static void host_up(struct world *w, uint32_t number)
{
	struct host *host = &w->hosts[number];

	if (host->up)
		return;
	*host = (struct host){.up = true, .slots = 1 + random_below(one_in(3) ? 16 : 4)};
	ff_sched_host_up(w->sched, number, host->slots);
}

static void host_down(struct world *w, uint32_t number)
{
	if (!w->hosts[number].up)
		return;
	w->hosts[number].up = false;
	ff_sched_host_down(w->sched, number);
	for (uint32_t i = w->runs_len; i-- > 0;) {
		struct run run = w->runs[i];

		if (run.p.host != number)
			continue;
		if (w->jobs[run.p.job].kind == SESSIONS) {
			session_over(w, i, true);
			continue;
		}
		if (run.p.unit == NOBODY)
			ff_sched_session_up(w->sched, &run.p);
		give_back(w, i, true);
		if (run.p.unit != NOBODY)
			unit_over(w, run.p.job, run.p.unit, true, number);
	}
	assert_int_equal(w->hosts[number].used, 0);
}

static void host_drain(struct world *w, uint32_t number)
{
	if (!w->hosts[number].up)
		return;
	w->hosts[number].draining = true;
	ff_sched_host_drain(w->sched, number);
}

static void job_start(struct world *w, uint32_t number)
{
	struct job *job = &w->jobs[number];
	struct ff_sched_job_opts opts = {
		.hosts = job->hosts,
		.weight = job->weight,
		.uses = job->uses,
		.uses_len = job->uses_len,
		.sessions = job->kind == SESSIONS,
		.discover = job->kind == DISCOVER,
	};

	if (job->started)
		return;
	job->started = true;
	ff_sched_job_start(w->sched, number, &opts);
	if (job->kind == SINGLE)
		know_units(w, number);
}

static void job_stop(struct world *w, uint32_t number)
{
	if (!w->jobs[number].started || w->jobs[number].ended)
		return;
	w->jobs[number].stopped = true;
	ff_sched_job_stop(w->sched, number);
	assert_int_equal(ff_sched_waiting(w->sched, number), 0);
	for (uint32_t i = 0; i < w->runs_len; i++)
		if (w->runs[i].p.job == number && w->runs[i].up && !w->runs[i].ended)
			ask(w, &w->runs[i]);
}

/* Its sessions go on, and those are all that it gets; the last one must not go. */
static void job_no_sessions(struct world *w, uint32_t number)
{
	struct job *job = &w->jobs[number];

	if (job->kind != SESSIONS || !job->started || job->ended)
		return;
	job->closed = true;
	ff_sched_no_sessions(w->sched, number);
}

static void job_end(struct world *w, uint32_t number)
{
	struct job *job = &w->jobs[number];

	if (!job->started || job->ended || job->live > 0 || wants(job))
		return;
	job->ended = true;
	ff_sched_job_end(w->sched, number);
	assert_false(ff_sched_job_hosts(w->sched, number, 0));
	assert_null(ff_sched_queues(w->sched, number));
	ff_sched_job_end(w->sched, number);
}

static void job_not_on(struct world *w, uint32_t number, uint32_t host)
{
	struct job *job = &w->jobs[number];

	if (!job->started || job->ended)
		return;
	job->hosts[host / 64] &= ~(UINT64_C(1) << host % 64);
	ff_sched_job_not_on(w->sched, number, host);
	assert_false(ff_sched_job_hosts(w->sched, number, host));
}

/* --- worlds --- */

static void init_job(struct world *w, struct job *job)
{
	bool all = one_in(2), needy;

	*job = (struct job){.kind = (enum kind)random_below(3),
			    .weight = one_in(2) ? 1 : 1 + random_below(6),
			    .units_len = random_below(one_in(3) ? UNITS_MAX : 8)};
	for (uint32_t i = 0; i < HOSTS; i++)
		if (all || one_in(3))
			job->hosts[i / 64] |= UINT64_C(1) << i % 64;
	for (uint32_t i = 0; i < POOLS; i++)
		if (one_in(4))
			job->uses[job->uses_len++] =
				(struct ff_sched_uses){i, 1 + random_below(w->pools[i])};
	for (uint32_t i = 0; i < job->units_len; i++)
		if (one_in(10))
			job->done_before[0] |= UINT64_C(1) << i;
	needy = job->kind != SESSIONS && one_in(2);
	for (uint32_t i = 0; needy && i < job->units_len; i++)
		if (one_in(2)) /* some more than any host has */
			job->units[i].memory = 10 * (1 + random_below(one_in(4) ? 15 : 6));
}

static void init(struct world *w, uint32_t seed)
{
	struct ff_sched_opts opts = {
		.hosts = HOSTS, .jobs = JOBS, .pools_len = POOLS, .host_memory = host_memory};

	*w = (struct world){0};
	random_seed(seed);
	for (uint32_t i = 0; i < POOLS; i++)
		w->pools[i] = 1 + random_below(4);
	opts.pools = w->pools;
	w->sched = ff_sched_new(&opts);
	for (uint32_t i = 0; i < JOBS; i++)
		init_job(w, &w->jobs[i]);
}

static void step(struct world *w, bool faults)
{
	uint32_t what = random_below(100), job = random_below(JOBS), host = random_below(HOSTS);

	if (what < 6)
		job_start(w, job);
	else if (what < 12)
		host_up(w, host);
	else if (what < 14 && faults)
		host_down(w, host);
	else if (what < 15 && faults)
		host_drain(w, host);
	else if (what < 16 && faults && one_in(20))
		job_stop(w, job);
	else if (what < 17 && faults && one_in(10))
		job_not_on(w, job, host);
	else if (what < 18 && faults && one_in(40))
		job_no_sessions(w, job);
	else if (what < 20)
		job_end(w, job);
	else if (w->runs_len > 0)
		placed_step(w, random_below(w->runs_len));
	check_books(w);
	/* Usually it is asked after each; always before the next thing is of use. */
	place_all(w);
}

/* No more faults: all must come to its end. */
static void settle(struct world *w)
{
	for (uint32_t i = 0; i < JOBS; i++)
		job_start(w, i);
	for (uint32_t i = 0; i < HOSTS; i++) {
		if (w->hosts[i].draining)
			host_down(w, i);
		host_up(w, i);
	}
	place_all(w);
	for (uint32_t guard = 0; w->runs_len > 0; guard++) {
		assert_true(guard < 200000);
		placed_step(w, random_below(w->runs_len));
		place_all(w);
	}
	for (uint32_t i = 0; i < JOBS; i++) {
		const struct job *job = &w->jobs[i];

		if (job->stopped || job->closed || usable_hosts(w, job, NOBODY) == 0)
			continue;
		assert_true(job->known || job->ended);
		assert_int_equal(not_done(job), 0);
	}
	for (uint32_t i = 0; i < POOLS; i++)
		assert_int_equal(w->used[i], 0);
}

static void test_random_worlds(void **state)
{
	uint64_t placed = 0;

	for (uint32_t seed = 1; seed <= 1500; seed++) {
		struct world w;

		init(&w, seed);
		for (uint32_t i = 0; i < 20 + seed % 300; i++)
			step(&w, seed % 4 > 0);
		settle(&w);
		placed += w.placed;
		ff_sched_free(w.sched);
	}
	assert_true(placed > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_worlds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
