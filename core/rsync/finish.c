/* What comes after the contents: links, deletions, then modes and mtimes of directories. */
#include "rsync/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int ff_receive_put(int dir_fd, const char *temp, const char *name)
{
	int failed = renameat(dir_fd, temp, dir_fd, name) ? errno : 0;

	if (failed == EISDIR || failed == ENOTEMPTY || failed == EEXIST) {
		failed = ff_place_remove(dir_fd, name, NULL);
		if (!failed && renameat(dir_fd, temp, dir_fd, name))
			failed = errno;
	}
	return failed;
}

static int make_link(struct ff_rsync_receive *r, uint32_t index, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[index];
	const char *name = ff_tree_name(entry);
	int dir_fd = ff_receive_dirty_dir(r, entry->parent, err), failed;
	char temp[48], target[PATH_MAX];
	struct timespec times[2];

	if (dir_fd < 0)
		return dir_fd;
	ff_receive_temp_name(r, temp);
	if (!ff_receive_link_target(r, entry, target))
		return ff_place_error(&r->place, index, ENAMETOOLONG, err);
	if (symlinkat(target, dir_fd, temp))
		return ff_place_error(&r->place, index, errno, err);
	ff_receive_times(entry, times);
	(void)utimensat(dir_fd, temp, times, AT_SYMLINK_NOFOLLOW); /* not all systems can */
	failed = ff_receive_put(dir_fd, temp, name);
	if (!failed)
		return 0;
	unlinkat(dir_fd, temp, 0);
	return ff_place_error(&r->place, index, failed, err);
}

int ff_receive_note(struct ff_rsync_receive *r, const char *path, const char *reason)
{
	if (r->problems.len >= FF_RSYNC_PROBLEMS_MAX)
		return 0;
	return ff_strv_addf(&r->problems, "%s%s%s: %s", r->root, *path ? "/" : "", path, reason);
}

/* Where something changed, or was about to when a sync was killed. */
static int sweep_all(struct ff_rsync_receive *r, struct ff_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->tree.len; i++)
		if (r->tree.entries[i].kind == FF_TREE_DIR && r->known[i] & FF_RECEIVE_DIRTY &&
		    !(r->known[i] & FF_RECEIVE_FRESH))
			rc = ff_receive_sweep(r, (uint32_t)i, err);
	return rc;
}

static int settle_dir(struct ff_rsync_receive *r, uint32_t dir, struct ff_err *err)
{
	const struct ff_tree_entry *entry = &r->tree.entries[dir];
	int fd = ff_place_dir(&r->place, dir, err);
	struct timespec times[2];

	if (fd < 0)
		return fd;
	ff_receive_times(entry, times);
	/* With another time than the source's the next sync looks into it again. */
	if (r->known[dir] & FF_RECEIVE_LEFT)
		times[1] = (struct timespec){.tv_nsec = UTIME_NOW};
	if (fchmod(fd, entry->mode) || futimens(fd, times))
		return ff_place_error(&r->place, dir, errno, err);
	return 0;
}

int ff_receive_finish(struct ff_rsync_receive *r, struct ff_err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->tree.len; i++)
		if (r->known[i] & FF_RECEIVE_LINK)
			rc = make_link(r, (uint32_t)i, err);
	if (!rc)
		rc = ff_receive_hard_links(r, err);
	if (!rc && !r->single)
		rc = ff_receive_prune_end(r, err);
	if (!rc)
		rc = sweep_all(r, err);
	/* Whoever holds others has the smaller index: backwards is deepest first. */
	for (size_t i = r->tree.len; !rc && i--;)
		if (r->known[i] & FF_RECEIVE_DIRTY)
			rc = settle_dir(r, (uint32_t)i, err);
	if (rc == FF_ENOMEM || rc == FF_ETOOBIG)
		ff_err_set(err, rc, "%s: %s", r->root, ff_err_text(rc));
	return rc;
}
