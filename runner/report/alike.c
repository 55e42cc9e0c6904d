/* Groups of failures, and what makes two of them the same. */
#include "report/alike.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "event/event.h"

/* --- the same message --- */

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Names of folders that are another one each time. */
static bool is_temporary(const char *path, size_t len)
{
	static const char *const parts[] = {"/tmp/", "/temp/", "/var/folders/", "/pytest-of-",
					    "/pytest-"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (memmem(path, len, parts[i], strlen(parts[i])))
			return true;
	return false;
}

static size_t path_length(const char *text)
{
	return text[0] == '/' ? strcspn(text, " \t\r\n'\"`,;()[]{}<>") : 0;
}

/* Digits of a hexadecimal number, as those of hashes and identifiers: eight at least, of which one
 * is no letter, so that no word is one. */
static size_t hexadecimal(const char *text)
{
	size_t len = strspn(text, "0123456789abcdefABCDEF");

	return len >= 8 && strcspn(text, "0123456789") < len && !in_word(text[len]) ? len : 0;
}

/* How much of `text` is one thing that may differ, and what stands for it. */
static size_t variable(const char *text, bool begins_word, const char **instead)
{
	size_t len = path_length(text);

	*instead = "<path>";
	if (len > 0 && is_temporary(text, len))
		return len;
	*instead = "0x...";
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') &&
	    isxdigit((unsigned char)text[2]))
		return 2 + strspn(text + 2, "0123456789abcdefABCDEF");
	*instead = "N";
	len = begins_word ? hexadecimal(text) : 0;
	if (len > 0 || !isdigit((unsigned char)text[0]))
		return len;
	len = strspn(text, "0123456789");
	while (text[len] == '.' && isdigit((unsigned char)text[len + 1]))
		len += 1 + strspn(text + len + 1, "0123456789");
	return len;
}

void ff_alike_message(struct ff_buf *out, const char *message)
{
	size_t left = strcspn(message, "\n");
	const char *instead, *end;
	bool begins_word = true;

	left = left < FF_ALIKE_TEXT_MAX ? left : FF_ALIKE_TEXT_MAX;
	for (end = message + left; message < end;) {
		size_t len = variable(message, begins_word, &instead);

		if (len > 0) {
			ff_buf_addstr(out, instead);
			message += len;
			begins_word = false;
			continue;
		}
		begins_word = !in_word(*message);
		ff_buf_addch(out, *message++);
	}
}

/* --- the same place --- */

/* "FILE:NUMBER" at the beginning of a line of `len`; 0: it is none. */
static size_t pytest_place(const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t file = colon ? (size_t)(colon - line) : 0, digits = 0;

	if (file == 0 || line[0] == ' ' || !memchr(line, '.', file))
		return 0;
	while (file + 1 + digits < len && isdigit((unsigned char)line[file + 1 + digits]))
		digits++;
	if (digits == 0 || file + 1 + digits >= len || line[file + 1 + digits] != ':')
		return 0;
	return file + 1 + digits;
}

static bool native_place(struct ff_buf *out, const char *line, size_t len)
{
	static const char start[] = "  File \"", middle[] = "\", line ";
	const size_t first = sizeof(start) - 1, between = sizeof(middle) - 1;
	const char *quote, *number;
	size_t digits = 0;

	if (len < first || memcmp(line, start, first) != 0)
		return false;
	quote = memmem(line + first, len - first, middle, between);
	if (!quote)
		return false;
	number = quote + between;
	while (number + digits < line + len && isdigit((unsigned char)number[digits]))
		digits++;
	ff_buf_clear(out);
	ff_buf_add(out, line + first, (size_t)(quote - line) - first);
	ff_buf_addch(out, ':');
	ff_buf_add(out, number, digits);
	return true;
}

void ff_alike_frame(struct ff_buf *out, const char *longrepr)
{
	struct ff_buf native = FF_BUF_INIT;

	for (const char *line = longrepr ? longrepr : "", *end; *line;
	     line = *end ? end + 1 : end) {
		size_t len = strcspn(line, "\n"), place = pytest_place(line, len);

		end = line + len;
		if (place > 0) {
			ff_buf_clear(out);
			ff_buf_add(out, line, place);
		} else {
			native_place(&native, line, len);
		}
	}
	if (out->len == 0 && native.len > 0)
		ff_buf_add(out, ff_buf_data(&native), native.len);
	ff_buf_release(&native);
}

/* --- groups --- */

static struct ff_alike_group *group_of(struct ff_alike *alike, const char *key)
{
	struct ff_alike_group *group = ff_map_get(&alike->by_key, key);

