/* What a page may have done to a run: it is done by the program's own commands, in processes of
 * their own, so that there is one way for it. */
#ifndef FF_WEB_ACTION_H
#define FF_WEB_ACTION_H

#include "base/err.h"

enum ff_web_action {
	FF_WEB_CANCEL, /* farflung cancel RUN [NAME…] */
	FF_WEB_RERUN,  /* farflung rerun RUN --failed, or NAME… */
};

/* `runs`: the folder of all runs. Returns when it has begun, and a moment later: what is refused at
 * once is FF_EINVAL, with its words. FF_ESYS. `names` ends with NULL. */
int ff_web_act(const char *runs, const char *run, enum ff_web_action action,
	       const char *const *names, struct ff_err *err);

#endif
