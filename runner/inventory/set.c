/* Sets of names as they are listed: "n[1-5],m1!n3". What the pattern of the same text chooses from
 * hosts, here it makes. Knows no xspec. */
#include <string.h>

#include "base/alloc.h"
#include "inventory/private.h"

static int out_of_memory(struct ff_err *err)
{
	return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
}

/* The names of all plain terms, each once, in the order written. */
static int gather(struct ff_strv *names, const char *text, struct ff_err *err)
{
	struct ff_map seen = FF_MAP_INIT;
	struct ff_term term;
	int rc = 0;

	while (!rc && ff_term_next(&text, &term)) {
		struct ff_strv more = FF_STRV_INIT;
		char *plain =
			ff_xasprintf("%s%.*s", term.group ? "@" : "", (int)term.len, term.text);

		if (!term.sign)
			rc = ff_range_expand(&more, plain, err);
		for (size_t i = 0; i < more.len && !rc; i++) {
			if (ff_map_get(&seen, more.v[i]))
				continue;
			if (ff_map_set(&seen, more.v[i], names) || ff_strv_add(names, more.v[i]))
				rc = out_of_memory(err);
		}
		ff_strv_release(&more);
		ff_free(plain);
	}
	ff_map_release(&seen);
	return rc;
}

static bool is_left(const char *name, const char *text)
{
	struct ff_term term;

	while (ff_term_next(&text, &term))
		if (term.sign && ff_term_names(&term, name) == (term.sign == '!'))
			return false;
	return true;
}

bool ff_is_set(const char *text)
{
	struct ff_term term;

	return strpbrk(text, ",!&") && ff_term_next(&text, &term) && (*text || term.sign);
}

int ff_set_expand(struct ff_strv *out, const char *text, struct ff_err *err)
{
	struct ff_strv names = FF_STRV_INIT;
	size_t before = out->len;
	int rc;

	if (!ff_is_set(text))
		return ff_range_expand(out, text, err);
	rc = ff_pattern_check(text, err);
	if (!rc)
		rc = gather(&names, text, err);
	for (size_t i = 0; i < names.len && !rc; i++)
		if (is_left(names.v[i], text) && ff_strv_add(out, names.v[i]))
			rc = out_of_memory(err);
	ff_strv_release(&names);
	if (!rc && out->len == before)
		rc = ff_err_set(err, FF_EINVAL, "nothing is left of '%s'", text);
	return rc;
}
