/* Fronts of the world: they answer workers, take in what they are told, and end when all is told;
 * or die, answer late or never, stop the job, or are full for a while. Whether what they are told
 * is right is looked at here: of each unit one end, in order, and nothing behind END. */
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "drivers.h"
#include "world_private.h"

enum { SEQUENCES = 4096 }; /* workers whose words are looked at */

struct world_front {
	struct world *world;
	struct ff_list node;
	uint32_t job;
	bool dead;
	bool over;    /* dead, or it has said its last */
	bool ended;   /* it was told so */
	bool excused; /* it was told of units that did not run, without their names */
	bool silent;  /* it answers no more */
	int64_t said_at;
	uint8_t told[WORLD_UNITS];   /* ends of units */
	uint32_t latest[SEQUENCES];  /* of each worker's words, its number */
	struct world_driver *driver; /* NULL: the runner says who runs what */
	uint32_t heard;
};

static struct world_front *find(const struct world *world, uint32_t job)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &world->fronts) {
		struct world_front *front = ff_container_of(pos, struct world_front, node);

		if (front->job == job)
			return front;
	}
	return NULL;
}

static void forget(struct world_front *front)
{
	ff_list_del(&front->node);
	ff_free(front->driver);
	ff_free(front);
}

void fronts_free(struct world *world)
{
	while (!ff_list_empty(&world->fronts))
		forget(ff_container_of(world->fronts.next, struct world_front, node));
}

static struct ff_input *about(const struct world_front *front, enum ff_input_kind kind)
{
	struct ff_input *input = ff_input_new(kind);

	input->job = front->job;
	return input;
}

/* What it says stays in order. */
static void say(struct world *world, struct world_front *front, struct ff_input *input,
		int64_t delay)
{
	if (world_chance(world, world->faults.late))
		delay += world_below(world, 30000000);
	if (world->now + delay > front->said_at)
		front->said_at = world->now + delay;
	world_put(world, input, front->said_at);
}

static void die(struct world *world, struct world_front *front, bool failed_open)
{
	struct ff_input *input = about(front, FF_INPUT_FRONT_ENDED);

	front->dead = front->over = true;
	input->u.ended.error = "signal 9";
	input->u.ended.said = "Killed";
	input->u.ended.failed_open = failed_open;
	say(world, front, input, world_below(world, 50000));
}

static void driver_wants(void *ctx, struct ff_input *input)
{
	struct world_front *front = ctx;

	say(front->world, front, input, 1000);
}

static void open_front(struct world *world, const struct ff_order *order)
{
	struct world_front *front = ff_xcalloc(1, sizeof(*front));

	if (find(world, order->job))
		world->complaint = "a job has two fronts";
	front->job = order->job;
	ff_list_add_tail(&world->fronts, &front->node);
	front->world = world;
	if (world_settings(world, order->job).driven)
		front->driver = driver_new(world, order->job, driver_wants, front);
	if (world_chance(world, world->faults.front_fails))
		die(world, front, true);
	else if (!world_chance(world, world->faults.front_silent))
		say(world, front, about(front, FF_INPUT_FRONT_READY),
		    1000 + world_below(world, 400000));
	else
		front->silent = true;
}

static void answer(struct world *world, struct world_front *front, const char *worker)
{
	struct ff_input *input = about(front, FF_INPUT_FRONT_TO_WORKER);

	input->u.packed.name = ff_input_text(input, worker);
	input->u.packed.bytes = "NQ"; /* None */
	input->u.packed.len = 2;
	say(world, front, input, 1000 + world_below(world, 100000));
}

static void finish(struct world *world, struct world_front *front)
{
	struct ff_input *input = about(front, FF_INPUT_FRONT_FINISHED);

	front->over = true;
	input->u.finished.exitstatus = world_chance(world, 100) ? 3 : 0;
	input->u.finished.bad = input->u.finished.exitstatus == 3;
	say(world, front, input, 1000 + world_below(world, 2000000));
}

/* It holds up workers for a while, says something, or wants the job to stop. */
static void live(struct world *world, struct world_front *front)
{
	struct ff_input *input;

	if (world_chance(world, world->faults.front_full)) {
		say(world, front, about(front, FF_INPUT_FRONT_FULL), 1000);
		say(world, front, about(front, FF_INPUT_FRONT_DRAINED),
		    1000 + world_below(world, 3000000));
	}
	if (world_chance(world, 20)) {
		input = about(front, FF_INPUT_FRONT_TEXT);
		input->u.said.text = "..F\n";
		say(world, front, input, 1000);
	}
	if (world_chance(world, world->faults.stop_early)) {
		input = about(front, FF_INPUT_FRONT_STOP);
		input->u.said.text = "a plugin wants it";
		say(world, front, input, 1000);
	}
}

