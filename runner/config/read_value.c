/* Single values: one reader for each type of option. Knows no section. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "config/private.h"
#include "config/read.h"
#include "config/vars.h"

enum { GOT_MAX = 60 }; /* bytes of a wrong value that messages show */

struct ff_place ff_read_place(const struct ff_reader *r, const struct ff_yaml_node *node)
{
	return (struct ff_place){.file = node->source ? node->source->name : r->config->path,
				 .line = node->line,
				 .column = node->column};
}

const char *ff_read_directory(const struct ff_reader *r, const struct ff_yaml_node *node)
{
	return node->source ? node->source->directory : r->config->directory;
}

static const char *got(const struct ff_yaml_node *node, char *text, size_t size)
{
	if (node->kind == FF_YAML_LIST)
		return "a list";
	if (node->kind == FF_YAML_MAPPING)
		return "a mapping";
	if (ff_yaml_is_null(node))
		return "nothing";
	if (node->len <= GOT_MAX) {
		snprintf(text, size, "'%s'", node->text);
	} else {
		int len = GOT_MAX;

		while (((unsigned char)node->text[len] & 0xc0) == 0x80)
			len--;
		snprintf(text, size, "'%.*s...'", len, node->text);
	}
	return text;
}

static const struct ff_place *at(struct ff_reader *r, const struct ff_yaml_node *node)
{
	r->at = ff_read_place(r, node);
	return &r->at;
}

void ff_read_complain(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node)
{
	char want[FF_OPTION_WANTS_MAX], have[GOT_MAX + 8], hint[FF_SUGGEST_TEXT_MAX] = "";

	if (node->kind == FF_YAML_SCALAR)
		ff_option_suggest(option, node->text, hint);
	ff_mistakes_add(r->problems, at(r, node), "'%s' wants %s, got %s%s", option->key,
			ff_option_wants(option, want), got(node, have, sizeof(have)), hint);
}

static bool is_text(const struct ff_yaml_node *node)
{
	return node->kind == FF_YAML_SCALAR && !ff_yaml_is_null(node);
}

static bool read_text(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node, void *member)
{
	if (!is_text(node) || (!node->len && !option->may_be_empty))
		return false;
	*(char **)member = ff_config_keep(r->config, node->text);
	return true;
}

/* Numbers of all kinds, and booleans. */
static bool read_parsed(struct ff_reader *r, const struct ff_config_option *option,
			const struct ff_yaml_node *node, void *member)
{
	return is_text(node) && !ff_option_parse(option, node->text, member);
}

/* A duration, or a percentage, which is kept elsewhere. */
static bool read_limit(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node, void *member)
{
	struct ff_config_job *job = (void *)((char *)member - option->offset);
	int64_t percent = is_text(node) ? ff_option_percent(node->text) : -1;

	if (percent < 0)
		return read_parsed(r, option, node, member);
	job->timeout_percent = percent;
	if (percent <= 100 || percent > 1000000)
		ff_mistakes_add(r->problems, at(r, node),
				"'%s' wants more than 100%% of what is usual, got '%s'",
				option->key, node->text);
	return true;
}

static bool read_number_text(struct ff_reader *r, const struct ff_config_option *option,
			     const struct ff_yaml_node *node, void *member)
{
	char text[24];
	int64_t number;

	if (!is_text(node) || ff_option_parse(option, node->text, &number))
		return false;
	snprintf(text, sizeof(text), "%lld", (long long)number);
	*(char **)member = ff_config_keep(r->config, text);
	return true;
}

static bool read_choice(struct ff_reader *r, const struct ff_config_option *option,
			const struct ff_yaml_node *node, void *member)
{
	if (!is_text(node) || !ff_option_is_choice(option, node->text))
		return false;
	if (option->stored)
		*(char **)member = ff_config_keep(r->config, node->text);
	return true;
}

/* Kept as it is written: what it comes to may depend on the host. */
static bool read_amount_text(struct ff_reader *r, const struct ff_config_option *option,
			     const struct ff_yaml_node *node, void *member)
{
	struct ff_config_amount amount;

	if (!is_text(node) || ff_option_amount(option, node->text, &amount))
		return false;
	*(char **)member = ff_config_keep(r->config, node->text);
	return true;
}

