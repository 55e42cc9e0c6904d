/* For the tests of tree sync: temporary trees, and a controller and a worker joined in memory. */
#ifndef TESTS_RSYNC_RIG_H
#define TESTS_RSYNC_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "rsync/receive.h"
#include "rsync/send.h"

#define RIG __attribute__((unused)) static

/* --- files; the working directory is a fresh one --- */

static char rig_dir[PATH_MAX];

RIG int rig_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

RIG int rig_opened(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (S_ISDIR(st->st_mode))
		(void)!chmod(path, 0700);
	return 0;
}

RIG int rig_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	int length = snprintf(rig_dir, sizeof(rig_dir), "%s/ff-rsync-XXXXXX", tmp ? tmp : "/tmp");

	umask(022);
	return length >= (int)sizeof(rig_dir) || !mkdtemp(rig_dir) || chdir(rig_dir);
}

RIG int rig_teardown(void **state)
{
	nftw(rig_dir, rig_opened, 16, FTW_PHYS);
	nftw(rig_dir, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
	return chdir("/");
}

RIG void rig_mkdir(const char *path)
{
	assert_int_equal(mkdir(path, 0755), 0);
}

RIG void rig_write(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

RIG void rig_text(const char *path, const char *text)
{
	rig_write(path, text, strlen(text));
}

/* Bytes that depend on the place in the file and on `seed`. */
RIG void rig_fill(const char *path, size_t len, unsigned seed)
{
	uint8_t *bytes = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((i * 2654435761u >> 7) + (i >> 16) + seed);
	rig_write(path, bytes, len);
	free(bytes);
}

RIG void rig_mtime(const char *path, time_t s, long ns)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {s, ns}};

	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

RIG char *rig_read(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	char *bytes;
	long size;

	if (!file)
		return NULL;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	bytes = calloc(1, (size_t)size + 1);
	assert_int_equal(fread(bytes, 1, (size_t)size, file), (size_t)size);
	fclose(file);
	if (len)
		*len = (size_t)size;
	return bytes;
}

RIG void rig_expect(const char *path, const char *text)
{
	char *bytes = rig_read(path, NULL);

	assert_non_null(bytes);
	assert_string_equal(bytes, text);
	free(bytes);
}

RIG bool rig_exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static size_t rig_count;
RIG int rig_counted(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	rig_count++;
	return 0;
}

/* Entries in and below a directory, itself not counted. */
RIG size_t rig_entries(const char *path)
{
	rig_count = 0;
	nftw(path, rig_counted, 16, FTW_PHYS);
	return rig_count ? rig_count - 1 : 0;
}

RIG void rig_scan(struct ff_tree *tree, const char *root)
{
	struct ff_err err;

	assert_int_equal(ff_tree_scan(tree, root, NULL, &err), 0);
}

/* Names, kinds, modes, mtimes, sizes, link targets and contents are all the same. */
RIG void rig_same(const char *a, const char *b)
{
	struct ff_tree one, two;

	rig_scan(&one, a);
	rig_scan(&two, b);
	for (size_t i = 0; i < one.len && i < two.len; i++) {
		const struct ff_tree_entry *x = &one.entries[i], *y = &two.entries[i];

		assert_string_equal(x->path, y->path);
		assert_int_equal(x->kind, y->kind);
		assert_int_equal(x->mode, y->mode);
		assert_int_equal(x->size, y->size);
		assert_int_equal(x->mtime_ns, y->mtime_ns);
		if (x->kind == FF_TREE_LINK)
			assert_string_equal(x->target, y->target);
		if (x->kind == FF_TREE_FILE) {
			char left[PATH_MAX], right[PATH_MAX], *p, *q;
			size_t m = 0, n = 0;

			snprintf(left, sizeof(left), "%s/%s", a, x->path);
			snprintf(right, sizeof(right), "%s/%s", b, x->path);
			p = rig_read(left, &m);
			q = rig_read(right, &n);
			assert_int_equal(m, n);
			assert_memory_equal(p, q, m);
			free(p);
			free(q);
		}
	}
	assert_int_equal(one.len, two.len);
	ff_tree_release(&one);
	ff_tree_release(&two);
}

/* --- gateways --- */

struct rig_pair {
	struct ff_gateway *controller, *worker;
	bool received, refused; /* the receiver's finished was called; with an error */
	/* of the sender's side */
	int finished;
	struct ff_rsync_stats stats;
	struct ff_err err;
	size_t progress;
};

RIG void rig_receive_finished(struct ff_channel *channel, const char *error, void *ctx)
{
	struct rig_pair *pair = ctx;

	assert_false(pair->received);
	pair->received = true;
	pair->refused = error != NULL;
	ff_channel_close(channel, error);
	ff_channel_unref(channel);
}

RIG void rig_exec(struct ff_gateway *gateway, struct ff_channel *channel,
		  const struct ff_value *task, void *ctx)
{
	struct rig_pair *pair = ctx;
	struct ff_err err;

	assert_true(ff_is_str(ff_at(task, 2), "rsync"));
	if (ff_rsync_receive_start(channel, ff_at(task, 3), rig_receive_finished, pair, &err)) {
		pair->received = pair->refused = true;
		ff_channel_close(channel, err.text);
		ff_channel_unref(channel);
	}
}

RIG void rig_open(struct rig_pair *pair)
{
	static const struct ff_gateway_ops worker_ops = {.exec = rig_exec};

	*pair = (struct rig_pair){0};
	pair->controller =
		ff_gateway_new(&(struct ff_gateway_opts){.id = "gw0", .initiator = true});
	pair->worker = ff_gateway_new(
		&(struct ff_gateway_opts){.id = "gw0", .ops = &worker_ops, .ctx = pair});
	ff_gateway_opened(pair->controller);
	ff_gateway_opened(pair->worker);
}

RIG void rig_close(struct rig_pair *pair)
{
	ff_gateway_free(pair->controller);
	ff_gateway_free(pair->worker);
}

/* At most `max` bytes; returns how many went over. */
RIG size_t rig_carry(struct ff_gateway *from, struct ff_gateway *to, size_t max)
{
	struct ff_buf *out = ff_gateway_output(from);
	size_t len = out->len < max ? out->len : max;
	uint8_t *bytes = malloc(len + 1);
	struct ff_err err;

	if (len)
		memcpy(bytes, ff_buf_data(out), len);
	ff_buf_consume(out, len);
	assert_int_equal(ff_gateway_feed(to, bytes, len, 0, &err), 0);
	ff_gateway_sent(from);
	free(bytes);
	return len;
}

/* One step each way; false when nothing is under way. */
RIG bool rig_step(struct rig_pair *pair, size_t max)
{
	size_t there = rig_carry(pair->controller, pair->worker, max);

	return rig_carry(pair->worker, pair->controller, max) + there > 0;
}

RIG void rig_pump(struct rig_pair *pair)
{
	while (rig_step(pair, SIZE_MAX))
		;
}

/* Both sides use credit from now on. */
RIG void rig_hello(struct rig_pair *pair)
{
	ff_gateway_hello(pair->controller, 0, 0, 0);
	rig_pump(pair);
	assert_true(ff_gateway_extended(pair->controller));
}

/* --- syncs --- */

RIG void rig_sent(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
		  const struct ff_err *err, void *ctx)
{
	struct rig_pair *pair = ctx;

	assert_ptr_equal(ff_rsync_target_ctx(target), pair);
	pair->finished++;
	pair->stats = *stats;
	pair->err = *err;
}

RIG void rig_progress(struct ff_rsync_target *target, const char *path, void *ctx)
{
	((struct rig_pair *)ctx)->progress++;
}

static const struct ff_rsync_events rig_events = {.progress = rig_progress, .finished = rig_sent};

RIG struct ff_rsync *rig_rsync(const char *source, const struct ff_tree_filter *filter)
{
	struct ff_tree tree;
	struct ff_err err;
	struct ff_rsync *rsync;

	assert_int_equal(ff_tree_scan(&tree, source, filter, &err), 0);
	rsync = ff_rsync_new(&tree);
	assert_non_null(rsync);
	return rsync;
}

RIG void rig_add(struct ff_rsync *rsync, struct rig_pair *pair, const char *dest,
		 bool remove_others)
{
	struct ff_rsync_target_opts opts = {
		.dest = dest,
		.remove = remove_others,
		.task = &(const struct ff_task){.call_name = "rsync"},
		.events = &rig_events,
		.ctx = pair,
	};
	struct ff_err err;

	assert_non_null(ff_rsync_add_target(rsync, pair->controller, &opts, &err));
}

/* One whole sync; the result is in *pair, whose gateways are gone. */
RIG void rig_try(struct rig_pair *pair, const char *source, const char *dest, bool remove_others)
{
	struct ff_rsync *rsync = rig_rsync(source, NULL);

	rig_open(pair);
	rig_add(rsync, pair, dest, remove_others);
	rig_pump(pair);
	assert_int_equal(pair->finished, 1);
	assert_true(ff_rsync_done(rsync));
	assert_true(pair->received);
	ff_rsync_free(rsync);
	rig_close(pair);
}

RIG struct ff_rsync_stats rig_sync(const char *source, const char *dest, bool remove_others)
{
	struct rig_pair pair;

	rig_try(&pair, source, dest, remove_others);
	if (pair.err.code)
		fail_msg("%s", pair.err.text);
	assert_false(pair.refused);
	return pair.stats;
}

#endif
