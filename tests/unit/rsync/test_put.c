/* Files for one unit: what is asked for, and that neither side's lies write anything outside of the
 * folder, or anything that was not promised. */
#include "rig.h"

#include "rsync/fetch.h"
#include "rsync/hash.h"
#include "rsync/protocol.h"
#include "rsync/put.h"

struct side {
	struct ff_put *put;
	struct ff_fetch_send *send;
	struct ff_strv paths;
	size_t wanted;
	int rc;
	struct ff_err err;
};

static void on_host(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct side *host = ctx;

	if (item && host->rc == 0)
		host->rc = ff_put_item(host->put, &item->value, &host->err);
	if (item && host->rc != 0)
		ff_channel_close(channel, NULL);
}

static void on_controller(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct side *side = ctx;

	if (!item && side->send) {
		ff_fetch_send_free(side->send);
		side->send = NULL;
	}
	if (!item)
		return;
	side->wanted = ff_at(&item->value, 1)->len;
	side->send = ff_fetch_send_these(channel, rig_dir, &side->paths, NULL);
	ff_fetch_send_go(side->send);
}

static struct ff_value file_of(const char *path, const char *from, struct ff_value parts[4],
			       uint8_t digest[FF_RSYNC_DIGEST])
{
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ff_hash_xxh3(fd, false, digest), 0);
	close(fd);
	parts[0] = ff_bytes(path, strlen(path));
	parts[1] = ff_int(st.st_size);
	parts[2] = ff_bool(st.st_mode & S_IXUSR);
	parts[3] = ff_bytes(digest, FF_RSYNC_DIGEST);
	return ff_collection(FF_TUPLE, parts, 4);
}

/* One file, from end to end. `meanwhile`: what it becomes before it is sent; NULL: it stays. */
static void put_one(const char *path, const char *meanwhile, struct side *host, struct side *side)
{
	char root[PATH_MAX + 16] = "";
	uint8_t digest[FF_RSYNC_DIGEST];
	struct ff_value parts[4], files[] = {file_of(path, path, parts, digest)};
	struct ff_value kwargs[] = {ff_str("root"), ff_str(root), ff_str("files"),
				    ff_collection(FF_LIST, files, 1)};
	struct ff_value task = ff_collection(FF_DICT, kwargs, 2);
	struct rig_pair pair;
	struct ff_channel *there, *here;
	bool all;

	snprintf(root, sizeof(root), "%s/host/sub", rig_dir);
	kwargs[1] = ff_str(root);
	rig_open(&pair);
	here = ff_channel_new(pair.controller);
	there = ff_channel_from_id(pair.worker, ff_channel_id(here));
	assert_non_null(there);
	*host = *side = (struct side){0};
	ff_strv_add(&side->paths, path);
	if (meanwhile)
		rig_text(path, meanwhile);
	assert_int_equal(ff_channel_set_callback(here, on_controller, side), 0);
	host->put = ff_put_start(there, &task, &all, &host->err);
	if (host->put && all)
		host->rc = 1;
	if (host->put && !all) {
		assert_int_equal(ff_channel_set_callback(there, on_host, host), 0);
		rig_pump(&pair);
	}
	ff_channel_unref(there);
	if (side->send)
		ff_fetch_send_free(side->send);
	ff_channel_unref(here);
	rig_close(&pair);
	ff_strv_release(&side->paths);
	if (host->put)
		ff_put_free(host->put);
}

static void a_file_arrives_once(void **state)
{
	struct side host, side;
	struct stat st, again;

	rig_mkdir("data");
	rig_fill("data/big", 3000000, 7);
	put_one("data/big", NULL, &host, &side);
	assert_int_equal(host.rc, 1);
	assert_int_equal(side.wanted, 1);
	assert_int_equal(system("cmp data/big host/sub/data/big"), 0);
	assert_int_equal(stat("host/sub/data/big", &st), 0);

	put_one("data/big", NULL, &host, &side);
	assert_int_equal(host.rc, 1);
	assert_int_equal(side.wanted, 0);
	assert_int_equal(stat("host/sub/data/big", &again), 0);
	assert_true(st.st_ino == again.st_ino);

	rig_text("host/sub/data/big", "other");
	put_one("data/big", NULL, &host, &side);
	assert_int_equal(host.rc, 1);
	assert_int_equal(system("cmp data/big host/sub/data/big"), 0);
}

static void one_that_changes_is_not_taken(void **state)
{
	struct side host, side;

	rig_text("a", "one");
	put_one("a", "two", &host, &side);
	assert_int_equal(host.rc, FF_EPROTO);
	assert_string_equal(host.err.text, "a has changed while it was sent");
	assert_int_equal(access("host/sub/a", F_OK), -1);
	assert_int_equal(system("test -z \"$(ls -A host/sub)\""), 0);
}

/* --- by hand --- */

