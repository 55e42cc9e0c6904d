/* The record of a folder and its lock: whole or none, one owner or another. */
#include "rig.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "rsync/hash.h"
#include "rsync/dest.h"

static struct ff_dest state_of(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ff_dest state;
	char real[PATH_MAX];

	assert_non_null(realpath(dir, real));
	assert_int_equal(ff_dest_open(&state, real, fd, NULL), 0);
	close(fd);
	return state;
}

static void records(void **unused)
{
	struct ff_buf content = FF_BUF_INIT, back = FF_BUF_INIT;
	struct ff_dest state;
	char *bytes;
	size_t len;

	rig_mkdir("dst");
	state = state_of("dst");
	assert_int_equal(ff_dest_read(&state, &back), FF_ENOTFOUND);
	ff_buf_addstr(&content, "what was brought");
	rig_text(".ff-dst.sync-new", "of one that was killed");
	assert_int_equal(ff_dest_write(&state, &content), 0);
	assert_false(rig_exists(".ff-dst.sync-new"));
	assert_int_equal(ff_dest_read(&state, &back), 0);
	assert_int_equal(back.len, content.len);
	assert_memory_equal(ff_buf_data(&back), "what was brought", back.len);
	ff_buf_clear(&back);
	/* The checksum that Python has: binascii.crc32(b"what was brought"). */
	bytes = rig_read(".ff-dst.sync-record", &len);
	assert_int_equal(len, content.len + 4);
	for (size_t i = 0; i < len; i++) {
		bytes[i] ^= 0x10;
		rig_write(".ff-dst.sync-record", bytes, len);
		assert_int_equal(ff_dest_read(&state, &back), FF_ELOAD);
		bytes[i] ^= 0x10;
		rig_write(".ff-dst.sync-record", bytes, i);
		assert_int_equal(ff_dest_read(&state, &back), FF_ELOAD);
	}
	assert_int_equal(back.len, 0);
	free(bytes);
	assert_int_equal(unlink(".ff-dst.sync-record") | mkfifo(".ff-dst.sync-record", 0600), 0);
	assert_int_equal(ff_dest_read(&state, &back), FF_ELOAD);
	/* What can't be replaced at least does not lie. */
	assert_int_equal(unlink(".ff-dst.sync-record"), 0);
	rig_text(".ff-dst.sync-record", "old");
	rig_mkdir(".ff-dst.sync-new");
	assert_int_equal(ff_dest_write(&state, &content), EEXIST);
	assert_false(rig_exists(".ff-dst.sync-record"));
	ff_dest_release(&state);
	ff_buf_release(&content);
	ff_buf_release(&back);
}

static void places(void **unused)
{
	struct ff_dest state;
	char name[300];

	memset(name, 'n', 250);
	name[250] = 0;
	rig_mkdir(name);
	state = state_of(name);
	assert_string_equal(state.record, ".ff-.sync-record");
	ff_dest_release(&state);
	state = state_of("/");
	assert_string_equal(state.lock, ".ff-.sync-lock");
	ff_dest_release(&state);
	rig_mkdir("dst");
	state = state_of("dst");
	assert_string_equal(state.lock, ".ff-dst.sync-lock");
	ff_dest_release(&state);
}

/* A process that takes the lock, says so, and waits to be killed. */
static pid_t holder_of(const char *owner)
{
	struct ff_dest state;
	int pipes[2];
	char said = 0;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		state = state_of("dst");
		said = ff_dest_lock(&state, "/dst", owner, "me@here pid 1", NULL) ? 'n' : 'y';
		(void)!write(pipes[1], &said, 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipes[0], &said, 1), 1);
	assert_int_equal(said, 'y');
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void locks(void **unused)
{
	struct ff_err err = {0};
	struct ff_dest state;
	pid_t one, two;

	rig_mkdir("dst");
	state = state_of("dst");
	one = holder_of("run 1");
	two = holder_of("run 1");
	assert_int_equal(ff_dest_lock(&state, "/dst", "run 2", "", &err), FF_EBUSY);
	assert_non_null(strstr(err.text, "/dst: in use by another run: me@here pid 1 (run run 1), "
					 "worker "));
	end(one);
	assert_int_equal(ff_dest_lock(&state, "/dst", "run 2", "", &err), FF_EBUSY);
	end(two);
	/* The dead hold nothing, whatever the file says; nor does one that is no lock of ours. */
	assert_int_equal(ff_dest_lock(&state, "/dst", "run 2\n\x1b[", "h\n", &err), 0);
	assert_int_equal(ff_dest_lock(&state, "/dst", "run 2\n\x1b[", "h\n", &err), 0);
	one = fork();
	if (!one)
		_exit(ff_dest_lock(&state, "/dst", "run 3", NULL, &err) == 0);
	end(one);
	assert_int_equal(ff_dest_lock(&state, "/dst", "", "", &err), FF_EINVAL);
	ff_dest_release(&state);
}

