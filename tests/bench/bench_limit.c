/* What a command costs at the least: posix_spawn of /bin/true with its output on a pipe that is
 * read to its end, PARALLEL at a time, and nothing else. The measures for the runner: this, and
 * with -u the same without anybody who reads. bench_limit [-u] [JOBS [PARALLEL [PROGRAM …]]] */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { PARALLEL_MAX = 256, READ_BYTES = 4096 };

struct slot {
	pid_t pid;
	int output;
};

static void die(const char *what, int errnum)
{
	fprintf(stderr, "bench_limit: %s: %s\n", what, strerror(errnum));
	exit(1);
}

static char *just_true[] = {"/bin/true", NULL};
static char **program = just_true;

static void start(struct slot *slot)
{
	posix_spawn_file_actions_t actions;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC) != 0)
		die("pipe", errno);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	rc = posix_spawn(&slot->pid, program[0], &actions, NULL, program, environ);
	if (rc != 0)
		die(program[0], rc);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	slot->output = ends[0];
}

/* True once its output is at an end, and itself, too. */
static bool take(struct slot *slot)
{
	char bytes[READ_BYTES];
	int status;

	if (read(slot->output, bytes, sizeof(bytes)) > 0)
		return false;
	close(slot->output);
	if (waitpid(slot->pid, &status, 0) != slot->pid || status != 0)
		die("the program failed", errno);
	return true;
}

static void run(int jobs, int parallel)
{
	struct slot slots[PARALLEL_MAX];
	struct pollfd polled[PARALLEL_MAX];
	int started = 0, running = 0;

	while (running < parallel && started < jobs) {
		start(&slots[running++]);
		started++;
	}
	while (running > 0) {
		for (int i = 0; i < running; i++)
			polled[i] = (struct pollfd){.fd = slots[i].output, .events = POLLIN};
		if (poll(polled, (nfds_t)running, -1) < 0)
			die("poll", errno);
		/* From the last: what takes a freed place was looked at already. */
		for (int i = running - 1; i >= 0; i--) {
			if (polled[i].revents == 0 || !take(&slots[i]))
				continue;
			if (started++ < jobs)
				start(&slots[i]);
			else
				slots[i] = slots[--running];
		}
	}
}

static void run_unread(int jobs, int parallel)
{
	struct slot slot;
	int started = 0, status;

	for (int ended = 0; ended < jobs; ended++) {
		for (; started < jobs && started - ended < parallel; started++) {
			start(&slot);
			close(slot.output);
		}
		if (wait(&status) < 0 || status != 0)
			die("the program failed", errno);
	}
}

int main(int argc, char **argv)
{
	bool unread = argc > 1 && !strcmp(argv[1], "-u");
	int jobs = argc > 1 + unread ? atoi(argv[1 + unread]) : 3000;
	int parallel = argc > 2 + unread ? atoi(argv[2 + unread]) : 2;
	int64_t began = ff_clock_us();

	if (jobs < 1 || parallel < 1 || parallel > PARALLEL_MAX) {
		fprintf(stderr, "usage: bench_limit [-u] [JOBS [PARALLEL [PROGRAM ARGUMENT…]]]\n");
		return 2;
	}
	if (argc > 3 + unread)
		program = argv + 3 + unread;
	(unread ? run_unread : run)(jobs, parallel);
	printf("jobs_per_s %.0f\n",
	       (double)jobs * (double)FF_SECOND_US / (double)(ff_clock_us() - began));
	return 0;
}
