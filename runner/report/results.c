/* --results DIR: DIR/JOB/UNIT/ with stdout, stderr and status of a unit's last attempt, and
 * attempt-N/ in it for those before. All of a folder is written when the attempt has ended, its
 * status last: who finds one finds the rest. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/map.h"
#include "report/file.h"
#include "report/mapped.h"
#include "report/name.h"

static const char *const names[] = {"status", "stdout", "stderr", "log", "failure"};

struct results {
	struct ff_reporter base;
	char *dir, *run;
	struct ff_map owners; /* of folders: their units' numbers, from 1 */
	struct ff_buf folder, text;
	int fd;		     /* of the folder */
	struct ff_err first; /* what went wrong first */
	bool full, told;     /* the disk is; it was said */
};

static void remember(struct results *results, int errnum, const char *name)
{
	results->full |= errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG;
	if (results->first.code == 0)
		ff_err_sys(&results->first, errnum, "cannot write '%s%s%s'",
			   ff_buf_str(&results->folder), name ? "/" : "", name ? name : "");
}

/* --- folders --- */

/* Units of one name, which a job may have, get folders of their own. */
static void set_folder(struct results *results, const struct ff_event *event)
{
	struct ff_buf *folder = &results->folder;
	uint32_t number = event->index + 1;
	void *owner;

	ff_buf_clear(folder);
	ff_buf_addf(folder, "%s/", results->dir);
	ff_name_add(folder, event->job);
	ff_buf_addch(folder, '/');
	ff_name_add(folder, event->unit);
	owner = ff_map_get(&results->owners, ff_buf_str(folder));
	if (!owner)
		ff_map_set(&results->owners, ff_buf_str(folder), (void *)(uintptr_t)number);
	else if (owner != (void *)(uintptr_t)number)
		ff_buf_addf(folder, "%%n%u", number); /* no name has this escape */
}

/* What an earlier run left of attempts that this one did not need. */
static void remove_attempts(struct results *results, uint32_t attempt)
{
	char path[64];

	for (;; attempt++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			snprintf(path, sizeof(path), "attempt-%u/%s", attempt, names[i]);
			unlinkat(results->fd, path, 0);
		}
		snprintf(path, sizeof(path), "attempt-%u", attempt);
		if (unlinkat(results->fd, path, AT_REMOVEDIR) < 0)
			return;
	}
}

static bool enter_folder(struct results *results)
{
	const char *path = ff_buf_str(&results->folder);
	struct ff_err err = {0};

	results->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (results->fd < 0 && errno == ENOENT) {
		char *inside = ff_xasprintf("%s/status", path);
		int rc = ff_report_prepare(inside, &err);

		ff_free(inside);
		if (rc == 0)
			results->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (results->fd < 0)
		remember(results, errno, NULL);
	return results->fd >= 0;
}

static void leave_folder(struct results *results)
{
	close(results->fd);
	results->fd = -1;
}

/* --- files --- */

static int begin_file(struct results *results, const char *name)
{
	int fd = openat(results->fd, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0666);

	if (fd < 0)
		remember(results, errno, name);
	return fd;
}

/* Some file systems say only now that they have no room. */
static bool end_file(struct results *results, int fd, const char *name)
{
	if (close(fd) == 0 || errno == EINTR)
		return true;
	remember(results, errno, name);
	return false;
}

static bool write_text(struct results *results, const char *name)
{
	int fd = begin_file(results, name);
	bool written;

	if (fd < 0)
		return false;
	written = ff_write_all(fd, ff_buf_data(&results->text), results->text.len) == 0;
	if (!written)
		remember(results, errno, name);
	return end_file(results, fd, name) && written;
}

/* pytest's have titles of each phase: "Captured stdout setup", "Captured log call". */
static const char *file_of(const struct ff_section *section)
{
	const char *title = section->title ? section->title : "stdout";

	return strstr(title, "stderr") ? "stderr" : strstr(title, "stdout") ? "stdout" : "log";
}

/* All sections of one stream, each from the beginning of a line. */
static bool write_stream(struct results *results, const struct ff_result *result, const char *name,
			 bool always)
{
	bool written = true, line_ended = true;
	int fd = always ? begin_file(results, name) : -1;

	if (always && fd < 0)
		return false;
	for (size_t i = 0; written && i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];

		if (!section->text || strcmp(file_of(section), name) != 0)
			continue;
		fd = fd < 0 ? begin_file(results, name) : fd;
		written = fd >= 0 && (line_ended || ff_write_all(fd, "\n", 1) == 0) &&
			  ff_write_all(fd, section->text, section->len) == 0;
		if (fd >= 0 && !written)
			remember(results, errno, name);
		line_ended = section->len == 0 || section->text[section->len - 1] == '\n';
	}
	return (fd < 0 || end_file(results, fd, name)) && written;
}

