/* A channel as a file: what execnet's channel.makefile() gives. One writes items, the other reads
 * bytes and lines across the borders of items. */
#ifndef FF_GATEWAY_CHANNEL_FILE_H
#define FF_GATEWAY_CHANNEL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "gateway/channel.h"

struct ff_channel_file;

/* The most bytes that one read asks for, and the longest line. */
enum { FF_CHANNEL_FILE_MAX = 64 << 20 };

/* Modes: "w" (each write is one str item), "wb" (one bytes item), "r" and "rb" (both kinds of items
 * are read; execnet has "w" and "r"). The file takes a reference to the channel. With `proxyclose`
 * the channel is closed with the file, and when reading meets its end. NULL: FF_EINVAL for another
 * mode, FF_ENOMEM. */
struct ff_channel_file *ff_channel_makefile(struct ff_channel *channel, const char *mode,
					    bool proxyclose, struct ff_err *err);
/* Ends the file and frees it; NULL is allowed. 0, or what ff_channel_close returned: FF_EINVAL for
 * the channel of code that runs remotely. */
int ff_channel_file_close(struct ff_channel_file *file);

/* One item, also when `len` is 0. Errors of ff_channel_send, FF_EDUMP for a str that is not UTF-8,
 * FF_EINVAL for a file that was opened for reading. Does not wait. */
int ff_channel_file_write(struct ff_channel_file *file, const void *bytes, size_t len,
			  struct ff_err *err);
/* Waits until the peer's window has taken all writes: errors of ff_channel_waitwritable. */
int ff_channel_file_flush(struct ff_channel_file *file, int64_t timeout_ms, struct ff_err *err);

/* Appends `len` bytes to `out`, fewer only at the end of the channel; a str item counts as its
 * UTF-8 bytes (execnet counts characters). FF_EEOF: the end, and nothing was left. What has arrived
 * stays for the next call on FF_ETIMEOUT, FF_EDEADLK, FF_EREMOTE and FF_ELOST (both once, then the
 * rest is given and FF_EEOF). FF_EINVAL: an item that is neither str nor bytes (it is skipped), or
 * a file for writing; FF_ETOOBIG: over FF_CHANNEL_FILE_MAX; FF_ENOMEM. */
int ff_channel_file_read(struct ff_channel_file *file, size_t len, int64_t timeout_ms,
			 struct ff_buf *out, struct ff_err *err);
/* The same for one line, its newline included; the last one may lack it. FF_ETOOBIG: none ends
 * within FF_CHANNEL_FILE_MAX bytes (ff_channel_file_read gets them). */
int ff_channel_file_readline(struct ff_channel_file *file, int64_t timeout_ms, struct ff_buf *out,
			     struct ff_err *err);

#endif
