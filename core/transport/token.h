/* Tokens: the secret that a socket server and its clients share, and the keys made of it. */
#ifndef FF_TRANSPORT_TOKEN_H
#define FF_TRANSPORT_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	FF_TOKEN_MIN =
		32, /* characters: a guessable one could be found from a recorded handshake */
	FF_TOKEN_MAX = 4096,
	FF_TOKEN_KEY = 32,
	FF_TOKEN_TEXT = 65, /* of one that is made here, with its NUL */
};

struct ff_token {
	uint8_t tls[FF_TOKEN_KEY];   /* the pre-shared key */
	uint8_t proof[FF_TOKEN_KEY]; /* for the proof without encryption */
};

/* The keys of a secret (PROTOCOL.md, "Socket server"). 0, or FF_EINVAL for one that is too short or
 * too long. */
int ff_token_derive(struct ff_token *token, const void *secret, size_t len, struct ff_err *err);
/* Of a file's content, without white space at its end. FF_ENOTFOUND, FF_ESYS; FF_EAUTH if others
 * than its owner, who must be us or root, have any right to it. */
int ff_token_read(struct ff_token *token, const char *path, struct ff_err *err);
/* Makes a file, mode 0600, with a new secret in it; one that exists stays as it is. */
int ff_token_make_file(const char *path, struct ff_err *err);
/* A new secret: 32 random bytes in hex. */
int ff_token_random(char text[FF_TOKEN_TEXT], struct ff_err *err);

/* Who proves to whom. */
enum ff_proof { FF_PROOF_CLIENT, FF_PROOF_SERVER };
enum { FF_PROOF_TEXT = 65 }; /* of nonces and proofs: hex, with its NUL */

/* HMAC-SHA256 over the side's name and both nonces, in hex. */
int ff_token_proof(const struct ff_token *token, enum ff_proof side, const char *server_nonce,
		   const char *client_nonce, char proof[FF_PROOF_TEXT]);

#endif
