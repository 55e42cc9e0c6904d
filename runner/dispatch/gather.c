/* `farflung fetch`: files of each host's are brought here as soon as it is there. */
#include <string.h>

#include "base/alloc.h"
#include "dispatch/round.h"
#include "report/name.h"
#include "rsync/fetch.h"
#include "rsync/hash.h"
#include "transport/open.h"
#include "worker/bootstrap.h"

struct one {
	struct gather *gather;
	size_t number; /* in the round */
	struct ff_channel *channel;
	struct ff_fetch *files;
	bool done; /* its last item came */
};

struct gather {
	struct ff_round round;
	const struct ff_gather_opts *opts;
	struct ff_strv patterns; /* as the host is told them */
	bool absolute;
	struct one *ones;
	void (*each)(void *ctx, const struct ff_gather_result *result);
	void *ctx;
	int code;
};

static bool runs(const struct one *one)
{
	return one->gather->round.states[one->number] == FF_ROUND_RUNS;
}

static void end(struct one *one, enum ff_exec_end how, const char *message)
{
	struct gather *gather = one->gather;
	struct ff_gather_result result = {
		.host = gather->round.hosts[one->number], .end = how, .message = message};

	ff_round_ended(&gather->round, one->number);
	if (one->files) {
		const struct ff_fetch_stats *stats = ff_fetch_stats(one->files);

		result.files = stats->files;
		result.bytes = stats->bytes;
		result.missing = stats->missing.v;
		result.missing_len = stats->missing.len;
		result.refused = stats->refused.v;
		result.refused_len = stats->refused.len;
	}
	if (how == FF_EXEC_UNREACHED || how == FF_EXEC_LOST)
		gather->code = FF_EXIT_INFRA;
	else if (how == FF_EXEC_FAILED && gather->code == FF_EXIT_OK)
		gather->code = FF_EXIT_FAILED;
	gather->each(gather->ctx, &result);
	ff_fetch_free(one->files);
	one->files = NULL;
}

/* --- what comes --- */

static void take_item(struct one *one, const struct ff_item *item)
{
	struct ff_err err = {0};
	int rc = ff_fetch_item(one->files, &item->value, &err);

	one->done = rc > 0;
	if (rc >= 0)
		return;
	end(one, FF_EXEC_FAILED, err.text);
	ff_channel_close(one->channel, NULL);
}

static void end_well(struct one *one)
{
	const struct ff_strv *refused = &ff_fetch_stats(one->files)->refused;

	if (refused->len)
		end(one, FF_EXEC_FAILED, "not all of it could be brought");
	else
		end(one, FF_EXEC_PASSED, NULL);
}

static void on_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct one *one = ctx;
	const char *error;

	if (item) {
		if (runs(one) && !one->done)
			take_item(one, item);
		return;
	}
	error = ff_channel_error(channel);
	if (runs(one) && one->done)
		end_well(one);
	else if (runs(one) && ff_gateway_state(ff_channel_gateway(channel)) == FF_GATEWAY_OPEN)
		end(one, FF_EXEC_FAILED, error ? error : "ended without a word");
	else if (runs(one))
		end(one, FF_EXEC_LOST, error ? error : "the connection was lost");
	one->channel = NULL;
	ff_channel_unref(channel);
}

/* --- starting --- */

static char *folder_of(const struct one *one)
{
	const struct gather *gather = one->gather;
	struct ff_buf folder = FF_BUF_INIT;

	ff_buf_addf(&folder, "%s/", gather->opts->folder);
	ff_name_add(&folder, gather->round.hosts[one->number]->name);
	return ff_buf_take(&folder);
}

static struct ff_channel *ask(struct one *one, struct ff_gateway *foreman, struct ff_err *err)
{
	const struct gather *gather = one->gather;
	struct ff_value *paths = ff_xcalloc(gather->patterns.len + 1, sizeof(*paths));
	struct ff_value kwargs[] = {
		ff_str("root"),
		ff_str(gather->absolute ? "/" : ff_gateway_cwd(foreman)),
		ff_str("paths"),
		ff_collection(FF_LIST, paths, gather->patterns.len),
	};
	struct ff_task task = {.call_name = "fetch", .kwargs = ff_collection(FF_DICT, kwargs, 2)};
	struct ff_channel *channel;

	for (size_t i = 0; i < gather->patterns.len; i++)
		paths[i] = ff_str(gather->patterns.v[i]);
	if (!ff_gateway_is_native(foreman))
		task.source = ff_bootstrap_source("fetch");
	channel = ff_gateway_remote_exec(foreman, &task, err);
	ff_free(paths);
	return channel;
}

static void start(void *ctx, size_t number, struct ff_gateway *foreman)
{
	struct one *one = &((struct gather *)ctx)->ones[number];
	char *folder = folder_of(one);
	struct ff_err err = {0};

	one->files = ff_fetch_new(folder, &ff_md5_calls);
	ff_fetch_keep(one->files);
	ff_free(folder);
	one->channel = ask(one, foreman, &err);
	if (!one->channel)
		end(one, FF_EXEC_LOST, err.text);
	else if (ff_channel_set_callback(one->channel, on_item, one) < 0)
		end(one, FF_EXEC_FAILED, "out of memory");
}

static void unreached(void *ctx, size_t number, const char *error)
{
	end(&((struct gather *)ctx)->ones[number], FF_EXEC_UNREACHED, error);
}

static void stop(void *ctx, size_t number)
{
	struct one *one = &((struct gather *)ctx)->ones[number];

	end(one, FF_EXEC_STOPPED, "interrupted");
	if (one->channel)
		ff_channel_close(one->channel, NULL);
}

static const struct ff_round_calls calls = {start, unreached, stop};

int ff_dispatch_gather(const struct ff_run_opts *opts, const struct ff_gather_opts *gather_opts,
		       void (*each)(void *ctx, const struct ff_gather_result *result), void *ctx)
{
	struct gather gather = {.opts = gather_opts, .each = each, .ctx = ctx, .code = FF_EXIT_OK};
	struct ff_err err = {0};

	gather.round =
		(struct ff_round){.fanout = gather_opts->fanout, .calls = &calls, .ctx = &gather};
	gather.absolute = *gather_opts->patterns[0] == '/';
	if (ff_round_begin(&gather.round, opts, &err))
		return FF_EXIT_INFRA;
	for (char *const *pattern = gather_opts->patterns; *pattern; pattern++)
		ff_strv_add(&gather.patterns, *pattern + strspn(*pattern, "/"));
	gather.ones = ff_xcalloc(gather.round.len + 1, sizeof(*gather.ones));
	for (size_t i = 0; i < gather.round.len; i++)
		gather.ones[i] = (struct one){.gather = &gather, .number = i};
	if (!ff_round_go(&gather.round))
		gather.code = FF_EXIT_INTERRUPTED;
	ff_round_end(&gather.round);
	ff_strv_release(&gather.patterns);
	ff_free(gather.ones);
	return gather.code;
}
