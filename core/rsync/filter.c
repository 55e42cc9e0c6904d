/* What a scan leaves out. Knows patterns, no files. */
#include "rsync/tree.h"

#include <fnmatch.h>
#include <string.h>

static bool matches(const char *pattern, const char *path, enum ff_tree_kind kind)
{
	char text[FF_TREE_PATH_MAX];
	size_t len = strlen(pattern);
	const char *name;

	if (!len || len >= sizeof(text))
		return false;
	memcpy(text, pattern, len + 1);
	if (text[len - 1] == '/') {
		if (kind != FF_TREE_DIR)
			return false;
		text[len - 1] = 0;
	}
	if (!strchr(text, '/')) {
		name = strrchr(path, '/');
		return !fnmatch(text, name ? name + 1 : path, 0);
	}
	return !fnmatch(text + (text[0] == '/'), path, FNM_PATHNAME);
}

bool ff_tree_filter_keeps(const struct ff_tree_filter *filter, const char *path,
			  enum ff_tree_kind kind)
{
	if (!filter)
		return true;
	for (char *const *pattern = filter->exclude; pattern && *pattern; pattern++)
		if (matches(*pattern, path, kind))
			return false;
	return !filter->keep || filter->keep(filter->ctx, path, kind);
}
