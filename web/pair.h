/* A server's certificate and its key, from files of PEM. */
#ifndef FF_WEB_PAIR_H
#define FF_WEB_PAIR_H

#include <stdbool.h>

#include "base/err.h"

struct ff_web_pair {
	char *cert, *key; /* texts of PEM; NULL: there are none */
	void *first;	  /* the server's own certificate, parsed */
};

/* As GnuTLS has it: nothing below TLS 1.2. */
#define FF_WEB_PAIR_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* Both NULL: an empty pair. FF_EINVAL, FF_ESYS: one is missing, can't be read, is not what it is
 * given as, or is of another pair, or today is not within the certificate's dates; the text names
 * the file. FF_EUNSUPPORTED: the library that serves has no TLS. */
int ff_web_pair_read(struct ff_web_pair *pair, const char *cert, const char *key,
		     struct ff_err *err);
void ff_web_pair_release(struct ff_web_pair *pair);
/* Whether the certificate is for this host name or address. From any thread. */
bool ff_web_pair_names(const struct ff_web_pair *pair, const char *name);

#endif
