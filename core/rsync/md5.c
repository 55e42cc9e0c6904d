/* The digest that python receivers use. A file of its own because it needs libcrypto, which the
 * static worker does without. */
#include "rsync/hash.h"

#include <openssl/evp.h>

#include "base/alloc.h"
#include "base/err.h"

struct ff_md5 {
	EVP_MD_CTX *md;
	bool failed;
};

static void add_md5(void *ctx, const void *bytes, size_t len)
{
	struct ff_md5 *md5 = ctx;

	if (!EVP_DigestUpdate(md5->md, bytes, len))
		md5->failed = true;
}

int ff_hash_md5(int fd, bool sparse, uint8_t digest[FF_RSYNC_DIGEST])
{
	struct ff_md5 md5 = {.md = EVP_MD_CTX_new()};
	int rc = md5.md && EVP_DigestInit_ex(md5.md, EVP_md5(), NULL) ? 0 : FF_ENOMEM;

	if (!rc)
		rc = ff_hash_walk(fd, sparse, add_md5, &md5);
	if (!rc && (md5.failed || !EVP_DigestFinal_ex(md5.md, digest, NULL)))
		rc = FF_ENOMEM;
	EVP_MD_CTX_free(md5.md);
	return rc;
}

struct ff_md5 *ff_md5_new(void)
{
	struct ff_md5 *md5 = ff_calloc(1, sizeof(*md5));

	if (!md5)
		return NULL;
	md5->md = EVP_MD_CTX_new();
	if (md5->md && EVP_DigestInit_ex(md5->md, EVP_md5(), NULL))
		return md5;
	ff_md5_free(md5);
	return NULL;
}

void ff_md5_add(struct ff_md5 *md5, const void *bytes, size_t len)
{
	add_md5(md5, bytes, len);
}

bool ff_md5_end(struct ff_md5 *md5, uint8_t digest[FF_RSYNC_DIGEST])
{
	return !md5->failed && EVP_DigestFinal_ex(md5->md, digest, NULL);
}

void ff_md5_free(struct ff_md5 *md5)
{
	if (!md5)
		return;
	EVP_MD_CTX_free(md5->md);
	ff_free(md5);
}

const struct ff_md5_calls ff_md5_calls = {
	.begin = ff_md5_new,
	.add = ff_md5_add,
	.end = ff_md5_end,
	.free = ff_md5_free,
};
