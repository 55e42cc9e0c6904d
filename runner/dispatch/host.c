/* Hosts: one native gateway each (the foreman), the tree brought there, and reopening what died. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"
#include "worker/bootstrap.h"

/* What is left out of a tree if its `exclude` is silent. */
static const char *const default_exclude[] = {
	".git",		 ".hg",		".svn", "__pycache__", "*.pyc", "*.pyo",
	".pytest_cache", ".mypy_cache", ".tox", "*~",	       NULL};

bool job_wants_host(const struct run_job *job, const struct run_host *host)
{
	const struct run *run = job->run;

	return ff_host_matches(host->host, job->plan->config->on) &&
	       ff_host_matches(host->host, run->opts->only_hosts);
}

bool host_usable(const struct run_host *host)
{
	return host->needed && host->state != HOST_UNUSED && host->state != HOST_DOWN;
}

bool host_takes_work(const struct run_host *host)
{
	return host->state == HOST_READY && host->foreman &&
	       ff_gateway_state(host->foreman) == FF_GATEWAY_OPEN;
}

static bool host_needs_python(const struct run_host *host)
{
	const struct run *run = host->run;

	if (run->hosts_only)
		return true;
	for (size_t i = 0; i < run->opts->plan->len; i++) {
		const struct run_job *job = &run->jobs[i];

		if (job->state != JOB_FINISHED && job->plan->payload->shape == FF_PAYLOAD_SESSION &&
		    job_wants_host(job, host))
			return true;
	}
	return false;
}

/* A local host's own directory: chdir, from where the configuration file is, or from the user's
 * home. NULL: it names none. */
static char *local_dir(const struct ff_config *config, const struct ff_host *host)
{
	const char *chdir = host->spec.chdir, *home = getenv("HOME");

	if (!chdir)
		return NULL;
	if (home && *home && chdir[0] == '~' && (chdir[1] == '/' || chdir[1] == '\0'))
		return ff_xasprintf("%s%s", home, chdir + 1);
	return chdir[0] == '/' ? ff_xstrdup(chdir)
			       : ff_xasprintf("%s/%s", config->directory, chdir);
}

/* Whether two paths lead to one place, or the first below the second; both may not exist. */
static const char *path_below(const char *path, const char *top)
{
	char real[PATH_MAX], real_top[PATH_MAX];
	static char rest[PATH_MAX];
	size_t len;

	if (!realpath(path, real) || !realpath(top, real_top))
		return NULL;
	len = strlen(real_top);
	if (strncmp(real, real_top, len) != 0 || (real[len] != '/' && real[len] != '\0'))
		return NULL;
	return strcpy(rest, real + len);
}

/* Whether the tree has to be brought to this host: not where payloads run in the tree itself. */
static bool host_wants_sync(const struct run_host *host)
{
	const struct ff_config *config = host->run->opts->config;
	char *dir;
	const char *below;

	if (!config->tree.given || host->run->hosts_only)
		return false;
	if (!host->host->local || config->tree.dest)
		return true;
	dir = local_dir(config, host->host);
	/* A chdir that leads to the tree itself is the tree. */
	below = dir ? path_below(dir, config->tree.source) : "";
	free(dir);
	return !below || *below;
}

static void host_ready(struct run_host *host)
{
	struct ff_event event = {.kind = FF_EVENT_HOST_READY, .host = host->host->name};
	const struct ff_value *info = ff_gateway_info(host->foreman);

	host->state = HOST_READY;
	event.u.host_ready.peer = host->host->spec.text;
	event.u.host_ready.platform = ff_dict_str(info, "platform", NULL);
	event.u.host_ready.cwd = host->workdir;
	event.u.host_ready.native = ff_gateway_is_native(host->foreman);
	event.u.host_ready.slots = host->host->slots;
	event.u.host_ready.took_us = ff_clock_us() - host->opened_at;
	run_emit(host->run, &event);
}

void host_probed(struct run_host *host)
{
	if (host->state == HOST_PROBING)
		host_ready(host);
}

static void host_synced_or_unneeded(struct run_host *host)
{
	if (host_needs_python(host) && !host->python && !host->python_problem) {
		host->state = HOST_PROBING;
		host_probe(host);
	} else {
		host_ready(host);
	}
}

/* The end of a host: it never came up, or it died once too often. */
static void host_down(struct run_host *host, const struct ff_err *err, bool lost)
{
	struct ff_event event = {.kind = lost ? FF_EVENT_HOST_LOST : FF_EVENT_HOST_FAILED,
				 .host = host->host->name};

	host->error = *err;
	host->state = HOST_DOWN;
	if (lost) {
		event.u.host_lost.error = err->text;
		event.u.host_lost.code = err->code;
	} else {
		event.u.host_failed.error = err->text;
		event.u.host_failed.code = err->code;
	}
	run_emit(host->run, &event);
}

