/* Report files: their folder is made, they appear as a whole or not at all. */
#ifndef FF_REPORT_FILE_H
#define FF_REPORT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* A file that is being written under a temporary name beside its own. A device or a pipe is written
 * to, not replaced; "-" is stdout. */
struct ff_report_file {
	const char *path; /* borrowed */
	FILE *stream;	  /* write to it; errors are kept for ff_report_commit */
	bool replaces;
	char temporary[PATH_MAX];
};

/* Makes the folders of `path` and checks that a file can be written there. FF_ESYS names the path.
 */
int ff_report_prepare(const char *path, struct ff_err *err);
/* FF_ESYS names the path. */
int ff_report_begin(struct ff_report_file *file, const char *path, struct ff_err *err);
/* Gives the file its name if all was written and `errnum` (the caller's own trouble) is 0; else it
 * is removed, and FF_ESYS names the path. */
int ff_report_commit(struct ff_report_file *file, int errnum, struct ff_err *err);
/* A nameless file for what belongs into `path` later: in its folder, or in that for temporary files
 * if `path` is a device. An fd, or FF_ESYS naming the path. */
int ff_report_scratch(const char *path, struct ff_err *err);

#endif
