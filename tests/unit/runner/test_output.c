/* Output: kept within its cap, stored once, and read back as it was shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "event/journal.h"
#include "event/output.h"
#include "event/reader.h"

struct here {
	char dir[32], path[PATH_MAX], output[PATH_MAX];
	struct ff_journal *journal;
	uint64_t seq;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	struct here *here = calloc(1, sizeof(*here));
	struct ff_err err = {0};

	if (!here)
		return -1;
	strcpy(here->dir, "/tmp/ff-output-XXXXXX");
	if (!mkdtemp(here->dir))
		return -1;
	here->journal = ff_journal_new(here->dir, &err);
	if (!here->journal)
		return -1;
	snprintf(here->path, sizeof(here->path), "%s", ff_journal_path(here->journal));
	snprintf(here->output, sizeof(here->output), "%s/.farflung/runs/last/output", here->dir);
	*state = here;
	return 0;
}

static int teardown(void **state)
{
	struct here *here = *state;

	ff_journal_free(here->journal);
	nftw(here->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(here);
	return 0;
}

static void append(struct here *here, struct ff_event *event)
{
	event->seq = ++here->seq;
	ff_journal_append(here->journal, event);
}

static struct ff_event of_unit(enum ff_event_kind kind, uint32_t index)
{
	return (struct ff_event){
		.kind = kind, .job = "j", .unit = index ? "other" : "unit", .index = index};
}

static void start(struct here *here, uint32_t index, uint32_t attempt)
{
	struct ff_event event = of_unit(FF_EVENT_UNIT_STARTED, index);

	event.u.unit_started.attempt = attempt;
	append(here, &event);
}

/* A stream of a unit, as a run tells it. */
static void tell(struct here *here, uint32_t index, int stream, struct ff_output *output,
		 const char *bytes, size_t len)
{
	struct ff_event event = of_unit(FF_EVENT_UNIT_OUTPUT, index);

	event.u.unit_output.stream = stream;
	event.u.unit_output.bytes = bytes;
	event.u.unit_output.len = ff_output_add(output, bytes, len);
	if (event.u.unit_output.len > 0)
		append(here, &event);
}

static void tell_tail(struct here *here, uint32_t index, int stream, struct ff_output *output)
{
	struct ff_event event = of_unit(FF_EVENT_UNIT_OUTPUT, index);

	event.u.unit_output.stream = stream;
	if (ff_output_tail(output, &event))
		append(here, &event);
}

static void finish(struct here *here, uint32_t index, const struct ff_section *sections, size_t len)
{
	struct ff_result result = {
		.outcome = FF_OUTCOME_PASSED, .sections = sections, .sections_len = len};
	struct ff_event event = of_unit(FF_EVENT_UNIT_FINISHED, index);

	event.u.unit_finished.attempt = 1;
	event.u.unit_finished.result = &result;
	append(here, &event);
}

static struct ff_section told(const char *title, const struct ff_buf *text)
{
	return (struct ff_section){title, (const char *)ff_buf_data(text), text->len, true};
}

/* The next event of a kind. */
static const struct ff_event *next_of(struct ff_reader *reader, enum ff_event_kind kind)
{
	const struct ff_event *event = NULL;
	struct ff_err err = {0};

	do
		if (ff_reader_next(reader, &event, &err) != 1)
			fail_msg("no %s: %s", ff_event_word(kind), err.text);
	while (event->kind != kind);
	return event;
}

static void same_section(const struct ff_section *a, const struct ff_section *b)
{
	assert_string_equal(a->title, b->title);
	assert_true(a->told == b->told);
	assert_int_equal(a->len, b->len);
	if (a->len > 0)
		assert_memory_equal(a->text, b->text, a->len);
}

static struct ff_reader *open_reader(const struct here *here)
{
	struct ff_err err = {0};
	struct ff_reader *reader = ff_reader_new(here->path, &err);

	if (!reader)
		fail_msg("%s", err.text);
	return reader;
}

