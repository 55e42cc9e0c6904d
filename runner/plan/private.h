/* What the files of this room share. */
#ifndef FF_PLAN_PRIVATE_H
#define FF_PLAN_PRIVATE_H

#include "base/map.h"
#include "config/mistakes.h"
#include "plan/plan.h"

/* A job's number behind a pointer, for maps: never NULL. */
static inline void *ff_plan_number(size_t index)
{
	return (void *)((uintptr_t)index + 1);
}

/* Names of config's jobs -> ff_plan_number of their place there; duplicates are noted. */
void ff_plan_names(struct ff_map *names, const struct ff_config *config,
		   struct ff_mistakes *problems);
/* The order of config's jobs in which each comes after what it needs; otherwise by
 * priority and in file order, as far as that goes. Indexes into config->jobs, malloc'd; NULL:
 * something was wrong, it is in `problems`. */
size_t *ff_plan_order(const struct ff_config *config, const struct ff_map *names,
		      struct ff_mistakes *problems);

/* Sets job->units_len from job->config, or notes why not. */
void ff_plan_count(struct ff_plan_job *job, struct ff_mistakes *problems);

/* What one unit's placeholders stand for. */
struct ff_plan_values {
	const struct ff_config_job *config;
	const char *axes[FF_CONFIG_AXES_MAX]; /* NULL: this row has none */
	/* By the first column of a table that has had the same row before: its number, from 1. */
	uint32_t again[FF_CONFIG_AXES_MAX];
	char number[FF_CONFIG_NUMBER_MAX]; /* of the only range */
	char index[16];			   /* 1 ... count */
};
void ff_plan_choose(struct ff_plan_values *values, const struct ff_config_job *config,
		    uint32_t index);

/* A brace in a text. */
enum ff_brace_kind {
	FF_BRACE_NONE,	  /* stays */
	FF_BRACE_VALUE,	  /* {name} */
	FF_BRACE_RAW,	  /* {name:raw} */
	FF_BRACE_ESCAPED, /* {{name}}: stands for "{name}" */
	FF_BRACE_WRONG,	  /* meant to be a placeholder, and is none */
};
struct ff_brace {
	enum ff_brace_kind kind;
	size_t len; /* of all of it */
	const char *name;
	size_t name_len;
	size_t axis; /* index into config->axes; axes_len: {index}; SIZE_MAX: it is neither */
	const struct ff_config_var *var; /* then, if it is one of the job's variables */
	bool dollar;			 /* ${env:NAME}: the '$' before it belongs to it */
};
/* Looks at the '{' at `at` in `text`. */
struct ff_brace ff_plan_brace(const struct ff_config_job *config, const char *text, const char *at);
/* What stands for a brace that is a value, raw or not. */
const char *ff_plan_value(const struct ff_plan_values *values, const struct ff_brace *brace);
/* Whether there is anything to replace in texts of this job. */
bool ff_plan_has_braces(const struct ff_config_job *config);
/* The nearest of the names that may stand in braces; "" if there is none. */
const char *ff_plan_brace_hint(const struct ff_config_job *config, const struct ff_brace *brace,
			       char hint[FF_SUGGEST_TEXT_MAX]);
/* Appends `text` with its placeholders replaced, in shell text as the shell must read them. */
void ff_plan_expand(const struct ff_plan_values *values, const char *text, bool shell,
		    struct ff_buf *out);

/* when_names.c: as in struct ff_when_names, of a struct ff_config_job. */
const char *ff_plan_when_variable(const void *config, const char *name, struct ff_err *err);
int ff_plan_when_axis(const void *config, const char *name, struct ff_err *err);

/* artifacts.c: of what its payload is, and where its patterns lead. */
void ff_plan_check_artifacts(const struct ff_plan_job *job, struct ff_mistakes *problems);
void ff_plan_check_inputs(const struct ff_config_job *config, struct ff_mistakes *problems);
void ff_plan_check_fresh(const struct ff_config_job *config, struct ff_mistakes *problems);
void ff_plan_check_setup(const struct ff_config *config, struct ff_mistakes *problems);

/* The job as it would be if that step were all of it. Borrows from both. */
struct ff_config_job ff_plan_step_job(const struct ff_config_job *config, size_t step);

/* Notes what is wrong with the placeholders of a job's texts. */
void ff_plan_check_braces(const struct ff_config_job *config, struct ff_mistakes *problems);
/* The same for a job of commands; `hints` gets what is allowed but probably not meant. */
void ff_plan_check_texts(const struct ff_config_job *config, struct ff_mistakes *problems,
			 struct ff_mistakes *hints);

#endif
