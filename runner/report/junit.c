/* JUnit XML in the form pytest writes ("xunit2", or what junit_family says): a suite per job,
 * classname and name from the node id; attempts before the last, and what a plugin ran again within
 * it, as flakyFailure or rerunFailure, as Maven Surefire has them. Test cases go to a spool as
 * units finish; at the end they are put together suite by suite, behind totals that are known only
 * then. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "report/file.h"
#include "report/junit_case.h"
#include "report/reporter.h"
#include "report/spool.h"
#include "report/xml.h"

/* An attempt that was not the last, without its element's name: whether the unit is flaky or
 * failing shows at its last attempt. */
struct attempt {
	struct attempt *next;
	struct ff_spool_piece body;
};

struct suite {
	struct suite *next;
	char *name;
	char *error;		       /* what was said of the job as a whole; NULL */
	struct ff_spool_piece *pieces; /* adjoining test cases are one */
	size_t pieces_len, pieces_cap;
	struct ff_map attempts; /* index of a unit -> struct attempt, the first of a list */
	struct ff_map hosts;	/* that units ran on */
	struct ff_buf properties;
	bool places; /* test cases have file and line, as in "xunit1" */
	uint32_t tests, failures, errors, skipped;
	bool listed;   /* its units were to be named, not run */
	bool namesake; /* a bad unit has the job's name: nothing more is to be said under it */
	int64_t started_us, took_us;
};

struct junit {
	struct ff_reporter base;
	char *path;
	char *prefix; /* of class names; NULL */
	struct ff_spool spool;
	struct suite *suites, *last;
	struct ff_map by_name;
	char *stop;    /* why the run is stopping, in words; NULL */
	uint64_t from; /* where the piece that is being written began */
};

static struct suite *suite_of(struct junit *junit, const char *job)
{
	struct suite *suite;

	job = job ? job : "";
	suite = ff_map_get(&junit->by_name, job);
	if (suite)
		return suite;
	suite = ff_xcalloc(1, sizeof(*suite));
	suite->name = ff_xstrdup(job);
	if (junit->last)
		junit->last->next = suite;
	else
		junit->suites = suite;
	junit->last = suite;
	ff_map_set(&junit->by_name, job, suite);
	return suite;
}

/* --- pieces --- */

static void suite_add(struct suite *suite, const struct ff_spool_piece *piece)
{
	struct ff_spool_piece *last =
		suite->pieces_len ? &suite->pieces[suite->pieces_len - 1] : NULL;

	if (piece->len == 0)
		return;
	if (last && last->offset + last->len == piece->offset) {
		last->len += piece->len;
		return;
	}
	if (suite->pieces_len == suite->pieces_cap) {
		suite->pieces_cap += suite->pieces_cap / 2 + 1;
		suite->pieces =
			ff_xrealloc(suite->pieces, suite->pieces_cap * sizeof(*suite->pieces));
	}
	suite->pieces[suite->pieces_len++] = *piece;
}

static struct ff_spool_piece piece_end(struct junit *junit)
{
	uint64_t from = junit->from;

	junit->from = ff_spool_at(&junit->spool);
	ff_spool_flush(&junit->spool);
	return (struct ff_spool_piece){from, junit->from - from};
}

static void suite_piece_end(struct junit *junit, struct suite *suite)
{
	struct ff_spool_piece piece = piece_end(junit);

	suite_add(suite, &piece);
}

/* --- test cases --- */

static void case_begin(struct junit *junit, struct suite *suite, const char *unit,
		       const struct ff_result *result, int64_t duration_us)
{
	struct ff_buf *out = &junit->spool.text;
	char line[16];

	suite->tests++;
	ff_buf_addstr(out, "<testcase");
	ff_xml_names(out, junit->prefix, unit ? unit : "");
	if (suite->places && result && result->file) {
		ff_xml_attribute(out, "file", result->file);
		snprintf(line, sizeof(line), "%d", result->line - 1); /* from 0, as pytest's */
		if (result->line > 0)
			ff_xml_attribute(out, "line", line);
	}
	ff_xml_seconds(out, "time", duration_us);
	ff_buf_addch(out, '>');
}

