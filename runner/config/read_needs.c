/* `needs`: a job, a list of jobs, or what must have become of each. */
#include <string.h>

#include "config/private.h"
#include "config/read.h"

static void add(struct ff_reader *r, struct ff_config_job *job, const struct ff_yaml_node *name,
		enum ff_config_need to)
{
	job->needs_places[job->needs.len] = ff_read_place(r, name);
	job->needs_to[job->needs.len] = to;
	ff_config_add_text(&job->needs, name->text);
}

static void read_pair(struct ff_reader *r, struct ff_config_job *job,
		      const struct ff_yaml_pair *pair)
{
	static const char *const words[] = {
		[FF_NEED_PASSED] = "passed", [FF_NEED_FAILED] = "failed", [FF_NEED_ANY] = "any"};
	char have[FF_READ_GOT_MAX];

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (ff_read_is_text(pair->value) && !strcmp(pair->value->text, words[i])) {
			add(r, job, pair->key, (enum ff_config_need)i);
			return;
		}
	r->at = ff_read_place(r, pair->value);
	ff_mistakes_add(r->problems, &r->at, "'needs' of '%s' wants passed, failed or any, got %s",
			pair->key->text, ff_read_got(pair->value, have));
}

bool ff_read_needs(struct ff_reader *r, const struct ff_config_option *option,
		   const struct ff_yaml_node *node, void *member)
{
	size_t len = node->kind == FF_YAML_SCALAR ? 1 : node->len;
	struct ff_config_job *job = member;
	char have[FF_READ_GOT_MAX];

	job->needs_places = ff_config_take(r->config, len * sizeof(*job->needs_places));
	job->needs_to = ff_config_take(r->config, len * sizeof(*job->needs_to));
	if (node->kind == FF_YAML_SCALAR) {
		if (!ff_read_is_text(node) || !node->len)
			return false;
		add(r, job, node, FF_NEED_PASSED);
	}
	for (size_t i = 0; node->kind == FF_YAML_LIST && i < len; i++) {
		const struct ff_yaml_node *item = node->items[i];

		r->at = ff_read_place(r, item);
		if (ff_read_is_text(item))
			add(r, job, item, FF_NEED_PASSED);
		else
			ff_mistakes_add(r->problems, &r->at, "'%s' wants text in its list, got %s",
					option->key, ff_read_got(item, have));
	}
	for (size_t i = 0; node->kind == FF_YAML_MAPPING && i < len; i++)
		read_pair(r, job, &node->pairs[i]);
	return true;
}
