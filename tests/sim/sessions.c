/* Sessions of the world: they collect, run what they are given as a pytest session does (the last
 * unit's end waits to hear what comes next), give back, crash, and end. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "world_private.h"

enum { QUEUE_MAX = 4096 };

/* Of a part that was given. */
struct part_order {
	struct ff_list node;
	uint32_t part;
	const char *digest; /* "same", "other"; NULL: any */
	bool all;
	uint32_t len;
	uint32_t places[];
};

struct world_session {
	struct ff_list node;
	uint32_t worker, host, job;
	uint32_t queue[QUEUE_MAX];
	uint32_t len;
	uint32_t running; /* UINT32_MAX: none */
	bool open, collected, end, stopped, waits, over;
	bool asks; /* waits for its job's front */
	bool fronted;
	uint32_t words; /* that it has said to that */
	const char *digest;
	bool in_parts, collects;
	struct ff_list orders;
	uint32_t firsts[WORLD_PARTS_MAX + 1]; /* by part; UINT32_MAX: not collected */
	const char *digests[WORLD_PARTS_MAX + 1];
	uint32_t units[QUEUE_MAX], units_len; /* by its own indexes */
	int64_t said_at;		      /* what it says stays in order */
};

static struct world_session *find(struct world *world, uint32_t worker)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &world->sessions) {
		struct world_session *s = ff_container_of(pos, struct world_session, node);

		if (s->worker == worker)
			return s;
	}
	return NULL;
}

static struct ff_input *about(const struct world_session *s, enum ff_input_kind kind)
{
	struct ff_input *input = ff_input_new(kind);

	input->worker = s->worker;
	return input;
}

static void say_in(struct world *world, struct world_session *s, struct ff_input *input,
		   int64_t delay)
{
	if (world_chance(world, world->faults.late))
		delay += world_below(world, 3000000);
	if (world->now + delay > s->said_at)
		s->said_at = world->now + delay;
	world_say_at(world, input, s->host, s->said_at);
}

static void say(struct world *world, struct world_session *s, struct ff_input *input)
{
	say_in(world, s, input, 100 + world_below(world, 2000));
}

static void happens_in(struct world *world, const struct world_session *s, int64_t delay,
		       enum happens kind)
{
	world_happen(world, (struct happening){.at = world->now + delay,
					       .kind = kind,
					       .host = s->host,
					       .life = world->hosts[s->host].life,
					       .session = s->worker});
}

static void step_in(struct world *world, const struct world_session *s, int64_t delay)
{
	happens_in(world, s, delay, HAPPENS_STEP);
}

static void forget_orders(struct world_session *s)
{
	while (!ff_list_empty(&s->orders)) {
		struct part_order *order = ff_container_of(s->orders.next, struct part_order, node);

		ff_list_del(&order->node);
		ff_free(order);
	}
}

/* The job's unit that it calls so. */
/* Another collection is the other way round, and has others of some. */
static bool is_other(const struct world_session *s)
{
	return !s->in_parts && s->digest && strcmp(s->digest, "other") == 0;
}

static bool only_there(const struct world_session *s, uint32_t unit)
{
	return is_other(s) && unit % 7 == 3;
}

static uint32_t unit_of(const struct world *world, const struct world_session *s, uint32_t index)
{
	if (is_other(s))
		return world_units(world, s->job) - 1 - index;
	return s->in_parts ? s->units[index] : index;
}

static void forget(struct world_session *s)
{
	forget_orders(s);
	ff_list_del(&s->node);
	ff_free(s);
}

/* Its process ends; with its host, or by itself. */
static void end(struct world *world, struct world_session *s, const char *error, bool host_lost)
{
	struct ff_input *input = about(s, FF_INPUT_WORKER_ENDED);

	input->u.ended.error = error;
	input->u.ended.code = error ? FF_ELOST : 0;
	input->u.ended.host_lost = host_lost;
	input->u.ended.said = "";
	input->u.ended.wait = (struct ff_wait){world_chance(world, 700), 11};
	world_put(world, input, world->now + world_below(world, 150000));
	forget(s);
}

void sessions_die(struct world *world, uint32_t host)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &world->sessions) {
		struct world_session *s = ff_container_of(pos, struct world_session, node);

		if (s->host != host)
			continue;
		if (world_chance(world, 700))
			end(world, s, "its host is gone", true);
		else
			forget(s);
	}
}

void sessions_free(struct world *world)
{
	while (!ff_list_empty(&world->sessions))
		forget(ff_container_of(world->sessions.next, struct world_session, node));
}

