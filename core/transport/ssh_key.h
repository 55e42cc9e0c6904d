/* Public key blobs, and what a private key file holds: enough to decide which keys to try and who
 * can use them. Signs nothing and knows no connection. */
#ifndef FF_TRANSPORT_SSH_KEY_H
#define FF_TRANSPORT_SSH_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FF_SSH_TYPE_MAX = 64,	     /* "ecdsa-sha2-nistp256" and its NUL */
	FF_SSH_FINGERPRINT_MAX = 64, /* "SHA256:…" and its NUL */
	FF_SSH_BLOB_MAX = 16384,
};

/* A cursor over ssh's wire encoding (RFC 4251, section 5). */
struct ff_ssh_reader {
	const uint8_t *at;
	size_t left;
};
/* False: not enough bytes. */
bool ff_ssh_get_u32(struct ff_ssh_reader *reader, uint32_t *number);
bool ff_ssh_get_string(struct ff_ssh_reader *reader, const uint8_t **bytes, size_t *len);

/* The key type a public key blob starts with, "" if it has none. */
void ff_ssh_blob_type(const uint8_t *blob, size_t len, char type[FF_SSH_TYPE_MAX]);
void ff_ssh_fingerprint(const uint8_t *blob, size_t len, char text[FF_SSH_FINGERPRINT_MAX]);
/* Decodes `len` characters; the bytes are malloc'd, NULL: no base64 or out of memory. */
uint8_t *ff_ssh_base64_decode(const char *text, size_t len, size_t *decoded_len);
/* malloc'd text, NULL when out of memory. */
char *ff_ssh_base64_encode(const uint8_t *bytes, size_t len);

/* Whether the library can sign for this type with what servers accept: it knows RSA only with
 * SHA-1, and no hardware keys. */
bool ff_ssh_type_is_native(const char *type);

enum ff_ssh_key_kind {
	FF_SSH_KEY_MISSING,
	FF_SSH_KEY_NATIVE,
	FF_SSH_KEY_PROGRAM, /* the program may be able to use it; `note` says what it is */
	FF_SSH_KEY_LOCKED,  /* passphrase-protected */
	FF_SSH_KEY_BAD,	    /* `note` says why */
	FF_SSH_KEY_PUBLIC,  /* only the public half: useful with an agent */
};

struct ff_ssh_key {
	enum ff_ssh_key_kind kind;
	const char *note; /* static, NULL: nothing to say */
	uint8_t *blob;	  /* the public half, NULL if unknown */
	size_t blob_len;
};

/* Looks at the private key file `path` and the ".pub" and "-cert.pub" beside it. 0 or FF_ENOMEM. */
int ff_ssh_key_load(struct ff_ssh_key *key, const char *path);
void ff_ssh_key_release(struct ff_ssh_key *key);

#endif
