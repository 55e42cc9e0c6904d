/* Receivers in real workers that are told lies, and whose folder changes under them: nothing
 * outside their root may change, whatever happens, and the channel ends with words. */
#include "rsync_workers.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "rsync/protocol.h"

/* --- a conversation by hand --- */

enum { EXCHANGE = 2 }; /* renameat2's flag */

struct talk {
	struct ff_channel *channel;
	struct ff_item item;
	struct ff_buf outside; /* what must stay as it is */
};

/* Next to the root lies a folder that nobody may touch. */
static void begin(struct talk *talk, bool delete)
{
	struct ff_value kwargs[] = {ff_str("dest"),    ff_str(in_rig("dst")),
				    ff_str("delete"),  ff_bool(delete),
				    ff_str("version"), ff_int(FF_RSYNC_VERSION)};
	struct ff_task task = receiver_task(world.gw);
	struct ff_err err = {0};

	*talk = (struct talk){.item = FF_ITEM_INIT};
	if (!rig_exists("outside")) {
		rig_mkdir("outside");
		rig_mkdir("outside/d");
		rig_text("outside/x", "keep!");
		rig_text("outside/d/x", "keep!");
		rig_mtime("outside/x", 50, 50);
		chmod("outside/x", 0600);
	}
	snapshot(&talk->outside, "outside");
	task.kwargs = ff_collection(FF_DICT, kwargs, 3);
	talk->channel = ff_gateway_remote_exec(world.gw, &task, &err);
	if (!talk->channel)
		fail_msg("%s", err.text);
}

static void say(struct talk *talk, const char *name, const void *bytes, size_t len)
{
	struct ff_value pair[] = {ff_str(name), bytes ? ff_bytes(bytes, len) : ff_none()};
	struct ff_value item = ff_collection(FF_TUPLE, pair, 2);

	(void)ff_channel_send(talk->channel, &item, NULL);
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
	struct ff_err err = {0};

	ff_item_release(&talk->item);
	if (ff_channel_receive(talk->channel, WAIT_MS, &talk->item, &err))
		fail_msg("%s", err.text);
	assert_true(ff_is_str(ff_at(&talk->item.value, 0), name));
	return ff_at(&talk->item.value, 1);
}

static void hear_lists(struct talk *talk)
{
	bool more = true;

	while (more) {
		struct ff_err err = {0};

		ff_item_release(&talk->item);
		if (ff_channel_receive(talk->channel, WAIT_MS, &talk->item, &err))
			fail_msg("%s", err.text);
		more = ff_at(&talk->item.value, 1)->kind != FF_NONE;
	}
}

static void hang_up(struct talk *talk)
{
	ff_item_release(&talk->item);
	ff_channel_unref(talk->channel);
	expect_snapshot(&talk->outside, "outside");
	ff_buf_release(&talk->outside);
}

/* The channel ends with an error in which `words` are; NULL: or without one. */
static void expect_end(struct talk *talk, const char *words)
{
	struct ff_err err = {0};
	int rc = ff_channel_waitclose(talk->channel, WAIT_MS, &err);

	if (words && (rc != FF_EREMOTE || !strstr(err.text, words)))
		fail_msg("%d %s instead of %s", rc, err.text, words);
	if (rc && rc != FF_EREMOTE)
		fail_msg("%d %s", rc, err.text);
	hang_up(talk);
}

/* --- manifests --- */

static void add_entry(struct ff_buf *out, char kind, int mode, const void *path, size_t len)
{
	uint8_t head[15] = {(uint8_t)kind};

	ff_put_be(head + 1, (uint64_t)mode, 2);
	ff_put_be(head + 3, 1000000000, 8);
	ff_put_be(head + 13, len, 2);
	ff_buf_add(out, head, sizeof(head));
	ff_buf_add(out, path, len);
}

static void add_number(struct ff_buf *out, uint64_t number, size_t width)
{
	uint8_t bytes[8];

	ff_put_be(bytes, number, width);
	ff_buf_add(out, bytes, width);
}

