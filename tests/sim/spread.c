/* Who has been given what. The scopes are found here in another way than the scheduler does it:
 * from how the world makes names. */
#include "spread.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define NOBODY UINT32_MAX

struct spread_job {
	const char *name, *dist;
	struct world_settings settings;
	uint32_t units;	   /* that a session has */
	uint32_t *holder;  /* by unit: the worker that has been given it; NOBODY */
	bool *suspect;	   /* by unit: it was lost with a host, and is tried alone */
	uint32_t *seat_on; /* each: the host of each seat */
	uint32_t seats;
	bool whole;	    /* of "parts": one is on one worker */
	uint32_t *firsts;   /* of "parts": the first unit of each; NULL */
	uint32_t *world_of; /* the same: what the world calls a unit, as far as it is known */
	uint32_t known;
};

/* What a worker of such a job calls its units. */
struct spread_worker {
	uint32_t job, parts_seen; /* bits */
	uint32_t *units, len;
	bool other; /* it has another collection, the other way round */
};

struct spread {
	const struct ff_inventory *inventory;
	struct spread_job *jobs;
	size_t len;
	uint32_t *seat_of;		/* by worker: the seat it was seen on; NOBODY */
	bool *ended;			/* by worker */
	struct spread_worker *in_parts; /* by worker */
	uint32_t workers;
};

static bool is(const struct spread_job *job, const char *dist)
{
	return strcmp(job->dist, dist) == 0;
}

static void make_seats(struct spread_job *job, const struct ff_plan_job *plan,
		       const struct ff_inventory *inventory)
{
	uint32_t weight = (uint32_t)plan->config->weight;

	for (uint32_t i = 0; i < inventory->len; i++) {
		uint32_t on = (uint32_t)inventory->hosts[i].slots / weight;

		if (!ff_plan_job_on(plan, &inventory->hosts[i]))
			continue;
		for (on = on ? on : 1; on > 0; on--) {
			job->seat_on =
				ff_xrealloc(job->seat_on, (job->seats + 1) * sizeof(*job->seat_on));
			job->seat_on[job->seats++] = i;
		}
	}
}

static void make_parts(struct spread_job *job, uint64_t seed, uint32_t number)
{
	uint32_t parts = world_parts_of(seed, number);

	job->whole = is(job, "loadfile");
	job->dist = "parts";
	job->units = parts ? job->units : 0;
	job->firsts = ff_xcalloc(parts + 2, sizeof(*job->firsts));
	for (uint32_t i = 0; i <= parts; i++)
		job->firsts[i] = world_part_first_of(seed, number, i);
	job->firsts[parts + 1] = NOBODY;
	job->world_of = ff_xcalloc((size_t)job->units + 1, sizeof(*job->world_of));
}

struct spread *spread_new(uint64_t seed, const struct ff_plan *plan,
			  const struct ff_inventory *inventory, const struct world_faults *faults)
{
	struct spread *spread = ff_xcalloc(1, sizeof(*spread));

	spread->inventory = inventory;
	spread->len = plan->len;
	spread->jobs = ff_xcalloc(plan->len + 1, sizeof(*spread->jobs));
	for (uint32_t i = 0; i < plan->len; i++) {
		struct spread_job *job = &spread->jobs[i];

		*job = (struct spread_job){.name = plan->jobs[i].config->name,
					   .dist = plan->jobs[i].config->dist,
					   .settings = world_settings_of(seed, i, faults),
					   .units = world_units_of(seed, i)};
		if (!plan->jobs[i].payload->session) {
			job->dist = "";
			continue;
		}
		if (job->settings.driven && !is(job, "no"))
			job->dist = "driven";
		else if (job->settings.scopes && !is(job, "no"))
			job->dist = "own";
		if (world_job_in_parts(seed, i, job->dist, faults))
			make_parts(job, seed, i);
		if (is(job, "each"))
			make_seats(job, &plan->jobs[i], inventory);
		job->holder = ff_xcalloc((size_t)job->units + 1, sizeof(*job->holder));
		job->suspect = ff_xcalloc((size_t)job->units + 1, sizeof(*job->suspect));
	}
	return spread;
}

