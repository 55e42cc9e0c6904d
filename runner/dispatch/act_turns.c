/* Turns: sessions that keep a CPU busy before their first unit begin so many at a time as their
 * host has CPUs, so that the first units run while the others begin, rather than after all have. It
 * is known of an earlier run how long that takes; where it is not, or where sessions wait for
 * something else meanwhile, all begin at once. */
#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/act_private.h"
#include "io/loop_private.h"

enum { PATIENCE = 3 }; /* a turn lasts so many times as long as it took at most */

struct act_turns {
	struct act_host *host;
	struct ff_timer timer; /* the end of all turns that are taken */
	uint32_t taken, places;
	int64_t limit_us;
};

static struct act_worker *next_waiting(const struct act_host *host)
{
	struct ff_list *pos;

	ff_list_for_each(pos, &host->act->all_workers) {
		struct act_worker *worker = ff_container_of(pos, struct act_worker, node);

		if (worker->host == host && worker->waits_turn)
			return worker;
	}
	return NULL;
}

static void take(struct act_turns *turns, struct act_worker *worker)
{
	worker->has_turn = true;
	turns->taken++;
	ff_timer_set(&turns->timer, ff_clock_us() + turns->limit_us);
}

static void start_those_who_can(struct act_turns *turns)
{
	struct act_worker *worker;

	while (turns->taken < turns->places && (worker = next_waiting(turns->host)) != NULL) {
		take(turns, worker);
		ff_act_start_session(worker);
	}
}

static void on_limit(struct ff_timer *timer)
{
	struct act_turns *turns = timer->ctx;
	struct ff_list *pos;

	ff_list_for_each(pos, &turns->host->act->all_workers) {
		struct act_worker *worker = ff_container_of(pos, struct act_worker, node);

		if (worker->host == turns->host)
			worker->has_turn = false;
	}
	turns->taken = 0;
	start_those_who_can(turns);
}

/* NULL: its sessions take no turns. */
static struct act_turns *turns_of(struct act_host *host)
{
	int64_t cpus = host->foreman ? ff_dict_int(ff_gateway_info(host->foreman), "cpus", 0) : 0;
	struct act_turns *turns = host->turns;

	if (turns || cpus <= 0 || cpus >= host->host->slots)
		return turns;
	turns = ff_xcalloc(1, sizeof(*turns));
	turns->host = host;
	turns->places = (uint32_t)cpus;
	if (ff_timer_init(&turns->timer, host->act->opts.loop, on_limit, turns) < 0) {
		ff_free(turns);
		return NULL;
	}
	host->turns = turns;
	return turns;
}

bool ff_act_turn_take(struct act_worker *worker)
{
	int64_t turn_us = ff_act_template_turn_us(worker);
	struct act_turns *turns = turn_us > 0 ? turns_of(worker->host) : NULL;

	if (!turns)
		return true;
	turns->limit_us = PATIENCE * turn_us;
	if (turns->taken < turns->places) {
		take(turns, worker);
		return true;
	}
	worker->waits_turn = true;
	return false;
}

void ff_act_turn_over(struct act_worker *worker)
{
	struct act_turns *turns = worker->host->turns;

	worker->waits_turn = false;
	if (!worker->has_turn || !turns)
		return;
	worker->has_turn = false;
	turns->taken--;
	start_those_who_can(turns);
}

static void on_freed(struct ff_timer *timer)
{
	ff_free(timer->ctx);
}

void ff_act_turns_release(struct act_host *host)
{
	if (host->turns)
		ff_timer_close(&host->turns->timer, on_freed);
	host->turns = NULL;
}