static void sync_finished(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
			  const struct ff_err *err, void *ctx)
{
	struct run_host *host = ctx;
	struct ff_event event = {.kind = FF_EVENT_SYNC_FINISHED, .host = host->host->name};

	(void)target;
	if (host->state != HOST_SYNCING)
		return;
	if (err && err->code != 0) {
		struct ff_err failed = *err;

		/* A lost connection is foreman_closed's to judge. */
		if (!host->foreman || ff_gateway_state(host->foreman) == FF_GATEWAY_CLOSED)
			return;

		ff_err_prefix(&failed, "tree sync: ");
		host_down(host, &failed, false);
		if (host->foreman)
			ff_gateway_exit(host->foreman);
		return;
	}
	free(host->workdir);
	host->workdir = ff_xstrdup(stats->root);
	event.u.sync_finished.files = stats->files;
	event.u.sync_finished.sent_files = stats->sent_files;
	event.u.sync_finished.sent_bytes = stats->sent_bytes;
	event.u.sync_finished.deleted = stats->deleted;
	event.u.sync_finished.root = stats->root;
	event.u.sync_finished.took_us = ff_clock_us() - host->opened_at;
	run_emit(host->run, &event);
	host_synced_or_unneeded(host);
}

static const struct ff_rsync_events sync_events = {.finished = sync_finished};

/* Scanned once, when the first host is there to receive it. */
static int host_scan_tree(struct run *run, struct ff_err *err)
{
	const struct ff_config *config = run->opts->config;
	struct ff_tree_filter filter = {0};
	struct ff_strv exclude = FF_STRV_INIT;
	struct ff_tree tree;
	int rc;

	if (run->rsync)
		return 0;
	if (config->tree.exclude.len > 0)
		ff_strv_add_all(&exclude, config->tree.exclude.v);
	else
		ff_strv_add_all(&exclude, (char *const *)(uintptr_t)default_exclude);
	ff_strv_add(&exclude, ".farflung");
	/* A host's working directory inside the tree is not part of the tree. */
	for (size_t i = 0; i < run->opts->inventory->len; i++) {
		const struct ff_host *host = &run->opts->inventory->hosts[i];
		char *dir = host->local ? local_dir(config, host) : NULL;
		const char *below = dir ? path_below(dir, config->tree.source) : NULL;

		if (below && *below)
			ff_strv_add(&exclude, below);
		free(dir);
	}
	filter.exclude = exclude.v;
	rc = ff_tree_scan(&tree, config->tree.source, &filter, err);
	ff_strv_release(&exclude);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < tree.problems.len && i < 20; i++)
		run_notice(run, NULL, "warning", "tree: left out %s", tree.problems.v[i]);
	run->rsync = ff_rsync_new(&tree);
	return run->rsync ? 0 : ff_err_set(err, FF_ENOMEM, "out of memory");
}

static void host_sync(struct run_host *host)
{
	const struct ff_config *config = host->run->opts->config;
	const char *base = strrchr(config->tree.source, '/');
	struct ff_rsync_target_opts opts = {.events = &sync_events, .ctx = host};
	struct ff_err err = {0};
	char *dest;

	if (config->tree.dest)
		dest = ff_xstrdup(config->tree.dest);
	else if (host->host->spec.chdir)
		dest = ff_xstrdup(".");
	else
		dest = ff_xasprintf("farflung-cache/%s", base && base[1] ? base + 1 : "tree");
	opts.dest = dest;
	opts.remove = config->tree.remove;
	opts.task.call_name = "rsync";
	if (!ff_gateway_is_native(host->foreman))
		opts.task.source = ff_bootstrap_source("rsync");
	host->state = HOST_SYNCING;
	if (host_scan_tree(host->run, &err) < 0 ||
	    !ff_rsync_add_target(host->run->rsync, host->foreman, &opts, &err)) {
		ff_err_prefix(&err, "tree sync: ");
		host_down(host, &err, false);
		ff_gateway_exit(host->foreman);
	}
	free(dest);
}

static void foreman_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct run_host *host = ctx;
	if (err) {
		host->foreman = NULL;
		host_down(host, err, host->opens > 1);
		return;
	}
	if (host->run->stopping) {
		ff_gateway_exit(gateway);
		return;
	}
	host->open_us = ff_clock_us() - host->opened_at;
	free(host->workdir);
	host->workdir = ff_xstrdup(ff_gateway_cwd(gateway));
	if (host_wants_sync(host))
		host_sync(host);
	else
		host_synced_or_unneeded(host);
}

/* The connection died. What ran there hears of it through its own channels; the host is tried
 * again. */
