/* Limits that hold: windows against a flood that nobody reads, at both ends; and peers that break
 * the rules are dropped with words, in bounded time and memory. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "farflung.h"
#include "io/loop_private.h"
#include "limits_peers.h"

enum {
	WAIT_MS = 5000,
	CONNECT_US = 700000, /* for peers that never answer */
	SILENCE_US = 700000, /* for those that stop */
	GROWTH_KIB = 16 << 10,
	STATUS_ROUNDS = 50,
	READ_BYTES = 64 << 20,	/* the part that is read */
	TAKEN_BYTES = 16 << 20, /* that a command may write before it stalls */
	PROMPT_US = 3000000,
	PROGRAM_S = 110,
};

static char self[512];
static const char *python = "/usr/bin/python3";

/* --- memory --- */

static FILE *open_proc(int pid, const char *name, const char *mode)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, mode);
}

static long field(int pid, const char *file, const char *name)
{
	FILE *stream = open_proc(pid, file, "re");
	char line[256];
	long value = -1;

	while (stream && fgets(line, sizeof(line), stream)) {
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtol(line + strlen(name), NULL, 10);
	}
	if (stream)
		fclose(stream);
	return value;
}

/* The peak starts anew. */
static long reset_peak(int pid)
{
	FILE *stream = open_proc(pid, "clear_refs", "we");

	assert_non_null(stream);
	fputs("5", stream);
	fclose(stream);
	return field(pid, "status", "VmHWM:");
}

static void check_peak(const char *what, int pid, long before)
{
	long growth = field(pid, "status", "VmHWM:") - before;

	if (growth > GROWTH_KIB)
		fail_msg("%s: memory has grown by %ld KiB", what, growth);
}

/* --- the rig --- */

struct rig {
	struct ff_loop loop;
	struct ff_group *group;
	struct ff_gateway *gateway;
	bool opened, closed;
	struct ff_err err;
};

static void on_opened(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct rig *rig = ctx;

	rig->opened = true;
	if (err)
		rig->err = *err;
}

static void on_closed(struct ff_gateway *gateway, const struct ff_err *err, void *ctx)
{
	struct rig *rig = ctx;

	rig->closed = true;
	rig->err = *err;
}

static void until(struct rig *rig, const bool *flag)
{
	int64_t deadline = ff_clock_us() + (int64_t)WAIT_MS * 1000;

	while (!*flag && ff_clock_us() < deadline)
		ff_loop_run_once(&rig->loop, deadline);
	assert_true(*flag);
}

static void rig_open(struct rig *rig, const char *text)
{
	const struct ff_open_opts opts = {
		.connect_timeout_ms = CONNECT_US / 1000 * (strstr(text, "--peer") ? 1 : 20),
		.silence_ms = SILENCE_US / 1000 * (strstr(text, "--peer") ? 1 : 20),
		.heartbeat_ms = SILENCE_US / 3000,
		.opened = on_opened,
		.closed = on_closed,
		.ctx = rig,
	};
	struct ff_xspec spec;

	*rig = (struct rig){.group = NULL};
	assert_int_equal(ff_loop_init(&rig->loop, NULL), 0);
	rig->group = ff_open_group(&rig->loop, NULL);
	assert_non_null(rig->group);
	assert_int_equal(ff_xspec_parse(&spec, text, NULL), 0);
	rig->gateway = ff_open_gateway(rig->group, &spec, &opts, &rig->err);
	assert_non_null(rig->gateway);
	until(rig, &rig->opened);
}

