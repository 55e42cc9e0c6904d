/* What built-ins read from their kwargs. */
#ifndef FF_WORKER_KWARGS_H
#define FF_WORKER_KWARGS_H

#include "base/err.h"
#include "base/strv.h"
#include "wire/value.h"

/* The str (or bytes) elements of kwargs[key] appended to `strv`. FF_EINVAL: absent, empty, or not a
 * list of texts without NULs. */
int ff_kwargs_strv(const struct ff_value *kwargs, const char *key, struct ff_strv *strv,
		   struct ff_err *err);
/* kwargs[key] as a C string: NULL in *text if absent or None; FF_EINVAL if it is no str, or holds a
 * NUL. */
int ff_kwargs_text(const struct ff_value *kwargs, const char *key, const char **text,
		   struct ff_err *err);
/* The environment changed by kwargs["env"] (name -> str, or None: without it): appended to `strv`,
 * which stays empty if there is nothing to change. FF_EINVAL: no dict of that kind. */
int ff_kwargs_env(const struct ff_value *kwargs, char *const *environment, struct ff_strv *strv,
		  struct ff_err *err);

#endif
