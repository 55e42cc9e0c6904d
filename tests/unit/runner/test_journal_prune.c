/* Old runs are removed; nothing else is, and no run that is going. */
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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/journal.h"

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	char dir[] = "/tmp/ff-prune-XXXXXX", path[64];

	*state = mkdtemp(dir) ? strdup(dir) : NULL;
	if (!*state)
		return -1;
	snprintf(path, sizeof(path), "%s/.farflung", dir);
	if (mkdir(path, 0700) < 0)
		return -1;
	strcat(path, "/runs");
	return mkdir(path, 0700);
}

static int teardown(void **state)
{
	nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static void path_of(char path[PATH_MAX], const char *dir, const char *run, const char *file)
{
	snprintf(path, PATH_MAX, "%s/.farflung/runs/%s/%s", dir, run, file);
}

static void touch(const char *dir, const char *run, const char *name)
{
	char path[PATH_MAX];
	FILE *file;

	path_of(path, dir, run, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
}

static void make(const char *dir, const char *run)
{
	char path[PATH_MAX];

	path_of(path, dir, run, "");
	assert_int_equal(mkdir(path, 0700), 0);
	touch(dir, run, "journal.jsonl");
	touch(dir, run, "output");
	touch(dir, run, "requests");
}

static bool there(const char *dir, const char *run)
{
	char path[PATH_MAX];
	struct stat st;

	path_of(path, dir, run, "");
	path[strlen(path) - 1] = '\0';
	return lstat(path, &st) == 0;
}

static void prune(const char *dir, int64_t runs, int64_t days)
{
	struct ff_err err = {0};

	if (ff_journal_prune(dir, runs, days, &err) < 0)
		fail_msg("%s", err.text);
}

/* The id of a run that began so many days ago. */
static void days_ago(char id[32], int days)
{
	time_t then = time(NULL) - days * 86400;
	struct tm tm;

	localtime_r(&then, &tm);
	strftime(id, 32, "%Y%m%d-%H%M%S-00aa", &tm);
}

static void test_number(void **state)
{
	const char *dir = *state;
	char id[32];

	for (int i = 1; i <= 5; i++) {
		snprintf(id, sizeof(id), "2026010%d-000000-abcd", i);
		make(dir, id);
	}
	prune(dir, 0, 0);
	assert_true(there(dir, "20260101-000000-abcd"));
	prune(dir, 5, 0);
	assert_true(there(dir, "20260101-000000-abcd"));
	prune(dir, 3, 0);
	assert_false(there(dir, "20260101-000000-abcd"));
	assert_false(there(dir, "20260102-000000-abcd"));
	assert_true(there(dir, "20260103-000000-abcd"));
	assert_true(there(dir, "20260105-000000-abcd"));
}

/* Of runs that began in one second the last one may be anywhere among them: no other is kept for it. */
static void test_last_is_one_of_them(void **state)
{
	const char *dir = *state;
	char id[32], link[PATH_MAX];
	unsigned left = 0;

	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "20260101-000000-000%d", i);
		make(dir, id);
	}
	path_of(link, dir, "last", "");
	link[strlen(link) - 1] = '\0';
	assert_int_equal(symlink("20260101-000000-0000", link), 0);
	prune(dir, 3, 0);
	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "20260101-000000-000%d", i);
		left += there(dir, id);
	}
	assert_int_equal(left, 3);
	assert_true(there(dir, "20260101-000000-0000"));
}

static void test_age(void **state)
{
	const char *dir = *state;
	char ids[3][32];

	for (int i = 0; i < 3; i++) {
		days_ago(ids[i], i * 10);
		make(dir, ids[i]);
	}
	prune(dir, 0, INT64_MAX);
	prune(dir, INT64_MAX, 15);
	assert_true(there(dir, ids[0]));
	assert_true(there(dir, ids[1]));
	assert_false(there(dir, ids[2]));
	prune(dir, 0, 10);
	assert_true(there(dir, ids[0]));
	assert_false(there(dir, ids[1]));
}

