/* What a host needs before units run there: the tree, and what payloads look for. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "dispatch/act_private.h"
#include "dispatch/before.h"
#include "worker/bootstrap.h"

enum { PROBLEMS_TOLD = 20 };

/* What is left out of a tree if its `exclude` is silent. */
static const char *const default_exclude[] = {
	".git",		 ".hg",		".svn", "__pycache__", "*.pyc", "*.pyo",
	".pytest_cache", ".mypy_cache", ".tox", "*~",	       NULL};

/* What runs leave behind is never brought along. */
static const char *const always_exclude[] = {".farflung", ".coverage", ".coverage.*",
					     ".pytest_cache", NULL};

static struct ff_input *about(const struct act_host *host, enum ff_input_kind kind)
{
	struct ff_input *input = ff_input_new(kind);

	input->host = host->number;
	input->tries = host->tries;
	return input;
}

/* --- the tree --- */

/* The rest of `path` below `top`, with its slash, or "" if they are one place; NULL: it is not
 * below, or not there. Malloc'd. */
static char *path_below(const char *path, const char *top)
{
	char real[PATH_MAX], real_top[PATH_MAX];
	size_t len;

	if (!realpath(path, real) || !realpath(top, real_top))
		return NULL;
	len = strlen(real_top);
	if (strncmp(real, real_top, len) != 0 || (real[len] != '/' && real[len] != '\0'))
		return NULL;
	return ff_xstrdup(real + len);
}

bool ff_act_wants_sync(void *ctx, uint32_t number)
{
	const struct ff_act *act = ctx;
	const struct ff_host *host = act->hosts[number].host;
	char *dir, *below;
	bool elsewhere;

	if (!act->config->tree.given)
		return false;
	if (!host->local || act->config->tree.dest)
		return true;
	dir = ff_act_local_dir(act->config, host);
	below = dir ? path_below(dir, act->config->tree.source) : NULL;
	/* A chdir that leads to the tree itself is the tree. */
	elsewhere = dir && (!below || *below);
	ff_free(below);
	ff_free(dir);
	return elsewhere;
}

/* A pattern for this path from the tree's root, and no other. */
static void exclude_path(struct ff_strv *exclude, const char *path)
{
	struct ff_buf pattern = FF_BUF_INIT;

	for (; *path; path++) {
		if (strchr("*?[\\", *path))
			ff_buf_addch(&pattern, '\\');
		ff_buf_addch(&pattern, *path);
	}
	ff_strv_add(exclude, ff_buf_str(&pattern));
	ff_buf_release(&pattern);
}

static void exclude_place(struct ff_strv *exclude, const char *path, const char *top)
{
	char *below = path ? path_below(path, top) : NULL;

	if (below && *below)
		exclude_path(exclude, below);
	ff_free(below);
}

/* A report file, or folder, may not be there yet: the one that it is in is. */
static void exclude_report(struct ff_strv *exclude, const char *report, const char *top)
{
	size_t len = strlen(report);
	char *folder, *below, *whole, *path;
	const char *slash, *name;

	while (len > 1 && report[len - 1] == '/')
		len--;
	path = ff_xstrndup(report, len);
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	folder = slash ? ff_xasprintf("%.*s/", (int)(slash - path), path) : ff_xstrdup(".");
	below = path_below(folder, top);
	whole = below && *name ? ff_xasprintf("%s/%s", below, name) : NULL;
	if (whole)
		exclude_path(exclude, whole);
	ff_free(whole);
	ff_free(below);
	ff_free(folder);
	ff_free(path);
}