static void locks_that_cannot_be(void **unused)
{
	struct ff_err err = {0};
	struct ff_dest state;
	int fd;

	rig_mkdir("dst");
	state = state_of("dst");
	rig_mkdir("elsewhere");
	rig_text("elsewhere/x", "keep");
	assert_int_equal(symlink("elsewhere/x", ".ff-dst.sync-lock"), 0);
	assert_int_equal(ff_dest_lock(&state, "/dst", "a", "", &err), FF_ESYS);
	assert_non_null(strstr(err.text, "/dst: lock: .ff-dst.sync-lock: "));
	rig_expect("elsewhere/x", "keep");
	assert_int_equal(unlink(".ff-dst.sync-lock") | mkfifo(".ff-dst.sync-lock", 0600), 0);
	assert_int_equal(ff_dest_lock(&state, "/dst", "a", "", &err), FF_ESYS);
	assert_int_equal(unlink(".ff-dst.sync-lock"), 0);
	/* Held by who does not say who he is: not for ever. */
	rig_text(".ff-dst.sync-lock", "farflung sync lock 1\nowner a\n");
	fd = open(".ff-dst.sync-lock", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(ff_dest_lock(&state, "/dst", "a", "", &err), FF_EBUSY);
	close(fd);
	assert_int_equal(ff_dest_lock(&state, "/dst", "a", "", &err), 0);
	ff_dest_release(&state);
}

/* The digest of content with zeros is the same however they lie on the disk, and no other's. */
static void sparse_digests(void **unused)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 700000, 1 << 20};
	uint8_t one[FF_RSYNC_DIGEST], two[FF_RSYNC_DIGEST], last[FF_RSYNC_DIGEST] = {0};
	char *zeros = calloc(1, 1 << 20);
	int hole, full;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (int mark = 0; mark < 2; mark++) {
			size_t at = sizes[i] / 2;

			if (mark && !sizes[i])
				continue;
			rig_write("full", zeros, sizes[i]);
			rig_text("hole", "");
			assert_int_equal(truncate("hole", (off_t)sizes[i]), 0);
			full = open("full", O_RDWR | O_CLOEXEC);
			hole = open("hole", O_RDWR | O_CLOEXEC);
			if (mark) {
				assert_int_equal(pwrite(full, "x", 1, (off_t)at), 1);
				assert_int_equal(pwrite(hole, "x", 1, (off_t)at), 1);
			}
			assert_int_equal(ff_hash_xxh3(full, true, one), 0);
			assert_int_equal(ff_hash_xxh3(hole, true, two), 0);
			assert_memory_equal(one, two, sizeof(one));
			assert_true(memcmp(one, last, sizeof(one)) != 0);
			memcpy(last, one, sizeof(one));
			assert_int_equal(ff_hash_md5(full, true, one), 0);
			assert_int_equal(ff_hash_md5(hole, true, two), 0);
			assert_memory_equal(one, two, sizeof(one));
			assert_int_equal(ff_hash_md5(full, false, one), 0);
			assert_int_equal(ff_hash_md5(hole, false, two), 0);
			assert_memory_equal(one, two, sizeof(one));
			close(full);
			close(hole);
		}
	}
	free(zeros);
}

static void order(void **unused)
{
	static const char *const sorted[] = {"",       "a",   "a/b", "a/b/c", "a/c", "a\x01",
					     "a\x01b", "a-b", "ab",  "b",     "\xff"};
	size_t count = sizeof(sorted) / sizeof(*sorted);

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			int found = ff_tree_compare(sorted[i], sorted[j]);

			assert_int_equal((found > 0) - (found < 0), (i > j) - (i < j));
		}
	assert_true(ff_rsync_is_state(".ff-x.sync-record") && ff_rsync_is_state(".ff-.sync-lock"));
	assert_true(ff_rsync_is_state(".ff-a.b.sync-new"));
	assert_false(ff_rsync_is_state(".ff-x.sync-records") || ff_rsync_is_state("x.sync-new"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records),	      TEST(places), TEST(locks), TEST(locks_that_cannot_be),
		TEST(sparse_digests), TEST(order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
