/* Values: what travels over channels. A value is 16 bytes, passed by value; what it points to lives
 * in an arena, in static memory, or wherever its maker says. The kinds are Python's builtin types,
 * as execnet serializes them.
 *
 * A dict whose maker wrote a key twice holds both entries; the last one counts, as in Python: all
 * functions here go by that. Likewise a set may hold an element twice. */
#ifndef FF_WIRE_VALUE_H
#define FF_WIRE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

enum ff_kind {
	FF_NONE,
	FF_BOOL,
	FF_INT,	   /* fits int64_t */
	FF_BIGINT, /* any other integer: its decimal text */
	FF_FLOAT,
	FF_COMPLEX,
	FF_BYTES,
	FF_STR, /* UTF-8 */
	FF_LIST,
	FF_TUPLE,
	FF_SET,
	FF_FROZENSET,
	FF_DICT,
	FF_CHANNEL, /* a channel of the gateway that carries the value, by id */
};

struct ff_value {
	uint8_t kind;	/* enum ff_kind */
	uint16_t depth; /* of loaded containers: levels of containers, itself included; else 0 */
	uint32_t len;	/* bytes of text, number of elements, number of dict entries */
	union {
		bool boolean;
		int64_t integer;
		double real;
		const double *complex; /* two: real, imaginary */
		const char *text;      /* BYTES, STR, BIGINT; loaded ones have a NUL behind */
		const struct ff_value *items; /* elements; for DICT key, value, key, value, … */
		uint32_t channel;
	};
};

/* A value together with the memory it points into. */
struct ff_item {
	struct ff_arena arena;
	struct ff_value value;
};

#ifdef __cplusplus
#define FF_ITEM_INIT                                                                               \
	{                                                                                          \
	}
#else
#define FF_ITEM_INIT                                                                               \
	{                                                                                          \
		.value = {.kind = FF_NONE }                                                        \
	}
#endif

/* Frees the memory; the item is None afterwards and may be filled again. */
void ff_item_release(struct ff_item *item);
/* An empty one on the heap, for those who can't know the size; NULL: out of memory. */
struct ff_item *ff_item_new(void);
void ff_item_free(struct ff_item *item); /* NULL: nothing */
/* What an item holds, valid until it is released or filled anew. */
const struct ff_value *ff_item_value(const struct ff_item *item);

/* --- making: text and items are borrowed, not copied. What is longer than `len` can say is cut in
 * no way: dumping it is FF_EDUMP, as for all of 2 GiB and more --- */

#define FF_VALUE_LEN(len) ((len) > UINT32_MAX ? UINT32_MAX : (uint32_t)(len))

/* Of `kind`, all else zero. */
inline struct ff_value ff_value_of(enum ff_kind kind)
{
	struct ff_value value;

	memset(&value, 0, sizeof(value));
	value.kind = (uint8_t)kind;
	return value;
}
inline struct ff_value ff_none(void)
{
	return ff_value_of(FF_NONE);
}
inline struct ff_value ff_bool(bool boolean)
{
	struct ff_value value = ff_value_of(FF_BOOL);

	value.boolean = boolean;
	return value;
}
inline struct ff_value ff_int(int64_t integer)
{
	struct ff_value value = ff_value_of(FF_INT);

	value.integer = integer;
	return value;
}
inline struct ff_value ff_float(double real)
{
	struct ff_value value = ff_value_of(FF_FLOAT);

	value.real = real;
	return value;
}
inline struct ff_value ff_bytes(const void *bytes, size_t len)
{
	struct ff_value value = ff_value_of(FF_BYTES);

	value.len = FF_VALUE_LEN(len);
	value.text = (const char *)bytes;
	return value;
}
inline struct ff_value ff_strn(const char *text, size_t len)
{
	struct ff_value value = ff_value_of(FF_STR);

	value.len = FF_VALUE_LEN(len);
	value.text = text;
	return value;
}
/* NULL gives None. */
inline struct ff_value ff_str(const char *text)
{
	return text ? ff_strn(text, strlen(text)) : ff_none();
}
/* `kind`: FF_LIST, FF_TUPLE, FF_SET, FF_FROZENSET or FF_DICT (then `items` holds 2 * len values).
 */
inline struct ff_value ff_collection(enum ff_kind kind, const struct ff_value *items, size_t len)
{
	struct ff_value value = ff_value_of(kind);

	value.len = FF_VALUE_LEN(len);
	value.items = items;
	return value;
}

/* --- looking: none of these fails, a wrong kind gives the fallback --- */

const char *ff_kind_name(enum ff_kind kind); /* Python's name: "int", "dict", "NoneType", … */

/* The value for a str key of a dict; NULL if `dict` is no dict or lacks it. */
const struct ff_value *ff_dict_get(const struct ff_value *dict, const char *key);
int64_t ff_dict_int(const struct ff_value *dict, const char *key, int64_t fallback);
double ff_dict_float(const struct ff_value *dict, const char *key, double fallback);
bool ff_dict_bool(const struct ff_value *dict, const char *key, bool fallback);
/* NUL-terminated for loaded values. */
const char *ff_dict_str(const struct ff_value *dict, const char *key, const char *fallback);

/* Element `i` of a list or tuple; NULL if it has none. */
const struct ff_value *ff_at(const struct ff_value *sequence, size_t i);
/* Whether `value` is the str `text`. */
bool ff_is_str(const struct ff_value *value, const char *text);
/* The number in an INT, BOOL or FLOAT (truncated). */
int64_t ff_as_int(const struct ff_value *value, int64_t fallback);
double ff_as_float(const struct ff_value *value, double fallback);
/* The text of a STR or BYTES; may contain NULs, see value->len: for texts that are to be shown use
 * ff_buf_add_shown(buf, value->text, value->len). */
const char *ff_as_str(const struct ff_value *value, const char *fallback);

/* Whether Python could use it as a dict key or set element. */
bool ff_is_hashable(const struct ff_value *value);

/* Deep equality as Python's ==, except that kinds must match (1 != 1.0 != True) and NaN equals
 * itself. Sets and dicts compare regardless of order. */
bool ff_value_equal(const struct ff_value *a, const struct ff_value *b);

/* Appends a Python-like repr; for messages. `max` cuts long ones with "…"; 0: no limit. */
struct ff_buf;
int ff_value_repr(struct ff_buf *out, const struct ff_value *value, size_t max);

#endif
