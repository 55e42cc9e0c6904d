/* The world's clock, its heap of what is to come, its hosts and executions. Sessions are in
 * sessions.c. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "state/state.h"
#include "base/err.h"
#include "world_private.h"

/* --- chance --- */

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t world_seed(uint64_t seed)
{
	return mix(seed);
}

uint64_t world_random(struct world *world)
{
	return mix(world->random++);
}

uint32_t world_below(struct world *world, uint32_t n)
{
	return n ? (uint32_t)(world_random(world) % n) : 0;
}

bool world_chance(struct world *world, uint32_t thousandths)
{
	return thousandths > 0 && world_below(world, 1000) < thousandths;
}

/* Of a unit: the same each time it is asked. */
uint32_t world_of_unit(const struct world *world, uint32_t job, uint32_t unit, uint32_t what)
{
	return (uint32_t)(mix(world->seed ^
			      mix(((uint64_t)job << 40) + ((uint64_t)what << 32) + unit)) %
			  1000);
}

bool world_is_bomb(const struct world *world, uint32_t job, uint32_t unit)
{
	return world_of_unit(world, job, unit, 1) < world->faults.bomb;
}

uint32_t world_bad_attempts(const struct world *world, uint32_t job, uint32_t unit)
{
	return world_of_unit(world, job, unit, 2) < world->faults.bad
		       ? 1 + world_of_unit(world, job, unit, 3) % 3
		       : 0;
}

bool world_unit_is_bomb(uint64_t seed, uint32_t job, uint32_t unit,
			const struct world_faults *faults)
{
	struct world world = {.seed = mix(seed), .faults = *faults};

	return world_is_bomb(&world, job, unit);
}

uint32_t world_unit_bad(uint64_t seed, uint32_t job, uint32_t unit,
			const struct world_faults *faults)
{
	struct world world = {.seed = mix(seed), .faults = *faults};

	return world_bad_attempts(&world, job, unit);
}

bool world_has_front(const struct world *world, uint32_t job)
{
	return world_of_unit(world, job, 0, 8) < world->faults.fronts;
}

const char *world_complaint(const struct world *world)
{
	return world->complaint;
}

uint32_t world_units(const struct world *world, uint32_t job)
{
	return world_of_unit(world, job, 0, 5) % 40;
}

uint32_t world_units_of(uint64_t seed, uint32_t job)
{
	struct world world = {.seed = mix(seed)};

	return world_units(&world, job);
}

void world_unit_name(char name[WORLD_NAME_MAX], const char *digest, uint32_t unit)
{
	snprintf(name, WORLD_NAME_MAX, "%s/m%u.py::C%u::test_%u[a::b@c]%s%s", digest, unit % 5,
		 unit / 5 % 2, unit, unit % 3 ? "@" : "",
		 unit % 3 == 1 ? "one" : (unit % 3 == 2 ? "two" : ""));
}

static struct world_settings settings_of(const struct world *world, uint32_t job)
{
	struct world_settings settings = {.workers = -1};

	settings.said = world_of_unit(world, job, 0, 8) < 400;
	if (settings.said && world_of_unit(world, job, 0, 9) < 300)
		settings.workers = world_of_unit(world, job, 0, 10) % 5;
	settings.scopes = settings.said && world_of_unit(world, job, 0, 11) < 300;
	settings.driven = world_has_front(world, job) && world->faults.no_front == 0 &&
			  world_of_unit(world, job, 0, 12) < 400;
	settings.said |= settings.driven;
	return settings;
}

struct world_settings world_settings_of(uint64_t seed, uint32_t job,
					const struct world_faults *faults)
{
	struct world world = {.seed = mix(seed), .faults = *faults};

	return settings_of(&world, job);
}

bool world_driver_is_bad(const struct world *world, uint32_t job)
{
	return world_of_unit(world, job, 0, 13) < 300;
}

