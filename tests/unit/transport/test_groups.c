/* Groups as execnet's users know them: members leave by exit, a default group, models for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "farflung.h"

#define PYTHON "popen//python=/usr/bin/python3"

enum { TIMEOUT_MS = 20000 };

static struct ff_gateway *make(struct ff_group *group, const char *spec)
{
	struct ff_err err = {0};
	struct ff_gateway *gateway = ff_makegateway(group, spec, &err);

	if (!gateway)
		fail_msg("%s", err.text);
	return gateway;
}

static void expect_repr(const struct ff_gateway *gateway, const char *text)
{
	struct ff_buf repr = FF_BUF_INIT;

	assert_int_equal(ff_gateway_repr(gateway, &repr), 0);
	assert_string_equal(ff_buf_str(&repr), text);
	ff_buf_release(&repr);
}

static void expect_model(struct ff_gateway *gateway, const char *model)
{
	struct ff_err err = {0};
	struct ff_channel *status = ff_gateway_remote_status(gateway, &err);
	struct ff_item item = FF_ITEM_INIT;

	assert_non_null(status);
	assert_int_equal(ff_channel_receive(status, TIMEOUT_MS, &item, &err), 0);
	assert_string_equal(ff_dict_str(&item.value, "execmodel", "?"), model);
	ff_item_release(&item);
	ff_channel_unref(status);
}

/* What exits is no member any more, its name is free; it ends with the group all the same. */
static void exit_leaves(void **state)
{
	struct ff_loop *loop = ff_loop_new(NULL);
	struct ff_group *group = ff_open_group(loop, NULL);
	struct ff_gateway *first = make(group, PYTHON), *second = make(group, PYTHON "//id=a");
	int status = -1;

	assert_int_equal(ff_group_len(group), 2);
	ff_gateway_exit(second);
	ff_gateway_exit(second);
	assert_int_equal(ff_group_len(group), 1);
	assert_null(ff_group_get(group, "a"));
	assert_ptr_equal(ff_group_at(group, 0), first);
	assert_null(ff_group_at(group, 1));
	make(group, PYTHON "//id=a");
	assert_int_equal(ff_group_len(group), 2);
	ff_gateway_exit(first);
	assert_string_equal(ff_gateway_id(ff_group_at(group, 0)), "a");
	/* One that is over can be let go at once. */
	while (ff_gateway_state(first) != FF_GATEWAY_CLOSED)
		assert_int_equal(ff_loop_run_once(loop, INT64_MAX), 0);
	assert_true(ff_gateway_wait_status(first, &status));
	assert_int_equal(status, 0);
	ff_open_release(first);
	assert_int_equal(ff_group_terminate(group, TIMEOUT_MS), 0);
	assert_int_equal(ff_group_len(group), 0);
	ff_group_free(group);
	assert_int_equal(ff_loop_free(loop), 0);
}

static void reprs(void **state)
{
	struct ff_loop *loop = ff_loop_new(NULL);
	struct ff_group *group = ff_open_group(loop, NULL);
	struct ff_gateway *gateway = make(group, PYTHON "//id=a//execmodel=main_thread_only");
	struct ff_channel *channel = ff_channel_new(gateway);

	expect_repr(gateway,
		    "<Gateway id='a' receive-live, main_thread_only model, 1 active channels>");
	ff_channel_unref(channel);
	expect_repr(gateway,
		    "<Gateway id='a' receive-live, main_thread_only model, 0 active channels>");
	ff_gateway_exit(gateway);
	while (ff_gateway_state(gateway) != FF_GATEWAY_CLOSED)
		assert_int_equal(ff_loop_run_once(loop, INT64_MAX), 0);
	expect_repr(gateway,
		    "<Gateway id='a' not-receiving, main_thread_only model, 0 active channels>");
	assert_int_equal(ff_group_terminate(group, TIMEOUT_MS), 0);
	ff_group_free(group);
	assert_int_equal(ff_loop_free(loop), 0);
}

static void models(void **state)
{
	struct ff_loop *loop = ff_loop_new(NULL);
	struct ff_group *group = ff_open_group(loop, NULL);
	struct ff_err err = {0};

	assert_string_equal(ff_group_execmodel(group), "thread");
	assert_int_equal(ff_group_set_execmodel(group, "gevent", NULL, &err), FF_EUNSUPPORTED);
	assert_int_equal(ff_group_set_execmodel(group, "nonsense", NULL, &err), FF_EINVAL);
	assert_int_equal(ff_group_set_execmodel(group, "thread", "nonsense", &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "nonsense"));
	assert_int_equal(ff_group_set_execmodel(group, NULL, NULL, &err), FF_EINVAL);
	assert_int_equal(ff_group_set_execmodel(group, "thread", "main_thread_only", &err), 0);
	expect_model(make(group, PYTHON), "main_thread_only");
	expect_model(make(group, PYTHON "//execmodel=thread"), "thread");
	assert_int_equal(ff_group_set_execmodel(group, "thread", NULL, &err), FF_EEXISTS);
	assert_int_equal(ff_group_terminate(group, TIMEOUT_MS), 0);
	assert_int_equal(ff_group_set_execmodel(group, "thread", NULL, &err), 0);
	assert_string_equal(ff_group_execmodel(group), "thread");
	ff_group_free(group);
	assert_int_equal(ff_loop_free(loop), 0);
}

static void the_default_group(void **state)
{
	struct ff_group *group;

	assert_int_equal(ff_default_group_free(0), 0);
	for (int i = 0; i < 2; i++) {
		group = ff_default_group(NULL);
		assert_non_null(group);
		assert_ptr_equal(ff_default_group(NULL), group);
		assert_ptr_equal(ff_gateway_group(make(NULL, PYTHON)), group);
		assert_int_equal(ff_group_len(group), 1);
		expect_model(make(NULL, PYTHON "//via=gw0"), "thread");
		assert_int_equal(ff_default_group_free(TIMEOUT_MS), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_leaves),
		cmocka_unit_test(reprs),
		cmocka_unit_test(models),
		cmocka_unit_test(the_default_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
