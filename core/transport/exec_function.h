/* One function out of a Python file, as text, for exec.c. It knows lines, brackets and strings of
 * Python, no grammar. */
#ifndef FF_TRANSPORT_EXEC_FUNCTION_H
#define FF_TRANSPORT_EXEC_FUNCTION_H

#include "base/err.h"

/* The function's own lines, dedented, behind as many empty ones as there are lines above it in
 * `text`; to be freed. If there are several, the last one counts, before any that are indented.
 * NULL: FF_EINVAL with `path` (none, decorated, its first parameter is not `channel`), FF_ENOMEM.
 */
char *ff_exec_function(const char *text, const char *path, const char *function,
		       struct ff_err *err);

#endif
