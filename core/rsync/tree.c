/* Scanning a directory tree into a manifest. Only looks: nothing here changes a file, and nothing
 * knows who the manifest is for. */
#include "rsync/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/opts.h"
#include "rsync/protocol.h"

/* For those who cannot use the inline ones: bindings of other languages. */
extern inline const char *ff_tree_name(const struct ff_tree_entry *entry);

struct scan {
	struct ff_tree *tree;
	const struct ff_tree_filter *filter;
	const char *given; /* the root as the caller wrote it */
	int root_fd;
	uint64_t seen;	     /* bits: filter->names that were there */
	struct ff_map names; /* "device:inode" of a file with several names: index of the first */
};

/* An entry that has no index yet, and what only the scan wants to know of it. */
struct one {
	struct ff_tree_entry entry;
	struct stat st;
};

struct found {
	struct one *v;
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

void ff_tree_fault(struct ff_tree *tree, enum ff_sync_fault_kind kind, uint32_t index,
		   const char *path, const char *reason)
{
	const struct ff_sync_fault problem = {
		.kind = kind,
		.index = index,
		.path = (char *)(uintptr_t)(*path ? path : "."),
		.reason = (char *)(uintptr_t)reason,
	};

	(void)ff_strv_addf(&tree->problems, "%s: %s", problem.path, reason);
	(void)ff_sync_faults_add(&tree->faults, &problem);
}

static int problem(struct scan *s, const char *path, int errnum)
{
	ff_tree_fault(s->tree, ff_sync_fault_of(errnum), 0, path, strerror(errnum));
	return 0;
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
		return problem(s, entry->path, errno);
	if (!len || (size_t)len == sizeof(target))
		return problem(s, entry->path, ENAMETOOLONG);
	target[len] = 0;
	inside = below(target, s->tree->root);
	if (!inside)
		inside = below(target, s->given);
	entry->inside = inside != NULL;
	entry->target = ff_arena_strdup(&s->tree->arena, inside ? inside : target);
	return entry->target ? 0 : FF_ENOMEM;
}

static int add_found(struct found *found, const struct ff_tree_entry *entry, const struct stat *st)
{
	struct one *grown;
	size_t cap;

	if (found->len == found->cap) {
		cap = found->cap ? found->cap * 2 : 32;
		grown = ff_realloc(found->v, cap * sizeof(*grown));
		if (!grown)
			return FF_ENOMEM;
		found->v = grown;
		found->cap = cap;
	}
	found->v[found->len++] = (struct one){*entry, *st};
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
		return problem(s, path, ENAMETOOLONG);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : problem(s, path, errno);
	if (ff_ignore_excludes(&s->tree->ignore, path, S_ISDIR(st.st_mode)))
		return 0;
	if (s->filter && s->filter->keep &&
	    !s->filter->keep(s->filter->ctx, path, kind_of(st.st_mode)))
		return ff_strv_add(&s->tree->refused, path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)) {
		ff_tree_fault(s->tree, FF_SYNC_SPECIAL, 0, path,
			      "neither a file nor a directory nor a link");
		return 0;
	}
	entry.path = ff_arena_copy(&s->tree->arena, path, at + name_len);
	if (!entry.path)
		return FF_ENOMEM;
	fill(&entry, &st);
	if (entry.kind == FF_TREE_LINK) {
		rc = read_link(s, dir_fd, name, &entry);
		if (rc || !entry.target)
			return rc;
	}
	return add_found(found, &entry, &st);
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
		rc = problem(s, path, errno);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (s->filter && s->filter->names)
		rc = ff_tree_ignore_read(s->tree, s->filter, fd, path, &s->seen);
	while (!rc && (errno = 0, one = readdir(stream))) {
		if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, "..") ||
		    ff_rsync_is_temp(one->d_name) || ff_rsync_is_state(one->d_name))
			continue;
		rc = look(s, fd, one->d_name, dir, found);
	}
	if (!rc && errno)
		rc = problem(s, path, errno);
	closedir(stream);
	return rc;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct one *)a)->entry.path, ((const struct one *)b)->entry.path);
}

/* Other names of a file that has an entry already become hard links to that one. */
static int find_same(struct scan *s, uint32_t index, const struct stat *st)
{
	struct ff_tree_entry *entries = s->tree->entries;
	char key[48];
	uintptr_t first;

	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_ino);
	first = (uintptr_t)ff_map_get(&s->names, key);
	if (!first)
		return ff_map_set(&s->names, key, (void *)(uintptr_t)index);
	entries[index].same_as = (uint32_t)first;
	/* It may have changed in between. */
	entries[index].size = entries[first].size;
	entries[index].mtime_ns = entries[first].mtime_ns;
	entries[index].mode = entries[first].mode;
	return 0;
}

/* Said now, and not only when a target asks for it: a file that is unreadable from now on is not
 * brought again, whatever becomes of it. */
static void check_readable(struct scan *s, uint32_t index, const struct stat *st)
{
	const char *path = s->tree->entries[index].path;

	if ((st->st_mode & 0444) == 0444 || (st->st_mode & 0400 && st->st_uid == geteuid()))
		return;
	if (faccessat(s->root_fd, path, R_OK, AT_EACCESS) && errno != ENOENT)
		ff_tree_fault(s->tree, ff_sync_fault_of(errno), index, path, strerror(errno));
}

