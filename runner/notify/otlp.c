/* --otlp: the run as a trace, in OpenTelemetry's protocol (OTLP 1.x, HTTP with JSON): spans of the
 * run, its jobs, hosts, units, attempts and their phases, with the semantic conventions' names for
 * CI (cicd.*) and tests (test.*) where there are any. Spans go as they end, in batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/map.h"
#include "event/json.h"
#include "notify/export.h"
#include "report/reporter.h"
#include "report/trace.h"

enum {
	BATCH = 512,		 /* spans */
	BATCH_BYTES = 512 << 10, /* from which one goes at once */
	BATCH_US = 2000000,	 /* since its first span */
	KIND_INTERNAL = 1,	 /* what OTLP calls these */
	STATUS_OK = 1,
	STATUS_ERROR = 2,
};

struct otlp {
	struct ff_reporter base;
	struct ff_export *out;
	struct ff_trace trace;
	bool given; /* the trace was made before the run was known */
	struct ff_buf spans;
	uint32_t len;
	int64_t first_us; /* when the batch was begun */
	char *run, *version, *config, *command, *machine;
	int64_t began_us;
	struct ff_map units, jobs, hosts; /* since when: int64_t, malloc'd */
};

/* --- what has begun --- */

struct begun {
	int64_t first_us, us; /* its first attempt, and the one that goes on */
	bool over;
};

static const char *unit_key(const struct ff_event *event, struct ff_buf *key)
{
	ff_buf_addf(key, "%u %s", event->index, event->job ? event->job : "");
	return ff_buf_str(key);
}

static struct begun *begun_of(struct ff_map *map, const char *key)
{
	struct begun *begun = ff_map_get(map, key);

	if (!begun) {
		begun = ff_xcalloc(1, sizeof(*begun));
		ff_map_set(map, key, begun);
	}
	return begun;
}

static int64_t since(const struct ff_map *map, const char *key, int64_t otherwise)
{
	const struct begun *begun = ff_map_get(map, key);

	return begun ? begun->first_us : otherwise;
}

static void begin(struct ff_map *map, const char *key, int64_t us)
{
	struct begun *begun = begun_of(map, key);

	if (!begun->first_us)
		begun->first_us = us;
}

static void release_begun(struct ff_map *map)
{
	size_t cursor = 0;
	void *begun;

	while (ff_map_next(map, &cursor, NULL, &begun))
		ff_free(begun);
	ff_map_release(map);
}

/* --- spans --- */

static void add_attribute(struct ff_json *json, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	ff_json_open(json, NULL, '{');
	ff_json_str(json, "key", key);
	ff_json_open(json, "value", '{');
	ff_json_str(json, "stringValue", value);
	ff_json_close(json, '}');
	ff_json_close(json, '}');
}

/* 64-bit numbers are texts in JSON. */
static void add_number(struct ff_json *json, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	ff_json_open(json, NULL, '{');
	ff_json_str(json, "key", key);
	ff_json_open(json, "value", '{');
	ff_json_str(json, "intValue", text);
	ff_json_close(json, '}');
	ff_json_close(json, '}');
}

static void add_id(struct ff_json *json, const char *name, const uint8_t *bytes, int len)
{
	char text[2 * 16 + 1];

	ff_trace_hex(bytes, len, text);
	ff_json_str(json, name, text);
}

static void add_time(struct ff_json *json, const char *name, int64_t us)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld000", (long long)us);
	ff_json_str(json, name, text);
}

struct span {
	const char *name;
	uint8_t id[8], parent[8];
	bool root; /* of this run: its parent may be none */
	int64_t start_us, end_us;
	int status; /* 0: none */
	const char *message;
};

static void begin_span(struct otlp *otlp, struct ff_json *json, const struct span *span)
{
	if (otlp->len++ > 0)
		ff_buf_addch(&otlp->spans, ',');
	ff_json_begin(json, &otlp->spans);
	add_id(json, "traceId", otlp->trace.id, 16);
	add_id(json, "spanId", span->id, 8);
	if (!span->root)
		add_id(json, "parentSpanId", span->parent, 8);
	else if (otlp->trace.has_parent)
		add_id(json, "parentSpanId", otlp->trace.parent, 8);
	ff_json_str(json, "name", span->name);
	ff_json_int(json, "kind", KIND_INTERNAL);
	add_time(json, "startTimeUnixNano", span->start_us);
	add_time(json, "endTimeUnixNano",
		 span->end_us > span->start_us ? span->end_us : span->start_us);
	if (span->status) {
		ff_json_open(json, "status", '{');
		ff_json_int(json, "code", span->status);
		ff_json_str(json, "message", span->message);
		ff_json_close(json, '}');
	}
	ff_json_open(json, "attributes", '[');
}

