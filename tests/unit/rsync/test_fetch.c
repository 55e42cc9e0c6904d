/* What a job leaves: which files its patterns mean, and that a host that lies writes nothing
 * outside of the folder. */
#include "rig.h"

#include "rsync/fetch.h"
#include "rsync/find.h"
#include "rsync/hash.h"
#include "rsync/protocol.h"

/* --- patterns --- */

static void expect_found(const char *pattern, const char *paths)
{
	char *const patterns[] = {(char *)(uintptr_t)pattern, NULL};
	struct ff_find find;
	struct ff_err err = {0};
	char text[400] = "";

	assert_int_equal(ff_find(&find, rig_dir, patterns, &err), 0);
	for (size_t i = 0; i < find.paths.len; i++) {
		strcat(text, find.paths.v[i]);
		strcat(text, " ");
	}
	assert_string_equal(text, paths);
	assert_int_equal(find.missing.len, *paths || find.refused.len ? 0 : 1);
	ff_find_release(&find);
}

static void make_files(void)
{
	rig_mkdir("build");
	rig_mkdir("build/lib");
	rig_mkdir("build/lib/deep");
	rig_mkdir("build/.cache");
	rig_mkdir("empty");
	rig_text("a.log", "a");
	rig_text(".b.log", "b");
	rig_text("build/c.log", "c");
	rig_text("build/lib/d.so", "d");
	rig_text("build/lib/deep/e.so", "e");
	rig_text("build/.cache/f.so", "f");
}

static void patterns_mean_files(void **state)
{
	make_files();
	expect_found("*.log", "a.log ");
	expect_found(".*.log", ".b.log ");
	expect_found("**/*.log", "a.log build/c.log ");
	expect_found("**/*.so", "build/lib/d.so build/lib/deep/e.so ");
	expect_found("build/**/e.so", "build/lib/deep/e.so ");
	expect_found("build/**/deep/*.so", "build/lib/deep/e.so ");
	expect_found("./build//lib/?.so", "build/lib/d.so ");
	expect_found("build/**", "build/c.log build/lib/d.so build/lib/deep/e.so ");
	expect_found("build", "build/.cache/f.so build/c.log build/lib/d.so build/lib/deep/e.so ");
	expect_found("build/lib/[a-d].so", "build/lib/d.so ");
	rig_text("a*.log", "star");
	expect_found("a\\*.log", "a*.log ");
	expect_found("empty", "");
	expect_found("nothing/at/all", "");
	expect_found("a.log/x", "");
}

static void links_stay_inside(void **state)
{
	make_files();
	assert_int_equal(symlink("lib/d.so", "build/inside.so"), 0);
	assert_int_equal(symlink("/etc", "build/etc"), 0);
	assert_int_equal(symlink("/etc/passwd", "build/passwd"), 0);
	assert_int_equal(symlink("lib", "build/lib2"), 0);
	assert_int_equal(symlink(".", "build/self"), 0);
	expect_found("build/inside.so", "build/inside.so ");
	expect_found("build/passwd", "");
	expect_found("build/etc/passwd", "");
	expect_found("build/et[c]", "");
	expect_found("build/lib2/d.so", "build/lib2/d.so ");
	expect_found("build/**/deep/e.so", "build/lib/deep/e.so ");
}

static void what_was_fetched_is_passed_by(void **state)
{
	make_files();
	rig_text("build/lib/" FF_FETCH_SUMS, "");
	expect_found("**/*.so", "");
	expect_found("build", "build/.cache/f.so build/c.log ");
}

static void what_was_fetched_can_be_found(void **state)
{
	char *const patterns[] = {(char *)(uintptr_t) "build/lib", NULL};
	struct ff_find find;

	make_files();
	rig_text("build/lib/" FF_FETCH_SUMS, "");
	assert_int_equal(ff_find_also_fetched(&find, rig_dir, patterns, NULL), 0);
	assert_int_equal(find.paths.len, 2);
	assert_string_equal(find.paths.v[0], "build/lib/d.so");
	ff_find_release(&find);
}

