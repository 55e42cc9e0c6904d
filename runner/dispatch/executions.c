/* Blocks of executions that never move, and lists of places in them. */
#include "dispatch/executions.h"

#include <string.h>

#include "base/alloc.h"
#include "state/state.h"

enum { LINE = 64, BLOCK = 256 };

_Static_assert(sizeof(struct execution) == LINE, "an execution fills a cache line");

struct execution *ff_executions_at(const struct executions *all, uint32_t place)
{
	uintptr_t block = (uintptr_t)all->blocks[place / BLOCK];

	block = (block + LINE - 1) / LINE * LINE;
	return (struct execution *)block + place % BLOCK;
}

void ff_executions_init(struct executions *all, uint32_t hosts)
{
	*all = (struct executions){0};
	all->first = ff_xmalloc((hosts + 1) * sizeof(*all->first));
	memset(all->first, 0xff, (hosts + 1) * sizeof(*all->first));
}

static bool is_elsewhere(const struct execution *execution)
{
	return execution->name.here[EXECUTION_NAME - 1] != 0;
}

static void forget_name(struct execution *execution)
{
	if (execution->number && is_elsewhere(execution))
		ff_free(execution->name.elsewhere);
	execution->number = 0;
}

void ff_executions_release(struct executions *all)
{
	for (uint32_t i = 0; i < all->len; i++)
		forget_name(ff_executions_at(all, i));
	for (uint32_t i = 0; i < all->cap / BLOCK; i++)
		ff_free(all->blocks[i]);
	ff_free(all->blocks);
	ff_free(all->free_places);
	ff_free(all->first);
	*all = (struct executions){0};
}

static uint32_t take_place(struct executions *all)
{
	if (all->free_len > 0)
		return all->free_places[--all->free_len];
	if (all->len == all->cap) {
		uint32_t block = all->cap / BLOCK;

		all->cap += BLOCK;
		all->blocks = ff_xrealloc(all->blocks, (block + 1) * sizeof(*all->blocks));
		all->blocks[block] = ff_xcalloc(BLOCK + 1, LINE);
		all->free_places =
			ff_xrealloc(all->free_places, all->cap * sizeof(*all->free_places));
	}
	return all->len++;
}

static void keep_name(struct execution *execution, const char *name)
{
	size_t size = strlen(name) + 1;

	execution->name.here[EXECUTION_NAME - 1] = size > EXECUTION_NAME;
	if (is_elsewhere(execution)) {
		execution->name.elsewhere = ff_xstrdup(name);
	} else {
		memcpy(execution->name.here, name, size);
	}
}

/* The ring of a host's, at its end. */
static void enter(struct executions *all, uint32_t *first, struct execution *execution,
		  uint32_t place)
{
	struct execution *oldest;

	if (*first == FF_NOBODY)
		*first = execution->prev = place;
	oldest = ff_executions_at(all, *first);
	execution->next = *first;
	execution->prev = oldest->prev;
	ff_executions_at(all, oldest->prev)->next = place;
	oldest->prev = place;
}

struct execution *ff_executions_add(struct executions *all, const struct ff_placement *placement,
				    const char *name)
{
	uint32_t place = take_place(all), *first = &all->first[placement->host];
	struct execution *execution = ff_executions_at(all, place);

	if (++all->generation << EXECUTION_PLACE_BITS == 0)
		all->generation++; /* 0 is no execution's number */
	execution->number = all->generation << EXECUTION_PLACE_BITS | place;
	execution->placement = *placement;
	keep_name(execution, name);
	enter(all, first, execution, place);
	return execution;
}

static uint32_t place_of(const struct execution *execution)
{
	return execution->number & ((1U << EXECUTION_PLACE_BITS) - 1);
}

void ff_executions_remove(struct executions *all, struct execution *execution)
{
	uint32_t *first = &all->first[execution->placement.host], place = place_of(execution);

	ff_executions_at(all, execution->next)->prev = execution->prev;
	ff_executions_at(all, execution->prev)->next = execution->next;
	if (*first == place)
		*first = execution->next == place ? FF_NOBODY : execution->next;
	all->free_places[all->free_len++] = place;
	forget_name(execution);
}

struct execution *ff_executions_find(const struct executions *all, uint32_t number)
{
	uint32_t place = number & ((1U << EXECUTION_PLACE_BITS) - 1);
	struct execution *execution = place < all->len ? ff_executions_at(all, place) : NULL;

	return execution && number && execution->number == number ? execution : NULL;
}

struct execution *ff_executions_first(const struct executions *all, uint32_t host)
{
	return all->first[host] == FF_NOBODY ? NULL : ff_executions_at(all, all->first[host]);
}

struct execution *ff_executions_next(const struct executions *all,
				     const struct execution *execution)
{
	uint32_t first = all->first[execution->placement.host];

	return execution->next == first ? NULL : ff_executions_at(all, execution->next);
}

const char *ff_execution_name(const struct execution *execution)
{
	return is_elsewhere(execution) ? execution->name.elsewhere : execution->name.here;
}