/* Two units at once, both streams, a cap of none, of less and of much less than was written. */
static void test_replay_is_live(void **state)
{
	static const size_t caps[] = {0, 200000, 100000, 99999, 50000, 1};
	struct here *here = *state;
	static char bytes[300000];
	struct ff_err err = {0};
	struct ff_section live[6][4];
	struct ff_buf texts[6][3];
	struct ff_reader *reader;

	memset(texts, 0, sizeof(texts));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 253); /* all values, NUL and what is no UTF-8 too */
	for (size_t c = 0; c < 6; c++) {
		struct ff_output streams[3];

		for (int s = 0; s < 3; s++)
			ff_output_init(&streams[s], caps[c]);
		start(here, 0, 1);
		start(here, 1, 1);
		for (size_t at = 0; at < 100000; at += 12500) {
			tell(here, 0, 1, &streams[0], bytes + at, 12500);
			tell(here, 1, 1, &streams[1], bytes + 2 * at, 25000);
			tell(here, 0, 2, &streams[2], bytes + at + 5, at % 25000 ? 1 : 200);
		}
		for (int s = 0; s < 3; s++) {
			tell_tail(here, s == 1, s == 2 ? 2 : 1, &streams[s]);
			assert_int_equal(ff_output_text(&streams[s], &texts[c][s]), 0);
			assert_true(ff_output_cut(&streams[s]) ==
				    (caps[c] > 0 && streams[s].total > caps[c]));
			ff_output_release(&streams[s]);
		}
		live[c][0] = told("stdout", &texts[c][0]);
		live[c][1] = told("stderr", &texts[c][2]);
		live[c][2] = (struct ff_section){"Captured log call", "a\0b\xff", 4, false};
		live[c][3] = told("stdout", &texts[c][1]);
		finish(here, 0, live[c], 3);
		finish(here, 1, &live[c][3], 1);
	}
	assert_int_equal(ff_journal_flush(here->journal, &err), 0);
	reader = open_reader(here);
	for (size_t c = 0; c < 6; c++) {
		const struct ff_event *event = next_of(reader, FF_EVENT_UNIT_FINISHED);

		assert_int_equal(event->u.unit_finished.result->sections_len, 3);
		for (size_t s = 0; s < 3; s++)
			same_section(&event->u.unit_finished.result->sections[s], &live[c][s]);
		event = next_of(reader, FF_EVENT_UNIT_FINISHED);
		assert_int_equal(event->u.unit_finished.result->sections_len, 1);
		same_section(&event->u.unit_finished.result->sections[0], &live[c][3]);
		for (int s = 0; s < 3; s++)
			ff_buf_release(&texts[c][s]);
	}
	assert_null(ff_reader_missing(reader));
	ff_reader_free(reader);
}

static void test_text(void **state)
{
	static const char cut[] =
		"abcd\n[… 12 bytes were cut here: output_cap is 4, 65552 were written …]\ntttt";
	struct ff_output output;
	struct ff_buf text = FF_BUF_INIT;
	static char bytes[FF_OUTPUT_TAIL + 10];

	memset(bytes, 't', sizeof(bytes));
	ff_output_init(&output, 4);
	assert_int_equal(ff_output_add(&output, "ab", 2), 2);
	assert_int_equal(ff_output_add(&output, "cdef", 4), 2);
	assert_true(ff_output_cut(&output));
	assert_int_equal(ff_output_text(&output, &text), 0);
	assert_string_equal(ff_buf_str(&text), "abcdef"); /* over the cap, yet all there */
	ff_buf_clear(&text);
	assert_int_equal(ff_output_add(&output, bytes, sizeof(bytes)), 0);
	assert_int_equal(ff_output_text(&output, &text), 0);
	assert_memory_equal(ff_buf_str(&text), cut, sizeof(cut) - 1);
	assert_int_equal(text.len, sizeof(cut) - 5 + FF_OUTPUT_TAIL);
	ff_output_release(&output);
	ff_buf_release(&text);
}

/* A retry shows what it wrote itself, whatever became of the attempt before. */
static void test_attempts(void **state)
{
	struct here *here = *state;
	struct ff_err err = {0};
	struct ff_reader *reader;

	for (uint32_t attempt = 1; attempt <= 3; attempt++) {
		struct ff_output output;
		struct ff_section section;
		char text[2] = {(char)('0' + attempt)};
		struct ff_event lost = of_unit(FF_EVENT_UNIT_LOST, 0);

		ff_output_init(&output, 0);
		start(here, 0, attempt);
		tell(here, 0, 1, &output, text, 1);
		section = told("stdout", &output.head);
		lost.u.unit_lost.attempt = attempt;
		if (attempt == 1)
			append(here, &lost);
		else
			finish(here, 0, &section, 1);
		ff_output_release(&output);
	}
	assert_int_equal(ff_journal_flush(here->journal, &err), 0);
	reader = open_reader(here);
	for (char attempt = '2'; attempt <= '3'; attempt++) {
		const struct ff_event *event = next_of(reader, FF_EVENT_UNIT_FINISHED);

		assert_int_equal(event->u.unit_finished.result->sections[0].len, 1);
		assert_int_equal(event->u.unit_finished.result->sections[0].text[0], attempt);
	}
	ff_reader_free(reader);
}

