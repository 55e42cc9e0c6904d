/* The digest that python receivers use. A file of its own because it needs libcrypto, which the
 * static worker does without. */
#include "rsync/hash.h"

#include <errno.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/alloc.h"
#include "base/err.h"

int ff_hash_md5(int fd, uint8_t digest[FF_RSYNC_DIGEST])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t *part = ff_malloc(FF_RSYNC_PART_MAX);
	int rc = md && part && EVP_DigestInit_ex(md, EVP_md5(), NULL) ? 0 : FF_ENOMEM;
	int saved = 0;
	ssize_t got = 1;

	while (!rc && got) {
		got = read(fd, part, FF_RSYNC_PART_MAX);
		if (got > 0 && !EVP_DigestUpdate(md, part, (size_t)got))
			rc = FF_ENOMEM;
		if (got < 0 && errno != EINTR) {
			saved = errno;
			rc = FF_ESYS;
		}
	}
	if (!rc && !EVP_DigestFinal_ex(md, digest, NULL))
		rc = FF_ENOMEM;
	EVP_MD_CTX_free(md);
	ff_free(part);
	errno = saved;
	return rc;
}
