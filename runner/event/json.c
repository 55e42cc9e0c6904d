/* Writing JSON into a buffer. Knows nothing of events. */
#include "event/json.h"

#include <string.h>

#include "base/err.h"

enum { DIGITS_MAX = 20 };

/* Room for `size` more bytes; NULL once something has failed. */
static char *more_room(struct ff_json *w, size_t size)
{
	uint8_t *at = w->error ? NULL : ff_buf_reserve(w->out, size);
	size_t max = w->out->max ? w->out->max : FF_BUF_MAX;

	if (!at && w->error == 0)
		w->error = size > max - w->out->len ? FF_ETOOBIG : FF_ENOMEM;
	return (char *)at;
}

/* The same, without a call for each of an event's twenty values. */
static inline char *room(struct ff_json *w, size_t size)
{
	const struct ff_buf *out = w->out;

	if (out->mem && !out->max && size <= out->cap - out->off - out->len && w->error == 0)
		return (char *)out->mem + out->off + out->len;
	return more_room(w, size);
}

static void put(struct ff_json *w, const void *bytes, size_t len)
{
	char *at = room(w, len);

	if (at && len > 0) {
		memcpy(at, bytes, len);
		ff_buf_added(w->out, len);
	}
}

/* Writes the comma and the name at `at`, where there is room for them; where they end. */
static char *add_name(struct ff_json *w, char *at, const char *name, size_t len)
{
	if (!w->first)
		*at++ = ',';
	w->first = false;
	if (!name)
		return at;
	*at++ = '"';
	memcpy(at, name, len);
	at += len;
	*at++ = '"';
	*at++ = ':';
	return at;
}

/* `,"name":` with room for `size` bytes behind it, that end_value counts in. */
static char *begin_value(struct ff_json *w, const char *name, size_t size)
{
	size_t len = name ? strlen(name) : 0;
	char *at = room(w, len + 4 + size);

	return at ? add_name(w, at, name, len) : NULL;
}

static void end_value(struct ff_json *w, const char *end)
{
	const char *from = (const char *)ff_buf_data(w->out) + w->out->len;

	w->out->len += (size_t)(end - from);
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
	static const char hex[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	for (const char *n = named; *n; n += 2) {
		if ((unsigned char)*n == c) {
			text[1] = n[1];
			put(w, text, 2);
			return;
		}
	}
	put(w, text, sizeof(text));
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Whether all of eight bytes are plain: none is 0x80 or more, below 0x20, a quote, a backslash or
 * DEL. (A borrow can only come from a byte that is not plain itself.) */
static inline bool eight_plain(const unsigned char *s)
{
	const uint64_t ones = UINT64_MAX / 0xff, high = ones * 0x80;
	uint64_t v, quote, slash, del;

	memcpy(&v, s, 8);
	quote = v ^ (ones * '"');
	slash = v ^ (ones * '\\');
	del = v ^ (ones * 0x7f);
	return !((v | (v - ones * 0x20) | (quote - ones) | (slash - ones) | (del - ones)) & high);
}

/* How many bytes from the front can be copied as they are. */
static size_t plain_len(const unsigned char *s, size_t len)
{
	size_t i = 0;

	while (i + 8 <= len && eight_plain(s + i))
		i += 8;
	if (len >= 8 && i + 8 > len && eight_plain(s + len - 8))
		return len;
	while (i < len && is_plain(s[i]))
		i++;
	return i;
}

static void put_text(struct ff_json *w, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t from = 0, i = 0;

	while (i < len) {
		size_t n;

		i += plain_len(s + i, len - i);
		if (i == len)
			break;
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
	ff_json_plain(w, name, NULL, 0);
	put(w, &bracket, 1);
	w->first = true;
}

void ff_json_close(struct ff_json *w, char bracket)
{
	put(w, &bracket, 1);
	w->first = false;
}

void ff_json_plain(struct ff_json *w, const char *name, const char *text, size_t len)
{
	char *at = begin_value(w, name, len + 2);

	if (!at)
		return;
	if (text) {
		*at++ = '"';
		memcpy(at, text, len);
		at += len;
		*at++ = '"';
	}
	end_value(w, at);
}

void ff_json_strn(struct ff_json *w, const char *name, const char *text, size_t len)
{
	char *at;

	if (!text)
		len = 0;
	if (plain_len((const unsigned char *)text, len) == len) {
		ff_json_plain(w, name, text ? text : "", len);
		return;
	}
	at = begin_value(w, name, 1);
	if (!at)
		return;
	*at++ = '"';
	end_value(w, at);
	put_text(w, text, len);
	put(w, "\"", 1);
}

void ff_json_str(struct ff_json *w, const char *name, const char *text)
{
	if (text)
		ff_json_strn(w, name, text, strlen(text));
}

void ff_json_pair(struct ff_json *w, const char *name, const char *text)
{
	if (!name || !text)
		return;
	ff_json_str(w, NULL, name);
	put(w, ":", 1);
	w->first = true; /* no comma between the two */
	ff_json_str(w, NULL, text);
}

static char *add_digits(char *at, uint64_t number)
{
	char digits[DIGITS_MAX];
	size_t len = 0;

	do
		digits[DIGITS_MAX - ++len] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	memcpy(at, digits + DIGITS_MAX - len, len);
	return at + len;
}

void ff_json_int(struct ff_json *w, const char *name, int64_t number)
{
	char *at = begin_value(w, name, DIGITS_MAX + 1);

	if (!at)
		return;
	if (number < 0)
		*at++ = '-';
	end_value(w, add_digits(at, number < 0 ? 0 - (uint64_t)number : (uint64_t)number));
}

void ff_json_uint(struct ff_json *w, const char *name, uint64_t number)
{
	ff_json_int(w, name, number > INT64_MAX ? INT64_MAX : (int64_t)number);
}

void ff_json_bool(struct ff_json *w, const char *name, bool truth)
{
	char *at = begin_value(w, name, 5);

	if (!at)
		return;
	memcpy(at, truth ? "true" : "false", truth ? 4 : 5);
	end_value(w, at + (truth ? 4 : 5));
}
