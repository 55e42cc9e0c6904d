/* Variables, and the environment in values. Knows no option but `vars`. */
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

enum { REPLACE_DEPTH_MAX = 8 }; /* of lists and mappings in a value: no option has more */

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

/* --- ${env:NAME} --- */

/* "${env:NAME:-default}" in a text. */
struct reference {
	const char *begin;
	size_t len; /* of all of it */
	bool secret, right;
	char *name, *fallback; /* malloc'd; fallback NULL: none */
};

static void reference_release(struct reference *ref)
{
	ff_free(ref->name);
	ff_free(ref->fallback);
}

/* "${env:-x}" and "${secret:0:3}" are the shell's. */
static bool is_reference(const char *at, bool *secret)
{
	static const char *const secrets[] = {
		"${secret:env:", "${secret:file:", "${secret:cmd:", "${" FF_VARS_SECRET ":"};

	*secret = false;
	if (!strncmp(at, "${env:", 6))
		return at[6] && strchr(LETTERS, at[6]);
	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
		*secret |= !strncmp(at, secrets[i], strlen(secrets[i]));
	return *secret;
}

static bool find_reference(const char *text, struct reference *ref)
{
	const char *at = strstr(text, "${"), *end;

	*ref = (struct reference){.begin = NULL};
	while (at && !is_reference(at, &ref->secret))
		at = strstr(at + 2, "${");
	ref->begin = at;
	if (!ref->begin)
		return false;
	end = strchr(ref->begin, '}');
	ref->len = end ? (size_t)(end + 1 - ref->begin) : strlen(ref->begin);
	at = strchr(ref->begin, ':') + 1;
	ref->name = ff_xstrndup(at, strspn(at, LETTERS DIGITS));
	at += strlen(ref->name);
	ref->right = end && *ref->name && !strchr(DIGITS, *ref->name) && !ref->secret;
	if (at[0] == ':' && at[1] == '-' && end)
		ref->fallback = ff_xstrndup(at + 2, (size_t)(end - at - 2));
	else
		ref->right &= at == end;
	return true;
}

static void complain_unset(struct ff_reader *r, const struct ff_place *place, const char *name)
{
	char hint[FF_SUGGEST_TEXT_MAX], *names[256];
	struct ff_suggest suggest;
	size_t len = 0;

	ff_suggest_init(&suggest, name);
	for (char **entry = environ; *entry && len < sizeof(names) / sizeof(*names); entry++) {
		names[len] = ff_xstrndup(*entry, strcspn(*entry, "="));
		ff_suggest_offer(&suggest, names[len++]);
	}
	ff_mistakes_add(r->problems, place,
			"${env:%s}: the environment has no '%s', and ${env:%s:-default} is not "
			"said%s",
			name, name, name, ff_suggest_text(&suggest, hint));
	while (len > 0)
		ff_free(names[--len]);
}

/* What stands for it; NULL: it is wrong. */
static const char *look_up(struct ff_reader *r, const struct ff_place *place,
			   const struct reference *ref)
{
	const char *value;

	if (!ref->right) {
		ff_mistakes_add(r->problems, place,
				ref->secret ? "'%.*s': a secret is a value of its own, as in "
					      "'NAME: {secret: env:TOKEN}'"
					    : "'%.*s' wants to be ${env:NAME} or "
					      "${env:NAME:-default}",
				(int)(ref->len < 60 ? ref->len : 60), ref->begin);
		return NULL;
	}
	value = getenv(ref->name);
	if (ref->fallback && (!value || !*value))
		return ref->fallback;
	if (!value)
		complain_unset(r, place, ref->name);
	else if (!ff_vars_is_utf8(value))
		ff_mistakes_add(r->problems, place, "${env:%s}: its value is not UTF-8", ref->name);
	else
		return value;
	return NULL;
}

static const struct ff_yaml_node *replace_text(struct ff_reader *r, const struct ff_yaml_node *node)
{
	struct ff_place place = ff_read_place(r, node);
	struct ff_buf out = FF_BUF_INIT;
	struct ff_yaml_node *copy;
	const char *at = node->text;
	struct reference ref;

	if (!strstr(at, "${"))
		return node;
	while (find_reference(at, &ref)) {
		const char *value = look_up(r, &place, &ref);

		ff_buf_add(&out, at, (size_t)(ref.begin - at));
		ff_buf_addstr(&out, value ? value : "");
		at = ref.begin + ref.len;
		reference_release(&ref);
	}
	if (at == node->text)
		return node;
	ff_buf_addstr(&out, at);
	copy = ff_arena_alloc(r->nodes, sizeof(*copy));
	if (copy) {
		*copy = *node;
		copy->plain = false;
		copy->len = out.len;
		copy->text = ff_arena_copy(r->nodes, ff_buf_data(&out), out.len);
	}
	ff_buf_release(&out);
	return copy && copy->text ? copy : node;
}

