/* One run of a group at a time. */
#include "cli/group.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/runs.h"
#include "cli/story.h"
#include "event/going.h"

enum { POLL_NS = 50000000 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* Any text is a group's name, few are a file's. */
static char *path_of(const struct ff_config *config)
{
	struct ff_buf path = FF_BUF_INIT;

	ff_buf_addf(&path, "%s/.farflung", ff_runs_home(config->directory));
	mkdir(ff_buf_str(&path), 0777);
	ff_buf_addstr(&path, "/groups");
	mkdir(ff_buf_str(&path), 0777);
	ff_buf_addch(&path, '/');
	for (const char *c = config->concurrency.group; *c; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || *c == '-' || *c == '_';

		if (plain)
			ff_buf_addch(&path, *c);
		else
			ff_buf_addf(&path, "%%%02x", (unsigned char)*c);
	}
	return ff_buf_take(&path);
}

/* The journal of the run that has it; NULL: it has not said so yet. The caller's to free. */
static char *journal_of(int fd)
{
	char text[PATH_MAX + 1];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	return len > 0 ? ff_xstrndup(text, (size_t)len) : NULL;
}

static void end_it(const char *group, const char *journal)
{
	char machine[256] = "";
	struct ff_err err = {0};
	struct ff_story story;

	gethostname(machine, sizeof(machine) - 1);
	ff_story_init(&story, journal);
	if (ff_story_read(&story, true, &err) == 0) {
		ff_complain("group '%s': ending run %s", group, story.run_id);
		if (!story.machine || strcmp(story.machine, machine) != 0)
			ff_complain("group '%s': it is on %s: waiting for its end", group,
				    story.machine ? story.machine : "another machine");
		else if (ff_run_signal(journal, story.pid, SIGTERM, &err) < 0 &&
			 err.code != FF_ENOTFOUND)
			ff_complain("group '%s': %s: waiting for its end", group, err.text);
	}
	ff_story_release(&story);
}

/* *seen: the journal of the run that had it last. */
static void look_at(char **seen, const struct ff_config *config, int fd)
{
	const char *group = config->concurrency.group;
	char *journal = journal_of(fd);

	if (!journal || (*seen && strcmp(journal, *seen) == 0)) {
		ff_free(journal);
		return;
	}
	ff_free(*seen);
	*seen = journal;
	if (strcmp(config->concurrency.cancel_in_progress, "true") == 0)
		end_it(group, journal);
	else
		ff_complain("group '%s': waiting for the end of %s", group, journal);
}

static int wait_for_it(int fd, const struct ff_config *config, const char *path, struct ff_err *err)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	char *seen = NULL;
	int rc = 0;

	while (rc == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			rc = ff_err_sys(err, errno, "%s", path);
		else if (interrupted)
			rc = ff_err_set(err, FF_ECANCELED,
					"interrupted while it waited for group '%s'",
					config->concurrency.group);
		else
			look_at(&seen, config, fd);
		if (rc == 0)
			nanosleep(&pause, NULL);
	}
	ff_free(seen);
	return rc;
}

int ff_group_enter(struct ff_group_hold *hold, const struct ff_config *config, struct ff_err *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction before[3], note = {.sa_handler = on_signal};
	int rc;

	*hold = (struct ff_group_hold){.fd = -1};
	if (!config->concurrency.group)
		return 0;
	hold->path = path_of(config);
	hold->fd = open(hold->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (hold->fd < 0) {
		rc = ff_err_sys(err, errno, "%s", hold->path);
		ff_group_leave(hold);
		return rc;
	}
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &note, &before[i]);
	rc = wait_for_it(hold->fd, config, hold->path, err);
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &before[i], NULL);
	if (rc == 0 && ftruncate(hold->fd, 0) < 0)
		rc = ff_err_sys(err, errno, "%s", hold->path);
	if (rc < 0)
		ff_group_leave(hold);
	return rc;
}

void ff_group_tell(const struct ff_group_hold *hold, const char *journal)
{
	char *whole = hold->fd >= 0 ? realpath(journal, NULL) : NULL;

	/* Without it others wait, and can't say for whom. */
	if (whole && pwrite(hold->fd, whole, strlen(whole), 0) < 0)
		errno = 0;
	free(whole);
}

void ff_group_leave(struct ff_group_hold *hold)
{
	if (hold->fd >= 0)
		close(hold->fd);
	ff_free(hold->path);
	*hold = (struct ff_group_hold){.fd = -1};
}
