/* The numbers of tree sync's protocol (README.md), shared by its two halves. */
#ifndef FF_RSYNC_PROTOCOL_H
#define FF_RSYNC_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FF_RSYNC_VERSION = 2,
	FF_RSYNC_VERSION_OLD = 1,	 /* known to receivers: without HOLE, "old" and "keep" */
	FF_RSYNC_PART_MAX = 256 << 10,	 /* bytes in one item */
	FF_RSYNC_MANIFEST_MAX = 1 << 30, /* bytes of a manifest */
	FF_RSYNC_RECORD = 9,		 /* header of a data record */
	FF_RSYNC_META_LEN = 10,		 /* what a META record carries */
	FF_RSYNC_HOLE_LEN = 8,		 /* what a HOLE record carries */
	FF_RSYNC_STEP = 64 << 10,	 /* zeros are told from data in steps of so many bytes */
	FF_RSYNC_DIGEST = 16,		 /* both algorithms */
	FF_RSYNC_HASHED = 4 + FF_RSYNC_DIGEST,
	FF_RSYNC_PROBLEMS_MAX = 100, /* that a receiver reports */
};

/* Flags of a data record. */
enum {
	FF_RSYNC_FIRST = 0x01,
	FF_RSYNC_LAST = 0x02,
	FF_RSYNC_TOUCH = 0x04,
	FF_RSYNC_GONE = 0x08,
	FF_RSYNC_META = 0x10,
	FF_RSYNC_HOLE = 0x20,
	FF_RSYNC_FLAGS = 0x3f,
};

#define FF_RSYNC_XXH3	     "xxh3-128"
#define FF_RSYNC_MD5	     "md5"
#define FF_RSYNC_XXH3_SPARSE "xxh3-128-sparse"
#define FF_RSYNC_MD5_SPARSE  "md5-sparse"

/* Whether a name is one that receivers give to their temporary files. */
bool ff_rsync_is_temp(const char *name);
/* Whether a name is one of the files in which receivers keep what they know of a folder. */
bool ff_rsync_is_state(const char *name);

static inline void ff_put_be(uint8_t *at, uint64_t number, size_t width)
{
	while (width--) {
		at[width] = (uint8_t)number;
		number >>= 8;
	}
}

static inline uint64_t ff_get_be(const uint8_t *at, size_t width)
{
	uint64_t number = 0;

	while (width--)
		number = number << 8 | *at++;
	return number;
}

#endif
