/* The front of the payload `pytest`: its task, what it is told, what is made of what it and the
 * sessions say of it, and the exit status of the whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "payload.h"

#define TUPLE(...)                                                                                 \
	ff_collection(FF_TUPLE, (const struct ff_value[]){__VA_ARGS__},                            \
		      sizeof((const struct ff_value[]){__VA_ARGS__}) / sizeof(struct ff_value))
#define LIST(...)                                                                                  \
	ff_collection(FF_LIST, (const struct ff_value[]){__VA_ARGS__},                             \
		      sizeof((const struct ff_value[]){__VA_ARGS__}) / sizeof(struct ff_value))
#define DICT(...)                                                                                  \
	ff_collection(FF_DICT, (const struct ff_value[]){__VA_ARGS__},                             \
		      sizeof((const struct ff_value[]){__VA_ARGS__}) / sizeof(struct ff_value) /   \
			      2)
#define S ff_str
#define I ff_int

static char told[1024];

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	size_t len = strlen(told);
	va_list args;

	va_start(args, fmt);
	vsnprintf(told + len, sizeof(told) - len, fmt, args);
	va_end(args);
}

static void tell_value(const char *word, const struct ff_value *value)
{
	struct ff_buf repr = FF_BUF_INIT;

	if (value)
		ff_value_repr(&repr, value, 0);
	tell("%s %s;", word, value ? ff_buf_str(&repr) : "-");
	ff_buf_release(&repr);
}

/* --- what a session says of it --- */

static void on_needs_front(void *ctx, const struct ff_value *reasons, const struct ff_value *about)
{
	tell_value("needs", reasons);
	tell_value("about", about);
}

static void on_without(void *ctx, const struct ff_value *reasons)
{
	tell_value("without", reasons);
}

static void on_to_front(void *ctx, const struct ff_value *value)
{
	tell_value("to front", value);
}

static void on_unit_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	struct ff_item item = FF_ITEM_INIT;

	tell("done %u;", index);
	if (!result->front)
		return;
	assert_int_equal(ff_load_item(&item, result->front, result->front_len, NULL, 0, NULL), 0);
	tell_value("front", &item.value);
	ff_item_release(&item);
}

static const struct ff_payload_sink sink = {
	.needs_front = on_needs_front,
	.without = on_without,
	.to_front = on_to_front,
	.unit_finished = on_unit_finished,
};

static int session_says(struct ff_value item)
{
	struct ff_err err = {0};

	*told = '\0';
	return ff_payload_find("pytest")->item(&item, &sink, NULL, &err);
}

#define SAYS(item, expected)                                                                       \
	do {                                                                                       \
		assert_int_equal(session_says(item), 0);                                           \
		assert_string_equal(told, expected);                                               \
	} while (0)

static struct ff_value done(struct ff_value *fields, struct ff_value front, uint32_t len)
{
	static const struct ff_value times[] = {
		{.kind = FF_FLOAT}, {.kind = FF_FLOAT}, {.kind = FF_FLOAT}};
	static struct ff_value place[2];
	const struct ff_value all[] = {S("done"),
				       I(4),
				       S("passed"),
				       ff_float(0.5),
				       ff_float(1),
				       ff_none(),
				       ff_collection(FF_TUPLE, times, 3),
				       ff_collection(FF_TUPLE, place, 2),
				       ff_none(),
				       ff_none(),
				       front,
				       front};

	place[0] = S("test_a.py");
	place[1] = ff_none();
	memcpy(fields, all, sizeof(all));
	return ff_collection(FF_TUPLE, fields, len);
}

