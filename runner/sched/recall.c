/* What is asked back from a worker's queue for another one that has nothing. */
#include <string.h>

#include "sched/queues_private.h"

/* Scopes stay as they are, and so does what others gave. */
static bool keeps_all(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	return queues->scopes.of || queues->policy->driven || queues->parts.whole || worker->part ||
	       worker->blocks_len > 0 || !worker->up || worker->recalled || worker->needs_all;
}

/* How many units a worker can do without: half of what it has behind the running and the next one.
 */
static uint32_t spare_of(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	uint32_t have = ff_queues_queued(worker);

	if (keeps_all(queues, worker))
		return 0;
	if (queues->parts.len > 0)
		return ff_queues_parts_spare(queues, worker);
	return have > 2 ? (have - 1) / 2 : 0;
}

uint64_t ff_queues_rich(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	if (queues->parts.len == 0)
		return spare_of(queues, worker);
	return keeps_all(queues, worker) ? 0 : ff_queues_parts_rich(queues, worker);
}

void ff_queues_note_spare(struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	ff_tournament_set(&queues->spare, (uint32_t)(worker - queues->workers),
			  ff_queues_rich(queues, worker));
}

/* Of its queue, where it is nearer to the end. */
static bool drop_late(const struct ff_queues *queues, struct ff_queues_worker *worker,
		      uint32_t unit)
{
	uint32_t at = worker->tail;

	while (at > worker->head && worker->queue[at - 1] != unit)
		at--;
	if (at == worker->head)
		return false;
	memmove(worker->queue + at - 1, worker->queue + at,
		(worker->tail - at) * sizeof(*worker->queue));
	worker->tail--;
	worker->queue_us -= ff_queues_expected(queues, unit);
	return true;
}

void ff_queues_recall_over(struct ff_queues *queues, struct ff_queues_worker *worker)
{
	queues->recalls -= worker->recalled;
	worker->recalled = false;
}

struct ff_recall ff_queues_recall(struct ff_queues *queues, uint32_t number)
{
	const struct ff_queues_worker *thief = ff_queues_worker(queues, number);
	uint32_t best = ff_tournament_best(&queues->spare);
	struct ff_recall recall = {0};
	struct ff_queues_worker *richest;
	uint32_t len;

	if (!thief || !thief->up || thief->ended || thief->alone)
		return recall;
	if (queues->stopped || ff_queues_open(queues) || best == UINT32_MAX || best == number)
		return recall;
	richest = &queues->workers[best];
	len = spare_of(queues, richest);
	if (len == 0)
		return recall;
	queues->batch_len = 0;
	for (uint32_t i = 0; i < len; i++)
		ff_queues_batch(queues, richest->queue[richest->tail - len + i]);
	richest->recalled = true;
	queues->recalls++;
	ff_queues_note_spare(queues, richest);
	return (struct ff_recall){best, queues->batch, len};
}

void ff_queues_returned(struct ff_queues *queues, uint32_t number, const uint32_t *units,
			size_t len)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (!worker || !worker->up)
		return;
	ff_queues_recall_over(queues, worker);
	worker->needs_all = len == 0 && queues->parts.len > 0;
	for (size_t i = len; i-- > 0;) {
		if (units[i] >= queues->units || !drop_late(queues, worker, units[i]))
			continue;
		/* Bound ones are asked back only for that. */
		if (ff_pending_has(&queues->excluded, units[i]))
			ff_bound_drop(queues, worker, units[i]);
		ff_queues_again(queues, units[i]);
	}
	ff_queues_note_spare(queues, worker);
}
