/* Loading: what items mean, Python 2's strings, and everything that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/alloc.h"
#include "wire/serialize.h"

/* From a block of just this size, so that the sanitizer sees any read past it. */
static int load(struct ff_item *item, const void *bytes, size_t len,
		const struct ff_strconfig *config, struct ff_err *err)
{
	char *exact = malloc(len ? len : 1);
	int rc;

	memcpy(exact, bytes, len);
	rc = ff_load_item(item, exact, len, config, 0, err);
	free(exact); /* the item keeps nothing of it */
	return rc;
}

static void check_load(const void *bytes, size_t len, const struct ff_strconfig *config,
		       const char *repr)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_buf out = FF_BUF_INIT;
	struct ff_err err = {.text = ""};

	if (load(&item, bytes, len, config, &err))
		fail_msg("%s: %s", repr, err.text);
	assert_int_equal(ff_value_repr(&out, &item.value, 0), 0);
	assert_string_equal(ff_buf_str(&out), repr);
	ff_buf_release(&out);
	ff_item_release(&item);
}
#define CHECK_LOAD(bytes, repr)		   check_load(bytes, sizeof(bytes) - 1, NULL, repr)
#define CHECK_LOAD_AS(bytes, config, repr) check_load(bytes, sizeof(bytes) - 1, config, repr)

static void check_refused(const void *bytes, size_t len, const char *reason)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {.text = ""};

	assert_int_equal(load(&item, bytes, len, NULL, &err), FF_ELOAD);
	if (!strstr(err.text, reason))
		fail_msg("'%s' lacks '%s'", err.text, reason);
	assert_null(item.arena.block);
}
#define CHECK_REFUSED(bytes, reason) check_refused(bytes, sizeof(bytes) - 1, reason)

#define I0 "F\0\0\0\0"
#define I1 "F\0\0\0\1"
#define I2 "F\0\0\0\2"

static void test_scalars(void **state)
{
	CHECK_LOAD("LQ", "None");
	CHECK_LOAD("F\xff\xff\xff\xfeQ", "-2");
	CHECK_LOAD("G\0\0\0\7Q", "7");
	CHECK_LOAD("D\x3f\xf8\0\0\0\0\0\0Q", "1.5");
	CHECK_LOAD("A\0\0\0\2\0\xffQ", "b'\\x00\\xff'");
	CHECK_LOAD("S\0\0\0\2\xc3\xa9Q", "'é'");
	CHECK_LOAD("B\0\0\0\5Q", "<channel 5>");
}

static void check_integer(const char *digits, enum ff_kind kind, const char *wanted)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_buf data = FF_BUF_INIT, out = FF_BUF_INIT;
	size_t len = strlen(digits);

	ff_buf_add(&data, "H\0\0\0", 4);
	ff_buf_addch(&data, (char)len);
	ff_buf_addstr(&data, digits);
	ff_buf_addch(&data, 'Q');
	assert_int_equal(load(&item, ff_buf_data(&data), data.len, NULL, NULL),
			 wanted ? 0 : FF_ELOAD);
	if (wanted) {
		assert_int_equal(item.value.kind, kind);
		ff_value_repr(&out, &item.value, 0);
		assert_string_equal(ff_buf_str(&out), wanted);
		if (kind == FF_BIGINT)
			assert_string_equal(item.value.text, wanted);
	}
	ff_item_release(&item);
	ff_buf_release(&data);
	ff_buf_release(&out);
}

static void test_integers(void **state)
{
	check_integer("0", FF_INT, "0");
	check_integer("-0", FF_INT, "0");
	check_integer("+0012", FF_INT, "12");
	check_integer("9223372036854775807", FF_INT, "9223372036854775807");
	check_integer("-9223372036854775808", FF_INT, "-9223372036854775808");
	check_integer("9223372036854775808", FF_BIGINT, "9223372036854775808");
	check_integer("-9223372036854775809", FF_BIGINT, "-9223372036854775809");
	check_integer("9999999999999999999", FF_BIGINT, "9999999999999999999");
	check_integer("00018446744073709551617", FF_BIGINT, "18446744073709551617");
	check_integer("-00018446744073709551617", FF_BIGINT, "-18446744073709551617");
	check_integer("+18446744073709551617", FF_BIGINT, "18446744073709551617");
	check_integer("", FF_NONE, NULL);
	check_integer("-", FF_NONE, NULL);
	check_integer("--1", FF_NONE, NULL);
	check_integer("1_0", FF_NONE, NULL);
	check_integer(" 1", FF_NONE, NULL);
	check_integer("0x1", FF_NONE, NULL);
}

