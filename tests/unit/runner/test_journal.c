/* The journal's folder and file: made, appended, read back; a torn end and a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "event/journal.h"

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	char dir[] = "/tmp/ff-journal-XXXXXX";

	*state = mkdtemp(dir) ? strdup(dir) : NULL;
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static void path_in(char path[PATH_MAX], const char *dir, const char *name)
{
	assert_true(snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX);
}

struct seen {
	int events, stop_at;
	uint64_t last;
	char text[256];
};

static int note(const struct ff_event *event, void *ctx)
{
	struct seen *seen = ctx;

	seen->last = event->seq;
	if (event->kind == FF_EVENT_NOTICE)
		snprintf(seen->text, sizeof(seen->text), "%s", event->u.notice.text);
	return ++seen->events == seen->stop_at ? FF_ECANCELED : 0;
}

static void append(struct ff_journal *journal, uint64_t seq, const char *text)
{
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .seq = seq, .time_us = 1};

	event.u.notice.level = "note";
	event.u.notice.text = text;
	ff_journal_append(journal, &event);
}

static void flush(struct ff_journal *journal)
{
	struct ff_err err = {0};

	if (ff_journal_flush(journal, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_folder(void **state)
{
	struct ff_journal *journals[5];
	char path[PATH_MAX], link[PATH_MAX] = {0};
	struct stat st;
	FILE *file;

	for (int i = 0; i < 5; i++) {
		struct ff_err err = {0};

		journals[i] = ff_journal_new(*state, &err);
		assert_non_null(journals[i]);
		assert_int_equal(strlen(ff_journal_run_id(journals[i])), 8 + 1 + 6 + 1 + 4);
		assert_int_equal(stat(ff_journal_path(journals[i]), &st), 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(ff_journal_run_id(journals[i]),
						ff_journal_run_id(journals[j]));
		path_in(path, *state, ".farflung/runs/last");
		memset(link, 0, sizeof(link));
		assert_true(readlink(path, link, sizeof(link) - 1) > 0);
		assert_string_equal(link, ff_journal_run_id(journals[i]));
		path_in(path, *state, ".farflung/runs/last/journal.jsonl");
		assert_int_equal(stat(path, &st), 0);
	}
	path_in(path, *state, ".farflung/.gitignore");
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(link, sizeof(link), file));
	assert_string_equal(link, "*\n");
	fclose(file);
	path_in(path, *state, ".farflung/README");
	assert_int_equal(stat(path, &st), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ff_journal_free(journals[i]), 0);
}

static void test_append_and_replay(void **state)
{
	struct ff_err err = {0};
	struct ff_journal *journal = ff_journal_new(*state, &err);
	struct seen seen = {0}, stopped = {.stop_at = 2};
	char path[PATH_MAX];

	assert_non_null(journal);
	snprintf(path, sizeof(path), "%s", ff_journal_path(journal));
	append(journal, 1, "one");
	append(journal, 2, "two\nlines");
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 0);
	/* What was flushed is readable at once, while the run goes on. */
	flush(journal);
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 2);
	assert_string_equal(seen.text, "two\nlines");
	append(journal, 3, "three");
	assert_int_equal(ff_journal_free(journal), 0);
	seen = (struct seen){0};
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 3);
	assert_true(seen.last == 3);
	assert_int_equal(ff_journal_replay(path, note, &stopped, &err), FF_ECANCELED);
	assert_int_equal(stopped.events, 2);
}

/* A lot is written without waiting for a flush. */
static void test_gathers(void **state)
{
	struct ff_err err = {0};
	struct ff_journal *journal = ff_journal_new(*state, &err);
	struct ff_event event = {.kind = FF_EVENT_UNIT_OUTPUT, .job = "j", .unit = "u"};
	static char big[100000];
	struct seen seen = {0};
	char path[PATH_MAX];

	assert_non_null(journal);
	snprintf(path, sizeof(path), "%s", ff_journal_path(journal));
	memset(big, 'b', sizeof(big));
	event.u.unit_output.stream = 1;
	event.u.unit_output.bytes = big;
	event.u.unit_output.len = sizeof(big);
	for (event.seq = 1; event.seq <= 30; event.seq++)
		ff_journal_append(journal, &event);
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_in_range(seen.events, 20, 29);
	assert_int_equal(ff_journal_free(journal), 0);
	seen = (struct seen){0};
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 30);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

#define LINE(seq)                                                                                  \
	"{\"seq\":" seq ",\"time\":\"2026-11-20T08:00:00.000042Z\",\"event\":\"interrupted\","     \
	"\"times\":1}\n"

