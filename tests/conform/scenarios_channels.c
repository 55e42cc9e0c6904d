/* Scenarios: the life of a channel. Callbacks, errors of either side, closing, channels in items,
 * executions side by side, and what may not be done. */
#include <string.h>

#include "scenarios.h"

struct heard {
	unsigned items, ends;
	bool in_order, ended;
};

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct heard *heard = ctx;

	if (!item) {
		heard->ends++;
		heard->ended = true;
		return;
	}
	heard->in_order &= heard->ends == 0 && item->value.kind == FF_STR &&
			   item->value.text[0] == (char)('a' + heard->items);
	heard->items++;
}

static bool callback(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "for c in 'abcde': channel.send(c)",
				   "for c in a b c d e; do echo $c; done");
	struct heard heard = {.in_order = true};
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;

	CHECK(channel);
	/* What has arrived before goes to the callback, too. */
	CHECK_RC(ff_channel_waitclose(channel, WAIT_MS, &err), 0, &err);
	CHECK(ff_channel_set_callback(channel, on_item, &heard) == 0);
	CHECK(heard.items == 5 && heard.in_order && heard.ends == 1);
	CHECK(ff_channel_set_callback(channel, on_item, &heard) == FF_EEXISTS);
	CHECK(ff_channel_poll(channel, &item, &err) == FF_EINVAL);
	return true;
}

static bool callback_on_arrival(struct rig *rig)
{
	struct heard heard = {.in_order = true};
	CHANNEL channel = rig_exec(rig, rig->gw, "for c in 'abcde': channel.send(c)",
				   "for c in a b c d e; do echo $c; done");

	CHECK(channel);
	CHECK(ff_channel_set_callback(channel, on_item, &heard) == 0);
	CHECK(rig_until(rig, &heard.ended));
	CHECK(heard.items == 5 && heard.in_order && heard.ends == 1);
	return true;
}

/* --- errors --- */

static bool remote_error(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "channel.send('one')\n"
				   "def fails(): raise ValueError('no such luck')\n"
				   "fails()\n",
				   "echo one; exit 3");
	bool native = rig->setup->native;
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;

	CHECK(channel);
	EXPECT(channel, ff_str("one"));
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, native ? "exit status 3" : "Traceback");
	CHECK_TEXT(err.text, native ? "" : "ValueError: no such luck");
	CHECK_TEXT(err.text, native ? "" : "in fails");
	CHECK_TEXT(ff_channel_error(channel), native ? "exit status 3" : "no such luck");
	EXPECT_EOF(channel);
	EXPECT_EOF(channel);
	return true;
}

static bool syntax_error(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "this is no python", "");
	struct ff_err err;

	CHECK(channel);
	CHECK_RC(ff_channel_waitclose(channel, WAIT_MS, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, "SyntaxError");
	return true;
}

static bool close_with_error(struct rig *rig)
{
	CHANNEL tell = ff_channel_new(rig->gw);
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "tell = channel.receive()\n"
				   "try: channel.receive()\n"
				   "except channel.RemoteError as e: tell.send(str(e))\n",
				   "");
	struct ff_value value = channel_value(tell);
	struct ff_err err;

	CHECK(channel && tell);
	CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	CHECK(ff_channel_close(channel, "our own words") == 0);
	CHECK(ff_channel_isclosed(channel));
	EXPECT(tell, ff_str("our own words"));
	return true;
}