static void end_span(struct ff_json *json)
{
	ff_json_close(json, ']');
	ff_json_end(json);
}

static void send_batch(struct otlp *otlp)
{
	struct ff_buf body = FF_BUF_INIT;
	struct ff_json json;

	if (otlp->len == 0)
		return;
	ff_json_begin(&json, &body);
	ff_json_open(&json, "resourceSpans", '[');
	ff_json_open(&json, NULL, '{');
	ff_json_open(&json, "resource", '{');
	ff_json_open(&json, "attributes", '[');
	add_attribute(&json, "service.name",
		      getenv("OTEL_SERVICE_NAME") ? getenv("OTEL_SERVICE_NAME") : "farflung");
	add_attribute(&json, "service.version", otlp->version);
	add_attribute(&json, "host.name", otlp->machine);
	ff_json_close(&json, ']');
	ff_json_close(&json, '}');
	ff_json_open(&json, "scopeSpans", '[');
	ff_json_open(&json, NULL, '{');
	ff_json_open(&json, "scope", '{');
	ff_json_str(&json, "name", "farflung");
	ff_json_str(&json, "version", FARFLUNG_VERSION);
	ff_json_close(&json, '}');
	ff_json_open(&json, "spans", '[');
	ff_buf_add(&body, ff_buf_data(&otlp->spans), otlp->spans.len);
	ff_json_close(&json, ']');
	ff_json_close(&json, '}');
	ff_json_close(&json, ']');
	ff_json_close(&json, '}');
	ff_json_close(&json, ']');
	ff_json_end(&json);
	ff_export_put(otlp->out, &body, otlp->len);
	ff_buf_clear(&otlp->spans);
	otlp->len = 0;
}

/* --- of what --- */

static void run_id(const struct otlp *otlp, uint8_t id[8])
{
	ff_trace_span(&otlp->trace, "run", "", 0, 0, id);
}

static void job_id(const struct otlp *otlp, const char *job, uint8_t id[8])
{
	ff_trace_span(&otlp->trace, "job", job ? job : "", 0, 0, id);
}

static const char *run_result(const struct ff_event *event)
{
	int code = event->u.run_finished.exit_code;

	return code == 0     ? "success"
	       : code == 1   ? "failure"
	       : code == 130 ? "cancellation"
			     : "error";
}

static void on_run_finished(struct otlp *otlp, const struct ff_event *event)
{
	bool good = event->u.run_finished.exit_code == 0;
	struct span span = {.root = true,
			    .start_us = otlp->began_us,
			    .end_us = event->time_us,
			    .status = good ? STATUS_OK : STATUS_ERROR,
			    .message = good ? NULL : event->u.run_finished.reason};
	char *name = ff_xasprintf("farflung %s", otlp->command ? otlp->command : "");
	struct ff_json json;

	span.name = name;
	run_id(otlp, span.id);
	begin_span(otlp, &json, &span);
	add_attribute(&json, "cicd.pipeline.name",
		      otlp->config && *otlp->config ? otlp->config : "farflung");
	add_attribute(&json, "cicd.pipeline.run.id", otlp->run);
	add_attribute(&json, "cicd.pipeline.result", run_result(event));
	add_number(&json, "process.exit.code", event->u.run_finished.exit_code);
	add_number(&json, "farflung.units", event->u.run_finished.counts.total);
	end_span(&json);
	ff_free(name);
}

