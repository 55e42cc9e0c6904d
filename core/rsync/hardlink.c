/* Further names of a file: made when the file itself is in place. */
#include "rsync/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum { COPY_PART = 256 << 10 };

int ff_receive_inode_taken(struct ff_rsync_receive *r, uint32_t index, const struct stat *st)
{
	char key[48];

	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_ino);
	if (ff_map_get(&r->inodes, key))
		return 1;
	return ff_map_set(&r->inodes, key, (void *)(uintptr_t)index);
}

static bool cannot_link(int errnum)
{
	return errnum == EPERM || errnum == EXDEV || errnum == EMLINK || errnum == EOPNOTSUPP ||
	       errnum == ENOSYS;
}

static int copy_bytes(int from, int to)
{
	uint8_t *part = ff_malloc(COPY_PART);
	int failed = part ? 0 : ENOMEM;
	ssize_t got = 1, put;

	while (!failed && got) {
		got = read(from, part, COPY_PART);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			failed = errno;
		for (ssize_t at = 0; !failed && at < got; at += put) {
			put = write(to, part + at, (size_t)(got - at));
			if (put < 0 && errno != EINTR)
				failed = errno;
			if (put < 0)
				put = 0;
		}
	}
	ff_free(part);
	return failed;
}

/* Where the file system has no hard links: a copy with the same times. 0 or an errno. */
static int copy_file(const struct ff_tree_entry *first, int first_dir, int dir_fd, const char *temp)
{
	int from = openat(first_dir, ff_tree_name(first), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int to = -1, failed;
	struct timespec times[2];

	if (from < 0)
		return errno;
	to = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	failed = to < 0 ? errno : copy_bytes(from, to);
	ff_receive_times(first, times);
	if (!failed && (futimens(to, times) || fchmod(to, first->mode)))
		failed = errno;
	if (to >= 0 && close(to) && !failed)
		failed = errno;
	close(from);
	return failed;
}

static bool same_as_first(const struct stat *st, const struct ff_tree_entry *first,
			  const struct stat *first_st)
{
	return S_ISREG(st->st_mode) && st->st_size == first_st->st_size &&
	       ff_receive_mtime(st) == first->mtime_ns && (st->st_mode & 07777) == first->mode;
}

static int put_name(struct ff_rsync_receive *r, uint32_t index, int first_dir,
		    const struct stat *first_st, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	const struct ff_tree_entry *first = &r->tree.entries[entry->same_as];
	int dir_fd = ff_place_dir(&r->place, entry->parent, err), failed;
	struct stat st = {0};
	char temp[48];

	if (dir_fd < 0)
		return dir_fd;
	if (fstatat(dir_fd, ff_tree_name(entry), &st, AT_SYMLINK_NOFOLLOW) && errno != ENOENT)
		return ff_place_error(&r->place, index, errno, err);
	if (st.st_nlink && st.st_dev == first_st->st_dev && st.st_ino == first_st->st_ino)
		return 0;
	dir_fd = ff_receive_dirty_dir(r, entry->parent, err);
	if (dir_fd < 0)
		return dir_fd;
	ff_receive_temp_name(r, temp);
	failed = linkat(first_dir, ff_tree_name(first), dir_fd, temp, 0) ? errno : 0;
	if (cannot_link(failed)) {
		if (same_as_first(&st, first, first_st))
			return 0;
		failed = copy_file(first, first_dir, dir_fd, temp);
	}
	if (!failed)
		failed = ff_receive_put(dir_fd, temp, ff_tree_name(entry));
	if (!failed)
		return 0;
	unlinkat(dir_fd, temp, 0);
	return ff_place_error(&r->place, index, failed, err);
}

/* What the source could not give has no further names either: what is there stays. */
static int miss_name(struct ff_rsync_receive *r, uint32_t index, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	int dir_fd = ff_place_dir(&r->place, entry->parent, err);
	uint8_t number[4];
	struct stat st;

	if (dir_fd < 0)
		return dir_fd;
	if (fstatat(dir_fd, ff_tree_name(entry), &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	ff_put_be(number, index, sizeof(number));
	return ff_buf_add(&r->stale, number, sizeof(number));
}

static int link_name(struct ff_rsync_receive *r, uint32_t index, struct ff_err *err)
{
	uint32_t same_as = r->tree.entries[index].same_as;
	const struct ff_tree_entry *first = &r->tree.entries[same_as];
	int fd, own, rc;
	struct stat st;

	if (r->known[same_as] & FF_RECEIVE_GONE)
		return miss_name(r, index, err);
	fd = ff_place_dir(&r->place, first->parent, err);
	if (fd < 0)
		return fd;
	if (fstatat(fd, ff_tree_name(first), &st, AT_SYMLINK_NOFOLLOW))
		return ff_place_error(&r->place, same_as, errno, err);
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_ESYS, "%s/%s: was replaced meanwhile", r->root,
				  first->path);
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return ff_place_error(&r->place, same_as, errno, err);
	rc = put_name(r, index, own, &st, err);
	close(own);
	return rc;
}

int ff_receive_hard_links(struct ff_rsync_receive *r, struct ff_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->tree.len; i++)
		if (r->tree.entries[i].same_as)
			rc = link_name(r, (uint32_t)i, err);
	return rc;
}