/* --- its life --- */

static void finish(struct world *world, struct world_session *s, bool bad, const char *stop)
{
	struct ff_input *input = about(s, FF_INPUT_SESSION_FINISHED);

	if (s->over)
		return;
	s->over = true;
	input->u.finished.bad = bad;
	input->u.finished.stop = stop;
	say(world, s, input);
	step_in(world, s, 5000 + world_below(world, 3000000)); /* atexit */
}

static void start_next(struct world *world, struct world_session *s)
{
	struct ff_input *input;

	if (s->over || s->running != UINT32_MAX || s->collects)
		return;
	if (s->len == 0 && !ff_list_empty(&s->orders)) {
		s->collects = true;
		step_in(world, s, 1000 + world_below(world, 300000));
		return;
	}
	if (s->len == 0) {
		if (s->end)
			finish(world, s, false, NULL);
		return;
	}
	s->running = s->queue[0];
	memmove(s->queue, s->queue + 1, --s->len * sizeof(*s->queue));
	input = about(s, FF_INPUT_UNIT_STARTED);
	input->unit = s->running;
	say_in(world, s, input, 0);
	step_in(world, s, world_takes(world, s->job, unit_of(world, s, s->running)));
}

/* To its front; numbered, so that their order can be looked at. */
static void say_to_front(struct world *world, struct world_session *s)
{
	struct ff_input *input = about(s, FF_INPUT_SESSION_TO_FRONT);

	s->words++;
	input->u.packed.bytes = ff_input_bytes(input, (const char *)&s->words, sizeof(s->words));
	input->u.packed.len = sizeof(s->words);
	say_in(world, s, input, 0);
}

static void say_unit_finished(struct world *world, struct world_session *s, enum ff_outcome outcome)
{
	struct ff_input *input = about(s, FF_INPUT_UNIT_FINISHED);
	struct ff_result result = {
		.outcome = outcome,
		.duration_us = world_duration(world, s->job, unit_of(world, s, s->running))};

	input->unit = s->running;
	if (s->fronted) {
		say_to_front(world, s);
		s->words++;
		result.front = &s->words;
		result.front_len = sizeof(s->words);
	}
	input->u.result = ff_input_result(input, &result);
	say_in(world, s, input, 0);
}

static void unit_ends(struct world *world, struct world_session *s)
{
	say_unit_finished(world, s, world_outcome(world, s->job, unit_of(world, s, s->running)));
	s->running = UINT32_MAX;
	s->waits = false;
	if (world_chance(world, world->faults.stop_early))
		finish(world, s, world_chance(world, 500), "stopping after 1 failures");
	else
		start_next(world, s);
}

/* --- parts --- */

/* A whole part comes without these. */
static bool is_bound(const struct world *world, const struct world_session *s, uint32_t part,
		     uint32_t place)
{
	const struct ff_config_job *config = world->plan->jobs[s->job].config;
	uint32_t first = world_part_first(world, s->job, part);
	uint32_t count = world_part_first(world, s->job, part + 1) - first;
	struct ff_payload_mark marks[64], mark;

	if (config->dist && strcmp(config->dist, "loadfile") == 0)
		return world_marks(world, s->job, first, count, marks) > 0;
	return world_mark(world, s->job, first + place, !config->on, &mark);
}

static void say_marks(struct world *world, struct world_session *s, uint32_t part, uint32_t first,
		      uint32_t count)
{
	struct ff_payload_mark *marks = ff_xcalloc((size_t)count + 1, sizeof(*marks));
	struct ff_input *input = about(s, FF_INPUT_MARKS);

	input->u.marks.part = part;
	input->u.marks.len = world_marks(world, s->job, first, count, marks);
	input->u.marks.v = ff_input_marks(input, marks, input->u.marks.len);
	ff_free(marks);
	if (input->u.marks.len > 0)
		say(world, s, input);
	else
		ff_input_free(input);
}

/* The places of a part that is there are to be run. */
static void queue_places(const struct world *world, struct world_session *s,
			 const struct part_order *order)
{
	uint32_t count = world_part_first(world, s->job, order->part + 1) -
			 world_part_first(world, s->job, order->part);

	if (order->digest && strcmp(order->digest, s->digests[order->part]) != 0)
		return;
	for (uint32_t i = 0; i < (order->all ? count : order->len) && s->len < QUEUE_MAX; i++)
		if (!order->all || !is_bound(world, s, order->part, i))
			s->queue[s->len++] =
				s->firsts[order->part] + (order->all ? i : order->places[i]);
}

