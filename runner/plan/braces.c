/* {name} in a job's texts. Commands are full of other braces: only what is written exactly like a
 * placeholder, with a name that there is, is one; what is nearly one is refused by the check. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "plan/private.h"
#include "plan/shell.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define INDEX	"index"

bool ff_plan_has_braces(const struct ff_config_job *config)
{
	return config->axes_len || config->count || config->vars_len;
}

static const struct ff_config_var *find_var(const struct ff_config_job *config, const char *name,
					    size_t len)
{
	for (size_t i = 0; i < config->vars_len; i++)
		if (strlen(config->vars[i].name) == len && !memcmp(config->vars[i].name, name, len))
			return &config->vars[i];
	return NULL;
}

/* The axis, axes_len for {index}, or more: there is none. */
static size_t find_axis(const struct ff_config_job *config, const char *name, size_t len)
{
	for (size_t i = 0; i < config->axes_len; i++)
		if (strlen(config->axes[i].name) == len && !memcmp(config->axes[i].name, name, len))
			return i;
	if (config->count && len == strlen(INDEX) && !memcmp(name, INDEX, len))
		return config->axes_len;
	return SIZE_MAX;
}

static bool is_awk(const char *name)
{
	static const char *const words[] = {"print", "next", "exit", "getline", "nextfile"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(name, words[i]))
			return true;
	return false;
}

const char *ff_plan_brace_hint(const struct ff_config_job *config, const struct ff_brace *brace,
			       char hint[FF_SUGGEST_TEXT_MAX])
{
	char *name = ff_xstrndup(brace->name, brace->name_len);
	struct ff_suggest suggest;

	ff_suggest_init(&suggest, name);
	for (size_t i = 0; i < config->axes_len && !is_awk(name); i++) {
		/* One letter for another is no slip, but a capital may be. */
		if (!strcasecmp(name, config->axes[i].name))
			suggest.best = config->axes[i].name;
		else if (!suggest.best || strcasecmp(name, suggest.best))
			ff_suggest_offer(&suggest, config->axes[i].name);
	}
	for (size_t i = 0; i < config->vars_len && !is_awk(name); i++) {
		const char *other = config->vars[i].name;

		/* What is not written in plain braces has a colon. */
		if (!strchr(other, ':') && (!suggest.best || strcasecmp(name, suggest.best)))
			ff_suggest_offer(&suggest, other);
	}
	if (!is_awk(name) && (config->count || config->axes_len))
		ff_suggest_offer(&suggest, INDEX);
	*hint = '\0';
	if (suggest.best)
		snprintf(hint, FF_SUGGEST_TEXT_MAX, "{%s}", suggest.best);
	ff_free(name);
	return hint;
}

/* "{ name :format}" without what is around it. */
static struct ff_brace read_brace(const struct ff_config_job *config, const char *at)
{
	struct ff_brace brace = {.kind = FF_BRACE_NONE, .len = 1};
	const char *end, *format = NULL;
	char hint[FF_SUGGEST_TEXT_MAX];
	bool blanks;

	brace.name = at + 1 + strspn(at + 1, " ");
	if (!*brace.name || !strchr(LETTERS, *brace.name))
		return brace;
	brace.name_len = strspn(brace.name, LETTERS "0123456789");
	end = brace.name + brace.name_len;
	if (*end == ':') {
		format = end + 1;
		end += strcspn(end, "{}");
	}
	end += strspn(end, " ");
	blanks = brace.name > at + 1 || end[-1] == ' ';
	if (*end != '}')
		return brace;
	brace.axis = find_axis(config, brace.name, brace.name_len);
	if (brace.axis == SIZE_MAX)
		brace.var = find_var(config, brace.name, brace.name_len);
	if (brace.axis == SIZE_MAX && !brace.var && !*ff_plan_brace_hint(config, &brace, hint))
		return brace;
	brace.len = (size_t)(end + 1 - at);
	brace.kind = FF_BRACE_WRONG;
	if ((brace.axis == SIZE_MAX && !brace.var) || blanks)
		return brace;
	if (!format)
		brace.kind = FF_BRACE_VALUE;
	else if (!strncmp(format, "raw}", 4))
		brace.kind = FF_BRACE_RAW;
	return brace;
}

