/* The argv that execnet's own form of proxying asks for. */
#ifndef FF_WORKER_PROXY_H
#define FF_WORKER_PROXY_H

#include "base/err.h"
#include "base/strv.h"
#include "wire/value.h"

/* From the fields of an xspec (a dict: popen, ssh, vagrant_ssh, python, ssh_config,
 * dont_write_bytecode), as execnet's gateway_io builds it. FF_EINVAL: no such gateway type, or an
 * unclosed quote in python. */
int ff_proxy_argv(const struct ff_value *spec, struct ff_strv *argv, struct ff_err *err);

#endif
