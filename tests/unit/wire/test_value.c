/* Looking into values, equality, repr. */
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
#include "base/buf.h"
#include "base/err.h"
#include "wire/serialize.h"
#include "wire/value.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void test_lookups(void **state)
{
	const struct ff_value items[] = {ff_str("n"), ff_int(1),      ff_str("f"), ff_float(2.9),
					 ff_str("b"), ff_bool(true),  ff_str("s"), ff_str("text"),
					 ff_int(4),   ff_str("four"), ff_str("n"), ff_int(3)};
	struct ff_value dict = ff_collection(FF_DICT, items, COUNT(items) / 2), none = ff_none();

	assert_int_equal(ff_dict_int(&dict, "n", 0), 3); /* the last one counts */
	assert_int_equal(ff_dict_int(&dict, "f", 0), 2);
	assert_int_equal(ff_dict_int(&dict, "s", -7), -7);
	assert_int_equal(ff_dict_int(&dict, "absent", -7), -7);
	assert_true(ff_dict_float(&dict, "n", 0) == 3.0);
	assert_true(ff_dict_float(&dict, "s", 0.5) == 0.5);
	assert_true(ff_dict_bool(&dict, "b", false));
	assert_true(ff_dict_bool(&dict, "n", true));
	assert_false(ff_dict_bool(&dict, "n", false));
	assert_string_equal(ff_dict_str(&dict, "s", "x"), "text");
	assert_string_equal(ff_dict_str(&dict, "n", "x"), "x");
	assert_null(ff_dict_get(&none, "n"));
	assert_null(ff_dict_get(NULL, "n"));
}

static void test_scalars(void **state)
{
	const struct ff_value items[] = {ff_int(1), ff_str("b")};
	struct ff_value list = ff_collection(FF_LIST, items, 2), set = list, v;

	set.kind = FF_SET;
	assert_ptr_equal(ff_at(&list, 1), &items[1]);
	assert_null(ff_at(&list, 2));
	assert_null(ff_at(&set, 0));
	assert_null(ff_at(NULL, 0));
	assert_true(ff_is_str(&items[1], "b"));
	assert_false(ff_is_str(&items[1], "bc"));
	assert_false(ff_is_str(&items[0], "b"));
	assert_false(ff_is_str(NULL, "b"));
	v = ff_float(1e300);
	assert_int_equal(ff_as_int(&v, -1), -1);
	v = ff_float(NAN);
	assert_int_equal(ff_as_int(&v, -1), -1);
	v = ff_float(-0x1p63);
	assert_true(ff_as_int(&v, -1) == INT64_MIN);
	v = ff_str(NULL);
	assert_int_equal(v.kind, FF_NONE);
	assert_string_equal(ff_kind_name(FF_BIGINT), "int");
	assert_string_equal(ff_kind_name(FF_NONE), "NoneType");
}

static void check_equal(struct ff_value a, struct ff_value b, bool equal)
{
	assert_int_equal(ff_value_equal(&a, &b), equal);
	assert_int_equal(ff_value_equal(&b, &a), equal);
	assert_true(ff_value_equal(&a, &a));
}

static void test_equal_scalars(void **state)
{
	static const double one[] = {1, NAN}, same[] = {1, NAN}, other[] = {2, NAN};
	struct ff_value a = {.kind = FF_COMPLEX, .complex = one};
	struct ff_value b = {.kind = FF_COMPLEX, .complex = same};
	struct ff_value c = {.kind = FF_COMPLEX, .complex = other};
	struct ff_value channel = {.kind = FF_CHANNEL, .channel = 3};

	check_equal(ff_int(1), ff_int(1), true);
	check_equal(ff_int(1), ff_int(2), false);
	check_equal(ff_int(1), ff_float(1), false);
	check_equal(ff_int(1), ff_bool(true), false);
	check_equal(ff_float(NAN), ff_float(NAN), true);
	check_equal(ff_float(0.0), ff_float(-0.0), true);
	check_equal(ff_str("a"), ff_bytes("a", 1), false);
	check_equal(ff_strn("a\0b", 3), ff_strn("a\0b", 3), true);
	check_equal(ff_strn(NULL, 0), ff_str(""), true);
	check_equal(ff_str("ab"), ff_str("ac"), false);
	check_equal(a, b, true);
	check_equal(a, c, false);
	check_equal(channel, channel, true);
	check_equal(ff_none(), ff_none(), true);
}

/* The numbers 0…n-1 and their nested tuples, from a rotated start. */
static struct ff_value numbers(enum ff_kind kind, struct ff_value *items, size_t n, size_t start)
{
	for (size_t i = 0; i < n; i++) {
		int64_t k = (int64_t)((i + start) % n);

		if (kind == FF_DICT) {
			items[2 * i] = ff_int(k);
			items[2 * i + 1] = ff_int(k * k);
		} else {
			items[i] = ff_int(k);
		}
	}
	return ff_collection(kind, items, n);
}

static void test_equal_unordered(void **state)
{
	static const size_t sizes[] = {0, 1, 5, 16, 17, 3000};
	static const enum ff_kind kinds[] = {FF_SET, FF_FROZENSET, FF_DICT};
	struct ff_value *a = calloc(6002, sizeof(*a)), *b = calloc(6002, sizeof(*b));

	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t s = 0; s < COUNT(sizes); s++) {
			size_t n = sizes[s];
			struct ff_value left = numbers(kinds[k], a, n, 0);
			struct ff_value right = numbers(kinds[k], b, n, n / 2);

			check_equal(left, right, true);
			if (!n)
				continue;
			b[0].integer = 99999;
			check_equal(left, right, false);
			numbers(kinds[k], b, n, n / 2);
			if (kinds[k] != FF_DICT)
				continue;
			b[1].integer = -1; /* another value */
			check_equal(left, right, false);
			b[2 * n] = b[0]; /* but the last one counts */
			b[2 * n + 1] = ff_int(b[0].integer * b[0].integer);
			right.len++;
			check_equal(left, right, true);
		}
	}
	free(a);
	free(b);
}

