/* pytest's cache after a run, as struct ff_payload's `follow` has it. */
#ifndef FF_PLUGINS_PYTEST_CACHE_H
#define FF_PLUGINS_PYTEST_CACHE_H

#include "report/reporter.h"

struct ff_reporter *ff_pytest_cache(const char *here, void (*complain)(const char *text));

#endif
