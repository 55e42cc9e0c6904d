/* Tree sync into real workers: what it brings over, and what it tells. */
#include "rsync_workers.h"

#include <sys/resource.h>

#include "base/clock.h"

enum { MIB = 1 << 20 };

static void read_only(const char *path, mode_t mode)
{
	assert_int_equal(chmod(path, mode), 0);
}

/* --- what is brought over --- */

static void make_source(void)
{
	rig_mkdir("src");
	rig_mkdir("src/a");
	rig_mkdir("src/a/empty");
	rig_mkdir("src/b");
	rig_text("src/a/one", "1");
	rig_text("src/a/two", "22");
	rig_text("src/empty", "");
	rig_fill("src/b/small", 5000, 1);
	rig_fill("src/b/big", 3 * MIB + 17, 2);
	chmod("src/a/two", 0750);
	rig_mtime("src/a/one", 1000000000, 123456789);
	assert_int_equal(symlink("one", "src/a/link"), 0);
	assert_int_equal(symlink("nowhere", "src/dangling"), 0);
}

void a_whole_tree(void **state)
{
	struct outcome outcome = {0};
	struct stat before, after;

	make_source();
	try_sync("src", "new/parents/dst", false, &outcome);
	assert_int_equal(outcome.err.code, 0);
	assert_int_equal(outcome.stats.files, 5);
	assert_int_equal(outcome.stats.sent_files, 5);
	assert_int_equal(outcome.stats.sent_bytes, 3 + 5000 + 3 * MIB + 17);
	assert_int_equal(outcome.stats.deleted, 0);
	assert_string_equal(outcome.stats.root, in_rig("new/parents/dst"));
	outcome_release(&outcome);
	rig_same("src", "new/parents/dst");
	/* Again: nothing is sent, nothing is touched. */
	assert_int_equal(lstat("new/parents/dst/a/two", &before), 0);
	assert_int_equal(sync_ok("src", "new/parents/dst", true), 0);
	assert_int_equal(lstat("new/parents/dst/a/two", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
	rig_same("src", "new/parents/dst");
}

void what_differs_is_sent(void **state)
{
	make_source();
	sync_ok("src", "dst", false);
	rig_text("src/a/one", "one more");	   /* other size */
	rig_text("dst/a/two", "xx");		   /* same size, other content */
	rig_mtime("dst/b/small", 5, 5);		   /* same content, other time */
	chmod("dst/b/big", 0600);		   /* other mode only */
	rig_mtime("dst/empty", 7, 7);		   /* nothing to compare */
	assert_int_equal(unlink("dst/a/link"), 0); /* a link to somewhere else */
	assert_int_equal(symlink("two", "dst/a/link"), 0);
	assert_int_equal(rmdir("dst/a/empty"), 0);
	assert_int_equal(sync_ok("src", "dst", false), 2);
	rig_same("src", "dst");
	assert_int_equal(sync_ok("src", "dst", false), 0);
}

void kinds_change(void **state)
{
	rig_mkdir("src");
	rig_mkdir("src/dir-for-file");
	rig_text("src/dir-for-file/x", "x");
	rig_mkdir("src/dir-for-link");
	rig_text("src/file-for-dir", "text");
	rig_text("src/file-for-link", "text");
	assert_int_equal(symlink("x", "src/link-for-dir"), 0);
	assert_int_equal(symlink("x", "src/link-for-file"), 0);
	rig_mkdir("dst");
	rig_mkdir("else");
	rig_text("else/keep", "keep");
	rig_text("dst/dir-for-file", "in the way");
	assert_int_equal(symlink("../else", "dst/dir-for-link"), 0);
	rig_mkdir("dst/file-for-dir");
	rig_mkdir("dst/file-for-dir/below");
	rig_text("dst/file-for-dir/below/x", "in the way");
	assert_int_equal(symlink("../else/keep", "dst/file-for-link"), 0);
	rig_mkdir("dst/link-for-dir");
	rig_text("dst/link-for-dir/x", "in the way");
	rig_text("dst/link-for-file", "in the way");
	sync_ok("src", "dst", false);
	rig_same("src", "dst");
	rig_expect("else/keep", "keep");
}

static const char record[] = ".ff-dst.sync-record";

/* What the host made stays, whatever the source says; what a sync brought goes with the source. */
void deletes_only_when_told(void **state)
{
	struct outcome outcome = {0};

	make_source();
	rig_mkdir("src/goes");
	rig_mkdir("src/goes/ro");
	rig_text("src/goes/ro/x", "x");
	rig_mkdir("src/used");
	rig_text("src/used/x", "x");
	read_only("src/goes/ro", 0500);
	sync_ok("src", "dst", false);
	read_only("src/goes/ro", 0700);
	rig_mkdir("dst/venv");
	rig_text("dst/venv/x", "x");
	rig_text("dst/a/stray", "x");
	rig_mkdir("dst/used/__pycache__");
	rig_text("dst/used/__pycache__/x", "x");
	rig_mkdir("outside");
	rig_text("outside/keep", "keep");
	assert_int_equal(symlink("../outside", "dst/b/stray"), 0);
	assert_int_equal(system("rm -r src/goes src/used src/a/link src/a/one"), 0);
	sync_ok("src", "dst", false);
	assert_true(rig_exists("dst/goes/ro/x") && rig_exists("dst/a/one"));
	try_sync("src", "dst", true, &outcome);
	assert_int_equal(outcome.err.code, 0);
	assert_string_equal(outcome.problems, "");
	assert_int_equal(outcome.stats.sent_files, 0);
	assert_int_equal(outcome.stats.deleted, 6); /* goes, ro, x, used/x, link, one */
	outcome_release(&outcome);
	assert_false(rig_exists("dst/goes") || rig_exists("dst/a/one") || rig_exists("dst/a/link"));
	assert_true(rig_exists("dst/venv/x") && rig_exists("dst/a/stray"));
	assert_true(rig_exists("dst/b/stray") && rig_exists("dst/used/__pycache__/x"));
	assert_false(rig_exists("dst/used/x"));
	rig_expect("outside/keep", "keep");
	/* A folder that a sync brought goes when nothing of the host's is left in it. */
	assert_int_equal(system("rm -r dst/used/__pycache__ dst/venv dst/a/stray dst/b/stray"), 0);
	try_sync("src", "dst", true, &outcome);
	assert_int_equal(outcome.stats.deleted, 1);
	outcome_release(&outcome);
	rig_same("src", "dst");
}

/* What the host put in the place of what was brought is its own. */
void deletes_only_what_it_brought(void **state)
{
	struct outcome outcome = {0};

	make_source();
	rig_mkdir("src/folder");
	rig_text("src/folder/x", "x");
	sync_ok("src", "dst", true);
	assert_int_equal(system("rm -r src/a/one src/a/two src/folder src/a/link"), 0);
	assert_int_equal(
		system("cd dst/a && rm one link ../folder/x && mkdir one && touch one/own &&"
		       "touch link && rmdir ../folder && ln -s a ../folder"),
		0);
	try_sync("src", "dst", true, &outcome);
	assert_int_equal(outcome.err.code, 0);
	assert_int_equal(outcome.stats.deleted, 1);
	outcome_release(&outcome);
	assert_true(rig_exists("dst/a/one/own") && rig_exists("dst/a/link"));
	assert_true(rig_exists("dst/folder") && !rig_exists("dst/a/two"));
}

/* Without a record that can be believed nothing is deleted. */
void damaged_records(void **state)
{
	struct outcome outcome = {0};
	char *bytes, path[64];
	size_t len;

	make_source();
	for (int way = 0; way < 6; way++) {
		snprintf(path, sizeof(path), "src/a/new%d", way);
		rig_text(path, "new");
		sync_ok("src", "dst", true);
		assert_int_equal(unlink(path), 0);
		memcpy(path, "dst", 3);
		bytes = rig_read(record, &len);
		assert_non_null(bytes);
		bytes[len / 2] ^= way == 1;
		if (way < 3) /* whole, but with another byte in it; short; empty */
			rig_write(record, bytes, way == 0 ? len - 1 : way == 1 ? len : 0);
		else
			assert_int_equal(unlink(record), 0);
		if (way == 4)
			assert_int_equal(symlink("elsewhere", record), 0);
		if (way == 5)
			rig_mkdir(record);
		rig_write("elsewhere", bytes, len);
		free(bytes);
		try_sync("src", "dst", true, &outcome);
		assert_int_equal(outcome.err.code, 0);
		assert_int_equal(outcome.stats.deleted, 0);
		assert_int_equal(strstr(outcome.problems, "damaged") != NULL, way != 3);
		assert_int_equal(outcome.stats.problems > 0, way != 3);
		assert_true(rig_exists(path));
		outcome_release(&outcome);
		if (way == 5)
			assert_int_equal(rmdir(record), 0);
	}
}

static bool not_two(void *ctx, const char *path, enum ff_tree_kind kind)
{
	return strcmp(path, "a/two") != 0;
}

void filters(void **state)
{
	char *exclude[] = {"*.o", "/b", "empty/", NULL};
	const struct ff_tree_filter filter = {.exclude = exclude, .keep = not_two};
	struct outcome outcome = {0}, fresh = {0};
	struct ff_rsync *rsync;

	make_source();
	rig_text("src/a/x.o", "object");
	rig_text("src/a/gone.o", "object");
	sync_ok("src", "dst", false);
	/* What was brought and is left out now stays, also if the source has it no more. */
	assert_int_equal(unlink("src/a/gone.o") | unlink("src/a/one"), 0);
	rsync = rig_rsync("src", &filter);
	add_target(rsync, world.gw, "dst", true, &outcome);
	add_target(rsync, world.gw, "fresh", true, &fresh);
	run_sync(rsync);
	ff_rsync_free(rsync);
	assert_int_equal(outcome.err.code | fresh.err.code, 0);
	assert_int_equal(outcome.stats.deleted, 1);
	outcome_release(&outcome);
	outcome_release(&fresh);
	assert_false(rig_exists("dst/a/one"));
	assert_true(rig_exists("dst/a/empty") && rig_exists("dst/a/two") &&
		    rig_exists("dst/b/big"));
	assert_true(rig_exists("dst/a/x.o") && rig_exists("dst/a/gone.o"));
	assert_true(rig_exists("fresh/empty")); /* a file: the pattern is for directories */
	assert_false(rig_exists("fresh/a/empty") || rig_exists("fresh/a/two"));
	assert_false(rig_exists("fresh/a/x.o") || rig_exists("fresh/b"));
	/* It is still known who brought it. */
	assert_int_equal(system("rm -r src/b"), 0);
	try_sync("src", "dst", true, &outcome);
	assert_int_equal(outcome.stats.deleted, 4);
	outcome_release(&outcome);
	rig_same("src", "dst");
}

static bool reported(const struct outcome *outcome, const char *path)
{
	for (size_t i = 0; i < outcome->progress; i++)
		if (!strcmp(outcome->paths[i], path))
			return true;
	return false;
}

void callbacks(void **state)
{
	struct outcome outcome = {0};

	make_source();
	try_sync("src", "dst", false, &outcome);
	assert_int_equal(outcome.finished, 1);
	assert_int_equal(outcome.progress, 5);
	assert_true(reported(&outcome, "a/one") && reported(&outcome, "a/two"));
	assert_true(reported(&outcome, "empty") && reported(&outcome, "b/small"));
	assert_true(reported(&outcome, "b/big"));
	outcome_release(&outcome);
	/* Only what was sent is reported. */
	rig_text("src/a/two", "changed");
	rig_mtime("dst/b/big", 3, 3);
	try_sync("src", "dst", false, &outcome);
	assert_int_equal(outcome.finished, 1);
	assert_int_equal(outcome.progress, 1);
	assert_string_equal(outcome.paths[0], "a/two");
	outcome_release(&outcome);
}

/* Both kinds of workers at once; one target has everything, one has something else, one fails. */
void several_targets(void **state)
{
	struct ff_gateway *gws[] = {world.gw, open_gateway(world.spec), open_gateway(world.other),
				    open_gateway(world.other), open_gateway(world.spec)};
	static const char *const dests[] = {"d0", "d1", "d2", "d3", "file/d4"};
	static const uint64_t sent[] = {5, 0, 5, 2};
	struct outcome outcomes[5] = {0};
	struct ff_rsync *rsync;

	make_source();
	rig_text("file", "in the way");
	sync_ok("src", "d1", false);
	sync_ok("src", "d3", false);
	rig_text("d3/a/one", "other");
	rig_mtime("d3/b/small", 4, 4);
	rig_fill("d3/b/big", 3 * MIB + 17, 9);
	rsync = rig_rsync("src", NULL);
	for (size_t i = 0; i < 5; i++)
		add_target(rsync, gws[i], dests[i], true, &outcomes[i]);
	run_sync(rsync);
	ff_rsync_free(rsync);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(outcomes[i].finished, 1);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(outcomes[i].err.code, 0);
		assert_int_equal(outcomes[i].stats.sent_files, sent[i]);
		assert_int_equal(outcomes[i].progress, sent[i]);
		rig_same("src", dests[i]);
	}
	assert_int_equal(outcomes[4].err.code, FF_EREMOTE);
	assert_non_null(strstr(outcomes[4].err.text, "file/d4: Not a directory"));
	for (size_t i = 0; i < 5; i++)
		outcome_release(&outcomes[i]);
}

/* --- kinds of entries --- */

static void expect_link(const char *path, const char *target)
{
	char there[PATH_MAX] = "";

	if (readlink(path, there, sizeof(there) - 1) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_string_equal(there, target);
}

/* Absolute links into the source lead into the copy; all others are brought over as they are. */
void links(void **state)
{
	make_source();
	rig_mkdir("src-other");
	assert_int_equal(symlink(in_rig("src/a/one"), "src/b/inside"), 0);
	assert_int_equal(symlink(in_rig("src/"), "src/b/root"), 0);
	assert_int_equal(symlink(in_rig("src/gone"), "src/b/inside-dangling"), 0);
	assert_int_equal(symlink(in_rig("src/../file"), "src/b/out-again"), 0);
	assert_int_equal(symlink(in_rig("src-other"), "src/b/beside"), 0);
	assert_int_equal(symlink("/etc/passwd", "src/b/outside"), 0);
	assert_int_equal(symlink("../../src/a", "src/b/relative"), 0);
	sync_ok("src", "dst", false);
	expect_link("dst/b/inside", in_rig("dst/a/one"));
	expect_link("dst/b/root", in_rig("dst"));
	expect_link("dst/b/inside-dangling", in_rig("dst/gone"));
	expect_link("dst/b/out-again", in_rig("src/../file"));
	expect_link("dst/b/beside", in_rig("src-other"));
	expect_link("dst/b/outside", "/etc/passwd");
	expect_link("dst/b/relative", "../../src/a");
	expect_link("dst/a/link", "one");
	expect_link("dst/dangling", "nowhere");
	rig_same("src", "dst");
	/* Such a link is also recognized again. */
	rig_mtime("dst/b/inside", 42, 0);
	assert_int_equal(unlink("dst/b/root"), 0);
	assert_int_equal(symlink(in_rig("src"), "dst/b/root"), 0);
	sync_ok("src", "dst", true);
	expect_link("dst/b/root", in_rig("dst"));
	expect_link("dst/b/inside", in_rig("dst/a/one"));
}

void modes_and_times(void **state)
{
	static const mode_t modes[] = {0400, 0444, 0600, 0640, 0755, 0777, 01666, 02755, 04755};
	char path[64];

	rig_mkdir("src");
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		snprintf(path, sizeof(path), "src/f%zu", i);
		rig_fill(path, i * 10, 3);
		assert_int_equal(chmod(path, modes[i]), 0);
		rig_mtime(path, (time_t)i * 500000000 - 1000000000, (long)i * 111111111);
		snprintf(path, sizeof(path), "src/d%zu", i);
		rig_mkdir(path);
		assert_int_equal(chmod(path, modes[i] | 0500), 0);
		rig_mtime(path, (time_t)i * 400000000, 999999999 - (long)i);
	}
	assert_int_equal(symlink("f1", "src/link"), 0);
	rig_mtime("src/link", 77, 78);
	chmod("src", 0711);
	rig_mtime("src", 1234567890, 987654321);
	sync_ok("src", "dst", false);
	rig_same("src", "dst");
	/* All modes move on by one. */
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		snprintf(path, sizeof(path), "dst/f%zu", i);
		assert_int_equal(chmod(path, i ? modes[i - 1] : 0), 0);
		snprintf(path, sizeof(path), "dst/d%zu", i);
		assert_int_equal(chmod(path, i ? modes[i - 1] : 0), 0);
	}
	assert_int_equal(sync_ok("src", "dst", false), 0);
	rig_same("src", "dst");
}

