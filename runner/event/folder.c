/* Making a run's folder. */
#include "event/folder.h"
#include "event/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

static const char readme[] =
	"This folder belongs to farflung. `runs` has a folder for each run that was started here:\n"
	"journal.jsonl (what happened, one event a line) and output (what the units wrote).\n"
	"`runs/last` is the last one. Nothing but a resumed or replayed run needs them: all of "
	"this\n"
	"may be deleted while no run is going. farflung removes the oldest runs by itself, beyond\n"
	"the number and age that `settings: keep` says.\n";

static int make_dir(const char *path, struct ff_err *err)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return ff_err_sys(err, errno, "%s", path);
}

/* Files that are good to have: a folder that can't hold them says so when it matters. */
static void write_once(const char *directory, const char *name, const char *text)
{
	char *path = ff_xasprintf("%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	size_t len = strlen(text);

	if (fd >= 0) {
		if (write(fd, text, len) != (ssize_t)len)
			unlink(path);
		close(fd);
	}
	ff_free(path);
}

static void point_last_here(const char *runs, const char *id)
{
	char *link = ff_xasprintf("%s/last", runs);
	char *temporary = ff_xasprintf("%s/.last-%s", runs, id);

	if (symlink(id, temporary) == 0 && rename(temporary, link) < 0)
		unlink(temporary);
	ff_free(link);
	ff_free(temporary);
}

static int open_file(const char *folder, const char *name, int *fd, struct ff_err *err)
{
	char *path = ff_xasprintf("%s/%s", folder, name);
	int rc = 0;

	*fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_EXCL | O_CLOEXEC, 0666);
	if (*fd < 0)
		rc = ff_err_sys(err, errno, "%s", path);
	ff_free(path);
	return rc;
}

static void remove_file(const char *folder, const char *name, int fd)
{
	char *path = ff_xasprintf("%s/%s", folder, name);

	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	ff_free(path);
}

/* Fills the new folder at `path`, then gives it its name. 1: there is one of that name. */
static int fill(struct ff_run_folder *folder, const char *path, struct ff_err *err)
{
	int rc = open_file(path, FF_JOURNAL_NAME, &folder->journal_fd, err);

	folder->output_fd = -1;
	if (rc == 0)
		rc = open_file(path, FF_OUTPUT_NAME, &folder->output_fd, err);
	/* Where locks don't work nobody can take one either: prune leaves such a run alone. */
	if (rc == 0)
		flock(folder->journal_fd, LOCK_EX | LOCK_NB);
	if (rc == 0 && rename(path, folder->path) < 0)
		rc = errno == ENOTEMPTY || errno == EEXIST
			     ? 1
			     : ff_err_sys(err, errno, "%s", folder->path);
	if (rc != 0) {
		remove_file(path, FF_JOURNAL_NAME, folder->journal_fd);
		remove_file(path, FF_OUTPUT_NAME, folder->output_fd);
		rmdir(path);
	}
	return rc;
}

static int try_one(struct ff_run_folder *folder, const char *runs, const char *stamp, int tries,
		   struct ff_err *err)
{
	uint16_t salt = 0;
	char *path;
	int rc;

	if (getrandom(&salt, sizeof(salt), 0) < 0)
		salt = (uint16_t)(getpid() + tries);
	folder->run_id = ff_xasprintf("%s-%04x", stamp, salt);
	folder->path = ff_xasprintf("%s/%s", runs, folder->run_id);
	path = ff_xasprintf("%s/" FF_NEW_PREFIX "%s", runs, folder->run_id);
	if (mkdir(path, 0777) == 0)
		rc = fill(folder, path, err);
	else
		rc = errno == EEXIST ? 1 : ff_err_sys(err, errno, "%s", folder->path);
	if (rc == 0)
		point_last_here(runs, folder->run_id);
	ff_free(path);
	if (rc != 0) {
		ff_free(folder->run_id);
		ff_free(folder->path);
	}
	return rc;
}

int ff_run_folder_make(struct ff_run_folder *folder, const char *directory, struct ff_err *err)
{
	char *top = ff_xasprintf("%s/.farflung", directory);
	char *runs = ff_xasprintf("%s/runs", top);
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;
	int rc = make_dir(top, err);

	if (rc == 0) {
		write_once(top, ".gitignore", "*\n");
		write_once(top, "README", readme);
		rc = make_dir(runs, err);
	}
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	for (int tries = 0; rc == 0; tries++) {
		rc = try_one(folder, runs, stamp, tries, err);
		if (rc <= 0)
			break;
		rc = tries < 100 ? 0 : ff_err_sys(err, EEXIST, "%s/%s", runs, stamp);
	}
	ff_free(top);
	ff_free(runs);
	return rc;
}

bool ff_run_id_read(const char *name, int64_t *began_s)
{
	static const char form[] = "00000000-000000-xxxx";
	struct tm tm = {.tm_isdst = -1};
	int date, of_day;

	if (strlen(name) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		const char *allowed = form[i] == '-'   ? "-"
				      : form[i] == '0' ? "0123456789"
						       : "0123456789abcdef";

		if (!strchr(allowed, name[i]))
			return false;
	}
	if (sscanf(name, "%8d-%6d", &date, &of_day) != 2)
		return false;
	tm.tm_year = date / 10000 - 1900;
	tm.tm_mon = date / 100 % 100 - 1;
	tm.tm_mday = date % 100;
	tm.tm_hour = of_day / 10000;
	tm.tm_min = of_day / 100 % 100;
	tm.tm_sec = of_day % 100;
	*began_s = (int64_t)mktime(&tm);
	return true;
}
