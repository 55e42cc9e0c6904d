/* Foreign text as XML 1.0. Knows nothing of reports. */
#include "report/xml.h"

#include <string.h>

#include "report/text.h"

/* A lone surrogate in the bytes that UTF-8 would have for it; 0: none. */
static unsigned surrogate(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;

	if (left < 3 || s[0] != 0xed || s[1] < 0xa0 || s[1] > 0xbf || (s[2] & 0xc0) != 0x80)
		return 0;
	return 0xd000u | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
}

/* How much of the text stands for itself; most of it does. */
static size_t plain_len(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] >= ' ' && text[n] < 0x7f && text[n] != '&' && text[n] != '<' &&
	       text[n] != '>' && text[n] != '"')
		n++;
	return n;
}

void ff_xml_text(struct ff_buf *out, const char *text, size_t len, bool attribute)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		int32_t c;

		n = plain_len(text + i, len - i);
		if (n > 0) {
			ff_buf_add(out, text + i, n);
			continue;
		}
		c = ff_text_decode(text + i, len - i, &n);
		if (c == '&') {
			ff_buf_addstr(out, "&amp;");
		} else if (c == '<') {
			ff_buf_addstr(out, "&lt;");
		} else if (c == '>') {
			ff_buf_addstr(out, "&gt;");
		} else if (c == '"' && attribute) {
			ff_buf_addstr(out, "&quot;");
		} else if (c == '\r' || (attribute && (c == '\n' || c == '\t'))) {
			ff_buf_addf(out, "&#%d;", (int)c);
		} else if (c < 0 && surrogate(text + i, len - i)) {
			ff_buf_addf(out, "#x%04X", surrogate(text + i, len - i));
			n = 3;
		} else if (c < 0) {
			ff_buf_addstr(out, "\xef\xbf\xbd");
		} else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || c == 0xfffe ||
			   c == 0xffff) {
			ff_buf_addf(out, "#x%02X", (unsigned)c);
		} else {
			ff_buf_add(out, text + i, n);
		}
	}
}

void ff_xml_seconds(struct ff_buf *out, const char *name, int64_t us)
{
	uint64_t ms = us > 0 ? ((uint64_t)us + 500) / 1000 : 0;
	char rest[] = {'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
		       (char)('0' + ms % 10), '"'};

	ff_buf_addch(out, ' ');
	ff_buf_addstr(out, name);
	ff_buf_addstr(out, "=\"");
	ff_buf_adduint(out, ms / 1000);
	ff_buf_add(out, rest, sizeof(rest));
}

void ff_xml_attribute(struct ff_buf *out, const char *name, const char *value)
{
	ff_buf_addf(out, " %s=\"", name);
	if (value)
		ff_xml_text(out, value, strlen(value), true);
	ff_buf_addch(out, '"');
}

void ff_xml_names(struct ff_buf *out, const char *prefix, const char *unit)
{
	const char *params = unit + strcspn(unit, "["), *from = unit;
	struct ff_buf class = FF_BUF_INIT, name = FF_BUF_INIT;
	bool first = true;

	ff_buf_addstr(&class, prefix ? prefix : "");
	for (;; first = false) {
		const char *colons = strstr(from, "::");
		const char *end = colons && colons < params ? colons : params;
		const char *stop = end;

		if (first && stop - from >= 3 && memcmp(stop - 3, ".py", 3) == 0)
			stop -= 3;
		ff_buf_clear(&name);
		for (const char *p = from; p < stop; p++)
			ff_buf_addch(&name, first && *p == '/' ? '.' : *p);
		if (end == params)
			break;
		ff_buf_addstr(&class, first && !class.len ? "" : ".");
		ff_buf_add(&class, ff_buf_data(&name), name.len);
		from = end + 2;
	}
	ff_buf_addstr(&name, params);
	ff_xml_attribute(out, "classname", ff_buf_str(&class));
	ff_xml_attribute(out, "name", ff_buf_str(&name));
	ff_buf_release(&class);
	ff_buf_release(&name);
}

void ff_xml_unit_names(struct ff_buf *out, const char *prefix, const char *payload, const char *job,
		       const char *unit)
{
	struct ff_buf class = FF_BUF_INIT;
	const char *dot = strchr(unit, '.');

	if (!payload || strcmp(payload, "pytest") == 0 || strcmp(payload, "run") == 0) {
		ff_xml_names(out, prefix, unit);
		return;
	}
	if (prefix)
		ff_buf_addf(&class, "%s.", prefix);
	if (strcmp(payload, "gtest") != 0 || !dot || dot == unit) {
		ff_buf_addstr(&class, job);
	} else {
		ff_buf_add(&class, unit, (size_t)(dot - unit));
		unit = dot + 1;
	}
	ff_xml_attribute(out, "classname", ff_buf_str(&class));
	ff_xml_attribute(out, "name", unit);
	ff_buf_release(&class);
}
