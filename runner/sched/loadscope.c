/* The policy `loadscope`: tests of one class, or functions of one module, are on one worker, which
 * gets one such scope after the other, the largest first. */
#include <string.h>

#include "sched/policy.h"
#include "sched/queues.h"

enum { AHEAD_MAX = 32 }; /* units that are given ahead, where they are quick */

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* How many units the worker is to have. The next scope is given when it asks for it, and so the
 * fastest gets it; but where units take less than the way to and fro, some are given ahead. */
static uint32_t portion(const struct ff_queues *queues, const struct ff_queue_info *info)
{
	uint32_t share = ff_queues_open(queues) / ff_queues_workers(queues) / 4;

	if (info->queued == 0 || (info->hungry && info->queued == 1))
		return info->queued + 1;
	if (info->fresh || info->last_us * AHEAD_MAX > FF_POLICY_LONG_US || info->queued > 2)
		return 0;
	return smaller(share, AHEAD_MAX);
}

void ff_policy_pick_scopes(struct ff_queues *queues, uint32_t worker)
{
	struct ff_queue_info info = ff_queues_info(queues, worker);
	uint32_t want = portion(queues, &info);

	while (ff_queues_info(queues, worker).queued < want && ff_queues_give_scope(queues, worker))
		;
}

/* "a.py::A" of "a.py::A::test_x[b::c]" */
static const char *loadscope_scope(const char *name, size_t *len)
{
	const char *first = strstr(name, "::"), *at = first, *end = first;
	const char *parameters = first ? strchr(first, '[') : NULL;

	while ((at = at ? strstr(at, "::") : NULL) && (!parameters || at < parameters)) {
		end = at;
		at += 2;
	}
	*len = end ? (size_t)(end - name) : strlen(name);
	return name;
}

const struct ff_policy ff_policy_loadscope = {
	.name = "loadscope",
	.help = "tests of one class, or of one module, stay on one worker",
	.pick = ff_policy_pick_scopes,
	.scope = loadscope_scope,
};