static void say_part(struct world *world, struct world_session *s, const struct part_order *order)
{
	uint32_t first = world_part_first(world, s->job, order->part);
	uint32_t count = world_part_first(world, s->job, order->part + 1) - first;
	struct ff_input *input = about(s, FF_INPUT_PART);
	const char *names[64] = {NULL};

	s->digests[order->part] = world_chance(world, world->faults.differ / 2) ? "other" : "same";
	s->firsts[order->part] = s->units_len;
	for (uint32_t i = 0; i < count; i++) {
		char text[WORLD_NAME_MAX];

		world_unit_name(text, s->digests[order->part], first + i);
		names[i] = ff_input_text(input, text);
		s->units[s->units_len++] = first + i;
	}
	input->u.part.part = order->part;
	input->u.part.digest = s->digests[order->part];
	input->u.part.count = count;
	if (!order->digest || strcmp(order->digest, s->digests[order->part]) != 0)
		input->u.part.names = ff_input_lines(input, names);
	if (input->u.part.names)
		say_marks(world, s, order->part, first, count);
	say_in(world, s, input, 0);
}

static void say_problem(struct world *world, struct world_session *s, uint32_t part)
{
	struct ff_input *input = about(s, FF_INPUT_PROBLEM);
	char name[16];

	snprintf(name, sizeof(name), "p%u/x", part);
	input->u.problem.nodeid = ff_input_text(input, name);
	input->u.problem.message = "ImportError";
	say_in(world, s, input, 0);
}

/* The first part that was ordered is collected, or takes it down. */
static void collected(struct world *world, struct world_session *s)
{
	struct part_order *order = ff_container_of(s->orders.next, struct part_order, node);

	s->collects = false;
	if (ff_list_empty(&s->orders)) { /* it was told to stop */
		start_next(world, s);
		return;
	}
	if (world_chance(world, world->faults.crash)) {
		end(world, s, "signal 11", false);
		return;
	}
	ff_list_del(&order->node);
	if (s->firsts[order->part] == UINT32_MAX)
		say_part(world, s, order);
	queue_places(world, s, order);
	if (world_chance(world, world->faults.collect_error / 4)) {
		say_problem(world, s, order->part);
		if (!world_goes_on(world, s->job))
			finish(world, s, true, "1 error during collection");
	}
	ff_free(order);
	start_next(world, s);
}

static void take_part(struct world *world, struct world_session *s, const struct ff_order *order)
{
	struct part_order *mine =
		ff_xcalloc(1, sizeof(*mine) + (order->units_len + 1) * sizeof(*mine->places));

	mine->part = order->part;
	mine->all = order->all;
	mine->digest = !order->digest ? NULL : !strcmp(order->digest, "same") ? "same" : "other";
	mine->len = (uint32_t)order->units_len;
	for (size_t i = 0; i < order->units_len; i++)
		mine->places[i] = order->units[i];
	if (s->firsts[mine->part] == UINT32_MAX) {
		ff_list_add_tail(&s->orders, &mine->node);
		return;
	}
	queue_places(world, s, mine);
	ff_free(mine);
}

/* The running unit is done, or the interpreter has done its exit's work. */
void session_killed(struct world *world, uint32_t worker)
{
	struct world_session *s = find(world, worker);

	if (s)
		end(world, s, "killed", false);
}

void session_step(struct world *world, uint32_t worker)
{
	struct world_session *s = find(world, worker);

	if (!s)
		return;
	if (s->over) {
		end(world, s, NULL, false);
		return;
	}
	if (s->collects) {
		collected(world, s);
		return;
	}
	if (s->running == UINT32_MAX)
		return;
	if (world_is_bomb(world, s->job, unit_of(world, s, s->running))) {
		world_kill_host(world, s->host);
	} else if (world_chance(world, world->faults.crash)) {
		end(world, s, "signal 11", false);
	} else if (s->len > 0 || !ff_list_empty(&s->orders) || s->end) {
		unit_ends(world, s);
	} else if (!s->waits) {
		s->waits = true;
		say(world, s, about(s, FF_INPUT_SESSION_WANTS));
	}
}

/* More came, or the end, or the word that nothing comes now. */
static void answered(struct world *world, struct world_session *s)
{
	if (s->running != UINT32_MAX && s->waits)
		unit_ends(world, s);
	else
		start_next(world, s);
}

