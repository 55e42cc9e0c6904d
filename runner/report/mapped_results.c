/* The --results DIR of `farflung map`: a folder per unit, named by its arguments as GNU parallel
 * names them, with what it wrote and how it ended. Of a unit that is tried again the last attempt
 * stays. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "report/file.h"
#include "report/mapped.h"

enum { NAME_BYTES_MAX = 200, PATH_BYTES_MAX = 2000 };

struct results {
	struct ff_reporter base;
	struct ff_mapped_opts opts;
	struct ff_buf path;
	struct ff_err first; /* what went wrong first */
	bool told;
};

static void remember(struct results *results, int errnum)
{
	results->opts.tally->unwritten = true;
	if (results->first.code == 0)
		ff_err_sys(&results->first, errnum, "cannot write '%s'",
			   ff_buf_str(&results->path));
}

/* An argument as the name of a folder: what can't stand in one, or would be another, is escaped. A
 * long one is cut, and has its unit's number to tell it from others. */
static void add_name(struct ff_buf *path, const char *text, uint32_t seq)
{
	size_t before = path->len;

	if (!*text || !strcmp(text, ".") || !strcmp(text, ".."))
		ff_buf_addch(path, '\\');
	for (; *text; text++) {
		if (path->len - before > NAME_BYTES_MAX && (*text & 0xc0) != 0x80) {
			ff_buf_addf(path, "~%u", seq);
			return;
		}
		if (*text == '/')
			ff_buf_addstr(path, "\\_");
		else if (*text == '\\')
			ff_buf_addstr(path, "\\\\");
		else if (*text == '\t')
			ff_buf_addstr(path, "\\t");
		else
			ff_buf_addch(path, *text);
	}
}

/* DIR/1/a/2/b/NAME, in results->path. */
static void set_path(struct results *results, uint32_t index, const char *name)
{
	const struct ff_mapped_units *units = &results->opts.units;
	uint32_t seq = units->seq(units->ctx, index);
	struct ff_buf *path = &results->path;
	size_t nth = 0, column;
	char *argument;

	ff_buf_clear(path);
	ff_buf_addf(path, "%s/", results->opts.results);
	for (; (argument = units->argument(units->ctx, index, nth, &column)); nth++) {
		bool room = path->len < PATH_BYTES_MAX;

		if (room) {
			ff_buf_addf(path, "%zu/", column);
			add_name(path, argument, seq);
		} else {
			ff_buf_addf(path, "~%u", seq); /* there are more */
		}
		ff_buf_addch(path, '/');
		ff_free(argument);
		if (!room)
			break;
	}
	if (nth == 0) /* a block */
		ff_buf_addf(path, "%u/", seq);
	ff_buf_addstr(path, name);
}

/* Puts `bytes` into the unit's file, behind what is there unless it is to be `fresh`. */
static void write_file(struct results *results, uint32_t index, const char *name, const char *bytes,
		       size_t len, bool fresh)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (fresh ? O_TRUNC : O_APPEND);
	struct ff_err err;
	int fd, errnum;

	set_path(results, index, name);
	fd = open(ff_buf_str(&results->path), flags, 0666);
	if (fd < 0 && errno == ENOENT && ff_report_prepare(ff_buf_str(&results->path), &err) == 0)
		fd = open(ff_buf_str(&results->path), flags, 0666);
	if (fd < 0) {
		remember(results, errno);
		return;
	}
	errnum = ff_write_all(fd, bytes, len);
	if (errnum)
		remember(results, errnum);
	if (close(fd) && errno != EINTR)
		remember(results, errno);
}

static void on_started(struct results *results, uint32_t index)
{
	write_file(results, index, "stdout", NULL, 0, true);
	write_file(results, index, "stderr", NULL, 0, true);
}

static void on_finished(struct results *results, const struct ff_event *event)
{
	const struct ff_mapped_units *units = &results->opts.units;
	struct ff_mapped_end end;
	char text[96];
	int n;

	if (!event->u.unit_finished.result || !event->u.unit_finished.final)
		return;
	end = ff_mapped_end(event->u.unit_finished.result);
	n = snprintf(text, sizeof(text), "%u", units->seq(units->ctx, event->index));
	write_file(results, event->index, "seq", text, (size_t)n, true);
	n = snprintf(text, sizeof(text), "%s\nexit %d\nsignal %d\nseconds %.3f\n",
		     ff_outcome_word(event->u.unit_finished.result->outcome), end.value, end.signal,
		     (double)event->u.unit_finished.result->duration_us / 1e6);
	write_file(results, event->index, "status", text, (size_t)n, true);
}

static void results_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct results *results = (struct results *)reporter;

	if (event->kind == FF_EVENT_UNIT_STARTED)
		on_started(results, event->index);
	else if (event->kind == FF_EVENT_UNIT_OUTPUT)
		write_file(results, event->index,
			   event->u.unit_output.stream == 2 ? "stderr" : "stdout",
			   event->u.unit_output.bytes, event->u.unit_output.len, false);
	else if (event->kind == FF_EVENT_UNIT_FINISHED)
		on_finished(results, event);
}

static bool results_failed(struct ff_reporter *reporter, struct ff_err *err)
{
	struct results *results = (struct results *)reporter;

	if (!results->first.code || results->told)
		return false;
	results->told = true;
	*err = results->first;
	return true;
}

static int results_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct results *results = (struct results *)reporter;

	if (results->told)
		return 0;
	if (results->first.code && err)
		*err = results->first;
	return results->first.code;
}

static void results_free(struct ff_reporter *reporter)
{
	struct results *results = (struct results *)reporter;

	ff_buf_release(&results->path);
	ff_free(results);
}

static const struct ff_reporter_class results_class = {
	.name = "results",
	.event = results_event,
	.failed = results_failed,
	.finish = results_finish,
	.free = results_free,
};

struct ff_reporter *ff_report_mapped_results(const struct ff_mapped_opts *mapped,
					     struct ff_err *err)
{
	struct ff_buf probe = FF_BUF_INIT;
	struct results *results;
	int rc;

	ff_buf_addf(&probe, "%s/.new", mapped->results); /* no unit has this name */
	rc = ff_report_prepare(ff_buf_str(&probe), err);
	ff_buf_release(&probe);
	if (rc < 0)
		return NULL;
	results = ff_xcalloc(1, sizeof(*results));
	results->base.class = &results_class;
	results->opts = *mapped;
	return &results->base;
}