static void ways_out_are_refused(void **state)
{
	static const char *const wrong[] = {"",	    "/etc/passwd", "../x", "a/../../x",
					    "a/..", "..",	   "**/.."};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char *const patterns[] = {(char *)(uintptr_t)wrong[i], NULL};
		struct ff_find find;

		assert_non_null(ff_find_check(wrong[i]));
		assert_int_equal(ff_find(&find, rig_dir, patterns, NULL), FF_EINVAL);
	}
	assert_null(ff_find_check("..a/b..c/..."));
}

/* --- from end to end --- */

struct end {
	struct ff_fetch *fetch;
	int rc;
	struct ff_err err;
};

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct end *end = ctx;

	if (item && end->rc == 0)
		end->rc = ff_fetch_item(end->fetch, &item->value, &end->err);
}

static void on_sent(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	if (!item)
		ff_fetch_send_free(ctx);
}

/* Both halves, joined in memory: the sender sits at the pair's controller. */
static void fetch_all(const char *root, const char *pattern, const char *folder, struct end *end)
{
	struct ff_value paths[] = {ff_str(pattern)};
	struct ff_value kwargs[] = {ff_str("root"), ff_str(root), ff_str("paths"),
				    ff_collection(FF_LIST, paths, 1)};
	struct ff_value task = ff_collection(FF_DICT, kwargs, 2);
	struct rig_pair pair;
	struct ff_channel *there, *here;
	struct ff_fetch_send *send;

	rig_open(&pair);
	there = ff_channel_new(pair.controller);
	here = ff_channel_from_id(pair.worker, ff_channel_id(there));
	assert_non_null(here);
	*end = (struct end){.fetch = ff_fetch_new(folder, &ff_md5_calls)};
	assert_int_equal(ff_channel_set_callback(here, on_item, end), 0);
	send = ff_fetch_send_start(there, &task, &end->err);
	assert_non_null(send);
	assert_int_equal(ff_channel_set_callback(there, on_sent, send), 0);
	rig_pump(&pair);
	ff_channel_unref(there);
	ff_channel_unref(here);
	rig_close(&pair);
}

static void files_arrive_whole(void **state)
{
	char folder[PATH_MAX + 16], root[PATH_MAX + 16];
	struct end end;
	struct stat st;

	snprintf(folder, sizeof(folder), "%s/out/j/u", rig_dir);
	snprintf(root, sizeof(root), "%s/host", rig_dir);
	rig_mkdir("host");
	rig_mkdir("host/sub");
	rig_fill("host/sub/big", 5000000, 7);
	rig_text("host/run", "#!");
	rig_text("host/none", "");
	assert_int_equal(chmod("host/run", 0755), 0);
	fetch_all(root, "**", folder, &end);
	assert_int_equal(end.rc, 1);
	assert_int_equal(ff_fetch_stats(end.fetch)->files, 3);
	assert_true(ff_fetch_stats(end.fetch)->bytes == 5000002);
	ff_fetch_free(end.fetch);
	assert_int_equal(system("cmp host/sub/big out/j/u/sub/big && cmp host/none out/j/u/none"),
			 0);
	assert_int_equal(stat("out/j/u/run", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);

	/* The next time: what is no more goes, what was not brought stays. */
	assert_int_equal(unlink("host/none"), 0);
	rig_text("out/j/u/mine", "mine");
	rig_text("host/run", "##");
	fetch_all(root, "**", folder, &end);
	assert_int_equal(end.rc, 1);
	ff_fetch_free(end.fetch);
	rig_expect("out/j/u/run", "##");
	rig_expect("out/j/u/mine", "mine");
	assert_int_equal(access("out/j/u/none", F_OK), -1);
}

/* --- lies --- */

static int say(struct ff_fetch *fetch, struct ff_value *values, size_t len)
{
	struct ff_value item = ff_collection(FF_TUPLE, values, len);

	return ff_fetch_item(fetch, &item, NULL);
}

static int say_file(struct ff_fetch *fetch, const char *path, size_t len)
{
	struct ff_value values[] = {ff_str("file"), ff_bytes(path, len), ff_int(1), ff_int(0644),
				    ff_str(FF_RSYNC_XXH3)};

	return say(fetch, values, 5);
}

static int say_bytes(struct ff_fetch *fetch, const char *word, const char *bytes, size_t len)
{
	struct ff_value values[] = {ff_str(word), ff_bytes(bytes, len)};

	return say(fetch, values, 2);
}

static struct ff_fetch *new_fetch(void)
{
	char folder[PATH_MAX + 16];

	snprintf(folder, sizeof(folder), "%s/out", rig_dir);
	return ff_fetch_new(folder, &ff_md5_calls);
}

static void bad_paths_are_refused(void **state)
{
	static const char *const bad[] = {"/tmp/x", "..", "../x", "a/../x", "./x",	  "a//b",
					  "a/",	    "/",  "",	  "a/.",    FF_FETCH_SUMS};
	struct ff_fetch *fetch;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		fetch = new_fetch();
		assert_int_equal(say_file(fetch, bad[i], strlen(bad[i])), FF_EPROTO);
		ff_fetch_free(fetch);
	}
	fetch = new_fetch();
	assert_int_equal(say_file(fetch, "a\0b", 3), FF_EPROTO);
	ff_fetch_free(fetch);
	assert_int_equal(access("out", F_OK), -1);
}

