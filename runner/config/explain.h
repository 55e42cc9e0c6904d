/* Where each value of a configuration comes from, for `farflung check --explain`. */
#ifndef FF_CONFIG_EXPLAIN_H
#define FF_CONFIG_EXPLAIN_H

#include "base/buf.h"
#include "config/read.h"

/* A line per value of the composed tree, and per default that holds: its key, the value, and the
 * place or else the source. Secrets are not shown. `root` may be NULL. */
void ff_config_explain(struct ff_reader *r, const struct ff_yaml_node *root, struct ff_buf *out);

#endif