static void forget_workers(struct spread *spread)
{
	for (uint32_t i = 0; i < spread->workers; i++)
		ff_free(spread->in_parts[i].units);
	spread->workers = 0;
}

void spread_free(struct spread *spread)
{
	for (size_t i = 0; i < spread->len; i++) {
		ff_free(spread->jobs[i].holder);
		ff_free(spread->jobs[i].suspect);
		ff_free(spread->jobs[i].seat_on);
		ff_free(spread->jobs[i].firsts);
		ff_free(spread->jobs[i].world_of);
	}
	forget_workers(spread);
	ff_free(spread->in_parts);
	ff_free(spread->jobs);
	ff_free(spread->seat_of);
	ff_free(spread->ended);
	ff_free(spread);
}

void spread_begin(struct spread *spread)
{
	for (size_t i = 0; i < spread->len; i++)
		for (uint32_t j = 0; spread->jobs[i].holder && j < spread->jobs[i].units; j++) {
			spread->jobs[i].holder[j] = NOBODY;
			spread->jobs[i].suspect[j] = false;
		}
	for (size_t i = 0; i < spread->len; i++)
		spread->jobs[i].known = 0;
	forget_workers(spread);
}

bool spread_may_be_alone(const struct spread *spread, uint32_t number)
{
	return !is(&spread->jobs[number], "each") && !is(&spread->jobs[number], "driven");
}

bool spread_keeps_marks(const struct spread *spread, uint32_t number)
{
	return spread->jobs[number].holder && !is(&spread->jobs[number], "each") &&
	       !is(&spread->jobs[number], "driven");
}

bool spread_in_parts(const struct spread *spread, uint32_t number)
{
	return spread->jobs[number].firsts != NULL;
}

uint32_t spread_unit(const struct spread *spread, uint32_t number, uint32_t unit)
{
	const struct spread_job *job = &spread->jobs[number];

	if (job->firsts)
		return unit < job->known ? job->world_of[unit] : NOBODY;
	return is(job, "each") && job->units > 0 ? unit % job->units : unit;
}

/* Units of one scope have one key. */
static uint32_t scope_of(const struct spread_job *job, uint32_t unit)
{
	if (is(job, "own"))
		return world_own_scope(unit);
	for (uint32_t i = 0; job->whole && job->firsts[i] != NOBODY; i++)
		if (unit < job->firsts[i + 1])
			return i;
	if (is(job, "loadfile"))
		return unit % 5;
	if (is(job, "loadscope"))
		return unit % 5 * 2 + unit / 5 % 2;
	if (is(job, "loadgroup"))
		return unit % 3 ? 1000 + unit % 3 : unit;
	return NOBODY;
}

static void forget(struct spread *spread, uint32_t worker)
{
	for (size_t i = 0; i < spread->len; i++)
		for (uint32_t j = 0; spread->jobs[i].holder && j < spread->jobs[i].units; j++)
			if (spread->jobs[i].holder[j] == worker)
				spread->jobs[i].holder[j] = NOBODY;
}

static void know_worker(struct spread *spread, uint32_t worker)
{
	size_t len = (size_t)worker + 1;

	if (worker < spread->workers)
		return;
	spread->seat_of = ff_xrealloc(spread->seat_of, len * sizeof(*spread->seat_of));
	spread->ended = ff_xrealloc(spread->ended, len * sizeof(*spread->ended));
	spread->in_parts = ff_xrealloc(spread->in_parts, len * sizeof(*spread->in_parts));
	for (; spread->workers < len; spread->workers++) {
		spread->seat_of[spread->workers] = NOBODY;
		spread->ended[spread->workers] = false;
		spread->in_parts[spread->workers] = (struct spread_worker){.job = NOBODY};
	}
}

/* What it knows by this index, of a job that is not in parts. */
static uint32_t own_unit(const struct spread *spread, const struct spread_job *job, uint32_t worker,
			 uint32_t index)
{
	return worker < spread->workers && spread->in_parts[worker].other ? job->units - 1 - index
									  : index;
}

