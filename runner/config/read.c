/* The sections of a configuration file: mappings of options, hosts and their defaults, jobs. Values
 * are read_value.c's, syntax is yaml.c's. */
#include "config/read.h"

#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "config/compose.h"
#include "config/private.h"
#include "config/vars.h"

enum { JOB_NAME_MAX = 100 };

void ff_read_complain_unknown(struct ff_reader *r, enum ff_config_section section,
			      const struct ff_yaml_node *key)
{
	struct ff_place place = ff_read_place(r, key);
	const struct ff_config_option *elsewhere = NULL;
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, key->text);
	for (const struct ff_config_option *option = ff_config_options; option->key; option++) {
		if (option->section == section)
			ff_suggest_offer(&suggest, option->key);
		else if (!elsewhere && *ff_section_where(option->section) &&
			 !strcmp(option->key, key->text))
			elsewhere = option;
	}
	if (elsewhere && !suggest.best)
		ff_mistakes_add(r->problems, &place, "unknown key '%s'; it belongs to '%s'",
				key->text, ff_section_where(elsewhere->section));
	else
		ff_mistakes_add(r->problems, &place, "unknown key '%s'%s", key->text,
				ff_suggest_text(&suggest, hint));
}

/* Arrays in the arena, which is not given back: there are few such lists. */
struct ff_config_host *ff_read_more_hosts(struct ff_reader *r, size_t len)
{
	struct ff_config *config = r->config;
	struct ff_config_host *longer =
		ff_config_take(config, (config->hosts_len + len) * sizeof(*longer));

	if (config->hosts_len)
		memcpy(longer, config->hosts, config->hosts_len * sizeof(*longer));
	config->hosts = longer;
	longer += config->hosts_len;
	config->hosts_len += len;
	config->hosts_cap = config->hosts_len;
	return longer;
}

struct ff_config_group *ff_read_more_groups(struct ff_reader *r, size_t len)
{
	struct ff_config *config = r->config;
	struct ff_config_group *longer =
		ff_config_take(config, (config->groups_len + len) * sizeof(*longer));

	if (config->groups_len)
		memcpy(longer, config->groups, config->groups_len * sizeof(*longer));
	config->groups = longer;
	longer += config->groups_len;
	config->groups_len += len;
	return longer;
}

const struct ff_yaml_node *ff_read_find(const struct ff_yaml_node *mapping, const char *key)
{
	for (size_t i = 0; mapping->kind == FF_YAML_MAPPING && i < mapping->len; i++)
		if (!strcmp(mapping->pairs[i].key->text, key))
			return mapping->pairs[i].value;
	return NULL;
}

static const struct ff_yaml_pair *find_pair(const struct ff_yaml_node *node, const char *key)
{
	for (size_t i = 0; i < node->len; i++)
		if (!strcmp(node->pairs[i].key->text, key))
			return &node->pairs[i];
	return NULL;
}

static void read_hosts(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node);
static void read_jobs(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node);

static void read_child(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node, void *target)
{
	const struct ff_config_option *meant = ff_section_short(option->child);

	if (node->kind == FF_YAML_MAPPING)
		ff_read_section(r, option->child, node, target);
	else if (meant && meant->type == FF_TYPE_HOSTS && node->kind == FF_YAML_LIST)
		read_hosts(r, meant, node);
	else if (meant && meant->type != FF_TYPE_HOSTS &&
		 ((node->kind == FF_YAML_SCALAR && !ff_yaml_is_null(node)) ||
		  (node->kind == FF_YAML_LIST && meant->type == FF_TYPE_TEXTS)))
		ff_read_value(r, meant, node, target);
	else
		ff_read_complain(r, option, node);
}

static void read_option(struct ff_reader *r, const struct ff_config_option *option,
			const struct ff_yaml_pair *pair, void *target)
{
	if (option->type == FF_TYPE_HOSTS || option->type == FF_TYPE_JOBS ||
	    option->type == FF_TYPE_SECTION) {
		if (option->placed)
			*(struct ff_place *)(void *)((char *)target + option->place) =
				ff_read_place(r, pair->key);
	}
	if (option->type == FF_TYPE_HOSTS)
		read_hosts(r, option, pair->value);
	else if (option->type == FF_TYPE_JOBS)
		read_jobs(r, option, pair->value);
	else if (option->type == FF_TYPE_NUMBER && option->child &&
		 pair->value->kind == FF_YAML_MAPPING)
		ff_read_section(r, option->child, pair->value, target);
	else if (option->type != FF_TYPE_SECTION)
		ff_read_value(r, option, pair->value, target);
	else if (option->child == FF_SECTION_DEFAULTS)
		read_child(r, option, pair->value, &r->config->defaults);
	else
		read_child(r, option, pair->value, target);
}