/* --- orders --- */

static void open_worker(struct world *world, const struct ff_order *order)
{
	struct world_session *s;
	struct ff_input *input;

	if (!world->hosts[order->host].up)
		return; /* its end is on the way */
	s = ff_xcalloc(1, sizeof(*s));
	s->worker = order->worker;
	s->host = order->host;
	s->job = order->job;
	s->running = UINT32_MAX;
	ff_list_init(&s->orders);
	memset(s->firsts, 0xff, sizeof(s->firsts));
	s->in_parts = world_in_parts(world, s->job);
	ff_list_add_tail(&world->sessions, &s->node);
	if (!world_chance(world, world->faults.open_fails / 4)) {
		s->open = true;
		say_in(world, s, about(s, FF_INPUT_WORKER_OPENED),
		       1000 + world_below(world, 30000));
		return;
	}
	input = about(s, FF_INPUT_WORKER_ENDED);
	input->u.ended.error = "cannot start";
	input->u.ended.failed_open = true;
	input->u.ended.said = "";
	say_in(world, s, input, 1000);
	forget(s);
}

static void say_collected(struct world *world, struct world_session *s)
{
	struct ff_input *input;

	if (s->in_parts) {
		input = about(s, FF_INPUT_SESSION_IN_PARTS);
		input->u.in_parts.parts = world_parts(world, s->job);
		input->u.in_parts.go_on = world_goes_on(world, s->job);
		say(world, s, input);
	}
	input = about(s, FF_INPUT_COLLECTED);
	s->collected = true;
	s->digest = world_chance(world, world->faults.differ) ? "alien" : "same";
	/* What has some in common with the job's comes behind that, whose order is the world's. */
	if (!s->in_parts && strcmp(s->digest, "alien") == 0 && world->asked[s->job])
		s->digest = "other";
	input->u.collected.digest = s->digest;
	input->u.collected.count = s->in_parts ? 0 : world_units(world, s->job);
	input->u.collected.rootdir = "/";
	say_in(world, s, input, 5000 + world_below(world, 200000));
}

static void ask_front(struct world *world, struct world_session *s)
{
	static const char *const reasons[] = {"pytest_terminal_summary (conftest.py)", NULL};
	struct ff_input *input = about(s, FF_INPUT_SESSION_NEEDS_FRONT);

	s->asks = true;
	input->u.lines.v = reasons;
	say(world, s, input);
}

static void say_settings(struct world *world, struct world_session *s)
{
	struct world_settings settings = world_settings(world, s->job);
	struct ff_input *input = about(s, FF_INPUT_SESSION_SETTINGS);

	input->u.settings.workers = settings.workers;
	input->u.settings.scopes = settings.scopes;
	input->u.settings.driven = settings.driven;
	if (settings.said)
		say(world, s, input);
	else
		ff_input_free(input);
}

static void start_session(struct world *world, struct world_session *s)
{
	static const struct ff_fact memory = {"memory", "104857600"};
	struct ff_input *input;

	if (!s->fronted && world_has_front(world, s->job) &&
	    !world_chance(world, world->faults.no_front)) {
		ask_front(world, s);
		return;
	}
	input = about(s, FF_INPUT_SESSION_STARTED);
	input->u.started.words = "Python";
	input->u.started.facts = &memory;
	input->u.started.facts_len = 1;
	say(world, s, input);
	say_settings(world, s);
	if (world_chance(world, world->faults.missing)) {
		input = about(s, FF_INPUT_SESSION_MISSING);
		input->u.said.text = "no pytest";
		s->over = true;
		say(world, s, input);
		step_in(world, s, 10000);
	} else if (world_chance(world, world->faults.collect_error)) {
		input = about(s, FF_INPUT_PROBLEM);
		input->u.problem.nodeid = "test_x.py";
		input->u.problem.message = "ImportError";
		say(world, s, input);
		finish(world, s, false, NULL);
	} else {
		say_collected(world, s);
	}
}

