/* Reads what googletest prints, line by line; what tests print themselves may be among it. */
#include "gtest/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { MESSAGE_MAX = 300 };

struct line {
	const char *at;
	size_t len;
};

/* The next line without its end; false: there is none. */
static bool next_line(const char **text, const char *end, struct line *line)
{
	const char *stop;

	if (*text >= end)
		return false;
	stop = memchr(*text, '\n', (size_t)(end - *text));
	line->at = *text;
	line->len = (size_t)((stop ? stop : end) - *text);
	*text += line->len + 1;
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

static bool begins(const struct line *line, const char *word)
{
	size_t len = strlen(word);

	return line->len >= len && memcmp(line->at, word, len) == 0;
}

/* --- the list --- */

/* "Suite/0.  # TypeParam = int": without what is behind the name. */
static size_t name_len(const struct line *line)
{
	const char *comment = memmem(line->at, line->len, "  # ", 4);
	size_t len = comment ? (size_t)(comment - line->at) : line->len;

	while (len > 0 && line->at[len - 1] == ' ')
		len--;
	return len;
}

/* Of "Inst/Suite" and "Name/0": whether that part of the name says so. */
static bool is_disabled(const char *name)
{
	static const char word[] = "DISABLED_";

	return strncmp(name, word, sizeof(word) - 1) == 0 || strstr(name, "/DISABLED_") ||
	       strstr(name, ".DISABLED_");
}

void ff_gtest_list(const char *text, size_t len, bool disabled, struct ff_found *found)
{
	const char *end = text + len;
	char *suite = NULL;
	struct line line;

	while (next_line(&text, end, &line)) {
		bool indented = begins(&line, "  ");
		struct line rest = {line.at + 2 * indented, line.len - 2 * indented};
		size_t name = name_len(&rest);
		char *unit;
		uint32_t number;

		if (name == 0 || memchr(rest.at, ' ', name))
			continue; /* somebody else's */
		if (!indented) {
			ff_free(suite);
			suite = rest.at[name - 1] == '.' ? ff_xstrndup(rest.at, name) : NULL;
			continue;
		}
		if (!suite)
			continue;
		unit = ff_xasprintf("%s%.*s", suite, (int)name, rest.at);
		number = ff_found_add(found, unit, NULL);
		if (!disabled && is_disabled(unit))
			ff_found_mark(found, number)->skip = "not run: it is called DISABLED_";
		ff_free(unit);
	}
	ff_free(suite);
}

/* --- one test --- */

/* "[  FAILED  ] Suite.Name (3 ms)", or "…, where GetParam() = 3 (0 ms)" */
static bool is_about(const struct line *line, const char *word, const char *name)
{
	size_t len = strlen(word), left;
	const char *at = line->at + len;

	if (!begins(line, word))
		return false;
	left = line->len - len;
	len = strlen(name);
	return left >= len && memcmp(at, name, len) == 0 &&
	       (left == len || at[len] == ' ' || at[len] == ',');
}

/* "file.cc:12: Failure": the place, and the text behind it from there on in one line. */
static bool read_place(struct ff_gtest_said *said, const struct line *line, const char *word)
{
	const char *hit = memmem(line->at, line->len, word, strlen(word)), *colon;

	if (!hit || hit == line->at)
		return false;
	for (colon = hit - 1; colon > line->at && *colon != ':'; colon--)
		;
	if (*colon != ':' || colon == line->at)
		return false;
	said->line = atoi(colon + 1);
	return ff_buf_add(&said->file, line->at, (size_t)(colon - line->at)) == 0;
}

static void add_line(struct ff_buf *message, const struct line *line)
{
	size_t from = 0, len = line->len;

	while (from < len && line->at[from] == ' ')
		from++;
	if (from == len || message->len >= MESSAGE_MAX)
		return;
	if (message->len > 0)
		ff_buf_addch(message, ' ');
	ff_buf_add(message, line->at + from, len - from);
}

/* The first failure's words, or those of GTEST_SKIP. */
static void explain(struct ff_gtest_said *said)
{
	const char *text = said->text, *end = said->text + said->len;
	bool found = false;
	struct line line;

	while (next_line(&text, end, &line)) {
		if (!found) {
			found = read_place(said, &line, said->skipped ? ": Skipped" : ": Failure");
			continue;
		}
		if (line.len == 0 || memmem(line.at, line.len, ": Failure", 9))
			return;
		add_line(&said->message, &line);
	}
}

void ff_gtest_read(struct ff_gtest_said *said, const char *name, const char *text, size_t len)
{
	const char *end = text + len;
	struct line line;

	*said = (struct ff_gtest_said){.text = text};
	while (next_line(&text, end, &line)) {
		said->printer |= begins(&line, "[==========]");
		/* It may be run again and again: the first time that it fails counts. */
		if (!said->failed && is_about(&line, "[ RUN      ] ", name)) {
			said->began = true;
			said->ok = said->skipped = false;
			said->text = text < end ? text : end;
			said->len = 0;
		} else if (said->began && !said->ok && !said->failed && !said->skipped) {
			said->ok = is_about(&line, "[       OK ] ", name);
			said->failed = is_about(&line, "[  FAILED  ] ", name);
			said->skipped = is_about(&line, "[  SKIPPED ] ", name);
			said->len = (size_t)((said->ok || said->failed || said->skipped ? line.at
											: end) -
					     said->text);
		}
	}
	if (said->failed || said->skipped)
		explain(said);
}

void ff_gtest_release(struct ff_gtest_said *said)
{
	ff_buf_release(&said->message);
	ff_buf_release(&said->file);
}
