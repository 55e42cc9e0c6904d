/* Digests of a file's content, to tell whether a file whose mtime differs is the same. */
#ifndef FF_RSYNC_HASH_H
#define FF_RSYNC_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rsync/protocol.h"

/* Read `fd` from its beginning to its end: of the content as it is, or (sparse) of what README.md
 * describes under "Digests", for which holes need not be read. 0, FF_ENOMEM, or FF_ESYS with errno
 * set. */
int ff_hash_xxh3(int fd, bool sparse, uint8_t digest[FF_RSYNC_DIGEST]);
/* Of bytes in memory, as they are. */
void ff_hash_bytes(const void *bytes, size_t len, uint8_t digest[FF_RSYNC_DIGEST]);
/* A digest in hexadecimal digits. */
enum { FF_HASH_TEXT = 2 * FF_RSYNC_DIGEST + 1 };
void ff_hash_text(const uint8_t digest[FF_RSYNC_DIGEST], char text[FF_HASH_TEXT]);
/* In md5.c, which needs libcrypto: for python receivers, which have nothing faster built in. */
int ff_hash_md5(int fd, bool sparse, uint8_t digest[FF_RSYNC_DIGEST]);

/* MD5 of bytes as they come, in md5.c, too. NULL: out of memory. */
struct ff_md5;
struct ff_md5 *ff_md5_new(void);
void ff_md5_add(struct ff_md5 *md5, const void *bytes, size_t len);
bool ff_md5_end(struct ff_md5 *md5, uint8_t digest[FF_RSYNC_DIGEST]); /* false: it failed */
void ff_md5_free(struct ff_md5 *md5);

/* The same as a table, for code that the static worker has, too: it is given none. */
struct ff_md5_calls {
	struct ff_md5 *(*begin)(void);
	void (*add)(struct ff_md5 *md5, const void *bytes, size_t len);
	bool (*end)(struct ff_md5 *md5, uint8_t digest[FF_RSYNC_DIGEST]);
	void (*free)(struct ff_md5 *md5);
};
extern const struct ff_md5_calls ff_md5_calls;

/* What is to be hashed, piece by piece, goes to `add`; the same codes. */
int ff_hash_walk(int fd, bool sparse, void (*add)(void *ctx, const void *bytes, size_t len),
		 void *ctx);

#endif