/* 1 MiB of output costs little more than 1 MiB in all. */
static void test_stored_once(void **state)
{
	struct here *here = *state;
	static char bytes[8192];
	struct ff_output output;
	struct ff_section section;
	struct ff_err err = {0};
	struct stat lines, texts;

	memset(bytes, '\n', sizeof(bytes));
	ff_output_init(&output, 0);
	start(here, 0, 1);
	for (int i = 0; i < 128; i++)
		tell(here, 0, 1, &output, bytes, sizeof(bytes));
	section = told("stdout", &output.head);
	finish(here, 0, &section, 1);
	ff_output_release(&output);
	assert_int_equal(ff_journal_flush(here->journal, &err), 0);
	assert_int_equal(stat(here->path, &lines), 0);
	assert_int_equal(stat(here->output, &texts), 0);
	assert_int_equal(texts.st_size, 1 << 20);
	assert_true(lines.st_size + texts.st_size <= (1 << 20) * 11 / 10);
}

static void damage(const struct here *here, int how)
{
	if (how == 0)
		assert_int_equal(truncate(here->output, 2), 0);
	else if (how == 1)
		assert_int_equal(unlink(here->output), 0);
	else
		assert_int_equal(mkdir(here->output, 0700), 0);
}

/* A run whose output is lost can still be replayed, and says where it is not whole. */
static void test_missing(void **state)
{
	struct here *here = *state;
	struct ff_output output;
	struct ff_section sections[2];
	struct ff_err err = {0};

	ff_output_init(&output, 0);
	start(here, 0, 1);
	tell(here, 0, 1, &output, "told", 4);
	sections[0] = told("stdout", &output.head);
	sections[1] = (struct ff_section){"Captured stdout call", "kept", 4, false};
	finish(here, 0, sections, 2);
	ff_output_release(&output);
	assert_int_equal(ff_journal_flush(here->journal, &err), 0);
	for (int how = 0; how < 3; how++) {
		struct ff_reader *reader;
		const struct ff_event *event;

		damage(here, how);
		reader = open_reader(here);
		event = next_of(reader, FF_EVENT_UNIT_OUTPUT);
		assert_string_equal(event->u.unit_output.bytes, "[output is missing]");
		assert_int_equal(event->u.unit_output.len, 19);
		event = next_of(reader, FF_EVENT_UNIT_FINISHED);
		for (int i = 0; i < 2; i++) {
			assert_string_equal(event->u.unit_finished.result->sections[i].text,
					    "[output is missing]");
			assert_int_equal(event->u.unit_finished.result->sections[i].len, 19);
		}
		assert_non_null(ff_reader_missing(reader));
		assert_non_null(strstr(ff_reader_missing(reader), "journal.jsonl:2: "));
		assert_non_null(strstr(ff_reader_missing(reader), "/output: "));
		ff_reader_free(reader);
	}
}

/* A line that takes the same bytes again and again costs no memory. */
static void test_greedy(void **state)
{
	static const char head[] =
		"{\"seq\":1,\"time\":\"2026-11-20T08:00:00.000042Z\",\"event\":\"unit-finished\","
		"\"job\":\"j\",\"unit\":\"u\",\"index\":0,\"attempt\":1,\"result\":"
		"{\"outcome\":\"passed\",\"sections\":[";
	struct here *here = *state;
	const struct ff_event *event;
	struct ff_err err = {0};
	struct ff_reader *reader;
	FILE *file = fopen(here->path, "w");

	assert_non_null(file);
	fputs(head, file);
	for (int i = 0; i < 3; i++)
		fprintf(file, "%s{\"title\":\"t\",\"at\":0,\"len\":60}", i ? "," : "");
	fputs("]}}\n", file);
	fclose(file);
	assert_int_equal(truncate(here->output, 100), 0);
	reader = open_reader(here);
	assert_int_equal(ff_reader_next(reader, &event, &err), FF_ELOAD);
	assert_non_null(strstr(err.text, "journal.jsonl:1: 'len': expected"));
	ff_reader_free(reader);
}

/* A reader follows a journal that grows. */
static void test_follows(void **state)
{
	struct here *here = *state;
	struct ff_reader *reader = open_reader(here);
	const struct ff_event *event;
	struct ff_err err = {0};

	for (uint32_t i = 1; i <= 3; i++) {
		assert_int_equal(ff_reader_next(reader, &event, &err), 0);
		start(here, i, i);
		assert_int_equal(ff_reader_next(reader, &event, &err), 0);
		assert_int_equal(ff_journal_flush(here->journal, &err), 0);
		assert_int_equal(ff_reader_next(reader, &event, &err), 1);
		assert_int_equal(event->index, i);
	}
	ff_reader_free(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replay_is_live, setup, teardown),
		cmocka_unit_test(test_text),
		cmocka_unit_test_setup_teardown(test_attempts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stored_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_greedy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_follows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