static void test_python2_strings(void **state)
{
	static const struct ff_strconfig none = {.py2str_as_py3str = false};
	static const struct ff_strconfig both = {true, true};

	CHECK_LOAD("M\0\0\0\3a\xe9zQ", "'aéz'");
	CHECK_LOAD("M\0\0\0\2abQ", "'ab'");
	CHECK_LOAD_AS("M\0\0\0\3a\xe9zQ", &none, "b'a\\xe9z'");
	CHECK_LOAD_AS("N\0\0\0\1aQ", &none, "'a'");
	CHECK_LOAD_AS("N\0\0\0\1\xffQ", &both, "b'\\xff'");
	CHECK_LOAD_AS("S\0\0\0\1aQ", &both, "'a'");
}

static void test_text_has_a_nul_behind(void **state)
{
	static const char data[] = "N\0\0\0\2abA\0\0\0\0M\0\0\0\1\xe9"
				   "H\0\0\0\24"
				   "-9223372036854775809@\0\0\0\4Q";
	struct ff_item item = FF_ITEM_INIT;

	assert_int_equal(load(&item, data, sizeof(data) - 1, NULL, NULL), 0);
	assert_string_equal(ff_at(&item.value, 0)->text, "ab");
	assert_string_equal(ff_at(&item.value, 1)->text, "");
	assert_string_equal(ff_at(&item.value, 2)->text, "é");
	assert_string_equal(ff_at(&item.value, 3)->text, "-9223372036854775809");
	ff_item_release(&item);
	assert_int_equal(load(&item, "N\0\0\0\1zQ", 7, NULL, NULL), 0);
	assert_string_equal(item.value.text, "z");
	ff_item_release(&item);
}

static void test_containers(void **state)
{
	CHECK_LOAD("JQ", "{}");
	CHECK_LOAD("K\0\0\0\0Q", "[]");
	CHECK_LOAD("@\0\0\0\0Q", "()");
	CHECK_LOAD("K\0\0\0\2" I0 "RP" I1 "CPQ", "[True, False]");
	CHECK_LOAD("K\0\0\0\2" I1 "RP" I0 "CPQ", "[False, True]");
	CHECK_LOAD("K\0\0\0\3" I0 "RP" I2 "CP" I0 "LPQ", "[None, None, False]");
	CHECK_LOAD("K\0\0\0\2" I0 "RP" I0 "CPQ", "[False, None]");
	CHECK_LOAD("K\0\0\0\1" I0 "K\0\0\0\1" I0 "JPPQ", "[[{}]]");
	CHECK_LOAD("J" I1 "J" I2 "JPPQ", "{1: {2: {}}}");
	CHECK_LOAD("J" I1 "RP" I1 "CPQ", "{1: True, 1: False}"); /* documented in value.h */
	CHECK_LOAD("LRO\0\0\0\2Q", "{None, True}");
	CHECK_LOAD("LE\0\0\0\1" I0 "@\0\0\0\2E\0\0\0\1Q", "frozenset({(frozenset({None}), 0)})");
}

/* Lists and dicts that are still open under, between and over what a tuple takes. */
static void test_open_containers(void **state)
{
	CHECK_LOAD("J" I1 "RPJ@\0\0\0\2Q", "({1: True}, {})");
	CHECK_LOAD("JL@\0\0\0\2Q", "({}, None)");
	CHECK_LOAD("LJ" I1 "RPRK\0\0\0\1" I0 "LPC@\0\0\0\5Q",
		   "(None, {1: True}, True, [None], False)");
	CHECK_LOAD("J" I1 "JJ@\0\0\0\2PQ", "{1: ({}, {})}");
	CHECK_LOAD("K\0\0\0\2" I1 "LPR@\0\0\0\2Q", "([None, None], True)");
	CHECK_LOAD("J@\0\0\0\0" I1 "PQ", "{(): 1}");
}

