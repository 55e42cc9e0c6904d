/* A directory tree as a manifest: what the sender scans and the receiver compares with. */
#ifndef FF_RSYNC_TREE_H
#define FF_RSYNC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "rsync/fault.h"
#include "rsync/ignore.h"

enum ff_tree_kind { FF_TREE_DIR = 'd', FF_TREE_FILE = 'f', FF_TREE_LINK = 'l' };

enum {
	FF_TREE_ENTRIES_MAX = 16 << 20,
	FF_TREE_PATH_MAX = 4096,      /* bytes of one path or link target */
	FF_TREE_NAMES_MAX = 64,	      /* of a filter */
	FF_TREE_IGNORE_MAX = 4 << 20, /* bytes of one file of patterns */
};

struct ff_tree_entry {
	const char *path;   /* relative, '/'-separated, any bytes but NUL; "" is the root itself */
	const char *target; /* links only */
	uint64_t size;	    /* files only */
	int64_t mtime_ns;
	uint32_t mode;	  /* permission bits */
	uint32_t parent;  /* index of its directory; the root's is 0 */
	uint32_t same_as; /* files: index of the first name of this hard-linked file; 0: this one */
	uint16_t name_at; /* where in path its name begins */
	uint8_t kind;	  /* enum ff_tree_kind */
	/* Links that were absolute and led into the tree: `target` is a path from its root ("" for
	 * the root), and on each target such a link leads into the copy. */
	bool inside;
};

struct ff_tree {
	struct ff_arena arena;
	/* The root first; depth first, the names of one directory ascending as unsigned bytes. */
	struct ff_tree_entry *entries;
	size_t len;
	size_t cap;
	char *root; /* absolute path scanned; NULL for one that was received */
	struct ff_strv
		problems; /* "path: reason" of what can't be brought (unreadable, sockets, …) */
	struct ff_sync_faults faults; /* the same, taken apart */
	/* What the scan was told to leave out: patterns, and paths that `keep` refused. */
	struct ff_ignore ignore;
	struct ff_strv refused;
	bool single; /* of one file: the root, which stands for the folder it is in, and the file */
};

/* Which paths to leave out: patterns of ignore.h, the last that matches decides. An excluded
 * directory is not entered. All are NULL-terminated, or NULL. Grows at its end:
 * FF_TREE_FILTER_INIT, or .size = sizeof(struct ff_tree_filter). */
struct ff_tree_filter {
	size_t size; /* of this struct as the caller knows it; 0: it ends with ctx */
	char *const *exclude;
	char *const *defaults; /* weaker than all others */
	/* Names of files that hold such patterns, for what is in their directory and below
	 * (".gitignore"); and paths of files of patterns from the root, weaker than those. */
	char *const *names, *const *files;
	/* Further say, may be NULL: false leaves the entry out. */
	bool (*keep)(void *ctx, const char *path, enum ff_tree_kind kind);
	void *ctx;
};
#ifdef __cplusplus
#define FF_TREE_FILTER_INIT                                                                        \
	{                                                                                          \
		sizeof(struct ff_tree_filter)                                                      \
	}
#else
#define FF_TREE_FILTER_INIT                                                                        \
	{                                                                                          \
		.size = sizeof(struct ff_tree_filter)                                              \
	}
#endif

/* Scans `root` (a directory; symlinks inside are not followed). What can't be read, a name of
 * filter->names that is nowhere, and what is neither file nor directory nor link, goes to
 * tree->problems and tree->faults (a file that can't be read is an entry all the same: where it is
 * the same already nothing is amiss); FF_ESYS names a root, or one of filter->files, that can't be
 * read. `tree` is overwritten. */
int ff_tree_scan(struct ff_tree *tree, const char *root, const struct ff_tree_filter *filter,
		 struct ff_err *err);
/* A tree of one file, `path` (a link is followed): it is synced to a file, not into a folder.
 * FF_ESYS names it if it can't be read, FF_EINVAL if it is no regular file. */
int ff_tree_scan_file(struct ff_tree *tree, const char *path, struct ff_err *err);
void ff_tree_release(struct ff_tree *tree);
/* ff_tree_scan on the heap, for those who can't know the size; NULL: err. */
struct ff_tree *ff_tree_new(const char *root, const struct ff_tree_filter *filter,
			    struct ff_err *err);
/* NULL: nothing. An ff_rsync_new that took the content over leaves the shell to be freed. */
void ff_tree_free(struct ff_tree *tree);

/* The manifest's bytes (README.md, "Manifest"), and back. Received manifests are checked: FF_EPROTO
 * for absolute paths, "..", empty or "." components, a file before its directory, duplicates,
 * anything that could lead outside the root. */
int ff_tree_pack(const struct ff_tree *tree, struct ff_buf *out);
int ff_tree_unpack(struct ff_tree *tree, const void *bytes, size_t len, struct ff_err *err);

/* --- for the files of this room --- */

inline const char *ff_tree_name(const struct ff_tree_entry *entry)
{
	return entry->path + entry->name_at;
}
/* Whether `path` can be what a link with `inside` leads to: relative, without "..". */
bool ff_tree_is_inside(const char *path);
/* Adds to problems and faults; out of memory loses a line of text, nothing else. `index`: of the
 * entry it is about, 0 if it is none. */
void ff_tree_fault(struct ff_tree *tree, enum ff_sync_fault_kind kind, uint32_t index,
		   const char *path, const char *reason);
/* Appends a copy of `entry` (not of its strings): 0, FF_ENOMEM or FF_ETOOBIG. */
int ff_tree_add(struct ff_tree *tree, const struct ff_tree_entry *entry);
/* Fills tree->ignore with what holds everywhere; 0, FF_ENOMEM, or FF_ESYS with words. */
int ff_tree_ignore_init(struct ff_tree *tree, const struct ff_tree_filter *filter,
			struct ff_err *err);
/* Adds what the files of filter->names in one directory say (`fd`, borrowed; `path` from the root),
 * and sets the bit of each that is there in *seen. 0 or FF_ENOMEM. */
int ff_tree_ignore_read(struct ff_tree *tree, const struct ff_tree_filter *filter, int fd,
			const char *path, uint64_t *seen);
/* The order of entries: as strcmp, with '/' before all other bytes. */
int ff_tree_compare(const char *a, const char *b);

#endif
