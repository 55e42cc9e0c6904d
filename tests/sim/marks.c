/* What units ask for by marks: made from the seed, and said; and whether the engine keeps it. */
#include <string.h>

#include "base/alloc.h"
#include "check.h"
#include "spread.h"
#include "world_private.h"

static const char *const no_resource[] = {NULL};
static const char *const one_resource[] = {"r0", NULL};
static const char *const other_resource[] = {"r1", NULL};
static const char *const both_resources[] = {"r0", "r1", NULL};

bool world_mark(const struct world *world, uint32_t job, uint32_t unit, bool anywhere,
		struct ff_payload_mark *mark)
{
	uint32_t kind = world_of_unit(world, job, unit, 21);

	*mark = (struct ff_payload_mark){
		.unit = unit, .bound = true, .weight = 1, .timeout_us = -1, .retries = -1};
	mark->resources = no_resource;
	if (world_of_unit(world, job, 0, 20) >= 350 || world_of_unit(world, job, unit, 22) >= 350)
		return false;
	if (kind < 150)
		mark->serial = true;
	else if (kind < 300)
		mark->resources = one_resource;
	else if (kind < 400)
		mark->resources = other_resource;
	else if (kind < 450)
		mark->resources = both_resources;
	else if (kind < 700)
		mark->group = kind % 2 ? "g0" : "g1";
	else if (kind < 800 && anywhere)
		mark->host = "h0";
	else if (kind < 900)
		mark->weight = 2 + kind % 2;
	else
		mark->memory = (40 + kind % 40) << 20;
	if (kind % 10 == 0 && kind < 450) /* some ask for more than one thing */
		mark->group = "g0";
	return true;
}

/* Of the units from `first` on, by their places; gives their number. */
uint32_t world_marks(const struct world *world, uint32_t job, uint32_t first, uint32_t count,
		     struct ff_payload_mark *marks)
{
	const struct ff_config_job *config = world->plan->jobs[job].config;
	uint32_t len = 0;

	for (uint32_t i = 0; i < count; i++)
		if (world_mark(world, job, first + i, !config->on, &marks[len]))
			marks[len++].unit = i;
	return len;
}

/* --- what is kept --- */

struct running {
	uint32_t job, unit; /* as the world calls it */
	uint32_t host, worker;
	bool marked;
	struct ff_payload_mark mark;
};

static bool has(const struct ff_payload_mark *mark, const char *resource)
{
	for (size_t i = 0; mark->resources[i]; i++)
		if (strcmp(mark->resources[i], resource) == 0)
			return true;
	return false;
}

/* Two units that run at one time. */
static void beside(struct check *check, const struct running *a, const struct running *b)
{
	const char *const *resources = a->marked ? a->mark.resources : no_resource;

	if (a->job == b->job && a->marked && a->mark.serial)
		check_fail(check, "unit %u of job %u is serial, and %u runs beside it", a->unit,
			   a->job, b->unit);
	for (size_t i = 0; b->marked && resources[i]; i++)
		if (has(&b->mark, resources[i]))
			check_fail(check, "units %u of job %u and %u of %u have resource %s",
				   a->unit, a->job, b->unit, b->job, resources[i]);
	/* The rest of a group's needs may be known when some of it runs already. */
	if (a->job == b->job && a->marked && b->marked && a->mark.group && b->mark.group &&
	    strcmp(a->mark.group, b->mark.group) == 0 && !spread_in_parts(check->spread, a->job))
		check_fail(check, "units %u and %u of job %u, of one group, run on %u and %u",
			   a->unit, b->unit, a->job, a->worker, b->worker);
}

/* What runs on one host. */
static void room(struct check *check, const struct running *all, size_t len,
		 const struct running *one, const struct ff_state *state)
{
	uint64_t weight = 0, memory = 0, others = 0, needy = 0;

	for (size_t i = 0; i < len; i++) {
		if (all[i].host != one->host || all[i].job != one->job)
			continue;
		weight += all[i].marked ? (uint64_t)all[i].mark.weight : 1;
		memory += all[i].marked ? (uint64_t)all[i].mark.memory : 0;
		needy += all[i].marked && all[i].mark.memory > 0;
		others += &all[i] != one;
	}
	if (others > 0 && one->mark.weight > 1 && weight > state->hosts[one->host].slots)
		check_fail(check,
			   "unit %u of job %u needs %u workers, and %u others run on its host",
			   one->unit, one->job, (unsigned)one->mark.weight, (unsigned)others);
	if (needy > 1 && one->mark.memory > 0 && memory > (uint64_t)WORLD_MEMORY)
		check_fail(check, "units of job %u need %llu of memory on host %s", one->job,
			   (unsigned long long)memory, state->hosts[one->host].name);
}

/* What earlier runs tell counts as if a mark had said so. */
static void expect_memory(const struct check *check, struct running *one)
{
	int64_t memory = world_unit_memory(check->seed, check->plan, one->job, one->unit);

	if (memory == 0)
		return;
	if (!one->marked)
		one->mark = (struct ff_payload_mark){.weight = 1, .resources = no_resource};
	one->marked = true;
	one->mark.memory = memory;
}

static void look_at_needs(const struct check *check, struct running *one)
{
	one->marked = world_unit_mark(check->seed, one->job, one->unit,
				      !check->plan->jobs[one->job].config->on, &one->mark);
	if (one->mark.memory == 0 && !spread_in_parts(check->spread, one->job) &&
	    check->faults->differ == 0)
		expect_memory(check, one);
}

int64_t spread_memory(const struct check *check, const struct ff_worker_record *worker)
{
	struct running one = {.job = worker->job, .host = worker->host};

	if (worker->state != FF_WORKER_RUNNING || !spread_keeps_marks(check->spread, worker->job))
		return 0;
	one.unit = spread_unit(check->spread, worker->job, worker->unit);
	look_at_needs(check, &one);
	return one.marked ? one.mark.memory : 0;
}

void spread_marks(struct check *check, const struct ff_state *state)
{
	struct running *all = ff_xcalloc((size_t)state->workers_len + 1, sizeof(*all));
	size_t len = 0;

	for (uint32_t i = 0; i < state->workers_len; i++) {
		const struct ff_worker_record *worker = &state->workers[i];
		struct running *one = &all[len];

		if (worker->state != FF_WORKER_RUNNING ||
		    !spread_keeps_marks(check->spread, worker->job))
			continue;
		*one = (struct running){
			worker->job,  spread_unit(check->spread, worker->job, worker->unit),
			worker->host, i,
			false,	      {0}};
		look_at_needs(check, one);
		if (one->marked && one->mark.host &&
		    strcmp(one->mark.host, state->hosts[one->host].name) != 0)
			check_fail(check, "unit %u of job %u is for %s, and runs on %s", one->unit,
				   one->job, one->mark.host, state->hosts[one->host].name);
		len++;
	}
	for (size_t i = 0; i < len; i++) {
		for (size_t j = 0; j < len; j++)
			if (i != j)
				beside(check, &all[i], &all[j]);
		if (all[i].marked)
			room(check, all, len, &all[i], state);
	}
	ff_free(all);
}
