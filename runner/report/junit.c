/* JUnit XML in the form pytest writes ("xunit2", or what junit_family says): a suite per job,
 * classname and name from the node id; attempts before the last, and what a plugin ran again within
 * it, as flakyFailure or rerunFailure, as Maven Surefire has them. Test cases go to a spool as
 * units finish; at the end they are put together suite by suite, behind totals that are known only
 * then. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "report/cases.h"
#include "report/file.h"
#include "report/junit_case.h"
#include "report/junit_suites.h"
#include "report/reporter.h"
#include "report/xml.h"

/* --- attempts --- */

static void keep_attempt(struct junit *junit, struct suite *suite, const struct ff_case *c)
{
	struct attempt *attempt = ff_xcalloc(1, sizeof(*attempt));
	struct attempt *last = ff_map_get_u32(&suite->attempts, c->index);

	ff_junit_problem_body(&junit->spool, ff_outcome_word(c->result->outcome),
			      c->result->message, c->result->longrepr);
	attempt->body = ff_junit_piece_end(junit);
	while (last && last->next)
		last = last->next;
	if (last)
		last->next = attempt;
	else
		ff_map_set_u32(&suite->attempts, c->index, attempt);
}

static void suite_piece_end(struct junit *junit, struct suite *suite)
{
	struct ff_spool_piece piece = ff_junit_piece_end(junit);

	ff_junit_suite_add(suite, &piece);
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

/* --- test cases --- */

static void keep_host(struct suite *suite, const char *host)
{
	if (!host || ff_map_get(&suite->hosts, host))
		return;
	ff_map_set(&suite->hosts, host, suite);
	ff_junit_property(&suite->properties, "farflung.host", host);
}

static void case_begin(struct junit *junit, struct suite *suite, const struct ff_case *c)
{
	struct ff_buf *out = &junit->spool.text;
	const struct ff_result *result = c->result;
	char line[16];

	ff_buf_addstr(out, "<testcase");
	if (c->named) {
		ff_xml_unit_names(out, junit->prefix, suite->payload, suite->name, c->name);
	} else { /* it is no node id */
		ff_buf_addstr(out, " classname=\"\"");
		ff_xml_attribute(out, "name", c->name);
	}
	if (suite->places && result && result->file) {
		ff_xml_attribute(out, "file", result->file);
		snprintf(line, sizeof(line), "%d", result->line - 1); /* from 0, as pytest's */
		if (result->line > 0)
			ff_xml_attribute(out, "line", line);
	}
	ff_xml_seconds(out, "time", result ? result->duration_us : 0);
	ff_buf_addch(out, '>');
}

static void add_result(struct junit *junit, struct suite *suite, const struct ff_case *c)
{
	const char *before = ff_outcome_bad(c->result->outcome) ? "rerunFailure" : "flakyFailure";

	ff_junit_properties(&junit->spool, c->result, c->attempts, c->earlier);
	ff_junit_outcome(&junit->spool, suite->payload, c->result);
	add_attempts(junit, suite, c->index, before);
	ff_junit_reruns(&junit->spool, c->result, before);
	ff_junit_captured(&junit->spool, c->result, false);
	ff_junit_captured(&junit->spool, c->result, true);
}

static void on_case(void *ctx, const struct ff_case *c)
{
	struct junit *junit = ctx;
	struct suite *suite = ff_junit_suite_of(junit, c->job);

	if (c->kind == FF_CASE_ATTEMPT) {
		keep_attempt(junit, suite, c);
		return;
	}
	suite->tests++;
	suite->failures += c->status == FF_CASE_FAILED;
	suite->errors += c->status == FF_CASE_ERROR;
	suite->skipped += c->status == FF_CASE_SKIPPED;
	if (c->kind == FF_CASE_UNIT)
		keep_host(suite, c->host);
	case_begin(junit, suite, c);
	if (c->result)
		add_result(junit, suite, c);
	else
		ff_junit_problem(&junit->spool, c->status == FF_CASE_SKIPPED ? "skipped" : "error",
				 c->type, c->message, c->text);
	if (c->kind == FF_CASE_NOT_RUN)
		for (uint32_t i = 0; i < c->count && suite->attempts.len > 0; i++)
			add_attempts(junit, suite, c->index + i, "rerunFailure");
	ff_buf_addstr(&junit->spool.text, "</testcase>");
	suite_piece_end(junit, suite);
}

/* --- events --- */

static void on_worker_started(struct junit *junit, const struct ff_event *event)
{
	for (size_t i = 0; event->job && i < event->u.worker_started.facts_len; i++) {
		const struct ff_fact *fact = &event->u.worker_started.facts[i];

		if (strcmp(fact->key, "junit_family") == 0)
			ff_junit_suite_of(junit, event->job)->places =
				strcmp(fact->value, "xunit2") != 0;
	}
}

static void on_job_added(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = ff_junit_suite_of(junit, event->job);

	ff_free(suite->payload);
	suite->payload = ff_xstrdup(event->u.job_added.payload);
}

static void junit_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct junit *junit = (struct junit *)reporter;
	const char *level;

	switch (event->kind) {
	case FF_EVENT_JOB_ADDED:
		on_job_added(junit, event);
		break;
	case FF_EVENT_JOB_STARTED:
		ff_junit_suite_of(junit, event->job)->started_us = event->time_us;
		break;
	case FF_EVENT_WORKER_STARTED:
		on_worker_started(junit, event);
		break;
	case FF_EVENT_NOTICE:
		level = event->u.notice.level;
		if (event->job && level && strcmp(level, "property") == 0)
			ff_junit_property_text(&ff_junit_suite_of(junit, event->job)->properties,
					       event->u.notice.text);
		break;
	case FF_EVENT_JOB_FINISHED:
		ff_junit_suite_of(junit, event->job)->took_us = event->u.job_finished.took_us;
		break;
	default:
		break;
	}
	ff_cases_event(&junit->cases, event);
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
	ff_cases_release(&junit->cases);
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
	junit->cases.each = on_case;
	junit->cases.ctx = junit;
	ff_spool_init(&junit->spool, &writer);
	return &junit->base;
}

const struct ff_reporter_kind ff_report_junit = {
	.name = "junit",
	.arg = "FILE",
	.help = "write a JUnit XML report to FILE",
	.open = junit_open,
};
