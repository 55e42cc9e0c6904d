/* Hosts that come while a run goes on: the run's inventory grows in place. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "inventory/private.h"

static void give_up_on(int rc)
{
	if (rc)
		abort();
}

void ff_inventory_reserve(struct ff_inventory *inventory, size_t more)
{
	inventory->room = inventory->len + more;
	inventory->hosts =
		ff_xrealloc(inventory->hosts, (inventory->room + 1) * sizeof(*inventory->hosts));
}

size_t ff_inventory_room(const struct ff_inventory *inventory)
{
	return inventory->room > inventory->len ? inventory->room : inventory->len;
}

const struct ff_host *ff_inventory_find(const struct ff_inventory *inventory, const char *name)
{
	uintptr_t number = (uintptr_t)ff_map_get(&inventory->names, name);

	return number ? &inventory->hosts[number - 1] : NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(const struct ff_strv *a, const struct ff_strv *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

bool ff_host_equal(const struct ff_host *a, const struct ff_host *b)
{
	bool same = same_text(a->name, b->name) && a->slots == b->slots && a->memory == b->memory &&
		    same_list(&a->tags, &b->tags) && same_list(&a->spec.env, &b->spec.env) &&
		    same_list(&a->spec.unknown, &b->spec.unknown);

#define X(key, member) same = same && same_text(a->spec.member, b->spec.member);
	FF_XSPEC_KEYS(X)
#undef X
	return same;
}

static struct ff_host copy_of(const struct ff_host *host)
{
	/* The place is in a configuration that goes: nobody complains about it any more. */
	struct ff_host copy = {.name = ff_xstrdup(host->name),
			       .slots = host->slots,
			       .memory = host->memory,
			       .local = host->local};

	give_up_on(ff_xspec_copy(&copy.spec, &host->spec));
	if (host->tags.len)
		give_up_on(ff_strv_add_all(&copy.tags, host->tags.v));
	return copy;
}

int64_t ff_inventory_admit(struct ff_inventory *inventory, const struct ff_host *host)
{
	const struct ff_host *was = ff_inventory_find(inventory, host->name);
	size_t number = was ? was->index : inventory->len;
	struct ff_host copy;

	if (number >= ff_inventory_room(inventory))
		return FF_ETOOBIG;
	copy = copy_of(host);
	copy.index = (uint32_t)number;
	if (was)
		ff_host_release(&inventory->hosts[number]);
	else
		give_up_on(ff_map_set(&inventory->names, copy.name, (void *)(number + 1)));
	inventory->len += !was;
	inventory->hosts[number] = copy;
	for (size_t i = 0; i < copy.tags.len; i++)
		if (!ff_map_get(&inventory->tags, copy.tags.v[i]))
			give_up_on(
				ff_map_set(&inventory->tags, copy.tags.v[i], (void *)(number + 1)));
	return (int64_t)number;
}
