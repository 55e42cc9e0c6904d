/* Scenarios: how workers end and what is said about it, what an xspec may ask for, and what cannot
 * be opened. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "scenarios.h"

enum { STUCK_MS = 500, STUCK_MAX_MS = 5000 };

/* The words that the transport can know. */
static const char *end_words(struct rig *rig, const char *launched)
{
	return rig->setup->launches ? launched : "";
}

static bool is_lost(struct ff_channel *channel, const char *words)
{
	ITEM item = FF_ITEM_INIT;
	struct ff_err err;

	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &item, &err), FF_ELOST, &err);
	CHECK(err.text[0]);
	CHECK_TEXT(err.text, words);
	EXPECT_EOF(channel);
	return true;
}

/* As waitpid gives it, where there is a program whose end can be known. */
static bool has_status(struct rig *rig, int expected)
{
	int status = -1;

	CHECK(ff_gateway_wait_status(rig->gw, &status) == rig->setup->launches);
	return !rig->setup->launches || status == expected;
}

static bool remote_exit(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "channel.send(1)\nimport os\nos._exit(3)", "");

	CHECK(channel);
	EXPECT(channel, ff_int(1));
	CHECK(is_lost(channel, end_words(rig, "exit status 3")));
	CHECK(rig_until_closed(rig, rig->gw));
	CHECK(ff_gateway_error(rig->gw)->code == FF_ELOST);
	CHECK_TEXT(ff_gateway_error(rig->gw)->text, end_words(rig, "exit status 3"));
	CHECK(has_status(rig, W_EXITCODE(3, 0)));
	return true;
}

static bool killed(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "channel.send('up')\nchannel.receive()",
				   "echo up; exec sleep 1000");

	CHECK(channel);
	EXPECT(channel, ff_str("up"));
	CHECK(kill(rig_pid(rig->gw), SIGKILL) == 0);
	CHECK(is_lost(channel, end_words(rig, "killed by signal 9 (SIGKILL)")));
	CHECK(rig_until_closed(rig, rig->gw));
	CHECK(has_status(rig, SIGKILL));
	return true;
}

static void on_end(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	*(bool *)ctx |= !item;
}

/* A dead connection ends callbacks and waitclose, and refuses what is new. */
static bool lost_channels(struct rig *rig)
{
	CHANNEL called = rig_exec(rig, rig->gw, "channel.receive()", "exec sleep 1000");
	CHANNEL waiting = rig_exec(rig, rig->gw, "channel.send('up')\nchannel.receive()",
				   "echo up; exec sleep 1000");
	struct ff_task task = {.source = "pass"};
	struct ff_value value = ff_int(1);
	bool ended = false;
	struct ff_err err;

	CHECK(called && waiting);
	CHECK(ff_channel_set_callback(called, on_end, &ended) == 0);
	EXPECT(waiting, ff_str("up"));
	CHECK(kill(rig_pid(rig->gw), SIGKILL) == 0);
	CHECK_RC(ff_channel_waitclose(waiting, WAIT_MS, &err), FF_ELOST, &err);
	CHECK(rig_until(rig, &ended));
	CHECK(ff_gateway_state(rig->gw) == FF_GATEWAY_CLOSED);
	CHECK(!ff_gateway_remote_exec(rig->gw, &task, &err));
	CHECK_CODE(&err, FF_ECLOSED);
	CHECK(ff_channel_send(waiting, &value, &err) == FF_ECLOSED);
	CHECK(ff_group_len(rig->group) == rig->setup->nparents + 1);
	ff_open_release(rig->gw);
	CHECK(ff_group_len(rig->group) == rig->setup->nparents);
	return true;
}

static bool last_words(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "import os, sys\n"
				   "sys.stderr.write('first line\\nlast words')\n"
				   "sys.stderr.flush()\n"
				   "os._exit(5)\n",
				   "");

	CHECK(channel);
	CHECK(is_lost(channel, "last words"));
	CHECK_TEXT(ff_gateway_error(rig->gw)->text, "first line");
	CHECK_TEXT(ff_gateway_error(rig->gw)->text, "exit status 5");
	CHECK_TEXT(ff_gateway_stderr(rig->gw), "last words");
	return true;
}

