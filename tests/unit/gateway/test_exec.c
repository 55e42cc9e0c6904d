/* Forms of remote_exec: one shot, as a call, on a group; rinfo; what is traced of all that. */
#include "pair.h"

#include "base/log.h"
#include "gateway/exec.h"

static void send_maybe(struct ff_channel *channel, int64_t n)
{
	const struct ff_value value = ff_int(n);

	ff_channel_send(channel, &value, NULL);
}

/* Sends as many items as the source says, then ends as kwargs say. */
static void count(struct pair *pair, struct ff_channel *channel, const struct ff_value *task)
{
	const struct ff_value *kwargs = ff_at(task, 3);
	int64_t n = strtol(ff_as_str(ff_at(task, 0), "0"), NULL, 10);

	for (int64_t i = 0; i < n; i++)
		send_maybe(channel, i);
	if (!ff_dict_bool(kwargs, "hang", false))
		ff_channel_close(channel, ff_dict_str(kwargs, "error", NULL));
	else
		pair->executed = ff_channel_ref(channel);
}

static struct ff_task task_with(const char *source, struct ff_value kwargs[2])
{
	struct ff_task task = {.source = source};

	if (kwargs)
		task.kwargs = ff_collection(FF_DICT, kwargs, 1);
	return task;
}

static void collects(void **state)
{
	struct ff_task task = task_with("3", NULL);
	struct ff_items items = FF_ITEMS_INIT;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 6);
	pair.perform = count;
	assert_int_equal(ff_exec_collect(pair.a, &task, -1, &items, &err), 0);
	assert_int_equal(items.len, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ff_as_int(&items.v[i].value, -1), i);
	ff_items_release(&items);
	task.source = "100";
	assert_int_equal(ff_exec_collect(pair.a, &task, -1, &items, &err), 0);
	assert_int_equal(items.len, 100);
	ff_items_release(&items);
	task.source = "0";
	assert_int_equal(ff_exec_collect(pair.a, &task, -1, &items, &err), 0);
	assert_int_equal(items.len, 0);
	pair_run(&pair);
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	assert_int_equal(ff_gateway_num_channels(pair.b), 0);
	pair_release(&pair);
}

static void collecting_fails(void **state)
{
	struct ff_value error[] = {ff_str("error"), ff_str("Traceback: x")};
	struct ff_value hang[] = {ff_str("hang"), ff_bool(true)};
	struct ff_items items = FF_ITEMS_INIT;
	struct ff_task task = task_with("2", error);
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 6);
	pair.perform = count;
	assert_int_equal(ff_exec_collect(pair.a, &task, -1, &items, &err), FF_EREMOTE);
	assert_string_equal(err.text, "Traceback: x");
	assert_null(items.v);
	task = task_with("2", hang);
	assert_int_equal(ff_exec_collect(pair.a, &task, 50, &items, &err), FF_ETIMEOUT);
	assert_null(items.v);
	/* The worker hears that nobody waits any more. */
	pair_run(&pair);
	assert_true(ff_channel_isclosed(pair.executed));
	ff_channel_unref(pair.executed);
	pair.executed = NULL;
	pair.budget = 20;
	assert_int_equal(ff_exec_collect(pair.a, &task, -1, &items, &err), FF_ELOST);
	assert_int_equal(ff_exec_collect(pair.a, &task, -1, &items, &err), FF_ECLOSED);
	pair_release(&pair);
}

static int nested;

static void nest(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct ff_items items = FF_ITEMS_INIT;
	struct ff_task task = task_with("1", NULL);

	if (item)
		nested = ff_exec_collect(ff_channel_gateway(channel), &task, -1, &items, NULL);
}

static void collecting_where_one_cannot_wait(void **state)
{
	struct ff_task task = task_with("1", NULL);
	struct ff_items items = FF_ITEMS_INIT;
	struct ff_channel *channel;
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 64);
	channel = pair_start(&pair, "x");
	ff_channel_set_callback(channel, nest, NULL);
	send_int(pair.executed, 1);
	pair_run(&pair);
	assert_int_equal(nested, FF_EDEADLK);
	ff_channel_unref(channel);
	ff_group_remove(pair.group, pair.a);
	assert_int_equal(ff_exec_collect(pair.a, &task, -1, &items, &err), FF_EUNSUPPORTED);
	pair_release(&pair);
}

static void calls(void **state)
{
	struct ff_item result = FF_ITEM_INIT;
	struct ff_task task = task_with("0", NULL);
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 6);
	pair.perform = count;
	assert_int_equal(ff_exec_call(pair.a, &task, -1, &result, &err), 0);
	assert_int_equal(result.value.kind, FF_NONE);
	task.source = "1";
	assert_int_equal(ff_exec_call(pair.a, &task, -1, &result, &err), 0);
	assert_int_equal(ff_as_int(&result.value, -1), 0);
	ff_item_release(&result);
	task.source = "2";
	assert_int_equal(ff_exec_call(pair.a, &task, -1, &result, &err), FF_EPROTO);
	assert_int_equal(result.value.kind, FF_NONE);
	pair_release(&pair);
}

static void collecting_without_memory(void **state)
{
	bool done = false;

	for (size_t nth = 1; !done; nth++) {
		struct ff_items items = FF_ITEMS_INIT;
		struct ff_task task = task_with("20", NULL);
		struct pair pair;
		int rc;

		pair_init(&pair, 4096);
		pair.perform = count;
		ff_alloc_fail_at(nth);
		rc = ff_exec_collect(pair.a, &task, 100, &items, NULL);
		ff_alloc_fail_at(0);
		done = rc == 0;
		if (done)
			assert_int_equal(items.len, 20);
		else
			assert_null(items.v);
		ff_items_release(&items);
		pair_release(&pair);
	}
}

