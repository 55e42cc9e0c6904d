/* Tree sync as the program does it: a native worker over pipes, opened before; the clock runs from
 * the scan of the source to the word that all is in place. Prints "seconds X sent N".
 *
 *     bench_tree SOURCE DEST */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rsync/send.h"
#include "transport/open.h"
#include "io/loop_private.h"

static void die(const struct ff_err *err)
{
	fprintf(stderr, "bench_tree: %s\n", err->text);
	exit(2);
}

struct result {
	bool done;
	struct ff_rsync_stats stats;
};

static void on_finished(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
			const struct ff_err *err, void *ctx)
{
	struct result *result = ctx;

	if (err && err->code)
		die(err);
	result->stats = *stats;
	result->done = true;
}

static void sync_once(struct ff_loop *loop, struct ff_gateway *gateway, const char *source,
		      const char *dest)
{
	static const struct ff_rsync_events events = {.finished = on_finished};
	struct result result = {.done = false};
	const struct ff_rsync_target_opts opts = {
		.dest = dest,
		.remove = true,
		.task = &(const struct ff_task){.call_name = "rsync"},
		.events = &events,
		.ctx = &result};
	int64_t began = ff_clock_us();
	struct ff_err err = {0};
	struct ff_rsync *rsync;
	struct ff_tree tree;

	if (ff_tree_scan(&tree, source, NULL, &err) < 0)
		die(&err);
	rsync = ff_rsync_new(&tree);
	if (!rsync || !ff_rsync_add_target(rsync, gateway, &opts, &err))
		die(&err);
	while (!result.done)
		ff_loop_run_once(loop, FF_NEVER_US);
	printf("seconds %.4f sent %llu\n", (double)(ff_clock_us() - began) / 1e6,
	       (unsigned long long)result.stats.sent_files);
	ff_rsync_free(rsync);
}

int main(int argc, char **argv)
{
	struct ff_gateway *gateway;
	struct ff_group *group = NULL;
	struct ff_err err = {0};
	struct ff_loop loop;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_tree SOURCE DEST\n");
		return 2;
	}
	if (ff_loop_init(&loop, &err) < 0 || !(group = ff_open_group(&loop, &err)))
		die(&err);
	gateway = ff_makegateway(group, "popen//worker=native", &err);
	if (!gateway)
		die(&err);
	sync_once(&loop, gateway, argv[1], argv[2]);
	ff_group_terminate(group, 5000);
	ff_group_free(group);
	return ff_loop_release(&loop) == 0 ? 0 : 1;
}
