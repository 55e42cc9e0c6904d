/* Gateways on a libuv loop that is there already, beside its other handles, here a timer that
 * beats. A thousand round trips, each begun by the answer to the one before.
 *
 *     foreign_libuv [XSPEC]        default: popen */
#include <stdio.h>
#include <uv.h>

#include "farflung.h"

enum { TRIPS = 1000, END_MS = 5000, BEAT_MS = 20 };

struct trips {
	struct ff_channel *channel;
	int64_t done;
	bool over;
	struct ff_err err;
};

static void send_next(struct trips *trips)
{
	struct ff_value value = ff_int(trips->done);

	if (ff_channel_send(trips->channel, &value, &trips->err) < 0)
		trips->over = true;
}

/* From inside uv_run: for each item, and with NULL at the end. */
static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct trips *trips = ctx;

	if (item && ++trips->done < TRIPS)
		send_next(trips);
	else
		trips->over = true;
}

static void on_beat(uv_timer_t *timer)
{
	++*(unsigned *)timer->data;
}

static int start(struct trips *trips, struct ff_group *group, const char *spec)
{
	struct ff_task task = {.source = "for item in channel: channel.send(item)"};
	struct ff_gateway *gateway = ff_makegateway(group, spec, &trips->err);

	if (gateway)
		trips->channel = ff_gateway_remote_exec(gateway, &task, &trips->err);
	if (!trips->channel)
		return -1;
	ff_channel_set_callback(trips->channel, on_item, trips);
	send_next(trips);
	return 0;
}

int main(int argc, char **argv)
{
	struct trips trips = {0};
	unsigned beats = 0;
	uv_timer_t beat = {.data = &beats};
	struct ff_loop *loop;
	struct ff_group *group;
	uv_loop_t uv;

	uv_loop_init(&uv);
	uv_timer_init(&uv, &beat);
	uv_timer_start(&beat, on_beat, BEAT_MS, BEAT_MS);
	loop = ff_loop_new_adopted(&uv, &trips.err);
	group = loop ? ff_open_group(loop, &trips.err) : NULL;
	if (group && start(&trips, group, argc > 1 ? argv[1] : "popen") == 0) {
		while (!trips.over)
			uv_run(&uv, UV_RUN_ONCE);
		printf("%lld round trips, %u beats\n", (long long)trips.done, beats);
	}
	if (trips.err.code)
		fprintf(stderr, "foreign_libuv: %s\n", trips.err.text);
	ff_channel_unref(trips.channel);
	if (group)
		ff_group_terminate(group, END_MS);
	ff_group_free(group);
	ff_loop_free(loop);

	/* The loop is ours still, and so is what we have on it. */
	uv_close((uv_handle_t *)&beat, NULL);
	uv_run(&uv, UV_RUN_DEFAULT);
	return uv_loop_close(&uv) != 0 || trips.done != TRIPS;
}
