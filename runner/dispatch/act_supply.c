/* Files of ours that a unit gets before it begins: looked for and read in a thread, sent by the
 * host's foreman's channel (the built-in `put`), which asks for what is not there yet. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/act_private.h"
#include "dispatch/supply.h"
#include "event/journal.h"
#include "rsync/fetch.h"
#include "worker/bootstrap.h"

struct act_supply_known {
	struct ff_supply_cache *cache;
	struct ff_supply_note *note; /* NULL: there is no journal */
	uint32_t threads;
	struct ff_map held; /* execution -> struct held */
	struct ff_map used; /* host and path -> struct used */
};

/* What an execution has got, until it is over. */
struct held {
	uint32_t host;
	char *to;
	struct ff_strv paths;
	bool cleanup;
};

/* A file there, while somebody has it. */
struct used {
	uint32_t users;
	bool ours; /* it was not there before */
	bool kept; /* somebody has it who wants it to stay */
};

struct act_supply {
	uv_work_t work;
	struct act_supply_known *known;
	struct act_execution *execution; /* NULL: nobody waits for it */
	const char *root;		 /* the configuration's */
	struct ff_arena arena;
	char *const *patterns; /* in it */
	char *to;	       /* the folder there */
	bool md5;
	struct ff_supply found;
	int rc; /* how that went */
	struct ff_err err;
	bool looks; /* in the thread */
	bool asked; /* the host has said what it wants */
	struct ff_fetch_send *send;
};

static struct act_supply_known *known_of(struct ff_act *act)
{
	const struct ff_journal *journal = act->opts.run->journal;

	if (!act->inputs) {
		act->inputs = ff_xcalloc(1, sizeof(*act->inputs));
		act->inputs->cache = ff_supply_cache_new();
		if (journal)
			act->inputs->note = ff_supply_note_new(ff_journal_path(journal));
	}
	return act->inputs;
}

static void free_now(struct act_supply *inputs)
{
	ff_supply_release(&inputs->found);
	ff_arena_release(&inputs->arena);
	ff_free(inputs->to);
	ff_free(inputs);
}

void ff_act_supply_free(struct act_supply *inputs)
{
	if (!inputs)
		return;
	inputs->execution = NULL;
	if (!inputs->looks)
		free_now(inputs);
}

/* --- looking --- */

static void look(uv_work_t *work)
{
	struct act_supply *inputs = work->data;

	inputs->rc = ff_supply_look(&inputs->found, inputs->root, inputs->patterns, inputs->md5,
				    inputs->known->cache, &inputs->err);
}

static void on_looked(uv_work_t *work, int status)
{
	struct act_supply *inputs = work->data;

	(void)status;
	inputs->looks = false;
	inputs->known->threads--;
	if (!inputs->execution)
		free_now(inputs);
	else
		ff_act_supply_found(inputs->execution, inputs->rc < 0 ? inputs->err.text : NULL);
}

void ff_act_supply_begin(struct act_execution *execution)
{
	struct act_host *host = execution->host;
	struct ff_act *act = execution->act;
	struct act_supply *inputs = ff_xcalloc(1, sizeof(*inputs));
	struct ff_plan_instance instance;
	/* Units that are found have the job's patterns, and who looks for them has, too: what is
	 * sent may be the program that knows them. */
	uint32_t index = act->plan->jobs[execution->job].payload->discover ? 0 : execution->unit;

	execution->inputs = inputs;
	inputs->execution = execution;
	inputs->known = known_of(act);
	inputs->root = act->plan->jobs[execution->job].config->inputs.from;
	if (!inputs->root)
		inputs->root = act->config->directory;
	inputs->md5 = !ff_gateway_is_native(host->foreman);
	if (ff_plan_instance(&act->plan->jobs[execution->job], index, &inputs->arena, &instance)) {
		ff_act_supply_found(execution, ff_err_text(FF_ENOMEM));
		return;
	}
	inputs->patterns = instance.sent;
	inputs->to = ff_act_absolute(host, instance.job.cwd);
	inputs->work.data = inputs;
	inputs->looks = true;
	inputs->known->threads++;
	if (uv_queue_work(act->opts.loop->uv, &inputs->work, look, on_looked) < 0) {
		look(&inputs->work);
		on_looked(&inputs->work, 0);
	}
}

/* --- what is there --- */

static char *key_of(uint32_t host, const char *to, const char *path)
{
	return ff_xasprintf("%u:%s/%s", host, to, path);
}

