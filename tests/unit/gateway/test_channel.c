/* Channel semantics: order, end of file, errors, callbacks, references. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

#include "base/log.h"

static int poll_code(struct ff_channel *channel, struct ff_err *err)
{
	struct ff_item item = FF_ITEM_INIT;
	int rc = ff_channel_poll(channel, &item, err);

	ff_item_release(&item);
	return rc;
}

static void items_both_ways(void **state)
{
	struct pair pair;
	struct ff_channel *channel;
	struct ff_item item = FF_ITEM_INIT;
	int i;

	pair_init(&pair, 7);
	channel = pair_start(&pair, "echo");
	assert_int_equal(ff_channel_id(channel), 1);
	for (i = 0; i < 20; i++) {
		send_int(channel, i);
		send_int(pair.executed, 100 + i);
	}
	assert_int_equal(ff_channel_send_bytes(channel, "abc", 3, NULL), 0);
	pair_run(&pair);
	for (i = 0; i < 20; i++) {
		assert_int_equal(poll_int(pair.executed), i);
		assert_int_equal(poll_int(channel), 100 + i);
	}
	assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
	assert_int_equal(item.value.kind, FF_BYTES);
	ff_item_release(&item);
	assert_int_equal(poll_code(channel, NULL), FF_EAGAIN);
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* What the peer does, and what is seen then. */
enum act {
	ACT_CLOSE,
	ACT_ERROR,
	ACT_EOF,
	ACT_UNREF,
	ACT_LOST,
	ACT_TERMINATE,
	ACT_LOCAL,
	ACT_GARBAGE
};

static void act_on(struct pair *pair, struct ff_channel *channel, enum act act)
{
	const struct ff_err why = {FF_ELOST, "cable fell out"};
	struct ff_buf garbage = FF_BUF_INIT;

	switch (act) {
	case ACT_CLOSE:
		assert_int_equal(ff_channel_close(pair->executed, NULL), 0);
		break;
	case ACT_ERROR:
		assert_int_equal(ff_channel_close(pair->executed, "Traceback: boom"), 0);
		break;
	case ACT_EOF:
		assert_int_equal(ff_channel_send_eof(pair->executed), 0);
		break;
	case ACT_UNREF:
		ff_channel_unref(pair->executed);
		pair->executed = NULL;
		break;
	case ACT_LOST:
		ff_gateway_lost(pair->a, &why);
		break;
	case ACT_TERMINATE:
		ff_gateway_lost(pair->a, NULL);
		break;
	case ACT_LOCAL:
		assert_int_equal(ff_channel_close(channel, "mine"), 0);
		break;
	case ACT_GARBAGE:
		ff_frame_put(&garbage, 99, 1, NULL, 0);
		assert_int_equal(
			ff_gateway_feed(pair->a, ff_buf_data(&garbage), garbage.len, 0, NULL),
			FF_EPROTO);
		ff_buf_release(&garbage);
		break;
	}
	pair_run(pair);
}

static const struct {
	enum act act;
	int first;	  /* what poll gives after the items */
	const char *text; /* in words */
	int waitclose;
	bool isclosed;
	int send;
} endings[] = {
	{ACT_CLOSE, FF_EEOF, NULL, 0, true, FF_ECLOSED},
	{ACT_ERROR, FF_EREMOTE, "Traceback: boom", FF_EREMOTE, true, FF_ECLOSED},
	{ACT_EOF, FF_EEOF, NULL, 0, false, 0},
	{ACT_UNREF, FF_EEOF, NULL, 0, true, FF_ECLOSED},
	{ACT_LOST, FF_ELOST, "cable fell out", FF_ELOST, false, FF_ECLOSED},
	{ACT_TERMINATE, FF_EEOF, NULL, 0, false, FF_ECLOSED},
	{ACT_LOCAL, FF_EEOF, NULL, 0, true, FF_ECLOSED},
	{ACT_GARBAGE, FF_ELOST, "unknown frame code 99", FF_ELOST, false, FF_ECLOSED},
};

