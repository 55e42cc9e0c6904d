/* Whole syncs: a sender and receivers joined in memory, over real directories. */
#include "rig.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>

#include "base/alloc.h"

static void make_source(void)
{
	rig_mkdir("src");
	rig_mkdir("src/a");
	rig_mkdir("src/a/deep");
	rig_mkdir("src/empty");
	rig_mkdir("src/locked");
	rig_text("src/top", "top\n");
	rig_text("src/a/one", "one\n");
	rig_text("src/a/deep/two", "two\n");
	rig_text("src/a-b", "sorts between\n");
	rig_text("src/nothing", "");
	rig_text("src/locked/key", "key\n");
	rig_text("src/n\xff\xfe", "name that is not UTF-8\n");
	rig_fill("src/big", 3 << 20, 1);
	rig_fill("src/exact", (256 << 10) - 28, 2);
	assert_int_equal(symlink("one", "src/a/inside"), 0);
	assert_int_equal(symlink("/nowhere/at all", "src/dangling"), 0);
	assert_int_equal(symlink("/etc", "src/outside"), 0);
	chmod("src/top", 0444);
	chmod("src/a/one", 04755);
	chmod("src/locked", 0555);
	rig_mtime("src/a/one", 1000000000, 123456789);
	rig_mtime("src/a/inside", 1000000001, 5);
	rig_mtime("src/a", 1000000002, 999999999);
	rig_mtime("src/top", -1, 500000000);
}

static void first_and_unchanged(void **state)
{
	struct ff_rsync_stats stats;
	char real[PATH_MAX];

	make_source();
	stats = rig_sync("src", "over/there/dst", true);
	rig_same("src", "over/there/dst");
	assert_int_equal(stats.files, 9);
	assert_int_equal(stats.sent_files, 9);
	assert_non_null(realpath("over/there/dst", real));
	assert_string_equal(stats.root, real);
	stats = rig_sync("src", "over/there/dst", true);
	rig_same("src", "over/there/dst");
	assert_int_equal(stats.sent_files, 0);
	assert_int_equal(stats.sent_bytes, 0);
	assert_int_equal(stats.deleted, 0);
}

static void with_credit_and_odd_boundaries(void **state)
{
	struct ff_rsync *rsync;
	struct rig_pair pair;

	make_source();
	rsync = rig_rsync("src", NULL);
	rig_open(&pair);
	rig_hello(&pair);
	rig_add(rsync, &pair, "dst", false);
	while (rig_step(&pair, 7919))
		;
	assert_int_equal(pair.finished, 1);
	assert_int_equal(pair.err.code, 0);
	assert_int_equal(pair.progress, 9);
	rig_same("src", "dst");
	ff_rsync_free(rsync);
	rig_close(&pair);
}

static void what_differs_is_sent(void **state)
{
	struct ff_rsync_stats stats;

	make_source();
	rig_sync("src", "dst", false);
	rig_text("src/a/one", "ONE, longer\n");
	chmod("src/a/one", 0600);
	stats = rig_sync("src", "dst", false);
	assert_int_equal(stats.sent_files, 1);
	assert_int_equal(stats.sent_bytes, 12);
	rig_same("src", "dst");

	/* same size, other content */
	rig_text("src/a/one", "one, LONGER\n");
	rig_mtime("src/a/one", 66, 6);
	stats = rig_sync("src", "dst", false);
	assert_int_equal(stats.sent_files, 1);
	rig_same("src", "dst");

	/* other time only */
	rig_mtime("src/a/one", 77, 7);
	rig_mtime("src/big", 78, 8);
	rig_mtime("src/nothing", 79, 9);
	stats = rig_sync("src", "dst", false);
	assert_int_equal(stats.sent_files, 0);
	assert_int_equal(stats.sent_bytes, 0);
	rig_same("src", "dst");

	/* other mode only; a file in a directory that can't be written to */
	chmod("src/top", 0640);
	chmod("src/empty", 0700);
	rig_text("src/locked/key", "another key\n");
	stats = rig_sync("src", "dst", false);
	assert_int_equal(stats.sent_files, 1);
	rig_same("src", "dst");
}