static void test_what_sessions_say(void **state)
{
	struct ff_value fields[12];

	SAYS(TUPLE(S("need"), LIST(S("a"), S("b"))), "needs ['a', 'b'];about -;");
	SAYS(TUPLE(S("need"), LIST(S("a")), DICT(S("x"), I(1))), "needs ['a'];about {'x': 1};");
	SAYS(TUPLE(S("without"), LIST(S("-r"))), "without ['-r'];");
	SAYS(TUPLE(S("front"), TUPLE(S("ready"), I(3))), "to front ('ready', 3);");
	SAYS(done(fields, ff_none(), 10), "done 4;");
	SAYS(done(fields, ff_none(), 11), "done 4;");
	SAYS(done(fields, LIST(I(1), S("r")), 11), "done 4;front [1, 'r'];");
	assert_int_equal(session_says(done(fields, ff_none(), 12)), FF_EPROTO);
	assert_int_equal(session_says(TUPLE(S("need"))), FF_EPROTO);
	assert_int_equal(session_says(TUPLE(S("need"), LIST(I(1)))), FF_EPROTO);
	assert_int_equal(session_says(TUPLE(S("without"), S("x"))), FF_EPROTO);
	assert_int_equal(session_says(TUPLE(S("front"))), FF_EPROTO);
}

/* --- what the front says --- */

static void on_ready(void *ctx, const char *rootdir, const char *const *header)
{
	tell("ready %s", rootdir ? rootdir : "-");
	for (; *header; header++)
		tell(" <%s>", *header);
}

static void on_to_worker(void *ctx, const char *worker, const struct ff_value *value)
{
	tell_value(worker, value);
}

static void on_again(void *ctx, const char *name)
{
	tell("again %s", name);
}

static void on_settled(void *ctx, const char *name)
{
	tell("settled %s", name);
}

static void on_stop(void *ctx, const char *text)
{
	tell("stop %s", text);
}

static void tell_units(const char *word, const char *worker, const uint32_t *units, size_t len)
{
	tell("%s %s", word, worker);
	for (size_t i = 0; i < len; i++)
		tell(" %u", units[i]);
}

static void on_gives(void *ctx, const char *worker, const uint32_t *units, size_t len)
{
	tell_units("gives", worker, units, len);
}

static void on_steals(void *ctx, const char *worker, const uint32_t *units, size_t len)
{
	tell_units("steals", worker, units, len);
}

static void on_dismisses(void *ctx, const char *worker)
{
	tell("dismisses %s", worker);
}

static void on_gives_up(void *ctx, uint32_t index, const char *text)
{
	tell("gives up %u %s", index, text);
}

static void on_heard(void *ctx, uint32_t count)
{
	tell("heard %u", count);
}

static void on_text(void *ctx, const char *text, size_t len)
{
	tell("text %zu %s", len, text);
}

static void on_notice(void *ctx, const char *level, const char *text)
{
	tell("%s %s", level, text);
}

static void on_error(void *ctx, enum ff_reason why, const char *text)
{
	tell("%s %s", ff_reason_word(why), text);
}

static void on_finished(void *ctx, int exitstatus, bool bad, const char *words)
{
	tell("finished %d%s %s", exitstatus, bad ? " bad" : "", words ? words : "-");
}

static const struct ff_front_sink front_sink = {
	.ready = on_ready,
	.to_worker = on_to_worker,
	.again = on_again,
	.settled = on_settled,
	.stop = on_stop,
	.gives = on_gives,
	.steals = on_steals,
	.dismisses = on_dismisses,
	.gives_up = on_gives_up,
	.heard = on_heard,
	.text = on_text,
	.notice = on_notice,
	.error = on_error,
	.finished = on_finished,
};

static int front_says(struct ff_value item)
{
	struct ff_err err = {0};

	*told = '\0';
	return ff_payload_find("pytest")->front->item(&item, &front_sink, NULL, &err);
}

#define FRONT_SAYS(item, expected)                                                                 \
	do {                                                                                       \
		assert_int_equal(front_says(item), 0);                                             \
		assert_string_equal(told, expected);                                               \
	} while (0)