/* Relative paths are meant from the file's folder; "-" stays (a reporter's standard output). */
static char *make_path(struct ff_reader *r, const struct ff_yaml_node *node, const char *text)
{
	const char *directory = ff_read_directory(r, node);
	char *joined, *kept;

	while (!strncmp(text, "./", 2))
		text += 2 + strspn(text + 2, "/");
	if (!*text || !strcmp(text, "."))
		return ff_config_keep(r->config, directory);
	if (*text == '/' || !strcmp(text, "-"))
		return ff_config_keep(r->config, text);
	joined = ff_xasprintf("%s/%s", directory, text);
	kept = ff_config_keep(r->config, joined);
	ff_free(joined);
	return kept;
}

static bool read_path(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node, void *member)
{
	if (!is_text(node) || !node->len)
		return false;
	*(char **)member = make_path(r, node, node->text);
	return true;
}

static bool read_folder(struct ff_reader *r, const struct ff_config_option *option,
			const struct ff_yaml_node *node, void *member)
{
	struct stat st;
	char *path;

	if (!is_text(node) || !node->len)
		return false;
	path = make_path(r, node, node->text);
	if (stat(path, &st))
		ff_mistakes_add(r->problems, at(r, node), "'%s' wants a folder, got '%s': %s",
				option->key, node->text, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		ff_mistakes_add(r->problems, at(r, node), "'%s' wants a folder, got '%s': %s",
				option->key, node->text, strerror(ENOTDIR));
	*(char **)member = path;
	return true;
}

static struct ff_place *new_places(struct ff_reader *r, const struct ff_config_option *option,
				   void *member, size_t len)
{
	char *target = (char *)member - option->offset;
	struct ff_place *places;

	if (!option->placed)
		return NULL;
	places = ff_config_take(r->config, len * sizeof(*places));
	*(struct ff_place **)(void *)(target + option->place) = places;
	return places;
}

/* Elements of a list that must all be text; false if it is no list. */
static bool read_list(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node, struct ff_strv *strv)
{
	if (node->kind != FF_YAML_LIST)
		return false;
	for (size_t i = 0; i < node->len; i++) {
		char have[GOT_MAX + 8];

		if (is_text(node->items[i]))
			ff_config_add_text(strv, node->items[i]->text);
		else
			ff_mistakes_add(r->problems, at(r, node->items[i]),
					"'%s' wants text in its list, got %s", option->key,
					got(node->items[i], have, sizeof(have)));
	}
	return true;
}

static bool read_texts(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node, void *member)
{
	struct ff_strv *strv = member;
	struct ff_place *places;

	if (is_text(node)) {
		ff_config_add_text(strv, node->text);
		places = new_places(r, option, member, 1);
		if (places)
			*places = ff_read_place(r, node);
		return true;
	}
	if (!read_list(r, option, node, strv))
		return false;
	places = new_places(r, option, member, node->len);
	for (size_t i = 0, known = 0; places && i < node->len; i++)
		if (is_text(node->items[i]))
			places[known++] = ff_read_place(r, node->items[i]);
	return true;
}

/* Its text is put in when a unit is made, or before a host is opened (`job` NULL). */
static void read_secret(struct ff_reader *r, struct ff_config_job *job, const char *name,
			const struct ff_yaml_node *value, struct ff_strv *env)
{
	struct ff_config_secret *secret = ff_vars_secret(r, value);
	char *text, *entry;

	if (!secret)
		return;
	text = ff_vars_place_secret(r, job, secret);
	entry = ff_xasprintf("%s=%s", name, text);
	ff_config_add_text(env, entry);
	ff_free(text);
	ff_free(entry);
}

static bool read_env(struct ff_reader *r, const struct ff_config_option *option,
		     const struct ff_yaml_node *node, void *member)
{
	struct ff_strv *strv = member;

	if (node->kind != FF_YAML_MAPPING)
		return false;
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *name = node->pairs[i].key;
		const struct ff_yaml_node *value = node->pairs[i].value;
		char have[GOT_MAX + 8], *entry;

		if (!name->len || strchr(name->text, '=')) {
			ff_mistakes_add(r->problems, at(r, name),
					"'%s' has '%s', which can't name a variable", option->key,
					name->text);
			continue;
		}
		/* What others say of hosts must not find out what is on this machine. */
		if (ff_vars_is_secret(value) && r->nodes) {
			read_secret(r, option->braces ? r->job : NULL, name->text, value, member);
			continue;
		}
		if (value->kind != FF_YAML_SCALAR) {
			ff_mistakes_add(
				r->problems, at(r, value),
				ff_vars_is_secret(value)
					? "environment variable '%s': secrets are for the file "
					  "itself, got %s"
					: "environment variable '%s' wants text, got %s",
				name->text, got(value, have, sizeof(have)));
			continue;
		}
		entry = ff_xasprintf("%s=%s", name->text,
				     ff_yaml_is_null(value) ? "" : value->text);
		ff_config_add_text(strv, entry);
		ff_free(entry);
	}
	return true;
}