static void fill_exclude(const struct ff_act *act, struct ff_strv *exclude)
{
	const struct ff_config *config = act->config;

	if (config->tree.exclude.len > 0)
		ff_strv_add_all(exclude, config->tree.exclude.v);
	ff_strv_add_all(exclude, (char *const *)(uintptr_t)always_exclude);
	for (size_t i = 0; i < config->reports_len; i++)
		exclude_report(exclude, config->reports[i].path, config->tree.source);
	for (size_t i = 0; act->reports && i + 1 < act->reports->len; i += 2)
		exclude_report(exclude, act->reports->v[i + 1], config->tree.source);
	for (size_t i = 0; i < act->plan->len; i++)
		if (act->plan->jobs[i].config->artifacts.paths.len > 0 ||
		    act->plan->jobs[i].config->coverage) {
			char *collect = ff_act_collect_folder(act);

			exclude_report(exclude, collect, config->tree.source);
			ff_free(collect);
			break;
		}
	/* A host's working directory inside the tree is not part of the tree. */
	for (size_t i = 0; i < act->inventory->len; i++) {
		const struct ff_host *host = &act->inventory->hosts[i];
		char *dir = host->local ? ff_act_local_dir(config, host) : NULL;

		exclude_place(exclude, dir, config->tree.source);
		ff_free(dir);
	}
}

static void tree_changed(void *ctx, const char *text)
{
	struct ff_input *input = ff_input_new(FF_INPUT_WARNED);

	input->u.said.text = ff_input_text(input, text);
	ff_act_put(ctx, input);
}

/* For a run that goes on with this one. A run that goes on with several compares with the latest
 * that came so far as to note it. */
static void note_tree(struct ff_act *act, const struct ff_tree *tree)
{
	const struct ff_run_opts *run = act->opts.run;
	struct ff_tree_note_opts opts = {.changed = tree_changed, .ctx = act};
	char *to, *since = NULL;

	if (!run->journal)
		return;
	to = ff_tree_note_beside(ff_journal_path(run->journal));
	for (size_t i = 0; run->before && i < run->before->len && !since; i++) {
		since = ff_tree_note_beside(run->before->v[i].path);
		opts.since_run = run->before->v[i].run_id;
		if (access(since, R_OK) < 0) {
			ff_free(since);
			since = NULL;
		}
	}
	opts.to = to;
	opts.since = since;
	act->note = ff_tree_note_begin(act->opts.loop, tree, &opts);
	ff_free(to);
	ff_free(since);
}

/* Scanned once, when the first host is there to receive it. */
static int scan_tree(struct ff_act *act, struct ff_err *err)
{
	const struct ff_config *config = act->config;
	struct ff_strv exclude = FF_STRV_INIT, names = FF_STRV_INIT, files = FF_STRV_INIT;
	struct ff_tree_filter filter = {0};
	struct ff_tree tree;
	int rc;

	if (act->rsync)
		return 0;
	fill_exclude(act, &exclude);
	for (size_t i = 0; i < config->tree.exclude_from.len; i++) {
		const char *file = config->tree.exclude_from.v[i];

		ff_strv_add(strchr(file, '/') ? &files : &names, file);
	}
	filter.exclude = exclude.v;
	filter.names = names.v;
	filter.files = files.v;
	/* Exceptions alone would be exceptions from nothing. */
	if (!config->tree.exclude.len || *config->tree.exclude.v[0] == '!')
		filter.defaults = (char *const *)(uintptr_t)default_exclude;
	rc = ff_tree_scan(&tree, config->tree.source, &filter, err);
	ff_strv_release(&exclude);
	ff_strv_release(&names);
	ff_strv_release(&files);
	if (rc < 0)
		return rc;
	note_tree(act, &tree);
	act->rsync = ff_rsync_new(&tree);
	return act->rsync ? 0 : ff_err_set(err, FF_ENOMEM, "out of memory");
}

