/* What a session says of its collection: all tests at once, or files first and the tests of each
 * when it was given that. */
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "pytest/incoming.h"
#include "pytest/result.h"

enum {
	FACTS = 19,	      /* that a session tells of itself */
	HEADER_MAX = 200,     /* lines of a session's header */
	NOTES_MAX = 100,      /* lines about its settings */
	UNITS_MAX = 10000000, /* tests of a session, or files */
};

int ff_pytest_bad_item(const struct incoming *in, const char *what)
{
	return ff_err_set(in->err, FF_EPROTO, "pytest: %s", what);
}

const struct ff_value *ff_pytest_dict(const struct incoming *in)
{
	const struct ff_value *dict = ff_at(in->item, 1);

	return dict && dict->kind == FF_DICT ? dict : NULL;
}

bool ff_pytest_number(const struct ff_value *dict, const char *key, int64_t max, int64_t *number)
{
	const struct ff_value *value = ff_dict_get(dict, key);

	if (!value || value->kind != FF_INT || value->integer < 0 || value->integer > max)
		return false;
	*number = value->integer;
	return true;
}

/* "plugins: xdist-3.1.0, cov-4.0.0", in `arena`; NULL if there are none. */
static char *plugins_line(struct ff_arena *arena, const struct ff_value *plugins)
{
	struct ff_buf line = FF_BUF_INIT;
	char *copy = NULL;

	for (size_t i = 0; plugins && plugins->kind == FF_LIST && i < plugins->len; i++)
		ff_buf_addf(&line, "%s%s",
			    i ? ", " : "plugins: ", ff_as_str(&plugins->items[i], "?"));
	if (line.len)
		copy = ff_arena_copy(arena, ff_buf_data(&line), line.len);
	ff_buf_release(&line);
	return copy;
}

/* The facts that payload.py knows, in its order; gives their number. */
static size_t read_facts(const struct ff_value *dict, struct ff_fact facts[FACTS])
{
	static const char *const keys[FACTS] = {
		"python",	"executable", "implementation", "pytest",	 "platform",
		"pid",		"cache",      "suffixed",	"junit_family",	 "tb",
		"show_capture", "chars",      "durations",	"durations_min", "no_header",
		"no_summary",	"memory",     "suite",		"collection_us"};
	size_t len = 0;

	for (size_t i = 0; i < FACTS; i++) {
		const char *value = ff_dict_str(dict, keys[i], NULL);

		if (value)
			facts[len++] = (struct ff_fact){keys[i], value};
	}
	return len;
}

static void tell_started(const struct incoming *in, const struct ff_value *dict)
{
	const struct ff_value *header = ff_dict_get(dict, "header");
	struct ff_arena arena = FF_ARENA_INIT;
	const char *lines[HEADER_MAX + 2];
	char *plugins = plugins_line(&arena, ff_dict_get(dict, "plugins"));
	char *words =
		ff_xasprintf("%s %s, pytest %s", ff_dict_str(dict, "implementation", "Python"),
			     ff_dict_str(dict, "python", "?"), ff_dict_str(dict, "pytest", "?"));
	struct ff_fact facts[FACTS];
	size_t len = 0;

	for (size_t i = 0; header && header->kind == FF_LIST && i < header->len; i++)
		if (header->items[i].kind == FF_STR && len < HEADER_MAX)
			lines[len++] = header->items[i].text;
	if (plugins)
		lines[len++] = plugins;
	lines[len] = NULL;
	in->sink->started(in->ctx, words, facts, read_facts(dict, facts), lines);
	ff_free(words);
	ff_arena_release(&arena);
}

static void read_lines(const struct ff_value *list, const char *lines[NOTES_MAX + 1])
{
	size_t len = 0;

	for (size_t i = 0; list && list->kind == FF_LIST && i < list->len; i++)
		if (list->items[i].kind == FF_STR && len < NOTES_MAX)
			lines[len++] = list->items[i].text;
	lines[len] = NULL;
}

/* How the session's own settings want it spread; what is not as it should be is left out. */
static void tell_settings(const struct incoming *in, const struct ff_value *spread)
{
	const char *notes[NOTES_MAX + 1], *vain[NOTES_MAX + 1];
	struct ff_payload_settings settings = {
		.dist = ff_dict_str(spread, "dist", NULL),
		.workers = -1,
		.scopes = ff_dict_bool(spread, "scopes", false),
		.driven = ff_dict_bool(spread, "driven", false),
		.notes = notes,
		.vain = vain,
	};

	read_lines(ff_dict_get(spread, "notes"), notes);
	read_lines(ff_dict_get(spread, "vain"), vain);
	if (!ff_pytest_number(spread, "workers", INT_MAX, &settings.workers))
		settings.workers = -1;
	in->sink->settings(in->ctx, &settings);
}