static void test_many_open_containers(void **state)
{
	enum { N = 50000 };
	struct ff_buf data = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;

	for (int i = 0; i < N; i++)
		ff_buf_add(&data, "JL", 2);
	ff_buf_add(&data, "@\0\1\x86\xa0Q", 6);
	assert_int_equal(load(&item, ff_buf_data(&data), data.len, NULL, NULL), 0);
	assert_int_equal(item.value.len, 2 * N);
	assert_int_equal(ff_at(&item.value, 2 * N - 2)->kind, FF_DICT);
	assert_int_equal(ff_at(&item.value, 2 * N - 1)->kind, FF_NONE);
	ff_item_release(&item);
	ff_buf_release(&data);
}

static void test_machine_refuses(void **state)
{
	CHECK_REFUSED("", "ends before");
	CHECK_REFUSED("Q", "not enough values");
	CHECK_REFUSED("L", "ends before");
	CHECK_REFUSED("LLQ", "more than one");
	CHECK_REFUSED("JLQ", "more than one");
	CHECK_REFUSED("LJQ", "more than one");
	CHECK_REFUSED("LQL", "behind the end");
	CHECK_REFUSED("UQ", "unknown opcode");
	CHECK_REFUSED("\0Q", "unknown opcode");
	CHECK_REFUSED("PQ", "set item");
	CHECK_REFUSED("LLLPQ", "set item");
	CHECK_REFUSED("JPQ", "set item");
	CHECK_REFUSED("JLPQ", "set item");
	CHECK_REFUSED("JLLLPQ", "set item");
	CHECK_REFUSED("JJPQ", "set item");
	CHECK_REFUSED("@\0\0\0\0LLPQ", "set item");
	CHECK_REFUSED("L@\0\0\0\2Q", "not enough values");
	CHECK_REFUSED("JL@\0\0\0\3Q", "not enough values");
	CHECK_REFUSED("@\xff\xff\xff\xffQ", "negative");
	CHECK_REFUSED("L@\x7f\xff\xff\xffQ", "");
}

static void test_lengths_refused(void **state)
{
	CHECK_REFUSED("N\xff\xff\xff\xffQ", "negative");
	CHECK_REFUSED("N\0\0\0\1Q", "larger than the data");
	CHECK_REFUSED("A\0\0\0\2abL", "ends before");
	CHECK_REFUSED("A\x7f\xff\xff\xff"
		      "abQ",
		      "larger than the data");
	CHECK_REFUSED("N\0\0", "inside a number");
	CHECK_REFUSED("F\0\0\0", "inside a number");
	CHECK_REFUSED("D\0\0\0\0\0\0\0", "inside a number");
	CHECK_REFUSED("T\0\0\0\0\0\0\0\0\0", "inside a number");
	CHECK_REFUSED("B\xff\0\0\0Q", "negative channel");
	CHECK_REFUSED("K\xff\0\0\0Q", "negative");
	CHECK_REFUSED("K\x7f\0\0\0Q", "larger than the data");
	CHECK_REFUSED("K\0\0\0\2Q", "larger than the data");
}

static void test_content_refused(void **state)
{
	CHECK_REFUSED("N\0\0\0\1\xffQ", "UTF-8");
	CHECK_REFUSED("S\0\0\0\3\xed\xa0\x80Q", "UTF-8");
	CHECK_REFUSED("K\0\0\0\1" I1 "LPQ", "index");
	CHECK_REFUSED("K\0\0\0\1F\xff\xff\xff\xffLPQ", "index");
	CHECK_REFUSED("K\0\0\0\1LLPQ", "index");
	CHECK_REFUSED("JK\0\0\0\0LPQ", "dict key");
	CHECK_REFUSED("JLO\0\0\0\1LPQ", "dict key");
	CHECK_REFUSED("JJ@\0\0\0\1@\0\0\0\1LPQ", "dict key");
	CHECK_REFUSED("JO\0\0\0\1Q", "set element");
	CHECK_REFUSED("J@\0\0\0\1E\0\0\0\1Q", "set element");
}

/* `levels` containers around None, each opened or built by the same bytes. */
static int load_nested(const char *before, size_t before_len, const char *after, size_t after_len,
		       int levels)
{
	struct ff_buf data = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;
	int rc;

	for (int i = 0; i < levels; i++)
		ff_buf_add(&data, before, before_len);
	ff_buf_addch(&data, 'L');
	for (int i = 0; i < levels; i++)
		ff_buf_add(&data, after, after_len);
	ff_buf_addch(&data, 'Q');
	rc = load(&item, ff_buf_data(&data), data.len, NULL, NULL);
	ff_item_release(&item);
	ff_buf_release(&data);
	return rc;
}

