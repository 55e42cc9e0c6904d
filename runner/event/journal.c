/* The journal's file and folder: appended line by line, read back in order. */
#include "event/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

enum { JOURNAL_BUFFER = 64 << 10 };

struct ff_journal {
	int fd;
	char run_id[40];
	char path[PATH_MAX];
	struct ff_buf pending;
	bool failed;
};

static int make_dir(const char *path, struct ff_err *err)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return ff_err_sys(err, errno, "%s", path);
}

/* The folder tells version control to leave it alone, as .pytest_cache does. */
static void write_gitignore(const char *directory)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/.farflung/.gitignore", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	if (write(fd, "*\n", 2) != 2)
		unlink(path);
	close(fd);
}

static void point_last_here(const char *runs, const char *id)
{
	char link[PATH_MAX], temporary[PATH_MAX];

	snprintf(link, sizeof link, "%s/last", runs);
	snprintf(temporary, sizeof temporary, "%s/.last-%s", runs, id);
	if (symlink(id, temporary) == 0 && rename(temporary, link) < 0)
		unlink(temporary);
}

static int make_run_dir(struct ff_journal *journal, const char *directory, struct ff_err *err)
{
	char runs[PATH_MAX - 64], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	int rc;

	if (snprintf(runs, sizeof runs, "%s/.farflung", directory) >= (int)sizeof runs - 8)
		return ff_err_set(err, FF_ETOOBIG, "%s: path too long", directory);
	rc = make_dir(runs, err);
	if (rc == 0) {
		write_gitignore(directory);
		snprintf(runs, sizeof runs, "%s/.farflung/runs", directory);
		rc = make_dir(runs, err);
	}
	if (rc < 0)
		return rc;
	localtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
	for (int tries = 0; tries < 100; tries++) {
		uint16_t salt = 0;

		if (getrandom(&salt, sizeof salt, 0) < 0)
			salt = (uint16_t)(getpid() + tries);
		snprintf(journal->run_id, sizeof journal->run_id, "%s-%04x", stamp, salt);
		snprintf(journal->path, sizeof journal->path, "%s/%s", runs, journal->run_id);
		if (mkdir(journal->path, 0777) == 0) {
			point_last_here(runs, journal->run_id);
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return ff_err_sys(err, errno, "%s", journal->path);
}

struct ff_journal *ff_journal_new(const char *directory, struct ff_err *err)
{
	struct ff_journal *journal = ff_xcalloc(1, sizeof *journal);

	journal->fd = -1;
	if (make_run_dir(journal, directory, err) < 0)
		goto fail;
	strncat(journal->path, "/journal.jsonl", sizeof journal->path - strlen(journal->path) - 1);
	journal->fd = open(journal->path, O_WRONLY | O_CREAT | O_APPEND | O_EXCL | O_CLOEXEC, 0666);
	if (journal->fd < 0) {
		ff_err_sys(err, errno, "%s", journal->path);
		goto fail;
	}
	return journal;
fail:
	ff_journal_free(journal);
	return NULL;
}

const char *ff_journal_run_id(const struct ff_journal *journal)
{
	return journal->run_id;
}

const char *ff_journal_path(const struct ff_journal *journal)
{
	return journal->path;
}

static int flush(struct ff_journal *journal, struct ff_err *err)
{
	while (journal->pending.len > 0) {
		ssize_t n =
			write(journal->fd, ff_buf_data(&journal->pending), journal->pending.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			journal->failed = true;
			return ff_err_sys(err, errno, "%s", journal->path);
		}
		ff_buf_consume(&journal->pending, (size_t)n);
	}
	return 0;
}

int ff_journal_append(struct ff_journal *journal, const struct ff_event *event, struct ff_err *err)
{
	int rc;

	if (journal->failed)
		return 0;
	rc = ff_event_json(&journal->pending, event);
	if (rc < 0)
		return ff_err_set(err, rc, "%s: %s", journal->path, ff_err_text(rc));
	if (event->kind == FF_EVENT_UNIT_OUTPUT && journal->pending.len < JOURNAL_BUFFER)
		return 0;
	return flush(journal, err);
}

int ff_journal_free(struct ff_journal *journal)
{
	int rc = 0;

	if (!journal)
		return 0;
	if (journal->fd >= 0) {
		rc = journal->failed ? FF_ESYS : flush(journal, NULL);
		close(journal->fd);
	}
	ff_buf_release(&journal->pending);
	free(journal);
	return rc;
}

int ff_journal_replay(const char *path, int (*each)(const struct ff_event *event, void *ctx),
		      void *ctx, struct ff_err *err)
{
	FILE *file = fopen(path, "re");
	struct ff_arena arena = FF_ARENA_INIT;
	char *line = NULL;
	size_t cap = 0;
	int rc = 0, number = 0;
	ssize_t len;

	if (!file)
		return ff_err_sys(err, errno, "%s", path);
	while (rc >= 0 && (len = getline(&line, &cap, file)) > 0) {
		struct ff_event event;

		number++;
		if (line[len - 1] != '\n')
			break; /* torn by a crash: never completed, never acted upon */
		rc = ff_event_parse(&event, &arena, line, (size_t)len, err);
		if (rc < 0)
			ff_err_prefix(err, "%s:%d: ", path, number);
		else
			rc = each(&event, ctx);
		ff_arena_release(&arena);
	}
	if (rc >= 0 && ferror(file))
		rc = ff_err_sys(err, errno, "%s", path);
	free(line);
	fclose(file);
	return rc < 0 ? rc : 0;
}
