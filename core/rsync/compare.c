/* Compares a manifest with what is there: makes directories, lists what content is wanted. */
#include "rsync/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rsync/hash.h"

int ff_receive_dirty_dir(struct ff_rsync_receive *r, uint32_t dir, struct ff_err *err)
{
	int fd = ff_place_dir(&r->place, dir, err);

	if (fd < 0)
		return fd;
	if (r->known[dir] & FF_RECEIVE_READONLY) {
		if (fchmod(fd, (r->tree.entries[dir].mode & 0777) | 0700))
			return ff_place_error(&r->place, dir, errno, err);
		r->known[dir] &= (uint8_t)~FF_RECEIVE_READONLY;
	}
	r->known[dir] |= FF_RECEIVE_DIRTY;
	return fd;
}

/* Its digest goes over zeros without reading them, where the file system knows of them. */
static bool is_long(const struct ff_rsync_receive *r, const struct ff_tree_entry *entry)
{
	return r->asks && entry->size >= FF_RSYNC_STEP;
}

static int want(struct ff_rsync_receive *r, uint32_t index, const uint8_t *digest)
{
	uint8_t record[FF_RSYNC_HASHED];

	r->known[index] |= FF_RECEIVE_WANTED;
	r->unanswered++;
	ff_put_be(record, index, 4);
	if (!digest)
		return ff_buf_add(&r->need, record, 4);
	memcpy(record + 4, digest, FF_RSYNC_DIGEST);
	return ff_buf_add(is_long(r, &r->tree.entries[index]) ? &r->sparse : &r->hash, record,
			  sizeof(record));
}

int ff_receive_touch(struct ff_rsync_receive *r, uint32_t index, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	int fd = ff_place_dir(&r->place, entry->parent, err);
	const char *name = ff_tree_name(entry);
	struct timespec times[2];
	struct stat st;

	if (fd < 0)
		return fd;
	ff_receive_times(entry, times);
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return ff_place_error(&r->place, index, errno, err);
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_ESYS, "%s/%s: was replaced meanwhile", r->root,
				  entry->path);
	if (ff_receive_mtime(&st) != entry->mtime_ns &&
	    utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW))
		return ff_place_error(&r->place, index, errno, err);
	if ((st.st_mode & 07777) != entry->mode &&
	    fchmodat(fd, name, entry->mode, AT_SYMLINK_NOFOLLOW))
		return ff_place_error(&r->place, index, errno, err);
	return 0;
}

