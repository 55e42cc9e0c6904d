/* JUnit XML: exact text for a table of results, names as pytest makes them, and report files. */
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

#include "base/buf.h"
#include "base/err.h"
#include "report/file.h"
#include "report/reporter.h"

struct rig {
	char dir[64];
	char path[128];
	struct ff_reporter *reporter;
	struct ff_buf text;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);

	strcpy(rig->dir, "/tmp/ff-junit-XXXXXX");
	*state = rig;
	if (!mkdtemp(rig->dir))
		return -1;
	snprintf(rig->path, sizeof rig->path, "%s/out/deep/junit.xml", rig->dir);
	rig->reporter = ff_report_junit(rig->path, NULL);
	return rig->reporter ? 0 : -1;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	if (rig->reporter)
		rig->reporter->class->free(rig->reporter);
	ff_buf_release(&rig->text);
	nftw(rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(rig);
	return 0;
}

static void tell(struct rig *rig, const struct ff_event *event)
{
	rig->reporter->class->event(rig->reporter, event);
}

static void finished(struct rig *rig, const char *unit, bool final, const struct ff_result *result)
{
	struct ff_event event = {.kind = FF_EVENT_UNIT_FINISHED,
				 .job = "unit",
				 .unit = unit,
				 .u.unit_finished = {1, final, result}};

	tell(rig, &event);
}

static void read_file(const char *path, struct ff_buf *text)
{
	FILE *file = fopen(path, "r");
	int c;

	assert_non_null(file);
	ff_buf_clear(text);
	while ((c = getc(file)) != EOF)
		ff_buf_addch(text, (char)c);
	fclose(file);
}

static const char *finish(struct rig *rig)
{
	struct ff_err err = {0};

	assert_int_equal(rig->reporter->class->finish(rig->reporter, &err), 0);
	read_file(rig->path, &rig->text);
	return ff_buf_str(&rig->text);
}

/* Tags nest and end, and no bare '<' or '&' is left in between. */
static void assert_well_formed(const char *xml)
{
	char stack[16][40];
	int depth = 0;

	assert_memory_equal(xml, "<?xml ", 6);
	for (const char *p = strstr(xml, "?>") + 2; *p; p++) {
		const char *end;
		size_t len;

		if (*p == '&')
			assert_true(strcspn(p, ";") < 8);
		assert_true((unsigned char)*p >= 0x20 || *p == '\n' || *p == '\t');
		if (*p != '<')
			continue;
		end = strchr(p, '>');
		assert_non_null(end);
		if (p[1] == '/') {
			len = (size_t)(end - p) - 2;
			assert_true(depth > 0);
			depth--;
			assert_int_equal(strlen(stack[depth]), len);
			assert_memory_equal(stack[depth], p + 2, len);
		} else if (end[-1] != '/') {
			len = strcspn(p + 1, " >");
			assert_true(depth < 16 && len < 40);
			snprintf(stack[depth++], 40, "%.*s", (int)len, p + 1);
		}
		p = end;
	}
	assert_int_equal(depth, 0);
}

/* What is between the suite's tags. */
static const char *cases_of(struct rig *rig)
{
	const char *xml = finish(rig), *from, *to;
	static char cases[8192];

	assert_well_formed(xml);
	from = strstr(xml, "<testcase");
	to = strstr(xml, "</testsuite>");
	assert_true(from && to && to > from);
	snprintf(cases, sizeof cases, "%.*s", (int)(to - from), from);
	return cases;
}

