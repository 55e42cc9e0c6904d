/* Dumping values, packing call by call, and random values there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "wire/serialize.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void check_dump(struct ff_value value, const void *wanted, size_t len)
{
	struct ff_buf out = FF_BUF_INIT;

	assert_int_equal(ff_dump_item(&out, &value, NULL), 0);
	assert_int_equal(out.len, len);
	assert_memory_equal(ff_buf_data(&out), wanted, len);
	ff_buf_release(&out);
}
#define CHECK_DUMP(value, wanted) check_dump(value, wanted, sizeof(wanted) - 1)

static void test_scalars(void **state)
{
	static const double parts[] = {1, -2};

	CHECK_DUMP(ff_none(), "LQ");
	CHECK_DUMP(ff_bool(true), "RQ");
	CHECK_DUMP(ff_bool(false), "CQ");
	CHECK_DUMP(ff_int(258), "F\0\0\1\2Q");
	CHECK_DUMP(ff_int(-1), "F\xff\xff\xff\xffQ");
	CHECK_DUMP(ff_int(INT32_MAX), "F\x7f\xff\xff\xffQ");
	CHECK_DUMP(ff_int(INT32_MIN), "F\x80\0\0\0Q");
	CHECK_DUMP(ff_int((int64_t)INT32_MAX + 1), "H\0\0\0\12"
						   "2147483648Q");
	CHECK_DUMP(ff_int((int64_t)INT32_MIN - 1), "H\0\0\0\13-2147483649Q");
	CHECK_DUMP(ff_int(INT64_MIN), "H\0\0\0\24-9223372036854775808Q");
	CHECK_DUMP(ff_float(1.5), "D\x3f\xf8\0\0\0\0\0\0Q");
	CHECK_DUMP(((struct ff_value){.kind = FF_COMPLEX, .complex = parts}),
		   "T\x3f\xf0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\0Q");
	CHECK_DUMP(((struct ff_value){.kind = FF_BIGINT, .len = 3, .text = "-12"}),
		   "H\0\0\0\3-12Q");
	CHECK_DUMP(ff_bytes("a\0\xff", 3), "A\0\0\0\3a\0\xffQ");
	CHECK_DUMP(ff_str("é"), "N\0\0\0\2\xc3\xa9Q");
	CHECK_DUMP(ff_str(""), "N\0\0\0\0Q");
	CHECK_DUMP(((struct ff_value){.kind = FF_CHANNEL, .channel = 7}), "B\0\0\0\7Q");
}

static void test_containers(void **state)
{
	const struct ff_value items[] = {ff_int(1), ff_none()};

	CHECK_DUMP(ff_collection(FF_LIST, items, 2), "K\0\0\0\2F\0\0\0\0F\0\0\0\1PF\0\0\0\1LPQ");
	CHECK_DUMP(ff_collection(FF_TUPLE, items, 2), "F\0\0\0\1L@\0\0\0\2Q");
	CHECK_DUMP(ff_collection(FF_SET, items, 2), "F\0\0\0\1LO\0\0\0\2Q");
	CHECK_DUMP(ff_collection(FF_FROZENSET, items, 0), "E\0\0\0\0Q");
	CHECK_DUMP(ff_collection(FF_DICT, items, 1), "JF\0\0\0\1LPQ");
	CHECK_DUMP(ff_collection(FF_DICT, NULL, 0), "JQ");
}

static void test_packing(void **state)
{
	char *const words[] = {(char *)"x", NULL};
	const struct ff_value five = ff_int(5), pair = ff_collection(FF_TUPLE, &five, 1);
	struct ff_buf out = FF_BUF_INIT, tree = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &out);
	ff_pack_open(&p, FF_DICT);
	ff_pack_str(&p, "list");
	ff_pack_open(&p, FF_LIST);
	ff_pack_int(&p, 1);
	ff_pack_none(&p);
	ff_pack_open(&p, FF_TUPLE);
	ff_pack_bool(&p, true);
	ff_pack_float(&p, 2.5);
	ff_pack_close(&p);
	ff_pack_strv(&p, words);
	ff_pack_strv(&p, NULL);
	ff_pack_close(&p);
	ff_pack_bytes(&p, "b", 1);
	ff_pack_open(&p, FF_SET);
	ff_pack_channel(&p, 3);
	ff_pack_str(&p, NULL);
	ff_pack_close(&p);
	ff_pack_strn(&p, "value", 3);
	ff_pack_value(&p, &pair);
	ff_pack_close(&p);
	assert_int_equal(ff_pack_done(&p), 0);
	assert_int_equal(ff_load_item(&item, ff_buf_data(&out), out.len, NULL, 0, NULL), 0);
	assert_int_equal(ff_value_repr(&tree, &item.value, 0), 0);
	assert_string_equal(ff_buf_str(&tree), "{'list': [1, None, (True, 2.5), ['x'], []], "
					       "b'b': {<channel 3>, None}, 'val': (5,)}");
	ff_buf_clear(&tree);
	assert_int_equal(ff_dump_item(&tree, &item.value, NULL), 0);
	assert_int_equal(tree.len, out.len);
	assert_memory_equal(ff_buf_data(&tree), ff_buf_data(&out), out.len);
	ff_item_release(&item);
	ff_buf_release(&out);
	ff_buf_release(&tree);
}

/* What was packed as an item becomes a part of another as it is. */
static void test_packing_items(void **state)
{
	const struct ff_value five = ff_int(5), pair = ff_collection(FF_TUPLE, &five, 1);
	struct ff_buf part = FF_BUF_INIT, out = FF_BUF_INIT, text = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_pack p;

	assert_int_equal(ff_dump_item(&part, &pair, NULL), 0);
	ff_pack_init(&p, &out);
	ff_pack_open(&p, FF_LIST);
	ff_pack_str(&p, "a");
	ff_pack_item(&p, ff_buf_data(&part), part.len);
	ff_pack_none(&p);
	ff_pack_close(&p);
	assert_int_equal(ff_pack_done(&p), 0);
	assert_int_equal(ff_load_item(&item, ff_buf_data(&out), out.len, NULL, 0, NULL), 0);
	assert_int_equal(ff_value_repr(&text, &item.value, 0), 0);
	assert_string_equal(ff_buf_str(&text), "['a', (5,), None]");
	ff_item_release(&item);
	ff_pack_init(&p, &out);
	ff_pack_item(&p, ff_buf_data(&part), part.len - 1); /* cut off */
	assert_int_equal(ff_pack_done(&p), FF_EDUMP);
	ff_buf_release(&part);
	ff_buf_release(&out);
	ff_buf_release(&text);
}