/* Of a file that is read again for its inventory the rest is as the run took it. */
static bool is_asked_for(const struct ff_reader *r, const char *key)
{
	return !r->opts || !r->opts->inventory_only || !strcmp(key, "inventory") ||
	       !strcmp(key, "version");
}

void ff_read_section(struct ff_reader *r, enum ff_config_section section,
		     const struct ff_yaml_node *node, void *target)
{
	const struct ff_yaml_pair *vars = find_pair(node, "vars");

	/* Other values may have them. */
	if (vars && ff_config_option_find(section, "vars"))
		read_option(r, ff_config_option_find(section, "vars"), vars, target);
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_pair *pair = &node->pairs[i];
		const struct ff_config_option *option =
			ff_config_option_find(section, pair->key->text);

		if (section == FF_SECTION_TOP && !is_asked_for(r, pair->key->text))
			continue;
		if (option && pair != vars)
			read_option(r, option, pair, target);
		else if (option)
			continue;
		else if (!ff_compose_hidden(pair->key->text))
			ff_read_complain_unknown(r, section, pair->key);
	}
	for (const struct ff_config_option *option = ff_config_options; option->key; option++) {
		struct ff_place place = ff_read_place(r, node);

		if (option->section == section && option->required && !find_pair(node, option->key))
			ff_mistakes_add(r->problems, &place, "'%s' is missing", option->key);
	}
}

/* --- hosts --- */

static void read_hosts(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node)
{
	const struct ff_config_option entry = {.section = FF_SECTION_INVENTORY,
					       .key = "hosts",
					       .type = FF_TYPE_SECTION,
					       .child = FF_SECTION_HOST};

	struct ff_config_host *hosts;
	struct ff_yaml_node *only = (struct ff_yaml_node *)(uintptr_t)node;
	const struct ff_yaml_node alone = {.kind = FF_YAML_LIST, .len = 1, .items = &only};

	if (node->kind == FF_YAML_SCALAR && !ff_yaml_is_null(node))
		node = &alone;
	if (node->kind != FF_YAML_LIST) {
		ff_read_complain(r, option, node);
		return;
	}
	hosts = ff_read_more_hosts(r, node->len);
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *item = node->items[i];
		struct ff_config_host *host = &hosts[i];

		host->place = ff_read_place(r, item);
		if (item->kind == FF_YAML_MAPPING && find_pair(item, "spec"))
			host->place = ff_read_place(r, find_pair(item, "spec")->value);
		if (item->kind == FF_YAML_LIST || ff_yaml_is_null(item))
			ff_mistakes_add(r->problems, &host->place,
					"a host is an xspec or a mapping with 'spec'");
		else
			read_child(r, &entry, item, host);
	}
}

/* "4*popen" says its number of slots itself, and so does "popen//slots=4". */
static bool says_slots(const char *spec)
{
	return spec[strspn(spec, "0123456789")] == '*' || strstr(spec, "slots=");
}

static void merge_defaults(const struct ff_config_host *from, struct ff_config_host *host)
{
	if (!host->python)
		host->python = from->python;
	if (!host->chdir)
		host->chdir = from->chdir;
	if (!host->nice)
		host->nice = from->nice;
	if (!host->worker)
		host->worker = from->worker;
	if (!host->memory)
		host->memory = from->memory;
	if (!host->slots && host->spec && !says_slots(host->spec))
		host->slots = from->slots;
	ff_config_merge(&host->tags, &from->tags, '\0');
	ff_config_merge(&host->env, &from->env, '=');
}

/* --- jobs --- */

static bool is_job_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > JOB_NAME_MAX || strchr("-.", *name))
		return false;
	for (; *name; name++)
		if (!(*name >= 'a' && *name <= 'z') && !(*name >= 'A' && *name <= 'Z') &&
		    !(*name >= '0' && *name <= '9') && !strchr("_.-", *name) &&
		    (unsigned char)*name < 0x80)
			return false;
	return true;
}

