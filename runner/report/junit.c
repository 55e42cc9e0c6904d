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
#include "report/service.h"
#include "report/xml.h"

/* --- attempts --- */

static void keep_attempt(struct junit *junit, struct suite *suite, const struct ff_case *c)
{
	struct attempt *attempt = ff_xcalloc(1, sizeof(*attempt));
	struct attempt *last = ff_map_get_u32(&suite->attempts, c->index);

	ff_junit_problem_body(&junit->spool, &junit->form, ff_outcome_word(c->result->outcome),
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

/* Behind ` classname="…" name="…"`, where another case has these. */
static void make_unique(struct junit *junit, struct ff_buf *names)
{
	size_t len = names->len - 1;

	for (;;) {
		uintptr_t before = (uintptr_t)ff_map_get(&junit->names, ff_buf_str(names));

		ff_map_set(&junit->names, ff_buf_str(names), (void *)(before + 1));
		if (before == 0)
			return;
		/* Counted on from the first of the name, not from 2 each time. */
		names->len = len;
		ff_buf_addf(names, " (%zu)\"", (size_t)before + 1);
	}
}

static void add_names(struct junit *junit, const struct suite *suite, const struct ff_case *c)
{
	static const char none[] = " classname=\"\"";
	struct ff_buf *names = &junit->scratch;

	ff_buf_clear(names);
	if (c->named) {
		ff_xml_unit_names(names, junit->prefix, suite->payload, suite->name, c->name);
	} else { /* it is no node id */
		ff_buf_addstr(names, none);
		ff_xml_attribute(names, "name", c->name);
	}
	if (junit->form.dialect->full && strncmp(ff_buf_str(names), none, sizeof(none) - 1) == 0) {
		ff_xml_attribute(&junit->spool.text, "classname",
				 *suite->name ? suite->name : "farflung");
		ff_buf_consume(names, sizeof(none) - 1);
	}
	if (junit->form.dialect->unique)
		make_unique(junit, names);
	ff_buf_add(&junit->spool.text, ff_buf_data(names), names->len);
}

/* A line is from 0, as pytest's, or from 1, as editors'. */
static void add_place(struct junit *junit, const struct ff_result *result)
{
	bool full = junit->form.dialect->full;
	char *file = result && full ? ff_service_place(junit->below, result->file) : NULL;
	char line[16];

	if (!result || !result->file)
		return;
	ff_xml_attribute(&junit->spool.text, "file", file ? file : result->file);
	snprintf(line, sizeof(line), "%d", result->line - !full);
	if (result->line > 0)
		ff_xml_attribute(&junit->spool.text, "line", line);
	ff_free(file);
}

static void case_begin(struct junit *junit, struct suite *suite, const struct ff_case *c)
{
	struct ff_buf *out = &junit->spool.text;
	const struct ff_result *result = c->result;

	ff_buf_addstr(out, "<testcase");
	add_names(junit, suite, c);
	if (junit->form.dialect->full ? junit->form.dialect->places : suite->places)
		add_place(junit, result);
	ff_xml_seconds(out, "time", result ? result->duration_us : 0);
	ff_buf_addch(out, '>');
}

static void add_result(struct junit *junit, struct suite *suite, const struct ff_case *c)
{
	const char *before = ff_outcome_bad(c->result->outcome) ? "rerunFailure" : "flakyFailure";
	struct ff_junit_form *form = &junit->form;
	struct ff_buf *lines = &junit->scratch;
	char *folder = ff_map_del_u32(&suite->folders, c->index);

	ff_buf_clear(lines);
	ff_junit_properties(&junit->spool, form->dialect->no_properties ? lines : NULL, c);
	ff_junit_outcome(&junit->spool, form, suite->payload, c->result);
	add_attempts(junit, suite, c->index, before);
	ff_junit_reruns(&junit->spool, form, c->result, before);
	ff_junit_attachments(lines, form->dialect, folder);
	ff_junit_captured(&junit->spool, form, c->result, lines);
	ff_junit_captured(&junit->spool, form, c->result, NULL);
	ff_free(folder);
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
		ff_junit_problem(&junit->spool, &junit->form,
				 c->status == FF_CASE_SKIPPED ? "skipped" : "error", c->type,
				 c->message, c->text);
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

/* The last attempt's: that is the one which is told. */
static void keep_folder(struct junit *junit, const struct ff_event *event)
{
	struct suite *suite = ff_junit_suite_of(junit, event->job);

	if (!junit->form.dialect->attachments || !event->u.unit_artifacts.folder)
		return;
	ff_free(ff_map_del_u32(&suite->folders, event->index));
	if (event->u.unit_artifacts.files > 0)
		ff_map_set_u32(&suite->folders, event->index,
			       ff_xstrdup(event->u.unit_artifacts.folder));
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
	case FF_EVENT_UNIT_ARTIFACTS:
		keep_folder(junit, event);
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
	ff_map_release(&junit->names);
	ff_buf_release(&junit->scratch);
	ff_free(junit->below);
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
	junit->form.dialect = ff_junit_dialect(opts->junit_dialect);
	junit->below = junit->form.dialect->places ? ff_service_below() : NULL;
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