static void pack_nothing(struct ff_pack *p)
{
}

static void pack_two(struct ff_pack *p)
{
	ff_pack_int(p, 1);
	ff_pack_int(p, 2);
}

static void pack_unclosed(struct ff_pack *p)
{
	ff_pack_open(p, FF_LIST);
}

static void pack_unopened(struct ff_pack *p)
{
	ff_pack_int(p, 1);
	ff_pack_close(p);
}

static void pack_half_an_entry(struct ff_pack *p)
{
	ff_pack_open(p, FF_DICT);
	ff_pack_int(p, 1);
	ff_pack_close(p);
}

static void pack_not_utf8(struct ff_pack *p)
{
	ff_pack_open(p, FF_LIST);
	ff_pack_str(p, "\xff");
	ff_pack_close(p);
}

static void pack_open_scalar(struct ff_pack *p)
{
	ff_pack_open(p, FF_STR);
}

static void pack_too_deep(struct ff_pack *p)
{
	for (int i = 0; i < 1000; i++)
		ff_pack_open(p, FF_TUPLE);
	for (int i = 0; i < 1000; i++)
		ff_pack_close(p);
}

static void pack_list_as_key(struct ff_pack *p)
{
	ff_pack_open(p, FF_DICT);
	ff_pack_open(p, FF_LIST);
	ff_pack_close(p);
	ff_pack_int(p, 1);
	ff_pack_close(p);
}

static void pack_dict_deep_in_a_set(struct ff_pack *p)
{
	ff_pack_open(p, FF_SET);
	ff_pack_open(p, FF_TUPLE);
	ff_pack_open(p, FF_DICT);
	ff_pack_close(p);
	ff_pack_close(p);
	ff_pack_close(p);
}

static void pack_value_as_key(struct ff_pack *p)
{
	const struct ff_value list = ff_collection(FF_LIST, NULL, 0);

	ff_pack_open(p, FF_DICT);
	ff_pack_value(p, &list);
	ff_pack_int(p, 1);
	ff_pack_close(p);
}

