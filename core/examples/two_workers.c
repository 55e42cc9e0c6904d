/* Two workers and one queue for what they send: whoever is faster is heard first.
 *
 *     two_workers [XSPEC]...        default: two Python interpreters on this machine */
#include <stdio.h>

#include "farflung.h"

/* Runs on a worker, in a Python interpreter: `channel` is the conversation with us. */
static const char greet[] =
	"import os\n"
	"name = channel.receive()\n"
	"for i in range(3):\n"
	"    channel.send('hello %s, %d from process %d' % (name, i, os.getpid()))\n";

enum { WORKERS_MAX = 16, END_MS = 5000, WAIT_MS = 30000 };

static int fail(const struct ff_err *err)
{
	fprintf(stderr, "two_workers: %s\n", err->text);
	return 1;
}

/* Opens a gateway for each xspec and starts `greet` there. */
static int start(struct ff_group *group, char *const *specs, int count,
		 struct ff_channel **channels, struct ff_err *err)
{
	for (int i = 0; i < count; i++) {
		struct ff_task task = {.source = greet};
		struct ff_gateway *gateway = ff_makegateway(group, specs[i], err);

		if (gateway)
			channels[i] = ff_gateway_remote_exec(gateway, &task, err);
		if (!channels[i])
			return err->code;
	}
	return 0;
}

/* Prints what comes until all channels have ended. */
static int gather(struct ff_multichannel *multi, struct ff_err *err)
{
	struct ff_value name = ff_str("world");
	struct ff_queue *queue = ff_multichannel_queue(multi, false);
	int rc = ff_multichannel_send_each(multi, &name, err);

	while (rc == 0) {
		struct ff_queue_entry entry = {.item = FF_ITEM_INIT};

		rc = ff_queue_get(queue, WAIT_MS, &entry, err);
		if (rc == 0)
			printf("channel %u of %s: %s\n", ff_channel_id(entry.channel),
			       ff_gateway_id(ff_channel_gateway(entry.channel)),
			       ff_as_str(&entry.item.value, "(no text)"));
		ff_item_release(&entry.item);
	}
	/* The end; had one of them failed, this would say how. */
	return rc == FF_EEOF ? ff_multichannel_waitclose(multi, WAIT_MS, err) : rc;
}

int main(int argc, char **argv)
{
	char *local[] = {"popen", "popen"};
	char *const *specs = argc > 1 ? argv + 1 : local;
	int count = argc > 1 ? argc - 1 : 2;
	struct ff_channel *channels[WORKERS_MAX] = {0};
	struct ff_multichannel *multi;
	struct ff_group *group;
	struct ff_loop *loop;
	struct ff_err err = {0};
	int rc;

	loop = count > WORKERS_MAX ? NULL : ff_loop_new(&err);
	if (!loop)
		return fail(&err);
	group = ff_open_group(loop, &err);
	rc = start(group, specs, count, channels, &err);
	if (rc == 0) {
		multi = ff_multichannel_new(channels, (size_t)count);
		rc = gather(multi, &err);
		ff_multichannel_free(multi);
	}
	for (int i = 0; i < count; i++)
		ff_channel_unref(channels[i]);
	/* No worker outlives us: whoever does not end in time is killed. */
	ff_group_terminate(group, END_MS);
	ff_group_free(group);
	ff_loop_free(loop);
	return rc == 0 ? 0 : fail(&err);
}
