/* ddmin, pure: it knows numbers, and what a round says of parts of them. */
#include "cli/ddmin.h"

#include <string.h>

#include "base/alloc.h"

static size_t least(size_t one, size_t other)
{
	return one < other ? one : other;
}

size_t ff_ddmin_items(const struct ff_ddmin_try *one, uint32_t *out)
{
	size_t len = one->last - one->first;

	if (!one->without) {
		memcpy(out, one->items + one->first, len * sizeof(*out));
		return len;
	}
	memcpy(out, one->items, one->first * sizeof(*out));
	memcpy(out + one->first, one->items + one->last, (one->len - one->last) * sizeof(*out));
	return one->len - len;
}

/* The parts, then what is left without each; of two parts that is the other one. */
static size_t cut(struct ff_ddmin_try *tries, const uint32_t *items, size_t len, size_t parts)
{
	size_t count = parts == 2 ? 2 : 2 * parts;

	for (size_t i = 0; i < count; i++) {
		size_t part = i % parts;

		tries[i] = (struct ff_ddmin_try){
			.items = items,
			.len = len,
			.first = part * len / parts,
			.last = (part + 1) * len / parts,
			.without = i >= parts,
		};
	}
	return count;
}

static const struct ff_ddmin_try *failed(const struct ff_ddmin_try *tries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (tries[i].result == FF_DDMIN_FAILED)
			return &tries[i];
	return NULL;
}

int ff_ddmin(uint32_t *items, size_t *len, size_t width, ff_ddmin_round round, void *ctx)
{
	size_t first_parts = width > 2 ? width : 2, parts = least(first_parts, *len);
	struct ff_ddmin_try *tries = ff_xcalloc(2 * *len + 1, sizeof(*tries));
	uint32_t *kept = ff_xcalloc(*len + 1, sizeof(*kept));
	int rc = 0;

	while (*len >= 2) {
		size_t count = cut(tries, items, *len, parts);
		const struct ff_ddmin_try *found;

		rc = round(ctx, tries, count);
		found = failed(tries, count);
		if (found) {
			size_t left = ff_ddmin_items(found, kept);

			/* Of the rest the other cuts are as good as they were. */
			parts = found->without ? parts - 1 : first_parts;
			memcpy(items, kept, left * sizeof(*items));
			*len = left;
		} else if (parts < *len) {
			parts *= 2;
		} else if (!rc) {
			break;
		}
		parts = least(parts < 2 ? 2 : parts, *len);
		if (rc)
			break;
	}
	ff_free(tries);
	ff_free(kept);
	return rc;
}