static void test_packing_refused(void **state)
{
	static void (*const wrong[])(struct ff_pack *) = {
		pack_nothing,	    pack_two,
		pack_unclosed,	    pack_unopened,
		pack_half_an_entry, pack_not_utf8,
		pack_open_scalar,   pack_too_deep,
		pack_list_as_key,   pack_dict_deep_in_a_set,
		pack_value_as_key,
	};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct ff_buf out = FF_BUF_INIT;
		struct ff_pack p;

		ff_pack_init(&p, &out);
		wrong[i](&p);
		assert_int_equal(ff_pack_done(&p), FF_EDUMP);
		assert_non_null(p.reason);
		ff_buf_release(&out);
	}
}

static void check_no_dump(struct ff_value value)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err;

	ff_buf_addstr(&out, "before");
	assert_int_equal(ff_dump_item(&out, &value, &err), FF_EDUMP);
	assert_int_equal(ff_dumps(&out, &value, 2, &err), FF_EDUMP);
	assert_string_equal(ff_buf_str(&out), "before");
	assert_non_null(strstr(err.text, "cannot be dumped"));
	ff_buf_release(&out);
}

/* A length that 32 bits can't hold is refused, not taken for what is left of it. */
static void test_no_length_is_cut(void **state)
{
	size_t len = ((size_t)1 << 32) + 3;

	check_no_dump(ff_bytes("abc", len));
	check_no_dump(ff_strn("abc", len));
	check_no_dump(ff_collection(FF_LIST, NULL, len));
	check_no_dump(ff_collection(FF_TUPLE, NULL, len));
	check_no_dump(ff_collection(FF_DICT, NULL, len));
	check_no_dump(ff_bytes("abc", (size_t)1 << 31));
}

/* What Python could not hold must not leave: it would cost the connection there. */
static void test_unhashable_refused(void **state)
{
	static const enum ff_kind kinds[] = {FF_LIST, FF_DICT, FF_SET};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct ff_value bad = ff_collection(kinds[i], NULL, 0);
		struct ff_value inner = ff_collection(FF_TUPLE, &bad, 1);
		struct ff_value pairs[] = {bad, ff_none()}, deep[] = {inner, ff_none()};
		struct ff_value outer;

		check_no_dump(ff_collection(FF_DICT, pairs, 1));
		check_no_dump(ff_collection(FF_DICT, deep, 1));
		check_no_dump(ff_collection(FF_SET, &bad, 1));
		check_no_dump(ff_collection(FF_FROZENSET, &inner, 1));
		outer = ff_collection(FF_DICT, pairs, 1);
		check_no_dump(ff_collection(FF_LIST, &outer, 1));
	}
}

static void test_dump_refused(void **state)
{
	struct ff_value nested[FF_DEPTH_MAX + 1], one = ff_int(1);
	struct ff_buf out = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;

	check_no_dump(ff_str("a\xc3"));
	check_no_dump((struct ff_value){.kind = FF_BIGINT, .len = 1, .text = "-"});
	check_no_dump((struct ff_value){.kind = FF_BIGINT, .len = 2, .text = "1x"});
	check_no_dump((struct ff_value){.kind = FF_BIGINT});
	check_no_dump((struct ff_value){.kind = 99});
	assert_int_equal(ff_dumps(&out, &one, 3, NULL), FF_EINVAL);
	nested[0] = ff_collection(FF_TUPLE, &one, 1);
	for (size_t i = 1; i <= FF_DEPTH_MAX; i++)
		nested[i] = ff_collection(i % 2 ? FF_LIST : FF_TUPLE, &nested[i - 1], 1);
	check_no_dump(nested[FF_DEPTH_MAX]);
	assert_int_equal(ff_dump_item(&out, &nested[FF_DEPTH_MAX - 1], NULL), 0);
	assert_int_equal(ff_load_item(&item, ff_buf_data(&out), out.len, NULL, 0, NULL), 0);
	assert_true(ff_value_equal(&item.value, &nested[FF_DEPTH_MAX - 1]));
	ff_item_release(&item);
	ff_buf_release(&out);
	ff_buf_init(&out, 8);
	one = ff_str("0123456789");
	assert_int_equal(ff_dump_item(&out, &one, NULL), FF_ETOOBIG);
	ff_buf_release(&out);
}

