/* The payload `run`: the task that it makes, and what it makes of a worker's items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "payload.h"

/* What the sink was told, as text. */
static char told[512];

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	size_t len = strlen(told);
	va_list args;

	va_start(args, fmt);
	vsnprintf(told + len, sizeof(told) - len, fmt, args);
	va_end(args);
}

static void on_started(void *ctx, uint32_t index)
{
	tell("started %u;", index);
}

static void on_output(void *ctx, uint32_t index, int stream, const char *bytes, size_t len)
{
	tell("output %u %d %.*s;", index, stream, (int)len, bytes);
}

static void on_finished(void *ctx, uint32_t index, const struct ff_result *r)
{
	tell("%s %s status %d %lld+%lld of %lld us %lld KiB%s;", ff_outcome_word(r->outcome),
	     r->message ? r->message : "-", r->status, (long long)r->user_us,
	     (long long)r->system_us, (long long)r->duration_us, (long long)r->max_rss_kib,
	     r->leaked ? " leaked" : "");
	if (r->limits)
		tell(" %s%s", r->limits, r->out_of_memory ? " out" : "");
	assert_true(r->has_status);
	assert_int_equal(index, 0);
}

static const struct ff_payload_sink sink = {
	.unit_started = on_started,
	.unit_output = on_output,
	.unit_finished = on_finished,
};

static int give(struct ff_value item, struct ff_err *err)
{
	*told = '\0';
	return ff_payload_find("run")->item(&item, &sink, NULL, err);
}

/* A tuple of two; `items` is the caller's. */
static struct ff_value pair(struct ff_value items[2], const char *word, struct ff_value what)
{
	items[0] = ff_str(word);
	items[1] = what;
	return ff_collection(FF_TUPLE, items, 2);
}

struct ending {
	struct ff_value exit, signal;
	bool timed_out, killed, leaked, out_of_memory;
	int64_t wall_us, memory_limit;
	const char *limits;
};

static int give_exit(const struct ending *e, struct ff_err *err)
{
	struct ff_value items[2];
	const struct ff_value dict[] = {
		ff_str("status"),
		ff_int(99),
		ff_str("exit"),
		e->exit,
		ff_str("signal"),
		e->signal,
		ff_str("timed_out"),
		ff_bool(e->timed_out),
		ff_str("killed"),
		ff_bool(e->killed),
		ff_str("leaked"),
		ff_bool(e->leaked),
		ff_str("wall_us"),
		ff_int(e->wall_us),
		ff_str("user_us"),
		ff_int(5),
		ff_str("system_us"),
		ff_int(6),
		ff_str("max_rss_kib"),
		ff_int(7),
		/* Of those with limits. */
		ff_str("out_of_memory"),
		ff_bool(e->out_of_memory),
		ff_str("memory_limit"),
		ff_int(e->memory_limit),
		ff_str("limits"),
		ff_str(e->limits),
	};

	size_t len = sizeof(dict) / sizeof(*dict) / 2 - (e->limits ? 0 : 3);

	return give(pair(items, "exit", ff_collection(FF_DICT, dict, len)), err);
}

static void test_items(void **state)
{
	struct ff_value items[2];
	struct ff_err err;

	assert_int_equal(give(pair(items, "start", ff_int(42)), &err), 0);
	assert_string_equal(told, "started 0;");
	assert_int_equal(give(pair(items, "out", ff_bytes("ab", 2)), &err), 0);
	assert_string_equal(told, "output 0 1 ab;");
	assert_int_equal(give(pair(items, "err", ff_bytes("", 0)), &err), 0);
	assert_string_equal(told, "output 0 2 ;");
}

