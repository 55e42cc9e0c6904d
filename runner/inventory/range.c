/* Host ranges: "build[01-10,12]" to its hosts. Knows no xspec. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "inventory/private.h"

enum { WORD_MAX = 64 };

/* Of words: what may be part of a name in DNS, and the underscore. */
#define LETTERS FF_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_."

static int out_of_memory(struct ff_err *err)
{
	return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
}

const char *ff_range_find(const char *text, const char *end, const char **close)
{
	const char *open = memchr(text, '[', (size_t)(end - text));

	while (open) {
		*close = memchr(open, ']', (size_t)(end - open));
		if (!*close) {
			*close = open;
			return NULL;
		}
		/* "[::1]:8888" is an address. */
		if (!memchr(open, ':', (size_t)(*close - open)))
			return open;
		open = memchr(*close, '[', (size_t)(end - *close));
	}
	*close = NULL;
	return NULL;
}

/* How many of `len` bytes are of `set`. */
static size_t span(const char *text, size_t len, const char *set)
{
	size_t n = 0;

	while (n < len && text[n] && strchr(set, text[n]))
		n++;
	return n;
}

int ff_range_next(const char **at, const char *end, struct ff_range *range, const char *whole,
		  size_t whole_len, struct ff_err *err)
{
	const char *text = *at, *comma = memchr(text, ',', (size_t)(end - text));
	size_t len = (size_t)((comma ? comma : end) - text), first = span(text, len, FF_DIGITS);
	const char *last = text + first + 1;
	size_t last_len = len > first ? len - first - 1 : 0;

	if (!len)
		return ff_err_set(err, FF_EINVAL, "empty range in '%.*s'", (int)whole_len, whole);
	*at = comma ? comma + 1 : NULL;
	*range = (struct ff_range){.word = text, .len = len};
	if (len <= WORD_MAX && span(text, len, LETTERS) == len)
		return 0;
	if (!first || first > FF_DIGITS_MAX || first == len || text[first] != '-' || !last_len ||
	    last_len > FF_DIGITS_MAX || span(last, last_len, FF_DIGITS) != last_len)
		return ff_err_set(err, FF_EINVAL, "bad range '%.*s' in '%.*s'", (int)len, text,
				  (int)whole_len, whole);
	range->word = NULL;
	range->from = strtol(text, NULL, 10);
	range->to = strtol(last, NULL, 10);
	range->width = *text == '0' && first > 1 ? (int)first : 1;
	if (range->from > range->to)
		return ff_err_set(err, FF_EINVAL, "range '%.*s' in '%.*s' runs backwards", (int)len,
				  text, (int)whole_len, whole);
	return 0;
}

int ff_range_number(char *text, size_t size, const struct ff_range *range, long number)
{
	return snprintf(text, size, "%0*ld", range->width, number);
}

/* `before` and the bytes of one element. */
static int add(struct ff_strv *out, const char *before, const char *text, size_t len,
	       struct ff_err *err)
{
	if (out->len >= FF_INVENTORY_MAX)
		return ff_err_set(err, FF_EINVAL, "more than %d hosts", FF_INVENTORY_MAX);
	return ff_strv_addf(out, "%s%.*s", before, (int)len, text) ? out_of_memory(err) : 0;
}

/* The elements between `at` and `end`, each value with `before` in front of it. */
static int expand_elements(struct ff_strv *out, const char *before, const char *at, const char *end,
			   const char *whole, struct ff_err *err)
{
	struct ff_range range;
	int rc = 0;

	while (at && !rc) {
		rc = ff_range_next(&at, end, &range, whole, strlen(whole), err);
		if (!rc && range.word) {
			rc = add(out, before, range.word, range.len, err);
			continue;
		}
		for (long i = range.from; !rc && i <= range.to; i++) {
			char number[16];
			int len = ff_range_number(number, sizeof(number), &range, i);

			rc = add(out, before, number, (size_t)len, err);
		}
	}
	return rc;
}

/* Appends `text` up to the end of its first range to each of `parts`, giving `longer`; moves *at.
 */
static int expand_next(struct ff_strv *longer, const struct ff_strv *parts, const char **at,
		       const char *whole, struct ff_err *err)
{
	const char *text = *at, *end = text + strlen(text), *close;
	const char *open = ff_range_find(text, end, &close);
	size_t before_len = (size_t)((open ? open : end) - text);
	int rc = 0;

	if (!open && close)
		return ff_err_set(err, FF_EINVAL, "'[' without ']' in '%s'", whole);
	*at = open ? close + 1 : end;
	for (size_t i = 0; i < parts->len && !rc; i++) {
		char *before = ff_asprintf("%s%.*s", parts->v[i], (int)before_len, text);

		if (!before)
			return out_of_memory(err);
		rc = open ? expand_elements(longer, before, open + 1, close, whole, err)
			  : add(longer, before, "", 0, err);
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
