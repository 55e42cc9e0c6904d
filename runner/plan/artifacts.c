/* What can be said before anything runs of the files that jobs bring back and setups depend on. */
#include <stdio.h>
#include <string.h>

#include "plan/private.h"

/* NULL, or what is wrong. The host looks again, once placeholders have their values. */
static const char *fault_of(const char *pattern)
{
	if (!*pattern)
		return "is empty";
	if (*pattern == '/')
		return "is absolute; it is meant below the folder where it runs";
	for (const char *at = pattern; at; at = strchr(at, '/')) {
		at += strspn(at, "/");
		if (!strncmp(at, "..", 2) && (at[2] == '/' || at[2] == '\0'))
			return "leads out of the folder where it runs";
	}
	return NULL;
}

void ff_plan_check_artifacts(const struct ff_plan_job *job, struct ff_mistakes *problems)
{
	const struct ff_config_job *config = job->config;
	const struct ff_config_artifacts *artifacts = &config->artifacts;

	if (config->coverage && config->artifacts.paths.len > 0 &&
	    strcmp(artifacts->when, "always") != 0)
		ff_mistakes_add(problems, &config->coverage_place,
				"job '%s': 'coverage' wants 'artifacts' that are brought always, "
				"as it is",
				config->name);
	if (artifacts->paths.len == 0)
		return;
	if (!job->payload->run && !job->payload->session)
		ff_mistakes_add(problems,
				artifacts->place.line ? &artifacts->place : &config->place,
				"job '%s': 'artifacts' are of commands; tests of '%s' share their "
				"workers, so it is not known which of them left what",
				config->name, config->payload);
	if (artifacts->paths.len > FF_CONFIG_ARTIFACTS_MAX)
		ff_mistakes_add(problems, &artifacts->place,
				"job '%s': 'artifacts' has more than %d patterns", config->name,
				FF_CONFIG_ARTIFACTS_MAX);
	for (size_t i = 0; i < artifacts->paths.len; i++) {
		const char *fault = fault_of(artifacts->paths.v[i]);

		if (fault)
			ff_mistakes_add(problems,
					artifacts->places ? &artifacts->places[i] : &config->place,
					"job '%s': '%s' of 'artifacts' %s", config->name,
					artifacts->paths.v[i], fault);
	}
}

static void check_all(const struct ff_strv *patterns, const struct ff_place *places,
		      const char *what, const char *key, struct ff_mistakes *problems)
{
	for (size_t i = 0; i < patterns->len; i++) {
		const char *fault = fault_of(patterns->v[i]);

		if (fault)
			ff_mistakes_add(problems, &places[i], "%s: '%s' of '%s' %s", what,
					patterns->v[i], key, fault);
	}
}

void ff_plan_check_inputs(const struct ff_config_job *config, struct ff_mistakes *problems)
{
	const struct ff_config_inputs *inputs = &config->inputs;
	char what[120];

	snprintf(what, sizeof(what), "job '%s'", config->name);
	if (inputs->paths.len > FF_CONFIG_INPUTS_MAX)
		ff_mistakes_add(problems, &inputs->place,
				"job '%s': 'inputs' has more than %d patterns", config->name,
				FF_CONFIG_INPUTS_MAX);
	check_all(&inputs->paths, inputs->places, what, "inputs", problems);
}

void ff_plan_check_fresh(const struct ff_config_job *config, struct ff_mistakes *problems)
{
	const struct ff_config_fresh *fresh = &config->fresh;
	char what[120];

	if (config->steps_len && fresh->inputs.len)
		ff_mistakes_add(
			problems, fresh->inputs_places ? fresh->inputs_places : &config->place,
			"job '%s': 'up_to_date' is of a command, not of steps", config->name);
	snprintf(what, sizeof(what), "job '%s'", config->name);
	check_all(&fresh->inputs, fresh->inputs_places, what, "inputs", problems);
	check_all(&fresh->outputs, fresh->outputs_places, what, "outputs", problems);
}

void ff_plan_check_setup(const struct ff_config *config, struct ff_mistakes *problems)
{
	check_all(&config->setup.inputs, config->setup.places, "setup", "inputs", problems);
}
