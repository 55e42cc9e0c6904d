/* Runs the scenarios of tree sync against one kind of worker, over a popen gateway.
 *
 *     rsync_workers native|python PYTHON
 *
 * Started by root it becomes nobody, for whom permissions mean something (unless PYTHON is not for
 * everybody); before that it mounts a very small file system, if it may. */
#include "rsync_workers.h"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "worker/bootstrap.h"
#include "io/loop_private.h"

enum { NOBODY = 65534, NOT_AS_NOBODY = 120, END_MS = 20000, PATHS = 8 };

struct world world;

/* --- pieces --- */

const char *in_rig(const char *name)
{
	static char paths[PATHS][2 * PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % PATHS];

	if (name[0] == '/')
		snprintf(path, sizeof(*paths), "%s", name);
	else
		snprintf(path, sizeof(*paths), "%s/%s", rig_dir, name);
	return path;
}

struct ff_gateway *open_gateway(const char *spec)
{
	struct ff_err err = {0};
	struct ff_gateway *gw = ff_makegateway(world.group, spec, &err);

	if (!gw)
		fail_msg("%s: %s", spec, err.text);
	return gw;
}

struct ff_task receiver_task(struct ff_gateway *gw)
{
	return (struct ff_task){
		.call_name = "rsync",
		.source = ff_gateway_is_native(gw) ? NULL : ff_bootstrap_source("rsync"),
	};
}

/* --- one sync --- */

void outcome_release(struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->progress && i < PROGRESS_MAX; i++)
		free(outcome->paths[i]);
	*outcome = (struct outcome){0};
}

static void on_progress(struct ff_rsync_target *target, const char *path, void *ctx)
{
	struct outcome *outcome = ctx;

	if (outcome->progress < PROGRESS_MAX)
		outcome->paths[outcome->progress] = strdup(path);
	outcome->progress++;
	if (outcome->meanwhile)
		outcome->meanwhile(path);
}

static void on_finished(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
			const struct ff_err *err, void *ctx)
{
	struct outcome *outcome = ctx;

	assert_ptr_equal(ff_rsync_target_ctx(target), ctx);
	outcome->finished++;
	outcome->stats = *stats;
	outcome->err = *err;
}

static void on_problem(struct ff_rsync_target *target, const struct ff_sync_fault *problem,
		       void *ctx)
{
	struct outcome *outcome = ctx;
	size_t len = strlen(outcome->problems);

	assert_int_equal(outcome->finished, 0);
	snprintf(outcome->problems + len, sizeof(outcome->problems) - len, "%s %s: %s\n",
		 ff_sync_fault_name(problem->kind), problem->path, problem->reason);
}

void add_target(struct ff_rsync *rsync, struct ff_gateway *gw, const char *dest, bool delete,
		struct outcome *outcome)
{
	static const struct ff_rsync_events events = {
		.progress = on_progress, .finished = on_finished, .problem = on_problem};
	const struct ff_task task = receiver_task(gw);
	const struct ff_rsync_target_opts opts = {.dest = in_rig(dest),
						  .remove = delete,
						  .owner = outcome->owner,
						  .holder = outcome->holder,
						  .task = &task,
						  .events = &events,
						  .ctx = outcome};
	struct ff_err err = {0};

	if (!ff_rsync_add_target(rsync, gw, &opts, &err))
		fail_msg("%s", err.text);
}

void run_sync(struct ff_rsync *rsync)
{
	int64_t deadline = ff_clock_us() + (int64_t)WAIT_MS * 1000;

	while (!ff_rsync_done(rsync) && ff_clock_us() < deadline)
		ff_loop_run_once(&world.loop, deadline);
	assert_true(ff_rsync_done(rsync));
}

void try_sync(const char *source, const char *dest, bool delete, struct outcome *outcome)
{
	struct ff_rsync *rsync = rig_rsync(source, NULL);

	add_target(rsync, world.gw, dest, delete, outcome);
	run_sync(rsync);
	assert_int_equal(outcome->finished, 1);
	ff_rsync_free(rsync);
}

