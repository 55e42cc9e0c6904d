/* The payload `gtest`: the tests of a googletest program, each a unit. */
#ifndef FF_PLUGINS_GTEST_H
#define FF_PLUGINS_GTEST_H

#include "payload.h"

extern const struct ff_payload ff_payload_gtest;

#endif
