/* The UTF-8 check's slow half (RFC 3629, section 4). */
#include "wire/utf8.h"

/* Bytes of the character at `p`, 0 if it is none. */
static size_t char_len(const unsigned char *p, size_t left)
{
	unsigned char first = p[0], low = 0x80, high = 0xbf;
	size_t len;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool ff_is_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	while (p < end) {
		uint64_t word;
		size_t n;

		if (end - p >= 8) {
			memcpy(&word, p, 8);
			if (!(word & FF_HIGH_BITS)) {
				p += 8;
				continue;
			}
		}
		n = char_len(p, (size_t)(end - p));
		if (!n)
			return false;
		p += n;
	}
	return true;
}

size_t ff_latin1_to_utf8(char *to, const char *text, size_t len)
{
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80)
			to[at++] = (char)(0xc0 | c >> 6);
		to[at++] = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
	}
	return at;
}
