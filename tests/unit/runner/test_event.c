/* Events as JSON: every kind and field there and back, whatever bytes the texts have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/fields.h"
#include "event/journal.h"

/* Sizes of the union's members, to see that the field table leaves nothing out. */
static const size_t member_size[FF_EVENT_KINDS] = {
#define S(kind, member) [FF_EVENT_##kind] = sizeof(((struct ff_event *)0)->u.member)
	S(RUN_STARTED, run_started),	   S(HOST_READY, host_ready),
	S(HOST_FAILED, host_failed),	   S(HOST_LOST, host_lost),
	S(SYNC_FINISHED, sync_finished),   S(JOB_STARTED, job_started),
	S(WORKER_STARTED, worker_started), S(WORKER_ENDED, worker_ended),
	S(COLLECTED, collected),	   S(COLLECT_PROBLEM, collect_problem),
	S(UNIT_STARTED, unit_started),	   S(UNIT_OUTPUT, unit_output),
	S(UNIT_FINISHED, unit_finished),   S(NOTICE, notice),
	S(JOB_FINISHED, job_finished),	   S(INTERRUPTED, interrupted),
	S(RUN_FINISHED, run_finished),
#undef S
};

static const struct {
	size_t size, align;
} types[] = {
#define T(name, type) [FF_FIELD_##name] = {sizeof(type), _Alignof(type)}
	T(TEXT, const char *),
	T(BOOL, bool),
	T(INT, int),
	T(NUMBER, int),
	T(U32, uint32_t),
	T(U64, uint64_t),
	T(I64, int64_t),
	T(COUNTS, struct ff_counts),
	T(RESULT, const struct ff_result *),
	T(LINES, const char *const *),
	[FF_FIELD_OUTPUT] = {sizeof(const char *) + sizeof(size_t), _Alignof(const char *)},
#undef T
};

static size_t round_up(size_t n, size_t align)
{
	return (n + align - 1) / align * align;
}

/* Fields cover a member when each begins where another ends, up to alignment. */
static void test_fields_cover_all(void **state)
{
	for (int kind = 0; kind < FF_EVENT_KINDS; kind++) {
		const struct ff_field *fields = ff_event_fields((enum ff_event_kind)kind);
		size_t end = offsetof(struct ff_event, u), widest = 1;

		for (;;) {
			const struct ff_field *next = NULL;

			for (const struct ff_field *f = fields; f->name; f++)
				if (f->offset >= end && (!next || f->offset < next->offset))
					next = f;
			if (!next)
				break;
			assert_int_equal(next->offset, round_up(end, types[next->type].align));
			end = next->offset + types[next->type].size;
			if (types[next->type].align > widest)
				widest = types[next->type].align;
		}
		assert_int_equal(round_up(end, widest) - offsetof(struct ff_event, u),
				 member_size[kind]);
	}
}

static const char nasty[] =
	"q\" b\\ \n\r\t\b\f \x01\x1f\x7f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d </x>";

static const struct ff_section sections[] = {
	{"Captured stdout call", "out\0put", 7},
	{"stderr", "", 0},
};
static const struct ff_phase phases[] = {
	{"setup", FF_OUTCOME_PASSED, 12, NULL, NULL},
	{"call", FF_OUTCOME_FAILED, 34567890123, nasty, "E   assert 1 == 2"},
};
static const struct ff_property properties[] = {{"a", "1"}, {nasty, ""}};
static const struct ff_result full_result = {
	.outcome = FF_OUTCOME_TIMEOUT,
	.duration_us = INT64_MAX,
	.message = nasty,
	.longrepr = "line\nline",
	.sections = sections,
	.sections_len = 2,
	.phases = phases,
	.phases_len = 2,
	.properties = properties,
	.properties_len = 2,
	.file = "tests/test_x.py",
	.line = 7,
	.has_status = true,
	.status = 9,
	.user_us = 11,
	.system_us = 12,
	.max_rss_kib = 13,
	.output_cut = true,
	.output_bytes = (uint64_t)INT64_MAX,
	.leaked = true,
};
static const char *const lines[] = {"platform linux", nasty, NULL};

static void fill(struct ff_event *event, const struct ff_field *f, unsigned salt)
{
	void *at = (char *)event + f->offset;

	switch (f->type) {
	case FF_FIELD_TEXT:
		*(const char **)at = salt % 2 ? nasty : f->name;
		break;
	case FF_FIELD_BOOL:
		*(bool *)at = true;
		break;
	case FF_FIELD_INT:
	case FF_FIELD_NUMBER:
		*(int *)at = -2147483647 - 1 + (int)salt;
		break;
	case FF_FIELD_U32:
		*(uint32_t *)at = UINT32_MAX - salt;
		break;
	case FF_FIELD_U64:
		*(uint64_t *)at = (uint64_t)INT64_MAX - salt;
		break;
	case FF_FIELD_I64:
		*(int64_t *)at = INT64_MIN + salt;
		break;
	case FF_FIELD_COUNTS:
		for (int i = 0; i < FF_OUTCOMES; i++)
			((struct ff_counts *)at)->by_outcome[i] = salt + (unsigned)i;
		((struct ff_counts *)at)->total = 100 + salt;
		((struct ff_counts *)at)->retried = 200 + salt;
		break;
	case FF_FIELD_RESULT:
		*(const struct ff_result **)at = &full_result;
		break;
	case FF_FIELD_LINES:
		*(const char *const **)at = lines;
		break;
	case FF_FIELD_OUTPUT:
		event->u.unit_output.bytes = "a\0b";
		event->u.unit_output.len = 3;
		break;
	}
}

