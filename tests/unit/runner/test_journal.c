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
		snprintf(seen->text, sizeof seen->text, "%s", event->u.notice.text);
	return ++seen->events == seen->stop_at ? FF_ECANCELED : 0;
}

static void append(struct ff_journal *journal, uint64_t seq, const char *text)
{
	struct ff_event event = {.kind = FF_EVENT_NOTICE, .seq = seq, .time_us = 1};
	struct ff_err err = {0};

	event.u.notice.level = "note";
	event.u.notice.text = text;
	assert_int_equal(ff_journal_append(journal, &event, &err), 0);
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
		memset(link, 0, sizeof link);
		assert_true(readlink(path, link, sizeof link - 1) > 0);
		assert_string_equal(link, ff_journal_run_id(journals[i]));
		path_in(path, *state, ".farflung/runs/last/journal.jsonl");
		assert_int_equal(stat(path, &st), 0);
	}
	path_in(path, *state, ".farflung/.gitignore");
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(link, sizeof link, file));
	assert_string_equal(link, "*\n");
	fclose(file);
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
	snprintf(path, sizeof path, "%s", ff_journal_path(journal));
	append(journal, 1, "one");
	append(journal, 2, "two\nlines");
	/* What was appended is readable at once, while the run goes on. */
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

/* Output may wait for the next event, but not for ever. */
static void test_output_waits(void **state)
{
	struct ff_err err = {0};
	struct ff_journal *journal = ff_journal_new(*state, &err);
	struct ff_event event = {.kind = FF_EVENT_UNIT_OUTPUT, .unit = "u"};
	static char big[100000];
	struct seen seen = {0};
	char path[PATH_MAX];

	assert_non_null(journal);
	snprintf(path, sizeof path, "%s", ff_journal_path(journal));
	event.u.unit_output.stream = 1;
	event.u.unit_output.bytes = "x";
	event.u.unit_output.len = 1;
	assert_int_equal(ff_journal_append(journal, &event, &err), 0);
	append(journal, 2, "then");
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 2);
	memset(big, 'b', sizeof big);
	event.u.unit_output.bytes = big;
	event.u.unit_output.len = sizeof big;
	assert_int_equal(ff_journal_append(journal, &event, &err), 0);
	seen = (struct seen){0};
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 3);
	event.u.unit_output.len = 5;
	assert_int_equal(ff_journal_append(journal, &event, &err), 0);
	assert_int_equal(ff_journal_free(journal), 0);
	seen = (struct seen){0};
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 4);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void test_damage(void **state)
{
	static const char good[] = "{\"seq\":1,\"event\":\"interrupted\",\"times\":1}\n";
	char path[PATH_MAX], text[512];
	struct ff_err err = {0};
	struct seen seen = {0};

	path_in(path, *state, "torn.jsonl");
	snprintf(text, sizeof text, "%s%.20s", good, good);
	write_file(path, text);
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 1);

	/* Torn at its very end: the object is whole, its newline is not there. */
	snprintf(text, sizeof text, "%s%.*s", good, (int)strlen(good) - 1, good);
	write_file(path, text);
	seen = (struct seen){0};
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 1);

	snprintf(text, sizeof text, "%snonsense\n%s", good, good);
	write_file(path, text);
	seen = (struct seen){0};
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), FF_ELOAD);
	assert_int_equal(seen.events, 1);
	assert_non_null(strstr(err.text, "torn.jsonl:2: not an event"));

	write_file(path, "");
	seen = (struct seen){0};
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 0);
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
	memset(deep, 'd', sizeof deep);
	deep[sizeof deep - 1] = '\0';
	assert_null(ff_journal_new(deep, &err));
}

/* A file size limit stands for a full disk. */
static void test_full_disk(void **state)
{
	struct ff_err err = {0};
	struct ff_journal *journal = ff_journal_new(*state, &err);
	struct ff_event event = {.kind = FF_EVENT_NOTICE};
	struct rlimit old, small;
	struct seen seen = {0};
	char path[PATH_MAX];
	int rcs[3];

	assert_non_null(journal);
	snprintf(path, sizeof path, "%s", ff_journal_path(journal));
	append(journal, 1, "fits");
	event.u.notice.text = "does not fit";
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 110; /* the first line, and a part of the second */
	setrlimit(RLIMIT_FSIZE, &small);
	for (int i = 0; i < 3; i++) {
		struct ff_err one = {0};

		rcs[i] = ff_journal_append(journal, &event, &one);
		if (i == 0)
			err = one;
	}
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(rcs[0], FF_ESYS);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, strerror(EFBIG)));
	assert_int_equal(rcs[1], 0);
	assert_int_equal(rcs[2], 0);
	assert_int_equal(ff_journal_free(journal), FF_ESYS);
	assert_int_equal(ff_journal_replay(path, note, &seen, &err), 0);
	assert_int_equal(seen.events, 1);
	assert_string_equal(seen.text, "fits");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_append_and_replay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
