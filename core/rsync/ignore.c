/* Lists of patterns, and what they decide together. */
#include "rsync/ignore.h"

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "rsync/tree.h"

struct ff_ignore_rule {
	const char *glob;
	bool keeps;	/* "!" */
	bool only_dirs; /* "/" at its end */
	bool any_depth; /* matched against names */
};

void ff_ignore_release(struct ff_ignore *ignore)
{
	size_t cursor = 0;
	const char *path;
	void *list;

	if (!ignore)
		return;
	while (ff_map_next(&ignore->directories, &cursor, &path, &list))
		ff_free(((struct ff_ignore_list *)list)->rules);
	ff_map_release(&ignore->directories);
	ff_free(ignore->own.rules);
	ff_free(ignore->weak.rules);
	ff_arena_release(&ignore->arena);
	*ignore = (struct ff_ignore){.arena = FF_ARENA_INIT};
}

/* --- adding --- */

static int add_rule(struct ff_ignore *ignore, struct ff_ignore_list *list, const char *pattern,
		    size_t len)
{
	struct ff_ignore_rule rule = {0}, *grown;
	size_t cap;

	rule.keeps = len && *pattern == '!';
	pattern += rule.keeps;
	len -= rule.keeps;
	rule.only_dirs = len && pattern[len - 1] == '/';
	len -= rule.only_dirs;
	if (!len)
		return 0;
	rule.any_depth = !memchr(pattern, '/', len);
	if (*pattern == '/') {
		pattern++;
		len--;
	}
	rule.glob = ff_arena_copy(&ignore->arena, pattern, len);
	if (!rule.glob)
		return FF_ENOMEM;
	if (list->len == list->cap) {
		cap = list->cap ? list->cap * 2 : 16;
		grown = ff_realloc(list->rules, cap * sizeof(*grown));
		if (!grown)
			return FF_ENOMEM;
		list->rules = grown;
		list->cap = cap;
	}
	list->rules[list->len++] = rule;
	return 0;
}

int ff_ignore_add(struct ff_ignore *ignore, struct ff_ignore_list *list, const char *pattern)
{
	return add_rule(ignore, list, pattern, strlen(pattern));
}

/* Without the blanks at its end, unless a backslash holds the first of them. */
static size_t trimmed(const char *line, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\\' && i + 1 < len)
			kept = ++i + 1;
		else if (line[i] != ' ')
			kept = i + 1;
	}
	return kept;
}

int ff_ignore_add_lines(struct ff_ignore *ignore, struct ff_ignore_list *list, const char *text,
			size_t len)
{
	const char *end = text + len;
	int rc = 0;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	while (!rc && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((newline ? newline : end) - text);

		if (size && text[size - 1] == '\r')
			size--;
		if (size && *text != '#' && !memchr(text, 0, size))
			rc = add_rule(ignore, list, text, trimmed(text, size));
		text = newline ? newline + 1 : end;
	}
	return rc;
}

struct ff_ignore_list *ff_ignore_directory(struct ff_ignore *ignore, const char *path)
{
	struct ff_ignore_list *list = ff_map_get(&ignore->directories, path);

	if (list)
		return list;
	list = ff_arena_alloc(&ignore->arena, sizeof(*list));
	if (!list)
		return NULL;
	*list = (struct ff_ignore_list){0};
	return ff_map_set(&ignore->directories, path, list) ? NULL : list;
}

/* --- asking --- */

enum verdict { UNDECIDED, EXCLUDED, KEPT };

/* `path` from the list's directory. */
static enum verdict ask(const struct ff_ignore_list *list, const char *path, const char *name,
			bool is_dir)
{
	for (size_t i = list->len; i-- > 0;) {
		const struct ff_ignore_rule *rule = &list->rules[i];

		if ((is_dir || !rule->only_dirs) &&
		    ff_glob_matches(rule->glob, rule->any_depth ? name : path))
			return rule->keeps ? KEPT : EXCLUDED;
	}
	return UNDECIDED;
}

static enum verdict ask_directories(const struct ff_ignore *ignore, const char *path,
				    const char *name, bool is_dir)
{
	char above[FF_TREE_PATH_MAX];
	size_t len = (size_t)(name - path);
	enum verdict verdict = UNDECIDED;

	while (!verdict && ignore->directories.len) {
		const struct ff_ignore_list *list;

		/* "a/b/" is directory "a/b"; at last "". */
		memcpy(above, path, len);
		above[len ? len - 1 : 0] = 0;
		list = ff_map_get(&ignore->directories, above);
		if (list)
			verdict = ask(list, path + len, name, is_dir);
		if (!len)
			break;
		for (len--; len && path[len - 1] != '/';)
			len--;
	}
	return verdict;
}

bool ff_ignore_excludes(const struct ff_ignore *ignore, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	enum verdict verdict = ask(&ignore->own, path, name, is_dir);

	if (!verdict && (size_t)(name - path) < FF_TREE_PATH_MAX)
		verdict = ask_directories(ignore, path, name, is_dir);
	if (!verdict)
		verdict = ask(&ignore->weak, path, name, is_dir);
	return verdict == EXCLUDED;
}

bool ff_ignore_hides(const struct ff_ignore *ignore, const char *path, bool is_dir)
{
	char above[FF_TREE_PATH_MAX];

	for (const char *end = strchr(path, '/'); end; end = strchr(end + 1, '/')) {
		if ((size_t)(end - path) >= sizeof(above))
			break;
		memcpy(above, path, (size_t)(end - path));
		above[end - path] = 0;
		if (ff_ignore_excludes(ignore, above, true))
			return true;
	}
	return ff_ignore_excludes(ignore, path, is_dir);
}
