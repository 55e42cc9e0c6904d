/* Is it UTF-8? Tuned for what is sent most: short ASCII. */
#ifndef FF_WIRE_UTF8_H
#define FF_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FF_HIGH_BITS UINT64_C(0x8080808080808080)

static inline bool ff_is_ascii(const char *text, size_t len)
{
	uint64_t seen = 0, word;
	size_t i = 0;

	if (len >= 8) {
		for (; i + 8 < len; i += 8) {
			memcpy(&word, text + i, 8);
			seen |= word;
		}
		memcpy(&word, text + len - 8, 8);
		return !((seen | word) & FF_HIGH_BITS);
	}
	for (; i < len; i++)
		seen |= (unsigned char)text[i];
	return !(seen & 0x80);
}

/* As Python's strict decoder: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool ff_is_utf8(const char *text, size_t len);

/* Writes at most 2 * len bytes to `to`, without a NUL; returns how many. */
size_t ff_latin1_to_utf8(char *to, const char *text, size_t len);

#endif