static void test_names(void **state)
{
	/* What _pytest.junitxml.mangle_test_address gives. */
	static const struct {
		const char *unit, *classname, *name;
	} cases[] = {
		{"test_x.py::test_a", "test_x", "test_a"},
		{"a/b/test_x.py::TestC::test_m", "a.b.test_x.TestC", "test_m"},
		{"a/test_x.py::test_a[a::b/c.py]", "a.test_x", "test_a[a::b/c.py]"},
		{"a/test_x.py::TestC::test_a[x[y]]", "a.test_x.TestC", "test_a[x[y]]"},
		{"a/test_x.py", "", "a.test_x"},
		{"test_x.py", "", "test_x"},
		{"a/b.pyx/t.py::n/m.py", "a.b.pyx.t", "n/m.py"},
		{"doc/a.rst::a.rst", "doc.a.rst", "a.rst"},
		{"build", "", "build"},
		{"bench[size=1,dir=a/b.py]", "", "bench[size=1,dir=a/b.py]"},
		{"", "", ""},
		{"a.py::", "a", ""},
		{".py::t", "", "t"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ff_result result = {.outcome = FF_OUTCOME_PASSED};
		char expected[300];

		setup(state);
		finished(*state, cases[i].unit, true, &result);
		snprintf(expected, sizeof expected,
			 "<testcase classname=\"%s\" name=\"%s\" time=\"0.000\"></testcase>",
			 cases[i].classname, cases[i].name);
		assert_string_equal(cases_of(*state), expected);
		teardown(state);
	}
}

static void test_outcomes(void **state)
{
	static const struct {
		enum ff_outcome outcome;
		const char *expected;
	} cases[] = {
		{FF_OUTCOME_PASSED, ""},
		{FF_OUTCOME_XPASSED, ""},
		{FF_OUTCOME_FAILED, "<failure message=\"why\">long\ntext</failure>"},
		{FF_OUTCOME_ERROR, "<error message=\"why\">long\ntext</error>"},
		{FF_OUTCOME_CRASHED, "<error type=\"crashed\" message=\"why\">long\ntext</error>"},
		{FF_OUTCOME_TIMEOUT, "<error type=\"timeout\" message=\"why\">long\ntext</error>"},
		{FF_OUTCOME_LOST, "<error type=\"lost\" message=\"why\">long\ntext</error>"},
		{FF_OUTCOME_SKIPPED,
		 "<skipped type=\"pytest.skip\" message=\"why\">long\ntext</skipped>"},
		{FF_OUTCOME_XFAILED,
		 "<skipped type=\"pytest.xfail\" message=\"why\">long\ntext</skipped>"},
	};

	_Static_assert(sizeof cases / sizeof *cases == FF_OUTCOMES, "an outcome is not tested");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ff_result result = {.outcome = cases[i].outcome,
					   .duration_us = 1234567,
					   .message = "why",
					   .longrepr = "long\ntext"};
		char expected[300];

		setup(state);
		finished(*state, "t.py::a", true, &result);
		snprintf(expected, sizeof expected,
			 "<testcase classname=\"t\" name=\"a\" time=\"1.235\">%s</testcase>",
			 cases[i].expected);
		assert_string_equal(cases_of(*state), expected);
		teardown(state);
	}
}

static void test_attempts(void **state)
{
	struct ff_result failed = {
		.outcome = FF_OUTCOME_FAILED, .message = "once", .longrepr = "E\001x"};
	struct ff_result crashed = {.outcome = FF_OUTCOME_CRASHED, .message = "SIGSEGV"};
	struct ff_result passed = {.outcome = FF_OUTCOME_PASSED};

	finished(*state, "t.py::flaky", false, &failed);
	finished(*state, "t.py::bad", false, &failed);
	finished(*state, "t.py::bad", false, &crashed);
	finished(*state, "t.py::flaky", true, &passed);
	finished(*state, "t.py::bad", true, &failed);
	finished(*state, "t.py::never", false, &failed);
	assert_string_equal(
		cases_of(*state),
		"<testcase classname=\"t\" name=\"flaky\" time=\"0.000\">"
		"<flakyFailure type=\"failed\" message=\"once\">E#x01x</flakyFailure></testcase>"
		"<testcase classname=\"t\" name=\"bad\" time=\"0.000\">"
		"<failure message=\"once\">E#x01x</failure>"
		"<rerunFailure type=\"failed\" message=\"once\">E#x01x</rerunFailure>"
		"<rerunFailure type=\"crashed\" message=\"SIGSEGV\"></rerunFailure></testcase>");
}