static const struct {
	const char *text;
	int rc, events;
	const char *says;
} damaged[] = {
	{"", 0, 0, NULL},
	{LINE("1") "{\"seq\":2,\"time\"", 0, 1, NULL}, /* torn by a crash */
	{LINE("1") "nonsense\n" LINE("2"), FF_ELOAD, 1, "damaged.jsonl:2: not an event"},
	{LINE("1") "\n" LINE("2"), FF_ELOAD, 1, "damaged.jsonl:2: not an event"},
	{LINE("-1"), FF_ELOAD, 0, "damaged.jsonl:1: 'seq': expected a whole number from 1"},
	{LINE("1") LINE("1"), FF_ELOAD, 1, "damaged.jsonl:2: 'seq': expected 2, not 1"},
	{LINE("1") LINE("2") LINE("1"), FF_ELOAD, 2, "damaged.jsonl:3: 'seq': expected 3, not 1"},
	{LINE("1") LINE("3"), FF_ELOAD, 1, "damaged.jsonl:2: 'seq': expected 2, not 3"},
	{LINE("2"), FF_ELOAD, 0, "damaged.jsonl:1: 'seq': expected 1, not 2"},
};

static void test_damage(void **state)
{
	char path[PATH_MAX], text[512];
	struct ff_err err = {0};
	struct seen seen = {0};

	path_in(path, *state, "damaged.jsonl");
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		write_file(path, damaged[i].text);
		seen = (struct seen){0};
		assert_int_equal(ff_journal_replay(path, note, &seen, &err), damaged[i].rc);
		assert_int_equal(seen.events, damaged[i].events);
		if (damaged[i].says && !strstr(err.text, damaged[i].says))
			fail_msg("%s, not %s", err.text, damaged[i].says);
	}
	/* Torn at its very end: the object is whole, its newline is not there. */
	snprintf(text, sizeof(text), "%s%.*s", LINE("1"), (int)strlen(LINE("2")) - 1, LINE("2"));
	write_file(path, text);
	seen = (struct seen){0};
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 1);
	assert_int_equal(ff_journal_replay("/nonexistent/journal", note, &seen, &err), FF_ESYS);
	assert_int_equal(ff_journal_replay(*state, note, &seen, &err), FF_ESYS);
}

static void test_no_folder(void **state)
{
	struct ff_err err = {0};
	char path[PATH_MAX], deep[PATH_MAX + 10];

	assert_null(ff_journal_new("/nonexistent/place", &err));
	assert_int_equal(err.code, FF_ESYS);
	assert_non_null(strstr(err.text, "/nonexistent/place/.farflung"));
	path_in(path, *state, ".farflung");
	write_file(path, "a file is in the way");
	assert_null(ff_journal_new(*state, &err));
	assert_int_equal(err.code, FF_ESYS);
	assert_non_null(strstr(err.text, strerror(ENOTDIR)));
	memset(deep, 'd', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	assert_null(ff_journal_new(deep, &err));
}

/* A file size limit stands for a full disk. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, bytes == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
	setrlimit(RLIMIT_FSIZE, &limit);
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void test_full_disk(void **state)
{
	struct ff_err err = {0};
	struct ff_journal *journal = ff_journal_new(*state, &err);
	struct seen seen = {0};
	char path[PATH_MAX];
	int rcs[3];

	assert_non_null(journal);
	snprintf(path, sizeof(path), "%s", ff_journal_path(journal));
	append(journal, 1, "fits");
	flush(journal);
	assert_false(ff_journal_failed(journal));
	/* One more line fits whole, and a part of a third; both come in one write. */
	append(journal, 2, "fits");
	append(journal, 3, "does not fit");
	limit_files((rlim_t)size_of(path) * 2 + 30);
	for (int i = 0; i < 3; i++) {
		struct ff_err one = {0};

		rcs[i] = ff_journal_flush(journal, &one);
		if (i == 0)
			err = one;
		append(journal, 4 + (unsigned)i, "does not fit either");
	}
	limit_files(RLIM_INFINITY);
	assert_int_equal(rcs[0], FF_ESYS);
	assert_int_equal(err.code, FF_ESYS);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, strerror(EFBIG)));
	assert_int_equal(rcs[1], 0);
	assert_int_equal(rcs[2], 0);
	assert_true(ff_journal_failed(journal));
	/* What is there ends with a whole line, though there is room again. */
	assert_int_equal(ff_journal_free(journal), FF_ESYS);
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 2);
	assert_string_equal(seen.text, "fits");
}

/* No line speaks of output that is not there. */
static void test_full_output(void **state)
{
	struct ff_err err = {0};
	struct ff_journal *journal = ff_journal_new(*state, &err);
	struct ff_event event = {.seq = 2, .kind = FF_EVENT_UNIT_OUTPUT, .job = "j", .unit = "u"};
	struct seen seen = {0};
	static char big[5000];
	char path[PATH_MAX], output[PATH_MAX];
	int rc;

	assert_non_null(journal);
	snprintf(path, sizeof(path), "%s", ff_journal_path(journal));
	path_in(output, *state, ".farflung/runs/last/output");
	append(journal, 1, "before");
	flush(journal);
	event.u.unit_output.stream = 1;
	event.u.unit_output.bytes = big;
	event.u.unit_output.len = sizeof(big);
	ff_journal_append(journal, &event);
	limit_files(3000);
	rc = ff_journal_flush(journal, &err);
	limit_files(RLIM_INFINITY);
	assert_int_equal(rc, FF_ESYS);
	assert_non_null(strstr(err.text, "/output: "));
	assert_int_equal(size_of(output), 0);
	assert_int_equal(ff_journal_free(journal), FF_ESYS);
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_append_and_replay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gathers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_output, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