static void every_ending(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		const struct ff_value one = ff_int(1);
		struct ff_channel *channel, *other, *noted;
		struct notes notes = {.text = ""};
		struct pair pair;
		struct ff_err err;

		pair_init(&pair, 100);
		noted = pair_start(&pair, "noted");
		assert_int_equal(ff_channel_set_callback(noted, take_notes, &notes), 0);
		send_int(pair.executed, 9);
		pair_run(&pair);
		act_on(&pair, noted, endings[i].act);
		assert_string_equal(notes.text, "9 . END . ");
		ff_channel_unref(noted);
		pair_release(&pair);

		pair_init(&pair, 100);
		channel = pair_start(&pair, "polled");
		send_int(pair.executed, 1);
		send_int(pair.executed, 2);
		pair_run(&pair);
		assert_false(ff_channel_receive_closed(channel));
		act_on(&pair, channel, endings[i].act);
		assert_true(ff_channel_receive_closed(channel));
		assert_int_equal(ff_channel_isclosed(channel), endings[i].isclosed);
		assert_int_equal(poll_int(channel), 1);
		assert_int_equal(poll_int(channel), 2);
		assert_int_equal(poll_code(channel, &err), endings[i].first);
		if (endings[i].text)
			assert_non_null(strstr(err.text, endings[i].text));
		assert_int_equal(poll_code(channel, NULL), FF_EEOF);
		assert_int_equal(poll_code(channel, NULL), FF_EEOF);
		assert_int_equal(ff_channel_send(channel, &one, NULL), endings[i].send);
		assert_int_equal(ff_channel_close(channel, NULL), 0);
		assert_int_equal(ff_channel_close(channel, NULL), 0);
		ff_channel_unref(channel);
		pair_release(&pair);

		pair_init(&pair, 100);
		other = pair_start(&pair, "waited");
		act_on(&pair, other, endings[i].act);
		assert_int_equal(ff_channel_waitclose(other, 0, &err), endings[i].waitclose);
		/* The remote error was taken by that. */
		assert_int_equal(ff_channel_waitclose(other, 0, NULL),
				 endings[i].waitclose == FF_EREMOTE ? 0 : endings[i].waitclose);
		ff_channel_unref(other);
		pair_release(&pair);
	}
}

static void blocking(void **state)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 3);
	channel = pair_start(&pair, "x");
	assert_int_equal(ff_channel_receive(channel, 50, &item, &err), FF_ETIMEOUT);
	assert_int_equal(pair.now_us, 1000 + 50000);
	assert_int_equal(ff_channel_waitclose(channel, 0, &err), FF_ETIMEOUT);
	send_int(pair.executed, 5);
	assert_int_equal(ff_channel_receive(channel, -1, &item, &err), 0);
	assert_int_equal(ff_as_int(&item.value, 0), 5);
	ff_item_release(&item);
	ff_channel_close(pair.executed, "oops");
	assert_int_equal(ff_channel_waitclose(channel, -1, &err), FF_EREMOTE);
	assert_string_equal(err.text, "oops");
	assert_int_equal(ff_channel_receive(channel, -1, &item, NULL), FF_EEOF);
	ff_group_remove(pair.group, pair.a);
	ff_channel_unref(channel);
	channel = ff_channel_new(pair.a);
	assert_int_equal(ff_channel_receive(channel, 1, &item, NULL), FF_EUNSUPPORTED);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void block_inside(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_item other = FF_ITEM_INIT;

	if (item)
		*(int *)ctx = ff_channel_receive(channel, 10, &other, NULL);
}

