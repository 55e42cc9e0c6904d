/* --tap: TAP 14 (testanything.org), a line per case as it is known, with what there is to say of it
 * in a YAML block; the plan stands at the end, so that a stream that was cut off has none. */
#include <string.h>

#include "base/alloc.h"
#include "report/cases.h"
#include "report/flow.h"
#include "report/reporter.h"
#include "report/text.h"

enum { TEXT_MAX = 64 << 10 }; /* bytes of a text; more are cut off, and that is said */

struct tap {
	struct ff_reporter base;
	struct ff_flow flow;
	struct ff_cases cases;
	struct ff_buf text;
	uint32_t count, bad;
	bool many_jobs, over;
};

/* A description: '#' would begin a directive. */
static void add_words(struct ff_buf *out, const char *words)
{
	struct ff_buf line = FF_BUF_INIT;

	ff_text_line(&line, words, 0, "");
	for (const char *c = line.len ? ff_buf_str(&line) : ""; *c; c++) {
		if (*c == '#' || *c == '\\')
			ff_buf_addch(out, '\\');
		ff_buf_addch(out, *c);
	}
	ff_buf_release(&line);
}

/* A key, indented, with a YAML scalar of one line in double quotes. */
static void add_scalar(struct ff_buf *out, const char *key, const char *value)
{
	struct ff_buf line = FF_BUF_INIT;

	if (!value || !*value)
		return;
	ff_text_line(&line, value, 0, "");
	ff_buf_addf(out, "%s: \"", key);
	for (const char *c = line.len ? ff_buf_str(&line) : ""; *c; c++) {
		if (*c == '"' || *c == '\\')
			ff_buf_addch(out, '\\');
		ff_buf_addch(out, *c);
	}
	ff_buf_addstr(out, "\"\n");
	ff_buf_release(&line);
}

/* Several lines, as they are, below a key that is `indent` deep. */
static void add_block(struct ff_buf *out, const char *indent, const char *key, const char *text,
		      size_t len)
{
	struct ff_buf deeper = FF_BUF_INIT;

	if (len == 0)
		return;
	ff_buf_addf(&deeper, "%s  ", indent);
	ff_buf_addf(out, "%s%s: |2\n", indent, key);
	ff_text_lines(out, text, len < TEXT_MAX ? len : TEXT_MAX, ff_buf_str(&deeper), false);
	if (len > TEXT_MAX)
		ff_buf_addf(out, "%s... and %zu bytes more\n", ff_buf_str(&deeper), len - TEXT_MAX);
	ff_buf_release(&deeper);
}

static void add_sections(struct ff_buf *out, const struct ff_result *result)
{
	bool any = false;

	for (size_t i = 0; i < result->sections_len; i++) {
		const struct ff_section *section = &result->sections[i];

		if (!section->text || section->len == 0)
			continue;
		ff_buf_addstr(out, any ? "" : "  output:\n");
		any = true;
		add_scalar(out, "  - title", section->title ? section->title : "output");
		add_block(out, "    ", "text", section->text, section->len);
	}
}

static void add_result(struct ff_buf *out, const struct ff_case *c)
{
	const struct ff_result *result = c->result;

	add_scalar(out, "  outcome", ff_outcome_word(result->outcome));
	ff_buf_addf(out, "  duration_ms: %.3f\n", (double)result->duration_us / 1e3);
	add_scalar(out, "  message", result->message);
	add_scalar(out, "  file", result->file);
	if (result->file && result->line > 0)
		ff_buf_addf(out, "  line: %d\n", result->line);
	add_scalar(out, "  host", c->host);
	add_scalar(out, "  worker", c->worker);
	if (c->attempts > 0)
		ff_buf_addf(out, "  attempts: %u\n", c->attempts + 1);
	if (!ff_outcome_bad(result->outcome))
		return;
	if (result->longrepr)
		add_block(out, "  ", "trace", result->longrepr, strlen(result->longrepr));
	add_sections(out, result);
}

static bool has_more_to_say(const struct ff_case *c)
{
	return !c->result || ff_outcome_bad(c->result->outcome) || c->attempts > 0 ||
	       c->result->outcome != FF_OUTCOME_PASSED;
}

static void add_directive(struct ff_buf *out, const struct ff_case *c)
{
	const char *message = ff_case_message(c);
	bool todo = c->result && (c->result->outcome == FF_OUTCOME_XFAILED ||
				  c->result->outcome == FF_OUTCOME_XPASSED);

	if (c->status != FF_CASE_SKIPPED && !todo)
		return;
	ff_buf_addstr(out, todo ? " # TODO" : " # SKIP");
	if (message && *message) {
		ff_buf_addch(out, ' ');
		add_words(out, message);
	}
}

