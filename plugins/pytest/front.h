/* The front of a pytest job: the conversation with front.py, whose head describes it. */
#ifndef FF_PLUGINS_PYTEST_FRONT_H
#define FF_PLUGINS_PYTEST_FRONT_H

#include "payload.h"

extern const struct ff_payload_front ff_pytest_front;

/* A list of words, with `first` before them unless it is NULL. They are borrowed, as those of a job
 * may be until its task is packed. False: out of memory. */
bool ff_pytest_words(struct ff_arena *arena, const char *first, char *const *texts,
		     struct ff_value *list);

/* pytest's own number for the end of a run of one job. */
int ff_pytest_exit_status(const struct ff_job_end *end);

#endif
