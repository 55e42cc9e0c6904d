/* A remote file server: one Python worker reads the files we name, wherever it runs.
 *
 *     file_server XSPEC FILE...        file_server popen /etc/hostname */
#include <stdio.h>

#include "farflung.h"

/* Runs on the worker until we close the channel. What can't be read is answered with the reason. */
static const char serve[] = "for name in channel:\n"
			    "    try:\n"
			    "        with open(name, 'rb') as file:\n"
			    "            channel.send(file.read())\n"
			    "    except OSError as error:\n"
			    "        channel.send(str(error))\n";

enum { END_MS = 5000, WAIT_MS = 30000 };

/* Asks for one file and prints it. */
static int fetch(struct ff_channel *channel, const char *name, struct ff_err *err)
{
	struct ff_value question = ff_str(name);
	struct ff_item answer = FF_ITEM_INIT;
	int rc = ff_channel_send(channel, &question, err);

	if (rc == 0)
		rc = ff_channel_receive(channel, WAIT_MS, &answer, err);
	if (rc == 0 && answer.value.kind == FF_BYTES)
		fwrite(answer.value.text, 1, answer.value.len, stdout);
	else if (rc == 0)
		rc = ff_err_set(err, FF_ENOTFOUND, "%s", ff_as_str(&answer.value, "no answer"));
	ff_item_release(&answer);
	return rc;
}

int main(int argc, char **argv)
{
	struct ff_task task = {.source = serve, .file_name = "file server"};
	struct ff_gateway *gateway = NULL;
	struct ff_channel *channel = NULL;
	struct ff_group *group;
	struct ff_loop *loop;
	struct ff_err err = {0};
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: file_server XSPEC FILE...\n");
		return 2;
	}
	loop = ff_loop_new(&err);
	rc = err.code;
	if (!loop)
		goto failed;
	group = ff_open_group(loop, &err);
	gateway = ff_makegateway(group, argv[1], &err);
	if (gateway)
		channel = ff_gateway_remote_exec(gateway, &task, &err);
	rc = channel ? 0 : err.code;
	for (int i = 2; rc == 0 && i < argc; i++)
		rc = fetch(channel, argv[i], &err);
	ff_channel_close(channel, NULL);
	ff_channel_unref(channel);
	ff_group_terminate(group, END_MS);
	ff_group_free(group);
	ff_loop_free(loop);
failed:
	if (rc != 0)
		fprintf(stderr, "file_server: %s\n", err.text);
	return rc != 0;
}