/* `text`: entries like "d:sub f:sub/x l:sub/link>target", behind the root. Files have 5 bytes. */
static void make_manifest(struct ff_buf *out, const char *text)
{
	ff_buf_addstr(out, "FFT1");
	add_entry(out, 'd', 0755, "", 0);
	while (*text) {
		size_t len = strcspn(text, " "), path = strcspn(text + 2, " >");
		char kind = text[0];

		add_entry(out, kind, kind == 'd' ? 0755 : 0644, text + 2, path);
		if (kind == 'f')
			add_number(out, 5, 8);
		if (kind == 'l' || kind == 'i') {
			add_number(out, len - path - 3, 2);
			ff_buf_add(out, text + path + 3, len - path - 3);
		}
		text += len + (text[len] == ' ');
	}
}

static void say_manifest(struct talk *talk, const char *text)
{
	struct ff_buf bytes = FF_BUF_INIT;

	make_manifest(&bytes, text);
	say(talk, "m", ff_buf_data(&bytes), bytes.len);
	say(talk, "m", NULL, 0);
	ff_buf_release(&bytes);
}

static void refuses(const void *bytes, size_t len, const char *words)
{
	struct talk talk;

	begin(&talk, true);
	if (len)
		say(&talk, "m", bytes, len);
	say(&talk, "m", NULL, 0);
	expect_end(&talk, words);
	assert_int_equal(rig_entries("dst"), 0);
}

static const struct {
	const char *entries, *words;
} hostile[] = {
	{"f:../x", "not inside a directory"},
	{"f:..", "bad path component"},
	{"d:.. f:../x", "bad path component"},
	{"f:.", "bad path component"},
	{"d:a d:a/.. f:a/../x", "bad path component"},
	{"d:a f:a/../../x", "not inside a directory"},
	{"d:a f:a/.", "bad path component"},
	{"d:a f:a/", "bad path component"},
	{"d:a f:a//x", "not inside a directory"},
	{"f:/x", "absolute path"},
	{"d:/ f:/x", "absolute path"},
	{"f://x", "absolute path"},
	{"f:", "bad path component"},
	{"d:", "bad path component"},
	{"f:a f:a/x", "not inside a directory"},
	{"l:a>/tmp f:a/x", "not inside a directory"},
	{"i:a> f:a/x", "not inside a directory"},
	{"f:b/x d:b", "not inside a directory"},
	{"d:a d:b f:a/x", "not inside a directory"},
	{"f:b f:a", "duplicate or out of order"},
	{"f:a f:a", "duplicate or out of order"},
	{"d:a f:a", "duplicate or out of order"},
	{"f:.ff-0123456789abcdef.tmp", "name of a temporary file"},
	{"x:a", "unknown kind"},
	{"l:a>", "bad link target"},
	{"i:a>..", "bad link target"},
	{"i:a>b/../../c", "bad link target"},
	{"i:a>/etc", "bad link target"},
};

void hostile_manifests(void **state)
{
	struct ff_buf bytes = FF_BUF_INIT;
	size_t good;

	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		ff_buf_clear(&bytes);
		make_manifest(&bytes, hostile[i].entries);
		refuses(ff_buf_data(&bytes), bytes.len, hostile[i].words);
	}
	refuses("", 0, "not a manifest");
	refuses("FFT2", 4, "not a manifest");
	refuses("FFT1", 4, "truncated");
	ff_buf_clear(&bytes);
	ff_buf_addstr(&bytes, "FFT1");
	add_entry(&bytes, 'd', 0755, "a", 1);
	refuses(ff_buf_data(&bytes), bytes.len, "does not begin with the root");
	ff_buf_clear(&bytes);
	make_manifest(&bytes, "d:a");
	good = bytes.len;
	add_entry(&bytes, 'f', 010644, "x", 1);
	add_number(&bytes, 5, 8);
	refuses(ff_buf_data(&bytes), bytes.len, "bad mode");
	bytes.len = good;
	add_entry(&bytes, 'f', 0644, "x\0y", 3);
	add_number(&bytes, 5, 8);
	refuses(ff_buf_data(&bytes), bytes.len, "NUL in a path");
	bytes.len = good;
	add_entry(&bytes, 'f', 0644, "x", 1);
	add_number(&bytes, 5, 7); /* one byte short */
	refuses(ff_buf_data(&bytes), bytes.len, "truncated");
	bytes.len = good;
	add_entry(&bytes, 'l', 0777, "x", 1);
	add_number(&bytes, 300, 2);
	refuses(ff_buf_data(&bytes), bytes.len, "");
	bytes.len = good;
	add_entry(&bytes, 'f', 0644, "x", 1);
	ff_buf_data(&bytes)[good + 12] = 9; /* bytes shared with a path that has not so many */
	refuses(ff_buf_data(&bytes), bytes.len, "path too long");
	ff_buf_release(&bytes);
}

