/* The items of named values (PROTOCOL.md, "Named values"), for both ends of the conversation:
 * names.c and names_client.c. Nobody else includes it. */
#ifndef FF_GATEWAY_NAMES_ITEM_H
#define FF_GATEWAY_NAMES_ITEM_H

#include "gateway/names.h"

/* (tag, name), or (tag, name, value) unless value is NULL. Errors of ff_channel_send. */
int ff_names_send(struct ff_channel *channel, const char *tag, const char *name,
		  const struct ff_value *value, struct ff_err *err);
/* Whether `value` is a name; copied with a NUL behind. */
bool ff_names_copy(char name[FF_NAME_MAX + 1], const struct ff_value *value);
/* 0 or FF_EINVAL. */
int ff_names_check(const char *name, struct ff_err *err);
/* Whether there is a channel anywhere in it. */
bool ff_names_has_channel(const struct ff_value *value);

#endif
