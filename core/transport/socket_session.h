/* The inside of the socket driver: one session is one connection. Only socket*.c include it. */
#ifndef FF_TRANSPORT_SOCKET_SESSION_H
#define FF_TRANSPORT_SOCKET_SESSION_H

#include <netdb.h>

#include "gateway/channel.h"
#include "io/stream.h"
#include "transport/tls.h"
#include "transport/token.h"
#include "transport/transport.h"

enum {
	FF_SOCK_HOST_MAX = 256,
	FF_SOCK_SERVICE_MAX = 32,
	FF_SOCK_LINE_MAX = 256,	       /* of a proof */
	FF_SOCK_WIRE_HIGH = 256 << 10, /* enough is encrypted */
	FF_SOCK_SHAKE_S = 10,	       /* for TLS or the proof, once connected */
};

/* What protects the connection. */
enum ff_sock_guard {
	FF_SOCK_PLAIN, /* nothing: execnet's */
	FF_SOCK_TLS,
	FF_SOCK_PROOF, /* both sides prove that they know the token; no encryption */
};

enum ff_sock_stage {
	FF_SOCK_REACHING,
	FF_SOCK_SHAKING,   /* TLS */
	FF_SOCK_LISTENING, /* for the server's nonce */
	FF_SOCK_PROVING,   /* until the server's own proof */
	FF_SOCK_UP,
};

struct ff_sock_via;

struct ff_sock {
	struct ff_conn *conn;
	enum ff_sock_guard guard;
	enum ff_sock_stage stage;
	uv_getaddrinfo_t resolve;
	struct addrinfo *addresses, *next;
	char host[FF_SOCK_HOST_MAX], service[FF_SOCK_SERVICE_MAX];
	uv_poll_t poll; /* while connecting */
	int fd;
	struct ff_stream stream;
	struct ff_timer timer;	      /* for the handshake */
	struct ff_deferred end;	      /* reports `why` */
	struct ff_deferred resume;    /* plain bytes wait inside TLS */
	struct ff_sock_via *via;      /* via=: what connects */
	struct ff_channel *installed; /* installvia=: its server's, for as long as the line lives */
	struct ff_err why;
	bool resolving, polling, streaming, timing, installing, ended, heard;

	struct ff_token token;
	struct ff_tls *tls;
	struct ff_buf wire; /* sent instead of conn->out, unless plain */
	struct ff_buf line; /* of a proof, unfinished */
	char server_nonce[FF_PROOF_TEXT], client_nonce[FF_PROOF_TEXT];
	bool reading, close_write, write_closed;
	void (*freed)(struct ff_conn *conn);
};

/* --- socket.c --- */
/* Ends it; the words are in sock->why. */
void ff_sock_end(struct ff_sock *sock);
/* Resolves sock->host and sock->service, and connects. */
int ff_sock_reach(struct ff_sock *sock, struct ff_err *err);
/* sock->fd is connected. */
void ff_sock_connected(struct ff_sock *sock);
/* Frees it if it has ended and nothing of it is left. */
void ff_sock_free_if_done(struct ff_sock *sock);
/* "host:port"; "[::1]:8888" and ":8888", too. */
int ff_sock_split(struct ff_sock *sock, const char *text, struct ff_err *err);

/* --- socket_guard.c: between the stream and the owner --- */
/* What the spec wants; reads its token file. */
int ff_sock_guard_choose(struct ff_sock *sock, struct ff_err *err);
/* The stream is open. */
void ff_sock_guard_start(struct ff_sock *sock);
void ff_sock_guard_late(struct ff_sock *sock);
void ff_sock_guard_data(struct ff_sock *sock, const void *bytes, size_t len);
/* The peer's end of file: sock->why is filled if it was no orderly one. */
void ff_sock_guard_eof(struct ff_sock *sock);
/* The stream took all it had. */
void ff_sock_guard_drained(struct ff_sock *sock);
void ff_sock_guard_flush(struct ff_sock *sock);
void ff_sock_guard_resume(struct ff_sock *sock);
void ff_sock_guard_release(struct ff_sock *sock);

/* --- socket_via.c: via= --- */
/* Has that gateway's worker connect to sock->host; ff_sock_connected follows. */
int ff_sock_via_reach(struct ff_sock *sock, struct ff_err *err);
/* ff_sock_free_if_done follows, now or later. */
void ff_sock_via_end(struct ff_sock *sock);

/* --- socket_install.c: installvia= --- */
/* Starts a server through the gateway that spec->installvia names; ff_sock_reach follows when it
 * listens. */
int ff_sock_install(struct ff_sock *sock, struct ff_err *err);
void ff_sock_uninstall(struct ff_sock *sock);

#endif
