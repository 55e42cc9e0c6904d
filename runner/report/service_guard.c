/* Text of others, kept from being a service's command. */
#include <string.h>

#include "report/service.h"

/* Commands that are found anywhere in a line. */
static const char *const anywhere[FF_SERVICES][2] = {
	[FF_SERVICE_GITHUB] = {"##["},
	[FF_SERVICE_GITLAB] = {"section_start:", "section_end:"},
	[FF_SERVICE_TEAMCITY] = {"##teamcity["},
};

/* How much of the word's beginning the first `len` bytes of it end with, less than all of them. */
static size_t shorter(const char *word, size_t len)
{
	size_t left = len - 1;

	while (left > 0 && memcmp(word, word + len - left, left) != 0)
		left--;
	return left;
}

/* Whether `c` makes one of them whole. */
static bool completes(struct ff_guard *guard, char c)
{
	bool whole = false;

	for (int i = 0; i < 2 && anywhere[guard->service][i]; i++) {
		const char *word = anywhere[guard->service][i];
		size_t len = guard->found[i];

		while (len > 0 && word[len] != c)
			len = shorter(word, len);
		len += word[len] == c;
		if (!word[len]) {
			whole = true;
			len = 0;
		}
		guard->found[i] = len;
	}
	return whole;
}

/* Whether what comes before a command may begin with `c`: blanks of any kind (bytes of others than
 * ASCII's among them) and colours. */
static bool is_blank(struct ff_guard *guard, char c)
{
	unsigned char byte = (unsigned char)c;

	if (guard->escape) {
		guard->escape = byte == '[' || byte < '@';
		return true;
	}
	guard->escape = c == '\033';
	return byte <= ' ' || byte >= 0x7f;
}

/* GitHub's "::" behind blanks: whether `c` is the second colon. */
static bool second_colon(struct ff_guard *guard, char c)
{
	bool second = guard->colon && c == ':';

	guard->inside = second || !(is_blank(guard, c) || (c == ':' && !guard->colon)) ||
			(guard->colon && c != ':');
	guard->colon = c == ':' && !second;
	return second;
}

/* Buildkite's "--- ", "+++ ", "~~~ " and "^^^ +++": whether the text may be going to be one. A
 * blank before it is all it takes. */
static bool heads(struct ff_guard *guard, const char *text, size_t len)
{
	size_t same = 1;

	if (is_blank(guard, *text))
		return false;
	guard->inside = true;
	if (!strchr("-+~^", *text))
		return false;
	while (same < len && same < 3 && text[same] == *text)
		same++;
	return same == len || (same == 3 && (text[3] == ' ' || text[3] == '\t'));
}

void ff_guard_text(struct ff_guard *guard, struct ff_buf *out, const char *text, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		bool breaks;

		/* Lines end with either, for those who read them. */
		if (text[i] == '\n' || text[i] == '\r') {
			*guard = (struct ff_guard){.service = guard->service};
			continue;
		}
		guard->open = true;
		breaks = completes(guard, text[i]);
		if (!guard->inside && guard->service == FF_SERVICE_GITHUB)
			breaks |= second_colon(guard, text[i]);
		if (!guard->inside && guard->service == FF_SERVICE_BUILDKITE)
			breaks |= heads(guard, text + i, len - i);
		if (!breaks)
			continue;
		ff_buf_add(out, text + kept, i - kept);
		ff_buf_addch(out, ' ');
		kept = i;
	}
	ff_buf_add(out, text + kept, len - kept);
}
