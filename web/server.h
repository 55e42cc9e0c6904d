/* The server behind `farflung web`: pages of a folder's runs, and the JSON that they are made of
 * (openapi.yaml). It reads; where a token is asked for, runs may be ended and begun again. */
#ifndef FF_WEB_SERVER_H
#define FF_WEB_SERVER_H

#include <stdbool.h>

#include "base/err.h"

struct ff_web;

struct ff_web_opts {
	const char *runs;    /* the folder that has a folder for each run */
	const char *address; /* "127.0.0.1", "::1", "0.0.0.0" */
	const char *port;    /* "0": a free one */
	const char *links;   /* where files can be looked at; NULL: as each run says */
	/* What has to be known by who asks: given once as ?token=, then kept in a cookie. NULL:
	 * nothing, which is for loopback addresses only. */
	const char *token;
	const char *cert, *key; /* files of PEM: it speaks TLS; NULL, both: plain HTTP */
};

enum {
	FF_WEB_CONNECTIONS_MAX = 64, /* more wait, or are refused */
	FF_WEB_IDLE_S = 30,	     /* a connection that nothing comes or goes over is closed */
};

/* Serves from threads of its own. NULL: FF_EINVAL: no address, a token is wanted, or certificate
 * and key are no pair that can be served with now; FF_ESYS. */
struct ff_web *ff_web_start(const struct ff_web_opts *opts, struct ff_err *err);
/* Waits a moment, a second at most, in which those who listen are told how the run ended. */
void ff_web_farewell(struct ff_web *web); /* NULL is fine */
/* Ends all connections. NULL is fine. */
void ff_web_stop(struct ff_web *web);
/* Where `path` is, with the token: "http://127.0.0.1:8765/?token=…", or https; the caller's to
 * free. */
char *ff_web_url(const struct ff_web *web, const char *path);
/* Whether an address is one that only this machine reaches. */
bool ff_web_is_loopback(const char *address);

#endif
