#include "report/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "report/file.h"

enum { KEEP = 64 << 10 }; /* a longer text does not keep its memory */

int ff_flow_open(struct ff_flow *flow, const struct ff_reporter_opts *opts, const char *path,
		 struct ff_err *err)
{
	struct ff_writer_opts writer = {.fd = STDOUT_FILENO, .wake = opts->wake, .ctx = opts->ctx};
	struct stat st;

	if (strcmp(path, "-") != 0) {
		if (ff_report_prepare(path, err) < 0)
			return FF_ESYS;
		writer.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
		if (writer.fd < 0)
			return ff_err_sys(err, errno, "cannot write '%s'", path);
	}
	flow->fd = writer.fd;
	flow->on_disk = fstat(writer.fd, &st) == 0 && S_ISREG(st.st_mode);
	flow->path = ff_xstrdup(strcmp(path, "-") == 0 ? "stdout" : path);
	flow->writer = ff_writer_new(&writer);
	return 0;
}

void ff_flow_release(struct ff_flow *flow)
{
	ff_writer_free(flow->writer);
	if (flow->fd > STDERR_FILENO)
		close(flow->fd);
	ff_free(flow->path);
}

void ff_flow_put(struct ff_flow *flow, struct ff_buf *text)
{
	if (text->len > 0)
		ff_writer_put(flow->writer, ff_buf_data(text), text->len, NULL);
	if (text->cap > KEEP)
		ff_buf_release(text);
	else
		ff_buf_clear(text);
}

bool ff_flow_full(const struct ff_flow *flow)
{
	return ff_writer_full(flow->writer);
}

bool ff_flow_deserted(const struct ff_flow *flow)
{
	return flow->fd == STDOUT_FILENO && !flow->on_disk && ff_writer_deserted(flow->writer);
}

void ff_flow_abandon(struct ff_flow *flow)
{
	if (!flow->on_disk)
		ff_writer_abandon(flow->writer);
}

int ff_flow_finish(struct ff_flow *flow, struct ff_err *err)
{
	int errnum = ff_writer_finish(flow->writer);

	if (errnum && !ff_flow_deserted(flow))
		return ff_err_sys(err, errnum, "cannot write '%s'", flow->path);
	return 0;
}
