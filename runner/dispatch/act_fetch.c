/* What a unit has left on its host, brought to settings.collect/JOB/UNIT: by the host's foreman,
 * and written here as it comes. The channel's credit keeps it from coming faster. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "dispatch/act_private.h"
#include "report/name.h"
#include "rsync/fetch.h"
#include "rsync/hash.h"
#include "worker/bootstrap.h"

/* --- where to --- */

char *ff_act_collect_folder(const struct ff_act *act)
{
	const char *collect = act->config->settings.collect;

	return *collect == '/' ? ff_xstrdup(collect)
			       : ff_xasprintf("%s/%s", act->config->directory, collect);
}

static char *folder_of(const struct ff_act *act, const char *job, const char *unit)
{
	char *collect = ff_act_collect_folder(act);
	struct ff_buf folder = FF_BUF_INIT;

	ff_buf_addf(&folder, "%s/", collect);
	ff_free(collect);
	ff_name_add(&folder, job);
	ff_buf_addch(&folder, '/');
	ff_name_add(&folder, unit);
	return ff_buf_take(&folder);
}

/* --- what comes --- */

static const char *const *lines_of(struct ff_input *input, const struct ff_strv *lines)
{
	return ff_input_lines(input, (const char *const *)lines->v);
}

static void put_fetched(struct act_fetch *fetch, const char *error)
{
	struct ff_input *input = ff_input_new(FF_INPUT_EXEC_FETCHED);

	fetch->over = true;
	input->execution = fetch->execution;
	input->u.fetched.folder = ff_input_text(input, fetch->folder);
	input->u.fetched.error = ff_input_text(input, error);
	if (fetch->files) {
		const struct ff_fetch_stats *stats = ff_fetch_stats(fetch->files);

		input->u.fetched.files = stats->files;
		input->u.fetched.bytes = stats->bytes;
		input->u.fetched.missing = lines_of(input, &stats->missing);
		input->u.fetched.refused = lines_of(input, &stats->refused);
	}
	ff_act_put(fetch->host->act, input);
}

/* Nothing can be kept any more: the run ends cleanly. */
static void put_disk_full(struct act_fetch *fetch, const char *text)
{
	struct ff_input *input = ff_input_new(FF_INPUT_DISK);

	input->u.said.text = ff_input_text(input, text);
	ff_act_put(fetch->host->act, input);
}

static void take_item(struct act_fetch *fetch, const struct ff_item *item)
{
	struct ff_act *act = fetch->host->act;
	struct ff_err err = {0};
	int rc = ff_fetch_item(fetch->files, &item->value, &err);

	if (rc == 0)
		return;
	if (rc < 0 && ff_fetch_stats(fetch->files)->disk_full)
		put_disk_full(fetch, err.text);
	if (rc > 0 && act->plan->jobs[fetch->job].config->inputs.cleanup_brought)
		ff_act_supply_brought(act, fetch->execution, fetch->host->number, fetch->root,
				      ff_fetch_brought(fetch->files));
	put_fetched(fetch, rc < 0 ? err.text : NULL);
	if (rc < 0)
		ff_channel_close(fetch->channel, NULL);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct act_fetch *fetch = ctx;

	if (item) {
		if (!fetch->over)
			take_item(fetch, item);
		return;
	}
	/* What a lost connection took with it is the host's to tell. */
	if (!fetch->over && ff_act_host_open(fetch->host) &&
	    ff_channel_gateway(channel) == fetch->host->foreman) {
		const char *error = ff_channel_error(channel);

		put_fetched(fetch, error ? error : "the worker ended it without a word");
	}
	ff_channel_unref(channel);
	fetch->channel = NULL;
	ff_act_fetch_free(fetch);
}

/* --- asking --- */