static bool waitclose(struct rig *rig)
{
	CHANNEL good = rig_exec(rig, rig->gw, "channel.send(1)", "echo 1");
	CHANNEL bad = rig_exec(rig, rig->gw, "1 / 0", "exit 1");
	CHANNEL slow = rig_exec(rig, rig->gw, "channel.receive()", "exec sleep 1000");
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;

	CHECK(good && bad && slow);
	CHECK_RC(ff_channel_waitclose(good, WAIT_MS, &err), 0, &err);
	CHECK_RC(ff_channel_receive(good, 0, &item, &err), 0, &err);
	CHECK_RC(ff_channel_waitclose(bad, WAIT_MS, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, rig->setup->native ? "exit status 1" : "ZeroDivisionError");
	CHECK_RC(ff_channel_waitclose(slow, SHORT_MS, &err), FF_ETIMEOUT, &err);
	CHECK(ff_channel_close(slow, NULL) == 0);
	CHECK_RC(ff_channel_waitclose(slow, 0, &err), 0, &err);
	return true;
}

static bool after_close(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "pass", "exit 0");
	struct ff_value value = ff_int(1);
	struct ff_err err;

	CHECK(channel);
	CHECK_RC(ff_channel_waitclose(channel, WAIT_MS, &err), 0, &err);
	CHECK_RC(ff_channel_send(channel, &value, &err), FF_ECLOSED, &err);
	CHECK(ff_channel_close(channel, NULL) == 0);
	CHECK(ff_channel_close(channel, "again") == 0);
	return true;
}

static bool send_eof(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "channel.send(sum(channel))", "");
	struct ff_value value = ff_int(7);
	struct ff_err err;

	CHECK(channel);
	for (int i = 0; i < 6; i++)
		CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	CHECK(ff_channel_send_eof(channel) == 0);
	CHECK_RC(ff_channel_send(channel, &value, &err), FF_ECLOSED, &err);
	EXPECT(channel, ff_int(42));
	EXPECT_EOF(channel);
	return true;
}

/* Dropping the last reference closes: the other side sees the end. */
static bool dropped(struct rig *rig)
{
	CHANNEL tell = ff_channel_new(rig->gw);
	struct ff_channel *channel =
		rig_exec(rig, rig->gw, "tell = channel.receive()\ntell.send(list(channel))", "");
	struct ff_value value = channel_value(tell), one = ff_int(1);
	struct ff_err err;

	CHECK(channel && tell);
	CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	CHECK_RC(ff_channel_send(channel, &one, &err), 0, &err);
	ff_channel_unref(channel);
	EXPECT(tell, ff_collection(FF_LIST, &one, 1));
	return true;
}

/* --- channels in items --- */

static bool channel_to_them(struct rig *rig)
{
	CHANNEL other = ff_channel_new(rig->gw);
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "other = channel.receive()\n"
				   "other.send(other.receive() + 1)\n"
				   "other.close()\n",
				   "");
	struct ff_value value = channel_value(other), number = ff_int(41);
	struct ff_err err;

	CHECK(channel && other);
	CHECK_RC(ff_channel_send(channel, &value, &err), 0, &err);
	CHECK_RC(ff_channel_send(other, &number, &err), 0, &err);
	EXPECT(other, ff_int(42));
	EXPECT_EOF(other);
	EXPECT_EOF(channel);
	return true;
}

static bool channel_to_us(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "other = channel.gateway.newchannel()\n"
				   "channel.send({'the channel': other})\n"
				   "other.send(other.receive() + 1)\n",
				   "");
	const struct ff_value *value;
	struct ff_value number = ff_int(41);
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;

	CHECK(channel);
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), 0, &err);
	value = ff_dict_get(&item.value, "the channel");
	CHECK(value && value->kind == FF_CHANNEL);
	CHANNEL other = ff_channel_from_id(rig->gw, value->channel);
	CHECK(other);
	CHECK_RC(ff_channel_send(other, &number, &err), 0, &err);
	EXPECT(other, ff_int(42));
	EXPECT_EOF(channel);
	return true;
}

/* --- executions side by side --- */

enum { EXECUTIONS = 10, IN_A_ROW = 300 };

static void drop_all(struct ff_channel *(*channels)[EXECUTIONS])
{
	for (int i = 0; i < EXECUTIONS; i++)
		ff_channel_unref((*channels)[i]);
}