static void same_text(const char *a, const char *b)
{
	if (!a || !b)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static void same_result(const struct ff_result *a, const struct ff_result *b)
{
	assert_int_equal(a->outcome, b->outcome);
	assert_true(a->duration_us == b->duration_us);
	same_text(a->message, b->message);
	same_text(a->longrepr, b->longrepr);
	same_text(a->file, b->file);
	assert_int_equal(a->line, b->line);
	assert_int_equal(a->has_status, b->has_status);
	assert_int_equal(a->status, b->status);
	assert_true(a->user_us == b->user_us && a->system_us == b->system_us);
	assert_true(a->max_rss_kib == b->max_rss_kib && a->output_bytes == b->output_bytes);
	assert_int_equal(a->output_cut, b->output_cut);
	assert_int_equal(a->leaked, b->leaked);
	assert_int_equal(a->sections_len, b->sections_len);
	for (size_t i = 0; i < a->sections_len; i++) {
		same_text(a->sections[i].title, b->sections[i].title);
		assert_int_equal(a->sections[i].len, b->sections[i].len);
		assert_memory_equal(a->sections[i].text, b->sections[i].text, a->sections[i].len);
	}
	assert_int_equal(a->phases_len, b->phases_len);
	for (size_t i = 0; i < a->phases_len; i++) {
		same_text(a->phases[i].when, b->phases[i].when);
		assert_int_equal(a->phases[i].outcome, b->phases[i].outcome);
		assert_true(a->phases[i].duration_us == b->phases[i].duration_us);
		same_text(a->phases[i].message, b->phases[i].message);
		same_text(a->phases[i].longrepr, b->phases[i].longrepr);
	}
	assert_int_equal(a->properties_len, b->properties_len);
	for (size_t i = 0; i < a->properties_len; i++) {
		same_text(a->properties[i].name, b->properties[i].name);
		same_text(a->properties[i].value, b->properties[i].value);
	}
}

static void same_field(const struct ff_event *a, const struct ff_event *b, const struct ff_field *f)
{
	const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
	const char *const *p, *const *q;

	switch (f->type) {
	case FF_FIELD_TEXT:
		same_text(*(const char *const *)x, *(const char *const *)y);
		break;
	case FF_FIELD_RESULT:
		same_result(*(const struct ff_result *const *)x,
			    *(const struct ff_result *const *)y);
		break;
	case FF_FIELD_LINES:
		p = *(const char *const *const *)x;
		q = *(const char *const *const *)y;
		for (; *p; p++, q++)
			same_text(*p, *q);
		assert_null(*q);
		break;
	case FF_FIELD_OUTPUT:
		assert_int_equal(a->u.unit_output.len, b->u.unit_output.len);
		assert_memory_equal(a->u.unit_output.bytes, b->u.unit_output.bytes,
				    a->u.unit_output.len);
		break;
	default:
		assert_memory_equal(x, y, types[f->type].size);
	}
}

static void test_round_trip(void **state)
{
	for (int kind = 0; kind < FF_EVENT_KINDS; kind++) {
		struct ff_event event = {.seq = 1 + (unsigned)kind,
					 .time_us = 1795161600123456 + kind,
					 .kind = (enum ff_event_kind)kind,
					 .job = "unit",
					 .unit = nasty,
					 .host = "build1",
					 .worker = "gw0"};
		struct ff_event back;
		struct ff_buf line = FF_BUF_INIT;
		struct ff_arena arena = FF_ARENA_INIT;
		struct ff_err err = {0};
		unsigned salt = 0;

		for (const struct ff_field *f = ff_event_fields(event.kind); f->name; f++)
			fill(&event, f, salt++);
		assert_int_equal(ff_event_json(&line, &event), 0);
		assert_ptr_equal(memchr(ff_buf_data(&line), '\n', line.len),
				 ff_buf_data(&line) + line.len - 1);
		memset(&back, 0xaa, sizeof back);
		assert_int_equal(ff_event_parse(&back, &arena, ff_buf_str(&line), line.len, &err),
				 0);
		assert_true(back.seq == event.seq);
		assert_true(back.time_us == event.time_us);
		assert_int_equal(back.kind, event.kind);
		same_text(back.job, event.job);
		same_text(back.unit, event.unit);
		same_text(back.host, event.host);
		same_text(back.worker, event.worker);
		for (const struct ff_field *f = ff_event_fields(event.kind); f->name; f++)
			same_field(&event, &back, f);
		ff_buf_release(&line);
		ff_arena_release(&arena);
	}
}

static void test_exact(void **state)
{
	struct ff_result result = {.outcome = FF_OUTCOME_PASSED, .duration_us = 1500};
	struct ff_event event = {.seq = 3,
				 .time_us = 1795161600000042,
				 .kind = FF_EVENT_UNIT_FINISHED,
				 .job = "unit",
				 .unit = "t.py::a",
				 .u.unit_finished = {1, true, &result}};
	struct ff_buf line = FF_BUF_INIT;

	assert_int_equal(ff_event_json(&line, &event), 0);
	assert_string_equal(
		ff_buf_str(&line),
		"{\"seq\":3,\"time\":\"2026-11-20T08:00:00.000042Z\",\"event\":"
		"\"unit-finished\",\"job\":\"unit\",\"unit\":\"t.py::a\",\"attempt\":1,"
		"\"final\":true,\"result\":{\"outcome\":\"passed\",\"duration_us\":1500}}\n");
	ff_buf_release(&line);
}

static void test_no_utf8(void **state)
{
	static const struct {
		const char *bytes, *expected;
	} cases[] = {
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},		  /* overlong */
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe2\x82\xac\x80", "\xe2\x82\xac\xef\xbf\xbd"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ff_event event = {.kind = FF_EVENT_UNIT_OUTPUT, .unit = cases[i].bytes};
		struct ff_event back;
		struct ff_buf line = FF_BUF_INIT;
		struct ff_arena arena = FF_ARENA_INIT;

		event.u.unit_output.bytes = cases[i].bytes;
		event.u.unit_output.len = strlen(cases[i].bytes);
		assert_int_equal(ff_event_json(&line, &event), 0);
		assert_int_equal(ff_event_parse(&back, &arena, ff_buf_str(&line), line.len, NULL),
				 0);
		assert_string_equal(back.unit, cases[i].expected);
		assert_int_equal(back.u.unit_output.len, strlen(cases[i].expected));
		assert_memory_equal(back.u.unit_output.bytes, cases[i].expected,
				    strlen(cases[i].expected));
		ff_buf_release(&line);
		ff_arena_release(&arena);
	}
}

