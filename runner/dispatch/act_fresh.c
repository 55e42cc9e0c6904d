/* Commands that need not be run again while nothing that they depend on has changed: asked before,
 * and noted after (the built-in `stamp`, in the folder where the command runs). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "dispatch/act_private.h"
#include "report/name.h"
#include "worker/bootstrap.h"

/* Among the stamps of the folder, its own. */
static void stamp_name(const struct act_execution *execution, char name[32])
{
	const char *job = execution->act->plan->jobs[execution->job].config->name;
	char *whole = ff_xasprintf("%s/%s", job, execution->name);

	snprintf(name, 32, "unit-%016llx", (unsigned long long)ff_name_hash(whole));
	ff_free(whole);
}

/* The run's own, which says nothing of the command. */
static bool is_of_run(const struct ff_act *act, const char *variable)
{
	const struct ff_strv *vars = act->opts.run->vars;

	for (size_t i = 0; vars && i < vars->len; i++)
		if (strcmp(vars->v[i], variable) == 0)
			return true;
	return false;
}

/* All that makes it another command. */
static char *salt_of(const struct ff_act *act, const struct ff_payload_job *job)
{
	struct ff_buf salt = FF_BUF_INIT;

	ff_buf_addf(&salt, "%s\n", job->shell ? job->shell : "");
	for (size_t i = 0; job->args && job->args[i]; i++)
		ff_buf_addf(&salt, "arg %s\n", job->args[i]);
	for (size_t i = 0; job->env && job->env[i]; i++)
		if (!is_of_run(act, job->env[i]))
			ff_buf_addf(&salt, "env %s\n", job->env[i]);
	ff_buf_addf(&salt, "stdin %s", job->stdin_text ? job->stdin_text : "");
	return ff_buf_take(&salt);
}

static struct ff_value list_of(char *const *texts, struct ff_arena *arena)
{
	const struct ff_strv strv = {.v = (char **)(uintptr_t)texts};
	struct ff_strv counted = strv;

	while (texts && texts[counted.len])
		counted.len++;
	return ff_act_texts(&counted, arena);
}

struct ff_channel *ff_act_fresh_ask(struct act_execution *execution, bool write, struct ff_err *err)
{
	struct act_host *host = execution->host;
	const struct ff_act *act = execution->act;
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_task task = {.call_name = "stamp"};
	struct ff_plan_instance instance;
	struct ff_channel *channel = NULL;
	char name[32], *root, *salt;

	if (ff_plan_instance(&act->plan->jobs[execution->job], execution->unit, &arena, &instance))
		return NULL;
	ff_act_add_vars(host, &instance.job, &arena);
	root = ff_act_absolute(host, instance.job.cwd);
	salt = salt_of(act, &instance.job);
	stamp_name(execution, name);
	{
		struct ff_value kwargs[] = {
			ff_str("root"),
			ff_str(root),
			ff_str("name"),
			ff_str(name),
			ff_str(write ? "write" : "salt"),
			ff_str(write ? execution->digest : salt),
			ff_str("inputs"),
			list_of(instance.inputs, &arena),
			ff_str("outputs"),
			list_of(instance.outputs, &arena),
			ff_str("force"),
			ff_bool(act->config->force),
		};

		task.kwargs = ff_collection(FF_DICT, kwargs, 6);
		if (!ff_gateway_is_native(host->foreman))
			task.source = ff_bootstrap_source("stamp");
		channel = ff_gateway_remote_exec(host->foreman, &task, err);
	}
	ff_free(root);
	ff_free(salt);
	ff_arena_release(&arena);
	return channel;
}

int ff_act_fresh_item(struct act_execution *execution, const struct ff_value *item, bool *fresh)
{
	const struct ff_value *digest = ff_at(item, 1), *is = ff_at(item, 2);

	if (!ff_is_str(ff_at(item, 0), "stamp") || item->len != 4 || digest->kind != FF_STR ||
	    digest->len >= sizeof(execution->digest) || is->kind != FF_BOOL)
		return FF_EPROTO;
	if (execution->stage == ACT_ASKS)
		snprintf(execution->digest, sizeof(execution->digest), "%s", digest->text);
	*fresh = is->boolean;
	return 0;
}
