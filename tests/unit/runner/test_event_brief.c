/* Lines read in brief say what the decoder says of them; what is not quite like ours is left to
 * that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "event/codec.h"
#include "event/journal.h"
#include "event/reader.h"

static const struct ff_result failed = {
	.outcome = FF_OUTCOME_FAILED, .duration_us = 7, .message = "no \"outcome\":\"passed\""};

static int brief(const char *line, struct ff_event *event, struct ff_arena *arena)
{
	return ff_event_brief(event, arena, line, strlen(line));
}

static void check_end(enum ff_event_kind kind, const char *worker, bool final)
{
	struct ff_event event = {
		.seq = 4711, .time_us = 1, .kind = kind, .job = "j", .unit = "a[1]"};
	struct ff_arena arena = {0};
	struct ff_buf line = FF_BUF_INIT;
	struct ff_event read;

	event.host = "h";
	event.worker = worker;
	event.index = 12;
	event.u.unit_finished.attempt = 3;
	event.u.unit_finished.final = final;
	event.u.unit_finished.result = &failed;
	assert_int_equal(ff_event_json(&line, &event), 0);
	assert_int_equal(brief(ff_buf_str(&line), &read, &arena), 1);
	assert_true(read.kind == kind && read.seq == 4711 && read.index == 12);
	assert_string_equal(read.job, "j");
	assert_string_equal(read.unit, "a[1]");
	assert_string_equal(read.host, "h");
	if (worker)
		assert_string_equal(read.worker, worker);
	else
		assert_null(read.worker);
	assert_true(read.u.unit_finished.attempt == 3 && read.u.unit_finished.final == final);
	assert_int_equal(read.u.unit_finished.result->outcome, FF_OUTCOME_FAILED);
	/* Cut anywhere, it is nothing. */
	for (size_t len = 0; len < 100; len++)
		assert_int_equal(ff_event_brief(&read, &arena, ff_buf_str(&line), len), -1);
	ff_arena_release(&arena);
	ff_buf_release(&line);
}

static void test_ends(void **state)
{
	check_end(FF_EVENT_UNIT_FINISHED, NULL, true);
	check_end(FF_EVENT_UNIT_FINISHED, "gw0", false);
	check_end(FF_EVENT_UNIT_BEFORE, "gw1", true);
}

static void test_left_out(void **state)
{
	struct ff_event event = {
		.seq = 5, .kind = FF_EVENT_UNIT_STARTED, .job = "j", .unit = "\"\\"};
	struct ff_arena arena = {0};
	struct ff_buf line = FF_BUF_INIT;
	struct ff_event read;

	event.u.unit_started.attempt = 1;
	assert_int_equal(ff_event_json(&line, &event), 0);
	assert_int_equal(brief(ff_buf_str(&line), &read, &arena), 0);
	assert_true(read.kind == FF_EVENT_UNIT_STARTED && read.seq == 5);
	ff_arena_release(&arena);
	ff_buf_release(&line);
}

static void test_left_to_the_decoder(void **state)
{
	static const char end[] =
		"\"attempt\":1,\"final\":true,\"result\":{\"outcome\":\"passed\"}}\n";
	static const char *const heads[] = {
		"{\"seq\":1,\"time\":\"t\",\"event\":\"job-started\",\"job\":\"j\",\"unit\":\"u\","
		"\"index\":0,",
		"{\"seq\":1,\"time\":\"t\",\"event\":\"unit-finished\",\"job\":\"j\",\"unit\":"
		"\"\\\"\",\"index\":0,",
		"{\"seq\":1,\"time\":\"t\",\"event\":\"unit-finished\",\"unit\":\"u\",\"job\":"
		"\"j\",\"index\":0,",
		"{\"seq\":1,\"time\":\"t\",\"event\":\"unit-finished\",\"job\":\"j\",\"unit\":"
		"\"u\",\"index\":-1,",
		"{\"seq\":1,\"time\":\"t\",\"event\":\"unit-finished\",\"job\":\"j\",\"unit\":"
		"\"u\",\"index\":4294967296,",
		"{\"seq\": "
		"1,\"time\":\"t\",\"event\":\"unit-finished\",\"job\":\"j\",\"unit\":\"u\","
		"\"index\":0,",
		"{\"seq\":99999999999999999999,\"time\":\"t\",\"event\":\"unit-finished\",\"job\":"
		"\"j\","
		"\"unit\":\"u\",\"index\":0,",
		"",
	};
	struct ff_arena arena = {0};
	struct ff_event read;

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		char *line = ff_xasprintf("%s%s", heads[i], end);

		assert_int_equal(brief(line, &read, &arena), -1);
		ff_free(line);
	}
	ff_arena_release(&arena);
}

/* A journal in brief: ends come, also those with names that only the decoder reads; gaps are told.
 */
static void test_reader(void **state)
{
	struct ff_buf text = FF_BUF_INIT;
	char path[] = "/tmp/farflung-brief-XXXXXX";
	int fd = mkstemp(path), rc;
	struct ff_reader *reader;
	const struct ff_event *read;
	struct ff_err err = {0};
	uint64_t seqs[4];
	size_t len = 0;

	for (uint64_t seq = 1; seq <= 7; seq++) {
		bool end = seq % 2 == 0;
		struct ff_event event = {.seq = seq < 7 ? seq : 8,
					 .kind = end ? FF_EVENT_UNIT_FINISHED
						     : FF_EVENT_UNIT_STARTED,
					 .job = "j",
					 .unit = seq < 3 ? "plain" : "\"quoted\""};

		event.u.unit_finished.attempt = 1;
		if (end)
			event.u.unit_finished.result = &failed;
		assert_int_equal(ff_event_json(&text, &event), 0);
	}
	assert_true(write(fd, ff_buf_str(&text), text.len) == (ssize_t)text.len);
	reader = ff_reader_new(path, &err);
	assert_non_null(reader);
	ff_reader_brief(reader);
	while ((rc = ff_reader_next(reader, &read, &err)) > 0) {
		assert_true(len < 4 && read->kind == FF_EVENT_UNIT_FINISHED);
		assert_int_equal(read->u.unit_finished.result->outcome, FF_OUTCOME_FAILED);
		seqs[len++] = read->seq;
	}
	assert_true(len == 3 && seqs[0] == 2 && seqs[1] == 4 && seqs[2] == 6);
	assert_int_equal(rc, FF_ELOAD);
	assert_non_null(strstr(err.text, ":7: 'seq': expected 7, not 8: events are missing"));
	ff_reader_free(reader);
	ff_buf_release(&text);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_left_to_the_decoder),
		cmocka_unit_test(test_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