static int compare_file(struct ff_rsync_receive *r, uint32_t index, int dir_fd,
			const struct stat *st, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	uint8_t digest[FF_RSYNC_DIGEST];
	int fd, rc;

	if (st && S_ISREG(st->st_mode))
		r->known[index] |= FF_RECEIVE_THERE;
	/* Another name of a file: made at the end. */
	if (entry->same_as)
		return 0;
	if (!st || !S_ISREG(st->st_mode) || (uint64_t)st->st_size != entry->size)
		return want(r, index, NULL);
	if (ff_receive_mtime(st) == entry->mtime_ns && (st->st_mode & 07777) == entry->mode) {
		rc = st->st_nlink > 1 ? ff_receive_inode_taken(r, index, st) : 0;
		return rc == 1 ? want(r, index, NULL) : rc;
	}
	/* Touched, its other names would change too, and they may be anybody's. */
	if (st->st_nlink > 1)
		return want(r, index, NULL);
	if (ff_receive_mtime(st) == entry->mtime_ns || !entry->size)
		return ff_receive_touch(r, index, err);
	fd = openat(dir_fd, ff_tree_name(entry), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return want(r, index, NULL);
	rc = ff_hash_xxh3(fd, is_long(r, entry), digest);
	close(fd);
	if (rc == FF_ENOMEM)
		return rc;
	return want(r, index, rc ? NULL : digest);
}

static int make_dir(struct ff_rsync_receive *r, uint32_t index, bool in_the_way, struct ff_err *err)
{
	const char *name = ff_tree_name(&r->tree.entries[index]);
	int dir_fd = ff_receive_dirty_dir(r, r->tree.entries[index].parent, err);

	if (dir_fd < 0)
		return dir_fd;
	if (in_the_way && unlinkat(dir_fd, name, 0) && errno != ENOENT)
		return ff_place_error(&r->place, index, errno, err);
	/* EEXIST: another sync into a shared directory was faster. What is in it is ignored, and
	 * replaced; the open with O_NOFOLLOW tells if it is no directory. */
	if (mkdirat(dir_fd, name, 0700) && errno != EEXIST)
		return ff_place_error(&r->place, index, errno, err);
	r->known[index] |= FF_RECEIVE_FRESH | FF_RECEIVE_DIRTY;
	return 0;
}

static int compare_dir(struct ff_rsync_receive *r, uint32_t index, int dir_fd,
		       const struct stat *st, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	mode_t mode;

	if (!st || !S_ISDIR(st->st_mode))
		return make_dir(r, index, st != NULL, err);
	mode = st->st_mode & 07777;
	if (mode != entry->mode || ff_receive_mtime(st) != entry->mtime_ns)
		r->known[index] |= FF_RECEIVE_DIRTY;
	if ((mode & 0500) != 0500) {
		/* Not even to be looked into. */
		r->known[index] |= FF_RECEIVE_DIRTY;
		if (fchmodat(dir_fd, ff_tree_name(entry), mode | 0700, AT_SYMLINK_NOFOLLOW))
			return ff_place_error(&r->place, index, errno, err);
	} else if (!(mode & 0200)) {
		r->known[index] |= FF_RECEIVE_READONLY;
	}
	return 0;
}

bool ff_receive_link_target(const struct ff_rsync_receive *r, const struct ff_tree_entry *entry,
			    char target[PATH_MAX])
{
	const char *root = entry->inside ? r->root : "";
	bool slash = entry->inside && *entry->target && root[1];

	return snprintf(target, PATH_MAX, "%s%s%s", root, slash ? "/" : "", entry->target) <
	       PATH_MAX;
}

static void compare_link(struct ff_rsync_receive *r, uint32_t index, int dir_fd,
			 const struct stat *st)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	char there[PATH_MAX], wanted[PATH_MAX];
	ssize_t len;

	if (st && S_ISLNK(st->st_mode) && ff_receive_link_target(r, entry, wanted)) {
		len = readlinkat(dir_fd, ff_tree_name(entry), there, sizeof(there) - 1);
		if (len >= 0) {
			there[len] = 0;
			if (!strcmp(there, wanted))
				return;
		}
	}
	r->known[index] |= FF_RECEIVE_LINK;
}

static int compare_entry(struct ff_rsync_receive *r, uint32_t index, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	const struct stat *there = NULL;
	struct stat st;
	int fd = -1;

	if (!(r->known[entry->parent] & FF_RECEIVE_FRESH)) {
		fd = ff_place_dir(&r->place, entry->parent, err);
		if (fd < 0)
			return fd;
		if (!fstatat(fd, ff_tree_name(entry), &st, AT_SYMLINK_NOFOLLOW))
			there = &st;
		else if (errno != ENOENT)
			return ff_place_error(&r->place, index, errno, err);
	}
	switch (entry->kind) {
	case FF_TREE_FILE:
		return compare_file(r, index, fd, there, err);
	case FF_TREE_DIR:
		return compare_dir(r, index, fd, there, err);
	default:
		compare_link(r, index, fd, there);
		return 0;
	}
}

static int compare_root(struct ff_rsync_receive *r, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[0];
	struct stat st;

	if (fstat(r->place.root_fd, &st))
		return ff_place_error(&r->place, 0, errno, err);
	if ((st.st_mode & 07777) != entry->mode || ff_receive_mtime(&st) != entry->mtime_ns)
		r->known[0] |= FF_RECEIVE_DIRTY;
	if ((st.st_mode & 0700) != 0700)
		r->known[0] |= FF_RECEIVE_READONLY;
	return 0;
}

int ff_receive_compare(struct ff_rsync_receive *r, struct ff_err *err)
{
	int rc = compare_root(r, err);

	for (size_t i = 1; !rc && i < r->tree.len; i++)
		rc = compare_entry(r, (uint32_t)i, err);
	if (rc == FF_ENOMEM || rc == FF_ETOOBIG)
		ff_err_set(err, rc, "%s: %s", r->root, ff_err_text(rc));
	return rc;
}
