/* --ctrf: the Common Test Report Format (ctrf.io), specification 0.0.0: one JSON document, a test
 * per case. Tests go to a nameless file as they are known; the document is put together at the end,
 * behind totals. */
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "event/json.h"
#include "report/cases.h"
#include "report/file.h"
#include "report/reporter.h"
#include "report/spool.h"

struct ctrf {
	struct ff_reporter base;
	char *path;
	struct ff_spool spool;
	struct ff_cases cases;
	char *run_id, *version, *command, *reason;
	int64_t began_us, ended_us;
	int exit_code;
	uint32_t tests, flaky, by_status[FF_CASE_SKIPPED + 1];
	int error; /* of the first text that could not be encoded */
};

/* The format knows no errors: what went wrong failed. */
static const char *status_word(enum ff_case_status status)
{
	return status == FF_CASE_ERROR ? "failed" : ff_case_status_word(status);
}

static const char *raw_status(const struct ff_case *c)
{
	if (c->result)
		return ff_outcome_word(c->result->outcome);
	return c->type ? c->type : ff_case_status_word(c->status);
}

static void add_lines(struct ff_json *json, const char *name, const struct ff_result *result,
		      bool err)
{
	bool open = false;

	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];
		const char *at = section->text, *end = at + section->len;

		if (!at || err != (section->title && strstr(section->title, "stderr")))
			continue;
		if (!open && at < end)
			ff_json_open(json, name, '[');
		open |= at < end;
		while (at < end) {
			const char *line = memchr(at, '\n', (size_t)(end - at));
			size_t len = (size_t)((line ? line : end) - at);

			ff_json_strn(json, NULL, at, len);
			at += len + 1;
		}
	}
	if (open)
		ff_json_close(json, ']');
}

static void add_result(struct ff_json *json, const struct ff_case *c)
{
	const struct ff_result *result = c->result;

	ff_json_int(json, "duration", (result->duration_us + 500) / 1000);
	ff_json_int(json, "start", (c->time_us - result->duration_us) / 1000);
	ff_json_int(json, "stop", c->time_us / 1000);
	ff_json_str(json, "message", result->message);
	ff_json_str(json, "trace", result->longrepr);
	ff_json_str(json, "filePath", result->file);
	if (result->line > 0)
		ff_json_int(json, "line", result->line);
	if (c->attempts > 0)
		ff_json_int(json, "retries", c->attempts);
	if (ff_case_flaky(c))
		ff_json_bool(json, "flaky", true);
	add_lines(json, "stdout", result, false);
	add_lines(json, "stderr", result, true);
	ff_json_str(json, "threadId", c->worker);
	if (!c->host && result->properties_len == 0)
		return;
	ff_json_open(json, "extra", '{');
	ff_json_str(json, "host", c->host);
	if (result->properties_len > 0) {
		ff_json_open(json, "properties", '{');
		for (size_t i = 0; i < result->properties_len; i++)
			ff_json_pair(json, result->properties[i].name, result->properties[i].value);
		ff_json_close(json, '}');
	}
	ff_json_close(json, '}');
}

static void on_case(void *ctx, const struct ff_case *c)
{
	struct ctrf *ctrf = ctx;
	struct ff_json json;

	if (c->kind == FF_CASE_ATTEMPT)
		return;
	ctrf->by_status[c->status]++;
	ctrf->flaky += ff_case_flaky(c);
	if (ctrf->tests++ > 0)
		ff_buf_addch(&ctrf->spool.text, ',');
	ff_json_begin(&json, &ctrf->spool.text);
	ff_json_str(&json, "name", c->name);
	ff_json_str(&json, "status", status_word(c->status));
	ff_json_str(&json, "rawStatus", raw_status(c));
	if (c->job && *c->job) {
		ff_json_open(&json, "suite", '[');
		ff_json_str(&json, NULL, c->job);
		ff_json_close(&json, ']');
	}
	ff_json_str(&json, "type", c->payload);
	if (c->result) {
		add_result(&json, c);
	} else {
		ff_json_int(&json, "duration", 0);
		ff_json_str(&json, "message", c->message);
		ff_json_str(&json, "trace", c->text);
	}
	ff_json_end(&json);
	ctrf->error = ctrf->error ? ctrf->error : json.error;
	ff_spool_flush(&ctrf->spool);
}

static void keep(char **kept, const char *text)
{
	ff_free(*kept);
	*kept = ff_xstrdup(text);
}

static void ctrf_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct ctrf *ctrf = (struct ctrf *)reporter;

	if (event->kind == FF_EVENT_RUN_STARTED) {
		ctrf->began_us = event->time_us;
		keep(&ctrf->run_id, event->u.run_started.run_id);
		keep(&ctrf->version, event->u.run_started.version);
		keep(&ctrf->command, event->u.run_started.command_line);
	}
	ctrf->ended_us = event->time_us;
	ff_cases_event(&ctrf->cases, event);
	if (event->kind == FF_EVENT_RUN_FINISHED) {
		ctrf->exit_code = event->u.run_finished.exit_code;
		keep(&ctrf->reason, event->u.run_finished.reason);
	}
}

