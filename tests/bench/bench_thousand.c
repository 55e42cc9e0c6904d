/* Native gateways by the thousand in one group: opened together, one item from each, terminated.
 * Prints "open_s X", "exchange_s X", "total_s X", "kib_each X": the last is how far the
 * controller's memory peak rose, per gateway.
 *
 *     bench_thousand [COUNT [XSPEC]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/exec.h"
#include "transport/open.h"
#include "io/loop_private.h"

enum { WAIT_MS = 60000 };

struct bench {
	struct ff_loop loop;
	struct ff_group *group;
	int count, open;
};

static void die(const char *what, const struct ff_err *err)
{
	fprintf(stderr, "bench_thousand: %s: %s\n", what, err->text);
	exit(2);
}

static long memory_kib(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kib = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtol(line + strlen(name) + 1, NULL, 10);
	}
	if (file)
		fclose(file);
	return kib;
}

static double since(int64_t begin)
{
	return (double)(ff_clock_us() - begin) / (double)FF_SECOND_US;
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct bench *bench = ctx;

	if (err)
		die("open", err);
	bench->open++;
}

static void open_all(struct bench *bench, const char *text)
{
	const struct ff_open_opts opts = {.opened = on_opened, .ctx = bench};
	struct ff_err err = {0};

	for (int i = 0; i < bench->count; i++) {
		struct ff_xspec spec;

		if (ff_xspec_parse(&spec, text, &err) != 0 ||
		    !ff_open_gateway(bench->group, &spec, &opts, &err))
			die("open", &err);
	}
	while (bench->open < bench->count)
		ff_loop_run_once(&bench->loop, FF_NEVER_US);
}

static void exchange(struct bench *bench)
{
	const struct ff_task task = {.call_name = "info"};
	struct ff_err err = {0};
	struct ff_multichannel *channels = ff_exec_group(bench->group, &task, &err);
	struct ff_queue *queue;

	if (!channels)
		die("remote_exec", &err);
	queue = ff_multichannel_queue(channels, false);
	for (int i = 0; i < bench->count; i++) {
		struct ff_queue_entry entry;

		if (ff_queue_get(queue, WAIT_MS, &entry, &err) != 0)
			die("receive", &err);
		ff_item_release(&entry.item);
	}
	ff_multichannel_free(channels);
}

int main(int argc, char **argv)
{
	struct bench bench = {.count = argc > 1 ? atoi(argv[1]) : 1000};
	int64_t begin, step;
	struct ff_err err = {0};
	long kib;

	if (ff_loop_init(&bench.loop, &err) != 0)
		die("loop", &err);
	bench.group = ff_open_group(&bench.loop, &err);
	kib = memory_kib("VmHWM");
	begin = step = ff_clock_us();
	open_all(&bench, argc > 2 ? argv[2] : "popen//worker=native");
	printf("open_s %.3f\n", since(step));
	step = ff_clock_us();
	exchange(&bench);
	printf("exchange_s %.3f\n", since(step));
	if (ff_group_terminate(bench.group, WAIT_MS) != 0)
		return 1;
	printf("total_s %.3f\n", since(begin));
	printf("kib_each %.1f\n", (double)(memory_kib("VmHWM") - kib) / bench.count);
	ff_group_free(bench.group);
	return ff_loop_release(&bench.loop) == 0 ? 0 : 1;
}
