/* What `configure` does, for others too. */
#ifndef FF_WORKER_CONFIGURE_H
#define FF_WORKER_CONFIGURE_H

#include "base/err.h"
#include "wire/value.h"

/* Makes `path` and its missing parents. FF_ESYS names the one that could not be made. */
int ff_configure_make_folders(const char *path, struct ff_err *err);
/* Applies chdir (made if missing), nice and env of a dict to this process. */
int ff_configure_apply(const struct ff_value *kwargs, struct ff_err *err);

#endif
