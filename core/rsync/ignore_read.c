/* Where a scan's patterns come from: its filter, and files inside and outside of the tree. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "rsync/tree.h"

/* All of a file: 0, FF_ENOMEM, or FF_ESYS with errno set. */
static int read_all(int fd, struct ff_buf *text)
{
	struct stat st;
	int errnum;

	if (fstat(fd, &st))
		return FF_ESYS;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return FF_ESYS;
	}
	errnum = ff_read_all(fd, FF_TREE_IGNORE_MAX, text);
	if (!errnum && text->len > FF_TREE_IGNORE_MAX)
		errnum = EFBIG;
	errno = errnum;
	return errnum == ENOMEM ? FF_ENOMEM : errnum ? FF_ESYS : 0;
}

static int add_file(struct ff_tree *tree, struct ff_ignore_list *list, int fd)
{
	struct ff_buf text = FF_BUF_INIT;
	int rc = read_all(fd, &text);

	if (!rc && text.len)
		rc = ff_ignore_add_lines(&tree->ignore, list, ff_buf_str(&text), text.len);
	ff_buf_release(&text);
	return rc;
}

static int add_all(struct ff_ignore *ignore, struct ff_ignore_list *list, char *const *patterns)
{
	int rc = 0;

	for (; patterns && *patterns && !rc; patterns++)
		rc = ff_ignore_add(ignore, list, *patterns);
	return rc;
}

int ff_tree_ignore_init(struct ff_tree *tree, const struct ff_tree_filter *filter,
			struct ff_err *err)
{
	struct ff_ignore *ignore = &tree->ignore;
	int rc = add_all(ignore, &ignore->weak, filter->defaults);

	for (char *const *path = filter->files; path && *path && !rc; path++) {
		int fd = open(*path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			return ff_err_sys(err, errno, "%s", *path);
		rc = add_file(tree, &ignore->weak, fd);
		if (rc == FF_ESYS)
			ff_err_sys(err, errno, "%s", *path);
		close(fd);
		if (rc == FF_ESYS)
			return rc;
	}
	if (!rc)
		rc = add_all(ignore, &ignore->own, filter->exclude);
	return rc ? ff_err_set(err, rc, "%s", ff_err_text(rc)) : 0;
}

static int read_one(struct ff_tree *tree, int fd, const char *path, const char *name, bool *seen)
{
	int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), rc;
	char whole[FF_TREE_PATH_MAX + 256];
	struct ff_ignore_list *list;

	*seen = file >= 0 || errno != ENOENT;
	snprintf(whole, sizeof(whole), "%s%s%s", path, *path ? "/" : "", name);
	if (file < 0) {
		if (*seen)
			ff_tree_fault(tree, ff_sync_fault_of(errno), 0, whole, strerror(errno));
		return 0;
	}
	list = ff_ignore_directory(&tree->ignore, path);
	rc = list ? add_file(tree, list, file) : FF_ENOMEM;
	if (rc == FF_ESYS) {
		ff_tree_fault(tree, ff_sync_fault_of(errno), 0, whole, strerror(errno));
		rc = 0;
	}
	close(file);
	return rc;
}

int ff_tree_ignore_read(struct ff_tree *tree, const struct ff_tree_filter *filter, int fd,
			const char *path, uint64_t *seen)
{
	int rc = 0;

	for (size_t i = 0; i < FF_TREE_NAMES_MAX && filter->names[i] && !rc; i++) {
		bool there = false;

		rc = read_one(tree, fd, path, filter->names[i], &there);
		*seen |= (uint64_t)there << i;
	}
	return rc;
}
