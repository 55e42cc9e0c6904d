/* What others ask of a run that is going: lines of a file in its folder, beside its journal. They
 * are appended whole, and read by the run now and then. */
#ifndef FF_EVENT_REQUEST_H
#define FF_EVENT_REQUEST_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* The file's name. */
#define FF_REQUESTS_NAME "requests"

enum ff_request {
	FF_REQUEST_CANCEL, /* jobs and units are wanted no more; answered by CANCELLED events */
	FF_REQUEST_DRAIN,  /* hosts are to leave; answered by DRAIN_ASKED events */
	FF_REQUESTS
};

/* Asks the run of this journal for something about `names` (NULL-terminated). `id` is in the run's
 * answer. FF_ESYS, naming the file; FF_ETOOBIG. */
int ff_request_ask(const char *journal, enum ff_request what, const char *id,
		   const char *const *names, struct ff_err *err);

/* The reader's side. */
struct ff_requests;
typedef void ff_requests_take_fn(void *ctx, enum ff_request what, const char *id,
				 const char *const *names);
/* `take` is called for each request that is new, from ff_requests_look. */
struct ff_requests *ff_requests_new(const char *journal, ff_requests_take_fn *take, void *ctx);
void ff_requests_free(struct ff_requests *requests); /* NULL is fine */
/* What is new. Costs a system call if nothing is. A file that is not a plain one of our own user's
 * is not read, and what is no request is passed over: FF_EINVAL, once, in words. */
int ff_requests_look(struct ff_requests *requests, struct ff_err *err);

#endif
