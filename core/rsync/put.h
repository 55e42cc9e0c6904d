/* Files from the controller to a host, for one unit: the host's half. It is told what there is,
 * asks for what it has not, and writes that beneath one folder; README.md, "Put", has the items. */
#ifndef FF_RSYNC_PUT_H
#define FF_RSYNC_PUT_H

#include "gateway/channel.h"

enum { FF_PUT_FILES_MAX = 10000 }; /* of one transfer */

struct ff_put;

/* Looks at what is there, and asks for the rest on `channel` (borrowed; its callback is the
 * caller's). `kwargs` are the task's: root (str, absolute; made when the first file comes), files
 * (list of (path: bytes, size, whether it is executable, digest: bytes of 16)), or instead remove
 * (list of bytes: paths of files that are to go; one that is not there has gone). *all_there:
 * nothing will come. NULL and err: kwargs are wrong, a path leads out of root, or the channel takes
 * nothing.
 */
struct ff_put *ff_put_start(struct ff_channel *channel, const struct ff_value *kwargs,
			    bool *all_there, struct ff_err *err);
/* One item of the controller's: 0, 1 (it was the last: all is there), or FF_EPROTO (also for a file
 * that is not what was promised), FF_ESYS. Nothing may follow a failure. A file is there as a
 * whole, or as it was before. */
int ff_put_item(struct ff_put *put, const struct ff_value *item, struct ff_err *err);
/* What is unfinished goes. */
void ff_put_free(struct ff_put *put);

#endif