	if (group || alike->len == FF_ALIKE_GROUPS_MAX)
		return group;
	if (alike->len == alike->cap) {
		alike->cap = alike->cap ? 2 * alike->cap : 16;
		alike->v = ff_xrealloc(alike->v, alike->cap * sizeof(*alike->v));
	}
	group = ff_xcalloc(1, sizeof(*group));
	ff_map_set(&alike->by_key, key, group);
	group->number = (uint32_t)alike->len;
	alike->v[alike->len++] = group;
	return group;
}

/* `key` tells its group; empty: it is of none. */
static uint32_t add_to_group(struct ff_alike *alike, const char *key, const char *name,
			     const struct ff_alike_group *like)
{
	struct ff_alike_group *group = *key ? group_of(alike, key) : NULL;

	alike->total++;
	alike->last = group;
	if (group && group->count == 0) {
		group->cause = ff_xstrdup(like->cause ? like->cause : "");
		group->message = ff_xstrndup(like->message ? like->message : "", FF_ALIKE_TEXT_MAX);
		group->frame = ff_xstrdup(like->frame ? like->frame : "");
	}
	if (group && group->count < FF_ALIKE_NAMES_MAX)
		group->names[group->count] = ff_xstrdup(name);
	if (group && ++group->count > alike->largest)
		alike->largest = group->count;
	return group ? group->count : 0;
}

uint32_t ff_alike_add(struct ff_alike *alike, const char *message, const char *longrepr,
		      const char *name)
{
	struct ff_buf key = FF_BUF_INIT, frame = FF_BUF_INIT;
	struct ff_alike_group like = {.message = (char *)message};
	uint32_t count;

	ff_alike_frame(&frame, longrepr);
	ff_alike_message(&key, message ? message : "");
	if (key.len > 0 || frame.len > 0) {
		ff_buf_addch(&key, '\n');
		ff_buf_add(&key, ff_buf_data(&frame), frame.len);
	}
	like.frame = (char *)ff_buf_str(&frame);
	count = add_to_group(alike, ff_buf_str(&key), name, &like);
	ff_buf_release(&frame);
	ff_buf_release(&key);
	return count;
}

uint32_t ff_alike_add_command(struct ff_alike *alike, const char *cause, const char *last_line,
			      const char *name)
{
	struct ff_buf key = FF_BUF_INIT;
	struct ff_alike_group like = {.cause = (char *)cause, .message = (char *)last_line};
	uint32_t count;

	ff_alike_message(&key, last_line ? last_line : "");
	ff_buf_addf(&key, "\n%s", cause ? cause : "");
	count = add_to_group(alike, ff_buf_str(&key), name, &like);
	ff_buf_release(&key);
	return count;
}

void ff_alike_release(struct ff_alike *alike)
{
	for (size_t i = 0; i < alike->len; i++) {
		struct ff_alike_group *group = alike->v[i];

		for (int n = 0; n < FF_ALIKE_NAMES_MAX; n++)
			ff_free(group->names[n]);
		ff_free(group->cause);
		ff_free(group->message);
		ff_free(group->frame);
		ff_free(group);
	}
	ff_map_release(&alike->by_key);
	ff_free(alike->v);
	*alike = (struct ff_alike){0};
}

/* --- results --- */

/* The last line that is not blank; a text of somebody else's, NULs and all. NULL: there is none. */
static char *last_line(const struct ff_result *result)
{
	for (size_t i = result->sections_len; i-- > 0;) {
		const struct ff_section *section = &result->sections[i];
		size_t end = section->text ? section->len : 0, from;

		while (end > 0 && strchr(" \t\r\n", section->text[end - 1]))
			end--;
		for (from = end; from > 0 && section->text[from - 1] != '\n';)
			from--;
		if (end > from)
			return ff_xstrndup(section->text + from, end - from);
	}
	return NULL;
}

uint32_t ff_alike_add_result(struct ff_alike *alike, const char *payload,
			     const struct ff_result *result, const char *name)
{
	uint32_t count;
	char *line;

	if (!payload || strcmp(payload, "run") != 0 || result->longrepr)
		return ff_alike_add(alike, result->message, result->longrepr, name);
	line = last_line(result);
	count = ff_alike_add_command(alike, result->message, line, name);
	ff_free(line);
	return count;
}

void ff_alike_title(struct ff_buf *out, const struct ff_alike_group *group)
{
	ff_buf_addstr(out, group->cause);
	ff_buf_addstr(out, *group->cause && *group->message ? ": " : "");
	ff_buf_addstr(out, group->message);
}
