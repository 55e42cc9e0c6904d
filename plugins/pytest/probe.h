/* Which interpreter runs the sessions of a host. */
#ifndef FF_PLUGINS_PYTEST_PROBE_H
#define FF_PLUGINS_PYTEST_PROBE_H

#include "payload.h"

extern const struct ff_payload_probe ff_pytest_probe;

#endif