/* For what is about a job as a whole: its name is no node id. */
static void case_begin_job(struct junit *junit, struct suite *suite, const char *name)
{
	struct ff_buf *out = &junit->spool.text;

	suite->tests++;
	ff_buf_addstr(out, "<testcase classname=\"\"");
	ff_xml_attribute(out, "name", name);
	ff_buf_addstr(out, " time=\"0.000\">");
}

static void case_end(struct junit *junit, struct suite *suite)
{
	ff_buf_addstr(&junit->spool.text, "</testcase>");
	suite_piece_end(junit, suite);
}

static void add_outcome(struct junit *junit, struct suite *suite, const struct ff_result *result)
{
	enum ff_outcome outcome = result->outcome;

	suite->failures += outcome == FF_OUTCOME_FAILED;
	suite->errors += outcome != FF_OUTCOME_FAILED && ff_outcome_bad(outcome);
	suite->skipped += outcome == FF_OUTCOME_SKIPPED || outcome == FF_OUTCOME_XFAILED;
	ff_junit_outcome(&junit->spool, result);
}

/* --- attempts --- */

static void keep_attempt(struct junit *junit, struct suite *suite, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct attempt *attempt = ff_xcalloc(1, sizeof(*attempt));
	struct attempt *last = ff_map_get_u32(&suite->attempts, event->index);

	ff_junit_problem_body(&junit->spool, ff_outcome_word(result->outcome), result->message,
			      result->longrepr);
	attempt->body = piece_end(junit);
	while (last && last->next)
		last = last->next;
	if (last)
		last->next = attempt;
	else
		ff_map_set_u32(&suite->attempts, event->index, attempt);
}

static void add_attempts(struct junit *junit, struct suite *suite, uint32_t index,
			 const char *element)
{
	struct attempt *attempt = ff_map_del_u32(&suite->attempts, index);

	while (attempt) {
		struct attempt *next = attempt->next;

		ff_buf_addf(&junit->spool.text, "<%s", element);
		suite_piece_end(junit, suite);
		suite_add(suite, &attempt->body);
		ff_buf_addf(&junit->spool.text, "%s>", element);
		ff_free(attempt);
		attempt = next;
	}
}

/* --- events --- */

static bool is_namesake(const struct suite *suite, const struct ff_event *event)
{
	return event->unit && strcmp(event->unit, suite->name) == 0;
}

static void keep_host(struct suite *suite, const char *host)
{
	if (!host || ff_map_get(&suite->hosts, host))
		return;
	ff_map_set(&suite->hosts, host, suite);
	ff_junit_property(&suite->properties, "farflung.host", host);
}

static uint32_t attempts_before(const struct suite *suite, uint32_t index)
{
	uint32_t before = 0;

	for (const struct attempt *at = ff_map_get_u32(&suite->attempts, index); at; at = at->next)
		before++;
	return before;
}

static void add_case(struct junit *junit, struct suite *suite, const struct ff_event *event,
		     const struct ff_result *result)
{
	const char *before = ff_outcome_bad(result->outcome) ? "rerunFailure" : "flakyFailure";

	case_begin(junit, suite, event->unit, result, result->duration_us);
	ff_junit_properties(&junit->spool, result, attempts_before(suite, event->index));
	add_outcome(junit, suite, result);
	add_attempts(junit, suite, event->index, before);
	ff_junit_reruns(&junit->spool, result, before);
	ff_junit_captured(&junit->spool, result, false);
	ff_junit_captured(&junit->spool, result, true);
	case_end(junit, suite);
}

static void add_first(struct junit *junit, struct suite *suite, const struct ff_event *event)
{
	struct ff_result result = *event->u.unit_finished.result;
	struct ff_buf text = FF_BUF_INIT;

	for (size_t i = 0; i + 1 < result.phases_len; i++)
		if (result.phases[i].longrepr && !result.phases[i].rerun)
			ff_buf_addf(&text, "%s%s", text.len ? "\n" : "", result.phases[i].longrepr);
	result.longrepr = ff_buf_str(&text);
	add_case(junit, suite, event, &result);
	ff_buf_release(&text);
}

