/* A sync of one file: dest is the file, and of the folder it is in nothing else is touched. No
 * record is kept there, no lock taken. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "rsync/receiver.h"

char *ff_receive_single_split(struct ff_rsync_receive *r, char *dest, struct ff_err *err)
{
	char *slash = strrchr(dest, '/'), *name = slash ? slash + 1 : dest;
	static char here[] = ".", top[] = "/";

	if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) {
		ff_err_set(err, FF_EINVAL, "sync: dest '%s' is no file's name", dest);
		return NULL;
	}
	if (ff_rsync_is_temp(name) || ff_rsync_is_state(name)) {
		ff_err_set(err, FF_EINVAL, "sync: dest '%s' is a name of our own", dest);
		return NULL;
	}
	r->single = ff_strdup(name);
	if (!r->single) {
		ff_err_set(err, FF_ENOMEM, "out of memory");
		return NULL;
	}
	if (!slash)
		return here;
	*slash = 0;
	return slash == dest ? top : dest;
}

int ff_receive_single_begin(struct ff_rsync_receive *r, struct ff_err *err)
{
	struct ff_tree_entry *entries = r->tree.entries;
	struct stat st;

	if (r->tree.len != 2 || entries[1].kind != FF_TREE_FILE)
		return ff_err_set(err, FF_EPROTO, "sync: the manifest is not that of one file");
	entries[1].path = r->single;
	entries[1].name_at = 0;
	if (!fstatat(r->place.root_fd, r->single, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode))
		return ff_place_error(&r->place, 1, EISDIR, err);
	if (fstat(r->place.root_fd, &st))
		return ff_place_error(&r->place, 0, errno, err);
	entries[0].mode = st.st_mode & 07777;
	entries[0].mtime_ns = ff_receive_mtime(&st);
	r->known[0] |= FF_RECEIVE_LEFT; /* its time is when the file came */
	return 0;
}