int ff_pytest_on_collected(const struct incoming *in)
{
	const struct ff_value *dict = ff_pytest_dict(in);
	const char *digest = ff_dict_str(dict, "digest", "");
	const struct ff_value *spread = ff_dict_get(dict, "spread");
	int64_t count, deselected, files;

	if (!dict || !*digest)
		return ff_pytest_bad_item(in, "collected without a digest");
	if (!ff_pytest_number(dict, "count", UNITS_MAX, &count) ||
	    !ff_pytest_number(dict, "deselected", UNITS_MAX, &deselected))
		return ff_pytest_bad_item(in, "collected without a number");
	tell_started(in, dict);
	if (in->sink->only_collects && ff_dict_bool(dict, "collectonly", false))
		in->sink->only_collects(in->ctx);
	if (in->sink->in_parts && ff_pytest_number(dict, "files", UNITS_MAX, &files))
		in->sink->in_parts(in->ctx, (uint32_t)files, ff_dict_bool(dict, "go_on", false));
	if (in->sink->settings && spread && spread->kind == FF_DICT)
		tell_settings(in, spread);
	in->sink->collected(in->ctx, digest, (uint32_t)count, (uint32_t)deselected,
			    ff_dict_str(dict, "rootdir", NULL));
	return 0;
}

static bool is_list_of_texts(const struct ff_value *list)
{
	if (!list || list->kind != FF_LIST || list->len > UNITS_MAX)
		return false;
	for (size_t i = 0; i < list->len; i++)
		if (list->items[i].kind != FF_STR)
			return false;
	return true;
}

int ff_pytest_on_ids(const struct incoming *in)
{
	const struct ff_value *ids = ff_at(in->item, 1), *scopes = ff_at(in->item, 2);

	if (!is_list_of_texts(ids))
		return ff_pytest_bad_item(in, "ids that are no list of texts");
	if (scopes && scopes->kind != FF_NONE) {
		if (!is_list_of_texts(scopes) || scopes->len != ids->len)
			return ff_pytest_bad_item(in, "scopes that are not as many texts as ids");
		if (in->sink->scopes)
			in->sink->scopes(in->ctx, scopes);
	}
	in->sink->ids(in->ctx, ids);
	return 0;
}

/* A number in 0 … UNITS_MAX at this place of the item. */
static bool number_at(const struct incoming *in, size_t at, uint32_t *number)
{
	const struct ff_value *value = ff_at(in->item, at);

	if (!value || value->kind != FF_INT || value->integer < 0 || value->integer > UNITS_MAX)
		return false;
	*number = (uint32_t)value->integer;
	return true;
}

static bool is_list_of_numbers(const struct ff_value *list, size_t len)
{
	if (!list || list->kind != FF_LIST || list->len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (list->items[i].kind != FF_INT)
			return false;
	return true;
}

int ff_pytest_on_sources(const struct incoming *in)
{
	const struct ff_value *names = ff_at(in->item, 1), *contents = ff_at(in->item, 2),
			      *us = ff_at(in->item, 3);

	if (!is_list_of_texts(names))
		return ff_pytest_bad_item(in, "sources that are no list of texts");
	if (!is_list_of_numbers(contents, names->len) || !is_list_of_numbers(us, names->len))
		return ff_pytest_bad_item(in, "sources without as many numbers");
	if (in->sink->sources)
		in->sink->sources(in->ctx, names, contents, us);
	return 0;
}

int ff_pytest_on_files(const struct incoming *in)
{
	const struct ff_value *names = ff_at(in->item, 1), *sizes = ff_at(in->item, 2);

	if (!is_list_of_texts(names))
		return ff_pytest_bad_item(in, "files that are no list of texts");
	if (!is_list_of_numbers(sizes, names->len))
		return ff_pytest_bad_item(in, "files without as many sizes");
	if (in->sink->costs)
		in->sink->costs(in->ctx, sizes);
	in->sink->ids(in->ctx, names);
	return 0;
}

int ff_pytest_on_tests(const struct incoming *in)
{
	const struct ff_value *digest = ff_at(in->item, 2), *names = ff_at(in->item, 3);
	uint32_t file, count, deselected;

	if (!number_at(in, 1, &file) || !digest || digest->kind != FF_STR)
		return ff_pytest_bad_item(in, "tests of no file, or without a digest");
	if (!number_at(in, 4, &count) || !number_at(in, 5, &deselected))
		return ff_pytest_bad_item(in, "tests without their number");
	if (names && names->kind == FF_NONE)
		names = NULL;
	else if (!is_list_of_texts(names) || names->len != count)
		return ff_pytest_bad_item(in, "tests that are not as many texts");
	if (in->sink->part)
		in->sink->part(in->ctx, file, digest->text, names, count, deselected);
	return 0;
}
