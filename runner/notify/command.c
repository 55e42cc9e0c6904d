/* A command that is told: a process group of its own, the document on its stdin, and of what it
 * prints the last line, for a message. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "notify/private.h"

enum { TAIL_MAX = 4096 };

struct ff_told_command {
	pid_t pid; /* 0: it was waited for */
	int out;
	int64_t until_us, timeout_us;
	struct ff_buf tail;
};

extern char **environ;

/* Ours, less what its own names. */
static void set_environment(struct ff_strv *env, const struct ff_strv *own)
{
	for (char **at = environ; *at; at++) {
		size_t len = strcspn(*at, "=");
		bool replaced = false;

		for (size_t i = 0; i < own->len && !replaced; i++)
			replaced = !strncmp(own->v[i], *at, len) && own->v[i][len] == '=';
		if (!replaced)
			(void)ff_strv_add(env, *at);
	}
	(void)ff_strv_add_all(env, own->v);
}

static int spawn(pid_t *pid, const char *shell, const char *directory, int in, int out,
		 char *const *env)
{
	char *const argv[] = {"/bin/sh", "-c", (char *)(uintptr_t)shell, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigfillset(&usual);
	/* The thread has all signals blocked, and the program ignores some. */
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_addchdir_np(&actions, directory);
	if (!rc)
		rc = posix_spawn(pid, argv[0], &actions, &attributes, argv, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

struct ff_told_command *ff_told_command_start(const struct ff_request *request,
					      const char *directory, struct ff_err *err)
{
	struct ff_told_command *command = NULL;
	struct ff_strv env = FF_STRV_INIT;
	int in = memfd_create("farflung-notice", MFD_CLOEXEC), out[2] = {-1, -1}, errnum = 0;
	pid_t pid = 0;

	set_environment(&env, &request->headers);
	if (in < 0 || pipe2(out, O_CLOEXEC))
		errnum = errno;
	if (!errnum)
		errnum = ff_write_all(in, ff_buf_data(&request->body), request->body.len);
	if (!errnum && lseek(in, 0, SEEK_SET) != 0)
		errnum = errno;
	if (!errnum)
		errnum = spawn(&pid, request->receiver->command, directory, in, out[1], env.v);
	if (!errnum) {
		command = ff_xcalloc(1, sizeof(*command));
		command->pid = pid;
		command->out = out[0];
		command->timeout_us = request->receiver->timeout_us;
		command->until_us = ff_clock_us() + command->timeout_us;
		(void)fcntl(out[0], F_SETFL, O_NONBLOCK);
	} else {
		ff_err_sys(err, errnum, "/bin/sh");
		if (out[0] >= 0)
			close(out[0]);
	}
	if (out[1] >= 0)
		close(out[1]);
	if (in >= 0)
		close(in);
	ff_strv_release(&env);
	return command;
}

int ff_told_command_fd(const struct ff_told_command *command)
{
	return command->out;
}

static void read_some(struct ff_told_command *command)
{
	char bytes[4096];
	ssize_t n;

	while (command->out >= 0 && (n = read(command->out, bytes, sizeof(bytes))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		(void)ff_buf_add(&command->tail, bytes, (size_t)n);
		if (command->tail.len > TAIL_MAX)
			ff_buf_consume(&command->tail, command->tail.len - TAIL_MAX);
	}
	if (command->out >= 0)
		close(command->out);
	command->out = -1;
}

/* ": its last line", if it said something. */
static void add_last_line(struct ff_told_command *command, struct ff_told *outcome)
{
	char *text, *end, *line;
	size_t len = strlen(outcome->words);

	if (!command->tail.len)
		return;
	text = ff_xstrdup(ff_buf_str(&command->tail));
	for (end = text + strlen(text); end > text && strchr(" \r\n\t", end[-1]); end--)
		end[-1] = '\0';
	line = strrchr(text, '\n');
	if (*text)
		snprintf(outcome->words + len, sizeof(outcome->words) - len, ": %.300s",
			 line ? line + 1 : text);
	ff_free(text);
}

bool ff_told_command_done(struct ff_told_command *command, int64_t now_us, struct ff_told *outcome)
{
	int status = 0;
	pid_t pid;
	bool late = now_us >= command->until_us;

	read_some(command);
	if (late)
		kill(-command->pid, SIGKILL);
	while ((pid = waitpid(command->pid, &status, late ? 0 : WNOHANG)) < 0 && errno == EINTR)
		;
	if (pid == 0)
		return false;
	read_some(command);
	command->pid = 0;
	*outcome = (struct ff_told){.sent = !late && status == 0};
	if (late)
		snprintf(outcome->words, sizeof(outcome->words), "it took longer than %.1f s",
			 (double)command->timeout_us / 1e6);
	else if (WIFSIGNALED(status))
		snprintf(outcome->words, sizeof(outcome->words), "signal %d", WTERMSIG(status));
	else
		snprintf(outcome->words, sizeof(outcome->words), "exit status %d",
			 WEXITSTATUS(status));
	if (!outcome->sent && !late)
		add_last_line(command, outcome);
	return true;
}

void ff_told_command_free(struct ff_told_command *command)
{
	if (!command)
		return;
	if (command->pid > 0) {
		kill(-command->pid, SIGKILL);
		while (waitpid(command->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (command->out >= 0)
		close(command->out);
	ff_buf_release(&command->tail);
	ff_free(command);
}
