/* farflung-worker: what runs at the other end of a gateway where no Python is needed. Takes stdin
 * and stdout for itself, says "1", forks its guard, and serves. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/std.h"
#include "io/trace.h"
#include "worker/bootstrap.h"
#include "worker/connect.h"
#include "worker/guard.h"
#include "worker/limits.h"
#include "worker/worker.h"

enum {
	EXIT_USAGE = 2,
	HIGH_FD = 10,	     /* the line's descriptors: out of the way of 0, 1, 2 */
	FIRST_MAX = 64 << 10 /* read at once while the bootstrap line is skipped */
};

/* Moves `fd` up and puts /dev/null in its place, for children and stray prints. */
static int take(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD), null;

	if (high < 0)
		return -1;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, fd) < 0)
		return -1;
	close(null);
	return high;
}

static void await(int fd, short events)
{
	struct pollfd pollfd = {.fd = fd, .events = events};

	poll(&pollfd, 1, -1);
}

/* Drops one line of input: the bootstrap line that is meant for an interpreter. What was read
 * behind it is moved to the front of `buffer`; its length, or -1 at the end of input. `ours`: the
 * line is farflung's own, which wants to be told where noise ends. */
static ssize_t skip_line(int fd, char *buffer, bool *ours)
{
	static const char mark[] = FF_BOOTSTRAP_MARK;
	size_t seen = 0;
	ssize_t len;
	char *newline;

	*ours = true;
	for (;;) {
		len = read(fd, buffer, FIRST_MAX);
		if (len < 0 && errno == EAGAIN)
			await(fd, POLLIN);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len <= 0)
			return -1;
		for (ssize_t i = 0; i < len && seen < sizeof(mark) - 1; i++)
			*ours &= buffer[i] == mark[seen++];
		newline = memchr(buffer, '\n', (size_t)len);
		if (!newline)
			continue;
		len -= newline + 1 - buffer;
		memmove(buffer, newline + 1, (size_t)len);
		return len;
	}
}

static bool say(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t len = write(fd, text, left);

		if (len < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (len < 0) {
			await(fd, POLLOUT);
		} else {
			text += len;
			left -= (size_t)len;
		}
	}
	return true;
}

static int fail(const char *what)
{
	fprintf(stderr, "farflung-worker: %s: %s\n", what, strerror(errno));
	return EXIT_USAGE;
}

/* What the upload's script (bootstrap_upload.c) has left for us to put right: the descriptor of our
 * own file, and its folder as working directory. */
static int start_from_cache(char **argv)
{
	for (int i = 1; argv[i] && argv[i + 1]; i += 2) {
		if (!strcmp(argv[i], "--close"))
			close(atoi(argv[i + 1]));
		else if (!strcmp(argv[i], "--chdir") && chdir(argv[i + 1]) != 0)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static char first[FIRST_MAX];
	bool as_python = false, ours = false;
	ssize_t first_len = 0;
	unsigned closed = ff_std_descriptors_open();
	int in_fd, out_fd, i;

	if (argc >= 2 && !strcmp(argv[1], "--version")) {
		puts("farflung-worker " FARFLUNG_VERSION);
		return 0;
	}
	if (argc >= 4 && !strcmp(argv[1], "--limits"))
		return ff_limits_exec(argv[2], argv + 3);
	if (argc == 4 && !strcmp(argv[1], "--connect"))
		return ff_connect_run(argv[2], argv[3]);
	if (argc >= 3 && !strcmp(argv[1], "--close") && start_from_cache(argv) != 0)
		return fail(argv[argc - 1]);
	for (i = 1; i < argc; i++)
		as_python |= !strcmp(argv[i], "-c");
	if (closed & (1u << STDIN_FILENO | 1u << STDOUT_FILENO)) {
		errno = EBADF;
		return fail("stdin and stdout are needed");
	}
	in_fd = take(STDIN_FILENO);
	out_fd = take(STDOUT_FILENO);
	if (in_fd < 0 || out_fd < 0)
		return fail("stdin and stdout are needed");
	if (as_python) {
		first_len = skip_line(in_fd, first, &ours);
		if (first_len < 0)
			return 0;
	}
	if (!say(out_fd, ours ? FF_BOOTSTRAP_RUN "\n1" : "1"))
		return fail("cannot write to stdout");
	if (ff_guard_start(in_fd, out_fd))
		return fail("cannot fork");
	ff_trace_from_env();
	return ff_worker_serve(in_fd, out_fd, first, (size_t)first_len);
}
