/* The composed tree once more, key by key, as text. */
#include "config/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "config/compose.h"
#include "config/vars.h"

enum {
	VALUE_MAX = 60, /* bytes of a value that are shown */
	KEY_WIDTH = 32,
	VALUE_WIDTH = 28,
	FLOW_DEPTH_MAX = 8,
};

static void add_line(struct ff_buf *out, const char *key, const char *value, const char *from)
{
	size_t len = strlen(value), shown = len > VALUE_MAX ? VALUE_MAX : len;
	struct ff_buf text = FF_BUF_INIT;

	while (shown < len && shown && ((unsigned char)value[shown] & 0xc0) == 0x80)
		shown--;
	for (size_t i = 0; i < shown; i++) {
		if (value[i] == '\n')
			ff_buf_addstr(&text, "\\n");
		else
			ff_buf_addch(&text, (unsigned char)value[i] < 0x20 || value[i] == 0x7f
						    ? '?'
						    : value[i]);
	}
	if (shown < len)
		ff_buf_addstr(&text, "...");
	ff_buf_addf(out, "%-*s %-*s %s\n", KEY_WIDTH, key, VALUE_WIDTH,
		    text.len ? ff_buf_str(&text) : "''", from);
	ff_buf_release(&text);
}

static bool has_environment(const struct ff_yaml_node *node, unsigned depth)
{
	if (node->kind == FF_YAML_SCALAR)
		return strstr(node->text, "${env:") != NULL;
	for (size_t i = 0; depth < FLOW_DEPTH_MAX && i < node->len; i++)
		if (has_environment(node->kind == FF_YAML_LIST ? node->items[i]
							       : node->pairs[i].value,
				    depth + 1))
			return true;
	return false;
}

/* "farflung.yaml:4:9", "ci.yaml:7:5 (profile ci) (environment)". Malloc'd. */
static char *origin(const struct ff_reader *r, const struct ff_yaml_node *node)
{
	struct ff_place place = ff_read_place(r, node);

	return ff_xasprintf("%s:%d:%d%s%s%s%s", place.file, place.line, place.column,
			    node->via ? " (" : "", node->via ? node->via : "", node->via ? ")" : "",
			    has_environment(node, 0) ? " (environment)" : "");
}

/* As one would write it on a line. */
static void add_flow(struct ff_buf *out, const struct ff_yaml_node *node, unsigned depth)
{
	bool list = node->kind == FF_YAML_LIST;

	if (node->kind == FF_YAML_SCALAR) {
		ff_buf_addstr(out, node->text);
		return;
	}
	if (ff_vars_is_secret(node)) {
		ff_buf_addstr(out, "***");
		return;
	}
	ff_buf_addch(out, list ? '[' : '{');
	for (size_t i = 0; i < node->len && out->len <= VALUE_MAX && depth < FLOW_DEPTH_MAX; i++) {
		ff_buf_addstr(out, i ? ", " : "");
		if (!list)
			ff_buf_addf(out, "%s: ", node->pairs[i].key->text);
		add_flow(out, list ? node->items[i] : node->pairs[i].value, depth + 1);
	}
	ff_buf_addch(out, list ? ']' : '}');
}

/* `option` NULL: of `vars`. */
static void explain_value(struct ff_reader *r, const struct ff_config_option *option,
			  const char *key, const struct ff_yaml_node *node, struct ff_buf *out)
{
	struct ff_buf text = FF_BUF_INIT;
	char *from = origin(r, node);

	/* Where units have placeholders of their own, they are shown. */
	add_flow(&text,
		 option && (option->braces || option->type == FF_TYPE_STEPS ||
			    option->type == FF_TYPE_TEMPLATE || option->type == FF_TYPE_LINKS)
			 ? ff_vars_replace_environment(r, node)
			 : ff_vars_replace(r, node),
		 0);
	add_line(out, key, text.len ? ff_buf_str(&text) : "", from);
	ff_buf_release(&text);
	ff_free(from);
}

/* With what came of it: a value from outside has its own source. */
static void explain_vars(struct ff_reader *r, const char *key, const struct ff_yaml_node *node,
			 const struct ff_config_var *vars, size_t vars_len, struct ff_buf *out)
{
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_pair *pair = &node->pairs[i];
		const struct ff_config_var *var = NULL;
		char *name = ff_xasprintf("%s.%s", key, pair->key->text);

		for (size_t j = 0; j < vars_len && !var; j++)
			if (!strcmp(vars[j].name, pair->key->text))
				var = &vars[j];
		if (var && var->from)
			add_line(out, name, var->secret ? "***" : var->value, var->from);
		else
			explain_value(r, NULL, name, pair->value, out);
		ff_free(name);
	}
}

