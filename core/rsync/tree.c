/* Scanning a directory tree into a manifest. Only looks: nothing here changes a file, and nothing
 * knows who the manifest is for. */
#include "rsync/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "rsync/protocol.h"

struct scan {
	struct ff_tree *tree;
	const struct ff_tree_filter *filter;
	const char *given; /* the root as the caller wrote it */
	int root_fd;
};

struct found {
	struct ff_tree_entry *v;
	size_t len, cap;
};

int ff_tree_add(struct ff_tree *tree, const struct ff_tree_entry *entry)
{
	struct ff_tree_entry *grown;
	size_t cap;

	if (tree->len == FF_TREE_ENTRIES_MAX)
		return FF_ETOOBIG;
	if (tree->len == tree->cap) {
		cap = tree->cap ? tree->cap * 2 : 64;
		grown = ff_realloc(tree->entries, cap * sizeof(*grown));
		if (!grown)
			return FF_ENOMEM;
		tree->entries = grown;
		tree->cap = cap;
	}
	tree->entries[tree->len++] = *entry;
	return 0;
}

static int problem(struct scan *s, const char *path, const char *reason)
{
	return ff_strv_addf(&s->tree->problems, "%s: %s", *path ? path : ".", reason);
}

static void fill(struct ff_tree_entry *entry, const struct stat *st)
{
	entry->mode = st->st_mode & 07777;
	entry->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	if (S_ISREG(st->st_mode)) {
		entry->kind = FF_TREE_FILE;
		entry->size = (uint64_t)st->st_size;
	} else if (S_ISLNK(st->st_mode)) {
		entry->kind = FF_TREE_LINK;
		entry->mode = 0777;
	} else {
		entry->kind = FF_TREE_DIR;
	}
}

/* What of an absolute path lies below `root` (slashes at its end do not count), NULL: it doesn't.
 */
static const char *below(const char *path, const char *root)
{
	size_t len = strlen(root);

	while (len && root[len - 1] == '/')
		len--;
	if (root[0] != '/' || strncmp(path, root, len) || (path[len] && path[len] != '/'))
		return NULL;
	path += len;
	while (*path == '/')
		path++;
	return ff_tree_is_inside(path) ? path : NULL;
}

static int read_link(struct scan *s, int dir_fd, const char *name, struct ff_tree_entry *entry)
{
	char target[FF_TREE_PATH_MAX];
	ssize_t len = readlinkat(dir_fd, name, target, sizeof(target));
	const char *inside;

	if (len < 0)
		return problem(s, entry->path, strerror(errno));
	if (!len || (size_t)len == sizeof(target))
		return problem(s, entry->path, strerror(ENAMETOOLONG));
	target[len] = 0;
	inside = below(target, s->tree->root);
	if (!inside)
		inside = below(target, s->given);
	entry->inside = inside != NULL;
	entry->target = ff_arena_strdup(&s->tree->arena, inside ? inside : target);
	return entry->target ? 0 : FF_ENOMEM;
}

static int add_found(struct found *found, const struct ff_tree_entry *entry)
{
	struct ff_tree_entry *grown;
	size_t cap;

	if (found->len == found->cap) {
		cap = found->cap ? found->cap * 2 : 32;
		grown = ff_realloc(found->v, cap * sizeof(*grown));
		if (!grown)
			return FF_ENOMEM;
		found->v = grown;
		found->cap = cap;
	}
	found->v[found->len++] = *entry;
	return 0;
}

static enum ff_tree_kind kind_of(mode_t mode)
{
	return S_ISDIR(mode) ? FF_TREE_DIR : S_ISLNK(mode) ? FF_TREE_LINK : FF_TREE_FILE;
}