static void test_versions(void **state)
{
	struct ff_value value = ff_str("x");
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err;

	for (int version = 1; version <= 2; version++) {
		struct ff_buf out = FF_BUF_INIT;

		assert_int_equal(ff_dumps(&out, &value, version, NULL), 0);
		assert_int_equal(ff_buf_data(&out)[0], version);
		assert_int_equal(ff_loads(&item, ff_buf_data(&out), out.len, NULL, NULL), 0);
		assert_true(ff_is_str(&item.value, "x"));
		ff_item_release(&item);
		ff_buf_release(&out);
	}
	assert_int_equal(ff_loads(&item, "\3LQ", 3, NULL, &err), FF_ELOAD);
	assert_string_equal(err.text, "serialized data: version byte 0x03");
	assert_int_equal(ff_loads(&item, "", 0, NULL, NULL), FF_ELOAD);
}

static enum ff_kind kind_of(const char *data, size_t len, const struct ff_strconfig *config)
{
	struct ff_item item = FF_ITEM_INIT;
	enum ff_kind kind;

	assert_int_equal(ff_loads(&item, data, len, config, NULL), 0);
	kind = item.value.kind;
	ff_item_release(&item);
	return kind;
}

/* As execnet.loads(data, py2str_as_py3str=False, py3str_as_py2str=False): not as gateways do. */
static void test_loads_coerces(void **state)
{
	static const struct ff_strconfig py3 = {.py2str_as_py3str = true};
	static const struct ff_strconfig py2 = {.py3str_as_py2str = true};
	static const char old[] = "\2M\0\0\0\1aQ", text[] = "\2N\0\0\0\1aQ",
			  unicode[] = "\2S\0\0\0\1aQ";

	assert_int_equal(kind_of(old, sizeof(old) - 1, NULL), FF_BYTES);
	assert_int_equal(kind_of(old, sizeof(old) - 1, &py3), FF_STR);
	assert_int_equal(kind_of(old, sizeof(old) - 1, &py2), FF_BYTES);
	assert_int_equal(kind_of(text, sizeof(text) - 1, NULL), FF_STR);
	assert_int_equal(kind_of(text, sizeof(text) - 1, &py3), FF_STR);
	assert_int_equal(kind_of(text, sizeof(text) - 1, &py2), FF_BYTES);
	assert_int_equal(kind_of(unicode, sizeof(unicode) - 1, &py2), FF_STR);
}

/* execnet's DataFormatError has two kinds: LoadError is about bytes, DumpError about values. */
static void test_kinds_of_errors(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} bad[] = {{"\2", 1},
		   {"\2Q", 2},
		   {"\2LLQ", 4},
		   {"\2LQx", 4},
		   {"LQ", 2},
		   {"\2?Q", 3},
		   {"\2F\0Q", 4},
		   {"\2A\377\377\377\377Q", 7},
		   {"\2N\0\0\0\5ab", 8},
		   {"\2JJLPQ", 6}};
	struct ff_value value = ff_strn("\355\240\200", 3); /* a surrogate */
	struct ff_item item = FF_ITEM_INIT;
	struct ff_buf out = FF_BUF_INIT;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(ff_loads(&item, bad[i].data, bad[i].len, NULL, NULL), FF_ELOAD);
	assert_int_equal(item.value.kind, FF_NONE);
	assert_int_equal(ff_dumps(&out, &value, FF_DUMP_VERSION_2, NULL), FF_EDUMP);
	assert_int_equal(out.len, 0);
	ff_buf_release(&out);
}

/* --- random values --- */

static uint32_t seed;

