/* Where groups of cgroup v2 may be made, and why not: with folders of ours in place of the
 * kernel's. A real one is tried in tests/e2e/test_limits.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "worker/cgroup.h"
#include "worker/limits.h"

static char top[] = "/tmp/ff-test-cgroup-XXXXXX";

static char *path_of(const char *name)
{
	return ff_xasprintf("%s/%s", top, name);
}

static void put(const char *name, const char *text)
{
	char *path = path_of(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	ff_free(path);
}

static void folder(const char *name)
{
	char *path = path_of(name);

	assert_int_equal(mkdir(path, 0755), 0);
	ff_free(path);
}

static void get(const char *name, char text[64])
{
	char *path = path_of(name);
	int fd = open(path, O_RDONLY);
	ssize_t len;

	assert_true(fd >= 0);
	len = read(fd, text, 63);
	text[len > 0 ? len : 0] = '\0';
	close(fd);
	ff_free(path);
}

/* A tree as a host has it: own group /user/own, with these controllers on in it. */
static int setup(void **state)
{
	char *mounts;

	if (!mkdtemp(top))
		return -1;
	mounts = ff_xasprintf("30 1 0:2 / /proc rw - proc proc rw\n"
			      "36 30 0:31 / %s rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
			      top);
	put("mounts", mounts);
	ff_free(mounts);
	put("own", "9:memory:/else\n0::/user/own\n");
	folder("user");
	folder("user/own");
	put("cgroup.controllers", "cpu memory pids\n");
	put("user/cgroup.controllers", "memory pids\n");
	put("user/cgroup.subtree_control", "memory pids\n");
	put("user/own/cgroup.controllers", "memory pids\n");
	put("user/own/cgroup.subtree_control", "\n");
	put("user/own/cgroup.procs", "1\n");
	return 0;
}

static int teardown(void **state)
{
	char *command = ff_xasprintf("rm -rf %s", top);
	int rc = system(command);

	ff_free(command);
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	return rc;
}

static void look(struct ff_cgroups *cgroups, const char *wish)
{
	char *mounts = path_of("mounts"), *own = path_of("own");
	char *wished = wish ? path_of(wish) : NULL;
	struct ff_cgroup_places places = {mounts, own, wished};

	*cgroups = (struct ff_cgroups){0};
	ff_cgroups_look(cgroups, &places);
	ff_free(mounts);
	ff_free(own);
	ff_free(wished);
}

/* Groups of ours have no files here, so nobody can join one: that is found out, and told. */
static void test_nobody_can_join(void **state)
{
	struct ff_cgroups cgroups;
	char text[64];

	look(&cgroups, NULL);
	assert_null(cgroups.path);
	assert_non_null(strstr(cgroups.why, "no process may be moved to groups in"));
	assert_non_null(strstr(cgroups.why, "/user"));
	/* What is above is looked at, not changed. */
	get("user/cgroup.subtree_control", text);
	assert_string_equal(text, "memory pids\n");
	ff_cgroups_release(&cgroups);
	look(&cgroups, "user/own");
	assert_null(cgroups.path);
	/* It was asked to have them. */
	get("user/own/cgroup.subtree_control", text);
	assert_true(text[0] == '+');
	ff_cgroups_release(&cgroups);
}

static void test_no_controllers(void **state)
{
	struct ff_cgroups cgroups;

	put("user/cgroup.subtree_control", "pids\n");
	look(&cgroups, NULL);
	assert_null(cgroups.path);
	assert_non_null(strstr(cgroups.why, "no memory or cpu controller for groups in"));
	ff_cgroups_release(&cgroups);
	look(&cgroups, "nowhere");
	assert_non_null(strstr(cgroups.why, "nowhere is no group of cgroup v2"));
	ff_cgroups_release(&cgroups);
}