static struct used *used_of(struct act_supply_known *known, uint32_t host, const char *to,
			    const char *path)
{
	char *key = key_of(host, to, path);
	struct used *used = ff_map_get(&known->used, key);

	if (!used) {
		used = ff_xcalloc(1, sizeof(*used));
		if (ff_map_set(&known->used, key, used))
			abort();
	}
	ff_free(key);
	return used;
}

static void hold(struct act_execution *execution)
{
	struct act_supply *inputs = execution->inputs;
	struct held *held = ff_xcalloc(1, sizeof(*held));

	held->host = execution->host->number;
	held->to = ff_xstrdup(inputs->to);
	held->cleanup = execution->act->plan->jobs[execution->job].config->inputs.cleanup;
	for (size_t i = 0; i < inputs->found.find.paths.len; i++) {
		const char *path = inputs->found.find.paths.v[i];
		struct used *used = used_of(inputs->known, held->host, held->to, path);

		ff_strv_add(&held->paths, path);
		used->users++;
		used->kept = used->kept || !held->cleanup;
	}
	if (ff_map_set_u32(&inputs->known->held, execution->number, held))
		abort();
}

static void free_held(struct held *held)
{
	ff_strv_release(&held->paths);
	ff_free(held->to);
	ff_free(held);
}

/* Whether it is to go. */
static bool let_go(struct act_supply_known *known, const struct held *held, const char *path)
{
	char *key = key_of(held->host, held->to, path);
	struct used *used = ff_map_get(&known->used, key);
	bool goes = false;

	if (used && --used->users == 0) {
		goes = used->ours && !used->kept;
		ff_free(ff_map_del(&known->used, key));
	}
	ff_free(key);
	return goes;
}

void ff_act_supply_brought(struct ff_act *act, uint32_t execution, uint32_t host, const char *to,
			   const struct ff_map *paths)
{
	struct act_supply_known *known = known_of(act);
	struct held *held = ff_map_get_u32(&known->held, execution);
	const char *path;
	size_t cursor = 0;

	if (!held) {
		held = ff_xcalloc(1, sizeof(*held));
		held->host = host;
		held->to = ff_xstrdup(to);
		if (ff_map_set_u32(&known->held, execution, held))
			abort();
	}
	while (ff_map_next(paths, &cursor, &path, NULL)) {
		struct used *used = used_of(known, host, held->to, path);

		ff_strv_add(&held->paths, path);
		used->users++;
		used->ours = true;
	}
}

/* Nothing waits for it; what it can't do stays. */
static void send_remove(struct act_host *host, const char *to, const struct ff_strv *paths)
{
	struct ff_value *values = ff_xcalloc(paths->len, sizeof(*values));
	struct ff_value kwargs[] = {ff_str("root"),   ff_str(to),
				    ff_str("remove"), ff_collection(FF_LIST, values, paths->len),
				    ff_str("after"),  ff_int(host->removal)};
	struct ff_task task = {.call_name = "put", .kwargs = ff_collection(FF_DICT, kwargs, 3)};
	struct ff_channel *channel;

	for (size_t i = 0; i < paths->len; i++)
		values[i] = ff_bytes(paths->v[i], strlen(paths->v[i]));
	if (!ff_gateway_is_native(host->foreman))
		task.source = ff_bootstrap_source("put");
	channel = ff_gateway_remote_exec(host->foreman, &task, NULL);
	if (channel) {
		host->removal = ff_channel_id(channel);
		ff_channel_unref(channel);
	}
	ff_free(values);
}

void ff_act_supply_clean(struct ff_act *act, const struct ff_order *order)
{
	struct act_host *host = &act->hosts[order->host];
	struct held *held =
		act->inputs ? ff_map_del_u32(&act->inputs->held, order->execution) : NULL;
	struct ff_strv paths = FF_STRV_INIT;

	if (!held)
		return;
	for (size_t i = 0; i < held->paths.len; i++)
		if (let_go(act->inputs, held, held->paths.v[i]))
			ff_strv_add(&paths, held->paths.v[i]);
	if (paths.len > 0 && ff_act_host_open(host) && host->tries == order->tries)
		send_remove(host, held->to, &paths);
	ff_strv_release(&paths);
	free_held(held);
}

/* --- sending --- */

static struct ff_value list_of(struct act_supply *inputs)
{
	size_t len = inputs->found.find.paths.len;
	struct ff_value *files = ff_arena_alloc(&inputs->arena, (len + 1) * sizeof(*files));
	struct ff_value *parts = ff_arena_alloc(&inputs->arena, (4 * len + 1) * sizeof(*parts));

