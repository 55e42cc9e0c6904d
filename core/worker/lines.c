/* Splitting and repairing text. Knows only buffers. */
#include "worker/lines.h"

#include <stdbool.h>
#include <string.h>

#include "wire/utf8.h"

void ff_lines_init(struct ff_lines *lines)
{
	ff_buf_init(&lines->part, FF_LINE_MAX);
	ff_buf_init(&lines->text, 3 * FF_LINE_MAX); /* each bad byte becomes three */
}

void ff_lines_release(struct ff_lines *lines)
{
	ff_buf_release(&lines->part);
	ff_buf_release(&lines->text);
}

/* Bytes of the character at the front; 0: none is valid there. */
static size_t valid_char(const char *text, size_t len)
{
	size_t size;

	for (size = 1; size <= 4 && size <= len; size++) {
		if (ff_is_utf8(text, size))
			return size;
	}
	return 0;
}

static int emit(struct ff_lines *lines, const char *text, size_t len,
		void (*fn)(void *ctx, const char *text, size_t len), void *ctx)
{
	size_t size;
	int rc = 0;

	if (ff_is_utf8(text, len)) {
		fn(ctx, text, len);
		return 0;
	}
	ff_buf_clear(&lines->text);
	while (len && !rc) {
		size = valid_char(text, len);
		rc = size ? ff_buf_add(&lines->text, text, size)
			  : ff_buf_add(&lines->text, "\xef\xbf\xbd", 3);
		text += size ? size : 1;
		len -= size ? size : 1;
	}
	if (!rc)
		fn(ctx, (const char *)ff_buf_data(&lines->text), lines->text.len);
	return rc;
}

/* How much of an over-long line to cut off: not through a character. */
static size_t cut_at(const char *text, size_t len)
{
	size_t cut = len;

	while (cut > len - 4 && ((unsigned char)text[cut - 1] & 0xc0) == 0x80)
		cut--;
	if (cut > len - 4 && (unsigned char)text[cut - 1] >= 0xc0 &&
	    !valid_char(text + cut - 1, len - cut + 1))
		return cut - 1;
	return len;
}

int ff_lines_feed(struct ff_lines *lines, const void *bytes, size_t len,
		  void (*fn)(void *ctx, const char *text, size_t len), void *ctx)
{
	struct ff_buf *part = &lines->part;
	const char *at = bytes, *newline;
	size_t take, cut;
	int rc;

	while (len) {
		newline = memchr(at, '\n', len);
		take = newline ? (size_t)(newline - at) : len;
		if (take > FF_LINE_MAX - part->len)
			take = FF_LINE_MAX - part->len;
		rc = ff_buf_add(part, at, take);
		if (rc)
			return rc;
		at += take;
		len -= take;
		if (newline && at == newline) {
			at++;
			len--;
			cut = part->len;
		} else if (part->len == FF_LINE_MAX) {
			cut = cut_at((const char *)ff_buf_data(part), part->len);
		} else {
			return 0;
		}
		rc = emit(lines, (const char *)ff_buf_data(part), cut, fn, ctx);
		ff_buf_consume(part, cut);
		if (rc)
			return rc;
	}
	return 0;
}

int ff_lines_end(struct ff_lines *lines, void (*fn)(void *ctx, const char *text, size_t len),
		 void *ctx)
{
	int rc = 0;

	if (lines->part.len)
		rc = emit(lines, (const char *)ff_buf_data(&lines->part), lines->part.len, fn, ctx);
	ff_buf_clear(&lines->part);
	return rc;
}
