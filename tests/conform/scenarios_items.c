/* Scenarios: items to and fro, of every kind and size. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

enum { MANY = 100, DEEP = 100 };

static struct ff_value line_value(struct rig *rig, int number, char text[16])
{
	if (!rig->setup->native)
		return ff_int(number);
	snprintf(text, 16, "%d", number);
	return ff_str(text);
}

static bool exec_receive(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "channel.send(6 * 7)", "echo $((6 * 7))");
	char text[16];

	CHECK(channel);
	EXPECT(channel, line_value(rig, 42, text));
	EXPECT_EOF(channel);
	CHECK(ff_channel_isclosed(channel));
	return true;
}

static bool in_order(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "for i in range(100): channel.send(i)",
				   "i=0; while [ $i -lt 100 ]; do echo $i; i=$((i + 1)); done");
	char text[16];

	CHECK(channel);
	for (int i = 0; i < MANY; i++)
		EXPECT(channel, line_value(rig, i, text));
	EXPECT_EOF(channel);
	return true;
}

static bool until_close(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "for word in 'a b c'.split(): channel.send(word)",
				   "printf 'a\\nb\\nc'");
	struct ff_err err;
	char got[8] = "";
	int rc;

	CHECK(channel);
	for (;;) {
		ITEM item = FF_ITEM_INIT;

		rc = ff_channel_receive(channel, WAIT_MS, &item, &err);
		if (rc != 0)
			break;
		CHECK(item.value.kind == FF_STR && item.value.len == 1);
		strncat(got, item.value.text, 1);
	}
	CHECK_RC(rc, FF_EEOF, &err);
	CHECK(strcmp(got, "abc") == 0);
	/* For ever. */
	EXPECT_EOF(channel);
	return true;
}

static bool receive_timeout(struct rig *rig)
{
	CHANNEL channel =
		rig_exec(rig, rig->gw, "channel.send(channel.receive())", "exec sleep 1000");
	struct ff_value value = ff_str("now");
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;

	CHECK(channel);
	CHECK_RC(ff_channel_receive(channel, SHORT_MS, &item, &err), FF_ETIMEOUT, &err);
	CHECK_RC(ff_channel_receive(channel, 0, &item, &err), FF_ETIMEOUT, &err);
	CHECK(ff_channel_poll(channel, &item, &err) == FF_EAGAIN);
	if (rig->setup->native)
		return ff_channel_close(channel, NULL) == 0;
	CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	EXPECT(channel, value);
	EXPECT_EOF(channel);
	return true;
}

/* --- kinds --- */

static const char echo[] = "for item in channel: channel.send((type(item).__name__, item))";

static bool echo_one(struct ff_channel *channel, struct ff_value value)
{
	struct ff_value pair[2] = {ff_str(ff_kind_name(value.kind)), value};
	struct ff_err err;

	CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	EXPECT(channel, ff_collection(FF_TUPLE, pair, 2));
	return true;
}

static bool echo_all(struct ff_channel *channel, const struct ff_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		CHECK(echo_one(channel, values[i]));
	return true;
}

static struct ff_value bigint(const char *digits)
{
	struct ff_value value = ff_str(digits);

	value.kind = FF_BIGINT;
	return value;
}

static bool scalars(struct rig *rig)
{
	static const double numbers[2] = {1.5, -2};
	const struct ff_value values[] = {
		ff_none(),
		ff_bool(true),
		ff_bool(false),
		ff_int(0),
		ff_int(-1),
		ff_int(INT32_MAX),
		ff_int(INT32_MIN),
		ff_int(INT32_MAX + (int64_t)1),
		ff_int(INT32_MIN - (int64_t)1),
		ff_int(INT64_MAX),
		ff_int(INT64_MIN),
		bigint("9223372036854775808"),
		bigint("-123456789012345678901234567890123456789012345678901234567890"),
		ff_float(0.1),
		ff_float(-1e300),
		ff_float(INFINITY),
		ff_float(NAN),
		{.kind = FF_COMPLEX, .complex = numbers},
		ff_bytes("", 0),
		ff_bytes("a\0b\xff", 4),
		ff_str(""),
		ff_str("h\xc3\xa9llo \xe2\x9c\x93 \xf0\x9f\x98\x80"),
		ff_strn("a\0b", 3),
	};
	CHANNEL channel = rig_exec(rig, rig->gw, echo, "");

	CHECK(channel);
	return echo_all(channel, values, sizeof(values) / sizeof(values[0]));
}

static bool containers(struct rig *rig)
{
	const struct ff_value numbers[] = {ff_int(1), ff_int(2), ff_str("x")};
	const struct ff_value tuple = ff_collection(FF_TUPLE, numbers, 3);
	const struct ff_value frozen = ff_collection(FF_FROZENSET, numbers, 3);
	const struct ff_value members[] = {tuple, frozen, ff_none()};
	const struct ff_value list = ff_collection(FF_LIST, members, 3);
	const struct ff_value entries[] = {ff_str("a"), list,	   tuple,
					   ff_none(),	ff_int(3), ff_collection(FF_DICT, NULL, 0)};
	const struct ff_value values[] = {
		ff_collection(FF_LIST, NULL, 0),   ff_collection(FF_TUPLE, NULL, 0),
		ff_collection(FF_SET, NULL, 0),	   ff_collection(FF_FROZENSET, NULL, 0),
		ff_collection(FF_DICT, NULL, 0),   list,
		ff_collection(FF_SET, members, 3), ff_collection(FF_DICT, entries, 3),
	};
	struct ff_value deep[DEEP];
	CHANNEL channel = rig_exec(rig, rig->gw, echo, "");

	CHECK(channel);
	CHECK(echo_all(channel, values, sizeof(values) / sizeof(values[0])));
	deep[0] = ff_int(7);
	for (int i = 1; i < DEEP; i++)
		deep[i] = ff_collection(i % 2 ? FF_LIST : FF_TUPLE, &deep[i - 1], 1);
	return echo_one(channel, deep[DEEP - 1]);
}

