/* Sends bodies to one URL, one after another, from a thread: nobody waits for it before the end. */
#ifndef FF_NOTIFY_EXPORT_H
#define FF_NOTIFY_EXPORT_H

#include "base/buf.h"
#include "base/err.h"

enum {
	FF_EXPORT_WAITING_MAX = 64 << 20, /* bytes that wait; what comes beyond them is dropped */
	FF_EXPORT_TIMEOUT_MS = 10000,	  /* of one request */
	FF_EXPORT_TRIES = 4,		  /* where the server may answer later */
	FF_EXPORT_END_MS = 15000,	  /* that the end may take */
};

struct ff_export;

/* `headers`: "NAME: VALUE" lines in an array that ends with NULL; copied. NULL: FF_EINVAL, the URL
 * is not http(s); FF_ECONFIG, libcurl is not here; FF_ESYS. */
struct ff_export *ff_export_new(const char *url, const char *const *headers, struct ff_err *err);
/* Takes the body over. `things`: how many it has, for words about what was not sent. */
void ff_export_put(struct ff_export *ex, struct ff_buf *body, uint32_t things);
/* Waits for all of it, as long as may be. FF_ESYS: how many of how many things were not taken, and
 * why. */
int ff_export_finish(struct ff_export *ex, const char *what, struct ff_err *err);
void ff_export_abandon(struct ff_export *ex); /* `finish` returns soon; safe in signal handlers */
void ff_export_free(struct ff_export *ex);

#endif
