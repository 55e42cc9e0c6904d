/* A receiver that is told lies: nothing outside its root may change, whatever arrives, and the
 * channel ends with words. */
#include "rig.h"

#include "rsync/protocol.h"

struct talk {
	struct rig_pair pair;
	struct ff_channel *channel;
	struct ff_item item;
};

static void begin(struct talk *talk, const char *dest)
{
	struct ff_value kwargs[] = {ff_str("dest"), ff_str(dest),      ff_str("delete"),
				    ff_bool(true),  ff_str("version"), ff_int(FF_RSYNC_VERSION)};
	struct ff_task task = {.call_name = "rsync", .kwargs = ff_collection(FF_DICT, kwargs, 3)};

	talk->item = (struct ff_item)FF_ITEM_INIT;
	rig_open(&talk->pair);
	talk->channel = ff_gateway_remote_exec(talk->pair.controller, &task, NULL);
	assert_non_null(talk->channel);
}

static void say(struct talk *talk, const char *name, const void *bytes, size_t len)
{
	struct ff_value pair[] = {ff_str(name), bytes ? ff_bytes(bytes, len) : ff_none()};
	struct ff_value item = ff_collection(FF_TUPLE, pair, 2);

	(void)ff_channel_send(talk->channel, &item, NULL);
	rig_pump(&talk->pair);
}

static void say_tree(struct talk *talk, const struct ff_tree *tree)
{
	struct ff_buf bytes = FF_BUF_INIT;

	assert_int_equal(ff_tree_pack(tree, &bytes), 0);
	say(talk, "m", ff_buf_data(&bytes), bytes.len / 2);
	say(talk, "m", ff_buf_data(&bytes) + bytes.len / 2, bytes.len - bytes.len / 2);
	say(talk, "m", NULL, 0);
	ff_buf_release(&bytes);
}

static void say_record(struct talk *talk, uint32_t index, int flags, const char *text)
{
	uint8_t record[100];
	size_t len = strlen(text);

	ff_put_be(record, index, 4);
	record[4] = (uint8_t)flags;
	ff_put_be(record + 5, len, 4);
	memcpy(record + FF_RSYNC_RECORD, text, len);
	say(talk, "d", record, FF_RSYNC_RECORD + len);
}

/* The next answer is a tuple beginning with `name`. */
static const struct ff_value *hear(struct talk *talk, const char *name)
{
	ff_item_release(&talk->item);
	assert_int_equal(ff_channel_poll(talk->channel, &talk->item, NULL), 0);
	assert_true(ff_is_str(ff_at(&talk->item.value, 0), name));
	return ff_at(&talk->item.value, 1);
}

static void hang_up(struct talk *talk)
{
	ff_item_release(&talk->item);
	ff_channel_unref(talk->channel);
	rig_pump(&talk->pair);
	assert_true(talk->pair.received);
	rig_close(&talk->pair);
}

static void expect_refusal(struct talk *talk, const char *words)
{
	const char *error = ff_channel_error(talk->channel);

	if (!error || !strstr(error, words))
		fail_msg("%s instead of %s", error ? error : "no error", words);
	hang_up(talk);
}

/* A root with a directory "d" that holds files "x" and "y". */
static struct ff_tree_entry small_entries[] = {
	{.path = "", .kind = FF_TREE_DIR, .mode = 0755, .mtime_ns = 1},
	{.path = "d", .kind = FF_TREE_DIR, .mode = 0755, .mtime_ns = 2},
	{.path = "d/x", .kind = FF_TREE_FILE, .mode = 0644, .mtime_ns = 3, .size = 5},
	{.path = "d/y", .kind = FF_TREE_FILE, .mode = 0600, .mtime_ns = 4, .size = 5},
};
static const struct ff_tree small = {.entries = small_entries, .len = 4};

