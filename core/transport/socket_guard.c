/* What stands between a socket's stream and the connection's owner: nothing, TLS, or a mutual proof
 * of the token. Knows nothing of addresses and of what is sent. */
#include <string.h>

#include "base/clock.h"
#include "transport/socket_session.h"
#include "io/loop_private.h"

enum {
	PLAIN_CHUNK = 16 << 10, /* a TLS record's worth */
	TLS_ALERT = 0x15,	/* a record's first byte, then its version */
	TLS_MAJOR = 0x03,
};

static const char challenge[] = "farflung-token-1 ";

/* xspec key: proof instead of TLS, for servers without it. */
static const char no_encryption[] = "insecure_no_encryption";

int ff_sock_guard_choose(struct ff_sock *sock, struct ff_err *err)
{
	const struct ff_xspec *spec = sock->conn->spec;
	bool proof = ff_strv_contains(&spec->unknown, no_encryption);

	if (!spec->token_file && proof)
		return ff_err_set(err, FF_EINVAL, "%s: %s wants a token_file=", spec->text,
				  no_encryption);
	if (!spec->token_file)
		return 0;
	if (spec->installvia)
		return ff_err_set(err, FF_EINVAL,
				  "%s: token_file= is not for installvia=, which makes its own",
				  spec->text);
	sock->guard = proof ? FF_SOCK_PROOF : FF_SOCK_TLS;
	return ff_token_read(&sock->token, spec->token_file, err);
}

static void fail(struct ff_sock *sock, const struct ff_err *err)
{
	sock->why = *err;
	ff_err_prefix(&sock->why, "%s: ", sock->conn->peer);
	ff_sock_end(sock);
}

static void fail_text(struct ff_sock *sock, int code, const char *text)
{
	struct ff_err err;

	ff_err_set(&err, code, "%s", text);
	fail(sock, &err);
}

/* --- output --- */

static int seal(struct ff_sock *sock, struct ff_err *err)
{
	struct ff_buf *out = sock->conn->out, *wire = &sock->wire;
	size_t len;

	if (sock->tls)
		return ff_tls_write(sock->tls, out, wire, FF_SOCK_WIRE_HIGH, err);
	if (wire->len >= FF_SOCK_WIRE_HIGH)
		return 0;
	len = FF_SOCK_WIRE_HIGH - wire->len;
	if (len > out->len)
		len = out->len;
	if (len > 0 && ff_buf_add(wire, ff_buf_data(out), len) != 0)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	ff_buf_consume(out, len);
	return 0;
}

static void end_output(struct ff_sock *sock)
{
	if (!sock->close_write || sock->write_closed || sock->conn->out->len > 0)
		return;
	sock->write_closed = true;
	if (sock->tls)
		ff_tls_end(sock->tls, &sock->wire);
	ff_stream_shutdown(&sock->stream);
}

/* Takes from conn->out what there is room for. */
static void push(struct ff_sock *sock)
{
	struct ff_conn *conn = sock->conn;
	size_t before = conn->out->len;
	struct ff_err err;

	if (sock->stage != FF_SOCK_UP)
		return;
	if (seal(sock, &err) != 0) {
		fail(sock, &err);
		return;
	}
	end_output(sock);
	if (conn->out->len < before)
		conn->ops->sent(conn, conn->ctx);
}

void ff_sock_guard_flush(struct ff_sock *sock)
{
	if (sock->guard == FF_SOCK_PLAIN) {
		ff_stream_flush(&sock->stream);
		if (sock->close_write)
			ff_stream_shutdown(&sock->stream);
		return;
	}
	push(sock);
	if (!sock->ended)
		ff_stream_flush(&sock->stream);
}

void ff_sock_guard_drained(struct ff_sock *sock)
{
	if (sock->guard == FF_SOCK_PLAIN)
		sock->conn->ops->sent(sock->conn, sock->conn->ctx);
	else
		push(sock);
}

/* --- the way up --- */

