/* Stamps: what a command depended on when it last succeeded in a folder, so that it need not be run
 * again while that has not changed. They lie in the folder, in .farflung/stamps. */
#ifndef FF_RSYNC_STAMP_H
#define FF_RSYNC_STAMP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/value.h"

enum {
	FF_STAMP_DIGEST = 33,	      /* as text, with its NUL */
	FF_STAMP_KEPT_MAX = 64 << 10, /* bytes that are kept beside it */
};

struct ff_stamp {
	char digest[FF_STAMP_DIGEST]; /* of what it depends on now */
	bool fresh;		      /* that is as it was, and all outputs are there */
	struct ff_buf kept; /* if it is fresh: what the command had left in its .env file */
};

/* `kwargs`: root (str, absolute), name (str: of the stamp, one part of a path), inputs and outputs
 * (lists of str: patterns as ff_find has them), salt (str: what else it depends on), force (bool:
 * it is not fresh). Makes the stamps' folder, where the command may leave NAME.env, and removes
 * what an earlier one has left there. Without inputs it is never fresh. FF_ENOTFOUND: an input is
 * not there; FF_EINVAL, FF_ESYS, FF_ETOOBIG. `stamp` is overwritten; on failure it is empty. */
int ff_stamp_check(struct ff_stamp *stamp, const struct ff_value *kwargs, struct ff_err *err);
/* The command has succeeded: `kwargs` have root, name, and write (str: the digest that a check gave
 * before it began; "": it is not to be fresh the next time). What it left in NAME.env goes to
 * stamp->kept. FF_EINVAL, FF_ESYS, FF_ETOOBIG: more than FF_STAMP_KEPT_MAX. */
int ff_stamp_write(struct ff_stamp *stamp, const struct ff_value *kwargs, struct ff_err *err);
void ff_stamp_release(struct ff_stamp *stamp);

#endif
