/* Text put aside in a nameless file until its place is known: written once, in the order in which
 * it comes, and remembered as pieces. */
#ifndef FF_REPORT_SPOOL_H
#define FF_REPORT_SPOOL_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "report/writer.h"

struct ff_spool {
	int fd;
	struct ff_writer *writer;
	struct ff_buf text; /* add to this; ff_spool_flush hands it on */
	uint64_t put;	    /* bytes handed on */
};

struct ff_spool_piece {
	uint64_t offset, len;
};

/* Takes over opts->fd, a file open for reading and writing. */
void ff_spool_init(struct ff_spool *spool, const struct ff_writer_opts *opts);
void ff_spool_release(struct ff_spool *spool);

/* Where the next text will stand. */
uint64_t ff_spool_at(const struct ff_spool *spool);
/* Hands the text on if it is long enough to be worth it. */
void ff_spool_flush(struct ff_spool *spool);
/* Waits until all is in the file; 0 or an errno. */
int ff_spool_finish(struct ff_spool *spool);
/* After that: copies a piece to `out`, whose own errors it keeps. 0 or an errno. */
int ff_spool_copy(const struct ff_spool *spool, const struct ff_spool_piece *piece, FILE *out);

#endif