static void groups(void **state)
{
	const struct ff_gateway_opts opts = {.id = "other", .initiator = true};
	struct ff_gateway *other = ff_gateway_new(&opts);
	struct ff_task task = task_with("1", NULL);
	struct ff_multichannel *multi;
	struct ff_group *empty = ff_group_new(NULL, NULL);
	struct pair pair;
	struct ff_err err;

	pair_init(&pair, 64);
	multi = ff_exec_group(empty, &task, &err);
	assert_int_equal(ff_multichannel_len(multi), 0);
	ff_multichannel_free(multi);
	ff_group_free(empty);

	assert_int_equal(ff_group_add(pair.group, other, NULL), 0);
	ff_gateway_opened(other);
	multi = ff_exec_group(pair.group, &task, &err);
	assert_non_null(multi);
	assert_int_equal(ff_multichannel_len(multi), 2);
	assert_ptr_equal(ff_channel_gateway(ff_multichannel_at(multi, 0)), pair.a);
	assert_ptr_equal(ff_channel_gateway(ff_multichannel_at(multi, 1)), other);
	pair_run(&pair);
	assert_string_equal(pair.task, "1");
	ff_multichannel_free(multi);

	ff_gateway_lost(other, NULL);
	pair_run(&pair);
	assert_null(ff_exec_group(pair.group, &task, &err));
	assert_int_equal(err.code, FF_ECLOSED);
	assert_non_null(strstr(err.text, "other"));
	assert_int_equal(ff_gateway_num_channels(pair.a), 0);
	ff_gateway_free(other);
	pair_release(&pair);
}

static unsigned asked;

static void tell_info(struct pair *pair, struct ff_channel *channel, const struct ff_value *task)
{
	struct ff_value pid[] = {ff_str("pid"), ff_int(1000 + asked++)};
	struct ff_value info = asked < 3 ? ff_collection(FF_DICT, pid, 1) : ff_str("me");

	assert_true(ff_is_str(ff_at(task, 2), "info"));
	assert_non_null(strstr(ff_as_str(ff_at(task, 0), ""), "def info(channel)"));
	assert_int_equal(ff_channel_send(channel, &info, NULL), 0);
	ff_channel_close(channel, NULL);
}

static void rinfo_is_kept(void **state)
{
	const struct ff_value *info;
	struct pair pair;
	struct ff_err err;

	asked = 0;
	pair_init(&pair, 64);
	pair.perform = tell_info;
	info = ff_gateway_rinfo(pair.a, false, -1, &err);
	assert_int_equal(ff_dict_int(info, "pid", 0), 1000);
	assert_ptr_equal(ff_gateway_rinfo(pair.a, false, -1, &err), info);
	assert_int_equal(asked, 1);
	info = ff_gateway_rinfo(pair.a, true, -1, &err);
	assert_int_equal(ff_dict_int(info, "pid", 0), 1001);
	assert_null(ff_gateway_rinfo(pair.a, true, -1, &err));
	assert_int_equal(err.code, FF_EPROTO);
	/* What was known stays known. */
	info = ff_gateway_rinfo(pair.a, false, -1, &err);
	assert_int_equal(ff_dict_int(info, "pid", 0), 1001);
	pair_release(&pair);
}

static void on_trace(void *ctx, const char *text)
{
	char *all = ctx;
	size_t len = strlen(all);

	snprintf(all + len, 4096 - len, "%s\n", text);
}

static void frames_are_traced(void **state)
{
	struct ff_task task = task_with("1", NULL);
	struct ff_items items = FF_ITEMS_INIT;
	char all[4096] = "";
	struct pair pair;

	pair_init(&pair, 5);
	pair.perform = count;
	ff_log_set(on_trace, all);
	assert_int_equal(ff_exec_collect(pair.a, &task, -1, &items, NULL), 0);
	ff_log_set(NULL, NULL);
	ff_items_release(&items);
	assert_non_null(strstr(all, "gw0 -> CHANNEL_EXEC 1 (15 bytes)\n"));
	assert_non_null(strstr(all, "worker <- CHANNEL_EXEC 1 (15 bytes)\n"));
	assert_non_null(strstr(all, "worker -> CHANNEL_DATA 1 (6 bytes)\n"));
	assert_non_null(strstr(all, "worker -> CHANNEL_CLOSE 1 (0 bytes)\n"));
	assert_non_null(strstr(all, "gw0 <- CHANNEL_DATA 1 (6 bytes)\n"));
	assert_non_null(strstr(all, "gw0/1: opened -> closed (CLOSE)\n"));
	pair_release(&pair);
}

static void carriers_know_their_own(void **state)
{
	static const struct ff_gateway_ops mine, others = {.closed = pair_closed_a};
	int ctx;
	const struct ff_gateway_opts opts = {.id = "x", .ops = &mine, .ctx = &ctx};
	struct ff_gateway *gateway = ff_gateway_new(&opts);

	assert_ptr_equal(ff_gateway_ctx(gateway, &mine), &ctx);
	assert_null(ff_gateway_ctx(gateway, &others));
	ff_gateway_free(gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collects),
		cmocka_unit_test(collecting_fails),
		cmocka_unit_test(collecting_where_one_cannot_wait),
		cmocka_unit_test(collecting_without_memory),
		cmocka_unit_test(calls),
		cmocka_unit_test(groups),
		cmocka_unit_test(rinfo_is_kept),
		cmocka_unit_test(frames_are_traced),
		cmocka_unit_test(carriers_know_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