static void test_left_alone(void **state)
{
	static const char *const others[] = {"20260101-000000-abcg", "20260101-000000-abcd1",
					     "20260101 000000-abcd", "notes",
					     "20260101-000000-ABCD"};
	const char *dir = *state;
	char path[PATH_MAX], target[PATH_MAX];

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		make(dir, others[i]);
	make(dir, "20260102-000000-0001"); /* somebody keeps something in it */
	touch(dir, "20260102-000000-0001", "notes.txt");
	make(dir, "20260103-000000-0001"); /* `last` */
	path_of(path, dir, "last", "");
	path[strlen(path) - 1] = '\0';
	assert_int_equal(symlink("20260103-000000-0001", path), 0);
	path_of(target, dir, "notes", "");
	path_of(path, dir, "20260104-000000-0001", ""); /* a link to elsewhere */
	path[strlen(path) - 1] = '\0';
	assert_int_equal(symlink(target, path), 0);
	make(dir, "20260105-000000-0001"); /* its output is a folder */
	path_of(path, dir, "20260105-000000-0001", "output");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	touch(dir, "", "20260106-000000-0001"); /* a file */
	make(dir, "20260107-000000-0001");	/* without output: removed */
	path_of(path, dir, "20260107-000000-0001", "output");
	assert_int_equal(unlink(path), 0);
	make(dir, ".new-20260108-000000-0001"); /* a run was killed while it began: removed */
	prune(dir, 1, 1);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_true(there(dir, others[i]));
	for (int i = 2; i <= 6; i++) {
		char id[32];

		snprintf(id, sizeof(id), "2026010%d-000000-0001", i);
		if (!there(dir, id))
			fail_msg("%s is gone", id);
	}
	path_of(path, dir, "20260102-000000-0001", "journal.jsonl");
	assert_int_equal(access(path, F_OK), 0);
	path_of(path, dir, "notes", "journal.jsonl");
	assert_int_equal(access(path, F_OK), 0);
	assert_false(there(dir, "20260107-000000-0001"));
	assert_false(there(dir, ".new-20260108-000000-0001"));
}

static void test_going(void **state)
{
	const char *dir = *state;
	struct ff_err err = {0};
	struct ff_journal *first = ff_journal_new(dir, &err), *second = ff_journal_new(dir, &err);
	char ids[2][40];

	assert_non_null(first);
	assert_non_null(second);
	snprintf(ids[0], sizeof(ids[0]), "%s", ff_journal_run_id(first));
	snprintf(ids[1], sizeof(ids[1]), "%s", ff_journal_run_id(second));
	make(dir, "20990101-000000-0001"); /* newer than both */
	prune(dir, 1, 0);
	assert_true(there(dir, ids[0]));
	assert_true(there(dir, ids[1]));
	assert_int_equal(ff_journal_free(first), 0);
	prune(dir, 1, 0);
	assert_false(there(dir, ids[0]));
	assert_true(there(dir, ids[1]));
	assert_int_equal(ff_journal_free(second), 0);
	prune(dir, 1, 0); /* it is `last` */
	assert_true(there(dir, ids[1]));
}

static void test_errors(void **state)
{
	const char *dir = *state;
	struct ff_err err = {0};
	char path[PATH_MAX];

	prune("/nonexistent", 1, 1);
	snprintf(path, sizeof(path), "%s/x", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/x/.farflung", dir);
	fclose(fopen(path, "w"));
	path[strlen(path) - strlen("/.farflung")] = '\0';
	assert_int_equal(ff_journal_prune(path, 1, 1, &err), FF_ESYS);
	assert_non_null(strstr(err.text, "/x/.farflung/runs: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_is_one_of_them, setup, teardown),
		cmocka_unit_test_setup_teardown(test_age, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_going, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
