/* CRC-32 as zip and Python's zlib and binascii have it. */
#ifndef FF_BASE_CRC32_H
#define FF_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t ff_crc32(const void *bytes, size_t len);

#endif