/* A link that is in the way is not followed. */
static void links_are_not_followed(void **state)
{
	struct ff_fetch *fetch = new_fetch();

	rig_mkdir("out");
	rig_mkdir("elsewhere");
	assert_int_equal(symlink("../elsewhere", "out/sub"), 0);
	assert_int_equal(say_file(fetch, "sub/x", 5), FF_ESYS);
	ff_fetch_free(fetch);
	assert_int_equal(access("elsewhere/x", F_OK), -1);
}

static void a_wrong_digest_leaves_nothing(void **state)
{
	struct ff_fetch *fetch = new_fetch();

	rig_mkdir("out");
	rig_text("out/x", "older");
	assert_int_equal(say_file(fetch, "x", 1), 0);
	assert_int_equal(say_bytes(fetch, "data", "new", 3), 0);
	assert_int_equal(say_bytes(fetch, "end", "0123456789abcdef", 16), FF_EPROTO);
	ff_fetch_free(fetch);
	rig_expect("out/x", "older");
	assert_int_equal(system("test \"$(ls -A out)\" = x"), 0);
}

static void items_out_of_place_are_refused(void **state)
{
	struct ff_value nothing[] = {ff_str("done"), ff_none(), ff_none()};
	struct ff_value gone[] = {ff_str("gone"), ff_int(1), ff_str("x")};
	struct ff_fetch *fetch = new_fetch();

	assert_int_equal(say_bytes(fetch, "data", "x", 1), FF_EPROTO);
	assert_int_equal(say_bytes(fetch, "end", "x", 1), FF_EPROTO);
	assert_int_equal(say_bytes(fetch, "other", "x", 1), FF_EPROTO);
	assert_int_equal(say(fetch, nothing, 3), FF_EPROTO);
	assert_int_equal(say(fetch, nothing, 1), FF_EPROTO);
	assert_int_equal(say(fetch, gone, 3), FF_EPROTO);
	assert_int_equal(say_file(fetch, "x", 1), 0);
	assert_int_equal(say_file(fetch, "y", 1), FF_EPROTO);
	ff_fetch_free(fetch);
	assert_int_equal(system("test -z \"$(ls -A out)\""), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(patterns_mean_files),	     TEST(links_stay_inside),
		TEST(what_was_fetched_is_passed_by), TEST(what_was_fetched_can_be_found),
		TEST(ways_out_are_refused),	     TEST(files_arrive_whole),
		TEST(bad_paths_are_refused),	     TEST(links_are_not_followed),
		TEST(a_wrong_digest_leaves_nothing), TEST(items_out_of_place_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
