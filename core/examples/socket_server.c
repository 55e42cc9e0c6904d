/* A socket server in a subprocess, and a worker reached through it: what `installvia` does.
 *
 *     socket_server        starts an interpreter, has it serve, connects, asks who answered */
#include <stdio.h>

#include "farflung.h"

enum { END_MS = 5000, WAIT_MS = 30000 };

/* One answer of a gateway's worker: its process id. */
static int ask_pid(struct ff_gateway *gateway, int64_t *pid, struct ff_err *err)
{
	struct ff_task task = {.source = "import os\nchannel.send(os.getpid())"};
	struct ff_channel *channel = ff_gateway_remote_exec(gateway, &task, err);
	struct ff_item item = FF_ITEM_INIT;
	int rc = channel ? ff_channel_receive(channel, WAIT_MS, &item, err) : err->code;

	*pid = ff_as_int(&item.value, 0);
	ff_item_release(&item);
	ff_channel_unref(channel);
	return rc;
}

static int serve_and_reach(struct ff_group *group, const char *starter, struct ff_err *err)
{
	struct ff_gateway *master = ff_makegateway(group, starter, err), *reached;
	int64_t master_pid, pid;
	int rc;

	if (!master)
		return err->code;
	/* Port 0: the server says which one it got; a token that it was just given lets us in. */
	reached = ff_makegateway(group, "socket//installvia=starter", err);
	if (!reached)
		return err->code;
	rc = ask_pid(master, &master_pid, err);
	if (rc == 0)
		rc = ask_pid(reached, &pid, err);
	if (rc == 0)
		printf("started by process %lld, answered by process %lld\n", (long long)master_pid,
		       (long long)pid);
	return rc;
}

int main(int argc, char **argv)
{
	const char *starter = argc > 1 ? argv[1] : "popen//id=starter";
	struct ff_group *group;
	struct ff_err err = {0};
	struct ff_loop *loop = ff_loop_new(&err);
	int rc = err.code;

	if (loop) {
		group = ff_open_group(loop, &err);
		rc = serve_and_reach(group, starter, &err);
		ff_group_terminate(group, END_MS);
		ff_group_free(group);
		ff_loop_free(loop);
	}
	if (rc != 0)
		fprintf(stderr, "socket_server: %s\n", err.text);
	return rc != 0;
}