static const struct ff_yaml_node *replace(struct ff_reader *r, const struct ff_yaml_node *node,
					  unsigned depth)
{
	struct ff_yaml_node *copy = NULL;

	if (node->kind == FF_YAML_SCALAR)
		return replace_text(r, node);
	for (size_t i = 0; depth < REPLACE_DEPTH_MAX && i < node->len; i++) {
		bool list = node->kind == FF_YAML_LIST;
		struct ff_yaml_node *child = list ? node->items[i] : node->pairs[i].value;
		const struct ff_yaml_node *other = replace(r, child, depth + 1);
		size_t size = node->len * (list ? sizeof(*node->items) : sizeof(*node->pairs));

		if (other == child)
			continue;
		if (!copy) {
			copy = ff_arena_alloc(r->nodes, sizeof(*copy));
			if (!copy)
				return node;
			*copy = *node;
			copy->items = ff_arena_alloc(r->nodes, size);
			if (!copy->items)
				return node;
			memcpy(copy->items, node->items, size);
		}
		memcpy(list ? (void *)&copy->items[i] : (void *)&copy->pairs[i].value,
		       (const void *)&other, sizeof(struct ff_yaml_node *));
	}
	return copy ? copy : node;
}

const struct ff_yaml_node *ff_vars_replace(struct ff_reader *r, const struct ff_yaml_node *node)
{
	return replace(r, node, 0);
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

static struct ff_config_var *add_to_job(struct ff_reader *r, struct ff_config_job *job)
{
	return add_var(r->config, &job->vars, &job->vars_len, &job->vars_cap);
}

static struct ff_config_var *find_var(struct ff_config_var *vars, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++)
		if (!strcmp(vars[i].name, name))
			return &vars[i];
	return NULL;
}

static void note_text(struct ff_reader *r, struct ff_config_job *job,
		      const struct ff_yaml_node *node)
{
	struct ff_place place = ff_read_place(r, node);
	const char *at = node->text;
	struct reference ref;

	while (strstr(at, "${") && find_reference(at, &ref)) {
		const char *value = look_up(r, &place, &ref);
		char *name = ff_xstrndup(ref.begin + 2, ref.len > 3 ? ref.len - 3 : 0);

		if (value && !find_var(job->vars, job->vars_len, name))
			*add_to_job(r, job) =
				(struct ff_config_var){.name = ff_config_keep(r->config, name),
						       .value = ff_config_keep(r->config, value),
						       .place = place};
		at = ref.begin + ref.len;
		ff_free(name);
		reference_release(&ref);
	}
}

void ff_vars_note(struct ff_reader *r, struct ff_config_job *job, const struct ff_yaml_node *node)
{
	if (node->kind == FF_YAML_SCALAR)
		note_text(r, job, node);
	for (size_t i = 0; node->kind != FF_YAML_SCALAR && i < node->len; i++) {
		const struct ff_yaml_node *child =
			node->kind == FF_YAML_LIST ? node->items[i] : node->pairs[i].value;

		if (child->kind == FF_YAML_SCALAR)
			note_text(r, job, child);
	}
}

char *ff_vars_place_secret(struct ff_reader *r, struct ff_config_job *job,
			   struct ff_config_secret *secret)
{
	char *name = ff_xasprintf(FF_VARS_SECRET ":%zu", r->config->secrets_len++), *text;

	*add_to_job(r, job) = (struct ff_config_var){
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
		*(job ? add_to_job(r, job)
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
	for (size_t i = 0; i < config->vars_len; i++)
		ff_suggest_offer(&suggest, config->vars[i].name);
	for (size_t i = 0; i < config->jobs_len && !ff_mistakes_full(r->problems); i++)
		for (size_t j = 0; j < config->jobs[i].vars_len; j++)
			if (!strchr(config->jobs[i].vars[j].name, ':'))
				ff_suggest_offer(&suggest, config->jobs[i].vars[j].name);
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
				*add_to_job(r, job) = config->vars[j];
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