static bool is_mapping_of_values(enum ff_config_type type)
{
	return type == FF_TYPE_ENV || type == FF_TYPE_MATRIX || type == FF_TYPE_POOLS ||
	       type == FF_TYPE_USES || type == FF_TYPE_GROUPS || type == FF_TYPE_REPORTS ||
	       type == FF_TYPE_NAMED;
}

static void explain_section(struct ff_reader *r, enum ff_config_section section, const char *prefix,
			    const struct ff_yaml_node *node, struct ff_buf *out);

static const struct ff_yaml_node *find(const struct ff_yaml_node *node, const char *key)
{
	for (size_t i = 0; node && node->kind == FF_YAML_MAPPING && i < node->len; i++)
		if (!strcmp(node->pairs[i].key->text, key))
			return node->pairs[i].value;
	return NULL;
}

static struct ff_config_job *find_job(const struct ff_reader *r, const char *prefix)
{
	/* "jobs.NAME." */
	for (size_t i = 0; i < r->config->jobs_len; i++) {
		const char *name = r->config->jobs[i].name;
		size_t len = strlen(name);

		if (!strncmp(prefix, "jobs.", 5) && !strncmp(prefix + 5, name, len) &&
		    !strcmp(prefix + 5 + len, "."))
			return &r->config->jobs[i];
	}
	return NULL;
}

/* Lists of hosts, mappings of jobs and of values: each entry by itself. */
static void explain_entries(struct ff_reader *r, const struct ff_config_option *option,
			    const char *key, const struct ff_yaml_node *node, struct ff_buf *out)
{
	bool list = node->kind == FF_YAML_LIST;

	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *entry = list ? node->items[i] : node->pairs[i].value;
		char *name = list ? ff_xasprintf("%s[%zu]", key, i)
				  : ff_xasprintf("%s.%s", key, node->pairs[i].key->text);
		char *prefix = ff_xasprintf("%s.", name);
		bool hidden =
			option->type == FF_TYPE_JOBS && ff_compose_hidden(node->pairs[i].key->text);

		if (hidden)
			;
		else if (entry->kind == FF_YAML_MAPPING && !is_mapping_of_values(option->type))
			explain_section(r, option->child, prefix, entry, out);
		else
			explain_value(r, option, name, entry, out);
		ff_free(prefix);
		ff_free(name);
	}
}

static void explain_option(struct ff_reader *r, const struct ff_config_option *option,
			   const char *prefix, const struct ff_yaml_node *node, struct ff_buf *out)
{
	char *key = ff_xasprintf("%s%s", prefix, option->key);
	char *below = ff_xasprintf("%s.", key);
	struct ff_config_job *job = option->section == FF_SECTION_JOB ? find_job(r, prefix) : NULL;

	if (job)
		r->job = job;
	if (option->type == FF_TYPE_SECTION && (!node || node->kind == FF_YAML_MAPPING)) {
		if (node || option->child == FF_SECTION_SETTINGS ||
		    option->child == FF_SECTION_KEEP)
			explain_section(r, option->child, below, node, out);
	} else if (!node) {
		if (option->fallback)
			add_line(out, key, option->fallback, "default");
	} else if (option->type == FF_TYPE_VARS) {
		explain_vars(r, key, node, job ? job->vars : r->config->vars,
			     job ? job->vars_len : r->config->vars_len, out);
	} else if (node->kind != FF_YAML_SCALAR &&
		   (option->type == FF_TYPE_JOBS || option->type == FF_TYPE_HOSTS ||
		    option->type == FF_TYPE_RECEIVERS || is_mapping_of_values(option->type))) {
		explain_entries(r, option, key, node, out);
	} else {
		explain_value(r, option, key, node, out);
	}
	if (job)
		r->job = NULL;
	ff_free(below);
	ff_free(key);
}

static void explain_section(struct ff_reader *r, enum ff_config_section section, const char *prefix,
			    const struct ff_yaml_node *node, struct ff_buf *out)
{
	bool defaults = section != FF_SECTION_HOST && section != FF_SECTION_DEFAULTS &&
			section != FF_SECTION_NOTIFY;

	for (const struct ff_config_option *option = ff_config_options; option->key; option++) {
		const struct ff_yaml_node *value = find(node, option->key);

		if (option->section != section || (!value && !defaults) ||
		    (!value && option->only && !find(node, option->only)))
			continue;
		explain_option(r, option, prefix, value, out);
	}
}

void ff_config_explain(struct ff_reader *r, const struct ff_yaml_node *root, struct ff_buf *out)
{
	explain_section(r, FF_SECTION_TOP, "", root, out);
}
