/* Where the record of a folder lies, and how it is read and replaced. Knows bytes, not trees. */
#include "rsync/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32.h"
#include "base/fd.h"
#include "rsync/protocol.h"

enum { CRC_LEN = 4 };

int ff_dest_open(struct ff_dest *dest, const char *root, int root_fd, struct ff_err *err)
{
	const char *slash = strrchr(root, '/'), *name = slash ? slash + 1 : root;
	char above[PATH_MAX];
	int fd = -1;

	if (slash && *name && strlen(name) <= FF_DEST_NAME_MAX) {
		snprintf(above, sizeof(above), "%.*s", slash == root ? 1 : (int)(slash - root),
			 root);
		fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd >= 0 && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS)) {
		close(fd);
		fd = -1;
	}
	if (fd < 0) {
		name = "";
		fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
	}
	if (fd < 0)
		return ff_err_sys(err, errno, "%s", root);
	dest->dir_fd = fd;
	snprintf(dest->record, sizeof(dest->record), ".ff-%s.sync-record", name);
	snprintf(dest->lock, sizeof(dest->lock), ".ff-%s.sync-lock", name);
	snprintf(dest->fresh, sizeof(dest->fresh), ".ff-%s.sync-new", name);
	return 0;
}

void ff_dest_release(struct ff_dest *dest)
{
	if (dest->dir_fd >= 0)
		close(dest->dir_fd);
	dest->dir_fd = -1;
}

static int read_all(int fd, size_t size, struct ff_buf *content)
{
	uint8_t *at = ff_buf_reserve(content, size);
	ssize_t got;

	if (!at)
		return FF_ENOMEM;
	for (size_t done = 0; done < size; done += (size_t)got) {
		got = read(fd, at + done, size - done);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			return FF_ELOAD;
	}
	if (ff_crc32(at, size - CRC_LEN) != (uint32_t)ff_get_be(at + size - CRC_LEN, CRC_LEN))
		return FF_ELOAD;
	ff_buf_added(content, size - CRC_LEN);
	return 0;
}

int ff_dest_read(const struct ff_dest *dest, struct ff_buf *content)
{
	int fd = openat(dest->dir_fd, dest->record, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc = FF_ELOAD;

	if (fd < 0)
		return errno == ENOENT ? FF_ENOTFOUND : FF_ELOAD;
	/* In a folder like /tmp anybody could have put it there. */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    st.st_size > CRC_LEN)
		rc = st.st_size > FF_RSYNC_MANIFEST_MAX ? FF_ETOOBIG
							: read_all(fd, (size_t)st.st_size, content);
	close(fd);
	return rc;
}

int ff_dest_write(const struct ff_dest *dest, const struct ff_buf *content)
{
	uint8_t crc[CRC_LEN];
	int fd, failed = 0;

	ff_put_be(crc, ff_crc32(ff_buf_data(content), content->len), sizeof(crc));
	(void)unlinkat(dest->dir_fd, dest->fresh, 0); /* of one that was killed */
	fd = openat(dest->dir_fd, dest->fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0 || ff_write_all(fd, ff_buf_data(content), content->len) ||
	    ff_write_all(fd, crc, sizeof(crc)))
		failed = errno;
	if (fd >= 0 && close(fd) && !failed)
		failed = errno;
	if (!failed && renameat(dest->dir_fd, dest->fresh, dest->dir_fd, dest->record))
		/* ENOENT: another sync into the same folder was faster, and did the same. */
		failed = errno == ENOENT ? 0 : errno;
	if (failed) {
		(void)unlinkat(dest->dir_fd, dest->fresh, 0);
		(void)unlinkat(dest->dir_fd, dest->record, 0);
	}
	return failed;
}