static void test_endings(void **state)
{
	static const struct {
		int exit, signal;
		bool timed_out, killed, leaked;
		int64_t wall_us;
		const char *told;
	} cases[] = {
		{0, -1, false, false, false, 9, "passed - status 0 5+6 of 9 us 7 KiB;"},
		{0, -1, false, false, true, 9, "passed - status 0 5+6 of 9 us 7 KiB leaked;"},
		{3, -1, false, false, false, 9,
		 "failed exit status 3 status 768 5+6 of 9 us 7 KiB;"},
		{-1, 9, false, false, false, 9,
		 "crashed killed by signal 9 (SIGKILL) status 9 5+6 of 9 us 7 KiB;"},
		{-1, 64, false, false, false, 9,
		 "crashed killed by signal 64 status 64 5+6 of 9 us 7 KiB;"},
		{-1, 9, true, false, false, 10000000,
		 "timeout timed out after 10 s (TERM, then KILL) status 9 5+6 of 10000000 us 7 "
		 "KiB;"},
		{-1, 15, true, false, false, 1540000,
		 "timeout timed out after 1.5 s (TERM) status 15 5+6 of 1540000 us 7 KiB;"},
		{0, -1, true, false, false, 2000000,
		 "timeout timed out after 2.0 s (exit status 0) status 0 5+6 of 2000000 us 7 KiB;"},
		{-1, 15, false, true, false, 9,
		 "failed stopped on request (killed by signal 15 (SIGTERM)) status 15 5+6 of 9 us"
		 " 7 KiB;"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct ending e = {
			.exit = cases[i].exit < 0 ? ff_none() : ff_int(cases[i].exit),
			.signal = cases[i].signal < 0 ? ff_none() : ff_int(cases[i].signal),
			.timed_out = cases[i].timed_out,
			.killed = cases[i].killed,
			.leaked = cases[i].leaked,
			.wall_us = cases[i].wall_us,
		};
		struct ff_err err;

		assert_int_equal(give_exit(&e, &err), 0);
		assert_string_equal(told, cases[i].told);
	}
}

/* What is known of a memory limit: that it was met, or how near it was. */
static void test_limits(void **state)
{
	struct ending e = {.exit = ff_none(),
			   .signal = ff_int(9),
			   .wall_us = 9,
			   .out_of_memory = true,
			   .memory_limit = 64 << 20,
			   .limits = "by x"};
	struct ff_err err;

	assert_int_equal(give_exit(&e, &err), 0);
	assert_string_equal(told,
			    "crashed killed at its memory limit of 64.0 MiB (killed by signal 9 "
			    "(SIGKILL)) status 9 5+6 of 9 us 7 KiB; by x out");
	/* A shell whose child was killed, and that tells it; one that went on. */
	e.signal = ff_none();
	e.exit = ff_int(137);
	assert_int_equal(give_exit(&e, &err), 0);
	assert_string_equal(told, "crashed killed at its memory limit of 64.0 MiB (exit status 137)"
				  " status 35072 5+6 of 9 us 7 KiB; by x out");
	e.exit = ff_int(0);
	assert_int_equal(give_exit(&e, &err), 0);
	assert_string_equal(told, "passed - status 0 5+6 of 9 us 7 KiB; by x out");
	/* Its time was over first. */
	e.timed_out = true;
	e.exit = ff_none();
	e.signal = ff_int(9);
	assert_int_equal(give_exit(&e, &err), 0);
	assert_string_equal(told, "timeout timed out after 0.0 s (TERM, then KILL) status 9 5+6 of "
				  "9 us 7 KiB; by x out");
	/* It had 7 KiB. */
	e = (struct ending){.exit = ff_int(1),
			    .signal = ff_none(),
			    .wall_us = 9,
			    .memory_limit = 8 << 10,
			    .limits = "by y"};
	assert_int_equal(give_exit(&e, &err), 0);
	assert_string_equal(told,
			    "failed exit status 1 (its largest process had 0.0 of the 0.0 MiB "
			    "of its memory limit) status 256 5+6 of 9 us 7 KiB; by y");
	e.memory_limit = 80 << 10;
	assert_int_equal(give_exit(&e, &err), 0);
	assert_string_equal(told, "failed exit status 1 status 256 5+6 of 9 us 7 KiB; by y");
	e.memory_limit = -5;
	assert_int_equal(give_exit(&e, &err), FF_EPROTO);
}

static void test_bad_items(void **state)
{
	const struct ff_value one = ff_str("start");
	const struct ending endings[] = {
		{.exit = ff_none(), .signal = ff_none()},
		{.exit = ff_int(0), .signal = ff_int(9)},
		{.exit = ff_int(256), .signal = ff_none()},
		{.exit = ff_int(-1), .signal = ff_none()},
		{.exit = ff_none(), .signal = ff_int(0)},
		{.exit = ff_none(), .signal = ff_int(128)},
		{.exit = ff_str("0"), .signal = ff_none()},
		{.exit = ff_int(0), .signal = ff_none(), .wall_us = -1},
	};
	struct ff_value items[2];
	struct ff_err err;

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		assert_int_equal(give_exit(&endings[i], &err), FF_EPROTO);
		assert_string_equal(told, "");
	}
	assert_int_equal(give(ff_none(), &err), FF_EPROTO);
	assert_int_equal(give(ff_str("start"), &err), FF_EPROTO);
	assert_int_equal(give(ff_collection(FF_TUPLE, &one, 1), &err), FF_EPROTO);
	assert_int_equal(give(ff_collection(FF_TUPLE, NULL, 0), &err), FF_EPROTO);
	assert_int_equal(give(pair(items, "start", ff_none()), &err), FF_EPROTO);
	assert_int_equal(give(pair(items, "out", ff_str("x")), &err), FF_EPROTO);
	assert_int_equal(give(pair(items, "exit", ff_int(0)), &err), FF_EPROTO);
	assert_int_equal(give(pair(items, "exit", ff_collection(FF_DICT, NULL, 0)), &err),
			 FF_EPROTO);
	assert_int_equal(give(pair(items, "finish", ff_int(0)), &err), FF_EPROTO);
	assert_string_equal(err.text, "command: an unknown item");
	assert_string_equal(told, "");
}

