/* Variables: those of the file, of its jobs, and what they are from outside. Knows no option but
 * `vars`. */
#include "config/vars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config/compose.h"
#include "config/private.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define DIGITS	"0123456789"

bool ff_vars_is_utf8(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		unsigned more = *at < 0x80   ? 0
				: *at < 0xc2 ? 4
				: *at < 0xe0 ? 1
				: *at < 0xf0 ? 2
					     : 3;
		bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
		bool surrogate = at[0] == 0xed && at[1] > 0x9f;

		if (more == 4 || *at > 0xf4 || overlong || surrogate ||
		    (at[0] == 0xf4 && at[1] > 0x8f))
			return false;
		for (at++; more > 0; more--, at++)
			if ((*at & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* --- variables of the file and of jobs --- */

static struct ff_config_var *add_var(struct ff_config *config, struct ff_config_var **vars,
				     size_t *len, size_t *cap)
{
	if (*len == *cap) {
		struct ff_config_var *longer;

		*cap = *cap ? *cap * 2 : 4;
		longer = ff_config_take(config, *cap * sizeof(*longer));
		if (*len)
			memcpy(longer, *vars, *len * sizeof(*longer));
		*vars = longer;
	}
	return &(*vars)[(*len)++];
}

struct ff_config_var *ff_vars_add(struct ff_reader *r, struct ff_config_job *job)
{
	return add_var(r->config, &job->vars, &job->vars_len, &job->vars_cap);
}

void ff_vars_offer(struct ff_suggest *suggest, const struct ff_config_var *vars, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(vars[i].name, ':'))
			ff_suggest_offer(suggest, vars[i].name);
}

static struct ff_config_var *find_var(struct ff_config_var *vars, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++)
		if (!strcmp(vars[i].name, name))
			return &vars[i];
	return NULL;
}

char *ff_vars_place_secret(struct ff_reader *r, struct ff_config_job *job,
			   struct ff_config_secret *secret)
{
	char *name = ff_xasprintf(FF_VARS_SECRET ":%zu", r->config->secrets_len++), *text;
	struct ff_config_var *var;

	var = job ? ff_vars_add(r, job)
		  : add_var(r->config, &r->config->host_secrets, &r->config->host_secrets_len,
			    &r->config->host_secrets_cap);
	*var = (struct ff_config_var){
		.name = ff_config_keep(r->config, name), .secret = secret, .place = secret->place};
	text = ff_xasprintf("${%s}", name);
	ff_free(name);
	return text;
}

static bool is_var_name(const char *name)
{
	return *name && !strchr(DIGITS, *name) && !name[strspn(name, LETTERS DIGITS)] &&
	       strcmp(name, "index") != 0;
}

/* What comes from outside takes the place of what the file says. */
static bool set_from_outside(struct ff_reader *r, struct ff_config_var *var)
{
	char *name = ff_xasprintf(FF_VARS_PREFIX "%s", var->name);
	const char *value = getenv(name);

	for (size_t i = r->outside_len; i-- > 0;) {
		struct ff_vars_outside *outside = &r->outside[i];

		if (strcmp(outside->name, var->name) != 0)
			continue;
		outside->used = true;
		if (var->from)
			continue; /* a later one holds */
		/* A secret stays one, whoever gives its value. */
		if (outside->secret || !var->secret)
			var->secret = outside->secret;
		else
			var->secret->value = outside->value;
		var->value = outside->value;
		var->from = outside->from;
	}
	if (value && !var->from) {
		if (!ff_vars_is_utf8(value))
			ff_mistakes_add(r->problems, &var->place, "%s is not UTF-8", name);
		var->value = ff_config_keep(r->config, value);
		if (var->secret)
			var->secret->value = var->value;
		ff_free(name);
		name = ff_xasprintf("environment " FF_VARS_PREFIX "%s", var->name);
		var->from = ff_config_keep(r->config, name);
	}
	ff_free(name);
	return var->from != NULL;
}

/* One of `vars:`, or of a file of -e. */
static bool read_var(struct ff_reader *r, const struct ff_yaml_pair *pair, char **value,
		     struct ff_config_secret **secret)
{
	const struct ff_yaml_node *node = pair->value;
	struct ff_place place = ff_read_place(r, node);

	if (ff_vars_is_secret(node)) {
		*secret = ff_vars_secret(r, node);
		return *secret != NULL;
	}
	if (node->kind != FF_YAML_SCALAR) {
		ff_mistakes_add(r->problems, &place,
				"variable '%s' wants text or {secret: ...}, got a %s",
				pair->key->text, node->kind == FF_YAML_LIST ? "list" : "mapping");
		return false;
	}
	if (!ff_yaml_is_null(node))
		*value = ff_config_keep(r->config, ff_vars_replace(r, node)->text);
	return true;
}

bool ff_vars_read(struct ff_reader *r, const struct ff_config_option *option,
		  const struct ff_yaml_node *node, void *target)
{
	struct ff_config *config = r->config;
	struct ff_config_job *job = option->section == FF_SECTION_JOB ? target : NULL;

	if (node->kind != FF_YAML_MAPPING)
		return false;
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		struct ff_config_var var = {.place = ff_read_place(r, key)};

		if (!is_var_name(key->text)) {
			ff_mistakes_add(r->problems, &var.place,
					"'%s' can't name a variable: letters, digits and '_', and "
					"not 'index'",
					key->text);
			continue;
		}
		var.name = ff_config_keep(config, key->text);
		if (!read_var(r, &node->pairs[i], &var.value, &var.secret))
			var.value = ff_config_keep(config, "");
		set_from_outside(r, &var);
		*(job ? ff_vars_add(r, job)
		      : add_var(config, &config->vars, &config->vars_len, &config->vars_cap)) = var;
	}
	return true;
}

