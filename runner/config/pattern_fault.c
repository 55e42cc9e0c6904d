/* What can be wrong with a pattern of what a tree leaves out: that it can match nothing, or does
 * not mean what other programs' patterns do. */
#include <string.h>

#include "config/config.h"

/* The ']' that ends the bracket; NULL: there is none. */
static const char *bracket_end(const char *p)
{
	p += p[1] == '!' || p[1] == '^' ? 2 : 1;
	p += *p == ']';
	for (; *p && *p != ']'; p++)
		if (*p == '\\' && p[1])
			p++;
		else if (p[0] == '[' && p[1] == ':' && strstr(p + 2, ":]"))
			p = strstr(p + 2, ":]") + 1;
	return *p ? p : NULL;
}

const char *ff_config_pattern_fault(const char *pattern)
{
	size_t len = strlen(pattern), slashes = 0;

	for (; len > slashes && pattern[len - 1 - slashes] == '\\'; slashes++)
		;
	if (slashes % 2)
		return "ends in a backslash";
	pattern += *pattern == '!';
	if (!*pattern || !strcmp(pattern, "/"))
		return "names nothing";
	if (!strncmp(pattern, "./", 2) || !strcmp(pattern, "."))
		return "can match nothing; a path from the tree's root begins with '/'";
	if (!strncmp(pattern, "../", 3) || strstr(pattern, "/../") || !strcmp(pattern, ".."))
		return "leads out of the tree";
	if (strstr(pattern, "//"))
		return "can match nothing: no path has '//'";
	for (const char *p = pattern; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '[' && !(p = bracket_end(p)))
			return "has '[' without ']'";
		else if (*p == '{' && p[strcspn(p, ",}/")] == ',' && strchr(p, '}'))
			return "has braces, which stand for themselves: write a pattern for each";
	}
	return NULL;
}