void names(void **state)
{
	static const char *const odd[] = {
		"\xff\xfe",  "n\xe9", "\xc3\x28", "ünïcode", "new\nline", "tab\tbell\a",
		" spaces ",  "-r",    "..dots",	  "...",     ".hidden",	  "a\\b",
		"quote'\"%", "*?[x]", "\x01\x7f", "$(exit)",
	};
	char path[PATH_MAX], name[256];

	rig_mkdir("src");
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		snprintf(path, sizeof(path), "src/%s", odd[i]);
		rig_mkdir(path);
		for (size_t j = 0; j < sizeof(odd) / sizeof(*odd); j++) {
			snprintf(path, sizeof(path), "src/%s/%s", odd[i], odd[j]);
			if ((i + j) % 3)
				rig_text(path, odd[j]);
			else
				assert_int_equal(symlink(odd[i], path), 0);
		}
	}
	memset(name, 'n', 255);
	name[255] = 0;
	snprintf(path, sizeof(path), "src/%s", name);
	rig_text(path, "as long as can be");
	sync_ok("src", "dst", false);
	rig_same("src", "dst");
	snprintf(path, sizeof(path), "src/%s/%s", odd[0], odd[1]);
	rig_text(path, "changed");
	snprintf(path, sizeof(path), "src/%s/%s", odd[0], odd[2]);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sync_ok("src", "dst", true), 1);
	rig_same("src", "dst");
}

