/* What more slots, or a split of the longest, would bring: the recorded durations once more, the
 * longest first, each to the slot that is free first. Jobs that followed each
 * other do so there, too. It knows nothing of start-up, of what else waits for what, nor of set-up
 * that a split would do twice: an estimate. */
#include <stdlib.h>

#include "base/alloc.h"
#include "report/slow_private.h"

struct item {
	int64_t us;
	uint32_t group; /* SLOW_NONE: a test on its own */
	uint32_t stage;
};

struct items {
	struct item *v;
	size_t len;
	uint32_t *stages; /* by job */
};

/* Of each stage. */
static int longest_first(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->stage != y->stage)
		return (x->stage > y->stage) - (x->stage < y->stage);
	return x->us != y->us ? (x->us < y->us) - (x->us > y->us)
			      : (x->group > y->group) - (x->group < y->group);
}

/* The slot at `at` is busy longer now: down the heap with it, whose root is free first. */
static void sink(int64_t *heap, size_t len, size_t at)
{
	for (;;) {
		size_t least = at, left = 2 * at + 1;
		int64_t us = heap[at];

		for (size_t child = left; child < left + 2 && child < len; child++)
			least = heap[child] < heap[least] ? child : least;
		if (least == at)
			return;
		heap[at] = heap[least];
		heap[least] = us;
		at = least;
	}
}

/* How long so many slots take for all of one stage. */
static int64_t stage_span(const struct item *items, size_t len, size_t slots)
{
	int64_t *heap, last = 0;

	slots = len < slots ? len : slots;
	heap = ff_xcalloc(slots, sizeof(*heap));
	for (size_t i = 0; i < len; i++) {
		ff_slow_add(&heap[0], items[i].us);
		last = heap[0] > last ? heap[0] : last;
		sink(heap, slots, 0);
	}
	ff_free(heap);
	return last;
}

/* Stages follow each other. */
static int64_t makespan(struct items *items, size_t slots)
{
	int64_t sum = 0;

	qsort(items->v, items->len, sizeof(*items->v), longest_first);
	for (size_t from = 0, to; from < items->len; from = to) {
		for (to = from; to < items->len && items->v[to].stage == items->v[from].stage;)
			to++;
		ff_slow_add(&sum, stage_span(items->v + from, to - from, slots));
	}
	return sum;
}

/* --- what there is to do --- */

struct begun {
	int64_t us;
	uint32_t job;
};

static int earliest_first(const void *a, const void *b)
{
	const struct begun *x = a, *y = b;

	return x->us != y->us ? (x->us > y->us) - (x->us < y->us)
			      : (x->job > y->job) - (x->job < y->job);
}

/* Jobs that began when all before them were over are a stage of their own. */
static uint32_t *find_stages(const struct ff_slow *slow)
{
	struct begun *order = ff_xcalloc(slow->jobs.len + 1, sizeof(*order));
	uint32_t *stages = ff_xcalloc(slow->jobs.len + 1, sizeof(*stages)), stage = 0;
	int64_t over_us = INT64_MAX;

	for (uint32_t i = 0; i < slow->jobs.len; i++)
		order[i] = (struct begun){slow->jobs.v[i].started_us, i};
	qsort(order, slow->jobs.len, sizeof(*order), earliest_first);
	for (size_t i = 0; i < slow->jobs.len; i++) {
		int64_t finished_us = slow->jobs.v[order[i].job].finished_us;

		if (finished_us == 0 || slow->merged)
			finished_us = INT64_MAX;
		if (order[i].us >= over_us) {
			stage++;
			over_us = finished_us;
		} else if (i == 0 || finished_us > over_us) {
			over_us = finished_us;
		}
		stages[order[i].job] = stage;
	}
	ff_free(order);
	return stages;
}

/* What stays on one slot is one. There is room for twice as many as there are attempts. */
static void gather(const struct ff_slow *slow, struct items *items)
{
	int64_t *sums = ff_xcalloc(slow->groups.len + 1, sizeof(*sums));

	items->stages = find_stages(slow);
	items->v = ff_xcalloc(2 * slow->attempts.len + 1, sizeof(*items->v));
	for (size_t i = 0; i < slow->attempts.len; i++) {
		const struct slow_attempt *attempt = &slow->attempts.v[i];

		if (attempt->group == SLOW_NONE)
			items->v[items->len++] =
				(struct item){attempt->us, SLOW_NONE, items->stages[attempt->job]};
		else
			ff_slow_add(&sums[attempt->group], attempt->us);
	}
	for (uint32_t i = 0; i < slow->groups.len; i++)
		if (sums[i] > 0)
			items->v[items->len++] =
				(struct item){sums[i], i, items->stages[slow->groups.v[i].job]};
	ff_free(sums);
}

static struct item *find_longest(const struct items *items)
{
	struct item *longest = &items->v[0];

	for (size_t i = 1; i < items->len; i++)
		if (items->v[i].us > longest->us)
			longest = &items->v[i];
	return longest;
}

static void split(const struct ff_slow *slow, struct items *items, struct item *longest)
{
	struct item whole = *longest;

	longest->us = whole.us - whole.us / 2;
	if (whole.group == SLOW_NONE) {
		items->v[items->len++] = (struct item){whole.us / 2, SLOW_NONE, whole.stage};
		return;
	}
	longest->us = 0;
	for (size_t i = 0; i < slow->attempts.len; i++)
		if (slow->attempts.v[i].group == whole.group)
			items->v[items->len++] =
				(struct item){slow->attempts.v[i].us, SLOW_NONE, whole.stage};
}

static void name_longest(const struct ff_slow *slow, struct ff_slow_estimate *estimate,
			 const struct item *item)
{
	const struct slow_group *group;

	estimate->longest_us = item->us;
	estimate->longest_units = 1;
	if (item->group != SLOW_NONE) {
		group = &slow->groups.v[item->group];
		estimate->whole = slow->jobs.v[group->job].whole;
		estimate->longest = group->name;
		estimate->longest_units = group->units;
		estimate->unit = group->longest;
		return;
	}
	for (size_t i = 0; i < slow->tests.len; i++)
		if (slow->tests.v[i].us == item->us)
			estimate->longest = estimate->unit = slow->tests.v[i].name;
}

void ff_slow_estimate(const struct ff_slow *slow, struct ff_slow_estimate *estimate)
{
	struct items items = {0};
	size_t slots = 0;

	for (size_t i = 0; i < slow->shards.len; i++)
		slots += slow->shards.v[i].peak;
	gather(slow, &items);
	if (slots > 0 && items.len > 0) {
		estimate->slots = (uint32_t)slots;
		estimate->now_us = makespan(&items, slots);
		estimate->more_us = makespan(&items, slots + 1);
		name_longest(slow, estimate, find_longest(&items));
		split(slow, &items, find_longest(&items));
		estimate->split_us = makespan(&items, slots);
	}
	ff_free(items.stages);
	ff_free(items.v);
}