static void the_conversation(void **state)
{
	const uint8_t both[] = {0, 0, 0, 2, 0, 0, 0, 3};
	const struct ff_value *list;
	struct talk talk;
	struct stat st;

	begin(&talk, "dst");
	say_tree(&talk, &small);
	list = hear(&talk, "need");
	assert_int_equal(list->len, sizeof(both));
	assert_memory_equal(list->text, both, sizeof(both));
	assert_int_equal(hear(&talk, "need")->kind, FF_NONE);
	say_record(&talk, 3, FF_RSYNC_FIRST, "be");
	say_record(&talk, 3, FF_RSYNC_FIRST, "new");
	say_record(&talk, 3, 0, "er");
	say_record(&talk, 3, FF_RSYNC_LAST, "!");
	say_record(&talk, 2, FF_RSYNC_GONE | FF_RSYNC_LAST, "");
	say(&talk, "end", NULL, 0);
	list = hear(&talk, "done");
	assert_int_equal(ff_dict_int(list, "files", -1), 1);
	assert_int_equal(ff_dict_int(list, "deleted", -1), 0);
	assert_true(ff_channel_receive_closed(talk.channel));
	assert_null(ff_channel_error(talk.channel));
	hang_up(&talk);
	rig_expect("dst/d/y", "newer!");
	assert_int_equal(rig_entries("dst"), 2);
	assert_int_equal(lstat("dst/d/y", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_mtim.tv_nsec, 4);
}

/* Zeros become a hole, unless records are too short to hold a step of them. */
static void holes(void **state)
{
	static const size_t cuts[] = {262000, 131072, 65536, 65535, 1};
	enum { SIZE = 1000000 };
	uint8_t *bytes = calloc(1, SIZE), *record = malloc(SIZE + FF_RSYNC_RECORD);
	struct talk talk;
	struct stat st;

	memset(bytes, 'x', 1000);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		size_t at = 0, step = cuts[i] == 1 ? SIZE : cuts[i], len;
		char *copy;

		bytes[500000 + i] = 'y';
		begin(&talk, "dst");
		say_tree(&talk, &small);
		for (; at < SIZE; at += len) {
			len = SIZE - at < step ? SIZE - at : step;
			ff_put_be(record, 2, 4);
			record[4] = (uint8_t)(at ? 0 : FF_RSYNC_FIRST);
			record[4] |= (uint8_t)(at + len == SIZE ? FF_RSYNC_LAST : 0);
			ff_put_be(record + 5, len, 4);
			memcpy(record + FF_RSYNC_RECORD, bytes + at, len);
			say(&talk, "d", record, FF_RSYNC_RECORD + len);
		}
		say_record(&talk, 3, FF_RSYNC_FIRST | FF_RSYNC_LAST, "short");
		say(&talk, "end", NULL, 0);
		assert_true(talk.pair.received && !talk.pair.refused);
		hang_up(&talk);
		copy = rig_read("dst/d/x", &len);
		assert_int_equal(len, SIZE);
		assert_memory_equal(copy, bytes, SIZE);
		free(copy);
		rig_text("dst/d/y", "else"); /* so that both are asked for again */
		assert_int_equal(lstat("dst/d/x", &st), 0);
		if (step != 65535)
			assert_in_range(st.st_blocks, 0, 2 * 4 * 64);
	}
	free(bytes);
	free(record);
}

static void say_hole(struct talk *talk, uint32_t index, int flags, uint64_t len)
{
	uint8_t record[FF_RSYNC_RECORD + FF_RSYNC_HOLE_LEN];

	ff_put_be(record, index, 4);
	record[4] = (uint8_t)(flags | FF_RSYNC_HOLE);
	ff_put_be(record + 5, FF_RSYNC_HOLE_LEN, 4);
	ff_put_be(record + FF_RSYNC_RECORD, len, FF_RSYNC_HOLE_LEN);
	say(talk, "d", record, sizeof(record));
}

static void holes_that_are_said(void **state)
{
	struct talk talk;
	struct stat st;
	char *copy;
	size_t len;

	begin(&talk, "dst");
	say_tree(&talk, &small);
	say_record(&talk, 2, FF_RSYNC_FIRST, "data");
	say_hole(&talk, 2, 0, 1000);
	say_record(&talk, 2, 0, "more");
	say_hole(&talk, 2, FF_RSYNC_LAST, 100000);
	say_hole(&talk, 3, FF_RSYNC_FIRST | FF_RSYNC_LAST, UINT64_C(1) << 40);
	say(&talk, "end", NULL, 0);
	assert_true(talk.pair.received && !talk.pair.refused);
	hang_up(&talk);
	copy = rig_read("dst/d/x", &len);
	assert_int_equal(len, 101008);
	assert_memory_equal(copy, "data\0", 5);
	assert_memory_equal(copy + 1004, "more\0", 5);
	free(copy);
	assert_int_equal(stat("dst/d/y", &st), 0);
	assert_int_equal(st.st_size, INT64_C(1) << 40);
	rig_text("dst/d/x", "");
	begin(&talk, "dst");
	say_tree(&talk, &small);
	say_hole(&talk, 2, FF_RSYNC_FIRST, INT64_MAX);
	say_hole(&talk, 2, 0, 1);
	expect_refusal(&talk, "bad data record");
	begin(&talk, "dst");
	say_tree(&talk, &small);
	say_hole(&talk, 2, FF_RSYNC_FIRST | FF_RSYNC_LAST, INT64_MAX);
	expect_refusal(&talk, "dst/d/x: ");
	begin(&talk, "dst");
	say_tree(&talk, &small);
	say_hole(&talk, 2, FF_RSYNC_GONE | FF_RSYNC_LAST, 1);
	expect_refusal(&talk, "bad data record");
}

