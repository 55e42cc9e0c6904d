/* Finds, reaps and kills children that nobody waits for: daemons of commands, handed down to the
 * nearest subreaper. Knows neither the loop nor executions. */
#include "worker/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* /proc/self/task/TID/children: "12 34 56 " */
static size_t read_children(const char *tid, pid_t *pids, size_t max, bool *missing)
{
	char path[64];
	size_t count = 0;
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", tid);
	file = fopen(path, "re");
	if (!file) {
		*missing |= errno == ENOENT;
		return 0;
	}
	while (count < max && fscanf(file, "%d", &pid) == 1)
		pids[count++] = pid;
	fclose(file);
	return count;
}

static pid_t parent_of(const char *pid)
{
	char path[64], text[512], *paren;
	ssize_t len;
	int fd, parent;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	/* The name, in parentheses, may contain anything. */
	paren = strrchr(text, ')');
	if (!paren || sscanf(paren + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

/* For kernels without the children files. */
static size_t scan_all(pid_t *pids, size_t max)
{
	struct dirent *entry;
	pid_t self = getpid();
	size_t count = 0;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return 0;
	while (count < max && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		if (parent_of(entry->d_name) == self)
			pids[count++] = (pid_t)atoi(entry->d_name);
	}
	closedir(dir);
	return count;
}

size_t ff_children_list(pid_t *pids, size_t max)
{
	struct dirent *entry;
	bool missing = false;
	size_t count = 0;
	DIR *dir;

	dir = opendir("/proc/self/task");
	if (!dir)
		return 0;
	while (count < max && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			count += read_children(entry->d_name, pids + count, max - count, &missing);
	}
	closedir(dir);
	return missing && !count ? scan_all(pids, max) : count;
}

size_t ff_children_reap(bool (*owned)(void *ctx, pid_t pid), void *ctx)
{
	pid_t pids[FF_CHILDREN_BATCH];
	size_t count, i, alive = 0;

	count = ff_children_list(pids, FF_CHILDREN_BATCH);
	for (i = 0; i < count; i++) {
		if (owned && owned(ctx, pids[i]))
			continue;
		if (waitpid(pids[i], NULL, WNOHANG) == 0)
			alive++;
	}
	return alive;
}

/* Waits for a child's end, or for 50 ms: one that ended before may have been reaped with it. */
static void await_child(void)
{
	static const struct timespec limit = {.tv_nsec = 50 * 1000 * 1000};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, NULL, &limit);
}

void ff_children_kill(int64_t limit_us)
{
	int64_t deadline = ff_clock_us() + limit_us;
	pid_t pids[FF_CHILDREN_BATCH], pid;
	size_t count, i, killed;

	do {
		killed = 0;
		count = ff_children_list(pids, FF_CHILDREN_BATCH);
		for (i = 0; i < count; i++)
			killed += kill(pids[i], SIGKILL) == 0;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return;
		await_child();
	} while (killed && ff_clock_us() < deadline);
}
