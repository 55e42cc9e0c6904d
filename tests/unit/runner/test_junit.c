/* JUnit XML: exact text for a table of results, names as pytest makes them, and report files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
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

static struct ff_reporter *open_as(const char *name, const char *path, struct ff_err *err)
{
	struct ff_reporter_opts opts = {0};

	return ff_reporter_kind_find(name)->open(&opts, path, err);
}

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
	rig->reporter = open_as("junit", rig->path, NULL);
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

#define FLAKY                                                                                      \
	"<properties><property name=\"farflung.flaky\" value=\"true\"/>"                           \
	"<property name=\"farflung.attempts\" value=\"2\"/></properties>"

static void tell(struct rig *rig, const struct ff_event *event)
{
	rig->reporter->class->event(rig->reporter, event);
}

/* A number per name. */
static uint32_t index_of(const char *unit)
{
	uint32_t hash = 2166136261;

	for (; *unit; unit++)
		hash = (hash ^ (unsigned char)*unit) * 16777619;
	return hash;
}

static void finished(struct rig *rig, const char *unit, bool final, const struct ff_result *result)
{
	struct ff_event event = {.kind = FF_EVENT_UNIT_FINISHED,
				 .job = "unit",
				 .unit = unit,
				 .index = index_of(unit),
				 .u.unit_finished = {1, final, result}};

	tell(rig, &event);
}

static void read_file(const char *path, struct ff_buf *text)
{
	FILE *file = fopen(path, "r");
	char chunk[65536];
	size_t n;

	assert_non_null(file);
	ff_buf_clear(text);
	while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
		ff_buf_add(text, chunk, n);
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
		"<testcase classname=\"t\" name=\"flaky\" time=\"0.000\">" FLAKY
		"<flakyFailure type=\"failed\" message=\"once\">E#x01x</flakyFailure></testcase>"
		"<testcase classname=\"t\" name=\"bad\" time=\"0.000\">"
		"<failure message=\"once\">E#x01x</failure>"
		"<rerunFailure type=\"failed\" message=\"once\">E#x01x</rerunFailure>"
		"<rerunFailure type=\"crashed\" message=\"SIGSEGV\"></rerunFailure></testcase>");
}

/* Those of a plugin, within the last attempt. */
static void test_reruns(void **state)
{
	static const struct ff_phase phases[] = {
		{"call", FF_OUTCOME_FAILED, 1, "once", "E1", true, false},
		{"call", FF_OUTCOME_FAILED, 1, "twice", NULL, true, false},
		{"call", FF_OUTCOME_FAILED, 1, "at last", "E3", false, false},
	};
	struct ff_result failed = {.outcome = FF_OUTCOME_FAILED,
				   .message = "at last",
				   .longrepr = "E3",
				   .phases = phases,
				   .phases_len = 3};
	struct ff_result passed = {
		.outcome = FF_OUTCOME_PASSED, .longrepr = "E1", .phases = phases, .phases_len = 1};

	finished(*state, "t.py::flaky", true, &passed);
	finished(*state, "t.py::bad", true, &failed);
	assert_string_equal(
		cases_of(*state),
		"<testcase classname=\"t\" name=\"flaky\" time=\"0.000\">" FLAKY
		"<flakyFailure type=\"failed\" message=\"once\">E1</flakyFailure></testcase>"
		"<testcase classname=\"t\" name=\"bad\" time=\"0.000\">"
		"<failure message=\"at last\">E3</failure>"
		"<rerunFailure type=\"failed\" message=\"once\">E1</rerunFailure>"
		"<rerunFailure type=\"failed\" message=\"twice\"></rerunFailure></testcase>");
}

