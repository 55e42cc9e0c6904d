/* The byte buffer: growth, its bound, consuming, and use as a string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/opts.h"
#include "base/err.h"

static void test_append_and_str(void **state)
{
	struct ff_buf buf = FF_BUF_INIT;

	assert_string_equal(ff_buf_str(&buf), "");
	assert_int_equal(ff_buf_addstr(&buf, "ab"), 0);
	assert_int_equal(ff_buf_addch(&buf, 'c'), 0);
	assert_int_equal(ff_buf_addf(&buf, "-%d-%s", 42, "x"), 0);
	assert_int_equal(ff_buf_add(&buf, NULL, 0), 0);
	assert_string_equal(ff_buf_str(&buf), "abc-42-x");
	assert_int_equal(buf.len, 8);
	assert_int_equal(ff_buf_adduint(&buf, 0), 0);
	assert_int_equal(ff_buf_adduint(&buf, UINT64_MAX), 0);
	assert_string_equal(ff_buf_str(&buf), "abc-42-x018446744073709551615");
	ff_buf_clear(&buf);
	assert_string_equal(ff_buf_str(&buf), "");
	ff_buf_release(&buf);
}

static void test_long_format(void **state)
{
	struct ff_buf buf = FF_BUF_INIT;

	for (int width = 50; width < 200; width++) {
		size_t before = buf.len;

		assert_int_equal(ff_buf_addf(&buf, "%*d", width, width), 0);
		assert_int_equal(buf.len - before, width);
		assert_int_equal(atoi(ff_buf_str(&buf) + before), width);
	}
	ff_buf_release(&buf);
}

static void test_bound(void **state)
{
	struct ff_buf buf;

	ff_buf_init(&buf, 10);
	assert_int_equal(ff_buf_addstr(&buf, "0123456789"), 0);
	assert_int_equal(ff_buf_addch(&buf, 'x'), FF_ETOOBIG);
	assert_int_equal(ff_buf_addf(&buf, "x"), FF_ETOOBIG);
	assert_null(ff_buf_reserve(&buf, 1));
	assert_null(ff_buf_reserve(&buf, SIZE_MAX));
	assert_string_equal(ff_buf_str(&buf), "0123456789");
	ff_buf_consume(&buf, 4);
	assert_int_equal(ff_buf_addstr(&buf, "abcd"), 0);
	assert_int_equal(ff_buf_addch(&buf, 'x'), FF_ETOOBIG);
	assert_string_equal(ff_buf_str(&buf), "456789abcd");
	ff_buf_release(&buf);
	assert_int_equal(buf.max, 10);
}

/* A queue of bytes against a plain model, with sizes that cross every path of growing. */
static void test_queue(void **state)
{
	struct ff_buf buf = FF_BUF_INIT;
	unsigned char in = 0, out = 0;
	uint32_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		size_t n;

		seed = seed * 1664525 + 1013904223;
		n = seed >> 16 & 127;
		if (seed >> 31) {
			uint8_t *to = ff_buf_reserve(&buf, n);

			assert_non_null(to);
			for (size_t k = 0; k < n; k++)
				to[k] = in++;
			ff_buf_added(&buf, n);
		} else {
			n = n < buf.len ? n : buf.len;
			for (size_t k = 0; k < n; k++)
				assert_int_equal(ff_buf_data(&buf)[k], out++);
			ff_buf_consume(&buf, n);
		}
	}
	assert_true(buf.cap < 1 << 16);
	ff_buf_release(&buf);
}

static void test_take(void **state)
{
	struct ff_buf buf = FF_BUF_INIT;
	char *text;

	text = ff_buf_take(&buf);
	assert_string_equal(text, "");
	ff_free(text);
	ff_buf_addstr(&buf, "abcdef");
	ff_buf_consume(&buf, 2);
	text = ff_buf_take(&buf);
	assert_string_equal(text, "cdef");
	assert_int_equal(buf.len, 0);
	assert_null(buf.mem);
	ff_free(text);
}

static void test_shown(void **state)
{
	struct ff_buf buf = FF_BUF_INIT;

	assert_int_equal(ff_buf_add_shown(&buf, "", 0), 0);
	assert_int_equal(buf.len, 0);
	assert_int_equal(ff_buf_add_shown(&buf, "\0a\0\0bc\0", 7), 0);
	assert_string_equal(ff_buf_str(&buf), "\\x00a\\x00\\x00bc\\x00");
	assert_int_equal(ff_buf_add_shown(&buf, "plain", 5), 0);
	assert_string_equal(ff_buf_str(&buf), "\\x00a\\x00\\x00bc\\x00plain");
	ff_buf_release(&buf);
}

static void test_out_of_memory(void **state)
{
	struct ff_buf buf = FF_BUF_INIT;

	ff_alloc_fail_at(1);
	assert_int_equal(ff_buf_addch(&buf, 'x'), FF_ENOMEM);
	assert_int_equal(ff_buf_addf(&buf, "x"), FF_ENOMEM);
	assert_null(ff_buf_reserve(&buf, 0));
	assert_null(ff_buf_take(&buf));
	ff_alloc_fail_at(0);
	ff_buf_addstr(&buf, "kept");
	ff_alloc_fail_at(1);
	assert_null(ff_buf_reserve(&buf, 1000));
	assert_int_equal(ff_buf_addf(&buf, "%1000d", 1), FF_ENOMEM);
	ff_buf_consume(&buf, 1);
	assert_null(ff_buf_reserve(&buf, 1000));
	ff_alloc_fail_at(0);
	assert_string_equal(ff_buf_str(&buf), "ept");
	ff_buf_release(&buf);
}

struct grown {
	size_t size;
	int old, ctx, added;
};

/* A shorter struct is an older program's: what lies behind it is none of ours. */
static void test_opts_grow(void **state)
{
	struct grown given = {.old = 1, .ctx = 2, .added = 3}, got;

	given.size = FF_OPTS_UNTIL(struct grown, old);
	ff_opts_copy(&got, sizeof(got), &given, 1);
	assert_int_equal(got.old, 1);
	assert_int_equal(got.ctx, 0);
	assert_int_equal(got.added, 0);
	given.size = 0;
	ff_opts_copy(&got, sizeof(got), &given, FF_OPTS_UNTIL(struct grown, ctx));
	assert_int_equal(got.ctx, 2);
	assert_int_equal(got.added, 0);
	given.size = sizeof(given);
	ff_opts_copy(&got, sizeof(got), &given, 1);
	assert_int_equal(got.added, 3);
	given.size = sizeof(given) + 64; /* newer than we are */
	ff_opts_copy(&got, sizeof(got), &given, 1);
	assert_int_equal(got.added, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_str), cmocka_unit_test(test_opts_grow),
		cmocka_unit_test(test_shown),	       cmocka_unit_test(test_long_format),
		cmocka_unit_test(test_bound),	       cmocka_unit_test(test_queue),
		cmocka_unit_test(test_take),	       cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
