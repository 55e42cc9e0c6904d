/* Where rows are read from: files, standard input, programs. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "config/private.h"
#include "config/table.h"

extern char **environ;

enum { MOST = FF_CONFIG_TABLE_TEXT_MAX - 1 };

/* Hands over what was read, or says what was wrong with it. */
static int take(struct ff_buf *all, int errnum, const char *name, char **text, size_t *len,
		struct ff_err *err)
{
	if (errnum || all->len >= FF_CONFIG_TABLE_TEXT_MAX) {
		ff_buf_release(all);
		return errnum ? ff_err_sys(err, errnum, "%s", name)
			      : ff_err_set(err, FF_ECONFIG, "%s: larger than %d MiB", name,
					   FF_CONFIG_TABLE_TEXT_MAX >> 20);
	}
	*len = all->len;
	*text = ff_buf_take(all);
	return *text ? 0 : ff_err_set(err, FF_ENOMEM, "%s: %s", name, ff_err_text(FF_ENOMEM));
}

int ff_source_file(const char *path, char **text, size_t *len, struct ff_err *err)
{
	bool is_stdin = !strcmp(path, "-") || !strcmp(path, "/dev/stdin");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), errnum;
	struct ff_buf all = FF_BUF_INIT;

	if (fd < 0)
		return ff_err_sys(err, errno, "%s", path);
	errnum = ff_read_all(fd, MOST, &all);
	if (!is_stdin)
		close(fd);
	return take(&all, errnum, is_stdin ? "standard input" : path, text, len, err);
}

/* Its standard input is empty: what is on ours is for somebody else. */
static int spawn(const char *directory, const char *command, int out, pid_t *pid)
{
	char *const argv[] = {"/bin/sh", "-c", (char *)(uintptr_t)command, NULL};
	posix_spawn_file_actions_t actions;
	int rc;

	posix_spawn_file_actions_init(&actions);
	rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_addchdir_np(&actions, directory);
	if (!rc)
		rc = posix_spawn(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

int ff_config_shell(const char *directory, const char *command, size_t most, struct ff_buf *out,
		    int *status)
{
	int fds[2], errnum;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return errno;
	errnum = spawn(directory, command, fds[1], &pid);
	close(fds[1]);
	if (errnum) {
		close(fds[0]);
		return errnum;
	}
	errnum = ff_read_all(fds[0], most, out);
	close(fds[0]); /* one that writes too much ends now */
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return errnum;
}

int ff_source_program(const char *directory, const char *command, char **text, size_t *len,
		      struct ff_err *err)
{
	struct ff_buf all = FF_BUF_INIT;
	int status = 0, errnum = ff_config_shell(directory, command, MOST, &all, &status);
	char *name = ff_xasprintf(errnum ? "'%s'" : "%s", command);
	int rc = take(&all, errnum, name, text, len, err);

	ff_free(name);
	if (!rc && WIFSIGNALED(status))
		rc = ff_err_set(err, FF_ECONFIG, "'%s' was killed by signal %d", command,
				WTERMSIG(status));
	else if (!rc && WEXITSTATUS(status))
		rc = ff_err_set(err, FF_ECONFIG, "'%s' ended with exit status %d", command,
				WEXITSTATUS(status));
	else
		return rc;
	ff_free(*text);
	*text = NULL;
	return rc;
}
