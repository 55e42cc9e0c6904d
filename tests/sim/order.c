/* Units that are discovered: made from the seed, and said; whom they come after, what they need of
 * others, and whether the engine keeps it. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "check.h"
#include "world_private.h"

enum { UNITS_MOST = 40, EDGES_MOST = 2 };

/* What a unit asks for. */
struct asks {
	bool serial, skip;
	uint32_t weight;
	bool resources[2];
	uint32_t after[EDGES_MOST], needs[EDGES_MOST];
	uint32_t after_len, needs_len;
};

static uint32_t units_of(const struct world *world, uint32_t job)
{
	return 1 + world_of_unit(world, job, 0, 40) % UNITS_MOST;
}

/* All come after units of lower numbers: so none waits for itself. */
static struct asks asks_of(const struct world *world, uint32_t job, uint32_t unit)
{
	uint32_t kind = world_of_unit(world, job, unit, 41), plain = kind % 3;
	struct asks asks = {.weight = 1};

	if (world_of_unit(world, job, 0, 42) < 300)
		return asks;
	asks.skip = kind < 50;
	asks.serial = kind >= 50 && kind < 150;
	asks.weight = kind >= 150 && kind < 300 ? 2 + kind % 3 : 1;
	asks.resources[0] = kind >= 300 && kind < 450;
	asks.resources[1] = kind >= 400 && kind < 500;
	if (unit == 0 || world_of_unit(world, job, unit, 43) >= 400)
		return asks;
	for (uint32_t i = 0; i < EDGES_MOST && plain != 1; i++)
		asks.after[asks.after_len++] = world_of_unit(world, job, unit, 44 + i) % unit;
	for (uint32_t i = 0; i < EDGES_MOST && plain != 2; i++)
		asks.needs[asks.needs_len++] = world_of_unit(world, job, unit, 48 + i) % unit;
	return asks;
}

/* --- what is said --- */

static void say(struct world *world, const struct ff_order *order, struct ff_input *input,
		int64_t at)
{
	input->execution = order->execution;
	world_happen(world, (struct happening){.at = at,
					       .kind = HAPPENS_SAYING,
					       .input = input,
					       .host = order->host,
					       .life = world->hosts[order->host].life,
					       .execution = order->execution});
}

static void say_marks(struct world *world, const struct ff_order *order, uint32_t units, int64_t at)
{
	static const char *const names[] = {"r0", "r1", NULL};
	static const char *const none[] = {NULL};
	struct ff_payload_mark marks[UNITS_MOST];
	struct asks asks[UNITS_MOST];
	struct ff_input *input = ff_input_new(FF_INPUT_MARKS);
	const char *lists[UNITS_MOST][2];

	for (uint32_t i = 0; i < units; i++) {
		struct asks *a = &asks[i];
		bool both = false;

		*a = asks_of(world, order->job, i);
		both = a->resources[0] && a->resources[1];
		lists[i][0] = a->resources[0] ? "r0" : "r1";
		lists[i][1] = NULL;
		marks[i] = (struct ff_payload_mark){
			.unit = i,
			.bound = a->serial || a->weight > 1 || a->resources[0] || a->resources[1],
			.serial = a->serial,
			.weight = a->weight,
			.resources = both				  ? names
				     : a->resources[0] || a->resources[1] ? lists[i]
									  : none,
			.timeout_us = -1,
			.retries = -1,
			.after = a->after,
			.after_len = a->after_len,
			.needs = a->needs,
			.needs_len = a->needs_len,
			.skip = a->skip ? "not run" : NULL,
		};
	}
	input->u.marks.v = ff_input_marks(input, marks, units);
	input->u.marks.len = units;
	input->u.marks.part = UINT32_MAX;
	say(world, order, input, at);
}