static void on_job_finished(struct otlp *otlp, const struct ff_event *event)
{
	enum ff_job_result result = event->u.job_finished.result;
	struct span span = {.name = event->job,
			    .end_us = event->time_us,
			    .start_us = since(&otlp->jobs, event->job, event->time_us),
			    .status = result == FF_JOB_PASSED	 ? STATUS_OK
				      : result == FF_JOB_SKIPPED ? 0
								 : STATUS_ERROR,
			    .message = event->u.job_finished.reason};
	struct ff_json json;

	job_id(otlp, event->job, span.id);
	run_id(otlp, span.parent);
	begin_span(otlp, &json, &span);
	add_attribute(&json, "cicd.pipeline.task.name", event->job);
	add_attribute(&json, "cicd.pipeline.task.run.result",
		      result == FF_JOB_PASSED	 ? "success"
		      : result == FF_JOB_SKIPPED ? "skip"
						 : "failure");
	add_attribute(&json, "farflung.result", ff_job_result_word(result));
	add_number(&json, "farflung.units", event->u.job_finished.counts.total);
	end_span(&json);
}

/* What was done with all of a host, and ends now. */
static void add_host_part(struct otlp *otlp, const struct ff_event *event, const char *what,
			  int64_t took_us, const char *error)
{
	struct span span = {.name = what,
			    .start_us = event->time_us - (took_us > 0 ? took_us : 0),
			    .end_us = event->time_us,
			    .status = error ? STATUS_ERROR : 0,
			    .message = error};
	struct ff_json json;

	ff_trace_span(&otlp->trace, what, event->host, (uint64_t)event->time_us, 0, span.id);
	ff_trace_span(&otlp->trace, "host", event->host, 0, 0, span.parent);
	begin_span(otlp, &json, &span);
	add_attribute(&json, "farflung.host", event->host);
	end_span(&json);
}

static void add_host(struct otlp *otlp, const char *host, int64_t from_us, int64_t now_us)
{
	struct span span = {.start_us = from_us, .end_us = now_us};
	char *name = ff_xasprintf("host %s", host);
	struct ff_json json;

	span.name = name;
	ff_trace_span(&otlp->trace, "host", host, 0, 0, span.id);
	run_id(otlp, span.parent);
	begin_span(otlp, &json, &span);
	add_attribute(&json, "farflung.host", host);
	end_span(&json);
	ff_free(name);
}

static void add_hosts(struct otlp *otlp, int64_t now_us)
{
	size_t cursor = 0;
	const char *host;
	void *begun;

	while (ff_map_next(&otlp->hosts, &cursor, &host, &begun))
		add_host(otlp, host, ((struct begun *)begun)->first_us, now_us);
}

/* --- units --- */

static void add_test(struct ff_json *json, const struct ff_event *event,
		     const struct ff_result *result)
{
	add_attribute(json, "test.case.name", event->unit);
	add_attribute(json, "test.suite.name", event->job);
	add_attribute(json, "farflung.host", event->host);
	add_attribute(json, "farflung.worker", event->worker);
	if (!result)
		return;
	if (ff_outcome_bad(result->outcome))
		add_attribute(json, "test.case.result.status", "fail");
	else if (result->outcome != FF_OUTCOME_SKIPPED)
		add_attribute(json, "test.case.result.status", "pass");
	add_attribute(json, "farflung.outcome", ff_outcome_word(result->outcome));
	add_attribute(json, "code.file.path", result->file);
	if (result->line > 0)
		add_number(json, "code.line.number", result->line);
}

static void add_phase(struct otlp *otlp, const struct ff_event *event, const uint8_t parent[8],
		      const char *phase, int64_t from_us, int64_t took_us)
{
	struct span span = {.name = phase, .start_us = from_us, .end_us = from_us + took_us};
	struct ff_json json;

	memcpy(span.parent, parent, 8);
	ff_trace_span(&otlp->trace, phase, event->job, event->index, event->u.unit_finished.attempt,
		      span.id);
	begin_span(otlp, &json, &span);
	end_span(&json);
}

