/* The payload `run`: one command per unit, as the job says it. */
#include "command/command.h"

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
		.stdin_bytes = job->stdin_bytes,
		.stdin_len = job->stdin_len,
		.or_shell = job->or_shell,
		.timeout_us = job->timeout_us,
		.grace_us = job->grace_us,
	};

	return ff_builtin_task(&call, worker, arena, task, err);
}

static const struct ff_payload_run run = {
	.task = make_task,
	.kill = ff_builtin_kill,
	.take_back = ff_builtin_take_back,
};

const struct ff_payload ff_payload_command = {
	.name = "run",
	.check = check,
	.memory = &ff_builtin_memory,
	.run = &run,
	.item = ff_builtin_item,
};
