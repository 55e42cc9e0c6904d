/* The built-in `command`: one program, its output streamed as items, its end told in detail
 * (README.md has the contract). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "worker/cgroup.h"
#include "worker/exec.h"
#include "worker/kwargs.h"
#include "worker/limits.h"
#include "worker/run.h"
#include "worker/worker.h"

/* What a user who watches does not notice yet. */
#define LATE_MAX_US (FF_SECOND_US / 5)

/* How its limits are set. */
struct limited {
	struct ff_cgroups *cgroups; /* the worker's */
	char *cgroup;		    /* its own group; NULL */
	int64_t memory;		    /* bytes; 0: none */
	char words[320];	    /* by what; "": it has none */
};

struct setup {
	struct ff_run_opts run;
	struct ff_strv argv, env, limited;
	struct ff_buf kept; /* texts of run that are the command's own */
	int self;	    /* this program's file, for the stage that sets limits */
	struct limited limits;
	bool or_shell; /* what can't be run is left to a shell, to run or to complain of */
};

struct command {
	struct ff_exec exec;
	struct ff_run run;
	struct limited limits;
	bool spoke; /* it has printed something */
	/* One may be there before its time: it begins when another one has ended. */
	struct setup setup;	  /* of one that has not begun */
	struct command *follows;  /* NULL: it has begun */
	struct command *follower; /* NULL: none */
	bool gone;		  /* without having begun; its channel is closed, or being closed */
	bool closing, heard_end;  /* of one that has not begun: the end marker comes but once */
};

static struct command *of_run(struct ff_run *run)
{
	return ff_container_of(run, struct command, run);
}

/* --- items to the controller --- */

static void send_start(struct command *command)
{
	struct ff_pack pack;

	ff_exec_pack(command->exec.worker, &pack);
	ff_pack_open(&pack, FF_TUPLE);
	ff_pack_str(&pack, "start");
	ff_pack_int(&pack, command->exec.pid);
	ff_pack_close(&pack);
	ff_exec_send(&command->exec, &pack);
}

static void on_output(struct ff_run *run, bool is_err, const void *bytes, size_t len)
{
	struct command *command = of_run(run);
	struct ff_pack pack;

	command->spoke = true;
	ff_exec_pack(command->exec.worker, &pack);
	ff_pack_open(&pack, FF_TUPLE);
	ff_pack_str(&pack, is_err ? "err" : "out");
	ff_pack_bytes(&pack, bytes, len);
	ff_pack_close(&pack);
	ff_exec_send(&command->exec, &pack);
	if (ff_exec_full(&command->exec))
		ff_run_read(run, false);
}

static int64_t timeval_us(struct timeval time)
{
	return (int64_t)time.tv_sec * FF_SECOND_US + time.tv_usec;
}

static void pack_entry(struct ff_pack *pack, const char *key, int64_t number)
{
	ff_pack_str(pack, key);
	ff_pack_int(pack, number);
}

static void pack_flag(struct ff_pack *pack, const char *key, bool flag)
{
	ff_pack_str(pack, key);
	ff_pack_bool(pack, flag);
}

static void pack_end(struct ff_pack *pack, const struct command *command)
{
	const struct ff_run *run = &command->run;
	const struct limited *limits = &command->limits;
	const struct rusage *usage = ff_process_rusage(run->process);
	int status = ff_process_status(run->process);

	ff_pack_open(pack, FF_DICT);
	pack_entry(pack, "status", status);
	ff_pack_str(pack, "exit");
	if (WIFEXITED(status))
		ff_pack_int(pack, WEXITSTATUS(status));
	else
		ff_pack_none(pack);
	ff_pack_str(pack, "signal");
	if (WIFSIGNALED(status))
		ff_pack_int(pack, WTERMSIG(status));
	else
		ff_pack_none(pack);
	pack_flag(pack, "timed_out", run->timed_out);
	pack_flag(pack, "killed", run->killed);
	pack_flag(pack, "leaked", run->leaked);
	pack_entry(pack, "wall_us", run->exit_us - run->start_us);
	pack_entry(pack, "user_us", timeval_us(usage->ru_utime));
	pack_entry(pack, "system_us", timeval_us(usage->ru_stime));
	pack_entry(pack, "max_rss_kib", usage->ru_maxrss);
	if (limits->words[0]) {
		ff_pack_str(pack, "limits");
		ff_pack_str(pack, limits->words);
	}
	if (limits->memory > 0)
		pack_entry(pack, "memory_limit", limits->memory);
	if (limits->cgroup && limits->memory > 0)
		pack_flag(pack, "out_of_memory", ff_cgroup_ran_out(limits->cgroup));
	ff_pack_close(pack);
}

