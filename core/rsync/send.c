/* The sender's side of the conversation: targets come, answer, and are done. */
#include "rsync/sender.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/opts.h"
#include "base/alloc.h"

struct ff_rsync *ff_rsync_new(struct ff_tree *tree)
{
	struct ff_rsync *rsync = ff_calloc(1, sizeof(*rsync));
	size_t words = tree->len / 64 + 1;

	if (!rsync)
		return NULL;
	ff_list_init(&rsync->targets);
	ff_buf_init(&rsync->manifest, FF_RSYNC_MANIFEST_MAX);
	rsync->changed = ff_calloc(words, sizeof(*rsync->changed));
	if (!rsync->changed || ff_tree_pack(tree, &rsync->manifest)) {
		ff_free(rsync->changed);
		ff_buf_release(&rsync->manifest);
		ff_free(rsync);
		return NULL;
	}
	/* If this fails, whoever adds a target is told. */
	rsync->root_fd = open(tree->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < tree->len; i++) {
		rsync->files += tree->entries[i].kind == FF_TREE_FILE;
		rsync->linked |= tree->entries[i].same_as != 0;
	}
	rsync->scanned = rsync->told = tree->faults.len;
	for (size_t i = 0; i < rsync->scanned; i++)
		if (tree->faults.v[i].index)
			(void)ff_map_set_u32(&rsync->given_up, tree->faults.v[i].index, rsync);
	rsync->tree = *tree;
	*tree = (struct ff_tree){.arena = FF_ARENA_INIT};
	return rsync;
}

static void free_target(struct ff_rsync_target *target)
{
	ff_free(target->asked);
	ff_free(target->want);
	ff_buf_release(&target->touch);
	ff_buf_release(&target->keep);
	ff_free(target->gone);
	ff_free(target->stale);
	ff_free(target);
}

/* Lets go of the channel. Its end marker may come meanwhile, or later. */
static void hang_up(struct ff_rsync_target *target, const char *error)
{
	struct ff_channel *channel = target->channel;

	target->channel = NULL;
	ff_channel_set_drain(channel, NULL, NULL);
	ff_channel_close(channel, error);
	ff_channel_unref(channel);
}

void ff_rsync_free(struct ff_rsync *rsync)
{
	struct ff_list *pos, *tmp;

	if (!rsync)
		return;
	ff_list_for_each_safe(pos, tmp, &rsync->targets) {
		struct ff_rsync_target *target = ff_container_of(pos, struct ff_rsync_target, node);

		ff_list_del(&target->node);
		target->rsync = NULL;
		if (target->channel_ended)
			free_target(target);
		else if (target->channel)
			hang_up(target, "the sync was abandoned"); /* frees it, now or later */
	}
	ff_window_release(&rsync->window);
	ff_buf_release(&rsync->payload);
	ff_buf_release(&rsync->manifest);
	ff_free(rsync->changed);
	ff_map_release(&rsync->given_up);
	ff_map_release(&rsync->untouched);
	for (size_t i = 0; i < FF_DIGESTS; i++) {
		ff_free(rsync->digests[i].v);
		ff_free(rsync->digests[i].have);
	}
	if (rsync->root_fd >= 0)
		close(rsync->root_fd);
	ff_tree_release(&rsync->tree);
	ff_free(rsync);
}

static void tell(struct ff_rsync_target *target, const struct ff_sync_fault *problem)
{
	target->stats.problems++;
	if (target->events.problem)
		target->events.problem(target, problem, target->ctx);
}

/* A file that was wanted and could not be read, with what that means for this target. */
static void tell_gone(struct ff_rsync_target *target, const struct ff_sync_fault *problem,
		      bool done)
{
	bool stale = target->stale && ff_bit(target->stale, problem->index);
	struct ff_sync_fault told = *problem;
	char reason[256];

	snprintf(reason, sizeof(reason), "%s (%s)", problem->reason,
		 stale ? "an older copy stays there" : "it is missing there");
	if (done)
		told.reason = reason;
	tell(target, &told);
}

