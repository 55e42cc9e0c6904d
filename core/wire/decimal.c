/* Decimal text to values. Does no arithmetic beyond 64 bits: large integers stay text. */
#include "wire/decimal.h"

enum { INT64_DIGITS = 19 };

bool ff_is_decimal(const char *text, size_t len)
{
	size_t i = len && (text[0] == '-' || text[0] == '+');

	if (i == len)
		return false;
	for (; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

struct ff_value ff_decimal_value(char *text, size_t len)
{
	struct ff_value value = {.kind = FF_BIGINT};
	bool is_negative = text[0] == '-';
	size_t skip = is_negative || text[0] == '+';
	uint64_t magnitude = 0;

	while (skip + 1 < len && text[skip] == '0')
		skip++;
	if (len - skip <= INT64_DIGITS) {
		for (size_t i = skip; i < len; i++)
			magnitude = magnitude * 10 + (uint64_t)(text[i] - '0');
		if (magnitude <= (uint64_t)INT64_MAX + is_negative)
			return ff_int((int64_t)(is_negative ? -magnitude : magnitude));
	}
	if (is_negative)
		text[--skip] = '-';
	value.text = text + skip;
	value.len = (uint32_t)(len - skip);
	return value;
}
