/* Looking into values and comparing them. Knows nothing of the wire. */
#include "wire/value.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

_Static_assert(sizeof(struct ff_value) == 16, "values are meant to be two words");

/* For those who cannot use the inline ones: bindings of other languages. */
extern inline struct ff_value ff_value_of(enum ff_kind kind);
extern inline struct ff_value ff_none(void);
extern inline struct ff_value ff_bool(bool boolean);
extern inline struct ff_value ff_int(int64_t integer);
extern inline struct ff_value ff_float(double real);
extern inline struct ff_value ff_bytes(const void *bytes, size_t len);
extern inline struct ff_value ff_strn(const char *text, size_t len);
extern inline struct ff_value ff_str(const char *text);
extern inline struct ff_value ff_collection(enum ff_kind kind, const struct ff_value *items,
					    size_t len);

void ff_item_release(struct ff_item *item)
{
	if (!item)
		return;
	ff_arena_release(&item->arena);
	*item = (struct ff_item)FF_ITEM_INIT;
}

struct ff_item *ff_item_new(void)
{
	struct ff_item *item = ff_malloc(sizeof(*item));

	if (item)
		*item = (struct ff_item)FF_ITEM_INIT;
	return item;
}

void ff_item_free(struct ff_item *item)
{
	if (item)
		ff_item_release(item);
	ff_free(item);
}

const struct ff_value *ff_item_value(const struct ff_item *item)
{
	return &item->value;
}

const char *ff_kind_name(enum ff_kind kind)
{
	switch (kind) {
	case FF_NONE:
		return "NoneType";
	case FF_BOOL:
		return "bool";
	case FF_INT:
	case FF_BIGINT:
		return "int";
	case FF_FLOAT:
		return "float";
	case FF_COMPLEX:
		return "complex";
	case FF_BYTES:
		return "bytes";
	case FF_STR:
		return "str";
	case FF_LIST:
		return "list";
	case FF_TUPLE:
		return "tuple";
	case FF_SET:
		return "set";
	case FF_FROZENSET:
		return "frozenset";
	case FF_DICT:
		return "dict";
	case FF_CHANNEL:
		return "channel";
	}
	return "?";
}

const struct ff_value *ff_dict_get(const struct ff_value *dict, const char *key)
{
	size_t len = strlen(key);

	if (!dict || dict->kind != FF_DICT)
		return NULL;
	/* From the end, as the last of equal keys counts. */
	for (size_t i = dict->len; i-- > 0;) {
		const struct ff_value *at = &dict->items[2 * i];

		if (at->kind == FF_STR && at->len == len && !memcmp(at->text, key, len))
			return at + 1;
	}
	return NULL;
}

int64_t ff_dict_int(const struct ff_value *dict, const char *key, int64_t fallback)
{
	return ff_as_int(ff_dict_get(dict, key), fallback);
}

double ff_dict_float(const struct ff_value *dict, const char *key, double fallback)
{
	return ff_as_float(ff_dict_get(dict, key), fallback);
}

bool ff_dict_bool(const struct ff_value *dict, const char *key, bool fallback)
{
	const struct ff_value *value = ff_dict_get(dict, key);

	return value && value->kind == FF_BOOL ? value->boolean : fallback;
}

const char *ff_dict_str(const struct ff_value *dict, const char *key, const char *fallback)
{
	return ff_as_str(ff_dict_get(dict, key), fallback);
}

const struct ff_value *ff_at(const struct ff_value *sequence, size_t i)
{
	if (!sequence || (sequence->kind != FF_LIST && sequence->kind != FF_TUPLE))
		return NULL;
	return i < sequence->len ? &sequence->items[i] : NULL;
}

bool ff_is_str(const struct ff_value *value, const char *text)
{
	return value && value->kind == FF_STR && value->len == strlen(text) &&
	       !memcmp(value->text, text, value->len);
}

/* Only what int64_t holds is converted: beyond it, C leaves the result open. */
static int64_t truncated(double real, int64_t fallback)
{
	return real >= -0x1p63 && real < 0x1p63 ? (int64_t)real : fallback;
}

int64_t ff_as_int(const struct ff_value *value, int64_t fallback)
{
	if (!value)
		return fallback;
	switch (value->kind) {
	case FF_INT:
		return value->integer;
	case FF_BOOL:
		return value->boolean;
	case FF_FLOAT:
		return truncated(value->real, fallback);
	default:
		return fallback;
	}
}

double ff_as_float(const struct ff_value *value, double fallback)
{
	if (!value)
		return fallback;
	switch (value->kind) {
	case FF_FLOAT:
		return value->real;
	case FF_INT:
		return (double)value->integer;
	case FF_BOOL:
		return value->boolean;
	default:
		return fallback;
	}
}

const char *ff_as_str(const struct ff_value *value, const char *fallback)
{
	return value && (value->kind == FF_STR || value->kind == FF_BYTES) ? value->text : fallback;
}

bool ff_is_hashable(const struct ff_value *value)
{
	if (value->kind == FF_LIST || value->kind == FF_DICT || value->kind == FF_SET)
		return false;
	if (value->kind != FF_TUPLE)
		return true;
	for (size_t i = 0; i < value->len; i++)
		if (!ff_is_hashable(&value->items[i]))
			return false;
	return true;
}

/* --- equality ---
 *
 * Sets and dicts are looked into by key: small ones by walking, larger ones through an index of
 * hashes. The hash follows the equality below, so the order inside sets doesn't enter it. */

enum { INDEX_MIN = 17 };

static uint64_t mix(uint64_t h, uint64_t more)
{
	h = (h ^ more) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 31;
}

