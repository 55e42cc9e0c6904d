/* File descriptors for a received tree's directories, resolved one component at a time from the
 * root without following links: the only way in which the receiver names things. */
#ifndef FF_RSYNC_PLACE_H
#define FF_RSYNC_PLACE_H

#include "rsync/tree.h"

enum { FF_PLACE_OPEN = 16 }; /* directories held open on the way to the current one */

struct ff_place {
	const struct ff_tree *tree;
	const char *root; /* for messages */
	int root_fd;
	size_t depth;
	struct {
		uint32_t dir;
		int fd;
	} level[FF_PLACE_OPEN]; /* from the root down; not all on the way, but the last one */
};

/* Takes `root_fd` over. */
void ff_place_init(struct ff_place *place, const struct ff_tree *tree, const char *root,
		   int root_fd);
void ff_place_release(struct ff_place *place);
/* The directory with index `dir`, borrowed until the next call. A negative code: FF_ESYS. */
int ff_place_dir(struct ff_place *place, uint32_t dir, struct ff_err *err);
/* FF_ESYS with "root/path: reason". */
int ff_place_error(const struct ff_place *place, uint32_t index, int errnum, struct ff_err *err);

/* Removes `name` in `dir_fd`, with all it holds if it is a directory; adds what was removed to
 * *removed (may be NULL). 0 or an errno; ENOENT counts as success. */
int ff_place_remove(int dir_fd, const char *name, uint64_t *removed);

#endif
