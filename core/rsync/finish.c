/* What comes after the contents: links, deletions, then modes and mtimes of directories. */
#include "rsync/receiver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { STALE_AFTER_S = 600 }; /* younger temporary files may belong to a sync that is running */

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
	failed = renameat(dir_fd, temp, dir_fd, name) ? errno : 0;
	if (failed == EISDIR || failed == ENOTEMPTY || failed == EEXIST) {
		failed = ff_place_remove(dir_fd, name, NULL);
		if (!failed && renameat(dir_fd, temp, dir_fd, name))
			failed = errno;
	}
	if (!failed)
		return 0;
	unlinkat(dir_fd, temp, 0);
	return ff_place_error(&r->place, index, failed, err);
}

/* For each entry, the index behind all that it holds. NULL: out of memory. */
static uint32_t *subtree_ends(const struct ff_tree *tree)
{
	uint32_t *end = ff_malloc(tree->len * sizeof(*end));

	if (!end)
		return NULL;
	for (size_t i = 0; i < tree->len; i++)
		end[i] = (uint32_t)i + 1;
	for (size_t i = tree->len; --i;)
		if (end[tree->entries[i].parent] < end[i])
			end[tree->entries[i].parent] = end[i];
	return end;
}

static int by_name(const void *key, const void *name)
{
	return strcmp(key, *(const char *const *)name);
}

static bool is_stale(int dir_fd, const char *name)
{
	struct stat st;

	return !fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) && !S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid() &&
	       st.st_mtim.tv_sec < ff_clock_wall_us() / FF_SECOND_US - STALE_AFTER_S;
}

/* Gathers what is to go from one directory: what is not among `names` if all that must go, and old
 * temporary files in any case. */
static int gather(int dir_fd, const char *const *names, size_t count, bool all,
		  struct ff_strv *gone)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *one;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return FF_ESYS;
	}
	while (!rc && (one = readdir(stream))) {
		const char *name = one->d_name;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (ff_rsync_is_temp(name)) {
			if (is_stale(dir_fd, name))
				rc = ff_strv_add(gone, name);
		} else if (all &&
			   (!count || !bsearch(name, names, count, sizeof(*names), by_name))) {
			rc = ff_strv_add(gone, name);
		}
	}
	closedir(stream);
	return rc;
}

static int note(struct ff_rsync_receive *r, uint32_t dir, const char *name, int errnum)
{
	const char *path = r->tree.entries[dir].path;

	if (r->problems.len >= FF_RSYNC_PROBLEMS_MAX)
		return 0;
	return ff_strv_addf(&r->problems, "%s%s%s/%s: %s", r->root, *path ? "/" : "", path, name,
			    strerror(errnum));
}

static int sweep(struct ff_rsync_receive *r, uint32_t dir, const uint32_t *end, const char **names,
		 struct ff_err *err)
{
	struct ff_strv gone = FF_STRV_INIT;
	size_t count = 0;
	int fd = ff_place_dir(&r->place, dir, err), rc;

	if (fd < 0)
		return fd;
	if (r->remove)
		for (uint32_t i = dir + 1; i < end[dir]; i = end[i])
			names[count++] = ff_tree_name(&r->tree.entries[i]);
	rc = gather(fd, names, count, r->remove, &gone);
	if (rc == FF_ESYS)
		rc = note(r, dir, ".", errno);
	if (!rc && gone.len) {
		fd = ff_receive_dirty_dir(r, dir, err);
		rc = fd < 0 ? fd : 0;
	}
	for (size_t i = 0; !rc && i < gone.len; i++) {
		bool temp = ff_rsync_is_temp(gone.v[i]);
		int failed = ff_place_remove(fd, gone.v[i], temp ? NULL : &r->deleted);

		if (failed)
			rc = note(r, dir, gone.v[i], failed);
	}
	ff_strv_release(&gone);
	return rc;
}

static int sweep_all(struct ff_rsync_receive *r, struct ff_err *err)
{
	uint32_t *end = subtree_ends(&r->tree);
	const char **names = ff_malloc(r->tree.len * sizeof(*names));
	int rc = end && names ? 0 : FF_ENOMEM;

	for (size_t i = 0; !rc && i < r->tree.len; i++) {
		if (r->tree.entries[i].kind != FF_TREE_DIR || r->known[i] & FF_RECEIVE_FRESH)
			continue;
		if (r->remove || r->known[i] & FF_RECEIVE_DIRTY)
			rc = sweep(r, (uint32_t)i, end, names, err);
	}
	ff_free(end);
	ff_free(names);
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
		rc = sweep_all(r, err);
	/* Whoever holds others has the smaller index: backwards is deepest first. */
	for (size_t i = r->tree.len; !rc && i--;)
		if (r->known[i] & FF_RECEIVE_DIRTY)
			rc = settle_dir(r, (uint32_t)i, err);
	if (rc == FF_ENOMEM)
		ff_err_set(err, rc, "%s: %s", r->root, ff_err_text(rc));
	return rc;
}