static void test_escaping(void **state)
{
	static const struct ff_section sections[] = {
		{"Captured stdout call", "a<b>&\"'\r\n\x1b[31m\xff\0\xc3\xa9", 18},
		{"Captured stderr <&>", "]]>", 3},
		{"Captured log call", "\xef\xbf\xbf\x7f", 4},
		{NULL, "x", 1},
	};
	static const struct ff_property properties[] = {{"<k>", "a\"b\n"}};
	struct ff_result result = {.outcome = FF_OUTCOME_FAILED,
				   .message = "a\n<\"\t\x02",
				   .longrepr = "1 < 2 && \"x\"\t",
				   .sections = sections,
				   .sections_len = 4,
				   .properties = properties,
				   .properties_len = 1};
	struct ff_event event = {.kind = FF_EVENT_UNIT_FINISHED,
				 .job = "unit",
				 .unit = "t.py::a[<&\">]",
				 .host = "b&1",
				 .worker = "gw0",
				 .u.unit_finished = {1, true, &result}};

	tell(*state, &event);
	assert_string_equal(cases_of(*state),
			    "<testcase classname=\"t\" name=\"a[&lt;&amp;&quot;&gt;]\" "
			    "time=\"0.000\"><properties>"
			    "<property name=\"&lt;k&gt;\" value=\"a&quot;b&#10;\"/>"
			    "<property name=\"farflung.host\" value=\"b&amp;1\"/>"
			    "<property name=\"farflung.worker\" value=\"gw0\"/></properties>"
			    "<failure message=\"a&#10;&lt;&quot;&#9;#x02\">1 &lt; 2 &amp;&amp; "
			    "\"x\"\t</failure>"
			    "<system-out>--- Captured stdout call ---\n"
			    "a&lt;b&gt;&amp;\"'&#13;\n#x1B[31m\xef\xbf\xbd#x00\xc3\xa9\n"
			    "--- Captured log call ---\n#xFFFF#x7F\nx</system-out>"
			    "<system-err>--- Captured stderr &lt;&amp;&gt; "
			    "---\n]]&gt;</system-err></testcase>");
}

static void test_collect_problems(void **state)
{
	struct ff_event event = {.kind = FF_EVENT_COLLECT_PROBLEM, .job = "unit"};

	event.u.collect_problem.nodeid = "a/test_bad.py";
	event.u.collect_problem.message = "SyntaxError";
	event.u.collect_problem.longrepr = "E  SyntaxError";
	tell(*state, &event);
	event.u.collect_problem.nodeid = "a/test_skip.py";
	event.u.collect_problem.longrepr = NULL;
	event.u.collect_problem.message = "no module";
	event.u.collect_problem.skipped = true;
	tell(*state, &event);
	assert_string_equal(
		cases_of(*state),
		"<testcase classname=\"\" name=\"a.test_bad\" time=\"0.000\">"
		"<error message=\"collection failure\">E  SyntaxError</error></testcase>"
		"<testcase classname=\"\" name=\"a.test_skip\" time=\"0.000\">"
		"<skipped message=\"collection skipped\">no module</skipped>"
		"</testcase>");
}

static void test_suites(void **state)
{
	static const char *const jobs[] = {"unit", "b<&>"};
	static const struct {
		enum ff_outcome outcome;
	} units[] = {{FF_OUTCOME_PASSED},
		     {FF_OUTCOME_FAILED},
		     {FF_OUTCOME_ERROR},
		     {FF_OUTCOME_LOST},
		     {FF_OUTCOME_XFAILED}};
	const char *xml;

	for (int j = 0; j < 2; j++) {
		struct ff_event start = {.kind = FF_EVENT_JOB_STARTED, .job = jobs[j]};
		struct ff_event end = {.kind = FF_EVENT_JOB_FINISHED, .job = jobs[j]};

		start.time_us = 1795161600000000;
		tell(*state, &start);
		for (size_t i = 0; i < 5 && j == 0; i++) {
			struct ff_result result = {.outcome = units[i].outcome};

			finished(*state, "t.py::a", true, &result);
		}
		end.u.job_finished.took_us = 2500000;
		end.u.job_finished.state = "failed";
		tell(*state, &end);
	}
	xml = finish(*state);
	assert_well_formed(xml);
	assert_ptr_equal(
		strstr(xml, "<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites><testsuite "),
		xml);
	assert_non_null(strstr(xml,
			       "<testsuite name=\"unit\" errors=\"2\" failures=\"1\" skipped=\"1\" "
			       "tests=\"5\" time=\"2.500\" timestamp=\"2026-11-"));
	assert_non_null(strstr(xml,
			       "<testsuite name=\"b&lt;&amp;&gt;\" errors=\"0\" failures=\"0\" "
			       "skipped=\"0\" tests=\"0\" time=\"2.500\" "));
	assert_non_null(strstr(xml, "</testsuite></testsuites>\n"));
}

static void test_empty_run(void **state)
{
	assert_string_equal(
		finish(*state),
		"<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites></testsuites>\n");
}

static int count_files;

static int count_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	count_files += flag == FTW_F;
	return 0;
}