static void test_depth(void **state)
{
	static const int levels[] = {FF_DEPTH_MAX, FF_DEPTH_MAX + 1, 100000};

	for (size_t i = 0; i < 3; i++) {
		int wanted = i ? FF_ELOAD : 0;

		assert_int_equal(load_nested("", 0, "@\0\0\0\1", 5, levels[i]), wanted);
		assert_int_equal(load_nested("JL", 2, "P", 1, levels[i]), wanted);
		assert_int_equal(load_nested("K\0\0\0\1" I0, 10, "P", 1, levels[i]), wanted);
		assert_int_equal(load_nested("", 0, "E\0\0\0\1", 5, levels[i]), wanted);
	}
}

static void test_memory_is_bounded(void **state)
{
	struct ff_buf data = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err;

	/* Lists that announce much and are filled from behind: each would take 16 bytes for every
	 * byte that is left. */
	for (int i = 0; i < 20000; i++)
		ff_buf_add(&data, "K\0\0\x27\x10" I1 "LP", 12);
	for (int i = 0; i < 10000; i++)
		ff_buf_addch(&data, 'L');
	ff_buf_add(&data, "@\0\0\x75\x30Q", 6);
	assert_int_equal(load(&item, ff_buf_data(&data), data.len, NULL, &err), FF_ETOOBIG);
	assert_int_equal(ff_load_item(&item, ff_buf_data(&data), data.len, NULL, 1000, &err),
			 FF_ETOOBIG);
	assert_non_null(strstr(err.text, "1000"));
	assert_null(item.arena.block);
	ff_buf_release(&data);
	assert_int_equal(ff_load_item(&item, "N\0\0\0\1zQ", 7, NULL, 64, NULL), 0);
	assert_true(item.arena.total <= 64);
	ff_item_release(&item);
}

/* Whatever the bytes are, loading ends; what loads can be dumped and loaded to an equal value. */
static void test_damaged_items(void **state)
{
	static const char good[] = "J" I1 "K\0\0\0\2" I0 "N\0\0\0\3abcP" I1 "D\x3f\xf8\0\0\0\0\0\0P"
				   "PN\0\0\0\1kRLO\0\0\0\2PA\0\0\0\2xyJ" I2 "G\0\0\0\1PPQ";
	static const char opcodes[] = "@ABCDEFGHIJKLMNOPQRST\0\1\2\xff";
	char bytes[sizeof(good) - 1];
	uint32_t seed = 3;

	CHECK_LOAD(good, "{1: ['abc', 1.5], 'k': {True, None}, b'xy': {2: 1}}");
	for (int i = 0; i < 30000; i++) {
		struct ff_item item = FF_ITEM_INIT, again = FF_ITEM_INIT;
		struct ff_buf out = FF_BUF_INIT;

		memcpy(bytes, good, sizeof(bytes));
		for (int k = i % 4; k >= 0; k--) {
			seed = seed * 1664525 + 1013904223;
			bytes[(seed >> 8) % sizeof(bytes)] =
			    opcodes[(seed >> 20) % (sizeof(opcodes) - 1)];
		}
		if (load(&item, bytes, sizeof(bytes), NULL, NULL))
			continue;
		assert_int_equal(ff_dump_item(&out, &item.value, NULL), 0);
		assert_int_equal(load(&again, ff_buf_data(&out), out.len, NULL, NULL), 0);
		assert_true(ff_value_equal(&item.value, &again.value));
		ff_item_release(&item);
		ff_item_release(&again);
		ff_buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scalars),
	    cmocka_unit_test(test_integers),
	    cmocka_unit_test(test_python2_strings),
	    cmocka_unit_test(test_text_has_a_nul_behind),
	    cmocka_unit_test(test_containers),
	    cmocka_unit_test(test_open_containers),
	    cmocka_unit_test(test_many_open_containers),
	    cmocka_unit_test(test_machine_refuses),
	    cmocka_unit_test(test_lengths_refused),
	    cmocka_unit_test(test_content_refused),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_memory_is_bounded),
	    cmocka_unit_test(test_damaged_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