static void kinds_change(void **state)
{
	rig_mkdir("src");
	rig_mkdir("dst");
	rig_mkdir("elsewhere");
	rig_text("elsewhere/precious", "precious");
	rig_text("src/file-was-dir", "now a file");
	rig_mkdir("dst/file-was-dir");
	rig_text("dst/file-was-dir/x", "x");
	rig_text("src/file-was-link", "now a file");
	assert_int_equal(symlink("../elsewhere/precious", "dst/file-was-link"), 0);
	rig_mkdir("src/dir-was-file");
	rig_text("src/dir-was-file/y", "y");
	rig_text("dst/dir-was-file", "a file");
	rig_mkdir("src/dir-was-link");
	rig_text("src/dir-was-link/precious", "mine");
	assert_int_equal(symlink("../elsewhere", "dst/dir-was-link"), 0);
	assert_int_equal(symlink("t", "src/link-was-file"), 0);
	rig_text("dst/link-was-file", "a file");
	assert_int_equal(symlink("t", "src/link-was-dir"), 0);
	rig_mkdir("dst/link-was-dir");
	rig_text("dst/link-was-dir/z", "z");
	assert_int_equal(symlink("new", "src/link-was-link"), 0);
	assert_int_equal(symlink("old", "dst/link-was-link"), 0);
	assert_int_equal(mkfifo("dst/file-was-fifo", 0600), 0);
	rig_text("src/file-was-fifo", "a file");
	rig_sync("src", "dst", false);
	rig_same("src", "dst");
	rig_expect("elsewhere/precious", "precious");
	assert_int_equal(rig_entries("elsewhere"), 1);
}

static void deletes_only_when_told(void **state)
{
	struct ff_rsync_stats stats;

	make_source();
	rig_mkdir("src/a/more");
	rig_text("src/a/more/x", "x");
	assert_int_equal(symlink("/etc", "src/a/more/l"), 0);
	rig_sync("src", "dst", true);
	rig_text("dst/own", "the host's own");
	rig_text("dst/a/deep/own", "the host's own");
	assert_int_equal(system("rm -r src/a/more src/a/deep"), 0);
	stats = rig_sync("src", "dst", false);
	assert_int_equal(stats.deleted, 0);
	assert_true(rig_exists("dst/a/more/x"));
	/* Also what a sync left there that was not told to delete. */
	stats = rig_sync("src", "dst", true);
	assert_int_equal(stats.deleted, 4);
	rig_expect("dst/own", "the host's own");
	rig_expect("dst/a/deep/own", "the host's own");
	assert_int_equal(unlink("dst/own") | unlink("dst/a/deep/own"), 0);
	stats = rig_sync("src", "dst", true);
	assert_int_equal(stats.deleted, 1);
	rig_same("src", "dst");
}

/* Nothing changes: neither the record nor what it lies in is written again. */
static void an_unchanged_record_is_left_alone(void **state)
{
	struct stat before, after;

	make_source();
	rig_sync("src", "dst", true);
	assert_int_equal(stat(".ff-dst.sync-record", &before), 0);
	rig_sync("src", "dst", true);
	assert_int_equal(stat(".ff-dst.sync-record", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mode & 07777, 0600);
	/* Nor are such files ever part of a tree. */
	rig_mkdir("above");
	assert_int_equal(system("cp -p .ff-dst.sync-record above"), 0);
	rig_sync("above", "copy", true);
	assert_int_equal(rig_entries("copy"), 0);
}

/* In a place where nothing can be written beside it, the record is in the folder. */
static void a_folder_in_a_locked_one(void **state)
{
	struct ff_rsync_stats stats;

	make_source();
	rig_mkdir("cage");
	rig_mkdir("cage/dst");
	chmod("cage", 0555);
	rig_sync("src", "cage/dst", true);
	chmod("cage", 0755);
	assert_int_equal(rig_entries("cage"), rig_entries("src") + 2);
	assert_true(rig_exists("cage/dst/.ff-.sync-record"));
	rig_same("src", "cage/dst");
	chmod("cage", 0555);
	assert_int_equal(unlink("src/top"), 0);
	stats = rig_sync("src", "cage/dst", true);
	assert_int_equal(stats.deleted, 1);
	rig_same("src", "cage/dst");
}

static void delete_spares_the_home_directory(void **state)
{
	char home[PATH_MAX + 8], *was = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
	static const struct {
		const char *dest, *words;
	} cases[] = {{"/", "root directory"}, {"home", "home directory"}, {".", "holds the home"}};
	struct rig_pair pair;

	make_source();
	rig_mkdir("home");
	rig_text("home/mail", "mail");
	snprintf(home, sizeof(home), "%s/home", rig_dir);
	setenv("HOME", home, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		rig_try(&pair, "src", cases[i].dest, true);
		assert_int_equal(pair.err.code, FF_EREMOTE);
		assert_non_null(strstr(pair.err.text, "delete is refused"));
		assert_non_null(strstr(pair.err.text, cases[i].words));
	}
	assert_true(rig_exists("home/mail"));
	assert_int_equal(rig_entries("home"), 1);
	rig_sync("src", "home", false);
	assert_true(rig_exists("home/mail"));
	if (was)
		setenv("HOME", was, 1);
	else
		unsetenv("HOME");
	free(was);
}

static void each_file_is_opened_once_for_all(void **state)
{
	enum { FILES = 40, TARGETS = 3 };
	char events[65536], name[64];
	struct ff_rsync *rsync;
	struct rig_pair pair[TARGETS];
	int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), opens = 0;
	ssize_t len;

	rig_mkdir("src");
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "src/%d", i);
		rig_fill(name, (size_t)i * 1000, (unsigned)i);
	}
	rsync = rig_rsync("src", NULL);
	assert_true(notify >= 0);
	assert_true(inotify_add_watch(notify, "src", IN_OPEN) >= 0);
	for (int i = 0; i < TARGETS; i++) {
		snprintf(name, sizeof(name), "dst%d", i);
		rig_open(&pair[i]);
		rig_add(rsync, &pair[i], name, false);
	}
	for (int i = 0; i < TARGETS; i++)
		rig_pump(&pair[i]);
	while ((len = read(notify, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + len;) {
			const struct inotify_event *event = (void *)at;

			opens += event->mask & IN_OPEN && !(event->mask & IN_ISDIR);
			at += sizeof(*event) + event->len;
		}
	}
	close(notify);
	assert_int_equal(opens, FILES);
	for (int i = 0; i < TARGETS; i++) {
		snprintf(name, sizeof(name), "dst%d", i);
		assert_int_equal(pair[i].err.code, 0);
		assert_int_equal(pair[i].stats.sent_files, FILES);
		rig_same("src", name);
		rig_close(&pair[i]);
	}
	ff_rsync_free(rsync);
}