static uint64_t hash_real(double real)
{
	uint64_t bits = 0;

	if (isnan(real))
		return 1;
	if (real != 0) /* both zeros are equal */
		memcpy(&bits, &real, sizeof(bits));
	return bits;
}

static uint64_t hash_text(uint64_t h, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return mix(h, len);
}

static uint64_t hash(const struct ff_value *value);

/* By the extremes, in which neither order nor repetition shows. */
static uint64_t hash_unordered(uint64_t h, const struct ff_value *value, size_t stride)
{
	uint64_t lowest = UINT64_MAX, highest = 0;

	for (size_t i = 0; i < value->len; i++) {
		uint64_t one = hash(&value->items[i * stride]);

		lowest = one < lowest ? one : lowest;
		highest = one > highest ? one : highest;
	}
	return mix(mix(h, lowest), highest);
}

static uint64_t hash(const struct ff_value *value)
{
	uint64_t h = mix(0, value->kind);

	switch ((enum ff_kind)value->kind) {
	case FF_NONE:
		return h;
	case FF_BOOL:
		return mix(h, value->boolean);
	case FF_INT:
		return mix(h, (uint64_t)value->integer);
	case FF_FLOAT:
		return mix(h, hash_real(value->real));
	case FF_COMPLEX:
		return mix(mix(h, hash_real(value->complex[0])), hash_real(value->complex[1]));
	case FF_BIGINT:
	case FF_BYTES:
	case FF_STR:
		return hash_text(h, value->text, value->len);
	case FF_LIST:
	case FF_TUPLE:
		for (size_t i = 0; i < value->len; i++)
			h = mix(h, hash(&value->items[i]));
		return h;
	case FF_SET:
	case FF_FROZENSET:
		return hash_unordered(h, value, 1);
	case FF_DICT:
		return hash_unordered(h, value, 2);
	case FF_CHANNEL:
		return mix(h, value->channel);
	}
	return h;
}

struct index_entry {
	uint64_t hash;
	size_t i;
};

struct index {
	const struct ff_value *of;   /* a set or dict */
	size_t stride;		     /* 2 for dicts */
	struct index_entry *by_hash; /* NULL: walk */
};

static int compare_entries(const void *left, const void *right)
{
	const struct index_entry *a = left, *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->i > b->i ? -1 : a->i < b->i; /* the last entry first */
}

/* Without memory for the index, walking is slow but right. */
static void index_init(struct index *index, const struct ff_value *of)
{
	*index = (struct index){.of = of, .stride = of->kind == FF_DICT ? 2 : 1};
	if (of->len < INDEX_MIN)
		return;
	index->by_hash = ff_malloc(of->len * sizeof(*index->by_hash));
	if (!index->by_hash)
		return;
	for (size_t i = 0; i < of->len; i++)
		index->by_hash[i] = (struct index_entry){hash(&of->items[i * index->stride]), i};
	qsort(index->by_hash, of->len, sizeof(*index->by_hash), compare_entries);
}

static const struct ff_value *index_find(const struct index *index, const struct ff_value *key)
{
	const struct ff_value *of = index->of, *at;
	size_t low = 0, high = of->len;
	uint64_t wanted;

	if (!index->by_hash) {
		for (size_t i = of->len; i-- > 0;) {
			at = &of->items[i * index->stride];
			if (ff_value_equal(at, key))
				return at;
		}
		return NULL;
	}
	wanted = hash(key);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->by_hash[middle].hash < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < of->len && index->by_hash[low].hash == wanted; low++) {
		at = &of->items[index->by_hash[low].i * index->stride];
		if (ff_value_equal(at, key))
			return at;
	}
	return NULL;
}

/* Whether all that counts in `a` is in `b`. */
static bool contained(const struct index *a, const struct index *b)
{
	for (size_t i = 0; i < a->of->len; i++) {
		const struct ff_value *here = &a->of->items[i * a->stride];
		const struct ff_value *there = index_find(b, here);

		if (!there)
			return false;
		if (a->stride == 1)
			continue;
		here = index_find(a, here);
		if (!here || !ff_value_equal(here + 1, there + 1))
			return false;
	}
	return true;
}

static bool equal_unordered(const struct ff_value *a, const struct ff_value *b)
{
	struct index ia, ib;
	bool equal;

	index_init(&ia, a);
	index_init(&ib, b);
	equal = contained(&ia, &ib);
	/* The other way round, only keys can be missing. */
	for (size_t i = 0; equal && i < b->len; i++)
		equal = index_find(&ia, &b->items[i * ib.stride]) != NULL;
	ff_free(ia.by_hash);
	ff_free(ib.by_hash);
	return equal;
}

static bool equal_reals(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

bool ff_value_equal(const struct ff_value *a, const struct ff_value *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind)
		return false;
	switch ((enum ff_kind)a->kind) {
	case FF_NONE:
		return true;
	case FF_BOOL:
		return a->boolean == b->boolean;
	case FF_INT:
		return a->integer == b->integer;
	case FF_FLOAT:
		return equal_reals(a->real, b->real);
	case FF_COMPLEX:
		return equal_reals(a->complex[0], b->complex[0]) &&
		       equal_reals(a->complex[1], b->complex[1]);
	case FF_BIGINT:
	case FF_BYTES:
	case FF_STR:
		return a->len == b->len && (!a->len || !memcmp(a->text, b->text, a->len));
	case FF_LIST:
	case FF_TUPLE:
		if (a->len != b->len)
			return false;
		for (size_t i = 0; i < a->len; i++)
			if (!ff_value_equal(&a->items[i], &b->items[i]))
				return false;
		return true;
	case FF_SET:
	case FF_FROZENSET:
	case FF_DICT:
		return equal_unordered(a, b);
	case FF_CHANNEL:
		return a->channel == b->channel;
	}
	return false;
}
