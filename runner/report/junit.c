/* JUnit XML in the form pytest writes ("xunit2", or what junit_family says): a suite per job,
 * classname and name from the node id; attempts before the last, and what a plugin ran again within
 * it, as flakyFailure or rerunFailure, as Maven Surefire has them. Test cases go to a spool as
 * units finish; at the end they are put together suite by suite, behind totals that are known only
 * then. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "report/file.h"
#include "report/junit_case.h"
#include "report/junit_suites.h"
#include "report/reporter.h"
#include "report/xml.h"

/* --- pieces --- */

static void suite_piece_end(struct junit *junit, struct suite *suite)
{
	struct ff_spool_piece piece = ff_junit_piece_end(junit);

	ff_junit_suite_add(suite, &piece);
}

/* --- test cases --- */

static void case_begin(struct junit *junit, struct suite *suite, const char *unit,
		       const struct ff_result *result, int64_t duration_us)
{
	struct ff_buf *out = &junit->spool.text;
	char line[16];

	suite->tests++;
	ff_buf_addstr(out, "<testcase");
	ff_xml_unit_names(out, junit->prefix, suite->payload, suite->name, unit ? unit : "");
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
	ff_junit_outcome(&junit->spool, suite->payload, result);
}

/* --- attempts --- */

static void keep_attempt(struct junit *junit, struct suite *suite, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct attempt *attempt = ff_xcalloc(1, sizeof(*attempt));
	struct attempt *last = ff_map_get_u32(&suite->attempts, event->index);

	ff_junit_problem_body(&junit->spool, ff_outcome_word(result->outcome), result->message,
			      result->longrepr);
	attempt->body = ff_junit_piece_end(junit);
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
		ff_junit_suite_add(suite, &attempt->body);
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

	result.longrepr = ff_junit_longreprs(&result, &text);
	add_case(junit, suite, event, &result);
	ff_buf_release(&text);
}

/* Each is a case of its own; earlier attempts are with one of them. */
static void add_steps(struct junit *junit, struct suite *suite, const struct ff_event *event)
{
	const struct ff_result *whole = event->u.unit_finished.result;

	for (size_t i = 0; i < whole->phases_len; i++) {
		struct ff_result result = ff_junit_step(whole, i);
		struct ff_event step = *event;
		char *name = ff_xasprintf("%s::%s", event->unit, whole->phases[i].when);

		step.unit = name;
		if (i != ff_junit_main_step(whole))
			step.index = UINT32_MAX;
		add_case(junit, suite, &step, &result);
		ff_free(name);
	}
}

static void on_unit_finished(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = ff_junit_suite_of(junit, event->job);
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
	if (result->phases_len > 0 && result->phases[0].step) {
		add_steps(junit, suite, event);
		return;
	}
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
	struct suite *suite = ff_junit_suite_of(junit, event->job);
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
	struct suite *suite = ff_junit_suite_of(junit, event->u.host_setup.phase);
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
		keep_text(&ff_junit_suite_of(junit, event->job)->error, event->u.notice.text);
	else if (strcmp(level, "list") == 0)
		ff_junit_suite_of(junit, event->job)->listed = true;
	else if (strcmp(level, "property") == 0)
		ff_junit_property_text(&ff_junit_suite_of(junit, event->job)->properties,
				       event->u.notice.text);
}

static void on_worker_started(struct junit *junit, const struct ff_event *event)
{
	for (size_t i = 0; event->job && i < event->u.worker_started.facts_len; i++) {
		const struct ff_fact *fact = &event->u.worker_started.facts[i];

		if (strcmp(fact->key, "junit_family") == 0)
			ff_junit_suite_of(junit, event->job)->places =
				strcmp(fact->value, "xunit2") != 0;
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
	struct suite *suite = ff_junit_suite_of(junit, event->job);

	if (suite->listed)
		return;
	case_begin(junit, suite, event->u.part_not_run.part, NULL, 0);
	not_run(junit, suite, event->u.part_not_run.why);
	case_end(junit, suite);
}

static void on_not_run(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = ff_junit_suite_of(junit, event->job);
	enum ff_reason why = event->u.units_not_run.why;
	uint32_t count = event->u.units_not_run.count;
	char text[80];
	int n;

	/* The job's end tells what it lacked. */
	if (count == 0 || suite->listed || why == FF_REASON_NEEDS || why == FF_REASON_WHEN ||
	    why == FF_REASON_TIME)
		return;
	suite->namesake |= why != FF_REASON_MAXFAIL && is_namesake(suite, event);
	if (count == 1 && event->unit) {
		case_begin(junit, suite, event->unit, NULL, 0);
	} else {
		/* Names tell test cases apart. */
		n = snprintf(text, sizeof(text), "%u unit%s not run", count, count == 1 ? "" : "s");
		if (suite->nameless++ > 0)
			snprintf(text + n, sizeof(text) - (size_t)n, ", from the %u. on",
				 event->index + 1);
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
	struct suite *suite = ff_junit_suite_of(junit, event->job);
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
		keep_text(&ff_junit_suite_of(junit, event->job)->payload,
			  event->u.job_added.payload);
		break;
	case FF_EVENT_JOB_STARTED:
		ff_junit_suite_of(junit, event->job)->started_us = event->time_us;
		break;
	case FF_EVENT_WORKER_STARTED:
		on_worker_started(junit, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
	case FF_EVENT_UNIT_BEFORE:
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

static int junit_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct junit *junit = (struct junit *)reporter;
	struct ff_report_file file;
	int errnum = ff_spool_finish(&junit->spool), rc;

	if (errnum)
		return ff_err_sys(err, errnum, "cannot write '%s'", junit->path);
	rc = ff_report_begin(&file, junit->path, err);
	return rc < 0 ? rc : ff_report_commit(&file, ff_junit_write(junit, file.stream), err);
}

static void junit_free(struct ff_reporter *reporter)
{
	struct junit *junit = (struct junit *)reporter;

	while (junit->suites) {
		struct suite *next = junit->suites->next;

		ff_junit_suite_free(junit->suites);
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
	junit->prefix = ff_xstrdup(opts->junit_prefix);
	ff_spool_init(&junit->spool, &writer);
	return &junit->base;
}

const struct ff_reporter_kind ff_report_junit = {
	.name = "junit",
	.arg = "FILE",
	.help = "write a JUnit XML report to FILE",
	.open = junit_open,
};