/* --- sizes --- */

static bool echo_bytes(struct ff_channel *channel, size_t size)
{
	unsigned char *bytes = malloc(size);
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;
	bool same;

	CHECK(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	same = rig_rc(ff_channel_send_bytes(channel, bytes, size, &err), 0, &err, __FILE__,
		      __LINE__) &&
	       rig_rc(ff_channel_receive(channel, WAIT_MS, &item, &err), 0, &err, __FILE__,
		      __LINE__) &&
	       item.value.kind == FF_BYTES && item.value.len == size &&
	       memcmp(item.value.text, bytes, size) == 0;
	free(bytes);
	CHECK(same);
	return true;
}

static bool big_items(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "for item in channel: channel.send(item)", "");

	CHECK(channel);
	CHECK(echo_bytes(channel, 1));
	CHECK(echo_bytes(channel, 65536));
	CHECK(echo_bytes(channel, 1 << 20));
	/* Larger than the window: whoever wants that says so. */
	ff_channel_set_item_max(channel, 64 << 20);
	return echo_bytes(channel, 20 << 20);
}

/* What an item of a size needs to come through, beside others on the line. */
static bool big_beside_small(struct rig *rig)
{
	CHANNEL big = rig_exec(rig, rig->gw, "channel.send(bytes(20 << 20))", "");
	CHANNEL small = rig_exec(rig, rig->gw, "for i in range(100): channel.send(i)", "");
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;

	CHECK(big && small);
	ff_channel_set_item_max(big, 64 << 20);
	for (int i = 0; i < MANY; i++)
		EXPECT(small, ff_int(i));
	CHECK_RC(ff_channel_receive(big, WAIT_MS, &item, &err), 0, &err);
	CHECK(item.value.kind == FF_BYTES && item.value.len == 20 << 20);
	EXPECT_EOF(big);
	EXPECT_EOF(small);
	return true;
}

/* --- what a native worker offers --- */

static bool info(struct rig *rig)
{
	struct ff_task task = {.call_name = "info"};
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;
	CHANNEL channel = ff_gateway_remote_exec(rig->gw, &task, &err);

	CHECK(channel);
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), 0, &err);
	CHECK(ff_dict_int(&item.value, "pid", -1) == rig_pid(rig->gw));
	CHECK(ff_dict_int(&item.value, "cpus", 0) > 0);
	EXPECT_EOF(channel);
	return true;
}

static bool command(struct rig *rig)
{
	const struct ff_value kwargs[] = {
		ff_str("shell"),
		ff_str("cat; echo oops >&2; exit 3"),
		ff_str("stdin"),
		ff_bytes("a\0b", 3),
	};
	struct ff_task task = {.call_name = "command", .kwargs = ff_collection(FF_DICT, kwargs, 2)};
	struct ff_err err;
	CHANNEL channel = ff_gateway_remote_exec(rig->gw, &task, &err);
	bool out = false, oops = false;

	CHECK(channel);
	for (;;) {
		ITEM item = FF_ITEM_INIT;
		const struct ff_value *what, *value;

		CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), 0, &err);
		what = ff_at(&item.value, 0);
		value = ff_at(&item.value, 1);
		CHECK(what && value);
		if (ff_is_str(what, "out"))
			out = value->len == 3 && memcmp(value->text, "a\0b", 3) == 0;
		if (ff_is_str(what, "err"))
			oops = value->len == 5 && memcmp(value->text, "oops\n", 5) == 0;
		if (ff_is_str(what, "exit")) {
			CHECK(ff_dict_int(value, "exit", -1) == 3);
			break;
		}
	}
	CHECK(out && oops);
	EXPECT_EOF(channel);
	return true;
}

static bool no_such_builtin(struct rig *rig)
{
	struct ff_task task = {.call_name = "no_such"};
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;
	CHANNEL channel = ff_gateway_remote_exec(rig->gw, &task, &err);

	CHECK(channel);
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, "no_such");
	EXPECT_EOF(channel);
	return true;
}

const struct scenario scenarios_items[] = {
	{"exec_receive", ON_SHARED, exec_receive},
	{"in_order", ON_SHARED, in_order},
	{"until_close", ON_SHARED, until_close},
	{"receive_timeout", ON_SHARED, receive_timeout},
	{"scalars", ON_PYTHON, scalars},
	{"containers", ON_PYTHON, containers},
	{"big_items", ON_PYTHON, big_items},
	{"big_beside_small", ON_PYTHON, big_beside_small},
	{"info", ON_NATIVE, info},
	{"command", ON_NATIVE, command},
	{"no_such_builtin", ON_NATIVE, no_such_builtin},
	{0},
};
