/* Units that are to be tried alone: their host went away under them. */
#include <string.h>

#include "base/alloc.h"
#include "sched/queues_private.h"

void ff_queues_again_alone(struct ff_queues *queues, uint32_t unit, uint32_t avoid)
{
	if (unit >= queues->units || ff_queues_drops(queues, unit))
		return;
	/* It can't be tried elsewhere, or somebody else says where. */
	if (queues->scopes.host || queues->policy->driven ||
	    (ff_bound_has(&queues->bound, unit) && !ff_bound_alone(queues, unit))) {
		ff_queues_again(queues, unit);
		return;
	}
	if (queues->alone_tail == queues->alone_cap) {
		queues->alone_cap = queues->alone_cap ? 2 * queues->alone_cap : 8;
		queues->alone =
			ff_xrealloc(queues->alone, queues->alone_cap * sizeof(*queues->alone));
	}
	queues->alone[queues->alone_tail++] = (struct ff_queues_suspect){unit, avoid};
}

uint32_t ff_queues_alone_waiting(const struct ff_queues *queues)
{
	return queues->stopped ? 0 : queues->alone_tail - queues->alone_head;
}

uint32_t ff_queues_peek_alone(const struct ff_queues *queues, uint32_t nth, uint32_t *avoid)
{
	if (nth >= ff_queues_alone_waiting(queues))
		return UINT32_MAX;
	*avoid = queues->alone[queues->alone_head + nth].avoid;
	return queues->alone[queues->alone_head + nth].unit;
}

/* The place of the first that may run on `host`; UINT32_MAX: none. */
static uint32_t alone_for(const struct ff_queues *queues, uint32_t host)
{
	uint32_t waiting = ff_queues_alone_waiting(queues);

	for (uint32_t i = 0; i < waiting; i++)
		if (host == UINT32_MAX || queues->alone[queues->alone_head + i].avoid != host)
			return queues->alone_head + i;
	return UINT32_MAX;
}

static struct ff_queues_suspect take_alone(struct ff_queues *queues, uint32_t at)
{
	struct ff_queues_suspect suspect = queues->alone[at];

	memmove(queues->alone + queues->alone_head + 1, queues->alone + queues->alone_head,
		(at - queues->alone_head) * sizeof(*queues->alone));
	if (++queues->alone_head == queues->alone_tail)
		queues->alone_head = queues->alone_tail = 0;
	return suspect;
}

uint32_t ff_queues_take_alone(struct ff_queues *queues)
{
	if (ff_queues_alone_waiting(queues) == 0)
		return UINT32_MAX;
	return take_alone(queues, queues->alone_head).unit;
}

bool ff_queues_alone_may_come(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	return alone_for(queues, worker->host) != UINT32_MAX;
}

void ff_queues_give_alone(struct ff_queues *queues, struct ff_queues_worker *worker)
{
	uint32_t at = alone_for(queues, worker->host);
	struct ff_queues_suspect suspect;

	if (worker->head < worker->tail || at == UINT32_MAX)
		return;
	if (!ff_bound_hold_alone(queues, worker, queues->alone[at].unit))
		return;
	suspect = take_alone(queues, at);
	worker->avoid = suspect.avoid;
	ff_queues_append(queues, worker, suspect.unit);
	ff_queues_batch(queues, suspect.unit);
}
