/* A file or stdout that a reporter writes to as things happen, and never waits for. */
#ifndef FF_REPORT_FLOW_H
#define FF_REPORT_FLOW_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/reporter.h"
#include "report/writer.h"

struct ff_flow {
	char *path; /* "stdout", or as it was given */
	int fd;
	bool on_disk;
	struct ff_writer *writer;
};

/* "-" is stdout; a file is emptied, its folder made. FF_ESYS names it. */
int ff_flow_open(struct ff_flow *flow, const struct ff_reporter_opts *opts, const char *path,
		 struct ff_err *err);
void ff_flow_release(struct ff_flow *flow);
/* Writes what is in `text`, and empties it. */
void ff_flow_put(struct ff_flow *flow, struct ff_buf *text);
bool ff_flow_full(const struct ff_flow *flow);
/* Whether stdout's reader went away. A file has none: what can't be written there is an error. */
bool ff_flow_deserted(const struct ff_flow *flow);
/* A disk takes what it is given; only a reader may never come. Safe in signal handlers. */
void ff_flow_abandon(struct ff_flow *flow);
/* Waits for all of it; FF_ESYS names the file. */
int ff_flow_finish(struct ff_flow *flow, struct ff_err *err);

#endif
