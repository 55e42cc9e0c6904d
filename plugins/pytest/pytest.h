/* The payload `pytest`: a session of tests on a python worker, by payload.py. */
#ifndef FF_PLUGINS_PYTEST_H
#define FF_PLUGINS_PYTEST_H

#include "payload.h"

extern const struct ff_payload ff_payload_pytest;

#endif
