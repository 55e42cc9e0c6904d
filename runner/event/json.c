/* Writing JSON into a buffer. Knows nothing of events. */
#include "event/json.h"

#include <stdio.h>
#include <string.h>

static void put(struct ff_json *w, const void *bytes, size_t len)
{
	int rc = ff_buf_add(w->out, bytes, len);

	if (rc < 0 && w->error == 0)
		w->error = rc;
}

static void put_name(struct ff_json *w, const char *name)
{
	if (!w->first)
		put(w, ",", 1);
	w->first = false;
	if (name) {
		put(w, "\"", 1);
		put(w, name, strlen(name));
		put(w, "\":", 2);
	}
}

/* How many bytes the well-formed UTF-8 sequence at `s` has; 0 if there is none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	unsigned char c = s[0];
	size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4 || left < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) ||
	    (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static void put_escaped(struct ff_json *w, unsigned char c)
{
	static const char named[] = "\"\"\\\\\nn\rr\tt\bb\ff";
	char text[8];

	for (const char *n = named; *n; n += 2) {
		if ((unsigned char)*n == c) {
			text[0] = '\\';
			text[1] = n[1];
			put(w, text, 2);
			return;
		}
	}
	put(w, text, (size_t)snprintf(text, sizeof text, "\\u%04x", c));
}

static void put_text(struct ff_json *w, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t from = 0, i = 0;

	put(w, "\"", 1);
	while (i < len) {
		bool plain = s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\';
		size_t n;

		if (plain) {
			i++;
			continue;
		}
		n = s[i] < 0x80 ? 0 : utf8_len(s + i, len - i);
		if (n > 0) {
			i += n;
			continue;
		}
		put(w, text + from, i - from);
		if (s[i] < 0x80)
			put_escaped(w, s[i]);
		else
			put(w, "\xef\xbf\xbd", 3);
		from = ++i;
	}
	put(w, text + from, i - from);
	put(w, "\"", 1);
}

void ff_json_begin(struct ff_json *w, struct ff_buf *out)
{
	*w = (struct ff_json){.out = out, .first = true};
	put(w, "{", 1);
}

void ff_json_end(struct ff_json *w)
{
	put(w, "}", 1);
	w->first = false;
}

void ff_json_open(struct ff_json *w, const char *name, char bracket)
{
	put_name(w, name);
	put(w, &bracket, 1);
	w->first = true;
}

void ff_json_close(struct ff_json *w, char bracket)
{
	put(w, &bracket, 1);
	w->first = false;
}

void ff_json_strn(struct ff_json *w, const char *name, const char *text, size_t len)
{
	put_name(w, name);
	put_text(w, text ? text : "", len);
}

void ff_json_str(struct ff_json *w, const char *name, const char *text)
{
	if (text)
		ff_json_strn(w, name, text, strlen(text));
}

void ff_json_int(struct ff_json *w, const char *name, int64_t number)
{
	char text[24];

	put_name(w, name);
	put(w, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)number));
}

void ff_json_uint(struct ff_json *w, const char *name, uint64_t number)
{
	char text[24];

	put_name(w, name);
	put(w, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number));
}

void ff_json_bool(struct ff_json *w, const char *name, bool truth)
{
	put_name(w, name);
	put(w, truth ? "true" : "false", truth ? 4 : 5);
}
