/* Folders of results: names of units as parts of paths, and what is in whose folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "report/name.h"
#include "report/reporter.h"

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void test_names_are_apart(void **state)
{
	char longer[400], other[400];
	const char *given[] = {"",    ".",    "..",  "a",    "/",    "%2F", "a/b",  "a%2Fb", "%",
			       "a b", "a\nb", ".a",  "%2Ea", "\x7f", "%7F", longer, other,   "%25",
			       "%00", "a\\b", "ä/ß", "~",    "-",    "*",   "[]",   "a%20b"};
	size_t len = sizeof(given) / sizeof(*given);
	char *parts[sizeof(given) / sizeof(*given)];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	strcpy(other, longer);
	other[sizeof(other) - 2] = 'y';
	for (size_t i = 0; i < len; i++) {
		struct ff_buf part = FF_BUF_INIT;

		ff_name_add(&part, given[i]);
		parts[i] = ff_buf_take(&part);
		assert_in_range(strlen(parts[i]), 1, 200);
		assert_null(strpbrk(parts[i], "/ \n\x7f"));
		assert_int_not_equal(parts[i][0], '.');
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(parts[i], parts[k]);
	}
	for (size_t i = 0; i < len; i++)
		free(parts[i]);
}

struct rig {
	char dir[64];
	struct ff_reporter *reporter;
};

static int setup(void **state)
{
	static const struct ff_reporter_opts opts;
	struct rig *rig = calloc(1, sizeof *rig);

	strcpy(rig->dir, "/tmp/ff-results-XXXXXX");
	*state = rig;
	if (!mkdtemp(rig->dir))
		return -1;
	rig->reporter = ff_reporter_kind_find("results")->open(&opts, rig->dir, NULL);
	return rig->reporter ? 0 : -1;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	rig->reporter->class->free(rig->reporter);
	nftw(rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(rig);
	return 0;
}

static void tell(struct rig *rig, const char *unit, uint32_t index, uint32_t attempt, bool final,
		 const struct ff_result *result)
{
	struct ff_event event = {.kind = FF_EVENT_UNIT_FINISHED,
				 .job = "j",
				 .unit = unit,
				 .index = index,
				 .u.unit_finished = {attempt, final, result, false}};

	rig->reporter->class->event(rig->reporter, &event);
}

/* "": it is empty; NULL: it is not there. */
static const char *text_of(const struct rig *rig, const char *name)
{
	static char text[256];
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", rig->dir, name);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void test_units_of_one_name(void **state)
{
	struct ff_section first = {"stdout", "1", 1, true}, second = {"stdout", "2", 1, true};
	struct ff_result one = {.sections = &first, .sections_len = 1};
	struct ff_result two = {.sections = &second, .sections_len = 1};
	struct rig *rig = *state;

	tell(rig, "u", 0, 1, false, &two);
	tell(rig, "u", 6, 1, true, &two);
	tell(rig, "u", 0, 2, true, &one);
	assert_string_equal(text_of(rig, "j/u/stdout"), "1");
	assert_string_equal(text_of(rig, "j/u%n7/stdout"), "2");
	assert_string_equal(text_of(rig, "j/u/attempt-1/stdout"), "2");
	assert_int_equal(rig->reporter->class->finish(rig->reporter, NULL), 0);
}

static void test_sections_go_where_their_titles_say(void **state)
{
	struct ff_section all[] = {{"Captured stdout setup", "a", 1, false},
				   {"Captured stderr setup", "e\n", 2, false},
				   {"Captured log call", "l", 1, false},
				   {"Captured stdout call", "b\n", 2, false},
				   {"Captured stdout teardown", "c", 1, false}};
	struct ff_result result = {.outcome = FF_OUTCOME_FAILED,
				   .message = "why\nnot",
				   .longrepr = "the traceback",
				   .duration_us = 1500000,
				   .sections = all,
				   .sections_len = 5};
	struct ff_result plain = {.outcome = FF_OUTCOME_PASSED, .has_status = true};
	struct rig *rig = *state;

	tell(rig, "u", 0, 1, true, &result);
	assert_string_equal(text_of(rig, "j/u/stdout"), "a\nb\nc");
	assert_string_equal(text_of(rig, "j/u/stderr"), "e\n");
	assert_string_equal(text_of(rig, "j/u/log"), "l");
	assert_string_equal(text_of(rig, "j/u/failure"), "the traceback\n");
	assert_string_equal(text_of(rig, "j/u/status"),
			    "failed\nseconds 1.500\nattempt 1\nmessage why\n");
	/* What is not of this attempt is gone. */
	tell(rig, "u", 0, 1, true, &plain);
	assert_string_equal(text_of(rig, "j/u/stdout"), "");
	assert_null(text_of(rig, "j/u/log"));
	assert_null(text_of(rig, "j/u/failure"));
	assert_string_equal(text_of(rig, "j/u/status"),
			    "passed\nexit 0\nsignal 0\nseconds 0.000\nattempt 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_apart),
		cmocka_unit_test_setup_teardown(test_units_of_one_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sections_go_where_their_titles_say, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