static bool read_words(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node, void *member)
{
	struct ff_strv *strv = member;
	struct ff_err err;
	size_t before = strv->len;

	if (ff_yaml_is_null(node))
		return true;
	if (node->kind != FF_YAML_SCALAR)
		return read_list(r, option, node, strv);
	if (ff_strv_split(strv, node->text, &err))
		ff_mistakes_add(r->problems, at(r, node), "'%s': %s", option->key, err.text);
	for (size_t i = before; option->braces && i < strv->len; i++) {
		struct ff_yaml_node word = *node;

		word.text = strv->v[i];
		ff_vars_note(r, r->job, &word);
	}
	return true;
}

static bool read_command(struct ff_reader *r, const struct ff_config_option *option,
			 const struct ff_yaml_node *node, void *member)
{
	struct ff_config_job *job = member;

	if (node->kind == FF_YAML_LIST && node->len)
		return read_list(r, option, node, &job->args);
	if (!is_text(node) || !node->text[strspn(node->text, " \t\r\n")])
		return false;
	job->shell = ff_config_keep(r->config, node->text);
	return true;
}

/* Letters, digits and what file names have beside them. */
static bool is_plain_name(const struct ff_yaml_node *node)
{
	return node->len && !strchr("-.", *node->text) &&
	       !node->text[strspn(node->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					      "0123456789_.-")];
}

/* One number of `pools` or `uses`; false: it is told what is wrong with it. */
static bool read_amount(struct ff_reader *r, const struct ff_config_option *option,
			const struct ff_yaml_pair *pair, int64_t *amount)
{
	char want[FF_OPTION_WANTS_MAX], have[GOT_MAX + 8];
	struct ff_config_option number = *option;

	number.type = FF_TYPE_NUMBER;
	if (!is_plain_name(pair->key))
		ff_mistakes_add(r->problems, at(r, pair->key),
				"'%s' can't name a pool: letters, digits, '_', '-' and '.'",
				pair->key->text);
	else if (!is_text(pair->value) || ff_option_parse(&number, pair->value->text, amount))
		ff_mistakes_add(r->problems, at(r, pair->value), "pool '%s' wants %s, got %s",
				pair->key->text, ff_option_wants(&number, want),
				got(pair->value, have, sizeof(have)));
	else
		return true;
	return false;
}

static bool read_pools(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_node *node, void *member)
{
	struct ff_config *config = r->config;

	if (node->kind != FF_YAML_MAPPING)
		return false;
	config->pools = ff_config_take(config, node->len * sizeof(*config->pools));
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		struct ff_config_pool pool = {.place = ff_read_place(r, key)};

		pool.name = ff_config_keep(config, key->text);
		/* A pool with a wrong size is kept, so that its uses are not called wrong, too. */
		if (!read_amount(r, option, &node->pairs[i], &pool.size))
			pool.size = INT64_MAX;
		config->pools[config->pools_len++] = pool;
	}
	return true;
}

/* The pools may come further down the file: they are looked up at its end. */
static bool read_uses(struct ff_reader *r, const struct ff_config_option *option,
		      const struct ff_yaml_node *node, void *member)
{
	struct ff_config_job *job = member;

	if (node->kind != FF_YAML_MAPPING)
		return false;
	job->uses = ff_config_take(r->config, node->len * sizeof(*job->uses));
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		struct ff_config_use use = {.place = ff_read_place(r, key)};

		if (!read_amount(r, option, &node->pairs[i], &use.amount))
			continue;
		use.name = ff_config_keep(r->config, key->text);
		job->uses[job->uses_len++] = use;
	}
	return true;
}

