/* --html: the pages of one run in one file that opens from disk: the same code and style that
 * `farflung web` gives, with the run's model and details in it, compressed. */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "report/file.h"
#include "report/reporter.h"
#include "web/assets.h"
#include "web/details.h"
#include "web/document.h"

struct html {
	struct ff_reporter base;
	char *path;
	struct ff_model model;
	struct ff_details details;
};

/* --- events --- */

static void told(void *ctx, uint32_t row, const struct ff_case *c)
{
	ff_details_add(&((struct html *)ctx)->details, row, c);
}

static void html_event(struct ff_reporter *reporter, const struct ff_event *event)
{
	/* What can't be true is a matter for those that decide; a page shows what it was told. */
	ff_model_take(&((struct html *)reporter)->model, event, NULL);
}

static bool html_full(const struct ff_reporter *reporter)
{
	return ff_writer_full(((const struct html *)reporter)->details.spool.writer);
}

/* --- the file --- */

static void put(FILE *out, const char *text)
{
	fputs(text, out);
}

/* Lines of base64 would be as good, and longer. */
static int put_base64(FILE *out, const void *bytes, size_t len)
{
	unsigned char *text = ff_malloc(len / 3 * 4 + 5);
	int n;

	if (!text)
		return FF_ENOMEM;
	n = EVP_EncodeBlock(text, bytes, (int)len);
	fwrite(text, 1, (size_t)n, out);
	ff_free(text);
	return 0;
}

/* A value that source.js finds by its name. */
static int put_value(FILE *out, const char *name, const void *bytes, size_t len)
{
	int rc;

	fprintf(out, "<script type=\"text/plain\" id=\"ff-%s\">", name);
	rc = put_base64(out, bytes, len);
	put(out, "</script>\n");
	return rc;
}

static int put_document(FILE *out, const char *name, const struct ff_model *model,
			int (*add)(struct ff_buf *out, const struct ff_model *model))
{
	struct ff_buf text = FF_BUF_INIT, packed = FF_BUF_INIT;
	int rc = add(&text, model);
	uLong len = compressBound((uLong)text.len);
	uint8_t *room = rc == 0 ? ff_buf_reserve(&packed, len) : NULL;

	if (rc == 0 && (!room || compress2(room, &len, ff_buf_data(&text), (uLong)text.len, 6)))
		rc = FF_ENOMEM;
	if (rc == 0)
		rc = put_value(out, name, room, len);
	ff_buf_release(&text);
	ff_buf_release(&packed);
	return rc;
}

/* Modules know each other by names, which stand for their texts. */
static int put_modules(FILE *out)
{
	int rc = 0;

	put(out, "<script type=\"importmap\">{\"imports\":{");
	for (const struct ff_asset *asset = ff_asset_modules; asset->name && rc == 0; asset++) {
		fprintf(out, "%s\"farflung/%s\":\"data:text/javascript;base64,",
			asset == ff_asset_modules ? "" : ",", asset->name);
		rc = put_base64(out, asset->bytes, *asset->len);
		put(out, "\"");
	}
	put(out, "}}</script>\n");
	return rc;
}

static int put_head(FILE *out, const struct ff_model *model)
{
	int rc;

	put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		 "style-src 'unsafe-inline'; script-src 'unsafe-inline' data:; base-uri 'none'; "
		 "form-action 'none'\">\n");
	/* Run ids are of digits, letters and '-'; a journal may say anything. */
	fprintf(out, "<title>farflung %.*s</title>\n<style>\n",
		(int)strspn(model->run_id ? model->run_id : "",
			    "0123456789abcdefghijklmnopqrstuvwxyz-"),
		model->run_id ? model->run_id : "");
	fwrite(ff_asset_style.bytes, 1, *ff_asset_style.len, out);
	put(out, "</style>\n");
	rc = put_modules(out);
	put(out, "</head>\n<body>\n<noscript>This page needs JavaScript.</noscript>\n");
	return rc;
}

/* "details": [[row, block, …]], and each block by its number. */
static int put_details(FILE *out, const struct ff_details *details)
{
	struct ff_buf text = FF_BUF_INIT;
	char name[24];
	int rc = 0;

	put(out, "<script type=\"application/json\" id=\"ff-index\">[");
	for (uint32_t i = 0; i < details->entries_len; i++)
		fprintf(out, "%s%u,%u", i ? "," : "", details->entries[i].row,
			details->entries[i].block);
	put(out, "]</script>\n");
	for (uint32_t i = 0; i < details->blocks_len && rc == 0; i++) {
		ff_buf_clear(&text);
		rc = ff_details_block(details, i, &text);
		snprintf(name, sizeof(name), "block%u", i);
		rc = rc ? rc : put_value(out, name, ff_buf_data(&text), text.len);
	}
	ff_buf_release(&text);
	return rc;
}

/* 0, an errno or a negative code. */
static int html_write(const struct html *html, FILE *out)
{
	int rc = put_head(out, &html->model);

	rc = rc ? rc : put_document(out, "run", &html->model, ff_document_run);
	rc = rc ? rc : put_document(out, "rows", &html->model, ff_document_rows);
	rc = rc ? rc : put_document(out, "spans", &html->model, ff_document_spans);
	rc = rc ? rc : put_document(out, "left", &html->model, ff_document_left);
	rc = rc ? rc : put_document(out, "critical", &html->model, ff_document_critical);
	rc = rc ? rc : put_details(out, &html->details);
	put(out,
	    "<div id=\"app\"></div>\n<script type=\"module\">import \"farflung/main\";</script>\n"
	    "</body>\n</html>\n");
	return rc;
}

static int html_finish(struct ff_reporter *reporter, struct ff_err *err)
{
	struct html *html = (struct html *)reporter;
	struct ff_report_file file;
	int rc = ff_details_finish(&html->details);

	if (rc == 0 && (rc = ff_report_begin(&file, html->path, err)) < 0)
		return rc;
	if (rc == 0) {
		rc = html_write(html, file.stream);
		if (rc >= 0)
			return ff_report_commit(&file, rc, err);
		ff_report_commit(&file, ENOMEM, err);
	}
	return rc > 0 ? ff_err_sys(err, rc, "cannot write '%s'", html->path)
		      : ff_err_set(err, rc, "cannot write '%s': %s", html->path, ff_err_text(rc));
}

static void html_free(struct ff_reporter *reporter)
{
	struct html *html = (struct html *)reporter;

	ff_model_release(&html->model);
	ff_details_release(&html->details);
	ff_free(html->path);
	ff_free(html);
}

static const struct ff_reporter_class html_class = {
	.name = "html",
	.event = html_event,
	.full = html_full,
	.finish = html_finish,
	.free = html_free,
};

static struct ff_reporter *html_open(const struct ff_reporter_opts *opts, const char *value,
				     struct ff_err *err)
{
	struct ff_writer_opts writer = {.wake = opts->wake, .ctx = opts->ctx};
	struct html *html;

	if (ff_report_prepare(value, err) < 0)
		return NULL;
	writer.fd = ff_report_scratch(value, err);
	if (writer.fd < 0)
		return NULL;
	html = ff_xcalloc(1, sizeof(*html));
	html->base.class = &html_class;
	html->path = ff_xstrdup(value);
	ff_model_init(&html->model);
	html->model.told = told;
	html->model.ctx = html;
	ff_details_init(&html->details, &writer);
	return &html->base;
}

const struct ff_reporter_kind ff_report_html = {
	.name = "html",
	.arg = "FILE",
	.help = "write a page of the run to FILE: failures, timeline, tests; it opens from disk",
	.open = html_open,
};