static void on_unit_finished(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = suite_of(junit, event->job);
	const struct ff_result *result = event->u.unit_finished.result;
	bool bad = result && ff_outcome_bad(result->outcome);
	const struct ff_phase *second;

	if (!result)
		return;
	if (!event->u.unit_finished.final) {
		keep_attempt(junit, suite, event);
		return;
	}
	suite->namesake |= bad && is_namesake(suite, event);
	keep_host(suite, event->host);
	second = ff_result_second_error(result);
	if (second) {
		add_first(junit, suite, event);
		add_case(junit, suite, event,
			 &(struct ff_result){
				 .outcome = FF_OUTCOME_ERROR,
				 .message = second->message,
				 .longrepr = second->longrepr,
				 .file = result->file,
				 .line = result->line,
			 });
		return;
	}
	add_case(junit, suite, event, result);
}

static void on_collect_problem(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = suite_of(junit, event->job);
	const char *longrepr = event->u.collect_problem.longrepr;
	bool skipped = event->u.collect_problem.skipped;

	suite->errors += !skipped;
	suite->skipped += skipped;
	case_begin(junit, suite, event->u.collect_problem.nodeid, NULL, 0);
	ff_junit_problem(&junit->spool, skipped ? "skipped" : "error", NULL,
			 skipped ? "collection skipped" : "collection failure",
			 longrepr ? longrepr : event->u.collect_problem.message);
	case_end(junit, suite);
}

/* Of a host, in a suite of its own. */
static void on_setup_failed(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = suite_of(junit, event->u.host_setup.phase);
	char *name =
		ff_xasprintf("%s of %s%s", event->u.host_setup.phase,
			     event->host ? "host " : "the run", event->host ? event->host : "");

	suite->errors++;
	case_begin_job(junit, suite, name);
	ff_junit_problem(&junit->spool, "error", NULL, event->u.host_setup.error,
			 event->u.host_setup.output);
	case_end(junit, suite);
	ff_free(name);
}

static void keep_text(char **kept, const char *text)
{
	ff_free(*kept);
	*kept = text && *text ? ff_xstrdup(text) : NULL;
}

static void on_notice(struct junit *junit, const struct ff_event *event)
{
	const char *level = event->u.notice.level;

	if (!event->job || !level)
		return;
	if (strcmp(level, "error") == 0)
		keep_text(&suite_of(junit, event->job)->error, event->u.notice.text);
	else if (strcmp(level, "list") == 0)
		suite_of(junit, event->job)->listed = true;
	else if (strcmp(level, "property") == 0)
		ff_junit_property_text(&suite_of(junit, event->job)->properties,
				       event->u.notice.text);
}

static void on_worker_started(struct junit *junit, const struct ff_event *event)
{
	for (size_t i = 0; event->job && i < event->u.worker_started.facts_len; i++) {
		const struct ff_fact *fact = &event->u.worker_started.facts[i];

		if (strcmp(fact->key, "junit_family") == 0)
			suite_of(junit, event->job)->places = strcmp(fact->value, "xunit2") != 0;
	}
}

/* Why a job did not come to its end: in words, where no other test case gives them. */
static const char *words_of(const struct junit *junit, const struct suite *suite,
			    enum ff_reason why)
{
	const char *words = NULL;

	if (why == FF_REASON_REQUIRED_HOSTS)
		words = suite->error ? suite->error : junit->stop;
	else if (why == FF_REASON_DISK)
		words = junit->stop;
	return words ? words : ff_reason_word(why);
}

/* Whoever asked for an end after so many failures has been told of these; all else that keeps a
 * unit from being run is an error. */
static void not_run(struct junit *junit, struct suite *suite, enum ff_reason reason)
{
	const char *why = words_of(junit, suite, reason);
	bool skipped = reason == FF_REASON_MAXFAIL;
	char *line = ff_xasprintf("not run%s%.*s", *why ? ": " : "", (int)strcspn(why, "\n"), why);

	suite->skipped += skipped;
	suite->errors += !skipped;
	ff_junit_problem(&junit->spool, skipped ? "skipped" : "error", skipped ? NULL : "not-run",
			 line, NULL);
	ff_free(line);
}

static void on_part_not_run(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = suite_of(junit, event->job);

	if (suite->listed)
		return;
	case_begin(junit, suite, event->u.part_not_run.part, NULL, 0);
	not_run(junit, suite, event->u.part_not_run.why);
	case_end(junit, suite);
}