/* Its span, from what it took: workers tell late. */
static void add_attempt(struct otlp *otlp, const struct ff_event *event,
			const struct ff_result *result, uint32_t attempt, int64_t from_us)
{
	bool bad = !result || ff_outcome_bad(result->outcome);
	struct span span = {.name = "attempt",
			    .start_us = from_us,
			    .end_us = event->time_us,
			    .status = bad ? STATUS_ERROR : 0,
			    .message = result ? result->message : "it was lost"};
	struct ff_json json;

	if (result && event->time_us - result->duration_us > from_us)
		span.start_us = event->time_us - result->duration_us;
	ff_trace_span(&otlp->trace, "attempt", event->job, event->index, attempt, span.id);
	ff_trace_span(&otlp->trace, "unit", event->job, event->index, 0, span.parent);
	begin_span(otlp, &json, &span);
	add_number(&json, "farflung.attempt", attempt);
	add_test(&json, event, result);
	end_span(&json);
	if (!result || result->setup_us + result->teardown_us <= 0 ||
	    result->setup_us + result->teardown_us > result->duration_us)
		return;
	add_phase(otlp, event, span.id, "setup", span.start_us, result->setup_us);
	add_phase(otlp, event, span.id, "call", span.start_us + result->setup_us,
		  result->duration_us - result->setup_us - result->teardown_us);
	add_phase(otlp, event, span.id, "teardown", event->time_us - result->teardown_us,
		  result->teardown_us);
}

static void on_unit_started(struct otlp *otlp, const struct ff_event *event)
{
	struct ff_buf key = FF_BUF_INIT;
	struct begun *begun = begun_of(&otlp->units, unit_key(event, &key));

	begun->us = event->time_us;
	if (!begun->first_us)
		begun->first_us = event->time_us;
	ff_buf_release(&key);
}

static void on_unit_lost(struct otlp *otlp, const struct ff_event *event)
{
	struct ff_buf key = FF_BUF_INIT;
	const struct begun *begun = ff_map_get(&otlp->units, unit_key(event, &key));

	if (begun)
		add_attempt(otlp, event, NULL, event->u.unit_lost.attempt, begun->us);
	ff_buf_release(&key);
}

static void on_unit_finished(struct otlp *otlp, const struct ff_event *event)
{
	const struct ff_result *result = event->u.unit_finished.result;
	struct ff_buf key = FF_BUF_INIT;
	struct begun *begun = ff_map_get(&otlp->units, unit_key(event, &key));
	struct span span = {.name = event->unit,
			    .start_us = begun ? begun->first_us : event->time_us,
			    .end_us = event->time_us,
			    .status = ff_outcome_bad(result->outcome) ? STATUS_ERROR : 0,
			    .message = result->message};
	struct ff_json json;

	if (begun)
		add_attempt(otlp, event, result, event->u.unit_finished.attempt, begun->us);
	if (event->u.unit_finished.final) {
		ff_trace_span(&otlp->trace, "unit", event->job, event->index, 0, span.id);
		job_id(otlp, event->job, span.parent);
		begin_span(otlp, &json, &span);
		add_test(&json, event, result);
		add_number(&json, "farflung.attempts", event->u.unit_finished.attempt);
		end_span(&json);
		ff_free(ff_map_del(&otlp->units, ff_buf_str(&key)));
	}
	ff_buf_release(&key);
}

/* --- a reporter --- */

static void keep(char **kept, const char *text)
{
	ff_free(*kept);
	*kept = ff_xstrdup(text);
}

static void on_run_started(struct otlp *otlp, const struct ff_event *event)
{
	keep(&otlp->run, event->u.run_started.run_id);
	keep(&otlp->version, event->u.run_started.version);
	keep(&otlp->config, event->u.run_started.config_file);
	keep(&otlp->command, event->u.run_started.command_line);
	keep(&otlp->machine, event->u.run_started.machine);
	otlp->began_us = event->time_us;
	/* A journal that is told again has the trace that it names, each time. */
	if (!otlp->given)
		ff_trace_init(&otlp->trace, NULL, otlp->run ? otlp->run : "");
}

