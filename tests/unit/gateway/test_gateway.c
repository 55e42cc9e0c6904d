/* Frames at any boundary, broken streams, requests, and memory that runs out. */
#include "pair.h"

/* A conversation that touches most of the protocol, written down as text. Every step may fail. */
struct talk {
	char text[1024];
	struct notes notes;
	struct ff_channel *more[4];
};

static void note(struct talk *talk, const char *fmt, ...)
{
	size_t len = strlen(talk->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(talk->text + len, sizeof(talk->text) - len, fmt, args);
	va_end(args);
}

static void drain_queue(struct talk *talk, struct ff_channel *channel)
{
	struct ff_item item = FF_ITEM_INIT;
	int rc = 0;

	while (channel && !rc) {
		rc = ff_channel_poll(channel, &item, NULL);
		note(talk, "%d:%d:%u ", rc, rc ? 0 : item.value.kind, rc ? 0 : item.value.len);
		ff_item_release(&item);
	}
}

static void talk_over(struct pair *pair, struct talk *talk)
{
	static const char big[10000];
	const struct ff_task task = {.source = "#!/bin/sh"};
	const struct ff_value one = ff_int(1), text = ff_str("text");
	struct ff_channel *channel, *status;
	int i;

	ff_gateway_hello(pair->a, 1000, 15000, pair->now_us);
	channel = ff_gateway_remote_exec(pair->a, &task, NULL);
	pair_run(pair);
	note(talk, "task %s ", pair->task);
	if (channel)
		ff_channel_set_callback(channel, take_notes, &talk->notes);
	for (i = 0; i < 3 && channel; i++)
		ff_channel_send_bytes(channel, big, sizeof(big), NULL);
	if (channel)
		ff_channel_send(channel, &text, NULL);
	for (i = 0; i < 5 && pair->executed; i++)
		ff_channel_send(pair->executed, &one, NULL);
	pair_run(pair);
	drain_queue(talk, pair->executed);
	status = ff_gateway_remote_status(pair->a, NULL);
	pair_run(pair);
	drain_queue(talk, status);
	ff_channel_unref(status);
	ff_gateway_reconfigure(pair->a, ff_strconfig_default);
	if (pair->executed) {
		ff_channel_reconfigure(pair->executed, ff_strconfig_default);
		ff_channel_close(pair->executed, "Traceback");
	}
	pair_run(pair);
	ff_channel_unref(channel);
	for (i = 0; i < 4; i++)
		talk->more[i] = ff_channel_new(pair->a);
	for (i = 0; i < 4; i++) {
		if (talk->more[i])
			ff_channel_send_eof(talk->more[i]);
		ff_channel_unref(talk->more[i]);
	}
	ff_gateway_exit(pair->a);
	pair_run(pair);
	note(talk, "%d %s", pair->terminated, talk->notes.text);
}

static const char expected[] =
	"task #!/bin/sh 0:6:10000 0:6:10000 0:6:10000 0:7:4 -20:0:0 0:12:3 -3:0:0 "
	"1 1 . 1 . 1 . 1 . 1 . END . ";

static void split_anywhere(void **state)
{
	size_t chunk;

	for (chunk = 1; chunk < 60; chunk++) {
		struct talk talk = {.text = ""};
		struct pair pair;

		pair_init(&pair, chunk);
		talk_over(&pair, &talk);
		assert_string_equal(talk.text, expected);
		assert_int_equal(pair.hellos, 2);
		assert_int_equal(ff_gateway_num_channels(pair.a), 0);
		assert_int_equal(ff_gateway_num_channels(pair.b), 0);
		pair_release(&pair);
	}
}

/* Wherever the line is cut, both ends close once and everything is released. */
static void cut_anywhere(void **state)
{
	size_t budget;

	for (budget = 1;; budget = budget < 400 ? budget + 1 : budget + 997) {
		struct talk talk = {.text = ""};
		struct pair pair;
		bool cut;

		pair_init(&pair, 50);
		pair.budget = budget;
		talk_over(&pair, &talk);
		cut = pair.cut;
		if (cut) {
			assert_int_equal(pair.closed_a, 1);
			assert_int_equal(pair.closed_b, 1);
			assert_int_equal(pair.closed_code, FF_ELOST);
			assert_int_equal(ff_gateway_num_channels(pair.a), 0);
			assert_int_equal(ff_gateway_num_channels(pair.b), 0);
		}
		pair_release(&pair);
		if (!cut)
			break;
	}
	assert_true(budget > 30000);
}

/* Each allocation of the conversation fails in turn, and all after it: nothing leaks or crashes. */
static void memory_runs_out_anywhere(void **state)
{
	size_t nth;

	for (nth = 1;; nth++) {
		struct talk talk = {.text = ""};
		struct pair pair;
		bool complete = false;

		ff_alloc_fail_at(nth);
		if (pair_try_init(&pair, 500, 0)) {
			talk_over(&pair, &talk);
			complete = !strcmp(talk.text, expected);
			ff_alloc_fail_at(0);
			pair_release(&pair);
		}
		ff_alloc_fail_at(0);
		if (complete)
			break;
		assert_true(nth < 10000);
	}
	assert_true(nth > 30);
}

/* The same, but the memory comes back after one failure. */
static void one_allocation_fails(void **state)
{
	size_t nth;

	for (nth = 20; nth < 200; nth++) {
		struct talk talk = {.text = ""};
		struct ff_channel *channel;
		struct pair pair;

		pair_init(&pair, 500);
		channel = pair_start(&pair, "x");
		ff_alloc_fail_at(nth - 19);
		if (!ff_channel_send_bytes(channel, "abc", 3, NULL))
			pair_run(&pair);
		ff_alloc_fail_at(0);
		ff_channel_unref(channel);
		talk_over(&pair, &talk);
		pair_release(&pair);
	}
}

static int feed_frame(struct ff_gateway *gateway, int code, uint32_t channel, const void *payload,
		      size_t len, struct ff_err *err)
{
	struct ff_buf frame = FF_BUF_INIT;
	int rc;

	ff_frame_put(&frame, code, channel, payload, len);
	rc = ff_gateway_feed(gateway, ff_buf_data(&frame), frame.len, 0, err);
	ff_buf_release(&frame);
	return rc;
}

static const struct {
	int code;
	uint32_t channel;
	const char *payload;
	size_t len;
	int rc;
	const char *text;
} broken[] = {
	{8, 3, "", 0, FF_EPROTO, "unknown frame code 8 (channel 3)"},
	{-5, 3, "", 0, FF_EPROTO, "unknown frame code -5"},
	{63, 0, "", 0, FF_EPROTO, "unknown frame code 63"},
	{FF_FRAME_CHANNEL_DATA, 0x80000001U, "", 0, FF_EPROTO, "negative channel"},
	{FF_FRAME_CHANNEL_CREDIT, 1, "\0\0\0\1", 4, FF_EPROTO, "before HELLO"},
	{FF_FRAME_HEARTBEAT, 0, "", 0, FF_EPROTO, "before HELLO"},
	{FF_FRAME_HELLO, 0, "xx", 2, FF_ELOAD, "HELLO"},
	{FF_FRAME_HELLO, 0, "LQ", 2, FF_EPROTO, "HELLO is malformed"},
	{FF_FRAME_RECONFIGURE, 0, "LQ", 2, FF_EPROTO, "RECONFIGURE"},
	{FF_FRAME_RECONFIGURE, 0, "", 0, FF_ELOAD, "RECONFIGURE"},
	{FF_FRAME_CHANNEL_CLOSE_ERROR, 1, "", 0, FF_ELOAD, "CHANNEL_CLOSE_ERROR"},
	{FF_FRAME_CHANNEL_EXEC, 0, "LQ", 2, FF_EPROTO, "CHANNEL_EXEC for channel 0"},
	{FF_FRAME_CHANNEL_EXEC, 2, "LQ", 2, FF_EPROTO, "CHANNEL_EXEC for channel 2"},
	{FF_FRAME_CHANNEL_EXEC, 1, "LQ", 2, FF_EPROTO, "CHANNEL_EXEC for channel 1"},
	/* harmless ones */
	{FF_FRAME_CHANNEL_DATA, 77, "LQ", 2, 0, NULL},
	{FF_FRAME_CHANNEL_CLOSE, 77, "", 0, 0, NULL},
	{FF_FRAME_CHANNEL_CLOSE_ERROR, 77, "N\0\0\0\1xQ", 7, 0, NULL},
	{FF_FRAME_CHANNEL_LAST_MESSAGE, 77, "", 0, 0, NULL},
	{FF_FRAME_CHANNEL_EXEC, 77, "LQ", 2, 0, NULL},
	{FF_FRAME_CHANNEL_EXEC, 77, "Z", 1, 0, NULL},
};

static void broken_frames(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct ff_channel *channel;
		struct pair pair;
		struct ff_err err;
		int rc;

		pair_init(&pair, 500);
		channel = pair_start(&pair, "x");
		rc = feed_frame(pair.b, broken[i].code, broken[i].channel, broken[i].payload,
				broken[i].len, &err);
		assert_int_equal(rc, broken[i].rc);
		assert_int_equal(ff_gateway_state(pair.b),
				 rc ? FF_GATEWAY_CLOSED : FF_GATEWAY_OPEN);
		assert_int_equal(pair.closed_b, rc ? 1 : 0);
		if (rc) {
			assert_int_equal(ff_gateway_error(pair.b)->code, rc);
			assert_non_null(strstr(err.text, broken[i].text));
			assert_int_equal(feed_frame(pair.b, 0, 1, "", 0, &err), FF_ECLOSED);
		}
		ff_channel_unref(channel);
		pair_release(&pair);
	}
}

