/* Report files: their folder is made, they appear as a whole or not at all. */
#include "report/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stdout(const char *path)
{
	return strcmp(path, "-") == 0;
}

int ff_report_prepare(const char *path, struct ff_err *err)
{
	char dir[PATH_MAX];
	struct stat st;
	char *slash;

	if (is_stdout(path))
		return 0;
	if (strlen(path) >= sizeof(dir) - 16)
		return ff_err_set(err, FF_ETOOBIG, "cannot write '%s': path too long", path);
	if (*path == '\0')
		return ff_err_set(err, FF_EINVAL, "cannot write a report to a file without a name");
	if (path[strlen(path) - 1] == '/' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return ff_err_set(err, FF_ESYS, "cannot write '%s': it is a directory", path);
	strcpy(dir, path);
	for (slash = strchr(dir + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(dir, 0777) < 0 && errno != EEXIST)
			return ff_err_sys(err, errno, "cannot write '%s'", path);
		*slash = '/';
	}
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	else
		strcpy(dir, ".");
	if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		return ff_err_sys(err, ENOTDIR, "cannot write '%s'", path);
	if (access(dir, W_OK | X_OK) < 0)
		return ff_err_sys(err, errno, "cannot write '%s'", path);
	return 0;
}

static bool is_device(const char *path)
{
	struct stat st;

	return is_stdout(path) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
}

static FILE *open_stdout(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	FILE *stream = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (fd >= 0 && !stream)
		close(fd);
	return stream;
}

int ff_report_begin(struct ff_report_file *file, const char *path, struct ff_err *err)
{
	int n;

	*file = (struct ff_report_file){.path = path, .replaces = !is_device(path)};
	n = snprintf(file->temporary, sizeof(file->temporary), "%s.%ld.tmp", path, (long)getpid());
	if (n >= (int)sizeof(file->temporary))
		return ff_err_sys(err, ENAMETOOLONG, "cannot write '%s'", path);
	file->stream = is_stdout(path) ? open_stdout()
				       : fopen(file->replaces ? file->temporary : path, "we");
	return file->stream ? 0 : ff_err_sys(err, errno, "cannot write '%s'", path);
}

int ff_report_commit(struct ff_report_file *file, int errnum, struct ff_err *err)
{
	errno = EIO; /* of a write before, should fflush not know it any more */
	if ((fflush(file->stream) != 0 || ferror(file->stream)) && errnum == 0)
		errnum = errno;
	if (fclose(file->stream) != 0 && errnum == 0)
		errnum = errno;
	if (errnum == 0 && file->replaces && rename(file->temporary, file->path) < 0)
		errnum = errno;
	if (errnum == 0)
		return 0;
	if (file->replaces)
		unlink(file->temporary);
	return ff_err_sys(err, errnum, "cannot write '%s'", file->path);
}

/* Not every file system has nameless files. */
static int make_scratch(const char *dir)
{
	char name[PATH_MAX];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (snprintf(name, sizeof(name), "%s/.report-XXXXXX", dir) >= (int)sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

int ff_report_scratch(const char *path, struct ff_err *err)
{
	const char *temporary = getenv("TMPDIR"), *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd;

	if (is_device(path))
		snprintf(dir, sizeof(dir), "%s", temporary && *temporary ? temporary : "/tmp");
	else
		snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1,
			 slash ? path : ".");
	fd = make_scratch(dir);
	return fd >= 0 ? fd : ff_err_sys(err, errno, "cannot write '%s'", path);
}