static void come_up(struct ff_sock *sock)
{
	sock->stage = FF_SOCK_UP;
	ff_timer_set(&sock->timer, FF_NEVER_US);
	sock->conn->ops->opened(sock->conn, sock->conn->ctx);
	if (!sock->ended)
		ff_sock_guard_flush(sock);
}

static void shake(struct ff_sock *sock)
{
	struct ff_err err = {0};
	int rc = ff_tls_handshake(sock->tls, &sock->wire, &err);

	ff_stream_flush(&sock->stream);
	if (rc == 0)
		come_up(sock);
	else if (rc != FF_EAGAIN)
		fail(sock, &err);
}

void ff_sock_guard_start(struct ff_sock *sock)
{
	struct ff_err err = {0};

	if (sock->guard == FF_SOCK_PLAIN) {
		come_up(sock);
		return;
	}
	ff_timer_set(&sock->timer, ff_clock_us() + FF_SOCK_SHAKE_S * FF_SECOND_US);
	if (sock->guard == FF_SOCK_PROOF) {
		sock->stage = FF_SOCK_LISTENING;
		return;
	}
	sock->stage = FF_SOCK_SHAKING;
	sock->tls = ff_tls_new(FF_TLS_CLIENT, &sock->token, &err);
	if (sock->tls)
		shake(sock);
	else
		fail(sock, &err);
}

void ff_sock_guard_late(struct ff_sock *sock)
{
	fail_text(sock, FF_EUNREACH,
		  sock->stage == FF_SOCK_SHAKING
			  ? "no answer to the TLS handshake (is it a farflung "
			    "socketserver with a token?)"
			  : "no answer to the proof of the token");
}

/* --- the proof --- */

static bool is_hex(const char *text)
{
	return strlen(text) == FF_PROOF_TEXT - 1 &&
	       strspn(text, "0123456789abcdef") == FF_PROOF_TEXT - 1;
}

static void prove(struct ff_sock *sock, const char *nonce)
{
	char proof[FF_PROOF_TEXT];
	struct ff_err err;

	memcpy(sock->server_nonce, nonce, FF_PROOF_TEXT);
	if (ff_token_random(sock->client_nonce, &err) != 0 ||
	    ff_token_proof(&sock->token, FF_PROOF_CLIENT, sock->server_nonce, sock->client_nonce,
			   proof) != 0 ||
	    ff_buf_addf(&sock->wire, "%s %s\n", sock->client_nonce, proof) != 0) {
		fail_text(sock, FF_ENOMEM, "out of memory");
		return;
	}
	sock->stage = FF_SOCK_PROVING;
	ff_stream_flush(&sock->stream);
}

static bool same(const char *a, const char *b)
{
	unsigned char differs = 0;

	for (size_t i = 0; i < FF_PROOF_TEXT - 1; i++)
		differs |= (unsigned char)(a[i] ^ b[i]);
	return differs == 0;
}

static void on_line(struct ff_sock *sock, const char *line)
{
	size_t len = strlen(challenge);
	char wanted[FF_PROOF_TEXT];

	if (sock->stage == FF_SOCK_LISTENING) {
		if (strncmp(line, challenge, len) != 0 || !is_hex(line + len))
			fail_text(sock, FF_EPROTO, "the server asks for no proof of a token");
		else
			prove(sock, line + len);
		return;
	}
	if (!is_hex(line) ||
	    ff_token_proof(&sock->token, FF_PROOF_SERVER, sock->server_nonce, sock->client_nonce,
			   wanted) != 0 ||
	    !same(line, wanted))
		fail_text(sock, FF_EAUTH, "the server does not know the token");
	else
		come_up(sock);
}

/* Returns how many bytes were taken. */
static size_t take_line(struct ff_sock *sock, const char *bytes, size_t len)
{
	const char *newline = memchr(bytes, '\n', len);
	size_t part = newline ? (size_t)(newline - bytes) : len;
	const char *text;

	if (ff_buf_add(&sock->line, bytes, part) != 0) {
		fail_text(sock, FF_EPROTO, "the server asks for no proof of a token");
		return len;
	}
	if (!newline)
		return len;
	text = ff_buf_str(&sock->line);
	if (text)
		on_line(sock, text);
	else
		fail_text(sock, FF_ENOMEM, "out of memory");
	ff_buf_clear(&sock->line);
	return part + 1;
}

