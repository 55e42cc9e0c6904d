/* Scenarios: the forms of remote_exec that wait, files as modules, channels as files, named values,
 * and what a worker says of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenarios.h"

static struct ff_task task_of(const struct rig *rig, const char *python, const char *script)
{
	return (struct ff_task){.source = rig->setup->native ? script : python};
}

static bool exec_collect(struct rig *rig)
{
	struct ff_task three = task_of(rig, "for c in 'abc': channel.send(c)",
				       "#!/bin/sh\nfor c in a b c; do echo $c; done");
	struct ff_task fails = task_of(rig, "channel.send('x')\nraise ValueError('no')",
				       "#!/bin/sh\necho x; exit 3");
	struct ff_items items = FF_ITEMS_INIT;
	struct ff_err err;

	CHECK_RC(ff_exec_collect(rig->gw, &three, WAIT_MS, &items, &err), 0, &err);
	CHECK(items.len == 3 && ff_is_str(&items.v[0].value, "a") &&
	      ff_is_str(&items.v[2].value, "c"));
	ff_items_release(&items);
	CHECK_RC(ff_exec_collect(rig->gw, &fails, WAIT_MS, &items, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, rig->setup->native ? "exit status 3" : "ValueError: no");
	ff_items_release(&items);
	return true;
}

static bool exec_call(struct rig *rig)
{
	struct ff_task task = task_of(rig, "channel.send('one')", "#!/bin/sh\necho one");
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;

	CHECK_RC(ff_exec_call(rig->gw, &task, WAIT_MS, &item, &err), 0, &err);
	CHECK(ff_is_str(&item.value, "one"));
	return true;
}

static bool exec_group(struct rig *rig)
{
	struct ff_task task = {.source = "channel.send('here')"};
	size_t members = ff_group_len(rig->group);
	struct ff_multichannel *multi;
	struct ff_err err;

	if (rig->setup->nparents > 0)
		return true; /* a native parent runs no Python */
	multi = ff_exec_group(rig->group, &task, &err);
	CHECK(multi);
	CHECK(ff_multichannel_len(multi) == members);
	for (size_t i = 0; i < members; i++)
		EXPECT(ff_multichannel_at(multi, i), ff_str("here"));
	CHECK_RC(ff_multichannel_waitclose(multi, WAIT_MS, &err), 0, &err);
	ff_multichannel_free(multi);
	return true;
}

/* A function of a file with keyword arguments; its traceback names the file. */
static bool exec_file(struct rig *rig)
{
	static const char source[] = "def double(channel, number):\n"
				     "    channel.send(2 * number)\n"
				     "    channel.receive()\n"
				     "    raise ValueError('enough')\n";
	struct ff_value pair[] = {ff_str("number"), ff_int(21)};
	struct ff_value kwargs = ff_collection(FF_DICT, pair, 1), none = ff_none();
	char path[] = "/tmp/ff-conform-XXXXXX";
	ITEM end = FF_ITEM_INIT;
	struct ff_err err;
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK(write(fd, source, strlen(source)) == (ssize_t)strlen(source));
	close(fd);
	CHANNEL channel = ff_exec_file(rig->gw, path, "double", &kwargs, &err);

	unlink(path);
	CHECK(channel);
	EXPECT(channel, ff_int(42));
	CHECK_RC(ff_channel_send(channel, &none, &err), 0, &err);
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &end, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, path);
	CHECK_TEXT(err.text, "ValueError: enough");
	CHECK(!ff_exec_file(rig->gw, "/nonexistent/file.py", NULL, NULL, &err));
	CHECK_TEXT(err.text, "/nonexistent/file.py");
	return true;
}

static bool rinfo(struct rig *rig)
{
	struct ff_err err;
	const struct ff_value *info = ff_gateway_rinfo(rig->gw, false, WAIT_MS, &err);

	CHECK(info);
	CHECK(*ff_dict_str(info, "platform", "") && *ff_dict_str(info, "version", ""));
	CHECK(*ff_dict_str(info, "executable", "") && *ff_dict_str(info, "cwd", "") == '/');
	CHECK(ff_dict_int(info, "pid", 0) == rig_pid(rig->gw));
	return true;
}

static bool makefile(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "f = channel.makefile('r')\ng = channel.makefile('w')\n"
				   "g.write(f.readline().upper())\ng.write(f.read(4)[::-1])\n"
				   "g.write('\\nlast')",
				   "");
	struct ff_channel_file *out, *in;
	struct ff_buf text = FF_BUF_INIT;
	struct ff_err err;

	CHECK(channel);
	out = ff_channel_makefile(channel, "w", false, &err);
	in = ff_channel_makefile(channel, "r", true, &err);
	CHECK(out && in);
	/* Lines and reads do not care how the text was cut into items. */
	CHECK_RC(ff_channel_file_write(out, "fir", 3, &err), 0, &err);
	CHECK_RC(ff_channel_file_write(out, "st\nab", 5, &err), 0, &err);
	CHECK_RC(ff_channel_file_write(out, "cd", 2, &err), 0, &err);
	CHECK_RC(ff_channel_file_flush(out, WAIT_MS, &err), 0, &err);
	CHECK_RC(ff_channel_file_readline(in, WAIT_MS, &text, &err), 0, &err);
	CHECK(strcmp(ff_buf_str(&text), "FIRST\n") == 0);
	ff_buf_clear(&text);
	CHECK_RC(ff_channel_file_read(in, 5, WAIT_MS, &text, &err), 0, &err);
	CHECK(strcmp(ff_buf_str(&text), "dcba\n") == 0);
	ff_buf_clear(&text);
	CHECK_RC(ff_channel_file_readline(in, WAIT_MS, &text, &err), 0, &err);
	CHECK(strcmp(ff_buf_str(&text), "last") == 0);
	ff_buf_release(&text);
	CHECK(ff_channel_file_close(out) == 0);
	CHECK(ff_channel_file_close(in) == 0);
	CHECK(ff_channel_isclosed(channel));
	return true;
}

/* The other side waits for a name, works with its value, and binds another. */
static bool named_values(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "channel.send(('get', 'question'))\n"
				   "word, name, value = channel.receive()\n"
				   "channel.send(('set', 'answer', 2 * value))\n"
				   "channel.receive()\n",
				   "");
	struct ff_names *names = ff_names_new();
	struct ff_value question = ff_int(21);
	ITEM answer = FF_ITEM_INIT;
	struct ff_err err;

	CHECK(channel && names);
	CHECK_RC(ff_names_attach(names, channel, &err), 0, &err);
	CHECK_RC(ff_names_get(names, "answer", SHORT_MS, &answer, &err), FF_ETIMEOUT, &err);
	CHECK_RC(ff_names_set(names, "question", &question, &err), 0, &err);
	CHECK_RC(ff_names_get(names, "answer", WAIT_MS, &answer, &err), 0, &err);
	CHECK(ff_as_int(&answer.value, 0) == 42);
	ff_names_free(names);
	return true;
}

const struct scenario scenarios_forms[] = {
	{"exec_collect", ON_SHARED, exec_collect},
	{"exec_call", ON_SHARED, exec_call},
	{"exec_group", ON_PYTHON | ON_FRESH, exec_group},
	{"exec_file", ON_PYTHON, exec_file},
	{"rinfo", ON_SHARED, rinfo},
	{"makefile", ON_PYTHON, makefile},
	{"named_values", ON_PYTHON, named_values},
	{0},
};
