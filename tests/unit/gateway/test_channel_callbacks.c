/* What bindings need of channels: callbacks that come and go, ends with their reason, items as they
 * travel, tasks on channels that are there already. */
#include "pair.h"

struct told {
	struct ff_channel *channel;
	int64_t sum;
	int ends, reason;
	char text[128];
	bool leaves; /* takes itself away at its first item */
	struct told *heir;
};

static void hear(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct told *told = ctx;
	struct ff_err err;

	if (!item) {
		told->ends++;
		told->reason = ff_channel_end_reason(channel, &err);
		assert_int_equal(err.code, told->reason);
		snprintf(told->text, sizeof(told->text), "%.100s", err.text);
		return;
	}
	told->sum = told->sum * 10 + ff_as_int(&item->value, -1);
	if (told->leaves)
		assert_int_equal(
			ff_channel_replace_callback(channel, told->heir ? hear : NULL, told->heir),
			0);
}

static void callbacks_come_and_go(void **state)
{
	struct told first = {.leaves = true}, second = {0}, third = {0};
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 7);
	channel = pair_start(&pair, "x");
	first.heir = &second;
	assert_int_equal(ff_channel_replace_callback(channel, hear, &first), FF_EINVAL);
	for (int i = 1; i <= 3; i++)
		send_int(pair.executed, i);
	pair_run(&pair);
	/* The first hears one item of those that wait, the second the others. */
	assert_int_equal(ff_channel_set_callback(channel, hear, &first), 0);
	assert_int_equal(first.sum, 1);
	assert_int_equal(second.sum, 23);
	/* Nobody: items wait and can be polled, or go to the next one. */
	assert_int_equal(ff_channel_replace_callback(channel, NULL, NULL), 0);
	for (int i = 4; i <= 6; i++)
		send_int(pair.executed, i);
	pair_run(&pair);
	assert_int_equal(poll_int(channel), 4);
	assert_int_equal(ff_channel_set_callback(channel, hear, &third), 0);
	assert_int_equal(third.sum, 56);
	ff_channel_close(pair.executed, NULL);
	pair_run(&pair);
	assert_int_equal(third.ends, 1);
	assert_int_equal(third.reason, 0);
	assert_int_equal(first.ends + second.ends, 0);
	assert_int_equal(ff_channel_replace_callback(channel, hear, &first), FF_ECLOSED);
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* One that takes itself away: what comes later is not lost, and the end waits with it. */
static void a_callback_leaves(void **state)
{
	struct told told = {.leaves = true};
	struct ff_channel *channel;
	struct pair pair;

	pair_init(&pair, 4096);
	channel = pair_start(&pair, "x");
	assert_int_equal(ff_channel_set_callback(channel, hear, &told), 0);
	send_int(pair.executed, 1);
	send_int(pair.executed, 2);
	ff_channel_close(pair.executed, "over");
	pair_run(&pair);
	assert_int_equal(told.sum, 1);
	assert_int_equal(told.ends, 0);
	told.leaves = false;
	assert_int_equal(ff_channel_set_callback(channel, hear, &told), 0);
	assert_int_equal(told.sum, 12);
	assert_int_equal(told.ends, 1);
	assert_int_equal(told.reason, FF_EREMOTE);
	assert_string_equal(told.text, "over");
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void a_lost_line_is_a_reason(void **state)
{
	const struct ff_err why = {FF_ELOST, "the cable"};
	struct told told = {0};
	struct ff_channel *channel;
	struct ff_err err;
	struct pair pair;

	pair_init(&pair, 4096);
	channel = pair_start(&pair, "x");
	assert_int_equal(ff_channel_set_callback(channel, hear, &told), 0);
	assert_int_equal(ff_channel_end_reason(channel, &err), 0);
	assert_int_equal(err.code, 0);
	ff_gateway_lost(pair.a, &why);
	assert_int_equal(told.ends, 1);
	assert_int_equal(told.reason, FF_ELOST);
	assert_non_null(strstr(told.text, "the cable"));
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* What is received as bytes can be sent on as it is. */
static void packed_both_ways(void **state)
{
	struct ff_buf packed = FF_BUF_INIT;
	struct ff_channel *channel;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {0};
	struct pair pair;

	pair_init(&pair, 7);
	channel = pair_start(&pair, "x");
	assert_int_equal(ff_channel_poll_packed(channel, &packed, &err), FF_EAGAIN);
	assert_int_equal(ff_channel_receive_packed(channel, 5, &packed, &err), FF_ETIMEOUT);
	send_int(pair.executed, 42);
	assert_int_equal(ff_channel_receive_packed(channel, -1, &packed, &err), 0);
	assert_int_equal(ff_load_item(&item, ff_buf_data(&packed), packed.len, NULL, 0, NULL), 0);
	assert_int_equal(ff_as_int(&item.value, 0), 42);
	ff_item_release(&item);
	assert_int_equal(ff_channel_send_packed(channel, &packed, &err), 0);
	pair_run(&pair);
	assert_int_equal(poll_int(pair.executed), 42);
	ff_channel_close(pair.executed, "over");
	pair_run(&pair);
	assert_int_equal(ff_channel_receive_packed(channel, -1, &packed, &err), FF_EREMOTE);
	assert_int_equal(ff_channel_poll_packed(channel, &packed, &err), FF_EEOF);
	ff_buf_release(&packed);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void tasks_on_channels_that_are_there(void **state)
{
	const struct ff_task task = {.source = "x"};
	struct ff_channel *channel, *theirs;
	struct told told = {0};
	struct ff_err err = {0};
	struct pair pair;

	pair_init(&pair, 4096);
	channel = ff_channel_new(pair.a);
	assert_int_equal(ff_channel_set_callback(channel, hear, &told), 0);
	assert_int_equal(ff_channel_remote_exec(channel, &task, &err), 0);
	assert_int_equal(ff_channel_remote_exec(channel, &task, &err), FF_EEXISTS);
	pair_run(&pair);
	assert_string_equal(pair.task, "x");
	assert_int_equal(ff_channel_id(pair.executed), ff_channel_id(channel));
	send_int(pair.executed, 7);
	/* One of the peer's, and one that is closed. */
	theirs = ff_channel_from_id(pair.a, 2);
	assert_int_equal(ff_channel_remote_exec(theirs, &task, &err), FF_EINVAL);
	ff_channel_unref(theirs);
	pair_run(&pair);
	assert_int_equal(told.sum, 7);
	ff_channel_close(channel, NULL);
	assert_int_equal(ff_channel_remote_exec(channel, &task, &err), FF_ECLOSED);
	ff_channel_unref(channel);
	channel = pair_start(&pair, "y");
	assert_int_equal(ff_channel_remote_exec(channel, &task, &err), FF_EEXISTS);
	assert_int_equal(ff_gateway_state(pair.a), FF_GATEWAY_OPEN);
	ff_channel_unref(channel);
	pair_release(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callbacks_come_and_go),
		cmocka_unit_test(a_callback_leaves),
		cmocka_unit_test(a_lost_line_is_a_reason),
		cmocka_unit_test(packed_both_ways),
		cmocka_unit_test(tasks_on_channels_that_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
