/* The template of a host's workers: template.py, with what imports.py told in the run before. */
#ifndef FF_PLUGINS_PYTEST_TEMPLATE_H
#define FF_PLUGINS_PYTEST_TEMPLATE_H

#include <stdint.h>

#include "base/arena.h"

/* Python text (in arena); NULL: what was told is not what imports.py writes, or memory is short.
 * *turn_us: the CPU time from a session's beginning to its first test, if nothing else was waited
 * for meanwhile; else 0. */
const char *ff_pytest_template(const char *told, struct ff_arena *arena, int64_t *turn_us);

#endif
