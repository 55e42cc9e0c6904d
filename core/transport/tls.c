/* TLS over two memory buffers. The pre-shared key is the only way in: certificates are neither
 * offered nor accepted, and nothing is resumed. Knows no sockets. */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "transport/tls.h"
#include "transport/token.h"

static const char identity_text[] = "farflung";

struct ff_tls {
	enum ff_tls_side side;
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
	struct ff_token token;
};

static unsigned int give_key(SSL *ssl, unsigned char *psk, unsigned int size)
{
	const struct ff_tls *tls = SSL_get_app_data(ssl);

	if (size < FF_TOKEN_KEY)
		return 0;
	memcpy(psk, tls->token.tls, FF_TOKEN_KEY);
	return FF_TOKEN_KEY;
}

static unsigned int client_key(SSL *ssl, const char *hint, char *identity, unsigned int max,
			       unsigned char *psk, unsigned int size)
{
	if (max < sizeof(identity_text))
		return 0;
	memcpy(identity, identity_text, sizeof(identity_text));
	return give_key(ssl, psk, size);
}

static unsigned int server_key(SSL *ssl, const char *identity, unsigned char *psk,
			       unsigned int size)
{
	return strcmp(identity, identity_text) == 0 ? give_key(ssl, psk, size) : 0;
}

static SSL_CTX *make_ctx(enum ff_tls_side side)
{
	SSL_CTX *ctx =
		SSL_CTX_new(side == FF_TLS_SERVER ? TLS_server_method() : TLS_client_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	/* No authority is known: any certificate is refused. */
	if (side == FF_TLS_CLIENT)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* Keys that come by callback belong to this one's hash. */
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static int make_ssl(struct ff_tls *tls)
{
	tls->ctx = make_ctx(tls->side);
	tls->ssl = tls->ctx ? SSL_new(tls->ctx) : NULL;
	if (!tls->ssl)
		return -1;
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	if (!tls->in || !tls->out) {
		BIO_free(tls->in);
		BIO_free(tls->out);
		return -1;
	}
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	SSL_set_app_data(tls->ssl, tls);
	if (tls->side == FF_TLS_SERVER) {
		SSL_set_psk_server_callback(tls->ssl, server_key);
		SSL_set_accept_state(tls->ssl);
	} else {
		SSL_set_psk_client_callback(tls->ssl, client_key);
		SSL_set_connect_state(tls->ssl);
	}
	return 0;
}

struct ff_tls *ff_tls_new(enum ff_tls_side side, const struct ff_token *token, struct ff_err *err)
{
	struct ff_tls *tls = ff_calloc(1, sizeof(*tls));

	if (tls) {
		tls->side = side;
		tls->token = *token;
	}
	if (!tls || make_ssl(tls) != 0) {
		ff_tls_free(tls);
		ERR_clear_error();
		ff_err_set(err, FF_ENOMEM, "no memory for TLS");
		return NULL;
	}
	return tls;
}

void ff_tls_free(struct ff_tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	SSL_CTX_free(tls->ctx);
	OPENSSL_cleanse(&tls->token, sizeof(tls->token));
	ff_free(tls);
}

int ff_tls_feed(struct ff_tls *tls, const void *bytes, size_t len)
{
	size_t done = 0;

	return BIO_write_ex(tls->in, bytes, len, &done) == 1 && done == len ? 0 : FF_ENOMEM;
}

/* What TLS wants to send. */
static int take_output(struct ff_tls *tls, struct ff_buf *wire)
{
	size_t size = BIO_ctrl_pending(tls->out), done = 0;
	uint8_t *room;

	if (size == 0)
		return 0;
	room = ff_buf_reserve(wire, size);
	if (!room || BIO_read_ex(tls->out, room, size, &done) != 1)
		return FF_ENOMEM;
	ff_buf_added(wire, done);
	return 0;
}

/* --- failures in words --- */

static bool is_alert(int reason)
{
	return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256;
}

static int explain_client(int reason, const char *words, struct ff_err *err)
{
	if (reason == SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION)
		return ff_err_set(err, FF_EPROTO, "the server has no TLS 1.3 (%s)", words);
	if (is_alert(reason))
		return ff_err_set(err, FF_EAUTH, "the server refused the token (%s)", words);
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return ff_err_set(err, FF_EAUTH,
				  "the server does not know the token: it offers a certificate");
	return ff_err_set(err, FF_EPROTO, "no TLS 1.3 at the other end (%s)", words);
}

static int explain_server(int reason, const char *words, struct ff_err *err)
{
	switch (reason) {
	case SSL_R_BINDER_DOES_NOT_VERIFY:
		return ff_err_set(err, FF_EAUTH, "wrong token");
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
		return ff_err_set(err, FF_EAUTH, "no token (%s)", words);
	default:
		return ff_err_set(err, FF_EPROTO, "no TLS 1.3 with a token (%s)", words);
	}
}

static int explain_handshake(const struct ff_tls *tls, struct ff_err *err)
{
	unsigned long error = ERR_peek_last_error();
	const char *words = ERR_reason_error_string(error);
	int reason = ERR_GET_REASON(error);

	ERR_clear_error();
	if (!words)
		words = "unknown error";
	return tls->side == FF_TLS_SERVER ? explain_server(reason, words, err)
					  : explain_client(reason, words, err);
}

/* --- the three things that it does --- */

int ff_tls_handshake(struct ff_tls *tls, struct ff_buf *wire, struct ff_err *err)
{
	int result, kind, rc = 0;

	ERR_clear_error();
	result = SSL_do_handshake(tls->ssl);
	kind = SSL_get_error(tls->ssl, result);
	if (result != 1)
		rc = kind == SSL_ERROR_WANT_READ ? FF_EAGAIN : explain_handshake(tls, err);
	else if (!SSL_session_reused(tls->ssl))
		rc = ff_err_set(err, FF_EAUTH, "the other end did not use the token");
	if (take_output(tls, wire) != 0)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	return rc;
}

int ff_tls_read(struct ff_tls *tls, void *bytes, size_t size, size_t *len, struct ff_buf *wire,
		struct ff_err *err)
{
	const char *words;
	int result;

	ERR_clear_error();
	result = SSL_read_ex(tls->ssl, bytes, size, len);
	/* Key updates are answered. */
	if (take_output(tls, wire) != 0)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	if (result == 1)
		return 0;
	*len = 0;
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return FF_EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return FF_EEOF;
	default:
		words = ERR_reason_error_string(ERR_peek_last_error());
		ff_err_set(err, FF_EPROTO, "TLS: %s", words ? words : "unknown error");
		ERR_clear_error();
		return FF_EPROTO;
	}
}

int ff_tls_write(struct ff_tls *tls, struct ff_buf *plain, struct ff_buf *wire, size_t high,
		 struct ff_err *err)
{
	size_t done;

	ERR_clear_error();
	while (plain->len > 0 && wire->len < high) {
		if (SSL_write_ex(tls->ssl, ff_buf_data(plain), plain->len, &done) != 1) {
			ERR_clear_error();
			return ff_err_set(err, FF_EPROTO, "TLS: cannot encrypt");
		}
		ff_buf_consume(plain, done);
		if (take_output(tls, wire) != 0)
			return ff_err_set(err, FF_ENOMEM, "out of memory");
	}
	return 0;
}

int ff_tls_end(struct ff_tls *tls, struct ff_buf *wire)
{
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
	return take_output(tls, wire);
}