/* Nothing is lost behind a NUL: values keep their length, errors and lines show it. */
static bool texts_with_nuls(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "import sys\n"
				   "sys.stderr.write('said\\0more\\n')\n"
				   "sys.stderr.flush()\n"
				   "channel.send('a\\0b')\n"
				   "channel.send(b'\\0\\0')\n"
				   "channel.send({'k\\0y': 'v\\0'})\n"
				   "raise Exception('before\\0after\\0')\n",
				   "");
	ITEM text = FF_ITEM_INIT, bytes = FF_ITEM_INIT, dict = FF_ITEM_INIT;
	struct ff_err err;

	CHECK(channel);
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &text, &err), 0, &err);
	CHECK(text.value.kind == FF_STR && text.value.len == 3 &&
	      !memcmp(text.value.text, "a\0b", 3));
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &bytes, &err), 0, &err);
	CHECK(bytes.value.len == 2);
	CHECK_RC(ff_channel_receive(channel, WAIT_MS, &dict, &err), 0, &err);
	CHECK(dict.value.items[0].len == 3 && dict.value.items[1].len == 2);
	CHECK_RC(ff_channel_waitclose(channel, WAIT_MS, &err), FF_EREMOTE, &err);
	CHECK_TEXT(err.text, "before\\x00after\\x00");
	CHECK_TEXT(ff_channel_error(channel), "before\\x00after\\x00");
	if (rig->setup->launches) {
		ff_gateway_exit(rig->gw);
		CHECK(rig_until_closed(rig, rig->gw));
		CHECK_TEXT(ff_gateway_stderr(rig->gw), "said\\x00more");
	}
	return true;
}

/* --- ends that we want --- */

static bool stuck(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "import signal, time\n"
				   "channel.send('up')\n"
				   "while 1:\n"
				   "    try: time.sleep(1000)\n"
				   "    except BaseException: pass\n",
				   "trap '' TERM; echo up; while :; do sleep 1000; done");
	int64_t begin, took_ms;

	CHECK(channel);
	EXPECT(channel, ff_str("up"));
	begin = ff_clock_us();
	CHECK(ff_group_terminate(rig->group, STUCK_MS) == 0);
	took_ms = (ff_clock_us() - begin) / 1000;
	if (took_ms > STUCK_MAX_MS)
		return rig_fail(__FILE__, __LINE__, "it took %lld ms", (long long)took_ms);
	CHECK(ff_group_len(rig->group) == 0);
	CHECK(ff_channel_isclosed(channel) || ff_channel_receive_closed(channel));
	return true;
}

struct end {
	bool closed;
	struct ff_err err;
};

static void on_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct end *end = ctx;

	end->closed = true;
	end->err = *err;
}

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct end *end = ctx;

	end->closed |= err != NULL;
	if (err)
		end->err = *err;
	else
		ff_gateway_exit(gateway);
}

static bool orderly_end(struct rig *rig)
{
	struct end end = {0};
	const struct ff_open_opts opts = {.opened = on_opened, .closed = on_closed, .ctx = &end};
	TEXT text = rig_spec(rig->setup, 0, NULL);
	struct ff_xspec spec;
	struct ff_err err;

	CHECK_RC(ff_xspec_parse(&spec, text, &err), 0, &err);
	CHECK(ff_open_gateway(rig->group, &spec, &opts, &err));
	CHECK(rig_until(rig, &end.closed));
	CHECK_CODE(&end.err, 0);
	return true;
}

/* What is sent before the end arrives. */
static bool sent_before_the_end(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw,
				   "channel.send('up')\n"
				   "try: channel.receive()\n"
				   "except EOFError: channel.send('bye')\n",
				   "");

	CHECK(channel);
	EXPECT(channel, ff_str("up"));
	ff_gateway_exit(rig->gw);
	EXPECT(channel, ff_str("bye"));
	CHECK(rig_until_closed(rig, rig->gw));
	return true;
}

static bool parent_killed(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "channel.send('up')\nchannel.receive()",
				   "echo up; exec sleep 1000");

	CHECK(channel);
	EXPECT(channel, ff_str("up"));
	CHECK(kill(rig_pid(ff_group_at(rig->group, 0)), SIGKILL) == 0);
	CHECK(is_lost(channel, ""));
	CHECK(rig_until_closed(rig, rig->gw));
	CHECK(ff_gateway_error(rig->gw)->code == FF_ELOST);
	return true;
}

/* What has left its process group and its parent dies with the worker all the same: that is looked
 * at when the rig is taken down. */
static bool no_orphans(struct rig *rig)
{
	CHANNEL channel = rig_exec(rig, rig->gw, "",
				   "setsid sh -c 'sleep 1000 & sleep 1000' & echo up; sleep 1000");

	CHECK(channel);
	EXPECT(channel, ff_str("up"));
	CHECK(kill(rig_pid(rig->gw), SIGKILL) == 0);
	return is_lost(channel, "killed by signal 9 (SIGKILL)");
}

/* --- what the xspec asks for --- */

