/* Giving bound units out: what is held by whom, and whose needs can be met. */
#include <string.h>

#include "base/alloc.h"
#include "sched/queues_private.h"

#define NOBODY UINT32_MAX

static struct ff_bound_block *block_of(const struct ff_bound *bound, uint32_t unit)
{
	return ff_bound_has(bound, unit) ? &bound->blocks[bound->of[unit]] : NULL;
}

static uint32_t number_of(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	return (uint32_t)(worker - queues->workers);
}

/* --- what is held --- */

static bool has_pool(const struct ff_queues *queues, const struct ff_queues_worker *worker,
		     uint32_t pool, const struct ff_bound_block *but)
{
	for (uint32_t i = 0; i < worker->blocks_len; i++) {
		const struct ff_bound_block *block = &queues->bound.blocks[worker->blocks[i]];
		const struct ff_bound_kind *kind = &queues->bound.kinds[block->kind];

		for (uint32_t j = 0; block != but && j < kind->pools_len; j++)
			if (kind->pools[j] == pool)
				return true;
	}
	return false;
}

static bool is_busy(const struct ff_queues_worker *worker)
{
	return worker->up && (worker->head < worker->tail || worker->part != 0);
}

/* So many workers of its host are taken by it. */
static uint32_t weight_of(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	uint32_t weight = is_busy(worker);

	for (uint32_t i = 0; i < worker->blocks_len; i++) {
		uint32_t kind = queues->bound.blocks[worker->blocks[i]].kind;

		if (queues->bound.kinds[kind].weight > weight)
			weight = queues->bound.kinds[kind].weight;
	}
	return weight;
}

static int64_t memory_of(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	int64_t memory = 0;

	for (uint32_t i = 0; i < worker->blocks_len; i++) {
		uint32_t kind = queues->bound.blocks[worker->blocks[i]].kind;

		if (queues->bound.kinds[kind].memory > memory)
			memory = queues->bound.kinds[kind].memory;
	}
	return memory;
}

static bool others_busy(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	for (uint32_t i = 0; i < queues->workers_len; i++)
		if (&queues->workers[i] != worker && is_busy(&queues->workers[i]))
			return true;
	return false;
}

/* Beside what the host's other workers are at; alone it always has room. */
static bool has_room(const struct ff_queues *queues, const struct ff_queues_worker *worker,
		     uint32_t weight)
{
	uint64_t there = 0, taken = 0;

	for (uint32_t i = 0; i < queues->workers_len; i++) {
		const struct ff_queues_worker *other = &queues->workers[i];

		if (!other->up || other->host != worker->host)
			continue;
		there++;
		taken += other != worker ? weight_of(queues, other) : 0;
	}
	return taken == 0 || taken + weight <= there;
}

/* Beside what all others there have taken; alone it always has enough. */
static bool has_memory(const struct ff_queues *queues, const struct ff_queues_worker *worker,
		       int64_t need)
{
	const struct ff_bound *bound = &queues->bound;
	int64_t limit =
		bound->memory && worker->host < bound->hosts ? bound->memory[worker->host] : 0;
	int64_t others;

	if (limit == 0)
		return true;
	others = bound->memory_taken[worker->host] - memory_of(queues, worker);
	return others == 0 || need <= limit - others;
}

static bool may_be_on(const struct ff_bound *bound, const struct ff_bound_kind *kind, uint32_t host)
{
	return !kind->hosts || (host < bound->hosts && (kind->hosts[host / 64] >> host % 64 & 1));
}

static bool can_meet(const struct ff_queues *queues, const struct ff_queues_worker *worker,
		     const struct ff_bound_kind *kind)
{
	const struct ff_bound *bound = &queues->bound;

	if (!may_be_on(bound, kind, worker->host))
		return false;
	for (uint32_t i = 0; bound->pools && i < kind->pools_len; i++)
		if (kind->pools[i] < bound->pools->len && !bound->pools->free[kind->pools[i]] &&
		    !has_pool(queues, worker, kind->pools[i], NULL))
			return false;
	if (kind->serial && others_busy(queues, worker))
		return false;
	if (kind->weight > 1 && !has_room(queues, worker, kind->weight))
		return false;
	return kind->memory == 0 || has_memory(queues, worker, kind->memory);
}

/* Nobody else has some of its group just now. */
static bool group_is_free(const struct ff_bound *bound, uint32_t number)
{
	const struct ff_bound_block *block = &bound->blocks[number];

	if (block->from == NOBODY)
		return block->apart == 0;
	return bound->blocks[block->from].held == 0 && bound->blocks[block->from].apart == 0;
}