/* What the source could not give this target. `done`: the target has said what it has. */
static void tell_source(struct ff_rsync_target *target, bool done)
{
	const struct ff_tree *tree = &target->rsync->tree;

	for (size_t i = 0; i < tree->faults.len; i++) {
		const struct ff_sync_fault *problem = &tree->faults.v[i];
		const struct ff_tree_entry *entry = &tree->entries[problem->index];
		uint32_t first = entry->same_as ? entry->same_as : problem->index;

		if (problem->kind == FF_SYNC_TARGET)
			continue;
		if (first && target->gone && ff_bit(target->gone, first))
			tell_gone(target, problem, done);
		else if (i < target->rsync->scanned)
			tell(target, problem);
	}
}

static void fail_first(struct ff_rsync_target *target, const struct ff_err *err)
{
	struct ff_gateway *gateway = ff_channel_gateway(target->channel);

	target->rsync->failure = *err;
	if (gateway)
		ff_err_prefix(&target->rsync->failure, "%s: ", ff_gateway_id(gateway));
}

/* The last thing to be done with a target: the callee may free it. */
static void finish(struct ff_rsync_target *target, const struct ff_err *err)
{
	struct ff_err ok = {0};

	if (err)
		tell_source(target, false);
	target->rsync->unfinished--;
	if (err && !target->rsync->failure.code)
		fail_first(target, err);
	hang_up(target, err ? err->text : NULL);
	if (target->events.finished)
		target->events.finished(target, &target->stats, err ? err : &ok, target->ctx);
}

/* --- what a target says --- */

static int check_index(struct ff_rsync_target *target, uint32_t index, struct ff_err *err)
{
	const struct ff_tree *tree = &target->rsync->tree;

	if (index >= tree->len || tree->entries[index].kind != FF_TREE_FILE)
		return ff_err_set(err, FF_EPROTO, "sync: the receiver wants %u, which is no file",
				  index);
	if (ff_bit(target->asked, index) || target->lists_complete)
		return ff_err_set(err, FF_EPROTO, "sync: the receiver asks again for %s",
				  tree->entries[index].path);
	ff_bit_set(target->asked, index);
	return 0;
}

static int on_need(struct ff_rsync_target *target, const struct ff_value *list, struct ff_err *err)
{
	const uint8_t *at = (const uint8_t *)list->text;
	int rc = 0;

	if (list->kind == FF_NONE) {
		target->lists_complete = true;
		return 0;
	}
	if (list->kind != FF_BYTES || list->len % 4)
		return ff_err_set(err, FF_EPROTO, "sync: bad list from the receiver");
	for (uint32_t i = 0; !rc && i < list->len; i += 4) {
		rc = check_index(target, (uint32_t)ff_get_be(at + i, 4), err);
		if (!rc)
			ff_target_want(target, (uint32_t)ff_get_be(at + i, 4));
	}
	return rc;
}

static int on_digest(struct ff_rsync_target *target, const char *alg, const uint8_t *at,
		     struct ff_err *err)
{
	uint32_t index = (uint32_t)ff_get_be(at, 4);
	int rc = check_index(target, index, err), same;

	if (rc)
		return rc;
	same = ff_source_same(target->rsync, index, alg, at + 4);
	if (!same) {
		ff_target_want(target, index);
		return 0;
	}
	if (same == FF_ENOMEM)
		rc = same;
	else
		rc = ff_target_touch(target, index, same > 0 ? FF_RSYNC_TOUCH : FF_RSYNC_GONE);
	return rc ? ff_err_set(err, rc, "%s", ff_err_text(rc)) : 0;
}

static int on_hash(struct ff_rsync_target *target, const struct ff_value *alg,
		   const struct ff_value *list, struct ff_err *err)
{
	const uint8_t *at = (const uint8_t *)list->text;
	int rc = 0;

	if (alg->kind != FF_STR || list->kind != FF_BYTES || list->len % FF_RSYNC_HASHED)
		return ff_err_set(err, FF_EPROTO, "sync: bad list from the receiver");
	for (uint32_t i = 0; !rc && i < list->len; i += FF_RSYNC_HASHED)
		rc = on_digest(target, alg->text, at + i, err);
	return rc;
}

/* "path: reason", of which the reason has no ": ". */
static void on_problem(struct ff_rsync_target *target, const char *line)
{
	const char *id = ff_gateway_id(ff_channel_gateway(target->channel));
	struct ff_sync_fault problem = {.kind = FF_SYNC_TARGET};
	char path[2 * FF_TREE_PATH_MAX], named[2 * FF_TREE_PATH_MAX + 256], *reason = NULL;

	snprintf(path, sizeof(path), "%s", line);
	for (char *at = path; (at = strstr(at, ": ")); at += 2)
		reason = at;
	if (reason) {
		*reason = 0;
		reason += 2;
	}
	problem.path = path;
	problem.reason = reason ? reason : path;
	tell(target, &problem);
	snprintf(named, sizeof(named), "%s: %s", id, path);
	ff_tree_fault(&target->rsync->tree, FF_SYNC_TARGET, 0, named, problem.reason);
}

