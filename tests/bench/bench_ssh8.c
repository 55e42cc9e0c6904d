/* How long it takes until COUNT python workers on one ssh host have each answered one item: a
 * native foreman over one connection, the interpreters through it. Prints "seconds X".
 *
 *     bench_ssh8 XSPEC PYTHON [COUNT] */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gateway/channel.h"
#include "gateway/gateway.h"
#include "transport/open.h"
#include "io/loop_private.h"

enum { COUNT_MAX = 256 };

struct bench {
	struct ff_group *group;
	const char *python;
	int count, answers;
	struct ff_channel *channels[COUNT_MAX];
};

static void die(const struct ff_err *err)
{
	fprintf(stderr, "bench_ssh8: %s\n", err->text);
	exit(2);
}

static void open_one(struct bench *bench, const char *text, const char *via,
		     void (*opened)(struct ff_gateway *, const struct ff_err *, void *))
{
	const struct ff_open_opts opts = {.opened = opened, .ctx = bench};
	struct ff_err err = {0};
	struct ff_xspec spec;

	if (ff_xspec_parse(&spec, text, &err) < 0)
		die(&err);
	if (via) {
		ff_xspec_set(&spec, "via", via);
		ff_xspec_set(&spec, "python", bench->python);
	} else {
		ff_xspec_set(&spec, "worker", "native");
	}
	if (!ff_open_gateway(bench->group, &spec, &opts, &err))
		die(&err);
}

static void on_answer(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct bench *bench = ctx;

	if (item && item->value.kind == FF_INT)
		bench->answers++;
}

static void on_python(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	const struct ff_task task = {.source = "channel.send(1)"};
	struct bench *bench = ctx;
	struct ff_channel *channel;
	struct ff_err failed = {0};
	static int next;

	if (err)
		die(err);
	channel = ff_gateway_remote_exec(gateway, &task, &failed);
	if (!channel)
		die(&failed);
	bench->channels[next++] = channel;
	ff_channel_set_callback(channel, on_answer, bench);
}

static void on_foreman(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct bench *bench = ctx;

	if (err)
		die(err);
	for (int i = 0; i < bench->count; i++)
		open_one(bench, "popen//worker=python", ff_gateway_id(gateway), on_python);
}

int main(int argc, char **argv)
{
	struct bench bench = {.python = argc > 2 ? argv[2] : NULL,
			      .count = argc > 3 ? atoi(argv[3]) : 8};
	struct ff_err err = {0};
	struct ff_loop loop;
	int64_t began;

	if (argc < 3 || bench.count < 1 || bench.count > COUNT_MAX) {
		fprintf(stderr, "usage: bench_ssh8 XSPEC PYTHON [COUNT]\n");
		return 2;
	}
	began = ff_clock_us();
	if (ff_loop_init(&loop, &err) < 0 || !(bench.group = ff_open_group(&loop, &err)))
		die(&err);
	open_one(&bench, argv[1], NULL, on_foreman);
	while (bench.answers < bench.count)
		ff_loop_run_once(&loop, FF_NEVER_US);
	printf("seconds %.4f\n", (double)(ff_clock_us() - began) / 1e6);
	for (int i = 0; i < bench.count; i++)
		ff_channel_unref(bench.channels[i]);
	ff_group_terminate(bench.group, 5000);
	ff_group_free(bench.group);
	return ff_loop_release(&loop) == 0 ? 0 : 1;
}
