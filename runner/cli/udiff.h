/* The difference of two texts, by lines. */
#ifndef FF_CLI_UDIFF_H
#define FF_CLI_UDIFF_H

#include <stddef.h>

struct ff_buf;

/* Appends the hunks of a unified diff that makes `b` of `a`, three lines of context around each;
 * nothing if they are the same. The fewest lines that are possible, unless more than a thousand of
 * them differ: then all between the first and the last difference. */
void ff_udiff(struct ff_buf *out, const char *a, size_t a_len, const char *b, size_t b_len);

#endif
