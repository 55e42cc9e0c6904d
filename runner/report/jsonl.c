/* --jsonl: every event as a line of JSON, as it happens. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/journal.h"
#include "report/file.h"
#include "report/reporter.h"

struct jsonl {
	struct ff_reporter base;
	char *path;
	int fd;
	int errnum; /* the first failure; nothing is written after it */
	struct ff_buf line;
};

static void jsonl_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;

	ff_buf_clear(&jsonl->line);
	if (jsonl->errnum || ff_event_json(&jsonl->line, event) < 0)
		return;
	while (jsonl->line.len > 0) {
		ssize_t n = write(jsonl->fd, ff_buf_data(&jsonl->line), jsonl->line.len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd pollfd = {.fd = jsonl->fd, .events = POLLOUT};

			poll(&pollfd, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			jsonl->errnum = errno;
			return;
		}
		ff_buf_consume(&jsonl->line, (size_t)n);
	}
}

static int jsonl_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;

	return jsonl->errnum ? ff_err_sys(err, jsonl->errnum, "cannot write '%s'", jsonl->path) : 0;
}

static void jsonl_free(struct ff_reporter *reporter)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;

	if (jsonl->fd > STDERR_FILENO)
		close(jsonl->fd);
	ff_buf_release(&jsonl->line);
	free(jsonl->path);
	free(jsonl);
}

static const struct ff_reporter_class jsonl_class = {
	.name = "jsonl",
	.event = jsonl_event,
	.finish = jsonl_finish,
	.free = jsonl_free,
};

struct ff_reporter *ff_report_jsonl(const char *path, struct ff_err *err)
{
	struct jsonl *jsonl;
	int fd = STDOUT_FILENO;

	if (strcmp(path, "-") != 0) {
		if (ff_report_prepare(path, err) < 0)
			return NULL;
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (fd < 0) {
			ff_err_sys(err, errno, "cannot write '%s'", path);
			return NULL;
		}
	}
	jsonl = ff_xcalloc(1, sizeof *jsonl);
	jsonl->base.class = &jsonl_class;
	jsonl->fd = fd;
	jsonl->path = ff_xstrdup(path);
	return &jsonl->base;
}
