/* Scenarios: floods. Whoever does not read stalls the sender, and memory stays bounded at our end;
 * nothing is lost when reading begins. */
#include <string.h>

#include "scenarios.h"

/* AddressSanitizer keeps what was freed for a while. */
#ifdef __SANITIZE_ADDRESS__
#define KEPT (96 << 20)
#else
#define KEPT 0
#endif

enum {
	CHUNK = 64 << 10,
	FLOOD_CHUNKS = 3200, /* 200 MiB */
	GROWTH_MAX = (16 << 20) + KEPT,
	QUIET_MS = 300, /* without progress: the sender has stalled */
	OUT_CHUNKS = 800,
	STATUS_ROUNDS = 50,
};

/* Reads the numbers of the chunks that were sent, until no more come: how many. */
static bool count_sent(struct ff_channel *progress, int64_t *sent)
{
	struct ff_err err;
	int rc;

	for (*sent = 0;; ++*sent) {
		ITEM item = FF_ITEM_INIT;

		rc = ff_channel_receive(progress, QUIET_MS, &item, &err);
		if (rc != 0)
			break;
	}
	CHECK_RC(rc, FF_ETIMEOUT, &err);
	return true;
}

static bool flood(struct rig *rig)
{
	CHANNEL progress = ff_channel_new(rig->gw);
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "progress = channel.receive()\n"
				   "chunk = bytes(65536)\n"
				   "for i in range(3200):\n"
				   "    channel.send(chunk)\n"
				   "    if i < 100: progress.send(i)\n",
				   "");
	struct ff_value value = channel_value(progress);
	long before = rig_memory_bytes();
	struct ff_err err;
	int64_t sent;

	CHECK(channel && progress);
	CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	CHECK(count_sent(progress, &sent));
	/* The window, and the one chunk that may exceed it. */
	CHECK(sent <= FF_CHANNEL_WINDOW / CHUNK + 1);
	CHECK(rig_memory_bytes() - before < GROWTH_MAX);
	for (int i = 0; i < FLOOD_CHUNKS; i++) {
		ITEM item = FF_ITEM_INIT;

		CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), 0, &err);
		CHECK(item.value.kind == FF_BYTES && item.value.len == CHUNK);
	}
	EXPECT_EOF(channel);
	return true;
}

static bool status_round(struct rig *rig)
{
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;
	CHANNEL channel = ff_gateway_remote_status(rig->gw, &err);

	CHECK(channel);
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), 0, &err);
	return true;
}

static bool command_flood(struct rig *rig)
{
	const struct ff_value argv[] = {ff_str("head"), ff_str("-c"), ff_str("209715200"),
					ff_str("/dev/zero")};
	const struct ff_value kwargs[] = {ff_str("argv"), ff_collection(FF_LIST, argv, 4)};
	struct ff_task task = {.call_name = "command", .kwargs = ff_collection(FF_DICT, kwargs, 1)};
	int64_t total = 0, status = -1;
	long before = rig_memory_bytes();
	struct ff_err err;
	CHANNEL channel = ff_gateway_remote_exec(rig->gw, &task, &err);

	CHECK(channel);
	/* Answers come on the same line, behind all that the command could send until then. */
	for (int i = 0; i < STATUS_ROUNDS; i++)
		CHECK(status_round(rig));
	CHECK(rig_memory_bytes() - before < GROWTH_MAX);
	while (status < 0) {
		ITEM item = FF_ITEM_INIT;
		const struct ff_value *what, *value;

		CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), 0, &err);
		what = ff_at(&item.value, 0);
		value = ff_at(&item.value, 1);
		CHECK(what && value);
		if (ff_is_str(what, "out"))
			total += value->len;
		if (ff_is_str(what, "exit"))
			status = ff_dict_int(value, "status", 0);
	}
	CHECK(status == 0);
	CHECK(total == 200 << 20);
	EXPECT_EOF(channel);
	return true;
}

/* --- a reader with a callback that stops and goes on --- */

struct reader {
	int64_t bytes, heard;
	bool ended;
};

static void on_flood(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct reader *reader = ctx;

	reader->ended |= !item;
	reader->bytes += item ? (int64_t)item->value.len : 0;
	if (reader->bytes == CHUNK)
		ff_channel_pause(channel, true);
}

static void on_progress(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	((struct reader *)ctx)->heard += item != NULL;
}

