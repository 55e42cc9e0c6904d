/* A template is JSON before anything is put in, and stays so: what is put in goes into texts only,
 * or takes the place of one. Pure. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "config/mistakes.h"
#include "notify/private.h"

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz_."

/* "{name}", or "{{name}}" for the text {name}. */
struct hole {
	const char *begin, *name;
	size_t len, name_len;
	bool doubled;
};

static bool find(const char *text, struct hole *hole)
{
	for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
		*hole = (struct hole){.begin = at, .doubled = at[1] == '{'};
		hole->name = at + 1 + hole->doubled;
		hole->name_len = strspn(hole->name, NAME_BYTES);
		hole->len = hole->name_len + (hole->doubled ? 4 : 2);
		if (hole->name_len && hole->name[hole->name_len] == '}' &&
		    (!hole->doubled || hole->name[hole->name_len + 1] == '}'))
			return true;
	}
	return false;
}

/* "counts.failed" is a member of a member. NULL: there is none. */
static json_t *value_of(const json_t *document, const char *name, size_t len)
{
	const char *dot = memchr(name, '.', len);
	size_t first = dot ? (size_t)(dot - name) : len;
	char *key = ff_xstrndup(name, first);
	json_t *value = json_object_get(document, key);

	ff_free(key);
	return dot && value ? value_of(value, dot + 1, len - first - 1) : value;
}

/* --- reading --- */

static int complain(const json_t *sample, const struct hole *hole, struct ff_err *err)
{
	char *name = ff_xstrndup(hole->name, hole->name_len);
	char hint[FF_SUGGEST_TEXT_MAX];
	struct ff_suggest suggest;
	const char *key;
	json_t *value;

	ff_suggest_init(&suggest, name);
	json_object_foreach((json_t *)(uintptr_t)sample, key, value)
		ff_suggest_offer(&suggest, key);
	ff_err_set(err, FF_ECONFIG, "{%s} stands for nothing%s ({{%s}} is the text itself)", name,
		   ff_suggest_text(&suggest, hint), name);
	ff_free(name);
	return FF_ECONFIG;
}

int ff_template_check(const char *text, const json_t *sample, struct ff_err *err)
{
	struct hole hole;
	int rc = 0;

	for (; !rc && find(text, &hole); text = hole.begin + hole.len)
		if (!hole.doubled && !value_of(sample, hole.name, hole.name_len))
			rc = complain(sample, &hole, err);
	return rc;
}

static int check(const json_t *template, const json_t *sample, struct ff_err *err)
{
	const char *text = json_string_value(template), *key;
	int rc = text ? ff_template_check(text, sample, err) : 0;
	size_t index;
	json_t *child;

	json_array_foreach((json_t *)(uintptr_t) template, index, child) rc =
		rc ? rc : check(child, sample, err);
	json_object_foreach((json_t *)(uintptr_t) template, key, child) rc =
		rc ? rc : check(child, sample, err);
	return rc;
}

json_t *ff_template_read(const char *text, const json_t *sample, struct ff_err *err)
{
	json_error_t where;
	json_t *template = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);

	if (!template) {
		ff_err_set(err, FF_ECONFIG, "it is no JSON: its line %d, column %d: %s", where.line,
			   where.column, where.text);
		return NULL;
	}
	if (check(template, sample, err)) {
		json_decref(template);
		return NULL;
	}
	return template;
}

/* --- filling --- */

/* As a part of a text. */
static void add_value(struct ff_buf *out, const json_t *value)
{
	size_t index;
	json_t *item;

	switch (json_typeof(value)) {
	case JSON_STRING:
		ff_buf_addstr(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		ff_buf_addf(out, "%lld", (long long)json_integer_value(value));
		break;
	case JSON_REAL:
		ff_buf_addf(out, "%.3f", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		ff_buf_addstr(out, json_is_true(value) ? "true" : "false");
		break;
	case JSON_ARRAY:
		json_array_foreach((json_t *)(uintptr_t)value, index, item)
			ff_buf_addf(out, "%s%s", index ? "\n" : "", ff_notify_get(item, "text"));
		break;
	default:
		break;
	}
}

json_t *ff_template_text(const char *text, const json_t *document)
{
	struct ff_buf out = FF_BUF_INIT;
	struct hole hole;
	json_t *filled;

	for (; find(text, &hole); text = hole.begin + hole.len) {
		ff_buf_add(&out, text, (size_t)(hole.begin - text));
		if (hole.doubled)
			ff_buf_add(&out, hole.begin + 1, hole.len - 2);
		else
			add_value(&out, value_of(document, hole.name, hole.name_len));
	}
	ff_buf_addstr(&out, text);
	filled = json_string(out.len ? ff_buf_str(&out) : "");
	ff_buf_release(&out);
	return filled;
}

static json_t *fill_text(const char *text, const json_t *document)
{
	struct hole hole;

	if (find(text, &hole) && !hole.doubled && hole.begin == text && !text[hole.len])
		return json_deep_copy(value_of(document, hole.name, hole.name_len));
	return ff_template_text(text, document);
}

json_t *ff_template_fill(const json_t *template, const json_t *document)
{
	const char *key;
	size_t index;
	json_t *child, *filled;

	switch (json_typeof(template)) {
	case JSON_STRING:
		return fill_text(json_string_value(template), document);
	case JSON_ARRAY:
		filled = json_array();
		json_array_foreach((json_t *)(uintptr_t) template, index, child)
			json_array_append_new(filled, ff_template_fill(child, document));
		return filled;
	case JSON_OBJECT:
		filled = json_object();
		json_object_foreach((json_t *)(uintptr_t) template, key, child)
			json_object_set_new(filled, key, ff_template_fill(child, document));
		return filled;
	default:
		return json_deep_copy(template);
	}
}
