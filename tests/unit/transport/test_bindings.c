/* What bindings ask of open gateways: the end without waiting, stderr as it is, the peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "farflung.h"

#define PYTHON "popen//python=/usr/bin/python3"

enum { TIMEOUT_MS = 20000, MEMBERS = 3 };

struct rig {
	struct ff_loop *loop;
	struct ff_group *group;
	int opened, closed, done;
	char bytes[256];
	size_t len;
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->loop = ff_loop_new(NULL);
	rig->group = ff_open_group(rig->loop, NULL);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	int rc;

	if (rig->group) {
		ff_group_terminate(rig->group, TIMEOUT_MS);
		ff_group_free(rig->group);
	}
	rc = ff_loop_free(rig->loop);
	free(rig);
	return rc;
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct rig *rig = ctx;

	if (err)
		fail_msg("%s", err->text);
	rig->opened++;
}

static void on_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct rig *rig = ctx;

	rig->closed++;
}

static void on_bytes(struct ff_gateway *gateway, const void *bytes, size_t len, void *ctx)
{
	struct rig *rig = ctx;

	assert_true(rig->len + len < sizeof(rig->bytes));
	memcpy(rig->bytes + rig->len, bytes, len);
	rig->len += len;
}

static struct ff_gateway *begin(struct rig *rig, const char *text, int fd)
{
	struct ff_open_opts opts = FF_OPEN_OPTS_INIT;
	struct ff_gateway *gateway;
	struct ff_err err = {0};
	struct ff_xspec spec;

	opts.opened = on_opened;
	opts.closed = on_closed;
	opts.stderr_bytes = on_bytes;
	opts.stderr_fd = fd;
	opts.ctx = rig;
	assert_int_equal(ff_xspec_parse(&spec, text, &err), 0);
	gateway = ff_open_gateway(rig->group, &spec, &opts, &err);
	if (!gateway)
		fail_msg("%s", err.text);
	return gateway;
}

static void run_until(struct rig *rig, const int *count, int want)
{
	while (*count < want)
		assert_int_equal(ff_loop_run_once(rig->loop, INT64_MAX), 0);
}

static void on_done(struct ff_group *group, void *ctx)
{
	struct rig *rig = ctx;

	assert_ptr_equal(group, rig->group);
	assert_int_equal(ff_group_len(group), 0);
	ff_group_free(group);
	rig->group = NULL;
	rig->done++;
}

/* Members, one of them via another, go down while nobody waits; the callback may free the group. */
static void the_end_is_told(void **state)
{
	struct rig *rig = *state;

	begin(rig, PYTHON "//id=a", 0);
	begin(rig, PYTHON "//via=a", 0);
	begin(rig, "popen//worker=native", 0);
	run_until(rig, &rig->opened, MEMBERS);
	assert_int_equal(ff_open_terminate(rig->group, TIMEOUT_MS, on_done, rig), 0);
	assert_int_equal(ff_open_terminate(rig->group, TIMEOUT_MS, on_done, rig), FF_EBUSY);
	assert_int_equal(rig->done, 0);
	run_until(rig, &rig->done, 1);
	assert_int_equal(rig->closed, MEMBERS);
}

/* One that does not end by itself is killed in time. */
static void the_end_comes_in_time(void **state)
{
	static const struct ff_task task = {.source = "import time, signal\n"
						      "channel.send(1)\n"
						      "while 1: time.sleep(1)\n"};
	struct ff_item item = FF_ITEM_INIT;
	struct rig *rig = *state;
	struct ff_gateway *gateway = begin(rig, PYTHON, 0);
	struct ff_channel *channel;

	run_until(rig, &rig->opened, 1);
	channel = ff_gateway_remote_exec(gateway, &task, NULL);
	assert_int_equal(ff_channel_receive(channel, TIMEOUT_MS, &item, NULL), 0);
	ff_item_release(&item);
	ff_channel_unref(channel);
	assert_int_equal(ff_open_terminate(rig->group, 10, on_done, rig), 0);
	run_until(rig, &rig->done, 1);
}

static void an_empty_group_ends_at_once(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(ff_open_terminate(rig->group, -1, on_done, rig), 0);
	run_until(rig, &rig->done, 1);
}

/* Turns that end by their time, or by what happens. */
static void turns(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(ff_loop_run_for(rig->loop, 0), 0);
	begin(rig, PYTHON, 0);
	assert_int_equal(ff_loop_run_for(rig->loop, 0), 0);
	while (rig->opened == 0)
		assert_int_equal(ff_loop_run_for(rig->loop, -1), 0);
	assert_int_equal(ff_loop_run_for(rig->loop, 1), 0);
	ff_loop_interrupt(rig->loop);
	assert_int_equal(ff_loop_run_for(rig->loop, INT64_MAX), FF_ECANCELED);
}

static void stderr_as_it_is(void **state)
{
	static const struct ff_task task = {
		.source = "import os\nos.write(2, b'a\\0\\xff\\nno newline')\n"};
	struct rig *rig = *state;
	struct ff_gateway *gateway;
	struct ff_channel *channel;
	char copy[64] = "";
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	gateway = begin(rig, PYTHON, ends[1]);
	assert_string_equal(ff_gateway_peer(gateway), "");
	run_until(rig, &rig->opened, 1);
	assert_string_equal(ff_gateway_peer(gateway), "popen");
	channel = ff_gateway_remote_exec(gateway, &task, NULL);
	assert_int_equal(ff_channel_waitclose(channel, TIMEOUT_MS, NULL), 0);
	ff_channel_unref(channel);
	while (rig->len < 14)
		assert_int_equal(ff_loop_run_once(rig->loop, INT64_MAX), 0);
	assert_memory_equal(rig->bytes, "a\0\xff\nno newline", 14);
	assert_int_equal(read(ends[0], copy, sizeof(copy)), 14);
	assert_memory_equal(copy, rig->bytes, 14);
	assert_string_equal(ff_gateway_peer(begin(rig, PYTHON "//id=x", 0)), "");
	run_until(rig, &rig->opened, 2);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_end_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_comes_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_group_ends_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(turns, setup, teardown),
		cmocka_unit_test_setup_teardown(stderr_as_it_is, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
