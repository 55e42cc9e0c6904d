/* Asking a run that goes on for something, and hearing what it says: see event/request.h. */
#ifndef FF_CLI_ASK_H
#define FF_CLI_ASK_H

#include "base/buf.h"
#include "event/event.h"
#include "event/request.h"

enum ff_answer {
	FF_ANSWER_OTHER, /* it is none, or another request's */
	FF_ANSWER_MORE,
	FF_ANSWER_LAST,
	FF_ANSWER_REFUSED, /* said on stderr; nothing was done */
};

struct ff_ask {
	const char *command; /* for messages */
	enum ff_request what;
	/* Whether the event answers the request `id`: then as a line in `out`. */
	enum ff_answer (*tell)(const struct ff_event *event, const char *id, struct ff_buf *out);
};

/* Asks the run of this journal about `names` (NULL-terminated), waits for its answer and prints it.
 * An exit code: FF_EXIT_OK, FF_EXIT_USAGE: refused, or the run is not going; FF_EXIT_INFRA. */
int ff_ask_run(const struct ff_ask *ask, const char *journal, const char *const *names);

#endif