/* --- records --- */

/* Indexes: 1 d, 2 d/x, 3 d/y. Both files are wanted. */
static const char small[] = "d:d f:d/x f:d/y";

static void begin_small(struct talk *talk)
{
	begin(talk, true);
	say_manifest(talk, small);
	hear_lists(talk);
}

void hostile_records(void **state)
{
	static const struct {
		uint32_t index;
		int flags;
		const char *text, *words;
	} cases[] = {
		{4, FF_RSYNC_FIRST, "x", "bad data record"},
		{UINT32_MAX, FF_RSYNC_FIRST, "x", "bad data record"},
		{0, FF_RSYNC_FIRST | FF_RSYNC_LAST, "x", "was not asked for"},
		{1, FF_RSYNC_FIRST | FF_RSYNC_LAST, "x", "d, which was not asked for"},
		{2, 0, "x", "without a beginning"},
		{2, FF_RSYNC_LAST, "x", "without a beginning"},
		{2, 0x20 | FF_RSYNC_FIRST, "x", "bad data record"},
		{2, 0x80, "x", "bad data record"},
		{2, FF_RSYNC_FIRST | FF_RSYNC_TOUCH, "", "bad data record"},
		{2, FF_RSYNC_TOUCH, "", "bad data record"},
		{2, FF_RSYNC_GONE, "", "bad data record"},
		{2, FF_RSYNC_GONE | FF_RSYNC_LAST, "x", "bad data record"},
		{2, FF_RSYNC_TOUCH | FF_RSYNC_LAST, "x", "bad data record"},
		{2, FF_RSYNC_TOUCH | FF_RSYNC_LAST, "", "dst/d/x: No such file"},
		{2, FF_RSYNC_META, "short", "bad META record"},
		{2, FF_RSYNC_META | FF_RSYNC_FIRST, "0123456789", "bad data record"},
	};
	static const uint8_t too_long[] = {0, 0, 0, 2, FF_RSYNC_FIRST, 0xff, 0xff, 0xff, 0xff, 1};
	struct talk talk;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin_small(&talk);
		say_record(&talk, cases[i].index, cases[i].flags, cases[i].text);
		expect_end(&talk, cases[i].words);
		assert_int_equal(rig_entries("dst"), 1);
	}
	for (size_t len = 1; len <= sizeof(too_long); len++) {
		begin_small(&talk);
		say(&talk, "d", too_long, len);
		expect_end(&talk, "truncated data record");
	}
	/* Answered twice. */
	begin_small(&talk);
	say_record(&talk, 2, FF_RSYNC_FIRST | FF_RSYNC_LAST, "12345");
	say_record(&talk, 2, FF_RSYNC_FIRST | FF_RSYNC_LAST, "67890");
	expect_end(&talk, "d/x, which was not asked for");
	rig_expect("dst/d/x", "12345");
}

