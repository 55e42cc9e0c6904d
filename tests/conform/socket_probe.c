/* A client for socket_server.py: opens the gateways that its arguments name, one after the other,
 * and has the last one echo items.
 *
 *	socket_probe [-b BYTES] [-w] XSPEC…
 *
 * It prints "open ID native|python" or "failed ID FF_E… words" for each; then "echo BYTES"; with -w
 * it says "waiting" and goes on until the gateway ends: "ended words". Exit status 1 if anything
 * failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "farflung.h"
#include "io/loop_private.h"

enum { ITEM = 48 << 10, LIMIT_MS = 60000 };

static const char echo[] = "for item in channel:\n"
			   "    channel.send(item)\n";
static const char script[] = "#!/bin/sh\necho hello; sleep 1000 & wait\n";

static struct ff_gateway *open_all(struct ff_group *group, int count, char **specs)
{
	struct ff_gateway *gateway = NULL;

	for (int i = 0; i < count; i++) {
		struct ff_err err = {0};

		gateway = ff_makegateway(group, specs[i], &err);
		if (!gateway) {
			printf("failed %d %s %s\n", i, ff_err_name(err.code), err.text);
			return NULL;
		}
		printf("open %s %s\n", ff_gateway_id(gateway),
		       ff_gateway_is_native(gateway) ? "native" : "python");
	}
	return gateway;
}

static int expect(struct ff_channel *channel, size_t size, char **bytes, struct ff_err *err)
{
	struct ff_item item = FF_ITEM_INIT;
	int rc = ff_channel_receive(channel, LIMIT_MS, &item, err);

	if (rc == 0 && (item.value.len != size || memcmp(item.value.text, *bytes, size) != 0))
		rc = ff_err_set(err, FF_EPROTO, "another item came back");
	ff_item_release(&item);
	return rc;
}

/* Both directions full at once. */
static int echo_bytes(struct ff_gateway *gateway, size_t bytes, struct ff_err *err)
{
	struct ff_task task = {.source = echo};
	struct ff_channel *channel = ff_gateway_remote_exec(gateway, &task, err);
	char *item = ff_xcalloc(1, ITEM);
	size_t sent = 0;
	int rc = channel ? 0 : err->code;

	for (size_t i = 0; i < ITEM; i++)
		item[i] = (char)(i * 131);
	for (; rc == 0 && sent < bytes; sent += ITEM)
		rc = ff_channel_send_bytes(channel, item, ITEM, err);
	for (size_t got = 0; rc == 0 && got < sent; got += ITEM)
		rc = expect(channel, ITEM, &item, err);
	if (rc == 0)
		printf("echo %zu\n", sent);
	ff_free(item);
	ff_channel_unref(channel);
	return rc;
}

static int greet(struct ff_gateway *gateway, struct ff_err *err)
{
	struct ff_task task = {.source = script};
	struct ff_channel *channel = ff_gateway_remote_exec(gateway, &task, err);
	char hello[] = "hello", *text = hello;
	int rc = channel ? expect(channel, strlen(hello), &text, err) : err->code;

	if (rc == 0)
		printf("echo %zu\n", strlen(hello));
	ff_channel_unref(channel);
	return rc;
}

static void wait_for_end(struct ff_loop *loop, struct ff_gateway *gateway)
{
	printf("waiting\n");
	fflush(stdout);
	while (ff_gateway_state(gateway) != FF_GATEWAY_CLOSED)
		ff_loop_run_once(loop, FF_NEVER_US);
	printf("ended %s\n", ff_gateway_error(gateway)->text);
}

int main(int argc, char **argv)
{
	struct ff_loop loop;
	struct ff_err err = {0};
	struct ff_group *group;
	struct ff_gateway *gateway;
	size_t bytes = 0;
	bool waits = false;
	int option, rc = 1;

	while ((option = getopt(argc, argv, "b:w")) != -1) {
		if (option == 'b')
			bytes = strtoul(optarg, NULL, 10);
		else
			waits = true;
	}
	if (ff_loop_init(&loop, &err) != 0)
		return 2;
	group = ff_open_group(&loop, &err);
	gateway = open_all(group, argc - optind, argv + optind);
	if (gateway) {
		rc = ff_gateway_is_native(gateway) ? greet(gateway, &err)
						   : echo_bytes(gateway, bytes, &err);
		if (rc != 0)
			printf("failed - %s %s\n", ff_err_name(rc), err.text);
		else if (waits)
			wait_for_end(&loop, gateway);
	}
	ff_group_terminate(group, LIMIT_MS);
	ff_group_free(group);
	if (ff_loop_release(&loop) != 0) {
		printf("failed - the loop has handles left\n");
		return 2;
	}
	return rc != 0;
}
