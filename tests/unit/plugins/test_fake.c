/* The fake payloads keep to the contract that others are tested by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "fake_payload.h"

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

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void on_missing(void *ctx, const char *text)
{
	tell("missing %s;", text);
}

static void on_started(void *ctx, const char *words, const struct ff_fact *facts, size_t facts_len,
		       const char *const *header)
{
	tell("started %s", words);
	for (size_t i = 0; i < facts_len; i++)
		tell(" %s=%s", facts[i].key, facts[i].value);
	for (; *header; header++)
		tell(" <%s>", *header);
	tell(";");
}

static void on_only_collects(void *ctx)
{
	tell("only;");
}

static void on_collected(void *ctx, const char *digest, uint32_t count, uint32_t deselected,
			 const char *rootdir)
{
	tell("collected %s %u-%u in %s;", digest, count, deselected, or_dash(rootdir));
}

static void on_ids(void *ctx, const struct ff_value *list)
{
	tell("ids");
	for (size_t i = 0; i < list->len; i++)
		tell(" %s", list->items[i].text);
	tell(";");
}

static void on_problem(void *ctx, const char *nodeid, const char *message, const char *longrepr,
		       bool skipped)
{
	tell("%s %s %s;", skipped ? "skipped" : "problem", nodeid, or_dash(message));
}

static void on_unit_started(void *ctx, uint32_t index)
{
	tell("start %u;", index);
}

static void on_wants(void *ctx)
{
	tell("wants;");
}

static void on_returned(void *ctx, const uint32_t *indexes, size_t count)
{
	tell("returned");
	for (size_t i = 0; i < count; i++)
		tell(" %u", indexes[i]);
	tell(";");
}

static void on_output(void *ctx, uint32_t index, int stream, const char *bytes, size_t len)
{
	tell("out %u %d %.*s;", index, stream, (int)len, bytes);
}

static void on_unit_finished(void *ctx, uint32_t index, const struct ff_result *result)
{
	tell("done %u %s %d %s;", index, ff_outcome_word(result->outcome), (int)result->duration_us,
	     or_dash(result->message));
}

static void on_notice(void *ctx, const struct ff_payload_notice *notice)
{
	tell("notice %s %s;", notice->level, notice->text);
}

static void on_session_finished(void *ctx, int exitstatus, bool bad, const char *stop)
{
	tell("%s %d %s;", bad ? "bad" : "finished", exitstatus, or_dash(stop));
}

static void on_session_error(void *ctx, enum ff_reason why, const char *text)
{
	tell("error %s %s;", ff_reason_word(why), text);
}

static void on_needs_front(void *ctx, const struct ff_value *reasons, const struct ff_value *about)
{
	tell("needs ");
	on_ids(ctx, reasons);
}

static void on_without(void *ctx, const struct ff_value *reasons)
{
	tell("without ");
	on_ids(ctx, reasons);
}

static void on_to_front(void *ctx, const struct ff_value *value)
{
	tell("to front %s;", value->text);
}

static const struct ff_payload_sink sink = {
	.needs_front = on_needs_front,
	.without = on_without,
	.to_front = on_to_front,
	.missing = on_missing,
	.started = on_started,
	.only_collects = on_only_collects,
	.collected = on_collected,
	.ids = on_ids,
	.collect_problem = on_problem,
	.unit_started = on_unit_started,
	.wants = on_wants,
	.returned = on_returned,
	.unit_output = on_output,
	.unit_finished = on_unit_finished,
	.notice = on_notice,
	.session_finished = on_session_finished,
	.session_error = on_session_error,
};

static int give(const char *text)
{
	struct ff_value item = ff_str(text);
	struct ff_err err;

	*told = '\0';
	return ff_fake_payload_session.item(&item, &sink, NULL, &err);
}

static void test_items(void **state)
{
	static const struct {
		const char *item, *told;
	} cases[] = {
		{"missing no fake here", "missing no fake here;"},
		{"started Fake 1\na=b\n#head\nc=d", "started Fake 1 a=b c=d <head>;"},
		{"started", "started ;"},
		{"only-collects", "only;"},
		{"collected d1 3", "collected d1 3-0 in -;"},
		{"collected d1 3 1 /r", "collected d1 3-1 in /r;"},
		{"ids a b c", "ids a b c;"},
		{"ids", "ids;"},
		{"problem m what is it", "problem m what is it;"},
		{"skipped m", "skipped m -;"},
		{"start 7", "start 7;"},
		{"wants", "wants;"},
		{"returned 1 2 3", "returned 1 2 3;"},
		{"returned", "returned;"},
		{"out 1 2 some text", "out 1 2 some text;"},
		{"done 1 passed", "done 1 passed 0 -;"},
		{"done 1 failed 250 it broke", "done 1 failed 250 it broke;"},
		{"notice warning careful now", "notice warning careful now;"},
		{"finished 0", "finished 0 -;"},
		{"finished 1 -x was given", "finished 1 -x was given;"},
		{"bad 3 it broke", "bad 3 it broke;"},
		{"error usage what?", "error usage what?;"},
		{"needs a b", "needs ids a b;"},
		{"without -r", "without ids -r;"},
		{"to-front some text", "to front some text;"},
	};
	static const char *const wrong[] = {
		"",	     "begin",	     "start",	     "start x", "done 1",
		"done 1 x",  "out 1 0 text", "out 1 3 text", "bad 1",	"problem",
		"error x y", "collected d",  "returned 1 x"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(give(cases[i].item), 0);
		assert_string_equal(told, cases[i].told);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(give(wrong[i]), FF_EPROTO);
		assert_string_equal(told, "");
	}
}

static void assert_order(int rc, struct ff_buf *buf, const char *expected)
{
	char text[64];

	assert_int_equal(rc, 0);
	assert_true(ff_fake_payload_order(ff_buf_data(buf), buf->len, text, sizeof(text)));
	assert_string_equal(text, expected);
	ff_buf_clear(buf);
}

static void test_orders(void **state)
{
	const struct ff_payload_session *part = ff_fake_payload_session.session;
	const uint32_t indexes[] = {3, 4};
	struct ff_buf buf = FF_BUF_INIT;
	struct ff_pack p;

#define PACK(call, expected)                                                                       \
	do {                                                                                       \
		ff_pack_init(&p, &buf);                                                            \
		assert_order(call, &buf, expected);                                                \
	} while (0)
	PACK(part->ask_ids(&p), "ids");
	PACK(part->run(&p, indexes, 2), "run 3 4");
	PACK(part->take_back(&p, indexes, 1), "take 3");
	PACK(part->end(&p), "end");
	PACK(part->stop(&p), "stop");
	PACK(part->idle(&p), "idle");
	PACK(ff_fake_payload_run.run->kill(&p), "kill");
	ff_buf_release(&buf);
}

static void on_ready(void *ctx, const char *rootdir, const char *const *header)
{
	tell("ready %s;", rootdir);
}

static void on_to_worker(void *ctx, const char *worker, const struct ff_value *value)
{
	tell("to %s %s;", worker, value->text);
}

static void on_again(void *ctx, const char *name)
{
	tell("again %s;", name);
}

static void on_settled(void *ctx, const char *name)
{
	tell("settled %s;", name);
}

static void on_stop(void *ctx, const char *text)
{
	tell("stop %s;", text);
}

static void on_text(void *ctx, const char *text, size_t len)
{
	tell("text %s;", text);
}

static void on_front_notice(void *ctx, const char *level, const char *text)
{
	tell("%s %s;", level, text);
}

static const struct ff_front_sink front_sink = {
	.ready = on_ready,
	.to_worker = on_to_worker,
	.again = on_again,
	.settled = on_settled,
	.stop = on_stop,
	.text = on_text,
	.notice = on_front_notice,
	.error = on_session_error,
	.finished = on_session_finished,
};

static void test_front_items(void **state)
{
	static const struct {
		const char *item, *told;
	} cases[] = {
		{"ready /r", "ready /r;"},
		{"to gw0 some text", "to gw0 some text;"},
		{"again a", "again a;"},
		{"settled a", "settled a;"},
		{"stop for now", "stop for now;"},
		{"text ..F", "text ..F;"},
		{"notice error careful", "error careful;"},
		{"error usage what?", "error usage what?;"},
		{"finished 3", "finished 3 -;"},
		{"bad 3 it broke", "bad 3 it broke;"},
	};
	static const char *const wrong[] = {"", "ready", "done 3", "bad 3", "error x y"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ff_value item = ff_str(cases[i].item);

		*told = '\0';
		assert_int_equal(
			ff_fake_payload_session.front->item(&item, &front_sink, NULL, NULL), 0);
		assert_string_equal(told, cases[i].told);
	}
	*told = '\0';
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct ff_value item = ff_str(wrong[i]);

		assert_int_equal(
			ff_fake_payload_session.front->item(&item, &front_sink, NULL, NULL),
			FF_EPROTO);
		assert_string_equal(told, "");
	}
}

static void test_front_is_told(void **state)
{
	const struct ff_payload_front *part = ff_fake_payload_session.front;
	const struct ff_value word = ff_str("value");
	struct ff_buf buf = FF_BUF_INIT, value = FF_BUF_INIT;
	struct ff_pack p;

	assert_int_equal(ff_dump_item(&value, &word, NULL), 0);
#define TELL(expected, ...)                                                                        \
	PACK(part->tell(&p, &(const struct ff_front_item){__VA_ARGS__}), expected)
	TELL("from gw0 value", .kind = FF_FRONT_FROM, .worker = "gw0", .value = ff_buf_data(&value),
	     .value_len = value.len);
	TELL("unit gw0 3 value again", .kind = FF_FRONT_UNIT, .worker = "gw0", .unit = 3,
	     .value = ff_buf_data(&value), .value_len = value.len, .again = true);
	TELL("crash gw0 3 a signal 9", .kind = FF_FRONT_CRASH, .worker = "gw0", .unit = 3,
	     .name = "a", .text = "signal 9");
	TELL("lost 3 a no host", .kind = FF_FRONT_LOST, .unit = 3, .name = "a", .text = "no host");
	TELL("down gw0", .kind = FF_FRONT_DOWN, .worker = "gw0");
	TELL("stop maxfail", .kind = FF_FRONT_STOP, .text = "maxfail");
	TELL("end interrupted", .kind = FF_FRONT_END, .text = "", .again = true);
	PACK(part->pass_on(&p, ff_buf_data(&value), value.len), "front value");
	ff_buf_release(&value);
	ff_buf_release(&buf);
}

static void test_tasks(void **state)
{
	char *args[] = {"a", "b", NULL};
	const struct ff_payload_job job = {.name = "j", .args = args};
	struct ff_payload_worker worker = {.id = "gw1", .host = "h"};
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_task task;
	struct ff_err err;

	assert_int_equal(ff_fake_payload_run.discover->task(&job, &worker, &arena, &task, &err), 0);
	assert_string_equal(task.call_name, "discover");
	assert_int_equal(ff_fake_payload_run.run->task(&job, &worker, &arena, &task, &err), 0);
	assert_string_equal(task.call_name, "run");
	assert_int_equal(ff_fake_payload_session.session->task(&job, &worker, &arena, &task, &err),
			 0);
	assert_string_equal(task.call_name, "session");
	assert_string_equal(ff_dict_str(&task.kwargs, "args", NULL), "a b");
	assert_string_equal(ff_dict_str(&task.kwargs, "host", NULL), "h");
	ff_arena_release(&arena);
}

static void test_probe(void **state)
{
	const struct ff_payload_probe *part = ff_fake_payload_session.probe;
	struct ff_arena arena = FF_ARENA_INIT;
	struct ff_buf note = FF_BUF_INIT;
	struct ff_fact *facts;
	struct ff_xspec spec;
	struct ff_err err;
	const char *shell;
	size_t len;

	assert_int_equal(ff_xspec_parse(&spec, "popen", NULL), 0);
	assert_int_equal(part->command(&spec, &arena, &shell), 1);
	assert_int_equal(ff_xspec_set(&spec, "python", "py"), 0);
	assert_int_equal(part->command(&spec, &arena, &shell), 0);
	assert_string_equal(shell, "probe py");
	assert_int_equal(part->read("found /py two words\n", 20, &arena, &facts, &len, &note, &err),
			 0);
	assert_string_equal(facts[0].value, "/py");
	assert_string_equal(ff_buf_str(&note), "two words");
	assert_int_equal(part->read("nothing here", 12, &arena, &facts, &len, &note, &err),
			 FF_ENOTFOUND);
	assert_string_equal(err.text, "here");
	assert_int_equal(part->read("", 0, &arena, &facts, &len, &note, &err), FF_ENOTFOUND);
	ff_buf_release(&note);
	ff_xspec_release(&spec);
	ff_arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),	    cmocka_unit_test(test_orders),
		cmocka_unit_test(test_front_items), cmocka_unit_test(test_front_is_told),
		cmocka_unit_test(test_tasks),	    cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
