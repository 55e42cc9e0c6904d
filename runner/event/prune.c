/* Removing the folders of old runs: only what is surely one, and surely over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "event/folder.h"
#include "event/journal.h"
#include "event/request.h"

enum {
	DAY_S = 24 * 3600,
	/* A folder that never got its name was left by a run that was killed while it began. */
	NEW_MAX_S = 3600,
};

struct run {
	char *name; /* of its folder */
	const char *id;
	int64_t began_s;
};

struct prune {
	const char *path; /* of the folder of runs */
	int fd;		  /* the same, open */
	struct run *runs;
	size_t len, cap;
	char *last; /* what `last` points to; NULL: nothing */
	int rc;
	struct ff_err *err; /* the first */
};

static void complain(struct prune *prune, int errnum, const char *folder, const char *name)
{
	if (prune->rc == 0)
		prune->rc = ff_err_sys(prune->err, errnum, "%s/%s%s%s", prune->path, folder,
				       name ? "/" : "", name ? name : "");
}

/* "input", "input-2", "input-3", … */
static bool is_input(const char *name)
{
	size_t len = strlen(FF_INPUT_NAME);
	const char *number = name + len + 1;

	if (strncmp(name, FF_INPUT_NAME, len) != 0 || (name[len] && name[len] != '-'))
		return false;
	return !name[len] || (*number && !number[strspn(number, "0123456789")]);
}

static bool is_ours(const char *name)
{
	return strcmp(name, FF_JOURNAL_NAME) == 0 || strcmp(name, FF_OUTPUT_NAME) == 0 ||
	       strcmp(name, FF_TREE_NAME) == 0 || strcmp(name, FF_REQUESTS_NAME) == 0 ||
	       is_input(name);
}

/* Whether the folder holds nothing but files that a run made. */
static bool only_ours(int fd)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry;
	bool ours = dir != NULL;

	if (!dir && again >= 0)
		close(again);
	while (ours && (entry = readdir(dir))) {
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		ours = is_ours(entry->d_name) &&
		       fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		       S_ISREG(st.st_mode);
	}
	if (dir)
		closedir(dir);
	return ours;
}

static void remove_file(struct prune *prune, int fd, const struct run *run, const char *name)
{
	if (unlinkat(fd, name, 0) < 0 && errno != ENOENT)
		complain(prune, errno, run->name, name);
}

static void remove_inputs(struct prune *prune, int fd, const struct run *run)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry;

	if (!dir && again >= 0)
		close(again);
	while (dir && (entry = readdir(dir)))
		if (is_input(entry->d_name))
			remove_file(prune, fd, run, entry->d_name);
	if (dir)
		closedir(dir);
}

/* The lock is held until the folder is gone, so that nobody takes the run up again meanwhile. */
static void remove_run(struct prune *prune, const struct run *run)
{
	int fd = openat(prune->fd, run->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int journal;

	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			complain(prune, errno, run->name, NULL);
		return;
	}
	journal = openat(fd, FF_JOURNAL_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (journal < 0 && errno != ENOENT) {
		if (errno != ELOOP)
			complain(prune, errno, run->name, FF_JOURNAL_NAME);
	} else if ((journal < 0 || flock(journal, LOCK_EX | LOCK_NB) == 0) && only_ours(fd)) {
		/* The journal last: what is left of a half-removed run is still one. */
		remove_inputs(prune, fd, run);
		remove_file(prune, fd, run, FF_TREE_NAME);
		remove_file(prune, fd, run, FF_REQUESTS_NAME);
		remove_file(prune, fd, run, FF_OUTPUT_NAME);
		remove_file(prune, fd, run, FF_JOURNAL_NAME);
		if (unlinkat(prune->fd, run->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			complain(prune, errno, run->name, NULL);
	}
	if (journal >= 0)
		close(journal);
	close(fd);
}

static void read_last(struct prune *prune)
{
	char target[4096];
	ssize_t len = readlinkat(prune->fd, "last", target, sizeof(target) - 1);
	const char *slash;

	if (len < 0)
		return;
	target[len] = '\0';
	while (len > 1 && target[len - 1] == '/')
		target[--len] = '\0';
	slash = strrchr(target, '/');
	prune->last = ff_xstrdup(slash ? slash + 1 : target);
}

static void read_runs(struct prune *prune)
{
	int again = openat(prune->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry;

	if (!dir) {
		prune->rc = ff_err_sys(prune->err, errno, "%s", prune->path);
		if (again >= 0)
			close(again);
		return;
	}
	while ((entry = readdir(dir))) {
		size_t skip = strncmp(entry->d_name, FF_NEW_PREFIX, sizeof(FF_NEW_PREFIX) - 1) == 0
				      ? strlen(FF_NEW_PREFIX)
				      : 0;
		struct run run;

		if (!ff_run_id_read(entry->d_name + skip, &run.began_s))
			continue;
		if (prune->len == prune->cap) {
			prune->cap = prune->cap ? prune->cap * 2 : 64;
			prune->runs = ff_xrealloc(prune->runs, prune->cap * sizeof(*prune->runs));
		}
		run.name = ff_xstrdup(entry->d_name);
		run.id = run.name + skip;
		prune->runs[prune->len++] = run;
	}
	closedir(dir);
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(((const struct run *)b)->id, ((const struct run *)a)->id);
}

static bool is_last(const struct prune *prune, const struct run *run)
{
	return prune->last && strcmp(prune->last, run->name) == 0;
}

/* `last` counts first: names of one second are in no order. */
static void remove_old(struct prune *prune, int64_t keep_runs, int64_t keep_days)
{
	int64_t now = (int64_t)time(NULL), kept = 0;

	for (size_t i = 0; i < prune->len; i++)
		kept += is_last(prune, &prune->runs[i]);
	if (prune->len > 0)
		qsort(prune->runs, prune->len, sizeof(*prune->runs), newest_first);
	for (size_t i = 0; i < prune->len; i++) {
		const struct run *run = &prune->runs[i];
		int64_t age_s = now - run->began_s;
		bool old = keep_days > 0 && age_s / DAY_S >= keep_days;

		if (run->id != run->name) {
			if (age_s > NEW_MAX_S)
				remove_run(prune, run);
			continue;
		}
		if (is_last(prune, run))
			continue;
		kept++;
		if (keep_runs > 0 && kept > keep_runs)
			old = true;
		if (old)
			remove_run(prune, run);
	}
}

int ff_journal_prune(const char *directory, int64_t keep_runs, int64_t keep_days,
		     struct ff_err *err)
{
	char *path = ff_xasprintf("%s/.farflung/runs", directory);
	struct prune prune = {.path = path, .err = err};

	prune.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (prune.fd >= 0) {
		read_last(&prune);
		read_runs(&prune);
		remove_old(&prune, keep_runs, keep_days);
		close(prune.fd);
	} else if (errno != ENOENT) {
		prune.rc = ff_err_sys(err, errno, "%s", path);
	}
	for (size_t i = 0; i < prune.len; i++)
		ff_free(prune.runs[i].name);
	ff_free(prune.runs);
	ff_free(prune.last);
	ff_free(path);
	return prune.rc;
}
