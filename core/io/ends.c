/* Pipes for the standard streams of a child. */
#include "io/ends.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void close_fds(int fds[3])
{
	for (int i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* The child duplicates its ends onto 0 to 2, so they are kept off these. */
static int make_pipe(struct ff_ends *ends, int i, bool wide)
{
	int fds[2], child_end = i == 0 ? 0 : 1;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	ends->mine[i] = fds[1 - child_end];
	ends->theirs[i] = fds[child_end];
	if (wide)
		fcntl(ends->mine[i], F_SETPIPE_SZ, FF_PROCESS_PIPE_WIDE);
	if (ends->theirs[i] <= STDERR_FILENO) {
		int high = fcntl(ends->theirs[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		if (high < 0)
			return -1;
		close(ends->theirs[i]);
		ends->theirs[i] = high;
	}
	return 0;
}

int ff_ends_open(struct ff_ends *ends, const struct ff_spawn *spawn, struct ff_err *err)
{
	for (int i = 0; i < 3; i++)
		ends->mine[i] = ends->theirs[i] = -1;
	if ((!spawn->stdin_null && make_pipe(ends, 0, spawn->wide_pipes) != 0) ||
	    make_pipe(ends, 1, spawn->wide_pipes) != 0 ||
	    (!spawn->merge_stderr && !spawn->inherit_stderr && make_pipe(ends, 2, false) != 0)) {
		ff_err_sys(err, errno, "cannot run '%s': pipe", spawn->argv[0]);
		ff_ends_close(ends);
		return FF_ESYS;
	}
	return 0;
}

void ff_ends_close_theirs(struct ff_ends *ends)
{
	close_fds(ends->theirs);
}

void ff_ends_close(struct ff_ends *ends)
{
	close_fds(ends->mine);
	close_fds(ends->theirs);
}