static void on_not_run(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = suite_of(junit, event->job);
	enum ff_reason why = event->u.units_not_run.why;
	uint32_t count = event->u.units_not_run.count;
	char text[80];

	/* The job's end tells what it lacked. */
	if (count == 0 || suite->listed || why == FF_REASON_NEEDS || why == FF_REASON_TIME)
		return;
	suite->namesake |= why != FF_REASON_MAXFAIL && is_namesake(suite, event);
	if (count == 1 && event->unit) {
		case_begin(junit, suite, event->unit, NULL, 0);
	} else {
		snprintf(text, sizeof(text), "%u unit%s not run", count, count == 1 ? "" : "s");
		case_begin_job(junit, suite, text);
	}
	not_run(junit, suite, why);
	for (uint32_t i = 0; i < count && suite->attempts.len > 0; i++)
		add_attempts(junit, suite, event->index + i, "rerunFailure");
	case_end(junit, suite);
}

/* Whether the job's end says more than its units do. */
static bool ends_badly(const struct suite *suite, const struct ff_event *event)
{
	switch (event->u.job_finished.result) {
	case FF_JOB_ERROR:
		return !suite->namesake;
	case FF_JOB_STOPPED:
		return suite->failures + suite->errors == 0;
	case FF_JOB_FAILED:
		return event->u.job_finished.why != FF_REASON_NONE ||
		       suite->failures + suite->errors == 0;
	default:
		return false;
	}
}

static void on_job_finished(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = suite_of(junit, event->job);
	const char *reason = event->u.job_finished.reason;
	const char *why = ff_reason_word(event->u.job_finished.why);
	bool skipped = event->u.job_finished.result == FF_JOB_SKIPPED;
	char *line;

	suite->took_us = event->u.job_finished.took_us;
	if (!ends_badly(suite, event) && !(skipped && (suite->tests == 0 || *why)))
		return;
	suite->errors += !skipped;
	suite->skipped += skipped;
	if (!reason || !*reason)
		reason = *why ? words_of(junit, suite, event->u.job_finished.why)
			      : ff_job_result_word(event->u.job_finished.result);
	line = ff_xstrndup(reason, strcspn(reason, "\n"));
	case_begin_job(junit, suite, suite->name);
	ff_junit_problem(&junit->spool, skipped ? "skipped" : "error", *why ? why : NULL, line,
			 strchr(reason, '\n') || !skipped ? reason : NULL);
	case_end(junit, suite);
	ff_free(line);
}

static void junit_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct junit *junit = (struct junit *)reporter;

	switch (event->kind) {
	case FF_EVENT_JOB_ADDED:
		suite_of(junit, event->job);
		break;
	case FF_EVENT_JOB_STARTED:
		suite_of(junit, event->job)->started_us = event->time_us;
		break;
	case FF_EVENT_WORKER_STARTED:
		on_worker_started(junit, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
		on_unit_finished(junit, event);
		break;
	case FF_EVENT_UNITS_NOT_RUN:
		on_not_run(junit, event);
		break;
	case FF_EVENT_PART_NOT_RUN:
		on_part_not_run(junit, event);
		break;
	case FF_EVENT_NOTICE:
		on_notice(junit, event);
		break;
	case FF_EVENT_STOPPING:
		if (!junit->stop)
			keep_text(&junit->stop, event->u.stopping.reason);
		break;
	case FF_EVENT_HOST_SETUP:
		if (event->u.host_setup.error)
			on_setup_failed(junit, event);
		break;
	case FF_EVENT_COLLECT_PROBLEM:
		on_collect_problem(junit, event);
		break;
	case FF_EVENT_JOB_FINISHED:
		on_job_finished(junit, event);
		break;
	default:
		break;
	}
}

static bool junit_full(const struct ff_reporter *reporter)
{
	return ff_writer_full(((const struct junit *)reporter)->spool.writer);
}

/* --- the file --- */

