/* A model as JSON, for the pages' code: web/assets/source.js reads it. Each appends one value. */
#ifndef FF_WEB_DOCUMENT_H
#define FF_WEB_DOCUMENT_H

#include "base/buf.h"
#include "web/model.h"

/* The run: what it is, how it stands, its jobs, hosts, lanes and causes. 0 or a negative code. */
int ff_document_run(struct ff_buf *out, const struct ff_model *model);
/* All rows, in columns: an object of arrays of the same length. */
int ff_document_rows(struct ff_buf *out, const struct ff_model *model);
/* All spans, in columns. */
int ff_document_spans(struct ff_buf *out, const struct ff_model *model);

#endif