static void test_not_events(void **state)
{
	static const char *const cases[] = {"",
					    "{",
					    "null",
					    "[]",
					    "{}",
					    "7",
					    "\"x\"",
					    "{\"event\":\"party\"}",
					    "{\"event\":3}"};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ff_event event = {.seq = 77};
		struct ff_arena arena = FF_ARENA_INIT;
		struct ff_err err = {0};

		assert_int_equal(ff_event_parse(&event, &arena, cases[i], strlen(cases[i]), &err),
				 FF_ELOAD);
		assert_int_equal(err.code, FF_ELOAD);
		assert_memory_equal(err.text, "not an event", 12);
		assert_true(event.seq == 77);
		ff_arena_release(&arena);
	}
}

/* Wrong types in a journal that someone edited give empty fields, not a crash. */
static void test_wrong_types(void **state)
{
	static const char line[] =
		"{\"event\":\"unit-finished\",\"seq\":\"x\",\"time\":5,\"job\":[],\"final\":1,"
		"\"result\":{\"outcome\":\"odd\",\"sections\":[3],\"phases\":[null],\"properties\":"
		"{}}}";
	struct ff_event event;
	struct ff_arena arena = FF_ARENA_INIT;

	assert_int_equal(ff_event_parse(&event, &arena, line, sizeof line - 1, NULL), 0);
	assert_null(event.job);
	assert_false(event.u.unit_finished.final);
	assert_int_equal(event.u.unit_finished.result->outcome, FF_OUTCOME_ERROR);
	assert_int_equal(event.u.unit_finished.result->sections_len, 1);
	assert_int_equal(event.u.unit_finished.result->sections[0].len, 0);
	ff_arena_release(&arena);
}

static void test_full_buffer(void **state)
{
	struct ff_event event = {.kind = FF_EVENT_NOTICE,
				 .u.notice.text = "a longer text than fits"};
	struct ff_buf line;

	ff_buf_init(&line, 64);
	ff_buf_addstr(&line, "before\n");
	assert_int_equal(ff_event_json(&line, &event), FF_ETOOBIG);
	assert_string_equal(ff_buf_str(&line), "before\n");
	ff_buf_release(&line);
}

static void test_words(void **state)
{
	for (int i = 0; i < FF_EVENT_KINDS; i++)
		assert_int_equal(ff_event_from_word(ff_event_word((enum ff_event_kind)i)), i);
	for (int i = 0; i < FF_OUTCOMES; i++)
		assert_int_equal(ff_outcome_from_word(ff_outcome_word((enum ff_outcome)i)), i);
	assert_int_equal(ff_event_from_word("nothing"), -1);
	assert_int_equal(ff_outcome_from_word("nothing"), -1);
	assert_false(ff_outcome_bad(FF_OUTCOME_XPASSED));
	assert_true(ff_outcome_bad(FF_OUTCOME_LOST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_cover_all),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_no_utf8),
		cmocka_unit_test(test_not_events),
		cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_full_buffer),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
