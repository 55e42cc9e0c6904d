/* Puts file contents in place: always through a temporary file, so that no file is ever half
 * written. */
#include "rsync/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	HOLE_STEP = FF_RSYNC_STEP, /* a run of zeros this long becomes a hole */
};

void ff_receive_temp_name(struct ff_rsync_receive *r, char name[48])
{
	snprintf(name, 48, ".ff-%016llx%08llx.tmp", (unsigned long long)r->temp_seed,
		 (unsigned long long)(r->temps++ & 0xffffffff));
}

static int own_dir(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void forget_temp(struct ff_rsync_receive *r)
{
	if (r->temp.fd >= 0)
		close(r->temp.fd);
	if (r->temp.dir_fd >= 0)
		close(r->temp.dir_fd);
	r->temp.fd = r->temp.dir_fd = -1;
	r->temp.exists = r->temp.hole = false;
	r->temp.size = 0;
}

void ff_receive_drop_temp(struct ff_rsync_receive *r)
{
	const struct ff_tree_entry *entry;
	int dir_fd = r->temp.dir_fd;

	if (!r->temp.exists)
		return;
	entry = &r->tree.entries[r->temp.index];
	if (dir_fd < 0)
		dir_fd = ff_place_dir(&r->place, entry->parent, NULL);
	if (dir_fd >= 0)
		unlinkat(dir_fd, r->temp.name, 0);
	forget_temp(r);
}

static int begin(struct ff_rsync_receive *r, uint32_t index, bool whole, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	int dir_fd = ff_receive_dirty_dir(r, entry->parent, err);

	if (dir_fd < 0)
		return dir_fd;
	r->temp.index = index;
	ff_receive_temp_name(r, r->temp.name);
	r->temp.fd = openat(dir_fd, r->temp.name, NEW_FILE, entry->mode & 0777);
	if (r->temp.fd < 0)
		return ff_place_error(&r->place, index, errno, err);
	r->temp.exists = true;
	/* One that is complete at once is renamed before anything can move the directory cache. */
	if (!whole)
		r->temp.dir_fd = own_dir(dir_fd);
	return 0;
}

static bool is_zero(const uint8_t *at, size_t len)
{
	return !at[0] && !memcmp(at, at + 1, len - 1);
}

/* How many of the next bytes are to be written, or else (*hole) to be left out. A hole begins with
 * a whole step of zeros; a shorter run can only go on with one. */
static size_t next_run(const struct ff_rsync_receive *r, const uint8_t *at, size_t len, bool *hole)
{
	bool before = r->temp.hole;
	size_t run = 0;

	while (run < len) {
		size_t step = HOLE_STEP - (size_t)((r->temp.size + run) % HOLE_STEP);
		bool zero;

		if (step > len - run)
			step = len - run;
		zero = (step == HOLE_STEP || before) && is_zero(at + run, step);
		if (run && zero != before)
			break;
		*hole = before = zero;
		run += step;
	}
	return run;
}

static int append(struct ff_rsync_receive *r, const uint8_t *at, size_t len, struct ff_err *err)
{
	bool hole = false;
	ssize_t put;

	r->bytes += len;
	while (len) {
		put = (ssize_t)next_run(r, at, len, &hole);
		if (!hole)
			put = pwrite(r->temp.fd, at, (size_t)put, (off_t)r->temp.size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return ff_place_error(&r->place, r->temp.index, errno, err);
		r->temp.hole = hole;
		r->temp.size += (uint64_t)put;
		at += put;
		len -= (size_t)put;
	}
	return 0;
}

/* What is a hole at the source. */
static int leave_out(struct ff_rsync_receive *r, const uint8_t *at, struct ff_err *err)
{
	uint64_t len = ff_get_be(at, FF_RSYNC_HOLE_LEN);

	if (len > INT64_MAX - r->temp.size)
		return ff_err_set(err, FF_EPROTO, "sync: bad data record");
	r->temp.size += len;
	r->temp.hole = true;
	return 0;
}

static int commit(struct ff_rsync_receive *r, struct ff_err *err)
{
	uint32_t index = r->temp.index;
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	struct timespec times[2];
	int dir_fd, failed;

	ff_receive_times(entry, times);
	if ((r->temp.hole && ftruncate(r->temp.fd, (off_t)r->temp.size)) ||
	    futimens(r->temp.fd, times) ||
	    ((entry->mode & 07000 || entry->mode & r->umask) && fchmod(r->temp.fd, entry->mode)))
		return ff_place_error(&r->place, index, errno, err);
	dir_fd = r->temp.dir_fd;
	if (dir_fd < 0)
		dir_fd = ff_place_dir(&r->place, entry->parent, err);
	if (dir_fd < 0)
		return dir_fd;
	/* On a network file system close is where a full disk may show. */
	failed = close(r->temp.fd) ? errno : 0;
	r->temp.fd = -1;
	if (!failed)
		failed = ff_receive_put(dir_fd, r->temp.name, ff_tree_name(entry));
	if (failed)
		return ff_place_error(&r->place, index, failed, err);
	forget_temp(r);
	r->files++;
	return 0;
}

static int answer(struct ff_rsync_receive *r, uint32_t index)
{
	r->known[index] &= (uint8_t)~FF_RECEIVE_WANTED;
	r->unanswered--;
	return 0;
}

/* The source could not give it. What is there stays, and is called what it is. */
static int gone(struct ff_rsync_receive *r, uint32_t index)
{
	uint8_t number[4];

	r->known[index] |= FF_RECEIVE_GONE;
	if (!(r->known[index] & FF_RECEIVE_THERE))
		return 0;
	ff_put_be(number, index, sizeof(number));
	return ff_buf_add(&r->stale, number, sizeof(number));
}

static int content(struct ff_rsync_receive *r, uint32_t index, int flags, const uint8_t *at,
		   size_t len, struct ff_err *err)
{
	bool last = flags & FF_RSYNC_LAST, hole = flags & FF_RSYNC_HOLE;
	int rc = 0;

	if (hole && len != FF_RSYNC_HOLE_LEN)
		return ff_err_set(err, FF_EPROTO, "sync: bad data record");
	if (flags & FF_RSYNC_FIRST) {
		ff_receive_drop_temp(r);
		rc = begin(r, index, last, err);
	} else if (!r->temp.exists || r->temp.index != index) {
		return ff_err_set(err, FF_EPROTO, "sync: content without a beginning");
	}
	if (!rc)
		rc = hole ? leave_out(r, at, err) : append(r, at, len, err);
	if (!rc && last)
		rc = commit(r, err);
	if (!rc && last)
		rc = answer(r, index);
	return rc;
}

static int meta(struct ff_rsync_receive *r, uint32_t index, const uint8_t *at, size_t len,
		struct ff_err *err)
{
	struct ff_tree_entry *entry = &r->tree.entries[index];

	if (len != FF_RSYNC_META_LEN)
		return ff_err_set(err, FF_EPROTO, "sync: bad META record");
	if (r->known[index] & FF_RECEIVE_WANTED) {
		entry->mtime_ns = (int64_t)ff_get_be(at, 8);
		entry->mode = (uint32_t)ff_get_be(at + 8, 2) & 07777;
	}
	return 0;
}

static int record(struct ff_rsync_receive *r, uint32_t index, int flags, const uint8_t *at,
		  size_t len, struct ff_err *err)
{
	int rc;

	if (index >= r->tree.len || flags & ~FF_RSYNC_FLAGS)
		return ff_err_set(err, FF_EPROTO, "sync: bad data record");
	if (flags == FF_RSYNC_META)
		return meta(r, index, at, len, err);
	if (!(r->known[index] & FF_RECEIVE_WANTED))
		return ff_err_set(err, FF_EPROTO, "sync: data for %s, which was not asked for",
				  r->tree.entries[index].path);
	switch (flags & ~FF_RSYNC_HOLE) {
	case FF_RSYNC_GONE | FF_RSYNC_LAST:
	case FF_RSYNC_TOUCH | FF_RSYNC_LAST:
		if (len || flags & FF_RSYNC_HOLE)
			return ff_err_set(err, FF_EPROTO, "sync: bad data record");
		if (r->temp.exists && r->temp.index == index)
			ff_receive_drop_temp(r);
		rc = flags & FF_RSYNC_TOUCH ? ff_receive_touch(r, index, err) : gone(r, index);
		return rc ? rc : answer(r, index);
	case 0:
	case FF_RSYNC_FIRST:
	case FF_RSYNC_LAST:
	case FF_RSYNC_FIRST | FF_RSYNC_LAST:
		return content(r, index, flags, at, len, err);
	default:
		return ff_err_set(err, FF_EPROTO, "sync: bad data record");
	}
}

int ff_receive_data(struct ff_rsync_receive *r, const uint8_t *at, size_t len, struct ff_err *err)
{
	size_t size;
	int rc;

	while (len) {
		size = len < FF_RSYNC_RECORD ? 0 : (size_t)ff_get_be(at + 5, 4);
		if (len < FF_RSYNC_RECORD || len - FF_RSYNC_RECORD < size)
			return ff_err_set(err, FF_EPROTO, "sync: truncated data record");
		rc = record(r, (uint32_t)ff_get_be(at, 4), at[4], at + FF_RSYNC_RECORD, size, err);
		if (rc)
			return rc;
		at += FF_RSYNC_RECORD + size;
		len -= FF_RSYNC_RECORD + size;
	}
	return 0;
}
