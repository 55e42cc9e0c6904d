/* Vectors of strings, and shell words. Starts no shell and expands nothing. */
#include "base/strv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"

void ff_strv_init(struct ff_strv *strv)
{
	*strv = (struct ff_strv)FF_STRV_INIT;
}

static void cut(struct ff_strv *strv, size_t len)
{
	while (strv->len > len) {
		ff_free(strv->v[--strv->len]);
		strv->v[strv->len] = NULL;
	}
}

void ff_strv_release(struct ff_strv *strv)
{
	if (!strv)
		return;
	cut(strv, 0);
	ff_free(strv->v);
	ff_strv_init(strv);
}

/* Takes `text` over, also when it fails; NULL is a failed allocation of the caller. */
static int add_owned(struct ff_strv *strv, char *text)
{
	if (!text)
		return FF_ENOMEM;
	if (strv->len + 1 >= strv->cap) {
		size_t cap = strv->cap ? strv->cap * 2 : 8;
		char **v = ff_realloc(strv->v, cap * sizeof(*v));

		if (!v) {
			ff_free(text);
			return FF_ENOMEM;
		}
		strv->v = v;
		strv->cap = cap;
	}
	strv->v[strv->len++] = text;
	strv->v[strv->len] = NULL;
	return 0;
}

struct ff_strv *ff_strv_new(void)
{
	return ff_calloc(1, sizeof(struct ff_strv));
}

void ff_strv_free(struct ff_strv *strv)
{
	ff_strv_release(strv);
	ff_free(strv);
}

int ff_strv_add(struct ff_strv *strv, const char *text)
{
	return add_owned(strv, ff_strdup(text));
}

int ff_strv_addf(struct ff_strv *strv, const char *fmt, ...)
{
	struct ff_buf buf = FF_BUF_INIT;
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = ff_buf_vaddf(&buf, fmt, args);
	va_end(args);
	if (!rc)
		rc = add_owned(strv, ff_buf_take(&buf));
	ff_buf_release(&buf);
	return rc;
}

int ff_strv_add_all(struct ff_strv *strv, char *const *texts)
{
	size_t before = strv->len;

	for (; texts && *texts; texts++) {
		int rc = ff_strv_add(strv, *texts);

		if (rc) {
			cut(strv, before);
			return rc;
		}
	}
	return 0;
}

bool ff_strv_contains(const struct ff_strv *strv, const char *text)
{
	for (size_t i = 0; i < strv->len; i++)
		if (strcmp(strv->v[i], text) == 0)
			return true;
	return false;
}

/* Reads one shell word at *at into `word`. 1: a word; 0: the line is at its end; or an error. */
static int next_word(const char **at, struct ff_buf *word, const char **complaint)
{
	const char *p = *at + strspn(*at, " \t\r\n");
	char quote = '\0';
	int rc = 0;

	if (!*p)
		return 0;
	for (; *p && !rc && (quote || !strchr(" \t\r\n", *p)); p++) {
		if (*p == '\\' && quote != '\'') {
			if (!*++p) {
				*complaint = "a backslash at the end";
				return FF_EINVAL;
			}
			if (quote && *p != '\\' && *p != quote)
				rc = ff_buf_addch(word, '\\');
			if (!rc)
				rc = ff_buf_addch(word, *p);
		} else if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
		} else {
			rc = ff_buf_addch(word, *p);
		}
	}
	*at = p;
	if (rc)
		return rc;
	if (quote) {
		*complaint = "a quote that is not closed";
		return FF_EINVAL;
	}
	return 1;
}

int ff_strv_split(struct ff_strv *strv, const char *line, struct ff_err *err)
{
	struct ff_buf word = FF_BUF_INIT;
	const char *complaint = "out of memory", *at = line;
	size_t before = strv->len;
	int rc;

	while ((rc = next_word(&at, &word, &complaint)) > 0) {
		const char *text = ff_buf_str(&word);

		rc = ff_strv_add(strv, text);
		if (rc)
			break;
		ff_buf_clear(&word);
	}
	ff_buf_release(&word);
	if (rc < 0) {
		cut(strv, before);
		return ff_err_set(err, rc, "command line '%s': %s", line, complaint);
	}
	return 0;
}

/* The ASCII part of what Python's str.split() takes for blank. */
static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

int ff_strv_split_blanks(struct ff_strv *strv, const char *line)
{
	size_t before = strv->len;

	for (;;) {
		const char *start;
		int rc;

		while (is_blank(*line))
			line++;
		if (!*line)
			return 0;
		for (start = line; *line && !is_blank(*line); line++)
			;
		rc = add_owned(strv, ff_strndup(start, (size_t)(line - start)));
		if (rc) {
			cut(strv, before);
			return rc;
		}
	}
}

int ff_shell_quote(struct ff_buf *out, const char *word)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789_@%+=:,./-";
	size_t before = out->len;
	int rc;

	if (*word && !word[strspn(word, safe)])
		return ff_buf_addstr(out, word);
	rc = ff_buf_addch(out, '\'');
	while (!rc && *word) {
		size_t plain = strcspn(word, "'");

		rc = ff_buf_add(out, word, plain);
		word += plain;
		if (!rc && *word) {
			rc = ff_buf_addstr(out, "'\"'\"'");
			word++;
		}
	}
	if (!rc)
		rc = ff_buf_addch(out, '\'');
	if (rc)
		out->len = before;
	return rc;
}

int ff_shell_join(struct ff_buf *out, char *const *argv)
{
	size_t before = out->len;

	for (size_t i = 0; argv && argv[i]; i++) {
		int rc = i ? ff_buf_addch(out, ' ') : 0;

		if (!rc)
			rc = ff_shell_quote(out, argv[i]);
		if (rc) {
			out->len = before;
			return rc;
		}
	}
	return 0;
}