/* Bad paths are told before the run; nothing is left behind. */
static void test_bad_paths(void **state)
{
	struct rig *rig = *state;
	char path[PATH_MAX + 10];
	struct ff_err err = {0};

	assert_null(ff_report_junit("", &err));
	assert_null(ff_report_junit(rig->dir, &err));
	assert_int_equal(err.code, FF_ESYS);
	assert_non_null(strstr(err.text, "it is a directory"));
	snprintf(path, sizeof path, "%s/new/", rig->dir);
	assert_null(ff_report_junit(path, &err));
	assert_non_null(strstr(err.text, path));
	snprintf(path, sizeof path, "%s/file", rig->dir);
	fclose(fopen(path, "w"));
	strcat(path, "/junit.xml");
	assert_null(ff_report_junit(path, &err));
	assert_int_equal(err.code, FF_ESYS);
	assert_non_null(strstr(err.text, path));
	assert_null(ff_report_jsonl(path, &err));
	assert_null(ff_report_junit("/proc/self/nothing/junit.xml", &err));
	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = '\0';
	assert_null(ff_report_junit(path, &err));
	assert_int_equal(err.code, FF_ETOOBIG);
	if (geteuid() != 0) {
		snprintf(path, sizeof path, "%s/closed", rig->dir);
		mkdir(path, 0500);
		strcat(path, "/junit.xml");
		assert_null(ff_report_junit(path, &err));
		assert_int_equal(err.code, FF_ESYS);
	}
	nftw(rig->dir, count_one, 16, FTW_PHYS);
	assert_int_equal(count_files, 1); /* "file" */
}

/* The folder that was there at first is gone at the end: an error that names the file. */
static void test_folder_goes_away(void **state)
{
	struct rig *rig = *state;
	struct ff_err err = {0};
	char path[128];

	snprintf(path, sizeof path, "%s/out/deep", rig->dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rig->reporter->class->finish(rig->reporter, &err), FF_ESYS);
	assert_non_null(strstr(err.text, rig->path));
}

static void test_write(void **state)
{
	struct rig *rig = *state;
	struct ff_buf text = FF_BUF_INIT;
	struct stat before, after;
	struct ff_err err = {0};
	char path[128];

	snprintf(path, sizeof path, "%s/report", rig->dir);
	ff_buf_addstr(&text, "first");
	assert_int_equal(ff_report_write(path, &text, &err), 0);
	assert_int_equal(ff_report_write(path, &text, &err), 0);
	read_file(path, &rig->text);
	assert_string_equal(ff_buf_str(&rig->text), "first");
	/* A device stays what it is. */
	assert_int_equal(stat("/dev/null", &before), 0);
	assert_int_equal(ff_report_write("/dev/null", &text, &err), 0);
	assert_int_equal(stat("/dev/null", &after), 0);
	assert_true(S_ISCHR(after.st_mode) && before.st_ino == after.st_ino);
	assert_int_equal(ff_report_write("/dev/full", &text, &err), FF_ESYS);
	assert_non_null(strstr(err.text, "/dev/full"));
	count_files = 0;
	nftw(rig->dir, count_one, 16, FTW_PHYS);
	assert_int_equal(count_files, 1);
	ff_buf_release(&text);
}

static void test_jsonl(void **state)
{
	struct rig *rig = *state;
	struct ff_event event = {.kind = FF_EVENT_INTERRUPTED, .seq = 1, .u.interrupted.times = 2};
	struct ff_reporter *jsonl;
	struct ff_err err = {0};
	char path[128];

	snprintf(path, sizeof path, "%s/new/events.jsonl", rig->dir);
	jsonl = ff_report_jsonl(path, &err);
	assert_non_null(jsonl);
	jsonl->class->event(jsonl, &event);
	read_file(path, &rig->text);
	assert_string_equal(ff_buf_str(&rig->text),
			    "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000Z\","
			    "\"event\":\"interrupted\",\"times\":2}\n");
	assert_int_equal(jsonl->class->finish(jsonl, &err), 0);
	jsonl->class->free(jsonl);

	jsonl = ff_report_jsonl("/dev/full", &err);
	assert_non_null(jsonl);
	jsonl->class->event(jsonl, &event);
	jsonl->class->event(jsonl, &event);
	assert_int_equal(jsonl->class->finish(jsonl, &err), FF_ESYS);
	assert_non_null(strstr(err.text, "/dev/full"));
	jsonl->class->free(jsonl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test_setup_teardown(test_attempts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_escaping, setup, teardown),
		cmocka_unit_test_setup_teardown(test_collect_problems, setup, teardown),
		cmocka_unit_test_setup_teardown(test_suites, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_goes_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jsonl, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
