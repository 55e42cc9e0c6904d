/* Files that units and sessions left on their hosts, in the folder that they were brought to: what
 * its list of sums (.farflung.sums) names, and nothing else that lies there. The folder's name is
 * of a journal, which may say anything. */
#ifndef FF_WEB_ARTIFACTS_H
#define FF_WEB_ARTIFACTS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends {"found", "from", "files": [{"number", "path", "sum", "size"}]}, as JSON: `count` at
 * most, from the one with the number `from` on; without "size" it is not there any more. `told_us`:
 * when the run told of them, by the wall clock. FF_ENOTFOUND: there is no such folder, or a later
 * run has brought others there since. */
int ff_artifacts_list(const char *folder, int64_t told_us, uint32_t from, uint32_t count,
		      struct ff_buf *out, struct ff_err *err);

struct ff_artifact {
	int fd;	    /* for reading */
	char *name; /* without its folders */
	uint64_t size;
};

/* The one with that number. FF_ENOTFOUND: as above, or it is not there, or no regular file, or
 * behind a link. */
int ff_artifacts_open(const char *folder, int64_t told_us, uint32_t number,
		      struct ff_artifact *artifact, struct ff_err *err);
void ff_artifact_release(struct ff_artifact *artifact); /* closes it, unless fd is -1 by then */

#endif
