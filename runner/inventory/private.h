/* What the files of this room share. */
#ifndef FF_INVENTORY_PRIVATE_H
#define FF_INVENTORY_PRIVATE_H

#include "inventory/inventory.h"

/* One element of a range: "01-10" or a word, which may be a number. */
struct ff_range {
	const char *word; /* NULL: numbers */
	size_t len;
	long from, to;
	int width; /* of the numbers, padded with zeros; 1: not padded */
};

/* The first range of `text` (up to `end`): points to its '[', and *close to its ']'. NULL: there is
 * none; an opening bracket without its end gives NULL with *close pointing to that bracket.
 * "[::1]" is an address, no range. */
const char *ff_range_find(const char *text, const char *end, const char **close);
/* Reads the element at *at, which ends at a comma or at `end`, and moves *at behind it and its
 * comma; *at becomes NULL behind the last. FF_EINVAL: err says what is wrong, and that it is in
 * the `whole_len` bytes at `whole`. */
int ff_range_next(const char **at, const char *end, struct ff_range *range, const char *whole,
		  size_t whole_len, struct ff_err *err);
/* Appends what the number of a range looks like. */
int ff_range_number(char *text, size_t size, const struct ff_range *range, long number);

#endif
