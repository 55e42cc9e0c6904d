/* Tree sync to several native workers over pipes, opened before: the first time, and when nothing
 * has changed. The clock runs from the scan of the source to the last word that all is in place.
 *
 *     bench_rsync SOURCE TARGETS DEST     makes DEST0, DEST1, …; prints "first X unchanged Y" */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rsync/send.h"
#include "transport/open.h"
#include "io/loop_private.h"

enum { TARGETS_MAX = 64, END_MS = 5000 };

static void die(const struct ff_err *err)
{
	fprintf(stderr, "bench_rsync: %s\n", err->text);
	exit(2);
}

static void on_finished(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
			const struct ff_err *err, void *ctx)
{
	uint64_t *sent = ctx;

	if (err->code)
		die(err);
	*sent += stats->sent_files;
}

struct bench {
	struct ff_loop loop;
	struct ff_group *group;
	size_t targets;
	const char *source, *dest;
};

/* Seconds. *sent: files whose content was sent, of all targets. */
static double sync_once(struct bench *bench, uint64_t *sent)
{
	static const struct ff_rsync_events events = {.finished = on_finished};
	int64_t began = ff_clock_us();
	struct ff_err err = {0};
	struct ff_rsync *rsync;
	struct ff_tree tree;
	double took;

	*sent = 0;
	if (ff_tree_scan(&tree, bench->source, NULL, &err) || !(rsync = ff_rsync_new(&tree)))
		die(&err);
	for (size_t i = 0; i < bench->targets; i++) {
		char dest[PATH_MAX];
		const struct ff_rsync_target_opts opts = {
			.dest = dest,
			.remove = true,
			.task = &(const struct ff_task){.call_name = "rsync"},
			.events = &events,
			.ctx = sent};

		snprintf(dest, sizeof(dest), "%s%zu", bench->dest, i);
		if (!ff_rsync_add_target(rsync, ff_group_at(bench->group, i), &opts, &err))
			die(&err);
	}
	while (!ff_rsync_done(rsync))
		ff_loop_run_once(&bench->loop, FF_NEVER_US);
	took = (double)(ff_clock_us() - began) / 1e6;
	ff_rsync_free(rsync);
	return took;
}

int main(int argc, char **argv)
{
	struct bench bench = {.targets = argc == 4 ? (size_t)atoi(argv[2]) : 0};
	double first, unchanged;
	struct ff_err err = {0};
	uint64_t sent, again;

	if (!bench.targets || bench.targets > TARGETS_MAX) {
		fprintf(stderr, "usage: bench_rsync SOURCE TARGETS DEST\n");
		return 2;
	}
	bench.source = argv[1];
	bench.dest = argv[3];
	if (ff_loop_init(&bench.loop, &err) || !(bench.group = ff_open_group(&bench.loop, &err)))
		die(&err);
	for (size_t i = 0; i < bench.targets; i++)
		if (!ff_makegateway(bench.group, "popen//worker=native", &err))
			die(&err);
	first = sync_once(&bench, &sent);
	unchanged = sync_once(&bench, &again);
	printf("first %.4f unchanged %.4f sent %llu\n", first, unchanged, (unsigned long long)sent);
	if (again)
		fprintf(stderr, "bench_rsync: %llu files were sent again\n",
			(unsigned long long)again);
	ff_group_terminate(bench.group, END_MS);
	ff_group_free(bench.group);
	return ff_loop_release(&bench.loop) == 0 && !again ? 0 : 1;
}
