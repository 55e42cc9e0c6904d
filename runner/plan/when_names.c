/* What names in `when` stand for: a job's variables, and its units' values of the matrix. */
#include <string.h>

#include "plan/private.h"

const char *ff_plan_when_variable(const void *ctx, const char *name, struct ff_err *err)
{
	const struct ff_config_job *config = ctx;
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, name);
	for (size_t i = 0; i < config->vars_len; i++) {
		const struct ff_config_var *var = &config->vars[i];

		/* What stands in texts otherwise has a colon. */
		if (strchr(var->name, ':'))
			continue;
		if (strcmp(var->name, name) != 0) {
			ff_suggest_offer(&suggest, var->name);
			continue;
		}
		if (!var->secret)
			return ff_config_var_value(var);
		ff_err_set(err, FF_ECONFIG, "'vars.%s' is a secret, by which nothing is decided",
			   name);
		return NULL;
	}
	ff_err_set(err, FF_ECONFIG, "there is no variable '%s' in 'vars'%s", name,
		   ff_suggest_text(&suggest, hint));
	return NULL;
}

int ff_plan_when_axis(const void *ctx, const char *name, struct ff_err *err)
{
	const struct ff_config_job *config = ctx;
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, name);
	for (size_t i = 0; i < config->axes_len; i++) {
		if (strcmp(config->axes[i].name, name) == 0)
			return (int)i;
		ff_suggest_offer(&suggest, config->axes[i].name);
	}
	if (config->axes_len == 0)
		return ff_err_set(err, FF_ECONFIG, "'matrix.%s', but it has no 'matrix'", name);
	return ff_err_set(err, FF_ECONFIG, "there is no '%s' in its 'matrix'%s", name,
			  ff_suggest_text(&suggest, hint));
}

static const char *value_of(const void *unit, unsigned axis)
{
	const struct ff_plan_values *values = unit;

	return values->axes[axis] ? values->axes[axis] : "";
}

bool ff_plan_when(const struct ff_plan_job *job, uint32_t index, const struct ff_when_facts *facts)
{
	struct ff_when_facts with = *facts;
	struct ff_plan_values values;

	if (ff_when_asks_units(job->when))
		ff_plan_choose(&values, job->config, index);
	with.value = value_of;
	with.unit = &values;
	return ff_when_is_true(job->when, &with);
}
