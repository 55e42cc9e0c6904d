/* A loop in each of several threads: gateways come, work and go there without knowing of the
 * others'. The same program is built with ThreadSanitizer, too. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "farflung.h"
#include "io/loop_private.h"

enum { THREADS = 8, ROUNDS = 2, GATEWAYS = 2, WAIT_MS = 60000 };

struct side {
	pthread_t thread;
	bool no_pidfd;
	int nr;
	char why[256]; /* empty: all went well */
};

static const char work[] = "for i in range(20):\n"
			   "    channel.send(channel.receive() + 1)\n";

static int talk(struct ff_gateway *gateway, int nr, struct ff_err *err)
{
	struct ff_task task = {.source = work};
	struct ff_channel *channel = ff_gateway_remote_exec(gateway, &task, err);
	struct ff_value value = ff_int(nr);
	struct ff_item item = FF_ITEM_INIT;
	int rc = channel ? 0 : err->code;

	for (int i = 0; i < 20 && rc == 0; i++) {
		rc = ff_channel_send(channel, &value, err);
		if (rc == 0)
			rc = ff_channel_receive(channel, WAIT_MS, &item, err);
		if (rc == 0 && ff_as_int(&item.value, -1) != nr + 1)
			rc = ff_err_set(err, FF_EPROTO, "not what was asked for");
		ff_item_release(&item);
	}
	if (rc == 0)
		rc = ff_channel_waitclose(channel, WAIT_MS, err);
	ff_channel_unref(channel);
	return rc;
}

static int one_round(struct side *side, struct ff_loop *loop, struct ff_err *err)
{
	struct ff_group *group = ff_open_group(loop, err);
	int rc = group ? 0 : err->code;

	for (int i = 0; i < GATEWAYS && rc == 0; i++) {
		struct ff_gateway *gateway = ff_makegateway(group, "popen", err);

		rc = gateway ? talk(gateway, 10 * side->nr + i, err) : err->code;
	}
	if (rc == 0)
		rc = ff_group_terminate(group, WAIT_MS);
	ff_group_free(group);
	return rc;
}

static void *run_side(void *arg)
{
	struct side *side = arg;
	struct ff_err err = {0};
	struct ff_loop *loop = ff_loop_new(&err);
	int rc = loop ? 0 : err.code;

	if (loop)
		loop->no_pidfd = side->no_pidfd;
	for (int i = 0; i < ROUNDS && rc == 0; i++)
		rc = one_round(side, loop, &err);
	if (rc == 0)
		rc = ff_loop_free(loop);
	if (rc != 0)
		snprintf(side->why, sizeof(side->why), "%s: %.200s", ff_err_name(rc), err.text);
	return NULL;
}

static void run_all(bool no_pidfd)
{
	struct side sides[THREADS] = {0};

	for (int i = 0; i < THREADS; i++) {
		sides[i].nr = i;
		sides[i].no_pidfd = no_pidfd;
		assert_int_equal(pthread_create(&sides[i].thread, NULL, run_side, &sides[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(sides[i].thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_string_equal(sides[i].why, "");
}

static void a_loop_each(void **state)
{
	run_all(false);
}

/* As on kernels without pidfds: one SIGCHLD says that something exited, in whichever loop. */
static void exits_through_sigchld(void **state)
{
	run_all(true);
}

static void *interrupt(void *loop)
{
	ff_loop_interrupt(loop);
	return NULL;
}

/* What waits for an item that never comes is told, and goes on as if nothing had been. */
static void a_receive_is_interrupted(void **state)
{
	struct ff_task task = {.source = "channel.send(channel.receive())"};
	struct ff_value value = ff_int(7);
	struct ff_item item = FF_ITEM_INIT;
	struct ff_loop *loop = ff_loop_new(NULL);
	struct ff_group *group = ff_open_group(loop, NULL);
	struct ff_gateway *gateway = ff_makegateway(group, "popen", NULL);
	struct ff_channel *channel;
	struct ff_err err = {0};
	pthread_t thread;

	assert_non_null(gateway);
	channel = ff_gateway_remote_exec(gateway, &task, NULL);
	assert_non_null(channel);
	assert_int_equal(pthread_create(&thread, NULL, interrupt, loop), 0);
	assert_int_equal(ff_channel_receive(channel, -1, &item, &err), FF_ECANCELED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(ff_channel_send(channel, &value, NULL), 0);
	assert_int_equal(ff_channel_receive(channel, -1, &item, NULL), 0);
	assert_int_equal(ff_as_int(&item.value, -1), 7);
	ff_item_release(&item);
	ff_channel_unref(channel);

	ff_loop_interrupt(loop);
	assert_null(ff_makegateway(group, "popen", &err));
	assert_int_equal(err.code, FF_ECANCELED);
	ff_loop_interrupt(loop);
	ff_group_free(group);
	assert_int_equal(ff_loop_free(loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_each),
		cmocka_unit_test(exits_through_sigchld),
		cmocka_unit_test(a_receive_is_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