static void add_suite_head(struct ff_buf *out, const struct suite *suite, const char *host)
{
	time_t seconds = (time_t)(suite->started_us / 1000000);
	char stamp[40];
	struct tm tm;

	ff_buf_addstr(out, "<testsuite");
	ff_xml_attribute(out, "name", suite->name);
	ff_buf_addf(out, " errors=\"%u\" failures=\"%u\" skipped=\"%u\" tests=\"%u\"",
		    suite->errors, suite->failures, suite->skipped, suite->tests);
	ff_xml_seconds(out, "time", suite->took_us);
	/* A job that did not start has none. */
	if (suite->started_us > 0 && localtime_r(&seconds, &tm)) {
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		ff_xml_attribute(out, "timestamp", stamp);
	}
	ff_xml_attribute(out, "hostname", host);
	ff_buf_addch(out, '>');
	if (suite->properties.len == 0)
		return;
	ff_buf_addstr(out, "<properties>");
	ff_buf_add(out, ff_buf_data(&suite->properties), suite->properties.len);
	ff_buf_addstr(out, "</properties>");
}

static int write_suites(const struct junit *junit, FILE *out)
{
	struct ff_buf head = FF_BUF_INIT;
	char host[256] = "";
	int errnum = 0;

	gethostname(host, sizeof(host) - 1);
	fputs("<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites>", out);
	for (const struct suite *suite = junit->suites; suite && errnum == 0; suite = suite->next) {
		ff_buf_clear(&head);
		add_suite_head(&head, suite, host);
		fwrite(ff_buf_data(&head), 1, head.len, out);
		for (size_t i = 0; i < suite->pieces_len && errnum == 0; i++)
			errnum = ff_spool_copy(&junit->spool, &suite->pieces[i], out);
		fputs("</testsuite>", out);
	}
	fputs("</testsuites>\n", out);
	ff_buf_release(&head);
	return errnum;
}

static int junit_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct junit *junit = (struct junit *)reporter;
	struct ff_report_file file;
	int errnum = ff_spool_finish(&junit->spool), rc;

	if (errnum)
		return ff_err_sys(err, errnum, "cannot write '%s'", junit->path);
	rc = ff_report_begin(&file, junit->path, err);
	return rc < 0 ? rc : ff_report_commit(&file, write_suites(junit, file.stream), err);
}

static void suite_free(struct suite *suite)
{
	size_t cursor = 0;
	void *value;

	while (ff_map_next(&suite->attempts, &cursor, NULL, &value)) {
		for (struct attempt *attempt = value, *next; attempt; attempt = next) {
			next = attempt->next;
			ff_free(attempt);
		}
	}
	ff_map_release(&suite->attempts);
	ff_map_release(&suite->hosts);
	ff_buf_release(&suite->properties);
	ff_free(suite->pieces);
	ff_free(suite->name);
	ff_free(suite->error);
	ff_free(suite);
}

static void junit_free(struct ff_reporter *reporter)
{
	struct junit *junit = (struct junit *)reporter;

	while (junit->suites) {
		struct suite *next = junit->suites->next;

		suite_free(junit->suites);
		junit->suites = next;
	}
	ff_map_release(&junit->by_name);
	ff_spool_release(&junit->spool);
	ff_free(junit->path);
	ff_free(junit->stop);
	ff_free(junit->prefix);
	ff_free(junit);
}

static const struct ff_reporter_class junit_class = {
	.name = "junit",
	.event = junit_event,
	.full = junit_full,
	.finish = junit_finish,
	.free = junit_free,
};

static struct ff_reporter *junit_open(const struct ff_reporter_opts *opts, const char *value,
				      struct ff_err *err)
{
	struct ff_writer_opts writer = {.wake = opts->wake, .ctx = opts->ctx};
	struct junit *junit;

	if (ff_report_prepare(value, err) < 0)
		return NULL;
	writer.fd = ff_report_scratch(value, err);
	if (writer.fd < 0)
		return NULL;
	junit = ff_xcalloc(1, sizeof(*junit));
	junit->base.class = &junit_class;
	junit->path = ff_xstrdup(value);
	junit->prefix = opts->junit_prefix ? ff_xstrdup(opts->junit_prefix) : NULL;
	ff_spool_init(&junit->spool, &writer);
	return &junit->base;
}

const struct ff_reporter_kind ff_report_junit = {
	.name = "junit",
	.arg = "FILE",
	.help = "write a JUnit XML report to FILE",
	.open = junit_open,
};
