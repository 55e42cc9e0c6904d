/* Events as JSON: every kind and field there and back, whatever bytes the texts have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/journal.h"

#include "every_event.h"

/* Sizes of the union's members, to see that the field table leaves nothing out. */
static const size_t member_size[FF_EVENT_KINDS] = {
#define S(kind, member) [FF_EVENT_##kind] = sizeof(((struct ff_event *)0)->u.member)
	S(RUN_STARTED, run_started),
	S(HOST_ADDED, host_added),
	S(JOB_ADDED, job_added),
	S(HOST_JOINING, host_joining),
	S(HOST_OPENED, host_opened),
	S(SYNC_FINISHED, sync_finished),
	S(HOST_READY, host_ready),
	S(HOST_AWAY, host_away),
	S(HOST_SETUP, host_setup),
	S(HOST_DRAINING, host_draining),
	S(HOST_LEFT, host_left),
	S(JOB_STARTED, job_started),
	S(WORKER_OPENING, worker_opening),
	S(WORKER_STARTED, worker_started),
	S(WORKER_ENDED, worker_ended),
	S(COLLECTED, collected),
	S(UNITS_ADDED, units_added),
	S(FILE_COLLECTED, file_collected),
	S(COLLECT_PROBLEM, collect_problem),
	S(UNIT_STARTED, unit_started),
	S(UNIT_OUTPUT, unit_output),
	S(UNIT_FINISHED, unit_finished),
	S(UNIT_LOST, unit_lost),
	S(UNIT_ARTIFACTS, unit_artifacts),
	S(JOB_ARTIFACTS, job_artifacts),
	S(UNITS_BEFORE, units_before),
	S(UNIT_BEFORE, unit_finished),
	S(HOST_UNFIT, host_unfit),
	S(UNITS_NOT_RUN, units_not_run),
	S(PART_NOT_RUN, part_not_run),
	S(NOTICE, notice),
	S(JOB_FINISHED, job_finished),
	S(STOPPING, stopping),
	S(CANCELLED, cancelled),
	S(DRAIN_ASKED, drain_asked),
	S(INTERRUPTED, interrupted),
	S(RUN_FINISHED, run_finished),
	S(FRONT_STARTED, front_started),
	S(FRONT_READY, front_ready),
	S(FRONT_TEXT, front_text),
	S(FRONT_FINISHED, front_finished),
#undef S
	/* Without retry_us, which is another's. */
	[FF_EVENT_HOST_FAILED] = offsetof(struct ff_host_end, retry_us),
	[FF_EVENT_HOST_LOST] = offsetof(struct ff_host_end, retry_us),
};