static void test_equal_nested_sets(void **state)
{
	enum { N = 40 };
	struct ff_value left[N], right[N], parts[N][2], swapped[N][2];

	for (int i = 0; i < N; i++) {
		parts[i][0] = swapped[i][1] = ff_int(i);
		parts[i][1] = swapped[i][0] = ff_str("x");
		left[i] = ff_collection(FF_FROZENSET, parts[i], 2);
		right[N - 1 - i] = ff_collection(FF_FROZENSET, swapped[i], 2);
	}
	check_equal(ff_collection(FF_SET, left, N), ff_collection(FF_SET, right, N), true);
	swapped[3][1] = ff_int(-3);
	check_equal(ff_collection(FF_SET, left, N), ff_collection(FF_SET, right, N), false);
}

static void test_equal_without_memory(void **state)
{
	struct ff_value a[50], b[50];
	struct ff_value left = numbers(FF_SET, a, 50, 0), right = numbers(FF_SET, b, 50, 3);

	ff_alloc_fail_at(1);
	check_equal(left, right, true);
	b[7] = ff_int(-1);
	check_equal(left, right, false);
	ff_alloc_fail_at(0);
}

static void check_repr(struct ff_value value, size_t max, const char *wanted)
{
	struct ff_buf out = FF_BUF_INIT;

	ff_buf_addstr(&out, ">");
	assert_int_equal(ff_value_repr(&out, &value, max), 0);
	assert_string_equal(ff_buf_str(&out) + 1, wanted);
	ff_buf_release(&out);
}

static void test_repr(void **state)
{
	const struct ff_value three[] = {ff_int(-1), ff_str("a'b\n"), ff_float(1.5)};
	const struct ff_value entry[] = {ff_str("k"), ff_collection(FF_LIST, three, 3)};

	check_repr(ff_none(), 0, "None");
	check_repr(ff_bool(true), 0, "True");
	check_repr(ff_float(0.1), 0, "0.1");
	check_repr(ff_float(3), 0, "3.0");
	check_repr(ff_float(1e100), 0, "1e+100");
	check_repr(ff_float(INFINITY), 0, "inf");
	check_repr(ff_float(NAN), 0, "nan");
	check_repr(ff_bytes("a\xff'\"\\", 5), 0, "b'a\\xff\\'\"\\\\'");
	check_repr(ff_str("né"), 0, "'né'");
	check_repr(ff_collection(FF_DICT, entry, 1), 0, "{'k': [-1, \"a'b\\n\", 1.5]}");
	check_repr(ff_collection(FF_TUPLE, three, 1), 0, "(-1,)");
	check_repr(ff_collection(FF_TUPLE, NULL, 0), 0, "()");
	check_repr(ff_collection(FF_SET, NULL, 0), 0, "set()");
	check_repr(ff_collection(FF_SET, three, 1), 0, "{-1}");
	check_repr(ff_collection(FF_FROZENSET, three, 1), 0, "frozenset({-1})");
	check_repr((struct ff_value){.kind = FF_CHANNEL, .channel = 3}, 0, "<channel 3>");
	check_repr((struct ff_value){.kind = FF_BIGINT, .len = 2, .text = "77"}, 0, "77");
	check_repr(ff_str("abcdef"), 4, "'abc…");
	check_repr(ff_str("abé"), 4, "'ab…"); /* not inside a character */
	check_repr(ff_str("ab"), 4, "'ab'");
}

static void test_repr_of_much_is_cut_early(void **state)
{
	struct ff_value *many = calloc(1000000, sizeof(*many));
	struct ff_value list = ff_collection(FF_LIST, many, 1000000);
	struct ff_buf out;

	ff_buf_init(&out, 200); /* has no room for more than was asked for */
	assert_int_equal(ff_value_repr(&out, &list, 100), 0);
	assert_true(out.len <= 103);
	assert_int_equal(ff_value_repr(&out, &list, 0), FF_ETOOBIG);
	assert_true(out.len <= 103);
	ff_buf_release(&out);
	free(many);
}

static void test_on_the_heap(void **state)
{
	struct ff_item *item = ff_item_new();
	struct ff_buf *buf = ff_buf_new(0);
	struct ff_value value = ff_str("text of some length");

	assert_int_equal(ff_item_value(item)->kind, FF_NONE);
	assert_int_equal(ff_dump_item(buf, &value, NULL), 0);
	assert_int_equal(ff_load_item(item, ff_buf_data(buf), buf->len, NULL, 0, NULL), 0);
	assert_true(ff_value_equal(ff_item_value(item), &value));
	ff_buf_free(buf);
	ff_item_free(item);
	ff_buf_free(NULL);
	ff_item_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_on_the_heap),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_equal_scalars),
		cmocka_unit_test(test_equal_unordered),
		cmocka_unit_test(test_equal_nested_sets),
		cmocka_unit_test(test_equal_without_memory),
		cmocka_unit_test(test_repr),
		cmocka_unit_test(test_repr_of_much_is_cut_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