static bool concurrent(struct rig *rig)
{
	__attribute__((cleanup(drop_all))) struct ff_channel *channels[EXECUTIONS] = {0};
	struct ff_err err;

	for (int i = 0; i < EXECUTIONS; i++) {
		channels[i] = rig_exec(rig, rig->gw, "channel.send(channel.receive() * 2)", "");
		CHECK(channels[i]);
	}
	/* The first one ends last. */
	for (int i = EXECUTIONS - 1; i >= 0; i--) {
		struct ff_value number = ff_int(i);

		CHECK_RC(ff_channel_send(channels[i], &number, &err), 0, &err);
		EXPECT(channels[i], ff_int(2 * i));
		EXPECT_EOF(channels[i]);
	}
	return true;
}

static bool main_thread_only(struct rig *rig)
{
	struct ff_gateway *gw = rig_more(rig, 0, "execmodel=main_thread_only");
	struct ff_value go = ff_none();
	struct ff_err err;

	CHECK(gw);
	CHANNEL first = rig_exec(rig, gw, "channel.send(1)\nchannel.receive()", "");
	CHECK(first);
	EXPECT(first, ff_int(1));
	CHANNEL second = rig_exec(rig, gw, "pass", "");
	CHECK(second);
	CHECK_RC(ff_channel_waitclose(second, WAIT_MS, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, "concurrent remote_exec would cause deadlock for main_thread_only");
	CHECK_RC(ff_channel_send(first, &go, &err), 0, &err);
	EXPECT_EOF(first);
	/* It is free again. */
	CHANNEL third = rig_exec(rig, gw,
				 "import threading\n"
				 "channel.send(threading.current_thread() is "
				 "threading.main_thread())\n",
				 "");
	CHECK(third);
	EXPECT(third, ff_bool(true));
	EXPECT_EOF(third);
	return true;
}

/* The item comes before the execution has ended: the next one is not refused for that. */
static bool main_thread_in_a_row(struct rig *rig)
{
	struct ff_gateway *gw = rig_more(rig, 0, "execmodel=main_thread_only");

	CHECK(gw);
	for (int i = 0; i < IN_A_ROW; i++) {
		CHANNEL channel = rig_exec(rig, gw, "channel.send(1)", "");

		CHECK(channel);
		EXPECT(channel, ff_int(1));
	}
	return true;
}

static bool receive_status(struct rig *rig, struct ff_item *status)
{
	struct ff_err err;
	CHANNEL channel = ff_gateway_remote_status(rig->gw, &err);

	CHECK(channel);
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, status, &err), 0, &err);
	EXPECT_EOF(channel);
	return true;
}

static bool status(struct rig *rig)
{
	ITEM before = FF_ITEM_INIT, during = FF_ITEM_INIT;
	const char *model = ff_gateway_spec(rig->gw)->execmodel;

	CHECK(receive_status(rig, &before));
	CHECK(ff_dict_int(&before.value, "numchannels", -1) == 0);
	CHECK(ff_dict_int(&before.value, "numexecuting", -1) == 0);
	CHECK_TEXT(ff_dict_str(&before.value, "execmodel", ""), model ? model : "thread");
	CHANNEL one = rig_exec(rig, rig->gw, "channel.send('up')\nchannel.receive()",
			       "echo up; exec sleep 1000");
	CHANNEL two = rig_exec(rig, rig->gw, "channel.send('up')\nchannel.receive()",
			       "echo up; exec sleep 1000");
	CHECK(one && two);
	EXPECT(one, ff_str("up"));
	EXPECT(two, ff_str("up"));
	CHECK(receive_status(rig, &during));
	CHECK(ff_dict_int(&during.value, "numchannels", -1) == 2);
	CHECK(ff_dict_int(&during.value, "numexecuting", -1) == 2);
	return true;
}

static bool reconfigure(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "for item in channel: channel.send(type(item).__name__)", "");
	struct ff_strconfig config = {.py3str_as_py2str = true};
	struct ff_value text = ff_str("x");
	struct ff_err err;

	CHECK(channel);
	CHECK_RC(ff_channel_send(channel, &text, &err), 0, &err);
	EXPECT(channel, ff_str("str"));
	/* For both ends: they read our str as bytes, and so do we theirs. */
	CHECK(ff_channel_reconfigure(channel, config) == 0);
	CHECK_RC(ff_channel_send(channel, &text, &err), 0, &err);
	EXPECT(channel, ff_bytes("bytes", 5));
	return true;
}