static const struct {
	size_t size, align;
} types[] = {
#define T(name, type) [FF_FIELD_##name] = {sizeof(type), _Alignof(type)}
	T(TEXT, const char *),
	T(NAME, const char *),
	T(BOOL, bool),
	T(FLAG, bool),
	T(INT, int),
	T(NUMBER, int),
	T(STREAM, int),
	T(U32, uint32_t),
	T(ATTEMPT, uint32_t),
	T(U64, uint64_t),
	T(SIZE, uint64_t),
	T(I64, int64_t),
	T(COUNTS, struct ff_counts),
	T(RESULT, const struct ff_result *),
	T(LINES, const char *const *),
	T(WAIT, struct ff_wait),
	T(REASON, enum ff_reason),
	T(JOB_RESULT, enum ff_job_result),
	T(OUTCOME, enum ff_outcome),
	[FF_FIELD_OUTPUT] = {sizeof(const char *) + sizeof(size_t), _Alignof(const char *)},
	[FF_FIELD_FACTS] = {sizeof(const struct ff_fact *) + sizeof(size_t), _Alignof(size_t)},
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

static void test_round_trip(void **state)
{
	for (int kind = 0; kind < FF_EVENT_KINDS; kind++) {
		struct ff_event event = every_event((enum ff_event_kind)kind), back;
		struct ff_buf line = FF_BUF_INIT;
		struct ff_arena arena = FF_ARENA_INIT;
		struct ff_err err = {0};

		assert_int_equal(ff_event_json(&line, &event), 0);
		assert_ptr_equal(memchr(ff_buf_data(&line), '\n', line.len),
				 ff_buf_data(&line) + line.len - 1);
		memset(&back, 0xaa, sizeof(back));
		if (ff_event_parse(&back, &arena, ff_buf_str(&line), line.len, &err) < 0)
			fail_msg("%s: %s", ff_event_word(event.kind), err.text);
		same_event(&event, &back);
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
		"\"unit-finished\",\"job\":\"unit\",\"unit\":\"t.py::a\",\"index\":0,\"attempt\":1,"
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
		struct ff_event event = {.seq = 1,
					 .kind = FF_EVENT_UNIT_OUTPUT,
					 .job = "j",
					 .unit = cases[i].bytes,
					 .u.unit_output.stream = 1};
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

#define HEAD		 "\"seq\":1,\"time\":\"2026-11-20T08:00:00.000042Z\","
#define UNIT		 HEAD "\"job\":\"j\",\"unit\":\"u\",\"index\":0,"
#define FINISHED(result) "{\"event\":\"unit-finished\"," UNIT "\"attempt\":1,\"result\":" result "}"
#define OUTPUT(rest)	 "{\"event\":\"unit-output\"," UNIT rest "}"
#define PASSED		 "{\"outcome\":\"passed\","

/* A key of a line that can't be what it says, and what it says. */
static const struct {
	const char *key, *line;
} wrong[] = {
	{"seq", "{\"event\":\"stopping\",\"time\":\"2026-11-20T08:00:00.000042Z\"}"},
	{"seq", "{\"event\":\"stopping\",\"seq\":0}"},
	{"seq", "{\"event\":\"stopping\",\"seq\":-1}"},
	{"seq", "{\"event\":\"stopping\",\"seq\":\"1\"}"},
	{"seq", "{\"event\":\"stopping\",\"seq\":1.0}"},
	{"seq", "{\"event\":\"stopping\",\"seq\":null}"},
	{"seq", "{\"event\":\"stopping\",\"seq\":9223372036854775808}"},
	{"seq", "{\"seq\" : 99999999999999999999999999}"},
	{"time", "{\"event\":\"stopping\",\"seq\":1}"},
	{"time", "{\"event\":\"stopping\",\"seq\":1,\"time\":5}"},
	{"time", "{\"event\":\"stopping\",\"seq\":1,\"time\":\"2026-11-20 08:00:00.000042Z\"}"},
	{"time", "{\"event\":\"stopping\",\"seq\":1,\"time\":\"2026-02-29T08:00:00.000042Z\"}"},
	{"time", "{\"event\":\"stopping\",\"seq\":1,\"time\":\"2026-01-29T24:00:00.000042Z\"}"},
	{"time", "{\"event\":\"stopping\",\"seq\":1,\"time\":\"2026-01-29T00:00:00.00-042Z\"}"},
	{"time", "{\"event\":\"stopping\",\"seq\":1,\"time\":\"-001-01-29T00:00:00.000042Z\"}"},
	{"why", "{\"event\":\"stopping\"," HEAD "\"why\":\"because\"}"},
	{"why", "{\"event\":\"stopping\"," HEAD "\"why\":3}"},
	{"reason", "{\"event\":\"stopping\"," HEAD "\"reason\":[]}"},
	{"job", "{\"event\":\"stopping\"," HEAD "\"job\":[]}"},
	{"job", "{\"event\":\"job-started\"," HEAD "\"units\":0}"},
	{"host", "{\"event\":\"host-lost\"," HEAD "\"units\":0}"},
	{"worker", "{\"event\":\"worker-ended\"," HEAD "\"crashed\":false}"},
	{"unit", "{\"event\":\"unit-started\"," HEAD "\"job\":\"j\",\"index\":0,\"attempt\":1}"},
	{"index",
	 "{\"event\":\"unit-started\"," HEAD "\"job\":\"j\",\"unit\":\"u\",\"attempt\":1}"},
	{"index", "{\"event\":\"unit-started\"," HEAD
		  "\"job\":\"j\",\"unit\":\"u\",\"index\":-1,\"attempt\":1}"},
	{"index", "{\"event\":\"unit-started\"," HEAD
		  "\"job\":\"j\",\"unit\":\"u\",\"index\":4294967296,\"attempt\":1}"},
	{"attempt", "{\"event\":\"unit-started\"," UNIT "\"attempt\":0}"},
	{"attempt", "{\"event\":\"unit-started\"," UNIT "\"attempt\":-1}"},
	{"attempt", "{\"event\":\"unit-started\"," UNIT "\"attempt\":true}"},
	{"attempt", "{\"event\":\"unit-started\"," UNIT "\"x\":1}"},
	{"count",
	 "{\"event\":\"units-not-run\"," HEAD "\"job\":\"j\",\"index\":4294967295,\"count\":1}"},
	{"final", "{\"event\":\"unit-finished\"," UNIT "\"attempt\":1,\"final\":1}"},
	{"result", "{\"event\":\"unit-finished\"," UNIT "\"attempt\":1}"},
	{"result", FINISHED("[]")},
	{"outcome", FINISHED("{}")},
	{"outcome", FINISHED("{\"outcome\":\"odd\"}")},
	{"duration_us", FINISHED(PASSED "\"duration_us\":1e3}")},
	{"line", FINISHED(PASSED "\"line\":-1}")},
	{"status", FINISHED(PASSED "\"status\":2147483648}")},
	{"status", FINISHED(PASSED "\"status\":null}")},
	{"leaked", FINISHED(PASSED "\"leaked\":\"no\"}")},
	{"output_bytes", FINISHED(PASSED "\"output_bytes\":-1}")},
	{"sections", FINISHED(PASSED "\"sections\":{}}")},
	{"sections", FINISHED(PASSED "\"sections\":[3]}")},
	{"len", FINISHED(PASSED "\"sections\":[{\"title\":\"stdout\"}]}")},
	{"len", FINISHED(PASSED "\"sections\":[{\"title\":\"stdout\",\"len\":-1}]}")},
	{"title", FINISHED(PASSED "\"sections\":[{\"title\":\"x\",\"len\":1}]}")},
	{"at", FINISHED(PASSED "\"sections\":[{\"title\":\"x\",\"at\":0,\"len\":1}]}")},
	{"text", FINISHED(PASSED "\"sections\":[{\"title\":\"x\",\"text\":1}]}")},
	{"phases", FINISHED(PASSED "\"phases\":[null]}")},
	{"outcome", FINISHED(PASSED "\"phases\":[{\"when\":\"call\"}]}")},
	{"properties", FINISHED(PASSED "\"properties\":[{\"name\":\"x\"}]}")},
	{"stream", OUTPUT("\"stream\":0,\"text\":\"\"")},
	{"stream", OUTPUT("\"stream\":3,\"text\":\"\"")},
	{"stream", OUTPUT("\"text\":\"\"")},
	{"text", OUTPUT("\"stream\":1,\"text\":null")},
	{"at", OUTPUT("\"stream\":1")},
	{"at", OUTPUT("\"stream\":1,\"at\":-1,\"len\":0")},
	{"len", OUTPUT("\"stream\":1,\"at\":0,\"len\":-1")},
	{"len", OUTPUT("\"stream\":1,\"at\":9223372036854775807,\"len\":1")},
	{"tail", OUTPUT("\"stream\":1,\"text\":\"\",\"tail\":1")},
	{"cut", OUTPUT("\"stream\":1,\"text\":\"\",\"cut\":-1")},
	{"counts", "{\"event\":\"run-finished\"," HEAD "\"exit_code\":0}"},
	{"total", "{\"event\":\"run-finished\"," HEAD "\"counts\":{\"total\":-1}}"},
	{"passed", "{\"event\":\"run-finished\"," HEAD "\"counts\":{\"passed\":4294967296}}"},
	{"facts", "{\"event\":\"worker-started\"," HEAD "\"worker\":\"gw0\",\"facts\":[]}"},
	{"facts", "{\"event\":\"worker-started\"," HEAD "\"worker\":\"gw0\",\"facts\":{\"a\":1}}"},
	{"header", "{\"event\":\"worker-started\"," HEAD "\"worker\":\"gw0\",\"header\":[1]}"},
	{"header", "{\"event\":\"worker-started\"," HEAD "\"worker\":\"gw0\",\"header\":\"x\"}"},
};

/* What someone edited, or a disk damaged, is refused by its key, not read as nothing. */
static void test_wrong_fields(void **state)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct ff_event event = {.seq = 77};
		struct ff_arena arena = FF_ARENA_INIT;
		struct ff_err err = {0};
		char expected[64];

		snprintf(expected, sizeof(expected), "'%s': expected ", wrong[i].key);
		if (ff_event_parse(&event, &arena, wrong[i].line, strlen(wrong[i].line), &err) !=
			    FF_ELOAD ||
		    strncmp(err.text, expected, strlen(expected)) != 0)
			fail_msg("%s: %s", wrong[i].line, err.text);
		assert_int_equal(err.code, FF_ELOAD);
		assert_true(event.seq == 77);
		ff_arena_release(&arena);
	}
}

/* What readers may rely on is there where a journal leaves it out. */
static void test_left_out(void **state)
{
	static const char line[] = "{\"event\":\"host-lost\"," HEAD "\"host\":\"h\"}";
	struct ff_event event;
	struct ff_arena arena = FF_ARENA_INIT;

	assert_int_equal(ff_event_parse(&event, &arena, line, sizeof(line) - 1, NULL), 0);
	assert_string_equal(event.u.host_lost.error, "");
	assert_false(event.u.host_lost.wait.known);
	assert_true(event.time_us == 1795161600000042);
	ff_arena_release(&arena);
}

/* Told sections are not repeated; --jsonl has the other texts inline. */
static void test_told(void **state)
{
	static const struct ff_section told[] = {{"stdout", "abc", 3, true},
						 {"Captured log call", "def", 3, true},
						 {"stderr", "ghi", 3, false}};
	struct ff_result result = {.sections = told, .sections_len = 3};
	struct ff_event event = {.seq = 3,
				 .kind = FF_EVENT_UNIT_FINISHED,
				 .job = "j",
				 .unit = "u",
				 .u.unit_finished = {1, true, &result}};
	struct ff_buf line = FF_BUF_INIT;
	struct ff_arena arena = FF_ARENA_INIT;

	assert_int_equal(ff_event_json(&line, &event), 0);
	assert_non_null(strstr(ff_buf_str(&line),
			       "\"sections\":[{\"title\":\"stdout\",\"len\":3},"
			       "{\"title\":\"Captured log call\",\"text\":\"def\"},"
			       "{\"title\":\"stderr\",\"text\":\"ghi\"}]"));
	assert_int_equal(ff_event_parse(&event, &arena, ff_buf_str(&line), line.len, NULL), 0);
	assert_true(event.u.unit_finished.result->sections[0].told);
	assert_int_equal(event.u.unit_finished.result->sections[0].len, 0);
	assert_false(event.u.unit_finished.result->sections[1].told);
	ff_buf_release(&line);
	ff_arena_release(&arena);
}

/* Times and numbers are written by hand: beside what libc says. */
static void test_times_and_numbers(void **state)
{
	static const int64_t seconds[] = {
		0,	   1,	       86399,	   86400,      951782399,  951782400,	951868799,
		951868800, 1709164800, 4107542399, 4107542400, 1795161600, 253402300799};
	static const uint64_t numbers[] = {0, 9, 10, 99, 100, 12345678901234567890u, INT64_MAX};

	for (size_t i = 0; i < sizeof(seconds) / sizeof(*seconds); i++) {
		struct ff_event event = {.seq = 1,
					 .time_us = seconds[i] * 1000000 + 7 * (int64_t)i,
					 .kind = FF_EVENT_SYNC_FINISHED,
					 .host = "h"};
		struct ff_event back;
		struct ff_buf line = FF_BUF_INIT;
		struct ff_arena arena = FF_ARENA_INIT;
		char stamp[32], expected[64];
		time_t second = (time_t)seconds[i];
		struct tm tm;
		uint64_t number = numbers[i % 7];

		event.u.sync_finished.files = number;
		gmtime_r(&second, &tm);
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		assert_int_equal(ff_event_json(&line, &event), 0);
		snprintf(expected, sizeof(expected), "\"time\":\"%s.%06dZ\"", stamp, 7 * (int)i);
		assert_non_null(strstr(ff_buf_str(&line), expected));
		/* What no reader of JSON takes is the largest that they do. */
		if (number > INT64_MAX)
			number = INT64_MAX;
		snprintf(expected, sizeof(expected), "\"files\":%llu,", (unsigned long long)number);
		assert_non_null(strstr(ff_buf_str(&line), expected));
		assert_int_equal(ff_event_parse(&back, &arena, ff_buf_str(&line), line.len, NULL),
				 0);
		assert_true(back.time_us == event.time_us);
		assert_true(back.u.sync_finished.files == number);
		ff_buf_release(&line);
		ff_arena_release(&arena);
	}
}

/* Every byte at every place of a text, whole and cut: as JSON's own reader sees it. */
static void test_escapes(void **state)
{
	for (int c = 1; c < 128; c++) {
		for (size_t at = 0; at < 17; at++) {
			char text[18] = "abcdefghijklmnopq";
			struct ff_event event = {.seq = 1, .kind = FF_EVENT_STOPPING}, back;
			struct ff_buf line = FF_BUF_INIT;
			struct ff_arena arena = FF_ARENA_INIT;

			text[at] = (char)c;
			event.u.stopping.reason = text;
			assert_int_equal(ff_event_json(&line, &event), 0);
			assert_null(memchr(ff_buf_data(&line), 0x7f, line.len));
			assert_int_equal(
				ff_event_parse(&back, &arena, ff_buf_str(&line), line.len, NULL),
				0);
			assert_string_equal(back.u.stopping.reason, text);
			ff_buf_release(&line);
			ff_arena_release(&arena);
		}
	}
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
		cmocka_unit_test(test_wrong_fields),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_times_and_numbers),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_full_buffer),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
