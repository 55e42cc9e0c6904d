/* Units that are given out no more, though they are not done: not every worker has them. Those that
 * wait are dropped at once; those that somebody has, when they come by. */
#include <string.h>

#include "base/alloc.h"
#include "sched/queues_private.h"

bool ff_queues_drops(struct ff_queues *queues, uint32_t unit)
{
	if (!ff_pending_has(&queues->excluded, unit))
		return false;
	ff_pending_add(&queues->dropped, unit);
	return true;
}

static bool leave_alone(struct ff_queues *queues, uint32_t unit)
{
	uint32_t at = queues->alone_head;

	while (at < queues->alone_tail && queues->alone[at].unit != unit)
		at++;
	if (at == queues->alone_tail)
		return false;
	memmove(queues->alone + at, queues->alone + at + 1,
		(--queues->alone_tail - at) * sizeof(*queues->alone));
	return true;
}

void ff_queues_exclude(struct ff_queues *queues, uint32_t unit)
{
	if (unit >= queues->units)
		return;
	if (queues->excluded.size == 0) {
		ff_pending_init(&queues->excluded, queues->units, false);
		ff_pending_init(&queues->dropped, queues->units, false);
	} else if (queues->excluded.size < queues->units) { /* more have become known */
		ff_pending_grow(&queues->excluded, queues->units);
		ff_pending_grow(&queues->dropped, queues->units);
	}
	ff_pending_add(&queues->excluded, unit);
	if (ff_queues_withdraw(queues, unit)) {
		queues->parcels.left_us -= ff_queues_expected(queues, unit);
		ff_queues_shuns_no_more(queues, unit);
		ff_queues_drops(queues, unit);
	} else if (ff_bound_leave(queues, unit) || leave_alone(queues, unit)) {
		ff_queues_drops(queues, unit);
	}
}

uint32_t ff_queues_take_dropped(struct ff_queues *queues)
{
	if (queues->dropped.len == 0)
		return UINT32_MAX;
	return ff_pending_take(&queues->dropped);
}

size_t ff_queues_excluded_at(const struct ff_queues *queues, uint32_t number,
			     const uint32_t **units)
{
	const struct ff_queues_worker *worker = ff_queues_worker(queues, number);
	uint32_t *found;
	size_t len = 0;

	*units = NULL;
	if (!worker || !worker->up || queues->excluded.size == 0 || ff_queues_queued(worker) < 2)
		return 0;
	found = ff_xmalloc(ff_queues_queued(worker) * sizeof(*found));
	for (uint32_t i = worker->head + 1; i < worker->tail; i++)
		if (ff_pending_has(&queues->excluded, worker->queue[i]))
			found[len++] = worker->queue[i];
	*units = found;
	return len;
}