/* Of a crash it says what becomes of the unit. */
static bool judge(struct world *world, struct world_front *front, const struct ff_front_item *item)
{
	bool again = world_chance(world, 200);
	struct ff_input *input;

	front->silent |= world_chance(world, world->faults.front_silent);
	if (front->silent)
		return false;
	if (again) {
		if (item->unit < WORLD_UNITS)
			front->told[item->unit] -= !item->again;
		input = about(front, FF_INPUT_FRONT_AGAIN);
		input->u.said.text = ff_input_text(input, item->name);
		say(world, front, input, world_below(world, 50000));
	}
	input = about(front, FF_INPUT_FRONT_SETTLED);
	input->u.said.text = ff_input_text(input, item->name);
	say(world, front, input, again ? 0 : world_below(world, 50000));
	return again;
}

static void end_of_unit(struct world *world, struct world_front *front,
			const struct ff_front_item *item)
{
	if (item->unit == UINT32_MAX || item->again || item->unit >= WORLD_UNITS)
		return;
	if (++front->told[item->unit] > 1)
		world->complaint = "a front was told a unit's end twice";
}

/* A worker's words are numbered, and so is the report of each attempt: they come as they were
 * said. */
static void in_order(struct world *world, struct world_front *front, uint32_t worker,
		     const struct ff_front_item *item)
{
	uint32_t number;

	if (item->value_len != sizeof(number) || worker >= SEQUENCES)
		return;
	memcpy(&number, item->value, sizeof(number));
	if (number <= front->latest[worker])
		world->complaint = "a worker's words came to its front in another order";
	front->latest[worker] = number;
}

static void drive(struct world *world, struct world_front *front, const struct ff_front_item *item,
		  bool again)
{
	struct ff_input *input;

	if (!front->driver || front->silent)
		return;
	driver_hears(front->driver, item, again);
	input = about(front, FF_INPUT_FRONT_HEARD);
	input->u.heard.count = front->heard;
	say(world, front, input, 0);
}

static void tell_front(struct world *world, const struct ff_order *order)
{
	const struct ff_front_item *item = order->front_item;
	struct world_front *front = find(world, order->job);
	bool again = false;

	if (!front || front->over)
		return;
	front->heard++;
	if (front->ended)
		world->complaint = "a front was told more behind the end";
	in_order(world, front, order->worker, item);
	switch (item->kind) {
	case FF_FRONT_WORKER:
		if (!front->silent && !world_chance(world, world->faults.front_silent))
			answer(world, front, item->worker);
		break;
	case FF_FRONT_UNIT:
	case FF_FRONT_CRASH:
	case FF_FRONT_LOST:
		end_of_unit(world, front, item);
		if (item->kind == FF_FRONT_CRASH && item->unit != UINT32_MAX)
			again = judge(world, front, item);
		break;
	case FF_FRONT_LINE:
		front->excused |= strstr(item->text, "were not run") != NULL;
		break;
	case FF_FRONT_END:
		front->ended = true;
		if (!front->silent && !world_chance(world, world->faults.front_silent))
			finish(world, front);
		return;
	default:
		break;
	}
	drive(world, front, item, again);
	if (world_chance(world, world->faults.front_dies))
		die(world, front, false);
	else if (!front->silent)
		live(world, front);
}

bool world_front_heard(const struct world *world, uint32_t job, uint32_t unit)
{
	const struct world_front *front = find(world, job);

	return !front || front->dead || front->excused || unit >= WORLD_UNITS ||
	       front->told[unit] == 1;
}

bool front_order(struct world *world, const struct ff_order *order)
{
	struct world_front *front;

	switch (order->kind) {
	case FF_ORDER_OPEN_FRONT:
		open_front(world, order);
		return true;
	case FF_ORDER_TELL_FRONT:
		tell_front(world, order);
		return true;
	case FF_ORDER_CLOSE_FRONT:
	case FF_ORDER_KILL_FRONT:
		front = find(world, order->job);
		if (front)
			front->over = true;
		return true;
	default:
		return false;
	}
}