/* A list is joined: its elements are terms of one pattern. */
static bool read_group(struct ff_reader *r, const struct ff_config_option *option,
		       const struct ff_yaml_pair *pair, struct ff_config_group *group)
{
	const struct ff_yaml_node *value = pair->value;
	struct ff_strv texts = FF_STRV_INIT;
	struct ff_buf pattern = FF_BUF_INIT;
	bool ok = true;

	if (is_text(value))
		ff_config_add_text(&texts, value->text);
	else
		ok = read_list(r, option, value, &texts);
	for (size_t i = 0; i < texts.len; i++)
		if (ff_buf_addf(&pattern, "%s%s", i ? "," : "", texts.v[i]))
			ok = false;
	group->name = ff_config_keep(r->config, pair->key->text);
	group->place = ff_read_place(r, pair->key);
	group->pattern = ff_config_keep(r->config, pattern.len ? ff_buf_str(&pattern) : "");
	ff_buf_release(&pattern);
	ff_strv_release(&texts);
	return ok && !(is_text(value) && !value->len);
}

static bool read_groups(struct ff_reader *r, const struct ff_config_option *option,
			const struct ff_yaml_node *node, void *member)
{
	struct ff_config_group *groups;

	if (node->kind != FF_YAML_MAPPING)
		return false;
	if (node->len > FF_CONFIG_GROUPS_MAX - r->config->groups_len) {
		ff_mistakes_add(r->problems, at(r, node), "more than %d groups",
				FF_CONFIG_GROUPS_MAX);
		return true;
	}
	groups = ff_read_more_groups(r, node->len);
	for (size_t i = 0; i < node->len; i++) {
		char have[GOT_MAX + 8];

		if (!read_group(r, option, &node->pairs[i], &groups[i]))
			ff_mistakes_add(r->problems, at(r, node->pairs[i].value),
					"group '%s' wants a host pattern or a list of them, got %s",
					node->pairs[i].key->text,
					got(node->pairs[i].value, have, sizeof(have)));
	}
	return true;
}

static bool read_reports(struct ff_reader *r, const struct ff_config_option *option,
			 const struct ff_yaml_node *node, void *member)
{
	struct ff_config *config = r->config;

	if (node->kind != FF_YAML_MAPPING)
		return false;
	config->reports = ff_config_take(config, node->len * sizeof(*config->reports));
	for (size_t i = 0; i < node->len; i++) {
		const struct ff_yaml_node *key = node->pairs[i].key;
		const struct ff_yaml_node *value = node->pairs[i].value;
		struct ff_config_report *report = &config->reports[config->reports_len];
		char have[GOT_MAX + 8];

		if (!is_text(value) || !value->len) {
			ff_mistakes_add(r->problems, at(r, value), "'%s' wants a path, got %s",
					key->text, got(value, have, sizeof(have)));
			continue;
		}
		report->place = ff_read_place(r, key);
		report->name = ff_config_keep(config, key->text);
		report->path = make_path(r, value, value->text);
		report->text = ff_config_keep(config, value->text);
		config->reports_len++;
	}
	return true;
}

/* --- what a tree leaves out --- */

static bool read_exclude(struct ff_reader *r, const struct ff_config_option *option,
			 const struct ff_yaml_node *node, void *member)
{
	struct ff_yaml_node *const *items = node->kind == FF_YAML_LIST ? node->items : NULL;
	size_t len = items ? node->len : 1;

	if (!items && !is_text(node))
		return false;
	for (size_t i = 0; i < len; i++) {
		const struct ff_yaml_node *item = items ? items[i] : node;
		const char *why = is_text(item) ? ff_config_pattern_fault(item->text) : NULL;

		if (why)
			ff_mistakes_add(r->problems, at(r, item), "'%s': '%s' %s", option->key,
					item->text, why);
	}
	return read_texts(r, option, node, member);
}

static bool read_exclude_from(struct ff_reader *r, const struct ff_config_option *option,
			      const struct ff_yaml_node *node, void *member)
{
	struct ff_strv given = FF_STRV_INIT, *files = member;
	const struct ff_yaml_node *item = node;

	if (is_text(node))
		ff_config_add_text(&given, node->text);
	else if (!read_list(r, option, node, &given))
		return false;
	if (given.len > FF_CONFIG_EXCLUDE_FROM_MAX)
		ff_mistakes_add(r->problems, at(r, node), "'%s' has more than %d files",
				option->key, FF_CONFIG_EXCLUDE_FROM_MAX);
	for (size_t i = 0; i < given.len; i++) {
		bool is_path = strchr(given.v[i], '/') != NULL;
		const char *file = is_path ? make_path(r, node, given.v[i]) : given.v[i];

		if (node->kind == FF_YAML_LIST && given.len == node->len)
			item = node->items[i];
		if (!*file || !strcmp(file, ".") || !strcmp(file, ".."))
			ff_mistakes_add(r->problems, at(r, item), "'%s' names no file: '%s'",
					option->key, file);
		else if (is_path && access(file, R_OK))
			ff_mistakes_add(r->problems, at(r, item), "'%s': %s: %s", option->key,
					given.v[i], strerror(errno));
		ff_config_add_text(files, file);
	}
	ff_strv_release(&given);
	return true;
}