static void foreman_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct run_host *host = ctx;
	struct ff_err lost = err ? *err : (struct ff_err){0};
	bool wanted = ff_gateway_exiting(gateway);

	if (host->foreman != gateway)
		return;
	host->foreman = NULL;
	ff_open_release(gateway);
	if (host->state == HOST_DOWN || host->run->stopping || wanted) {
		host->state = HOST_DOWN;
		return;
	}
	if (lost.code == 0)
		ff_err_set(&lost, FF_ELOST, "%s: the worker ended by itself",
			   host->host->spec.text);
	if (host->opens >= HOST_OPENS_MAX) {
		host_down(host, &lost, true);
		return;
	}
	/* Not from in here: a host that it goes via may be about to hear of its own end. */
	host->state = HOST_RETRYING;
	run_notice(host->run, host->host->name, "warning", "%s; opening it again", lost.text);
}

static void foreman_stderr(struct ff_gateway *gateway, const char *line, void *ctx)
{
	struct run_host *host = ctx;

	(void)gateway;
	run_notice(host->run, host->host->name, "note", "%s", line);
}

/* The host of the inventory that it goes via; NULL: none. */
static struct run_host *host_parent(const struct run_host *host)
{
	struct run *run = host->run;

	for (size_t i = 0; host->host->spec.via && i < run->opts->inventory->len; i++)
		if (strcmp(run->hosts[i].host->name, host->host->spec.via) == 0)
			return &run->hosts[i];
	return NULL;
}

static void host_open(struct run_host *host)
{
	struct run *run = host->run;
	const struct ff_config *config = run->opts->config;
	struct ff_open_opts opts = {
		.connect_timeout_us = config->settings.connect_timeout_us,
		.heartbeat_us = config->settings.heartbeat_us,
		.silence_us = config->settings.silence_us,
		.opened = foreman_opened,
		.closed = foreman_closed,
		.stderr_line = foreman_stderr,
		.ctx = host,
	};
	struct run_host *parent = host_parent(host);
	struct ff_xspec spec;
	struct ff_err err = {0};
	char id[300];

	if (ff_xspec_copy(&spec, &host->host->spec) < 0)
		abort();
	/* The gateway that died may still hold the host's name. */
	snprintf(id, sizeof id, "%s", host->host->name);
	if (ff_group_get(run->group, id))
		snprintf(id, sizeof id, "%s#%u", host->host->name, host->opens + 1);
	ff_xspec_set(&spec, "id", id);
	if (parent && parent->foreman)
		ff_xspec_set(&spec, "via", ff_gateway_id(parent->foreman));
	if (!spec.worker)
		ff_xspec_set(&spec, "worker", "native");
	if (strcmp(spec.worker, "native") == 0 && !host->host->spec.worker && spec.python &&
	    spec.socket)
		ff_xspec_set(&spec, "worker", "python");
	if (host->host->local) {
		char *dir = local_dir(config, host->host);

		ff_xspec_set(&spec, "chdir",
			     dir		  ? dir
			     : config->tree.given ? config->tree.source
						  : config->directory);
		free(dir);
	}
	host->opens++;
	host->state = HOST_OPENING;
	host->opened_at = ff_clock_us();
	host->foreman = ff_open_gateway(run->group, &spec, &opts, &err);
	if (!host->foreman) {
		ff_xspec_release(&spec);
		host_down(host, &err, host->opens > 1);
	}
}

/* A host that others go `via` is opened first, and also when no job runs on it. */
static void host_open_with_parents(struct run_host *host)
{
	struct run_host *parent;

	if (host->state != HOST_UNUSED && host->state != HOST_RETRYING)
		return;
	host->state = HOST_OPENING; /* ends the recursion should hosts go via each other */
	parent = host_parent(host);
	if (parent)
		host_open_with_parents(parent);
	host_open(host);
}

void host_pump(struct run *run)
{
	for (size_t i = 0; i < run->opts->inventory->len; i++)
		if (run->hosts[i].state == HOST_RETRYING)
			host_open_with_parents(&run->hosts[i]);
}

void host_open_all(struct run *run)
{
	for (size_t i = 0; i < run->opts->inventory->len; i++) {
		struct run_host *host = &run->hosts[i];

		host->needed =
			run->hosts_only && ff_host_matches(host->host, run->opts->only_hosts);
		for (size_t j = 0; j < run->opts->plan->len && !host->needed; j++)
			host->needed = job_wants_host(&run->jobs[j], host);
	}
	for (size_t i = 0; i < run->opts->inventory->len; i++)
		if (run->hosts[i].needed)
			host_open_with_parents(&run->hosts[i]);
}

void host_release(struct run_host *host)
{
	ff_channel_unref(host->channel);
	output_release(&host->probe_output);
	free(host->workdir);
	free(host->python);
	free(host->python_problem);
	free(host->python_seen);
}
