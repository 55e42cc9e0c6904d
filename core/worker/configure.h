/* Folders for `configure`. */
#ifndef FF_WORKER_CONFIGURE_H
#define FF_WORKER_CONFIGURE_H

#include "base/err.h"

/* Makes `path` and its missing parents. FF_ESYS names the one that could not be made. */
int ff_configure_make_folders(const char *path, struct ff_err *err);

#endif
