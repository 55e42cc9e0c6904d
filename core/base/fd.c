#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

enum { AT_ONCE = 1 << 16 };

int ff_write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t put = write(fd, at, len);

		if (put < 0 && errno != EINTR)
			return errno;
		if (put > 0) {
			at += put;
			len -= (size_t)put;
		}
	}
	return 0;
}

int ff_read_all(int fd, size_t most, struct ff_buf *buf)
{
	size_t before = buf->len;

	while (buf->len - before <= most) {
		uint8_t *room = ff_buf_reserve(buf, AT_ONCE);
		ssize_t got = room ? read(fd, room, AT_ONCE) : 0;

		if (!room)
			return ENOMEM;
		if (got < 0 && errno != EINTR)
			return errno;
		if (got == 0)
			return 0;
		if (got > 0)
			ff_buf_added(buf, (size_t)got);
	}
	return 0;
}