static void test_what_it_says(void **state)
{
	const struct ff_value wrong[] = {
		S("ready"),
		TUPLE(S("ready")),
		TUPLE(S("ready"), S("x")),
		TUPLE(S("to"), S("gw0")),
		TUPLE(S("to"), I(0), I(0)),
		TUPLE(S("again")),
		TUPLE(S("settled"), I(1)),
		TUPLE(S("stop"), ff_none()),
		TUPLE(S("text"), I(1)),
		TUPLE(S("give"), S("gw0")),
		TUPLE(S("give"), LIST(I(1)), LIST(I(1))),
		TUPLE(S("give"), S("gw0"), LIST(I(1), I(-1))),
		TUPLE(S("steal"), S("gw0"), LIST(S("a"))),
		TUPLE(S("shut"), I(0)),
		TUPLE(S("give_up"), I(-1), S("why")),
		TUPLE(S("give_up"), I(1)),
		TUPLE(S("heard"), I(-1)),
		TUPLE(S("usage_error")),
		TUPLE(S("trouble")),
		TUPLE(S("finished")),
		TUPLE(S("finished"), I(0)),
		TUPLE(S("finished"), DICT(S("exitstatus"), S("0"))),
		TUPLE(S("finished"), DICT(S("exitstatus"), I(-1))),
		TUPLE(S("finished"), DICT(S("exitstatus"), I(256))),
		TUPLE(S("done"), I(0)),
	};

	FRONT_SAYS(TUPLE(S("ready"), DICT(S("rootdir"), S("/r"), S("header"), LIST(S("a"), I(1)))),
		   "ready /r <a>");
	FRONT_SAYS(TUPLE(S("to"), S("gw3"), DICT(S("x"), I(1))), "gw3 {'x': 1};");
	FRONT_SAYS(TUPLE(S("again"), S("a::b")), "again a::b");
	FRONT_SAYS(TUPLE(S("settled"), S("a::b")), "settled a::b");
	FRONT_SAYS(TUPLE(S("stop"), S("enough")), "stop enough");
	FRONT_SAYS(TUPLE(S("give"), S("gw0"), LIST(I(3), I(0))), "gives gw0 3 0");
	FRONT_SAYS(TUPLE(S("steal"), S("gw1"), LIST(I(7))), "steals gw1 7");
	FRONT_SAYS(TUPLE(S("shut"), S("gw1")), "dismisses gw1");
	FRONT_SAYS(TUPLE(S("give_up"), I(2), S("why")), "gives up 2 why");
	FRONT_SAYS(TUPLE(S("heard"), I(9)), "heard 9");
	FRONT_SAYS(TUPLE(S("text"), S("..F\n")), "text 4 ..F\n");
	FRONT_SAYS(TUPLE(S("trouble"), S("Traceback")), "error Traceback");
	FRONT_SAYS(TUPLE(S("usage_error"), S("what?")), "usage what?");
	FRONT_SAYS(TUPLE(S("internal_error"), S("why?")), "payload why?");
	FRONT_SAYS(TUPLE(S("finished"), DICT(S("exitstatus"), I(5), S("words"), S(""))),
		   "finished 5 -");
	FRONT_SAYS(TUPLE(S("finished"),
			 DICT(S("exitstatus"), I(7), S("words"), S("w"), S("bad"), ff_bool(true))),
		   "finished 7 bad w");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(front_says(wrong[i]), FF_EPROTO);
		assert_string_equal(told, "");
	}
}

/* --- what it is told --- */

static void assert_item(const struct ff_buf *buf, const char *expected)
{
	struct ff_item item = FF_ITEM_INIT;
	struct ff_buf repr = FF_BUF_INIT;

	assert_int_equal(ff_load_item(&item, ff_buf_data(buf), buf->len, NULL, 0, NULL), 0);
	ff_value_repr(&repr, &item.value, 0);
	assert_string_equal(ff_buf_str(&repr), expected);
	ff_buf_release(&repr);
	ff_item_release(&item);
}

static void assert_tells(const struct ff_front_item *item, const char *expected)
{
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

	ff_pack_init(&p, &buf);
	assert_int_equal(ff_payload_find("pytest")->front->tell(&p, item), 0);
	assert_item(&buf, expected);
	ff_buf_release(&buf);
}

#define TELLS(expected, ...) assert_tells(&(const struct ff_front_item){__VA_ARGS__}, expected)