static void targets_with_different_wants(void **state)
{
	char name[64];
	struct ff_rsync *rsync;
	struct rig_pair one, two;

	rig_mkdir("src");
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "src/%d", i);
		rig_fill(name, (size_t)(i % 10) * 40000, (unsigned)i);
	}
	rig_sync("src", "dst2", false);
	for (int i = 0; i < 50; i += 3) {
		snprintf(name, sizeof(name), "dst2/%d", i);
		rig_text(name, "spoilt");
	}
	rsync = rig_rsync("src", NULL);
	rig_open(&one);
	rig_open(&two);
	rig_hello(&two);
	rig_add(rsync, &one, "dst1", false);
	rig_add(rsync, &two, "dst2", false);
	for (bool more = true; more;) {
		more = rig_step(&one, 50000);
		more = rig_step(&two, 30000) || more;
	}
	assert_int_equal(one.stats.sent_files, 50);
	assert_int_equal(two.stats.sent_files, 17);
	rig_same("src", "dst1");
	rig_same("src", "dst2");
	ff_rsync_free(rsync);
	rig_close(&one);
	rig_close(&two);
}

/* More than the window goes to one target while the other one takes a little and stops, in the
 * middle of a big file. */
static void a_slow_target_holds_nobody_up(void **state)
{
	char name[64];
	struct ff_rsync *rsync;
	struct rig_pair slow, fast;

	rig_mkdir("src");
	rig_fill("src/0", 24 << 20, 3);
	for (int i = 1; i < 30; i++) {
		snprintf(name, sizeof(name), "src/%d", i);
		rig_fill(name, 700000, (unsigned)i);
	}
	rsync = rig_rsync("src", NULL);
	rig_open(&slow);
	rig_open(&fast);
	rig_hello(&slow);
	rig_hello(&fast);
	rig_add(rsync, &slow, "slow", false);
	rig_add(rsync, &fast, "fast", false);
	for (int i = 0; i < 40; i++)
		rig_step(&slow, 65536);
	assert_true(rig_exists("slow"));
	rig_pump(&fast);
	assert_int_equal(fast.finished, 1);
	rig_same("src", "fast");
	assert_int_equal(slow.finished, 0);
	rig_pump(&slow);
	assert_int_equal(slow.finished, 1);
	assert_int_equal(slow.err.code, 0);
	rig_same("src", "slow");
	/* What it had of the big file was not sent again. */
	assert_int_equal(slow.stats.sent_bytes, fast.stats.sent_bytes);
	ff_rsync_free(rsync);
	rig_close(&slow);
	rig_close(&fast);
}