void deep_trees(void **state)
{
	char path[2000] = "src";
	size_t len = 3;

	rig_mkdir("src");
	for (int i = 0; i < 300; i++) {
		len += (size_t)snprintf(path + len, sizeof(path) - len, "/%d", i % 10);
		rig_mkdir(path);
		if (i % 50 == 49) {
			snprintf(path + len, sizeof(path) - len, "/zfile");
			rig_text(path, "deep down");
			path[len] = 0;
		}
	}
	assert_int_equal(sync_ok("src", "dst", false), 6);
	rig_same("src", "dst");
	assert_int_equal(sync_ok("src", "dst", true), 0);
}

/* --- contents --- */

static void write_at(const char *path, off_t at, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
	close(fd);
}

static off_t blocks_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_blocks;
}

void sparse_and_empty_files(void **state)
{
	static const off_t sizes[] = {0, 1, 65535, 65536, 65537, 5 * MIB, 5 * MIB + 3};
	char path[64], copy[64];

	rig_mkdir("src");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		snprintf(path, sizeof(path), "src/zeros%zu", i);
		rig_text(path, "");
		assert_int_equal(truncate(path, sizes[i]), 0);
		snprintf(path, sizeof(path), "src/some%zu", i);
		rig_text(path, "");
		assert_int_equal(truncate(path, sizes[i]), 0);
		/* Around where records and steps end. */
		for (off_t at = 0; at + 9 < sizes[i]; at += 262116 * (1 + at / MIB) - 5)
			write_at(path, at, "not zero");
	}
	sync_ok("src", "dst", false);
	rig_same("src", "dst");
	for (size_t i = 5; i < 7; i++) {
		snprintf(path, sizeof(path), "src/zeros%zu", i);
		snprintf(copy, sizeof(copy), "dst/zeros%zu", i);
		/* Where the file system can have holes. */
		if (blocks_of(path) == 0)
			assert_in_range(blocks_of(copy), 0, 2 * 64);
	}
	/* In place of a file with other content, and back. */
	rig_fill("src/zeros5", 5 * MIB, 6);
	assert_int_equal(sync_ok("src", "dst", false), 1);
	rig_same("src", "dst");
	assert_int_equal(truncate("src/zeros5", 0) | truncate("src/zeros5", 5 * MIB + 1), 0);
	assert_int_equal(sync_ok("src", "dst", false), 1);
	rig_same("src", "dst");
}

