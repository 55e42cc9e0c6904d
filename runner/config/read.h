/* From a tree of YAML nodes to a struct ff_config. */
#ifndef FF_CONFIG_READ_H
#define FF_CONFIG_READ_H

#include "config/options.h"
#include "config/yaml_tree.h"

struct ff_reader {
	struct ff_config *config;
	struct ff_mistakes *problems;
	const struct ff_config_opts *opts; /* NULL: none */
	struct ff_arena *nodes;		   /* where the tree's nodes are */
	struct ff_vars_outside *outside;   /* in there: vars.c's */
	size_t outside_len;
	const struct ff_config_job *job; /* that is being read; NULL: none */
	struct ff_place at;		 /* of the problem that is being noted */
	struct ff_config_host defaults;	 /* inventory.defaults; merged into the hosts at the end */
};

struct ff_place ff_read_place(const struct ff_reader *r, const struct ff_yaml_node *node);
/* Where relative paths that stand there are meant from. */
const char *ff_read_directory(const struct ff_reader *r, const struct ff_yaml_node *node);

/* Reads a scalar, list or mapping into the option's member of `target`, the section's struct. What
 * is wrong is noted in r->problems, and the member keeps its default. */
void ff_read_value(struct ff_reader *r, const struct ff_config_option *option,
		   const struct ff_yaml_node *node, void *target);
/* Notes "'key' wants …, got …". */
void ff_read_complain(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node);
/* Sets the members of `target` that have a default. */
void ff_read_defaults(enum ff_config_section section, void *target);
/* Reads a mapping key by key. */
void ff_read_section(struct ff_reader *r, enum ff_config_section section,
		     const struct ff_yaml_node *node, void *target);
/* The whole file; `root` may be NULL. */
void ff_read_file(struct ff_reader *r, const struct ff_yaml_node *root);

#endif