static void remove_group(struct limited *limits)
{
	if (limits->cgroup)
		ff_cgroup_remove(limits->cgroups, limits->cgroup);
	ff_free(limits->cgroup);
	limits->cgroup = NULL;
}

static int begin(struct command *command, struct ff_worker *worker, struct setup *setup,
		 struct ff_err *err);
static void after_begin(struct command *follower, int rc, struct ff_err *err);

static void on_finished(struct ff_run *run)
{
	struct command *command = of_run(run), *follower = command->follower;
	struct ff_worker *worker = command->exec.worker;
	struct ff_err err = {0};
	struct ff_pack pack;
	int rc = 0;

	worker->silent_us = command->spoke ? 0 : run->exit_us - run->start_us;
	/* The slot is idle until then: all else comes later. */
	if (follower)
		rc = begin(follower, worker, &follower->setup, &err);
	ff_exec_pack(worker, &pack);
	ff_pack_open(&pack, FF_TUPLE);
	ff_pack_str(&pack, "exit");
	pack_end(&pack, command);
	ff_pack_close(&pack);
	remove_group(&command->limits);
	ff_exec_send(&command->exec, &pack);
	ff_exec_finish(&command->exec, run->lost[0] ? run->lost : NULL);
	if (follower)
		after_begin(follower, rc, &err);
}

static void on_closed(struct ff_run *run)
{
	ff_free(of_run(run));
}

static const struct ff_run_ops run_ops = {
	.output = on_output,
	.finished = on_finished,
	.closed = on_closed,
};

static void setup_release(struct setup *setup)
{
	ff_strv_release(&setup->argv);
	ff_strv_release(&setup->env);
	ff_strv_release(&setup->limited);
	ff_buf_release(&setup->kept);
	remove_group(&setup->limits);
	if (setup->self >= 0)
		close(setup->self);
}

/* --- items from the controller --- */

static void bury(struct command *command, const char *error)
{
	command->gone = command->closing = true;
	setup_release(&command->setup);
	ff_exec_finish(&command->exec, error);
	command->closing = false;
	/* Inside an item's callback the end marker is still to come. */
	if (command->heard_end)
		ff_free(command);
}

/* It will not begin. */
static void give_up(struct command *command, const char *error)
{
	command->follows->follower = command->follower;
	if (command->follower)
		command->follower->follows = command->follows;
	bury(command, error);
}

/* While it has not begun. */
static void on_item_too_soon(struct command *command, struct ff_channel *channel,
			     const struct ff_item *item)
{
	const struct ff_value *word = item ? ff_at(&item->value, 0) : NULL;
	struct ff_pack pack;

	if (!item && ff_exec_closed_by_peer(channel)) {
		give_up(command, NULL);
	} else if (word && (ff_is_str(word, "withdraw") || ff_is_str(word, "kill"))) {
		ff_exec_pack(command->exec.worker, &pack);
		ff_pack_open(&pack, FF_TUPLE);
		ff_pack_str(&pack, "returned");
		ff_pack_none(&pack);
		ff_pack_close(&pack);
		ff_exec_send(&command->exec, &pack);
		give_up(command, NULL);
	}
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct command *command = ctx;
	const struct ff_value *word;
	int64_t number;

	if (command->gone) {
		command->heard_end |= !item;
		if (command->heard_end && !command->closing)
			ff_free(command);
		return;
	}
	if (command->follows) {
		command->heard_end |= !item;
		on_item_too_soon(command, channel, item);
		return;
	}
	if (!item) {
		if (ff_exec_closed_by_peer(channel))
			ff_run_end(&command->run, true);
		return;
	}
	word = ff_at(&item->value, 0);
	if (word && ff_is_str(word, "signal") && item->value.len == 2) {
		number = ff_as_int(ff_at(&item->value, 1), 0);
		if (number > 0 && number < NSIG)
			ff_run_signal(&command->run, (int)number);
	} else if (word && ff_is_str(word, "kill")) {
		ff_run_end(&command->run, false);
	}
}