static bool can_have(const struct ff_queues *queues, const struct ff_queues_worker *worker,
		     uint32_t number)
{
	const struct ff_bound *bound = &queues->bound;

	return group_is_free(bound, number) &&
	       can_meet(queues, worker, &bound->kinds[bound->blocks[number].kind]);
}

static void hold(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t number)
{
	struct ff_bound *bound = &queues->bound;
	struct ff_bound_block *block = &bound->blocks[number];
	const struct ff_bound_kind *kind = &bound->kinds[block->kind];
	int64_t memory = memory_of(queues, worker);

	for (uint32_t i = 0; bound->pools && i < kind->pools_len; i++)
		if (kind->pools[i] < bound->pools->len &&
		    !has_pool(queues, worker, kind->pools[i], NULL))
			bound->pools->free[kind->pools[i]]--;
	worker->blocks =
		ff_xrealloc(worker->blocks, (worker->blocks_len + 1) * sizeof(*worker->blocks));
	worker->blocks[worker->blocks_len++] = number;
	if (worker->host < bound->hosts)
		bound->memory_taken[worker->host] += memory_of(queues, worker) - memory;
	block->owner = number_of(queues, worker);
	block->in_line = false; /* what comes meanwhile waits until it is let go */
	if (block->from != NOBODY)
		bound->blocks[block->from].apart++;
	bound->heavy += kind->weight > 1;
	bound->serial += kind->serial;
	if (kind->serial)
		bound->serial_by = block->owner;
}

static void let_go(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t number)
{
	struct ff_bound *bound = &queues->bound;
	const struct ff_bound_block *block = &bound->blocks[number];
	const struct ff_bound_kind *kind = &bound->kinds[block->kind];
	int64_t memory = memory_of(queues, worker);
	uint32_t at = 0;

	for (uint32_t i = 0; bound->pools && i < kind->pools_len; i++)
		if (kind->pools[i] < bound->pools->len &&
		    !has_pool(queues, worker, kind->pools[i], block)) {
			bound->pools->free[kind->pools[i]]++;
			bound->pools->freed = true;
		}
	while (worker->blocks[at] != number)
		at++;
	worker->blocks[at] = worker->blocks[--worker->blocks_len];
	memory -= memory_of(queues, worker);
	if (worker->host < bound->hosts)
		bound->memory_taken[worker->host] -= memory;
	if (bound->pools && memory > 0)
		bound->pools->freed = true;
	if (block->from != NOBODY)
		bound->blocks[block->from].apart--;
	bound->heavy -= kind->weight > 1;
	bound->serial -= kind->serial;
	if (bound->serial == 0)
		bound->serial_by = NOBODY;
	bound->moved = true;
	if (block->len > 0)
		ff_bound_stand_in_line(bound, number);
}

/* --- coming and going --- */

static struct ff_queues_worker *owner_of(const struct ff_queues *queues,
					 const struct ff_bound_block *block)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, block->owner);

	return worker && worker->up && !worker->ended ? worker : NULL;
}

void ff_bound_wait(struct ff_queues *queues, uint32_t unit)
{
	struct ff_bound_block *block = block_of(&queues->bound, unit);
	struct ff_queues_worker *owner = owner_of(queues, block);

	/* What has just come to its end there, and is to be tried again, stays; unless others of
	 * the block wait by now: then it goes with them. */
	if (owner && block->held == 0 && block->len == 0 && ff_bound_may_work(queues, owner) &&
	    can_have(queues, owner, queues->bound.of[unit]))
		hold(queues, owner, queues->bound.of[unit]);
	else if (!owner || block->held == 0)
		owner = NULL;
	if (owner) {
		block->held++;
		ff_queues_put_back(owner, unit);
		queues->bound.moved = true;
		return;
	}
	ff_bound_wait_in(queues, block, unit);
	if (block->held == 0) /* else when the last has ended */
		ff_bound_stand_in_line(&queues->bound, queues->bound.of[unit]);
}

void ff_bound_drop(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t unit)
{
	struct ff_bound_block *block = block_of(&queues->bound, unit);

	if (block && block->owner == number_of(queues, worker) && block->held > 0 &&
	    --block->held == 0)
		let_go(queues, worker, queues->bound.of[unit]);
	if (worker->head == worker->tail)
		ff_bound_look_again(queues);
}

void ff_bound_look_again(struct ff_queues *queues)
{
	queues->bound.moved |= queues->bound.waiting > 0 || ff_queues_alone_waiting(queues) > 0;
}

