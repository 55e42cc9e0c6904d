/* JUnit XML in the form pytest writes ("xunit2"): a suite per job, classname and name from the node
 * id; attempts before the last as flakyFailure or rerunFailure, as Maven Surefire has them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "report/file.h"
#include "report/reporter.h"
#include "report/text.h"

struct suite {
	struct suite *next;
	char *name;
	struct ff_buf cases;
	struct ff_map attempts; /* unit -> struct ff_buf: attempts that were not the last */
	uint32_t tests, failures, errors, skipped;
	int64_t started_us, took_us;
};

struct junit {
	struct ff_reporter base;
	char *path;
	struct suite *suites;
};

/* What XML 1.0 cannot hold in any form is written as pytest does: "#x1B". */
static void xml_text(struct ff_buf *out, const char *text, size_t len, bool attribute)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		int32_t c = ff_text_decode(text + i, len - i, &n);

		if (c == '&')
			ff_buf_addstr(out, "&amp;");
		else if (c == '<')
			ff_buf_addstr(out, "&lt;");
		else if (c == '>')
			ff_buf_addstr(out, "&gt;");
		else if (c == '"' && attribute)
			ff_buf_addstr(out, "&quot;");
		else if (c == '\r' || (attribute && (c == '\n' || c == '\t')))
			ff_buf_addf(out, "&#%d;", (int)c);
		else if (c < 0)
			ff_buf_addstr(out, "\xef\xbf\xbd");
		else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || c == 0xfffe ||
			 c == 0xffff)
			ff_buf_addf(out, "#x%02X", (unsigned)c);
		else
			ff_buf_add(out, text + i, n);
	}
}

static void xml_attribute(struct ff_buf *out, const char *name, const char *value)
{
	ff_buf_addf(out, " %s=\"", name);
	xml_text(out, value, strlen(value), true);
	ff_buf_addch(out, '"');
}

static struct suite *suite_of(struct junit *junit, const char *job)
{
	struct suite **at = &junit->suites;

	while (*at && strcmp((*at)->name, job) != 0)
		at = &(*at)->next;
	if (!*at) {
		*at = ff_xcalloc(1, sizeof **at);
		(*at)->name = ff_xstrdup(job);
	}
	return *at;
}

/* As pytest mangles a node id: "a/b/test_x.py::TestC::test_m[p]" has classname "a.b.test_x.TestC"
 * and name "test_m[p]"; parameters stay as they are. */
static void xml_names(struct ff_buf *out, const char *unit)
{
	const char *params = unit + strcspn(unit, "["), *from = unit;
	struct ff_buf class = FF_BUF_INIT, name = FF_BUF_INIT;
	bool first = true;

	for (;; first = false) {
		const char *colons = strstr(from, "::");
		const char *end = colons && colons < params ? colons : params;
		const char *stop = end;

		if (first && stop - from >= 3 && memcmp(stop - 3, ".py", 3) == 0)
			stop -= 3;
		ff_buf_clear(&name);
		for (const char *p = from; p < stop; p++)
			ff_buf_addch(&name, first && *p == '/' ? '.' : *p);
		if (end == params)
			break;
		ff_buf_addstr(&class, first ? "" : ".");
		ff_buf_add(&class, ff_buf_data(&name), name.len);
		from = end + 2;
	}
	ff_buf_addstr(&name, params);
	xml_attribute(out, "classname", ff_buf_str(&class));
	xml_attribute(out, "name", ff_buf_str(&name));
	ff_buf_release(&class);
	ff_buf_release(&name);
}

static void xml_problem(struct ff_buf *out, const char *element, const char *type,
			const char *message, const char *text)
{
	ff_buf_addf(out, "<%s", element);
	if (type)
		xml_attribute(out, "type", type);
	xml_attribute(out, "message", message ? message : "");
	ff_buf_addch(out, '>');
	if (text)
		xml_text(out, text, strlen(text), false);
	ff_buf_addf(out, "</%s>", element);
}