static void on_drain(struct ff_channel *channel, void *ctx)
{
	struct command *command = ctx;

	if (!command->follows)
		ff_run_read(&command->run, true);
}

static void end(struct ff_exec *exec, bool now)
{
	struct command *command = ff_container_of(exec, struct command, exec);

	if (command->follows) {
		give_up(command, "the worker is ending");
		return;
	}
	ff_run_limit_grace(&command->run, FF_WORKER_GRACE_US);
	ff_run_end(&command->run, now);
}

/* --- what it is to run --- */

static int setup_argv(struct setup *setup, const struct ff_value *kwargs, struct ff_err *err)
{
	const struct ff_value *bytes = ff_dict_get(kwargs, "shell");
	const char *shell;
	char *copy = NULL;
	int rc;

	/* Not UTF-8. */
	if (bytes && bytes->kind == FF_BYTES) {
		if (memchr(bytes->text, '\0', bytes->len))
			return ff_err_set(err, FF_EINVAL, "shell must be text without NULs");
		shell = copy = ff_xstrndup(bytes->text, bytes->len);
		rc = 0;
	} else {
		rc = ff_kwargs_text(kwargs, "shell", &shell, err);
	}
	if (rc)
		return rc;
	if (!shell)
		return ff_kwargs_strv(kwargs, "argv", &setup->argv, err);
	rc = ff_strv_add(&setup->argv, "/bin/sh") || ff_strv_add(&setup->argv, "-c") ||
	     ff_strv_add(&setup->argv, shell);
	ff_free(copy);
	return rc ? ff_err_set(err, FF_ENOMEM, "out of memory") : 0;
}

static const char *path_in(char *const *env)
{
	for (; *env; env++) {
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	}
	return NULL;
}

/* Memory and CPUs of all of it by a group of its own, where there may be one. Else memory by what
 * holds for each process, which is all there is: of CPUs nothing limits the rate. */
static int setup_group(struct setup *setup, int64_t memory, int64_t cpu, struct ff_limits *stage,
		       struct ff_err *err)
{
	struct limited *limits = &setup->limits;
	struct ff_cgroups *cgroups = limits->cgroups;
	bool groups, by_group;

	if (memory <= 0 && cpu <= 0)
		return 0;
	ff_cgroups_look(cgroups, NULL);
	groups = cgroups->path != NULL;
	by_group = groups && ((memory > 0 && cgroups->memory) || (cpu > 0 && cgroups->cpu));
	if (by_group) {
		limits->cgroup = ff_cgroup_make(cgroups, cgroups->memory ? memory : 0,
						cgroups->cpu ? cpu : 0, err);
		if (!limits->cgroup)
			return err->code;
		stage->cgroup = limits->cgroup;
	}
	limits->memory = memory > 0 ? memory : 0;
	if (memory > 0 && !(groups && cgroups->memory))
		stage->data = memory;
	snprintf(limits->words, sizeof(limits->words), "%s%s%s%s%s%s",
		 memory <= 0   ? ""
		 : stage->data ? "memory by RLIMIT_DATA, of each process"
			       : "memory by cgroup",
		 memory > 0 && cpu > 0 ? ", " : "",
		 cpu <= 0		  ? ""
		 : groups && cgroups->cpu ? "cpu by cgroup"
					  : "cpu not limited, only reckoned with",
		 cgroups->why[0] ? " (" : "", cgroups->why, cgroups->why[0] ? ")" : "");
	return 0;
}