static void say_texts(struct world *world, struct world_session *s, enum ff_input_kind kind)
{
	struct ff_input *input = about(s, kind);
	uint32_t len = s->in_parts ? world_parts(world, s->job) : world_units(world, s->job);
	char text[WORLD_NAME_MAX];
	const char **names = ff_xcalloc(len + 1, sizeof(*names));

	for (uint32_t i = 0; i < len; i++) {
		if (s->in_parts)
			snprintf(text, sizeof(text), "p%u%s", i,
				 strcmp(s->digest, "same") == 0 ? "" : "x");
		else if (kind == FF_INPUT_SCOPES)
			snprintf(text, sizeof(text), "%u", world_own_scope(unit_of(world, s, i)));
		else
			world_unit_name(text,
					!is_other(s) || only_there(s, unit_of(world, s, i))
						? s->digest
						: "same",
					unit_of(world, s, i));
		names[i] = ff_input_text(input, text);
	}
	input->u.ids.names = ff_input_lines(input, names);
	input->u.ids.len = len;
	ff_free(names);
	say(world, s, input);
}

static void say_ids(struct world *world, struct world_session *s)
{
	if (world_settings(world, s->job).scopes)
		say_texts(world, s, FF_INPUT_SCOPES);
	if (s->in_parts) {
		struct ff_input *input = about(s, FF_INPUT_COSTS);
		int64_t costs[WORLD_PARTS_MAX + 1];

		input->u.costs.len = world_parts(world, s->job);
		for (uint32_t i = 0; i < input->u.costs.len; i++)
			costs[i] = i * 37 % 5;
		input->u.costs.v = (const int64_t *)(const void *)ff_input_bytes(
			input, (const char *)costs, input->u.costs.len * sizeof(*costs));
		say(world, s, input);
	}
	if (!s->in_parts)
		say_marks(world, s, UINT32_MAX, 0, world_units(world, s->job));
	say_texts(world, s, FF_INPUT_IDS);
}

/* As the payload does: what it runs next stays, the rest is given back; or it says nothing. */
static void give_back(struct world *world, struct world_session *s, const struct ff_order *order)
{
	struct ff_input *input = about(s, FF_INPUT_SESSION_RETURNED);
	uint32_t *back = ff_xcalloc(order->units_len + 1, sizeof(*back));
	uint32_t len = 0, kept = 0;

	for (uint32_t i = 0; i < s->len; i++) {
		bool wanted = false;

		for (size_t j = 0; j < order->units_len; j++)
			wanted |= order->units[j] == s->queue[i];
		if (wanted && i > 0)
			back[len++] = s->queue[i];
		else
			s->queue[kept++] = s->queue[i];
	}
	s->len = kept;
	input->u.returned.units = (const uint32_t *)(const void *)ff_input_bytes(
		input, (const char *)back, len * sizeof(*back));
	input->u.returned.len = len;
	ff_free(back);
	say(world, s, input);
}

void session_order(struct world *world, const struct ff_order *order)
{
	struct world_session *s;

	if (order->kind == FF_ORDER_OPEN_WORKER) {
		open_worker(world, order);
		return;
	}
	s = find(world, order->worker);
	if (!s)
		return;
	switch (order->kind) {
	case FF_ORDER_START_SESSION:
		start_session(world, s);
		break;
	case FF_ORDER_PASS_ON:
		if (!s->asks)
			break;
		s->asks = false;
		s->fronted = true;
		start_session(world, s);
		break;
	case FF_ORDER_ASK_IDS:
		world->asked[s->job] |= strcmp(s->digest, "same") == 0;
		say_ids(world, s);
		break;
	case FF_ORDER_GIVE:
		for (size_t i = 0; i < order->units_len && s->len < QUEUE_MAX; i++) {
			if (order->units[i] >= world_units(world, s->job) ||
			    only_there(s, unit_of(world, s, order->units[i])))
				world->complaint = "a worker was given what it has not collected";
			else
				s->queue[s->len++] = order->units[i];
		}
		answered(world, s);
		break;
	case FF_ORDER_GIVE_PART:
		take_part(world, s, order);
		answered(world, s);
		break;
	case FF_ORDER_TAKE_BACK:
		give_back(world, s, order);
		break;
	case FF_ORDER_STOP:
		s->len = 0;
		forget_orders(s);
		s->end = true;
		answered(world, s);
		break;
	case FF_ORDER_END:
		if (s->asks) {
			end(world, s, "the payload ended without a word", false);
			break;
		}
		s->end = true;
		answered(world, s);
		break;
	case FF_ORDER_IDLE:
		if (s->running != UINT32_MAX && s->waits)
			unit_ends(world, s);
		break;
	case FF_ORDER_KILL_WORKER:
		/* It goes on until that is there. */
		happens_in(world, s, world_below(world, 50000), HAPPENS_KILL);
		break;
	case FF_ORDER_CLOSE_WORKER:
		end(world, s, NULL, false);
		break;
	default:
		break;
	}
}