static bool paused_flood(struct rig *rig)
{
	CHANNEL progress = ff_channel_new(rig->gw);
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "progress = channel.receive()\n"
				   "chunk = bytes(65536)\n"
				   "for i in range(3200):\n"
				   "    channel.send(chunk)\n"
				   "    if i < 200: progress.send(i)\n",
				   "");
	struct ff_value value = channel_value(progress);
	long before = rig_memory_bytes();
	struct reader reader = {0};
	struct ff_err err;
	int64_t heard = -1;

	CHECK(channel && progress);
	CHECK(ff_channel_set_callback(channel, on_flood, &reader) == 0);
	CHECK(ff_channel_set_callback(progress, on_progress, &reader) == 0);
	CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	/* Its other channel tells until the sender has stalled, and others never do. */
	while (heard != reader.heard || reader.bytes == 0) {
		heard = reader.heard;
		for (int i = 0; i < STATUS_ROUNDS; i++)
			CHECK(status_round(rig));
	}
	CHECK(reader.bytes == CHUNK);
	CHECK(heard <= FF_CHANNEL_WINDOW / CHUNK + 2);
	CHECK(rig_memory_bytes() - before < GROWTH_MAX);
	ff_channel_pause(channel, false);
	CHECK(rig_until(rig, &reader.ended));
	CHECK(reader.bytes == (int64_t)FLOOD_CHUNKS * CHUNK);
	return true;
}

/* --- the other direction --- */

struct producer {
	unsigned left;
	int failed;
	bool sent_all;
};

static void produce(struct ff_channel *channel, void *ctx)
{
	static const char chunk[CHUNK];
	struct producer *producer = ctx;

	while (producer->left > 0 && !producer->failed && ff_channel_writable(channel)) {
		producer->failed = ff_channel_send_bytes(channel, chunk, CHUNK, NULL);
		producer->left--;
	}
	producer->sent_all = producer->left == 0 || producer->failed;
}

static bool flood_them(struct rig *rig)
{
	CHANNEL go = ff_channel_new(rig->gw);
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "go = channel.receive()\n"
				   "go.receive()\n"
				   "channel.send(sum(len(item) for item in channel))\n",
				   "");
	struct producer producer = {.left = OUT_CHUNKS};
	struct ff_value value = channel_value(go), none = ff_none();
	long before = rig_memory_bytes();
	struct ff_err err;

	CHECK(channel && go);
	CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	ff_channel_set_drain(channel, produce, &producer);
	produce(channel, &producer);
	/* Nobody reads there: the window is all that is sent. */
	for (int i = 0; i < STATUS_ROUNDS; i++)
		CHECK(status_round(rig));
	CHECK(OUT_CHUNKS - producer.left <= FF_CHANNEL_WINDOW / CHUNK + 1);
	CHECK(rig_memory_bytes() - before < GROWTH_MAX);
	CHECK_RC(ff_channel_send(go, &none, &err), 0, &err);
	CHECK(rig_until(rig, &producer.sent_all));
	CHECK(producer.failed == 0);
	CHECK(ff_channel_send_eof(channel) == 0);
	EXPECT(channel, ff_int((int64_t)OUT_CHUNKS * CHUNK));
	EXPECT_EOF(channel);
	return true;
}

/* A producer that does not ask is told, not believed. */
static bool refused(struct rig *rig)
{
	static const char chunk[CHUNK];
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "n = channel.receive()\n"
				   "channel.gateway.newchannel()\n"
				   "channel.send(n)\n"
				   "channel.receive()\n",
				   "");
	struct ff_value number = ff_int(1);
	struct ff_err err;
	int rc = 0;

	CHECK(channel);
	CHECK_RC(ff_channel_send(channel, &number, &err), 0, &err);
	EXPECT(channel, number);
	for (int i = 0; rc == 0 && i <= 2 * (FF_CHANNEL_PENDING_MAX / CHUNK); i++)
		rc = ff_channel_send_bytes(channel, chunk, CHUNK, &err);
	CHECK_RC(rc, FF_EAGAIN, &err);
	CHECK(ff_channel_pending(channel) >= FF_CHANNEL_PENDING_MAX - CHUNK);
	EXPECT_EOF(channel);
	return true;
}

const struct scenario scenarios_flow[] = {
	{"flood", ON_PYTHON | ON_FRESH, flood},
	{"paused_flood", ON_PYTHON | ON_FRESH, paused_flood},
	{"command_flood", ON_NATIVE | ON_FRESH, command_flood},
	{"flood_them", ON_PYTHON | ON_FRESH, flood_them},
	{"refused", ON_PYTHON | ON_FRESH, refused},
	{0},
};
