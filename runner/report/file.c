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

int ff_report_prepare(const char *path, struct ff_err *err)
{
	char dir[PATH_MAX];
	struct stat st;
	char *slash;

	if (strlen(path) >= sizeof dir - 16)
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

int ff_report_write(const char *path, const struct ff_buf *content, struct ff_err *err)
{
	char temporary[PATH_MAX];
	struct stat st;
	/* A device or a pipe is written to, not replaced. */
	bool replace = stat(path, &st) < 0 || S_ISREG(st.st_mode);
	FILE *file;
	int errnum = 0;

	snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
	file = fopen(replace ? temporary : path, "we");
	if (!file)
		return ff_err_sys(err, errno, "cannot write '%s'", path);
	if (fwrite(ff_buf_data(content), 1, content->len, file) != content->len ||
	    fflush(file) != 0)
		errnum = errno;
	if (fclose(file) != 0 && errnum == 0)
		errnum = errno;
	if (errnum == 0 && replace && rename(temporary, path) < 0)
		errnum = errno;
	if (errnum == 0)
		return 0;
	if (replace)
		unlink(temporary);
	return ff_err_sys(err, errnum, "cannot write '%s'", path);
}
