/* Tokens: read, made, and turned into keys. Knows no sockets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "transport/token.h"

static const char tls_label[] = "farflung socket server: TLS key";
static const char proof_label[] = "farflung socket server: proof key";

static int make_key(uint8_t *key, const void *secret, size_t len, const char *label)
{
	unsigned int size = FF_TOKEN_KEY;

	return HMAC(EVP_sha256(), secret, (int)len, (const unsigned char *)label, strlen(label),
		    key, &size)
		       ? 0
		       : FF_ENOMEM;
}

int ff_token_derive(struct ff_token *token, const void *secret, size_t len, struct ff_err *err)
{
	if (len < FF_TOKEN_MIN || len > FF_TOKEN_MAX)
		return ff_err_set(err, FF_EINVAL, "a token has from %d to %d characters, not %zu",
				  FF_TOKEN_MIN, FF_TOKEN_MAX, len);
	if (make_key(token->tls, secret, len, tls_label) != 0 ||
	    make_key(token->proof, secret, len, proof_label) != 0)
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	return 0;
}

static int check_file(int fd, const char *path, struct ff_err *err)
{
	struct stat info;

	if (fstat(fd, &info) != 0)
		return ff_err_sys(err, errno, "token file '%s'", path);
	if (!S_ISREG(info.st_mode))
		return ff_err_set(err, FF_EINVAL, "token file '%s' is no regular file", path);
	if (info.st_uid != geteuid() && info.st_uid != 0)
		return ff_err_set(err, FF_EAUTH, "token file '%s' belongs to somebody else", path);
	if (info.st_mode & 077)
		return ff_err_set(err, FF_EAUTH,
				  "token file '%s' is open to others (mode %03o): chmod 600 it",
				  path, (unsigned int)info.st_mode & 0777);
	return 0;
}

static int read_all(int fd, char *bytes, size_t size, size_t *len)
{
	ssize_t count = 1;

	for (*len = 0; *len < size && count > 0;) {
		count = read(fd, bytes + *len, size - *len);
		if (count < 0 && errno == EINTR) {
			count = 1;
			continue;
		}
		if (count < 0)
			return -1;
		*len += (size_t)count;
	}
	return 0;
}

int ff_token_read(struct ff_token *token, const char *path, struct ff_err *err)
{
	char bytes[FF_TOKEN_MAX + 2];
	size_t len = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0 && errno == ENOENT)
		return ff_err_set(err, FF_ENOTFOUND, "there is no token file '%s'", path);
	if (fd < 0)
		return ff_err_sys(err, errno, "token file '%s'", path);
	rc = check_file(fd, path, err);
	if (rc == 0 && read_all(fd, bytes, sizeof(bytes), &len) != 0)
		rc = ff_err_sys(err, errno, "token file '%s'", path);
	close(fd);
	while (len > 0 && strchr(" \t\r\n", bytes[len - 1]))
		len--;
	if (rc == 0) {
		rc = ff_token_derive(token, bytes, len, err);
		if (rc != 0)
			ff_err_prefix(err, "token file '%s': ", path);
	}
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return rc;
}

int ff_token_random(char text[FF_TOKEN_TEXT], struct ff_err *err)
{
	unsigned char bytes[(FF_TOKEN_TEXT - 1) / 2];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return ff_err_set(err, FF_ESYS, "no random numbers");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return 0;
}

int ff_token_make_file(const char *path, struct ff_err *err)
{
	char text[FF_TOKEN_TEXT];
	int fd, rc = ff_token_random(text, err);

	if (rc != 0)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return ff_err_sys(err, errno, "cannot make the token file '%s'", path);
	text[FF_TOKEN_TEXT - 1] = '\n';
	if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text)) {
		rc = ff_err_sys(err, errno, "cannot write the token file '%s'", path);
		unlink(path);
	}
	OPENSSL_cleanse(text, sizeof(text));
	close(fd);
	return rc;
}

int ff_token_proof(const struct ff_token *token, enum ff_proof side, const char *server_nonce,
		   const char *client_nonce, char proof[FF_PROOF_TEXT])
{
	static const char *const names[] = {
		[FF_PROOF_CLIENT] = "client",
		[FF_PROOF_SERVER] = "server",
	};
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int size = 0;
	char text[512];
	int len = snprintf(text, sizeof(text), "%s %s %s", names[side], server_nonce, client_nonce);

	if (len < 0 || (size_t)len >= sizeof(text))
		return FF_ETOOBIG;
	if (!HMAC(EVP_sha256(), token->proof, FF_TOKEN_KEY, (const unsigned char *)text,
		  (size_t)len, digest, &size))
		return FF_ENOMEM;
	for (size_t i = 0; i < FF_TOKEN_KEY; i++)
		snprintf(proof + 2 * i, 3, "%02x", digest[i]);
	return 0;
}
