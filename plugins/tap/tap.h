/* The payload `tap`: programs that print TAP, each script a unit. */
#ifndef FF_PLUGINS_TAP_H
#define FF_PLUGINS_TAP_H

#include "payload.h"

extern const struct ff_payload ff_payload_tap;

#endif
