/* Frames: writing, parsing at every cut, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "wire/frame.h"

static void test_bytes(void **state)
{
	static const uint8_t wanted[] = {4, 0, 0, 1, 2, 0, 0, 0, 3, 'a', 'b', 'c'};
	struct ff_buf out = FF_BUF_INIT;

	assert_int_equal(ff_frame_put(&out, FF_FRAME_CHANNEL_DATA, 258, "abc", 3), 0);
	assert_int_equal(out.len, sizeof(wanted));
	assert_memory_equal(ff_buf_data(&out), wanted, sizeof(wanted));
	ff_buf_release(&out);
}

static void test_parse_at_every_cut(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_frame frame = {.code = -1};
	size_t used;

	ff_frame_put(&out, FF_FRAME_HEARTBEAT, 0, NULL, 0);
	ff_frame_put(&out, FF_FRAME_CHANNEL_DATA, INT32_MAX, "hello", 5);
	for (size_t len = 0; len < out.len; len++) {
		uint8_t *cut = malloc(len + 1); /* so that the sanitizer sees a read past it */
		size_t first = 0;
		int rc;

		cut = realloc(cut, len ? len : 1);
		memcpy(cut, ff_buf_data(&out), len);
		rc = ff_frame_parse(cut, len, 100, &frame, &used, NULL);
		assert_int_equal(rc, len >= 9);
		assert_int_equal(used, 9);
		if (rc) {
			assert_int_equal(frame.code, FF_FRAME_HEARTBEAT);
			assert_int_equal(frame.len, 0);
			first = used;
			rc = ff_frame_parse(cut + first, len - first, 100, &frame, &used, NULL);
			assert_int_equal(rc, 0);
			assert_int_equal(used, len - first < 9 ? 9 : 14);
		}
		free(cut);
	}
	assert_int_equal(ff_frame_parse(ff_buf_data(&out) + 9, 14, 5, &frame, &used, NULL), 1);
	assert_int_equal(frame.code, FF_FRAME_CHANNEL_DATA);
	assert_int_equal(frame.channel, INT32_MAX);
	assert_int_equal(frame.len, 5);
	assert_memory_equal(frame.payload, "hello", 5);
	ff_buf_release(&out);
}

static void test_refused(void **state)
{
	static const uint8_t negative_id[] = {4, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
	static const uint8_t negative_len[] = {4, 0, 0, 0, 1, 0x80, 0, 0, 0};
	static const uint8_t large[] = {4, 0, 0, 0, 1, 0, 0, 1, 1};
	static const uint8_t unknown[] = {0x85, 0, 0, 0, 1, 0, 0, 0, 0};
	struct ff_frame frame = {.code = 77};
	struct ff_err err;
	size_t used;

	assert_int_equal(ff_frame_parse(negative_id, 9, 100, &frame, &used, &err), FF_EPROTO);
	assert_non_null(strstr(err.text, "CHANNEL_DATA"));
	assert_int_equal(ff_frame_parse(negative_len, 9, 100, &frame, &used, &err), FF_EPROTO);
	assert_int_equal(ff_frame_parse(large, 9, 256, &frame, &used, &err), FF_ETOOBIG);
	assert_non_null(strstr(err.text, "257"));
	assert_int_equal(frame.code, 77);
	assert_int_equal(ff_frame_parse(large, 9, 257, &frame, &used, &err), 0);
	assert_int_equal(used, 266);
	assert_int_equal(ff_frame_parse(unknown, 9, 0, &frame, &used, &err), 1);
	assert_int_equal(frame.code, -123);
}

static void test_in_place(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_frame frame;
	size_t mark = 99, used;

	ff_buf_addstr(&out, "xxx");
	ff_buf_consume(&out, 1);
	assert_int_equal(ff_frame_begin(&out, FF_FRAME_CHANNEL_EXEC, 3, &mark), 0);
	assert_int_equal(mark, 2);
	for (int i = 0; i < 1000; i++)
		ff_buf_addch(&out, 'p');
	assert_int_equal(ff_frame_end(&out, mark), 0);
	assert_int_equal(
	    ff_frame_parse(ff_buf_data(&out) + 2, out.len - 2, 1000, &frame, &used, NULL), 1);
	assert_int_equal(frame.len, 1000);
	assert_int_equal(used, 1009);
	ff_buf_release(&out);
}

static void test_failure_leaves_the_buffer(void **state)
{
	struct ff_buf out;

	ff_buf_init(&out, 20);
	assert_int_equal(ff_frame_put(&out, 4, 1, "0123456789ab", 12), FF_ETOOBIG);
	assert_int_equal(out.len, 0);
	assert_int_equal(ff_frame_put(&out, 4, 1, "0123456789a", 11), 0);
	ff_buf_release(&out);
	ff_alloc_fail_at(1);
	assert_int_equal(ff_frame_put(&out, 4, 1, "x", 1), FF_ENOMEM);
	ff_alloc_fail_at(0);
	assert_int_equal(out.len, 0);
}

static void test_names(void **state)
{
	assert_string_equal(ff_frame_name(6), "CHANNEL_CLOSE_ERROR");
	assert_string_equal(ff_frame_name(64), "HELLO");
	assert_string_equal(ff_frame_name(8), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_parse_at_every_cut),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_in_place),
	    cmocka_unit_test(test_failure_leaves_the_buffer),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
