/* TLS 1.3 with a pre-shared key in both directions, without the connection: whoever carries the
 * bytes feeds what arrives and sends what it is handed. */
#ifndef FF_TRANSPORT_TLS_H
#define FF_TRANSPORT_TLS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct ff_tls;
struct ff_token;

enum ff_tls_side { FF_TLS_CLIENT, FF_TLS_SERVER };

/* NULL: FF_ENOMEM. */
struct ff_tls *ff_tls_new(enum ff_tls_side side, const struct ff_token *token, struct ff_err *err);
void ff_tls_free(struct ff_tls *tls);

/* Bytes that arrived: 0 or FF_ENOMEM. They are looked at by the functions below. */
int ff_tls_feed(struct ff_tls *tls, const void *bytes, size_t len);
/* Goes on with the handshake; what is to be sent for it, alerts included, is appended to `wire`.
 * FF_EAGAIN: it waits for the peer; 0: done, both sides have proved that they know the key;
 * FF_EAUTH: they have not; FF_EPROTO: no TLS 1.3 at the other end. */
int ff_tls_handshake(struct ff_tls *tls, struct ff_buf *wire, struct ff_err *err);
/* The next plain bytes, up to `size`. 0 with *len > 0; FF_EAGAIN: nothing now; FF_EEOF: the peer
 * ended its output in order; FF_EPROTO, with words. */
int ff_tls_read(struct ff_tls *tls, void *bytes, size_t size, size_t *len, struct ff_buf *wire,
		struct ff_err *err);
/* Encrypts from the front of `plain` to the end of `wire`, until one is empty or the other holds
 * `high` bytes. */
int ff_tls_write(struct ff_tls *tls, struct ff_buf *plain, struct ff_buf *wire, size_t high,
		 struct ff_err *err);
/* Says that nothing more will be written. The peer's output may go on. */
int ff_tls_end(struct ff_tls *tls, struct ff_buf *wire);

#endif
