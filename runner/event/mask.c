/* Finding secrets in bytes, also where they are cut in two. */
#include "event/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { CHAIN_MAX = 8 }; /* longest secrets: of overlapping ones no more is held back */

void ff_mask_release(struct ff_mask *mask)
{
	for (size_t i = 0; i < mask->len; i++)
		ff_free(mask->words[i].bytes);
	ff_free(mask->words);
	*mask = (struct ff_mask){0};
}

static void add_word(struct ff_mask *mask, const char *bytes, size_t len)
{
	size_t at = 0;

	if (len < FF_MASK_MIN)
		return;
	for (size_t i = 0; i < mask->len; i++)
		if (mask->words[i].len == len && !memcmp(mask->words[i].bytes, bytes, len))
			return;
	if (mask->len == mask->cap) {
		mask->cap = mask->cap ? mask->cap * 2 : 8;
		mask->words = ff_xrealloc(mask->words, mask->cap * sizeof(*mask->words));
	}
	while (at < mask->len && mask->words[at].len >= len)
		at++;
	memmove(mask->words + at + 1, mask->words + at, (mask->len - at) * sizeof(*mask->words));
	mask->words[at] = (struct ff_mask_word){ff_xstrndup(bytes, len), len};
	mask->len++;
	mask->first[(unsigned char)*bytes] = true;
}

/* As Python's repr and JSON write it, within such quotes. */
static void add_escaped(struct ff_mask *mask, const char *value, size_t len, char quote)
{
	struct ff_buf text = FF_BUF_INIT;

	for (size_t i = 0; i < len; i++) {
		static const char plain[] = "\n\r\t\\", letters[] = "nrt\\";
		const char *found = value[i] ? strchr(plain, value[i]) : NULL;

		if (found) {
			ff_buf_addch(&text, '\\');
			ff_buf_addch(&text, letters[found - plain]);
		} else {
			if (value[i] == quote)
				ff_buf_addch(&text, '\\');
			ff_buf_addch(&text, value[i]);
		}
	}
	add_word(mask, (const char *)ff_buf_data(&text), text.len);
	ff_buf_release(&text);
}

void ff_mask_add(struct ff_mask *mask, const char *value, size_t len)
{
	const char *at = value, *end = value + len;

	add_word(mask, value, len);
	for (const char *quote = "\"'"; *quote; quote++)
		add_escaped(mask, value, len, *quote);
	add_escaped(mask, value, len, '\0'); /* in the other ones */
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		const char *next = stop ? stop + 1 : end;

		stop = stop ? stop : end;
		if (stop > at && stop[-1] == '\r')
			stop--;
		add_word(mask, at, (size_t)(stop - at));
		at = next;
	}
}

/* The end of what is to be masked from `at` on; `at`: nothing is. `open`: a secret may begin here
 * that goes on behind the bytes. */
static size_t match(const struct ff_mask *mask, const char *bytes, size_t len, size_t at,
		    bool *open)
{
	size_t end = at;

	/* Also those that begin inside of another. */
	for (size_t from = at; from == at || from < end; from++) {
		if (!mask->first[(unsigned char)bytes[from]])
			continue;
		for (size_t i = 0; i < mask->len; i++) {
			const struct ff_mask_word *word = &mask->words[i];
			size_t rest = len - from, same = word->len < rest ? word->len : rest;

			if (memcmp(word->bytes, bytes + from, same))
				continue;
			if (same < word->len)
				*open = true;
			else if (from + same > end)
				end = from + same;
		}
	}
	return end;
}

/* Appends up to where a secret may begin that is not all there; that place. */
static size_t put(const struct ff_mask *mask, const char *bytes, size_t len, bool more_comes,
		  struct ff_buf *out)
{
	size_t at = 0, done = 0;

