/* All of a descriptor's bytes, whatever the system makes of them in one call. For descriptors that
 * wait: files, pipes that somebody else empties or fills. */
#ifndef FF_BASE_FD_H
#define FF_BASE_FD_H

#include <stddef.h>

#include "base/buf.h"

/* 0 or an errno; then an unknown part of it is written. */
int ff_write_all(int fd, const void *bytes, size_t len);
/* Appends what can be read up to its end, or until that is more than `most` bytes: then it stops,
 * and the buffer has more than it had by more than `most`. 0 or an errno (ENOMEM: or over the
 * buffer's own bound); what was read until then is there. */
int ff_read_all(int fd, size_t most, struct ff_buf *buf);

#endif
