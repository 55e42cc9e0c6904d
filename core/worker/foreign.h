/* What Python's execnet asks a worker for by sending Python source of its own: told from other
 * source, and done without Python. Each kind is known by its origin and by what its text does,
 * which are the same from 1.9 to 2.1. */
#ifndef FF_WORKER_FOREIGN_H
#define FF_WORKER_FOREIGN_H

#include "worker/exec.h"

/* The built-in that does what the source of the request would do; NULL: it is none of execnet's. */
ff_builtin_fn *ff_foreign_find(const struct ff_request *request);

/* rinfo: one dict. settings: chdir, nice and env of an xspec. listen: execnet's socket server, for
 * one connection. mirror: the receiver of its tree sync. gateway_io is ff_builtin_proxy. */
ff_builtin_fn ff_foreign_rinfo, ff_foreign_settings, ff_foreign_listen, ff_foreign_mirror;

#endif