static bool ctrf_full(const struct ff_reporter *reporter)
{
	return ff_writer_full(((const struct ctrf *)reporter)->spool.writer);
}

static void add_summary(struct ff_json *json, const struct ctrf *ctrf)
{
	const uint32_t *by = ctrf->by_status;

	ff_json_open(json, "summary", '{');
	ff_json_int(json, "tests", ctrf->tests);
	ff_json_int(json, "passed", by[FF_CASE_PASSED]);
	ff_json_int(json, "failed", (int64_t)by[FF_CASE_FAILED] + by[FF_CASE_ERROR]);
	ff_json_int(json, "pending", 0);
	ff_json_int(json, "skipped", by[FF_CASE_SKIPPED]);
	ff_json_int(json, "other", 0);
	ff_json_int(json, "flaky", ctrf->flaky);
	ff_json_int(json, "start", ctrf->began_us / 1000);
	ff_json_int(json, "stop", ctrf->ended_us / 1000);
	ff_json_open(json, "extra", '{');
	ff_json_int(json, "exitCode", ctrf->exit_code);
	ff_json_str(json, "reason", ctrf->reason);
	ff_json_close(json, '}');
	ff_json_close(json, '}');
}

/* All up to the first test. */
static void add_head(struct ff_buf *out, const struct ctrf *ctrf)
{
	time_t seconds = (time_t)(ctrf->ended_us / 1000000);
	struct ff_json json;
	char stamp[40];
	struct tm tm;

	ff_json_begin(&json, out);
	ff_json_str(&json, "reportFormat", "CTRF");
	ff_json_str(&json, "specVersion", "0.0.0");
	if (gmtime_r(&seconds, &tm) && strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm))
		ff_json_str(&json, "timestamp", stamp);
	ff_json_str(&json, "generatedBy", "farflung");
	ff_json_open(&json, "extra", '{');
	ff_json_str(&json, "run", ctrf->run_id);
	ff_json_str(&json, "command", ctrf->command);
	ff_json_close(&json, '}');
	ff_json_open(&json, "results", '{');
	ff_json_open(&json, "tool", '{');
	ff_json_str(&json, "name", "farflung");
	ff_json_str(&json, "version", ctrf->version);
	ff_json_close(&json, '}');
	add_summary(&json, ctrf);
	ff_json_open(&json, "tests", '[');
}

static int ctrf_write(struct ctrf *ctrf, FILE *out)
{
	struct ff_spool_piece tests = {0, ff_spool_at(&ctrf->spool)};
	struct ff_buf head = FF_BUF_INIT;
	int errnum;

	add_head(&head, ctrf);
	fwrite(ff_buf_data(&head), 1, head.len, out);
	ff_buf_release(&head);
	errnum = ff_spool_copy(&ctrf->spool, &tests, out);
	fputs("]}}\n", out);
	return errnum;
}

static int ctrf_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct ctrf *ctrf = (struct ctrf *)reporter;
	struct ff_report_file file;
	int errnum = ff_spool_finish(&ctrf->spool), rc;

	if (errnum)
		return ff_err_sys(err, errnum, "cannot write '%s'", ctrf->path);
	if (ctrf->error)
		return ff_err_set(err, ctrf->error, "cannot write '%s': %s", ctrf->path,
				  ff_err_text(ctrf->error));
	rc = ff_report_begin(&file, ctrf->path, err);
	return rc < 0 ? rc : ff_report_commit(&file, ctrf_write(ctrf, file.stream), err);
}

static void ctrf_free(struct ff_reporter *reporter)
{
	struct ctrf *ctrf = (struct ctrf *)reporter;

	ff_cases_release(&ctrf->cases);
	ff_spool_release(&ctrf->spool);
	ff_free(ctrf->path);
	ff_free(ctrf->run_id);
	ff_free(ctrf->version);
	ff_free(ctrf->command);
	ff_free(ctrf->reason);
	ff_free(ctrf);
}

static const struct ff_reporter_class ctrf_class = {
	.name = "ctrf",
	.event = ctrf_event,
	.full = ctrf_full,
	.finish = ctrf_finish,
	.free = ctrf_free,
};

static struct ff_reporter *ctrf_open(const struct ff_reporter_opts *opts, const char *value,
				     struct ff_err *err)
{
	struct ff_writer_opts writer = {.wake = opts->wake, .ctx = opts->ctx};
	struct ctrf *ctrf;

	if (ff_report_prepare(value, err) < 0)
		return NULL;
	writer.fd = ff_report_scratch(value, err);
	if (writer.fd < 0)
		return NULL;
	ctrf = ff_xcalloc(1, sizeof(*ctrf));
	ctrf->base.class = &ctrf_class;
	ctrf->path = ff_xstrdup(value);
	ctrf->cases = (struct ff_cases){.each = on_case, .ctx = ctrf};
	ff_spool_init(&ctrf->spool, &writer);
	return &ctrf->base;
}

const struct ff_reporter_kind ff_report_ctrf = {
	.name = "ctrf",
	.arg = "FILE",
	.help = "write a report in the Common Test Report Format (JSON) to FILE",
	.open = ctrf_open,
};
