/* Patterns of paths, as gitignore(5) has them, by bytes: no locale, and no recursion. */
#include <ctype.h>
#include <string.h>

#include "rsync/ignore.h"

static bool in_class(const char *name, size_t len, unsigned char c)
{
	static const struct {
		const char *name;
		int (*is)(int c);
	} classes[] = {
		{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
		{"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
		{"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
	};

	for (size_t i = 0; c < 0x80 && i < sizeof(classes) / sizeof(*classes); i++)
		if (strlen(classes[i].name) == len && !memcmp(classes[i].name, name, len))
			return classes[i].is(c) != 0;
	return false;
}

/* One byte of a bracket, perhaps behind a backslash; moves *at behind it. */
static unsigned char bracket_byte(const char **at)
{
	if (**at == '\\' && (*at)[1])
		(*at)++;
	return (unsigned char)*(*at)++;
}

/* Reads "[…]" at *at and moves behind it: whether `c` is in it. */
static bool bracket_has(const char **at, unsigned char c)
{
	const char *p = *at + 1, *end;
	bool negated = *p == '!' || *p == '^', has = false, first = true;

	p += negated;
	for (; *p && (*p != ']' || first); first = false) {
		unsigned char low, high;

		if (p[0] == '[' && p[1] == ':' && (end = strstr(p + 2, ":]"))) {
			has = has || in_class(p + 2, (size_t)(end - p - 2), c);
			p = end + 2;
			continue;
		}
		low = high = bracket_byte(&p);
		if (*p == '-' && p[1] && p[1] != ']') {
			p++;
			high = bracket_byte(&p);
		}
		has = has || (low <= c && c <= high);
	}
	*at = *p ? p + 1 : NULL;
	return *p && c != '/' && has != negated;
}

/* Whether the stars at `p` are "**" as a whole component. `*end` is behind them. */
static bool is_deep(const char *pattern, const char *p, const char **end)
{
	const char *after = p + strspn(p, "*");

	*end = after;
	return after - p >= 2 && (p == pattern || p[-1] == '/') && (!*after || *after == '/');
}

/* One step of the pattern against one byte: moves *p, or returns false. A bracket without its end,
 * or a backslash at the end, matches nothing: *p becomes NULL. */
static bool take(const char **p, unsigned char c)
{
	if (**p == '?') {
		(*p)++;
		return c != '/';
	}
	if (**p == '[')
		return bracket_has(p, c) && *p;
	if (**p == '\\' && !*++*p) {
		*p = NULL;
		return false;
	}
	return **p && (unsigned char)*(*p)++ == c;
}

/* Where to go on when it does not work out: the latest star takes one byte more. What an earlier
 * one could take as well, it need not: the latest can. */
struct retry {
	const char *pattern; /* NULL: there is none */
	const char *text;
};

static bool go_back(struct retry *shallow, struct retry *deep, const char **p, const char **t)
{
	if (shallow->pattern && *shallow->text && *shallow->text != '/') {
		*p = shallow->pattern;
		*t = ++shallow->text;
		return true;
	}
	shallow->pattern = NULL;
	if (!deep->pattern)
		return false;
	/* Behind the next component. */
	deep->text = strchr(deep->text, '/');
	if (!deep->text)
		return false;
	*p = deep->pattern;
	*t = ++deep->text;
	return true;
}

bool ff_glob_matches(const char *pattern, const char *text)
{
	struct retry shallow = {0}, deep = {0};
	const char *p = pattern, *t = text, *after;

	for (;;) {
		if (*p == '*') {
			if (is_deep(pattern, p, &after)) {
				if (!*after)
					return true;
				p = after + 1;
				shallow = (struct retry){0};
				deep = (struct retry){p, t};
			} else {
				p = after;
				shallow = (struct retry){p, t};
			}
		} else if (!*t) {
			/* No more of the text helps one that wants more. */
			if (!*p)
				return true;
			if (!go_back(&shallow, &deep, &p, &t))
				return false;
		} else if (!take(&p, (unsigned char)*t)) {
			if (!p || !go_back(&shallow, &deep, &p, &t))
				return false;
		} else {
			t++;
		}
	}
}
