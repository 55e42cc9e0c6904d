/* `steps`: commands, each with what it says itself and what its job says for all. */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "config/private.h"
#include "config/read.h"

static void complain(struct ff_reader *r, const struct ff_yaml_node *node, const char *what)
{
	char have[FF_READ_GOT_MAX];

	r->at = ff_read_place(r, node);
	ff_mistakes_add(r->problems, &r->at, "%s, got %s", what, ff_read_got(node, have));
}

static void read_step(struct ff_reader *r, const struct ff_yaml_node *node,
		      struct ff_config_job *step)
{
	ff_read_defaults(FF_SECTION_STEP, step);
	step->timeout_us = -1;
	step->place = ff_read_place(r, node);
	if (node->kind == FF_YAML_MAPPING)
		ff_read_section(r, FF_SECTION_STEP, node, step);
	else if (ff_read_is_text(node))
		ff_read_value(r, ff_config_option_find(FF_SECTION_STEP, "run"), node, step);
	else
		complain(r, node, "a step is a command or a mapping with 'run'");
}

bool ff_read_steps(struct ff_reader *r, const struct ff_config_option *option,
		   const struct ff_yaml_node *node, void *member)
{
	struct ff_config_job *job = member;

	if (node->kind != FF_YAML_LIST || !node->len)
		return false;
	job->steps = ff_config_take(r->config, node->len * sizeof(*job->steps));
	job->steps_len = node->len;
	for (size_t i = 0; i < node->len; i++)
		read_step(r, node->items[i], &job->steps[i]);
	return true;
}

void ff_read_settle_steps(struct ff_reader *r, struct ff_config_job *job)
{
	struct ff_map names = FF_MAP_INIT;

	for (size_t i = 0; i < job->steps_len; i++) {
		struct ff_config_job *step = &job->steps[i];
		char number[24];

		snprintf(number, sizeof(number), "%zu", i + 1);
		if (!step->name)
			step->name = ff_config_keep(r->config, number);
		if (ff_map_get(&names, step->name))
			ff_mistakes_add(r->problems, &step->place, "job '%s' has two steps '%s'",
					job->name, step->name);
		else if (ff_map_set(&names, step->name, step))
			ff_mistakes_add(r->problems, NULL, "%s", ff_err_text(FF_ENOMEM));
		if (!step->cwd)
			step->cwd = job->cwd;
		if (step->timeout_us < 0)
			step->timeout_us = job->timeout_us;
		ff_config_merge(&step->env, &job->env, '=');
	}
	ff_map_release(&names);
}
