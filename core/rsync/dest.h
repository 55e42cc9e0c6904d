/* The files in which a host keeps what it knows of a folder that is synced: a record of what was
 * brought, and a lock. They lie beside the folder, so that nothing in it is not the tree's. */
#ifndef FF_RSYNC_DEST_H
#define FF_RSYNC_DEST_H

#include "base/buf.h"
#include "base/err.h"

enum { FF_DEST_NAME_MAX = 200 };

struct ff_dest {
	int dir_fd; /* -1: none */
	char record[FF_DEST_NAME_MAX + 32], lock[FF_DEST_NAME_MAX + 32];
	char fresh[FF_DEST_NAME_MAX + 32]; /* a record in the making */
};

/* Finds the place for the folder `root` (absolute, resolved), open as `root_fd`: beside it, or in
 * it where nothing can be written beside it. 0 or FF_ESYS. */
int ff_dest_open(struct ff_dest *dest, const char *root, int root_fd, struct ff_err *err);
void ff_dest_release(struct ff_dest *dest);

/* The record's content, checked: 0, FF_ENOTFOUND (none), FF_ELOAD (damaged, or somebody else's),
 * FF_ENOMEM, FF_ETOOBIG. */
int ff_dest_read(const struct ff_dest *dest, struct ff_buf *content);
/* Replaces it at once: 0 or an errno. A record that can't be replaced is removed: better none than
 * one that is wrong. */
int ff_dest_write(const struct ff_dest *dest, const struct ff_buf *content);

/* Locks the folder for as long as this process lives, shared with others that say the same owner.
 * 0; FF_EBUSY with who holds it; FF_EUNSUPPORTED: no locks can be had here; FF_ESYS; FF_ENOMEM. */
int ff_dest_lock(const struct ff_dest *dest, const char *root, const char *owner,
		 const char *holder, struct ff_err *err);

#endif
