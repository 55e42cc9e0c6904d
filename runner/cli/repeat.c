/* Where and how a part of an earlier run is repeated on this machine. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/recorded.h"
#include "inventory/inventory.h"
#include "plan/plan.h"

/* A bisection shows it, and a repetition keeps what its tests print. */
static void take_env(struct ff_repeat *repeat, const struct ff_config_job *job)
{
	const struct ff_plan_job planned = {.config = job};
	struct ff_strv env = FF_STRV_INIT;

	ff_plan_env(&planned, &env);
	for (size_t i = 0; i < env.len; i++) {
		if (!ff_config_is_secret(job, job->env.v[i]))
			ff_strv_add(&repeat->env, env.v[i]);
		else
			ff_buf_addf(&repeat->notes, "%.*s is a secret, and is not set\n",
				    (int)strcspn(env.v[i], "="), env.v[i]);
	}
	ff_strv_release(&env);
}

static void take_host_env(struct ff_repeat *repeat, const struct ff_config *config,
			  const struct ff_strv *env)
{
	for (size_t i = 0; i < env->len; i++) {
		if (!ff_config_host_secret(config, strchr(env->v[i], '=') + 1))
			ff_strv_add(&repeat->host_env, env->v[i]);
		else
			ff_buf_addf(&repeat->notes, "%.*s is a secret, and is not set\n",
				    (int)strcspn(env->v[i], "="), env->v[i]);
	}
}

/* What the file says now: the journal keeps no environment, which may be secret. */
static void read_config(struct ff_repeat *repeat, const struct ff_config *config, const char *job,
			const char *host)
{
	struct ff_inventory inventory = {0};
	struct ff_err err = {0};
	bool found = false;
	size_t len = strcspn(job, "@"); /* with `each_host` a host follows */

	for (size_t i = 0; i < config->jobs_len; i++)
		if (strlen(config->jobs[i].name) == len &&
		    strncmp(config->jobs[i].name, job, len) == 0) {
			found = true;
			take_env(repeat, &config->jobs[i]);
		}
	if (!found)
		ff_buf_addf(&repeat->notes, "%s has no job '%s' any more: its env: is not set\n",
			    config->path, job);
	if (config->tree.given) {
		ff_free(repeat->home);
		repeat->home = ff_xstrdup(ff_config_home(config));
	}
	if (ff_inventory_build(&inventory, config, &err) == 0) {
		for (size_t i = 0; i < inventory.len; i++)
			if (strcmp(inventory.hosts[i].name, host) == 0) {
				ff_strv_release(&repeat->host_env);
				take_host_env(repeat, config, &inventory.hosts[i].spec.env);
			}
		ff_inventory_release(&inventory);
	}
}

/* Of a host that is this machine; else a note. */
static void take_place(struct ff_repeat *repeat, const struct ff_recorded *r,
		       const struct ff_recorded_worker *worker)
{
	const struct ff_recorded_host *host = &r->hosts[worker->host];
	struct ff_xspec spec;
	struct ff_err err;
	bool local = false;

	if (host->spec && ff_xspec_parse(&spec, host->spec, &err) == 0) {
		local = spec.popen && !spec.via;
		if (spec.env.len)
			ff_strv_add_all(&repeat->host_env, spec.env.v);
		ff_xspec_release(&spec);
	}
	if (local && worker->executable && access(worker->executable, X_OK) == 0)
		repeat->python = ff_xstrdup(worker->executable);
	else if (local && worker->executable)
		ff_buf_addf(&repeat->notes,
			    "%s had %s, which is not there: another interpreter is "
			    "looked for\n",
			    worker->name, worker->executable);
	if (local && !host->synced && host->cwd)
		repeat->cwd = ff_xstrdup(host->cwd);
	if (!local)
		ff_buf_addf(&repeat->notes,
			    "%s ran on %s; it is repeated on this machine, with its "
			    "own interpreter\n",
			    worker->name, host->name);
}

/* The run's directory is the file's, whatever the file was called from where. */
static void take_config(struct ff_repeat *repeat, const struct ff_recorded *r,
			const struct ff_recorded_worker *worker)
{
	const char *given = r->config_file, *slash = given ? strrchr(given, '/') : NULL;
	struct ff_config config;
	struct ff_err err = {0};
	char *path;

	if (!given || !*given)
		return; /* a command line's */
	path = ff_xasprintf("%s/%s", repeat->home, slash ? slash + 1 : given);
	if (ff_config_load(&config, path, &err) == 0) {
		read_config(repeat, &config, r->jobs[worker->job].name,
			    r->hosts[worker->host].name);
		ff_config_release(&config);
	} else {
		ff_buf_addf(&repeat->notes,
			    "%s can't be read any more: what it had in env: is not set\n", given);
	}
	ff_free(path);
}

static int check_folder(const struct ff_repeat *repeat, struct ff_err *err)
{
	if (access(repeat->cwd, X_OK) == 0)
		return 0;
	return ff_err_set(err, FF_ENOTFOUND, "%s, where it ran, is not there", repeat->cwd);
}

int ff_repeat_plan(struct ff_repeat *repeat, const struct ff_recorded *r,
		   const struct ff_recorded_worker *worker, struct ff_err *err)
{
	const struct ff_recorded_job *job = &r->jobs[worker->job];

	*repeat = (struct ff_repeat){
		.home = ff_xstrdup(r->directory && *r->directory ? r->directory : ".")};
	if (!job->payload || strcmp(job->payload, "pytest") != 0)
		return ff_err_set(err, FF_EUNSUPPORTED,
				  "job '%s' of run %s has commands, which do not depend on their "
				  "order: only tests of pytest can be repeated like that",
				  job->name, r->run_id);
	take_place(repeat, r, worker);
	if (!job->args_known)
		ff_buf_addf(&repeat->notes,
			    "the journal of run %s does not tell pytest's arguments: "
			    "none are given\n",
			    r->run_id);
	take_config(repeat, r, worker);
	if (!repeat->cwd)
		repeat->cwd = ff_xstrdup(repeat->home);
	return check_folder(repeat, err);
}

void ff_repeat_release(struct ff_repeat *repeat)
{
	ff_free(repeat->home);
	ff_free(repeat->cwd);
	ff_free(repeat->python);
	ff_strv_release(&repeat->host_env);
	ff_strv_release(&repeat->env);
	ff_buf_release(&repeat->notes);
	*repeat = (struct ff_repeat){0};
}