bool world_unit_mark(uint64_t seed, uint32_t job, uint32_t unit, bool anywhere,
		     struct ff_payload_mark *mark)
{
	struct world world = {.seed = mix(seed)};

	return world_mark(&world, job, unit, anywhere, mark);
}

bool world_job_driver_is_bad(uint64_t seed, uint32_t job)
{
	struct world world = {.seed = mix(seed)};

	return world_driver_is_bad(&world, job);
}

uint32_t world_own_scope(uint32_t unit)
{
	return unit % 6;
}

static bool in_parts(const struct world *world, uint32_t job, const char *dist)
{
	struct world_settings settings = settings_of(world, job);

	return !settings.scopes && !settings.driven &&
	       (!strcmp(dist, "load") || !strcmp(dist, "worksteal") || !strcmp(dist, "loadfile")) &&
	       world_of_unit(world, job, 0, 14) < 900;
}

bool world_in_parts(const struct world *world, uint32_t job)
{
	const char *dist = world->plan->jobs[job].config->dist;

	return in_parts(world, job, dist ? dist : "load");
}

bool world_job_in_parts(uint64_t seed, uint32_t job, const char *dist,
			const struct world_faults *faults)
{
	struct world world = {.seed = mix(seed), .faults = *faults};

	return in_parts(&world, job, dist);
}

uint32_t world_parts(const struct world *world, uint32_t job)
{
	return world_of_unit(world, job, 0, 15) % (WORLD_PARTS_MAX + 1);
}

/* Some have no unit. */
uint32_t world_part_first(const struct world *world, uint32_t job, uint32_t part)
{
	uint32_t parts = world_parts(world, job);

	return parts ? world_units(world, job) * part / parts : 0;
}

uint32_t world_parts_of(uint64_t seed, uint32_t job)
{
	struct world world = {.seed = mix(seed)};

	return world_parts(&world, job);
}

uint32_t world_part_first_of(uint64_t seed, uint32_t job, uint32_t part)
{
	struct world world = {.seed = mix(seed)};

	return world_part_first(&world, job, part);
}

bool world_goes_on(const struct world *world, uint32_t job)
{
	return world_of_unit(world, job, 0, 16) < 500;
}

struct world_settings world_settings(const struct world *world, uint32_t job)
{
	return settings_of(world, job);
}

int64_t world_duration(const struct world *world, uint32_t job, uint32_t unit)
{
	/* Short ones have one that follows them, very short ones two. */
	int64_t by = !world->faults.brief ? world_of_unit(world, job, unit, 7) : job % 2 ? 10 : 1;

	return 1000 + world_of_unit(world, job, unit, 6) * by;
}

int64_t world_takes(const struct world *world, uint32_t job, uint32_t unit)
{
	int64_t took = world_duration(world, job, unit);
	int64_t limit = world->plan->jobs[job].config->timeout_us;

	if (world_of_unit(world, job, unit, 4) >= world->faults.slow)
		return took;
	/* Some end when their time is about to be over, or just was. */
	if (limit > 0 && world_of_unit(world, job, unit, 17) < 500)
		return limit - 10000 + world_of_unit(world, job, unit, 18) * INT64_C(50);
	return took + 60000000;
}

/* --- what is to come --- */

static bool before(const struct happening *a, const struct happening *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void world_happen(struct world *world, struct happening happening)
{
	size_t at = world->heap_len++;

	if (world->heap_len > world->heap_cap) {
		world->heap_cap = world->heap_cap ? 2 * world->heap_cap : 64;
		world->heap = ff_xrealloc(world->heap, world->heap_cap * sizeof(*world->heap));
	}
	happening.order = ++world->happenings;
	for (; at > 0 && before(&happening, &world->heap[(at - 1) / 2]); at = (at - 1) / 2)
		world->heap[at] = world->heap[(at - 1) / 2];
	world->heap[at] = happening;
}

static struct happening pop(struct world *world)
{
	struct happening first = world->heap[0], last = world->heap[--world->heap_len];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < world->heap_len) {
		if (child + 1 < world->heap_len &&
		    before(&world->heap[child + 1], &world->heap[child]))
			child++;
		if (!before(&world->heap[child], &last))
			break;
		world->heap[at] = world->heap[child];
		at = child;
	}
	if (world->heap_len > 0)
		world->heap[at] = last;
	return first;
}

