#include "web/pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { FILE_MAX = 1 << 20 };

/* Whole, also of a pipe: a key need not be in a file. */
static int read_file(const char *path, char **text, struct ff_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct ff_buf bytes = FF_BUF_INIT;
	char part[4096];
	ssize_t n = -1;
	int rc = 0;

	if (fd < 0)
		return ff_err_sys(err, errno, "%s", path);
	while (bytes.len <= FILE_MAX && (n = read(fd, part, sizeof(part))) > 0)
		ff_buf_add(&bytes, part, (size_t)n);
	if (n < 0)
		rc = ff_err_sys(err, errno, "%s", path);
	else if (bytes.len > FILE_MAX || memchr(ff_buf_str(&bytes), '\0', bytes.len))
		rc = ff_err_set(err, FF_EINVAL, "%s is no file of PEM", path);
	else
		*text = ff_buf_take(&bytes);
	OPENSSL_cleanse(part, sizeof(part));
	ff_buf_release(&bytes);
	close(fd);
	return rc;
}

/* --- what is in them --- */

static int check_dates(const X509 *cert, const char *path, struct ff_err *err)
{
	const ASN1_TIME *from = X509_get0_notBefore(cert), *to = X509_get0_notAfter(cert);
	const ASN1_TIME *bad = NULL;
	char text[64] = "";
	BIO *out = BIO_new(BIO_s_mem());

	if (X509_cmp_current_time(from) > 0)
		bad = from;
	else if (X509_cmp_current_time(to) < 0)
		bad = to;
	if (bad && out && ASN1_TIME_print(out, bad))
		BIO_read(out, text, sizeof(text) - 1);
	BIO_free(out);
	if (!bad)
		return 0;
	return ff_err_set(err, FF_EINVAL, "the certificate in %s %s %s", path,
			  bad == from ? "holds only from" : "has expired:", text);
}

static int parse_cert(struct ff_web_pair *pair, const char *path, struct ff_err *err)
{
	BIO *text = BIO_new_mem_buf(pair->cert, -1);

	pair->first = text ? PEM_read_bio_X509(text, NULL, NULL, NULL) : NULL;
	BIO_free(text);
	if (!pair->first)
		return ff_err_set(err, FF_EINVAL, "%s has no certificate in PEM", path);
	return check_dates(pair->first, path, err);
}

/* A server that starts by itself cannot ask for one. */
static int no_password(char *buf, int size, int writes, void *asked)
{
	(void)buf;
	(void)size;
	(void)writes;
	*(bool *)asked = true;
	return -1;
}

static int parse_key(const struct ff_web_pair *pair, const char *cert, const char *path,
		     struct ff_err *err)
{
	BIO *text = BIO_new_mem_buf(pair->key, -1);
	bool asked = false;
	EVP_PKEY *key = text ? PEM_read_bio_PrivateKey(text, NULL, no_password, &asked) : NULL;
	int rc = 0;

	BIO_free(text);
	if (!key && asked)
		rc = ff_err_set(err, FF_EINVAL,
				"the key in %s has a password: one without is needed", path);
	else if (!key)
		rc = ff_err_set(err, FF_EINVAL, "%s has no private key in PEM", path);
	else if (X509_check_private_key(pair->first, key) != 1)
		rc = ff_err_set(err, FF_EINVAL,
				"the key in %s is not that of the certificate in %s", path, cert);
	EVP_PKEY_free(key);
	return rc;
}

int ff_web_pair_read(struct ff_web_pair *pair, const char *cert, const char *key,
		     struct ff_err *err)
{
	int rc;

	*pair = (struct ff_web_pair){0};
	if (!cert && !key)
		return 0;
	if (!cert || !key)
		return ff_err_set(err, FF_EINVAL, "%s: a %s needs its %s, too", cert ? cert : key,
				  cert ? "certificate" : "key", cert ? "key" : "certificate");
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return ff_err_set(err, FF_EUNSUPPORTED,
				  "%s: the libmicrohttpd that is used here was built without TLS",
				  cert);
	rc = read_file(cert, &pair->cert, err);
	rc = rc ? rc : read_file(key, &pair->key, err);
	rc = rc ? rc : parse_cert(pair, cert, err);
	rc = rc ? rc : parse_key(pair, cert, key, err);
	if (rc)
		ff_web_pair_release(pair);
	return rc;
}

void ff_web_pair_release(struct ff_web_pair *pair)
{
	if (pair->key)
		OPENSSL_cleanse(pair->key, strlen(pair->key));
	ff_free(pair->cert);
	ff_free(pair->key);
	X509_free(pair->first);
	*pair = (struct ff_web_pair){0};
}

bool ff_web_pair_names(const struct ff_web_pair *pair, const char *name)
{
	if (!*name)
		return false;
	return X509_check_host(pair->first, name, 0, 0, NULL) == 1 ||
	       X509_check_ip_asc(pair->first, name, 0) == 1;
}
