/* Report files: their folder is made, they appear as a whole or not at all. */
#ifndef FF_REPORT_FILE_H
#define FF_REPORT_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* Makes the folders of `path` and checks that a file can be written there. FF_ESYS names the path.
 */
int ff_report_prepare(const char *path, struct ff_err *err);
/* Writes `content` to a temporary name beside `path`, then renames it. */
int ff_report_write(const char *path, const struct ff_buf *content, struct ff_err *err);

#endif