void world_put(struct world *world, struct ff_input *input, int64_t at)
{
	world_happen(world, (struct happening){.at = at, .kind = HAPPENS_INPUT, .input = input});
}

/* Soon, from this opening of the host: not at all if that dies before, or late. */
void world_say(struct world *world, struct ff_input *input, uint32_t host, int64_t delay)
{
	if (world_chance(world, world->faults.late))
		delay += world_below(world, 3000000);
	world_say_at(world, input, host, world->now + delay);
}

void world_say_at(struct world *world, struct ff_input *input, uint32_t host, int64_t at)
{
	world_happen(world, (struct happening){.at = at,
					       .kind = HAPPENS_SAYING,
					       .input = input,
					       .host = host,
					       .life = world->hosts[host].life});
}

/* --- hosts --- */

static struct ff_input *about_host(struct world *world, uint32_t host, enum ff_input_kind kind)
{
	struct ff_input *input = ff_input_new(kind);

	input->host = host;
	input->tries = world->hosts[host].tries;
	return input;
}

static void put_ended(struct world *world, uint32_t host, int code, int64_t delay)
{
	struct ff_input *input = about_host(world, host, FF_INPUT_HOST_ENDED);

	input->u.ended.error = "the connection broke";
	input->u.ended.code = code;
	input->u.ended.wait = (struct ff_wait){world_chance(world, 500), 9};
	world_put(world, input, world->now + delay);
}

/* Everything there ends; the runner hears of it soon. */
void world_kill_host(struct world *world, uint32_t host)
{
	struct world_host *h = &world->hosts[host];

	if (!h->up)
		return;
	h->up = h->frozen = false;
	h->life++;
	sessions_die(world, host);
	put_ended(world, host, world_chance(world, 800) ? FF_ELOST : FF_EEOF,
		  world_below(world, 100000));
}

static void plan_misfortune(struct world *world, uint32_t host)
{
	struct world_host *h = &world->hosts[host];
	struct happening happening = {.host = host, .life = h->life};

	for (int second = 0; second < 20; second++) {
		happening.at = world->now + second * 1000000 + world_below(world, 1000000);
		happening.kind = HAPPENS_DEATH;
		if (world_chance(world, world->faults.dies)) {
			world_happen(world, happening);
			return;
		}
		happening.kind = HAPPENS_FREEZE;
		if (world_chance(world, world->faults.freezes)) {
			world_happen(world, happening);
			return;
		}
	}
}

static void open_host(struct world *world, const struct ff_order *order)
{
	struct world_host *h = &world->hosts[order->host];
	struct ff_input *input;
	static const int codes[] = {FF_EUNREACH, FF_EUNREACH, FF_ETIMEOUT, FF_EAUTH, FF_ESPAWN};

	h->tries = order->tries;
	h->life++;
	h->up = h->frozen = false;
	if (world_chance(world, world->faults.open_fails)) {
		put_ended(world, order->host, codes[world_below(world, 5)],
			  world_below(world, 200000));
		return;
	}
	if (world_chance(world, world->faults.open_cut)) {
		put_ended(world, order->host, FF_ELOST, world_below(world, 100000));
		return;
	}
	h->up = true;
	input = about_host(world, order->host, FF_INPUT_HOST_OPENED);
	input->u.host_opened.platform = "sim";
	input->u.host_opened.cwd = "/";
	input->u.host_opened.native = world->faults.brief;
	input->u.host_opened.memory = WORLD_MEMORY;
	input->u.host_opened.cpu = WORLD_CPU;
	world_say(world, input, order->host, 1000 + world_below(world, 50000));
	plan_misfortune(world, order->host);
}

