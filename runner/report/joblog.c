/* GNU parallel's job log: a line per unit that has come to its end. Units that were lost (their
 * host was, or the run was interrupted) have none: whoever goes on with the run runs them again. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "report/file.h"
#include "report/mapped.h"
#include "report/writer.h"

enum { SHELL_FOUND_NONE = 127 }; /* what shells say of a program that can't be run */

/* Thousands of units may end in a second: then their lines are written in lots. */
#define LINGER_US (FF_SECOND_US / 100)

static const char header[] =
	"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

struct joblog {
	struct ff_reporter base;
	struct ff_mapped_opts opts;
	struct ff_map local;   /* hosts that are this machine */
	struct ff_map written; /* of units that run: bytes that they have written there */
	int fd;
	struct ff_writer *writer;
	struct ff_buf line;
	bool told; /* that it can't be written */
};

struct ff_mapped_end ff_mapped_end(const struct ff_result *result)
{
	struct ff_mapped_end end = {.value = -1};

	if (result->outcome == FF_OUTCOME_TIMEOUT)
		end.signal = result->has_status && WIFSIGNALED(result->status)
				     ? WTERMSIG(result->status)
				     : SIGTERM;
	else if (result->has_status && WIFSIGNALED(result->status))
		end = (struct ff_mapped_end){0, WTERMSIG(result->status)};
	else if (result->has_status)
		end.value = WEXITSTATUS(result->status);
	else if (result->message && strstr(result->message, "cannot run"))
		end.value = SHELL_FOUND_NONE;
	return end;
}

/* A line end in a command would be the line's. */
static void add_command(struct joblog *log, uint32_t index)
{
	struct ff_buf command = FF_BUF_INIT;

	log->opts.units.command(log->opts.units.ctx, index, &command);
	for (size_t i = 0; i < command.len; i++) {
		char c = (char)ff_buf_data(&command)[i];

		if (c == '\n')
			ff_buf_addstr(&log->line, "\\n");
		else
			ff_buf_addch(&log->line, c);
	}
	ff_buf_release(&command);
}

static void on_output(struct joblog *log, const struct ff_event *event)
{
	uintptr_t bytes = (uintptr_t)ff_map_get_u32(&log->written, event->index);

	if (event->u.unit_output.stream == 1)
		ff_map_set_u32(&log->written, event->index,
			       (void *)(bytes + event->u.unit_output.len));
}

static void on_finished(struct joblog *log, const struct ff_event *event)
{
	uint64_t bytes = (uintptr_t)ff_map_del_u32(&log->written, event->index);
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_mapped_end end;
	int64_t began;

	if (!result || !event->u.unit_finished.final || result->outcome == FF_OUTCOME_LOST)
		return;
	end = ff_mapped_end(result);
	began = (event->time_us - result->duration_us) / 1000;
	ff_buf_clear(&log->line);
	ff_buf_addf(&log->line,
		    "%" PRIu32 "\t%s\t%" PRId64 ".%03d\t%10.3f\t0\t%" PRIu64 "\t%d\t%d\t",
		    log->opts.units.seq(log->opts.units.ctx, event->index),
		    !event->host || ff_map_get(&log->local, event->host) ? ":" : event->host,
		    began / 1000, (int)(began % 1000), (double)result->duration_us / 1e6, bytes,
		    end.value, end.signal);
	add_command(log, event->index);
	ff_buf_addch(&log->line, '\n');
	ff_writer_put(log->writer, ff_buf_data(&log->line), log->line.len, NULL);
}

/* The run that had it may have been killed before it wrote the line. */
static void on_before(struct joblog *log, const struct ff_event *event)
{
	uint32_t seq = log->opts.units.seq(log->opts.units.ctx, event->index);

	if (seq >= log->opts.logged_len || !log->opts.logged[seq])
		on_finished(log, event);
}

static void joblog_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct joblog *log = (struct joblog *)reporter;

	if (event->kind == FF_EVENT_UNIT_FINISHED)
		on_finished(log, event);
	else if (event->kind == FF_EVENT_UNIT_BEFORE)
		on_before(log, event);
	else if (event->kind == FF_EVENT_UNIT_OUTPUT && event->u.unit_output.len > 0)
		on_output(log, event);
	else if (event->kind == FF_EVENT_UNIT_LOST)
		ff_map_del_u32(&log->written, event->index);
	else if (event->kind == FF_EVENT_HOST_ADDED &&
		 strncmp(event->u.host_added.spec, "popen", 5) == 0)
		ff_map_set(&log->local, event->host, log);
}

static bool joblog_full(const struct ff_reporter *reporter)
{
	return ff_writer_full(((const struct joblog *)reporter)->writer);
}

static bool joblog_failed(struct ff_reporter *reporter, struct ff_err *err)
{
	struct joblog *log = (struct joblog *)reporter;
	int errnum = log->told ? 0 : ff_writer_error(log->writer);

	if (!errnum)
		return false;
	log->told = log->opts.tally->unwritten = true;
	ff_err_sys(err, errnum, "cannot write '%s'", log->opts.joblog);
	return true;
}

