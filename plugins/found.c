/* Gathers units, and tells them in the order in which the sink wants to hear of them. */
#include "found.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

uint32_t ff_found_add(struct ff_found *found, const char *name, const char *detail)
{
	const char *kept = ff_arena_strdup(&found->arena, name);
	const char *more = ff_arena_strdup(&found->arena, detail ? detail : "");

	if (found->len == found->cap) {
		found->cap = found->cap ? 2 * found->cap : 64;
		found->names = ff_xrealloc(found->names, found->cap * sizeof(*found->names));
		found->details = ff_xrealloc(found->details, found->cap * sizeof(*found->details));
	}
	found->full |= !kept || !more;
	found->names[found->len] = ff_str(kept);
	found->details[found->len] = ff_str(more);
	return found->len++;
}

struct ff_payload_mark *ff_found_mark(struct ff_found *found, uint32_t unit)
{
	static const char *const none[] = {NULL};

	if (found->marks_len == found->marks_cap) {
		found->marks_cap = found->marks_cap ? 2 * found->marks_cap : 64;
		found->marks = ff_xrealloc(found->marks, found->marks_cap * sizeof(*found->marks));
	}
	found->marks[found->marks_len] = (struct ff_payload_mark){
		.unit = unit, .resources = none, .weight = 1, .timeout_us = -1, .retries = -1};
	return &found->marks[found->marks_len++];
}

/* FNV-1a over names, each with its end: whether another run has found the same ones. */
static uint64_t digest_of(const struct ff_found *found)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (uint32_t i = 0; i < found->len; i++)
		for (uint32_t j = 0; j <= found->names[i].len; j++) {
			hash ^= (unsigned char)found->names[i].text[j];
			hash *= UINT64_C(0x100000001b3);
		}
	return hash;
}

void ff_found_tell(struct ff_found *found, const struct ff_payload_sink *sink, void *ctx)
{
	struct ff_value names = ff_collection(FF_LIST, found->names, found->len);
	struct ff_value details = ff_collection(FF_LIST, found->details, found->len);
	char digest[24];

	if (found->full) {
		sink->session_error(ctx, FF_REASON_PAYLOAD, "out of memory");
		return;
	}
	snprintf(digest, sizeof(digest), "%016" PRIx64, digest_of(found));
	sink->collected(ctx, digest, found->len, 0, NULL);
	sink->marks(ctx, UINT32_MAX, found->marks, found->marks_len);
	sink->details(ctx, &details);
	sink->ids(ctx, &names);
}

void ff_found_release(struct ff_found *found)
{
	ff_arena_release(&found->arena);
	ff_free(found->names);
	ff_free(found->details);
	ff_free(found->marks);
}
