#include "report/trace.h"

#include <string.h>

/* FNV-1a and a finish that spreads it (from MurmurHash3): names are to differ, no more. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t finish(uint64_t hash)
{
	hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;
	/* All zeros would be no name. */
	return hash ? hash : 1;
}

static void put(uint64_t hash, uint8_t *bytes)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(hash >> (56 - 8 * i));
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: it is no hexadecimal number, in small letters. */
static bool take_hex(const char *text, int len, uint8_t *bytes)
{
	for (int i = 0; i < len; i++) {
		int high = digit_of(text[2 * i]);
		int low = high < 0 ? -1 : digit_of(text[2 * i + 1]);

		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool any(const uint8_t *bytes, int len)
{
	for (int i = 0; i < len; i++)
		if (bytes[i])
			return true;
	return false;
}

/* "00-" TRACE "-" SPAN "-" FLAGS; later versions may say more. */
static bool take_parent(struct ff_trace *trace, const char *text)
{
	size_t len = strlen(text);
	uint8_t version, flags;

	return len >= FF_TRACEPARENT_LEN && take_hex(text, 1, &version) && version != 0xff &&
	       (len == FF_TRACEPARENT_LEN || (version > 0 && text[FF_TRACEPARENT_LEN] == '-')) &&
	       text[2] == '-' && take_hex(text + 3, 16, trace->id) && any(trace->id, 16) &&
	       text[35] == '-' && take_hex(text + 36, 8, trace->parent) && any(trace->parent, 8) &&
	       text[52] == '-' && take_hex(text + 53, 1, &flags);
}

void ff_trace_init(struct ff_trace *trace, const char *traceparent, const char *seed)
{
	uint64_t hash;

	*trace = (struct ff_trace){0};
	trace->has_parent = traceparent && take_parent(trace, traceparent);
	if (trace->has_parent)
		return;
	*trace = (struct ff_trace){0};
	hash = mix(UINT64_C(0xcbf29ce484222325), seed, strlen(seed));
	put(finish(hash), trace->id);
	put(finish(mix(hash, "trace", 5)), trace->id + 8);
}

void ff_trace_span(const struct ff_trace *trace, const char *kind, const char *name, uint64_t index,
		   uint64_t attempt, uint8_t span[8])
{
	uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), trace->id, sizeof(trace->id));

	if (trace->has_parent)
		hash = mix(hash, trace->parent, sizeof(trace->parent));
	hash = mix(hash, kind, strlen(kind) + 1);
	hash = mix(hash, name, strlen(name) + 1);
	hash = mix(hash, &index, sizeof(index));
	hash = mix(hash, &attempt, sizeof(attempt));
	put(finish(hash), span);
}

void ff_trace_hex(const uint8_t *bytes, int len, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * len] = '\0';
}

void ff_trace_parent(const struct ff_trace *trace, const uint8_t span[8],
		     char text[FF_TRACEPARENT_LEN + 1])
{
	memcpy(text, "00-", 3);
	ff_trace_hex(trace->id, 16, text + 3);
	text[35] = '-';
	ff_trace_hex(span, 8, text + 36);
	strcpy(text + 52, "-01");
}