static void test_no_cgroup2(void **state)
{
	struct ff_cgroups cgroups;

	put("own", "9:memory:/else\n");
	look(&cgroups, NULL);
	assert_string_equal(cgroups.why, "this process is in no group of cgroup v2");
	ff_cgroups_release(&cgroups);
	put("own", "0::/../outside\n");
	put("mounts", "36 30 0:31 /below /somewhere rw - cgroup2 cgroup2 rw\n");
	look(&cgroups, NULL);
	assert_string_equal(cgroups.why, "this process's group is not below /somewhere");
	ff_cgroups_release(&cgroups);
	put("mounts", "30 1 0:2 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\nshort\n");
	look(&cgroups, NULL);
	assert_string_equal(cgroups.why, "no cgroup v2 is mounted");
	ff_cgroups_release(&cgroups);
}

/* The folder that a killed worker left goes, what lives stays. */
static void test_stale_groups_go(void **state)
{
	char *gone, *lives, name[64];
	struct ff_cgroups cgroups = {0};
	struct ff_err err;
	char *group;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	snprintf(name, sizeof(name), "user/farflung-%d-1", (int)pid);
	folder(name);
	gone = path_of(name);
	snprintf(name, sizeof(name), "user/farflung-%d-1", (int)getpid());
	folder(name);
	lives = path_of(name);
	cgroups.path = path_of("user");
	ff_cgroups_remove_stale(&cgroups);
	assert_int_not_equal(access(gone, F_OK), 0);
	assert_int_equal(access(lives, F_OK), 0);
	/* A limit that can't be set is an error, and leaves no folder. */
	group = ff_cgroup_make(&cgroups, 1 << 20, 0, &err);
	assert_null(group);
	assert_non_null(strstr(err.text, "cannot set limits by cgroup"));
	ff_cgroups_release(&cgroups);
	ff_free(gone);
	ff_free(lives);
}

static void test_events(void **state)
{
	char *own = path_of("user/own");

	assert_false(ff_cgroup_ran_out(own));
	put("user/own/memory.events",
	    "low 0\nhigh 0\nmax 5\noom 1\noom_kill 0\noom_group_kill 0\n");
	assert_false(ff_cgroup_ran_out(own));
	put("user/own/memory.events", "low 0\nhigh 0\nmax 5\noom 1\noom_kill 2\n");
	assert_true(ff_cgroup_ran_out(own));
	ff_free(own);
}

/* Where cgroup2 is mounted, in a folder that may be written; NULL: nowhere. */
static char *real_mount(void)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char point[4096], type[64], *found = NULL;

	while (mounts && !found && fscanf(mounts, "%*s %4095s %63s %*[^\n]", point, type) == 2)
		if (strcmp(type, "cgroup2") == 0 && access(point, W_OK) == 0)
			found = ff_xstrdup(point);
	if (mounts)
		fclose(mounts);
	return found;
}

static bool has_group(pid_t pid, const char *name)
{
	char path[64], text[4096];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	fd = open(path, O_RDONLY);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	return strstr(text, name) != NULL;
}

/* With the kernel's own groups, though not with limits, for which there need be controllers: a
 * program joins its group, what it leaves behind is killed, and nothing stays. */
static void test_a_real_group(void **state)
{
	char *point = real_mount(), *group, *limits, byte;
	char *const argv[] = {"sh", "-c", "setsid sleep 1000 & echo; wait", NULL};
	struct ff_cgroups cgroups = {.path = point, .looked = true};
	struct ff_err err = {0};
	int pipe_fds[2];
	pid_t pid;

	if (!point || !(group = ff_cgroup_make(&cgroups, 0, 0, &err))) {
		print_message("skipped: no cgroup v2 that may be written\n");
		ff_cgroups_release(&cgroups);
		skip();
		return;
	}
	limits = ff_xasprintf("nofile=64,cgroup=%s", group);
	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], 1);
		_exit(ff_limits_exec(limits, argv));
	}
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1); /* it runs */
	assert_true(has_group(pid, strrchr(group, '/')));
	ff_cgroup_remove(&cgroups, group); /* with the one that has left its session */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	ff_cgroups_release(&cgroups);
	assert_int_not_equal(access(group, F_OK), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	ff_free(limits);
	ff_free(group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nobody_can_join, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_controllers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_cgroup2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_groups_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
		cmocka_unit_test(test_a_real_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
