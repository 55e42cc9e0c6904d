/* A model as JSON, for the pages' code: web/assets/source.js reads it. Each appends one value. */
#ifndef FF_WEB_DOCUMENT_H
#define FF_WEB_DOCUMENT_H

#include "base/buf.h"
#include "web/model.h"
#include "web/rows.h"

/* The run: what it is, how it stands, its jobs, hosts, lanes and causes. 0 or a negative code. */
int ff_document_run(struct ff_buf *out, const struct ff_model *model);
/* The same with another template of links; NULL: none. */
int ff_document_run_linked(struct ff_buf *out, const struct ff_model *model, const char *links);
/* A window of rows that were found: {"found", "from", "rows": […]}. */
int ff_document_found(struct ff_buf *out, const struct ff_model *model,
		      const struct ff_rows_found *found, uint32_t from, uint32_t count);
/* One row, with what is kept of its attempts (JSON, a list); of one that runs what it has said. */
int ff_document_row(struct ff_buf *out, const struct ff_model *model, uint32_t row,
		    const char *attempts);
/* Pieces of lanes, six numbers each: see openapi.yaml. */
int ff_document_timeline(struct ff_buf *out, const struct ff_model *model, int64_t from_us,
			 int64_t to_us, uint32_t pixels);

/* What the run's end waited for: {"steps": […]}. */
int ff_document_critical(struct ff_buf *out, const struct ff_model *model);

/* --- for a page that has all in itself --- */

/* All rows, in columns: an object of arrays of the same length. */
int ff_document_rows(struct ff_buf *out, const struct ff_model *model);
/* What was brought of units, by their rows' numbers. */
int ff_document_left(struct ff_buf *out, const struct ff_model *model);
/* All spans, in columns. */
int ff_document_spans(struct ff_buf *out, const struct ff_model *model);

#endif