static bool configured(struct rig *rig)
{
	char place[64], part[256];
	struct ff_gateway *gw;
	int own = nice(0);

	/* Made if missing, parents too. */
	snprintf(place, sizeof(place), "/tmp/farflung-conform-%d", (int)getpid());
	snprintf(part, sizeof(part), "chdir=%s/a/b//env:FF_CONFORM=1 2//nice=%d", place,
		 own > 12 ? 19 : 7);
	gw = rig_more(rig, 0, part);
	CHECK(gw);
	CHANNEL channel = rig_exec(rig, gw,
				   "import os\n"
				   "place = os.path.realpath(os.getcwd())\n"
				   "channel.send(place)\n"
				   "channel.send(os.environ['FF_CONFORM'])\n"
				   "channel.send(str(os.nice(0)))\n"
				   "os.chdir('/')\n"
				   "os.rmdir(place)\n"
				   "os.removedirs(os.path.dirname(place))\n",
				   "pwd -P; echo \"$FF_CONFORM\"; nice; d=$(pwd -P); cd /; "
				   "rmdir -p \"$d\" 2>/dev/null; true");
	CHECK(channel);
	snprintf(part, sizeof(part), "%s/a/b", place);
	EXPECT(channel, ff_str(part));
	EXPECT(channel, ff_str("1 2"));
	/* As execnet does: it is added to what the worker has. */
	snprintf(part, sizeof(part), "%d", own + (own > 12 ? 19 : 7) > 19 ? 19 : own + 7);
	EXPECT(channel, ff_str(part));
	EXPECT_EOF(channel);
	CHECK(access(place, F_OK) != 0);
	return true;
}

static bool cannot_chdir(struct rig *rig)
{
	struct ff_err err = {0};
	TEXT spec = rig_spec(rig->setup, 0, "chdir=/dev/null/nowhere");

	CHECK(!ff_makegateway(rig->group, spec, &err));
	CHECK_CODE(&err, FF_EREMOTE);
	CHECK_TEXT(err.text, "/dev/null/nowhere");
	CHECK_TEXT(err.text, "ot a directory");
	CHECK(ff_group_len(rig->group) == rig->setup->nparents);
	return true;
}

static bool no_interpreter(struct rig *rig)
{
	struct ff_err err = {0};
	TEXT spec = rig_spec(rig->setup, 0, "python=/no/such/python");

	CHECK(!ff_makegateway(rig->group, spec, &err));
	CHECK(err.code == FF_ESPAWN || err.code == FF_ELOST);
	CHECK_TEXT(err.text, "/no/such/python");
	CHECK_TEXT(err.text, err.code == FF_ESPAWN ? "No such file or directory" : "127");
	CHECK(ff_group_len(rig->group) == rig->setup->nparents);
	return true;
}

/* Without python=, `popen` on a python worker's machine means that worker's own interpreter. */
static bool parents_interpreter(struct rig *rig)
{
	struct ff_gateway *first = rig->setup->fake ? NULL : rig_more(rig, 0, NULL), *parent,
			  *child;
	char folder[] = "/tmp/farflung-conform-XXXXXX", path[64], spec[128];
	const char *real, *seen = "";
	struct ff_err err = {0};
	bool same;

	if (rig->setup->fake)
		return true;
	CHECK(first);
	real = ff_dict_str(ff_gateway_info(first), "executable", NULL);
	CHECK(real && mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a_python", folder);
	CHECK(symlink(real, path) == 0);
	snprintf(spec, sizeof(spec), "popen//id=owner//python=%s", path);
	parent = ff_makegateway(rig->group, spec, &err);
	child = parent ? ff_makegateway(rig->group, "popen//via=owner", &err) : NULL;
	if (child)
		seen = ff_dict_str(ff_gateway_info(child), "executable", "");
	same = strcmp(seen, path) == 0;
	unlink(path);
	rmdir(folder);
	CHECK(child);
	CHECK(same);
	return true;
}

/* A program, but no worker. */
static bool no_worker(struct rig *rig)
{
	struct ff_err err = {0};
	TEXT spec = rig_spec(rig->setup, 0, "python=false");

	CHECK(!ff_makegateway(rig->group, spec, &err));
	CHECK_CODE(&err, FF_ELOST);
	CHECK_TEXT(err.text, "false");
	CHECK_TEXT(err.text, "exit status 1");
	return true;
}

const struct scenario scenarios_ends[] = {
	{"remote_exit", ON_PYTHON | ON_FRESH, remote_exit},
	{"killed", ON_FRESH, killed},
	{"lost_channels", ON_FRESH, lost_channels},
	{"no_orphans", ON_NATIVE | ON_FRESH, no_orphans},
	{"texts_with_nuls", ON_PYTHON | ON_FRESH, texts_with_nuls},
	{"last_words", ON_PYTHON | ON_FRESH | ON_LAUNCHED, last_words},
	{"stuck", ON_FRESH, stuck},
	{"orderly_end", ON_NOTHING, orderly_end},
	{"sent_before_the_end", ON_PYTHON | ON_FRESH, sent_before_the_end},
	{"parent_killed", ON_FRESH | ON_VIA, parent_killed},
	{"configured", ON_NOTHING, configured},
	{"cannot_chdir", ON_NOTHING, cannot_chdir},
	{"no_interpreter", ON_NOTHING | ON_PYTHON | ON_LAUNCHED, no_interpreter},
	{"parents_interpreter", ON_NOTHING | ON_PYTHON | ON_LAUNCHED, parents_interpreter},
	{"no_worker", ON_NOTHING | ON_PYTHON | ON_LAUNCHED, no_worker},
	{0},
};
