/* Tree sync into real workers: what it promises about holes, hard links, what can't be read, killed
 * syncs and two runs in one folder. */
#include "rsync_workers.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "base/clock.h"

/* --- holes --- */

enum { GIB = 1 << 30 };

static void put_at(const char *path, off_t at, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
	close(fd);
}

static void expect_at(const char *path, off_t at, const char *text)
{
	char there[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, there, strlen(text), at), (ssize_t)strlen(text));
	assert_string_equal(there, text);
	close(fd);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		fail_msg("%s: %s", path, strerror(errno));
	return st;
}

void holes_travel(void **state)
{
	const off_t size = (off_t)5 * GIB + 12345, middle = (off_t)3 * GIB - 5;
	struct outcome outcome = {0};

	rig_mkdir("src");
	rig_mkdir("src/new");
	rig_text("src/new/holes", "");
	if (truncate("src/new/holes", size) || stat_of("src/new/holes").st_blocks > 64) {
		print_message("no files with holes here\n");
		return;
	}
	put_at("src/new/holes", middle, "in the middle");
	rig_text("src/all", "");
	assert_int_equal(truncate("src/all", size), 0);
	rig_text("src/small", "");
	assert_int_equal(truncate("src/small", 20000), 0);
	put_at("src/small", 0, "begins");
	put_at("src/many", 0, "x");
	for (off_t at = 1; at < 3000; at++)
		put_at("src/many", at * 8192, "one of many");
	try_sync("src", "dst", true, &outcome);
	assert_int_equal(outcome.err.code, 0);
	assert_in_range(outcome.stats.sent_bytes, 26, 20 << 20);
	outcome_release(&outcome);
	assert_int_equal(stat_of("dst/new/holes").st_size, size);
	assert_int_equal(stat_of("dst/all").st_size, size);
	assert_in_range(stat_of("dst/new/holes").st_blocks + stat_of("dst/all").st_blocks, 0, 256);
	assert_in_range(stat_of("dst/small").st_blocks, 0, stat_of("src/small").st_blocks);
	assert_in_range(stat_of("dst/many").st_blocks, 0, stat_of("src/many").st_blocks);
	expect_at("dst/new/holes", middle, "in the middle");
	assert_int_equal(system("cmp src/many dst/many && cmp src/small dst/small"), 0);
	/* Another time only: both sides can tell without reading all those zeros. */
	rig_mtime("src/new/holes", 5, 5);
	rig_mtime("src/many", 6, 6);
	assert_int_equal(sync_ok("src", "dst", true), 0);
	assert_int_equal(stat_of("dst/new/holes").st_mtim.tv_sec, 5);
	/* The same zeros, written out at one end. */
	assert_int_equal(system("cp --sparse=never src/many dst/many && touch -d @9 dst/many"), 0);
	assert_int_equal(sync_ok("src", "dst", true), 0);
	/* Another content of the same size. */
	put_at("src/new/holes", 7, "elsewhere");
	rig_mtime("src/new/holes", 8, 8);
	assert_int_equal(sync_ok("src", "dst", true), 1);
	expect_at("dst/new/holes", 7, "elsewhere");
}

/* --- hard links --- */

static void expect_linked(const char *a, const char *b, bool linked)
{
	struct stat one = stat_of(a), two = stat_of(b);

	if ((one.st_ino == two.st_ino && one.st_dev == two.st_dev) != linked)
		fail_msg("%s and %s are%s one file", a, b, linked ? " not" : "");
}

