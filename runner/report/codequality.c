/* --codequality: what GitLab shows beside the lines of a merge request, `artifacts: reports:
 * codequality:`, a list of findings in the part of Code Climate's format that it documents
 * (description, check_name, fingerprint, severity, location). Failures that have no file have no
 * place in it. Findings go to a nameless file as they are known. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "event/json.h"
#include "report/cases.h"
#include "report/file.h"
#include "report/name.h"
#include "report/reporter.h"
#include "report/service.h"
#include "report/spool.h"
#include "report/text.h"

enum { DESCRIPTION_COLUMNS = 400 };

struct codequality {
	struct ff_reporter base;
	char *path, *below;
	struct ff_spool spool;
	struct ff_cases cases;
	uint32_t findings;
	int error; /* of the first text that could not be encoded */
};

/* The file that it is about; NULL: none. */
static char *place_of(const struct codequality *quality, const struct ff_case *c)
{
	char *file = NULL, *place;

	if (c->result)
		return ff_service_place(quality->below, c->result->file);
	if (c->kind == FF_CASE_COLLECTION && c->named)
		file = ff_xstrndup(c->name, strcspn(c->name, ":"));
	place = ff_service_place(quality->below, file);
	ff_free(file);
	return place;
}

/* The same failure has the same one in each pipeline, wherever the line has moved to. */
static void add_fingerprint(struct ff_json *json, const struct ff_case *c, const char *place)
{
	struct ff_buf text = FF_BUF_INIT;
	char hex[17];

	ff_buf_addf(&text, "%s\n%s\n%s", place, c->job ? c->job : "", c->name);
	snprintf(hex, sizeof(hex), "%016" PRIx64, ff_name_hash(ff_buf_str(&text)));
	ff_json_str(json, "fingerprint", hex);
	ff_buf_release(&text);
}

static void add_description(struct ff_json *json, const struct ff_case *c)
{
	const char *message = ff_case_message(c);
	struct ff_buf text = FF_BUF_INIT;

	ff_text_line(&text, c->name, DESCRIPTION_COLUMNS / 2, "...");
	ff_buf_addstr(&text, ": ");
	if (ff_case_flaky(c))
		ff_buf_addf(&text, "flaky: passed at attempt %u", c->attempts + 1);
	else
		ff_text_line(&text, message ? message : ff_case_status_word(c->status),
			     DESCRIPTION_COLUMNS, "...");
	ff_json_str(json, "description", ff_buf_str(&text));
	ff_buf_release(&text);
}

static void on_case(void *ctx, const struct ff_case *c)
{
	bool bad = c->status == FF_CASE_FAILED || c->status == FF_CASE_ERROR;
	struct codequality *quality = ctx;
	struct ff_json json;
	char *place;
	int line;

	if (c->kind == FF_CASE_ATTEMPT || !(bad || ff_case_flaky(c)))
		return;
	place = place_of(quality, c);
	if (!place)
		return;
	if (quality->findings++ > 0)
		ff_buf_addstr(&quality->spool.text, ",\n");
	line = c->result ? ff_service_line(c->result) : 0;
	ff_json_begin(&json, &quality->spool.text);
	add_description(&json, c);
	ff_json_str(&json, "check_name", c->payload ? c->payload : "farflung");
	add_fingerprint(&json, c, place);
	ff_json_str(&json, "severity",
		    !bad			 ? "minor"
		    : c->status == FF_CASE_ERROR ? "critical"
						 : "major");
	ff_json_open(&json, "location", '{');
	ff_json_str(&json, "path", place);
	ff_json_open(&json, "lines", '{');
	ff_json_int(&json, "begin", line > 0 ? line : 1);
	ff_json_close(&json, '}');
	ff_json_close(&json, '}');
	ff_json_end(&json);
	ff_free(place);
	quality->error = quality->error ? quality->error : json.error;
	ff_spool_flush(&quality->spool);
}

static void codequality_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	ff_cases_event(&((struct codequality *)reporter)->cases, event);
}

static bool codequality_full(const struct ff_reporter *reporter)
{
	return ff_writer_full(((const struct codequality *)reporter)->spool.writer);
}

static int codequality_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct codequality *quality = (struct codequality *)reporter;
	int errnum = ff_spool_finish(&quality->spool), rc;
	struct ff_spool_piece all = {0, ff_spool_at(&quality->spool)};
	struct ff_report_file file;

	if (errnum)
		return ff_err_sys(err, errnum, "cannot write '%s'", quality->path);
	if (quality->error)
		return ff_err_set(err, quality->error, "cannot write '%s': %s", quality->path,
				  ff_err_text(quality->error));
	rc = ff_report_begin(&file, quality->path, err);
	if (rc < 0)
		return rc;
	fputc('[', file.stream);
	errnum = ff_spool_copy(&quality->spool, &all, file.stream);
	fputs("]\n", file.stream);
	return ff_report_commit(&file, errnum, err);
}

static void codequality_free(struct ff_reporter *reporter)
{
	struct codequality *quality = (struct codequality *)reporter;

	ff_cases_release(&quality->cases);
	ff_spool_release(&quality->spool);
	ff_free(quality->path);
	ff_free(quality->below);
	ff_free(quality);
}

static const struct ff_reporter_class codequality_class = {
	.name = "codequality",
	.event = codequality_event,
	.full = codequality_full,
	.finish = codequality_finish,
	.free = codequality_free,
};

static struct ff_reporter *codequality_open(const struct ff_reporter_opts *opts, const char *value,
					    struct ff_err *err)
{
	struct ff_writer_opts writer = {.wake = opts->wake, .ctx = opts->ctx};
	struct codequality *quality;

	if (ff_report_prepare(value, err) < 0)
		return NULL;
	writer.fd = ff_report_scratch(value, err);
	if (writer.fd < 0)
		return NULL;
	quality = ff_xcalloc(1, sizeof(*quality));
	quality->base.class = &codequality_class;
	quality->path = ff_xstrdup(value);
	quality->below = ff_service_below();
	quality->cases = (struct ff_cases){.each = on_case, .ctx = quality};
	ff_spool_init(&quality->spool, &writer);
	return &quality->base;
}

const struct ff_reporter_kind ff_report_codequality = {
	.name = "codequality",
	.arg = "FILE",
	.help = "write failures that have a file as GitLab's Code Quality report (JSON) to FILE",
	.open = codequality_open,
};