void read_only_directories(void **state)
{
	make_source();
	rig_mkdir("src/ro");
	rig_mkdir("src/ro/below");
	rig_text("src/ro/x", "x");
	rig_text("src/ro/below/y", "y");
	read_only("src/ro/below", 0500);
	read_only("src/ro", 0555);
	sync_ok("src", "dst", false);
	rig_same("src", "dst");
	assert_int_equal(sync_ok("src", "dst", true), 0);
	/* Something comes, something changes, something goes. */
	read_only("src/ro", 0755);
	read_only("src/ro/below", 0755);
	rig_text("src/ro/x", "changed");
	rig_text("src/ro/new", "new");
	assert_int_equal(unlink("src/ro/below/y"), 0);
	assert_int_equal(symlink("x", "src/ro/below/link"), 0);
	read_only("src/ro/below", 0500);
	read_only("src/ro", 0555);
	assert_int_equal(sync_ok("src", "dst", true), 2);
	rig_same("src", "dst");
	/* Not even readable there. */
	read_only("dst/ro/below", 0);
	read_only("dst/ro", 0);
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
	read_only("src", 0555);
	rig_text("src/a/one", "changed below a root that can't be written to");
	sync_ok("src", "dst", true);
	rig_text("src/empty", "no more");
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
}

/* --- a source that changes --- */

