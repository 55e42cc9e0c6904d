/* Choosing hosts by pattern. */
#include <fnmatch.h>
#include <string.h>

#include "base/alloc.h"
#include "inventory/inventory.h"

#define SEPARATORS ", \t\r\n"

static bool term_matches(const struct ff_host *host, const char *term)
{
	if (!strcmp(term, "all") || !fnmatch(term, host->name, 0))
		return true;
	for (size_t i = 0; i < host->tags.len; i++)
		if (!fnmatch(term, host->tags.v[i], 0))
			return true;
	return false;
}

bool ff_host_matches(const struct ff_host *host, const char *pattern)
{
	bool any_plain = false, chosen = false, refused = false;
	char *copy, *term, *rest;

	if (!pattern)
		return true;
	copy = rest = ff_xstrdup(pattern);
	while ((term = strsep(&rest, SEPARATORS))) {
		if (!*term)
			continue;
		if (*term == '!') {
			refused = refused || term_matches(host, term + 1);
		} else if (*term == '&') {
			refused = refused || !term_matches(host, term + 1);
		} else {
			any_plain = true;
			chosen = chosen || term_matches(host, term);
		}
	}
	ff_free(copy);
	/* Without a plain term, all hosts are what the others choose from. */
	return (chosen || !any_plain) && !refused;
}

static bool is_well_formed(const char *pattern)
{
	size_t terms = 0;

	while (*(pattern += strspn(pattern, SEPARATORS))) {
		size_t len = strcspn(pattern, SEPARATORS);

		if (len == 1 && strchr("!&", *pattern))
			return false;
		pattern += len;
		terms++;
	}
	return terms > 0;
}

int ff_inventory_check(const struct ff_inventory *inventory, const char *pattern,
		       struct ff_err *err)
{
	if (!pattern)
		return 0;
	if (!is_well_formed(pattern))
		return ff_err_set(err, FF_ECONFIG, "bad host pattern '%s'", pattern);
	for (size_t i = 0; i < inventory->len; i++)
		if (ff_host_matches(&inventory->hosts[i], pattern))
			return 0;
	return ff_err_set(err, FF_ECONFIG, "no host matches '%s'", pattern);
}
