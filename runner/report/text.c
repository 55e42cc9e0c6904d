/* Foreign text made fit to be shown, and numbers in words. Knows nothing of events. */
#include "report/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SGR_MAX = 64 };

int32_t ff_text_decode(const char *text, size_t left, size_t *len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t want = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	int32_t code;

	*len = 1;
	if (want == 1)
		return s[0];
	if (s[0] < 0xc2 || s[0] > 0xf4 || left < want)
		return -1;
	code = s[0] & (0xff >> (want + 1));
	for (size_t i = 1; i < want; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return -1;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[want] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return -1;
	*len = want;
	return code;
}

struct range {
	int32_t first, last;
};

static bool within(const struct range *ranges, size_t count, int32_t code)
{
	for (size_t i = 0; i < count; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* Close enough to what terminals do; a wrong guess only makes a line end early or late. */
static size_t columns_of(int32_t code)
{
	static const struct range none[] = {{0x300, 0x36f},   {0x1ab0, 0x1aff}, {0x200b, 0x200f},
					    {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
	static const struct range two[] = {
		{0x1100, 0x115f},   {0x2e80, 0xa4cf},  {0xac00, 0xd7a3}, {0xf900, 0xfaff},
		{0xfe30, 0xfe6f},   {0xff00, 0xff60},  {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
		{0x1f680, 0x1faff}, {0x20000, 0x3fffd}};

	if (code < 0x300)
		return 1;
	if (within(none, sizeof(none) / sizeof(*none), code))
		return 0;
	return within(two, sizeof(two) / sizeof(*two), code) ? 2 : 1;
}

/* Controls (C0, DEL, C1), and the invisible characters that reorder, break, annotate or tag text.
 */
static bool drives_terminal(int32_t code)
{
	static const struct range marks[] = {{0x61c, 0x61c},   {0x180e, 0x180e},  {0x200e, 0x200f},
					     {0x2028, 0x202e}, {0x2060, 0x206f},  {0xfeff, 0xfeff},
					     {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

	if (code < 0x300)
		return code < 0x20 || (code >= 0x7f && code < 0xa0);
	return within(marks, sizeof(marks) / sizeof(*marks), code);
}

static void add_escape(struct ff_buf *out, int32_t code, unsigned char byte)
{
	static const char named[] = "\nn\tt\rr";

	for (const char *n = named; *n; n += 2) {
		if (code == *n) {
			ff_buf_addch(out, '\\');
			ff_buf_addch(out, n[1]);
			return;
		}
	}
	if (code > 0xffff)
		ff_buf_addf(out, "\\U%08x", (unsigned)code);
	else if (code > 0xff)
		ff_buf_addf(out, "\\u%04x", (unsigned)code);
	else
		ff_buf_addf(out, "\\x%02x", code < 0 ? byte : (unsigned)code);
}

/* How much of the text is printable ASCII: most of it. */
static size_t plain_len(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] >= ' ' && text[n] < 0x7f)
		n++;
	return n;
}

void ff_text_line(struct ff_buf *out, const char *text, size_t columns, const char *ellipsis)
{
	size_t start = out->len, fit, left = text ? strlen(text) : 0;

	while (left > 0) {
		size_t len;
		int32_t code = ff_text_decode(text, left, &len);

		if (code < 0 || drives_terminal(code))
			add_escape(out, code, (unsigned char)*text);
		else
			ff_buf_add(out, text, len);
		text += len;
		left -= len;
		if (columns > 0 && out->len - start > 8 * columns)
			break; /* enough to know that it is cut, were every character four bytes */
	}
	if (columns == 0 ||
	    ff_text_width((const char *)ff_buf_data(out) + start, out->len - start) <= columns)
		return;
	fit = ff_text_width(ellipsis, strlen(ellipsis));
	fit = ff_text_fit((const char *)ff_buf_data(out) + start, out->len - start,
			  columns > fit ? columns - fit : 0);
	out->len = start + fit;
	ff_buf_addstr(out, ellipsis);
}

/* The length of the SGR sequence at `text`, 0 if there is none. A very long one is none. */
static size_t sgr_len(const char *text, size_t len)
{
	size_t i = 2;

	len = len < SGR_MAX ? len : SGR_MAX;
	if (len < 3 || text[0] != '\033' || text[1] != '[')
		return 0;
	while (i < len && (strchr("0123456789;:", text[i]) && text[i]))
		i++;
	return i < len && text[i] == 'm' ? i + 1 : 0;
}

void ff_text_lines(struct ff_buf *out, const char *text, size_t len, const char *indent,
		   bool colour)
{
	bool fresh = true, coloured = false;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		int32_t code = ff_text_decode(text + i, len - i, &n);
		size_t sgr = code == '\033' ? sgr_len(text + i, len - i) : 0;
		size_t plain = plain_len(text + i, len - i);

		if (fresh && code != '\n')
			ff_buf_addstr(out, indent);
		fresh = false;
		if (plain > 0) {
			ff_buf_add(out, text + i, plain);
			n = plain;
			continue;
		}
		if (sgr > 0) {
			n = sgr;
			if (colour)
				ff_buf_add(out, text + i, sgr);
			coloured |= colour;
		} else if (code == '\n' || code == '\r') {
			/* A lone return would let a line overwrite itself. */
			if (code == '\r' && i + 1 < len && text[i + 1] == '\n')
				n = 2;
			ff_buf_addch(out, '\n');
			fresh = true;
		} else if (code != '\t' && (code < 0 || drives_terminal(code))) {
			add_escape(out, code, (unsigned char)text[i]);
		} else {
			ff_buf_add(out, text + i, n);
		}
	}
	if (coloured)
		ff_buf_addstr(out, "\033[0m");
	if (!fresh)
		ff_buf_addch(out, '\n');
}

static size_t measure(const char *text, size_t len, size_t limit, size_t *columns)
{
	size_t i = 0, n, used = 0;

	while (i < len) {
		int32_t code = ff_text_decode(text + i, len - i, &n);
		size_t sgr = code == '\033' ? sgr_len(text + i, len - i) : 0;
		size_t wide = sgr > 0 ? 0 : columns_of(code < 0 ? 0xfffd : code);

		if (used + wide > limit)
			break;
		used += wide;
		i += sgr > 0 ? sgr : n;
	}
	*columns = used;
	return i;
}

size_t ff_text_width(const char *text, size_t len)
{
	size_t columns;

	measure(text, len, SIZE_MAX, &columns);
	return columns;
}

void ff_text_wrap(struct ff_buf *out, const char *text, size_t len, size_t columns,
		  const char *indent)
{
	const char *end = text + len;
	size_t used = 0;

	for (bool first = true; text < end; first = false) {
		const char *blank = memchr(text, ' ', (size_t)(end - text));
		size_t word = (size_t)((blank ? blank : end) - text);
		size_t width = ff_text_width(text, word);

		if (!first && columns > 0 && used + 1 + width > columns) {
			ff_buf_addch(out, '\n');
			ff_buf_addstr(out, indent);
			used = strlen(indent);
		} else if (!first) {
			ff_buf_addch(out, ' ');
			used++;
		}
		ff_buf_add(out, text, word);
		used += width;
		text += word + 1;
	}
}

size_t ff_text_fit(const char *text, size_t len, size_t columns)
{
	size_t used;

	return measure(text, len, columns, &used);
}

void ff_text_seconds(struct ff_buf *out, int64_t us)
{
	int64_t s;

	us = us < 0 ? 0 : us;
	s = us / 1000000;
	if (us < 9995000)
		ff_buf_addf(out, "%.2fs", (double)us / 1e6);
	else if (us < 59950000)
		ff_buf_addf(out, "%.1fs", (double)us / 1e6);
	else if (s < 60)
		ff_buf_addstr(out, "1m00s");
	else if (s < 3600)
		ff_buf_addf(out, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else
		ff_buf_addf(out, "%lldh%02dm", (long long)(s / 3600), (int)(s / 60 % 60));
}

void ff_text_took(struct ff_buf *out, int64_t us)
{
	int64_t s;

	us = us < 0 ? 0 : us;
	s = us / 1000000;
	if (us < 450000)
		ff_buf_addf(out, "%d ms", (int)((us + 500) / 1000));
	else if (s < 60)
		ff_buf_addf(out, "%.1f s", (double)us / 1e6);
	else if (s < 3600)
		ff_buf_addf(out, "%d min %d s", (int)(s / 60), (int)(s % 60));
	else
		ff_buf_addf(out, "%lld h %d min", (long long)(s / 3600), (int)(s / 60 % 60));
}

void ff_text_size(struct ff_buf *out, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double size = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		ff_buf_addf(out, "%u byte%s", (unsigned)bytes, bytes == 1 ? "" : "s");
		return;
	}
	for (; size >= 1023.95 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
		size /= 1024;
	ff_buf_addf(out, "%.1f %s", size, units[unit]);
}

bool ff_text_locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

/* --- what a text comes to --- */

/* The line's end without the newline and blanks before it. */
static size_t line_len(const char *line)
{
	size_t len = strcspn(line, "\n");

	while (len > 0 && strchr(" \t\r.:", line[len - 1]))
		len--;
	return len;
}

/* The last line with something in it. */
static const char *last_line(const char *text)
{
	const char *last = text;

	for (const char *line = text; *line;
	     line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
		if (line[strspn(line, " \t\r\n")] && *line != '\n')
			last = line;
	return last;
}

/* "FIRST: WORDS" of the text's first line and another one. */
static void add_both_lines(struct ff_buf *out, const char *first, const char *other)
{
	size_t len = strcspn(other, "\n");

	if (first != other && memmem(first, line_len(first), other, len)) {
		other = first; /* it says that already */
		len = line_len(first);
	}
	if (first != other) {
		ff_buf_add(out, first, line_len(first));
		ff_buf_addstr(out, ": ");
	}
	ff_buf_add(out, other, len);
}

void ff_text_gist(struct ff_buf *out, const char *text)
{
	static const char traceback[] = "Traceback (most recent call last)", marked[] = "\nE   ";
	const char *usage = strstr(text, ": error: "), *trace = strstr(text, traceback);
	const char *error = strstr(text, marked);
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	if (!memchr(text, '\n', len)) {
		ff_buf_add(out, text, len);
	} else if (usage) {
		while (usage > text && usage[-1] != '\n')
			usage--;
		ff_buf_add(out, usage, strcspn(usage, "\n"));
	} else if (error) {
		error += sizeof(marked) - 1;
		add_both_lines(out, text, error + strspn(error, " "));
	} else if (trace) {
		add_both_lines(out, trace == text ? last_line(trace) : text, last_line(trace));
	} else {
		ff_buf_add(out, text, len);
	}
}