static void change_it(const char *path)
{
	if (strcmp(path, "first") != 0)
		return;
	/* The beginning of it is under way already. */
	write_at("src/growing", 3 * MIB, "and more");
	write_at("src/growing", 0, "another beginning");
	assert_int_equal(unlink("src/later"), 0);
}

static void expect_copy(const char *name)
{
	char path[PATH_MAX], *one, *two;
	size_t m = 0, n = 0;

	snprintf(path, sizeof(path), "src/%s", name);
	one = rig_read(path, &m);
	snprintf(path, sizeof(path), "dst/%s", name);
	two = rig_read(path, &n);
	assert_non_null(two);
	assert_int_equal(m, n);
	assert_memory_equal(one, two, n);
	free(one);
	free(two);
}

void a_source_that_changes(void **state)
{
	struct outcome outcome = {.meanwhile = change_it};
	struct stat one, two;
	struct ff_rsync *rsync;

	rig_mkdir("src");
	rig_text("src/first", "1");
	rig_fill("src/growing", 3 * MIB, 1);
	rig_text("src/later", "vanishes");
	rig_text("src/since", "the scan");
	rsync = rig_rsync("src", NULL);
	rig_text("src/since", "changed since the scan");
	chmod("src/since", 0751);
	add_target(rsync, world.gw, "dst", false, &outcome);
	run_sync(rsync);
	assert_int_equal(outcome.err.code, 0);
	assert_int_equal(outcome.progress, 3);
	assert_int_equal(ff_rsync_problems(rsync)->len, 1);
	assert_non_null(strstr(ff_rsync_problems(rsync)->v[0], "later: No such file"));
	ff_rsync_free(rsync);
	outcome_release(&outcome);
	expect_copy("first");
	expect_copy("growing");
	expect_copy("since");
	assert_int_equal(rig_entries("dst"), 3);
	assert_int_equal(lstat("src/since", &one) | lstat("dst/since", &two), 0);
	assert_int_equal(one.st_mode, two.st_mode);
	/* What was sent with new times is known again. */
	assert_int_equal(sync_ok("src", "dst", true), 0);
	rig_same("src", "dst");
}