static void on_case(void *ctx, const struct ff_case *c)
{
	struct tap *tap = ctx;
	struct ff_buf *out = &tap->text;
	/* A known failure is "not ok" with TODO, which readers take as such. */
	bool ok = c->status != FF_CASE_FAILED && c->status != FF_CASE_ERROR &&
		  !(c->result && c->result->outcome == FF_OUTCOME_XFAILED);

	if (c->kind == FF_CASE_ATTEMPT)
		return;
	tap->count++;
	tap->bad += c->status == FF_CASE_FAILED || c->status == FF_CASE_ERROR;
	ff_buf_addf(out, "%s %u - ", ok ? "ok" : "not ok", tap->count);
	if (tap->many_jobs && c->job && c->kind != FF_CASE_JOB) {
		add_words(out, c->job);
		ff_buf_addstr(out, ": ");
	}
	add_words(out, c->name);
	add_directive(out, c);
	ff_buf_addch(out, '\n');
	if (!has_more_to_say(c))
		return;
	ff_buf_addstr(out, "  ---\n");
	if (c->result) {
		add_result(out, c);
	} else {
		add_scalar(out, "  type", c->type);
		add_scalar(out, "  message", c->message);
		if (c->text)
			add_block(out, "  ", "trace", c->text, strlen(c->text));
	}
	ff_buf_addstr(out, "  ...\n");
}

static void add_comment(struct ff_buf *out, const char *words)
{
	ff_buf_addstr(out, "# ");
	ff_text_line(out, words, 0, "");
	ff_buf_addch(out, '\n');
}

static void on_finished(struct tap *tap, const struct ff_event *event)
{
	struct ff_buf *out = &tap->text;
	const char *reason = event->u.run_finished.reason ? event->u.run_finished.reason : "";

	/* The plan may not say that all is well where the run does not. */
	if (event->u.run_finished.exit_code != 0 && tap->bad == 0) {
		ff_buf_addf(out, "not ok %u - farflung: ", ++tap->count);
		add_words(out, *reason ? reason : "the run failed");
		ff_buf_addch(out, '\n');
	}
	ff_buf_addf(out, "1..%u\n", tap->count);
	if (*reason)
		add_comment(out, reason);
	tap->over = true;
}

static void tap_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	struct tap *tap = (struct tap *)reporter;

	if (event->kind == FF_EVENT_RUN_STARTED) {
		tap->many_jobs = event->u.run_started.jobs > 1;
		ff_buf_addstr(&tap->text, "TAP version 14\n");
	}
	ff_cases_event(&tap->cases, event);
	if (event->kind == FF_EVENT_RUN_FINISHED)
		on_finished(tap, event);
	ff_flow_put(&tap->flow, &tap->text);
}

static bool tap_full(const struct ff_reporter *reporter)
{
	return ff_flow_full(&((const struct tap *)reporter)->flow);
}

static bool tap_deserted(const struct ff_reporter *reporter)
{
	return ff_flow_deserted(&((const struct tap *)reporter)->flow);
}

static int tap_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct tap *tap = (struct tap *)reporter;

	if (!tap->over) {
		ff_buf_addstr(&tap->text, "Bail out! the run did not come to its end\n");
		ff_flow_put(&tap->flow, &tap->text);
	}
	return ff_flow_finish(&tap->flow, err);
}

static void tap_abandon(struct ff_reporter *reporter)
{
	ff_flow_abandon(&((struct tap *)reporter)->flow);
}

static void tap_free(struct ff_reporter *reporter)
{
	struct tap *tap = (struct tap *)reporter;

	ff_cases_release(&tap->cases);
	ff_flow_release(&tap->flow);
	ff_buf_release(&tap->text);
	ff_free(tap);
}

static const struct ff_reporter_class tap_class = {
	.name = "tap",
	.event = tap_event,
	.full = tap_full,
	.finish = tap_finish,
	.deserted = tap_deserted,
	.abandon = tap_abandon,
	.free = tap_free,
};

static struct ff_reporter *tap_open(const struct ff_reporter_opts *opts, const char *value,
				    struct ff_err *err)
{
	struct tap *tap = ff_xcalloc(1, sizeof(*tap));

	tap->base.class = &tap_class;
	tap->cases = (struct ff_cases){.each = on_case, .ctx = tap};
	if (ff_flow_open(&tap->flow, opts, value, err) == 0)
		return &tap->base;
	ff_free(tap);
	return NULL;
}

const struct ff_reporter_kind ff_report_tap = {
	.name = "tap",
	.arg = "FILE",
	.help = "write TAP 14 to FILE, as things happen; - is stdout",
	.may_be_stdout = true,
	.open = tap_open,
};