static uint32_t pick(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static struct ff_value random_text(struct ff_arena *arena)
{
	static const char *const parts[] = {"a", "test_", "é", "€", "\0", "𝄞", " ", "0123456789"};
	struct ff_buf text = FF_BUF_INIT;
	struct ff_value value;

	for (uint32_t n = pick(6); n; n--) {
		uint32_t i = pick(COUNT(parts));

		ff_buf_add(&text, parts[i], i == 4 ? 1 : strlen(parts[i]));
	}
	value = ff_strn(ff_arena_copy(arena, ff_buf_str(&text), text.len), text.len);
	ff_buf_release(&text);
	return value;
}

static struct ff_value random_scalar(struct ff_arena *arena)
{
	struct ff_value value = {.kind = FF_BIGINT};
	double *parts;

	switch (pick(9)) {
	case 0:
		return ff_none();
	case 1:
		return ff_bool(pick(2));
	case 2:
		return ff_int((int64_t)pick(100000) - 50000);
	case 3:
		return ff_int((int64_t)((uint64_t)pick(1 << 24) << 40 | pick(1 << 24)));
	case 4:
		return ff_float(pick(5) ? (double)pick(1000) / 7 : -INFINITY);
	case 5:
		value.text = pick(2) ? "9223372036854775808" : "-9223372036854775809";
		value.len = (uint32_t)strlen(value.text);
		return value;
	case 6:
		parts = ff_arena_alloc(arena, 2 * sizeof(*parts));
		parts[0] = pick(10);
		parts[1] = NAN;
		value.kind = FF_COMPLEX;
		value.complex = parts;
		return value;
	case 7:
		value = random_text(arena);
		value.kind = FF_BYTES;
		return value;
	default:
		return random_text(arena);
	}
}

static struct ff_value random_value(struct ff_arena *arena, unsigned depth, bool is_hashable)
{
	static const enum ff_kind kinds[] = {FF_TUPLE, FF_FROZENSET, FF_LIST, FF_SET, FF_DICT};
	enum ff_kind kind;
	struct ff_value *items;
	size_t len;

	if (!depth || !pick(3))
		return random_scalar(arena);
	kind = kinds[pick(is_hashable ? 2 : 5)];
	len = pick(20) ? pick(5) : pick(100);
	items = ff_arena_alloc(arena, (len * 2 + 1) * sizeof(*items));
	for (size_t i = 0; i < len; i++) {
		if (kind == FF_DICT) {
			items[2 * i] = random_value(arena, depth - 1, true);
			items[2 * i + 1] = random_value(arena, depth - 1, false);
		} else {
			items[i] =
				random_value(arena, depth - 1,
					     is_hashable || kind == FF_SET || kind == FF_FROZENSET);
		}
	}
	return ff_collection(kind, items, len);
}

static void test_random_round_trips(void **state)
{
	seed = 20;
	for (int i = 0; i < 3000; i++) {
		struct ff_arena arena = FF_ARENA_INIT;
		struct ff_buf first = FF_BUF_INIT, second = FF_BUF_INIT;
		struct ff_item item = FF_ITEM_INIT;
		struct ff_value value = random_value(&arena, 5, false);

		assert_int_equal(ff_dump_item(&first, &value, NULL), 0);
		assert_int_equal(ff_load_item(&item, ff_buf_data(&first), first.len, NULL, 0, NULL),
				 0);
		assert_true(ff_value_equal(&item.value, &value));
		assert_int_equal(ff_dump_item(&second, &item.value, NULL), 0);
		assert_int_equal(first.len, second.len);
		assert_memory_equal(ff_buf_data(&first), ff_buf_data(&second), first.len);
		ff_item_release(&item);
		ff_buf_release(&first);
		ff_buf_release(&second);
		ff_arena_release(&arena);
	}
}

static void test_nth_allocation_fails(void **state)
{
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_value value, *items;
	int rc = FF_ENOMEM;
	size_t nth;

	seed = 4;
	items = ff_arena_alloc(&arena, 200 * sizeof(*items));
	for (size_t i = 0; i < 200; i++)
		items[i] = random_value(&arena, 4, false);
	value = ff_collection(FF_LIST, items, 200);
	for (nth = 1; rc; nth++) {
		struct ff_buf out = FF_BUF_INIT;
		struct ff_item item = FF_ITEM_INIT;
		struct ff_err err;

		assert_true(nth < 1000);
		ff_alloc_fail_at(nth);
		rc = ff_dump_item(&out, &value, &err);
		if (!rc)
			rc = ff_load_item(&item, ff_buf_data(&out), out.len, NULL, 0, &err);
		else
			assert_int_equal(out.len, 0);
		ff_alloc_fail_at(0);
		assert_true(rc == 0 || rc == FF_ENOMEM);
		if (!rc)
			assert_true(ff_value_equal(&item.value, &value));
		ff_item_release(&item);
		ff_buf_release(&out);
	}
	assert_true(nth > 10); /* or the walk met nothing */
	ff_arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_packing),
		cmocka_unit_test(test_packing_items),
		cmocka_unit_test(test_packing_refused),
		cmocka_unit_test(test_no_length_is_cut),
		cmocka_unit_test(test_unhashable_refused),
		cmocka_unit_test(test_dump_refused),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_loads_coerces),
		cmocka_unit_test(test_kinds_of_errors),
		cmocka_unit_test(test_random_round_trips),
		cmocka_unit_test(test_nth_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
