/* Finding a place for groups, and making them. Knows files and libc only. */
#include "worker/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

enum {
	TEXT_MAX = 64 << 10, /* of a file that is read: mountinfo is the longest */
	PERIOD_US = 100000,  /* of cpu.max */
	LEAST_US = 1000,     /* of that, the least that the kernel takes */
	MOVES = 5,	     /* rounds: processes may fork meanwhile */
	LAST_WAITS = 100,    /* of so many ms each */
	LAST_WAIT_MS = 5,
};

/* --- files --- */

/* Its text (malloc'd), cut at TEXT_MAX; NULL: errno. */
static char *read_file(const char *folder, const char *name)
{
	char *path = ff_xasprintf("%s%s%s", folder, *folder ? "/" : "", name), *text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	ff_free(path);
	if (fd < 0)
		return NULL;
	text = ff_xmalloc(TEXT_MAX + 1);
	while (len < TEXT_MAX && (got = read(fd, text + len, TEXT_MAX - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	close(fd);
	return text;
}

/* 0 or errno. */
static int write_file(const char *folder, const char *name, const char *text)
{
	char *path = ff_xasprintf("%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	ff_free(path);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = errno;
	close(fd);
	return rc;
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word), at;

	for (; text && *text; text += at + (text[at] != '\0')) {
		at = strcspn(text, " \n");
		if (at == len && strncmp(text, word, len) == 0)
			return true;
	}
	return false;
}

/* --- where this process is --- */

/* Where cgroup2 is mounted, and which of its groups that shows; false: nowhere. */
static bool find_mount(char *mounts, const char **root, const char **point)
{
	char *line, *rest = mounts;

	while ((line = strsep(&rest, "\n"))) {
		char *fields[5], *type = strstr(line, " - ");
		size_t n = 0;

		if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
			continue;
		while (n < 5 && (fields[n] = strsep(&line, " ")))
			n++;
		if (n < 5)
			continue;
		*root = fields[3];
		*point = fields[4];
		return true;
	}
	return false;
}

/* The path behind "0::"; NULL. */
static char *find_own(char *text)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")))
		if (strncmp(line, "0::/", 4) == 0)
			return line + 3;
	return NULL;
}

/* Its folder (malloc'd); NULL: `why`. */
static char *own_folder(const struct ff_cgroup_places *places, char *why, size_t size)
{
	char *mounts = read_file("", places->mounts), *text = read_file("", places->own);
	const char *root = NULL, *point = NULL, *own = text ? find_own(text) : NULL;
	char *folder = NULL;
	size_t above;

	if (!mounts || !find_mount(mounts, &root, &point)) {
		snprintf(why, size, "no cgroup v2 is mounted");
	} else if (!own) {
		snprintf(why, size, "this process is in no group of cgroup v2");
	} else {
		above = strcmp(root, "/") == 0 ? 0 : strlen(root);
		if (strncmp(own, root, above) != 0)
			snprintf(why, size, "this process's group is not below %s", point);
		else if (own[above] == '\0' || strcmp(own + above, "/") == 0)
			folder = ff_xstrdup(point);
		else
			folder = ff_xasprintf("%s%s", point, own + above);
	}
	ff_free(mounts);
	ff_free(text);
	return folder;
}

/* --- whether groups can be made there --- */

static void enable(const char *folder, const char *controller)
{
	char *on = read_file(folder, "cgroup.subtree_control");
	char word[32];

	snprintf(word, sizeof(word), "+%s", controller);
	if (on && !has_word(on, controller))
		(void)write_file(folder, "cgroup.subtree_control", word);
	ff_free(on);
}

/* Whether a process of ours can join a group there: tried by one. */
static bool can_join(const char *group)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(write_file(group, "cgroup.procs", "0") ? 1 : 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

/* Takes the folder if groups with limits can be made in it. `may_enable`: for that, controllers may
 * be switched on for all groups in it. */
static bool take(struct ff_cgroups *cgroups, const char *folder, bool may_enable)
{
	char *group = ff_xasprintf("%s/farflung-%d-0", folder, (int)getpid()), *on, *there;
	bool ok = false;

	if (may_enable) {
		enable(folder, "memory");
		enable(folder, "cpu");
	}
	on = read_file(folder, "cgroup.subtree_control");
	there = read_file(folder, "cgroup.controllers");
	if (!on || !there) {
		snprintf(cgroups->why, sizeof(cgroups->why), "%s is no group of cgroup v2", folder);
	} else if (!has_word(on, "memory") && !has_word(on, "cpu")) {
		snprintf(cgroups->why, sizeof(cgroups->why),
			 "cgroup v2 has no memory or cpu controller for groups in %s", folder);
	} else if (mkdir(group, 0755) && errno != EEXIST) {
		snprintf(cgroups->why, sizeof(cgroups->why), "cannot make a group in %s: %s",
			 folder, strerror(errno));
	} else if (!can_join(group)) {
		snprintf(cgroups->why, sizeof(cgroups->why),
			 "no process may be moved to groups in %s", folder);
		rmdir(group);
	} else {
		rmdir(group);
		cgroups->memory = has_word(on, "memory");
		cgroups->cpu = has_word(on, "cpu");
		cgroups->path = ff_xstrdup(folder);
		ok = true;
		cgroups->why[0] = '\0';
		if (!cgroups->memory || !cgroups->cpu)
			snprintf(cgroups->why, sizeof(cgroups->why),
				 "cgroup v2 has no %s controller for groups in %s",
				 cgroups->memory ? "cpu" : "memory", folder);
	}
	ff_free(group);
	ff_free(on);
	ff_free(there);
	return ok;
}

/* Whether systemd has given all below it to us. */
static bool is_delegated(const char *folder)
{
	char value[2] = "";

	return (getxattr(folder, "user.delegate", value, 1) == 1 && value[0] == '1') ||
	       (getxattr(folder, "trusted.delegate", value, 1) == 1 && value[0] == '1');
}

/* Groups with controllers have processes only in leaves: all that is there goes into one. */
static void move_into_leaf(const char *folder)
{
	char *leaf = ff_xasprintf("%s/farflung-main", folder);

	if (mkdir(leaf, 0755) == 0 || errno == EEXIST) {
		for (int i = 0; i < MOVES; i++) {
			char *pids = read_file(folder, "cgroup.procs"), *line, *rest = pids;

			if (!pids || !*pids) {
				ff_free(pids);
				break;
			}
			while ((line = strsep(&rest, "\n")))
				if (*line)
					(void)write_file(leaf, "cgroup.procs", line);
			ff_free(pids);
		}
	}
	ff_free(leaf);
}

void ff_cgroups_remove_stale(const struct ff_cgroups *cgroups)
{
	DIR *dir = opendir(cgroups->path);
	struct dirent *entry;
	int pid, number, end;

	while (dir && (entry = readdir(dir))) {
		end = 0;
		if (sscanf(entry->d_name, "farflung-%d-%d%n", &pid, &number, &end) == 2 &&
		    entry->d_name[end] == '\0' && pid > 0 && kill(pid, 0) && errno == ESRCH)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	if (dir)
		closedir(dir);
}

static void look(struct ff_cgroups *cgroups, const struct ff_cgroup_places *places)
{
	char *folder, *slash;

	if (places->wish && *places->wish) {
		take(cgroups, places->wish, true);
		return;
	}
	folder = own_folder(places, cgroups->why, sizeof(cgroups->why));
	if (!folder)
		return;
	if (!take(cgroups, folder, true) && is_delegated(folder)) {
		move_into_leaf(folder);
		take(cgroups, folder, true);
	}
	slash = strrchr(folder, '/');
	/* Where the folder is the whole system's, what is above is none of it. */
	if (!cgroups->path && slash && slash != folder) {
		char *parent = ff_xstrndup(folder, (size_t)(slash - folder));
		char *has = read_file(parent, "cgroup.subtree_control");

		if (has)
			take(cgroups, parent, false);
		ff_free(has);
		ff_free(parent);
	}
	ff_free(folder);
}

void ff_cgroups_look(struct ff_cgroups *cgroups, const struct ff_cgroup_places *places)
{
	const struct ff_cgroup_places system = {.mounts = "/proc/self/mountinfo",
						.own = "/proc/self/cgroup",
						.wish = getenv("FARFLUNG_CGROUP")};

	if (cgroups->looked)
		return;
	cgroups->looked = true;
	look(cgroups, places ? places : &system);
	if (cgroups->path)
		ff_cgroups_remove_stale(cgroups);
}

/* --- groups --- */

static int set_memory(const char *group, int64_t memory)
{
	char number[24];
	int rc;

	snprintf(number, sizeof(number), "%" PRId64, memory);
	rc = write_file(group, "memory.max", number);
	/* Where these are not there, there is nothing to be set. */
	(void)write_file(group, "memory.swap.max", "0");
	(void)write_file(group, "memory.oom.group", "1");
	return rc;
}

static int set_cpu(const char *group, int64_t cpu)
{
	int64_t quota = cpu * (PERIOD_US / 1000);
	char text[48];

	snprintf(text, sizeof(text), "%" PRId64 " %d", quota < LEAST_US ? LEAST_US : quota,
		 PERIOD_US);
	return write_file(group, "cpu.max", text);
}

char *ff_cgroup_make(struct ff_cgroups *cgroups, int64_t memory, int64_t cpu, struct ff_err *err)
{
	char *group =
		ff_xasprintf("%s/farflung-%d-%u", cgroups->path, (int)getpid(), ++cgroups->made);
	int rc = mkdir(group, 0755) ? errno : 0;

	if (rc == 0 && memory > 0)
		rc = set_memory(group, memory);
	if (rc == 0 && cpu > 0)
		rc = set_cpu(group, cpu);
	if (rc == 0)
		return group;
	ff_err_sys(err, rc, "cannot set limits by cgroup %s", group);
	rmdir(group);
	ff_free(group);
	return NULL;
}

bool ff_cgroup_ran_out(const char *path)
{
	char *events = read_file(path, "memory.events");
	const char *at = events ? strstr(events, "oom_kill ") : NULL;
	bool ran_out = at && (at == events || at[-1] == '\n') && strtol(at + 9, NULL, 10) > 0;

	ff_free(events);
	return ran_out;
}

static void kill_all(const char *path)
{
	char *pids, *line, *rest;

	if (write_file(path, "cgroup.kill", "1") == 0)
		return;
	rest = pids = read_file(path, "cgroup.procs");
	while (rest && (line = strsep(&rest, "\n"))) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);

		if (pid > 1 && pid != getpid())
			kill(pid, SIGKILL);
	}
	ff_free(pids);
}

static bool is_gone(const char *path)
{
	return rmdir(path) == 0 || errno == ENOENT;
}

static void remove_left(struct ff_cgroups *cgroups)
{
	struct ff_strv still = FF_STRV_INIT;

	for (size_t i = 0; i < cgroups->left.len; i++)
		if (!is_gone(cgroups->left.v[i]) && ff_strv_add(&still, cgroups->left.v[i]))
			abort();
	ff_strv_release(&cgroups->left);
	cgroups->left = still;
}

void ff_cgroup_remove(struct ff_cgroups *cgroups, const char *path)
{
	remove_left(cgroups);
	if (is_gone(path))
		return;
	kill_all(path);
	if (!is_gone(path) && ff_strv_add(&cgroups->left, path))
		abort();
}

void ff_cgroups_release(struct ff_cgroups *cgroups)
{
	const struct timespec pause = {0, LAST_WAIT_MS * 1000000L};

	for (int i = 0; cgroups->left.len > 0 && i < LAST_WAITS; i++) {
		remove_left(cgroups);
		if (cgroups->left.len > 0)
			nanosleep(&pause, NULL);
	}
	ff_strv_release(&cgroups->left);
	ff_free(cgroups->path);
	*cgroups = (struct ff_cgroups){0};
}
