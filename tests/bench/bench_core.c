/* Figures of the library against execnet's own: `bench_core PYTHON` prints one "name value" a line.
 * Times in ms or us, rates per second or MB/s; what execnet_core.py prints of execnet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "farflung.h"
#include "io/loop_private.h"

enum { STARTS = 15, ROUND_TRIPS = 5000, MESSAGES = 1000000, BLOCKS = 300, BLOCK = 1 << 20 };

static struct ff_loop loop;
static struct ff_group *group;

static void check(bool ok, const struct ff_err *err)
{
	if (!ok) {
		fprintf(stderr, "bench_core: %s\n", err->text);
		exit(1);
	}
}

static struct ff_channel *run(struct ff_gateway *gateway, const struct ff_task *task)
{
	struct ff_err err = {0};
	struct ff_channel *channel = ff_gateway_remote_exec(gateway, task, &err);

	check(channel != NULL, &err);
	return channel;
}

static void take(struct ff_channel *channel)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err = {0};

	check(ff_channel_receive(channel, 60000, &item, &err) == 0, &err);
	ff_item_release(&item);
}

static struct ff_gateway *open_one(const char *spec)
{
	struct ff_err err = {0};
	struct ff_gateway *gateway = ff_makegateway(group, spec, &err);

	check(gateway != NULL, &err);
	return gateway;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double start_ms(const char *spec, const struct ff_task *first)
{
	double times[STARTS];

	for (int i = 0; i < STARTS; i++) {
		int64_t begin = ff_clock_us();
		struct ff_channel *channel = run(open_one(spec), first);

		take(channel);
		times[i] = (double)(ff_clock_us() - begin) / 1e3;
		ff_channel_unref(channel);
	}
	ff_group_terminate(group, 5000);
	qsort(times, STARTS, sizeof *times, by_size);
	return times[STARTS / 2];
}

static int still_opening;

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	if (err)
		check(false, err);
	still_opening--;
}

static double open_16_ms(const char *spec)
{
	struct ff_open_opts opts = {.opened = on_opened};
	int64_t begin = ff_clock_us();
	double took;

	for (still_opening = 0; still_opening < 16; still_opening++) {
		struct ff_xspec parsed;
		struct ff_err err = {0};

		check(ff_xspec_parse(&parsed, spec, &err) == 0, &err);
		check(ff_open_gateway(group, &parsed, &opts, &err) != NULL, &err);
	}
	while (still_opening > 0)
		ff_loop_run_once(&loop, FF_NEVER_US);
	took = (double)(ff_clock_us() - begin) / 1e3;
	ff_group_terminate(group, 5000);
	return took;
}

static double round_trip_us(const char *spec, const struct ff_task *echo)
{
	struct ff_channel *channel = run(open_one(spec), echo);
	struct ff_value one = ff_int(1);
	struct ff_err err = {0};
	int64_t begin = 0;

	for (int i = -200; i < ROUND_TRIPS; i++) {
		if (i == 0)
			begin = ff_clock_us();
		check(ff_channel_send(channel, &one, &err) == 0, &err);
		take(channel);
	}
	begin = ff_clock_us() - begin;
	ff_channel_close(channel, NULL);
	ff_channel_unref(channel);
	ff_group_terminate(group, 5000);
	return (double)begin / ROUND_TRIPS;
}

static double emit_us(int64_t items, int64_t size, bool queue)
{
	struct ff_value kwargs[] = {ff_str("items"), ff_int(items), ff_str("size"), ff_int(size)};
	struct ff_task task = {.call_name = "emit", .kwargs = ff_collection(FF_DICT, kwargs, 2)};
	struct ff_gateway *gateway = open_one("popen//worker=native");
	int64_t begin = ff_clock_us();
	struct ff_channel *channel = run(gateway, &task);
	struct ff_multichannel *multi = queue ? ff_multichannel_new(&channel, 1) : NULL;
	struct ff_queue *entries = queue ? ff_multichannel_queue(multi, false) : NULL;

	for (int64_t i = 0; i < items; i++) {
		struct ff_queue_entry entry;
		struct ff_err err = {0};

		if (!queue) {
			take(channel);
			continue;
		}
		check(ff_queue_get(entries, 60000, &entry, &err) == 0, &err);
		ff_item_release(&entry.item);
	}
	begin = ff_clock_us() - begin;
	ff_multichannel_free(multi);
	ff_channel_unref(channel);
	ff_group_terminate(group, 5000);
	return (double)begin;
}

int main(int argc, char **argv)
{
	static const struct ff_task say = {.source = "channel.send(1)"};
	static const struct ff_task echo_py = {.source = "for x in channel: channel.send(x)"};
	static const struct ff_task echo = {.call_name = "echo"};
	struct ff_value kwargs[] = {ff_str("items"), ff_int(1)};
	struct ff_task emit = {.call_name = "emit", .kwargs = ff_collection(FF_DICT, kwargs, 1)};
	struct ff_err err = {0};
	char spec[300];

	snprintf(spec, sizeof spec, "popen//python=%s", argc > 1 ? argv[1] : "python3");
	check(ff_loop_init(&loop, &err) == 0, &err);
	group = ff_open_group(&loop, &err);
	check(group != NULL, &err);
	printf("native_start_ms %.3f\n", start_ms("popen//worker=native", &emit));
	printf("python_start_ms %.3f\n", start_ms(spec, &say));
	printf("python_16_ms %.3f\n", open_16_ms(spec));
	printf("native_round_trip_us %.2f\n", round_trip_us("popen//worker=native", &echo));
	printf("python_round_trip_us %.2f\n", round_trip_us(spec, &echo_py));
	printf("messages_per_s %.0f\n", MESSAGES / emit_us(MESSAGES, 0, true) * 1e6);
	printf("bytes_MBps %.1f\n", BLOCKS * (BLOCK / 1e6) / emit_us(BLOCKS, BLOCK, false) * 1e6);
	ff_group_free(group);
	return ff_loop_release(&loop) == 0 ? 0 : 1;
}
