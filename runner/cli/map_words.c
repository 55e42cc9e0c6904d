/* Words of `farflung map`'s command line: what -d and others mean, and the command itself. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/map.h"

/* Up to `max` digits of the base; behind them. */
static const char *read_code(const char *at, unsigned base, int max, unsigned *code)
{
	static const char digits[] = "0123456789abcdef";

	for (*code = 0; max > 0 && *at; max--, at++) {
		char lower = *at >= 'A' && *at <= 'F' ? (char)(*at + 'a' - 'A') : *at;
		const char *digit = memchr(digits, lower, base);

		if (!digit)
			break;
		*code = *code * base + (unsigned)(digit - digits);
	}
	return at;
}

/* Behind the escape that begins at `at`, a backslash; NULL: it is none. */
static const char *read_escape(const char *at, struct ff_buf *out)
{
	static const char letters[] = "ntrabfv\\", chars[] = "\n\t\r\a\b\f\v\\";
	const char *letter = at[1] ? strchr(letters, at[1]) : NULL, *end;
	unsigned code;

	if (letter) {
		ff_buf_addch(out, chars[letter - letters]);
		return at + 2;
	}
	end = at[1] == 'x' ? read_code(at + 2, 16, 2, &code) : read_code(at + 1, 8, 3, &code);
	if (end == at + 1 + (at[1] == 'x') || code > 255)
		return NULL;
	ff_buf_addch(out, (char)code);
	return end;
}

int ff_map_delimiter(const char *text, struct ff_buf *out)
{
	const char *at = text;

	while (at && *at) {
		if (*at == '\\')
			at = read_escape(at, out);
		else
			ff_buf_addch(out, *at++);
	}
	/* A NUL ends items, and can't be a part of what does. */
	if (at && out->len > 0 && (out->len == 1 || !memchr(ff_buf_data(out), '\0', out->len)))
		return 0;
	ff_complain("map: -d wants a text, with \\n, \\t, \\0, \\xHH for what can't be typed, got "
		    "'%s'",
		    text);
	return -1;
}

int64_t ff_map_number(const char *option, const char *text, int64_t min, int64_t max)
{
	size_t len = text ? strspn(text, "0123456789") : 0;
	int64_t n = len > 0 && len < 10 && !text[len] ? strtoll(text, NULL, 10) : -1;

	if (!text)
		return 0;
	if (n >= min && n <= max)
		return n;
	ff_complain("map: %s wants %lld to %lld, got '%s'", option, (long long)min, (long long)max,
		    text);
	return -1;
}

int ff_map_trim(const char *text)
{
	static const struct {
		const char *word;
		int trim;
	} words[] = {{"n", 0},
		     {"l", FF_LINES_TRIM_LEFT},
		     {"r", FF_LINES_TRIM_RIGHT},
		     {"lr", FF_LINES_TRIM_LEFT | FF_LINES_TRIM_RIGHT},
		     {"rl", FF_LINES_TRIM_LEFT | FF_LINES_TRIM_RIGHT}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(words[i].word, text ? text : "n") == 0)
			return words[i].trim;
	ff_complain("map: --trim wants n, l, r or lr, got '%s'", text);
	return -1;
}

int ff_map_check_timeout(const char *text)
{
	const struct ff_config_option *option = ff_config_option_find(FF_SECTION_JOB, "timeout");
	struct ff_err err = {0};
	int64_t percent = text ? ff_option_percent(text) : 1;

	if (!text || (percent > 0 && percent <= 1000000))
		return 0;
	if (percent < 0 && !ff_config_set(NULL, NULL, option, text, &err))
		return 0;
	if (err.code)
		ff_complain("map: --timeout %s", err.text);
	else
		ff_complain("map: --timeout wants a percentage from 1%% to 1000000%%, got '%s'",
			    text);
	return -1;
}

/* Whether the shell would read it as one plain word, braces included. */
static bool is_plain(const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_@%+=:,./-";
	size_t len = strspn(word, plain);

	return *word && (!word[len] || !strcmp(word + len, "{}"));
}

static void quote(struct ff_buf *out, const char *word)
{
	ff_buf_addch(out, '\'');
	for (; *word; word++)
		if (*word == '\'')
			ff_buf_addstr(out, "'\\''");
		else
			ff_buf_addch(out, *word);
	ff_buf_addch(out, '\'');
}

void ff_map_command(struct ff_buf *out, char *const *words, size_t len, bool quoted)
{
	for (size_t i = 0; i < len; i++) {
		if (i > 0)
			ff_buf_addch(out, ' ');
		if (quoted && !is_plain(words[i]))
			quote(out, words[i]);
		else
			ff_buf_addstr(out, words[i]);
	}
}