static void sync_host(struct world *world, const struct ff_order *order)
{
	struct ff_input *input = about_host(world, order->host, FF_INPUT_HOST_SYNCED);

	if (world_chance(world, world->faults.sync_fails)) {
		input->u.host_synced.error = "tree sync: no space left";
		input->u.host_synced.code = world_chance(world, 500) ? FF_EBUSY : FF_ESYS;
		input->u.host_synced.for_good = input->u.host_synced.code == FF_ESYS;
	}
	input->u.host_synced.root = "/tree";
	world_say(world, input, order->host, 1000 + world_below(world, 50000));
}

/* It may fail; what is of the run has no host. */
static void set_up(struct world *world, const struct ff_order *order)
{
	enum ff_input_kind kind =
		order->kind == FF_ORDER_TEAR_DOWN ? FF_INPUT_HOST_TORN_DOWN : FF_INPUT_HOST_SET_UP;
	struct ff_input *input = order->host == FF_NOBODY ? ff_input_new(kind)
							  : about_host(world, order->host, kind);
	int64_t took = 1000 + world_below(world, 5000000);

	if (world->seed % 5 == 1 && world_chance(world, 100))
		input->u.set_up.error = "exit status 1";
	else
		input->u.set_up.skipped = world_chance(world, 300);
	if (order->host != FF_NOBODY) {
		world_say(world, input, order->host, took);
		return;
	}
	input->host = FF_NOBODY;
	world_put(world, input, world->now + took);
}

static void probe_host(struct world *world, const struct ff_order *order)
{
	struct ff_input *input = about_host(world, order->host, FF_INPUT_HOST_PROBED);

	input->u.host_probed.payload = order->payload;
	if (world_chance(world, world->faults.probe_fails))
		input->u.host_probed.error = "no Python with pytest";
	else if (ff_payloads[order->payload]->memory)
		input->u.host_probed.memory = WORLD_MEMORY;
	else if (world_chance(world, 200))
		input->u.host_probed.note = "using another one";
	world_say(world, input, order->host, 1000 + world_below(world, 20000));
}

/* --- executions --- */

enum ff_outcome world_outcome(struct world *world, uint32_t job, uint32_t unit)
{
	uint8_t *attempts = &world->attempts[job][unit % WORLD_UNITS];

	/* Attempts that were lost with their host do not come here. */
	if ((*attempts)++ < world_bad_attempts(world, job, unit))
		return FF_OUTCOME_FAILED;
	return FF_OUTCOME_PASSED;
}

/* One that may be followed says all in order: what is late delays what follows. */
static struct world_execution *take_up(struct world *world, const struct ff_order *order)
{
	const struct world_execution *before = ff_map_get_u32(&world->executions, order->follows);
	struct world_execution *x = ff_xcalloc(1, sizeof(*x));

	x->host = order->host;
	x->life = world->hosts[order->host].life;
	x->begins = world->now;
	if (before && before->life == x->life && before->ends > x->begins)
		x->begins = before->ends;
	ff_map_set_u32(&world->executions, order->execution, x);
	return x;
}

static void say_of(struct world *world, const struct ff_order *order, struct ff_input *input,
		   int64_t at)
{
	const struct world_host *h = &world->hosts[order->host];

	input->execution = order->execution;
	if (!world->faults.brief && world_chance(world, world->faults.late))
		at += world_below(world, 3000000);
	world_happen(world, (struct happening){.at = at,
					       .kind = HAPPENS_SAYING,
					       .input = input,
					       .host = order->host,
					       .life = h->life,
					       .execution = order->execution});
}

static void say_finished(struct world *world, const struct ff_order *order, int64_t took,
			 int64_t at)
{
	struct ff_input *input = ff_input_new(FF_INPUT_EXEC_FINISHED);
	struct ff_result result = {.outcome = world_outcome(world, order->job, order->unit),
				   .duration_us = took,
				   .has_status = true};

	input->u.result = ff_input_result(input, &result);
	say_of(world, order, input, at);
}