/* What is to come straight into the folder where it is. */
static bool is_here(const struct act_fetch *fetch)
{
	const struct act_host *host = fetch->host;
	struct stat there, here;

	return host->act->plan->jobs[fetch->job].config->artifacts.to && host->host->local &&
	       !stat(host->workdir, &there) && !stat(fetch->folder, &here) &&
	       there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

static struct ff_channel *ask(struct act_fetch *fetch, const struct ff_plan_instance *instance,
			      struct ff_err *err)
{
	struct act_host *host = fetch->host;
	char *root = fetch->root = ff_act_absolute(host, instance->job.cwd);
	struct ff_value paths[FF_CONFIG_ARTIFACTS_MAX], kwargs[4];
	struct ff_task task = {.call_name = "fetch"};
	struct ff_channel *channel;
	size_t len = 0;

	for (; instance->artifacts[len] && len < FF_CONFIG_ARTIFACTS_MAX; len++)
		paths[len] = ff_str(instance->artifacts[len]);
	kwargs[0] = ff_str("root");
	kwargs[1] = ff_str(root);
	kwargs[2] = ff_str("paths");
	kwargs[3] = ff_collection(FF_LIST, paths, len);
	task.kwargs = ff_collection(FF_DICT, kwargs, 2);
	if (!ff_gateway_is_native(host->foreman))
		task.source = ff_bootstrap_source("fetch");
	channel = ff_gateway_remote_exec(host->foreman, &task, err);
	return channel;
}

void ff_act_fetch(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host = &act->hosts[order->host];
	const struct ff_plan_job *job = &act->plan->jobs[order->job];
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_plan_instance instance;
	struct ff_err err = {0};
	struct act_fetch *fetch;

	if (!ff_act_host_open(host) || host->tries != order->tries)
		return; /* its end is on the way, as an input */
	fetch = ff_xcalloc(1, sizeof(*fetch));
	fetch->host = host;
	fetch->execution = order->execution;
	fetch->job = order->job;
	fetch->folder = job->config->artifacts.to ? ff_xstrdup(job->config->artifacts.to)
						  : folder_of(act, job->config->name, order->name);
	fetch->files = ff_fetch_new(fetch->folder, &ff_md5_calls);
	if (job->config->artifacts.to)
		ff_fetch_bare(fetch->files);
	ff_list_add_tail(&act->all_fetches, &fetch->node);
	if (is_here(fetch)) {
		put_fetched(fetch, NULL);
		ff_act_fetch_free(fetch);
		return;
	}
	if (ff_plan_instance(job, job->payload->discover ? 0 : order->unit, &arena, &instance) == 0)
		fetch->channel = ask(fetch, &instance, &err);
	ff_arena_release(&arena);
	if (!fetch->channel) {
		if (ff_act_host_open(host))
			put_fetched(fetch, err.text);
		ff_act_fetch_free(fetch);
	} else if (ff_channel_set_callback(fetch->channel, on_item, fetch) < 0) {
		put_fetched(fetch, "out of memory");
		ff_act_fetch_free(fetch);
	}
}

void ff_act_fetch_drop(struct ff_act *act, uint32_t execution)
{
	struct ff_list *pos, *tmp;

	ff_list_for_each_safe(pos, tmp, &act->all_fetches) {
		struct act_fetch *fetch = ff_container_of(pos, struct act_fetch, node);

		if (fetch->execution != execution)
			continue;
		fetch->over = true;
		ff_act_fetch_free(fetch);
		return;
	}
}

void ff_act_fetch_free(struct act_fetch *fetch)
{
	/* A dropped channel would go on calling back. */
	if (fetch->channel) {
		struct ff_channel *channel = fetch->channel;

		fetch->channel = NULL;
		fetch->over = true;
		ff_channel_close(channel, NULL); /* ends in on_item, and there comes back here */
		return;
	}
	ff_list_del(&fetch->node);
	ff_fetch_free(fetch->files);
	ff_free(fetch->folder);
	ff_free(fetch->root);
	ff_free(fetch);
}
