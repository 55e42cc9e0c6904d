/* Says what a target must not delete, though an earlier sync brought it and the manifest has it no
 * more: what the scan was told to leave out, and what it could not see. */
#include <string.h>

#include "rsync/sender.h"

/* Gathers, once, the paths that are at the source without being entries. */
static int gather(struct ff_rsync *rsync)
{
	struct ff_tree *tree = &rsync->tree;
	int rc = 0;

	if (rsync->untouched.len)
		return 0;
	for (size_t i = 0; !rc && i < tree->refused.len; i++)
		rc = ff_map_set(&rsync->untouched, tree->refused.v[i], rsync);
	for (size_t i = 0; !rc && i < rsync->scanned; i++)
		rc = ff_map_set(&rsync->untouched, tree->faults.v[i].path, rsync);
	return rc;
}

/* Whether the path, or a directory above it, was left out. */
static bool left_out(const struct ff_rsync *rsync, const char *path, enum ff_tree_kind kind)
{
	char above[FF_TREE_PATH_MAX];

	for (const char *end = strchr(path, '/'); end; end = strchr(end + 1, '/')) {
		memcpy(above, path, (size_t)(end - path));
		above[end - path] = 0;
		if (ff_map_get(&rsync->untouched, above))
			return true;
	}
	/* The root itself could not be read to its end. */
	return ff_map_get(&rsync->untouched, ".") || ff_map_get(&rsync->untouched, path) ||
	       ff_ignore_hides(&rsync->tree.ignore, path, kind == FF_TREE_DIR);
}

int ff_target_old(struct ff_rsync_target *target, const char *list, size_t len, struct ff_err *err)
{
	uint8_t number[4];
	int rc = gather(target->rsync);

	for (size_t at = 0, size; !rc && at < len; at += size + 1) {
		size = strnlen(list + at, len - at);
		if (size < 2 || size > FF_TREE_PATH_MAX || at + size == len ||
		    !strchr("dfl", list[at]) || target->old == FF_TREE_ENTRIES_MAX)
			return ff_err_set(err, FF_EPROTO, "sync: bad list from the receiver");
		ff_put_be(number, target->old++, sizeof(number));
		if (left_out(target->rsync, list + at + 1, (enum ff_tree_kind)list[at]))
			rc = ff_buf_add(&target->keep, number, sizeof(number));
	}
	return rc ? ff_err_set(err, rc, "%s", ff_err_text(rc)) : 0;
}
