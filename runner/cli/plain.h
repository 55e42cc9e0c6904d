/* One plain pytest on this machine: when it is that, and by which interpreter. */
#ifndef FF_CLI_PLAIN_H
#define FF_CLI_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strv.h"

/* The word among `args` that makes it one plain pytest on this machine: it debugs, or only shows
 * something. NULL: none. `after`: how many at the end stood behind "--". */
const char *ff_pytest_is_plain(const struct ff_strv *args, size_t after);

/* Adds the words of the interpreter that a local worker would have; `given`: --python's, or NULL.
 * False, with a complaint: there is none. */
bool ff_pytest_interpreter(const char *given, struct ff_strv *words);

#endif
