/* The payload `run`: a command on a host, by the workers' built-in `command`. */
#ifndef FF_PLUGINS_COMMAND_H
#define FF_PLUGINS_COMMAND_H

#include "payload.h"

extern const struct ff_payload ff_payload_command;

#endif