static void a_vanished_file_is_a_problem_only(void **state)
{
	struct ff_rsync *rsync;
	struct rig_pair pair;

	make_source();
	rig_mkdir("dst");
	rig_text("dst/top", "old top");
	rig_text("dst/a-b", "SORTS BETWEEN\n"); /* same size: goes by its digest */
	rig_mtime("dst/a-b", 1, 1);
	rsync = rig_rsync("src", NULL);
	unlink("src/top");
	unlink("src/a-b");
	rig_open(&pair);
	rig_add(rsync, &pair, "dst", true);
	rig_pump(&pair);
	assert_int_equal(pair.finished, 1);
	assert_int_equal(pair.err.code, 0);
	assert_int_equal(pair.stats.sent_files, 7);
	rig_expect("dst/top", "old top");
	rig_expect("dst/a-b", "SORTS BETWEEN\n");
	assert_int_equal(ff_rsync_problems(rsync)->len, 2);
	assert_non_null(strstr(ff_rsync_problems(rsync)->v[0], ": No such file"));
	ff_rsync_free(rsync);
	rig_close(&pair);
}

static void a_file_changed_since_the_scan(void **state)
{
	struct ff_rsync *rsync;
	struct rig_pair pair;

	make_source();
	rsync = rig_rsync("src", NULL);
	rig_text("src/a/one", "newer and longer");
	rig_mtime("src/a/one", 2000000000, 42);
	chmod("src/a/one", 0711);
	rig_mtime("src/a", 1000000002, 999999999);
	rig_open(&pair);
	rig_add(rsync, &pair, "dst", true);
	rig_pump(&pair);
	assert_int_equal(pair.err.code, 0);
	rig_same("src", "dst");
	assert_int_equal(ff_rsync_problems(rsync)->len, 0);
	ff_rsync_free(rsync);
	rig_close(&pair);
}

static void a_file_that_changes_while_it_is_read(void **state)
{
	struct ff_rsync *rsync;
	struct rig_pair pair;

	rig_mkdir("src");
	rig_fill("src/big", 9 << 20, 1);
	rsync = rig_rsync("src", NULL);
	rig_open(&pair);
	rig_hello(&pair);
	rig_add(rsync, &pair, "dst", true);
	for (int i = 0; i < 20; i++)
		rig_step(&pair, 1 << 16);
	assert_int_equal(rig_entries("dst"), 1); /* the temporary file */
	rig_fill("src/big", 8 << 20, 200);
	rig_pump(&pair);
	assert_int_equal(pair.err.code, 0);
	assert_int_equal(pair.stats.sent_files, 1);
	assert_true(pair.stats.sent_bytes > 8 << 20);
	rig_sync("src", "dst", true); /* the root's mtime is older in this one's manifest */
	rig_same("src", "dst");
	ff_rsync_free(rsync);
	rig_close(&pair);
}

static void a_file_that_never_stops_changing(void **state)
{
	struct ff_rsync *rsync;
	struct rig_pair pair;
	unsigned version = 1;

	rig_mkdir("src");
	rig_mkdir("dst");
	rig_text("dst/log", "old");
	rig_fill("src/log", 9 << 20, version);
	rsync = rig_rsync("src", NULL);
	rig_open(&pair);
	rig_hello(&pair);
	rig_add(rsync, &pair, "dst", true);
	while (rig_step(&pair, 1 << 20)) {
		version++;
		rig_fill("src/log", (9 << 20) + version, version);
	}
	assert_int_equal(pair.finished, 1);
	assert_int_equal(pair.err.code, 0);
	assert_int_equal(pair.stats.sent_files, 0);
	assert_int_equal(ff_rsync_problems(rsync)->len, 1);
	rig_expect("dst/log", "old");
	assert_int_equal(rig_entries("dst"), 1);
	ff_rsync_free(rsync);
	rig_close(&pair);
}

static void a_cut_leaves_no_half_written_file(void **state)
{
	struct ff_err lost = {.code = FF_ELOST, .text = "pulled the plug"};

	rig_mkdir("src");
	rig_fill("src/big", 5 << 20, 9);
	rig_mkdir("dst");
	rig_text("dst/big", "old content");
	for (int steps = 1; steps < 40; steps += 3) {
		struct ff_rsync *rsync = rig_rsync("src", NULL);
		struct rig_pair pair;

		rig_open(&pair);
		rig_hello(&pair);
		rig_add(rsync, &pair, "dst", false);
		for (int i = 0; i < steps; i++)
			rig_step(&pair, 1 << 16);
		ff_gateway_lost(pair.worker, &lost);
		ff_gateway_lost(pair.controller, &lost);
		assert_int_equal(pair.finished, 1);
		assert_int_equal(pair.err.code, FF_ELOST);
		rig_expect("dst/big", "old content");
		assert_int_equal(rig_entries("dst"), 1);
		ff_rsync_free(rsync);
		rig_close(&pair);
	}
}

