/* What the files of this room share. */
#ifndef FF_INVENTORY_PRIVATE_H
#define FF_INVENTORY_PRIVATE_H

#include "inventory/inventory.h"

#define FF_DIGITS "0123456789"
enum { FF_DIGITS_MAX = 9 }; /* of a number in a range */

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

/* One term of a pattern: "linux", "!mac", "&n[1-3]", "@web". */
struct ff_term {
	char sign;  /* '!', '&' or 0 */
	bool group; /* "@": tags and groups only */
	const char *text;
	size_t len;
};

/* The next term of a pattern, moving *pattern behind it; false: there is none. An empty one is
 * malformed, which ff_pattern_check tells. */
bool ff_term_next(const char **pattern, struct ff_term *term);
/* Without wildcards, ranges and backslashes. */
bool ff_term_is_literal(const struct ff_term *term);
/* Whether the term's text, whatever its sign, stands for this name. */
bool ff_term_names(const struct ff_term *term, const char *name);
/* Whether it stands for this host: by its name, or one of its tags. */
bool ff_term_matches(const struct ff_host *host, const struct ff_term *term);
/* FF_ECONFIG: malformed. */
int ff_pattern_check(const char *pattern, struct ff_err *err);

void ff_host_release(struct ff_host *host);

/* Whether it can be a host's name, a tag or a group's: no blanks, commas, '!', '&', nor '@' as its
 * first. */
bool ff_is_word(const char *text);

/* Whether it has more than one term. */
bool ff_is_set(const char *text);
/* Appends what "n[1-5],m1!n3&n[2-9]" stands for, each once, in the order written. FF_EINVAL with
 * words: a bad range, or nothing is left. */
int ff_set_expand(struct ff_strv *out, const char *text, struct ff_err *err);

/* Why `name`, the host of an xspec, can't be one, as the end of a sentence; NULL: it can. */
const char *ff_host_fault(const struct ff_xspec *spec, const char *name);

/* Gives the hosts of each of the configuration's groups its name as a tag. Hosts have their names;
 * what is wrong goes to `problems`. */
void ff_groups_resolve(struct ff_inventory *inventory, const struct ff_config *config,
		       struct ff_mistakes *problems);

#endif
