/* Scopes are found by the policy's way to split names, or by texts that the caller has. */
#include "sched/scopes.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "sched/queues.h"

#define NOBODY UINT32_MAX

/* The scope of this name, which may be new. */
static uint32_t number_of(struct ff_scopes *scopes, struct ff_map *known, const char *text,
			  size_t len)
{
	char *key = memcpy(ff_xmalloc(len + 1), text, len);
	uintptr_t number;

	key[len] = '\0';
	number = (uintptr_t)ff_map_get(known, key);
	if (!number) {
		number = ++scopes->len;
		ff_map_set(known, key, (void *)number);
	}
	ff_free(key);
	return (uint32_t)(number - 1);
}

static void by_name(struct ff_scopes *scopes, const struct ff_queues_opts *opts)
{
	struct ff_map known = FF_MAP_INIT;

	for (uint32_t i = 0; i < opts->units; i++) {
		const char *text = opts->scopes ? opts->scopes[i] : opts->names[i];
		size_t len = strlen(text);

		if (!opts->scopes)
			text = opts->policy->scope(text, &len);
		scopes->of[i] = number_of(scopes, &known, text, len);
	}
	ff_map_release(&known);
}

void ff_scopes_init(struct ff_scopes *scopes, const struct ff_queues_opts *opts)
{
	const struct ff_policy *policy = opts->policy;

	*scopes = (struct ff_scopes){0};
	if (!policy || (!policy->scope && !(policy->seats && opts->seats_len > 0)))
		return;
	scopes->of = ff_xmalloc(((size_t)opts->units + 1) * sizeof(*scopes->of));
	if (policy->seats) {
		uint32_t each = opts->units / opts->seats_len;

		scopes->len = opts->seats_len;
		scopes->host = opts->seats;
		for (uint32_t i = 0; i < opts->units; i++)
			scopes->of[i] = i / each;
	} else if (opts->scopes || opts->names) {
		by_name(scopes, opts);
	} else {
		scopes->len = opts->units;
		for (uint32_t i = 0; i < opts->units; i++)
			scopes->of[i] = i;
	}
	scopes->end = ff_xcalloc((size_t)scopes->len + 1, sizeof(*scopes->end));
	scopes->owner = ff_xmalloc(((size_t)scopes->len + 1) * sizeof(*scopes->owner));
	for (uint32_t i = 0; i < scopes->len; i++)
		scopes->owner[i] = NOBODY;
}

void ff_scopes_release(struct ff_scopes *scopes)
{
	ff_free(scopes->of);
	ff_free(scopes->end);
	ff_free(scopes->owner);
	*scopes = (struct ff_scopes){0};
}

/* --- order --- */

struct rank {
	int64_t worth;
	uint32_t scope, unit;
};

static int first_to_last(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->worth != y->worth)
		return x->worth > y->worth ? -1 : 1;
	if (x->scope != y->scope)
		return x->scope < y->scope ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

/* A scope is worth the time that it is expected to take, or the number of its units. */
static void put_worth(struct rank *ranks, const struct ff_scopes *scopes,
		      const struct ff_queues_opts *opts)
{
	int64_t *worth;

	for (uint32_t i = 0; !scopes->of && i < opts->units; i++)
		ranks[i].worth = opts->expected_us[i];
	if (!scopes->of)
		return;
	worth = ff_xcalloc((size_t)scopes->len + 1, sizeof(*worth));
	for (uint32_t i = 0; i < opts->units; i++) {
		int64_t more = opts->expected_us ? opts->expected_us[i] : 1;

		if (__builtin_add_overflow(worth[ranks[i].scope], more, &worth[ranks[i].scope]))
			worth[ranks[i].scope] = INT64_MAX;
	}
	for (uint32_t i = 0; i < opts->units; i++)
		ranks[i].worth = worth[ranks[i].scope];
	ff_free(worth);
}

void ff_scopes_order(struct ff_scopes *scopes, const struct ff_queues_opts *opts,
		     uint32_t **unit_at, uint32_t **rank_of)
{
	bool in_order = opts->policy && opts->policy->in_order;
	struct rank *ranks;

	*unit_at = *rank_of = NULL;
	if (!scopes->of && (in_order || !opts->expected_us))
		return;
	ranks = ff_xmalloc(((size_t)opts->units + 1) * sizeof(*ranks));
	for (uint32_t i = 0; i < opts->units; i++)
		ranks[i] = (struct rank){0, scopes->of ? scopes->of[i] : 0, i};
	if (!in_order && !(scopes->of && opts->scopes_in_order))
		put_worth(ranks, scopes, opts);
	qsort(ranks, opts->units, sizeof(*ranks), first_to_last);
	*unit_at = ff_xmalloc(((size_t)opts->units + 1) * sizeof(**unit_at));
	*rank_of = ff_xmalloc(((size_t)opts->units + 1) * sizeof(**rank_of));
	for (uint32_t i = 0; i < opts->units; i++) {
		(*unit_at)[i] = ranks[i].unit;
		(*rank_of)[ranks[i].unit] = i;
		if (scopes->of)
			scopes->end[ranks[i].scope] = i + 1;
	}
	ff_free(ranks);
}