static void on_event(struct otlp *otlp, const struct ff_event *event)
{
	switch (event->kind) {
	case FF_EVENT_RUN_STARTED:
		on_run_started(otlp, event);
		break;
	case FF_EVENT_JOB_STARTED:
		begin(&otlp->jobs, event->job, event->time_us);
		break;
	case FF_EVENT_JOB_FINISHED:
		on_job_finished(otlp, event);
		break;
	case FF_EVENT_HOST_JOINING:
		begin(&otlp->hosts, event->host, event->time_us);
		break;
	case FF_EVENT_HOST_OPENED:
		add_host_part(otlp, event, "connect", event->u.host_opened.took_us, NULL);
		break;
	case FF_EVENT_HOST_FAILED:
		add_host_part(otlp, event, "connect", 0, event->u.host_failed.error);
		break;
	case FF_EVENT_SYNC_FINISHED:
		add_host_part(otlp, event, "sync", event->u.sync_finished.took_us, NULL);
		break;
	case FF_EVENT_HOST_SETUP:
		if (event->host && !event->u.host_setup.skipped)
			add_host_part(otlp, event, "setup", event->u.host_setup.took_us, NULL);
		break;
	case FF_EVENT_UNIT_STARTED:
		on_unit_started(otlp, event);
		break;
	case FF_EVENT_UNIT_LOST:
		on_unit_lost(otlp, event);
		break;
	case FF_EVENT_UNIT_FINISHED:
		on_unit_finished(otlp, event);
		break;
	case FF_EVENT_RUN_FINISHED:
		add_hosts(otlp, event->time_us);
		on_run_finished(otlp, event);
		break;
	default:
		break;
	}
}

static void otlp_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct otlp *otlp = (struct otlp *)reporter;
	uint32_t before = otlp->len;

	on_event(otlp, event);
	if (before == 0 && otlp->len > 0)
		otlp->first_us = event->time_us;
	if (otlp->len >= BATCH || otlp->spans.len >= BATCH_BYTES ||
	    (otlp->len > 0 && event->time_us - otlp->first_us > BATCH_US))
		send_batch(otlp);
}

static int otlp_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct otlp *otlp = (struct otlp *)reporter;

	send_batch(otlp);
	return ff_export_finish(otlp->out, "spans", err);
}

static void otlp_abandon(struct ff_reporter *reporter)
{
	ff_export_abandon(((struct otlp *)reporter)->out);
}

static void otlp_free(struct ff_reporter *reporter)
{
	struct otlp *otlp = (struct otlp *)reporter;

	ff_export_free(otlp->out);
	ff_buf_release(&otlp->spans);
	release_begun(&otlp->units);
	release_begun(&otlp->jobs);
	release_begun(&otlp->hosts);
	ff_free(otlp->run);
	ff_free(otlp->version);
	ff_free(otlp->config);
	ff_free(otlp->command);
	ff_free(otlp->machine);
	ff_free(otlp);
}

static const struct ff_reporter_class otlp_class = {
	.name = "otlp",
	.event = otlp_event,
	.finish = otlp_finish,
	.abandon = otlp_abandon,
	.free = otlp_free,
};

/* "http://HOST:4318" is where collectors are; a path of one's own stays. */
static char *whole_url(const char *url)
{
	const char *host = strstr(url, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;

	if (!host || (path && path[1]))
		return ff_xstrdup(url);
	return ff_xasprintf("%.*s/v1/traces", path ? (int)(path - url) : (int)strlen(url), url);
}

/* "NAME=VALUE,…", as OpenTelemetry's own programs read it. */
static void add_headers(struct ff_strv *headers, const char *text)
{
	while (text && *text) {
		size_t len = strcspn(text, ","), name = strcspn(text, "=,");

		if (name < len)
			ff_strv_addf(headers, "%.*s: %.*s", (int)name, text, (int)(len - name - 1),
				     text + name + 1);
		text += len + (text[len] == ',');
	}
}

static struct ff_reporter *otlp_open(const struct ff_reporter_opts *opts, const char *value,
				     struct ff_err *err)
{
	struct ff_strv headers = FF_STRV_INIT;
	char *url = whole_url(value);
	struct ff_export *out;
	struct otlp *otlp = NULL;

	ff_strv_add(&headers, "Content-Type: application/json");
	add_headers(&headers, getenv("OTEL_EXPORTER_OTLP_HEADERS"));
	out = ff_export_new(url, (const char *const *)headers.v, err);
	if (out) {
		otlp = ff_xcalloc(1, sizeof(*otlp));
		otlp->base.class = &otlp_class;
		otlp->out = out;
		otlp->given = opts->trace != NULL;
		if (opts->trace)
			otlp->trace = *opts->trace;
	}
	ff_strv_release(&headers);
	ff_free(url);
	return otlp ? &otlp->base : NULL;
}

const struct ff_reporter_kind ff_report_otlp = {
	.name = "otlp",
	.arg = "URL",
	.help = "send the run as a trace to an OpenTelemetry collector (OTLP, HTTP with JSON)",
	.is_url = true,
	.open = otlp_open,
};