static void say_output(struct world *world, const struct ff_order *order, int64_t at)
{
	struct ff_input *input = ff_input_new(FF_INPUT_EXEC_OUTPUT);

	input->u.output.stream = 1;
	input->u.output.bytes = "hello\n";
	input->u.output.len = 6;
	say_of(world, order, input, at);
}

static void run(struct world *world, const struct ff_order *order)
{
	const struct world_host *h = &world->hosts[order->host];
	int64_t took = world_duration(world, order->job, order->unit), begins = world->now;
	struct world_execution *x;

	if (!h->up || h->tries != order->tries)
		return; /* its end is on the way */
	if (world->faults.brief) {
		if (world_chance(world, world->faults.late))
			took += world_below(world, 3000000);
		x = take_up(world, order);
		begins = x->begins;
		x->ends = begins == INT64_MAX || world_is_bomb(world, order->job, order->unit)
				  ? INT64_MAX
				  : begins + took;
		if (begins == INT64_MAX)
			return;
	}
	if (world_is_bomb(world, order->job, order->unit)) {
		world_happen(world, (struct happening){.at = begins + took,
						       .kind = HAPPENS_DEATH,
						       .host = order->host,
						       .life = h->life,
						       .execution = order->execution});
		return;
	}
	if (world_chance(world, 300))
		say_output(world, order, begins + took / 2);
	if (world_chance(world, world->faults.exec_ends)) {
		say_of(world, order, ff_input_new(FF_INPUT_EXEC_ENDED), begins + took);
		return;
	}
	say_finished(world, order, took, begins + took);
	if (world_chance(world, world->faults.twice))
		say_finished(world, order, took, begins + took);
}

/* What a unit has left comes, or not all of it; hosts may die meanwhile. */
static void fetch(struct world *world, const struct ff_order *order)
{
	static const char *const lines[] = {"x", NULL};
	const struct world_host *h = &world->hosts[order->host];
	int64_t took = world_below(world, world->faults.brief ? 1000 : 2000000);

	if (!h->up || h->tries != order->tries)
		return; /* its end is on the way */
	for (bool again = true; again; again = world_chance(world, world->faults.twice)) {
		struct ff_input *input = ff_input_new(FF_INPUT_EXEC_FETCHED);

		input->u.fetched.folder = "/out/j/u";
		input->u.fetched.files = world_below(world, 3);
		if (world->seed % 5 == 0 && world_chance(world, 50))
			input->u.fetched.error = "no space";
		if (world->seed % 7 == 0 && world_chance(world, 50))
			input->u.fetched.missing = lines;
		if (world->seed % 11 == 0 && world_chance(world, 50))
			input->u.fetched.refused = lines;
		say_of(world, order, input, world->now + took);
	}
}

static void withdraw(struct world *world, const struct ff_order *order)
{
	struct world_execution *x = ff_map_get_u32(&world->executions, order->execution);

	if (!x || x->withdrawn || x->begins <= world->now || x->life != world->hosts[x->host].life)
		return;
	x->withdrawn = true;
	say_of(world, order, ff_input_new(FF_INPUT_EXEC_RETURNED), world->now);
}

/* What it would have done. */
static bool is_withdrawn(const struct world *world, const struct happening *happening)
{
	const struct world_execution *x = ff_map_get_u32(&world->executions, happening->execution);

	return happening->execution && x && x->withdrawn &&
	       (!happening->input || happening->input->kind != FF_INPUT_EXEC_RETURNED);
}

/* --- nonsense --- */

/* Anything, about anybody; well-formed, as act makes sure. (What follows DRAIN comes from the
 * inventory: nobody makes mistakes there.) */
