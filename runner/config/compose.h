/* What a configuration is put together from: files that are included, profiles, overrides. Trees
 * in, one tree out; what keys mean is for read.c. */
#ifndef FF_CONFIG_COMPOSE_H
#define FF_CONFIG_COMPOSE_H

#include "config/read.h"

/* The file's tree with all that belongs to it, and without the keys that say so. NULL for an empty
 * file. What is wrong is noted in r->problems: then the result means nothing. */
struct ff_yaml_node *ff_compose(struct ff_reader *r, struct ff_yaml_node *root);

/* The tree of a file that the command line names; NULL: it is empty, or something was noted. */
struct ff_yaml_node *ff_compose_read(struct ff_reader *r, const char *path);

/* Keys that stand for nothing themselves: ".name" and "x-name" hold what anchors refer to. */
bool ff_compose_hidden(const char *key);

#endif
