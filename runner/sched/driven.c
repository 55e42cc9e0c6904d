/* The policy `driven`: who gets what is said from outside, unit by unit. Here it is only kept that
 * each is given once at a time, and to somebody who is there. */
#include "sched/queues_private.h"

static void pick_nothing(struct ff_queues *queues, uint32_t worker)
{
	(void)queues;
	(void)worker;
}

const struct ff_policy ff_policy_driven = {
	.name = "driven",
	.help = "a scheduler outside says which worker gets which test",
	.pick = pick_nothing,
	.in_order = true,
	.driven = true,
};

bool ff_queues_withdraw(struct ff_queues *queues, uint32_t unit)
{
	uint32_t rank;

	if (queues->stopped || unit >= queues->units)
		return false;
	rank = ff_queues_rank(queues, unit);
	if (!ff_pending_has(&queues->pending, rank))
		return false;
	ff_pending_del(&queues->pending, rank);
	return true;
}

bool ff_queues_hand(struct ff_queues *queues, uint32_t number, uint32_t unit)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (!worker || !worker->up || worker->ended || !ff_queues_withdraw(queues, unit))
		return false;
	ff_queues_append(queues, worker, unit);
	worker->hungry = worker->fresh = false;
	return true;
}

void ff_queues_dismiss(struct ff_queues *queues, uint32_t number)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);

	if (worker && worker->up)
		worker->dismissed = true;
}
