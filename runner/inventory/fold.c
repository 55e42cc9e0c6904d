/* Many names as few ranges: "node[01-08,10]". What ff_set_expand makes of that is the same names
 * again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "inventory/private.h"

/* A name as text around a number: one of its runs of digits. */
struct member {
	const char *name;
	char *key;    /* what is around it, as "before\1after"; NULL: it stands by itself */
	size_t at;    /* where the number begins, */
	size_t len;   /* and its digits */
	size_t order; /* of the first name with that key */
	size_t width; /* of a number with zeros in front; 0: it has none */
	long number;
	bool taken;
};

static void give_up_on(int rc)
{
	if (rc == FF_ENOMEM)
		abort();
}

static char *key_of(const char *name, size_t at, size_t len)
{
	return ff_xasprintf("%.*s\1%s", (int)at, name, name + at + len);
}

/* The next run of digits from *at on that can be a range's number. */
static bool next_run(const char *name, size_t *at, size_t *len)
{
	for (*at += strcspn(name + *at, FF_DIGITS); name[*at]; *at += *len) {
		*len = strspn(name + *at, FF_DIGITS);
		if (*len <= FF_DIGITS_MAX)
			return true;
		*at += *len;
		*len = strcspn(name + *at, FF_DIGITS);
	}
	return false;
}

static uintptr_t count_of(const struct ff_map *counts, const char *key)
{
	return (uintptr_t)ff_map_get(counts, key);
}

static void count_keys(struct ff_map *counts, const char *name)
{
	size_t at = 0, len = 0;

	for (; next_run(name, &at, &len); at += len) {
		char *key = key_of(name, at, len);

		give_up_on(ff_map_set(counts, key, (void *)(count_of(counts, key) + 1)));
		ff_free(key);
	}
}

/* Of a name's numbers the one that it shares most with others, the last of those. */
static void choose(struct member *m, const struct ff_map *counts)
{
	size_t at = 0, len = 0;
	uintptr_t most = 0;

	for (; next_run(m->name, &at, &len); at += len) {
		char *key = key_of(m->name, at, len);

		if (count_of(counts, key) < most) {
			ff_free(key);
			continue;
		}
		most = count_of(counts, key);
		ff_free(m->key);
		m->key = key;
		m->at = at;
		m->len = len;
	}
	if (!m->key)
		return;
	m->number = strtol(m->name + m->at, NULL, 10);
	m->width = m->name[m->at] == '0' && m->len > 1 ? m->len : 0;
}

static int by_number(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	/* Those that say their width first: they may go on with some that need not say it. */
	if (x->width != y->width)
		return x->width > y->width ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

/* The member of a sorted group that is written so; NULL: it is not there, or taken. */
static struct member *find(struct member *group, size_t len, long number, size_t width)
{
	char text[24];
	struct member wanted = {.order = group->order, .number = number}, *found;
	int digits = snprintf(text, sizeof(text), "%0*ld", (int)(width ? width : 1), number);

	wanted.width = *text == '0' && digits > 1 ? (size_t)digits : 0;
	found = bsearch(&wanted, group, len, sizeof(*group), by_number);
	return found && !found->taken ? found : NULL;
}

static void fold_group(struct ff_buf *out, struct member *group, size_t len)
{
	const struct member *first = group;
	bool brackets = len > 1;

	ff_buf_addf(out, "%.*s%s", (int)first->at, first->name, brackets ? "[" : "");
	for (size_t i = 0, parts = 0; i < len; i++) {
		struct member *from = &group[i], *to = from, *next;

		if (from->taken)
			continue;
		from->taken = true;
		while ((next = find(group, len, to->number + 1, from->width))) {
			next->taken = true;
			to = next;
		}
		ff_buf_addf(out, "%s%.*s", parts++ ? "," : "", (int)from->len,
			    from->name + from->at);
		if (to != from)
			ff_buf_addf(out, "-%.*s", (int)to->len, to->name + to->at);
	}
	ff_buf_addf(out, "%s%s", brackets ? "]" : "", first->name + first->at + first->len);
}

/* Sorted by groups, which have the order of their first names. */
static void sort(struct member *members, size_t len)
{
	struct ff_map orders = FF_MAP_INIT;

	for (size_t i = 0; i < len; i++) {
		struct member *m = &members[i];
		uintptr_t order = m->key ? (uintptr_t)ff_map_get(&orders, m->key) : 0;

		m->order = order ? order : i + 1;
		if (m->key && !order)
			give_up_on(ff_map_set(&orders, m->key, (void *)(uintptr_t)m->order));
	}
	ff_map_release(&orders);
	qsort(members, len, sizeof(*members), by_number);
}

void ff_range_fold(struct ff_buf *out, const char *const *names, size_t len)
{
	struct member *members = ff_xcalloc(len + 1, sizeof(*members));
	struct ff_map counts = FF_MAP_INIT, seen = FF_MAP_INIT;
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		if (ff_map_get(&seen, names[i]))
			continue;
		give_up_on(ff_map_set(&seen, names[i], members));
		members[used++].name = names[i];
		/* Brackets and wildcards would mean something else. */
		if (!strpbrk(names[i], "[]*?\\"))
			count_keys(&counts, names[i]);
	}
	for (size_t i = 0; i < used; i++)
		if (!strpbrk(members[i].name, "[]*?\\"))
			choose(&members[i], &counts);
	sort(members, used);
	for (size_t i = 0, end; i < used; i = end) {
		for (end = i + 1; end < used && members[end].order == members[i].order; end++)
			;
		if (i)
			ff_buf_addch(out, ',');
		if (members[i].key)
			fold_group(out, &members[i], end - i);
		else
			ff_buf_addstr(out, members[i].name);
	}
	for (size_t i = 0; i < used; i++)
		ff_free(members[i].key);
	ff_free(members);
	ff_map_release(&counts);
	ff_map_release(&seen);
}
