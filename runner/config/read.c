/* The sections of a configuration file: mappings of options, hosts and their defaults, jobs. Values
 * are read_value.c's, syntax is yaml.c's. */
#include "config/read.h"

#include <string.h>

#include "base/map.h"
#include "config/private.h"

enum { JOB_NAME_MAX = 100 };

static void complain_unknown(struct ff_reader *r, enum ff_config_section section,
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

/* A section may be given in short: hosts as a list, a tree or a host as a text, artifacts as
 * either. */
static void read_child(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node, void *target)
{
	static const char *const short_for[FF_SECTIONS] = {
		[FF_SECTION_INVENTORY] = "hosts", [FF_SECTION_TREE] = "source",
		[FF_SECTION_HOST] = "spec",	  [FF_SECTION_ARTIFACTS] = "paths",
		[FF_SECTION_SETUP] = "run",	  [FF_SECTION_TEARDOWN] = "run",
	};
	const char *key = short_for[option->child];
	const struct ff_config_option *meant =
		key ? ff_config_option_find(option->child, key) : NULL;

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
	else if (option->type != FF_TYPE_SECTION)
		ff_read_value(r, option, pair->value, target);
	else if (option->child == FF_SECTION_DEFAULTS)
		read_child(r, option, pair->value, &r->defaults);
	else
		read_child(r, option, pair->value, target);
}

void ff_read_section(struct ff_reader *r, enum ff_config_section section,
		     const struct ff_yaml_node *node, void *target)
{
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_pair *pair = &node->pairs[i];
		const struct ff_config_option *option =
			ff_config_option_find(section, pair->key->text);

		if (option)
			read_option(r, option, pair, target);
		else
			complain_unknown(r, section, pair->key);
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

	if (node->kind != FF_YAML_LIST) {
		ff_read_complain(r, option, node);
		return;
	}
	r->config->hosts = ff_config_take(r->config, node->len * sizeof(*r->config->hosts));
	r->config->hosts_cap = node->len;
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *item = node->items[i];
		struct ff_config_host *host = &r->config->hosts[r->config->hosts_len++];

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

/* Which payload it is, and whether all of its keys are for that one. */
static void settle_payload(struct ff_reader *r, struct ff_config_job *job,
			   const struct ff_yaml_node *node)
{
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		const struct ff_config_option *option =
			ff_config_option_find(FF_SECTION_JOB, key->text);
		struct ff_place place = ff_read_place(r, key);

		if (!option || !option->payload)
			continue;
		if (job->payload)
			ff_mistakes_add(r->problems, &place,
					"job '%s' has both '%s' and '%s'; it can have one",
					job->name, job->payload, key->text);
		else
			job->payload = ff_config_keep(r->config, key->text);
	}
	if (!job->payload) {
		ff_mistakes_add(r->problems, &job->place, "job '%s' has neither 'pytest' nor 'run'",
				job->name);
		return;
	}
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		const struct ff_config_option *option =
			ff_config_option_find(FF_SECTION_JOB, key->text);
		struct ff_place place = ff_read_place(r, key);

		if (option && option->only && strcmp(option->only, job->payload))
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
		struct ff_config_job *job = &r->config->jobs[r->config->jobs_len++];
		struct ff_place place = ff_read_place(r, value);

		job->place = ff_read_place(r, key);
		job->name = ff_config_keep(r->config, key->text);
		job->grace_us = job->session_timeout_us = job->retry_delay_us = -1;
		ff_read_defaults(FF_SECTION_JOB, job);
		ff_read_defaults(FF_SECTION_ARTIFACTS, job);
		if (!is_job_name(key->text))
			ff_mistakes_add(r->problems, &job->place,
					"'%s' can't name a job: letters, digits, '_', '-' and '.'",
					key->text);
		if (value->kind != FF_YAML_MAPPING) {
			ff_mistakes_add(r->problems, &place,
					"job '%s' wants a mapping with 'pytest' or 'run'",
					key->text);
			continue;
		}
		ff_read_section(r, FF_SECTION_JOB, value, job);
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

void ff_read_file(struct ff_reader *r, const struct ff_yaml_node *root)
{
	struct ff_config *config = r->config;

	if (root && root->kind == FF_YAML_MAPPING) {
		ff_read_section(r, FF_SECTION_TOP, root, config);
	} else if (root && !ff_yaml_is_null(root)) {
		struct ff_place place = ff_read_place(r, root);

		ff_mistakes_add(r->problems, &place, "the file wants a mapping of keys to values");
	}
	for (size_t i = 0; i < config->hosts_len; i++)
		merge_defaults(&r->defaults, &config->hosts[i]);
	for (size_t i = 0; i < config->jobs_len; i++)
		if (config->jobs[i].grace_us < 0)
			config->jobs[i].grace_us = config->settings.grace_us;
	settle_pools(r);
	config->tree.given = config->tree.source != NULL;
	ff_config_host_release(&r->defaults);
}