static bool write_failure(struct results *results, const struct ff_result *result)
{
	if (!result->longrepr)
		return true;
	ff_buf_clear(&results->text);
	ff_buf_addf(&results->text, "%s\n", result->longrepr);
	return write_text(results, "failure");
}

static void write_status(struct results *results, const struct ff_event *event,
			 const struct ff_result *result, uint32_t attempt)
{
	struct ff_buf *text = &results->text;

	ff_buf_clear(text);
	ff_buf_addf(text, "%s\n", ff_outcome_word(result->outcome));
	if (result->has_status) {
		struct ff_mapped_end end = ff_mapped_end(result);

		ff_buf_addf(text, "exit %d\nsignal %d\n", end.value, end.signal);
	}
	ff_buf_addf(text, "seconds %.3f\nattempt %u\n", (double)result->duration_us / 1e6, attempt);
	if (result->message) {
		ff_buf_addstr(text, "message ");
		ff_buf_add_shown(text, result->message, strcspn(result->message, "\n"));
		ff_buf_addch(text, '\n');
	}
	if (result->output_cut)
		ff_buf_addf(text, "cut from %llu bytes\n",
			    (unsigned long long)result->output_bytes);
	if (event->host)
		ff_buf_addf(text, "host %s\n", event->host);
	if (results->run)
		ff_buf_addf(text, "run %s\n", results->run);
	if (!write_text(results, "status"))
		unlinkat(results->fd, "status", 0);
}

/* --- events --- */

static void write_attempt(struct results *results, const struct ff_event *event,
			  const struct ff_result *result, uint32_t attempt, bool final)
{
	if (!event->job || !event->unit)
		return;
	set_folder(results, event);
	if (!final)
		ff_buf_addf(&results->folder, "/attempt-%u", attempt);
	if (!enter_folder(results))
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlinkat(results->fd, names[i], 0);
	if (write_stream(results, result, "stdout", true) &&
	    write_stream(results, result, "stderr", true) &&
	    write_stream(results, result, "log", false) && write_failure(results, result))
		write_status(results, event, result, attempt);
	if (final)
		remove_attempts(results, attempt);
	leave_folder(results);
}

static void on_lost(struct results *results, const struct ff_event *event)
{
	const struct ff_result lost = {.outcome = FF_OUTCOME_LOST,
				       .message = event->u.unit_lost.reason,
				       .duration_us = event->u.unit_lost.duration_us};

	write_attempt(results, event, &lost, event->u.unit_lost.attempt, false);
}

static void results_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct results *results = (struct results *)reporter;

	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		ff_free(results->run);
		results->run = ff_xstrdup(event->u.run_started.run_id);
		break;
	case FF_EVENT_UNIT_LOST:
		on_lost(results, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_BEFORE:
		if (event->u.unit_finished.result)
			write_attempt(results, event, event->u.unit_finished.result,
				      event->u.unit_finished.attempt, event->u.unit_finished.final);
		break;
	default:
		break;
	}
}

/* A disk that is full takes nothing more; whatever else is wrong is so of one folder. */
static bool results_failed(struct ff_reporter *reporter, struct ff_err *err)
{
	struct results *results = (struct results *)reporter;

	if (!results->full || results->told)
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

	ff_map_release(&results->owners);
	ff_buf_release(&results->folder);
	ff_buf_release(&results->text);
	ff_free(results->run);
	ff_free(results->dir);
	ff_free(results);
}

static const struct ff_reporter_class results_class = {
	.name = "results",
	.event = results_event,
	.failed = results_failed,
	.finish = results_finish,
	.free = results_free,
};

static struct ff_reporter *results_open(const struct ff_reporter_opts *opts, const char *value,
					struct ff_err *err)
{
	struct ff_buf probe = FF_BUF_INIT;
	struct results *results;
	int rc;

	ff_buf_addf(&probe, "%s/.new", value); /* no job has this name */
	rc = ff_report_prepare(ff_buf_str(&probe), err);
	ff_buf_release(&probe);
	if (rc < 0)
		return NULL;
	results = ff_xcalloc(1, sizeof(*results));
	results->base.class = &results_class;
	results->dir = ff_xstrdup(value);
	results->fd = -1;
	ff_map_init(&results->owners);
	return &results->base;
}

const struct ff_reporter_kind ff_report_results = {
	.name = "results",
	.arg = "DIR",
	.help = "a folder for each unit, DIR/JOB/UNIT: stdout, stderr, status",
	.open = results_open,
};
