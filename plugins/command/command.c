/* The payload `run`: one command per unit, as the job says it. */
#include "command/command.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "builtin.h"

static int check(const struct ff_payload_job *job, struct ff_err *err)
{
	if (!job->shell && (!job->args || !job->args[0] || !*job->args[0]))
		return ff_err_set(err, FF_EINVAL, "the command has no program");
	return 0;
}

static int make_task(const struct ff_payload_job *job, const struct ff_payload_worker *worker,
		     struct ff_arena *arena, struct ff_task *task, struct ff_err *err)
{
	const struct ff_builtin_call call = {
		.argv = job->args,
		.shell = job->shell,
		.cwd = job->cwd,
		.env = job->env,
		.stdin_text = job->stdin_text,
		.timeout_us = job->timeout_us,
		.grace_us = job->grace_us,
	};

	return ff_builtin_task(&call, worker, arena, task, err);
}

/* --- what memory there is: as marks.py has it for tests --- */

static int look_for_memory(const struct ff_xspec *spec, struct ff_arena *arena, const char **shell)
{
	*shell = "grep '^MemAvailable:' /proc/meminfo 2>/dev/null; "
		 "cat /sys/fs/cgroup/memory.max 2>/dev/null";
	return 0;
}

/* "MemAvailable:  123 kB", then "max" or bytes; neither where there is no such file. */
static int read_available(const char *text, size_t len, struct ff_arena *arena,
			  struct ff_fact **facts, size_t *facts_len, struct ff_buf *note,
			  struct ff_err *err)
{
	char *lines = ff_arena_copy(arena, text, len), *line, *rest = lines;
	long long least = 0;
	struct ff_fact *fact = ff_arena_alloc(arena, sizeof(*fact));
	char number[24];

	*facts_len = 0;
	if (!lines || !fact)
		return 0;
	while ((line = strsep(&rest, "\n"))) {
		long long kib = 0, bytes = 0;

		if (sscanf(line, "MemAvailable: %lld kB", &kib) == 1 && kib > 0 &&
		    kib < LLONG_MAX >> 10)
			bytes = kib << 10;
		else if (sscanf(line, "%lld", &bytes) != 1)
			continue;
		if (bytes > 0 && (least == 0 || bytes < least))
			least = bytes;
	}
	snprintf(number, sizeof(number), "%lld", least);
	*fact = (struct ff_fact){"memory", ff_arena_strdup(arena, number)};
	*facts = fact;
	*facts_len = least > 0 && fact->value;
	return 0;
}

static const struct ff_payload_probe memory = {
	.command = look_for_memory,
	.read = read_available,
};

static const struct ff_payload_run run = {
	.task = make_task,
	.kill = ff_builtin_kill,
	.take_back = ff_builtin_take_back,
};

const struct ff_payload ff_payload_command = {
	.name = "run",
	.check = check,
	.memory = &memory,
	.run = &run,
	.item = ff_builtin_item,
};