uint64_t sync_ok(const char *source, const char *dest, bool delete)
{
	struct outcome outcome = {0};
	uint64_t sent;

	try_sync(source, dest, delete, &outcome);
	if (outcome.err.code)
		fail_msg("%s", outcome.err.text);
	assert_string_equal(outcome.stats.root, in_rig(dest));
	sent = outcome.stats.sent_files;
	outcome_release(&outcome);
	return sent;
}

/* --- looking --- */

void snapshot(struct ff_buf *out, const char *root)
{
	struct ff_tree tree;

	rig_scan(&tree, root);
	assert_int_equal(ff_tree_pack(&tree, out), 0);
	for (size_t i = 0; i < tree.len; i++) {
		char path[2 * PATH_MAX], *bytes;
		size_t len = 0;

		if (tree.entries[i].kind != FF_TREE_FILE)
			continue;
		snprintf(path, sizeof(path), "%s/%s", root, tree.entries[i].path);
		bytes = rig_read(path, &len);
		assert_non_null(bytes);
		ff_buf_add(out, bytes, len);
		free(bytes);
	}
	ff_tree_release(&tree);
}

void expect_snapshot(struct ff_buf *before, const char *root)
{
	struct ff_buf now = FF_BUF_INIT;

	snapshot(&now, root);
	assert_int_equal(now.len, before->len);
	assert_memory_equal(ff_buf_data(&now), ff_buf_data(before), now.len);
	ff_buf_release(&now);
}

/* --- up and down --- */

static int world_up(void **state)
{
	struct ff_err err = {0};

	if (ff_loop_init(&world.loop, &err) || !(world.group = ff_open_group(&world.loop, &err)))
		return -1;
	world.gw = ff_makegateway(world.group, world.spec, &err);
	if (!world.gw)
		print_error("%s\n", err.text);
	return world.gw ? 0 : -1;
}

static int world_down(void **state)
{
	int rc = ff_group_terminate(world.group, END_MS);

	ff_group_free(world.group);
	return rc || ff_loop_release(&world.loop);
}

static int run(void)
{
#define X(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown),
	static const struct CMUnitTest tests[] = {SCENARIOS(X)};
#undef X

	return cmocka_run_group_tests(tests, world_up, world_down);
}

static int run_as_nobody(const char *full, const char *python)
{
	bool mounted = !unshare(CLONE_NEWNS) &&
		       !mount("none", "/", NULL, MS_REC | MS_PRIVATE, "") &&
		       !mount("none", full, "tmpfs", 0, "size=1m,mode=1777");

	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		return 2;
	if (access(python, X_OK))
		return NOT_AS_NOBODY;
	setenv("HOME", "/nonexistent", 1);
	if (getenv("TMPDIR") && access(getenv("TMPDIR"), W_OK | X_OK))
		unsetenv("TMPDIR");
	world.full = mounted ? full : NULL;
	return run();
}

int main(int argc, char **argv)
{
	static const char native_spec[] = "popen//worker=native";
	static char python_spec[PATH_MAX];
	char full[] = "/tmp/ff-full-XXXXXX";
	int status = 0;
	bool native;
	pid_t pid;

	if (argc != 3 || (strcmp(argv[1], "native") && strcmp(argv[1], "python"))) {
		fprintf(stderr, "usage: rsync_workers native|python PYTHON\n");
		return 2;
	}
	native = !strcmp(argv[1], "native");
	snprintf(python_spec, sizeof(python_spec), "popen//worker=python//python=%s", argv[2]);
	world.spec = native ? native_spec : python_spec;
	world.other = native ? python_spec : native_spec;
	if (geteuid())
		return run();
	if (!mkdtemp(full) || (pid = fork()) < 0)
		return 2;
	if (!pid)
		exit(run_as_nobody(full, argv[2]));
	waitpid(pid, &status, 0);
	rmdir(full);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_AS_NOBODY)
		return run();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