/* --- input --- */

static void deliver(struct ff_sock *sock, const void *bytes, size_t len)
{
	if (len > 0 && !sock->ended)
		sock->conn->ops->data(sock->conn, bytes, len, sock->conn->ctx);
}

void ff_sock_guard_resume(struct ff_sock *sock)
{
	uint8_t plain[PLAIN_CHUNK];
	struct ff_err err = {0};
	size_t len;

	while (sock->tls && sock->stage == FF_SOCK_UP && sock->reading && !sock->ended) {
		int rc = ff_tls_read(sock->tls, plain, sizeof(plain), &len, &sock->wire, &err);

		if (rc == 0) {
			deliver(sock, plain, len);
		} else if (rc == FF_EEOF) {
			ff_sock_end(sock);
		} else if (rc == FF_EAGAIN) {
			ff_stream_flush(&sock->stream);
			return;
		} else {
			fail(sock, &err);
		}
	}
}

static void on_cipher(struct ff_sock *sock, const uint8_t *bytes, size_t len)
{
	if (!sock->heard && len >= sizeof(challenge) - 1 &&
	    memcmp(bytes, challenge, sizeof(challenge) - 1) == 0) {
		fail_text(sock, FF_EPROTO,
			  "no TLS at the other end: it only asks for a proof of the token "
			  "(insecure_no_encryption)");
		return;
	}
	sock->heard = true;
	if (ff_tls_feed(sock->tls, bytes, len) != 0) {
		fail_text(sock, FF_ENOMEM, "out of memory");
		return;
	}
	if (sock->stage == FF_SOCK_SHAKING)
		shake(sock);
	if (!sock->ended)
		ff_sock_guard_resume(sock);
}

static void on_plain(struct ff_sock *sock, const uint8_t *bytes, size_t len)
{
	if (!sock->heard && len >= 2 && bytes[0] == TLS_ALERT && bytes[1] == TLS_MAJOR) {
		fail_text(sock, FF_EAUTH, "the server wants TLS: token_file= is missing");
		return;
	}
	sock->heard = true;
	deliver(sock, bytes, len);
}

void ff_sock_guard_data(struct ff_sock *sock, const void *bytes, size_t len)
{
	size_t at = 0;

	if (sock->guard == FF_SOCK_TLS) {
		on_cipher(sock, bytes, len);
		return;
	}
	if (sock->guard == FF_SOCK_PLAIN) {
		on_plain(sock, bytes, len);
		return;
	}
	while (at < len && sock->stage != FF_SOCK_UP && !sock->ended)
		at += take_line(sock, (const char *)bytes + at, len - at);
	deliver(sock, (const char *)bytes + at, len - at);
}

void ff_sock_guard_eof(struct ff_sock *sock)
{
	if (sock->why.code != 0 || sock->guard == FF_SOCK_PLAIN)
		return;
	if (sock->stage == FF_SOCK_SHAKING)
		ff_err_set(&sock->why, FF_EPROTO,
			   "%s: it closed the connection during the TLS handshake (no TLS at the "
			   "other end?)",
			   sock->conn->peer);
	else if (sock->stage != FF_SOCK_UP)
		ff_err_set(&sock->why, FF_EAUTH, "%s: the server refused the token",
			   sock->conn->peer);
	else if (sock->tls)
		ff_err_set(&sock->why, FF_ELOST, "the connection was cut");
}

void ff_sock_guard_release(struct ff_sock *sock)
{
	ff_tls_free(sock->tls);
	ff_buf_release(&sock->wire);
	ff_buf_release(&sock->line);
	explicit_bzero(&sock->token, sizeof(sock->token));
}
