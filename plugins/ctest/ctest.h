/* The payload `ctest`: the tests of a CMake build folder, each a unit. */
#ifndef FF_PLUGINS_CTEST_H
#define FF_PLUGINS_CTEST_H

#include "payload.h"

extern const struct ff_payload ff_payload_ctest;

#endif
