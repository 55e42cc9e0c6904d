/* What the files of this room share. */
#ifndef FF_CONFIG_PRIVATE_H
#define FF_CONFIG_PRIVATE_H

#include "config/config.h"

/* A copy of `text` in the configuration's arena. */
char *ff_config_keep(struct ff_config *config, const char *text);
/* Zeroed memory there. */
void *ff_config_take(struct ff_config *config, size_t size);
/* Appends a copy, or gives up. */
void ff_config_add_text(struct ff_strv *strv, const char *text);
void ff_config_host_release(struct ff_config_host *host);

#endif
