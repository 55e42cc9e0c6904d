/* The long texts of rows: tracebacks and output, put aside in compressed blocks of a nameless file
 * as they come. A block is deflated JSON: [[row, {attempt, …}], …]. */
#ifndef FF_WEB_DETAILS_H
#define FF_WEB_DETAILS_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/cases.h"
#include "report/spool.h"

struct ff_details_block {
	struct ff_spool_piece piece; /* of the file */
};

/* An entry is in a block; `before`: the row's entry before this one, + 1; 0: none. */
struct ff_details_entry {
	uint32_t row, block, before;
};

struct ff_details {
	struct ff_spool spool;
	struct ff_buf text; /* of the block that is being filled */
	struct ff_details_block *blocks;
	struct ff_details_entry *entries;
	uint32_t *last; /* by row: its last entry + 1; 0: none */
	uint32_t blocks_len, blocks_cap, entries_len, entries_cap, last_cap;
	int error; /* of the first text that could not be kept: FF_ENOMEM, FF_ETOOBIG */
};

enum {
	FF_DETAILS_TEXT_MAX = 256 << 10
}; /* bytes of one text; of more its head and tail are kept */

/* Takes over opts->fd, a file open for reading and writing. */
void ff_details_init(struct ff_details *details, const struct ff_writer_opts *opts);
void ff_details_release(struct ff_details *details);
/* Keeps what there is to show of a case of a row, if there is more than its line says. */
void ff_details_add(struct ff_details *details, uint32_t row, const struct ff_case *c);
/* Closes the last block and waits for the file; 0, an errno or a negative error code. */
int ff_details_finish(struct ff_details *details);
/* After that, and with more to come only for blocks that are closed: the compressed bytes (zlib's
 * format). 0 or an errno. */
int ff_details_block(const struct ff_details *details, uint32_t block, struct ff_buf *out);

#endif
