/* What tests ask for by their marks: @pytest.mark.farflung(…) and xdist_group. The session has
 * checked what people wrote; here is checked what it says. */
#include <string.h>

#include "base/alloc.h"
#include "pytest/incoming.h"

enum {
	UNITS_MAX = 10000000,
	FIELDS = 10, /* of a mark: see marks.py */
	RESOURCES_MAX = 1000,
};

static bool number_in(const struct ff_value *value, int64_t least, int64_t most, int64_t *number)
{
	if (!value || value->kind != FF_INT || value->integer < least || value->integer > most)
		return false;
	*number = value->integer;
	return true;
}

static bool text_or_none(const struct ff_value *value, const char **text)
{
	*text = NULL;
	if (!value || (value->kind != FF_NONE && value->kind != FF_STR))
		return false;
	if (value->kind == FF_STR)
		*text = value->text;
	return true;
}

static bool truth(const struct ff_value *value, bool *is)
{
	if (!value || value->kind != FF_BOOL)
		return false;
	*is = value->boolean;
	return true;
}

static const char *const *texts(const struct ff_value *list, struct ff_arena *arena)
{
	const char **copy;

	if (!list || list->kind != FF_LIST || list->len > RESOURCES_MAX)
		return NULL;
	copy = ff_arena_alloc(arena, ((size_t)list->len + 1) * sizeof(*copy));
	for (size_t i = 0; copy && i < list->len; i++) {
		if (list->items[i].kind != FF_STR)
			return NULL;
		copy[i] = list->items[i].text;
	}
	if (copy)
		copy[list->len] = NULL;
	return copy;
}

static bool read_mark(const struct ff_value *item, struct ff_arena *arena,
		      struct ff_payload_mark *mark)
{
	int64_t unit;

	if ((item->kind != FF_LIST && item->kind != FF_TUPLE) || item->len != FIELDS)
		return false;
	if (!number_in(ff_at(item, 0), 0, UNITS_MAX, &unit))
		return false;
	mark->unit = (uint32_t)unit;
	mark->resources = texts(ff_at(item, 4), arena);
	return mark->resources && truth(ff_at(item, 1), &mark->bound) &&
	       text_or_none(ff_at(item, 2), &mark->group) && truth(ff_at(item, 3), &mark->serial) &&
	       text_or_none(ff_at(item, 5), &mark->host) &&
	       number_in(ff_at(item, 6), -1, INT64_MAX, &mark->timeout_us) &&
	       number_in(ff_at(item, 7), -1, INT32_MAX, &mark->retries) &&
	       number_in(ff_at(item, 8), 1, INT32_MAX, &mark->weight) &&
	       number_in(ff_at(item, 9), 0, INT64_MAX, &mark->memory);
}

int ff_pytest_on_marks(const struct incoming *in)
{
	const struct ff_value *part = ff_at(in->item, 1), *list = ff_at(in->item, 2);
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_payload_mark *marks;
	int64_t number = UINT32_MAX;
	bool good = list && list->kind == FF_LIST && list->len <= UNITS_MAX;

	if (!part || (part->kind != FF_NONE && !number_in(part, 0, UNITS_MAX, &number)))
		good = false;
	marks = ff_xcalloc(good ? (size_t)list->len + 1 : 1, sizeof(*marks));
	/* Ascending, so none is there twice. */
	for (size_t i = 0; good && i < list->len; i++)
		good = read_mark(&list->items[i], &arena, &marks[i]) &&
		       (i == 0 || marks[i - 1].unit < marks[i].unit);
	if (good && in->sink->marks)
		in->sink->marks(in->ctx, (uint32_t)number, marks, list->len);
	ff_free(marks);
	ff_arena_release(&arena);
	return good ? 0 : ff_pytest_bad_item(in, "marks that can't be read");
}