static ff_read_fn *const readers[FF_TYPES] = {
	[FF_TYPE_TEXT] = read_text,
	[FF_TYPE_NUMBER] = read_parsed,
	[FF_TYPE_NUMBER_OR_ALL] = read_parsed,
	[FF_TYPE_NUMBER_TEXT] = read_number_text,
	[FF_TYPE_BOOLEAN] = read_parsed,
	[FF_TYPE_FACTOR] = read_parsed,
	[FF_TYPE_PERCENT] = read_parsed,
	[FF_TYPE_LIMIT] = read_limit,
	[FF_TYPE_DURATION] = read_parsed,
	[FF_TYPE_SIZE] = read_parsed,
	[FF_TYPE_CHOICE] = read_choice,
	[FF_TYPE_MEMORY] = read_amount_text,
	[FF_TYPE_CPU] = read_amount_text,
	[FF_TYPE_PATH] = read_path,
	[FF_TYPE_FOLDER] = read_folder,
	[FF_TYPE_TEXTS] = read_texts,
	[FF_TYPE_STEPS] = ff_read_steps,
	[FF_TYPE_NEEDS] = ff_read_needs,
	[FF_TYPE_ENV] = read_env,
	[FF_TYPE_WORDS] = read_words,
	[FF_TYPE_COMMAND] = read_command,
	[FF_TYPE_MATRIX] = ff_read_matrix,
	[FF_TYPE_FOREACH] = ff_read_foreach,
	[FF_TYPE_POOLS] = read_pools,
	[FF_TYPE_USES] = read_uses,
	[FF_TYPE_EXCLUDE] = read_exclude,
	[FF_TYPE_EXCLUDE_FROM] = read_exclude_from,
	[FF_TYPE_GROUPS] = read_groups,
	[FF_TYPE_SECRET_TEXT] = ff_read_secret_text,
	[FF_TYPE_NAMED] = ff_read_named,
	[FF_TYPE_TEMPLATE] = read_text,
	[FF_TYPE_LINKS] = ff_read_links,
	[FF_TYPE_WHENS] = ff_read_whens,
	[FF_TYPE_RECEIVERS] = ff_read_receivers,
	[FF_TYPE_REPORTS] = read_reports,
	[FF_TYPE_VARS] = ff_vars_read,
};

void ff_read_value(struct ff_reader *r, const struct ff_config_option *option,
		   const struct ff_yaml_node *node, void *target)
{
	/* Types that fill several members are not `stored` and get the whole struct: offset 0. */
	void *member = (char *)target + option->offset;

	bool is_split = option->type == FF_TYPE_WORDS && node->kind == FF_YAML_SCALAR;

	/* A text that is split is noted word by word; variables and steps are one by one. */
	if (option->braces && !is_split)
		ff_vars_note(r, r->job, node);
	else if (option->type == FF_TYPE_TEMPLATE || option->type == FF_TYPE_LINKS)
		node = ff_vars_replace_environment(r, node);
	else if (!option->braces && option->type != FF_TYPE_VARS && option->type != FF_TYPE_STEPS &&
		 option->type != FF_TYPE_RECEIVERS)
		node = ff_vars_replace(r, node);
	if (!readers[option->type](r, option, node, member))
		ff_read_complain(r, option, node);
	else if (option->placed && option->type != FF_TYPE_TEXTS)
		*(struct ff_place *)(void *)((char *)target + option->place) =
			ff_read_place(r, node);
}

/* --- for other readers --- */

_Static_assert(FF_READ_GOT_MAX >= GOT_MAX + 8, "what is shown fits");

const char *ff_read_got(const struct ff_yaml_node *node, char text[FF_READ_GOT_MAX])
{
	return got(node, text, FF_READ_GOT_MAX);
}

bool ff_read_is_text(const struct ff_yaml_node *node)
{
	return is_text(node);
}

char *ff_read_path(struct ff_reader *r, const struct ff_yaml_node *node, const char *text)
{
	return make_path(r, node, text);
}

bool ff_read_list(struct ff_reader *r, const struct ff_config_option *option,
		  const struct ff_yaml_node *node, struct ff_strv *strv)
{
	return read_list(r, option, node, strv);
}