static int setup_limits(struct setup *setup, const struct ff_value *kwargs, struct ff_err *err)
{
	const struct ff_value *rlimits = ff_dict_get(kwargs, "rlimits");
	struct ff_limits stage = {0};
	char *const *env = setup->env.len ? setup->env.v : environ;
	int rc;

	if (rlimits && rlimits->kind != FF_NONE && rlimits->len)
		stage.rlimits = rlimits;
	rc = setup_group(setup, ff_dict_int(kwargs, "memory", 0), ff_dict_int(kwargs, "cpu", 0),
			 &stage, err);
	if (rc || (!stage.rlimits && !stage.data && !stage.cgroup))
		return rc;

	/* What can't be run is for a shell to complain of, or for the stage. */
	if (!setup->or_shell)
		rc = ff_limits_find(setup->argv.v[0], setup->run.spawn.cwd, path_in(env), err);
	if (rc)
		return rc;
	rc = ff_limits_argv(&stage, setup->argv.v, &setup->limited, err);
	if (rc)
		return rc;
	setup->self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (setup->self < 0)
		return ff_err_sys(err, errno, "rlimits need /proc/self/exe");
	setup->run.spawn.argv = setup->limited.v;
	setup->run.spawn.exec_fd = setup->self;
	return 0;
}

static int setup_input(struct setup *setup, const struct ff_value *kwargs, struct ff_err *err)
{
	const struct ff_value *input = ff_dict_get(kwargs, "stdin");

	setup->run.spawn.stdin_null = !input || input->kind == FF_NONE;
	if (setup->run.spawn.stdin_null)
		return 0;
	if (input->kind != FF_STR && input->kind != FF_BYTES)
		return ff_err_set(err, FF_EINVAL, "stdin must be bytes, str or None");
	setup->run.input = input->text;
	setup->run.input_len = input->len;
	return 0;
}

static int setup_init(struct setup *setup, struct ff_worker *worker, const struct ff_value *kwargs,
		      struct ff_err *err)
{
	struct ff_spawn *spawn = &setup->run.spawn;
	int rc;

	*setup = (struct setup){.self = -1, .limits.cgroups = &worker->cgroups};
	spawn->exec_fd = -1;
	spawn->nice = (int)ff_dict_int(kwargs, "nice", 0);
	spawn->merge_stderr = ff_dict_bool(kwargs, "merge", false);
	spawn->die_with_parent = true;
	setup->or_shell = ff_dict_bool(kwargs, "or_shell", false);
	setup->run.timeout_us = ff_dict_int(kwargs, "timeout_us", 0);
	setup->run.grace_us = ff_dict_int(kwargs, "grace_us", FF_RUN_GRACE_US);
	setup->run.leak_us = ff_dict_int(kwargs, "leak_us", FF_RUN_LEAK_US);
	rc = setup_argv(setup, kwargs, err);
	if (!rc)
		rc = ff_kwargs_text(kwargs, "cwd", &spawn->cwd, err);
	if (!rc)
		rc = ff_kwargs_env(kwargs, environ, &setup->env, err);
	if (!rc)
		rc = setup_input(setup, kwargs, err);
	if (rc)
		return rc;
	spawn->argv = setup->argv.v;
	spawn->env = setup->env.len ? setup->env.v : NULL;
	return setup_limits(setup, kwargs, err);
}

/* What it borrows from the request becomes its own. */
static int setup_keep(struct setup *setup, struct ff_err *err)
{
	const char *cwd = setup->run.spawn.cwd;
	size_t cwd_size = cwd ? strlen(cwd) + 1 : 0;
	int rc = ff_buf_add(&setup->kept, cwd ? cwd : "", cwd_size);

	if (!rc && setup->run.input_len)
		rc = ff_buf_add(&setup->kept, setup->run.input, setup->run.input_len);
	if (rc)
		return ff_err_set(err, rc, "%s", ff_err_text(rc));
	setup->run.spawn.cwd = cwd ? (const char *)ff_buf_data(&setup->kept) : NULL;
	if (setup->run.input_len)
		setup->run.input = (const char *)ff_buf_data(&setup->kept) + cwd_size;
	return 0;
}

/* --- the start --- */

/* The command that `kwargs` want to follow, or the last of those that follow it already; NULL: it
 * is not, or no longer there. */
static struct command *to_follow(const struct ff_worker *worker, const struct ff_value *kwargs)
{
	int64_t wanted = ff_dict_int(kwargs, "follow", 0);
	struct ff_list *node;