static void test_what_it_is_told(void **state)
{
	const struct ff_value pair = TUPLE(I(1), S("r"));
	const struct ff_front_worker node = {.spec = "ssh=h", .host = "h", .python = "/py"};
	struct ff_buf value = FF_BUF_INIT, buf = FF_BUF_INIT;
	struct ff_pack p;

	assert_int_equal(ff_dump_item(&value, &pair, NULL), 0);
	TELLS("('node', 'gw0', {'spec': 'ssh=h', 'host': 'h', 'python': '/py', 'chdir': None, "
	      "'local': False, 'about': (1, 'r')})",
	      .kind = FF_FRONT_WORKER, .worker = "gw0", .node = &node, .value = ff_buf_data(&value),
	      .value_len = value.len);
	TELLS("('from', 'gw0', (1, 'r'))", .kind = FF_FRONT_FROM, .worker = "gw0",
	      .value = ff_buf_data(&value), .value_len = value.len);
	TELLS("('test', 'gw0', 3, (1, 'r'), True)", .kind = FF_FRONT_UNIT, .worker = "gw0",
	      .index = 3, .value = ff_buf_data(&value), .value_len = value.len, .again = true);
	TELLS("('crash', 'gw0', 3, 'a::b', 'signal 9', False)", .kind = FF_FRONT_CRASH,
	      .worker = "gw0", .index = 3, .name = "a::b", .text = "signal 9");
	TELLS("('crash', 'gw0', None, None, '', True)", .kind = FF_FRONT_CRASH, .worker = "gw0",
	      .index = UINT32_MAX, .again = true);
	TELLS("('lost', 3, 'a::b', 'no host')", .kind = FF_FRONT_LOST, .index = 3, .name = "a::b",
	      .text = "no host");
	TELLS("('down', 'gw0', None)", .kind = FF_FRONT_DOWN, .worker = "gw0");
	TELLS("('down', 'gw0', 'signal 9')", .kind = FF_FRONT_DOWN, .worker = "gw0",
	      .text = "signal 9");
	TELLS("('line', 'host h is away')", .kind = FF_FRONT_LINE, .text = "host h is away");
	TELLS("('stop', 'maxfail')", .kind = FF_FRONT_STOP, .text = "maxfail");
	TELLS("('up', 'gw0')", .kind = FF_FRONT_UP, .worker = "gw0");
	TELLS("('back', 'gw0', [4, 2])", .kind = FF_FRONT_BACK, .worker = "gw0",
	      .units = (const uint32_t[]){4, 2}, .units_len = 2);
	TELLS("('skip', 'gw0', 3)", .kind = FF_FRONT_SKIP, .worker = "gw0", .index = 3);
	TELLS("('stuck', 2)", .kind = FF_FRONT_STUCK, .number = 2);
	TELLS("('more', 30, 2)", .kind = FF_FRONT_MORE, .number = 30, .left = 2);
	TELLS("('end', True, '')", .kind = FF_FRONT_END, .again = true);
	ff_pack_init(&p, &buf);
	assert_int_equal(
		ff_payload_find("pytest")->front->pass_on(&p, ff_buf_data(&value), value.len), 0);
	assert_item(&buf, "('front', (1, 'r'))");
	ff_buf_release(&buf);
	ff_buf_release(&value);
}

static void assert_task(const struct ff_front_run *run, const char *expected)
{
	char *args[] = {"tests", NULL};
	const struct ff_payload_job job = {.args = args};
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_buf repr = FF_BUF_INIT;
	struct ff_task task;

	assert_int_equal(ff_payload_find("pytest")->front->task(&job, run, &arena, &task, NULL), 0);
	assert_non_null(strstr(task.source, "\ndef main("));
	assert_string_equal(task.call_name, "main");
	ff_value_repr(&repr, &task.kwargs, 0);
	assert_string_equal(ff_buf_str(&repr), expected);
	ff_buf_release(&repr);
	ff_arena_release(&arena);
}

