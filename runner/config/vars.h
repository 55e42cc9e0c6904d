/* Variables: `vars:` from the file, the environment and the command line, ${env:NAME} in values,
 * and secrets. */
#ifndef FF_CONFIG_VARS_H
#define FF_CONFIG_VARS_H

#include "config/read.h"

#define FF_VARS_PREFIX "FARFLUNG_VAR_"	 /* of the environment */
#define FF_VARS_SECRET "farflung-secret" /* ${farflung-secret:N} stands for one in `env` */

/* A value from the command line. */
struct ff_vars_outside {
	char *name, *value;
	struct ff_config_secret *secret;
	char *from; /* "option -e", "-e @values.yaml:3:1" */
	bool used;
};

/* Reads what -e gives, before the file. What is wrong is noted, here and below. */
void ff_vars_outside(struct ff_reader *r);
/* `vars:` of the file or a job, `target`. False: it is no mapping. */
bool ff_vars_read(struct ff_reader *r, const struct ff_config_option *option,
		  const struct ff_yaml_node *node, void *target);
/* Room for one more variable of the job, until the next. */
struct ff_config_var *ff_vars_add(struct ff_reader *r, struct ff_config_job *job);
/* Those that have a name of their own. */
void ff_vars_offer(struct ff_suggest *suggest, const struct ff_config_var *vars, size_t len);
/* At the end of the file: each job gets the file's variables, and all must have a value. */
void ff_vars_settle(struct ff_reader *r);

/* The node with each ${env:NAME} and {name} of a variable in its texts replaced; the node itself
 * where there is none. */
const struct ff_yaml_node *ff_vars_replace(struct ff_reader *r, const struct ff_yaml_node *node);
const struct ff_yaml_node *ff_vars_replace_environment(struct ff_reader *r,
						       const struct ff_yaml_node *node);
/* The same for a text where units' placeholders stand: it stays, and the values become variables of
 * the job. */
void ff_vars_note(struct ff_reader *r, struct ff_config_job *job, const struct ff_yaml_node *node);

/* What is not can be no text of a run. */
bool ff_vars_is_utf8(const char *text);

/* Whether it looks like {secret: ...}. */
bool ff_vars_is_secret(const struct ff_yaml_node *node);
/* That; NULL: something is wrong with it. */
struct ff_config_secret *ff_vars_secret(struct ff_reader *r, const struct ff_yaml_node *node);
/* Makes the secret a variable of the job; the text that stands for it. Malloc'd. */
char *ff_vars_place_secret(struct ff_reader *r, struct ff_config_job *job,
			   struct ff_config_secret *secret);

#endif