/* u32 indexes of what was wanted in vain and has an older copy there. */
static void on_stale(struct ff_rsync_target *target, const struct ff_value *list)
{
	const struct ff_tree *tree = &target->rsync->tree;

	if (!list || list->kind != FF_BYTES)
		return;
	target->stale = ff_calloc(tree->len / 64 + 1, sizeof(*target->stale));
	for (size_t i = 0; target->stale && i + 4 <= list->len; i += 4) {
		uint32_t index = (uint32_t)ff_get_be((const uint8_t *)list->text + i, 4);

		if (index < tree->len)
			ff_bit_set(target->stale, index);
	}
}

static int on_done(struct ff_rsync_target *target, const struct ff_value *answer,
		   struct ff_err *err)
{
	const struct ff_value *problems = ff_dict_get(answer, "problems"), *line;

	if (!target->end_sent || answer->kind != FF_DICT)
		return ff_err_set(err, FF_EPROTO, "sync: the receiver was done before the sender");
	target->stats.deleted = (uint64_t)ff_dict_int(answer, "deleted", 0);
	snprintf(target->stats.root, sizeof(target->stats.root), "%s",
		 ff_dict_str(answer, "root", ""));
	on_stale(target, ff_dict_get(answer, "stale"));
	tell_source(target, true);
	for (size_t i = 0; problems && i < FF_RSYNC_PROBLEMS_MAX; i++) {
		line = ff_at(problems, i);
		if (!line)
			break;
		on_problem(target, ff_as_str(line, "?"));
	}
	return 0;
}

static int on_old(struct ff_rsync_target *target, const struct ff_value *list, struct ff_err *err)
{
	if (list->kind != FF_BYTES || target->lists_complete)
		return ff_err_set(err, FF_EPROTO, "sync: bad list from the receiver");
	return ff_target_old(target, list->text, list->len, err);
}

static int on_item(struct ff_rsync_target *target, const struct ff_value *item, bool *done,
		   struct ff_err *err)
{
	const struct ff_value *name = ff_at(item, 0), *second = ff_at(item, 1);

	if (name && second && item->len == 2) {
		if (ff_is_str(name, "need"))
			return on_need(target, second, err);
		if (ff_is_str(name, "old"))
			return on_old(target, second, err);
		if (ff_is_str(name, "busy"))
			return ff_err_set(err, FF_EBUSY, "%s", ff_as_str(second, "dest is locked"));
		if (ff_is_str(name, "done")) {
			*done = true;
			return on_done(target, second, err);
		}
	}
	if (name && second && item->len == 3 && ff_is_str(name, "hash"))
		return on_hash(target, second, ff_at(item, 2), err);
	return ff_err_set(err, FF_EPROTO, "sync: unexpected item from the receiver");
}

static void on_end(struct ff_rsync_target *target)
{
	struct ff_gateway *gateway = ff_channel_gateway(target->channel);
	const char *error = ff_channel_error(target->channel);
	const struct ff_err *lost = gateway ? ff_gateway_error(gateway) : NULL;
	struct ff_err err = {0};

	if (error)
		ff_err_set(&err, FF_EREMOTE, "%s", error);
	else if (!gateway || ff_gateway_state(gateway) == FF_GATEWAY_CLOSED)
		ff_err_set(&err, FF_ELOST, "%s",
			   lost && lost->code ? lost->text
					      : "the connection ended during the sync");
	else
		ff_err_set(&err, FF_EPROTO, "sync: the receiver left before the end");
	finish(target, &err);
}

static void on_channel(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_rsync_target *target = ctx;
	struct ff_err err = {0};
	bool done = false;
	int rc;

	if (!item) {
		target->channel_ended = true;
		if (!target->rsync)
			free_target(target);
		else if (target->channel)
			on_end(target);
		return;
	}
	if (!target->rsync || !target->channel)
		return;
	rc = on_item(target, &item->value, &done, &err);
	if (!rc && !done)
		rc = ff_target_pump(target, &err);
	if (rc || done)
		finish(target, rc ? &err : NULL);
}

