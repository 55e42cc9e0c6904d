/* Many channels as one, and their queue. */
#include "pair.h"

enum { COUNT = 3 };

struct many {
	struct pair pair;
	struct ff_channel *theirs[COUNT];
	struct ff_multichannel *multi;
};

static void many_init(struct many *many, uint32_t window)
{
	struct ff_channel *ours[COUNT];
	size_t i;

	assert_true(pair_try_init(&many->pair, 100, window));
	assert_int_equal(ff_gateway_hello(many->pair.a, 0, 0, 0), 0);
	pair_run(&many->pair);
	for (i = 0; i < COUNT; i++) {
		ours[i] = ff_channel_new(many->pair.a);
		many->theirs[i] = ff_channel_from_id(many->pair.b, ff_channel_id(ours[i]));
	}
	many->multi = ff_multichannel_new(ours, COUNT);
	for (i = 0; i < COUNT; i++)
		ff_channel_unref(ours[i]);
}

static void many_release(struct many *many)
{
	size_t i;

	ff_multichannel_free(many->multi);
	for (i = 0; i < COUNT; i++)
		ff_channel_unref(many->theirs[i]);
	pair_run(&many->pair);
	assert_int_equal(ff_gateway_num_channels(many->pair.a), 0);
	assert_int_equal(ff_gateway_num_channels(many->pair.b), 0);
	pair_release(&many->pair);
}

static void each(void **state)
{
	const struct ff_value value = ff_int(5);
	struct ff_item items[COUNT] = {FF_ITEM_INIT, FF_ITEM_INIT, FF_ITEM_INIT};
	struct many many;
	struct ff_err err;
	size_t i, received;

	many_init(&many, 0);
	assert_int_equal(ff_multichannel_len(many.multi), COUNT);
	assert_null(ff_multichannel_at(many.multi, COUNT));
	assert_int_equal(ff_multichannel_send_each(many.multi, &value, &err), 0);
	pair_run(&many.pair);
	for (i = 0; i < COUNT; i++) {
		assert_int_equal(poll_int(many.theirs[i]), 5);
		send_int(many.theirs[i], (int64_t)i);
	}
	assert_int_equal(ff_multichannel_receive_each(many.multi, -1, items, &received, &err), 0);
	assert_int_equal(received, COUNT);
	for (i = 0; i < COUNT; i++) {
		assert_int_equal(ff_as_int(&items[i].value, -1), i);
		ff_item_release(&items[i]);
	}
	send_int(many.theirs[0], 1);
	assert_int_equal(ff_multichannel_receive_each(many.multi, 20, items, &received, &err),
			 FF_ETIMEOUT);
	assert_int_equal(received, 1);
	ff_item_release(&items[0]);
	assert_int_equal(ff_multichannel_waitclose(many.multi, 20, &err), FF_ETIMEOUT);
	ff_channel_close(many.theirs[0], NULL);
	ff_channel_close(many.theirs[1], "first");
	ff_channel_close(many.theirs[2], "second");
	assert_int_equal(ff_multichannel_waitclose(many.multi, -1, &err), FF_EREMOTE);
	assert_string_equal(err.text, "first");
	assert_int_equal(ff_multichannel_send_each(many.multi, &value, &err), FF_ECLOSED);
	many_release(&many);
}

static void queue(void **state)
{
	struct ff_queue_entry entry;
	struct ff_queue *gathered;
	struct many many;
	struct ff_err err;
	int items = 0, ends = 0;

	many_init(&many, 0);
	send_int(many.theirs[1], 10);
	pair_run(&many.pair);
	gathered = ff_multichannel_queue(many.multi, true);
	assert_non_null(gathered);
	assert_ptr_equal(ff_multichannel_queue(many.multi, false), gathered);
	send_int(many.theirs[0], 11);
	send_int(many.theirs[2], 12);
	assert_int_equal(ff_queue_get(gathered, -1, &entry, &err), 0);
	assert_ptr_equal(entry.channel, ff_multichannel_at(many.multi, 1));
	assert_int_equal(ff_as_int(&entry.item.value, 0), 10);
	ff_item_release(&entry.item);
	for (int i = 0; i < COUNT; i++)
		ff_channel_close(many.theirs[i], NULL);
	while (!ff_queue_get(gathered, -1, &entry, &err)) {
		items += !entry.end;
		ends += entry.end;
		ff_item_release(&entry.item);
	}
	assert_int_equal(items, 2);
	assert_int_equal(ends, 3);
	assert_int_equal(err.code, FF_EEOF);
	assert_int_equal(ff_queue_len(gathered), 0);
	many_release(&many);
}

/* What nobody takes from the queue stalls the peer. */
static void queue_is_bounded_by_credit(void **state)
{
	struct ff_queue_entry entry;
	struct ff_queue *gathered;
	struct many many;
	int i;

	many_init(&many, 60);
	gathered = ff_multichannel_queue(many.multi, false);
	for (i = 0; i < 100; i++)
		send_int(many.theirs[0], i);
	pair_run(&many.pair);
	assert_int_equal(ff_queue_len(gathered), 10);
	for (i = 0; i < 100; i++) {
		assert_int_equal(ff_queue_get(gathered, 0, &entry, NULL), 0);
		assert_int_equal(ff_as_int(&entry.item.value, -1), i);
		ff_item_release(&entry.item);
		pair_run(&many.pair);
	}
	assert_int_equal(ff_queue_poll(gathered, &entry), FF_EAGAIN);
	assert_int_equal(ff_queue_get(gathered, 5, &entry, NULL), FF_ETIMEOUT);
	/* Freed with entries in it and a peer that sends on. */
	for (i = 0; i < 100; i++)
		send_int(many.theirs[0], i);
	pair_run(&many.pair);
	many_release(&many);
}

/* Without memory for the item its channel ends; without memory for the entry the queue says so. */
static void queue_without_memory(void **state)
{
	size_t nth, lossy = 0;
	int i, rc;

	for (nth = 1; nth < 5; nth++) {
		struct ff_queue_entry entry;
		struct ff_queue *gathered;
		struct many many;

		many_init(&many, 0);
		gathered = ff_multichannel_queue(many.multi, true);
		for (i = 0; i < COUNT; i++)
			send_int(many.theirs[i], i);
		ff_alloc_fail_at(nth);
		pair_run(&many.pair);
		ff_alloc_fail_at(0);
		while (!(rc = ff_queue_poll(gathered, &entry)))
			ff_item_release(&entry.item);
		assert_true(rc == FF_ENOMEM || rc == FF_EEOF);
		lossy += rc == FF_ENOMEM;
		many_release(&many);
	}
	assert_true(lossy > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each),
		cmocka_unit_test(queue),
		cmocka_unit_test(queue_is_bounded_by_credit),
		cmocka_unit_test(queue_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