static struct ff_input *nonsense(struct world *world)
{
	static const char *const names[] = {"a", "b", NULL};
	static const uint32_t units[] = {0, 3, 4000000000};
	static const struct ff_result result = {.outcome = FF_OUTCOME_PASSED};
	struct ff_input *input = ff_input_new(FF_INPUT_TICK);

	do
		input->kind = (enum ff_input_kind)world_below(world, FF_INPUT_DRAIN);
	while (input->kind == FF_INPUT_SIGNAL || input->kind == FF_INPUT_START ||
	       input->kind == FF_INPUT_DISK || input->kind == FF_INPUT_HOST_ENDED ||
	       input->kind == FF_INPUT_FULL);
	input->host = world_below(world, world->hosts_len + 1);
	input->tries = world_below(world, 4) + 100;
	input->worker = 1000000 + world_below(world, 8);
	input->execution = 1000000 + world_below(world, 4);
	input->unit = world_below(world, 50);
	input->job = 1000000;
	switch (input->kind) {
	case FF_INPUT_IDS:
		input->u.ids.names = names;
		input->u.ids.len = 2;
		break;
	case FF_INPUT_SESSION_RETURNED:
		input->u.returned.units = units;
		input->u.returned.len = 3;
		break;
	case FF_INPUT_COLLECTED:
		input->u.collected.digest = "zzz";
		break;
	case FF_INPUT_PROBLEM:
		input->u.problem.nodeid = "n";
		break;
	case FF_INPUT_NOTICE:
		input->u.notice.level = "note";
		input->u.notice.text = "t";
		break;
	case FF_INPUT_UNIT_FINISHED:
	case FF_INPUT_EXEC_FINISHED:
		input->u.result = &result;
		break;
	case FF_INPUT_HOST_SAID:
	case FF_INPUT_WORKER_SAID:
	case FF_INPUT_UNIT_SAID:
	case FF_INPUT_SESSION_MISSING:
	case FF_INPUT_WARNED:
		input->u.said.text = "noise";
		break;
	case FF_INPUT_SESSION_ERROR:
		input->u.error.why = FF_REASON_PAYLOAD;
		input->u.error.text = "e";
		break;
	default:
		break;
	}
	return input;
}

static void drop(struct world *world, const struct ff_order *order)
{
	struct ff_input *input = ff_input_new(FF_INPUT_EXEC_FINISHED);
	struct ff_result result = {.outcome = FF_OUTCOME_LOST};

	input->execution = order->execution;
	input->u.result = ff_input_result(input, &result);
	world_put(world, input, world->now);
}

/* --- the way of orders and time --- */

void world_order(struct world *world, const struct ff_order *order)
{
	switch (order->kind) {
	case FF_ORDER_OPEN_HOST:
		open_host(world, order);
		break;
	case FF_ORDER_SYNC_HOST:
		sync_host(world, order);
		break;
	case FF_ORDER_SET_UP:
	case FF_ORDER_TEAR_DOWN:
		set_up(world, order);
		break;
	case FF_ORDER_DROP_SETUP:
	case FF_ORDER_CLEAN:
		break;
	case FF_ORDER_PROBE_HOST:
		probe_host(world, order);
		break;
	case FF_ORDER_CLOSE_HOST:
		world->hosts[order->host].up = false;
		world->hosts[order->host].life++;
		break;
	case FF_ORDER_RUN:
		run(world, order);
		break;
	case FF_ORDER_FETCH:
		fetch(world, order);
		break;
	case FF_ORDER_WITHDRAW:
		withdraw(world, order);
		break;
	case FF_ORDER_DROP:
		drop(world, order);
		break;
	case FF_ORDER_REST:
	case FF_ORDER_PAUSE:
	case FF_ORDER_RESUME:
		break;
	case FF_ORDER_DISCOVER:
		world_discover(world, order);
		break;
	default:
		if (!front_order(world, order))
			session_order(world, order);
	}
	if (world_chance(world, world->faults.nonsense))
		world_put(world, nonsense(world), world->now + world_below(world, 100000));
}