/* Each once, whatever number of hosts lacks it; of many only the first ones. */
static void on_problem(struct ff_rsync_target *target, const struct ff_sync_fault *problem,
		       void *ctx)
{
	struct act_host *host = ctx;
	struct ff_act *act = host->act;
	struct ff_input *input;
	char *text;

	(void)target;
	/* Sockets and their like are never brought: that is nothing amiss with files. */
	if (act->config->tree.strict && problem->kind != FF_SYNC_SPECIAL && !host->amiss++)
		host->amiss_text = ff_xasprintf("%s: %s", problem->path, problem->reason);
	if (ff_map_get(&act->told, problem->path))
		return;
	ff_map_set(&act->told, problem->path, act);
	if (act->told.len > PROBLEMS_TOLD + 1)
		return;
	text = act->told.len > PROBLEMS_TOLD
		       ? ff_xstrdup("tree: further files are not as they are here, too")
		       : ff_xasprintf("tree: %s: %s", problem->path, problem->reason);
	input = ff_input_new(FF_INPUT_WARNED);
	input->u.said.text = ff_input_text(input, text);
	ff_free(text);
	ff_act_put(act, input);
}

static void put_sync_failed(struct act_host *host, const struct ff_err *err)
{
	struct ff_input *input = about(host, FF_INPUT_HOST_SYNCED);
	char *text = ff_xasprintf("tree sync: %s", err->text);

	input->u.host_synced.error = ff_input_text(input, text);
	input->u.host_synced.code = err->code;
	input->u.host_synced.for_good = err->code != FF_EBUSY;
	ff_free(text);
	ff_act_put(host->act, input);
}

static void put_not_strict(struct act_host *host)
{
	struct ff_err err;

	if (host->amiss > 1)
		ff_err_set(&err, FF_ESYS, "%s, and %zu more (strict)", host->amiss_text,
			   host->amiss - 1);
	else
		ff_err_set(&err, FF_ESYS, "%s (strict)", host->amiss_text);
	put_sync_failed(host, &err);
}

static void on_synced(struct ff_rsync_target *target, const struct ff_rsync_stats *stats,
		      const struct ff_err *err, void *ctx)
{
	struct act_host *host = ctx;
	struct ff_input *input;

	(void)target;
	/* A lost connection is on_closed's to tell. */
	if (!ff_act_host_open(host))
		return;
	if (err && err->code != 0) {
		put_sync_failed(host, err);
		return;
	}
	if (host->amiss) {
		put_not_strict(host);
		return;
	}
	ff_free(host->workdir);
	host->workdir = ff_xstrdup(stats->root);
	input = about(host, FF_INPUT_HOST_SYNCED);
	input->u.host_synced.files = stats->files;
	input->u.host_synced.sent_files = stats->sent_files;
	input->u.host_synced.sent_bytes = stats->sent_bytes;
	input->u.host_synced.deleted = stats->deleted;
	input->u.host_synced.problems = stats->problems;
	input->u.host_synced.root = ff_input_text(input, stats->root);
	ff_act_put(host->act, input);
}

static const struct ff_rsync_events sync_events = {.finished = on_synced, .problem = on_problem};

void ff_act_sync_host(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host = &act->hosts[order->host];
	const char *base = strrchr(act->config->tree.source, '/');
	struct ff_task task = {.call_name = "rsync"};
	struct ff_rsync_target_opts opts = {
		.events = &sync_events,
		.ctx = host,
		.remove = act->config->tree.remove,
		.task = &task,
		.owner = ff_act_run_id(act),
		.holder = act->holder,
	};
	struct ff_err err = {0};
	char *dest;

	if (!ff_act_host_open(host) || host->tries != order->tries)
		return;
	ff_free(host->amiss_text);
	host->amiss_text = NULL;
	host->amiss = 0;
	if (act->config->tree.dest)
		dest = ff_xstrdup(act->config->tree.dest);
	else if (host->host->spec.chdir)
		dest = ff_xstrdup(".");
	else
		dest = ff_xasprintf("farflung-cache/%s", base && base[1] ? base + 1 : "tree");
	opts.dest = dest;
	if (!ff_gateway_is_native(host->foreman))
		task.source = ff_bootstrap_source("rsync");
	if (scan_tree(act, &err) < 0 ||
	    !ff_rsync_add_target(act->rsync, host->foreman, &opts, &err))
		put_sync_failed(host, &err);
	ff_free(dest);
}

/* --- probes --- */

