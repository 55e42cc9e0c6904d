#include "event/glance.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/journal.h"

enum { PART = 64 << 10 }; /* either line is somewhere in there */

static char *read_part(const char *path, bool end, size_t *len)
{
	char *part = ff_xmalloc(PART);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t n = size > 0 ? pread(fd, part, PART, end && size > PART ? size - PART : 0) : -1;
	int errnum = errno;

	if (fd >= 0)
		close(fd);
	errno = size == 0 ? 0 : errnum;
	*len = n > 0 ? (size_t)n : 0;
	return part;
}

bool ff_journal_end(const char *path, struct ff_arena *arena, struct ff_event *event)
{
	size_t len, begin = 0, line_len = 0;
	char *part = read_part(path, true, &len), *line = NULL;
	bool found;

	for (size_t i = 0; i < len; i++) {
		if (part[i] != '\n')
			continue;
		if (memmem(part + begin, i - begin, "\"run-finished\"", 14)) {
			line = part + begin;
			line_len = i + 1 - begin;
		}
		begin = i + 1;
	}
	found = line && ff_event_parse(event, arena, line, line_len, NULL) == 0 &&
		event->kind == FF_EVENT_RUN_FINISHED;
	ff_free(part);
	return found;
}

int ff_journal_beginning(const char *path, struct ff_arena *arena, struct ff_event *event,
			 struct ff_err *err)
{
	size_t len;
	char *part = read_part(path, false, &len), *end = len ? memchr(part, '\n', len) : NULL;
	int rc = 0;

	if (len == 0 && errno)
		rc = ff_err_sys(err, errno, "%s", path);
	else if (!end)
		rc = ff_err_set(err, FF_ELOAD, "%s: it has no first line", path);
	else
		rc = ff_event_parse(event, arena, part, (size_t)(end - part) + 1, err);
	if (rc == 0 && event->kind != FF_EVENT_RUN_STARTED)
		rc = ff_err_set(err, FF_ELOAD, "%s: it does not begin with a run's start", path);
	ff_free(part);
	return rc;
}