static void xml_outcome(struct suite *suite, struct ff_buf *out, const struct ff_result *result)
{
	switch (result->outcome) {
	case FF_OUTCOME_FAILED:
		suite->failures++;
		xml_problem(out, "failure", NULL, result->message, result->longrepr);
		break;
	case FF_OUTCOME_ERROR:
	case FF_OUTCOME_CRASHED:
	case FF_OUTCOME_TIMEOUT:
	case FF_OUTCOME_LOST:
		suite->errors++;
		xml_problem(out, "error",
			    result->outcome == FF_OUTCOME_ERROR ? NULL
								: ff_outcome_word(result->outcome),
			    result->message, result->longrepr);
		break;
	case FF_OUTCOME_SKIPPED:
	case FF_OUTCOME_XFAILED:
		suite->skipped++;
		xml_problem(out, "skipped",
			    result->outcome == FF_OUTCOME_SKIPPED ? "pytest.skip" : "pytest.xfail",
			    result->message, result->longrepr);
		break;
	default:
		break;
	}
}

/* Captured text goes to system-out or system-err, as its title says. */
static void xml_captured(struct ff_buf *out, const struct ff_result *result)
{
	static const char *const elements[] = {"system-out", "system-err"};

	for (int e = 0; e < 2; e++) {
		bool any = false;

		for (size_t i = 0; i < result->sections_len; i++) {
			const struct ff_section *section = &result->sections[i];
			const char *title = section->title ? section->title : "output";

			if ((strstr(title, "stderr") != NULL) != (e == 1))
				continue;
			if (!any)
				ff_buf_addf(out, "<%s>", elements[e]);
			else if (ff_buf_data(out)[out->len - 1] != '\n')
				ff_buf_addch(out, '\n');
			any = true;
			if (strchr(title, ' ')) {
				ff_buf_addstr(out, "--- ");
				xml_text(out, title, strlen(title), false);
				ff_buf_addstr(out, " ---\n");
			}
			xml_text(out, section->text, section->len, false);
		}
		if (any)
			ff_buf_addf(out, "</%s>", elements[e]);
	}
}

static void xml_properties(struct ff_buf *out, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;

	if (!event->host && result->properties_len == 0)
		return;
	ff_buf_addstr(out, "<properties>");
	for (size_t i = 0; i < result->properties_len; i++) {
		ff_buf_addstr(out, "<property");
		xml_attribute(out, "name", result->properties[i].name);
		xml_attribute(out, "value", result->properties[i].value);
		ff_buf_addstr(out, "/>");
	}
	if (event->host) {
		ff_buf_addstr(out, "<property name=\"farflung.host\"");
		xml_attribute(out, "value", event->host);
		ff_buf_addstr(out, "/>");
	}
	if (event->worker) {
		ff_buf_addstr(out, "<property name=\"farflung.worker\"");
		xml_attribute(out, "value", event->worker);
		ff_buf_addstr(out, "/>");
	}
	ff_buf_addstr(out, "</properties>");
}

static void junit_attempt(struct suite *suite, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_buf *attempts = ff_map_get(&suite->attempts, event->unit);

	if (!attempts) {
		attempts = ff_xcalloc(1, sizeof *attempts);
		ff_map_set(&suite->attempts, event->unit, attempts);
	}
	/* Whether the unit was flaky or failing shows at its last attempt: a mark stands for the
	 * name. */
	xml_problem(attempts, "\001", ff_outcome_word(result->outcome), result->message,
		    result->longrepr);
}

static void junit_attempts(struct suite *suite, const struct ff_event *event)
{
	struct ff_buf *attempts = ff_map_del(&suite->attempts, event->unit);
	bool flaky = !ff_outcome_bad(event->u.unit_finished.result->outcome);
	const char *text = attempts ? ff_buf_str(attempts) : NULL;

	for (; text && *text; text++) {
		if (*text == '\001')
			ff_buf_addstr(&suite->cases, flaky ? "flakyFailure" : "rerunFailure");
		else
			ff_buf_addch(&suite->cases, *text);
	}
	if (attempts)
		ff_buf_release(attempts);
	free(attempts);
}

