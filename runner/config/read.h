/* From a tree of YAML nodes to a struct ff_config. */
#ifndef FF_CONFIG_READ_H
#define FF_CONFIG_READ_H

#include "config/options.h"
#include "config/yaml_tree.h"

struct ff_reader {
	struct ff_config *config;
	struct ff_mistakes *problems;
	bool sources;			   /* files and programs with rows are read */
	bool stdin_read;		   /* for them */
	const struct ff_config_opts *opts; /* NULL: none */
	struct ff_arena *nodes;		 /* where the tree's nodes are; NULL: nothing is replaced */
	struct ff_vars_outside *outside; /* in there: vars.c's */
	size_t outside_len;
	struct ff_config_job *job; /* that is being read; NULL: none */
	struct ff_place at;	   /* of the problem that is being noted */
};

struct ff_place ff_read_place(const struct ff_reader *r, const struct ff_yaml_node *node);
/* Where relative paths that stand there are meant from. */
const char *ff_read_directory(const struct ff_reader *r, const struct ff_yaml_node *node);

/* Reads a scalar, list or mapping into the option's member of `target`, the section's struct. What
 * is wrong is noted in r->problems, and the member keeps its default. */
void ff_read_value(struct ff_reader *r, const struct ff_config_option *option,
		   const struct ff_yaml_node *node, void *target);
/* The same of one type. False: the value is none of it. */
typedef bool ff_read_fn(struct ff_reader *r, const struct ff_config_option *option,
			const struct ff_yaml_node *node, void *member);
ff_read_fn ff_read_matrix, ff_read_foreach; /* read_matrix.c */
ff_read_fn ff_read_steps;		    /* read_steps.c */
/* The job is read: its steps have what they do not say themselves. */
void ff_read_settle_steps(struct ff_reader *r, struct ff_config_job *job);
ff_read_fn ff_read_links;							 /* links.c */
ff_read_fn ff_read_needs;							 /* read_needs.c */
ff_read_fn ff_read_secret_text, ff_read_named, ff_read_whens, ff_read_receivers; /* read_notify.c */

/* What they share. A wrong value as messages show it; a scalar that is not null; the path that a
 * text of the file means; elements of a list that must all be text (false: it is no list). */
enum { FF_READ_GOT_MAX = 68 };
const char *ff_read_got(const struct ff_yaml_node *node, char text[FF_READ_GOT_MAX]);
bool ff_read_is_text(const struct ff_yaml_node *node);
char *ff_read_path(struct ff_reader *r, const struct ff_yaml_node *node, const char *text);
bool ff_read_list(struct ff_reader *r, const struct ff_config_option *option,
		  const struct ff_yaml_node *node, struct ff_strv *strv);
/* Notes "'key' wants …, got …". */
void ff_read_complain(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node);
/* Sets the members of `target` that have a default. */
void ff_read_defaults(enum ff_config_section section, void *target);
/* Reads a mapping key by key. */
void ff_read_section(struct ff_reader *r, enum ff_config_section section,
		     const struct ff_yaml_node *node, void *target);
/* Adds the hosts and groups of another inventory, which may have defaults for its own hosts;
 * ansible.c reads the other shape. */
void ff_read_inventory(struct ff_reader *r, const struct ff_yaml_node *root);
void ff_read_ansible(struct ff_reader *r, const struct ff_yaml_node *root);
/* The file's defaults, for hosts from the index on. */
void ff_read_merge_defaults(const struct ff_config *config, size_t from);
/* "unknown key …" */
void ff_read_complain_unknown(struct ff_reader *r, enum ff_config_section section,
			      const struct ff_yaml_node *key);
const struct ff_yaml_node *ff_read_find(const struct ff_yaml_node *mapping, const char *key);
/* Room for `len` more hosts at the end of the configuration's; zeroed. */
struct ff_config_host *ff_read_more_hosts(struct ff_reader *r, size_t len);
struct ff_config_group *ff_read_more_groups(struct ff_reader *r, size_t len);
/* The whole file; `root` may be NULL. */
void ff_read_file(struct ff_reader *r, const struct ff_yaml_node *root);

#endif