/* It has collected a part, or gave some units of parts back. */
static void part_input(struct spread *spread, const struct ff_input *input)
{
	struct spread_worker *worker = &spread->in_parts[input->worker];
	struct spread_job *job = &spread->jobs[worker->job];

	if (input->kind == FF_INPUT_PART && !(worker->parts_seen >> input->u.part.part & 1)) {
		worker->parts_seen |= 1U << input->u.part.part;
		worker->units = ff_xrealloc(worker->units,
					    (size_t)(worker->len + 64) * sizeof(*worker->units));
		for (uint32_t i = 0; i < input->u.part.count; i++)
			worker->units[worker->len++] = job->firsts[input->u.part.part] + i;
	}
	for (size_t i = 0; input->kind == FF_INPUT_SESSION_RETURNED && i < input->u.returned.len;
	     i++) {
		uint32_t index = input->u.returned.units[i];

		if (index < worker->len && job->holder[worker->units[index]] == input->worker)
			job->holder[worker->units[index]] = NOBODY;
	}
}

/* What a session that is over, or gave something back, had. */
void spread_input(struct spread *spread, const struct ff_input *input)
{
	if (input->execution != 0)
		return;
	if (input->kind == FF_INPUT_SESSION_FINISHED || input->kind == FF_INPUT_SESSION_ERROR ||
	    input->kind == FF_INPUT_SESSION_MISSING)
		forget(spread, input->worker);
	if (input->worker < spread->workers && spread->in_parts[input->worker].job != NOBODY) {
		part_input(spread, input);
		return;
	}
	if (input->kind == FF_INPUT_COLLECTED) {
		know_worker(spread, input->worker);
		spread->in_parts[input->worker].other |=
			strcmp(input->u.collected.digest, "other") == 0;
	}
	for (size_t i = 0; input->kind == FF_INPUT_SESSION_RETURNED && i < spread->len; i++)
		for (size_t j = 0; spread->jobs[i].holder && j < input->u.returned.len; j++) {
			uint32_t unit = own_unit(spread, &spread->jobs[i], input->worker,
						 input->u.returned.units[j]);

			if (unit < spread->jobs[i].units &&
			    spread->jobs[i].holder[unit] == input->worker)
				spread->jobs[i].holder[unit] = NOBODY;
		}
}

static struct spread_job *job_of(const struct spread *spread, const char *name)
{
	for (size_t i = 0; i < spread->len; i++)
		if (strcmp(spread->jobs[i].name, name) == 0)
			return &spread->jobs[i];
	return NULL;
}

/* The next units are those of this part. */
static void part_known(struct spread_job *job, struct check *check, const struct ff_event *event)
{
	uint32_t part = (uint32_t)strtoul(event->u.units_added.part + 1, NULL, 10);
	uint32_t count = event->u.units_added.count;

	if (count > 0 && count != job->firsts[part + 1] - job->firsts[part])
		check_fail(check, "part %s of %s has %u units", event->u.units_added.part,
			   job->name, count);
	for (uint32_t i = 0; i < count && job->known < job->units; i++)
		job->world_of[job->known++] = job->firsts[part] + i;
}

/* A worker has one seat, and it is one of its host's. */
static void seat_taken(struct spread *spread, struct check *check, const struct spread_job *job,
		       const struct ff_event *event)
{
	uint32_t seat = event->index / job->units, worker = event->worker_id - 1;

	know_worker(spread, worker);
	if (spread->seat_of[worker] != NOBODY && spread->seat_of[worker] != seat)
		check_fail(check, "%s runs for seats %u and %u of %s", event->worker,
			   spread->seat_of[worker], seat, job->name);
	spread->seat_of[worker] = seat;
	if (seat >= job->seats || job->seat_on[seat] != event->host_id - 1)
		check_fail(check, "seat %u of %s is run on %s", seat, job->name, event->host);
}