/* --- what can't be --- */

static void expect_failure(const char *dest, bool delete, const char *words)
{
	struct outcome outcome = {0};

	try_sync("src", dest, delete, &outcome);
	assert_int_equal(outcome.err.code, FF_EREMOTE);
	if (!strstr(outcome.err.text, words))
		fail_msg("'%s' is not in: %s", words, outcome.err.text);
	outcome_release(&outcome);
}

void dest_that_cannot_be(void **state)
{
	make_source();
	rig_text("file", "in the way");
	expect_failure("file", false, "file: ");
	expect_failure("file/below", false, "file/below: Not a directory");
	expect_failure("/../../../../../../../../../../../..", true, "delete is refused");
	rig_expect("file", "in the way");
}

static void fill_a_small_disk(void)
{
	char dest[PATH_MAX], path[PATH_MAX + 16];
	struct outcome outcome = {0};
	size_t whole = 0;
	struct stat st;

	if (!world.full) {
		print_message("no small file system here\n");
		return;
	}
	/* All of it is gone with the mount. */
	snprintf(dest, sizeof(dest), "%s/copy", world.full);
	try_sync("src", dest, false, &outcome);
	assert_int_equal(outcome.err.code, FF_EREMOTE);
	assert_non_null(strstr(outcome.err.text, dest));
	assert_non_null(strstr(outcome.err.text, ": No space left on device"));
	outcome_release(&outcome);
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "%s/many/%d", dest, i);
		if (!lstat(path, &st)) {
			assert_int_equal(st.st_size, 3000);
			whole++;
		}
	}
	/* No half one, no temporary one. */
	snprintf(path, sizeof(path), "%s/many", dest);
	assert_in_range(whole, 1, 999);
	assert_int_equal(rig_entries(path), whole);
}