static void no_blocking_in_callbacks(void **state)
{
	struct ff_channel *channel;
	struct pair pair;
	int seen = 0;

	pair_init(&pair, 3);
	channel = pair_start(&pair, "x");
	assert_int_equal(ff_channel_set_callback(channel, block_inside, &seen), 0);
	assert_int_equal(ff_channel_set_callback(channel, block_inside, &seen), FF_EEXISTS);
	assert_int_equal(poll_code(channel, NULL), FF_EINVAL);
	send_int(pair.executed, 5);
	pair_run(&pair);
	assert_int_equal(seen, FF_EDEADLK);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void callback_gets_the_queue_first(void **state)
{
	struct notes notes = {.text = ""};
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 100);
	channel = pair_start(&pair, "x");
	send_int(pair.executed, 1);
	send_int(pair.executed, 2);
	ff_channel_close(pair.executed, NULL);
	pair_run(&pair);
	ff_channel_set_callback(channel, take_notes, &notes);
	assert_string_equal(notes.text, "1 . 2 . END . ");
	ff_channel_unref(channel);
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	assert_int_equal(ff_gateway_num_channels(pair.b), 0);
	pair_release(&pair);
}

static void closing_inside_does_not_nest(void **state)
{
	struct notes notes = {.text = ""};
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 100);
	channel = pair_start(&pair, "x");
	notes.close = notes.unref = channel;
	ff_channel_set_callback(channel, take_notes, &notes);
	send_int(pair.executed, 1);
	send_int(pair.executed, 2);
	pair_run(&pair);
	assert_string_equal(notes.text, "1 . END . ");
	assert_true(ff_channel_isclosed(pair.executed));
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	pair_release(&pair);
}

/* Dropped with a callback: LAST_MESSAGE, and the callback lives on. */
static void dropped_with_callback(void **state)
{
	struct notes notes = {.text = ""};
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 100);
	channel = pair_start(&pair, "x");
	ff_channel_set_callback(channel, take_notes, &notes);
	ff_channel_unref(channel);
	pair_run(&pair);
	assert_true(ff_channel_receive_closed(pair.executed));
	assert_false(ff_channel_isclosed(pair.executed));
	send_int(pair.executed, 1);
	send_int(pair.executed, 2);
	pair_run(&pair);
	ff_channel_close(pair.executed, NULL);
	pair_run(&pair);
	assert_string_equal(notes.text, "1 . 2 . END . ");
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	assert_int_equal(ff_gateway_num_channels(pair.b), 0);
	pair_release(&pair);
}

static void dropped_on_both_sides(void **state)
{
	struct notes here = {.text = ""}, there = {.text = ""};
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 100);
	channel = pair_start(&pair, "x");
	ff_channel_set_callback(channel, take_notes, &here);
	ff_channel_set_callback(pair.executed, take_notes, &there);
	ff_channel_unref(channel);
	ff_channel_unref(pair.executed);
	pair.executed = NULL;
	pair_run(&pair);
	assert_string_equal(here.text, "END . ");
	assert_string_equal(there.text, "END . ");
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	assert_int_equal(ff_gateway_num_channels(pair.b), 0);
	pair_release(&pair);
}

static void bad_item(void **state)
{
	static const uint8_t bad[] = "Z";
	struct notes notes = {.text = ""};
	struct ff_channel *polled, *noted;
	struct ff_buf frames = FF_BUF_INIT;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 100);
	polled = ff_channel_new(pair.a);
	noted = pair_start(&pair, "y");
	ff_channel_set_callback(noted, take_notes, &notes);
	ff_frame_put(&frames, FF_FRAME_CHANNEL_DATA, ff_channel_id(polled), bad, 1);
	ff_frame_put(&frames, FF_FRAME_CHANNEL_DATA, ff_channel_id(noted), bad, 1);
	assert_int_equal(ff_gateway_feed(pair.a, ff_buf_data(&frames), frames.len, 0, NULL), 0);
	ff_buf_release(&frames);
	pair_run(&pair);
	assert_int_equal(poll_code(polled, &err), FF_ELOAD);
	assert_int_equal(poll_code(polled, &err), FF_EAGAIN);
	assert_string_equal(notes.text, "END . ");
	assert_non_null(ff_channel_error(noted));
	assert_true(ff_channel_isclosed(pair.executed));
	assert_non_null(ff_channel_error(pair.executed));
	ff_channel_unref(polled);
	ff_channel_unref(noted);
	pair_release(&pair);
}