void items_out_of_turn(void **state)
{
	struct ff_value number = ff_int(7);
	struct talk talk;

	begin(&talk, false);
	say(&talk, "d", "x", 1);
	expect_end(&talk, "sync: unexpected item");
	begin(&talk, false);
	say(&talk, "end", NULL, 0);
	expect_end(&talk, "sync: unexpected item");
	begin(&talk, false);
	ff_channel_send(talk.channel, &number, NULL);
	expect_end(&talk, "sync: unexpected item");
	begin_small(&talk);
	say(&talk, "m", "FFT1", 4);
	expect_end(&talk, "sync: ");
	begin_small(&talk);
	say(&talk, "d", NULL, 0);
	expect_end(&talk, "sync: unexpected item");
	begin_small(&talk);
	say(&talk, "end", NULL, 0);
	expect_end(&talk, "ended with 2 files unanswered");
}

/* The beginning of one file is void because another, in another directory, begins. */
void a_void_beginning_elsewhere(void **state)
{
	struct talk talk;

	begin(&talk, false);
	say_manifest(&talk, "d:a f:a/x d:b f:b/x");
	hear_lists(&talk);
	say_record(&talk, 2, FF_RSYNC_FIRST, "void");
	say_record(&talk, 4, FF_RSYNC_FIRST | FF_RSYNC_LAST, "in b");
	say_record(&talk, 2, FF_RSYNC_FIRST, "in");
	say_record(&talk, 2, FF_RSYNC_LAST, " a");
	say(&talk, "end", NULL, 0);
	assert_int_equal(ff_dict_int(hear(&talk, "done"), "files", -1), 2);
	expect_end(&talk, NULL);
	rig_expect("dst/a/x", "in a");
	rig_expect("dst/b/x", "in b");
	assert_int_equal(rig_entries("dst"), 4);
}

void the_sender_leaves(void **state)
{
	struct talk talk;
	char name[32];

	for (int i = 0; i < 10; i++) {
		begin_small(&talk);
		say_record(&talk, 2, FF_RSYNC_FIRST, "123");
		ff_channel_close(talk.channel, i % 2 ? "changed my mind" : NULL);
		hang_up(&talk);
	}
	/* A worker that does the next thing has done with those. */
	snprintf(name, sizeof(name), "dst-next");
	rig_mkdir("src");
	rig_text("src/x", "x");
	for (int i = 0; i < 1000 && rig_entries("dst") != 1; i++)
		sync_ok("src", name, false);
	assert_int_equal(rig_entries("dst"), 1);
}

/* --- links --- */

static void answer_small(struct talk *talk)
{
	say_record(talk, 2, FF_RSYNC_FIRST | FF_RSYNC_LAST, "12345");
	say_record(talk, 3, FF_RSYNC_FIRST | FF_RSYNC_LAST, "67890");
	say(talk, "end", NULL, 0);
}

void links_put_there_before(void **state)
{
	struct talk talk;

	rig_mkdir("dst");
	assert_int_equal(symlink("../outside", "dst/d"), 0);
	assert_int_equal(symlink("../outside", "dst/stray"), 0);
	begin(&talk, true);
	say_manifest(&talk, small);
	hear_lists(&talk);
	answer_small(&talk);
	assert_int_equal(ff_dict_int(hear(&talk, "done"), "deleted", -1), 0);
	expect_end(&talk, NULL);
	assert_true(rig_exists("dst/stray"));
	rig_expect("dst/d/x", "12345");
	/* In place of a file; the file has what is wanted, and more. */
	assert_int_equal(unlink("dst/d/x") | unlink("dst/d/y"), 0);
	assert_int_equal(symlink("../../outside/x", "dst/d/x"), 0);
	assert_int_equal(link("outside/d/x", "dst/d/y"), 0);
	begin_small(&talk);
	answer_small(&talk);
	hear(&talk, "done");
	expect_end(&talk, NULL);
	rig_expect("dst/d/x", "12345");
	rig_expect("dst/d/y", "67890");
}

