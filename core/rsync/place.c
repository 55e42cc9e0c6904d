/* Directory descriptors by index. Knows a tree and a root, not what is done there. */
#include "rsync/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

void ff_place_init(struct ff_place *place, const struct ff_tree *tree, const char *root,
		   int root_fd)
{
	*place = (struct ff_place){.tree = tree, .root = root, .root_fd = root_fd};
}

static void shrink(struct ff_place *place, size_t depth)
{
	while (place->depth > depth)
		close(place->level[--place->depth].fd);
}

void ff_place_release(struct ff_place *place)
{
	shrink(place, 0);
	if (place->root_fd >= 0)
		close(place->root_fd);
	place->root_fd = -1;
}

int ff_place_error(const struct ff_place *place, uint32_t index, int errnum, struct ff_err *err)
{
	const char *path = place->tree->entries[index].path;

	return ff_err_sys(err, errnum, "%s%s%s", place->root, *path ? "/" : "", path);
}

static int open_below(struct ff_place *place, uint32_t dir, struct ff_err *err)
{
	int above = place->depth ? place->level[place->depth - 1].fd : place->root_fd;
	int fd = openat(above, ff_tree_name(&place->tree->entries[dir]), OPEN_DIR);

	if (fd < 0)
		return ff_place_error(place, dir, errno, err);
	if (place->depth == FF_PLACE_OPEN)
		shrink(place, FF_PLACE_OPEN - 1);
	place->level[place->depth].dir = dir;
	place->level[place->depth++].fd = fd;
	return 0;
}

int ff_place_dir(struct ff_place *place, uint32_t dir, struct ff_err *err)
{
	uint32_t chain[FF_TREE_PATH_MAX / 2];
	size_t missing = 0, keep = place->depth;

	if (!dir)
		return place->root_fd;
	if (place->depth && place->level[place->depth - 1].dir == dir)
		return place->level[place->depth - 1].fd;
	for (uint32_t at = dir; at; at = place->tree->entries[at].parent) {
		while (keep && place->level[keep - 1].dir > at)
			keep--;
		if (keep && place->level[keep - 1].dir == at)
			break;
		chain[missing++] = at;
	}
	/* Came up to the root without meeting one that is held: none is on the way. */
	if (missing && !place->tree->entries[chain[missing - 1]].parent)
		keep = 0;
	shrink(place, keep);
	while (missing) {
		int rc = open_below(place, chain[--missing], err);

		if (rc)
			return rc;
	}
	return place->depth ? place->level[place->depth - 1].fd : place->root_fd;
}

static int remove_dir(int dir_fd, const char *name, uint64_t *removed)
{
	int fd = openat(dir_fd, name, OPEN_DIR), failed = 0;
	struct dirent *one;
	DIR *stream;

	if (fd < 0 && errno == EACCES && !fchmodat(dir_fd, name, 0700, AT_SYMLINK_NOFOLLOW))
		fd = openat(dir_fd, name, OPEN_DIR);
	if (fd < 0)
		return errno;
	stream = fdopendir(fd);
	if (!stream) {
		failed = errno;
		close(fd);
		return failed;
	}
	while (!failed && (errno = 0, one = readdir(stream))) {
		if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, ".."))
			continue;
		failed = ff_place_remove(fd, one->d_name, removed);
		if (failed == EACCES && !fchmod(fd, 0700))
			failed = ff_place_remove(fd, one->d_name, removed);
	}
	if (!failed && errno)
		failed = errno;
	closedir(stream);
	if (!failed && unlinkat(dir_fd, name, AT_REMOVEDIR))
		failed = errno;
	return failed;
}

int ff_place_remove(int dir_fd, const char *name, uint64_t *removed)
{
	int failed = 0;

	if (unlinkat(dir_fd, name, 0)) {
		failed = errno;
		if (failed == ENOENT)
			return 0;
		/* EPERM is what POSIX asks for with a directory, EISDIR what Linux gives. */
		if (failed == EISDIR || failed == EPERM) {
			int below = remove_dir(dir_fd, name, removed);

			failed = below == ENOTDIR || below == ELOOP ? failed : below;
		}
	}
	if (!failed && removed)
		++*removed;
	return failed;
}