void hard_links(void **state)
{
	struct outcome outcome = {0};
	struct stat before;

	rig_mkdir("src");
	rig_mkdir("src/a");
	rig_mkdir("src/z");
	rig_text("src/z/first", "one file");
	assert_int_equal(link("src/z/first", "src/a/second") | link("src/z/first", "src/third"), 0);
	rig_text("src/a/alone", "alone");
	try_sync("src", "dst", true, &outcome);
	assert_int_equal(outcome.err.code, 0);
	assert_int_equal(outcome.stats.files, 4);
	assert_int_equal(outcome.stats.sent_files, 2);
	outcome_release(&outcome);
	rig_same("src", "dst");
	expect_linked("dst/z/first", "dst/a/second", true);
	expect_linked("dst/z/first", "dst/third", true);
	before = stat_of("dst/a/second");
	assert_int_equal(sync_ok("src", "dst", true), 0);
	assert_int_equal(before.st_ctim.tv_nsec, stat_of("dst/a/second").st_ctim.tv_nsec);
	expect_linked("dst/z/first", "dst/third", true);
	/* New content, seen by all names. */
	put_at("src/third", 0, "another file, longer");
	assert_int_equal(sync_ok("src", "dst", true), 1);
	rig_same("src", "dst");
	expect_linked("dst/z/first", "dst/a/second", true);
	/* One becomes a file of its own: same size, content, time, mode. */
	assert_int_equal(system("cd src && cp -p third copy && mv copy third"), 0);
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
	expect_linked("dst/z/first", "dst/third", false);
	expect_linked("dst/z/first", "dst/a/second", true);
	/* With another mode only. */
	assert_int_equal(system("cd src && cp -p z/first z/copy && mv z/copy z/first && "
				"chmod 640 z/first"),
			 0);
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
	expect_linked("dst/z/first", "dst/a/second", false);
	/* And the other way round. */
	assert_int_equal(unlink("src/a/alone") | link("src/third", "src/a/alone"), 0);
	assert_int_equal(unlink("src/z/first") | link("src/third", "src/z/first"), 0);
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
	expect_linked("dst/a/alone", "dst/third", true);
	expect_linked("dst/z/first", "dst/third", true);
	expect_linked("dst/a/second", "dst/third", false);
	/* Deleted like any other name. */
	assert_int_equal(unlink("src/a/alone"), 0);
	try_sync("src", "dst", true, &outcome);
	assert_int_equal(outcome.stats.deleted, 1);
	outcome_release(&outcome);
	rig_same("src", "dst");
	expect_linked("dst/z/first", "dst/third", true);
}