/* What is to stay can only be what was asked about. */
static void bad_lists_of_what_to_keep(void **state)
{
	struct talk talk;

	for (int way = 0; way < 2; way++) {
		begin(&talk, "dst");
		say_tree(&talk, &small);
		say(&talk, "keep", "\0\0\0\0", way ? 4 : 3);
		expect_refusal(&talk, "bad list of what to keep");
	}
}

static void a_link_in_place_of_a_directory(void **state)
{
	struct talk talk;

	rig_mkdir("outside");
	rig_text("outside/x", "keep!");
	rig_mkdir("dst");
	assert_int_equal(symlink("../outside", "dst/d"), 0);
	begin(&talk, "dst");
	say_tree(&talk, &small);
	say_record(&talk, 2, FF_RSYNC_FIRST | FF_RSYNC_LAST, "12345");
	say_record(&talk, 3, FF_RSYNC_FIRST | FF_RSYNC_LAST, "67890");
	say(&talk, "end", NULL, 0);
	hang_up(&talk);
	rig_expect("outside/x", "keep!");
	assert_int_equal(rig_entries("outside"), 1);
	rig_expect("dst/d/x", "12345");
}

/* The directory is swapped for a link to elsewhere while the sync is under way. */
static void a_link_put_there_meanwhile(void **state)
{
	static struct ff_tree_entry entries[] = {
		{.path = "", .kind = FF_TREE_DIR, .mode = 0755},
		{.path = "a", .kind = FF_TREE_DIR, .mode = 0755},
		{.path = "a/x", .kind = FF_TREE_FILE, .mode = 0644, .size = 5},
		{.path = "b", .kind = FF_TREE_DIR, .mode = 0755},
		{.path = "b/x", .kind = FF_TREE_FILE, .mode = 0644, .size = 5},
	};
	static const struct ff_tree tree = {.entries = entries, .len = 5};
	struct talk talk;

	rig_mkdir("outside");
	begin(&talk, "dst");
	say_tree(&talk, &tree);
	say_record(&talk, 4, FF_RSYNC_FIRST | FF_RSYNC_LAST, "in b");
	rename("dst/a", "dst/was-a");
	assert_int_equal(symlink("../outside", "dst/a"), 0);
	say_record(&talk, 2, FF_RSYNC_FIRST | FF_RSYNC_LAST, "12345");
	expect_refusal(&talk, "dst/a: ");
	assert_int_equal(rig_entries("outside"), 0);
}

