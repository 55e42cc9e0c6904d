/* What earlier runs would tell of the memory that units take: made from the seed; and whether those
 * of jobs with `memory: auto` are kept apart by it. */
#include <stdio.h>

#include "base/alloc.h"
#include "check.h"
#include "spread.h"
#include "world_private.h"

enum { KNOWN_MAX = 512 }; /* units of a job of sessions, by their numbers */

/* Tests of all jobs have the same names. What is known is told as it is: these are among the steps
 * that it is made larger to. */
static int64_t memory_of(uint64_t seed, uint32_t job, uint32_t unit)
{
	struct world world = {.seed = seed};
	uint32_t chance = world_of_unit(&world, job, unit, 30);

	if (chance >= 400)
		return 0;
	return (INT64_C(32) << 20) + (INT64_C(4) << 20) * (chance % 8) +
	       (chance < 40 ? INT64_C(64) << 20 : 0); /* some more than there is */
}

int64_t world_unit_memory(uint64_t seed, const struct ff_plan *plan, uint32_t job, uint32_t unit)
{
	if (!ff_config_job_memory(plan->jobs[job].config))
		return 0;
	return memory_of(seed, plan->jobs[job].payload->run ? job : UINT32_MAX, unit);
}

static void know(struct ff_expect *expect, const char *kind, const char *name, int64_t bytes)
{
	if (bytes > 0)
		ff_expect_add(expect, kind, name)->memory_kib = bytes >> 10;
}

struct ff_expect *world_expect(uint64_t seed, const struct ff_plan *plan)
{
	struct ff_expect *expect = ff_expect_new();
	char text[WORLD_NAME_MAX];

	for (uint32_t i = 0; i < KNOWN_MAX; i++) {
		world_unit_name(text, "same", i);
		know(expect, "pytest", text, memory_of(seed, UINT32_MAX, i));
	}
	for (uint32_t job = 0; job < plan->len; job++)
		for (uint32_t i = 0; plan->jobs[job].payload->run && i < plan->jobs[job].units_len;
		     i++) {
			struct ff_buf name = FF_BUF_INIT;

			ff_plan_unit_name(&plan->jobs[job], i, &name);
			know(expect, "run", ff_buf_str(&name), memory_of(seed, job, i));
			ff_buf_release(&name);
		}
	return expect;
}

void check_memory(struct check *check, const struct ff_state *state)
{
	int64_t *taken = ff_xcalloc((size_t)state->hosts_len + 1, sizeof(*taken));
	uint32_t *needy = ff_xcalloc((size_t)state->hosts_len + 1, sizeof(*needy));

	for (uint32_t job = 0; job < state->jobs_len; job++) {
		const struct ff_job_record *record = &state->jobs[job];

		for (uint32_t i = 0; check->plan->jobs[job].payload->run && i < record->units_len;
		     i++) {
			const struct ff_unit_record *unit = &record->units[i];
			int64_t need = unit->state == FF_UNIT_RUNNING
					       ? world_unit_memory(check->seed, check->plan, job, i)
					       : 0;

			if (need == 0)
				continue;
			taken[unit->host] += need;
			needy[unit->host]++;
		}
	}
	for (uint32_t i = 0; i < state->workers_len; i++) {
		int64_t need = spread_memory(check, &state->workers[i]);

		taken[state->workers[i].host] += need;
		needy[state->workers[i].host] += need > 0;
	}
	for (uint32_t i = 0; i < state->hosts_len; i++)
		if (check->inventory->hosts[i].memory > 0 && needy[i] > 1 &&
		    taken[i] > check->inventory->hosts[i].memory)
			check_fail(check, "%u units are known to need %lld of memory on host %s",
				   needy[i], (long long)taken[i], state->hosts[i].name);
	ff_free(taken);
	ff_free(needy);
}

void check_rations(struct check *check, const struct ff_state *state)
{
	static const struct ff_capacity there = {WORLD_MEMORY, WORLD_CPU};
	struct ff_capacity *taken = ff_xcalloc((size_t)state->hosts_len + 1, sizeof(*taken));

	for (uint32_t job = 0; job < state->jobs_len; job++) {
		const struct ff_job_record *record = &state->jobs[job];
		struct ff_capacity one = ff_ration_on(&check->plan->jobs[job].ration, &there);

		for (uint32_t i = 0; (one.memory || one.cpu) && i < record->units_len; i++) {
			if (record->units[i].state != FF_UNIT_RUNNING)
				continue;
			taken[record->units[i].host].memory += one.memory;
			taken[record->units[i].host].cpu += one.cpu;
		}
	}
	for (uint32_t i = 0; i < state->hosts_len; i++)
		if (taken[i].memory > there.memory || taken[i].cpu > there.cpu)
			check_fail(check,
				   "units on host %s declare %lld of memory, and %lld of its CPUs",
				   state->hosts[i].name, (long long)taken[i].memory,
				   (long long)taken[i].cpu);
	ff_free(taken);
}