/* "'pytest', 'run' and 'ctest'" */
static const char *payload_keys(struct ff_buf *text)
{
	const struct ff_config_option *last = NULL;

	for (const struct ff_config_option *option = ff_config_options; option->key; option++) {
		if (option->section != FF_SECTION_JOB || !option->payload)
			continue;
		if (last)
			ff_buf_addf(text, "%s'%s'", text->len ? ", " : "", last->key);
		last = option;
	}
	ff_buf_addf(text, " and '%s'", last->key);
	return ff_buf_str(text);
}

/* Which payload it is, and whether all of its keys are for that one. */
static void settle_payload(struct ff_reader *r, struct ff_config_job *job,
			   const struct ff_yaml_node *node)
{
	const char *chosen = NULL;

	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		const struct ff_config_option *option =
			ff_config_option_find(FF_SECTION_JOB, key->text);
		struct ff_place place = ff_read_place(r, key);

		if (!option || !option->payload)
			continue;
		if (chosen)
			ff_mistakes_add(r->problems, &place,
					"job '%s' has both '%s' and '%s'; it can have one",
					job->name, chosen, key->text);
		else
			chosen = key->text;
	}
	if (!chosen) {
		struct ff_buf keys = FF_BUF_INIT;

		ff_mistakes_add(r->problems, &job->place, "job '%s' has none of %s", job->name,
				payload_keys(&keys));
		ff_buf_release(&keys);
		return;
	}
	/* Steps are commands. */
	job->payload = ff_config_keep(r->config, strcmp(chosen, "steps") ? chosen : "run");
	ff_read_settle_steps(r, job);
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		const struct ff_config_option *option =
			ff_config_option_find(FF_SECTION_JOB, key->text);
		struct ff_place place = ff_read_place(r, key);

		if (option && !ff_option_is_for(option, job->payload))
			ff_mistakes_add(r->problems, &place, "'%s' is for '%s' jobs, not for '%s'",
					option->key, option->only, job->payload);
	}
}

static void read_jobs(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node)
{
	if (node->kind != FF_YAML_MAPPING) {
		ff_read_complain(r, option, node);
		return;
	}
	r->config->jobs = ff_config_take(r->config, node->len * sizeof(*r->config->jobs));
	r->config->jobs_cap = node->len;
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key, *value = node->pairs[i].value;
		struct ff_place place = ff_read_place(r, value);
		struct ff_config_job *job;

		if (ff_compose_hidden(key->text))
			continue;
		job = &r->config->jobs[r->config->jobs_len++];
		job->place = ff_read_place(r, key);
		job->name = ff_config_keep(r->config, key->text);
		job->grace_us = job->session_timeout_us = job->retry_delay_us = -1;
		ff_read_defaults(FF_SECTION_JOB, job);
		ff_read_defaults(FF_SECTION_RETRY, job);
		ff_read_defaults(FF_SECTION_ARTIFACTS, job);
		ff_read_defaults(FF_SECTION_INPUTS, job);
		if (!is_job_name(key->text))
			ff_mistakes_add(r->problems, &job->place,
					"'%s' can't name a job: letters, digits, '_', '-' and '.'",
					key->text);
		if (value->kind != FF_YAML_MAPPING) {
			ff_mistakes_add(r->problems, &place,
					"job '%s' wants a mapping with 'pytest', 'run' or the "
					"like",
					key->text);
			continue;
		}
		r->job = job;
		ff_read_section(r, FF_SECTION_JOB, value, job);
		r->job = NULL;
		settle_payload(r, job, value);
	}
}

/* --- pools --- */

static void complain_pool(struct ff_reader *r, const struct ff_config_job *job,
			  const struct ff_config_use *use)
{
	const struct ff_config *config = r->config;
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, use->name);
	for (size_t i = 0; i < config->pools_len && !ff_mistakes_full(r->problems); i++)
		ff_suggest_offer(&suggest, config->pools[i].name);
	ff_mistakes_add(r->problems, &use->place, "job '%s' uses '%s', which is no pool%s",
			job->name, use->name, ff_suggest_text(&suggest, hint));
}