static struct ff_put *start(struct rig_pair *pair, const struct ff_value *task, struct ff_err *err)
{
	struct ff_channel *here = ff_channel_new(pair->controller), *there;
	struct ff_put *put;
	bool all;

	there = ff_channel_from_id(pair->worker, ff_channel_id(here));
	put = ff_put_start(there, task, &all, err);
	ff_channel_unref(there);
	ff_channel_unref(here);
	return put;
}

static void bad_manifests_are_refused(void **state)
{
	static const char *const bad[] = {"/tmp/x", "..", "../x", "a/../x", ""};
	struct ff_value parts[4], files[1];
	struct ff_value kwargs[] = {ff_str("root"), ff_str(rig_dir), ff_str("files"),
				    ff_collection(FF_LIST, files, 1)};
	struct ff_value task = ff_collection(FF_DICT, kwargs, 2);
	uint8_t digest[FF_RSYNC_DIGEST];
	struct rig_pair pair;

	rig_open(&pair);
	rig_text("a", "a");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct ff_err err = {0};

		files[0] = file_of(bad[i], "a", parts, digest);
		assert_null(start(&pair, &task, &err));
		assert_int_equal(err.code, FF_EINVAL);
	}
	files[0] = file_of("a", "a", parts, digest);
	parts[3].len = 3;
	assert_null(start(&pair, &task, NULL));
	files[0] = ff_int(1);
	assert_null(start(&pair, &task, NULL));
	kwargs[1] = ff_str("relative");
	assert_null(start(&pair, &task, NULL));
	rig_close(&pair);
}

static int say(struct ff_put *put, struct ff_value *values, size_t len)
{
	struct ff_value item = ff_collection(FF_TUPLE, values, len);

	return ff_put_item(put, &item, NULL);
}

static void only_what_was_wanted_is_written(void **state)
{
	char root[PATH_MAX + 16] = "";
	struct ff_value parts[4], files[1];
	struct ff_value kwargs[] = {ff_str("root"), ff_str(root), ff_str("files"),
				    ff_collection(FF_LIST, files, 1)};
	struct ff_value task = ff_collection(FF_DICT, kwargs, 2);
	uint8_t digest[FF_RSYNC_DIGEST];
	struct ff_value other[] = {ff_str("file"), ff_bytes("b", 1), ff_int(1), ff_int(0644),
				   ff_str(FF_RSYNC_XXH3)};
	struct ff_value done[] = {ff_str("done"), ff_collection(FF_LIST, NULL, 0),
				  ff_collection(FF_LIST, NULL, 0)};
	struct ff_value end[] = {ff_str("end"), ff_bytes(digest, FF_RSYNC_DIGEST)};
	struct rig_pair pair;
	struct ff_put *put;

	snprintf(root, sizeof(root), "%s/host", rig_dir);
	kwargs[1] = ff_str(root);
	rig_text("a", "a");
	files[0] = file_of("a", "a", parts, digest);
	rig_open(&pair);
	put = start(&pair, &task, NULL);
	assert_non_null(put);
	assert_int_equal(say(put, other, 5), FF_EPROTO);
	ff_put_free(put);
	put = start(&pair, &task, NULL);
	assert_int_equal(say(put, done, 3), FF_EPROTO);
	ff_put_free(put);
	put = start(&pair, &task, NULL);
	assert_int_equal(say(put, end, 2), FF_EPROTO);
	assert_int_equal(say(put, end, 2), FF_EPROTO);
	ff_put_free(put);
	assert_int_equal(access("host/b", F_OK), -1);
	assert_int_equal(access("host/a", F_OK), -1);
	rig_close(&pair);
}

static void files_go(void **state)
{
	struct ff_value paths[] = {ff_bytes("d/a", 3), ff_bytes("d/none", 6)};
	struct ff_value kwargs[] = {ff_str("root"), ff_str(rig_dir), ff_str("remove"),
				    ff_collection(FF_LIST, paths, 2)};
	struct ff_value task = ff_collection(FF_DICT, kwargs, 2);
	struct rig_pair pair;
	struct ff_put *put;

	rig_open(&pair);
	rig_mkdir("d");
	rig_mkdir("e");
	rig_text("d/a", "a");
	rig_text("e/b", "b");
	put = start(&pair, &task, NULL);
	assert_non_null(put);
	ff_put_free(put);
	assert_int_equal(access("d/a", F_OK), -1);
	paths[0] = ff_bytes("../x", 4);
	assert_null(start(&pair, &task, NULL));
	/* Not through a link. */
	assert_int_equal(symlink("e", "l"), 0);
	paths[0] = ff_bytes("l/b", 3);
	assert_null(start(&pair, &task, NULL));
	assert_int_equal(access("e/b", F_OK), 0);
	rig_close(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_arrives_once),
		TEST(one_that_changes_is_not_taken),
		TEST(bad_manifests_are_refused),
		TEST(only_what_was_wanted_is_written),
		TEST(files_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
