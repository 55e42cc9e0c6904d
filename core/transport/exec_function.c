/* Cutting a function out of its file, as Python's inspect does for execnet: text in, text out. */
#include "transport/exec_function.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "transport/exec.h"

enum { TAB = 8 };

/* A logical line: it ends where no bracket or string is open. */
struct line {
	const char *start, *text, *end; /* text: behind the indentation; end: behind the newline */
	size_t indent;			/* in columns */
	bool blank;			/* nothing, or a comment */
};

struct found {
	struct line line;
	const char *parameters;
	bool decorated;
};

static bool is_name_char(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static const char *skip_blanks(const char *text, bool lines)
{
	while (*text == ' ' || *text == '\t' ||
	       (lines && (*text == '\n' || *text == '\r' || *text == '\\')))
		text++;
	return text;
}

/* Behind `word` if the text begins with it as a whole word, else NULL. */
static const char *skip_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	return strncmp(text, word, len) == 0 && !is_name_char(text[len]) ? text + len : NULL;
}

/* Behind the string that begins here. One of a single line that is not closed ends with it. */
static const char *skip_string(const char *at)
{
	char quote = *at;
	size_t width = at[1] == quote && at[2] == quote ? 3 : 1;

	for (at += width; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == quote && (width == 1 || (at[1] == quote && at[2] == quote)))
			return at + width;
		else if (*at == '\n' && width == 1)
			return at;
	}
	return at;
}

static const char *skip_line(const char *at)
{
	size_t depth = 0;

	for (; *at && (*at != '\n' || depth); at++) {
		if (*at == '#') {
			at += strcspn(at, "\n") - 1;
		} else if (*at == '"' || *at == '\'') {
			at = skip_string(at) - 1;
		} else if (*at == '\\' && at[1]) {
			at += at[1] == '\r' && at[2] == '\n' ? 2 : 1;
		} else if (strchr("([{", *at)) {
			depth++;
		} else if (strchr(")]}", *at) && depth) {
			depth--;
		}
	}
	return *at ? at + 1 : at;
}

/* False at the end of the text. */
static bool next_line(const char *at, struct line *line)
{
	*line = (struct line){.start = at, .text = at};
	if (!*at)
		return false;
	for (; *line->text == ' ' || *line->text == '\t' || *line->text == '\f'; line->text++)
		line->indent = *line->text == ' '    ? line->indent + 1
			       : *line->text == '\t' ? (line->indent / TAB + 1) * TAB
						     : 0;
	line->blank = *line->text == 0 || strchr("#\r\n", *line->text);
	line->end = skip_line(line->text);
	return true;
}

/* Behind the parenthesis if the line begins with `def NAME(`. */
static const char *find_parameters(const char *line, const char *function)
{
	const char *p = skip_word(line, "def");

	if (p)
		p = skip_word(skip_blanks(p, false), function);
	if (p)
		p = skip_blanks(p, false);
	return p && *p == '(' ? p + 1 : NULL;
}

/* The definition that counts in Python is the last one. */
static bool find(const char *text, const char *function, struct found *found)
{
	bool decorated = false, any = false;
	struct line line;

	for (const char *at = text; next_line(at, &line); at = line.end) {
		const char *parameters = find_parameters(line.text, function);

		if (line.blank)
			continue;
		if (parameters && (!any || !line.indent || found->line.indent)) {
			*found = (struct found){line, parameters, decorated};
			any = true;
		}
		decorated = *line.text == '@';
	}
	return any;
}

static const char *find_end(const struct line *first)
{
	const char *end = first->end;
	struct line line;

	for (const char *at = end; next_line(at, &line); at = line.end) {
		if (line.blank)
			continue;
		if (line.indent <= first->indent)
			break;
		end = line.end;
	}
	return end;
}

/* Copies lines without the first one's indentation. What lies in strings stays as it is. */
static int dedent(struct ff_buf *out, const struct line *first, const char *end)
{
	size_t width = (size_t)(first->text - first->start), same;
	const char *at = first->start, *next;
	int rc = 0;

	while (!rc && at < end) {
		for (same = 0; same < width && at[same] == first->start[same]; same++)
			;
		at += same;
		/* Up to the end of the line, or that of the last string that ends in another. */
		for (next = at; next < end && *next != '\n'; next++) {
			if (*next == '#')
				next += strcspn(next, "\n") - 1;
			else if (*next == '"' || *next == '\'')
				next = skip_string(next) - 1;
			else if (*next == '\\' && next[1] && next[1] != '\n')
				next++;
		}
		next += next < end;
		rc = ff_buf_add(out, at, (size_t)(next - at));
		at = next;
	}
	return rc;
}

static char *cut(const char *text, const struct found *found)
{
	struct ff_buf out;
	char *result = NULL;
	int rc = 0;

	ff_buf_init(&out, 2 * FF_EXEC_SOURCE_MAX);
	/* Tracebacks name the file's own lines. */
	for (const char *at = text; !rc && at < found->line.start; at++)
		if (*at == '\n')
			rc = ff_buf_addch(&out, '\n');
	if (!rc)
		rc = dedent(&out, &found->line, find_end(&found->line));
	if (!rc)
		result = ff_buf_take(&out);
	ff_buf_release(&out);
	return result;
}

char *ff_exec_function(const char *text, const char *path, const char *function, struct ff_err *err)
{
	struct found found = {0};
	char *result;

	if (!find(text, function, &found)) {
		ff_err_set(err, FF_EINVAL, "%s: it has no function '%s' (no line 'def %s(')", path,
			   function, function);
		return NULL;
	}
	if (!skip_word(skip_blanks(found.parameters, true), "channel")) {
		ff_err_set(err, FF_EINVAL,
			   "%s: the first parameter of '%s' must be called 'channel'", path,
			   function);
		return NULL;
	}
	if (found.decorated) {
		ff_err_set(err, FF_EINVAL,
			   "%s: '%s' has a decorator, which is not there where it runs", path,
			   function);
		return NULL;
	}
	result = cut(text, &found);
	if (!result)
		ff_err_set(err, FF_ENOMEM, "%s: out of memory", path);
	return result;
}