static void put_probed(struct act_host *host, const char *note, const char *error)
{
	struct ff_input *input = about(host, FF_INPUT_HOST_PROBED);

	input->u.host_probed.payload = host->probing;
	input->u.host_probed.note = ff_input_text(input, note);
	input->u.host_probed.error = ff_input_text(input, error);
	ff_act_put(host->act, input);
}

static const struct ff_payload_probe *probe_of(uint32_t payload)
{
	return ff_payloads[payload]->probe ? ff_payloads[payload]->probe
					   : ff_payloads[payload]->memory;
}

/* No fact of the host's, which its workers are started by. */
static void read_memory(struct act_host *host, const char *bytes, size_t len)
{
	struct ff_input *input = about(host, FF_INPUT_HOST_PROBED);
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_fact *facts = NULL;
	size_t facts_len = 0;

	input->u.host_probed.payload = host->probing;
	if (probe_of(host->probing)->read(bytes, len, &arena, &facts, &facts_len, NULL, NULL) ==
		    0 &&
	    facts_len > 0)
		input->u.host_probed.memory = strtoll(facts[0].value, NULL, 10);
	ff_arena_release(&arena);
	ff_act_put(host->act, input);
}

static void read_probe(struct act_host *host)
{
	const struct ff_payload *payload = ff_payloads[host->probing];
	struct ff_buf text = FF_BUF_INIT, note = FF_BUF_INIT;
	struct ff_err err = {0};
	const char *bytes;

	ff_output_text(&host->probe_output, &text);
	bytes = ff_buf_str(&text);
	if (!payload->probe) {
		read_memory(host, bytes ? bytes : "", text.len);
		ff_buf_release(&text);
		return;
	}
	host->facts_len = 0;
	if (payload->probe->read(bytes ? bytes : "", text.len, &host->arena, &host->facts,
				 &host->facts_len, &note, &err) < 0)
		put_probed(host, NULL, err.text);
	else
		put_probed(host, note.len > 0 ? ff_buf_str(&note) : NULL, NULL);
	ff_buf_release(&text);
	ff_buf_release(&note);
}

static void on_probe_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct act_host *host = ctx;

	if (item) {
		const struct ff_value *bytes = ff_at(&item->value, 1);

		if (ff_is_str(ff_at(&item->value, 0), "out") && bytes && bytes->kind == FF_BYTES)
			ff_output_add(&host->probe_output, bytes->text, bytes->len);
		return;
	}
	if (host->probe == channel) {
		host->probe = NULL;
		if (ff_act_host_open(host))
			read_probe(host);
	}
	ff_channel_unref(channel);
}

static void probe_with(struct act_host *host, const char *shell)
{
	struct ff_payload_job job = {
		.shell = shell, .timeout_us = 30 * FF_SECOND_US, .grace_us = 5 * FF_SECOND_US};
	struct ff_payload_worker worker = {.native = ff_gateway_is_native(host->foreman)};
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_task task;
	struct ff_err err = {0};

	ff_act_add_vars(host, &job, &arena);
	ff_output_release(&host->probe_output);
	ff_output_init(&host->probe_output, FF_OUTPUT_TAIL);
	if (ff_payload_find("run")->run->task(&job, &worker, &arena, &task, &err) == 0)
		host->probe = ff_gateway_remote_exec(host->foreman, &task, &err);
	ff_arena_release(&arena);
	if (!host->probe || ff_channel_set_callback(host->probe, on_probe_item, host) < 0)
		put_probed(host, NULL, err.text);
}

void ff_act_probe_host(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host = &act->hosts[order->host];
	struct ff_arena arena = FF_ARENA_INIT;
	const char *shell;

	if (!ff_act_host_open(host) || host->tries != order->tries)
		return;
	host->probing = order->payload;
	if (probe_of(order->payload)->command(&host->host->spec, &arena, &shell) == 0)
		probe_with(host, shell);
	else
		put_probed(host, NULL, NULL);
	ff_arena_release(&arena);
}
