/* What a job's units are, to tell whether it is the same job as in an earlier run. */
#ifndef FF_CONFIG_CONTENT_H
#define FF_CONFIG_CONTENT_H

#include "base/buf.h"
#include "config/config.h"

/* Appends a text in which everything counts that its units do (command, arguments, environment,
 * input, matrix), and nothing that only says how they are run (where, how often, how long). It is
 * for a digest: it holds whatever the file holds, secrets too. */
void ff_config_job_content(const struct ff_config_job *job, struct ff_buf *out);

#endif