static void swap(const char *path, const char *target)
{
	char was[PATH_MAX];

	snprintf(was, sizeof(was), "%s-was", path);
	assert_int_equal(rename(path, was), 0);
	assert_int_equal(symlink(target, path), 0);
}

static void swap_back(const char *path)
{
	char was[PATH_MAX];

	snprintf(was, sizeof(was), "%s-was", path);
	unlink(path);
	rename(was, path);
}

void links_put_there_meanwhile(void **state)
{
	static const char two[] = "d:a f:a/x d:b f:b/x l:b/z>y";
	struct talk talk;

	/* Before contents come; the directory is not the one that was looked at last. */
	begin(&talk, true);
	say_manifest(&talk, two);
	hear_lists(&talk);
	swap("dst/a", "../outside");
	say_record(&talk, 4, FF_RSYNC_FIRST | FF_RSYNC_LAST, "in b");
	say_record(&talk, 2, FF_RSYNC_FIRST | FF_RSYNC_LAST, "in a");
	expect_end(&talk, "dst/a: ");
	swap_back("dst/a");
	/* Before links are made, things deleted, times set. */
	for (int i = 0; i < 2; i++) {
		rig_text("dst/b/y", "stray");
		begin(&talk, true);
		say_manifest(&talk, two);
		hear_lists(&talk);
		say_record(&talk, 4,
			   i ? FF_RSYNC_FIRST | FF_RSYNC_LAST : FF_RSYNC_GONE | FF_RSYNC_LAST,
			   i ? "in b" : "");
		swap("dst/b", "../outside");
		say_record(&talk, 2, FF_RSYNC_FIRST | FF_RSYNC_LAST, "in a");
		say(&talk, "end", NULL, 0);
		expect_end(&talk, "dst/b: ");
		swap_back("dst/b");
	}
	/* A file whose digest was asked about. */
	rig_text("dst/a/x", "five!");
	begin(&talk, false);
	say_manifest(&talk, "d:a f:a/x");
	hear_lists(&talk);
	swap("dst/a/x", "../../outside/x");
	say_record(&talk, 2, FF_RSYNC_TOUCH | FF_RSYNC_LAST, "");
	expect_end(&talk, "dst/a/x: was replaced meanwhile");
}

/* Another process swaps directories for links as fast as it can. */
static void swap_for_ever(void)
{
	int dst = open("dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (dst >= 0) {
		/* Never through a link itself. */
		int below = openat(dst, "d", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (below >= 0) {
			(void)!symlinkat("../../outside", below, "l");
			syscall(SYS_renameat2, below, "l", below, "d", EXCHANGE);
			close(below);
		}
		(void)!symlinkat("../outside", dst, "l");
		syscall(SYS_renameat2, dst, "l", dst, "d", EXCHANGE);
	}
}

void links_put_there_all_the_time(void **state)
{
	struct talk talk;
	pid_t pid;

	begin(&talk, false);
	ff_channel_close(talk.channel, NULL);
	rig_mkdir("src");
	rig_mkdir("src/d");
	rig_mkdir("src/d/d");
	rig_mkdir("dst");
	pid = fork();
	if (!pid) {
		swap_for_ever();
		_exit(0);
	}
	for (int i = 0; i < 60; i++) {
		struct outcome outcome = {0};
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		rig_text("src/d/x", text);
		rig_text("src/d/d/x", text);
		/* A time of its own, since what is swapped about may stay where it does not belong:
		 * with the size and time of another round it would pass for that. */
		rig_mtime(i % 2 ? "src/d/d/x" : "src/d/x", 50 + i, 50);
		chmod("src/d/d", i % 3 ? 0755 : 0555);
		try_sync("src", "dst", true, &outcome);
		chmod("src/d/d", 0755);
		outcome_release(&outcome);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	hang_up(&talk);
	/* And when it is over, all is well again, but for what is the host's own. */
	assert_int_equal(system("chmod -R u+rwx dst && rm -rf dst/l dst/d/l dst/d/d/l"), 0);
	sync_ok("src", "dst", true);
	rig_same("src", "dst");
}
