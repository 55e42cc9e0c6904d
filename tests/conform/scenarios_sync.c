/* Scenarios: a tree brought over whatever line there is. (rsync_scenarios.c goes into the details,
 * over popen.) All "hosts" of the suite share this machine's files, so what arrived can be looked
 * at. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenarios.h"

enum { BIG = 300000 }; /* several items */

struct done {
	bool finished;
	struct ff_rsync_stats stats;
	struct ff_err err;
	int progress;
};

static void on_progress(struct ff_rsync_target *target, const char *path, void *ctx)
{
	((struct done *)ctx)->progress++;
}

static void on_finished(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
			const struct ff_err *err, void *ctx)
{
	struct done *done = ctx;

	done->stats = *stats;
	done->err = *err;
	done->finished = true;
}

static bool put(const char *dir, const char *name, const char *bytes, size_t len)
{
	char path[PATH_MAX];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	good = file && fwrite(bytes, 1, len, file) == len;
	return file && fclose(file) == 0 && good;
}

static bool same(const char *a, const char *b)
{
	char command[2 * PATH_MAX + 64];

	snprintf(command, sizeof(command), "diff -r --no-dereference '%s' '%s' >&2", a, b);
	return system(command) == 0;
}

/* One sync of src to dst below `dir`, to its end. */
static bool sync_once(struct rig *rig, const char *dir, struct done *done)
{
	static const struct ff_rsync_events events = {.progress = on_progress,
						      .finished = on_finished};
	struct ff_task task = FF_TASK_INIT;
	struct ff_rsync_target_opts opts = {
		.remove = true, .task = &task, .events = &events, .ctx = done};
	char src[PATH_MAX], dst[PATH_MAX];
	struct ff_rsync *rsync;
	struct ff_tree tree;
	struct ff_err err;
	bool came;

	*done = (struct done){0};
	snprintf(src, sizeof(src), "%s/src", dir);
	snprintf(dst, sizeof(dst), "%s/dst", dir);
	opts.dest = dst;
	CHECK_RC(ff_exec_builtin(rig->gw, "rsync", &task, &err), 0, &err);
	CHECK_RC(ff_tree_scan(&tree, src, NULL, &err), 0, &err);
	rsync = ff_rsync_new(&tree);
	CHECK(rsync);
	came = ff_rsync_add_target(rsync, rig->gw, &opts, &err) && rig_until(rig, &done->finished);
	ff_rsync_free(rsync);
	CHECK(came);
	CHECK_RC(done->err.code, 0, &done->err);
	CHECK(same(src, dst));
	return true;
}

static bool sync_twice(struct rig *rig, const char *dir)
{
	char path[PATH_MAX], *big = calloc(1, BIG);
	struct done done;

	CHECK(big);
	for (int i = 0; i < BIG; i++)
		big[i] = (char)('a' + i % 23);
	snprintf(path, sizeof(path), "%s/src/deep", dir);
	CHECK(mkdir(path, 0755) == 0);
	CHECK(put(path, "empty", "", 0) && put(path, "big", big, BIG));
	free(big);
	snprintf(path, sizeof(path), "%s/src/link", dir);
	CHECK(symlink("deep/big", path) == 0);
	if (!sync_once(rig, dir, &done))
		return false;
	CHECK(done.stats.sent_files == 2 && done.stats.sent_bytes == BIG && done.progress == 2);
	/* The second time nothing is sent, and what the source has no more goes. */
	snprintf(path, sizeof(path), "%s/src/deep/empty", dir);
	CHECK(unlink(path) == 0);
	if (!sync_once(rig, dir, &done))
		return false;
	CHECK(done.stats.sent_files == 0 && done.stats.deleted == 1);
	return true;
}

static bool sync_tree(struct rig *rig)
{
	char dir[] = "/tmp/ff-conform-XXXXXX", path[PATH_MAX], command[PATH_MAX];
	bool good;

	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/src", dir);
	good = mkdir(path, 0755) == 0 && sync_twice(rig, dir);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) == 0 && good;
}

const struct scenario scenarios_sync[] = {
	{"sync_tree", ON_SHARED, sync_tree},
	{0},
};