static void settle_uses(struct ff_reader *r, struct ff_config_job *job, const struct ff_map *pools)
{
	for (size_t i = 0; i < job->uses_len; i++) {
		struct ff_config_use *use = &job->uses[i];
		const struct ff_config_pool *pool = ff_map_get(pools, use->name);

		if (!pool) {
			complain_pool(r, job, use);
			continue;
		}
		use->pool = (size_t)(pool - r->config->pools);
		if (use->amount > pool->size)
			ff_mistakes_add(r->problems, &use->place,
					"job '%s' uses %lld of '%s', of which there %s %lld",
					job->name, (long long)use->amount, use->name,
					pool->size == 1 ? "is" : "are", (long long)pool->size);
	}
}

static void settle_pools(struct ff_reader *r)
{
	struct ff_config *config = r->config;
	struct ff_map pools = FF_MAP_INIT;

	for (size_t i = 0; i < config->pools_len; i++)
		if (ff_map_set(&pools, config->pools[i].name, &config->pools[i]))
			ff_mistakes_add(r->problems, NULL, "%s", ff_err_text(FF_ENOMEM));
	for (size_t i = 0; i < config->jobs_len; i++)
		settle_uses(r, &config->jobs[i], &pools);
	ff_map_release(&pools);
}

static void settle_halt(struct ff_config *config)
{
	const char *on = config->settings.halt_on;

	if (!config->settings.halt_place.line)
		return;
	config->settings.halt.on = !strcmp(on, "fail")	    ? FF_HALT_FAIL
				   : !strcmp(on, "success") ? FF_HALT_SUCCESS
							    : FF_HALT_DONE;
	config->settings.halt.now = !strcmp(config->settings.halt_how, "now");
}

void ff_read_file(struct ff_reader *r, const struct ff_yaml_node *root)
{
	struct ff_config *config = r->config;

	if (root && root->kind == FF_YAML_MAPPING) {
		ff_read_section(r, FF_SECTION_TOP, root, config);
	} else if (root && !ff_yaml_is_null(root)) {
		struct ff_place place = ff_read_place(r, root);

		ff_mistakes_add(r->problems, &place, "the file wants a mapping of keys to values");
	}
	ff_read_merge_defaults(config, 0);
	for (size_t i = 0; i < config->jobs_len; i++)
		if (config->jobs[i].grace_us < 0)
			config->jobs[i].grace_us = config->settings.grace_us;
	settle_halt(config);
	settle_pools(r);
	if (!r->opts || !r->opts->inventory_only) /* variables may be for what was not read */
		ff_vars_settle(r);
	config->tree.given = config->tree.source != NULL;
}

void ff_read_inventory(struct ff_reader *r, const struct ff_yaml_node *root)
{
	struct ff_config_host own = {0};
	size_t before = r->config->hosts_len;

	for (size_t i = 0; root->kind == FF_YAML_MAPPING && i < root->len; i++) {
		const struct ff_yaml_pair *pair = &root->pairs[i];
		const struct ff_config_option *option =
			ff_config_option_find(FF_SECTION_INVENTORY, pair->key->text);
		struct ff_place place = ff_read_place(r, pair->key);

		if (!option)
			ff_read_complain_unknown(r, FF_SECTION_INVENTORY, pair->key);
		else if (option->type == FF_TYPE_HOSTS)
			read_hosts(r, option, pair->value);
		else if (option->type == FF_TYPE_GROUPS)
			ff_read_value(r, option, pair->value, r->config);
		else if (option->type == FF_TYPE_SECTION)
			read_child(r, option, pair->value, &own);
		else
			ff_mistakes_add(r->problems, &place,
					"'%s' is for the inventory of the file itself",
					option->key);
	}
	if (root->kind == FF_YAML_LIST)
		read_hosts(r, ff_config_option_find(FF_SECTION_INVENTORY, "hosts"), root);
	for (size_t i = before; i < r->config->hosts_len; i++)
		merge_defaults(&own, &r->config->hosts[i]);
	ff_config_host_release(&own);
}

void ff_read_merge_defaults(const struct ff_config *config, size_t from)
{
	for (size_t i = from; i < config->hosts_len; i++)
		merge_defaults(&config->defaults, &config->hosts[i]);
}
