/* Channels by id. Every data frame is one lookup here, so it is a flat array of pointers probed in
 * order; deletion shifts back what follows. It knows nothing of channels but their id. */
#include "gateway/private.h"

#include "base/alloc.h"

enum { TABLE_MIN = 16 };

static uint32_t home(const struct ff_table *table, uint32_t id)
{
	return (id * UINT32_C(0x9E3779B1)) >> table->shift;
}

struct ff_channel *ff_table_get(const struct ff_table *table, uint32_t id)
{
	struct ff_channel *channel;
	uint32_t i;

	if (!table->len)
		return NULL;
	for (i = home(table, id); (channel = table->slots[i]); i = (i + 1) & (table->cap - 1)) {
		if (channel->id == id)
			return channel;
	}
	return NULL;
}

static void place(struct ff_table *table, struct ff_channel *channel)
{
	uint32_t i = home(table, channel->id);

	while (table->slots[i])
		i = (i + 1) & (table->cap - 1);
	table->slots[i] = channel;
}

static int grow(struct ff_table *table)
{
	struct ff_table wider = {.cap = table->cap ? table->cap * 2 : TABLE_MIN};
	uint32_t i;

	wider.slots = ff_calloc(wider.cap, sizeof(*wider.slots));
	if (!wider.slots)
		return FF_ENOMEM;
	wider.len = table->len;
	wider.shift = (unsigned)__builtin_clz(wider.cap) + 1;
	for (i = 0; i < table->cap; i++) {
		if (table->slots[i])
			place(&wider, table->slots[i]);
	}
	ff_free(table->slots);
	*table = wider;
	return 0;
}

int ff_table_add(struct ff_table *table, struct ff_channel *channel)
{
	if ((table->len + 1) * 2 > table->cap) {
		int rc = grow(table);

		if (rc)
			return rc;
	}
	place(table, channel);
	table->len++;
	return 0;
}

void ff_table_del(struct ff_table *table, uint32_t id)
{
	uint32_t mask = table->cap - 1;
	uint32_t hole, i;

	if (!table->len)
		return;
	hole = home(table, id);
	while (table->slots[hole] && table->slots[hole]->id != id)
		hole = (hole + 1) & mask;
	if (!table->slots[hole])
		return;
	for (i = (hole + 1) & mask; table->slots[i]; i = (i + 1) & mask) {
		/* An entry may move into the hole if its home is not between hole and itself. */
		if (((i - home(table, table->slots[i]->id)) & mask) < ((i - hole) & mask))
			continue;
		table->slots[hole] = table->slots[i];
		hole = i;
	}
	table->slots[hole] = NULL;
	table->len--;
}

void ff_table_release(struct ff_table *table)
{
	ff_free(table->slots);
	*table = (struct ff_table){0};
}
