/* --jsonl: every event as a line of JSON, as it happens. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/journal.h"
#include "report/file.h"
#include "report/reporter.h"
#include "report/writer.h"

enum { LINE_KEEP = 64 << 10 }; /* a longer line does not keep its memory */

struct jsonl {
	struct ff_reporter base;
	char *path;
	int fd;
	bool on_disk;
	struct ff_writer *writer;
	int error; /* of the first event that could not be encoded */
	struct ff_buf line;
};

static void jsonl_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;
	int rc;

	/* A result is what this event is about. */
	if ((event->kind == FF_EVENT_UNIT_FINISHED || event->kind == FF_EVENT_UNIT_BEFORE) &&
	    !event->u.unit_finished.result)
		return;
	rc = ff_event_json(&jsonl->line, event);
	if (rc == 0)
		ff_writer_put(jsonl->writer, ff_buf_data(&jsonl->line), jsonl->line.len, NULL);
	else if (jsonl->error == 0)
		jsonl->error = rc;
	if (jsonl->line.cap > LINE_KEEP)
		ff_buf_release(&jsonl->line);
	else
		ff_buf_clear(&jsonl->line);
}

static bool jsonl_full(const struct ff_reporter *reporter)
{
	return ff_writer_full(((const struct jsonl *)reporter)->writer);
}

/* A file has no reader: what can't be written there is an error. */
static bool jsonl_deserted(const struct ff_reporter *reporter)
{
	const struct jsonl *jsonl = (const struct jsonl *)reporter;

	return jsonl->fd == STDOUT_FILENO && !jsonl->on_disk && ff_writer_deserted(jsonl->writer);
}

static int jsonl_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;
	int errnum = ff_writer_finish(jsonl->writer);

	if (errnum && !jsonl_deserted(reporter))
		return ff_err_sys(err, errnum, "cannot write '%s'", jsonl->path);
	if (jsonl->error)
		return ff_err_set(err, jsonl->error, "cannot write '%s': %s", jsonl->path,
				  ff_err_text(jsonl->error));
	return 0;
}

/* A disk takes what it is given; only a reader may never come. */
static void jsonl_abandon(struct ff_reporter *reporter)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;

	if (!jsonl->on_disk)
		ff_writer_abandon(jsonl->writer);
}

static void jsonl_free(struct ff_reporter *reporter)
{
	struct jsonl *jsonl = (struct jsonl *)reporter;

	ff_writer_free(jsonl->writer);
	if (jsonl->fd > STDERR_FILENO)
		close(jsonl->fd);
	ff_buf_release(&jsonl->line);
	ff_free(jsonl->path);
	ff_free(jsonl);
}

static const struct ff_reporter_class jsonl_class = {
	.name = "jsonl",
	.event = jsonl_event,
	.full = jsonl_full,
	.finish = jsonl_finish,
	.deserted = jsonl_deserted,
	.abandon = jsonl_abandon,
	.free = jsonl_free,
};

static struct ff_reporter *jsonl_open(const struct ff_reporter_opts *opts, const char *value,
				      struct ff_err *err)
{
	struct ff_writer_opts writer = {.fd = STDOUT_FILENO, .wake = opts->wake, .ctx = opts->ctx};
	struct jsonl *jsonl;
	struct stat st;

	if (strcmp(value, "-") != 0) {
		if (ff_report_prepare(value, err) < 0)
			return NULL;
		writer.fd = open(value, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
		if (writer.fd < 0) {
			ff_err_sys(err, errno, "cannot write '%s'", value);
			return NULL;
		}
	}
	jsonl = ff_xcalloc(1, sizeof(*jsonl));
	jsonl->base.class = &jsonl_class;
	jsonl->fd = writer.fd;
	jsonl->on_disk = fstat(writer.fd, &st) == 0 && S_ISREG(st.st_mode);
	jsonl->path = ff_xstrdup(strcmp(value, "-") == 0 ? "stdout" : value);
	jsonl->writer = ff_writer_new(&writer);
	return &jsonl->base;
}

const struct ff_reporter_kind ff_report_jsonl = {
	.name = "jsonl",
	.arg = "FILE",
	.help = "write every event as a line of JSON to FILE, as it happens; - is stdout",
	.may_be_stdout = true,
	.open = jsonl_open,
};