static void a_link_in_place_of_a_file(void **state)
{
	struct talk talk;

	rig_text("precious", "five!");
	rig_mtime("precious", 50, 0);
	chmod("precious", 0600);
	rig_mkdir("dst");
	rig_mkdir("dst/d");
	rig_text("dst/d/x", "five!");
	begin(&talk, "dst");
	say_tree(&talk, &small);
	assert_int_equal(hear(&talk, "need")->len, 4); /* y */
	hear(&talk, "hash");			       /* x */
	unlink("dst/d/x");
	assert_int_equal(symlink("../../precious", "dst/d/x"), 0);
	say_record(&talk, 2, FF_RSYNC_TOUCH | FF_RSYNC_LAST, "");
	expect_refusal(&talk, "dst/d/x: ");
	struct stat st;
	assert_int_equal(stat("precious", &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 50);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void bad_records(void **state)
{
	static const struct {
		uint32_t index;
		int flags;
		const char *text, *words;
	} cases[] = {
		{0, FF_RSYNC_FIRST | FF_RSYNC_LAST, "x", "not asked for"},
		{1, FF_RSYNC_FIRST, "x", "not asked for"},
		{4, FF_RSYNC_FIRST, "x", "bad data record"},
		{UINT32_MAX, FF_RSYNC_FIRST, "x", "bad data record"},
		{2, 0, "x", "without a beginning"},
		{2, FF_RSYNC_LAST, "x", "without a beginning"},
		{2, 0x20, "x", "bad data record"},
		{2, FF_RSYNC_TOUCH, "", "bad data record"},
		{2, FF_RSYNC_TOUCH | FF_RSYNC_LAST, "x", "bad data record"},
		{2, FF_RSYNC_GONE | FF_RSYNC_LAST, "x", "bad data record"},
		{2, FF_RSYNC_META, "short", "META"},
		{2, FF_RSYNC_TOUCH | FF_RSYNC_LAST, "", "dst/d/x: No such file"},
	};
	struct talk talk;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin(&talk, "dst");
		say_tree(&talk, &small);
		say_record(&talk, cases[i].index, cases[i].flags, cases[i].text);
		expect_refusal(&talk, cases[i].words);
		assert_int_equal(rig_entries("dst"), 1);
	}
	begin(&talk, "dst");
	say_tree(&talk, &small);
	say(&talk, "d", "\0\0\0\2\1\0\0\0\7abc", 12);
	expect_refusal(&talk, "truncated");
	begin(&talk, "dst");
	say_tree(&talk, &small);
	say_record(&talk, 2, FF_RSYNC_FIRST, "12");
	say_record(&talk, 3, FF_RSYNC_LAST, "12");
	expect_refusal(&talk, "without a beginning");
	assert_int_equal(rig_entries("dst"), 1); /* the temporary file is gone */
}

static void items_out_of_turn(void **state)
{
	struct talk talk;

	begin(&talk, "dst");
	say(&talk, "d", "", 0);
	expect_refusal(&talk, "unexpected item");
	begin(&talk, "dst");
	say(&talk, "end", NULL, 0);
	expect_refusal(&talk, "unexpected item");
	begin(&talk, "dst");
	say_tree(&talk, &small);
	say(&talk, "end", NULL, 0);
	expect_refusal(&talk, "2 files unanswered");
	begin(&talk, "dst");
	say_tree(&talk, &small);
	say(&talk, "m", "more", 4);
	expect_refusal(&talk, "manifest after its end");
	begin(&talk, "dst");
	say(&talk, "m", "rubbish", 7);
	say(&talk, "m", NULL, 0);
	expect_refusal(&talk, "not a manifest");
	begin(&talk, "dst");
	say(&talk, "m", NULL, 0);
	expect_refusal(&talk, "not a manifest");
	begin(&talk, "dst");
	say(&talk, "what", "", 0);
	expect_refusal(&talk, "unexpected item");
	begin(&talk, "dst");
	assert_int_equal(ff_channel_send(talk.channel, &(struct ff_value){.kind = FF_NONE}, NULL),
			 0);
	rig_pump(&talk.pair);
	expect_refusal(&talk, "unexpected item");
}

static void bad_kwargs(void **state)
{
	struct ff_value cases[][6] = {
		{ff_str("dest"), ff_str("dst"), ff_str("version"), ff_int(3)},
		{ff_str("dest"), ff_str("dst"), ff_str("delete"), ff_bool(true)},
		{ff_str("dest"), ff_str(""), ff_str("version"), ff_int(2)},
		{ff_str("dest"), ff_int(1), ff_str("version"), ff_int(2)},
		{ff_str("dest"), ff_strn("a\0b", 3), ff_str("version"), ff_int(2)},
		{ff_str("other"), ff_int(1), ff_str("version"), ff_int(2)},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_value dict = ff_collection(FF_DICT, cases[i], 2);
		struct ff_err err;

		assert_int_equal(ff_rsync_receive_start(NULL, &dict, NULL, NULL, &err), FF_EINVAL);
	}
	assert_int_equal(rig_entries("."), 0);
}

static void the_sender_leaves(void **state)
{
	struct talk talk;

	begin(&talk, "dst");
	say_tree(&talk, &small);
	say_record(&talk, 2, FF_RSYNC_FIRST, "123");
	assert_int_equal(rig_entries("dst"), 2);
	ff_channel_close(talk.channel, NULL);
	rig_pump(&talk.pair);
	assert_true(talk.pair.refused);
	hang_up(&talk);
	assert_int_equal(rig_entries("dst"), 1);
}

static int setup(void **state)
{
	static const uint32_t parents[] = {0, 0, 1, 1};

	for (size_t i = 0; i < 4; i++) {
		small_entries[i].parent = parents[i];
		small_entries[i].name_at = i > 1 ? 2 : 0;
	}
	return rig_setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_conversation),
		TEST(holes),
		TEST(holes_that_are_said),
		TEST(bad_lists_of_what_to_keep),
		TEST(a_link_in_place_of_a_directory),
		TEST(a_link_put_there_meanwhile),
		TEST(a_link_in_place_of_a_file),
		TEST(bad_records),
		TEST(items_out_of_turn),
		TEST(bad_kwargs),
		TEST(the_sender_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
