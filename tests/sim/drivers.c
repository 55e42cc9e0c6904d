/* Fronts of the world that drive their job: schedulers, good ones and bad ones. A good one gives
 * each unit that waits to somebody who is there, takes some back now and then, and ends whom it has
 * nothing for; what a bad one does besides is up to the dice. */
#include <string.h>

#include "base/alloc.h"
#include "drivers.h"

enum { WORKERS = 1024, NAME = 16 };

enum unit_is { WAITS, GIVEN, OVER };

struct driven_worker {
	char name[NAME];
	bool there, dismissed;
	uint32_t asked; /* to give something back, and has not answered */
};

struct world_driver {
	struct world *world;
	uint32_t job, units;
	bool bad, lazy, endless, stopped;
	uint8_t is[WORLD_UNITS];
	uint32_t holder[WORLD_UNITS];
	struct driven_worker workers[WORKERS];
	uint32_t workers_len;
	driver_says *say;
	void *ctx;
};

struct world_driver *driver_new(struct world *world, uint32_t job, driver_says *say, void *ctx)
{
	struct world_driver *driver = ff_xcalloc(1, sizeof(*driver));

	driver->world = world;
	driver->job = job;
	driver->units = world_units(world, job);
	driver->bad = world_driver_is_bad(world, job);
	driver->lazy = driver->bad && world_chance(world, 200);
	driver->endless = driver->bad && world_chance(world, 200);
	driver->say = say;
	driver->ctx = ctx;
	return driver;
}

static struct driven_worker *worker_named(struct world_driver *driver, const char *name)
{
	for (uint32_t i = driver->workers_len; i-- > 0;)
		if (strcmp(driver->workers[i].name, name) == 0)
			return &driver->workers[i];
	return NULL;
}

static void hand(struct world_driver *driver, enum ff_input_kind kind,
		 const struct driven_worker *worker, const uint32_t *units, uint32_t len)
{
	struct ff_input *input = ff_input_new(kind);

	input->job = driver->job;
	input->u.hands.worker = ff_input_text(input, worker->name);
	input->u.hands.units = ff_input_units(input, units, len);
	input->u.hands.len = len;
	driver->say(driver->ctx, input);
}

/* --- what is wrong --- */

static void misbehave(struct world_driver *driver, struct driven_worker *worker)
{
	uint32_t unit = world_below(driver->world, driver->units + 2);
	uint32_t twice[] = {unit, unit};

	switch (world_below(driver->world, 6)) {
	case 0:
		hand(driver, FF_INPUT_FRONT_GIVES, worker, twice, 1);
		break;
	case 1:
		hand(driver, FF_INPUT_FRONT_GIVES, worker, twice, 2);
		break;
	case 2:
		hand(driver, FF_INPUT_FRONT_STEALS, worker, twice, 2);
		break;
	case 3:
		worker->dismissed = true;
		hand(driver, FF_INPUT_FRONT_DISMISSES, worker, NULL, 0);
		break;
	case 4:
		hand(driver, FF_INPUT_FRONT_GIVES, &(struct driven_worker){.name = "gw999"}, twice,
		     1);
		break;
	default:
		driver->lazy = true;
		break;
	}
}

/* --- what is right --- */

static bool some_may_come_back(const struct world_driver *driver)
{
	for (uint32_t i = 0; i < driver->workers_len; i++)
		if (driver->workers[i].there && driver->workers[i].asked > 0)
			return true;
	return false;
}

static void serve(struct world_driver *driver, struct driven_worker *worker)
{
	uint32_t units[WORLD_UNITS], len = 0, most = 1 + world_below(driver->world, 4);
	uint32_t number = (uint32_t)(worker - driver->workers);

	if (!worker->there || driver->stopped)
		return;
	if (driver->bad && world_chance(driver->world, 100))
		misbehave(driver, worker);
	if (worker->dismissed || driver->lazy)
		return;
	for (uint32_t i = 0; i < driver->units && len < most; i++)
		if (driver->is[i] == WAITS) {
			driver->is[i] = GIVEN;
			driver->holder[i] = number;
			units[len++] = i;
		}
	if (len > 0) {
		hand(driver, FF_INPUT_FRONT_GIVES, worker, units, len);
	} else if (!driver->endless && !some_may_come_back(driver)) {
		worker->dismissed = true;
		hand(driver, FF_INPUT_FRONT_DISMISSES, worker, NULL, 0);
	}
	if (len > 1 && world_chance(driver->world, 100)) {
		worker->asked++;
		hand(driver, FF_INPUT_FRONT_STEALS, worker, units + 1, len - 1);
	}
}

static void serve_all(struct world_driver *driver)
{
	for (uint32_t i = 0; i < driver->workers_len; i++)
		serve(driver, &driver->workers[i]);
}

static void set(struct world_driver *driver, uint32_t unit, enum unit_is is)
{
	if (unit < driver->units)
		driver->is[unit] = (uint8_t)is;
}

static void up(struct world_driver *driver, const char *name)
{
	struct driven_worker *worker = &driver->workers[driver->workers_len];

	if (driver->workers_len == WORKERS)
		return;
	driver->workers_len++;
	strncpy(worker->name, name, NAME - 1);
	worker->there = true;
	serve(driver, worker);
}

/* What it had waits again. */
static void down(struct world_driver *driver, const char *name)
{
	struct driven_worker *worker = worker_named(driver, name);

	if (!worker || !worker->there)
		return;
	worker->there = false;
	for (uint32_t i = 0; i < driver->units; i++)
		if (driver->is[i] == GIVEN &&
		    driver->holder[i] == (uint32_t)(worker - driver->workers))
			driver->is[i] = WAITS;
}

void driver_hears(struct world_driver *driver, const struct ff_front_item *item, bool again)
{
	struct driven_worker *worker = item->worker ? worker_named(driver, item->worker) : NULL;

	switch (item->kind) {
	case FF_FRONT_UP:
		up(driver, item->worker);
		return;
	case FF_FRONT_UNIT:
	case FF_FRONT_SKIP:
		set(driver, item->unit, item->again ? WAITS : OVER);
		break;
	case FF_FRONT_LOST:
		set(driver, item->unit, OVER);
		break;
	case FF_FRONT_CRASH:
		down(driver, item->worker);
		set(driver, item->unit, item->again || again ? WAITS : OVER);
		break;
	case FF_FRONT_DOWN:
		down(driver, item->worker);
		break;
	case FF_FRONT_BACK:
		for (size_t i = 0; i < item->units_len; i++)
			set(driver, item->units[i], WAITS);
		if (worker && worker->asked > 0)
			worker->asked--;
		break;
	case FF_FRONT_STOP:
		driver->stopped = true;
		return;
	default:
		return;
	}
	if (item->kind == FF_FRONT_UNIT && !item->again && worker)
		serve(driver, worker);
	else
		serve_all(driver);
}
