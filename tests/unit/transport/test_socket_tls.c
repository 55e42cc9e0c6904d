/* Tokens and TLS with them, both ends in memory. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "transport/tls.h"
#include "transport/token.h"

static const char secret[] = "0123456789abcdef0123456789abcdef";

struct ends {
	struct ff_tls *client, *server;
	struct ff_buf up, down; /* what is on its way to the server, to the client */
	int client_rc, server_rc;
	struct ff_err client_err, server_err;
};

static void open_ends(struct ends *ends, const char *client_secret, const char *server_secret)
{
	struct ff_token token;

	memset(ends, 0, sizeof(*ends));
	assert_int_equal(ff_token_derive(&token, client_secret, strlen(client_secret), NULL), 0);
	ends->client = ff_tls_new(FF_TLS_CLIENT, &token, NULL);
	assert_int_equal(ff_token_derive(&token, server_secret, strlen(server_secret), NULL), 0);
	ends->server = ff_tls_new(FF_TLS_SERVER, &token, NULL);
	assert_non_null(ends->client);
	assert_non_null(ends->server);
}

static void close_ends(struct ends *ends)
{
	ff_tls_free(ends->client);
	ff_tls_free(ends->server);
	ff_buf_release(&ends->up);
	ff_buf_release(&ends->down);
}

/* Moves up to `chunk` bytes. */
static void carry(struct ff_buf *from, struct ff_tls *to, size_t chunk)
{
	size_t len = from->len < chunk ? from->len : chunk;

	if (len > 0)
		assert_int_equal(ff_tls_feed(to, ff_buf_data(from), len), 0);
	ff_buf_consume(from, len);
}

static void shake(struct ends *ends, size_t chunk)
{
	ends->client_rc = ends->server_rc = FF_EAGAIN;
	do {
		if (ends->client_rc == FF_EAGAIN)
			ends->client_rc =
				ff_tls_handshake(ends->client, &ends->up, &ends->client_err);
		carry(&ends->up, ends->server, chunk);
		if (ends->server_rc == FF_EAGAIN)
			ends->server_rc =
				ff_tls_handshake(ends->server, &ends->down, &ends->server_err);
		carry(&ends->down, ends->client, chunk);
	} while ((ends->client_rc == FF_EAGAIN || ends->server_rc == FF_EAGAIN) &&
		 (ends->up.len > 0 || ends->down.len > 0 || ends->client_rc == FF_EAGAIN) &&
		 !(ends->server_rc < 0 && ends->server_rc != FF_EAGAIN &&
		   ends->client_rc != FF_EAGAIN));
}

static void same_token(void **state)
{
	static const size_t chunks[] = {1, 7, SIZE_MAX};

	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		struct ends ends;
		struct ff_buf plain = FF_BUF_INIT;
		char bytes[64];
		size_t len = 0;

		open_ends(&ends, secret, secret);
		shake(&ends, chunks[i]);
		assert_int_equal(ends.client_rc, 0);
		assert_int_equal(ends.server_rc, 0);
		assert_int_equal(ff_buf_addstr(&plain, "hello"), 0);
		assert_int_equal(ff_tls_write(ends.client, &plain, &ends.up, SIZE_MAX, NULL), 0);
		assert_int_equal(plain.len, 0);
		assert_null(memmem(ff_buf_data(&ends.up), ends.up.len, "hello", 5));
		assert_int_equal(
			ff_tls_read(ends.server, bytes, sizeof(bytes), &len, &ends.down, NULL),
			FF_EAGAIN);
		assert_int_equal(ff_tls_end(ends.client, &ends.up), 0);
		carry(&ends.up, ends.server, SIZE_MAX);
		assert_int_equal(
			ff_tls_read(ends.server, bytes, sizeof(bytes), &len, &ends.down, NULL), 0);
		assert_int_equal(len, 5);
		assert_memory_equal(bytes, "hello", 5);
		assert_int_equal(
			ff_tls_read(ends.server, bytes, sizeof(bytes), &len, &ends.down, NULL),
			FF_EEOF);
		/* The other direction lives on. */
		assert_int_equal(ff_buf_addstr(&plain, "bye"), 0);
		assert_int_equal(ff_tls_write(ends.server, &plain, &ends.down, SIZE_MAX, NULL), 0);
		carry(&ends.down, ends.client, SIZE_MAX);
		assert_int_equal(
			ff_tls_read(ends.client, bytes, sizeof(bytes), &len, &ends.up, NULL), 0);
		assert_int_equal(len, 3);
		ff_buf_release(&plain);
		close_ends(&ends);
	}
}

static void other_token(void **state)
{
	struct ends ends;

	open_ends(&ends, "x123456789abcdef0123456789abcdef", secret);
	shake(&ends, SIZE_MAX);
	assert_int_equal(ends.server_rc, FF_EAUTH);
	assert_string_equal(ends.server_err.text, "wrong token");
	assert_int_equal(ends.client_rc, FF_EAUTH);
	assert_non_null(strstr(ends.client_err.text, "the server refused the token"));
	close_ends(&ends);
}

