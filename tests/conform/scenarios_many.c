/* Scenarios: several gateways at once, multichannels, the receive queue, and the group's rules. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scenarios.h"

enum { WORKERS = 3, PARALLEL = 8 };

struct team {
	struct ff_channel *channels[WORKERS];
	struct ff_multichannel *multi;
};

static void team_drop(struct team *team)
{
	ff_multichannel_free(team->multi);
	for (int i = 0; i < WORKERS; i++)
		ff_channel_unref(team->channels[i]);
}

#define TEAM __attribute__((cleanup(team_drop))) struct team

static bool gather(struct rig *rig, struct team *team, const char *python, const char *script)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		struct ff_gateway *gw = i == 0 ? rig->gw : rig_more(rig, i, NULL);

		CHECK(gw);
		team->channels[i] = rig_exec(rig, gw, python, script);
		CHECK(team->channels[i]);
	}
	team->multi = ff_multichannel_new(team->channels, WORKERS);
	CHECK(team->multi);
	CHECK(ff_multichannel_len(team->multi) == WORKERS);
	CHECK(ff_multichannel_at(team->multi, 1) == team->channels[1]);
	return true;
}

static bool multichannel(struct rig *rig)
{
	TEAM team = {0};
	struct ff_item items[WORKERS] = {FF_ITEM_INIT};
	struct ff_value value = ff_int(21);
	struct ff_err err;
	size_t received = 0;

	CHECK(gather(rig, &team, "channel.send(channel.receive() * 2)", ""));
	CHECK_RC(ff_multichannel_send_each(team.multi, &value, &err), 0, &err);
	CHECK_RC(ff_multichannel_receive_each(team.multi, WAIT_MS, items, &received, &err), 0,
		 &err);
	CHECK(received == WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		CHECK(ff_as_int(&items[i].value, 0) == 42);
		ff_item_release(&items[i]);
	}
	CHECK_RC(ff_multichannel_waitclose(team.multi, WAIT_MS, &err), 0, &err);
	return true;
}

static bool multichannel_error(struct rig *rig)
{
	TEAM team = {0};
	struct ff_err err;

	CHECK(gather(rig, &team, "raise RuntimeError('one of them')", "exit 4"));
	CHECK_RC(ff_multichannel_waitclose(team.multi, WAIT_MS, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, rig->setup->native ? "exit status 4" : "one of them");
	return true;
}

static bool queue_items(struct rig *rig, bool endmarkers)
{
	TEAM team = {0};
	unsigned items[WORKERS] = {0}, ends[WORKERS] = {0};
	struct ff_queue *queue;
	struct ff_err err;
	int rc;

	CHECK(gather(rig, &team, "for i in range(5): channel.send(i)",
		     "for i in 1 2 3 4 5; do echo $i; done"));
	queue = ff_multichannel_queue(team.multi, endmarkers);
	CHECK(queue);
	CHECK(ff_multichannel_queue(team.multi, endmarkers) == queue);
	for (;;) {
		struct ff_queue_entry entry = {.item = FF_ITEM_INIT};
		int at = 0;

		rc = ff_queue_get(queue, WAIT_MS, &entry, &err);
		if (rc != 0)
			break;
		while (at < WORKERS && team.channels[at] != entry.channel)
			at++;
		ff_item_release(&entry.item);
		CHECK(at < WORKERS);
		CHECK(ends[at] == 0);
		items[at] += !entry.end;
		ends[at] += entry.end;
	}
	CHECK_RC(rc, FF_EEOF, &err);
	for (int i = 0; i < WORKERS; i++)
		CHECK(items[i] == 5 && ends[i] == endmarkers);
	return true;
}

static bool queue(struct rig *rig)
{
	return queue_items(rig, false);
}

static bool queue_with_ends(struct rig *rig)
{
	return queue_items(rig, true);
}

static bool queue_timeout(struct rig *rig)
{
	TEAM team = {0};
	struct ff_queue_entry entry = {.item = FF_ITEM_INIT};
	struct ff_queue *entries;
	struct ff_err err;

	CHECK(gather(rig, &team, "channel.receive()", "exec sleep 1000"));
	entries = ff_multichannel_queue(team.multi, false);
	CHECK(entries);
	CHECK_RC(ff_queue_get(entries, SHORT_MS, &entry, &err), FF_ETIMEOUT, &err);
	CHECK(ff_queue_poll(entries, &entry) == FF_EAGAIN);
	return true;
}

/* --- the group --- */