static void test_escaping(void **state)
{
	static const struct ff_section sections[] = {
		{"Captured stdout call", "a<b>&\"'\r\n\x1b[31m\xff\0\xc3\xa9", 18, false},
		{"Captured stderr <&>", "]]>", 3, false},
		{"Captured log call", "\xef\xbf\xbf\x7f\xed\xa0\x80", 7, true},
		{NULL, "x", 1, false},
	};
	static const struct ff_property properties[] = {{"<k>", "a\"b\n"}};
	struct ff_result result = {.outcome = FF_OUTCOME_FAILED,
				   .message = "a\n<\"\t\x02",
				   .longrepr = "1 < 2 && \"x\"\t",
				   .sections = sections,
				   .sections_len = 4,
				   .properties = properties,
				   .properties_len = 1,
				   .memory_kib = 204800};
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
			    "<property name=\"farflung.memory_kib\" value=\"204800\"/>"
			    "</properties>"
			    "<failure message=\"a&#10;&lt;&quot;&#9;#x02\">1 &lt; 2 &amp;&amp; "
			    "\"x\"\t</failure>"
			    "<system-out>--- Captured stdout call ---\n"
			    "a&lt;b&gt;&amp;\"'&#13;\n#x1B[31m\xef\xbf\xbd#x00\xc3\xa9\n"
			    "--- Captured log call ---\n#xFFFF#x7F#xD800\nx</system-out>"
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
		end.u.job_finished.result = j ? FF_JOB_PASSED : FF_JOB_FAILED;
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

static void job_ends(struct rig *rig, const char *job, enum ff_job_result result,
		     enum ff_reason why, const char *reason)
{
	struct ff_event event = {.kind = FF_EVENT_JOB_FINISHED, .job = job};

	event.u.job_finished.result = result;
	event.u.job_finished.why = why;
	event.u.job_finished.reason = reason;
	tell(rig, &event);
}

/* A job of one unit, which has its name: both went wrong, and it is told once. */
static void lose_namesake(struct rig *rig)
{
	struct ff_result result = {.outcome = FF_OUTCOME_LOST, .message = "no"};
	struct ff_event lost = {.kind = FF_EVENT_UNIT_FINISHED,
				.job = "solo",
				.unit = "solo",
				.u.unit_finished = {1, true, &result}};

	tell(rig, &lost);
	job_ends(rig, "solo", FF_JOB_ERROR, FF_REASON_NO_HOST, "no");
}

/* Whoever reads only this file sees every job that did not go as it should, and what was left. */
static void test_jobs(void **state)
{
	struct ff_event added = {.kind = FF_EVENT_JOB_ADDED, .job = "first"};
	struct ff_event left = {.kind = FF_EVENT_UNITS_NOT_RUN, .job = "stopped"};
	struct ff_event file = {.kind = FF_EVENT_PART_NOT_RUN,
				.job = "enough",
				.u.part_not_run = {"sub/test_b.py", FF_REASON_MAXFAIL}};
	struct ff_result result = {.outcome = FF_OUTCOME_FAILED, .message = "no"};
	char host[256] = "", expected[8192];

	gethostname(host, sizeof host - 1);
	tell(*state, &added);
	job_ends(*state, "hosts", FF_JOB_ERROR, FF_REASON_NO_HOST, "no host:\nbuild1 failed");
	left.unit = "t.py::a";
	left.index = 6;
	left.u.units_not_run.count = 1;
	left.u.units_not_run.why = FF_REASON_INTERRUPTED;
	{
		struct ff_event retried = {.kind = FF_EVENT_UNIT_FINISHED,
					   .job = "stopped",
					   .unit = "t.py::a",
					   .index = 6,
					   .u.unit_finished = {1, false, &result}};

		tell(*state, &retried);
	}
	tell(*state, &left);
	left.unit = NULL;
	left.u.units_not_run.count = 12;
	tell(*state, &left);
	job_ends(*state, "stopped", FF_JOB_STOPPED, FF_REASON_INTERRUPTED, NULL);
	left.job = "enough";
	left.u.units_not_run.why = FF_REASON_MAXFAIL;
	tell(*state, &left);
	tell(*state, &file);
	job_ends(*state, "enough", FF_JOB_STOPPED, FF_REASON_MAXFAIL, NULL);
	lose_namesake(*state);
	left.job = "needs";
	left.u.units_not_run.why = FF_REASON_NEEDS;
	tell(*state, &left);
	job_ends(*state, "needs", FF_JOB_SKIPPED, FF_REASON_NEEDS, "it needs 'hosts'");
	job_ends(*state, "exit", FF_JOB_FAILED, FF_REASON_SESSION, "pytest.exit: <x>");
	job_ends(*state, "fine", FF_JOB_PASSED, FF_REASON_NONE, NULL);
	snprintf(
		expected, sizeof expected,
		"<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites>"
		"<testsuite name=\"first\" errors=\"0\" failures=\"0\" skipped=\"0\" tests=\"0\" "
		"time=\"0.000\" hostname=\"%s\"></testsuite>"
		"<testsuite name=\"hosts\" errors=\"1\" failures=\"0\" skipped=\"0\" tests=\"1\" "
		"time=\"0.000\" hostname=\"%s\"><testcase classname=\"\" name=\"hosts\" "
		"time=\"0.000\"><error type=\"no-host\" message=\"no host:\">no host:\nbuild1 "
		"failed</error></testcase></testsuite>"
		"<testsuite name=\"stopped\" errors=\"2\" failures=\"0\" skipped=\"0\" tests=\"2\" "
		"time=\"0.000\" hostname=\"%s\">"
		"<testcase classname=\"t\" name=\"a\" time=\"0.000\"><error type=\"not-run\" "
		"message=\"not run: interrupted\"></error><rerunFailure type=\"failed\" "
		"message=\"no\"></rerunFailure></testcase>"
		"<testcase classname=\"\" name=\"12 units not run\" time=\"0.000\"><error "
		"type=\"not-run\" message=\"not run: interrupted\"></error></testcase>"
		"</testsuite>"
		"<testsuite name=\"enough\" errors=\"1\" failures=\"0\" skipped=\"2\" tests=\"3\" "
		"time=\"0.000\" hostname=\"%s\">"
		"<testcase classname=\"\" name=\"12 units not run\" time=\"0.000\"><skipped "
		"message=\"not run: maxfail\"></skipped></testcase>"
		"<testcase classname=\"\" name=\"sub.test_b\" time=\"0.000\"><skipped "
		"message=\"not run: maxfail\"></skipped></testcase>"
		"<testcase classname=\"\" name=\"enough\" time=\"0.000\"><error type=\"maxfail\" "
		"message=\"maxfail\">maxfail</error></testcase></testsuite>"
		"<testsuite name=\"solo\" errors=\"1\" failures=\"0\" skipped=\"0\" tests=\"1\" "
		"time=\"0.000\" hostname=\"%s\"><testcase classname=\"\" name=\"solo\" "
		"time=\"0.000\"><error type=\"lost\" message=\"no\"></error></testcase></testsuite>"
		"<testsuite name=\"needs\" errors=\"0\" failures=\"0\" skipped=\"1\" tests=\"1\" "
		"time=\"0.000\" hostname=\"%s\"><testcase classname=\"\" name=\"needs\" "
		"time=\"0.000\"><skipped type=\"needs\" message=\"it needs "
		"'hosts'\"></skipped></testcase></testsuite>"
		"<testsuite name=\"exit\" errors=\"1\" failures=\"0\" skipped=\"0\" tests=\"1\" "
		"time=\"0.000\" hostname=\"%s\"><testcase classname=\"\" name=\"exit\" "
		"time=\"0.000\"><error type=\"session\" message=\"pytest.exit: "
		"&lt;x&gt;\">pytest.exit: &lt;x&gt;</error></testcase></testsuite>"
		"<testsuite name=\"fine\" errors=\"0\" failures=\"0\" skipped=\"0\" tests=\"0\" "
		"time=\"0.000\" hostname=\"%s\"></testsuite></testsuites>\n",
		host, host, host, host, host, host, host, host);
	assert_string_equal(finish(*state), expected);
	assert_well_formed(finish(*state));
}

/* Of units with 1 MB of text each, of two jobs in turn, next to nothing stays in memory. */
static void test_streams(void **state)
{
	struct rig *rig = *state;
	enum { TEXT = 1 << 20, UNITS = 40 };
	char *text = malloc(TEXT + 1);
	struct ff_section section = {"stdout", text, TEXT, true};
	struct ff_result result = {
		.outcome = FF_OUTCOME_PASSED, .sections = &section, .sections_len = 1};
	struct ff_event event = {.kind = FF_EVENT_UNIT_FINISHED, .unit = "t.py::a"};
	struct stat st;
	size_t before, after;

	assert_non_null(text);
	memset(text, 'x', TEXT);
	for (size_t i = 0; i + 3 < TEXT; i += 1000)
		memcpy(text + i, "\xe2\x82\xac", 3); /* pieces must not cut it */
	text[TEXT] = '\0';
	event.u.unit_finished.attempt = 1;
	event.u.unit_finished.final = true;
	event.u.unit_finished.result = &result;
	before = mallinfo2().uordblks;
	for (event.index = 0; event.index < UNITS; event.index++) {
		event.job = event.index % 2 ? "odd" : "even";
		tell(rig, &event);
		while (rig->reporter->class->full(rig->reporter))
			sched_yield();
	}
	after = mallinfo2().uordblks;
	assert_true(after < before + (4 << 20));
	assert_int_equal(rig->reporter->class->finish(rig->reporter, NULL), 0);
	assert_int_equal(stat(rig->path, &st), 0);
	assert_true(st.st_size > (off_t)UNITS * TEXT);
	read_file(rig->path, &rig->text);
	assert_null(strstr(ff_buf_str(&rig->text), "\xef\xbf\xbd"));
	assert_non_null(strstr(
		ff_buf_str(&rig->text),
		"<testsuite name=\"odd\" errors=\"0\" failures=\"0\" skipped=\"0\" tests=\"20\""));
	free(text);
}

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Many jobs need no descriptors of their own, nor time that grows with their square. */
static void test_many_jobs(void **state)
{
	size_t before = count_fds();
	char job[32];
	const char *xml;
	int suites = 0;

	for (int i = 0; i < 20000; i++) {
		struct ff_event added = {.kind = FF_EVENT_JOB_ADDED, .job = job};

		snprintf(job, sizeof job, "job%d", i);
		tell(*state, &added);
	}
	for (int i = 19999; i >= 0; i--) {
		snprintf(job, sizeof job, "job%d", i);
		job_ends(*state, job, FF_JOB_SKIPPED, FF_REASON_NEEDS, "x");
	}
	assert_true(count_fds() <= before + 1); /* the writer has a copy */
	for (xml = strstr(finish(*state), "<testsuite "); xml; xml = strstr(xml + 1, "<testsuite "))
		suites++;
	assert_int_equal(suites, 20000);
}

/* Two units of one name are told apart by their numbers. */
static void test_same_names(void **state)
{
	struct ff_result failed = {.outcome = FF_OUTCOME_FAILED, .message = "once"};
	struct ff_result passed = {.outcome = FF_OUTCOME_PASSED};
	struct ff_event event = {.kind = FF_EVENT_UNIT_FINISHED, .job = "unit", .unit = "a"};

	event.u.unit_finished.attempt = 1;
	event.u.unit_finished.result = &failed;
	tell(*state, &event);
	event.index = 1;
	event.u.unit_finished.final = true;
	event.u.unit_finished.result = &passed;
	tell(*state, &event);
	event.index = 0;
	tell(*state, &event);
	assert_string_equal(
		cases_of(*state),
		"<testcase classname=\"\" name=\"a\" time=\"0.000\"></testcase>"
		"<testcase classname=\"\" name=\"a\" time=\"0.000\">" FLAKY
		"<flakyFailure type=\"failed\" message=\"once\"></flakyFailure></testcase>");
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

	assert_null(open_as("junit", "", &err));
	assert_null(open_as("junit", rig->dir, &err));
	assert_int_equal(err.code, FF_ESYS);
	assert_non_null(strstr(err.text, "it is a directory"));
	snprintf(path, sizeof path, "%s/new/", rig->dir);
	assert_null(open_as("junit", path, &err));
	assert_non_null(strstr(err.text, path));
	snprintf(path, sizeof path, "%s/file", rig->dir);
	fclose(fopen(path, "w"));
	strcat(path, "/junit.xml");
	assert_null(open_as("junit", path, &err));
	assert_int_equal(err.code, FF_ESYS);
	assert_non_null(strstr(err.text, path));
	assert_null(open_as("jsonl", path, &err));
	assert_null(open_as("junit", "/proc/self/nothing/junit.xml", &err));
	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = '\0';
	assert_null(open_as("junit", path, &err));
	assert_int_equal(err.code, FF_ETOOBIG);
	if (geteuid() != 0) {
		snprintf(path, sizeof path, "%s/closed", rig->dir);
		mkdir(path, 0500);
		strcat(path, "/junit.xml");
		assert_null(open_as("junit", path, &err));
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

static void write_report(const char *path, int errnum, int expected, struct ff_err *err)
{
	struct ff_report_file file;

	assert_int_equal(ff_report_begin(&file, path, err), 0);
	fputs("first", file.stream);
	assert_int_equal(ff_report_commit(&file, errnum, err), expected);
}

static void test_write(void **state)
{
	struct rig *rig = *state;
	struct stat before, after;
	struct ff_err err = {0};
	char path[128];

	snprintf(path, sizeof path, "%s/report", rig->dir);
	write_report(path, 0, 0, &err);
	write_report(path, 0, 0, &err);
	write_report(path, EIO, FF_ESYS, &err); /* the old one stays */
	assert_non_null(strstr(err.text, path));
	read_file(path, &rig->text);
	assert_string_equal(ff_buf_str(&rig->text), "first");
	/* A device stays what it is. */
	assert_int_equal(stat("/dev/null", &before), 0);
	write_report("/dev/null", 0, 0, &err);
	assert_int_equal(stat("/dev/null", &after), 0);
	assert_true(S_ISCHR(after.st_mode) && before.st_ino == after.st_ino);
	write_report("/dev/full", 0, FF_ESYS, &err);
	assert_non_null(strstr(err.text, "/dev/full"));
	assert_non_null(strstr(err.text, strerror(ENOSPC)));
	count_files = 0;
	nftw(rig->dir, count_one, 16, FTW_PHYS);
	assert_int_equal(count_files, 1);
}

/* A JUnit report to a device: put together elsewhere, written there. */
static void test_device(void **state)
{
	struct ff_result result = {.outcome = FF_OUTCOME_PASSED};
	struct ff_event event = {.kind = FF_EVENT_UNIT_FINISHED,
				 .job = "unit",
				 .unit = "a",
				 .u.unit_finished = {1, true, &result}};
	struct ff_reporter *junit = open_as("junit", "/dev/full", NULL);
	struct ff_err err = {0};

	assert_non_null(junit);
	junit->class->event(junit, &event);
	assert_int_equal(junit->class->finish(junit, &err), FF_ESYS);
	assert_non_null(strstr(err.text, "'/dev/full': No space left"));
	junit->class->free(junit);
}

static void test_jsonl(void **state)
{
	struct rig *rig = *state;
	struct ff_event event = {.kind = FF_EVENT_INTERRUPTED, .seq = 1, .u.interrupted.times = 2};
	struct ff_reporter *jsonl;
	struct ff_err err = {0};
	char path[128];

	snprintf(path, sizeof path, "%s/new/events.jsonl", rig->dir);
	jsonl = open_as("jsonl", path, &err);
	assert_non_null(jsonl);
	jsonl->class->event(jsonl, &event);
	assert_int_equal(jsonl->class->finish(jsonl, &err), 0);
	read_file(path, &rig->text);
	assert_string_equal(ff_buf_str(&rig->text),
			    "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000Z\","
			    "\"event\":\"interrupted\",\"times\":2}\n");
	jsonl->class->free(jsonl);

	jsonl = open_as("jsonl", "/dev/full", &err);
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
		cmocka_unit_test_setup_teardown(test_reruns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_escaping, setup, teardown),
		cmocka_unit_test_setup_teardown(test_collect_problems, setup, teardown),
		cmocka_unit_test_setup_teardown(test_suites, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jobs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_jobs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folder_goes_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write, setup, teardown),
		cmocka_unit_test(test_device),
		cmocka_unit_test_setup_teardown(test_jsonl, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