/* A name of ours that leads to somebody else's file: that one stays as it is. */
void hard_links_of_others(void **state)
{
	struct stat st;

	rig_mkdir("src");
	rig_mkdir("outside");
	rig_text("src/file", "content");
	rig_text("outside/file", "content");
	rig_mtime("outside/file", 50, 50);
	rig_mkdir("dst");
	assert_int_equal(link("outside/file", "dst/file"), 0);
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
	assert_int_equal(unlink("dst/file") | chmod("outside/file", 0600), 0);
	st = stat_of("src/file");
	rig_mtime("outside/file", st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	assert_int_equal(link("outside/file", "dst/file"), 0);
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
	assert_int_equal(stat_of("outside/file").st_mode & 07777, 0600);
	expect_linked("outside/file", "dst/file", false);
}

/* What one kind of worker wrote down the other one reads, and writes the same. */
void one_record_for_both(void **state)
{
	static const char record[] = ".ff-dst.sync-record";
	struct ff_gateway *other = open_gateway(world.other);
	struct outcome outcome = {0};
	struct ff_rsync *rsync;
	struct stat before;

	rig_mkdir("src");
	rig_mkdir("src/a");
	rig_mkdir("src/a/b");
	rig_text("src/a/b/x", "x");
	rig_text("src/a-b", "sorts between");
	rig_text("src/a\x01", "so does this");
	rig_text("src/\xff\xfe", "no UTF-8");
	assert_int_equal(link("src/a-b", "src/hard") | symlink("a", "src/link"), 0);
	assert_int_equal(symlink(in_rig("src/a"), "src/inside"), 0);
	sync_ok("src", "dst", true);
	before = stat_of(record);
	rig_mkdir("dst/a/b/own");
	for (int round = 0; round < 3; round++) {
		if (round) { /* more is in the record than in the manifest, then less */
			assert_int_equal(system("rm -rf src/a src/hard; mkdir -p src/new"), 0);
			sync_ok("src", "dst", round == 2);
			before = stat_of(record);
		}
		rsync = rig_rsync("src", NULL);
		add_target(rsync, other, "dst", round == 2, &outcome);
		run_sync(rsync);
		ff_rsync_free(rsync);
		assert_int_equal(outcome.err.code, 0);
		assert_string_equal(outcome.problems, "");
		assert_int_equal(outcome.stats.deleted, 0);
		outcome_release(&outcome);
		assert_int_equal(stat_of(record).st_ino, before.st_ino);
		assert_int_equal(rig_exists("dst/a/b/x"), round < 2);
		assert_true(rig_exists("dst/a/b/own"));
	}
	assert_int_equal(rmdir("dst/a/b/own"), 0);
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
}

/* --- what can't be read --- */

static void expect_told(const struct outcome *outcome, size_t count, const char *line)
{
	if (!strstr(outcome->problems, line) || outcome->stats.problems != count)
		fail_msg("'%s' is not among %zu problems: %s", line, count, outcome->problems);
}

void what_cannot_be_read(void **state)
{
	struct ff_gateway *other = open_gateway(world.other);
	struct outcome one = {0}, two = {0};
	struct ff_rsync *rsync;

	if (!geteuid()) {
		print_message("root can read everything\n");
		return;
	}
	rig_mkdir("src");
	rig_mkdir("src/folder");
	rig_text("src/folder/x", "x");
	rig_text("src/old", "old");
	rig_text("src/fresh", "fresh");
	sync_ok("src", "dst", true);
	rig_text("src/old", "newer");
	rig_text("src/new", "new");
	assert_int_equal(link("src/new", "src/new-too"), 0);
	assert_int_equal(mkfifo("src/pipe", 0600), 0);
	assert_int_equal(chmod("src/old", 0) | chmod("src/new", 0) | chmod("src/fresh", 0), 0);
	assert_int_equal(chmod("src/folder", 0), 0);
	for (int again = 0; again < 2; again++) {
		rsync = rig_rsync("src", NULL);
		add_target(rsync, world.gw, "dst", true, &one);
		add_target(rsync, other, "dst2", true, &two);
		run_sync(rsync);
		assert_int_equal(one.err.code | two.err.code, 0);
		expect_told(&one, 6,
			    "unreadable old: Permission denied (an older copy stays there)\n");
		expect_told(&one, 6, "unreadable new: Permission denied (it is missing there)\n");
		expect_told(&one, 6,
			    "unreadable new-too: Permission denied (it is missing there)\n");
		expect_told(&one, 6, "unreadable folder: Permission denied\n");
		expect_told(&one, 6, "unreadable fresh: Permission denied");
		expect_told(&one, 6, "special pipe: neither a file");
		expect_told(&two, 6, "unreadable old: Permission denied (it is missing there)\n");
		assert_int_equal(ff_rsync_problems(rsync)->len, 6);
		assert_non_null(ff_rsync_fault(rsync, 5));
		assert_null(ff_rsync_fault(rsync, 6));
		ff_rsync_free(rsync);
		outcome_release(&one);
		outcome_release(&two);
		rig_expect("dst/old", "old");
		assert_int_equal(chmod("dst/folder", 0700), 0);
		rig_expect("dst/folder/x", "x"); /* not seen is not gone */
	}
	/* As soon as it can be read, it is there. */
	assert_int_equal(chmod("src/old", 0644) | chmod("src/new", 0644), 0);
	assert_int_equal(chmod("src/fresh", 0644) | chmod("src/folder", 0755) | unlink("src/pipe"),
			 0);
	try_sync("src", "dst", true, &one);
	assert_int_equal(one.stats.problems, 0);
	outcome_release(&one);
	rig_same("src", "dst");
}

static void take_away(const char *path)
{
	if (!strcmp(path, "a"))
		assert_int_equal(unlink("src/x") | unlink("src/y"), 0);
}

void what_goes_while_it_is_sent(void **state)
{
	struct outcome outcome = {0};

	rig_mkdir("src");
	rig_text("src/a", "a");
	rig_fill("src/b", 1 << 20, 1); /* so that the others are not under way already */
	rig_text("src/x", "x");
	rig_text("src/y", "y");
	rig_mkdir("dst");
	rig_text("dst/x", "older");
	outcome.meanwhile = take_away;
	try_sync("src", "dst", true, &outcome);
	assert_int_equal(outcome.err.code, 0);
	expect_told(&outcome, 2,
		    "vanished x: No such file or directory (an older copy stays there)\n");
	expect_told(&outcome, 2, "vanished y: No such file or directory (it is missing there)\n");
	outcome_release(&outcome);
	rig_expect("dst/x", "older");
}

/* --- killed syncs --- */

void left_over_temporary_files(void **state)
{
	static const char *const left[] = {"dst/.ff-0123456789abcdef01.tmp",
					   "dst/d/.ff-0123456789abcdef02.tmp",
					   "dst/gone/.ff-0123456789abcdef03.tmp"};
	int fd;

	rig_mkdir("src");
	rig_mkdir("src/d");
	rig_mkdir("src/gone");
	rig_text("src/d/x", "x");
	/* Not made in the same tick of the clock as what is left below. */
	rig_mtime("src/d", 50, 50);
	sync_ok("src", "dst", true);
	for (size_t i = 0; i < 3; i++)
		rig_text(left[i], "half");
	assert_int_equal(rmdir("src/gone"), 0);
	rig_mtime("src", 60, 60);
	/* Somebody is at work there: they may be his. */
	fd = open("dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	sync_ok("src", "dst", true);
	for (size_t i = 0; i < 3; i++)
		assert_true(rig_exists(left[i]));
	close(fd);
	/* Now nobody is. */
	sync_ok("src", "dst", true);
	for (size_t i = 0; i < 3; i++)
		assert_false(rig_exists(left[i]));
	rig_same("src", "dst");
}

static pid_t pid_of(struct ff_gateway *gw)
{
	struct ff_task task = {.source = "import os; channel.send(os.getpid())"};
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	pid_t pid;

	if (ff_gateway_is_native(gw))
		task = (struct ff_task){.call_name = "info"};
	channel = ff_gateway_remote_exec(gw, &task, NULL);
	assert_non_null(channel);
	assert_int_equal(ff_channel_receive(channel, WAIT_MS, &item, NULL), 0);
	pid = (pid_t)(item.value.kind == FF_DICT ? ff_dict_int(&item.value, "pid", 0)
						 : ff_as_int(&item.value, 0));
	assert_true(pid > 1);
	ff_item_release(&item);
	ff_channel_unref(channel);
	return pid;
}

static pid_t doomed;

static void kill_it(const char *path)
{
	if (!strcmp(path, "new/05"))
		kill(doomed, SIGKILL);
}

void a_killed_sync(void **state)
{
	struct outcome outcome = {.meanwhile = kill_it, .owner = "killed"}, again = {0};
	struct ff_gateway *gw = open_gateway(world.spec);
	struct ff_rsync *rsync;
	char path[64];

	rig_mkdir("src");
	rig_mkdir("src/new");
	rig_fill("src/new/00", 5000000, 7);
	for (int i = 1; i < 40; i++) {
		snprintf(path, sizeof(path), "src/new/%02d", i);
		rig_fill(path, 300000, (unsigned)i);
	}
	doomed = pid_of(gw);
	rsync = rig_rsync("src", NULL);
	add_target(rsync, gw, "dst", true, &outcome);
	run_sync(rsync);
	ff_rsync_free(rsync);
	assert_int_equal(outcome.err.code, FF_ELOST);
	outcome_release(&outcome);
	/* What has its own name is whole. */
	for (int i = 1; i < 40; i++) {
		snprintf(path, sizeof(path), "dst/new/%02d", i);
		if (rig_exists(path))
			assert_int_equal(stat_of(path).st_size, 300000);
	}
	/* The source goes on without some of it: also what only that sync brought is known. Its
	 * lock is gone with it. */
	assert_int_equal(system("rm src/new/0[1-4]"), 0);
	again.owner = "another";
	try_sync("src", "dst", true, &again);
	assert_int_equal(again.err.code, 0);
	outcome_release(&again);
	rig_same("src", "dst");
	assert_int_equal(rig_entries("dst"), rig_entries("src"));
}

/* --- two runs in one folder --- */

static void make_locked_source(void)
{
	rig_mkdir("src");
	rig_text("src/x", "x");
}

/* Dead, and seen to be dead: its descriptors are closed. */
static void kill_and_wait(struct ff_gateway *gw, pid_t pid)
{
	int64_t deadline = ff_clock_us() + (int64_t)WAIT_MS * 1000;

	struct ff_channel *channel = ff_channel_new(gw);

	assert_non_null(channel);
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (!ff_channel_receive_closed(channel) && ff_clock_us() < deadline)
		ff_loop_run_once(&world.loop, deadline);
	assert_true(ff_channel_receive_closed(channel));
	ff_channel_unref(channel);
}

static int sync_as(struct ff_gateway *gw, const char *owner, char *words)
{
	struct outcome outcome = {.owner = owner, .holder = "tester@somewhere pid 7"};
	struct ff_rsync *rsync = rig_rsync("src", NULL);
	int code;

	add_target(rsync, gw, "dst", true, &outcome);
	run_sync(rsync);
	ff_rsync_free(rsync);
	code = outcome.err.code;
	if (words)
		strcpy(words, outcome.err.text);
	else if (code)
		print_message("%s\n", outcome.err.text);
	outcome_release(&outcome);
	return code;
}

static void expect_busy(struct ff_gateway *gw, const char *owner)
{
	char words[FF_ERR_TEXT_MAX] = "";

	assert_int_equal(sync_as(gw, owner, words), FF_EBUSY);
	if (!strstr(words, in_rig("dst")) || !strstr(words, "tester@somewhere pid 7") ||
	    !strstr(words, "(run run-1\"2)") || !strstr(words, ", worker ") ||
	    !strstr(words, " pid ") || !strstr(words, ", since 20"))
		fail_msg("%s", words);
}

void locks(void **state)
{
	struct ff_gateway *a = open_gateway(world.spec), *b = open_gateway(world.spec);
	struct ff_gateway *c = open_gateway(world.other);
	pid_t pids[] = {pid_of(a), pid_of(b), pid_of(c)};

	make_locked_source();
	assert_int_equal(sync_as(a, "run-1\"2", NULL), 0);
	assert_int_equal(sync_as(a, "run-1\"2", NULL), 0);
	expect_busy(b, "run-2");
	expect_busy(c, "run-1");
	/* Without an owner nobody looks at it. */
	assert_int_equal(sync_as(b, NULL, NULL), 0);
	/* The same run, from other connections. */
	assert_int_equal(sync_as(b, "run-1\"2", NULL), 0);
	assert_int_equal(sync_as(c, "run-1\"2", NULL), 0);
	kill_and_wait(a, pids[0]);
	kill_and_wait(b, pids[1]);
	a = open_gateway(world.spec);
	expect_busy(a, "run-2");
	/* With the last of them it is free at once. */
	kill_and_wait(c, pids[2]);
	rig_text("src/x", "changed");
	assert_int_equal(sync_as(a, "run-2", NULL), 0);
	rig_same("src", "dst");
	/* A bad owner is none. */
	assert_int_equal(sync_as(a, "", NULL), FF_EREMOTE);
}