static void lengths(void **state)
{
	static const uint8_t negative[] = {4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t huge[] = {4, 0, 0, 0, 1, 0x40, 0, 0, 1};
	static const uint8_t most[] = {4, 0, 0, 0, 1, 0x40, 0, 0, 0};
	struct pair pair;

	pair_init(&pair, 500);
	assert_int_equal(ff_gateway_feed(pair.b, negative, 9, 0, NULL), FF_EPROTO);
	/* Known before the last byte of the payload has come, one byte at a time. */
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(ff_gateway_feed(pair.a, huge + i, 1, 0, NULL), 0);
	assert_int_equal(ff_gateway_feed(pair.a, huge + 8, 1, 0, NULL), FF_ETOOBIG);
	pair_release(&pair);

	/* A length that is allowed takes no memory until bytes come. */
	pair_init(&pair, 500);
	assert_int_equal(ff_gateway_feed(pair.b, most, 9, 0, NULL), 0);
	assert_int_equal(ff_gateway_feed(pair.b, most, 9, 0, NULL), 0);
	pair_release(&pair);
}

static void large_frame_in_pieces(void **state)
{
	enum { SIZE = 3 << 20 };
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	struct pair pair;
	char *bytes = malloc(SIZE);
	int i;

	memset(bytes, 'x', SIZE);
	pair_init(&pair, 4096);
	channel = pair_start(&pair, "x");
	for (i = 0; i < 3; i++) {
		assert_int_equal(ff_channel_send_bytes(channel, bytes, SIZE, NULL), 0);
		send_int(channel, i);
	}
	pair_run(&pair);
	for (i = 0; i < 3; i++) {
		assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
		assert_int_equal(item.value.len, SIZE);
		assert_memory_equal(item.value.text, bytes, SIZE);
		ff_item_release(&item);
		assert_int_equal(poll_int(pair.executed), i);
	}
	free(bytes);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void status_and_refusal(void **state)
{
	static const char task[] = "N\0\0\0\1xLLJ@\0\0\0\4Q";
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel, *status;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 10);
	channel = pair_start(&pair, "x");
	status = ff_gateway_remote_status(pair.a, &err);
	assert_int_equal(ff_channel_receive(status, -1, &item, &err), 0);
	assert_int_equal(ff_dict_int(&item.value, "numchannels", -1), 1);
	assert_int_equal(ff_dict_int(&item.value, "numexecuting", -1), 7);
	assert_string_equal(ff_dict_str(&item.value, "execmodel", ""), "thread");
	ff_item_release(&item);
	assert_int_equal(ff_channel_waitclose(status, -1, &err), 0);
	ff_channel_unref(status);
	ff_channel_unref(channel);
	pair_run(&pair);

	/* A controller runs nothing. */
	assert_int_equal(feed_frame(pair.a, FF_FRAME_CHANNEL_EXEC, 2, task, sizeof(task) - 1, &err),
			 0);
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	assert_int_equal(ff_buf_data(ff_gateway_output(pair.a))[0], FF_FRAME_CHANNEL_CLOSE_ERROR);
	assert_non_null(memmem(ff_buf_data(ff_gateway_output(pair.a)),
			       ff_gateway_output(pair.a)->len, "execution disallowed", 20));
	pair_release(&pair);
}

/* As execnet does: the configuration is for items. */
static void reconfigured_tasks(void **state)
{
	const struct ff_strconfig config = {.py3str_as_py2str = true};
	const struct ff_value text = ff_str("x");
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 100);
	assert_int_equal(ff_gateway_reconfigure(pair.a, config), 0);
	channel = pair_start(&pair, "x");
	assert_int_equal(pair.task_kind, FF_STR);
	assert_int_equal(ff_channel_send(channel, &text, NULL), 0);
	pair_run(&pair);
	assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
	assert_int_equal(item.value.kind, FF_BYTES);
	ff_item_release(&item);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void terminate(void **state)
{
	struct notes notes = {.text = ""};
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 10);
	channel = pair_start(&pair, "x");
	ff_channel_set_callback(pair.executed, take_notes, &notes);
	ff_gateway_exit(pair.a);
	ff_gateway_exit(pair.a);
	assert_true(ff_gateway_exiting(pair.a));
	send_int(channel, 1); /* comes too late */
	pair_run(&pair);
	assert_int_equal(pair.terminated, 1);
	assert_string_equal(notes.text, "END . ");
	assert_null(ff_channel_new(pair.b));
	send_int(pair.executed, 2); /* last words */
	pair_run(&pair);
	assert_int_equal(poll_int(channel), 2);
	ff_gateway_lost(pair.a, NULL);
	assert_int_equal(pair.closed_a, 1);
	assert_int_equal(ff_gateway_error(pair.a)->code, 0);
	assert_null(ff_gateway_remote_status(pair.a, &err));
	assert_int_equal(err.code, FF_ECLOSED);
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* A callback that closes and drops everything while its gateway is being fed. */
struct wrecker {
	struct ff_channel *channels[4];
	struct ff_gateway *gateway;
	int mode;
};

static void wreck(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct wrecker *wrecker = ctx;
	const struct ff_err why = {FF_ELOST, "wrecked"};
	size_t i;

	if (!item)
		return;
	if (wrecker->mode == 1)
		ff_gateway_lost(wrecker->gateway, &why);
	for (i = 0; i < 4; i++) {
		if (wrecker->mode == 2 && wrecker->channels[i])
			ff_channel_close(wrecker->channels[i], "wrecked");
		ff_channel_unref(wrecker->channels[i]);
		wrecker->channels[i] = NULL;
	}
	if (wrecker->mode == 3)
		ff_gateway_exit(wrecker->gateway);
}

static void callbacks_may_do_anything(void **state)
{
	int mode, i, k;

	for (mode = 0; mode < 4; mode++) {
		struct ff_channel *theirs[4];
		struct wrecker wrecker = {.mode = mode};
		struct pair pair;

		pair_init(&pair, 4096);
		wrecker.gateway = pair.b;
		for (i = 0; i < 4; i++) {
			theirs[i] = ff_channel_new(pair.a);
			wrecker.channels[i] = ff_channel_from_id(pair.b, ff_channel_id(theirs[i]));
			ff_channel_set_callback(wrecker.channels[i], wreck, &wrecker);
		}
		for (k = 0; k < 3; k++) {
			for (i = 0; i < 4; i++)
				send_int(theirs[i], k);
		}
		pair_run(&pair);
		for (i = 0; i < 4; i++) {
			assert_null(wrecker.channels[i]);
			ff_channel_unref(theirs[i]);
		}
		pair_run(&pair);
		pair_release(&pair);
	}
}

static void output_waits_for_opened(void **state)
{
	static const struct ff_gateway_ops ops = {.want_write = pair_want};
	struct pair pair = {0};
	const struct ff_gateway_opts opts = {
		.id = "x", .initiator = true, .ops = &ops, .ctx = &pair};
	struct ff_gateway *gateway = ff_gateway_new(&opts);

	ff_channel_unref(ff_gateway_remote_status(gateway, NULL));
	assert_int_equal(pair.wants, 0);
	assert_int_equal(ff_gateway_feed(gateway, "x", 1, 0, NULL), FF_EINVAL);
	ff_gateway_opened(gateway);
	assert_int_equal(pair.wants, 1);
	ff_gateway_exit(gateway);
	assert_int_equal(pair.wants, 1);
	ff_buf_clear(ff_gateway_output(gateway));
	ff_channel_unref(ff_gateway_remote_status(gateway, NULL));
	assert_int_equal(pair.wants, 2);
	ff_gateway_free(gateway);
}

/* Many channels, opened and dropped in an order that exercises the table's deletion. */
static void many_channels(void **state)
{
	enum { MANY = 3000 };
	static struct ff_channel *channels[MANY];
	struct pair pair;
	size_t i;

	pair_init(&pair, 4096);
	for (i = 0; i < MANY; i++) {
		channels[i] = ff_channel_new(pair.a);
		ff_channel_set_data(channels[i], &channels[i]);
	}
	for (i = 0; i < MANY; i += 3) {
		ff_channel_unref(channels[i]);
		channels[i] = NULL;
	}
	assert_int_equal(ff_gateway_num_channels(pair.a), MANY - MANY / 3);
	for (i = 0; i < MANY; i++) {
		struct ff_channel *found =
			channels[i] ? ff_channel_from_id(pair.a, (uint32_t)(2 * i + 1)) : NULL;

		assert_ptr_equal(found, channels[i]);
		if (found)
			assert_ptr_equal(ff_channel_data(found), &channels[i]);
		ff_channel_unref(found);
	}
	for (i = MANY; i-- > 0;)
		ff_channel_unref(channels[i]);
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	pair_release(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_anywhere),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(memory_runs_out_anywhere),
		cmocka_unit_test(one_allocation_fails),
		cmocka_unit_test(broken_frames),
		cmocka_unit_test(lengths),
		cmocka_unit_test(large_frame_in_pieces),
		cmocka_unit_test(status_and_refusal),
		cmocka_unit_test(reconfigured_tasks),
		cmocka_unit_test(terminate),
		cmocka_unit_test(callbacks_may_do_anything),
		cmocka_unit_test(output_waits_for_opened),
		cmocka_unit_test(many_channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