void world_discover(struct world *world, const struct ff_order *order)
{
	const struct world_host *h = &world->hosts[order->host];
	uint32_t units = units_of(world, order->job);
	int64_t at = world->now + world_below(world, 500000);
	const char *names[UNITS_MOST + 1] = {NULL};
	char texts[UNITS_MOST][16];
	struct ff_input *input;

	if (!h->up || h->tries != order->tries)
		return; /* its end is on the way */
	if (!world_chance(world, world->faults.exec_ends)) {
		input = ff_input_new(FF_INPUT_COLLECTED);
		input->u.collected.digest = "found";
		input->u.collected.count = units;
		say(world, order, input, at);
		say_marks(world, order, units, at);
		input = ff_input_new(FF_INPUT_IDS);
		for (uint32_t i = 0; i < units; i++) {
			snprintf(texts[i], sizeof(texts[i]), "u%u", i);
			names[i] = texts[i];
		}
		input->u.ids.names = ff_input_lines(input, names);
		input->u.ids.len = units;
		say(world, order, input, at);
	}
	say(world, order, ff_input_new(FF_INPUT_EXEC_ENDED), at + world_below(world, 100000));
}

/* --- what is kept --- */

static bool discovers(const struct check *check, uint32_t job)
{
	return check->plan->jobs[job].payload->discover != NULL;
}

/* Whether it has come to its end, as it has to for what comes after it. */
static bool is_over(const struct ff_unit_record *unit)
{
	return unit->state == FF_UNIT_DONE;
}

/* And passed, or was not to run; one that was not run because of another has not. */
static bool has_passed(const struct check *check, const struct ff_state *state, uint32_t job,
		       uint32_t unit)
{
	const struct world world = {.seed = world_seed(check->seed)};
	const struct ff_unit_record *record = &state->jobs[job].units[unit];

	return is_over(record) && !ff_outcome_bad((enum ff_outcome)record->outcome) &&
	       (record->outcome != FF_OUTCOME_SKIPPED || asks_of(&world, job, unit).skip);
}

static void check_turn(struct check *check, const struct ff_state *state, uint32_t job,
		       uint32_t unit, const struct asks *asks)
{
	const struct ff_unit_record *units = state->jobs[job].units;

	if (asks->skip)
		check_fail(check, "unit %u of job %u runs, and is not to", unit, job);
	for (uint32_t i = 0; i < asks->after_len; i++)
		if (!is_over(&units[asks->after[i]]))
			check_fail(check, "unit %u of job %u runs before %u is over", unit, job,
				   asks->after[i]);
	for (uint32_t i = 0; i < asks->needs_len; i++)
		if (!has_passed(check, state, job, asks->needs[i]))
			check_fail(check, "unit %u of job %u runs, and %u has not passed", unit,
				   job, asks->needs[i]);
}

struct one {
	uint32_t job, unit, host;
	struct asks asks;
};

static void check_beside(struct check *check, const struct one *a, const struct one *b)
{
	if (a->job == b->job && a->asks.serial)
		check_fail(check, "unit %u of job %u is serial, and %u runs beside it", a->unit,
			   a->job, b->unit);
	for (int i = 0; i < 2; i++)
		if (a->asks.resources[i] && b->asks.resources[i])
			check_fail(check, "units %u of job %u and %u of %u have resource r%d",
				   a->unit, a->job, b->unit, b->job, i);
}

void check_discovered(struct check *check, const struct ff_state *state)
{
	const struct world world = {.seed = world_seed(check->seed)};
	struct one *all = NULL;
	size_t len = 0;

	for (uint32_t job = 0; job < state->jobs_len; job++) {
		const struct ff_job_record *record = &state->jobs[job];

		for (uint32_t i = 0; discovers(check, job) && i < record->units_len; i++) {
			if (record->units[i].state != FF_UNIT_RUNNING)
				continue;
			all = ff_xrealloc(all, (len + 1) * sizeof(*all));
			all[len] = (struct one){job, i, record->units[i].host,
						asks_of(&world, job, i)};
			check_turn(check, state, job, i, &all[len++].asks);
		}
	}
	for (size_t i = 0; i < len; i++) {
		uint64_t weight = 0;

		for (size_t j = 0; j < len; j++) {
			if (i != j)
				check_beside(check, &all[i], &all[j]);
			weight += all[j].host == all[i].host ? all[j].asks.weight : 0;
		}
		if (all[i].asks.weight != weight && weight > state->hosts[all[i].host].slots)
			check_fail(check, "units that take %u slots run on host %s",
				   (unsigned)weight, state->hosts[all[i].host].name);
	}
	ff_free(all);
}