static void check_given(struct ff_reader *r, const struct ff_config_var *vars, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!vars[i].value && !vars[i].secret)
			ff_mistakes_add(r->problems, &vars[i].place,
					"variable '%s' has no value: -e %s=VALUE gives it one, or "
					"%s%s in the environment",
					vars[i].name, vars[i].name, FF_VARS_PREFIX, vars[i].name);
}

static void complain_outside(struct ff_reader *r, const struct ff_vars_outside *outside)
{
	const struct ff_config *config = r->config;
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, outside->name);
	ff_vars_offer(&suggest, config->vars, config->vars_len);
	for (size_t i = 0; i < config->jobs_len && !ff_mistakes_full(r->problems); i++)
		ff_vars_offer(&suggest, config->jobs[i].vars, config->jobs[i].vars_len);
	ff_mistakes_add(r->problems, NULL, "%s: no variable of the file is called '%s'%s",
			outside->from, outside->name, ff_suggest_text(&suggest, hint));
}

void ff_vars_settle(struct ff_reader *r)
{
	struct ff_config *config = r->config;

	for (size_t i = 0; i < r->outside_len; i++)
		if (!r->outside[i].used)
			complain_outside(r, &r->outside[i]);
	check_given(r, config->vars, config->vars_len);
	for (size_t i = 0; i < config->jobs_len; i++) {
		struct ff_config_job *job = &config->jobs[i];
		size_t own = job->vars_len;

		check_given(r, job->vars, own);
		if (!own) {
			job->vars = config->vars;
			job->vars_len = job->vars_cap = config->vars_len;
		}
		for (size_t j = 0; own && j < config->vars_len; j++)
			if (!find_var(job->vars, own, config->vars[j].name))
				*ff_vars_add(r, job) = config->vars[j];
	}
}

/* --- the command line --- */

static struct ff_vars_outside *add_outside(struct ff_reader *r, const char *name, const char *from)
{
	struct ff_vars_outside *longer, *outside;
	size_t len = r->outside_len;

	/* Grows at powers of two. */
	if (!(len & (len - 1))) {
		longer = ff_config_take(r->config, (len ? len * 2 : 1) * sizeof(*longer));
		if (len)
			memcpy(longer, r->outside, len * sizeof(*longer));
		r->outside = longer;
	}
	outside = &r->outside[r->outside_len++];
	*outside = (struct ff_vars_outside){.name = ff_config_keep(r->config, name),
					    .from = ff_config_keep(r->config, from)};
	return outside;
}

static void read_outside_file(struct ff_reader *r, const char *path)
{
	struct ff_yaml_node *root = ff_compose_read(r, path);

	if (!root)
		return;
	if (root->kind != FF_YAML_MAPPING) {
		struct ff_place place = ff_read_place(r, root);

		ff_mistakes_add(r->problems, &place, "-e @FILE wants a mapping of names to text");
		return;
	}
	for (size_t i = 0; i < root->len; i++) {
		const struct ff_yaml_node *key = root->pairs[i].key;
		char *from = ff_xasprintf("-e @%s:%d:%d", path, key->line, key->column);
		struct ff_vars_outside *outside = add_outside(r, key->text, from);

		ff_free(from);
		if (read_var(r, &root->pairs[i], &outside->value, &outside->secret) &&
		    !outside->value && !outside->secret)
			outside->value = ff_config_keep(r->config, "");
	}
}

void ff_vars_outside(struct ff_reader *r)
{
	const struct ff_strv *given = r->opts ? r->opts->vars : NULL;

	for (size_t i = 0; given && i < given->len; i++) {
		const char *text = given->v[i], *equals = strchr(text, '=');
		char *name;

		if (*text == '@') {
			read_outside_file(r, text + 1);
			continue;
		}
		name = ff_xstrndup(text, equals ? (size_t)(equals - text) : strlen(text));
		if (!equals || !is_var_name(name))
			ff_mistakes_add(r->problems, NULL, "-e wants NAME=VALUE or @FILE, got '%s'",
					name);
		else if (!ff_vars_is_utf8(equals + 1))
			ff_mistakes_add(r->problems, NULL, "-e %s: its value is not UTF-8", name);
		else
			add_outside(r, name, "option -e")->value =
				ff_config_keep(r->config, equals + 1);
		ff_free(name);
	}
}
