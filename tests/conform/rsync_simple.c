/* Tree sync as execnet's users know it: three lines, a single file, and what they are told. */
#include "rsync_workers.h"

static struct ff_rsync *from(const char *source)
{
	struct ff_err err = {0};
	struct ff_rsync *rsync = ff_rsync_new_from(source, NULL, &err);

	if (!rsync)
		fail_msg("%s", err.text);
	return rsync;
}

static void add(struct ff_rsync *rsync, struct ff_gateway *gw, const char *dest)
{
	struct ff_rsync_target_opts opts = {.dest = in_rig(dest), .remove = true, .owner = "me"};
	struct ff_err err = {0};

	if (!ff_rsync_add_target(rsync, gw, &opts, &err))
		fail_msg("%s", err.text);
}

static void send_ok(struct ff_rsync *rsync)
{
	struct ff_err err = {0};

	if (ff_rsync_send(rsync, WAIT_MS, &err))
		fail_msg("%s", err.text);
}

static void send_once(const char *source, const char *dest)
{
	struct ff_rsync *rsync = from(source);

	add(rsync, world.gw, dest);
	send_ok(rsync);
	ff_rsync_free(rsync);
}

static void expect_failure(struct ff_rsync *rsync, int code, const char *part)
{
	struct ff_err err = {0};

	assert_int_equal(ff_rsync_send(rsync, WAIT_MS, &err), code);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, part))
		fail_msg("no '%s' in: %s", part, err.text);
}

void three_lines(void **state)
{
	struct ff_gateway *other = open_gateway(world.other);
	struct ff_rsync *rsync;
	struct ff_err err = {0};

	rig_mkdir("src");
	rig_mkdir("src/a");
	rig_text("src/a/one", "1");
	rsync = from("src");
	expect_failure(rsync, FF_EINVAL, "no targets");
	add(rsync, world.gw, "first");
	add(rsync, other, "second");
	send_ok(rsync);
	rig_same("src", "first");
	rig_same("src", "second");
	/* Targets are of one send, as in execnet. */
	expect_failure(rsync, FF_EINVAL, "no targets");
	/* One fails, the other gets it all. */
	rig_text("file", "in the way");
	add(rsync, world.gw, "file/below");
	add(rsync, other, "third");
	expect_failure(rsync, FF_EREMOTE, ff_gateway_id(world.gw));
	rig_same("src", "third");
	add(rsync, world.gw, "fourth");
	send_ok(rsync);
	ff_rsync_free(rsync);
	assert_null(ff_rsync_new_from("nowhere", NULL, &err));
	assert_int_equal(err.code, FF_ESYS);
	ff_open_release(other);
}

void what_a_send_could_not_bring(void **state)
{
	struct ff_rsync *rsync;

	rig_mkdir("src");
	rig_text("src/one", "1");
	assert_int_equal(mkfifo("src/fifo", 0600), 0);
	rsync = from("src");
	for (int i = 0; i < 2; i++) {
		add(rsync, world.gw, i ? "again" : "dst");
		expect_failure(rsync, FF_ESYS, "1 could not be brought: fifo: ");
	}
	rig_expect("again/one", "1");
	ff_rsync_free(rsync);
}

void a_single_file(void **state)
{
	struct stat before, after;

	rig_mkdir("src");
	rig_text("src/one", "content");
	rig_text("src/two", "not brought");
	assert_int_equal(chmod("src/one", 0640), 0);
	rig_mtime("src/one", 1000000000, 5);
	send_once("src/one", "new/folder/name");
	rig_expect("new/folder/name", "content");
	assert_int_equal(stat("new/folder/name", &after), 0);
	assert_int_equal(after.st_mode & 07777, 0640);
	assert_int_equal(after.st_mtim.tv_sec, 1000000000);
	/* Nothing else is there, not even a record, and what was there stays. */
	assert_int_equal(rig_entries("new"), 2);
	rig_text("new/folder/mine", "mine");
	assert_int_equal(chmod("new/folder", 0711), 0);
	rig_text("src/one", "other content");
	send_once("src/one", "new/folder/name");
	rig_expect("new/folder/name", "other content");
	rig_expect("new/folder/mine", "mine");
	assert_int_equal(rig_entries("new"), 3);
	assert_int_equal(stat("new/folder", &after), 0);
	assert_int_equal(after.st_mode & 07777, 0711);
	/* The same again: not written. */
	assert_int_equal(stat("new/folder/name", &before), 0);
	send_once("src/one", "new/folder/name");
	assert_int_equal(stat("new/folder/name", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	/* A link to the file is followed. */
	assert_int_equal(symlink("src/one", "link"), 0);
	send_once("link", "new/by-link");
	rig_expect("new/by-link", "other content");
}

void a_single_file_that_cannot_be(void **state)
{
	static const char *const dests[] = {"dir", "dir/", "dir/..", "dir/.ff-x.sync-lock"};
	struct ff_rsync *rsync;
	struct ff_err err = {0};

	rig_mkdir("dir");
	rig_text("dir/mine", "mine");
	rig_text("one", "1");
	rsync = from("one");
	for (size_t i = 0; i < sizeof(dests) / sizeof(dests[0]); i++) {
		add(rsync, world.gw, dests[i]);
		expect_failure(rsync, FF_EREMOTE, i ? "sync: dest" : "/dir: ");
	}
	ff_rsync_free(rsync);
	rig_expect("dir/mine", "mine");
	assert_int_equal(rig_entries("dir"), 1);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_null(ff_rsync_new_from("fifo", NULL, &err));
	assert_int_equal(err.code, FF_EINVAL);
}

/* A manifest of a whole tree may not come where one file was announced. */
void a_tree_as_a_single_file(void **state)
{
	struct ff_value kwargs[] = {ff_str("dest"), ff_str(in_rig("dst")), ff_str("version"),
				    ff_int(2),	    ff_str("single"),	   ff_bool(true)};
	struct ff_task task = receiver_task(world.gw);
	struct ff_buf manifest = FF_BUF_INIT;
	struct ff_channel *channel;
	struct ff_err err = {0};
	struct ff_value part[2];
	struct ff_tree tree;
	struct ff_value item;

	rig_mkdir("src");
	rig_mkdir("src/dst");
	rig_scan(&tree, "src");
	assert_int_equal(ff_tree_pack(&tree, &manifest), 0);
	task.kwargs = ff_collection(FF_DICT, kwargs, 3);
	channel = ff_gateway_remote_exec(world.gw, &task, &err);
	assert_non_null(channel);
	for (int last = 0; last < 2; last++) {
		part[0] = ff_str("m");
		part[1] = last ? ff_none() : ff_bytes(ff_buf_data(&manifest), manifest.len);
		item = ff_collection(FF_TUPLE, part, 2);
		assert_int_equal(ff_channel_send(channel, &item, &err), 0);
	}
	assert_int_equal(ff_channel_waitclose(channel, WAIT_MS, &err), FF_EREMOTE);
	assert_non_null(strstr(err.text, "not that of one file"));
	assert_false(rig_exists("dst"));
	ff_channel_unref(channel);
	ff_buf_release(&manifest);
	ff_tree_release(&tree);
}