static void junit_unit(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = suite_of(junit, event->job);
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_buf *out = &suite->cases;

	if (!event->u.unit_finished.final) {
		junit_attempt(suite, event);
		return;
	}
	suite->tests++;
	ff_buf_addstr(out, "<testcase");
	xml_names(out, event->unit);
	ff_buf_addf(out, " time=\"%.3f\">", (double)result->duration_us / 1e6);
	xml_properties(out, event);
	xml_outcome(suite, out, result);
	junit_attempts(suite, event);
	xml_captured(out, result);
	ff_buf_addstr(out, "</testcase>");
}

static void junit_collect_problem(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = suite_of(junit, event->job);
	bool skipped = event->u.collect_problem.skipped;

	suite->tests++;
	suite->errors += !skipped;
	suite->skipped += skipped;
	ff_buf_addstr(&suite->cases, "<testcase");
	xml_names(&suite->cases, event->u.collect_problem.nodeid);
	ff_buf_addstr(&suite->cases, " time=\"0.000\">");
	xml_problem(&suite->cases, skipped ? "skipped" : "error", NULL,
		    skipped ? "collection skipped" : "collection failure",
		    event->u.collect_problem.longrepr ? event->u.collect_problem.longrepr
						      : event->u.collect_problem.message);
	ff_buf_addstr(&suite->cases, "</testcase>");
}

static void junit_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct junit *junit = (struct junit *)reporter;

	switch (event->kind) {
	case FF_EVENT_JOB_STARTED:
		suite_of(junit, event->job)->started_us = event->time_us;
		break;
	case FF_EVENT_UNIT_FINISHED:
		junit_unit(junit, event);
		break;
	case FF_EVENT_COLLECT_PROBLEM:
		junit_collect_problem(junit, event);
		break;
	case FF_EVENT_JOB_FINISHED:
		suite_of(junit, event->job)->took_us = event->u.job_finished.took_us;
		break;
	default:
		break;
	}
}

static void write_suite(struct ff_buf *out, const struct suite *suite)
{
	time_t seconds = (time_t)(suite->started_us / 1000000);
	char stamp[40], host[256] = "";
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	gethostname(host, sizeof host - 1);
	ff_buf_addstr(out, "<testsuite");
	xml_attribute(out, "name", suite->name);
	ff_buf_addf(out, " errors=\"%u\" failures=\"%u\" skipped=\"%u\" tests=\"%u\" time=\"%.3f\"",
		    suite->errors, suite->failures, suite->skipped, suite->tests,
		    (double)suite->took_us / 1e6);
	xml_attribute(out, "timestamp", stamp);
	xml_attribute(out, "hostname", host);
	ff_buf_addch(out, '>');
	ff_buf_add(out, ff_buf_data(&suite->cases), suite->cases.len);
	ff_buf_addstr(out, "</testsuite>");
}

static int junit_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct junit *junit = (struct junit *)reporter;
	struct ff_buf out = FF_BUF_INIT;
	int rc;

	ff_buf_addstr(&out, "<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites>");
	for (const struct suite *suite = junit->suites; suite; suite = suite->next)
		write_suite(&out, suite);
	ff_buf_addstr(&out, "</testsuites>\n");
	rc = ff_report_write(junit->path, &out, err);
	ff_buf_release(&out);
	return rc;
}

static void junit_free(struct ff_reporter *reporter)
{
	struct junit *junit = (struct junit *)reporter;

	while (junit->suites) {
		struct suite *suite = junit->suites;
		size_t cursor = 0;
		void *attempts;

		while (ff_map_next(&suite->attempts, &cursor, NULL, &attempts)) {
			ff_buf_release(attempts);
			free(attempts);
		}
		junit->suites = suite->next;
		ff_map_release(&suite->attempts);
		ff_buf_release(&suite->cases);
		free(suite->name);
		free(suite);
	}
	free(junit->path);
	free(junit);
}

static const struct ff_reporter_class junit_class = {
	.name = "junit",
	.event = junit_event,
	.finish = junit_finish,
	.free = junit_free,
};

struct ff_reporter *ff_report_junit(const char *path, struct ff_err *err)
{
	struct junit *junit;

	if (ff_report_prepare(path, err) < 0)
		return NULL;
	junit = ff_xcalloc(1, sizeof *junit);
	junit->base.class = &junit_class;
	junit->path = ff_xstrdup(path);
	return &junit->base;
}