static int add_one(struct scan *s, const struct one *one)
{
	int rc = ff_tree_add(s->tree, &one->entry);
	uint32_t index = (uint32_t)(s->tree->len - 1);

	if (rc || one->entry.kind != FF_TREE_FILE)
		return rc;
	check_readable(s, index, &one->st);
	return one->st.st_nlink > 1 ? find_same(s, index, &one->st) : 0;
}

/* Recursion is bounded by the length of a path. No file descriptor is open across it. */
static int scan_dir(struct scan *s, uint32_t dir)
{
	struct found found = {0};
	int rc = read_dir(s, dir, &found);

	if (found.len)
		qsort(found.v, found.len, sizeof(*found.v), by_path);
	for (size_t i = 0; !rc && i < found.len; i++) {
		rc = add_one(s, &found.v[i]);
		if (!rc && found.v[i].entry.kind == FF_TREE_DIR)
			rc = scan_dir(s, (uint32_t)(s->tree->len - 1));
	}
	ff_free(found.v);
	return rc;
}

/* A name that is nowhere was misspelt, or what it was to leave out comes along. */
static void tell_unseen(struct scan *s)
{
	char *const *names = s->filter ? s->filter->names : NULL;

	for (size_t i = 0; names && i < FF_TREE_NAMES_MAX && names[i]; i++)
		if (!(s->seen >> i & 1))
			ff_tree_fault(s->tree, FF_SYNC_VANISHED, 0, names[i],
				      "no such file of patterns anywhere in the tree");
}

int ff_tree_scan(struct ff_tree *tree, const char *root, const struct ff_tree_filter *given,
		 struct ff_err *err)
{
	struct ff_tree_filter all, *filter = given ? &all : NULL;
	struct ff_tree fresh = {.arena = FF_ARENA_INIT};
	struct scan s = {.tree = &fresh, .filter = filter, .given = root};
	struct ff_tree_entry top = {.path = ""};
	char real[PATH_MAX];
	struct stat st;
	int rc;

	if (given)
		ff_opts_copy(&all, sizeof(all), given, FF_OPTS_UNTIL(struct ff_tree_filter, ctx));
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
	if (!rc && filter && ff_tree_ignore_init(&fresh, filter, err)) {
		close(s.root_fd);
		ff_tree_release(&fresh);
		return err->code;
	}
	if (!rc)
		rc = scan_dir(&s, 0);
	if (!rc)
		tell_unseen(&s);
	ff_map_release(&s.names);
	close(s.root_fd);
	if (rc) {
		ff_tree_release(&fresh);
		return ff_err_set(err, rc, "%s: %s", root, ff_err_text(rc));
	}
	*tree = fresh;
	return 0;
}

static int add_single(struct ff_tree *tree, const char *name, const struct stat *st)
{
	struct ff_tree_entry top = {.path = "", .kind = FF_TREE_DIR, .mode = 0700};
	struct ff_tree_entry file = {.path = ff_arena_strdup(&tree->arena, name)};
	int rc = ff_tree_add(tree, &top);

	fill(&file, st);
	if (!rc)
		rc = file.path ? ff_tree_add(tree, &file) : FF_ENOMEM;
	return rc;
}

int ff_tree_scan_file(struct ff_tree *tree, const char *path, struct ff_err *err)
{
	struct ff_tree fresh = {.arena = FF_ARENA_INIT, .single = true};
	char real[PATH_MAX], *slash;
	struct stat st;
	int rc;

	if (!realpath(path, real) || stat(real, &st) || access(real, R_OK))
		return ff_err_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_EINVAL, "%s: neither a folder nor a file", path);
	slash = strrchr(real, '/');
	fresh.root = slash == real ? ff_strdup("/") : ff_strndup(real, (size_t)(slash - real));
	rc = fresh.root ? add_single(&fresh, slash + 1, &st) : FF_ENOMEM;
	if (rc) {
		ff_tree_release(&fresh);
		return ff_err_set(err, rc, "%s: %s", path, ff_err_text(rc));
	}
	*tree = fresh;
	return 0;
}

void ff_tree_release(struct ff_tree *tree)
{
	if (!tree)
		return;
	ff_arena_release(&tree->arena);
	ff_free(tree->entries);
	ff_free(tree->root);
	ff_strv_release(&tree->problems);
	ff_ignore_release(&tree->ignore);
	ff_strv_release(&tree->refused);
	ff_sync_faults_release(&tree->faults);
	*tree = (struct ff_tree){.arena = FF_ARENA_INIT};
}

struct ff_tree *ff_tree_new(const char *root, const struct ff_tree_filter *filter,
			    struct ff_err *err)
{
	struct ff_tree *tree = ff_malloc(sizeof(*tree));

	if (!tree) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	if (ff_tree_scan(tree, root, filter, err) == 0)
		return tree;
	ff_free(tree);
	return NULL;
}

void ff_tree_free(struct ff_tree *tree)
{
	if (tree)
		ff_tree_release(tree);
	ff_free(tree);
}