static void freeze(struct world *world, const struct happening *happening)
{
	struct world_host *h = &world->hosts[happening->host];

	h->frozen = true;
	h->thaws_at = world->now + world_below(world, 4000000);
	world_happen(world, (struct happening){.at = h->thaws_at,
					       .kind = world_chance(world, 500) ? HAPPENS_DEATH
										: HAPPENS_THAW,
					       .host = happening->host,
					       .life = h->life});
}

static struct ff_input *happens(struct world *world, struct happening *happening)
{
	struct world_host *h = &world->hosts[happening->host];

	if (happening->kind == HAPPENS_INPUT)
		return happening->input;
	if (is_withdrawn(world, happening)) {
		ff_input_free(happening->input);
		return NULL;
	}
	/* What belongs to a former life of the host is still heard sometimes. */
	if (happening->life != h->life) {
		/* Not with a gap: executions that follow each other are told in order, and settings
		 * come in one item with what was collected, scopes and costs with the names. */
		bool gap = (world->faults.brief && happening->execution) ||
			   (happening->input && (happening->input->kind == FF_INPUT_COLLECTED ||
						 happening->input->kind == FF_INPUT_IDS));

		if (happening->kind == HAPPENS_SAYING && !gap && world_chance(world, 300))
			return happening->input;
		ff_input_free(happening->input);
		return NULL;
	}
	if (h->frozen && happening->kind != HAPPENS_DEATH && happening->kind != HAPPENS_THAW) {
		happening->at = h->thaws_at; /* in the order of before */
		world_happen(world, *happening);
		return NULL;
	}
	switch (happening->kind) {
	case HAPPENS_SAYING:
		return happening->input;
	case HAPPENS_DEATH:
		world_kill_host(world, happening->host);
		break;
	case HAPPENS_FREEZE:
		freeze(world, happening);
		break;
	case HAPPENS_THAW:
		h->frozen = false;
		break;
	case HAPPENS_KILL:
		session_killed(world, happening->session);
		break;
	default:
		session_step(world, happening->session);
	}
	return NULL;
}

int64_t world_next(const struct world *world)
{
	return world->heap_len > 0 ? world->heap[0].at : INT64_MAX;
}

struct ff_input *world_step(struct world *world, int64_t until)
{
	struct happening happening;

	if (world_next(world) > until) {
		world->now = until > world->now ? until : world->now;
		return NULL;
	}
	happening = pop(world);
	if (happening.at > world->now)
		world->now = happening.at;
	return happens(world, &happening);
}

int64_t world_now(const struct world *world)
{
	return world->now;
}

struct world *world_new(uint64_t seed, uint32_t life, const struct ff_plan *plan, uint32_t hosts,
			const struct world_faults *faults)
{
	struct world *world = ff_xcalloc(1, sizeof(*world));

	world->seed = mix(seed);
	world->random = mix(world->seed + life);
	world->plan = plan;
	world->faults = *faults;
	world->now = 1000000;
	world->hosts_len = hosts;
	world->hosts = ff_xcalloc(hosts + 1, sizeof(*world->hosts));
	world->attempts = ff_xcalloc(plan->len + 1, sizeof(*world->attempts));
	world->asked = ff_xcalloc(plan->len + 1, sizeof(*world->asked));
	ff_list_init(&world->sessions);
	ff_list_init(&world->fronts);
	return world;
}

void world_free(struct world *world)
{
	size_t cursor = 0;
	void *value;

	while (world->heap_len > 0)
		ff_input_free(pop(world).input);
	sessions_free(world);
	while (ff_map_next(&world->executions, &cursor, NULL, &value))
		ff_free(value);
	ff_map_release(&world->executions);
	fronts_free(world);
	ff_free(world->heap);
	ff_free(world->asked);
	ff_free(world->hosts);
	ff_free(world->attempts);
	ff_free(world);
}