static void abandoned_and_added_late(void **state)
{
	struct ff_rsync *rsync;
	struct rig_pair pair, late;

	make_source();
	rsync = rig_rsync("src", NULL);
	rig_open(&pair);
	rig_open(&late);
	rig_add(rsync, &pair, "dst", false);
	rig_pump(&pair);
	rig_add(rsync, &late, "late", false);
	rig_pump(&late);
	assert_int_equal(late.err.code, 0);
	rig_same("src", "late");
	rig_add(rsync, &pair, "third", false);
	rig_step(&pair, 20);
	assert_false(ff_rsync_done(rsync));
	ff_rsync_free(rsync);
	assert_int_equal(pair.finished, 1); /* the first one; the third was not told */
	rig_close(&pair);
	rig_close(&late);
}

static void free_it(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
		    const struct ff_err *err, void *ctx)
{
	struct ff_rsync **rsync = ctx;

	assert_int_equal(err->code, stats->root[0] ? 0 : FF_ELOST);
	ff_rsync_free(*rsync);
	*rsync = NULL;
}

static void freed_when_finished(void **state)
{
	static const struct ff_rsync_events events = {.finished = free_it};
	struct ff_err lost = {.code = FF_ELOST, .text = "pulled the plug"};
	struct ff_rsync *rsync;
	struct ff_rsync_target_opts opts = {.dest = "dst",
					    .task = &(const struct ff_task){.call_name = "rsync"},
					    .events = &events,
					    .ctx = &rsync};

	make_source();
	for (int cut = 0; cut < 2; cut++) {
		struct rig_pair pair;

		rsync = rig_rsync("src", NULL);
		rig_open(&pair);
		assert_non_null(ff_rsync_add_target(rsync, pair.controller, &opts, NULL));
		if (cut)
			ff_gateway_lost(pair.controller, &lost);
		else
			rig_pump(&pair);
		assert_null(rsync);
		rig_close(&pair);
	}
}

