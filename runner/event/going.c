/* Who holds a journal. */
#include "event/going.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool ff_run_is_going(const char *journal)
{
	int fd = open(journal, O_RDONLY | O_CLOEXEC);
	bool going;

	if (fd < 0)
		return false;
	going = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return going;
}

int ff_run_wait_gone(const char *journal, struct ff_err *err)
{
	int fd = open(journal, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0 || flock(fd, LOCK_SH) < 0)
		rc = ff_err_sys(err, errno, "%s", journal);
	if (fd >= 0)
		close(fd);
	return rc;
}

static bool has_open(pid_t pid, const struct stat *journal)
{
	char path[64];
	struct dirent *entry;
	struct stat st;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
			st.st_dev == journal->st_dev && st.st_ino == journal->st_ino;
	if (dir)
		closedir(dir);
	return found;
}

/* The handle comes first: what is found out below is of the process that it stands for. */
int ff_run_signal(const char *journal, pid_t pid, int number, struct ff_err *err)
{
	int handle = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1, errnum = errno, rc = 0;
	struct stat st;

	if (stat(journal, &st) < 0)
		rc = ff_err_sys(err, errno, "%s", journal);
	else if (!ff_run_is_going(journal))
		rc = ff_err_set(err, FF_ENOTFOUND, "it is not going any more");
	else if (handle < 0 && pid > 0 && errnum != ESRCH)
		rc = ff_err_sys(err, errnum, "process %ld", (long)pid);
	else if (handle < 0 || !has_open(pid, &st))
		rc = ff_err_set(err, FF_ENOTFOUND,
				"process %ld is not that of the run, as far as can be seen from "
				"here",
				(long)pid);
	else if (syscall(SYS_pidfd_send_signal, handle, number, NULL, 0) < 0)
		rc = ff_err_sys(err, errno, "process %ld", (long)pid);
	if (handle >= 0)
		close(handle);
	return rc;
}
