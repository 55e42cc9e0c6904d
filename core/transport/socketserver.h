/* The other end of socket=: accepts connections, has them prove that they know the token, and runs
 * a worker for each. */
#ifndef FF_TRANSPORT_SOCKETSERVER_H
#define FF_TRANSPORT_SOCKETSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ff_loop;
struct ff_socketserver;

enum {
	FF_SOCKETSERVER_PENDING_MAX = 64,      /* connections that have not proved anything yet */
	FF_SOCKETSERVER_SESSIONS_MAX = 1024,   /* all connections */
	FF_SOCKETSERVER_REQUEST_MAX = 4 << 20, /* bytes of the line to execute */
	FF_SOCKETSERVER_SHAKE_S = 10,	       /* until the token is proved and the line is there */
};

struct ff_socketserver_opts {
	const char *listen;	/* HOST:PORT; without HOST all addresses, port 0: any free one */
	const char *token_file; /* NULL: no TLS, no authentication, execnet's protocol */
	/* Without a token, addresses that others can reach are allowed, too. */
	bool allow_anyone_to_execute_code;
	bool once;	    /* one worker only */
	const char *python; /* NULL: python3 */
	/* One line without a newline: who came, who was refused and why, who left. May be NULL. */
	void (*log)(void *ctx, const char *line);
	void (*listening)(void *ctx, const char *address); /* "HOST:PORT"; once; may be NULL */
	void *ctx;
};

/* Listens when it returns. NULL: FF_EINVAL for an address that can't be, or that wants a token;
 * what ff_token_read says; FF_ESYS. */
struct ff_socketserver *ff_socketserver_new(struct ff_loop *loop,
					    const struct ff_socketserver_opts *opts,
					    struct ff_err *err);
/* "HOST:PORT" where it listens, the host numeric. */
const char *ff_socketserver_address(const struct ff_socketserver *server);
/* No more connections; workers see the end of their input and are killed after grace_us. */
void ff_socketserver_stop(struct ff_socketserver *server, int64_t grace_us);
/* It was stopped, or `once` is over, and nothing of it runs any more. */
bool ff_socketserver_done(const struct ff_socketserver *server);
/* Also when it is not done: workers are killed then. The memory goes when ff_loop_release waits. */
void ff_socketserver_free(struct ff_socketserver *server);

/* A whole program: runs one on a loop of its own until it is done, or until SIGTERM, SIGINT or
 * SIGHUP, which stop it (a second one kills). 0, or as ff_socketserver_new. */
int ff_socketserver_run(const struct ff_socketserver_opts *opts, struct ff_err *err);

#endif