static void old_temporary_files_go(void **state)
{
	static const char old[] = "dst/a/.ff-0123456789abcdef00000001.tmp";
	static const char fresh[] = "dst/a/.ff-0123456789abcdef00000002.tmp";
	static const char other[] = "dst/a/.ff-notes.tmp";
	int fd;

	make_source();
	rig_sync("src", "dst", false);
	rig_text(old, "half");
	rig_mtime(old, 1000000000, 0);
	rig_text(fresh, "somebody is writing");
	rig_text(other, "mine");
	rig_text("src/a/one", "changed");
	fd = open("dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	rig_sync("src", "dst", false);
	assert_false(rig_exists(old));
	assert_true(rig_exists(fresh));
	assert_true(rig_exists(other));
	close(fd);
	rig_sync("src", "dst", false);
	assert_false(rig_exists(fresh));
	assert_true(rig_exists(other));
	rig_sync("src", "dst", true);
	assert_true(rig_exists(other));
}

/* A file gets its name when it is whole, also in a folder that is made for it. */
static void names_are_given_to_whole_files(void **state)
{
	char events[65536];
	struct ff_rsync *rsync;
	struct rig_pair pair;
	int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), moved = 0;
	ssize_t len;

	rig_mkdir("src");
	rig_mkdir("src/new");
	rig_text("src/new/small", "small");
	rig_text("src/new/empty", "");
	rig_fill("src/new/big", 1 << 20, 1);
	rsync = rig_rsync("src", NULL);
	rig_open(&pair);
	rig_hello(&pair);
	rig_add(rsync, &pair, "dst", true);
	while (!rig_exists("dst/new"))
		rig_step(&pair, 100);
	assert_true(inotify_add_watch(notify, "dst/new", IN_CREATE | IN_MOVED_TO) >= 0);
	rig_pump(&pair);
	assert_int_equal(pair.err.code, 0);
	while ((len = read(notify, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + len;) {
			const struct inotify_event *event = (void *)at;

			if (event->mask & IN_MOVED_TO)
				moved++;
			else
				assert_int_equal(strncmp(event->name, ".ff-", 4), 0);
			at += sizeof(*event) + event->len;
		}
	}
	close(notify);
	assert_int_equal(moved, 3);
	rig_same("src", "dst");
	ff_rsync_free(rsync);
	rig_close(&pair);
}

/* As many items there and back for a thousand files as for one. */
static void round_trips(void **state)
{
	int turns[2] = {0};
	char path[64];

	rig_mkdir("src");
	for (int round = 0; round < 2; round++) {
		struct ff_rsync *rsync;
		struct rig_pair pair;

		for (int i = 0; i < (round ? 1000 : 1); i++) {
			snprintf(path, sizeof(path), "src/%d", i);
			rig_text(path, "text");
			snprintf(path, sizeof(path), "src/link-%d", i);
			assert_int_equal(link("src/0", path) && errno != EEXIST, 0);
		}
		rig_sync("src", "dst", true);
		assert_int_equal(system("rm src/link-*; touch src/*; echo new >src/0"), 0);
		rsync = rig_rsync("src", NULL);
		rig_open(&pair);
		rig_add(rsync, &pair, "dst", true);
		while (rig_step(&pair, SIZE_MAX))
			turns[round]++;
		assert_int_equal(pair.err.code, 0);
		assert_int_equal(pair.stats.deleted, round ? 1000 : 1);
		ff_rsync_free(rsync);
		rig_close(&pair);
	}
	assert_int_equal(turns[0], turns[1]);
}

static void a_full_disk_is_named(void **state)
{
	struct rlimit was, limit;
	struct rig_pair pair;

	rig_mkdir("src");
	rig_fill("src/big", 4 << 20, 9);
	rig_mkdir("dst");
	rig_text("dst/big", "old content");
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	limit = was;
	limit.rlim_cur = 1 << 20;
	setrlimit(RLIMIT_FSIZE, &limit);
	rig_try(&pair, "src", "dst", false);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(pair.err.code, FF_EREMOTE);
	assert_non_null(strstr(pair.err.text, "dst/big: File too large"));
	rig_expect("dst/big", "old content");
	assert_int_equal(rig_entries("dst"), 1);
}

static void dest_that_cannot_be(void **state)
{
	struct rig_pair pair;

	make_source();
	rig_text("file", "in the way");
	rig_try(&pair, "src", "file/below", false);
	assert_int_equal(pair.err.code, FF_EREMOTE);
	assert_non_null(strstr(pair.err.text, "Not a directory"));
	rig_try(&pair, "src", "file", false);
	assert_int_equal(pair.err.code, FF_EREMOTE);
	rig_expect("file", "in the way");
}

static void deep_trees(void **state)
{
	char path[600] = "src";

	rig_mkdir(path);
	for (int i = 0; i < 60; i++) {
		size_t len = strlen(path);

		snprintf(path + len, sizeof(path) - len, "/d%d", i % 7);
		rig_mkdir(path);
		len = strlen(path);
		snprintf(path + len, sizeof(path) - len, "/f");
		rig_text(path, path);
		snprintf(path + len, sizeof(path) - len, "/z");
		rig_text(path, "behind the subdirectory");
		path[len] = 0;
	}
	rig_sync("src", "dst", true);
	rig_same("src", "dst");
	rig_sync("src", "dst", true);
	rig_same("src", "dst");
}

static bool carry_or_lose(struct ff_gateway *from, struct ff_gateway *to)
{
	struct ff_buf *out = ff_gateway_output(from);
	size_t len = out->len;
	struct ff_err err;

	if (!len)
		return false;
	(void)ff_gateway_feed(to, ff_buf_data(out), len, 0, &err);
	ff_buf_consume(out, len);
	ff_gateway_sent(from);
	return true;
}

/* Memory runs out at every point in turn: no crash, no leak, no half-written file, and whoever
 * waits is told. */
static void memory_runs_out(void **state)
{
	struct ff_rsync_target_opts opts = {.dest = "dst",
					    .task = &(const struct ff_task){.call_name = "rsync"},
					    .events = &rig_events};
	size_t nth = 1;
	bool done = false;

	rig_mkdir("src");
	rig_mkdir("src/d");
	rig_text("src/d/f", "new content");
	rig_text("src/g", "same size");
	rig_mtime("src/g", 1, 1);
	assert_int_equal(symlink("x", "src/l"), 0);
	for (; !done; nth++) {
		struct ff_err lost = {.code = FF_ELOST, .text = "lost"};
		struct ff_rsync *rsync = NULL;
		struct ff_tree tree = {0};
		struct rig_pair pair;

		assert_true(nth < 1000);
		(void)!system(
			"rm -rf dst; mkdir -p dst/d; echo old > dst/d/f; printf SAME.SIZE > dst/g");
		rig_open(&pair);
		opts.ctx = &pair;
		ff_alloc_fail_at(nth);
		if (!ff_tree_scan(&tree, "src", NULL, NULL)) {
			rsync = ff_rsync_new(&tree);
			if (!rsync)
				ff_tree_release(&tree);
		}
		if (rsync && ff_rsync_add_target(rsync, pair.controller, &opts, NULL)) {
			while (carry_or_lose(pair.controller, pair.worker) ||
			       carry_or_lose(pair.worker, pair.controller))
				;
			done = pair.finished && !pair.err.code;
		}
		ff_alloc_fail_at(0);
		if (!done) {
			ff_gateway_lost(pair.worker, &lost);
			ff_gateway_lost(pair.controller, &lost);
		}
		if (rsync && !ff_rsync_done(rsync))
			fail_msg("allocation %zu: nobody was told", nth);
		assert_true(rig_entries("dst") <= 4);
		if (!done && rig_exists("dst/d/f")) {
			char *text = rig_read("dst/d/f", NULL);

			assert_true(!strcmp(text, "old\n") || !strcmp(text, "new content"));
			free(text);
		}
		ff_rsync_free(rsync);
		rig_close(&pair);
	}
	rig_same("src", "dst");
	assert_true(nth > 20);
}

enum { ORDINARY = 65534 };

static int ordinary_setup(void **state)
{
	if (rig_setup(state))
		return -1;
	return geteuid() ? 0 : chown(rig_dir, ORDINARY, ORDINARY) || seteuid(ORDINARY);
}

static int ordinary_teardown(void **state)
{
	if (!getuid() && seteuid(0))
		return -1;
	return rig_teardown(state);
}

static void without_permission(void **state)
{
	struct rig_pair pair;
	struct ff_rsync *rsync;
	struct stat st;

	rig_mkdir("src");
	rig_mkdir("src/closed");
	rig_text("src/closed/f", "f");
	rig_mkdir("src/kept");
	rig_text("src/kept/f", "f");
	rig_text("src/secret", "secret");
	rig_text("src/open", "open");
	chmod("src/secret", 0000);
	chmod("src/closed", 0555);
	chmod("src/kept", 0555);
	rig_mkdir("dst");
	rig_mkdir("dst/closed");
	rig_mkdir("dst/closed/old");
	rig_text("dst/closed/old/x", "x");
	chmod("dst/closed/old", 0555);
	chmod("dst/closed", 0000);
	rig_mkdir("dst/kept");
	rig_text("dst/kept/gone", "gone");
	chmod("dst/kept", 0555);
	rig_text("dst/open", "OPEN");
	rig_mtime("dst/open", 1, 1);
	chmod("dst/open", 0000); /* can't be read for its digest */
	rsync = rig_rsync("src", NULL);
	rig_open(&pair);
	rig_add(rsync, &pair, "dst", true);
	rig_pump(&pair);
	assert_int_equal(pair.finished, 1);
	assert_string_equal(pair.err.text, "");
	assert_int_equal(ff_rsync_problems(rsync)->len, 1);
	assert_string_equal(ff_rsync_problems(rsync)->v[0], "secret: Permission denied");
	assert_int_equal(pair.stats.deleted, 0);
	assert_int_equal(pair.stats.problems, 1);
	assert_false(rig_exists("dst/secret"));
	rig_expect("dst/open", "open");
	rig_expect("dst/closed/f", "f");
	rig_expect("dst/kept/f", "f");
	assert_true(rig_exists("dst/kept/gone")); /* no sync brought it */
	assert_int_equal(rig_entries("dst"), 8);
	assert_int_equal(stat("dst/closed", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0555);
	assert_int_equal(stat("dst/kept", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0555);
	ff_rsync_free(rsync);
	rig_close(&pair);

	/* What a sync brought goes from such folders, and they from such a root. */
	assert_int_equal(chmod("src/closed", 0755) | chmod("src/kept", 0755), 0);
	assert_int_equal(unlink("src/closed/f") | unlink("src/kept/f") | rmdir("src/closed"), 0);
	assert_int_equal(chmod("src/kept", 0555) | chmod("dst", 0555), 0);
	rig_try(&pair, "src", "dst", true);
	assert_string_equal(pair.err.text, "");
	assert_int_equal(pair.stats.deleted, 2);
	assert_false(rig_exists("dst/kept/f"));
	assert_true(rig_exists("dst/closed/old/x"));

	rig_mkdir("cage");
	chmod("cage", 0555);
	rig_try(&pair, "src", "cage/dst", true);
	assert_int_equal(pair.err.code, FF_EREMOTE);
	assert_non_null(strstr(pair.err.text, "cage/dst: Permission denied"));
}

/* A receiver of another make: md5, unknown digests, and what it may not say. */
static void other_receivers(void **state)
{
	static const struct {
		const char *alg, *digest;
		int flags; /* of the answer; 0: refused */
	} cases[] = {
		/* md5 and xxh3-128 of "abc" */
		{"md5", "\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72", 0x06},
		{"md5", "0123456789abcdef", 0x03},
		{"xxh3-128", "\x06\xb0\x5a\xb6\x73\x3a\x61\x85\x78\xaf\x5f\x94\x89\x2f\x39\x50",
		 0x06},
		{"crc32", "0123456789abcdef", 0x03},
		{"md5", "short", 0},
	};
	rig_mkdir("src");
	rig_text("src/f", "abc");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_rsync *rsync = rig_rsync("src", NULL);
		struct rig_pair pair;
		struct ff_channel *channel;
		struct ff_item item = FF_ITEM_INIT;
		char record[4 + 16] = {0, 0, 0, 1};
		size_t len = 4 + (strlen(cases[i].digest) < 16 ? 5 : 16);
		struct ff_value none[] = {ff_str("need"), ff_none()};
		struct ff_value hash[] = {ff_str("hash"), ff_str(cases[i].alg),
					  ff_bytes(record, len)};
		struct ff_value items[] = {ff_collection(FF_TUPLE, hash, 3),
					   ff_collection(FF_TUPLE, none, 2)};

		memcpy(record + 4, cases[i].digest, len - 4);
		rig_open(&pair);
		rig_add(rsync, &pair, "dst", false);
		/* Not carried to the receiver: we are it. */
		ff_buf_clear(ff_gateway_output(pair.controller));
		channel = ff_channel_from_id(pair.worker, 1);
		assert_int_equal(ff_channel_send(channel, &items[0], NULL), 0);
		assert_int_equal(ff_channel_send(channel, &items[1], NULL), 0);
		rig_carry(pair.worker, pair.controller, SIZE_MAX);
		rig_carry(pair.controller, pair.worker, SIZE_MAX);
		if (cases[i].flags) {
			assert_int_equal(ff_channel_poll(channel, &item, NULL), 0);
			assert_true(ff_is_str(ff_at(&item.value, 0), "d"));
			assert_int_equal(ff_at(&item.value, 1)->text[3], 1);
			assert_int_equal(ff_at(&item.value, 1)->text[4], cases[i].flags);
			ff_item_release(&item);
			assert_int_equal(ff_channel_poll(channel, &item, NULL), 0);
			assert_true(ff_is_str(ff_at(&item.value, 0), "end"));
			ff_item_release(&item);
		} else {
			assert_int_equal(pair.finished, 1);
			assert_int_equal(pair.err.code, FF_EPROTO);
		}
		ff_channel_unref(channel);
		ff_rsync_free(rsync);
		rig_close(&pair);
	}
}

/* What a receiver may not ask for. */
static void greedy_receivers(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{"\0\0\0\2", 4}, {"\0\0\0\0", 4},	  {"\377\377\377\377", 4},
		{"\0\0\1", 3},	 {"\0\0\0\1\0\0\0\1", 8},
	};
	rig_mkdir("src");
	rig_text("src/f", "abc");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_rsync *rsync = rig_rsync("src", NULL);
		struct ff_value need[] = {ff_str("need"), ff_bytes(cases[i].bytes, cases[i].len)};
		struct ff_value item = ff_collection(FF_TUPLE, need, 2);
		struct ff_channel *channel;
		struct rig_pair pair;

		rig_open(&pair);
		rig_add(rsync, &pair, "dst", false);
		ff_buf_clear(ff_gateway_output(pair.controller));
		channel = ff_channel_from_id(pair.worker, 1);
		assert_int_equal(ff_channel_send(channel, &item, NULL), 0);
		rig_carry(pair.worker, pair.controller, SIZE_MAX);
		assert_int_equal(pair.finished, 1);
		assert_int_equal(pair.err.code, FF_EPROTO);
		ff_channel_unref(channel);
		ff_rsync_free(rsync);
		rig_close(&pair);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_and_unchanged),
		TEST(with_credit_and_odd_boundaries),
		TEST(what_differs_is_sent),
		TEST(kinds_change),
		TEST(deletes_only_when_told),
		TEST(an_unchanged_record_is_left_alone),
		cmocka_unit_test_setup_teardown(a_folder_in_a_locked_one, ordinary_setup,
						ordinary_teardown),
		TEST(names_are_given_to_whole_files),
		TEST(round_trips),
		TEST(delete_spares_the_home_directory),
		TEST(each_file_is_opened_once_for_all),
		TEST(targets_with_different_wants),
		TEST(a_slow_target_holds_nobody_up),
		TEST(a_vanished_file_is_a_problem_only),
		TEST(a_file_changed_since_the_scan),
		TEST(a_file_that_changes_while_it_is_read),
		TEST(a_file_that_never_stops_changing),
		TEST(a_cut_leaves_no_half_written_file),
		TEST(abandoned_and_added_late),
		TEST(freed_when_finished),
		TEST(old_temporary_files_go),
		TEST(a_full_disk_is_named),
		TEST(dest_that_cannot_be),
		TEST(deep_trees),
		cmocka_unit_test_setup_teardown(without_permission, ordinary_setup,
						ordinary_teardown),
		TEST(memory_runs_out),
		TEST(other_receivers),
		TEST(greedy_receivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
