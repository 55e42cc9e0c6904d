/* What a job's units are, to tell whether it is the same job as in an earlier run. */
#ifndef FF_CONFIG_CONTENT_H
#define FF_CONFIG_CONTENT_H

#include "base/buf.h"
#include "config/config.h"

/* Appends a text in which everything counts that its units do (command, arguments, environment,
 * input, matrix), and nothing that only says how they are run (where, how often, how long). It is
 * for a digest: it holds whatever the file holds, secrets too. */
void ff_config_job_content(const struct ff_config_job *job, struct ff_buf *out);

/* Whether a word of pytest's command line only says how tests are shown, or when to stop: whatever
 * it is, what a test came to is the same. */
bool ff_config_pytest_only_shows(const char *word);

/* Whether a key of jobs has its place in that: it counts, or is known not to. For tests: one that
 * has none would be changed without anybody noticing. */
struct ff_config_option;
bool ff_config_content_knows(const struct ff_config_option *option);

#endif
