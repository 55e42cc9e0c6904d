/* The digest that native receivers use. */
#include "rsync/hash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/err.h"

int ff_hash_xxh3(int fd, uint8_t digest[FF_RSYNC_DIGEST])
{
	XXH3_state_t state;
	XXH128_canonical_t canonical;
	uint8_t *part = ff_malloc(FF_RSYNC_PART_MAX);
	ssize_t got;
	int saved;

	if (!part)
		return FF_ENOMEM;
	XXH3_INITSTATE(&state);
	XXH3_128bits_reset(&state);
	do {
		got = read(fd, part, FF_RSYNC_PART_MAX);
		if (got > 0)
			XXH3_128bits_update(&state, part, (size_t)got);
	} while (got > 0 || (got < 0 && errno == EINTR));
	saved = errno;
	ff_free(part);
	errno = saved;
	if (got < 0)
		return FF_ESYS;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
	memcpy(digest, canonical.digest, FF_RSYNC_DIGEST);
	return 0;
}