static int joblog_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct joblog *log = (struct joblog *)reporter;
	int errnum = ff_writer_finish(log->writer);

	if (!errnum || log->told)
		return 0;
	log->opts.tally->unwritten = true;
	return ff_err_sys(err, errnum, "cannot write '%s'", log->opts.joblog);
}

static void joblog_free(struct ff_reporter *reporter)
{
	struct joblog *log = (struct joblog *)reporter;

	ff_writer_free(log->writer);
	close(log->fd);
	ff_map_release(&log->local);
	ff_map_release(&log->written);
	ff_buf_release(&log->line);
	ff_free(log);
}

static const struct ff_reporter_class joblog_class = {
	.name = "joblog",
	.event = joblog_event,
	.full = joblog_full,
	.failed = joblog_failed,
	.finish = joblog_finish,
	.free = joblog_free,
};

struct ff_reporter *ff_report_joblog(const struct ff_reporter_opts *opts,
				     const struct ff_mapped_opts *mapped, struct ff_err *err)
{
	struct ff_writer_opts writer = {
		.linger_us = LINGER_US, .wake = opts->wake, .ctx = opts->ctx};
	int how = mapped->joblog_goes_on ? O_APPEND : O_TRUNC;
	struct joblog *log;
	struct stat st;

	if (ff_report_prepare(mapped->joblog, err) < 0)
		return NULL;
	writer.fd = open(mapped->joblog, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | how, 0666);
	if (writer.fd < 0) {
		ff_err_sys(err, errno, "cannot write '%s'", mapped->joblog);
		return NULL;
	}
	log = ff_xcalloc(1, sizeof(*log));
	log->base.class = &joblog_class;
	log->opts = *mapped;
	log->fd = writer.fd;
	log->writer = ff_writer_new(&writer);
	if (fstat(log->fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
		ff_writer_put(log->writer, header, sizeof(header) - 1, NULL);
	return &log->base;
}

/* --- reading --- */

static int bad_line(const char *path, unsigned long number, struct ff_err *err)
{
	return ff_err_set(err, FF_EINVAL,
			  "%s:%lu: this is no line of a job log: nine columns with tabs between "
			  "are expected, the first a number",
			  path, number);
}

static void mark(bool **done, uint32_t *len, uint32_t seq, bool value)
{
	if (seq >= *len) {
		uint32_t longer = seq < UINT32_MAX / 4 ? 2 * seq + 64 : seq + 1;

		*done = ff_xrealloc(*done, longer * sizeof(**done));
		memset(*done + *len, 0, (longer - *len) * sizeof(**done));
		*len = longer;
	}
	(*done)[seq] = value;
}

/* "Seq Host Starttime JobRuntime Send Receive Exitval Signal Command"; of a unit that is there
 * twice the last line counts. */
static int read_line(char *line, bool failed_too, bool **done, uint32_t *len)
{
	char *columns[9] = {NULL}, *end;
	unsigned long long seq;

	for (int i = 0; i < 9; i++)
		columns[i] = i < 8 ? strsep(&line, "\t") : line;
	if (!columns[8])
		return -1;
	if (strcmp(columns[0], "Seq") == 0)
		return 0;
	seq = strtoull(columns[0], &end, 10);
	if (*end || end == columns[0] || seq == 0 || seq > INT32_MAX)
		return -1;
	mark(done, len, (uint32_t)seq,
	     !failed_too || (strcmp(columns[6], "0") == 0 && strcmp(columns[7], "0") == 0));
	return 0;
}

int ff_joblog_read(const char *path, bool failed_too, bool **done, uint32_t *done_len,
		   struct ff_err *err)
{
	FILE *file = fopen(path, "r+e");
	unsigned long number = 0;
	off_t whole = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int rc = 0;

	*done = NULL;
	*done_len = 0;
	if (!file && errno == ENOENT)
		return 0;
	if (!file)
		return ff_err_sys(err, errno, "cannot read '%s'", path);
	while (rc == 0 && (len = getline(&line, &size, file)) > 0 && line[len - 1] == '\n') {
		line[len - 1] = '\0';
		whole += len;
		if (read_line(line, failed_too, done, done_len))
			rc = bad_line(path, number + 1, err);
		number++;
	}
	if (rc == 0 && ferror(file))
		rc = ff_err_sys(err, errno, "cannot read '%s'", path);
	if (rc == 0 && !feof(file))
		fseeko(file, 0, SEEK_END);
	if (rc == 0 && ftello(file) > whole && ftruncate(fileno(file), whole))
		rc = ff_err_sys(err, errno, "cannot cut the half line off '%s'", path);
	free(line);
	fclose(file);
	if (rc) {
		ff_free(*done);
		*done = NULL;
	}
	return rc;
}
