/* ${env:NAME} and {name} in values: replaced as they are read or, where a unit has placeholders of
 * its own, noted for then. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config/private.h"
#include "config/vars.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define DIGITS	"0123456789"

enum { REPLACE_DEPTH_MAX = 8 }; /* of lists and mappings in a value: no option has more */

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

/* --- {name} in values that no unit has of its own --- */

/* "{name}" or "{{name}}" in a text. */
struct placeholder {
	const char *begin, *name;
	size_t len, name_len;
	bool doubled;
};

static bool find_placeholder(const char *text, struct placeholder *found)
{
	for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
		*found = (struct placeholder){.begin = at, .doubled = at[1] == '{'};
		found->name = at + 1 + found->doubled;
		found->name_len = strspn(found->name, LETTERS DIGITS);
		found->len = found->name_len + (found->doubled ? 4 : 2);
		if ((at > text && at[-1] == '$') || !found->name_len ||
		    strchr(DIGITS, *found->name))
			continue;
		if (found->name[found->name_len] == '}' &&
		    (!found->doubled || found->name[found->name_len + 1] == '}'))
			return true;
	}
	return false;
}

static const struct ff_config_var *find_named(const struct ff_config_var *vars, size_t len,
					      const struct placeholder *ph)
{
	for (size_t i = 0; i < len; i++)
		if (strlen(vars[i].name) == ph->name_len &&
		    !memcmp(vars[i].name, ph->name, ph->name_len))
			return &vars[i];
	return NULL;
}

/* What stands for it; NULL: it stays. */
static const char *placeholder_value(struct ff_reader *r, const struct ff_place *place,
				     const struct placeholder *ph)
{
	const struct ff_config *config = r->config;
	const struct ff_config_var *var = NULL;
	struct ff_suggest suggest;
	char *name;

	if (r->job)
		var = find_named(r->job->vars, r->job->vars_len, ph);
	if (!var)
		var = find_named(config->vars, config->vars_len, ph);
	if (var && var->secret)
		ff_mistakes_add(r->problems, place,
				"{%s} is a secret, which can stand in 'env' and 'stdin' of jobs",
				var->name);
	if (var)
		return var->value && !var->secret ? var->value : "";
	name = ff_xstrndup(ph->name, ph->name_len);
	ff_suggest_init(&suggest, name);
	if (r->job)
		ff_vars_offer(&suggest, r->job->vars, r->job->vars_len);
	ff_vars_offer(&suggest, config->vars, config->vars_len);
	if (suggest.best)
		ff_mistakes_add(r->problems, place,
				"{%s} is nothing; did you mean {%s}? ({{%s}} stands for the text "
				"itself)",
				name, suggest.best, name);
	ff_free(name);
	return NULL;
}

/* Appends what stands for the text's first part that is not itself, and what is before it; how much
 * of the text that was, 0: there is none. */
static size_t replace_next(struct ff_reader *r, const struct ff_place *place, const char *text,
			   bool braces, struct ff_buf *out)
{
	struct placeholder ph;
	struct reference ref;
	const char *value;
	bool has_ref = find_reference(text, &ref);

	if (braces && find_placeholder(text, &ph) && (!has_ref || ph.begin < ref.begin)) {
		value = ph.doubled ? NULL : placeholder_value(r, place, &ph);
		ff_buf_add(out, text, (size_t)(ph.begin - text));
		if (value)
			ff_buf_addstr(out, value);
		else if (ph.doubled &&
			 (find_named(r->config->vars, r->config->vars_len, &ph) ||
			  (r->job && find_named(r->job->vars, r->job->vars_len, &ph))))
			ff_buf_add(out, ph.begin + 1, ph.len - 2);
		else
			ff_buf_add(out, ph.begin, ph.len);
		if (has_ref)
			reference_release(&ref);
		return (size_t)(ph.begin - text) + ph.len;
	}
	if (!has_ref)
		return 0;
	value = look_up(r, place, &ref);
	ff_buf_add(out, text, (size_t)(ref.begin - text));
	ff_buf_addstr(out, value ? value : "");
	reference_release(&ref);
	return (size_t)(ref.begin - text) + ref.len;
}

static const struct ff_yaml_node *replace_text(struct ff_reader *r, const struct ff_yaml_node *node,
					       bool braces)
{
	struct ff_place place = ff_read_place(r, node);
	struct ff_buf out = FF_BUF_INIT;
	struct ff_yaml_node *copy = NULL;
	const char *at = node->text;
	size_t len;

	if (!strchr(at, '{'))
		return node;
	while ((len = replace_next(r, &place, at, braces, &out)) > 0)
		at += len;
	ff_buf_addstr(&out, at);
	if (strcmp(ff_buf_str(&out), node->text) != 0)
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
					  bool braces, unsigned depth)
{
	struct ff_yaml_node *copy = NULL;

	if (node->kind == FF_YAML_SCALAR)
		return replace_text(r, node, braces);
	for (size_t i = 0; depth < REPLACE_DEPTH_MAX && i < node->len; i++) {
		bool list = node->kind == FF_YAML_LIST;
		struct ff_yaml_node *child = list ? node->items[i] : node->pairs[i].value;
		const struct ff_yaml_node *other = replace(r, child, braces, depth + 1);
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
	return r->nodes ? replace(r, node, true, 0) : node;
}

const struct ff_yaml_node *ff_vars_replace_environment(struct ff_reader *r,
						       const struct ff_yaml_node *node)
{
	return r->nodes ? replace(r, node, false, 0) : node;
}

/* --- for later --- */

static bool has_var(const struct ff_config_job *job, const char *name)
{
	for (size_t i = 0; i < job->vars_len; i++)
		if (!strcmp(job->vars[i].name, name))
			return true;
	return false;
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

		if (value && !has_var(job, name))
			*ff_vars_add(r, job) =
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