	while (at < len) {
		bool open = false;
		size_t end;

		if (!mask->first[(unsigned char)bytes[at]]) {
			at++;
			continue;
		}
		end = match(mask, bytes, len, at, &open);
		if (open && more_comes && len - at < CHAIN_MAX * mask->words[0].len)
			break;
		if (end == at) {
			at++;
			continue;
		}
		ff_buf_add(out, bytes + done, at - done);
		ff_buf_addstr(out, FF_MASK_TEXT);
		at = done = end;
	}
	ff_buf_add(out, bytes + done, at - done);
	return at;
}

/* How output that was cut at its source says so, in the middle of the text. */
static const char cut_mark[] = "\n[… ", cut_end[] = "…]\n";

bool ff_mask_finds(const struct ff_mask *mask, const char *bytes, size_t len)
{
	for (size_t at = 0; mask->len > 0 && at < len; at++) {
		bool open = false;

		if (mask->first[(unsigned char)bytes[at]] &&
		    match(mask, bytes, len, at, &open) > at)
			return true;
	}
	return mask->len > 0 && memmem(bytes, len, cut_mark, sizeof(cut_mark) - 1);
}

/* How much of the end of the bytes is the beginning of a secret, or of their beginning the end of
 * one: what a cut has left of it. */
static size_t fragment(const struct ff_mask *mask, const char *bytes, size_t len, bool at_end)
{
	size_t longest = 0;

	for (size_t i = 0; i < mask->len; i++) {
		const struct ff_mask_word *word = &mask->words[i];
		size_t most = word->len < len ? word->len : len;

		for (size_t part = most; part >= FF_MASK_MIN && part > longest; part--)
			if (!memcmp(at_end ? bytes + len - part : bytes,
				    at_end ? word->bytes : word->bytes + word->len - part, part))
				longest = part;
	}
	return longest;
}

/* One side of a cut. */
static void put_side(const struct ff_mask *mask, const char *bytes, size_t len, bool cut_before,
		     bool cut_behind, struct ff_buf *out)
{
	size_t first = cut_before ? fragment(mask, bytes, len, false) : 0;
	size_t last = cut_behind ? fragment(mask, bytes + first, len - first, true) : 0;

	if (first)
		ff_buf_addstr(out, FF_MASK_TEXT);
	put(mask, bytes + first, len - first - last, false, out);
	if (last)
		ff_buf_addstr(out, FF_MASK_TEXT);
}

void ff_mask_put(const struct ff_mask *mask, const char *bytes, size_t len, struct ff_buf *out)
{
	const char *end = bytes + len, *mark, *behind;
	bool cut = false;

	while ((mark = memmem(bytes, (size_t)(end - bytes), cut_mark, sizeof(cut_mark) - 1))) {
		behind = memmem(mark, (size_t)(end - mark), cut_end, sizeof(cut_end) - 1);
		if (!behind)
			break;
		behind += sizeof(cut_end) - 1;
		put_side(mask, bytes, (size_t)(mark - bytes), cut, true, out);
		ff_buf_add(out, mark, (size_t)(behind - mark));
		bytes = behind;
		cut = true;
	}
	put_side(mask, bytes, (size_t)(end - bytes), cut, false, out);
}

void ff_mask_stream_release(struct ff_mask_stream *stream)
{
	ff_buf_release(&stream->held);
}

void ff_mask_feed(const struct ff_mask *mask, struct ff_mask_stream *stream, const char *bytes,
		  size_t len, struct ff_buf *out)
{
	size_t done;

	if (stream->held.len == 0) {
		done = put(mask, bytes, len, true, out);
		ff_buf_add(&stream->held, bytes + done, len - done);
		return;
	}
	ff_buf_add(&stream->held, bytes, len);
	done = put(mask, (const char *)ff_buf_data(&stream->held), stream->held.len, true, out);
	ff_buf_consume(&stream->held, done);
}

void ff_mask_end(const struct ff_mask *mask, struct ff_mask_stream *stream, struct ff_buf *out)
{
	put(mask, (const char *)ff_buf_data(&stream->held), stream->held.len, false, out);
	ff_buf_clear(&stream->held);
}
