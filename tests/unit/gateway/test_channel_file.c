/* Channels as files: writes as items, reads and lines across the borders of items, ends. */
#include "pair.h"

#include "gateway/channel_file.h"

static void send_text(struct ff_channel *channel, const char *text)
{
	const struct ff_value value = ff_str(text);

	assert_int_equal(ff_channel_send(channel, &value, NULL), 0);
}

static void expect_line(struct ff_channel_file *file, const char *line)
{
	struct ff_buf out = FF_BUF_INIT;

	assert_int_equal(ff_channel_file_readline(file, -1, &out, NULL), 0);
	assert_string_equal(ff_buf_str(&out), line);
	ff_buf_release(&out);
}

static void expect_read(struct ff_channel_file *file, size_t len, const char *text)
{
	struct ff_buf out = FF_BUF_INIT;

	assert_int_equal(ff_channel_file_read(file, len, -1, &out, NULL), 0);
	assert_string_equal(ff_buf_str(&out), text);
	ff_buf_release(&out);
}

static void writes_are_items(void **state)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel_file *text, *bytes;
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 7);
	channel = pair_start(&pair, "w");
	text = ff_channel_makefile(channel, "w", false, &err);
	bytes = ff_channel_makefile(channel, "wb", true, &err);
	assert_int_equal(ff_channel_file_write(text, "gr\xc3\xbc\xc3\x9f", 6, &err), 0);
	assert_int_equal(ff_channel_file_write(text, "", 0, &err), 0);
	assert_int_equal(ff_channel_file_write(bytes, "\0\xff", 2, &err), 0);
	assert_int_equal(ff_channel_file_write(text, "\xff", 1, &err), FF_EDUMP);
	pair_run(&pair);
	assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
	assert_true(ff_is_str(&item.value, "gr\xc3\xbc\xc3\x9f"));
	ff_item_release(&item);
	assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
	assert_true(ff_is_str(&item.value, ""));
	ff_item_release(&item);
	assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
	assert_int_equal(item.value.kind, FF_BYTES);
	assert_int_equal(item.value.len, 2);
	ff_item_release(&item);
	assert_int_equal(ff_channel_file_close(text), 0);
	assert_false(ff_channel_isclosed(channel));
	assert_int_equal(ff_channel_file_close(bytes), 0);
	assert_true(ff_channel_isclosed(channel));
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void modes(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_channel_file *file;
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 7);
	channel = pair_start(&pair, "m");
	assert_null(ff_channel_makefile(channel, "a", false, &err));
	assert_int_equal(err.code, FF_EINVAL);
	file = ff_channel_makefile(channel, "w", false, NULL);
	assert_int_equal(ff_channel_file_read(file, 1, 0, &out, &err), FF_EINVAL);
	assert_int_equal(ff_channel_file_readline(file, 0, &out, &err), FF_EINVAL);
	ff_channel_file_close(file);
	file = ff_channel_makefile(channel, "rb", false, NULL);
	assert_int_equal(ff_channel_file_write(file, "x", 1, &err), FF_EINVAL);
	assert_int_equal(ff_channel_file_flush(file, 0, &err), FF_EINVAL);
	assert_int_equal(ff_channel_file_read(file, (size_t)FF_CHANNEL_FILE_MAX + 1, 0, &out, &err),
			 FF_ETOOBIG);
	ff_channel_file_close(file);
	ff_channel_file_close(NULL);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void reads_cross_items(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_channel_file *file;
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 5);
	channel = pair_start(&pair, "r");
	file = ff_channel_makefile(channel, "r", true, NULL);
	send_text(pair.executed, "one\ntw");
	ff_channel_send_bytes(pair.executed, "o\n\nthr", 6, NULL);
	send_text(pair.executed, "");
	send_text(pair.executed, "ee\nend");
	expect_line(file, "one\n");
	expect_read(file, 3, "two");
	expect_line(file, "\n");
	expect_line(file, "\n");
	expect_read(file, 0, "");
	expect_line(file, "three\n");
	assert_int_equal(ff_channel_file_readline(file, 30, &out, &err), FF_ETIMEOUT);
	assert_int_equal(out.len, 0);
	ff_channel_close(pair.executed, NULL);
	expect_line(file, "end");
	assert_int_equal(ff_channel_file_readline(file, -1, &out, &err), FF_EEOF);
	assert_int_equal(ff_channel_file_read(file, 1, -1, &out, &err), FF_EEOF);
	assert_int_equal(ff_channel_file_close(file), 0);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void a_short_read_at_the_end(void **state)
{
	struct ff_channel_file *file;
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 64);
	channel = pair_start(&pair, "r");
	file = ff_channel_makefile(channel, "r", true, NULL);
	send_text(pair.executed, "abc");
	ff_channel_send_eof(pair.executed);
	expect_read(file, 10, "abc");
	/* proxyclose: the end closes our side, too. */
	assert_true(ff_channel_isclosed(channel));
	ff_channel_file_close(file);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void what_is_no_text(void **state)
{
	struct ff_buf out = FF_BUF_INIT;
	struct ff_channel_file *file;
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 64);
	channel = pair_start(&pair, "r");
	file = ff_channel_makefile(channel, "r", false, NULL);
	send_text(pair.executed, "a");
	send_int(pair.executed, 1);
	send_text(pair.executed, "b\n");
	assert_int_equal(ff_channel_file_readline(file, -1, &out, &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "int"));
	expect_line(file, "ab\n");
	send_text(pair.executed, "rest");
	ff_channel_close(pair.executed, "it broke");
	assert_int_equal(ff_channel_file_readline(file, -1, &out, &err), FF_EREMOTE);
	assert_string_equal(err.text, "it broke");
	expect_line(file, "rest");
	assert_int_equal(ff_channel_file_readline(file, -1, &out, &err), FF_EEOF);
	ff_channel_file_close(file);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void flush_waits_for_the_window(void **state)
{
	static const char block[4096];
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel_file *file;
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	assert_true(pair_try_init(&pair, 4096, 8192));
	assert_int_equal(ff_gateway_hello(pair.a, 0, 0, pair.now_us), 0);
	channel = pair_start(&pair, "w");
	file = ff_channel_makefile(channel, "wb", true, NULL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ff_channel_file_write(file, block, sizeof(block), NULL), 0);
	assert_int_equal(ff_channel_file_flush(file, 10, &err), FF_ETIMEOUT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
		ff_item_release(&item);
	}
	assert_int_equal(ff_channel_file_flush(file, -1, &err), 0);
	assert_int_equal(ff_channel_pending(channel), 0);
	ff_channel_close(pair.executed, NULL);
	pair_run(&pair);
	assert_int_equal(ff_channel_file_flush(file, -1, &err), FF_ECLOSED);
	ff_channel_file_close(file);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void iteration(void **state)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	struct ff_err err;
	struct pair pair;
	int64_t sum = 0;

	pair_init(&pair, 3);
	channel = pair_start(&pair, "i");
	for (int i = 1; i <= 4; i++)
		send_int(pair.executed, i);
	ff_channel_close(pair.executed, NULL);
	while (ff_channel_next(channel, -1, &item, &err))
		sum = sum * 10 + ff_as_int(&item.value, 0);
	assert_int_equal(sum, 1234);
	assert_int_equal(err.code, 0);
	assert_int_equal(item.value.kind, FF_NONE);
	ff_channel_unref(channel);

	channel = pair_start(&pair, "j");
	send_int(pair.executed, 5);
	assert_true(ff_channel_next(channel, -1, &item, &err));
	assert_false(ff_channel_next(channel, 10, &item, &err));
	assert_int_equal(err.code, FF_ETIMEOUT);
	ff_channel_close(pair.executed, "bad");
	assert_false(ff_channel_next(channel, -1, &item, &err));
	assert_int_equal(err.code, FF_EREMOTE);
	assert_string_equal(err.text, "bad");
	ff_channel_unref(channel);
	pair_release(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_are_items),  cmocka_unit_test(modes),
		cmocka_unit_test(reads_cross_items), cmocka_unit_test(a_short_read_at_the_end),
		cmocka_unit_test(what_is_no_text),   cmocka_unit_test(flush_waits_for_the_window),
		cmocka_unit_test(iteration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
