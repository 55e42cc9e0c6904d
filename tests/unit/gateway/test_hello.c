/* Ours beyond execnet: credit, heartbeats, silence. */
#include "pair.h"

enum { WINDOW = 1000 };

static void hello_pair(struct pair *pair, uint32_t window)
{
	assert_true(pair_try_init(pair, 4096, window));
	assert_int_equal(ff_gateway_hello(pair->a, 5000, 15000, pair->now_us), 0);
	pair_run(pair);
	assert_int_equal(pair->hellos, 2);
	assert_true(ff_gateway_extended(pair->a));
	assert_true(ff_gateway_extended(pair->b));
}

static int drains;

static void count_drain(struct ff_channel *channel, void *ctx)
{
	drains++;
}

static void stall_and_resume(void **state)
{
	char bytes[95]; /* 101 with its frame's payload around it */
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	struct pair pair;
	int i;

	drains = 0;
	memset(bytes, 'b', sizeof(bytes));
	hello_pair(&pair, WINDOW);
	channel = pair_start(&pair, "x");
	ff_channel_set_drain(channel, count_drain, NULL);
	for (i = 0; i < 10; i++) {
		assert_true(ff_channel_writable(channel));
		assert_int_equal(ff_channel_send_bytes(channel, bytes, 95, NULL), 0);
	}
	assert_false(ff_channel_writable(channel)); /* 10 * 101 > 1000 */
	assert_int_equal(ff_channel_pending(channel), 0);
	for (i = 10; i < 40; i++)
		send_int(channel, i);
	assert_true(ff_channel_pending(channel) > 0);
	pair_run(&pair);
	assert_int_equal(drains, 0);
	/* Half a window's worth is taken: credit comes back, and all that waits goes. */
	for (i = 0; i < 4; i++) {
		assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
		ff_item_release(&item);
		pair_run(&pair);
		assert_int_equal(drains, 0);
	}
	for (i = 4; i < 10; i++) {
		assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
		ff_item_release(&item);
	}
	pair_run(&pair);
	assert_int_equal(drains, 1);
	assert_true(ff_channel_writable(channel));
	for (i = 10; i < 40; i++)
		assert_int_equal(poll_int(pair.executed), i);
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* One item over the window goes when there is any credit. */
static void item_over_the_window(void **state)
{
	char bytes[5 * WINDOW];
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	struct pair pair;
	int i;

	memset(bytes, 'b', sizeof(bytes));
	hello_pair(&pair, WINDOW);
	channel = pair_start(&pair, "x");
	for (i = 0; i < 5; i++)
		assert_int_equal(ff_channel_send_bytes(channel, bytes, sizeof(bytes), NULL), 0);
	for (i = 0; i < 5; i++) {
		pair_run(&pair);
		assert_int_equal(ff_channel_pending(channel) > 0, i < 4);
		assert_int_equal(ff_channel_poll(pair.executed, &item, NULL), 0);
		assert_int_equal(item.value.len, sizeof(bytes));
		ff_item_release(&item);
	}
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* CLOSE, errors and LAST_MESSAGE keep their place behind what waits, also when the user is gone. */
static void endings_wait_for_pending(void **state)
{
	int mode;

	for (mode = 0; mode < 4; mode++) {
		struct ff_channel *channel;
		struct ff_item item = FF_ITEM_INIT;
		struct pair pair;
		struct ff_err err;
		int i;

		hello_pair(&pair, 4);
		channel = pair_start(&pair, "x");
		for (i = 0; i < 20; i++)
			send_int(channel, i);
		assert_true(ff_channel_pending(channel) > 0);
		if (mode == 1)
			ff_channel_close(channel, NULL);
		if (mode == 2)
			ff_channel_close(channel, "boom");
		if (mode == 3)
			ff_channel_send_eof(channel);
		ff_channel_unref(channel);
		for (i = 0; i < 20; i++) {
			pair_run(&pair);
			/* The last item goes with the last credit, and the ending behind it. */
			assert_int_equal(ff_channel_receive_closed(pair.executed), i == 19);
			if (i < 19)
				assert_int_equal(ff_gateway_num_channels(pair.a), 1);
			assert_int_equal(poll_int(pair.executed), i);
		}
		pair_run(&pair);
		assert_int_equal(ff_channel_poll(pair.executed, &item, &err),
				 mode == 2 ? FF_EREMOTE : FF_EEOF);
		assert_int_equal(ff_gateway_num_channels(pair.a), 0);
		pair_release(&pair);
	}
}

/* A closed channel with pending data still lets the peer finish: neither waits for the other. */
static void both_stalled_both_close(void **state)
{
	struct ff_channel *channel;
	struct pair pair;
	int i;

	hello_pair(&pair, 50);
	channel = pair_start(&pair, "x");
	for (i = 0; i < 100; i++) {
		send_int(channel, i);
		send_int(pair.executed, i);
	}
	pair_run(&pair);
	ff_channel_close(channel, NULL);
	ff_channel_close(pair.executed, NULL);
	pair_run(&pair);
	ff_channel_unref(channel);
	pair_run(&pair);
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	assert_int_equal(ff_gateway_num_channels(pair.b), 0);
	pair_release(&pair);
}

/* Sent on the strength of the default window, before the worker's smaller one is known. */
static void sent_before_the_answer(void **state)
{
	const struct ff_task task = {.source = "x"};
	struct ff_channel *channel;
	struct ff_item item = FF_ITEM_INIT;
	char bytes[1000] = "";
	struct pair pair;
	int i;

	assert_true(pair_try_init(&pair, 4096, WINDOW));
	assert_int_equal(ff_gateway_hello(pair.a, 0, 0, 0), 0);
	channel = ff_gateway_remote_exec(pair.a, &task, NULL);
	for (i = 0; i < 1200; i++)
		assert_int_equal(ff_channel_send_bytes(channel, bytes, sizeof(bytes), NULL), 0);
	assert_true(ff_channel_pending(channel) > 0);
	pair_run(&pair);
	assert_int_equal(ff_gateway_state(pair.b), FF_GATEWAY_OPEN);
	for (i = 0; i < 1200; i++) {
		assert_int_equal(ff_channel_receive(pair.executed, -1, &item, NULL), 0);
		ff_item_release(&item);
	}
	pair_run(&pair);
	assert_true(ff_channel_writable(channel));
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void hello_comes_first(void **state)
{
	struct pair pair;

	pair_init(&pair, 4096);
	assert_int_equal(ff_gateway_hello(pair.b, 0, 0, 0), FF_EINVAL);
	ff_channel_unref(ff_gateway_remote_status(pair.a, NULL));
	assert_int_equal(ff_gateway_hello(pair.a, 0, 0, 0), FF_EINVAL);
	pair_run(&pair);
	assert_int_equal(pair.hellos, 0);
	assert_int_equal(ff_gateway_deadline(pair.a), FF_NEVER_US);
	pair_release(&pair);
}

static void window_exceeded(void **state)
{
	static const uint8_t payload[1 << 20];
	struct ff_buf frame = FF_BUF_INIT;
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;
	int rc = 0, frames;

	hello_pair(&pair, WINDOW);
	channel = pair_start(&pair, "x");
	ff_frame_put(&frame, FF_FRAME_CHANNEL_DATA, 1, payload, sizeof(payload));
	for (frames = 0; !rc; frames++)
		rc = ff_gateway_feed(pair.b, ff_buf_data(&frame), frame.len, 0, &err);
	assert_int_equal(rc, FF_EPROTO);
	assert_non_null(strstr(err.text, "channel 1: the peer exceeds its window of 1000 bytes"));
	assert_int_equal(frames, 3);
	ff_buf_release(&frame);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void held_credit(void **state)
{
	struct notes notes = {.text = ""};
	struct ff_channel *channel;
	struct pair pair;
	int i;

	hello_pair(&pair, 12);
	channel = pair_start(&pair, "x");
	ff_channel_hold_credit(pair.executed, true);
	ff_channel_set_callback(pair.executed, take_notes, &notes);
	for (i = 0; i < 4; i++)
		send_int(channel, i); /* 6 bytes each */
	pair_run(&pair);
	assert_string_equal(notes.text, "0 . 1 . ");
	ff_channel_give_credit(pair.executed, 6);
	pair_run(&pair);
	assert_string_equal(notes.text, "0 . 1 . 2 . ");
	ff_channel_give_credit(pair.executed, 1000); /* more than it holds */
	pair_run(&pair);
	assert_string_equal(notes.text, "0 . 1 . 2 . 3 . ");
	assert_true(ff_channel_writable(channel));
	ff_channel_unref(channel);
	pair_release(&pair);
}

struct pauser {
	int items, bytes, ends;
	int pause_at;		    /* at this item, inside the callback */
	struct ff_channel *also_on; /* and goes on again inside it */
};

static void on_paused(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct pauser *pauser = ctx;

	if (!item) {
		pauser->ends++;
		return;
	}
	assert_int_equal(pauser->ends, 0);
	pauser->bytes += (int)item->value.len;
	if (++pauser->items != pauser->pause_at)
		return;
	ff_channel_pause(channel, true);
	if (pauser->also_on)
		ff_channel_pause(channel, false);
}

/* A reader with a callback stops and goes on: the sender stalls, nothing is lost, and meanwhile
 * everything else goes on. */
static void paused(void **state)
{
	struct ff_channel *channel, *other;
	struct pauser pauser = {.pause_at = 3};
	char bytes[95];
	struct pair pair;
	int i;

	memset(bytes, 'b', sizeof(bytes));
	hello_pair(&pair, WINDOW);
	channel = pair_start(&pair, "x");
	assert_int_equal(ff_channel_set_callback(pair.executed, on_paused, &pauser), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(ff_channel_send_bytes(channel, bytes, 95, NULL), 0);
	pair_run(&pair);
	assert_int_equal(pauser.items, 3);
	assert_true(ff_channel_pending(channel) > 80 * 95);
	/* Heartbeats, and a channel beside it. */
	other = ff_gateway_remote_status(pair.a, NULL);
	pair_run(&pair);
	assert_true(ff_channel_isclosed(other));
	ff_channel_unref(other);
	for (i = 0; i < 10; i++) {
		pair.now_us += 5000000;
		assert_int_equal(ff_gateway_tick(pair.a, pair.now_us, NULL), 0);
		assert_int_equal(ff_gateway_tick(pair.b, pair.now_us, NULL), 0);
		pair_run(&pair);
	}
	assert_int_equal(pauser.items, 3);
	/* Pausing twice is the same as once. */
	ff_channel_pause(pair.executed, true);
	ff_channel_close(channel, NULL);
	pauser.pause_at = 5;
	ff_channel_pause(pair.executed, false);
	pair_run(&pair);
	assert_int_equal(pauser.items, 5);
	pauser.pause_at = 50;
	pauser.also_on = channel;
	ff_channel_pause(pair.executed, false);
	pair_run(&pair);
	assert_int_equal(pauser.items, 100);
	assert_int_equal(pauser.bytes, 9500);
	assert_int_equal(pauser.ends, 1);
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* The end marker waits, too, whoever ends it, and comes when the last reference goes at latest. */
static void paused_at_the_end(void **state)
{
	enum { CLOSED, LAST_MESSAGE, CLOSED_HERE, LOST, FREED, DROPPED, ENDS };

	for (int end = 0; end < 2 * ENDS; end++) {
		bool drop = end >= ENDS;
		struct pauser pauser = {.pause_at = 1};
		struct ff_channel *channel, *reader;
		struct pair pair;

		hello_pair(&pair, WINDOW);
		channel = pair_start(&pair, "x");
		reader = pair.executed;
		pair.executed = NULL;
		assert_int_equal(ff_channel_set_callback(reader, on_paused, &pauser), 0);
		for (int i = 0; i < 3; i++)
			send_int(channel, i);
		pair_run(&pair);
		assert_int_equal(pauser.items, 1);
		if (end % ENDS == CLOSED)
			ff_channel_close(channel, NULL);
		else if (end % ENDS == LAST_MESSAGE)
			ff_channel_send_eof(channel);
		else if (end % ENDS == CLOSED_HERE)
			ff_channel_close(reader, NULL);
		else if (end % ENDS == LOST)
			ff_gateway_lost(pair.b, NULL);
		pair_run(&pair);
		if (end % ENDS == FREED) {
			ff_gateway_free(pair.b);
			pair.b = NULL;
		}
		assert_int_equal(pauser.items, 1);
		assert_int_equal(pauser.ends, 0);
		if (drop)
			ff_channel_unref(reader);
		else
			ff_channel_pause(reader, false);
		assert_int_equal(pauser.items, 3);
		assert_int_equal(pauser.ends, end % ENDS != DROPPED);
		if (!drop)
			ff_channel_unref(reader);
		ff_channel_unref(channel);
		pair_release(&pair);
	}
}

/* Before the callback is set, and without one: who polls decides by polling. */
static void paused_before(void **state)
{
	struct pauser pauser = {0};
	struct ff_channel *channel;
	struct pair pair;

	hello_pair(&pair, WINDOW);
	channel = pair_start(&pair, "x");
	ff_channel_pause(pair.executed, true);
	for (int i = 0; i < 3; i++)
		send_int(channel, i);
	pair_run(&pair);
	assert_int_equal(poll_int(pair.executed), 0);
	assert_int_equal(ff_channel_set_callback(pair.executed, on_paused, &pauser), 0);
	assert_int_equal(pauser.items, 0);
	ff_channel_pause(pair.executed, false);
	assert_int_equal(pauser.items, 2);
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void pending_is_bounded(void **state)
{
	struct ff_channel *channel;
	struct pair pair;
	char *bytes = calloc(1, 1 << 20);
	int i, rc = 0;

	hello_pair(&pair, WINDOW);
	channel = pair_start(&pair, "x");
	for (i = 0; i < 100 && !rc; i++)
		rc = ff_channel_send_bytes(channel, bytes, 1 << 20, NULL);
	assert_int_equal(rc, FF_EAGAIN);
	assert_int_equal(i, 66);
	free(bytes);
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* The output's high-water mark stops producers even without credit. */
static void output_high(void **state)
{
	struct ff_channel *channel;
	struct pair pair;
	char bytes[1000] = "";

	drains = 0;
	pair_init(&pair, 4096);
	channel = pair_start(&pair, "x");
	ff_channel_set_drain(channel, count_drain, NULL);
	while (ff_channel_writable(channel))
		assert_int_equal(ff_channel_send_bytes(channel, bytes, 1000, NULL), 0);
	assert_true(ff_gateway_output(pair.a)->len >= FF_GATEWAY_OUTPUT_HIGH);
	assert_int_equal(drains, 0);
	pair_step(&pair);
	assert_int_equal(drains, 1);
	ff_channel_close(pair.executed, NULL);
	pair_run(&pair);
	assert_int_equal(drains, 2); /* its end */
	ff_channel_unref(channel);
	pair_release(&pair);
}

static void heartbeats(void **state)
{
	struct pair pair;
	int64_t start;
	int i;

	hello_pair(&pair, 0);
	start = pair.now_us;
	for (i = 1; i <= 20; i++) {
		assert_int_equal(ff_gateway_deadline(pair.a), start + i * 5000000);
		pair.now_us = ff_gateway_deadline(pair.a);
		assert_int_equal(ff_gateway_tick(pair.a, pair.now_us, NULL), 0);
		assert_int_equal(ff_gateway_tick(pair.b, pair.now_us, NULL), 0);
		assert_int_equal(ff_gateway_output(pair.a)->len, FF_FRAME_HEADER);
		assert_int_equal(ff_gateway_output(pair.b)->len, FF_FRAME_HEADER);
		pair_run(&pair);
	}
	assert_int_equal(ff_gateway_state(pair.a), FF_GATEWAY_OPEN);
	pair_release(&pair);
}

/* Each time it wants to be, before `until`. */
static void tick_in_time(struct ff_gateway *gateway, int64_t until_us)
{
	while (ff_gateway_deadline(gateway) < until_us)
		assert_int_equal(ff_gateway_tick(gateway, ff_gateway_deadline(gateway), NULL), 0);
}

static void silence(void **state)
{
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	hello_pair(&pair, 0);
	channel = pair_start(&pair, "x");
	tick_in_time(pair.a, pair.now_us + 15000000);
	assert_int_equal(ff_gateway_tick(pair.a, pair.now_us + 14999999, &err), 0);
	assert_int_equal(ff_gateway_tick(pair.a, pair.now_us + 15000000, &err), FF_ELOST);
	assert_string_equal(err.text, "gw0: no sign of life for 15 s");
	assert_int_equal(ff_gateway_state(pair.a), FF_GATEWAY_CLOSED);
	assert_int_equal(pair.closed_code, FF_ELOST);
	assert_int_equal(ff_gateway_deadline(pair.a), FF_NEVER_US);
	assert_int_equal(ff_channel_waitclose(channel, 0, &err), FF_ELOST);
	assert_string_equal(err.text, "no sign of life for 15 s");
	/* The worker was told the same limits. */
	tick_in_time(pair.b, pair.now_us + 15000000);
	assert_int_equal(ff_gateway_tick(pair.b, pair.now_us + 15000000, &err), FF_ELOST);
	ff_channel_unref(channel);
	pair_release(&pair);
}

/* A tick that comes very late says that we were away, not that the peer was silent: as often as
 * that happens. Real silence is seen all the same. */
static void absence(void **state)
{
	struct pair pair;
	struct ff_err err;
	int64_t heard;

	for (int side = 0; side < 2; side++) {
		struct ff_gateway *gateway;

		hello_pair(&pair, 0);
		gateway = side ? pair.b : pair.a;
		for (int i = 0; i < 5; i++) {
			pair.now_us += 3600 * FF_SECOND_US;
			assert_int_equal(ff_gateway_tick(gateway, pair.now_us, &err), 0);
			heard = pair.now_us;
			assert_int_equal(ff_gateway_state(gateway), FF_GATEWAY_OPEN);
			/* In time, but in vain. */
			tick_in_time(gateway, heard + 15000000);
		}
		assert_int_equal(ff_gateway_tick(gateway, heard + 15000000, &err), FF_ELOST);
		pair_release(&pair);
	}
}

/* A little late: what the peer has said may lie there unread, so there is one more look. */
static void a_last_look(void **state)
{
	struct pair pair;
	struct ff_err err;
	int64_t due;

	hello_pair(&pair, 0);
	for (int heard = 1; heard >= 0; heard--) {
		tick_in_time(pair.a, pair.now_us + 15000000);
		due = pair.now_us + 15000000;
		assert_int_equal(ff_gateway_tick(pair.a, due + 1000000, &err), 0);
		assert_true(ff_gateway_deadline(pair.a) > due + 1000000);
		assert_true(ff_gateway_deadline(pair.a) < due + 2000000);
		if (!heard)
			break;
		pair.now_us = due + 1100000;
		assert_int_equal(ff_gateway_tick(pair.b, pair.now_us, NULL), 0);
		pair_run(&pair); /* its heartbeat */
	}
	due = ff_gateway_deadline(pair.a);
	assert_int_equal(ff_gateway_tick(pair.a, due + 1000000, &err), FF_ELOST);
	pair_release(&pair);
}

/* What the worker is told to bear may be more than what we do, or all. */
static void patience(void **state)
{
	static const struct {
		int64_t asked_ms, worker_us;
	} cases[] = {{0, 1000}, {5, 5000}, {-1, 0}};
	static const struct ff_gateway_ops none = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ff_gateway *a, *b;
		struct ff_buf *out;

		a = ff_gateway_new(&(struct ff_gateway_opts){
			.initiator = true, .peer_silence_ms = cases[i].asked_ms, .ops = &none});
		b = ff_gateway_new(&(struct ff_gateway_opts){.ops = &none});
		assert_int_equal(ff_gateway_hello(a, 0, 1, 7), 0);
		ff_gateway_opened(a);
		ff_gateway_opened(b);
		assert_int_equal(ff_gateway_deadline(a), 1007);
		out = ff_gateway_output(a);
		assert_int_equal(ff_gateway_feed(b, ff_buf_data(out), out->len, 7, NULL), 0);
		assert_int_equal(ff_gateway_deadline(b),
				 cases[i].worker_us ? 7 + cases[i].worker_us : FF_NEVER_US);
		ff_gateway_free(a);
		ff_gateway_free(b);
	}
}

static void receive_bytes(struct ff_channel *channel, size_t len)
{
	struct ff_item item = FF_ITEM_INIT;

	assert_int_equal(ff_channel_poll(channel, &item, NULL), 0);
	assert_int_equal(item.value.len, len);
	ff_item_release(&item);
}

/* What is over the reader's limit costs no memory, and its channel only. */
static void item_over_the_limit(void **state)
{
	enum { MAX = 100000, BIG = 1000000 };
	char *bytes = calloc(1, BIG);

	for (int extended = 0; extended < 2; extended++) {
		struct ff_channel *channel, *other, *worker;
		struct pauser pauser = {0};
		struct pair pair;
		struct ff_err err;

		assert_true(pair_try_init(&pair, 1000, 0));
		if (extended)
			assert_int_equal(ff_gateway_hello(pair.a, 0, 0, pair.now_us), 0);
		pair_run(&pair);
		channel = pair_start(&pair, "x");
		worker = pair.executed;
		pair.executed = NULL;
		other = pair_start(&pair, "y");
		ff_channel_set_item_max(channel, MAX);
		assert_int_equal(ff_channel_send_bytes(worker, bytes, MAX - 100, NULL), 0);
		for (int i = 0; i < 2; i++)
			assert_int_equal(ff_channel_send_bytes(worker, bytes, BIG, NULL), 0);
		assert_int_equal(ff_channel_send_bytes(pair.executed, bytes, BIG, NULL), 0);
		pair_run(&pair);
		/* What came before it may be read; then the reason, here and there. */
		receive_bytes(channel, MAX - 100);
		assert_int_equal(ff_channel_poll(channel, NULL, &err), FF_EREMOTE);
		assert_non_null(strstr(err.text, "its reader takes at most 100000 (item_max)"));
		assert_true(ff_channel_isclosed(worker));
		assert_non_null(strstr(ff_channel_error(worker), "item of 1000006 bytes"));
		/* Others go on, also with as large ones. */
		receive_bytes(other, BIG);
		assert_int_equal(ff_channel_set_callback(other, on_paused, &pauser), 0);
		ff_channel_set_item_max(other, MAX);
		assert_int_equal(ff_channel_send_bytes(pair.executed, bytes, BIG, NULL), 0);
		pair_run(&pair);
		assert_int_equal(pauser.items, 0);
		assert_int_equal(pauser.ends, 1);
		assert_int_equal(ff_gateway_state(pair.a), FF_GATEWAY_OPEN);
		ff_channel_unref(channel);
		ff_channel_unref(other);
		ff_channel_unref(worker);
		pair_release(&pair);
	}
	free(bytes);
}

/* Headers are enough to refuse what nobody may send. */
static void long_frames(void **state)
{
	static const struct {
		int code;
		uint32_t channel;
		int rc;
	} cases[] = {
		{FF_FRAME_CHANNEL_DATA, 99, FF_EPROTO},
		{FF_FRAME_CHANNEL_EXEC, 2, FF_ETOOBIG},
		{FF_FRAME_STATUS, 2, FF_ETOOBIG},
		{FF_FRAME_RECONFIGURE, 0, FF_ETOOBIG},
		{FF_FRAME_CHANNEL_CLOSE, 1, FF_ETOOBIG},
		{FF_FRAME_CHANNEL_CLOSE_ERROR, 1, FF_ETOOBIG},
		{FF_FRAME_CHANNEL_DATA, 1, 0},
		{FF_FRAME_CHANNEL_DATA, 2, 0},
	};
	const uint32_t len = 500 << 20;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint32_t id = cases[i].channel;
		const uint8_t header[] = {(uint8_t)cases[i].code,
					  0,
					  0,
					  0,
					  (uint8_t)id,
					  (uint8_t)(len >> 24),
					  (uint8_t)(len >> 16),
					  (uint8_t)(len >> 8),
					  (uint8_t)len};
		struct ff_channel *channel;
		struct pair pair;

		hello_pair(&pair, WINDOW);
		channel = pair_start(&pair, "x");
		assert_int_equal(ff_gateway_feed(pair.a, header, sizeof(header), pair.now_us, NULL),
				 cases[i].rc);
		if (!cases[i].rc)
			assert_int_equal(ff_channel_isclosed(channel), id == 1);
		ff_channel_unref(channel);
		pair_release(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stall_and_resume),
		cmocka_unit_test(item_over_the_window),
		cmocka_unit_test(endings_wait_for_pending),
		cmocka_unit_test(both_stalled_both_close),
		cmocka_unit_test(sent_before_the_answer),
		cmocka_unit_test(hello_comes_first),
		cmocka_unit_test(window_exceeded),
		cmocka_unit_test(held_credit),
		cmocka_unit_test(paused),
		cmocka_unit_test(paused_at_the_end),
		cmocka_unit_test(paused_before),
		cmocka_unit_test(pending_is_bounded),
		cmocka_unit_test(output_high),
		cmocka_unit_test(heartbeats),
		cmocka_unit_test(silence),
		cmocka_unit_test(absence),
		cmocka_unit_test(item_over_the_limit),
		cmocka_unit_test(long_frames),
		cmocka_unit_test(a_last_look),
		cmocka_unit_test(patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
