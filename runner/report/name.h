/* Names of jobs and units as parts of paths. */
#ifndef FF_REPORT_NAME_H
#define FF_REPORT_NAME_H

#include <stdint.h>

#include "base/buf.h"

/* FNV-1a. */
uint64_t ff_name_hash(const char *name);
/* Appends `name` as one part of a path: never ".", "..", hidden or empty, 200 bytes at most,
 * without slashes, blanks and control characters. Other names give other parts. */
void ff_name_add(struct ff_buf *path, const char *name);

#endif
