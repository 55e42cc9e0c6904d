/* The template of a host's workers: template.py, with what imports.py told in the run before. */
#ifndef FF_PLUGINS_PYTEST_TEMPLATE_H
#define FF_PLUGINS_PYTEST_TEMPLATE_H

#include "base/arena.h"

/* Python text (in arena); NULL: what was told is not what imports.py writes, or memory is short. */
const char *ff_pytest_template(const char *told, struct ff_arena *arena);

#endif