static int look(struct scan *s, int dir_fd, const char *name, uint32_t dir, struct found *found)
{
	const char *parent = s->tree->entries[dir].path;
	size_t parent_len = strlen(parent), at = parent_len ? parent_len + 1 : 0;
	size_t name_len = strlen(name);
	struct ff_tree_entry entry = {.parent = dir, .name_at = (uint16_t)at};
	char path[FF_TREE_PATH_MAX + NAME_MAX + 2];
	struct stat st;
	int rc;

	memcpy(path, parent, parent_len);
	if (at)
		path[parent_len] = '/';
	memcpy(path + at, name, name_len + 1);
	if (at + name_len >= FF_TREE_PATH_MAX)
		return problem(s, path, strerror(ENAMETOOLONG));
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : problem(s, path, strerror(errno));
	if (!ff_tree_filter_keeps(s->filter, path, kind_of(st.st_mode)))
		return 0;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
		return problem(s, path, "neither a file nor a directory nor a link");
	entry.path = ff_arena_copy(&s->tree->arena, path, at + name_len);
	if (!entry.path)
		return FF_ENOMEM;
	fill(&entry, &st);
	if (entry.kind == FF_TREE_LINK) {
		rc = read_link(s, dir_fd, name, &entry);
		if (rc || !entry.target)
			return rc;
	}
	return add_found(found, &entry);
}

static int read_dir(struct scan *s, uint32_t dir, struct found *found)
{
	const char *path = s->tree->entries[dir].path;
	int fd = openat(s->root_fd, *path ? path : ".",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *one;
	int rc = 0;

	if (!stream) {
		rc = problem(s, path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (errno = 0, one = readdir(stream))) {
		if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, "..") ||
		    ff_rsync_is_temp(one->d_name))
			continue;
		rc = look(s, fd, one->d_name, dir, found);
	}
	if (!rc && errno)
		rc = problem(s, path, strerror(errno));
	closedir(stream);
	return rc;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct ff_tree_entry *)a)->path,
		      ((const struct ff_tree_entry *)b)->path);
}

/* Recursion is bounded by the length of a path. No file descriptor is open across it. */
static int scan_dir(struct scan *s, uint32_t dir)
{
	struct found found = {0};
	int rc = read_dir(s, dir, &found);

	if (found.len)
		qsort(found.v, found.len, sizeof(*found.v), by_path);
	for (size_t i = 0; !rc && i < found.len; i++) {
		rc = ff_tree_add(s->tree, &found.v[i]);
		if (!rc && found.v[i].kind == FF_TREE_DIR)
			rc = scan_dir(s, (uint32_t)(s->tree->len - 1));
	}
	ff_free(found.v);
	return rc;
}

int ff_tree_scan(struct ff_tree *tree, const char *root, const struct ff_tree_filter *filter,
		 struct ff_err *err)
{
	struct ff_tree fresh = {.arena = FF_ARENA_INIT};
	struct scan s = {.tree = &fresh, .filter = filter, .given = root};
	struct ff_tree_entry top = {.path = ""};
	char real[PATH_MAX];
	struct stat st;
	int rc;

	if (!realpath(root, real))
		return ff_err_sys(err, errno, "%s", root);
	s.root_fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.root_fd < 0)
		return ff_err_sys(err, errno, "%s", root);
	if (fstat(s.root_fd, &st)) {
		rc = ff_err_sys(err, errno, "%s", root);
		close(s.root_fd);
		return rc;
	}
	fill(&top, &st);
	fresh.root = ff_strdup(real);
	rc = fresh.root ? ff_tree_add(&fresh, &top) : FF_ENOMEM;
	if (!rc)
		rc = scan_dir(&s, 0);
	close(s.root_fd);
	if (rc) {
		ff_tree_release(&fresh);
		return ff_err_set(err, rc, "%s: %s", root, ff_err_text(rc));
	}
	*tree = fresh;
	return 0;
}

void ff_tree_release(struct ff_tree *tree)
{
	ff_arena_release(&tree->arena);
	ff_free(tree->entries);
	ff_free(tree->root);
	ff_strv_release(&tree->problems);
	*tree = (struct ff_tree){.arena = FF_ARENA_INIT};
}
