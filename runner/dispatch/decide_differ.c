/* What differs between two collections, as a diff that names the workers. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "dispatch/private.h"

enum {
	LINES_MAX = 20, /* of each side */
};

/* Names and how often each is there: an entry's value is one more than what is left of it. */
static void count_names(struct ff_map *map, const struct collection *collection)
{
	ff_map_init(map);
	for (uint32_t i = 0; i < collection->len; i++) {
		uintptr_t had = (uintptr_t)ff_map_get(map, collection->names[i]);

		if (ff_map_set(map, collection->names[i], (void *)(had ? had + 1 : 2)) != 0)
			ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	}
}

static bool take(struct ff_map *map, const char *name)
{
	uintptr_t left = (uintptr_t)ff_map_get(map, name);

	if (left < 2)
		return false;
	if (ff_map_set(map, name, (void *)(left - 1)) != 0)
		ff_xmalloc(SIZE_MAX); /* says that memory is out, and ends */
	return true;
}

/* A line for each that `other` lacks; gives how many there are. */
static uint32_t add_lines(struct ff_buf *text, char sign, const struct collection *collection,
			  const struct collection *other)
{
	uint32_t found = 0;
	struct ff_map map;

	count_names(&map, other);
	for (uint32_t i = 0; i < collection->len; i++)
		if (!take(&map, collection->names[i]) && ++found <= LINES_MAX)
			ff_buf_addf(text, "\n%c %s", sign, collection->names[i]);
	if (found > LINES_MAX)
		ff_buf_addf(text, "\n%c ... %u more", sign, found - LINES_MAX);
	ff_map_release(&map);
	return found;
}

/* The same names: where their order begins to differ. */
static void add_order(struct ff_buf *text, const struct collection *was,
		      const struct collection *is)
{
	for (uint32_t i = 0; i < was->len && i < is->len; i++)
		if (strcmp(was->names[i], is->names[i]) != 0) {
			ff_buf_addf(text, "\nthe same ones in another order, from number %u on",
				    i + 1);
			ff_buf_addf(text, "\n- %s\n+ %s", was->names[i], is->names[i]);
			return;
		}
}

void ff_collect_tell_diff(struct ff_engine *e, uint32_t job, const struct collection *was,
			  const struct collection *is)
{
	struct ff_event event = {
		.kind = FF_EVENT_NOTICE, .job = e->state->jobs[job].name, .job_id = job + 1};
	struct ff_buf text = FF_BUF_INIT;

	if (!was->names || !is->names)
		return;
	ff_buf_addf(&text, "--- %s\n+++ %s", was->worker, is->worker);
	if (add_lines(&text, '-', was, is) + add_lines(&text, '+', is, was) == 0)
		add_order(&text, was, is);
	event.u.notice.level = "note";
	event.u.notice.text = ff_engine_text(e, "%.*s", (int)text.len, ff_buf_data(&text));
	ff_engine_emit(e, &event);
	ff_buf_release(&text);
}
