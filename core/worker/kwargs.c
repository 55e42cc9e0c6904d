/* Checked access to the arguments of built-ins: they come from outside. */
#include "worker/kwargs.h"

#include <string.h>

static bool is_text(const struct ff_value *value)
{
	return (value->kind == FF_STR || value->kind == FF_BYTES) &&
	       !memchr(value->text, '\0', value->len);
}

static int no_memory(struct ff_err *err)
{
	return ff_err_set(err, FF_ENOMEM, "out of memory");
}

int ff_kwargs_strv(const struct ff_value *kwargs, const char *key, struct ff_strv *strv,
		   struct ff_err *err)
{
	const struct ff_value *list = ff_dict_get(kwargs, key);
	size_t i;

	if (!list || (list->kind != FF_LIST && list->kind != FF_TUPLE) || !list->len)
		return ff_err_set(err, FF_EINVAL, "%s must be a list of str", key);
	for (i = 0; i < list->len; i++) {
		if (!is_text(&list->items[i]))
			return ff_err_set(err, FF_EINVAL, "%s must be a list of str", key);
		if (ff_strv_add(strv, list->items[i].text))
			return no_memory(err);
	}
	return 0;
}

int ff_kwargs_text(const struct ff_value *kwargs, const char *key, const char **text,
		   struct ff_err *err)
{
	const struct ff_value *value = ff_dict_get(kwargs, key);

	if (!value || value->kind == FF_NONE) {
		*text = NULL;
		return 0;
	}
	if (!is_text(value))
		return ff_err_set(err, FF_EINVAL, "%s must be a str", key);
	*text = value->text;
	return 0;
}

/* The last entry for a name counts, as in a dict. */
static const struct ff_value *overriding(const struct ff_value *env, const char *entry, size_t len)
{
	const struct ff_value *name;
	size_t i;

	for (i = env->len; i-- > 0;) {
		name = &env->items[2 * i];
		if (name->len == len && !memcmp(name->text, entry, len))
			return name;
	}
	return NULL;
}

static int check_env(const struct ff_value *env, struct ff_err *err)
{
	const struct ff_value *name, *value;
	size_t i;

	if (env->kind != FF_DICT)
		return ff_err_set(err, FF_EINVAL, "env must be a dict of str to str or None");
	for (i = 0; i < env->len; i++) {
		name = &env->items[2 * i];
		value = name + 1;
		if (!is_text(name) || !name->len || memchr(name->text, '=', name->len) ||
		    (value->kind != FF_NONE && !is_text(value)))
			return ff_err_set(err, FF_EINVAL,
					  "env must be a dict of str to str or None");
	}
	return 0;
}

int ff_kwargs_env(const struct ff_value *kwargs, char *const *environment, struct ff_strv *strv,
		  struct ff_err *err)
{
	const struct ff_value *env = ff_dict_get(kwargs, "env"), *name;
	size_t i;

	if (!env || env->kind == FF_NONE)
		return 0;
	if (check_env(env, err))
		return FF_EINVAL;
	if (!env->len)
		return 0;
	for (; *environment; environment++) {
		size_t len = strcspn(*environment, "=");

		if (!overriding(env, *environment, len) && ff_strv_add(strv, *environment))
			return no_memory(err);
	}
	for (i = 0; i < env->len; i++) {
		name = &env->items[2 * i];
		if (name[1].kind == FF_NONE || overriding(env, name->text, name->len) != name)
			continue;
		if (ff_strv_addf(strv, "%s=%s", name->text, name[1].text))
			return no_memory(err);
	}
	return 0;
}