static bool same_id(struct rig *rig)
{
	struct ff_gateway *first = rig_more(rig, 0, "id=twin"), *second;
	size_t len = ff_group_len(rig->group);
	struct ff_err err = {0};
	TEXT spec = rig_spec(rig->setup, 1, "id=twin");

	CHECK(first);
	CHECK(ff_group_get(rig->group, "twin") == first);
	second = ff_makegateway(rig->group, spec, &err);
	CHECK(!second);
	CHECK_CODE(&err, FF_EEXISTS);
	CHECK(ff_group_len(rig->group) == len);
	/* The first one has not suffered. */
	CHANNEL channel = rig_exec(rig, first, "channel.send('up')", "echo up");
	CHECK(channel);
	EXPECT(channel, ff_str("up"));
	EXPECT_EOF(channel);
	return true;
}

struct opening {
	unsigned open, failed;
	bool first, all;
	struct ff_err err;
};

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct opening *opening = ctx;

	if (err)
		opening->err = *err;
	opening->failed += err != NULL;
	opening->open += !err;
	opening->first = true;
	opening->all = opening->open + opening->failed == PARALLEL;
}

static bool begin_all(struct rig *rig, struct opening *opening, struct ff_gateway **gateways)
{
	const struct ff_open_opts opts = {.opened = on_opened, .ctx = opening};

	for (unsigned i = 0; i < PARALLEL; i++) {
		TEXT text = rig_spec(rig->setup, i, NULL);
		struct ff_xspec spec;
		struct ff_err err;

		CHECK_RC(ff_xspec_parse(&spec, text, &err), 0, &err);
		gateways[i] = ff_open_gateway(rig->group, &spec, &opts, &err);
		if (!gateways[i]) {
			ff_xspec_release(&spec);
			return rig_fail(__FILE__, __LINE__, "%s", err.text);
		}
	}
	return true;
}

static bool parallel(struct rig *rig)
{
	struct ff_gateway *gateways[PARALLEL];
	struct opening opening = {0};

	CHECK(begin_all(rig, &opening, gateways));
	CHECK(rig_until(rig, &opening.all));
	CHECK_CODE(&opening.err, 0);
	for (int i = 0; i < PARALLEL; i++) {
		CHECK(ff_gateway_state(gateways[i]) == FF_GATEWAY_OPEN);
		CHECK(rig_pid(gateways[i]) > 0);
		for (int k = 0; k < i; k++) {
			CHECK(rig_pid(gateways[i]) != rig_pid(gateways[k]));
			CHECK(strcmp(ff_gateway_id(gateways[i]), ff_gateway_id(gateways[k])) != 0);
		}
	}
	return true;
}

/* Nobody waits for them: the group ends them in whatever state they are. */
static bool end_opening(struct rig *rig, bool at_once)
{
	struct ff_gateway *gateways[PARALLEL];
	struct opening opening = {0};

	CHECK(begin_all(rig, &opening, gateways));
	CHECK(at_once || rig_until(rig, &opening.first));
	CHECK(ff_group_terminate(rig->group, WAIT_MS) == 0);
	CHECK(opening.all);
	CHECK(ff_group_len(rig->group) == 0);
	return true;
}

static bool ended_at_once(struct rig *rig)
{
	return end_opening(rig, true);
}

static bool ended_while_opening(struct rig *rig)
{
	return end_opening(rig, false);
}

const struct scenario scenarios_many[] = {
	{"multichannel", ON_PYTHON | ON_FRESH, multichannel},
	{"multichannel_error", ON_FRESH, multichannel_error},
	{"queue", ON_FRESH, queue},
	{"queue_with_ends", ON_FRESH, queue_with_ends},
	{"queue_timeout", ON_FRESH, queue_timeout},
	{"same_id", ON_NOTHING, same_id},
	{"parallel", ON_NOTHING, parallel},
	{"ended_at_once", ON_NOTHING, ended_at_once},
	{"ended_while_opening", ON_NOTHING, ended_while_opening},
	{0},
};