static void changed_byte(void **state)
{
	struct ends ends;
	struct ff_buf plain = FF_BUF_INIT;
	struct ff_err err = {0};
	char bytes[64];
	size_t len;

	open_ends(&ends, secret, secret);
	shake(&ends, SIZE_MAX);
	assert_int_equal(ff_buf_addstr(&plain, "hello"), 0);
	assert_int_equal(ff_tls_write(ends.client, &plain, &ends.up, SIZE_MAX, NULL), 0);
	ff_buf_data(&ends.up)[ends.up.len - 1] ^= 1;
	carry(&ends.up, ends.server, SIZE_MAX);
	assert_int_equal(ff_tls_read(ends.server, bytes, sizeof(bytes), &len, &ends.down, &err),
			 FF_EPROTO);
	ff_buf_release(&plain);
	close_ends(&ends);
}

static void no_tls(void **state)
{
	struct ends ends;

	open_ends(&ends, secret, secret);
	assert_int_equal(ff_tls_feed(ends.server, "'import os'\n", 12), 0);
	assert_int_equal(ff_tls_handshake(ends.server, &ends.down, &ends.server_err), FF_EPROTO);
	assert_int_equal(ff_tls_handshake(ends.client, &ends.up, NULL), FF_EAGAIN);
	assert_int_equal(ff_tls_feed(ends.client, "220 smtp here\r\n", 15), 0);
	assert_int_equal(ff_tls_handshake(ends.client, &ends.up, &ends.client_err), FF_EPROTO);
	assert_non_null(strstr(ends.client_err.text, "no TLS 1.3 at the other end"));
	close_ends(&ends);
}

static void high_water(void **state)
{
	enum { SIZE = 1 << 20, HIGH = 100000 };
	struct ends ends;
	struct ff_buf plain = FF_BUF_INIT;
	char *bytes = ff_xcalloc(1, SIZE);

	open_ends(&ends, secret, secret);
	shake(&ends, SIZE_MAX);
	assert_int_equal(ff_buf_add(&plain, bytes, SIZE), 0);
	assert_int_equal(ff_tls_write(ends.client, &plain, &ends.up, HIGH, NULL), 0);
	assert_true(ends.up.len >= HIGH && ends.up.len < HIGH + 20000);
	assert_true(plain.len > SIZE - HIGH - 20000 && plain.len < SIZE);
	ff_buf_release(&plain);
	ff_free(bytes);
	close_ends(&ends);
}

/* --- tokens --- */

static void keys_differ(void **state)
{
	struct ff_token token, other;
	struct ff_err err = {0};

	assert_int_equal(ff_token_derive(&token, secret, sizeof(secret) - 1, NULL), 0);
	assert_memory_not_equal(token.tls, token.proof, FF_TOKEN_KEY);
	assert_int_equal(ff_token_derive(&other, "x123456789abcdef0123456789abcdef", 32, NULL), 0);
	assert_memory_not_equal(token.tls, other.tls, FF_TOKEN_KEY);
	assert_int_equal(ff_token_derive(&other, secret, 31, &err), FF_EINVAL);
	assert_non_null(strstr(err.text, "not 31"));
}

static void proofs(void **state)
{
	char client[FF_PROOF_TEXT], server[FF_PROOF_TEXT], again[FF_PROOF_TEXT];
	struct ff_token token;

	assert_int_equal(ff_token_derive(&token, secret, sizeof(secret) - 1, NULL), 0);
	assert_int_equal(ff_token_proof(&token, FF_PROOF_CLIENT, "a", "b", client), 0);
	assert_int_equal(ff_token_proof(&token, FF_PROOF_SERVER, "a", "b", server), 0);
	assert_int_equal(ff_token_proof(&token, FF_PROOF_CLIENT, "a", "b", again), 0);
	assert_string_equal(client, again);
	assert_string_not_equal(client, server);
	assert_int_equal(strlen(client), 64);
}

static void files(void **state)
{
	char dir[] = "/tmp/ff-token-XXXXXX", path[64];
	struct ff_token token;
	struct ff_err err = {0};
	struct stat info;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/token", dir);
	assert_int_equal(ff_token_read(&token, path, &err), FF_ENOTFOUND);
	assert_int_equal(ff_token_make_file(path, &err), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(ff_token_read(&token, path, &err), 0);
	assert_int_equal(ff_token_make_file(path, &err), 0);
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(ff_token_read(&token, path, &err), FF_EAUTH);
	assert_non_null(strstr(err.text, "open to others (mode 604)"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ff_token_read(&token, dir, &err), FF_EINVAL);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_token),	cmocka_unit_test(other_token),
		cmocka_unit_test(changed_byte), cmocka_unit_test(no_tls),
		cmocka_unit_test(high_water),	cmocka_unit_test(keys_differ),
		cmocka_unit_test(proofs),	cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