bool ff_bound_may_work(const struct ff_queues *queues, const struct ff_queues_worker *worker)
{
	const struct ff_bound *bound = &queues->bound;

	if (bound->serial > 0 && bound->serial_by != number_of(queues, worker))
		return false;
	return bound->heavy == 0 || is_busy(worker) || has_room(queues, worker, 1);
}

/* Who has had some of the group, if it can be given more; NULL: anybody may have it. */
static const struct ff_queues_worker *kept_for(const struct ff_queues *queues,
					       const struct ff_bound_block *block)
{
	const struct ff_queues_worker *owner = owner_of(queues, block);

	return block->group && owner && !owner->surplus && !owner->alone &&
			       may_be_on(&queues->bound, &queues->bound.kinds[block->kind],
					 owner->host)
		       ? owner
		       : NULL;
}

/* The place in its line of the first block that still waits there, for this worker (NULL: for
 * whom does not matter); NOBODY. */
static uint32_t first_in_line(struct ff_queues *queues, uint32_t number,
			      const struct ff_queues_worker *worker)
{
	struct ff_bound *bound = &queues->bound;
	struct ff_bound_kind *kind = &bound->kinds[number];

	for (uint32_t i = kind->head; i < kind->tail; i++) {
		struct ff_bound_block *block =
			kind->line[i] == NOBODY ? NULL : &bound->blocks[kind->line[i]];
		const struct ff_queues_worker *only;

		if (block && block->kind == number && block->in_line && block->len == 0)
			block->in_line = false;
		if (!block || block->kind != number || !block->in_line) {
			kind->head += i == kind->head;
			continue;
		}
		only = worker ? kept_for(queues, block) : NULL;
		if (worker && !group_is_free(bound, kind->line[i]))
			continue;
		if (!only || only == worker)
			return i;
	}
	return NOBODY;
}

static void give(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t number)
{
	struct ff_bound *bound = &queues->bound;
	struct ff_bound_block *block = &bound->blocks[number];

	hold(queues, worker, number);
	block->held = block->len;
	bound->waiting -= block->len;
	bound->kinds[block->kind].waiting -= block->len;
	/* Those of other parts come when it has collected these. */
	for (uint32_t i = 0; i < block->len; i++) {
		bound->left_us -= ff_queues_expected(queues, block->waiting[i]);
		ff_queues_put_back(worker, block->waiting[i]);
	}
	block->len = 0;
}

void ff_bound_give(struct ff_queues *queues, uint32_t number)
{
	struct ff_queues_worker *worker = ff_queues_worker(queues, number);
	struct ff_bound *bound = &queues->bound;
	uint32_t queued = worker->tail - worker->head;

	if (bound->waiting == 0 || worker->part || worker->back_len > 0 || queued > 1 ||
	    (queued == 1 && !worker->hungry))
		return;
	for (uint32_t i = 0; i < bound->kinds_len; i++) {
		struct ff_bound_kind *kind = &bound->kinds[i];
		uint32_t at = first_in_line(queues, i, worker), block;

		if (at == NOBODY || !can_meet(queues, worker, kind))
			continue;
		block = kind->line[at];
		kind->line[at] = NOBODY;
		give(queues, worker, block);
		return;
	}
}

/* --- where --- */

bool ff_bound_may_come(const struct ff_bound *bound, uint32_t host)
{
	for (uint32_t i = 0; bound->waiting > 0 && i < bound->kinds_len; i++)
		if (bound->kinds[i].waiting > 0 && may_be_on(bound, &bound->kinds[i], host))
			return true;
	return false;
}

bool ff_bound_wants_hosts(const struct ff_bound *bound)
{
	for (uint32_t i = 0; bound->waiting > 0 && i < bound->kinds_len; i++)
		if (bound->kinds[i].waiting > 0 && !bound->kinds[i].hosts)
			return false;
	return bound->waiting > 0;
}

/* --- alone, and nowhere --- */

bool ff_bound_alone(struct ff_queues *queues, uint32_t unit)
{
	struct ff_bound *bound = &queues->bound;
	const struct ff_bound_block *block = block_of(bound, unit);
	uint32_t kind = block->kind, from = block->group ? bound->of[unit] : block->from;

	/* Where it would be alone may be no host for it. */
	if (bound->kinds[kind].hosts)
		return false;
	bound->of[unit] = ff_bound_new_block(bound);
	bound->blocks[bound->of[unit]].kind = kind;
	bound->blocks[bound->of[unit]].from = from;
	return true;
}

