/* What a scan leaves out: patterns as in gitignore(5). Knows paths, no files. */
#ifndef FF_RSYNC_IGNORE_H
#define FF_RSYNC_IGNORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/map.h"

/* One list of patterns, of which the last that matches decides. */
struct ff_ignore_list {
	struct ff_ignore_rule *rules;
	size_t len, cap;
};

/* All lists, the strongest first: `own`; those of directories ("" is the root), the deepest first,
 * each for what is below it; `weak`. What none decides is not excluded. */
struct ff_ignore {
	struct ff_arena arena;
	struct ff_ignore_list own, weak;
	struct ff_map directories; /* path -> struct ff_ignore_list in the arena */
};

void ff_ignore_release(struct ff_ignore *ignore);

/* Adds one pattern; 0 or FF_ENOMEM. "!x" takes back what an earlier one (or a weaker list) left
 * out; a trailing '/' restricts to directories; one with another '/' is matched against the path
 * from the list's directory, any other against each name; '*', '?' and '[a-z]' never match a '/',
 * "**" as a whole component any number of components; a backslash takes the next byte as it is. */
int ff_ignore_add(struct ff_ignore *ignore, struct ff_ignore_list *list, const char *pattern);
/* Adds a file's lines: as above, but for "#…", empty lines, and blanks at the end of a line. */
int ff_ignore_add_lines(struct ff_ignore *ignore, struct ff_ignore_list *list, const char *text,
			size_t len);
/* The list of a directory, made if need be; NULL: out of memory. */
struct ff_ignore_list *ff_ignore_directory(struct ff_ignore *ignore, const char *path);

/* Whether the path itself is left out, the directories above it not regarded: what is in an
 * excluded directory is left out whatever patterns say. */
bool ff_ignore_excludes(const struct ff_ignore *ignore, const char *path, bool is_dir);
/* Whether it, or a directory above it, is. */
bool ff_ignore_hides(const struct ff_ignore *ignore, const char *path, bool is_dir);

/* Whether the whole of `text` is what the pattern says: takes time in the product of both lengths.
 */
bool ff_glob_matches(const char *pattern, const char *text);

#endif