void a_full_disk(void **state)
{
	struct rlimit was, limit;
	struct ff_gateway *gw;
	struct ff_rsync *rsync;
	struct outcome outcome = {0};
	char path[64];

	rig_mkdir("src");
	rig_fill("src/big", 4 * MIB, 9);
	rig_mkdir("dst");
	rig_text("dst/big", "old content");
	getrlimit(RLIMIT_FSIZE, &was);
	limit = was;
	limit.rlim_cur = MIB;
	setrlimit(RLIMIT_FSIZE, &limit);
	gw = open_gateway(world.spec);
	setrlimit(RLIMIT_FSIZE, &was);
	rsync = rig_rsync("src", NULL);
	add_target(rsync, gw, "dst", false, &outcome);
	run_sync(rsync);
	ff_rsync_free(rsync);
	assert_int_equal(outcome.err.code, FF_EREMOTE);
	assert_non_null(strstr(outcome.err.text, "dst/big: File too large"));
	outcome_release(&outcome);
	rig_expect("dst/big", "old content");
	assert_int_equal(rig_entries("dst"), 1); /* no temporary file */
	/* The worker lives. */
	assert_int_equal(unlink("src/big"), 0);
	rig_text("src/small", "fits");
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
	rig_mkdir("src/many");
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "src/many/%d", i);
		rig_fill(path, 3000, (unsigned)i);
	}
	fill_a_small_disk();
}