	ff_list_for_each(node, &worker->execs) {
		struct ff_exec *exec = ff_container_of(node, struct ff_exec, node);
		struct command *command = ff_container_of(exec, struct command, exec);

		if (!wanted || exec->end != end || ff_channel_id(exec->channel) != wanted)
			continue;
		while (command->follower)
			command = command->follower;
		return command;
	}
	return NULL;
}

/* Scripts without "#!", programs that are not there: as if it had been shell text. */
static int start_by_shell(struct command *command, struct ff_worker *worker,
			  const struct setup *setup, struct ff_err *err)
{
	struct ff_run_opts opts = setup->run;
	struct ff_strv argv = FF_STRV_INIT;
	int rc = FF_ENOMEM;

	if (!ff_strv_add(&argv, "/bin/sh") && !ff_strv_add(&argv, "-c") &&
	    !ff_strv_add(&argv, "exec \"$0\" \"$@\"") && !ff_strv_add_all(&argv, setup->argv.v)) {
		opts.spawn.argv = argv.v;
		rc = ff_run_start(&command->run, &worker->loop, &opts, &run_ops, err);
	}
	ff_strv_release(&argv);
	return rc;
}

/* Commands mostly resemble the one before. After one that said nothing, this one is listened to
 * late: when it has ended, if it takes as long, and says nothing, too. */
static int64_t late_us(const struct ff_worker *worker)
{
	int64_t late_us = 2 * worker->silent_us;

	return late_us < FF_WATCH_LATE_US ? FF_WATCH_LATE_US
	       : late_us < LATE_MAX_US	  ? late_us
					  : LATE_MAX_US;
}

static int begin(struct command *command, struct ff_worker *worker, struct setup *setup,
		 struct ff_err *err)
{
	int rc;

	command->follows = NULL;
	if (worker->state != FF_WORKER_SERVING)
		return ff_err_set(err, FF_ECANCELED, "the worker is ending");
	setup->run.late_us = late_us(worker);
	rc = ff_run_start(&command->run, &worker->loop, &setup->run, &run_ops, err);
	if (rc && setup->or_shell && setup->self < 0)
		rc = start_by_shell(command, worker, setup, err);
	if (rc)
		return rc;
	command->exec.pid = ff_process_pid(command->run.process);
	command->limits = setup->limits;
	setup->limits.cgroup = NULL; /* it is the command's now */
	return 0;
}

/* If it can't be started, the one behind it has its turn. */
static void after_begin(struct command *follower, int rc, struct ff_err *err)
{
	while (rc) {
		struct command *next = follower->follower;

		bury(follower, err->text);
		if (!next)
			return;
		follower = next;
		rc = begin(follower, follower->exec.worker, &follower->setup, err);
	}
	setup_release(&follower->setup);
	send_start(follower);
}

/* Puts it behind the last of those that run on the slot. */
static int wait_for(struct command *command, struct command *last, struct setup *setup,
		    struct ff_err *err)
{
	int rc = setup_keep(setup, err);

	if (rc)
		return rc;
	command->setup = *setup;
	command->follows = last;
	last->follower = command;
	return 0;
}

int ff_builtin_command(struct ff_worker *worker, struct ff_channel *channel,
		       const struct ff_request *request, struct ff_err *err)
{
	struct command *command = NULL, *last = to_follow(worker, request->kwargs);
	struct setup setup;
	int rc;

	rc = setup_init(&setup, worker, request->kwargs, err);
	if (!rc) {
		command = ff_calloc(1, sizeof(*command));
		rc = !command ? ff_err_set(err, FF_ENOMEM, "out of memory")
		     : last   ? wait_for(command, last, &setup, err)
			      : begin(command, worker, &setup, err);
	}
	if (rc || !last)
		setup_release(&setup);
	if (rc) {
		ff_free(command);
		return rc;
	}
	ff_exec_begin(&command->exec, worker, channel, end);
	if (!last)
		send_start(command);
	ff_channel_set_drain(channel, on_drain, command);
	ff_channel_set_callback(channel, on_item, command);
	return FF_EXEC_RUNNING;
}
