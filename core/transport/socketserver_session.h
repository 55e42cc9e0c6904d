/* The inside of the socket server: a session is one connection and its worker. Only socketserver*.c
 * include it. */
#ifndef FF_TRANSPORT_SOCKETSERVER_SESSION_H
#define FF_TRANSPORT_SOCKETSERVER_SESSION_H

#include <sys/types.h>

#include "base/list.h"
#include "io/stream.h"
#include "transport/socketserver.h"
#include "transport/tls.h"
#include "transport/token.h"

enum { FF_SESSION_PEER_MAX = 128 };

/* X(name, text in traces) */
#define FF_SESSION_STATE_MAP(X)                                                                    \
	X(SHAKING, "shaking hands")                                                                \
	X(ASKING, "asking") /* until its line is there */                                          \
	X(RUNNING, "running")                                                                      \
	X(ENDING, "ending") /* what was said last is still on its way */                           \
	X(CLOSED, "closed") /* the worker may still run */

enum ff_session_state {
#define X(name, text) FF_SESSION_##name,
	FF_SESSION_STATE_MAP(X)
#undef X
};

struct ff_session {
	struct ff_list node;
	struct ff_socketserver *server;
	enum ff_session_state state;
	char peer[FF_SESSION_PEER_MAX];
	struct ff_stream net, work;
	struct ff_buf wire;	 /* to the peer */
	struct ff_buf to_worker; /* before it runs: the line */
	struct ff_tls *tls;
	struct ff_timer timer;
	pid_t pid;    /* 0: none, or reaped */
	bool pending; /* nothing was proved yet */
	bool net_eof, work_eof;
	bool net_open, work_open, timing; /* handles that are to be closed */
};

struct ff_socketserver {
	struct ff_loop *loop;
	struct ff_socketserver_opts opts;
	char *python;
	struct ff_token token;
	bool has_token;
	int fd;
	char address[FF_SESSION_PEER_MAX];
	uv_poll_t poll;
	uv_signal_t child;
	struct ff_timer pause; /* until accepting is tried again */
	struct ff_list sessions;
	size_t num_sessions, num_pending;
	unsigned handles; /* that are open */
	bool stopped;
	bool stopping; /* on a signal: the next one is in earnest */
	bool freeing;
};

/* --- socketserver_session.c --- */
/* Takes over `fd`, also on failure (out of memory). */
void ff_session_start(struct ff_socketserver *server, int fd, const char *peer);
/* Refuses who has not proved anything yet. */
void ff_session_refuse(struct ff_session *session, int code, const char *words);
/* The connection is closed, the worker ends or is killed at kill_at_us. */
void ff_session_stop(struct ff_session *session, int64_t kill_at_us);
/* A child has ended: was it its worker? */
void ff_session_reap(struct ff_session *session);

/* --- socketserver_worker.c --- */
/* Starts the worker that `line` asks for, with one end of a socket pair as its stdin (and stdout,
 * if native). Returns our end; negative: FF_ESPAWN, FF_ESYS. */
int ff_session_spawn(struct ff_session *session, bool native, struct ff_err *err);

/* --- socketserver.c --- */
void ff_socketserver_log(struct ff_socketserver *server, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A worker runs: with `once` that was it. */
void ff_socketserver_served(struct ff_socketserver *server);
/* A session was freed. */
void ff_socketserver_left(struct ff_socketserver *server);

#endif
