/* Host ranges: "build[01-10,12]" to its hosts. Knows no xspec. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "inventory/inventory.h"

enum { DIGITS_MAX = 9, WORD_MAX = 64 };

static int out_of_memory(struct ff_err *err)
{
	return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
}

static int add(struct ff_strv *out, const char *before, size_t before_len, const char *text,
	       struct ff_err *err)
{
	if (out->len >= FF_INVENTORY_MAX)
		return ff_err_set(err, FF_EINVAL, "more than %d hosts", FF_INVENTORY_MAX);
	return ff_strv_addf(out, "%.*s%s", (int)before_len, before, text) ? out_of_memory(err) : 0;
}

/* One element between commas: "7", "01-10" or a word; each value with `before` in front of it. */
static int expand_element(struct ff_strv *out, const char *before, const char *element,
			  const char *whole, struct ff_err *err)
{
	size_t before_len = strlen(before), first = strspn(element, "0123456789");
	const char *last = element + first + 1;
	bool padded = *element == '0' && first > 1;
	long from, to;
	char number[16];

	if (!*element)
		return ff_err_set(err, FF_EINVAL, "empty range in '%s'", whole);
	if (!strchr(element, '-') && strlen(element) <= WORD_MAX)
		return add(out, before, before_len, element, err);
	if (!first || first > DIGITS_MAX || element[first] != '-' || !*last ||
	    last[strspn(last, "0123456789")] || strlen(last) > DIGITS_MAX)
		return ff_err_set(err, FF_EINVAL, "bad range '%s' in '%s'", element, whole);
	from = strtol(element, NULL, 10);
	to = strtol(last, NULL, 10);
	if (from > to)
		return ff_err_set(err, FF_EINVAL, "range '%s' in '%s' runs backwards", element,
				  whole);
	for (long i = from; i <= to; i++) {
		int rc;

		snprintf(number, sizeof(number), "%0*ld", padded ? (int)first : 1, i);
		rc = add(out, before, before_len, number, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int expand_elements(struct ff_strv *out, const char *before, const char *list, size_t len,
			   const char *whole, struct ff_err *err)
{
	char *copy = ff_strndup(list, len), *element = copy;
	int rc = copy ? 0 : out_of_memory(err);

	while (!rc && element) {
		char *comma = strchr(element, ',');

		if (comma)
			*comma++ = '\0';
		rc = expand_element(out, before, element, whole, err);
		element = comma;
	}
	ff_free(copy);
	return rc;
}

/* "[::1]:8888" is an address, no range. */
static bool is_address(const char *list, size_t len)
{
	return memchr(list, ':', len) != NULL;
}

/* Appends `text` up to the end of its first range to each of `parts`, giving `longer`; moves *at.
 */
static int expand_next(struct ff_strv *longer, const struct ff_strv *parts, const char **at,
		       const char *whole, struct ff_err *err)
{
	const char *text = *at, *open = strchr(text, '['), *close;
	size_t before_len;
	int rc = 0;

	while (open && (close = strchr(open, ']')) &&
	       is_address(open + 1, (size_t)(close - open - 1)))
		open = strchr(close, '[');
	if (open && !strchr(open, ']'))
		return ff_err_set(err, FF_EINVAL, "'[' without ']' in '%s'", whole);
	before_len = open ? (size_t)(open - text) : strlen(text);
	close = open ? strchr(open, ']') : NULL;
	*at = open ? close + 1 : text + before_len;
	for (size_t i = 0; i < parts->len && !rc; i++) {
		char *before = ff_asprintf("%s%.*s", parts->v[i], (int)before_len, text);

		if (!before)
			return out_of_memory(err);
		rc = open ? expand_elements(longer, before, open + 1, (size_t)(close - open - 1),
					    whole, err)
			  : add(longer, "", 0, before, err);
		ff_free(before);
	}
	return rc;
}

int ff_range_expand(struct ff_strv *out, const char *text, struct ff_err *err)
{
	struct ff_strv parts = FF_STRV_INIT;
	const char *at = text;
	int rc = ff_strv_add(&parts, "") ? out_of_memory(err) : 0;

	while (!rc && *at) {
		struct ff_strv longer = FF_STRV_INIT;

		rc = expand_next(&longer, &parts, &at, text, err);
		ff_strv_release(&parts);
		parts = longer;
	}
	if (!rc && ff_strv_add_all(out, parts.v))
		rc = out_of_memory(err);
	ff_strv_release(&parts);
	return rc;
}
