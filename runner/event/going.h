/* Whether the run of a journal is still going, and ending one that is. */
#ifndef FF_EVENT_GOING_H
#define FF_EVENT_GOING_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* The process of a run holds a lock on its journal until it has ended, however it ends. Where locks
 * don't work, no run is known to be going. */
bool ff_run_is_going(const char *journal);
/* Returns when it is not any more. 0 or FF_ESYS (EINTR among them). */
int ff_run_wait_gone(const char *journal, struct ff_err *err);

/* Sends a signal to process `pid` (as the run's RUN_STARTED has it) of this machine, if that is the
 * process that has the journal open and the run is going: a number that meanwhile belongs to
 * somebody else gets nothing. 0, FF_ENOTFOUND: it is over, or that is not its process (err says
 * which), or FF_ESYS. */
int ff_run_signal(const char *journal, pid_t pid, int number, struct ff_err *err);

#endif