static bool reconfigure_gateway(struct rig *rig)
{
	struct ff_strconfig config = {.py3str_as_py2str = true};
	struct ff_value text = ff_str("x");
	struct ff_err err;

	CHECK(ff_gateway_reconfigure(rig->gw, config) == 0);
	/* Channels that are made from now on; what is executed is read as ever. */
	CHANNEL channel = rig_exec(rig, rig->gw, "channel.send(channel.receive())", "echo x");
	CHECK(channel);
	if (!rig->setup->native)
		CHECK_RC(ff_channel_send(channel, &text, &err), 0, &err);
	EXPECT(channel, ff_bytes("x", 1));
	EXPECT_EOF(channel);
	return true;
}

/* --- blocking calls inside a callback --- */

struct blocked {
	struct rig *rig;
	struct ff_channel *other;
	int receive, wait, open, terminate, run;
	bool done;
};

static void on_block(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct blocked *blocked = ctx;
	struct ff_item got = FF_ITEM_INIT;
	struct ff_err err = {0};

	if (!item)
		return;
	blocked->receive = ff_channel_receive(blocked->other, WAIT_MS, &got, &err);
	blocked->wait = ff_channel_waitclose(blocked->other, WAIT_MS, &err);
	blocked->open = ff_makegateway(blocked->rig->group, "popen", &err) ? 0 : err.code;
	blocked->terminate = ff_group_terminate(blocked->rig->group, WAIT_MS);
	blocked->run = ff_loop_run_once(&blocked->rig->loop, 0);
	blocked->done = true;
}

static bool no_deadlock(struct rig *rig)
{
	CHANNEL other = rig_exec(rig, rig->gw, "channel.receive()", "exec sleep 1000");
	CHANNEL channel = rig_exec(rig, rig->gw, "channel.send(1)", "echo 1");
	struct blocked blocked = {.rig = rig, .other = other};
	struct ff_err err;

	CHECK(channel && other);
	CHECK(ff_channel_set_callback(channel, on_block, &blocked) == 0);
	CHECK(rig_until(rig, &blocked.done));
	CHECK(blocked.receive == FF_EDEADLK);
	CHECK(blocked.wait == FF_EDEADLK);
	CHECK(blocked.open == FF_EDEADLK);
	CHECK(blocked.terminate == FF_EDEADLK);
	CHECK(blocked.run == FF_EDEADLK);
	CHECK_RC(ff_channel_waitclose(channel, WAIT_MS, &err), 0, &err);
	return true;
}

const struct scenario scenarios_channels[] = {
	{"callback", ON_SHARED, callback},
	{"callback_on_arrival", ON_SHARED, callback_on_arrival},
	{"remote_error", ON_SHARED, remote_error},
	{"syntax_error", ON_PYTHON, syntax_error},
	{"close_with_error", ON_PYTHON, close_with_error},
	{"waitclose", ON_SHARED, waitclose},
	{"after_close", ON_SHARED, after_close},
	{"send_eof", ON_PYTHON, send_eof},
	{"dropped", ON_PYTHON, dropped},
	{"channel_to_them", ON_PYTHON, channel_to_them},
	{"channel_to_us", ON_PYTHON, channel_to_us},
	{"concurrent", ON_PYTHON, concurrent},
	{"main_thread_only", ON_PYTHON | ON_NOTHING, main_thread_only},
	{"main_thread_in_a_row", ON_PYTHON | ON_NOTHING, main_thread_in_a_row},
	{"status", ON_SHARED, status},
	{"reconfigure", ON_PYTHON, reconfigure},
	{"reconfigure_gateway", ON_FRESH, reconfigure_gateway},
	{"no_deadlock", ON_SHARED, no_deadlock},
	{0},
};
