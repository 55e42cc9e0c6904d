/* Digests of a file's content, to tell whether a file whose mtime differs is the same. */
#ifndef FF_RSYNC_HASH_H
#define FF_RSYNC_HASH_H

#include <stdint.h>

#include "rsync/protocol.h"

/* Reads `fd` from its offset to its end. 0, FF_ENOMEM, or FF_ESYS with errno set. */
int ff_hash_xxh3(int fd, uint8_t digest[FF_RSYNC_DIGEST]);
/* In md5.c, which needs libcrypto: for python receivers, which have nothing faster built in. */
int ff_hash_md5(int fd, uint8_t digest[FF_RSYNC_DIGEST]);

#endif