static void rig_close(struct rig *rig)
{
	assert_int_equal(ff_group_terminate(rig->group, 2000), 0);
	ff_group_free(rig->group);
	assert_int_equal(ff_loop_release(&rig->loop), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* --- floods --- */

static int num_executing(struct ff_gateway *gateway)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_err err;
	struct ff_channel *channel = ff_gateway_remote_status(gateway, &err);
	int number;

	assert_non_null(channel);
	if (ff_channel_receive(channel, WAIT_MS, &item, &err) != 0)
		fail_msg("status: %s", err.text);
	number = (int)ff_dict_int(&item.value, "numexecuting", -1);
	ff_item_release(&item);
	ff_channel_unref(channel);
	return number;
}

/* The answers come on the same line, behind all that could be sent until then. */
static void let_it_flow(struct ff_gateway *gateway)
{
	for (int i = 0; i < STATUS_ROUNDS; i++)
		assert_int_equal(num_executing(gateway), 1);
}

/* Reads bytes items, or a command's, until there were so many bytes. */
static void read_part(struct ff_channel *channel, size_t wanted)
{
	struct ff_err err;

	while (wanted > 0) {
		struct ff_item item = FF_ITEM_INIT;
		const struct ff_value *bytes;

		if (ff_channel_receive(channel, WAIT_MS, &item, &err) != 0)
			fail_msg("reading on: %s", err.text);
		bytes = item.value.kind == FF_TUPLE ? ff_at(&item.value, 1) : &item.value;
		if (bytes->kind == FF_BYTES)
			wanted -= bytes->len < wanted ? bytes->len : wanted;
		ff_item_release(&item);
	}
}

static void check_flood(struct rig *rig, struct ff_channel *channel, int worker)
{
	int ours = getpid();
	long before, worker_before;
	int64_t begin;

	assert_non_null(channel);
	before = reset_peak(ours);
	worker_before = reset_peak(worker);
	let_it_flow(rig->gateway);
	check_peak("reader", ours, before);
	check_peak("worker", worker, worker_before);
	read_part(channel, READ_BYTES);
	let_it_flow(rig->gateway);
	check_peak("reader, after a part", ours, before);
	check_peak("worker, after a part", worker, worker_before);
	begin = ff_clock_us();
	ff_channel_close(channel, NULL);
	ff_channel_unref(channel);
	while (num_executing(rig->gateway) > 0)
		assert_true(ff_clock_us() - begin < PROMPT_US);
}

static int worker_pid(struct rig *rig)
{
	if (rig->err.code != 0)
		fail_msg("%s", rig->err.text);
	return (int)ff_dict_int(ff_gateway_info(rig->gateway), "pid", 0);
}

static void test_flood_of_native(void **state)
{
	const struct ff_value argv[] = {ff_str("head"), ff_str("-c"), ff_str("10000000000"),
					ff_str("/dev/zero")};
	const struct ff_value kwargs[] = {ff_str("argv"), ff_collection(FF_LIST, argv, 4)};
	const struct ff_task task = {.call_name = "command",
				     .kwargs = ff_collection(FF_DICT, kwargs, 1)};
	struct ff_item item = FF_ITEM_INIT;
	struct ff_channel *channel;
	struct rig rig;
	int head;

	rig_open(&rig, "popen//worker=native");
	worker_pid(&rig);
	channel = ff_gateway_remote_exec(rig.gateway, &task, NULL);
	assert_int_equal(ff_channel_receive(channel, WAIT_MS, &item, NULL), 0);
	head = (int)ff_as_int(ff_at(&item.value, 1), 0);
	ff_item_release(&item);
	assert_true(head > 0);
	let_it_flow(rig.gateway);
	/* The command itself stalls, too. */
	assert_in_range(field(head, "io", "wchar:"), 1, TAKEN_BYTES);
	check_flood(&rig, channel, worker_pid(&rig));
	assert_int_equal(kill(head, 0), -1);
	rig_close(&rig);
}

static void test_flood_of_python(void **state)
{
	const struct ff_task task = {.source = "chunk = bytes(65536)\n"
					       "for i in range(160000):\n"
					       "    channel.send(chunk)\n"};
	char text[600];
	struct rig rig;

	snprintf(text, sizeof(text), "popen//python=%s", python);
	rig_open(&rig, text);
	worker_pid(&rig);
	check_flood(&rig, ff_gateway_remote_exec(rig.gateway, &task, NULL), worker_pid(&rig));
	rig_close(&rig);
}

/* Nobody is asked: the line is cut while the flood stalls. */
static void test_flood_is_killed(void **state)
{
	const struct ff_task task = {.source = "#!/bin/sh\nexec yes"};
	struct ff_channel *channel;
	int64_t begin;
	struct rig rig;

	rig_open(&rig, "popen//worker=native");
	worker_pid(&rig);
	channel = ff_gateway_remote_exec(rig.gateway, &task, NULL);
	let_it_flow(rig.gateway);
	begin = ff_clock_us();
	rig_close(&rig);
	assert_true(ff_clock_us() - begin < PROMPT_US);
	ff_channel_unref(channel);
}

/* --- peers --- */

static const struct bad_peer {
	const char *name;
	int code;
	const char *words; /* of the gateway's end, or of the channel's */
} bad_peers[] = {
	{"noise", FF_EPROTO, "too much output before the worker answered"},
	{"lines", FF_EPROTO, "too much output before the worker answered"},
	{"complaints", FF_ETIMEOUT, "It does not work."},
	{"nothing", FF_ETIMEOUT, "did not answer within 0.7 s"},
	{"silent", FF_ETIMEOUT, "did not answer within 0.7 s"},
	{"garbage", FF_EPROTO, "negative channel id"},
	{"unknown_code", FF_EPROTO, "unknown frame code 77"},
	{"long_frame", FF_ETOOBIG, "of 2147483647 bytes, limit is"},
	{"negative_frame", FF_EPROTO, "negative length -1"},
	{"promise", FF_EPROTO, "which was never opened"},
	{"nested_hello", FF_ELOAD, "nested too deeply"},
	{"long_list", FF_ELOAD, "HELLO: serialized data, byte 5: a length larger than the data"},
	{"no_hello", FF_EPROTO, "HEARTBEAT before HELLO"},
	{"credit_before_hello", FF_EPROTO, "CHANNEL_CREDIT before HELLO"},
	{"mute", FF_ELOST, "no sign of life for 0.7 s"},
	{"flood", FF_EPROTO, "exceeds its window"},
	{"nested_data", FF_ELOAD, "nested too deeply"},
	{"long_data", FF_ELOAD, "a length larger than the data"},
	{"closed_data", FF_EPROTO, "unknown frame code -1"},
	{"bad_credit", FF_EPROTO, "CHANNEL_CREDIT for channel 1 is malformed"},
	{"second_hello", FF_EPROTO, "HELLO that was not asked for"},
	{"tasks", FF_ETOOBIG, "the peer asks and does not read"},
	{"questions", FF_ETOOBIG, "the peer asks and does not read"},
	{"unopened", FF_EPROTO, "CHANNEL_DATA for channel 99, which was never opened"},
	{"long_hello", FF_ETOOBIG, "HELLO of 1073741833 bytes, limit is 65536"},
};

/* What it is given to execute: the words may be this channel's error. */
static void give_task(struct rig *rig, const struct bad_peer *peer)
{
	const struct ff_task task = {.source = "anything"};
	struct ff_channel *channel = ff_gateway_remote_exec(rig->gateway, &task, &rig->err);
	struct ff_item item = FF_ITEM_INIT;

	assert_non_null(channel);
	if (peer->code == FF_ELOAD) {
		int rc = ff_channel_receive(channel, WAIT_MS, &item, &rig->err);

		assert_int_not_equal(rc, 0);
	} else {
		/* Nobody reads. */
		until(rig, &rig->closed);
	}
	ff_channel_unref(channel);
}

static void try_peer(const struct bad_peer *peer)
{
	int64_t begin = ff_clock_us();
	long before;
	char text[640];
	struct rig rig;

	before = reset_peak(getpid());
	print_message("%s\n", peer->name);
	snprintf(text, sizeof(text), "popen//python=%s --peer %s", self, peer->name);
	rig_open(&rig, text);
	if (rig.err.code == 0)
		give_task(&rig, peer);
	if (rig.err.code != peer->code || !strstr(rig.err.text, peer->words))
		fail_msg("%s: %s instead of %s '%s': %s", peer->name, ff_err_name(rig.err.code),
			 ff_err_name(peer->code), peer->words, rig.err.text);
	check_peak(peer->name, getpid(), before);
	rig_close(&rig);
	if (ff_clock_us() - begin > PROMPT_US)
		fail_msg("%s: it took too long", peer->name);
}

static void test_bad_peers(void **state)
{
	for (size_t i = 0; i < sizeof(bad_peers) / sizeof(bad_peers[0]); i++)
		try_peer(&bad_peers[i]);
}

/* --- the program --- */

static int set_up(void **state)
{
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(len > 0);
	alarm(PROGRAM_S);
	/* A sanitizer keeps freed memory for a while: not here, where memory is measured. */
	setenv("ASAN_OPTIONS", "quarantine_size_mb=1", 0);
	return 0;
}

/* The same for this program, at its start. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1";
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood_of_native),
		cmocka_unit_test(test_flood_of_python),
		cmocka_unit_test(test_flood_is_killed),
		cmocka_unit_test(test_bad_peers),
	};

	if (argc > 2 && strcmp(argv[1], "--peer") == 0)
		return limits_peer(argv[2]);
	if (argc > 1)
		python = argv[1];
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