bool ff_bound_hold_alone(struct ff_queues *queues, struct ff_queues_worker *worker, uint32_t unit)
{
	struct ff_bound_block *block = block_of(&queues->bound, unit);

	if (!block)
		return true;
	if (!can_have(queues, worker, queues->bound.of[unit]))
		return false;
	hold(queues, worker, queues->bound.of[unit]);
	block->held = 1;
	return true;
}

/* The last of a block that waits: nobody has it then. */
static uint32_t take_out(struct ff_queues *queues, struct ff_bound_block *block)
{
	struct ff_bound *bound = &queues->bound;

	bound->waiting--;
	bound->kinds[block->kind].waiting--;
	block->len--;
	bound->left_us -= ff_queues_expected(queues, block->waiting[block->len]);
	return block->waiting[block->len];
}

bool ff_bound_leave(struct ff_queues *queues, uint32_t unit)
{
	struct ff_bound_block *block = block_of(&queues->bound, unit);
	uint32_t at = 0;

	while (block && at < block->len && block->waiting[at] != unit)
		at++;
	if (!block || at == block->len)
		return false;
	memmove(block->waiting + at, block->waiting + at + 1,
		(block->len - at - 1) * sizeof(*block->waiting));
	block->waiting[block->len - 1] = unit;
	take_out(queues, block);
	return true;
}

static struct ff_bound_block *first_block(struct ff_queues *queues, uint32_t kind)
{
	uint32_t at = first_in_line(queues, kind, NULL);

	return at == NOBODY ? NULL : &queues->bound.blocks[queues->bound.kinds[kind].line[at]];
}

uint32_t ff_queues_take_homeless(struct ff_queues *queues, const uint64_t *hosts)
{
	struct ff_bound *bound = &queues->bound;

	for (uint32_t i = 0; i < bound->kinds_len; i++) {
		struct ff_bound_block *block = first_block(queues, i);
		bool some = !bound->kinds[i].hosts;

		for (size_t j = 0; !some && j <= bound->hosts / 64; j++)
			some = (bound->kinds[i].hosts[j] & hosts[j]) != 0;
		if (!some && block)
			return take_out(queues, block);
	}
	return NOBODY;
}

int64_t ff_queues_memory(const struct ff_queues *queues, uint32_t unit)
{
	const struct ff_bound_block *block = block_of(&queues->bound, unit);

	return block ? queues->bound.kinds[block->kind].memory : 0;
}

const struct ff_bound_kind *ff_queues_needs(const struct ff_queues *queues, uint32_t unit)
{
	const struct ff_bound_block *block = block_of(&queues->bound, unit);

	return block ? &queues->bound.kinds[block->kind] : NULL;
}

const struct ff_bound_kind *ff_queues_needs_at(const struct ff_queues *queues, uint32_t needs)
{
	return &queues->bound.kinds[needs];
}

/* Whether the first comes before the second. */
static bool comes_before(const struct ff_bound *bound, uint32_t first, uint32_t second)
{
	const struct ff_bound_kind *a = &bound->kinds[first], *b = &bound->kinds[second];

	if (a->serial != b->serial)
		return b->serial;
	if (a->memory != b->memory)
		return a->memory > b->memory;
	if (a->weight != b->weight)
		return a->weight > b->weight;
	if (a->pools_len != b->pools_len)
		return a->pools_len > b->pools_len;
	return first < second;
}

uint32_t ff_queues_next_needs(const struct ff_queues *queues, uint32_t before)
{
	const struct ff_bound *bound = &queues->bound;
	uint32_t best = NOBODY;

	for (uint32_t i = 0; !queues->stopped && bound->waiting > 0 && i < bound->kinds_len; i++)
		if (bound->kinds[i].waiting > 0 &&
		    (before == NOBODY || comes_before(bound, before, i)) &&
		    (best == NOBODY || comes_before(bound, i, best)))
			best = i;
	return best;
}

uint32_t ff_queues_take_with(struct ff_queues *queues, uint32_t needs)
{
	struct ff_bound_block *block = first_block(queues, needs);

	return block ? take_out(queues, block) : NOBODY;
}

bool ff_queues_moved(struct ff_queues *queues)
{
	bool moved = queues->bound.moved;

	queues->bound.moved = false;
	return moved;
}

bool ff_queues_is_bound(const struct ff_queues *queues, uint32_t unit)
{
	return ff_bound_has(&queues->bound, unit);
}
