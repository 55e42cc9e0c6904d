/* Texts from outside of the file: what a program writes, and what a URL has. */
#ifndef FF_CONFIG_OUTSIDE_H
#define FF_CONFIG_OUTSIDE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct ff_outside_opts {
	int64_t timeout_us;
	size_t max_bytes;
	const char *directory; /* the program's working directory */
	const char *ca_file;   /* NULL: the system's */
	/* Set from another thread: it is given up, and the call returns FF_ECANCELED. NULL: the
	 * program itself decides, and signals end it. */
	const atomic_bool *stop;
};

/* Appends what the program writes to stdout. It has no stdin, our stderr, and a process group of
 * its own, which is killed when it takes too long or writes too much, and when SIGINT, SIGTERM or
 * SIGHUP comes, which then does what it would do anyway. FF_ECONFIG, with words: it could not be
 * run, or did not end with 0. */
int ff_outside_run(struct ff_buf *out, char *const *argv, const struct ff_outside_opts *opts,
		   struct ff_err *err);

/* Appends what an https:// or file:// URL has; other protocols are refused, also as redirections;
 * a user's ~/.netrc is heeded. FF_ECONFIG, with words. fetch.c, the only user of libcurl here. */
int ff_outside_fetch(struct ff_buf *out, const char *url, const struct ff_outside_opts *opts,
		     struct ff_err *err);

#endif
