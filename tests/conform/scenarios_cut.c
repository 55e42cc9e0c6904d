/* Scenarios: a short conversation over a line that breaks at every byte, in either direction. Each
 * must end with an error that says so, and leave nothing. */
#include <string.h>

#include "base/alloc.h"
#include "fake_transport.h"
#include "scenarios.h"

enum { PIECE_MAX = 64 };

/* Every `step`th byte is tried up to `dense` bytes from the interesting end, then every `sparse`th.
 */
struct cuts {
	size_t step, dense, sparse;
};

/* Starting a python worker is slow; the protocol is the same. */
static const struct cuts native_cuts = {1, 600, 97}, python_cuts = {13, 600, 307};

static const char python[] = "for item in channel: channel.send((item, 'and back', [1, 2, 3]))";
static const char script[] = "echo one; echo two; echo three; exit 3";

static int talk_python(struct ff_channel *channel, struct ff_err *err)
{
	struct ff_value value = ff_str("there");
	int rc = 0;

	for (int i = 0; rc == 0 && i < 3; i++) {
		ITEM item = FF_ITEM_INIT;

		rc = ff_channel_send(channel, &value, err);
		if (rc == 0)
			rc = ff_channel_receive(channel, WAIT_MS, &item, err);
	}
	return rc;
}

static int talk_script(struct ff_channel *channel, struct ff_err *err)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < 3; i++) {
		ITEM item = FF_ITEM_INIT;

		rc = ff_channel_receive(channel, WAIT_MS, &item, err);
	}
	if (rc == 0)
		rc = ff_channel_waitclose(channel, WAIT_MS, err);
	return rc == FF_EREMOTE ? 0 : rc;
}

/* What the line has carried when all is said; what follows only ends it. */
struct length {
	size_t in, out;
};

/* 0: all was said. */
static int converse(struct rig *rig, struct length *length, struct ff_err *err)
{
	struct ff_task task = {.source = python};
	TEXT spec = rig_spec(rig->setup, 0, NULL);
	TEXT text = NULL;
	struct ff_gateway *gw = ff_makegateway(rig->group, spec, err);
	int rc;

	if (!gw)
		return err->code;
	if (rig->setup->native)
		task.source = text = ff_asprintf("#!/bin/sh\n%s", script);
	CHANNEL channel = ff_gateway_remote_exec(gw, &task, err);
	if (!channel)
		return err->code;
	rc = rig->setup->native ? talk_script(channel, err) : talk_python(channel, err);
	fake_transport_carried(&length->in, &length->out);
	ff_channel_close(channel, NULL);
	ff_gateway_exit(gw);
	if (!rig_until_closed(rig, gw))
		return FF_ETIMEOUT;
	if (rc == 0 && ff_gateway_error(gw)->code != 0) {
		*err = *ff_gateway_error(gw);
		rc = err->code;
	}
	return rc;
}

static bool one_cut(struct rig *rig, size_t in, size_t out)
{
	struct rig own;
	struct length length;
	struct ff_err err = {0};
	bool ok;
	int rc;

	fake_transport_set(&(struct fake_settings){.on = true,
						   .piece_max = PIECE_MAX,
						   .seed = (uint32_t)(in + out),
						   .cut_in = in,
						   .cut_out = out});
	if (!rig_open(&own, rig->setup, false))
		return false;
	rc = converse(&own, &length, &err);
	ok = rig_close(&own);
	if (rc == 0 || rc == FF_ETIMEOUT || !err.text[0])
		ok = rig_fail(__FILE__, __LINE__, "%s %s", rc ? ff_err_name(rc) : "0", err.text);
	if (!ok)
		rig_fail(__FILE__, __LINE__, "when cut after %zu bytes of theirs, %zu of ours", in,
			 out);
	return ok;
}

/* A conversation in peace: how long it is. */
static bool measure(struct rig *rig, struct length *length)
{
	struct ff_err err = {0};

	fake_transport_set(&(struct fake_settings){.on = true, .piece_max = PIECE_MAX, .seed = 1});
	CHECK_RC(converse(rig, length, &err), 0, &err);
	CHECK(length->in > 100 && length->out > 100);
	return true;
}

static bool cut_theirs(struct rig *rig)
{
	const struct cuts *cuts = rig->setup->native ? &native_cuts : &python_cuts;
	struct length length;

	CHECK(measure(rig, &length));
	for (size_t at = 1; at < length.in; at += at < cuts->dense ? cuts->step : cuts->sparse)
		CHECK(one_cut(rig, at, 0));
	return true;
}

/* From the last byte on, since a python worker's source comes first. */
static bool cut_ours(struct rig *rig)
{
	const struct cuts *cuts = rig->setup->native ? &native_cuts : &python_cuts;
	struct length length;
	size_t back;

	CHECK(measure(rig, &length));
	for (back = 1; back < length.out;
	     back += back < cuts->dense ? cuts->step : 16 * cuts->sparse)
		CHECK(one_cut(rig, 0, length.out - back));
	return true;
}

const struct scenario scenarios_cut[] = {
	{"cut_theirs", ON_NOTHING | ON_FAKE, cut_theirs},
	{"cut_ours", ON_NOTHING | ON_FAKE, cut_ours},
	{0},
};