static void on_drain(struct ff_channel *channel, void *ctx)
{
	struct ff_rsync_target *target = ctx;
	struct ff_err err = {0};

	/* A channel that ended tells so itself, and why. */
	if (target->channel && ff_channel_writable(channel) && ff_target_pump(target, &err))
		finish(target, &err);
}

/* --- targets --- */

static struct ff_channel *start(const struct ff_tree *tree, struct ff_gateway *gateway,
				const struct ff_rsync_target_opts *opts, struct ff_err *err)
{
	struct ff_value kwargs[] = {
		ff_str("dest"),	   ff_str(opts->dest),
		ff_str("delete"),  ff_bool(opts->remove),
		ff_str("version"), ff_int(FF_RSYNC_VERSION),
		ff_str("owner"),   ff_str(opts->owner ? opts->owner : ""),
		ff_str("holder"),  ff_str(opts->holder ? opts->holder : ""),
	};
	struct ff_value single[] = {kwargs[0], kwargs[1],	 kwargs[4],
				    kwargs[5], ff_str("single"), ff_bool(true)};
	struct ff_task task = FF_TASK_INIT;

	if (opts->task)
		ff_opts_copy(&task, sizeof(task), opts->task,
			     FF_OPTS_UNTIL(struct ff_task, kwargs));
	else if (ff_group_builtin(gateway, "rsync", &task, err))
		return NULL;
	task.size = sizeof(task);
	task.kwargs = tree->single ? ff_collection(FF_DICT, single, 3)
				   : ff_collection(FF_DICT, kwargs, opts->owner ? 5 : 3);
	return ff_gateway_remote_exec(gateway, &task, err);
}

struct ff_rsync_target *ff_rsync_add_target(struct ff_rsync *rsync, struct ff_gateway *gateway,
					    const struct ff_rsync_target_opts *given,
					    struct ff_err *err)
{
	struct ff_rsync_target_opts all, *opts = &all;
	struct ff_rsync_target *target;
	size_t words = rsync->tree.len / 64 + 1;

	ff_opts_copy(&all, sizeof(all), given, FF_OPTS_UNTIL(struct ff_rsync_target_opts, holder));
	if (rsync->root_fd < 0) {
		ff_err_set(err, FF_ESYS, "%s: cannot be read any more", rsync->tree.root);
		return NULL;
	}
	target = ff_calloc(1, sizeof(*target));
	if (target) {
		target->asked = ff_calloc(words, sizeof(*target->asked));
		target->want = ff_calloc(words, sizeof(*target->want));
	}
	if (!target || !target->asked || !target->want) {
		ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
		goto fail;
	}
	if (opts->events)
		ff_opts_copy(&target->events, sizeof(target->events), opts->events,
			     FF_OPTS_UNTIL(struct ff_rsync_events, problem));
	target->ctx = opts->ctx;
	target->stats.files = rsync->files;
	target->channel = start(&rsync->tree, gateway, opts, err);
	if (!target->channel)
		goto fail;
	/* From here on the channel's end marker frees it. */
	target->next = rsync->window.tail;
	if (ff_channel_set_callback(target->channel, on_channel, target) ||
	    (target->rsync = rsync, ff_target_pump(target, err))) {
		target->rsync = NULL;
		hang_up(target, "the sync was abandoned");
		return NULL;
	}
	ff_list_add_tail(&rsync->targets, &target->node);
	rsync->unfinished++;
	rsync->added++;
	rsync->group = ff_gateway_group(gateway);
	ff_channel_set_drain(target->channel, on_drain, target);
	return target;
fail:
	if (target)
		free_target(target);
	return NULL;
}

void *ff_rsync_target_ctx(const struct ff_rsync_target *target)
{
	return target->ctx;
}

const struct ff_strv *ff_rsync_problems(const struct ff_rsync *rsync)
{
	return &rsync->tree.problems;
}

const struct ff_sync_fault *ff_rsync_fault(const struct ff_rsync *rsync, size_t i)
{
	return i < rsync->tree.faults.len ? &rsync->tree.faults.v[i] : NULL;
}

bool ff_rsync_done(const struct ff_rsync *rsync)
{
	return !rsync->unfinished;
}