/* ${env:NAME}, and the secrets that reading has put into texts. */
static struct ff_brace read_dollar(const struct ff_config_job *config, const char *at)
{
	struct ff_brace brace = {.kind = FF_BRACE_NONE, .len = 1, .axis = SIZE_MAX};

	if (strncmp(at, "{env:", 5) != 0 && strncmp(at, "{farflung-secret:", 17) != 0)
		return brace;
	brace.name = at + 1;
	brace.name_len = strcspn(brace.name, "}");
	brace.var = find_var(config, brace.name, brace.name_len);
	if (!brace.var)
		return brace;
	brace.kind = FF_BRACE_VALUE;
	brace.len = brace.name_len + 2;
	brace.dollar = true;
	return brace;
}

struct ff_brace ff_plan_brace(const struct ff_config_job *config, const char *text, const char *at)
{
	struct ff_brace brace = {.kind = FF_BRACE_NONE, .len = 1};

	if (at > text && at[-1] == '$') /* "${size}" is the shell's */
		return read_dollar(config, at);
	if (at[1] != '{')
		return read_brace(config, at);
	brace = read_brace(config, at + 1);
	if (brace.kind == FF_BRACE_NONE || at[1 + brace.len] != '}')
		return (struct ff_brace){.kind = FF_BRACE_NONE, .len = 1};
	brace.kind = FF_BRACE_ESCAPED;
	brace.len += 2;
	return brace;
}

const char *ff_plan_value(const struct ff_plan_values *values, const struct ff_brace *brace)
{
	const char *value;

	if (brace->var)
		return ff_config_var_value(brace->var);
	value = brace->axis < values->config->axes_len ? values->axes[brace->axis] : values->index;
	return value ? value : "";
}

/* Goes on to the next brace that does not stay: what is before it has been read by the shell. */
static const char *next_brace(const struct ff_config_job *config, const char *text,
			      const char *from, struct ff_brace *brace)
{
	const char *at = strchr(from, '{');

	for (; at; at = strchr(at + brace->len, '{')) {
		*brace = ff_plan_brace(config, text, at);
		if (brace->kind != FF_BRACE_NONE)
			break;
	}
	return at;
}

/* What the brace at `at` stands for, to `out` and past the shell (NULL: the text is none of its).
 */
static void put_brace(const struct ff_plan_values *values, const struct ff_brace *brace,
		      const char *at, struct ff_shell *shell, struct ff_buf *out)
{
	enum ff_shell_place place = shell ? ff_shell_place(shell) : FF_SHELL_LITERAL;
	bool kept = place == FF_SHELL_ESCAPED || place == FF_SHELL_COMMENT;
	const char *text = at - brace->dollar;
	size_t len = brace->len + brace->dollar;

	if (brace->kind == FF_BRACE_VALUE && shell && !kept) {
		ff_shell_put(shell, ff_plan_value(values, brace), at[brace->len], out);
		return;
	}
	if (brace->kind == FF_BRACE_RAW || (brace->kind == FF_BRACE_VALUE && !shell)) {
		text = ff_plan_value(values, brace);
		len = strlen(text);
	} else if (brace->kind == FF_BRACE_ESCAPED && !kept) {
		text++;
		len -= 2;
	}
	ff_buf_add(out, text, len);
	if (shell)
		ff_shell_feed(shell, text, len);
}

void ff_plan_expand(const struct ff_plan_values *values, const char *text, bool shell,
		    struct ff_buf *out)
{
	struct ff_shell state = {.depth = 0};
	const char *done = text, *at;
	struct ff_brace brace;

	while ((at = next_brace(values->config, text, done, &brace))) {
		size_t before = (size_t)(at - done) - brace.dollar;

		ff_buf_add(out, done, before);
		if (shell)
			ff_shell_feed(&state, done, before);
		put_brace(values, &brace, at, shell ? &state : NULL, out);
		done = at + brace.len;
	}
	ff_buf_addstr(out, done);
}