static void test_task(void **state)
{
	const struct ff_front_worker workers[] = {
		{.id = "gw0", .spec = "popen", .host = "here", .local = true},
		{.id = "gw1", .spec = "ssh=h", .host = "h"}};
	struct ff_front_run run = {.run_id = "r1",
				   .workers = workers,
				   .workers_len = 1,
				   .maxfail = 2,
				   .max_worker_restart = -1,
				   .terminal = 3,
				   .columns = 80,
				   .colour = 1,
				   .joined = true};

	assert_task(&run,
		    "{'args': ['tests'], 'mainargv': ['pytest', 'tests'], 'dist': None, 'specs': "
		    "[{'id': 'gw0', 'spec': 'popen', 'host': 'here'}], 'numprocesses': 1, "
		    "'maxprocesses': None, 'testrunuid': 'r1', 'maxfail': 2, 'max_worker_restart': "
		    "None, 'terminal': 3, 'columns': 80, 'color': True, 'addopts': True, 'joined': "
		    "True}");
	run = (struct ff_front_run){
		.workers = workers, .workers_len = 2, .terminal = -1, .colour = -1};
	assert_task(&run,
		    "{'args': ['tests'], 'mainargv': ['pytest', 'tests'], 'dist': None, 'specs': "
		    "[{'id': 'gw0', 'spec': 'popen', 'host': 'here'}, {'id': 'gw1', 'spec': "
		    "'ssh=h', 'host': 'h'}], 'numprocesses': 2, 'maxprocesses': None, "
		    "'testrunuid': None, 'maxfail': None, 'max_worker_restart': 0, 'terminal': "
		    "None, 'columns': None, 'color': None, 'addopts': True, 'joined': False}");
}

/* --- the end --- */

static int status(int front, struct ff_job_end end)
{
	end.front_status = front;
	return ff_payload_find("pytest")->exit_status(&end);
}

static void test_exit_status(void **state)
{
#define STATUS(...)	     status(-1, (struct ff_job_end){__VA_ARGS__})
#define WITH_FRONT(own, ...) status(own, (struct ff_job_end){__VA_ARGS__})
	assert_int_equal(STATUS(.run_status = 0), 0);
	assert_int_equal(STATUS(.bad = true, .run_status = 1), 1);
	assert_int_equal(STATUS(.run_status = 1), 1); /* whatever it is */
	assert_int_equal(STATUS(.interrupted = true, .why = FF_REASON_INTERRUPTED), 2);
	assert_int_equal(STATUS(.not_collected = true, .bad = true, .run_status = 1), 2);
	assert_int_equal(STATUS(.why = FF_REASON_PAYLOAD, .run_status = 1), 3);
	assert_int_equal(STATUS(.why = FF_REASON_NO_WORKER, .run_status = 3), 3);
	assert_int_equal(STATUS(.why = FF_REASON_USAGE, .run_status = 2), 4);
	assert_int_equal(STATUS(.why = FF_REASON_NOTHING, .run_status = 1), 5);
	assert_int_equal(STATUS(.why = FF_REASON_SESSION, .session_status = 9, .run_status = 1), 9);
	assert_int_equal(STATUS(.why = FF_REASON_SESSION, .run_status = 1), 1);
	/* The front's own, save where that knows less than we do. */
	assert_int_equal(WITH_FRONT(7, .run_status = 0), 7);
	assert_int_equal(WITH_FRONT(0, .bad = true, .run_status = 1), 1);
	assert_int_equal(WITH_FRONT(5, .why = FF_REASON_NOTHING, .run_status = 1), 5);
	assert_int_equal(WITH_FRONT(5, .why = FF_REASON_SESSION, .run_status = 1), 1);
	assert_int_equal(WITH_FRONT(5, .why = FF_REASON_PAYLOAD, .run_status = 1), 3);
	assert_int_equal(WITH_FRONT(1, .why = FF_REASON_PAYLOAD, .bad = true, .run_status = 1), 3);
	assert_int_equal(WITH_FRONT(9, .why = FF_REASON_PAYLOAD, .run_status = 1), 9);
	assert_int_equal(
		WITH_FRONT(2, .why = FF_REASON_SESSION, .session_status = 7, .run_status = 1), 7);
	assert_int_equal(WITH_FRONT(2, .why = FF_REASON_SESSION, .run_status = 1), 2);
	assert_int_equal(WITH_FRONT(1, .why = FF_REASON_FRONT, .run_status = 3), 3);
	assert_int_equal(WITH_FRONT(0, .why = FF_REASON_DISK, .run_status = 3), 3);
#undef STATUS
#undef WITH_FRONT
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_sessions_say), cmocka_unit_test(test_what_it_says),
		cmocka_unit_test(test_what_it_is_told),	  cmocka_unit_test(test_task),
		cmocka_unit_test(test_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
