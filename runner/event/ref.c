/* Copies of events, counted. A copy is one arena: the event, what it points to, the texts. */
#include "event/ref.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "event/fields.h"

/* Begins as struct ff_event_lent does, so that `kept` tells the two apart. */
struct kept {
	struct ff_event_ref ref;
	bool kept;
	atomic_uint count;
	struct ff_arena arena;
	struct ff_event event;
};

_Static_assert(offsetof(struct kept, kept) == offsetof(struct ff_event_lent, kept),
	       "a lent and a kept reference begin alike");

/* Out of memory ends the program, as in all of the runner. */
static void *copy_bytes(struct ff_arena *arena, const void *bytes, size_t len)
{
	void *copy;

	if (!bytes)
		return NULL;
	copy = ff_arena_copy(arena, bytes, len);
	if (!copy)
		copy = ff_xmalloc(SIZE_MAX); /* says so and aborts */
	return copy;
}

static const char *copy_text(struct ff_arena *arena, const char *text)
{
	return text ? copy_bytes(arena, text, strlen(text)) : NULL;
}

static const struct ff_section *copy_sections(struct ff_arena *arena, const struct ff_result *from)
{
	struct ff_section *copy =
		copy_bytes(arena, from->sections, from->sections_len * sizeof(*copy));

	for (size_t i = 0; copy && i < from->sections_len; i++) {
		copy[i].title = copy_text(arena, copy[i].title);
		copy[i].text = copy_bytes(arena, copy[i].text, copy[i].len);
	}
	return copy;
}

static const struct ff_phase *copy_phases(struct ff_arena *arena, const struct ff_result *from)
{
	struct ff_phase *copy = copy_bytes(arena, from->phases, from->phases_len * sizeof(*copy));

	for (size_t i = 0; copy && i < from->phases_len; i++) {
		copy[i].when = copy_text(arena, copy[i].when);
		copy[i].message = copy_text(arena, copy[i].message);
		copy[i].longrepr = copy_text(arena, copy[i].longrepr);
	}
	return copy;
}

static const struct ff_property *copy_properties(struct ff_arena *arena,
						 const struct ff_result *from)
{
	struct ff_property *copy =
		copy_bytes(arena, from->properties, from->properties_len * sizeof(*copy));

	for (size_t i = 0; copy && i < from->properties_len; i++) {
		copy[i].name = copy_text(arena, copy[i].name);
		copy[i].value = copy_text(arena, copy[i].value);
	}
	return copy;
}

static const struct ff_result *copy_result(struct ff_arena *arena, const struct ff_result *from)
{
	struct ff_result *copy = copy_bytes(arena, from, sizeof(*from));

	if (!copy)
		return NULL;
	copy->message = copy_text(arena, from->message);
	copy->longrepr = copy_text(arena, from->longrepr);
	copy->file = copy_text(arena, from->file);
	copy->limits = copy_text(arena, from->limits);
	copy->sections = copy_sections(arena, from);
	copy->phases = copy_phases(arena, from);
	copy->properties = copy_properties(arena, from);
	copy->front = NULL;
	copy->front_len = 0;
	return copy;
}

static const char *const *copy_lines(struct ff_arena *arena, const char *const *lines)
{
	const char **copy;
	size_t len = 0;

	while (lines && lines[len])
		len++;
	copy = copy_bytes(arena, lines, (len + 1) * sizeof(*copy));
	for (size_t i = 0; i < len; i++)
		copy[i] = copy_text(arena, copy[i]);
	return copy;
}

static void copy_facts(struct ff_arena *arena, struct ff_event *event)
{
	struct ff_fact *copy = copy_bytes(arena, event->u.worker_started.facts,
					  event->u.worker_started.facts_len * sizeof(*copy));

	for (size_t i = 0; copy && i < event->u.worker_started.facts_len; i++) {
		copy[i].key = copy_text(arena, copy[i].key);
		copy[i].value = copy_text(arena, copy[i].value);
	}
	event->u.worker_started.facts = copy;
}

/* The field of an event that was copied as it is gets memory of its own. */
static void own_field(struct ff_arena *arena, struct ff_event *event, const struct ff_field *field)
{
	void *at = (char *)event + field->offset;

	switch (field->type) {
	case FF_FIELD_TEXT:
	case FF_FIELD_NAME:
		*(const char **)at = copy_text(arena, *(const char **)at);
		break;
	case FF_FIELD_RESULT:
		*(const struct ff_result **)at = copy_result(arena, *(const struct ff_result **)at);
		break;
	case FF_FIELD_LINES:
		*(const char *const **)at = copy_lines(arena, *(const char *const **)at);
		break;
	case FF_FIELD_OUTPUT:
		event->u.unit_output.bytes =
			copy_bytes(arena, event->u.unit_output.bytes, event->u.unit_output.len);
		break;
	case FF_FIELD_FACTS:
		copy_facts(arena, event);
		break;
	case FF_FIELD_BOOL:
	case FF_FIELD_FLAG:
	case FF_FIELD_INT:
	case FF_FIELD_NUMBER:
	case FF_FIELD_STREAM:
	case FF_FIELD_U32:
	case FF_FIELD_ATTEMPT:
	case FF_FIELD_U64:
	case FF_FIELD_SIZE:
	case FF_FIELD_I64:
	case FF_FIELD_COUNTS:
	case FF_FIELD_WAIT:
	case FF_FIELD_REASON:
	case FF_FIELD_JOB_RESULT:
	case FF_FIELD_OUTCOME:
		break;
	}
}

struct ff_event_ref *ff_event_copy(const struct ff_event *event)
{
	struct kept *kept = ff_xcalloc(1, sizeof(*kept));
	struct ff_arena *arena = &kept->arena;

	kept->kept = true;
	atomic_init(&kept->count, 1);
	kept->event = *event;
	kept->event.job = copy_text(arena, event->job);
	kept->event.unit = copy_text(arena, event->unit);
	kept->event.host = copy_text(arena, event->host);
	kept->event.worker = copy_text(arena, event->worker);
	for (const struct ff_field *f = ff_event_fields(event->kind); f->name; f++)
		own_field(arena, &kept->event, f);
	kept->ref.event = &kept->event;
	return &kept->ref;
}

struct ff_event_ref *ff_event_keep(struct ff_event_ref *ref)
{
	struct ff_event_lent *lent = (struct ff_event_lent *)ref;
	struct kept *kept;

	if (!lent->kept) {
		if (!lent->copy)
			lent->copy = ff_event_copy(ref->event);
		ref = lent->copy;
	}
	kept = (struct kept *)ref;
	atomic_fetch_add_explicit(&kept->count, 1, memory_order_relaxed);
	return ref;
}

void ff_event_unref(struct ff_event_ref *ref)
{
	struct kept *kept = (struct kept *)ref;

	if (!kept || atomic_fetch_sub_explicit(&kept->count, 1, memory_order_acq_rel) != 1)
		return;
	ff_arena_release(&kept->arena);
	ff_free(kept);
}

void ff_event_lent_release(struct ff_event_lent *lent)
{
	ff_event_unref(lent->copy);
	lent->copy = NULL;
}