void spread_event(struct spread *spread, struct check *check, const struct ff_event *event)
{
	struct spread_job *job = event->job ? job_of(spread, event->job) : NULL;
	uint32_t unit;

	if (!job || !job->holder)
		return;
	if (event->kind == FF_EVENT_WORKER_ENDED) {
		know_worker(spread, event->worker_id - 1);
		spread->ended[event->worker_id - 1] = true;
		forget(spread, event->worker_id - 1);
	}
	if (event->kind == FF_EVENT_COLLECTED && is(job, "each") &&
	    event->u.collected.count != job->units * job->seats)
		check_fail(check, "%s has %u units for %u seats of %u", job->name,
			   event->u.collected.count, job->seats, job->units);
	if (event->kind == FF_EVENT_UNIT_STARTED && is(job, "each"))
		seat_taken(spread, check, job, event);
	if (event->kind == FF_EVENT_UNITS_ADDED && job->firsts)
		part_known(job, check, event);
	if (is(job, "each") || (!job->firsts && event->index >= job->units) ||
	    (job->firsts && event->index >= job->known))
		return;
	unit = job->firsts ? job->world_of[event->index] : event->index;
	if (event->kind == FF_EVENT_UNIT_FINISHED)
		job->holder[unit] = NOBODY;
	if (event->kind == FF_EVENT_UNIT_LOST) {
		job->holder[unit] = NOBODY;
		job->suspect[unit] = true;
	}
}

/* No scope is on two workers. */
static void given(struct spread_job *job, struct check *check, uint32_t unit, uint32_t worker)
{
	uint32_t scope = scope_of(job, unit);

	if (job->holder[unit] != NOBODY)
		check_fail(check, "unit %u of %s is given to %u, and %u has it", unit, job->name,
			   worker, job->holder[unit]);
	job->holder[unit] = worker;
	for (uint32_t i = 0; scope != NOBODY && i < job->units; i++)
		if (scope_of(job, i) == scope && job->holder[i] != NOBODY &&
		    job->holder[i] != worker && !job->suspect[i] && !job->suspect[unit])
			check_fail(check, "%s of %s is on %u, and unit %u of it on %u", job->dist,
				   job->name, job->holder[i], unit, worker);
}

static void part_given(struct spread *spread, struct check *check, const struct ff_order *order)
{
	struct spread_job *job = &spread->jobs[order->job];
	uint32_t first = job->firsts[order->part];
	uint32_t count = job->firsts[order->part + 1] - first, number = order->job;
	struct ff_payload_mark mark;
	bool anywhere = !check->plan->jobs[number].config->on, bound = false;

	for (uint32_t i = 0; i < count; i++)
		bound |= world_unit_mark(check->seed, number, first + i, anywhere, &mark);
	know_worker(spread, order->worker);
	spread->in_parts[order->worker].job = order->job;
	for (uint32_t i = 0; i < (order->all ? count : order->units_len); i++) {
		uint32_t place = order->all ? i : order->units[i];

		/* These come one by one. */
		if (order->all &&
		    (job->whole ? bound
				: world_unit_mark(check->seed, number, first + i, anywhere, &mark)))
			continue;
		if (place >= count)
			check_fail(check, "unit %u of part %u of %s is given, of %u", place,
				   order->part, job->name, count);
		else
			given(job, check, first + place, order->worker);
	}
}

void spread_order(struct spread *spread, struct check *check, const struct ff_order *order)
{
	struct spread_job *job;

	/* Its host may go away in the same decision. */
	if (order->worker < spread->workers && spread->ended[order->worker])
		return;
	if (order->kind == FF_ORDER_GIVE_PART)
		part_given(spread, check, order);
	if (order->kind != FF_ORDER_GIVE)
		return;
	job = &spread->jobs[order->job];
	for (size_t i = 0; i < order->units_len; i++) {
		if (order->units[i] >= job->units)
			check_fail(check, "unit %u of %s is given, of %u", order->units[i],
				   job->name, job->units);
		else if (!is(job, "each"))
			given(job, check, own_unit(spread, job, order->worker, order->units[i]),
			      order->worker);
	}
}

void spread_state(const struct spread *spread, struct check *check, const struct ff_state *state)
{
	for (uint32_t i = 0; i < state->jobs_len && i < spread->len; i++) {
		const struct spread_job *job = &spread->jobs[i];
		uint32_t most = NOBODY;

		if (!job->holder)
			continue;
		if (is(job, "no"))
			most = 1;
		else if (job->settings.workers >= 0 && !is(job, "each"))
			most = job->settings.workers > 1 ? (uint32_t)job->settings.workers : 1;
		if (state->jobs[i].running > most)
			check_fail(check, "%s runs %u units at a time, not %u", job->name,
				   state->jobs[i].running, most);
	}
}