	if (!files || !parts)
		abort();
	for (size_t i = 0; i < len; i++, parts += 4) {
		const char *path = inputs->found.find.paths.v[i];
		const struct ff_supply_file *file = &inputs->found.files[i];

		parts[0] = ff_bytes(path, strlen(path));
		parts[1] = ff_int(file->size);
		parts[2] = ff_bool(file->executable);
		parts[3] = ff_bytes(inputs->md5 ? file->md5 : file->xxh3, FF_RSYNC_DIGEST);
		files[i] = ff_collection(FF_TUPLE, parts, 4);
	}
	return ff_collection(FF_LIST, files, len);
}

struct ff_channel *ff_act_supply_send(struct act_execution *execution, struct ff_err *err)
{
	struct act_supply *inputs = execution->inputs;
	struct ff_value kwargs[] = {ff_str("root"),  ff_str(inputs->to),
				    ff_str("files"), list_of(inputs),
				    ff_str("after"), ff_int(execution->host->removal)};
	struct ff_task task = {.call_name = "put", .kwargs = ff_collection(FF_DICT, kwargs, 3)};

	if (inputs->md5)
		task.source = ff_bootstrap_source("put");
	hold(execution);
	return ff_gateway_remote_exec(execution->host->foreman, &task, err);
}

int ff_act_supply_item(struct act_execution *execution, const struct ff_value *item)
{
	struct act_supply *inputs = execution->inputs;
	const struct ff_value *wanted = ff_at(item, 1);
	struct ff_strv paths = FF_STRV_INIT;
	int64_t before = -1;

	if (inputs->asked || !ff_is_str(ff_at(item, 0), "want") || wanted->kind != FF_LIST)
		return FF_EPROTO;
	for (size_t i = 0; i < wanted->len; i++) {
		int64_t number = ff_as_int(ff_at(wanted, i), -1);

		if (number <= before || number >= (int64_t)inputs->found.find.paths.len) {
			ff_strv_release(&paths);
			return FF_EPROTO;
		}
		ff_strv_add(&paths, inputs->found.find.paths.v[number]);
		used_of(inputs->known, execution->host->number, inputs->to,
			inputs->found.find.paths.v[number])
			->ours = true;
		before = number;
	}
	inputs->asked = true;
	if (paths.len > 0)
		inputs->send = ff_fetch_send_these(execution->channel, inputs->root, &paths,
						   inputs->md5 ? &ff_md5_calls : NULL);
	ff_strv_release(&paths);
	if (inputs->send)
		ff_fetch_send_go(inputs->send); /* last: it may come to the channel's end */
	return 0;
}

bool ff_act_supply_sent(struct act_execution *execution)
{
	struct act_supply *inputs = execution->inputs;

	if (inputs->send)
		ff_fetch_send_free(inputs->send);
	inputs->send = NULL;
	return inputs->asked;
}

void ff_act_supply_note(struct act_execution *execution)
{
	const struct act_supply *inputs = execution->inputs;
	const struct ff_plan_job *job = &execution->act->plan->jobs[execution->job];
	char *name;

	if (!inputs->known->note || execution->discovers)
		return;
	name = ff_supply_unit_name(job, execution->unit, execution->name);
	ff_supply_note_add(inputs->known->note, job->config->name, name, &inputs->found);
	ff_free(name);
}

void ff_act_supply_end(struct ff_act *act)
{
	struct act_supply_known *known = act->inputs;
	struct ff_list *pos, *tmp;
	size_t cursor = 0;
	void *value;

	if (!known)
		return;
	ff_list_for_each_safe(pos, tmp, &act->all_executions) {
		struct act_execution *execution = ff_container_of(pos, struct act_execution, node);

		if (execution->inputs && execution->inputs->looks)
			ff_act_execution_free(execution);
	}
	while (known->threads > 0)
		ff_loop_run_once(act->opts.loop, FF_NEVER_US);
	while (ff_map_next(&known->held, &cursor, NULL, &value))
		free_held(value);
	ff_map_release(&known->held);
	for (cursor = 0; ff_map_next(&known->used, &cursor, NULL, &value);)
		ff_free(value);
	ff_map_release(&known->used);
	ff_supply_note_free(known->note);
	ff_supply_cache_free(known->cache);
	ff_free(known);
	act->inputs = NULL;
}