static void executing_cannot_close(void **state)
{
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 100);
	channel = pair_start(&pair, "x");
	ff_channel_set_executing(pair.executed, true);
	assert_int_equal(ff_channel_close(pair.executed, NULL), FF_EINVAL);
	ff_channel_set_executing(pair.executed, false);
	assert_int_equal(ff_channel_close(pair.executed, "\xff broken \xc3"), 0);
	pair_run(&pair);
	assert_string_equal(ff_channel_error(channel), "? broken ?");
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void channels_over_channels(void **state)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel, *inner, *theirs;
	struct ff_value value = {.kind = FF_CHANNEL};
	struct pair pair;

	pair_init(&pair, 100);
	channel = pair_start(&pair, "x");
	inner = ff_channel_new(pair.a);
	assert_int_equal(ff_channel_id(inner), 3);
	value.channel = ff_channel_id(inner);
	assert_int_equal(ff_channel_send(channel, &value, NULL), 0);
	pair_run(&pair);
	assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
	theirs = ff_channel_from_id(pair.b, item.value.channel);
	assert_ptr_equal(theirs, ff_channel_from_id(pair.b, 3));
	ff_channel_unref(theirs);
	assert_null(ff_channel_from_id(pair.b, 0));
	assert_null(ff_channel_from_id(pair.b, 0x80000000U));
	ff_item_release(&item);
	send_int(theirs, 42);
	pair_run(&pair);
	assert_int_equal(poll_int(inner), 42);
	ff_channel_unref(theirs);
	pair_run(&pair);
	assert_int_equal(poll_code(inner, NULL), FF_EEOF);
	ff_channel_unref(inner);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void outlives_its_gateway(void **state)
{
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 100);
	channel = pair_start(&pair, "x");
	send_int(pair.executed, 1);
	pair_run(&pair);
	pair_release(&pair);
	assert_null(ff_channel_gateway(channel));
	assert_int_equal(poll_int(channel), 1);
	assert_int_equal(poll_code(channel, &err), FF_ELOST);
	assert_int_equal(poll_code(channel, &err), FF_EEOF);
	assert_int_equal(ff_channel_send_bytes(channel, "", 0, &err), FF_ECLOSED);
	assert_int_equal(ff_channel_close(channel, "x"), 0);
	ff_channel_unref(channel);
}

static char traced[4096];

static void trace(void *ctx, const char *text)
{
	size_t len = strlen(traced);

	snprintf(traced + len, sizeof(traced) - len, "%s\n", text);
}

static void traces(void **state)
{
	struct ff_channel *channel;
	struct pair pair;

	ff_log_set(trace, NULL);
	pair_init(&pair, 100);
	channel = pair_start(&pair, "x");
	ff_channel_close(pair.executed, "unread");
	pair_run(&pair);
	ff_channel_unref(channel);
	pair_release(&pair);
	ff_log_set(NULL, NULL);
	assert_non_null(strstr(traced, "gw0/1: opened -> closed (CLOSE_ERROR)\n"));
	assert_non_null(strstr(traced, "gw0/1: warning: unhandled remote error: unread\n"));
	assert_non_null(strstr(traced, "worker/1: opened -> closed (close)\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_both_ways),
		cmocka_unit_test(every_ending),
		cmocka_unit_test(blocking),
		cmocka_unit_test(no_blocking_in_callbacks),
		cmocka_unit_test(callback_gets_the_queue_first),
		cmocka_unit_test(closing_inside_does_not_nest),
		cmocka_unit_test(dropped_with_callback),
		cmocka_unit_test(dropped_on_both_sides),
		cmocka_unit_test(bad_item),
		cmocka_unit_test(executing_cannot_close),
		cmocka_unit_test(channels_over_channels),
		cmocka_unit_test(outlives_its_gateway),
		cmocka_unit_test(traces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