static void assert_available(const char *text, const char *bytes)
{
	const struct ff_payload_probe *memory = ff_payload_find("run")->memory;
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_fact *facts = NULL;
	size_t len = 9;

	assert_int_equal(memory->read(text, strlen(text), &arena, &facts, &len, NULL, NULL), 0);
	assert_int_equal(len, bytes ? 1 : 0);
	if (bytes) {
		assert_string_equal(facts[0].key, "memory");
		assert_string_equal(facts[0].value, bytes);
	}
	ff_arena_release(&arena);
}

static void test_available_memory(void **state)
{
	const char *shell = NULL;

	assert_int_equal(ff_payload_find("run")->memory->command(NULL, NULL, &shell), 0);
	assert_non_null(strstr(shell, "/proc/meminfo"));
	assert_available("MemAvailable:    2048 kB\n", "2097152");
	assert_available("MemAvailable:    2048 kB\nmax\n", "2097152");
	assert_available("MemAvailable:    2048 kB\n1048576\n", "1048576");
	assert_available("MemAvailable:    2048 kB\n4194304\n", "2097152");
	assert_available("4194304", "4194304");
	assert_available("", NULL);
	assert_available("max\n", NULL);
	assert_available("MemAvailable: -1 kB\n-3\n", NULL);
	assert_available("MemAvailable: 99999999999999999999999 kB\n", NULL);
	assert_available("welcome to this host\nMemAvailable: 1 kB", "1024");
}

static void test_task(void **state)
{
	char *env[] = {"A=1=2", "B=", NULL}, *argv[] = {"ls", "-l", NULL};
	struct ff_payload_job job = {
		.shell = "true", .env = env, .stdin_text = "in", .timeout_us = 3, .grace_us = 4};
	const struct ff_payload_worker native = {.native = true}, python = {0};
	const struct ff_payload *payload = ff_payload_find("run");
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_buf repr = FF_BUF_INIT;
	struct ff_task task;
	struct ff_err err;

	assert_null(payload->session);
	assert_null(payload->probe);
	assert_null(payload->discover);
	assert_int_equal(payload->run->task(&job, &native, &arena, &task, &err), 0);
	assert_null(task.source);
	assert_string_equal(task.call_name, "command");
	assert_int_equal(ff_value_repr(&repr, &task.kwargs, 0), 0);
	assert_string_equal(ff_buf_str(&repr),
			    "{'shell': 'true', 'cwd': None, 'env': {'A': '1=2', 'B': ''}, "
			    "'stdin': 'in', 'timeout_us': 3, 'grace_us': 4}");
	ff_buf_clear(&repr);
	job = (struct ff_payload_job){.args = argv, .cwd = "sub"};
	assert_int_equal(payload->run->task(&job, &python, &arena, &task, &err), 0);
	assert_non_null(task.source);
	assert_string_equal(task.call_name, "command");
	assert_int_equal(ff_value_repr(&repr, &task.kwargs, 0), 0);
	assert_string_equal(ff_buf_str(&repr),
			    "{'argv': ['ls', '-l'], 'cwd': 'sub', 'env': {}, 'stdin': None, "
			    "'timeout_us': 0, 'grace_us': 0}");
	ff_buf_release(&repr);
	ff_arena_release(&arena);
}

static void test_check(void **state)
{
	char *empty[] = {"", NULL}, *none[] = {NULL}, *ls[] = {"ls", NULL};
	const struct ff_payload *payload = ff_payload_find("run");
	struct ff_err err;

	assert_int_equal(payload->check(&(struct ff_payload_job){.args = ls}, &err), 0);
	assert_int_equal(payload->check(&(struct ff_payload_job){.shell = "x"}, &err), 0);
	assert_int_equal(payload->check(&(struct ff_payload_job){.args = none}, &err), FF_EINVAL);
	assert_int_equal(payload->check(&(struct ff_payload_job){.args = empty}, &err), FF_EINVAL);
	assert_string_equal(err.text, "the command has no program");
}

static void test_kill(void **state)
{
	struct ff_buf buf = FF_BUF_INIT, repr = FF_BUF_INIT;
	struct ff_item item = FF_ITEM_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &buf);
	assert_int_equal(ff_payload_find("run")->run->kill(&p), 0);
	assert_int_equal(ff_load_item(&item, ff_buf_data(&buf), buf.len, NULL, 0, NULL), 0);
	ff_value_repr(&repr, &item.value, 0);
	assert_string_equal(ff_buf_str(&repr), "('kill',)");
	ff_item_release(&item);
	ff_buf_release(&buf);
	ff_buf_release(&repr);
}

static void test_registry(void **state)
{
	assert_null(ff_payload_find("ruin"));
	for (size_t i = 0; ff_payloads[i]; i++) {
		assert_ptr_equal(ff_payload_find(ff_payloads[i]->name), ff_payloads[i]);
		assert_true(!ff_payloads[i]->run != !ff_payloads[i]->session);
		assert_non_null(ff_payloads[i]->item);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),	  cmocka_unit_test(test_endings),
		cmocka_unit_test(test_bad_items), cmocka_unit_test(test_available_memory),
		cmocka_unit_test(test_task),	  cmocka_unit_test(test_check),
		cmocka_unit_test(test_limits),	  cmocka_unit_test(test_kill),
		cmocka_unit_test(test_registry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
