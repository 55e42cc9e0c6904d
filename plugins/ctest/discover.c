/* From ctest's description of a build folder to units and what they ask for. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctest/private.h"
#include "found.h"

/* A test that sets up a fixture. */
struct setup {
	const char *fixture;
	uint32_t test;
};

struct finder {
	json_t **tests; /* borrowed; in the order in which they are to begin */
	uint32_t len;
	const char *cwd;
	struct ff_found found;
	/* By a test's name: its number, one more; `next` leads to the next one of that name, 0
	 * ends.
	 */
	struct ff_map by_name;
	uint32_t *next;
	struct setup *setups; /* by fixture */
	size_t setups_len;
};

/* --- the order: COST says what should begin early --- */

struct rank {
	double cost;
	size_t at;
};

static int dearest_first(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost > y->cost ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void line_up(struct finder *f, const json_t *list)
{
	size_t len = json_array_size(list);
	struct rank *ranks = ff_xcalloc(len + 1, sizeof(*ranks));

	f->tests = ff_xcalloc(len + 1, sizeof(*f->tests));
	for (size_t i = 0; i < len; i++)
		ranks[i] = (struct rank){ff_ctest_number(json_array_get(list, i), "COST", 0), i};
	qsort(ranks, len, sizeof(*ranks), dearest_first);
	for (size_t i = 0; i < len; i++) {
		json_t *test = json_array_get(list, ranks[i].at);

		if (json_is_string(json_object_get(test, "name")))
			f->tests[f->len++] = test;
	}
	ff_free(ranks);
}

/* --- who is who --- */

static const char *name_of(const json_t *test)
{
	return json_string_value(json_object_get(test, "name"));
}

static void index_names(struct finder *f)
{
	f->next = ff_xcalloc((size_t)f->len + 1, sizeof(*f->next));
	for (uint32_t i = f->len; i-- > 0;) {
		const char *name = name_of(f->tests[i]);

		f->next[i] = (uint32_t)(uintptr_t)ff_map_get(&f->by_name, name);
		if (ff_map_set(&f->by_name, name, (void *)(uintptr_t)(i + 1)) != 0)
			f->found.full = true;
	}
}

static int by_fixture(const void *a, const void *b)
{
	const struct setup *x = a, *y = b;
	int order = strcmp(x->fixture, y->fixture);

	return order != 0 ? order : x->test < y->test ? -1 : x->test > y->test;
}

static void index_setups(struct finder *f)
{
	size_t len = 0;

	for (uint32_t i = 0; i < f->len; i++)
		len += ff_ctest_texts(f->tests[i], "FIXTURES_SETUP");
	f->setups = ff_xcalloc(len + 1, sizeof(*f->setups));
	for (uint32_t i = 0; i < f->len; i++)
		for (size_t j = 0; j < ff_ctest_texts(f->tests[i], "FIXTURES_SETUP"); j++)
			f->setups[f->setups_len++] =
				(struct setup){ff_ctest_text(f->tests[i], "FIXTURES_SETUP", j), i};
	qsort(f->setups, f->setups_len, sizeof(*f->setups), by_fixture);
}

/* The first that sets it up, or where that would stand. */
static size_t first_setup(const struct finder *f, const char *fixture)
{
	size_t low = 0, high = f->setups_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(f->setups[middle].fixture, fixture) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Numbers in the arena, each once more than it has room for: they are counted first. */
static uint32_t *take_units(struct finder *f, size_t len)
{
	uint32_t *units = ff_arena_alloc(&f->found.arena, (len + 1) * sizeof(*units));

	f->found.full |= !units;
	return units;
}

static size_t after(const struct finder *f, const json_t *test, uint32_t *units)
{
	size_t len = 0;

	for (size_t i = 0; i < ff_ctest_texts(test, "DEPENDS"); i++) {
		const char *name = ff_ctest_text(test, "DEPENDS", i);
		uint32_t at = (uint32_t)(uintptr_t)ff_map_get(&f->by_name, name);

		for (; at > 0; at = f->next[at - 1], len++)
			if (units)
				units[len] = at - 1;
	}
	return len;
}

/* Those that set up what the test requires. */
static size_t setups(const struct finder *f, const json_t *test, uint32_t *units)
{
	size_t len = 0;

	for (size_t i = 0; i < ff_ctest_texts(test, "FIXTURES_REQUIRED"); i++) {
		const char *fixture = ff_ctest_text(test, "FIXTURES_REQUIRED", i);

		for (size_t at = first_setup(f, fixture);
		     at < f->setups_len && strcmp(f->setups[at].fixture, fixture) == 0; at++) {
			if (units)
				units[len] = f->setups[at].test;
			len++;
		}
	}
	return len;
}

/* --- marks --- */

static const char *const *locks_of(struct finder *f, const json_t *test)
{
	size_t len = ff_ctest_texts(test, "RESOURCE_LOCK");
	const char **names = ff_arena_alloc(&f->found.arena, (len + 1) * sizeof(*names));

	f->found.full |= !names;
	for (size_t i = 0; names && i < len; i++) {
		names[i] =
			ff_arena_strdup(&f->found.arena, ff_ctest_text(test, "RESOURCE_LOCK", i));
		f->found.full |= !names[i];
	}
	if (names)
		names[len] = NULL;
	return names;
}

static void mark(struct finder *f, uint32_t unit)
{
	enum { WEIGHT_MAX = 100000 };
	const json_t *test = f->tests[unit];
	double processors = ff_ctest_number(test, "PROCESSORS", 1);
	struct ff_payload_mark *m = ff_found_mark(&f->found, unit);
	uint32_t *units;

	m->serial = ff_ctest_is(test, "RUN_SERIAL");
	m->weight = processors < 1 ? 1 : processors > WEIGHT_MAX ? WEIGHT_MAX : (int64_t)processors;
	m->resources = locks_of(f, test);
	m->bound = m->serial || m->weight > 1 || (m->resources && m->resources[0]);
	m->skip = ff_ctest_is(test, "DISABLED") ? "not run: it is DISABLED" : NULL;
	m->after_len = after(f, test, NULL);
	if ((units = take_units(f, m->after_len)))
		after(f, test, units);
	m->after = units;
	m->needs_len = setups(f, test, NULL);
	if ((units = take_units(f, m->needs_len)))
		setups(f, test, units);
	m->needs = units;
}

/* --- all of it --- */

static void add_unit(struct finder *f, json_t *test)
{
	char *text;

	json_object_set_new(test, "cwd", json_string(f->cwd));
	json_object_del(test, "backtrace");
	text = json_dumps(test, JSON_COMPACT);
	f->found.full |= !text;
	ff_found_add(&f->found, name_of(test), text);
	free(text);
}

void ff_ctest_found(const char *text, size_t len, const char *cwd,
		    const struct ff_payload_sink *sink, void *ctx)
{
	const char *begin = memchr(text, '{', len);
	json_error_t error = {.text = "there is none"};
	json_t *root = begin ? json_loadb(begin, len - (size_t)(begin - text),
					  JSON_DISABLE_EOF_CHECK, &error)
			     : NULL;
	json_t *list = json_object_get(root, "tests");
	struct finder f = {.cwd = cwd};
	struct ff_buf words = FF_BUF_INIT;

	ff_map_init(&f.by_name);
	if (!json_is_array(list)) {
		ff_buf_addf(&words, "ctest --show-only=json-v1 has printed no list of tests: %s",
			    root ? "its 'tests' is no list" : error.text);
		sink->session_error(ctx, FF_REASON_PAYLOAD, ff_buf_str(&words));
	} else {
		line_up(&f, list);
		index_names(&f);
		index_setups(&f);
		for (uint32_t i = 0; i < f.len; i++)
			add_unit(&f, f.tests[i]);
		for (uint32_t i = 0; i < f.len; i++)
			mark(&f, i);
		ff_found_tell(&f.found, sink, ctx);
	}
	ff_buf_release(&words);
	ff_found_release(&f.found);
	ff_map_release(&f.by_name);
	ff_free(f.tests);
	ff_free(f.next);
	ff_free(f.setups);
	json_decref(root);
}
